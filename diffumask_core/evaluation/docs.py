"""Technical documentation: whether what a question needs is left of the passages that were retrieved for it.

documents --chunks--> passages --the nearest ten of each question--> cut to a few tokens --> all that is needed left?
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from diffumask_core.compressor import Compressor
from diffumask_core.datasets import DocsRow, DocumentRow, QuestionRow
from diffumask_core.errors import DataError
from diffumask_core.evaluation.baselines import bundled
from diffumask_core.evaluation.curves import Trial
from diffumask_core.evaluation.shorten import OURS
from diffumask_core.model.cache import EncodingCache
from diffumask_core.model.pruner import Pruner
from diffumask_core.prompt.prompt import Prompt, Shot
from diffumask_core.prompt.wording import paragraphs
from diffumask_core.readers.protocol import Question
from diffumask_core.scoring.relevance import TERMS_WEIGHT
from diffumask_core.scoring.terms import bm25
from diffumask_core.tokens import TokenCounter

FloatArray = npt.NDArray[np.floating]

BUDGETS = (800, 400, 200)
METHODS = (OURS, f"{OURS} with scores", "lead", "whole passages", "bm25 lines", "bm25 passages", "nearest paragraphs")
NO_RATES = f"evaluate docs cuts to {', '.join(map(str, BUDGETS))} tokens: leave out --keep-rates."
_INSTRUCTIONS = "Answer the question from the passages. Write names, values and commands as they stand there."
_PASSAGES = 10
_CHUNK_TOKENS = 200
# Ends of paragraphs, lines, sentences and words: what is too long between two of the first is cut at the next.
_ENDS = tuple(map(re.compile, (r"\n[^\S\n]*\n\s*", r"\n+", r"(?<=[.!?])[^\S\n]+", r"\s+")))
_EXACT = re.compile(r"[\d\-./_]")
_BETWEEN = "\n\n"


@dataclass(frozen=True)
class Retrieved:
    """A question with its passages.

    Attributes:
        row: The question.
        passages: The nearest ones first, with the retriever's scores.
    """

    row: QuestionRow
    passages: tuple[Shot, ...]


def chunks(text: str, counter: TokenCounter) -> list[str]:
    """Cuts a text into passages of at most 200 tokens, as a text splitter does.

    A passage is made of whole paragraphs. One that is too long is cut at its lines, a line at its sentences, a sentence
    at its words.
    """
    return [chunk for each in _chunks(text, counter, _ENDS) if (chunk := each.strip())]


def _chunks(text: str, counter: TokenCounter, ends: Sequence[re.Pattern[str]]) -> Iterator[str]:
    cuts = [0, *(match.end() for match in ends[0].finditer(text)), len(text)]
    chunk = ""
    for start, end in pairwise(cuts):
        part = text[start:end]
        if counter.count((chunk + part).strip()) <= _CHUNK_TOKENS:
            chunk += part
            continue
        yield chunk
        chunk = part
        if len(ends) > 1 and counter.count(part.strip()) > _CHUNK_TOKENS:
            yield from _chunks(part, counter, ends[1:])
            chunk = ""
    yield chunk


def retrieve(rows: Sequence[DocsRow], split: str, limit: int | None, counter: TokenCounter) -> list[Retrieved]:
    """Finds the ten passages that are nearest to each question of a split, by the bundled model's comparison.

    Args:
        rows: Documents, all of which are searched, and questions.
        split: The split of the questions.
        limit: Only so many of them.
        counter: Counts the tokens of passages.

    Raises:
        DataError: There are no documents or no questions, or what a question needs is not in its document.
    """
    documents = {row.root.id: row.root for row in rows if isinstance(row.root, DocumentRow)}
    questions = [row.root for row in rows if isinstance(row.root, QuestionRow) and row.root.split == split][:limit]
    if not documents or not questions:
        raise DataError(f"There are no {f'questions of split {split}' if documents else 'documents'}: both are needed.")
    for question in questions:
        document = documents.get(question.document)
        if document is None or not _holds(document.text, question.needed):
            raise DataError(
                f"The question {question.id!r} needs {question.needed}, not all of which is in a document "
                f"{question.document!r}: mend its row."
            )
    passages = [chunk for document in documents.values() for chunk in chunks(document.text, counter)]
    # With a cache, so that each passage is read once.
    pruner = Pruner(bundled().network, bundled().tokenizer, EncodingCache())
    nearness = np.stack([pruner.nearness_of(passages, question.question) for question in questions])
    order = np.argsort(-nearness, axis=1, kind="stable")[:, :_PASSAGES]
    return [
        Retrieved(question, tuple(Shot(passages[number], score=float(near[number])) for number in nearest.tolist()))
        for question, near, nearest in zip(questions, nearness, order, strict=True)
    ]


def needs_left(
    asked: Sequence[Retrieved], compressor: Compressor, counter: TokenCounter, steps: int | None
) -> dict[str, dict[str, float]]:
    """The share of questions for which one passage still holds all that is needed.

    Returns:
        By method and budget; last ``"possible"``: in the passages as they were found.
    """
    right: dict[str, dict[str, int]] = {}
    for each in asked:
        cut = cut_passages(each.passages, each.row.question, compressor, counter, steps)
        whole = [passage.text for passage in each.passages]
        for method, left in {**cut, "possible": [whole] * len(BUDGETS)}.items():
            counts = right.setdefault(method, dict.fromkeys(map(str, BUDGETS), 0))
            for budget, texts in zip(counts, left, strict=True):
                counts[budget] += any(_holds(text, each.row.needed) for text in texts)
    return {
        method: {budget: round(count / len(asked), 4) for budget, count in counts.items()}
        for method, counts in right.items()
    }


def cut_passages(
    passages: Sequence[Shot],
    question: str,
    compressor: Compressor,
    counter: TokenCounter,
    steps: int | None,
    methods: Collection[str] = METHODS,
) -> dict[str, list[list[str]]]:
    """What each method leaves of each passage at each of the `BUDGETS`, which all passages share.

    Args:
        passages: The nearest ones first, with the retriever's scores.
        question: What they are read for.
        compressor: Ours.
        counter: Counts the tokens.
        steps: Of ours.
        methods: Some of `METHODS`.
    """
    texts = [passage.text for passage in passages]
    fits = _Fits(counter)

    def ours(shots: Sequence[Shot | str]) -> list[list[str]]:
        first, *fewer = BUDGETS
        result = compressor.compress(
            Prompt(shots=shots),
            query=question,
            target_tokens=first,
            tokenizer=counter,
            steps=steps,
            on_overflow="best_effort",
        )
        results = [result, *(result.at(target_tokens=budget) for budget in fewer)]
        return [[shot.text for shot in each.shots] for each in results]

    def each(cut: Callable[[int], list[str]]) -> list[list[str]]:
        return [cut(budget) for budget in BUDGETS]

    by_bm25 = np.argsort(-bm25(question, texts), kind="stable").tolist()
    as_found = range(len(texts))
    lines = [[line for line in text.splitlines() if line.strip()] for text in texts]
    parts = [[text[slice(*span)] for span in paragraphs(text, 0, len(text))] for text in texts]

    @cache
    def nearness() -> FloatArray:
        """By meaning and by words, weighed as in DiffuMask, but for the passage that a paragraph is in."""
        return bundled().nearness_of(flat(parts), question) + TERMS_WEIGHT * bm25(question, flat(parts))

    ways: dict[str, Callable[[], list[list[str]]]] = {
        OURS: lambda: ours(texts),
        f"{OURS} with scores": lambda: ours(passages),
        "lead": lambda: each(lambda budget: fits.beginning(texts, as_found, budget)),
        "whole passages": lambda: each(lambda budget: fits.whole(texts, as_found, budget)),
        "bm25 lines": lambda: each(lambda budget: fits.parts(lines, bm25(question, flat(lines)), budget)),
        "bm25 passages": lambda: each(lambda budget: fits.beginning(texts, by_bm25, budget)),
        "nearest paragraphs": lambda: each(lambda budget: fits.parts(parts, nearness(), budget)),
    }
    return {name: way() for name, way in ways.items() if name in methods}


@dataclass(frozen=True)
class _Fits:
    """As much of some passages as fits a budget, in ways that need no model."""

    counter: TokenCounter

    def beginning(self, texts: Sequence[str], order: Iterable[int], budget: int) -> list[str]:
        """Passages in that order until the budget is full, the last one cut at its end."""
        left = [""] * len(texts)
        for number in order:

            def tokens(end: int, number: int = number) -> int:
                return self._tokens([*left[:number], texts[number][:end], *left[number + 1 :]])

            ends = [0, *(match.end() for match in re.finditer(r"\S+", texts[number]))]
            last = bisect_right(ends, budget, key=tokens)
            left[number] = texts[number][: ends[max(last - 1, 0)]]
            if last < len(ends):
                break
        return left

    def whole(self, texts: Sequence[str], order: Iterable[int], budget: int) -> list[str]:
        """Whole passages in that order, each that still fits."""
        left = [""] * len(texts)
        for number in order:
            left[number] = texts[number]
            if self._tokens(left) > budget:
                left[number] = ""
        return left

    def parts(self, parts: Sequence[Sequence[str]], nearness: FloatArray, budget: int) -> list[str]:
        """The lines or paragraphs that are nearest to the question, each that still fits, in the order of the text."""
        places = [(number, at) for number, own in enumerate(parts) for at in range(len(own))]
        kept = [set[int]() for _ in parts]
        left = [""] * len(parts)
        for number, at in (places[place] for place in np.argsort(-nearness, kind="stable")):
            before = left[number]
            left[number] = "\n".join(parts[number][each] for each in sorted({*kept[number], at}))
            if self._tokens(left) <= budget:
                kept[number].add(at)
            else:
                left[number] = before
        return left

    def _tokens(self, left: Sequence[str]) -> int:
        return self.counter.count(joined(left))


def flat(parts: Iterable[Iterable[str]]) -> list[str]:
    """All parts of all passages."""
    return list(chain.from_iterable(parts))


def joined(left: Iterable[str]) -> str:
    """What is left of passages as one text."""
    return _BETWEEN.join(filter(None, left))


def _holds(text: str, needed: Sequence[str]) -> bool:
    """Whether all pieces stand in a text, whatever the white space."""
    return all(_one_line(piece) in _one_line(text) for piece in needed)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def docs_trials(asked: Sequence[Retrieved]) -> list[list[Trial]]:
    """The question after its passages, for a reader.

    Right is a reply with all pieces that are needed and have a digit or a mark of names and paths in them, or where
    there are none with the longest piece.
    """
    trials = []
    for each in asked:
        needed = [_one_line(piece) for piece in each.row.needed]
        exact = [piece for piece in needed if _EXACT.search(piece)] or [max(needed, key=len)]
        prompt = Prompt(instructions=_INSTRUCTIONS, shots=each.passages)
        trials.append(Trial(prompt, each.row.question, ("\n".join(exact),)))
    return [trials]


def shorten_passages(
    prompt: Prompt | str,
    question: str,
    compressor: Compressor,
    counter: TokenCounter,
    steps: int | None,
    methods: Collection[str],
) -> dict[str, list[str]]:
    """A prompt of `docs_trials` whole, and what each method leaves of it at each of the `BUDGETS`.

    The instructions stay, and do not count.
    """
    assert isinstance(prompt, Prompt)
    passages = [shot for shot in prompt.shots if isinstance(shot, Shot)]
    cut = cut_passages(passages, question, compressor, counter, steps, methods)
    return {
        method: [prompt.text, *(joined([prompt.instructions, *texts]) for texts in left)]
        for method, left in cut.items()
    }


def says_all(reply: str, question: Question) -> bool:
    """Whether all lines of the answer are in a reply, whatever the case and the white space."""
    said = _one_line(reply).casefold()
    return all(piece.casefold() in said for piece in question.answer.splitlines())
