"""The exact strings and the words of lines, and which of them other lines hold."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopwatch import at_most

from diffumask_core.lines.terms import Terms, strings_in, words_in

HELD = st.lists(st.sets(st.sampled_from("abcdefgh"), max_size=4), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("text", "strings"),
    [
        ("harbour/tides/lowest.py:12: def moor(self):", {"harbour/tides/lowest.py", "12"}),
        ("write to keeper+night@quay-9.example.org today", {"keeper+night@quay-9.example.org"}),
        ("MOORING_LIMIT = tides.lowest_of(year)", {"MOORING_LIMIT", "lowest_of"}),
        ("raise harbour_errors.TideError", {"harbour_errors.TideError"}),
        ('{"berth": "B7-12", "nights": 3}', {"B7-12", "nights"}),
        ("2031-05-01 10:00:59 INFO", {"2031-05-01", "10:00:59"}),
        ("v1.20.3 of x86_64", {"v1.20.3", "x86_64"}),
        ("the old quay is shut", set()),
        ("Über 300 Schiffe im Größenwahn", {"300", "Schiffe"}),
        ("船号A12、船号", {"船号A12"}),
        ("./run.sh ../quay", {"./run.sh", "../quay"}),
        ("a 1 / = -", set()),
        ("", set()),
    ],
)
def test_strings(text: str, strings: set[str]) -> None:
    assert strings_in(text) >= strings
    assert not strings or len(strings_in(text)) <= len(strings) + 1
    assert strings or not strings_in(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The QuayDepth_limit of berth7", {"the", "quaydepth", "limit", "berth"}),
        ("moor(self, on=True)", {"moor", "self", "true"}),
        ("Größe ÜBER alles", {"größe", "über", "alles"}),
        ("12 of 34", set()),
        ("", set()),
    ],
)
def test_words(text: str, words: set[str]) -> None:
    assert words_in(text) == words


@pytest.mark.parametrize(
    "piece", ["-", ".", "a", "é", "船", "1", "a.", "1:", "a@", "/", "a/", "_", "+", "-.", "Ab9@x."]
)
def test_long_texts_take_no_time(piece: str) -> None:
    with at_most(2):
        strings_in(piece * (200_000 // len(piece)))
        words_in(piece * (200_000 // len(piece)))


def test_rare_terms_weigh_more() -> None:
    terms = Terms.of([{"quay", "tide"}, {"tide"}, {"tide"}, set()])
    first, second, third, none = terms.weights
    assert first > second == third > none == 0
    [quay, tide, *_] = terms.rarity
    assert quay == pytest.approx(np.log1p(4))
    assert tide == pytest.approx(np.log1p(4 / 3))


def test_shares_that_other_lines_hold() -> None:
    terms = Terms.of([{"quay", "tide"}, {"quay", "tide"}, {"quay"}, {"boat"}, set()])
    assert terms.held_elsewhere(np.array([True] * 5)).tolist() == [1, 1, 1, 0, 0]
    assert terms.held_elsewhere(np.array([False] * 5)).tolist() == [0, 0, 0, 0, 0]
    first, second, third, fourth, _ = terms.held_elsewhere(np.array([True, False, False, True, False]))
    # The first holds its strings alone among the kept ones, and the second shares all of its own with the first.
    assert (first, second, third, fourth) == (0, 1, 1, 0)
    partly = terms.held_elsewhere(np.array([False, False, True, False, False]))
    assert 0 < partly[0] < 1


@given(HELD, st.data())
def test_held_elsewhere_is_what_it_says(held: list[set[str]], data: st.DataObject) -> None:
    lines = np.array(data.draw(st.lists(st.booleans(), min_size=len(held), max_size=len(held))))
    terms = Terms.of(held)
    shares = terms.held_elsewhere(lines)
    for number, own in enumerate(held):
        others = {each for other, kept in enumerate(lines) if kept and other != number for each in held[other]}
        assert 0 <= shares[number] <= 1 + 1e-9
        assert (shares[number] > 0) == bool(own & others)
        assert (shares[number] > 1 - 1e-9) == bool(own and own <= others)


@given(HELD, st.sets(st.sampled_from("abcxyz")))
def test_among(held: list[set[str]], asked: set[str]) -> None:
    terms = Terms.of(held)
    found = terms.among(asked)
    assert {term for term, number in terms.numbers.items() if found[number]} == asked & set().union(*held)


def test_no_terms_at_all() -> None:
    terms = Terms.of([set(), set()])
    assert terms.weights.tolist() == terms.held_elsewhere(np.array([True, True])).tolist() == [0, 0]
    assert terms.among({"quay"}).tolist() == []


def test_the_order_depends_on_no_hash() -> None:
    program = (
        "from diffumask_core.lines.terms import Terms, strings_in\n"
        "text = 'harbour/quay.py:12 moor_boat tide_7 albatross cormorant jackdaw@quay.org'\n"
        "print(Terms.of([strings_in(text), strings_in('cormorant tide_7 gangway')]).numbers)"
    )
    shown = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(shown) == 1
