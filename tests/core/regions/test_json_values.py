import ast
import json
import random
import re
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stopwatch import at_most

from diffumask_core.prompt.spans import Span
from diffumask_core.regions.json_strings import is_long_text, unescaped
from diffumask_core.regions.json_values import find_json
from diffumask_core.regions.region import Lines, Region, Scaffold, region_of_lines

LONG = (
    "the parcel left the depot on Monday with all of the others that had to be at the pier before noon or so and is "
    "now very late"
)

Keep = Callable[[str], bool]


def regions_of(text: str) -> list[Region]:
    return list(find_json(Lines.of(text), lines_in))


def lines_in(content: str) -> tuple[Region, ...]:
    """Takes what starts with ``log`` for lines, and finds JSON elsewhere."""
    if content.startswith("log"):
        lines = Lines.of(content)
        return (region_of_lines("log", lines, 0, len(lines)),)
    return tuple(find_json(Lines.of(content), lines_in))


def found(text: str) -> list[str]:
    return [text[slice(*region.span)] for region in regions_of(text)]


def units_of(text: str, region: Region) -> list[Span]:
    """All units of a region: those that it names, and the words of its strings."""
    units = [unit for each in region.walk() for unit in each.units]
    taken = [each.span for each in region.walk() if each.kind == "log"]
    for each in region.walk():
        if each.escaped:
            content, source = unescaped(text, *each.span)
            words = [(int(source[a.start()]), int(source[a.end()])) for a in re.finditer(r"\w+|[^\w\s]", content)]
            inner = [*taken, *(other.span for other in each.inner)]
            units += [(a, b) for a, b in words if not any(start < b and a < end for start, end in inner)]
    return sorted(units)


def at_random(rng: Any, share: float) -> Keep:
    return lambda unit: rng.random() < share


def close(text: str, region: Region, keep: Keep) -> str:
    """What is left of a region: the free decisions of `keep`, and what follows from them.

    First go the counts of what is not complete, then units that can stay alone are decided, then the other scaffold.
    """
    units = units_of(text, region)
    # Without marks, the rules that hold only where marks are hold nowhere.
    scaffold = {each.span: each for part in region.walk() for each in part.scaffold if not each.marked}
    free = [unit for unit in units if unit not in scaffold]
    heads = [unit for unit in units if unit in scaffold and scaffold[unit].alone]
    kept = {unit for unit in [*free, *heads] if keep(text[slice(*unit)])}
    gone = total(text, [unit for unit in free if unit not in kept])
    kept -= {unit for part in region.walk() for unit, (start, end) in part.complete if gone[end] > gone[start]}
    for following in (heads, [unit for unit in units if unit in scaffold and unit not in heads]):
        there = total(text, kept)
        kept |= {
            unit
            for unit in following
            if all(span is None or there[span[1]] > there[span[0]] for span in sides(scaffold[unit]))
        }
    return join(text, units, kept)


def sides(scaffold: Scaffold) -> tuple[Span | None, Span | None]:
    return scaffold.before, scaffold.after


def total(text: str, spans: Any) -> Any:
    """How many characters are in the spans before each position."""
    inside = np.zeros(len(text) + 1, dtype=np.int64)
    for start, end in spans:
        inside[start + 1 : end + 1] = 1
    return np.cumsum(inside)


def join(text: str, units: list[Span], kept: set[Span]) -> str:
    """Kept neighbours keep the gap between them; where something went, there is a space, or a line break."""
    out, last = "", -1
    for number, unit in enumerate(units):
        if unit not in kept:
            continue
        if last >= 0:
            gap = text[units[last][1] : unit[0]]
            apart = "" if text[unit[0]] == '"' else " "
            out += gap if number == last + 1 else "\n" if "\n" in gap else apart
        out += text[slice(*unit)]
        last = number
    return out


def left(text: str, *dropped: str) -> str:
    """What is left of the only region of a text when the units that contain one of these go."""
    [region] = regions_of(text)
    return close(text, region, lambda unit: not any(drop in unit for drop in dropped))


