"""Marks: where lines, rows and records went, and how many."""

import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffumask_core import Compressor
from diffumask_core.options import Options
from diffumask_core.pipeline import read_prompt
from diffumask_core.prompt.layout import Layout
from diffumask_core.prompt.messages import messages_layout
from diffumask_core.rendering.join import Rendered
from diffumask_core.rendering.marks import Marks, mark_name, mark_text

NAMES = ["Ann", "Bo", "Cy", "Di", "Ed", "Flo", "Gus", "Hal"]
LOG = "\n".join(
    f"2026-03-0{day} 10:00:00 INFO {name} told all of {name} that {name} is on the pier"
    for day, name in enumerate(NAMES, 1)
)
ALIKE = "\n".join(f"2026-03-0{day} 10:00:00 INFO job {day} started on node {day} of the pier" for day in range(1, 9))
TABLE = "\n".join(
    ["id,name,city", *(f"{number},{name},{name} on Sea by the Pier" for number, name in enumerate(NAMES))]
)
RECORDS = [{"id": number, "name": name, "note": f"the {name} of {name}"} for number, name in enumerate(NAMES, 1)]


def left(text: str | Layout, *keep: str, marks: Marks = True) -> Rendered:
    """What is left of a text when the units that contain one of these stay, with what follows from them."""
    layout = Layout(text) if isinstance(text, str) else text
    reading = read_prompt(layout, Options(keep_rate=0.5, marks=marks, tokenizer=words))
    units = [reading.text((start, end)) for start, end in reading.units.spans.tolist()]
    mask = np.array([any(each in unit for each in keep) for unit in units], dtype=bool)
    alive = np.ones(len(reading.units.pinned), dtype=bool)
    closed = reading.close(mask, alive)
    segments = [segment for segment in reading.segments(closed, alive) if segment]
    assert reading.count(closed, alive) == sum(words(segment.text) for segment in segments)
    return Rendered(
        "\n\n".join(segment.text for segment in segments),
        [span for segment in segments for span in segment.spans],
        [mark for segment in segments for mark in segment.marks],
    )


def words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize(
    ("count", "noun", "similar", "text"),
    [
        (1, "line", 0, "[… 1 line left out]"),
        (12, "record", 0, "[… 12 records left out]"),
        (1, "line", 1, "[… 1 similar line left out]"),
        (5, "line", 5, "[… 5 similar lines left out]"),
        (5, "line", 2, "[… 5 lines left out, 2 similar]"),
    ],
)
def test_a_mark_says_how_many_of_what_went(count: int, noun: str, similar: int, text: str) -> None:
    assert mark_text(count, noun, similar) == text


def test_there_is_one_mark_for_each_gap_on_a_line_of_its_own() -> None:
    kept = left(LOG, "Cy", "Di", "Hal")
    assert kept.text.split("\n") == [
        "[… 2 lines left out]",
        *LOG.split("\n")[2:4],
        "[… 3 lines left out]",
        LOG.split("\n")[7],
    ]
    assert [(mark.count, mark.noun) for mark in kept.marks] == [(2, "line"), (3, "line")]
    lines = LOG.split("\n")
    assert [LOG[slice(*mark.span)] for mark in kept.marks] == ["\n".join(lines[:2]), "\n".join(lines[4:7])]


def test_where_nothing_went_there_is_no_mark() -> None:
    kept = left(LOG, "INFO")
    assert kept.text == LOG
    assert kept.marks == []


def conversation(result: str) -> Layout:
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "a", "arguments": "{}"}}]}
    asked = {"role": "user", "content": "What does the log say?"}
    return messages_layout([asked, call, {"role": "tool", "content": result}]).layout


def test_where_all_of_a_text_went_a_mark_says_so() -> None:
    assert left(conversation(f"{LOG}\n{LOG}"), "What").text.endswith("{}\n\n[… 16 lines left out]")
    assert left(conversation(LOG), "What").text.endswith("{}\n\n[…]")


