"""Copies and near copies."""

import pytest
from stopwatch import at_most

from diffumask_core.scoring.novelty import copies, repeats

PIER = (
    "The pier was built in 1871 by a local mason who had come from the capital and stayed for the rest of his life in "
    "the small house by the water that was later known as the house of lamps"
)
FERRY = "Ferries cross the bay four times a day in summer and twice in winter when the wind allows for it at all"


def found(*texts: str, groups: list[str | None] | None = None) -> list[bool]:
    return copies(texts, groups or [None] * len(texts)).tolist()


def test_the_first_of_equal_texts_is_no_copy() -> None:
    assert found(PIER, FERRY, PIER, PIER) == [False, False, True, True]


@pytest.mark.parametrize(
    "near",
    [
        PIER.upper(),
        PIER.replace(" ", "  ").replace("by", "by\n"),
        f"{PIER}.",
        PIER.removesuffix(" as the house of lamps"),
    ],
)
def test_a_near_copy_is_a_copy(near: str) -> None:
    assert found(PIER, near) == [False, True]


@pytest.mark.parametrize("other", [FERRY, PIER[: len(PIER) // 2], f"{PIER} {FERRY}", " ".join(PIER.split()[::-1])])
def test_what_shares_words_but_not_most_of_them_in_a_row_is_no_copy(other: str) -> None:
    assert found(PIER, other) == [False, False]


def test_what_differs_in_a_number_alone_is_no_copy_where_the_texts_are_short() -> None:
    assert found("The answer is 4.", "The answer is 5.") == [False, False]


def test_copies_are_looked_for_within_a_group() -> None:
    assert found(PIER, PIER, PIER, groups=["yes", "no", "yes"]) == [False, False, True]


def test_texts_without_words_are_no_copies() -> None:
    assert found("", "", " ") == [False, False, False]
    assert found() == []


def test_many_texts_that_are_not_alike_take_linear_time() -> None:
    texts = [f"{number} {PIER} {number * 7} {FERRY} {number * 13}" for number in range(50)]
    texts += [" ".join(f"w{number}{at}" for at in range(30)) for number in range(2000)]
    with at_most(5):
        assert sum(found(*texts)) < 50


def test_what_has_been_there_before_repeats_but_for_none() -> None:
    assert repeats(["a", None, "b", "a", None, "a"]) == [False, False, False, True, False, True]
    assert repeats([]) == []
