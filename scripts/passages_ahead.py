"""What passages of an index still say when they are shortened ahead of time, before anybody has asked.

    python scripts/passages_ahead.py --docs data/technical_docs.jsonl --nq DATA/nq_multidoc_dev.jsonl --limit 100

Each question has a passage that answers it: a chunk of technical documentation with all that is needed, or a paragraph
of an encyclopedia with an answer. The table says how many of these passages still do at each keep rate: shortened
without a question, as for an index, shortened for the question, and cut after so many tokens.
"""

import argparse
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from diffumask_core import Compressor
from diffumask_core.datasets import DocsRow, DocumentRow, PassageRow, QuestionRow, read_rows
from diffumask_core.evaluation.docs import chunks
from diffumask_core.tokens import get_counter

KEEP_RATES = (0.7, 0.5, 0.3)
COUNTER = get_counter("gpt-4o")


@dataclass(frozen=True)
class Asked:
    """A passage, and a question that the passage answers.

    Attributes:
        passage: The passage.
        question: The question.
        answers: The passage answers the question with all strings of any of these.
    """

    passage: str
    question: str
    answers: tuple[tuple[str, ...], ...]

    def is_answered(self, text: str) -> bool:
        """Whether a text still holds an answer."""
        return any(all(_plain(string) in _plain(text) for string in strings) for strings in self.answers)


Shorten = Callable[[Asked, float], str]


def of_documentation(file: Path, split: str = "dev") -> Iterator[Asked]:
    """Chunks of technical documentation with all that a question needs."""
    rows = [row.root for row in read_rows(file, DocsRow)]
    texts = {row.id: chunks(row.text, COUNTER) for row in rows if isinstance(row, DocumentRow)}
    for row in rows:
        if isinstance(row, QuestionRow) and row.split == split:
            asked = (Asked(chunk, row.question, (tuple(row.needed),)) for chunk in texts[row.document])
            yield from [each for each in asked if each.is_answered(each.passage)][:1]


def of_encyclopedia(file: Path) -> Iterator[Asked]:
    """Paragraphs that hold an answer."""
    for row in read_rows(file, PassageRow):
        answers = tuple((answer,) for answer in row.answers)
        asked = (Asked(passage.text, row.question, answers) for passage in row.documents if passage.is_gold)
        yield from [each for each in asked if each.is_answered(each.passage)][:1]


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().lower()


def ways(compressor: Compressor) -> dict[str, Shorten]:
    """The ways to shorten a passage to a share of its tokens."""

    def beginning(asked: Asked, rate: float) -> str:
        pieces = re.findall(r"\s*\S+", asked.passage)
        most, kept = rate * COUNTER.count(asked.passage), ""
        for piece in pieces:
            if COUNTER.count(kept + piece) > most:
                break
            kept += piece
        return kept

    return {
        "ahead, without a question": lambda asked, rate: compressor.compress(asked.passage, keep_rate=rate).text,
        "for the question": lambda asked, rate: (
            compressor.compress(asked.passage, keep_rate=rate, query=asked.question).text
        ),
        "its beginning": beginning,
    }


def main() -> None:
    """Prints a table in Markdown for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path)
    parser.add_argument("--nq", type=Path)
    parser.add_argument("--limit", type=int, default=100)
    options = parser.parse_args()
    sources = [of_documentation(options.docs)] if options.docs else []
    sources += [of_encyclopedia(options.nq)] if options.nq else []
    shortened = ways(Compressor.from_pretrained())
    for source in sources:
        asked = list(source)[: options.limit]
        rates = " | ".join(f"{rate:.0%}" for rate in KEEP_RATES)
        print(f"\n| {len(asked)} passages | {rates} |\n|---|---|---|---|")
        for name, shorten in shortened.items():
            left = [sum(each.is_answered(shorten(each, rate)) for each in asked) for rate in KEEP_RATES]
            print(f"| {name} | " + " | ".join(f"{count / len(asked):.2f}" for count in left) + " |")


if __name__ == "__main__":
    main()