def kept(text: str, *kept: str) -> str:
    """What is left of the only region of a text when only the units that contain one of these stay."""
    [region] = regions_of(text)
    return close(text, region, lambda unit: any(keep in unit for keep in kept))


class TestWhatCounts:
    @pytest.mark.parametrize(
        "text",
        [
            '{"a": 1}',
            '{"a": {"b": []}}',
            '["x"]',
            "[[1]]",
            '{"a": -1.5e3, "b": [true, null]}',
            '{"a": "\\u00e9\\n"}',
            '{"a":1,"a":2}',
            '{"a": [NaN, Infinity, -Infinity]}',
            f'{{"a": {"9" * 5000}}}',
            "{'a': True, \"b\": None, 3: (1,), 'c': [1., -2e5,],}",
            "{'a': 'it\\'s \\x41', 'b': \"it's\"}",
            "[{'a': ('x' 'y'\n 'z')}]",
            "{'a': nan}",
        ],
    )
    def test_a_value_in_prose(self, text: str) -> None:
        assert found(f"See {text}, then {text}.") == [text, text]

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "no JSON at all",
            "Dear {name}, your {{order}} is {}",
            "as shown in [3] and [1, 2] and []",
            'fn main() { println!("{}", x); }',
            'frame["name"] and f(x)["key"] and f(x)[\'key\']',
            "the format {0:5} and the set {1: 2}",
            "print('a', ('b', 'c'))",
            "[1]\n[2]\n[3]",
            '{"a": True, "b": true}',
            "{'a': true}",
            '{"a": 01}',
            '{"a": true,}',
            '{"a" 1}',
            '{"a": "b',
            '{"a": 1, "b": 2, "c": 3, "d": name\n}',
            '["a", "b", "c" are three letters',
            "{'a': 'b",
            '{"a": "line\nbreak"}',
            "{'a': 'line\nbreak'}",
            '{"a": "\\x"}',
            "{'a': '\\d'}",
            '{"a": {"b": 1]}',
            "[,]",
            "{",
            "]",
        ],
    )
    def test_what_is_none(self, text: str) -> None:
        assert found(text) == []

    @pytest.mark.parametrize("text", ["[1, 2]", " [] ", "{}\n", '{"a": 1}', "('ok', {'a': 1})", "{1: 2}"])
    def test_the_whole_text(self, text: str) -> None:
        assert found(text) == [text.strip()]

    def test_valid_values_in_what_is_cut_off(self) -> None:
        assert found('{"x": [{"a": [1, {"b": 2}]}, 3, {"c": "d"}, {"e": x}') == ['{"a": [1, {"b": 2}]}', '{"c": "d"}']
        assert found('{"broken {"a": 1} "') == ['{"a": 1}']
        assert found("{'x': {'a': 1}, 'b': 'c") == ["{'a': 1}"]

    def test_the_stretch_of_the_lines(self) -> None:
        text = '{"a":\n[1]\n} {"b": 2}'
        lines = Lines.of(text)
        assert [region.span for region in find_json(lines.part(1, 2))] == [(6, 9)]
        assert list(find_json(lines.part(0, 2))) == []
        assert list(find_json(lines.part(0, 0))) == []

    def test_windows_line_ends(self) -> None:
        text = '{\r\n "a": 1,\r\n "b": 2\r\n}\r\n'
        assert json.loads(kept(text, '"b"')) == {"b": 2}


