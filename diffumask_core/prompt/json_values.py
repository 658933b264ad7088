"""JSON inside a text: finding it, its units, and keeping it valid while it is shortened.

Whole members and elements go, and long strings lose words inside their quotes. Brackets, commas, quotes and the
keys of what is left ("syntax") are never decided on: `JsonIndex.close` derives them from what is kept.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import numpy.typing as npt
import regex

from diffumask_core.prompt.layout import JsonNode
from diffumask_core.prompt.spans import Span
from diffumask_core.units.words import split_words

_MIN_WORDS = 8
_MAX_DEPTH = 100

_SPACE = r"[ \t\n\r]*"
_STRING = r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"'
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_KEY = re.compile(rf"{_SPACE}({_STRING}){_SPACE}:")
_VALUE = re.compile(rf"{_SPACE}([\[{{]|{_STRING}|{_NUMBER}|true|false|null)")
_CLOSE = re.compile(rf"{_SPACE}([\]}}])")
_COMMA = re.compile(rf"{_SPACE},")
_OPEN = re.compile(r"[\[{]")
_CLOSING = {"{": "}", "[": "]"}

_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[^u])")
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}"
_WORD = regex.compile(rf"[{_UNSPACED}]+|[^\s{_UNSPACED}]+")


def find_json(text: str, start: int = 0, end: int | None = None) -> tuple[JsonNode, ...]:
    """Finds the outermost JSON values in ``text[start:end]``, in order.

    Objects with members count, and arrays that hold a string, an object or an array: ``[1, 2]`` and citation marks
    are prose, ``row["name"]`` is code. When the whole stretch is one object or array, it always counts. In something
    that is cut off or not valid JSON, the valid values inside it count. Containers more than 100 levels deep are
    leaves. Takes time linear in the length.

    Returns:
        Nodes with offsets into `text`.
    """
    end = len(text) if end is None else end
    whole = _strip(text, (start, end))
    nodes = []
    known: dict[int, JsonNode | None] = {}
    position = start
    while opening := _OPEN.search(text, position, end):
        position = opening.start()
        if position not in known:
            _read_container(text, position, end, known)
        node = known[position]
        if node is None:
            position += 1
            continue
        if node.value == whole or _counts(text, node):
            nodes.append(node)
        position = node.value[1]
    return tuple(nodes)


def json_units(text: str, nodes: Sequence[JsonNode]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Splits JSON values into units.

    A leaf, with its key, is one unit. Of a container or a long string, all from the key to the bracket or quote that
    opens it is one unit of syntax, and so is what closes it; each comma is one. Words in long strings are units as
    in plain text: an escaped letter belongs to its word, any other escape is a unit of its own.

    Args:
        text: The text that the nodes are in.
        nodes: Outermost values, as `find_json` returns them.

    Returns:
        Offsets of shape ``[units, 2]``, and which of the units are syntax, of shape ``[units]``.
    """
    spans: list[Sequence[int]] = []
    syntax: list[bool] = []

    def add(new: Sequence[Sequence[int]], is_syntax: bool) -> None:
        spans.extend(new)
        syntax.extend([is_syntax] * len(new))

    def visit(node: JsonNode) -> None:
        if not _is_open(node):
            add([node.span], False)
            return
        add([(node.span[0], node.value[0] + 1)], True)
        if node.words:
            add(_string_units(text, node.words).tolist(), False)
        for i, child in enumerate(node.children):
            if i:
                comma = text.index(",", node.children[i - 1].span[1])
                add([(comma, comma + 1)], True)
            visit(child)
        add([(node.value[1] - 1, node.value[1])], True)

    for node in nodes:
        if _is_open(node):
            visit(node)
        else:
            add([node.span], True)
    return np.array(spans, dtype=np.int64).reshape(-1, 2), np.array(syntax, dtype=np.bool_)


