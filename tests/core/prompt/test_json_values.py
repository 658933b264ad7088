import json
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from diffumask_core.prompt.json_values import JsonIndex, find_json, json_units
from hypothesis import given, settings
from hypothesis import strategies as st

from diffumask_core.units.words import split_words

LONG = "the parcel left the depot on Monday and is late"


def found(text: str) -> list[str]:
    return [text[slice(*node.span)] for node in find_json(text)]


def units_of(text: str) -> tuple[list[str], list[bool]]:
    offsets, syntax = json_units(text, find_json(text))
    return [text[start:end] for start, end in offsets], syntax.tolist()


def assemble(text: str, offsets: npt.NDArray[np.int64], keep: npt.NDArray[np.bool_]) -> str:
    """Kept neighbours keep the gap between them; where something went, there is one space."""
    kept = np.flatnonzero(keep)
    out = ""
    for before, unit in zip([-1, *kept[:-1]], kept, strict=True):
        if before >= 0:
            out += text[offsets[before, 1] : offsets[unit, 0]] if unit == before + 1 else " "
        out += text[offsets[unit, 0] : offsets[unit, 1]]
    return out


def shortened(text: str, *kept: str) -> str:
    """What is left of a JSON text when the units that are, or are a member with the key, in `kept` stay."""
    offsets, _ = json_units(text, find_json(text))
    words = [text[start:end] for start, end in offsets]
    keep = np.array([word in kept or any(word.startswith(f'"{key}":') for key in kept) for word in words])
    return assemble(text, offsets, JsonIndex(find_json(text), offsets).close(keep))


class TestFindJson:
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
            "{'a': 1}",
            'fn main() { println!("{}", x); }',
            'frame["name"] and f(x)["key"]',
            '{"a": NaN}',
            '{"a": Infinity}',
            '{"a": 01}',
            '{"a": 1,}',
            '{"a" 1}',
            '{"a": "b',
            '{"a": "line\nbreak"}',
            '{"a": "\\x"}',
            '{"a": {"b": 1]}',
            "{",
            "]",
        ],
    )
    def test_what_is_none(self, text: str) -> None:
        assert found(text) == []

    @pytest.mark.parametrize("text", ["[1, 2]", " [] ", "{}\n", '{"a": 1}'])
    def test_the_whole_text(self, text: str) -> None:
        assert found(text) == [text.strip()]

    def test_valid_values_in_an_invalid_one(self) -> None:
        assert found('[{"a": [1, {"b": 2}]}, {"c": "d"}, {"e') == ['{"a": [1, {"b": 2}]}', '{"c": "d"}']
        assert found('{"broken {"a": 1} "') == ['{"a": 1}']

    def test_lines_of_json(self) -> None:
        assert found('{"a": 1}\n{"b": 2}\n') == ['{"a": 1}', '{"b": 2}']

    def test_a_stretch_of_the_text(self) -> None:
        text = '{"a": [1]} {"b": 2}'
        assert [node.span for node in find_json(text, 6, 9)] == [(6, 9)]
        assert [node.span for node in find_json(text, 0, 9)] == []

    def test_nodes(self) -> None:
        text = f'{{"a": 1, "b" : ["x", {{}}], "c": "{LONG}"}}'
        (root,) = find_json(text)
        a, b, c = root.children
        assert root.span == root.value == (0, len(text))
        assert [text[slice(*node.span)] for node in (a, b)] == ['"a": 1', '"b" : ["x", {}]']
        assert [text[slice(*node.value)] for node in (a, b)] == ["1", '["x", {}]']
        assert [text[slice(*node.span)] for node in b.children] == ['"x"', "{}"]
        assert c.words
        assert text[slice(*c.words)] == LONG
        assert all(node.words is None for node in (root, a, b, *b.children))

    @pytest.mark.parametrize(
        ("string", "is_long"),
        [
            ("one two three four five six seven eight", True),
            ("one two three four five six seven", False),
            ("one\\ntwo\\nthree\\nfour\\nfive\\nsix\\nseven\\neight", True),
            ("aGVsbG8gd29ybGQ+/aGVsbG8gd29ybGQ/aGVsbG8+gd29ybGQ=", False),
            ('{\\"a\\": \\"one two three four five six seven eight\\"}', False),
            ('{\\"a\\": 1} is what came back from the service', True),
        ],
    )
    def test_strings_worth_shortening(self, string: str, is_long: bool) -> None:
        (root,) = find_json(f'{{"a": "{string}"}}')
        assert (root.children[0].words is not None) == is_long

    def test_deep_nesting_is_a_leaf(self) -> None:
        deep = "[" * 100_000 + "]" * 100_000
        (root,) = find_json(f'{{"a": {deep}}}')
        depth = 0
        while root.children:
            (root,) = root.children
            depth += 1
        assert depth == 100

    @pytest.mark.parametrize("piece", ["{", "[", '{"a":', '["', "[1,", '{"', '["a\\"', '[{"a":1},', '"[', '["[\\"'])
    def test_time_is_linear(self, piece: str) -> None:
        text = piece * 30_000
        started = time.perf_counter()
        find_json(text)
        assert time.perf_counter() - started < 3