def test_of_a_few_lines_of_a_result_a_mark_says_only_that_they_went() -> None:
    longer = "\n".join(line.replace("10:00", f"{hour}:00") for hour in (10, 11) for line in LOG.split("\n"))
    kept = left(conversation(longer), "What", "10:00:00 INFO Di", "11:00:00 INFO Hal")
    assert [(mark.text, mark.count) for mark in kept.marks] == [("[…]", 3), ("[… 11 lines left out, 1 similar]", 11)]
    named = left(conversation(LOG), "What", "INFO Di", marks="named")
    assert all(mark.text.endswith(f"#{mark.name}]") for mark in named.marks)
    similar = left(conversation(ALIKE), "What", "job 3")
    assert [mark.text for mark in similar.marks] == ["[… 2 similar lines left out]", "[… 5 similar lines left out]"]
    rows = left(conversation(TABLE), "What", "Cy")
    assert rows.marks
    assert all(" left out]" in mark.text for mark in rows.marks)


def test_lines_are_similar_to_what_stands_above_the_mark() -> None:
    report = [f"tests/test_sea.py::test_{n} {'FAILED' if n == 4 else 'PASSED'}" for n in range(30)]
    assert left("\n".join(report), "test_4", "test_9 ").text.split("\n") == [
        "[… 4 lines left out]",
        report[4],
        "[… 4 lines left out]",
        report[9],
        "[… 20 similar lines left out]",
    ]


@pytest.mark.parametrize("rates", [(0.1, 0.5), (0.4, 0.4), (0.6, 0.2), (0.3, 0.6, 0.3)])
def test_what_is_shortened_again_still_says_how_much_is_gone(compressor: Compressor, rates: tuple[float, ...]) -> None:
    lines = [f"2026-03-02 10:{n // 60:02}:{n % 60:02} {'WARN' if n % 9 == 4 else 'INFO'} job {n}" for n in range(150)]
    text = "\n".join(lines)
    for rate in rates:
        text = compressor.compress(text, keep_rate=rate).text
        left = text.split("\n")
        gone = [int(line.split()[1]) for line in left if line.startswith("[…")]
        assert sum(gone) + sum(line in lines for line in left) == len(lines)
        assert sum(gone)


def test_near_equal_lines_are_counted_as_similar_where_one_of_them_is_kept() -> None:
    assert left(ALIKE, "job 3").text.split("\n") == [
        "[… 2 similar lines left out]",
        ALIKE.split("\n")[2],
        "[… 5 similar lines left out]",
    ]
    mixed = ALIKE.replace("job 4 started on node 4 of the pier", "the crane has told us to go home and sleep")
    assert left(mixed, "job 1").text.split("\n")[1:] == ["[… 7 lines left out, 6 similar]"]
    assert left(mixed, "crane").text.split("\n")[::2] == ["[… 3 lines left out]", "[… 4 lines left out]"]


def test_a_list_of_json_says_with_an_element_what_went() -> None:
    text = json.dumps({"total": 8, "items": RECORDS, "page": 1})
    for keep, expected in [
        (["Cy", "Hal"], ["[… 2 records left out]", 3, "[… 4 records left out]", 8]),
        (["Ann", "Di"], [1, "[… 2 records left out]", 4, "[… 4 records left out]"]),
    ]:
        kept = json.loads(left(text, *keep, "page").text)
        assert [each if isinstance(each, str) else each["id"] for each in kept["items"]] == expected
        assert kept["page"] == 1


def test_a_list_of_which_nothing_is_left_says_so() -> None:
    kept = left(json.dumps({"total": 8, "items": RECORDS}), "total")
    assert json.loads(kept.text) == {"total": 8, "items": ["[… 8 records left out]"]}


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_that_goes_with_its_key_leaves_no_mark(indent: int | None) -> None:
    rows = [[name, f"{name} is on the pier by the sea"] for name in NAMES]
    kept = left(json.dumps({"a": [None, rows], "b": 1}, indent=indent), '"b"')
    assert json.loads(kept.text) == {"b": 1}
    assert kept.marks == []
    several = [{"id": number, "rows": rows} for number in range(4)]
    kept = left(json.dumps(several, indent=indent), '"id": 0', '"id": 3')
    first, mark, last = json.loads(kept.text)
    assert (first["id"], mark, last["id"]) == (0, "[… 2 records left out]", 3)
    assert [mark.noun for mark in kept.marks] == ["item", "record", "item"]


