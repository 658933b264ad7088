"""From words to units: what is kept or dropped whole, what never goes, and what follows from what is kept."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffumask_core.prompt.kept import Protection
from diffumask_core.prompt.layout import Layout, ShotSpan
from diffumask_core.prompt.spans import Span
from diffumask_core.regions.detect import find_regions
from diffumask_core.rendering.join import kept_text
from diffumask_core.units.units import Units, read_words


def units(
    text: str, always: tuple[Span, ...] = (), with_shot: tuple[Span, ...] = (), marks: bool = True, **structure: Any
) -> Units:
    layout = Layout(text, regions=find_regions(text), **structure)
    return Units.of(layout, Protection(always, with_shot), marks)


def texts(of: Units, flags: np.ndarray | None = None) -> list[str]:
    spans = of.spans if flags is None else of.spans[flags]
    return [of.layout.text[start:end] for start, end in spans.tolist()]


def left(of: Units, *keep: str) -> str:
    """The text that is left when the units that contain one of these stay."""
    mask = np.array([any(each in unit for each in keep) for unit in texts(of)], dtype=bool)
    return kept_text(of, of.close(mask, np.ones(len(of.pinned), dtype=bool)))


LOG = "\n".join(f"2026-03-0{day} 10:00:00 INFO job-{day} started on node-{day}" for day in range(1, 5))
DIFF = (
    "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,3 @@\n"
    " def walk(n):\n-    return n\n+    return n + 1\n"
)
RECORDS = [{"id": number, "name": name} for number, name in enumerate(["Ann", "Bo", "Cy", "Di"], 1)]


class TestUnits:
    def test_in_prose_each_word_is_a_unit(self) -> None:
        of = units("The old pier, built in 1921, was lost.")
        assert texts(of) == ["The", "old", "pier", ",", "built", "in", "1921", ",", "was", "lost", "."]
        assert of.first_word.tolist() == list(range(12))

    @pytest.mark.parametrize("text", ["别忘了带伞，不适合儿童。", "This is not/or that, no#1.", "ทุกวันยกเว้นวันอาทิตย์"])
    def test_a_word_that_turns_a_sentence_takes_the_whole_of_its_phrase(self, text: str) -> None:
        assert "".join(texts(units(text))).replace(" ", "") == text.replace(" ", "")

    def test_in_a_log_each_line_is_a_unit(self) -> None:
        of = units(LOG)
        assert texts(of) == LOG.split("\n")
        assert len(of.words) > len(of)

    def test_in_a_diff_a_change_is_a_unit(self) -> None:
        assert "-    return n\n+    return n + 1" in texts(units(DIFF))

    def test_in_json_a_member_or_a_record_is_a_unit(self) -> None:
        assert texts(units('{"a": 1, "b": "x y"}')) == ["{", '"a": 1', ",", '"b": "x y"', "}"]
        records = units(json.dumps(RECORDS))
        assert texts(records, records.free) == [json.dumps(record) for record in RECORDS]

    def test_a_line_holds_its_indentation_and_blank_lines_are_in_none(self) -> None:
        of = units("import quay\n\ndef walk(n):\n    total = n + 1\n\n    return total\n")
        assert texts(of) == ["import quay", "def walk(n):", "    total = n + 1", "    return total"]

    def test_an_operator_and_both_its_sides_are_a_unit(self) -> None:
        assert "age >= 18" in texts(units("Those with age >= 18 may come in."))

    def test_white_space_has_no_units(self) -> None:
        of = units(" \n ")
        assert len(of) == 0
        assert kept_text(of, of.close(np.zeros(0, dtype=bool), np.zeros(0, dtype=bool))) == ""

    def test_no_unit_crosses_a_segment(self) -> None:
        of = units("oakelm", segments=((0, 3), (3, 6)))
        assert texts(of) == ["oak", "elm"]
        assert of.segment.tolist() == [0, 1]

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.sampled_from(
                [LOG, DIFF, json.dumps(RECORDS), '{"a": [1, {"b": "c d"}]}', "Not a word.", "\n", "- x", "é{"]
            ),
            max_size=6,
        ).map("\n".join)
    )
    def test_each_character_that_shows_is_in_one_unit_and_each_word_too(self, text: str) -> None:
        of = units(text)
        assert of.first_word.tolist() == sorted(set(of.first_word.tolist()))
        assert of.first_word[-1] == len(of.words)
        assert (of.spans[1:, 0] >= of.spans[:-1, 1]).all()
        inside = np.zeros(len(text), dtype=bool)
        for start, end in of.spans.tolist():
            inside[start:end] = True
        assert not "".join(np.array(list(text), dtype=object)[~inside]).strip()
        owner = np.searchsorted(of.first_word, np.arange(len(of.words)), side="right") - 1
        assert (of.words[:, 0] >= of.spans[owner, 0]).all()
        assert (of.words[:, 1] <= of.spans[owner, 1]).all()
        assert np.array_equal(of.words, read_words(text))


SHOTS = "Be brief.\n\nQ: oak A: 1\n\nQ: elm A: 2\n\nQ: maple"
FIRST, SECOND = (11, 22), (24, 35)
MARKERS = ((11, 13), (18, 22), (24, 26), (31, 35))


def few_shot() -> Units:
    return units(SHOTS, ((0, 9), (37, 45)), MARKERS, shots=(ShotSpan(FIRST), ShotSpan(SECOND)))


class TestProtection:
    def test_shots_and_what_stays(self) -> None:
        of = few_shot()
        assert texts(of, of.shot == 0) == ["Q", ":", "oak", "A", ":", "1"]
        assert texts(of, of.shot == 1) == ["Q", ":", "elm", "A", ":", "2"]
        assert texts(of, of.protected) == ["Be", "brief", ".", "Q", ":", "maple"]
        assert texts(of, of.kept_with_shot) == ["Q", ":", "A", ":", "1", "Q", ":", "A", ":", "2"]
        assert texts(of, of.free) == ["oak", "elm"]
        assert of.pinned.tolist() == [False, False]

    def test_blocks_are_shots_and_what_is_between(self) -> None:
        assert few_shot().blocks() == [(0, 3), (3, 9), (9, 15), (15, 18)]

    def test_a_dropped_shot_takes_its_markers_along(self) -> None:
        of = few_shot()
        kept = of.close(np.ones(len(of), dtype=bool), np.array([False, True]))
        assert kept_text(of, kept) == "Be brief.\n\nQ: elm A: 2\n\nQ: maple"

    def test_markers_stay_with_a_shot_of_which_nothing_else_does(self) -> None:
        of = few_shot()
        kept = of.close(np.zeros(len(of), dtype=bool), np.array([False, True]))
        assert kept_text(of, kept) == "Be brief.\n\nQ: A: 2\n\nQ: maple"

    def test_a_protected_word_pins_its_shot(self) -> None:
        of = units(SHOTS, ((27, 30),), shots=(ShotSpan(FIRST), ShotSpan(SECOND)))
        assert texts(of, of.protected) == ["elm"]
        assert of.pinned.tolist() == [False, True]

    def test_what_goes_with_a_shot_never_goes_outside_shots(self) -> None:
        of = units("oak elm maple", with_shot=((4, 7),))
        assert texts(of, of.protected) == ["elm"]
        assert not of.kept_with_shot.any()

    def test_a_span_in_the_midst_of_a_unit_protects_the_unit(self) -> None:
        word = units("a wonderful day", ((5, 6),))
        assert texts(word, word.protected) == ["wonderful"]
        at = LOG.index("node-2")
        line = units(LOG, ((at, at + 4),))
        assert texts(line, line.protected) == [LOG.split("\n")[1]]

    def test_protecting_json_syntax_keeps_what_it_stands_on(self) -> None:
        text = '{"a": 1, "b": 2, "c": 3}'
        comma = text.index(', "c"')
        assert left(units(text, ((comma, comma + 1),))) == '{"b": 2, "c": 3}'

    def test_shots_of_a_mask_are_those_with_a_unit_in_it_and_the_pinned(self) -> None:
        of = units(SHOTS, ((27, 30),), shots=(ShotSpan(FIRST), ShotSpan(SECOND)))
        assert of.shots_of(np.zeros(len(of), dtype=bool)).tolist() == [False, True]
        assert of.shots_of(of.shot == 0).tolist() == [True, True]


class TestClose:
    def test_json_follows_from_what_is_kept(self) -> None:
        of = units('See {"a": 1, "b": {"c": 2, "d": 3}, "e": 4} now')
        assert left(of, '"a"', '"e"') == '{"a": 1, "e": 4}'
        assert left(of, '"d"', "now") == '{"b": {"d": 3}} now'

    def test_a_change_keeps_its_hunk_and_its_file(self) -> None:
        assert left(units(DIFF), "+ 1").split("\n")[:4] == DIFF.split("\n")[:4]

    def test_heads_are_decided_before_syntax_so_that_quotes_close_around_heads(self) -> None:
        text = json.dumps({"id": 7, "diff": DIFF})
        kept = json.loads(left(units(text), "return n + 1"))
        assert list(kept) == ["diff"]
        assert "@@ -1,3 +1,3 @@" in kept["diff"]
        assert "-    return n\n+    return n + 1" in kept["diff"]

    @pytest.mark.parametrize(
        ("text", "keep", "expected"),
        [
            ("The drug is not effective here.", ["effective"], "is not effective here"),
            ("The drug is not effective here.", ["not"], "is not effective here"),
            ("The drug is not effective here.", ["drug"], "drug"),
            ("Come in, unless the lamp is lit. Then go.", ["lamp"], "Come in, unless the lamp is lit"),
            ("Come in, unless the lamp is lit. Then go.", ["Come", "go"], "Come in, unless the lamp is lit. go"),
            ("Open the lid at most twice a day.", ["twice"], "at most twice"),
            ("I do. Or I do not.", ["Or"], "Or I do not"),
            ("Die Tür war nicht offen.", ["offen"], "war nicht offen"),
            ("他没有去北京大学。", ["北京"], "他没有去北京大学"),
            ("他并非学生，他是老师。", ["学生"], "他并非学生"),
            ("He said no, and went on.", ["no"], "He said no"),
        ],
    )
    def test_a_word_that_turns_a_sentence_hangs_together_with_what_it_governs(
        self, text: str, keep: list[str], expected: str
    ) -> None:
        assert left(units(text), *keep) == expected

    COUNTED = json.dumps({"count": 4, "items": RECORDS})

    def test_a_count_goes_where_a_record_went_and_no_mark_says_so(self) -> None:
        of = units(self.COUNTED, marks=False)
        assert json.loads(left(of, "count", "Ann", "Di")) == {"items": [RECORDS[0], RECORDS[3]]}

    def test_a_count_stays_where_all_that_it_counts_stays(self) -> None:
        of = units(self.COUNTED, marks=False)
        assert left(of, "count", "name") == self.COUNTED

    def test_a_count_stays_where_a_mark_says_what_went(self) -> None:
        assert json.loads(left(units(self.COUNTED), "count", "Ann")) == {"count": 4, "items": [RECORDS[0]]}

    def test_the_whole_mask_is_closed(self) -> None:
        for text in (SHOTS, DIFF, LOG, self.COUNTED, "... and then?! (So.)", ". ? !"):
            of = units(text)
            everything = np.ones(len(of), dtype=bool)
            assert of.close(everything, np.ones(len(of.pinned), dtype=bool)).all()
