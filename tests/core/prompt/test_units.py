"""Splitting a text into units."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffumask_core.units.words import split_words


def units(text: str) -> list[str]:
    return [text[start:end] for start, end in split_words(text).tolist()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\n ", []),
        ("the tall man", ["the", "tall", "man"]),
        ("don't o’clock well-known", ["don't", "o’clock", "well-known"]),
        ("order_id HAT111", ["order_id", "HAT111"]),
        ("1,200 and 3.5, at 10:30.", ["1,200", "and", "3.5", ",", "at", "10:30", "."]),
        ("on 2024-05-17 or .5", ["on", "2024-05-17", "or", ".5"]),
        ("12 * 3=36", ["12", "*", "3", "=", "36"]),
        ("$72 (50%)", ["$", "72", "(", "50", "%", ")"]),
        ("wait... no!!", ["wait", "...", "no", "!!"]),
        ("see https://a.example/b?c=1, please", ["see", "https://a.example/b?c=1", ",", "please"]),
        ("👩‍👩‍👧😀🇩🇪", ["👩‍👩‍👧", "😀", "🇩🇪"]),
        ("日本語のテスト", ["日本語", "の", "テスト"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("((x))", ["(", "(", "x", ")", ")"]),
    ],
)
def test_units_are_words_numbers_and_marks(text: str, expected: list[str]) -> None:
    assert units(text) == expected


def test_a_part_of_a_text_keeps_the_offsets_of_the_whole() -> None:
    assert split_words("one two three", 4, 7).tolist() == [[4, 7]]


@given(st.text(max_size=200))
def test_units_are_in_order_and_cover_all_but_white_space(text: str) -> None:
    offsets = split_words(text).tolist()
    assert all(start < end for start, end in offsets)
    assert all(before[1] <= after[0] for before, after in pairwise(offsets))
    assert "".join("".join(units(text)).split()) == "".join(text.split())