class TestSingleObjects:
    TEXT = f'{{"a": 1, "b": {{"c": 2, "d": 3}}, "e": "{LONG}", "f": [4, 5]}}'

    @pytest.mark.parametrize(
        ("stay", "expected"),
        [
            ((), {}),
            (('"a"',), {"a": 1}),
            (('"d"',), {"b": {"d": 3}}),
            (('"a"', '"c"', '"d"'), {"a": 1, "b": {"c": 2, "d": 3}}),
            (("parcel", "late", '"f"'), {"e": "the parcel late", "f": [4, 5]}),
        ],
    )
    def test_members_go_one_by_one(self, stay: tuple[str, ...], expected: Any) -> None:
        assert json.loads(kept(self.TEXT, *stay)) == expected

    def test_a_list_of_scalars_is_whole_with_its_key(self) -> None:
        text = '{"cmd": ["rsync", "-a", "--delete", "./site/"], "dry_run": true}'
        [region] = regions_of(text)
        assert '"cmd": ["rsync", "-a", "--delete", "./site/"]' in [text[slice(*unit)] for unit in region.units]

    def test_texts_of_a_list_are_shortened_and_none_goes(self) -> None:
        text = json.dumps({"notes": [LONG, "short", LONG]})
        assert json.loads(kept(text, "late")) == {"notes": ["the late", "short", "the late"]}
        assert json.loads(kept(text)) == {}

    def test_strings_are_regions_between_the_quotes(self) -> None:
        [region] = regions_of(self.TEXT)
        [string] = region.inner
        assert (string.kind, string.escaped) == ("string", True)
        assert self.TEXT[slice(*string.span)] == LONG.removeprefix("the")

    @pytest.mark.parametrize(
        ("string", "is_long"),
        [
            (" ".join(["one"] * 25), True),
            (" ".join(["one"] * 24), False),
            ("one\\ntwo\\nthree\\nfour\\nfive\\nsix\\nseven\\neight", False),
            ("log\\ntwo\\nthree\\nfour\\nfive\\nsix\\nseven\\neight", True),
            ("aGVsbG8gd29ybGQ+/aGVsbG8gd29ybGQ/aGVsbG8+gd29ybGQ=", False),
            ('{\\"a\\": 1} is what came back from the service', False),
            (json.dumps(json.dumps({"a": list(range(40))}))[1:-1], True),
        ],
    )
    def test_strings_worth_shortening(self, string: str, is_long: bool) -> None:
        [region] = regions_of(f'{{"a": "{string}"}}')
        assert bool(region.inner) == is_long

    def test_a_list_around_one_object(self) -> None:
        assert json.loads(kept('[{"a": 1, "b": 2}]', '"b"')) == [{"b": 2}]

    def test_an_outermost_list_of_scalars(self) -> None:
        assert json.loads(kept('["a", "b"]')) == []
        assert json.loads(kept('["a", "b"]', "b")) == ["a", "b"]


class TestRecords:
    def test_whole_records_go(self) -> None:
        text = '[{"id": 1, "x": [1]}, {"id": 2, "x": [2]}, {"id": 3, "x": [3]}]'
        assert json.loads(left(text, '"id": 2')) == [{"id": 1, "x": [1]}, {"id": 3, "x": [3]}]
        [region] = regions_of(text)
        [series] = region.series
        assert [json.loads(text[slice(*item)])["id"] for item in series.items] == [1, 2, 3]
        assert (series.noun, series.form, series.quote) == ("record", "element", '"')

    def test_records_keep_their_members(self) -> None:
        records = [{"id": 1, "title": LONG, "n": 2, "body": LONG, "z": None}, {"id": 2, "title": LONG}]
        text = json.dumps(records)
        assert json.loads(kept(text, '"id": 1')) == [{"id": 1, "title": "the", "n": 2, "body": "the", "z": None}]
        assert json.loads(kept(text, "late"))[1] == {"id": 2, "title": "the late"}

    def test_what_is_nested_in_a_record_stays(self) -> None:
        records = [{"id": 1, "in": {"a": 1, "text": LONG}, "legs": [{"x": 1}, {"x": 2}, {"x": 3}]}, {"id": 2}]
        text = json.dumps(records)
        assert json.loads(kept(text, '"id": 1')) == [{"id": 1, "in": {"a": 1, "text": "the"}, "legs": [{"x": 1}]}]
        assert json.loads(kept(text, '"x": 3'))[0]["legs"] == [{"x": 1}, {"x": 3}]

    def test_a_series_that_its_record_counts_is_whole(self) -> None:
        legs = [{"x": 1}, {"x": 2}]
        text = json.dumps([{"id": 5, "n": 2, "legs": legs, "text": LONG}, {"id": 6}])
        assert json.loads(kept(text, "late")) == [{"id": 5, "n": 2, "legs": legs, "text": "the late"}]

    def test_a_list_in_a_list_is_whole(self) -> None:
        trips = [[{"leg": 1}, {"leg": 2}], [{"leg": 3}, {"leg": 4}]]
        assert json.loads(kept(json.dumps(trips), '"leg": 4')) == [trips[1]]