class TestUnits:
    def test_leaves_are_units_and_the_rest_is_syntax(self) -> None:
        units, syntax = units_of('{"a": 1, "b": {"c": [2, "x y"]}, "d": []}')
        assert units == ["{", '"a": 1', ",", '"b": {', '"c": [', "2", ",", '"x y"', "]", "}", ",", '"d": []', "}"]
        assert [unit for unit, is_syntax in zip(units, syntax, strict=True) if not is_syntax] == [
            '"a": 1',
            "2",
            '"x y"',
            '"d": []',
        ]

    def test_words_of_a_long_string(self) -> None:
        units, syntax = units_of(
            '{"a": "one two\\nthree caf\\u00e9 say \\"hi\\" \\ud83d\\ude00 at https://x.org/a\\tb"}'
        )
        assert units[1:-2] == [
            '"a": "', "one", "two", "\\n", "three", "caf\\u00e9", "say", '\\"', "hi", '\\"', "\\ud83d\\ude00", "at",
            "https://x.org/a", "\\t", "b",
        ]  # fmt: skip
        assert np.flatnonzero(syntax).tolist() == [0, 1, len(units) - 2, len(units) - 1]

    def test_empty_values_are_one_unit(self) -> None:
        assert units_of("{}") == (["{}"], [True])

    def test_no_json(self) -> None:
        offsets, syntax = json_units("plain", ())
        assert offsets.shape == (0, 2)
        assert syntax.shape == (0,)


class TestClose:
    TEXT = f'{{"a": 1, "b": {{"c": 2, "d": 3}}, "e": "{LONG}", "f": [4, 5]}}'

    @pytest.mark.parametrize(
        ("kept", "expected"),
        [
            ((), "{ }"),
            (("a",), '{"a": 1 }'),
            (("d",), '{ "b": { "d": 3} }'),
            (("a", "c", "d"), '{"a": 1, "b": {"c": 2, "d": 3} }'),
            (("a", "5"), '{"a": 1, "f": [ 5]}'),
            (("parcel", "late", "4"), '{ "e": " parcel late", "f": [4 ]}'),
        ],
    )
    def test_syntax_follows_what_is_kept(self, kept: tuple[str, ...], expected: str) -> None:
        assert shortened(self.TEXT, *kept) == expected

    def test_units_outside_json_are_left_alone(self) -> None:
        text = f"Result, then: {self.TEXT} Done."
        nodes = find_json(text)
        inside, _ = json_units(text, nodes)
        start, end = nodes[0].span
        offsets = np.concatenate([split_words(text, 0, start), inside, split_words(text, end)])
        keep = np.array([text[a:b] in {"Result", ",", "Done", "4"} for a, b in offsets])
        before = keep.copy()
        closed = JsonIndex(nodes, offsets).close(keep)
        assert assemble(text, offsets, closed) == 'Result, { "f": [4 ]} Done'
        assert (keep == before).all()

    def test_no_json(self) -> None:
        index = JsonIndex((), split_words("just words"))
        assert index.close(np.array([True, False])).tolist() == [True, False]
        assert index.support(np.array([True, False])).tolist() == [True, False]

    def test_support_keeps_forced_syntax(self) -> None:
        offsets, _ = json_units(self.TEXT, find_json(self.TEXT))
        units = [self.TEXT[start:end] for start, end in offsets]
        index = JsonIndex(find_json(self.TEXT), offsets)
        for unit, needed in [
            ('"b": {', {'"c": 2'}),
            ("]", {"5"}),
            ('"e": "', {"the"}),
            (",", {'"a": 1', '"c": 2'}),
            ("{", set()),
        ]:
            forced = np.zeros(len(units), dtype=np.bool_)
            forced[units.index(unit)] = True
            supported = index.support(forced)
            assert {units[i] for i in np.flatnonzero(supported & ~forced)} == needed
            assert index.close(supported)[units.index(unit)]