def test_an_object_says_once_how_many_members_went() -> None:
    berths = {f"berth {number}": {"boat": name, "nights": number} for number, name in enumerate(NAMES * 3)}
    kept = left(json.dumps({"harbour": "Vik", "berths": berths}), "Vik", '"berth 3"', '"berth 9"')
    said = {"berth 3": berths["berth 3"], "berth 9": berths["berth 9"], "…": f"[… {len(berths) - 2} members left out]"}
    assert json.loads(kept.text) == {"harbour": "Vik", "berths": said}
    [mark] = kept.marks
    assert (mark.noun, mark.count) == ("member", len(berths) - 2)


def test_a_long_list_loses_items_and_columns_lose_the_same() -> None:
    numbers, names = [7 * number for number in range(40)], [f"crane {number}" for number in range(40)]
    kept = left(json.dumps(numbers), "266", "273")
    assert json.loads(kept.text) == ["[… 38 items left out]", 266, 273]
    kept = left(json.dumps({"name": names, "load": numbers}), '"crane 38"', "273")
    assert json.loads(kept.text) == {
        "name": ["[… 38 items left out]", "crane 38", "crane 39"],
        "load": ["[… 38 items left out]", 266, 273],
    }
    kept = left(json.dumps([{"at": numbers, "is": names}, {"at": names, "is": numbers}]), '"crane 20"', " 140,")
    lengths = [{key: len(value) for key, value in row.items()} for row in json.loads(kept.text)]
    assert lengths == [{"at": 4, "is": 4}] * 2


def test_a_long_list_is_whole_where_no_mark_says_what_went() -> None:
    numbers = list(range(40))
    kept = left(json.dumps({"a": numbers, "b": [{"c": numbers}, {"c": [1]}]}), "38", marks=False)
    assert json.loads(kept.text) in ({"a": numbers, "b": [{"c": numbers}]}, {"a": numbers})


def test_json_lines_stay_json_lines() -> None:
    kept = left("\n".join(map(json.dumps, RECORDS)), "Cy", "Ed")
    lines = [json.loads(line) for line in kept.text.split("\n")]
    assert [line if isinstance(line, str) else line["id"] for line in lines] == [
        "[… 2 records left out]",
        3,
        *([4, 5] if isinstance(lines[2], dict) else ["[… 1 record left out]", 5]),
        "[… 3 records left out]",
    ]


def test_lines_in_a_string_of_json_are_marked_in_the_string() -> None:
    kept = left(json.dumps({"log": LOG, "page": 1}), "Cy")
    assert json.loads(kept.text)["log"].split("\n")[-2:] == [LOG.split("\n")[2], "[… 5 lines left out]"]


def test_an_item_of_several_lines_counts_them_all() -> None:
    diff = (
        "--- a/a.py\n+++ b/a.py\n@@ -1,6 +1,6 @@\n"
        " def walk(n):\n-    n = n + 1\n-    return n * 2\n+    return n\n x = walk(1)"
    )
    code = "import quay\n\n\ndef walk(\n    length,\n    depth,\n):\n    return quay.walk(length, depth)\n"
    assert [mark.count for mark in left(f"{LOG}\n{diff}", "Hal").marks] == [7, 8]
    assert left(f"{code}\nhow = walk(1, 2)\nwhy = walk(2, 1)\n", "how", "why").marks[0].count == 6