class TestTables:
    TEXT = (
        '{"columns": ["id", "name"], "rows": [[1, "Ann"], [2, "Bo"], [3, "Cy"]], "count": 3, "index": ["a", "b", "c"]}'
    )

    def test_rows_go_whole_and_column_names_stay_with_them(self) -> None:
        assert json.loads(kept(self.TEXT, "Bo")) == {"columns": ["id", "name"], "rows": [[2, "Bo"]]}
        assert json.loads(kept(self.TEXT, "columns")) == {"columns": ["id", "name"]}

    def test_column_names_between_and_behind(self) -> None:
        text = '{"a": 1, "rows": [[1, "Ann"], [2, "Bo"]], "b": 7, "fields": [{"name": "id"}, {"name": "name"}], "c": 3}'
        fields = [{"name": "id"}, {"name": "name"}]
        assert json.loads(kept(text, "Bo")) == {"rows": [[2, "Bo"]], "fields": fields}
        assert json.loads(kept(text, '"c"')) == {"c": 3}
        assert json.loads(kept(text, "Bo", '"b"', '"c"')) == {"rows": [[2, "Bo"]], "b": 7, "fields": fields, "c": 3}

    def test_a_count_stays_only_beside_a_whole_list(self) -> None:
        whole = json.loads(self.TEXT)
        assert json.loads(left(self.TEXT)) == whole
        del whole["rows"][1], whole["count"], whole["index"]
        assert json.loads(left(self.TEXT, "Bo")) == whole

    def test_a_first_row_that_names_the_columns(self) -> None:
        text = '[["id", "name"], [1, "Ann"], [2, "Bo"]]'
        assert json.loads(kept(text, "Bo")) == [["id", "name"], [2, "Bo"]]
        assert json.loads(kept('[["a", "b"], ["c", "d"], ["e", "f"]]', "d")) == [["c", "d"]]