class JsonIndex:
    """Where the JSON values of a text lie among its units; made once, used for every mask.

    Args:
        nodes: Outermost values, as `find_json` returns them.
        offsets: All units of the text, of shape ``[units, 2]``; those in JSON as `json_units` makes them.
    """

    def __init__(self, nodes: Sequence[JsonNode], offsets: npt.NDArray[np.int64]) -> None:
        opened: list[tuple[int, int, bool]] = []  # span of a container or long string, whether outermost
        commas: list[tuple[int, int, int]] = []  # start of the value before, its end, end of the container
        for root in nodes:
            opened.append((*root.span, True))
            for node in _descendants(root):
                if node is not root:
                    opened.append((*node.span, False))
                commas.extend((*child.span, node.span[1]) for child in node.children[:-1])
        begin, end, outermost = np.array(opened, dtype=np.int64).reshape(-1, 3).T
        comma_from, comma_at, comma_to = np.array(commas, dtype=np.int64).reshape(-1, 3).T

        def unit_at(position: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
            return np.searchsorted(offsets[:, 0], position).astype(np.int64)

        self._begin, self._end, self._outermost = unit_at(begin), unit_at(end), outermost.astype(np.bool_)
        self._comma_from, self._comma, self._comma_to = unit_at(comma_from), unit_at(comma_at), unit_at(comma_to)
        self._syntax = np.concatenate([self._begin, self._end - 1, self._comma])

    def close(self, keep: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Sets the syntax so that what is kept is valid JSON.

        A container or long string stays if anything in it stays; an outermost one always stays, if only as ``{}``.

        Args:
            keep: Which units stay, of shape ``[units]``; what it says about syntax is ignored.

        Returns:
            A copy of `keep` with all syntax decided.
        """
        closed = keep.copy()
        closed[self._syntax] = False
        kept_before = np.concatenate([[0], np.cumsum(closed)])
        stays = self._outermost | (kept_before[self._end] > kept_before[self._begin])
        closed[self._begin] = stays
        closed[self._end - 1] = stays
        # The comma that directly follows a kept value stays, if another value follows in the same container.
        closed[self._comma] = (kept_before[self._comma] > kept_before[self._comma_from]) & (
            kept_before[self._comma_to] > kept_before[self._comma]
        )
        return closed

    def support(self, forced: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Adds to the units that must stay those without which `close` would remove syntax that must stay.

        Args:
            forced: Which units must stay, of shape ``[units]``.

        Returns:
            A copy of `forced` that also has, for what opens a container or string, the first unit in it; for what
            closes it, the last one; for a comma, the units on both sides.
        """
        is_syntax = np.zeros(len(forced), dtype=np.bool_)
        is_syntax[self._syntax] = True
        decided = np.flatnonzero(~is_syntax)
        inner = ~self._outermost
        needs_next = np.concatenate([self._begin[inner], self._comma])
        needs_previous = np.concatenate([self._end[inner] - 1, self._comma])
        supported = forced.copy()
        supported[decided[np.searchsorted(decided, needs_next[forced[needs_next]])]] = True
        supported[decided[np.searchsorted(decided, needs_previous[forced[needs_previous]]) - 1]] = True
        return supported


@dataclass(slots=True)
class _Open:
    """A container that is being read; `member` is where its key starts, or it itself."""

    start: int
    member: int
    children: list[JsonNode] = field(default_factory=list)


def _read_container(text: str, start: int, end: int, known: dict[int, JsonNode | None]) -> None:
    """Reads the container at `start` and notes it in `known`.

    When it turns out not to be JSON, the same holds for the containers in it that are still open, and the ones in it
    that are closed are JSON: noting both is what keeps the search linear.
    """
    stack: list[_Open] = []
    position = start
    key: re.Match[str] | None = None
    while token := _VALUE.match(text, position, end):
        position = token.end()
        span = token.span(1)
        member = key.start(1) if key else span[0]
        if token[1] in ("{", "["):
            stack.append(_Open(span[0], member))
        else:
            stack[-1].children.append(JsonNode((member, span[1]), span, words=_long_string(text, span)))
        while (close := _CLOSE.match(text, position, end)) and close[1] == _CLOSING[text[stack[-1].start]]:
            position = close.end()
            frame = stack.pop()
            children = tuple(frame.children) if len(stack) < _MAX_DEPTH else ()
            node = JsonNode((frame.member, position), (frame.start, position), children)
            if not stack:
                known[start] = node
                return
            stack[-1].children.append(node)
        if stack[-1].children:
            comma = _COMMA.match(text, position, end)
            if comma is None:
                break
            position = comma.end()
        key = None
        if text[stack[-1].start] == "{":
            key = _KEY.match(text, position, end)
            if key is None:
                break
            position = key.end()
    for frame in stack:
        known[frame.start] = None
        for child in frame.children:
            if text[child.value[0]] in "{[":
                known[child.value[0]] = replace(child, span=child.value)


def _strip(text: str, span: Span) -> Span:
    stretch = text[span[0] : span[1]]
    start = span[0] + len(stretch) - len(stretch.lstrip())
    return start, start + len(stretch.strip())


def _counts(text: str, node: JsonNode) -> bool:
    """Whether a value that stands in prose or code is meant as JSON."""
    start = node.value[0]
    if text[start] == "{":
        return bool(node.children)
    is_subscript = start > 0 and (text[start - 1].isalnum() or text[start - 1] in "_)]")
    return not is_subscript and any(text[child.value[0]] in '"{[' for child in node.children)


def _is_open(node: JsonNode) -> bool:
    """Whether parts of the value can go while it stays."""
    return bool(node.children) or node.words is not None


def _descendants(node: JsonNode) -> Iterator[JsonNode]:
    """The containers and long strings in a value, itself included."""
    if _is_open(node):
        yield node
        for child in node.children:
            yield from _descendants(child)


def _long_string(text: str, span: Span) -> Span | None:
    """What is between the quotes, if it is a string worth shortening and not JSON itself."""
    words = (span[0] + 1, span[1] - 1)
    if text[span[0]] != '"' or words[1] - words[0] < 2 * _MIN_WORDS - 1:
        return None
    content = json.loads(text[span[0] : span[1]]).strip()
    if sum(1 for _ in islice(_WORD.finditer(content), _MIN_WORDS)) < _MIN_WORDS:
        return None
    if content[0] in "{[" and any(node.value == (0, len(content)) for node in find_json(content)):
        return None
    return words


def _string_units(text: str, words: Span) -> npt.NDArray[np.int64]:
    """The units between the quotes of a JSON string, as offsets of shape ``[units, 2]``."""
    start, end = words
    escaped = text[start:end]
    inside_escape = np.zeros(len(escaped) + 1, dtype=np.bool_)
    for escape in _ESCAPE.finditer(escaped):
        inside_escape[escape.start() + 1 : escape.end()] = True
    source = start + np.flatnonzero(~inside_escape)  # of each unescaped character, and the end
    offsets: npt.NDArray[np.int64] = source[split_words(_ESCAPE.sub(_unescape, escaped))]
    return offsets


def _unescape(escape: re.Match[str]) -> str:
    """The character that an escape stands for; for white space a byte order mark, which is always a word of its own."""
    character = str(json.loads(f'"{escape[0]}"'))
    return "\ufeff" if character.isspace() else character
