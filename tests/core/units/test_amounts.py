"""Ranges of prose, and what is left of them."""

import pytest
from stopwatch import at_most

from diffumask_core import Compressor
from diffumask_core.units.amounts import amounts
from diffumask_core.units.words import bound_words, split_words

RANGES = [
    "from 12 to 19 euros",
    "between 5 and 10 mg per day",
    "15 to 20 percent",
    "between 18 and 24 litres per minute",
    "from March 3 to April 5",
    "from 5 million to 10 million people",
    "between -5 and 10 °C",
    "two to three weeks",
    "8:00 to 17:00",
    "12–19 euros",
    "zwischen 5 und 10 Tagen",
    "12 bis 19",
    "tussen 5 en 10 dagen",
    "entre 5 et 10 jours",
    "de 5 a 10 mg",
    "entre 5 y 10 horas",
    "da 5 a 10 minuti",
    "od 5 do 10 dni",
    "от 5 до 10 мг",
    "між 5 і 10 днів",
    "من 5 إلى 10 أيام",
    "בין 5 ל-10 ימים",
    "5 ile 10",
    "5 से 10 दिन",
    "5에서 10까지",
    "từ 5 đến 10 ngày",
    "antara 5 dan 10 hari",
    "5 至 10 毫克",
    "5から10ミリ",
    "5 ถึง 10",
]


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in bound_words(text, 0, len(text), split_words(text))]


@pytest.mark.parametrize("span", RANGES)
def test_a_range_is_one_unit(span: str) -> None:
    assert found(f"It is {span}, as the book says.") == [span]


@pytest.mark.parametrize(
    "text",
    [
        "He gave 5 to Anna and 10 to Bob.",
        "Between us and 10 of them there were 3 from the north to 5 streets.",
        "The date is 2026-03-03 and a part is AB-12-34.",
        "From Paris to London and back to 5.",
    ],
)
def test_other_numbers_are_no_range(text: str) -> None:
    assert found(text) == []


def test_words_that_go_on_with_the_sentence_are_no_part() -> None:
    assert found("Keep it between 5 and 10 if the lamp is on.") == ["between 5 and 10"]


@pytest.mark.parametrize("span", RANGES)
def test_a_range_is_whole_or_gone(compressor: Compressor, span: str) -> None:
    text = f"Our teacher, who came from the north, said {span}, and then left the room for a long while. " * 3
    result = compressor.compress(text, keep_rate=0.5, tokenizer=len)
    for rate in (0.1, 0.3, 0.5, 0.7):
        left = result.at(keep_rate=rate)
        at = text.find(span)
        while at >= 0:
            end = at + len(span)
            kept = [each for each in left.spans if each[0] < end and each[1] > at]
            assert all(first <= at and last >= end for first, last in kept)
            at = text.find(span, end)


@pytest.mark.parametrize(
    "piece",
    ["1 ", "1", "1-", "1:", "from 1 ", "between 1 and ", "one to ", "1 000 ", "from a 1 ", "$1 to ", "between a 1 kg "],
)
def test_time_is_linear(piece: str) -> None:
    text = piece * (50_000 // len(piece))
    with at_most(4):
        list(amounts(text, 0, len(text)))