class TestJsonLines:
    TEXT = 'Output:\n{"a": 1, "t": "x"}\n{"a": 2, "t": "' + LONG + '"}\n[1, 2]\n{"a": 3}\n\nThat is all.'

    def test_whole_lines_go(self) -> None:
        assert kept(self.TEXT, '"a": 1', "[1", '"a": 3') == '{"a": 1, "t": "x"}\n[1, 2]\n{"a": 3}'
        assert kept(self.TEXT, "late") == '{"a": 2, "t": "the late"}'
        assert kept(self.TEXT) == ""

    def test_the_mark_is_a_line(self) -> None:
        [region] = regions_of(self.TEXT)
        [series] = region.series
        assert region.kind == "json lines"
        assert (series.form, series.noun, series.quote, len(series.items)) == ("line", "record", '"', 4)

    def test_python_lines(self) -> None:
        [region] = regions_of("{'a': None}\r\n{'a': 1}\r\n")
        assert (region.kind, region.series[0].quote) == ("json lines", "'")

    def test_pretty_printed_values(self) -> None:
        text = "\n".join(json.dumps({"a": number, "b": [number]}, indent=2) for number in range(3))
        assert json.loads(left(text, '"a": 0', '"a": 2')) == {"a": 1, "b": [1]}

    @pytest.mark.parametrize(
        "text", ['{"a": 1}\n\n{"b": 2}', 'x {"a": 1}\n{"b": 2}', '{"a": 1} {"b": 2}', '{"a": 1}, {"b": 2}']
    )
    def test_values_that_stand_apart(self, text: str) -> None:
        assert [region.kind for region in regions_of(text)] == ["json", "json"]

    @pytest.mark.parametrize(
        "text",
        [
            '[{"a": 1}, {"a": 2}, {"a": 3}, {"a": x}',
            '{"rows": [\n  {"a": 1},\n  {"a": 2},\n  {"a": 3},\n  {"a": x}',
            '"x": 0},\n  {"a": 1},\n  {"a": 2},\n  {"a": 3}\n]',
        ],
    )
    def test_a_list_in_what_is_not_valid(self, text: str) -> None:
        assert [json.loads(f"[{kept(text, *keep)}]") for keep in (['"a": 2'], ['"a": 1', '"a": 3'])] == [
            [{"a": 2}],
            [{"a": 1}, {"a": 3}],
        ]
        [region] = regions_of(text)
        assert region.series[0].form == "element"

    @pytest.mark.parametrize("note", ["", "\n", "\n... (truncated)", "\n<cut>", "\n\nWhat is the price?"])
    @pytest.mark.parametrize("last", ["", ",", ', {"id', ', {"id": 4, "name": "B', ', {"id": 4, "name"', ', {"id": 4.'])
    def test_a_value_that_was_cut_off_is_read_record_by_record(self, note: str, last: str) -> None:
        rows = [{"id": number, "name": f"boat {number}"} for number in range(4)]
        text = f'{{"ok": true, "rows": {json.dumps(rows)[:-1]}{last}'
        [region] = regions_of(text + note)
        assert (text + note)[slice(*region.span)] == text
        for row in rows:
            assert json.loads(kept(text + note, row["name"]).rstrip(",") + "]}") == {"rows": [row]}
        assert close(text + note, region, lambda unit: True) == text


