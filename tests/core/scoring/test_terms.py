"""What texts say in the same words."""

import numpy as np
import pytest

from diffumask_core.scoring.terms import bm25, terms_of


def test_bm25_can_be_worked_out_by_hand() -> None:
    texts = ["the rolls", "The river, the river", "a baker of rolls"]
    # Of three texts two hold "rolls", and one "river", twice; the mean text has three words and a third.
    mean = 10 / 3
    rolls, river = np.log(1 + 1.5 / 2.5), np.log(1 + 2.5 / 1.5)
    expected = [
        rolls * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / mean)),
        river * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 4 / mean)),
        rolls * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 4 / mean)),
    ]
    assert bm25("River rolls?", texts) == pytest.approx(expected)


@pytest.mark.parametrize("texts", [[], [""], ["", "rolls"]])
def test_bm25_of_nothing(texts: list[str]) -> None:
    scores = bm25("Rolls?", texts)
    assert len(scores) == len(texts)
    assert all(scores[:1] == 0)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("東京の駅", ["東京", "京の", "の駅"]),
        ("駅", ["駅"]),
        ("ラーメン屋で", ["ラー", "ーメ", "メン", "ン屋", "屋で"]),
        ("東京, 駅", ["東京", "駅"]),
        ("USB端子が2つ", ["usb", "端子", "子が", "2", "つ"]),
        ("ที่นี่", ["ที", "ี่", "่น", "นี", "ี่"]),
        ("서울역 근처", ["서울역", "근처"]),
        ("The Rolls_2", ["the", "roll", "2"]),
    ],
)
def test_terms_of_scripts_without_spaces_are_pairs_of_letters(text: str, terms: list[str]) -> None:
    assert terms_of(text) == terms


def test_bm25_finds_words_where_no_space_is() -> None:
    texts = ["昨日は雨が降りました。", "新しい駅は東京にあります。", "彼はパンを買った。"]
    assert int(np.argmax(bm25("東京の駅はどこですか", texts))) == 1