def is_part(short: Any, whole: Any) -> bool:
    """Whether `short` is what can be left of `whole`."""
    if isinstance(whole, dict):
        if not isinstance(short, dict):
            return False
        keys = iter(whole)
        return all(key in keys for key in short) and all(is_part(short[key], whole[key]) for key in short)
    if isinstance(whole, list):
        elements = iter(whole)
        return isinstance(short, list) and all(any(is_part(s, element) for element in elements) for s in short)
    if isinstance(whole, str):
        characters = iter(whole)
        return isinstance(short, str) and all(c == " " or c in characters for c in short)
    return type(short) is type(whole) and bool(short == whole)


_WORDS = st.lists(
    st.sampled_from(["alpha", "beta", "1,200", "don't", '"', "\\", "\n", "é", "😀", ",", "}"]), max_size=14
)
_SCALARS = (
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
_VALUES = st.recursive(
    _SCALARS | _WORDS.map(" ".join) | _WORDS.map("".join),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
_CONTAINERS = st.lists(_VALUES, max_size=4) | st.dictionaries(st.text(max_size=3), _VALUES, max_size=4)


class TestProperties:
    @settings(max_examples=150, deadline=None)
    @given(value=_CONTAINERS, indent=st.sampled_from([None, 0, 2]), is_ascii=st.booleans(), data=st.data())
    def test_what_is_left_is_a_part_of_the_value(
        self, value: Any, indent: int | None, is_ascii: bool, data: st.DataObject
    ) -> None:
        text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
        nodes = find_json(text)
        offsets, syntax = json_units(text, nodes)
        keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(offsets), max_size=len(offsets))))
        index = JsonIndex(nodes, offsets)
        closed = index.close(keep)
        assert is_part(json.loads(assemble(text, offsets, closed)), value)
        assert (closed[~syntax] == keep[~syntax]).all()
        assert (index.close(closed) == closed).all()
        assert (index.close(index.support(keep)) >= keep).all()
        assert json.loads(assemble(text, offsets, index.close(np.ones_like(keep)))) == value

    @settings(max_examples=150, deadline=None)
    @given(st.text(st.sampled_from('{}[]":,\\ a1\n'), max_size=40))
    def test_found_values_are_the_outermost_valid_ones(self, text: str) -> None:
        def valid(start: int, end: int) -> bool:
            try:
                return isinstance(json.loads(text[start:end]), dict | list)
            except ValueError:
                return False

        position = 0
        for node in find_json(text):
            assert valid(*node.span)
            assert node.span[0] >= position
            position = node.span[1]
        if valid(0, len(text)):
            assert found(text) == [text.strip()]

    @settings(max_examples=100, deadline=None)
    @given(before=st.text(max_size=10), value=_CONTAINERS, after=st.text(max_size=10))
    def test_every_visible_character_is_in_one_unit(self, before: str, value: Any, after: str) -> None:
        text = before + json.dumps(value, ensure_ascii=False) + after
        nodes = find_json(text)
        offsets, _ = json_units(text, nodes)
        assert (offsets[:, 0] < offsets[:, 1]).all()
        assert (offsets[1:, 0] >= offsets[:-1, 1]).all()
        covered = np.zeros(len(text), dtype=np.bool_)
        for start, end in offsets:
            covered[start:end] = True
        for node in nodes:
            rest = "".join(text[i] for i in range(*node.span) if not covered[i])
            assert not rest.strip()