def test_gaps_of_neighbours_share_a_mark() -> None:
    diff = (
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n"
        " def walk(n):\n-    return n\n+    return n + 1"
    )
    kept = left(f"{LOG}\n{diff}", "Ann")
    assert kept.text.split("\n") == [LOG.split("\n")[0], "[… 14 lines left out]"]
    [mark] = kept.marks
    assert mark.count == 14
    assert mark.span[0] == LOG.index("\n") + 1


def test_gaps_of_rows_and_lines_are_lines_together() -> None:
    apart = left(f"{TABLE}\n\n{LOG}", "Ann told")
    assert [(mark.noun, mark.count) for mark in apart.marks] == [("row", 8), ("line", 7)]
    together = left(f"{TABLE}\n\n{LOG}", "Hal told")
    assert [(mark.noun, mark.count) for mark in together.marks] == [("line", 15)]


def test_no_marks_where_none_are_wanted() -> None:
    assert left(LOG, "Cy", "Flo", marks=False).text == "\n".join(LOG.split("\n")[number] for number in (2, 5))
    assert json.loads(left(json.dumps(RECORDS), "Cy", marks=False).text) == [RECORDS[2]]


def test_a_gap_that_costs_no_more_than_its_mark_is_filled_again() -> None:
    text = LOG.replace(LOG.split("\n")[3], "2026-03-04 10:00:00 INFO Di")
    kept = left(text, "Cy", "Ed")
    assert text.split("\n")[3] in kept.text
    assert [mark.count for mark in kept.marks] == [2, 3]


def test_each_text_of_a_conversation_has_its_own_marks() -> None:
    conversation = [
        {"role": "user", "content": "What does the log say?"},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "a", "arguments": "{}"}}]},
        {"role": "tool", "content": LOG},
        {"role": "tool", "content": ALIKE},
    ]
    kept = left(messages_layout(conversation).layout, "Hal told")
    assert [mark.count for mark in kept.marks] == [7, 8]


