"""From a retention mask back to text."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffumask_core import Compressor
from diffumask_core.prompt.kept import Protection
from diffumask_core.prompt.layout import Layout
from diffumask_core.prompt.spans import Span
from diffumask_core.regions.detect import find_regions
from diffumask_core.rendering.join import join_spans, kept_text, render_range, render_segments
from diffumask_core.rendering.marks import Mark, PlacedMark
from diffumask_core.units.units import Units


def units(text: str, **structure: Any) -> Units:
    layout = Layout(text, regions=find_regions(text), **structure)
    return Units.of(layout, Protection())


def texts(of: Units) -> list[str]:
    return [of.layout.text[start:end] for start, end in of.spans.tolist()]


def mask_of(of: Units, keep: list[str]) -> np.ndarray:
    return np.array([unit in keep for unit in texts(of)], dtype=bool)


def left(text: str, keep: list[str]) -> str:
    """The text that is left when these units stay, and what follows from them."""
    of = units(text)
    return kept_text(of, of.close(mask_of(of, keep), np.zeros(0, dtype=bool)))


class TestJoints:
    @pytest.mark.parametrize(
        ("text", "keep", "expected"),
        [
            ("oak elm maple", ["oak", "maple"], "oak maple"),
            ("oak, elm, maple", ["oak", "maple"], "oak maple"),
            ("oak-  elm", ["oak", "elm"], "oak elm"),
            ("he said so.", ["he", "said", "."], "he said"),
            ("he (that is, Bob) ran", ["he", "(", "Bob", ")", "ran"], "he Bob ran"),
            ("Bob (the cook) ran", ["Bob", "(", "the", "cook", ")", "ran"], "Bob (the cook) ran"),
            ("a  b", ["a", "b"], "a  b"),
        ],
    )
    def test_in_a_line_a_space_parts_what_was_apart(self, text: str, keep: list[str], expected: str) -> None:
        assert left(text, keep) == expected

    @pytest.mark.parametrize(
        "text", ["oak\u2014two\u2014three", "oak…elm…maple", "oak|elm|maple", "(oak)(elm)(maple)", "oak\u200btwo maple"]
    )
    def test_two_pieces_that_were_apart_are_never_glued(self, text: str) -> None:
        of = units(text)
        mask = np.arange(len(of)) % 2 == 0
        kept = [unit for unit, stays in zip(texts(of), mask, strict=True) if stays]
        assert kept_text(of, mask) == " ".join(kept)

    @pytest.mark.parametrize(
        ("text", "keep", "expected"),
        [
            ("oak elm\nmaple pine", ["oak", "pine"], "oak\npine"),
            ("oak\nelm\nmaple", ["oak", "maple"], "oak\nmaple"),
            ("oak elm\n\nmaple pine", ["oak", "pine"], "oak\n\npine"),
            ("oak elm\n \t\nmaple pine", ["oak", "pine"], "oak\n\npine"),
            ("oak elm\r\nmaple pine", ["oak", "pine"], "oak\r\npine"),
            ("oak elm\r\n\r\nmaple pine", ["oak", "pine"], "oak\r\n\r\npine"),
            ("oak\n\nelm maple\n\n\npine", ["oak", "pine"], "oak\n\npine"),
        ],
    )
    def test_a_line_break_stays_one_and_a_blank_line_stays_blank(
        self, text: str, keep: list[str], expected: str
    ) -> None:
        assert left(text, keep) == expected

    def test_an_indentation_stays_with_its_line(self) -> None:
        text = "- oak elm\n    maple pine\n    fig yew"
        assert left(text, ["oak", "fig", "yew"]).endswith("\n    fig yew")

    @pytest.mark.parametrize(
        ("text", "keep", "expected"),
        [
            ('{"a": 1, "b": 2, "c": 3}', ['"b": 2'], '{"b": 2}'),
            ('{"a": 1, "b": 2, "c": 3}', ['"a": 1', '"c": 3'], '{"a": 1, "c": 3}'),
            ('{"a":1,"b":2,"c":3}', ['"a":1', '"c":3'], '{"a":1,"c":3}'),
            ('{\n  "a": 1,\n  "b": 2,\n  "c": 3\n}', ['"a": 1', '"c": 3'], '{\n  "a": 1,\n  "c": 3\n}'),
            ('See {"a": 1, "b": 2}, then go.', ["See", '"b": 2', "go", "."], 'See {"b": 2} go.'),
        ],
    )
    def test_syntax_of_json_stands_close_to_what_it_encloses(self, text: str, keep: list[str], expected: str) -> None:
        assert left(text, keep) == expected

    def test_in_a_string_of_json_a_line_break_is_an_escape(self) -> None:
        text = json.dumps(
            {
                "note": "The lamp was kept by elm sisters.\nThey left it.\n\nNobody came after them there, and "
                "all of the others had gone to the pier by then."
            }
        )
        kept = json.loads(left(text, ["lamp", "left", "it", "came"]))["note"]
        assert kept.split("lamp")[1].replace("Nobody ", "") == "\nleft it\n\ncame"


class TestSegments:
    @pytest.mark.parametrize(
        ("keep", "text", "spans"),
        [
            (["elm"], "elm", [(5, 8)]),
            (["elm", "maple"], "elm  maple", [(5, 15)]),
            (["oak"], " oak", [(0, 4)]),
            (["oak", "pine"], " oak pine ", [(0, 4), (16, 21)]),
            (["oak", "elm", "maple", "pine"], " oak elm  maple pine ", [(0, 21)]),
        ],
    )
    def test_neighbours_share_a_span_and_the_ends_keep_their_space(
        self, keep: list[str], text: str, spans: list[Span]
    ) -> None:
        of = units(" oak elm  maple pine ")
        [segment] = render_segments(of, mask_of(of, keep), [])
        assert segment is not None
        assert segment.text == text
        assert segment.spans == spans
        assert segment.marks == []

    def test_a_segment_of_which_nothing_is_left_is_none(self) -> None:
        of = units("oak elm\n\nmaple", segments=((0, 7), (9, 14)))
        first, second = render_segments(of, np.array([True, False, False]), [])
        assert first is not None
        assert first.text == "oak"
        assert second is None

    def test_spans_of_segments_are_their_own(self) -> None:
        of = units("oak elm\n\nmaple", segments=((0, 7), (9, 14)))
        segments = render_segments(of, np.array([False, True, True]), [])
        assert [segment.spans for segment in segments if segment] == [[(4, 7)], [(9, 14)]]

    def test_a_range_of_units_is_written_out_alone(self) -> None:
        of = units("oak elm maple pine")
        left = render_range(of, np.array([True, True, False, True]), [], 1, 4)
        assert (left.text, left.spans) == ("elm pine", [(4, 7), (14, 18)])

    def test_of_segments_that_have_gone_nothing_is_written(self) -> None:
        assert kept_text(units("oak elm"), np.zeros(2, dtype=bool)) == ""


class TestMarks:
    def place(self, unit: int, text: str = "[…]", before: str = "\n", after: str = "\n") -> PlacedMark:
        return PlacedMark(Mark(text, (0, 1), 1, "line"), unit, before, after)

    @pytest.mark.parametrize(
        ("kept", "unit", "expected"),
        [
            ([True, False, True], 1, "oak\n[…]\n  maple"),
            ([False, True, True], 0, "[…]\nelm\n  maple"),
            ([True, True, False], 2, "oak\nelm\n[…]"),
            ([False, False, False], 0, "[…]"),
        ],
    )
    def test_a_mark_stands_where_units_went(self, kept: list[bool], unit: int, expected: str) -> None:
        of = units("oak\nelm\n  maple")
        assert render_range(of, np.array(kept), [self.place(unit)], 0, 3).text == expected

    def test_marks_of_a_gap_follow_each_other(self) -> None:
        of = units("oak\nelm\nmaple\npine")
        mask = np.array([True, False, False, True])
        left = render_range(of, mask, [self.place(1, "[a]"), self.place(2, "[b]")], 0, 4)
        assert left.text == "oak\n[a]\n[b]\npine"
        assert [mark.text for mark in left.marks] == ["[a]", "[b]"]

    def test_a_mark_of_another_range_is_not_written(self) -> None:
        of = units("oak elm maple pine")
        left = render_range(of, np.array([True, True, True, False]), [self.place(3)], 0, 3)
        assert (left.text, left.marks) == ("oak elm maple", [])


class TestJoinSpans:
    def test_what_was_apart_is_parted(self) -> None:
        assert join_spans("oak, elm\n\nmaple", [(0, 3), (5, 8), (10, 15)]) == "oak elm\n\nmaple"
        assert join_spans("oak, elm\n\nmaple", [(0, 3), (10, 15)]) == "oak\n\nmaple"
        assert join_spans("oak elm", []) == ""

    def test_what_was_side_by_side_stays_so(self) -> None:
        assert join_spans("oak, elm", [(0, 3), (3, 4), (5, 8)]) == "oak, elm"
        assert join_spans("oak  elm\tmaple", [(0, 3), (5, 8), (9, 14)]) == "oak  elm\tmaple"


TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(["oak ", "elm", "\n", "\n\n", ", ", ". ", "(x)", '{"a": 1, "b": [2, 3]}', "a/b", "…", "\r\n"]),
        max_size=20,
    ).map("".join),
)


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.data())
def test_the_text_is_its_spans_and_white_space_between(text: str, data: st.DataObject) -> None:
    of = units(text)
    drawn = np.array(data.draw(st.lists(st.booleans(), min_size=len(of), max_size=len(of))), dtype=bool)
    [left] = render_segments(of, of.close(drawn, np.zeros(0, dtype=bool)), [])
    if left is None:
        return
    at = 0
    for start, end in left.spans:
        found = left.text.index(text[start:end], at)
        assert not left.text[at:found].strip()
        at = found + end - start
    assert not left.text[at:].strip()
    assert all(before[1] < after[0] or text[after[0] - 1].isspace() for before, after in pairwise(left.spans))


@given(TEXTS)
def test_the_whole_mask_gives_the_text_back(text: str) -> None:
    of = units(text)
    if len(of):
        assert kept_text(of, np.ones(len(of), dtype=bool)) == text


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.7])
def test_json_in_a_string_in_a_string_stays_valid(compressor: Compressor, rate: float) -> None:
    told = {"text": "The first line says little.\nThe second line says what the third one will repeat.", "size": 3}
    source = json.dumps([{"note": json.dumps({"told": json.dumps(told), "by": "Ann"}), "id": 7}, {"id": 8}])
    for record in json.loads(compressor.compress(source, keep_rate=rate, tokenizer=len).text):
        if "note" in record:
            note = json.loads(record["note"])
            assert set(note) <= {"told", "by", "…"}
            assert set(json.loads(note.get("told", "{}"))) <= {"text", "size", "…"}
