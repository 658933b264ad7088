"""Which stretch of a text is of which kind, where several detectors could speak."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stopwatch import at_most

from diffumask_core.prompt.layout import Layout, ShotSpan
from diffumask_core.regions.detect import find_regions, regions_of
from diffumask_core.regions.region import Region

HARBOUR = (
    "The harbour of Vik was rebuilt between 1921 and 1934 after the great storm had destroyed the old piers. The work "
    "was led by an engineer named Osvald Brekke, who had come from the capital and stayed for the rest of his life."
)
LOG = "\n".join(f"2026-03-0{day} 10:00:00 INFO job {day} started on node {day}" for day in range(1, 5))
DIFF = (
    "diff --git a/app/cart.py b/app/cart.py\n--- a/app/cart.py\n+++ b/app/cart.py\n@@ -10,3 +10,3 @@ class Cart:\n"
    "     def total(self):\n-        return 0\n+        return sum(self.prices)\n     def clear(self):"
)
TRACE = (
    'Traceback (most recent call last):\n  File "app.py", line 12, in main\n    run()\n'
    '  File "app.py", line 40, in run\n'
    "    return total(order)\nValueError: no order"
)
TABLE = "id,name,city\n1,Ann,Vik\n2,Bo,Moss\n3,Cy,Hamar"
CODE = "import quay\n\n\ndef walk(n):\n    total = n + 1\n    return total"
YAML = "name: quay\nservices:\n  web:\n    image: nginx\n    ports:\n      - 80\n  db:\n    image: postgres"
HITS = "a.py:12:def total(lines):\na.py:40:    return total(order.lines)\nb.py:7:from a import total"
RECORDS = json.dumps([{"id": 1, "name": "Ann"}, {"id": 2, "name": "Bo"}], indent=2)
KINDS = {
    "json": RECORDS,
    "diff": DIFF,
    "trace": TRACE,
    "log": LOG,
    "listing": HITS,
    "table": TABLE,
    "code": CODE,
    "config": YAML,
}


def kinds(regions: tuple[Region, ...]) -> list[str]:
    return [region.kind for region in regions]


def texts(text: str, regions: tuple[Region, ...]) -> list[str]:
    return [text[slice(*region.span)] for region in regions]


class TestKinds:
    @pytest.mark.parametrize("kind", KINDS)
    def test_each_kind_is_found_between_paragraphs_and_no_further(self, kind: str) -> None:
        text = f"{HARBOUR}\n\n{KINDS[kind]}\n\n{HARBOUR} {HARBOUR}"
        [region] = find_regions(text)
        assert region.kind == find_regions(KINDS[kind])[0].kind
        assert text[slice(*region.span)] == KINDS[kind]

    @pytest.mark.parametrize("text", ["", " \n\n", HARBOUR, f"{HARBOUR}\n\n{HARBOUR}", "Yes: it is.\nNo: it is not."])
    def test_prose_is_of_no_kind(self, text: str) -> None:
        assert find_regions(text) == ()

    @pytest.mark.parametrize("shape", ["Result: {}", "Result: {} done.", "{}{}", "data: {}\n\nevent: end", "\ufeff{}"])
    def test_json_in_a_long_line_of_an_output_is_json(self, shape: str) -> None:
        record = json.dumps(
            {"quay": "Vik", "boats": [{"id": number, "name": "Ann", "at": "A1"} for number in range(40)]}
        )
        text = shape.replace("{}", record)
        found = [region for region in find_regions(text, is_output=True) if region.kind == "json"]
        assert texts(text, tuple(found)) == [record] * shape.count("{}")

    def test_regions_are_in_order_and_do_not_overlap(self) -> None:
        text = "\n\n".join([HARBOUR, TABLE, HARBOUR, LOG, DIFF, HARBOUR, RECORDS, HARBOUR, HARBOUR, HARBOUR])
        regions = find_regions(text)
        assert texts(text, regions) == [TABLE, LOG, DIFF, RECORDS]

    def test_a_part_of_a_text_is_looked_at_alone(self) -> None:
        text = f"{LOG}\n{HARBOUR}\n{LOG}"
        start = len(LOG) + 1
        assert find_regions(text, start, start + len(HARBOUR)) == ()
        assert texts(text, find_regions(text, start + len(HARBOUR) + 1)) == [LOG]


class TestOrder:
    def test_json_that_has_its_lines_to_itself_is_taken_apart_by_no_other(self) -> None:
        text = json.dumps({"log": LOG.split("\n"), "rows": TABLE.split("\n"), "image": "nginx"}, indent=1)
        assert kinds(find_regions(text)) == ["json"]

    def test_a_diff_of_a_log_is_a_diff(self) -> None:
        lines = LOG.split("\n")
        text = f"--- a/app.log\n+++ b/app.log\n@@ -1,3 +1,3 @@\n {lines[0]}\n-{lines[1]}\n+{lines[2]}\n {lines[3]}"
        assert kinds(find_regions(text)) == ["diff"]

    def test_a_trace_within_a_log_is_a_trace(self) -> None:
        text = f"{LOG}\n{TRACE}\n{LOG}"
        assert kinds(find_regions(text)) == [find_regions(each)[0].kind for each in (LOG, TRACE, LOG)]

    def test_json_in_a_line_of_prose_is_found_last(self) -> None:
        text = f'{HARBOUR} It sent {{"a": 1, "b": 2}} back.'
        assert texts(text, find_regions(text)) == ['{"a": 1, "b": 2}']

    def test_json_in_a_line_of_a_log_is_part_of_the_line(self) -> None:
        text = "\n".join(f'{line} {{"node": {n}, "ok": true}}' for n, line in enumerate(LOG.split("\n")))
        assert [list(kinds((region, *region.inner))) for region in find_regions(text)] == [["log"]]


class TestNesting:
    def inner(self, text: str) -> list[list[str]]:
        return [[inner.kind for inner in region.walk()] for region in find_regions(text)]

    def test_a_diff_in_a_string_of_json(self) -> None:
        text = json.dumps({"id": 7, "diff": DIFF})
        assert self.inner(text) == [["json", "string", "diff"]]
        [region] = find_regions(text)
        string = region.inner[0]
        assert string.escaped
        # The first word, and so the first line of a diff, belongs to the unit that opens the string.
        assert json.loads(f'"{text[slice(*string.span)]}"') == DIFF.removeprefix(DIFF.split("\n")[0])
        spans = string.inner[0].units
        assert "+        return sum(self.prices)" in "\n".join(text[slice(*span)] for span in spans)
        assert all(string.span[0] - 1 <= start < end <= string.span[1] for start, end in spans)

    def test_json_in_a_string_of_json(self) -> None:
        text = json.dumps({"id": 7, "body": json.dumps({"log": LOG, "ok": True}, indent=1)})
        assert self.inner(text) == [["json", "string", "json"]]

    def test_a_log_in_a_fence(self) -> None:
        text = f"{HARBOUR}\n\n```\n{LOG}\n```\n\n{HARBOUR}"
        assert self.inner(text) == [["code", "log"]]
        [fence] = find_regions(text)
        assert [text[slice(*unit)] for unit in fence.units] == ["```", "```"]
        assert text[slice(*fence.inner[0].span)] == LOG

    @pytest.mark.parametrize(("info", "contents"), [("json", RECORDS), ("diff", DIFF), ("csv", TABLE), ("yaml", YAML)])
    def test_a_fence_of_another_kind_holds_that_kind(self, info: str, contents: str) -> None:
        text = f"{HARBOUR}\n\n```{info}\n{contents}\n```\n\n{HARBOUR}"
        assert self.inner(text) == [["code", find_regions(contents)[0].kind]]

    def test_code_in_a_fence_is_one_region(self) -> None:
        assert self.inner(f"{HARBOUR}\n\n```python\n{CODE}\n```\n\n{HARBOUR}") == [["code"]]

    def test_headings_stand_over_regions(self) -> None:
        text = f"# Harbour\n\n{HARBOUR}\n\n## Boats\n\n{HARBOUR}\n\n{LOG}\n\n## Lamps\n\n{HARBOUR}"
        assert self.inner(text) == [["markdown", "log"]]
        [region] = find_regions(text)
        heads = {text[slice(*rule.span)]: text[slice(*rule.after)] for rule in region.scaffold if rule.after}
        assert heads["## Boats"].strip().startswith(HARBOUR)
        assert heads["## Boats"].strip().endswith(LOG)
        assert LOG in heads["# Harbour"]
        assert LOG not in heads["## Lamps"]

    def test_speakers_stand_over_what_they_showed(self) -> None:
        text = f"Anna: {HARBOUR}\n{LOG}\nBen: I see.\nAnna: {HARBOUR}\nBen: {HARBOUR}"
        assert self.inner(text) == [["transcript", "log"]]


class TestOutput:
    def test_lines_beside_regions_that_claim_the_most_are_units(self) -> None:
        text = f"queue: 2 jobs\n{LOG}\n[done] 3 s"
        assert "output" in kinds(find_regions(text))
        units = [text[slice(*unit)] for region in find_regions(text) for unit in region.units]
        assert sorted(units) == sorted(text.split("\n"))

    def test_lines_beside_regions_that_claim_little_are_prose(self) -> None:
        text = f"{HARBOUR}\n{HARBOUR}\n\n{LOG}\n\n{HARBOUR}"
        assert kinds(find_regions(text)) == ["log"]

    def test_of_what_is_known_to_be_output_every_line_is_a_unit_but_those_of_paragraphs(self) -> None:
        lines = ["setting up the pier", "lamp ok", "crane ok", "7 of 9 done"]
        text = "\n".join(lines)
        units = [text[slice(*unit)] for region in find_regions(text, is_output=True) for unit in region.units]
        assert units == lines
        assert find_regions(HARBOUR, is_output=True) == ()

    def test_the_results_of_tools_are_known_to_be_output(self) -> None:
        text = "setting up the pier\nlamp ok\ncrane ok\n7 of 9 done"
        results = ((0, len(text)),)
        assert regions_of(Layout(text)) == find_regions(text)
        assert regions_of(Layout(text, results=results)) == find_regions(text, is_output=True)


# Lines of programs without a time, a level or a sign that sentences do without.
REPEATED = {
    "steps": [f"step {number} loss {1.5 - number / 100:.3f} lr 0.001" for number in range(12)],
    "epochs": [f"Epoch {number}: train loss {3 / (number + 1):.3f}" for number in range(12)],
    "files": [f"Copied file {number} of 200 ({7 * number % 9} MB)" for number in range(12)],
    "names": [f"Copied {name} after {number} seconds (23 MB)" for number, name in enumerate("abcdefghijkl")],
    "users": [f"user{number} {3 * number} guest" for number in range(12)],
    "keys": [f"loss: 0.{number}" for number in range(12)],
    "turns": [
        line
        for number in range(6)
        for line in (f"epoch {number}", f"  train loss 0.{number}", f"  val loss 0.{number}")
    ],
    "some between": [
        line
        for number in range(60)
        for line in (f"step {number} is done", *([f"saved a copy to disk at step {number}"] * (number % 10 == 9)))
    ],
}
# What a person may write in lines that are as much alike.
WRITTEN = {
    "recipe": [f"{10 * number} g {'abcdefghijkl'[number]}" for number in range(12)],
    "exemplars": [line for n in range(12) for line in (f"Q: What is {n} plus 3?", f"A: {n + 3}")],
    "arrows": [f"flat {number} has a sea view → {number % 2}" for number in range(12)],
    "dialogue": [f"{'Anna' if number % 2 else 'Bob'}: {number}" for number in range(24)],
    "poem": ["Ten green bottles hanging on the wall", "And if one green bottle should fall"] * 8,
    "few lines": [f"The boat {number} left the quay at {number + 3}" for number in range(4)],
    "numbered": [f"{number}. Turn valve {number} to the left." for number in range(12)],
    "bullets": [f"- boat {number} pays {3 * number} crowns" for number in range(12)],
    "passage": [f"Context: the boat was built in 19{number}, as page {number} says." for number in range(10, 14)],
}


class TestRepeatedLines:
    @pytest.mark.parametrize("kind", REPEATED)
    def test_lines_that_differ_in_numbers_are_units(self, kind: str) -> None:
        text = "\n".join(REPEATED[kind])
        [region] = find_regions(f"{HARBOUR}\n\n{text}\n\n{HARBOUR}")
        assert region.kind == "output"
        found = [f"{HARBOUR}\n\n{text}"[slice(*unit)] for unit in region.units]
        assert [line.strip() for line in found] == [line.strip() for line in REPEATED[kind]]

    @pytest.mark.parametrize("kind", WRITTEN)
    def test_what_a_person_writes_is_none(self, kind: str) -> None:
        text = "\n".join(WRITTEN[kind])
        assert "output" not in kinds(find_regions(text))
        assert "output" not in kinds(find_regions(f"{HARBOUR}\n\n{text}\n\n{HARBOUR}"))

    @given(st.lists(st.sampled_from(["alpha", "beta", "gamma"]), min_size=1, max_size=6), st.integers(5, 30))
    def test_any_words_in_lines_of_one_shape(self, names: list[str], size: int) -> None:
        text = "\n".join(f"{' '.join(names)} {number} of {size}" for number in range(size))
        [region] = find_regions(text)
        assert (region.kind, len(region.units)) == ("output", size)


class TestBorders:
    HALF = LOG.index("\n", len(LOG) // 2 - 5)

    @pytest.mark.parametrize(
        "structure",
        [
            {"shots": (ShotSpan((0, HALF)), ShotSpan((HALF + 1, len(LOG))))},
            {"segments": ((0, HALF), (HALF + 1, len(LOG)))},
            {"instructions": ((0, HALF),)},
            {"query": (HALF + 1, len(LOG))},
        ],
    )
    def test_no_region_crosses_the_border_of_a_part_of_the_prompt(self, structure: dict[str, Any]) -> None:
        regions = regions_of(Layout(LOG, **structure))
        assert len(regions) == 2
        assert all(region.span[1] <= self.HALF or region.span[0] >= self.HALF for region in regions)

    def test_json_that_a_shot_cuts_in_two_is_none(self) -> None:
        at = RECORDS.index("2")
        regions = regions_of(Layout(RECORDS, shots=(ShotSpan((0, at)), ShotSpan((at, len(RECORDS))))))
        assert all(region.span[1] <= at or region.span[0] >= at for region in regions)


PIECES = [
    *KINDS.values(),
    HARBOUR,
    "# Head",
    "Anna: yes.",
    "```",
    "~~~json",
    "\n",
    "{",
    '["a',
    "- [ ] do it",
    "<ul><li>x",
]


@settings(max_examples=80, deadline=None)
@given(
    st.one_of(
        st.text(max_size=80),
        st.lists(st.sampled_from(PIECES), max_size=8).map("\n".join),
        st.lists(st.sampled_from(PIECES), max_size=4).map("\n".join).map(lambda text: text[5:-5]),
    )
)
def test_units_of_regions_are_in_order_within_the_text(text: str) -> None:
    regions = find_regions(text)
    assert all(before.span[1] <= after.span[0] for before, after in pairwise(regions))
    every = [region for outer in regions for region in outer.walk()]
    units = sorted(span for region in every for span in region.units)
    assert all(0 <= start < end <= len(text) for start, end in units)
    assert all(before[1] <= after[0] for before, after in pairwise(units))
    for region in every:
        assert all(region.span[0] <= inner.span[0] <= inner.span[1] <= region.span[1] for inner in region.inner)
        assert [*region.units] == sorted(region.units)
    moved = [region.moved(lambda position: position + 7) for region in regions]
    assert [region.moved(lambda position: position - 7) for region in moved] == list(regions)


@pytest.mark.parametrize(
    "piece", [f"{LOG}\n", f"{DIFF}\n", "{\n", "# a\n", "```\n", "Anna: yes.\n", "| a |\n", "a: 1\n"]
)
def test_time_is_linear_in_the_length(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    with at_most(8):
        find_regions(text)
