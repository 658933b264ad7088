"""Answers left in retrieved passages."""

from collections import Counter
from collections.abc import Sequence

import pytest

from diffumask_core import Compressor
from diffumask_core.datasets import PassageRow
from diffumask_core.evaluation.nq import answers_left, count_words, passages_of, with_compressor


def row(answers: list[str], *texts: str) -> PassageRow:
    documents = [
        {"title": title, "text": text, "is_gold": title == "Flood"}
        for title, text in zip(("Flood", "Bread"), texts, strict=True)
    ]
    return PassageRow.model_validate({"id": "q", "question": "Who rose?", "answers": answers, "documents": documents})


ROWS = [
    row(["the river"], "On Monday The  River rose.", "A baker makes rolls."),
    row(["nobody", "Anna Lee"], "It was Anna\nLee who rose.", "Rolls are sold."),
]


def test_passages_have_their_titles() -> None:
    assert passages_of(ROWS[0]) == ["Flood\nOn Monday The  River rose.", "Bread\nA baker makes rolls."]


def test_an_answer_counts_whatever_its_case_and_space() -> None:
    def compress(row: PassageRow, budgets: Sequence[int]) -> Sequence[str]:
        return [row.documents[0].text, "on monday THE\n river rose", ""]

    assert answers_left(ROWS, compress, [0.9, 0.5, 0.1]) == {"0.9": 1.0, "0.5": 0.5, "0.1": 0.0}


def test_budgets_are_shares_of_the_words() -> None:
    asked: list[Sequence[int]] = []

    def compress(row: PassageRow, budgets: Sequence[int]) -> Sequence[str]:
        asked.append(budgets)
        return ["", ""]

    answers_left(ROWS[:1], compress, [0.5, 0.25])
    assert asked == [[5, 2]]  # of 11 words: two titles and 5 and 4


@pytest.mark.parametrize("steps", [1, 3])
def test_ours_keeps_to_the_words(compressor: Compressor, steps: int) -> None:
    budgets = [1, 4, 8]
    source = Counter("".join(passages_of(ROWS[0])))
    for words, left in zip(budgets, with_compressor(compressor, steps)(ROWS[0], budgets), strict=True):
        assert 0 < count_words(left) <= words
        assert Counter("".join(left.split())) <= source


def test_ours_keeps_everything_that_fits(compressor: Compressor) -> None:
    assert answers_left(ROWS, with_compressor(compressor, 1), [1.0]) == {"1.0": 1.0}
