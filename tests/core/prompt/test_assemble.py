"""A prompt as arrays over its units, and from a retention mask back to text."""

import numpy as np
import pytest
from diffumask_core.prompt.assemble import join_spans, kept_spans
from diffumask_core.prompt.document import Document
from diffumask_core.prompt.json_values import find_json

from diffumask_core.prompt.layout import Layout, ShotSpan
from diffumask_core.prompt.spans import Span


def document(text: str, protect: list[Span] | None = None, **structure: object) -> Document:
    return Document.of(Layout(text, json=find_json(text), **structure), protect or [])  # type: ignore[arg-type]


def units(of: Document, flags: np.ndarray) -> list[str]:
    return [of.layout.text[start:end] for start, end in of.offsets[flags].tolist()]


def left(of: Document, keep: list[str]) -> str:
    """The text that is left when the units with these words stay."""
    words = [of.layout.text[start:end] for start, end in of.offsets.tolist()]
    mask = of.close(np.array([word in keep for word in words], dtype=bool), np.ones(len(of.pinned), dtype=bool))
    (spans,) = kept_spans(of, mask)
    return join_spans(of.layout.text, spans)


SHOTS = "Be brief.\n\nQ: one A: 1\n\nQ: two A: 2\n\nQ: three"
FIRST, SECOND = (11, 22), (24, 35)


def few_shot(**changes: object) -> Document:
    shots = (ShotSpan(FIRST, ((11, 13), (18, 22))), ShotSpan(SECOND, ((24, 26), (31, 35))))
    structure = {"instructions": (0, 9), "shots": shots, "query": (37, 45), **changes}
    return document(SHOTS, **structure)


class TestDocument:
    def test_shots_and_what_stays(self) -> None:
        of = few_shot()
        assert units(of, of.shot_of_unit == 0) == ["Q", ":", "one", "A", ":", "1"]
        assert units(of, of.shot_of_unit == 1) == ["Q", ":", "two", "A", ":", "2"]
        assert units(of, of.protected) == ["Be", "brief", ".", "Q", ":", "three"]
        assert units(of, of.kept_with_shot) == ["Q", ":", "A", ":", "1", "Q", ":", "A", ":", "2"]
        assert of.pinned.tolist() == [False, False]

    def test_blocks_are_shots_and_what_is_between(self) -> None:
        of = few_shot()
        assert of.blocks() == [(0, 3), (3, 9), (9, 15), (15, 18)]

    def test_a_protected_word_pins_its_shot(self) -> None:
        shots = (ShotSpan(FIRST), ShotSpan(SECOND))
        of = document(SHOTS, [(27, 30)], shots=shots)
        assert units(of, of.protected) == ["two"]
        assert of.pinned.tolist() == [False, True]

    def test_a_span_in_the_midst_of_a_word_protects_the_word(self) -> None:
        of = document("a wonderful day", [(5, 6)])
        assert units(of, of.protected) == ["wonderful"]

    def test_a_dropped_shot_takes_its_markers_along(self) -> None:
        of = few_shot()
        kept = of.close(np.zeros(len(of.offsets), dtype=bool), np.array([False, True]))
        assert units(of, kept) == ["Be", "brief", ".", "Q", ":", "A", ":", "2", "Q", ":", "three"]

    def test_every_segment_keeps_its_first_unit(self) -> None:
        layout = Layout("one two\n\nthree four", segments=((0, 7), (9, 19)))
        of = Document.of(layout, [], keep_every_segment=True)
        assert units(of, of.protected) == ["one", "three"]
        assert of.segment_of_unit.tolist() == [0, 0, 1, 1]

    def test_a_unit_never_crosses_segments(self) -> None:
        of = Document.of(Layout("onetwo", segments=((0, 3), (3, 6))), [])
        assert of.offsets.tolist() == [[0, 3], [3, 6]]

    def test_json_follows_from_what_is_kept(self) -> None:
        of = document('See {"a": 1, "b": [2, "x"], "c": 3} now')
        assert left(of, ["See"]) == "See {}"
        assert left(of, ['"a": 1', '"c": 3']) == '{"a": 1, "c": 3}'
        assert left(of, ['"x"', "now"]) == '{"b": ["x"]} now'

    def test_protecting_json_syntax_keeps_what_it_stands_on(self) -> None:
        text = '{"a": 1, "b": 2, "c": 3}'
        of = document(text, [(text.index(', "c"'), text.index(', "c"') + 1)])
        assert left(of, []) == '{"b": 2, "c": 3}'

    def test_white_space_has_no_units(self) -> None:
        of = document(" \n ")
        assert len(of.offsets) == 0
        assert kept_spans(of, np.zeros(0, dtype=bool)) == [[]]


class TestSpans:
    @pytest.mark.parametrize(
        ("keep", "spans"),
        [
            ([], []),
            (["two"], [(5, 8)]),
            (["two", "three"], [(5, 15)]),
            (["one"], [(0, 4)]),
            (["one", "four"], [(0, 4), (16, 21)]),
            (["one", "two", "three", "four"], [(0, 21)]),
        ],
    )
    def test_neighbours_share_a_span_and_the_ends_keep_their_space(self, keep: list[str], spans: list[Span]) -> None:
        of = document(" one two  three four ")
        words = [of.layout.text[start:end] for start, end in of.offsets.tolist()]
        assert kept_spans(of, np.array([word in keep for word in words])) == [spans]

    def test_segments_have_spans_of_their_own(self) -> None:
        of = Document.of(Layout("one two\n\nthree", segments=((0, 7), (9, 14))), [])
        assert kept_spans(of, np.array([False, True, True])) == [[(4, 7)], [(9, 14)]]
        assert kept_spans(of, np.array([True, False, False])) == [[(0, 3)], []]

    def test_the_whole_mask_gives_the_text_back(self) -> None:
        text = "  Hello,\r\n\tworld \u2014 x  \n"
        of = document(text)
        (spans,) = kept_spans(of, np.ones(len(of.offsets), dtype=bool))
        assert join_spans(text, spans) == text


class TestJoints:
    @pytest.mark.parametrize(
        ("text", "keep", "expected"),
        [
            ("one two three", ["one", "three"], "one three"),
            ("one, two, three", ["one", "three"], "one three"),
            ("one-  two", ["one", "two"], "one two"),
            ("one|two", ["one", "two"], "one two"),
            ("he said so.", ["he", "said", "."], "he said."),
            ("he (that is, Bob) ran", ["he", "(", "Bob", ")", "ran"], "he (Bob) ran"),
            ("f(x, y)", ["f", "(", ")"], "f()"),
            ("one two\nthree four", ["one", "four"], "one\nfour"),
            ("one two\n\nthree four", ["one", "four"], "one\n\nfour"),
            ("one two\n \t\nthree four", ["one", "four"], "one\n\nfour"),
            ("one\ntwo\nthree", ["one", "three"], "one\nthree"),
            ("a  b", ["a", "b"], "a  b"),
            ("x = 1 + 2", ["x", "=", "2"], "x = 2"),
            ("12 % 5", ["12", "5"], "12 5"),
        ],
    )
    def test_white_space_is_normalised_where_something_went(self, text: str, keep: list[str], expected: str) -> None:
        assert left(document(text), keep) == expected

    def test_nothing_left_is_the_empty_text(self) -> None:
        assert join_spans("one two", []) == ""