LINES = st.lists(
    st.sampled_from(
        [*LOG.split("\n"), *ALIKE.split("\n"), "2026-03-04 10:00:00 INFO Di", "2026-03-05 09:00:00 WARN no"]
    ),
    min_size=3,
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(lines=LINES, in_json=st.booleans(), data=st.data())
def test_no_mark_is_dearer_than_its_gap_and_none_is_missing(
    lines: list[str], in_json: bool, data: st.DataObject
) -> None:
    text = json.dumps([{"line": line} for line in lines]) if in_json else "\n".join(lines)
    reading = read_prompt(Layout(text), Options(keep_rate=0.5, tokenizer=words))
    size = len(reading.units)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    alive = np.zeros(0, dtype=bool)
    closed = reading.close(keep, alive)
    [rendered] = reading.segments(closed, alive)
    if rendered is None:
        return
    for mark in rendered.marks:
        assert words(mark.text) < words(text[slice(*mark.span)])
    gone = sum(mark.count for mark in rendered.marks)
    if in_json:
        records = [each for each in json.loads(rendered.text) if isinstance(each, dict)] if closed.any() else []
        assert len(records) + gone == len(lines) or not closed.any()
    else:
        marked = {mark.text for mark in rendered.marks}
        assert sum(line not in marked for line in rendered.text.split("\n")) + gone == len(lines)


def without_marks(text: str) -> int:
    """Counts characters, and marks as none, so that no gap is filled again."""
    return len(re.sub(r"\[… [^]]* left out\]", "", text))


VALUES = st.recursive(
    st.sampled_from([None, 1, "Ann", "Ann told all of them that Bo is on the pier"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(st.lists(inner, max_size=2), min_size=2, max_size=3)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        | st.lists(st.dictionaries(st.sampled_from("abc"), inner, max_size=3), min_size=2, max_size=3)
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(
    value=st.lists(VALUES, min_size=1) | st.dictionaries(st.sampled_from("abc"), VALUES, min_size=1),
    indent=st.sampled_from([None, 2]),
    share=st.sampled_from([0.05, 0.3, 0.7]),
    rng=st.randoms(use_true_random=False),
)
def test_any_choice_leaves_valid_json_with_marks(value: Any, indent: int | None, share: float, rng: Any) -> None:
    """Each mark is in a list of its own, and says how many items of that list went."""
    reading = read_prompt(Layout(json.dumps(value, indent=indent)), Options(keep_rate=0.5, tokenizer=without_marks))
    keep = np.array([rng.random() < share for _ in range(len(reading.units))], dtype=bool)
    alive = np.zeros(0, dtype=bool)
    [rendered] = reading.segments(reading.close(keep, alive), alive)
    assert rendered
    # Of a list around a single value, the brackets alone may be left.
    part = json.loads(rendered.text)
    assert part == [] or is_marked(part, value)


def is_marked(part: Any, whole: Any) -> bool:
    """Whether a value is another one with items left out, of which marks count each."""
    if isinstance(part, dict):
        left = {key: value for key, value in part.items() if key != "…"}
        count = int(part["…"].split()[1]) if "…" in part else 0
        # Records have fewer members, with names by which one that went is missed.
        is_counted = isinstance(whole, dict) and (len(whole) < 16 or len(left) + count == len(whole))
        return is_counted and all(key in whole and is_marked(left[key], whole[key]) for key in left)
    if isinstance(part, list) and isinstance(whole, list):
        counts = [int(each.split()[1]) for each in part if isinstance(each, str) and each.startswith("[…")]
        rest = iter(whole)
        items = [each for each in part if not (isinstance(each, str) and each.startswith("[…"))]
        return len(items) + sum(counts) == len(whole) and all(
            any(is_marked(each, other) for other in rest) for each in items
        )
    if isinstance(part, str) and isinstance(whole, str):
        return set(part.split()) <= set(whole.split())
    return bool(part == whole)


def test_a_named_mark_bears_a_hash_of_what_it_stands_for() -> None:
    kept = left(LOG, "Cy", "Di", "Hal", marks="named")
    lines = LOG.split("\n")
    gaps = ["\n".join(lines[:2]), "\n".join(lines[4:7])]
    assert [mark.name for mark in kept.marks] == [mark_name(gap) for gap in gaps]
    assert [mark.text for mark in kept.marks] == [
        f"[… 2 lines left out, #{mark_name(gaps[0])}]",
        f"[… 3 lines left out, #{mark_name(gaps[1])}]",
    ]
    assert kept.text.split("\n")[0] == kept.marks[0].text
    assert all(re.fullmatch("[0-9a-f]{6}", mark.name) for mark in kept.marks)
    assert not any(mark.name for mark in left(LOG, "Cy").marks)


def test_a_list_of_json_with_named_marks_is_json() -> None:
    text = json.dumps({"total": 8, "items": RECORDS, "page": 1})
    kept = left(text, "Cy", "Hal", "page", marks="named")
    items = json.loads(kept.text)["items"]
    assert [each for each in items if isinstance(each, str)] == [mark.text.strip('"') for mark in kept.marks]
    assert [mark_name(text[slice(*mark.span)]) for mark in kept.marks] == [mark.name for mark in kept.marks]
    inner = json.dumps({"log": LOG, "list": json.dumps(RECORDS)})
    kept = left(inner, "Cy", marks="named")
    assert "#" in json.loads(kept.text)["log"]
    for mark in kept.marks:
        assert mark_name(inner[slice(*mark.span)]) == mark.name


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_named_mark_is_dearer_than_its_gap(data: st.DataObject) -> None:
    lines = data.draw(st.lists(st.sampled_from(["INFO a", "WARN the pier is wet", "ERROR no boat at all today"])))
    text = "\n".join(
        f"2026-03-01 10:00:{number:02} {line} {number}" for number, line in enumerate([*lines, *["INFO b"] * 6])
    )
    kept = left(text, *data.draw(st.lists(st.sampled_from([f":{number:02} " for number in range(8)]))), marks="named")
    for mark in kept.marks:
        assert words(mark.text) < words(text[slice(*mark.span)])
