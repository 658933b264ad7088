"""Reads the JSON values in a text, and the same in Python's literal notation, as trees of nodes.

Reading takes time linear in the length, whatever the text is; nothing here decides which values are meant as JSON.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from diffumask_core.prompt.spans import Span
from diffumask_core.regions.json_strings import count_words, resolve

_MIN_WORDS = 8
_MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class JsonNode:
    """A value, or a member of an object.

    Attributes:
        span: From the first to the last character; for a member from its key to the end of its value.
        value: The value alone (equal to `span` unless the node is a member).
        bracket: What opens a container, ``""`` for a scalar.
        children: Members or elements, in order. Empty for scalars, empty containers and containers that are too deep.
        commas: Where the comma after each child is. The last child has one only in Python's notation.
        is_long: Whether the value is a string of several words, of which some may go.
        is_divisible: Whether something inside may go while the rest stays: words of a long string, items of a series.
    """

    span: Span
    value: Span
    bracket: str = ""
    children: tuple["JsonNode", ...] = ()
    commas: tuple[int, ...] = ()
    is_long: bool = False
    is_divisible: bool = False

    @property
    def content(self) -> Span:
        """From the first child to the last one, with the comma after it."""
        end = self.children[-1].span[1]
        return self.children[0].span[0], max(end, self.commas[-1] + 1) if self.commas else end

    @property
    def is_series(self) -> bool:
        """Whether the value is a list of several objects, or of several lists: whole items of it may go."""
        kinds = {child.bracket for child in self.children}
        return self.bracket == "[" and len(self.children) > 1 and len(kinds) == 1 and kinds <= {"{", "["}


@dataclass(frozen=True)
class _Notation:
    """How values are written.

    Attributes:
        key: A key with its colon.
        value: A scalar, or what opens a container.
        string: One string alone.
        brackets: From what opens a container to what closes it.
        trailing: Whether a comma may follow the last child.
    """

    key: re.Pattern[str]
    value: re.Pattern[str]
    string: re.Pattern[str]
    brackets: dict[str, str]
    trailing: bool


def _notation(string: str, scalar: str, key: str, brackets: dict[str, str], trailing: bool) -> _Notation:
    opening = re.escape("".join(brackets))
    return _Notation(
        re.compile(rf"{_SPACE}({key}){_SPACE}:"),
        re.compile(rf"{_SPACE}([{opening}]|{scalar})"),
        re.compile(string),
        brackets,
        trailing,
    )


_SPACE = r"[ \t\n\r]*+"
_NUMBER = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
_STRING = r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"'
# Python's JSON module writes and reads NaN and the infinities too.
_JSON = _notation(_STRING, rf"{_STRING}|{_NUMBER}|true|false|null|NaN|-?Infinity", _STRING, {"{": "}", "[": "]"}, False)

_PYTHON_ESCAPE = (
    r"""\\(?:[\\'"abfnrtv]|[0-3]?[0-7]{1,2}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})"""
)
_QUOTED = "|".join(rf"{q}[^{q}\\\n\r\x00]*+(?:{_PYTHON_ESCAPE}[^{q}\\\n\r\x00]*+)*+{q}" for q in "'\"")
_PYTHON_STRING = f"(?:{_QUOTED})"
_PYTHON_NUMBER = r"-?(?:(?:0|[1-9][0-9]*+)(?:\.[0-9]*+)?(?:[eE][+-]?[0-9]++)?|inf)|nan"
_PYTHON_SCALAR = rf"{_PYTHON_NUMBER}|True|False|None"
_PYTHON = _notation(
    _PYTHON_STRING,
    rf"{_PYTHON_STRING}(?:{_SPACE}{_PYTHON_STRING})*+|{_PYTHON_SCALAR}",  # pprint breaks a long string into several
    rf"{_PYTHON_STRING}|{_PYTHON_SCALAR}",
    {"{": "}", "[": "]", "(": ")"},
    True,
)

_CLOSE = re.compile(rf"{_SPACE}([\]}})])")
_COMMA = re.compile(rf"{_SPACE},")
_OPEN = re.compile(r"[\[{]")

_Known = dict[int, JsonNode | None]
"""What is known to start where: a container, or none."""


def find_values(text: str, start: int, end: int) -> Iterator[JsonNode]:
    """Finds the outermost objects and lists in ``text[start:end]``, in order.

    In something that is cut off or not valid, the valid values inside count. A tuple counts where it is the whole
    stretch: in prose and code, brackets are not tuples. Containers more than 100 levels deep have no children.

    Returns:
        Nodes with offsets into `text`.
    """
    whole = strip_span(text, (start, end))
    if text.startswith("(", *whole):
        node = _container(text, whole[0], end, _PYTHON, {})
        if node and node.value == whole and node.commas:
            yield node
            return
    notations: list[tuple[_Notation, _Known]] = [(_JSON, {}), (_PYTHON, {})]
    position = start
    while opening := _OPEN.search(text, position, end):
        position = opening.start()
        found = (_container(text, position, end, notation, known) for notation, known in notations)
        node = next(filter(None, found), None)
        if node:
            yield node
        position = node.value[1] if node else position + 1


def strip_span(text: str, span: Span) -> Span:
    """The span without the white space at its ends."""
    stretch = text[span[0] : span[1]]
    start = span[0] + len(stretch) - len(stretch.lstrip())
    return start, start + len(stretch.strip())


def _container(text: str, start: int, end: int, notation: _Notation, known: _Known) -> JsonNode | None:
    """The container that starts at `start`, or None where there is none."""
    if start not in known:
        _read_container(text, start, end, notation, known)
    return known[start]


@dataclass(slots=True)
class _Open:
    """A container that is being read; `member` is where its key starts, or the container itself."""

    start: int
    member: int
    bracket: str
    children: list[JsonNode] = field(default_factory=list)
    commas: list[int] = field(default_factory=list)

    def closed(self, end: int, depth: int) -> JsonNode:
        """The node of the container, which ends at `end`."""
        spans = (self.member, end), (self.start, end)
        if depth >= _MAX_DEPTH:
            return JsonNode(*spans, self.bracket)
        node = JsonNode(*spans, self.bracket, tuple(self.children), tuple(self.commas))
        return replace(node, is_divisible=node.is_series or any(child.is_divisible for child in self.children))


def _read_container(text: str, start: int, end: int, notation: _Notation, known: _Known) -> None:
    """Reads the container at `start` and notes it in `known`.

    Where a container turns out not to be valid, neither are the containers in it that are still open, and the ones in
    it that are closed are valid: noting both is what keeps the search linear.
    """
    stack: list[_Open] = []
    position = start
    key: re.Match[str] | None = None
    while token := notation.value.match(text, position, end):
        position = token.end()
        span = token.span(1)
        member = key.start(1) if key else span[0]
        if token[1] in notation.brackets:
            stack.append(_Open(span[0], member, token[1]))
        else:
            is_long = _is_long(text, span, notation)
            stack[-1].children.append(JsonNode((member, span[1]), span, is_long=is_long, is_divisible=is_long))
        position, root = _close(text, position, end, notation, stack)
        if root:
            known[start] = root
            return
        key = None
        if len(stack[-1].commas) < len(stack[-1].children):
            break
        if stack[-1].bracket == "{":
            key = notation.key.match(text, position, end)
            if key is None:
                break
            position = key.end()
    for frame in stack:
        known[frame.start] = None
        known.update((child.value[0], replace(child, span=child.value)) for child in frame.children if child.bracket)


def _close(text: str, position: int, end: int, notation: _Notation, stack: list[_Open]) -> tuple[int, JsonNode | None]:
    """Reads the comma after a value, and what closes containers there.

    Returns:
        The position behind, and the outermost container if that is closed.
    """
    while True:
        frame = stack[-1]
        comma = _COMMA.match(text, position, end) if len(frame.commas) < len(frame.children) else None
        close = _CLOSE.match(text, comma.end() if comma and notation.trailing else position, end)
        if comma:
            frame.commas.append(comma.end() - 1)
            position = comma.end()
        if not close or close[1] != notation.brackets[frame.bracket]:
            return position, None
        position = close.end()
        node = stack.pop().closed(position, len(stack))
        if not stack:
            return position, node
        stack[-1].children.append(node)


def _is_long(text: str, span: Span, notation: _Notation) -> bool:
    """Whether a scalar is one string of several words, and not JSON itself."""
    start, end = span
    if end - start < 2 * _MIN_WORDS + 1 or text[start] not in "'\"":
        return False
    if not notation.string.fullmatch(text, start, end):
        return False
    content = resolve(text[start + 1 : end - 1]).strip()
    if count_words(content, _MIN_WORDS) < _MIN_WORDS:
        return False
    first = next(find_values(content, 0, len(content)), None) if content[0] in "{[" else None
    return first is None or first.value != (0, len(content))
