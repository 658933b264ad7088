"""Retrieved passages: how often an answer is left when ten passages are cut to a few words."""

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from diffumask_core.compressor import Compressor
from diffumask_core.datasets import PassageRow
from diffumask_core.evaluation import baselines
from diffumask_core.evaluation.curves import Trial
from diffumask_core.prompt.prompt import Prompt
from diffumask_core.readers.protocol import Question

KEEP_RATES = (0.25, 0.1, 0.05)

Compress = Callable[[PassageRow, Sequence[int]], Sequence[str]]
"""From a row and numbers of words to the text that is left of its passages at each."""


def count_words(text: str) -> int:
    """Words parted by white space: what budgets are given in here."""
    return len(text.split())


def passages_of(row: PassageRow) -> list[str]:
    """Each passage with its title."""
    return [passage.whole for passage in row.documents]


def answers_left(rows: Sequence[PassageRow], compress: Compress, keep_rates: Sequence[float]) -> dict[str, float]:
    """The share of rows of which an answer string is left, at each share of the words."""
    left = dict.fromkeys(keep_rates, 0)
    for row in rows:
        words = sum(map(count_words, passages_of(row)))
        texts = compress(row, [max(int(rate * words), 1) for rate in keep_rates])
        for rate, text in zip(keep_rates, map(_plain, texts), strict=True):
            left[rate] += any(_plain(answer) in text for answer in row.answers)
    return {str(rate): round(count / len(rows), 4) for rate, count in left.items()}


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().lower()


def with_compressor(compressor: Compressor, steps: int) -> Compress:
    """Ours: passages are shots, and the question is what they are read for."""

    def compress(row: PassageRow, budgets: Sequence[int]) -> Sequence[str]:
        prompt = Prompt(shots=passages_of(row))
        result = compressor.compress(
            prompt,
            query=row.question,
            target_tokens=budgets[0],
            tokenizer=count_words,
            steps=steps,
            on_overflow="best_effort",
        )
        return [result.at(target_tokens=words).text for words in budgets]

    return compress


def baseline_compressors() -> Mapping[str, Compress]:
    """Lead truncation, and passages or sentences by their nearness to the question, best first."""
    minilm = baselines.minilm_similarities()

    def by(nearness: baselines.Similarities, parts_of: Callable[[PassageRow], list[str]]) -> Compress:
        def compress(row: PassageRow, budgets: Sequence[int]) -> Sequence[str]:
            parts = parts_of(row)
            near = nearness(row.question, parts)
            return [baselines.best_first(parts, near, words) for words in budgets]

        return compress

    def sentences_of(row: PassageRow) -> list[str]:
        # Without titles: they are near to the question, answer nothing, and would fill the budget.
        return [sentence for passage in row.documents for sentence in baselines.sentences(passage.text)]

    return {
        "lead": by(lambda _, parts: -np.arange(len(parts), dtype=np.float64), passages_of),
        "tfidf passages": by(baselines.tfidf_similarities, passages_of),
        "minilm passages": by(minilm, passages_of),
        "minilm sentences": by(minilm, sentences_of),
    }


def nq_trials(rows: Sequence[PassageRow]) -> list[list[Trial]]:
    """The question after its passages, for a reader."""
    instructions = "Answer the question with a few words from the passages."
    return [
        [
            Trial(
                Prompt(instructions=instructions, shots=passages_of(row)),
                f"Question: {row.question}\nAnswer:",
                tuple(row.answers),
            )
            for row in rows
        ]
    ]


def names_answer(reply: str, question: Question) -> bool:
    """Whether the answer is in a reply."""
    return _plain(question.answer) in _plain(reply)
