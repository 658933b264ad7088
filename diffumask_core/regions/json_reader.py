"""Reads the JSON values in a text, and the same in Python's literal notation, as trees of nodes.

Reading takes time linear in the length, whatever the text is; nothing here decides which values are meant as JSON.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from diffumask_core.prompt.spans import Span
from diffumask_core.regions.json_strings import count_words, is_long_text, resolve

# Of a string of several lines so few words are enough, since lines of it may go; so much of a value in a string is.
_MIN_WORDS = 8
_MIN_VALUE = 100
# Of a list of so many items some may go, whatever they are; a command or a pair of coordinates has fewer.
MANY_ITEMS = 16
_MAX_DEPTH = 100


class JsonNode(NamedTuple):
    """A value, or a member of an object.

    Attributes:
        span: From the first to the last character; for a member from its key to the end of its value.
        value: The value alone (equal to `span` unless the node is a member).
        bracket: What opens a container, ``""`` for a scalar.
        children: Members or elements, in order. Empty for scalars, empty containers and containers that are too deep.
        commas: Where the comma after each child is. The last child has one only in Python's notation.
        is_long: Whether the value is a string of many words or lines, of which some may go.
        is_divisible: Whether something inside may go while the rest stays: words of a long string, items of a series.
        is_cut: Whether the value is a container whose end was cut off: it has no closing bracket.
    """

    span: Span
    value: Span
    bracket: str = ""
    children: tuple["JsonNode", ...] = ()
    commas: tuple[int, ...] = ()
    is_long: bool = False
    is_divisible: bool = False
    is_cut: bool = False

    @property
    def content(self) -> Span:
        """From the first child to the last one, with the comma after it."""
        end = self.children[-1].span[1]
        return self.children[0].span[0], max(end, self.commas[-1] + 1) if self.commas else end

    @property
    def is_series(self) -> bool:
        """Whether the value is a list of which whole items may go: a list of records, or of many items."""
        return self.is_records or self.is_many

    @property
    def is_many(self) -> bool:
        """Whether the value is a list of many items that are no records: they go only where a mark says so."""
        return self.bracket == "[" and len(self.children) >= MANY_ITEMS and not self.is_records

    @property
    def is_records(self) -> bool:
        """Whether the value is a list of several objects, or of several lists."""
        if self.bracket != "[" or len(self.children) < 2 or not self.children[0].bracket:
            return False
        kinds = {child.bracket for child in self.children}
        return len(kinds) == 1


# A value is valid where all in it is written in one notation. Each token is of one of them or of both.
_JSON, _PYTHON = 1, 2
_NOTATIONS = {"both": _JSON | _PYTHON, "python": _PYTHON, "json": _JSON}

_SPACE = r"[ \t\n\r]*+"
_NUMBER = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
_QUOTED = r'"[^"\\\x00-\x1f]*+(?:\\(?:[%s]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"'
_STRING, _JSON_STRING = (_QUOTED % escapes for escapes in (r'"\\bfnrt', r'"\\/bfnrt'))
_PYTHON_ESCAPE = (
    r"""\\(?:[\\'"abfnrtv]|[0-3]?[0-7]{1,2}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})"""
)
_PYTHON_STRING = "|".join(
    rf"{quote}[^{quote}\\\n\r\x00]*+(?:{_PYTHON_ESCAPE}[^{quote}\\\n\r\x00]*+)*+{quote}" for quote in "'\""
)
_PYTHON_STRING = f"(?:{_PYTHON_STRING})"
_PYTHON_SCALAR = r"-?(?:(?:0|[1-9][0-9]*+)(?:\.[0-9]*+)?(?:[eE][+-]?[0-9]++)?|inf)|nan|True|False|None"
# A string with another one behind is in Python's notation: pprint breaks long strings into several.
_BOTH = rf"""{_STRING}(?!{_SPACE}["'])|{_NUMBER}(?!\.)"""
# Python's JSON module writes and reads NaN and the infinities too.
_VALUE = re.compile(
    rf"{_SPACE}(?:(?P<both>[\[{{]|{_BOTH})"
    rf"|(?P<python>\(|{_PYTHON_STRING}(?:{_SPACE}{_PYTHON_STRING})*+|{_PYTHON_SCALAR})"
    rf"|(?P<json>{_JSON_STRING}|true|false|null|NaN|-?Infinity))"
)
_KEY = re.compile(
    rf"{_SPACE}(?:(?P<both>{_STRING})"
    rf"|(?P<python>{_PYTHON_STRING}|{_PYTHON_SCALAR})"
    rf"|(?P<json>{_JSON_STRING})){_SPACE}:"
)
_ONE_STRING = re.compile(rf"{_PYTHON_STRING}|{_JSON_STRING}")
_CLOSE = re.compile(rf"{_SPACE}([\]}})])")
_COMMA = re.compile(rf"{_SPACE},")
_OPEN = re.compile(r"[\[{]")
# What may be left of a key or value at the end of what was cut off, before the end, a blank line or a tool's note.
_CUT_TOKEN = re.compile(
    r"""(?:[ \t]*+(?:\r?\n[ \t]*+)?+(?:"[^"\n]*+"?+|'[^'\n]*+'?+|-?\w[\w.+-]*+|\.(?!\.)))?
    (?=\s*+\Z|[ \t]*+(?:\.\.\.|…|\r?\n[ \t]*+(?:\r?\n|\.\.\.|…|[\[<(][\w.…])))""",
    re.ASCII | re.VERBOSE,
)
# With fewer parts, what is not closed may as well be prose.
_MIN_PARTS = 3
_CLOSING = {"{": "}", "[": "]", "(": ")"}

_Known = dict[int, JsonNode | None]
"""What is known to start where: a container, or none."""


def find_values(text: str, start: int, end: int) -> Iterator[JsonNode]:
    """Finds the outermost objects and lists in ``text[start:end]``, in order.

    A value whose end was cut off counts as far as it goes, with what is left of its last part. In something else that
    is not valid, the valid values inside count. A tuple counts where it is the whole stretch: in prose and code,
    brackets are not tuples. Containers more than 100 levels deep have no children.

    Returns:
        Nodes with offsets into `text`.
    """
    whole = strip_span(text, (start, end))
    if text.startswith("(", *whole):
        known: _Known = {}
        _read_container(text, whole[0], end, known)
        node = known[whole[0]]
        if node and node.value == whole and node.commas:
            yield node
            return
    known = {}
    position = start
    while opening := _OPEN.search(text, position, end):
        position = opening.start()
        if position not in known:
            stack, stop, begun = _read_container(text, position, end, known)
            known[position] = known[position] or _cut_off(text, stack, stop, begun, end)
        node = known[position]
        if node:
            yield node
        position = node.value[1] if node else position + 1


def strip_span(text: str, span: Span) -> Span:
    """The span without the white space at its ends."""
    stretch = text[span[0] : span[1]]
    start = span[0] + len(stretch) - len(stretch.lstrip())
    return start, start + len(stretch.strip())


@dataclass(slots=True)
class _Open:
    """A container that is being read.

    Attributes:
        start: Where it starts.
        member: Where its key starts, or the container itself.
        bracket: What opens it.
        notation: In which notations all in it is written so far.
    """

    start: int
    member: int
    bracket: str
    notation: int
    children: list[JsonNode] = field(default_factory=list)
    commas: list[int] = field(default_factory=list)

    def closed(self, end: int, depth: int) -> JsonNode:
        """The node of the container, which ends at `end`."""
        spans = (self.member, end), (self.start, end)
        if depth >= _MAX_DEPTH or not self.children:
            return JsonNode(*spans, self.bracket)
        is_divisible = any(child.is_divisible for child in self.children)
        node = JsonNode(*spans, self.bracket, tuple(self.children), tuple(self.commas), False, is_divisible)
        return node._replace(is_divisible=True) if not is_divisible and node.is_series else node


def _read_container(text: str, start: int, end: int, known: _Known) -> tuple[list[_Open], int, int]:
    """Reads the container at `start` and notes it in `known`.

    Where a container turns out not to be valid, neither are the containers in it that are still open, and the ones in
    it that are closed are valid: noting both is what keeps the search linear.

    Returns:
        The containers that are still open, where reading stopped, and where what was being read there begins.
    """
    stack: list[_Open] = []
    position = start
    key: re.Match[str] | None = None
    while token := _VALUE.match(text, position, end):
        position = token.end()
        group = token.lastgroup or ""
        span = token.span(group)
        member = key.start(key.lastgroup or "") if key else span[0]
        bracket = text[span[0]]
        if stack:
            stack[-1].notation &= _NOTATIONS[group]
        if bracket in _CLOSING:
            stack.append(_Open(span[0], member, bracket, _NOTATIONS[group]))
        else:
            is_long = _is_long(text, span)
            stack[-1].children.append(JsonNode((member, span[1]), span, is_long=is_long, is_divisible=is_long))
        position, root = _close(text, position, end, stack)
        if root:
            known[start] = root
            return [], position, position
        key = None
        frame = stack[-1]
        if len(frame.commas) < len(frame.children) or not frame.notation:
            break
        if frame.bracket == "{":
            key = _KEY.match(text, position, end)
            if key is None:
                break
            position = key.end()
            frame.notation &= _NOTATIONS[key.lastgroup or ""]
    for frame in stack:
        known[frame.start] = None
        known.update((child.value[0], child._replace(span=child.value)) for child in frame.children if child.bracket)
    return stack, position, key.start(key.lastgroup or "") if key else position


def _cut_off(text: str, stack: list[_Open], stop: int, begun: int, end: int) -> JsonNode | None:
    """The outermost of some containers that are open where a text ends; None where they are not meant as JSON.

    Args:
        text: The text.
        stack: The containers, with what of each was read.
        stop: Where reading stopped.
        begun: Where the member begins that was being read there.
        end: Where the text ends, but for what a tool says of having cut it.
    """
    rest = _CUT_TOKEN.match(text, stop, end)
    parts = sum(len(frame.children) for frame in stack)
    if rest is None or parts < _MIN_PARTS or not all(frame.notation for frame in stack):
        return None
    frame = stack[-1]
    begun, position = strip_span(text, (begun, rest.end()))
    if begun < position and len(frame.commas) < len(frame.children):
        last = frame.children.pop()
        frame.children.append(last._replace(span=(last.span[0], position), value=(last.value[0], position)))
    elif begun < position:
        frame.children.append(JsonNode((begun, position), (begun, position)))
    for depth in range(len(stack) - 1, -1, -1):
        frame = stack[depth]
        ends = [child.span[1] for child in frame.children[-1:]] + [comma + 1 for comma in frame.commas[-1:]]
        node = frame.closed(max(ends, default=frame.start + 1), depth)._replace(is_cut=True)
        if depth:
            stack[depth - 1].children.append(node)
    return node


def _close(text: str, position: int, end: int, stack: list[_Open]) -> tuple[int, JsonNode | None]:
    """Reads the comma after a value, and what closes containers there.

    Returns:
        The position behind, and the outermost container if that is closed.
    """
    while True:
        frame = stack[-1]
        if len(frame.commas) < len(frame.children) and (comma := _COMMA.match(text, position, end)):
            position = comma.end()
            frame.commas.append(position - 1)
        close = _CLOSE.match(text, position, end)
        if not close or close[1] != _CLOSING[frame.bracket]:
            return position, None
        is_trailing = bool(frame.children) and len(frame.commas) == len(frame.children)
        notation = frame.notation & (_PYTHON if is_trailing or frame.bracket == "(" else _JSON | _PYTHON)
        if not notation:
            return position, None
        position = close.end()
        node = stack.pop().closed(position, len(stack))
        if not stack:
            return position, node
        stack[-1].children.append(node)
        stack[-1].notation &= notation


def _is_long(text: str, span: Span) -> bool:
    """Whether a scalar is one string of which parts may go: words of a long text, lines, parts of JSON."""
    start, end = span
    if end - start < 2 * _MIN_WORDS + 1 or text[start] not in "'\"":
        return False
    if not _ONE_STRING.fullmatch(text, start, end):
        return False
    content = resolve(text[start + 1 : end - 1]).strip()
    if is_value(content):
        return len(content) >= _MIN_VALUE
    return is_long_text(content) or ("\n" in content and count_words(content, _MIN_WORDS) == _MIN_WORDS)


def is_value(content: str) -> bool:
    """Whether a text is one object or list."""
    span = strip_span(content, (0, len(content)))
    first = next(find_values(content, *span), None) if content.startswith(("{", "["), *span) else None
    return first is not None and first.value == span
