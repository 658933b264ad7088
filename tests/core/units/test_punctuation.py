"""Marks of prose that tell nothing once the words that they belong to have gone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffumask_core.units.punctuation import Punctuation
from diffumask_core.units.words import split_words


def thinned(text: str, *gone: str) -> str:
    """What is left of a text's units when these go, with the marks that would stand alone."""
    spans = split_words(text)
    units = [text[start:end] for start, end in spans.tolist()]
    mask = np.array([unit not in gone for unit in units], dtype=bool)
    kept = Punctuation.of(text, spans, np.ones(len(spans), dtype=bool)).thin(mask)
    return " ".join(units[number] for number in np.flatnonzero(kept))


@pytest.mark.parametrize(
    ("text", "gone", "expected"),
    [
        ("One two. Three.", ["Three"], "One two ."),
        ("One two. Three.", ["One"], "two . Three ."),
        ("One, two, three.", ["two"], "One , three ."),
        ("He (that is, Bob) ran.", ["that", "is", "Bob"], "He , ran ."),
        ("He (that is, Bob) ran.", ["that", "is"], "He , Bob ran ."),
        ("He (that is, Bob) ran.", ["Bob"], "He that is , ran ."),
        ("He (the son [of Bob] too) ran.", ["Bob"], "He ( the son of too ) ran ."),
        ("He (the son [of Bob]) ran.", ["Bob"], "He the son of ran ."),
        ("He said (\u201cno\u201d).", ["no"], "He said ."),
        ("Really?! Yes.", ["Really"], "Yes ."),
        ("Really?! Yes.", ["Yes"], "Really ? !"),
        ("他说。走吧。", ["走", "吧"], "他 说 。"),
    ],
)
def test_a_mark_goes_with_what_it_belongs_to(text: str, gone: list[str], expected: str) -> None:
    assert thinned(text, *gone) == expected


def test_a_bracket_apart_from_its_neighbours_stays() -> None:
    assert thinned("a ( b ) c", "b") == "a ( ) c"


def test_marks_of_syntax_are_left_alone() -> None:
    text = "One, two"
    spans = split_words(text)
    mask = np.array([False, True, True])
    assert Punctuation.of(text, spans, np.array([True, False, True])).thin(mask).tolist() == [False, True, True]


@pytest.mark.parametrize("text", ["", ".", "?!", "... so.", ". . .", "Wait?! (What?) \u201cYes.\u201d"])
def test_where_nothing_went_every_mark_stays(text: str) -> None:
    assert thinned(text) == " ".join(text[start:end] for start, end in split_words(text).tolist())


@given(st.text(st.sampled_from("ab .,?!()[]\u201c\u201d\n"), max_size=30), st.data())
def test_it_only_takes_marks_away(text: str, data: st.DataObject) -> None:
    spans = split_words(text)
    found = Punctuation.of(text, spans, np.ones(len(spans), dtype=bool))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(spans), max_size=len(spans))), dtype=bool)
    left = found.thin(mask)
    gone = [text[start:end] for start, end in spans[mask & ~left].tolist()]
    assert (left <= mask).all()
    assert not any(character.isalnum() for unit in gone for character in unit)
    assert found.thin(np.ones(len(spans), dtype=bool)).all()