class TestStrings:
    def test_unescaped(self) -> None:
        text = r'"say \"hi\" \u00e9\ud83d\ude00\n\\n\x41\101\/ \ud83d end"'
        content, source = unescaped(text, 1, len(text) - 1)
        assert content == 'say "hi" \u00e9\U0001f600\n\\nAA/ \ud83d end'
        assert len(source) == len(content) + 1
        assert source[-1] == len(text) - 1
        assert text[source[content.index("\U0001f600")] :].startswith(r"\ud83d\ude00\n")

    def test_lines_in_a_string(self) -> None:
        log = "log of the run\none two three\nfour five six\nseven"
        text = json.dumps({"out": log, "code": 0})
        [region] = regions_of(text)
        [string] = region.inner
        [inner] = string.inner
        assert [text[slice(*unit)] for unit in inner.units] == ["one two three", "four five six", "seven"]
        assert [len(series.items) for series in inner.series] == [3]
        assert json.loads(kept(text, "four")) == {"out": "log of the run four five six"}

    def test_json_in_a_string(self) -> None:
        content = f"What came back\nfrom the service was this one:\n{json.dumps({'a': LONG, 'b': [1], 'c': 2})}"
        text = json.dumps({"text": content, "z": 0})
        assert json.loads(kept(text, '"z"')) == {"z": 0}
        short = json.loads(kept(text, "this", "[1]"))
        assert json.loads(short["text"].removeprefix("What this ")) == {"b": [1]}
        records = json.dumps([{"text": content, "z": 0}, {"text": "x", "z": 1}])
        assert json.loads(kept(records, '"z": 1')) == [{"text": "x", "z": 1}]

    @pytest.mark.parametrize("indent", [1, 0, None])
    def test_a_string_that_is_json(self, indent: int | None) -> None:
        content = {"id": 1, "items": [{"a": 1, "t": LONG}, {"a": 2, "t": "x"}, {"a": 3, "t": "y"}], "z": {"b": 1}}
        text = json.dumps({"content": [{"type": "text", "text": json.dumps(content, indent=indent)}], "code": 0})
        assert json.loads(kept(text, "code")) == {"code": 0}
        [part] = json.loads(kept(text, '{\\"a\\": 2' if indent is None else "2,\\n"))["content"]
        assert json.loads(part["text"]) == {"items": [{"a": 2, "t": "x"}]}
        records = json.dumps([{"n": 1, "text": json.dumps(content, indent=indent)}, {"n": 2}])
        [record] = json.loads(kept(records, '"n": 1'))
        assert (record["n"], json.loads(record["text"])) == (1, {})

    def test_the_quote_of_a_mark_in_a_string_is_escaped(self) -> None:
        text = json.dumps({"text": json.dumps([{"a": 1}, {"a": 2}, {"a": 3}, {"a": 4}] * 4)})
        [region] = regions_of(text)
        quotes = [(series.form, series.quote) for part in region.walk() for series in part.series]
        assert quotes == [("element", '\\"')]

    @pytest.mark.parametrize("start", ["", "see:\n"])
    def test_json_lines_in_a_string(self, start: str) -> None:
        records = [{"a": 1, "t": LONG}, {"a": 2, "t": "x"}, {"a": 3, "t": LONG}]
        text = json.dumps({"out": start + "\n".join(map(json.dumps, records)), "code": 0})
        assert json.loads(kept(text, "code")) == {"code": 0}
        for keep in ("2", "3", "late"):
            out = json.loads(kept(text, keep))["out"].removeprefix(start.strip())
            assert is_true([json.loads(line) for line in re.findall(r"\{.*?\}", out)], records, is_free=False)

    @pytest.mark.parametrize("as_lines", [False, True])
    @pytest.mark.parametrize("before", ["", "What came back:\n"])
    def test_json_in_a_string_in_a_string_stays_whole(self, as_lines: bool, before: str) -> None:
        rows = [{"t": LONG}, {"t": "x"}, {"t": LONG}]
        held = "\n".join(map(json.dumps, rows)) if as_lines else json.dumps(rows, indent=1)
        content = before + json.dumps({"a": ["1", held, {"b": 1}], "z": 2}, indent=1)
        text = json.dumps({"text": content, "code": 0})
        for keep, expected in [(("z",), {"z": 2}), (('"1',), {"a": ["1", held, {"b": 1}]})]:
            short = json.loads(kept(text, "code", *(each.replace('"', '\\"') for each in keep)))["text"]
            assert json.loads(short[short.index("{") :]) == expected

    def test_a_region_that_is_one_unit(self) -> None:
        content = "log of the run that is a single line of nine words\n"
        [region] = regions_of(json.dumps({"a": content}))
        assert not region.inner


def is_long(value: Any) -> bool:
    """Whether words, lines or parts of a value may go."""
    return isinstance(value, str) and (is_long_text(value) or "\n" in value or len(value) >= 100)


def is_series(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 1
        and len({type(each) for each in value} | {list}) <= 2
        and (all(isinstance(each, dict) for each in value) or all(isinstance(each, list | tuple) for each in value))
    )


def is_true(short: Any, value: Any, is_free: bool) -> bool:
    """Whether `short` says nothing that `value` does not; `is_free` where members may go."""
    if isinstance(value, dict):
        if not isinstance(short, dict) or not (is_free or list(short) == list(value)):
            return False
        keys = iter(value)
        return all(key in keys and is_true(short[key], value[key], is_free) for key in short)
    if is_series(value):
        items = iter(value)
        return isinstance(short, list) and all(any(is_true(s, item, False) for item in items) for s in short)
    if isinstance(value, list | tuple):
        return (
            isinstance(short, type(value))
            and len(short) == len(value)
            and all(
                is_true(s, v, is_free and len(value) == 1 and isinstance(v, dict | list))
                for s, v in zip(short, value, strict=True)
            )
        )
    if is_long(value):
        return isinstance(short, str) and is_true_text(short, value)
    return type(short) is type(value) and (bool(short == value) or short != short)


