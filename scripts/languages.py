r"""Other languages: answers left in retrieved passages (XQuAD), and calculations left in exemplars (MGSM).

    python scripts/languages.py DATA --model FOLDER

DATA is the folder of the data files. Of each question all ten passages are shortened to a share of their tokens, and an
answer is left if it stands in what is left; the baselines keep passages whole, best first, and cut the last one. An
exemplar's calculations are left if their numbers are, in order, and its result after them; its rationale is shortened.
"""

import argparse
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diffumask_core import Compressor, Prompt
from diffumask_core.model.pretrained import load_pruner
from diffumask_core.scoring.terms import bm25
from diffumask_core.tokens import get_counter

TOKENIZER = "o200k_base"
PASSAGE_RATES, EXEMPLAR_RATES = (0.25, 0.1), (0.6, 0.4)
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")

Shorten = Callable[[Sequence[str], str, Sequence[float]], list[str]]
"""From passages, a question and rates to what is left at each."""


def rows(path: Path) -> Iterable[dict[str, Any]]:
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def plain(text: str) -> str:
    """A text without its spaces, in lower case: languages without spaces have some in the data."""
    return re.sub(r"\s+", "", text).casefold()


def ours(compressor: Compressor) -> Shorten:
    """Passages shortened by words."""

    def shorten(passages: Sequence[str], question: str, rates: Sequence[float]) -> list[str]:
        options = {"query": question, "tokenizer": TOKENIZER, "on_overflow": "best_effort"}
        result = compressor.compress(Prompt(shots=list(passages)), keep_rate=rates[0], **options)
        return [result.at(keep_rate=rate).text for rate in rates]

    return shorten


def whole(nearness: Callable[[Sequence[str], str], Sequence[float]]) -> Shorten:
    """Whole passages, best first, the last one cut."""
    count = get_counter(TOKENIZER).count

    def shorten(passages: Sequence[str], question: str, rates: Sequence[float]) -> list[str]:
        order = np.argsort(-np.asarray(nearness(passages, question)), kind="stable")
        joined = "\n\n".join(passages[number] for number in order)
        total = count(joined)
        return [cut(joined, int(rate * total), count) for rate in rates]

    return shorten


def cut(text: str, tokens: int, count: Callable[[str], int]) -> str:
    """The longest beginning of a text with so many tokens."""
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(text[:middle]) <= tokens else (low, middle)
    return text[:low]


def answers_left(data: Iterable[dict[str, Any]], shorten: Shorten) -> list[float]:
    """The share of questions of which an answer is left, at each rate."""
    left = []
    for row in data:
        passages = [f"{each['title']}\n{each['text']}" for each in row["documents"]]
        texts = map(plain, shorten(passages, row["question"], PASSAGE_RATES))
        left.append([any(plain(answer) in text for answer in row["answers"]) for text in texts])
    return [round(float(share), 3) for share in np.mean(left, 0)]


def calculations_left(compressor: Compressor, row: dict[str, Any]) -> list[bool]:
    """Whether all calculations of an exemplar are left, at each rate."""
    needed = [*NUMBER.findall(row["calculations"]), str(row["result"])]
    options = {"tokenizer": TOKENIZER, "compress_rationales": True, "on_overflow": "best_effort"}
    result = compressor.compress(
        Prompt(shots=[f"{row['question']}\n{row['answer']}"]), keep_rate=EXEMPLAR_RATES[0], **options
    )
    return [are_in_order(needed, NUMBER.findall(result.at(keep_rate=rate).text)) for rate in EXEMPLAR_RATES]


def are_in_order(needed: Sequence[str], found: Sequence[str]) -> bool:
    """Whether numbers are among others, in their order."""
    rest = iter(found)
    return all(number in rest for number in needed)


def main() -> None:
    """Prints a line for each language."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", help="a model's folder; by default the bundled one")
    parser.add_argument("--limit", type=int, help="of the questions of each language")
    given = parser.parse_args()
    pruner = load_pruner(given.model)
    compressor = Compressor(pruner)
    methods = {
        "ours": ours(compressor),
        "nearest passages": whole(pruner.nearness_of),
        "BM25 passages": whole(lambda passages, question: bm25(question, passages)),
    }
    for path in sorted(given.data.glob("xquad_*.jsonl")):
        data = list(rows(path))[: given.limit]
        figures = {name: answers_left(data, shorten) for name, shorten in methods.items()}
        print(path.stem, len(data), figures, flush=True)
    exemplars = list(rows(given.data / "mgsm_exemplars.jsonl"))
    for language in dict.fromkeys(row["language"] for row in exemplars):
        left = [calculations_left(compressor, row) for row in exemplars if row["language"] == language]
        print("mgsm", language, len(left), np.mean(left, 0).round(3).tolist(), flush=True)


if __name__ == "__main__":
    main()