def is_true_text(short: str, value: str) -> bool:
    """Whether a long text says nothing that `value` does not; JSON stays JSON."""
    if value.lstrip()[:1] in ("{", "["):
        with suppress(ValueError):
            content = json.loads(value)
            return short == value or is_true_json(short, content)
    characters = iter(value)
    return short != "" and all(c.isspace() or c in characters for c in short)


def is_true_json(short: str, content: Any) -> bool:
    """Whether a text is JSON that says nothing that `content` does not."""
    try:
        return are_true(json.loads(short), content)
    except ValueError:
        return False


def are_true(short: Any, value: Any) -> bool:
    return short in ([], ()) or is_true(short, value, is_free=True)


_WORDS = st.lists(
    st.sampled_from(["alpha", "beta", "1,200", "don't", '"', "\\", "\n", "é", "😀", ",", "}", "log"]), max_size=14
)
_SCALARS = st.none() | st.booleans() | st.integers(-3, 4) | st.floats(allow_nan=True) | st.text(max_size=6)


def values(scalars: st.SearchStrategy[Any], extra: bool) -> st.SearchStrategy[Any]:
    """Values with many lists of records, rows and texts."""
    keys = st.sampled_from(["a", "b", "count", "rows", "é'", '"'])
    texts = _WORDS.map(" ".join)
    rows = st.lists(st.lists(scalars | texts, min_size=2, max_size=2), max_size=4)
    return st.recursive(
        scalars | texts | rows,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(keys, inner, max_size=4)
            | st.lists(st.dictionaries(keys, inner, max_size=3), max_size=4)
            | st.tuples(inner, st.sampled_from([None, 1])).map(lambda pair: json.dumps(pair[0], indent=pair[1]))
            | (st.lists(inner, max_size=3).map(tuple) if extra else st.nothing())
        ),
        max_leaves=14,
    )


def containers(extra: bool) -> st.SearchStrategy[Any]:
    return values(_SCALARS, extra).filter(lambda value: isinstance(value, dict | list))


class TestProperties:
    @settings(max_examples=300, deadline=None)
    @given(containers(extra=False), st.sampled_from([None, 0, 2]), st.booleans(), st.randoms(use_true_random=False))
    def test_any_mask_leaves_what_is_valid_and_true(
        self, value: Any, indent: int | None, ascii: bool, rng: Any
    ) -> None:
        text = json.dumps(value, indent=indent, ensure_ascii=ascii)
        [region] = regions_of(text)
        for share in (0, 0.2, 0.7):
            short = json.loads(close(text, region, at_random(rng, share)))
            assert are_true(short, value)
        assert close(text, region, lambda unit: True) == text

    @settings(max_examples=150, deadline=None)
    @given(
        containers(extra=True).filter(lambda value: "nan" not in repr(value) and "inf" not in repr(value)),
        st.randoms(use_true_random=False),
    )
    def test_python_literals_too(self, value: Any, rng: Any) -> None:
        text = repr(value)
        [region] = regions_of(text)
        for share in (0, 0.2, 0.7):
            short = ast.literal_eval(close(text, region, at_random(rng, share)))
            assert are_true(short, value)

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(st.dictionaries(st.sampled_from("ab"), values(_SCALARS, False), min_size=1), min_size=2),
        st.randoms(use_true_random=False),
    )
    # The first record goes: the second one is compared with that too, of which a string holds JSON.
    @example(
        [{"a": json.dumps([{"b": 1, "c": "one two three four five six"}], indent=1)}, {"a": {}}], random.Random(24)
    )
    def test_json_lines_too(self, records: list[Any], rng: Any) -> None:
        text = "\n".join(map(json.dumps, records))
        [region] = regions_of(text)
        short = [json.loads(line) for line in close(text, region, lambda unit: rng.random() < 0.5).splitlines()]
        assert is_true(short, records, is_free=False)

    @settings(max_examples=150, deadline=None)
    @given(st.text(st.sampled_from("{}[]\"':,\\ a1\n("), max_size=40))
    def test_found_values_are_valid(self, text: str) -> None:
        position = 0
        for region in regions_of(text):
            if not region.series or region.kind == "json":
                source = text[slice(*region.span)]
                assert isinstance(ast.literal_eval(f"[{source}]"), list)
            assert region.span[0] >= position
            position = region.span[1]

    @settings(max_examples=150, deadline=None)
    @given(st.text(max_size=10), containers(extra=False), st.text(max_size=10))
    def test_every_visible_character_is_in_one_unit(self, before: str, value: Any, after: str) -> None:
        text = before + json.dumps(value, ensure_ascii=False) + after
        for region in regions_of(text):
            units = units_of(text, region)
            assert all(start < end for start, end in units)
            assert all(one[1] <= other[0] for one, other in pairwise(units))
            covered = total(text, units)
            hidden = [i for i in range(*region.span) if covered[i + 1] == covered[i] and text[i].strip()]
            assert all(text[i - 1 : i + 1] in ("\\n", "\\t") or text[i] == "\\" for i in hidden)


class TestAnyInput:
    @pytest.mark.parametrize("depth", [90, 100, 100_000])
    def test_deep_nesting(self, depth: int) -> None:
        text = '{"a": ' + "[" * depth + '{"b": 1, "c": 2}' + "]" * depth + ', "d": 1}'
        short = kept(text, '"d"' if depth > 100 else '"b"')
        assert json.loads(short) == {"d": 1} if depth > 100 else '"b": 1' in short

    def test_duplicate_keys(self) -> None:
        assert kept('{"a": 1, "a": 2, "a": 3}', "2") == '{"a": 2 }'

    @pytest.mark.parametrize(
        "piece",
        [
            "{", "[", '{"a":', '["', "[1,", '{"', '["a\\"', '[{"a":1},', '"[', '["[\\"', "['", "['a' ", "{'a':(", "[\n",
            '{"a": 1}', '{"a": 1}\n', "[1, 2],\n", '{"a": [[1],[2]], "b": 2}, ', "['a' 'b", "[   ",
        ],
    )  # fmt: skip
    def test_time_is_linear(self, piece: str) -> None:
        for text in (piece * 10_000, "[" + piece * 10_000, "{'a': [" + piece * 10_000 + "]}"):
            with at_most(3):
                regions_of(text)

    @pytest.mark.parametrize("break_", [" ", "\n"])
    def test_long_texts(self, break_: str) -> None:
        text = break_.join(f'line {number} says [3] and {{x}} and it\'s (so) "now"' for number in range(25_000))
        with at_most(2):
            assert regions_of(text) == []

    def test_many_series_and_counts(self) -> None:
        members = ", ".join(f'"k{i}": 2, "l{i}": [{{"a": 1}}, {{"a": 2}}]' for i in range(10_000))
        with at_most(3):
            regions_of(f"{{{members}}}")

    def test_moving(self) -> None:
        text = TestTables.TEXT
        [region] = regions_of(text)
        [moved] = regions_of(" " * 7 + text)
        assert region.moved(lambda position: position + 7) == moved


def test_many_columns_are_whole_and_read_in_linear_time() -> None:
    """Items of few columns go together; each column of many is one unit."""
    few, many = ({f"c{column}": list(range(20)) for column in range(count)} for count in (3, 400))
    left = json.loads(kept(json.dumps(few), "5", "7"))
    assert left["c0"] == left["c1"] == left["c2"] == [5, 7, 15, 17]
    with at_most(2):
        [region] = regions_of(json.dumps(many))
    assert len(region.scaffold) < 20 * 400
