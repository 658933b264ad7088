"""JSON in a text as regions: whole members, records and rows go, and what is left is valid and true.

A short list of plain values is never cut, a long one only where a mark says so, the records of a list keep the same
members, and column names stay with their rows. Lists of one length beside each other are columns, which lose the same
items.
Scaffold that can stay alone (the first piece of a record, column names) is decided before the other scaffold: commas
and brackets stay with all that is kept, for whatever reason.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, permutations
from typing import Literal

from diffumask_core.prompt.spans import Span
from diffumask_core.regions.json_reader import MANY_ITEMS, JsonNode, find_values, is_value, strip_span
from diffumask_core.regions.json_strings import FindInner, string_region
from diffumask_core.regions.region import Lines, Region, Scaffold, Series

_QUOTE = re.compile("['\"]")
_COUNT = re.compile("[1-9][0-9]{0,8}")
_LINE_END = re.compile(r"[ \t]*+(?:\r?\n|\Z)")
# What stands between two values of JSON lines, and (below) between two of a list that is cut off.
_NEXT_LINE = re.compile(r"[ \t]*+\r?\n[ \t]*+")
_NEXT_ELEMENT = re.compile(r"[ \t\r\n]*+,[ \t\r\n]*+")
# How far in front of a value the bracket of its list is looked for.
_MOST_SPACE = 80
_MOST_COLUMNS = 32


def find_json(lines: Lines, find_inner: FindInner | None = None) -> Iterator[Region]:
    """Finds JSON and Python literals in the text of these lines.

    Objects with members count, and lists that hold a string, an object or a list: ``[1, 2]`` and citation marks are
    prose, ``row["name"]`` is code. When the lines are one value, it always counts. Values on consecutive lines, each
    whole on its line, are one region of kind ``"json lines"``; any other value is one of kind ``"json"``.

    Args:
        lines: Consecutive lines of a text.
        find_inner: Finds the regions of a string with line breaks, from its content with the escapes resolved.
    """
    if not lines:
        return
    text = lines.source
    stretch = lines.cover(0, len(lines))
    whole = strip_span(text, stretch)
    for run in _runs(text, stretch, find_values(text, *stretch)):
        if len(run) > 1:
            yield _Parts(text, find_inner).region_of_run(run)
        elif run[0].value == whole or _counts(text, run[0]):
            yield _Parts(text, find_inner).region_of(run[0], is_whole=run[0].value == whole)


def _runs(text: str, stretch: Span, nodes: Iterator[JsonNode]) -> Iterator[list[JsonNode]]:
    """Groups outermost values: those of JSON lines together, those of a list that is cut off too, others alone."""
    run: list[JsonNode] = []
    for node in nodes:
        if run and not _follows(text, stretch, run, node):
            yield run
            run = []
        run.append(node)
    if run:
        yield run


def _follows(text: str, stretch: Span, run: list[JsonNode], node: JsonNode) -> bool:
    """Whether a value is the next of a run."""
    if not (_is_record(text, run[0]) and _is_record(text, node)):
        return False
    first, last = run[0], run[-1]
    gap = last.value[1], node.value[0]
    has_commas = len(run) > 1 and "," in text[first.value[1] : run[1].value[0]]
    if _NEXT_LINE.fullmatch(text, *gap) and not has_commas:
        return _fills_lines(text, stretch, last) and _fills_lines(text, stretch, node)
    is_element = first.bracket == node.bracket and (has_commas or len(run) == 1)
    if not is_element or not _NEXT_ELEMENT.fullmatch(text, *gap):
        return False
    # On one line, a sentence may list values too: there the bracket of the list has to be in front of the first one.
    in_front = text[max(first.value[0] - _MOST_SPACE, stretch[0]) : first.value[0]].rstrip()
    return "\n" in text[slice(*gap)] or in_front.endswith("[")


def _is_record(text: str, node: JsonNode) -> bool:
    """Whether a value may be one of a run; a line ``[1]`` is a footnote."""
    return len(node.children) > 1 or _counts(text, node)


def _fills_lines(text: str, stretch: Span, node: JsonNode) -> bool:
    """Whether nothing else stands on the lines that a value is on."""
    # The side behind is looked at first: of the values on one line, the last one alone comes to the search back.
    if not _LINE_END.match(text, node.value[1], stretch[1]):
        return False
    line = max(text.rfind("\n", stretch[0], node.value[0]) + 1, stretch[0])
    return not text[line : node.value[0]].strip()


def _counts(text: str, node: JsonNode) -> bool:
    """Whether a value that stands in prose or code is meant as JSON."""
    start = node.value[0]
    if node.bracket == "{":
        # In prose and format strings, ``{1: 2}`` is no dictionary.
        return bool(node.children) and text[node.children[0].span[0]] in "'\""
    is_subscript = start > 0 and (text[start - 1].isalnum() or text[start - 1] in "_)]")
    return not is_subscript and any(child.bracket or text[child.value[0]] in "'\"" for child in node.children)


def _width(node: JsonNode) -> int:
    """How many columns the rows of a table have; 0 where the value is no list of lists of one length."""
    widths = {len(child.children) if child.bracket == "[" else 0 for child in node.children}
    return widths.pop() if node.bracket == "[" and len(widths) == 1 else 0


def _column_names(node: JsonNode) -> dict[int, Span]:
    """By identity: the members of an object that are lists as long as the rows beside them, and where the rows are."""
    rows = {width: child.span for child in node.children if (width := _width(child))}
    return {
        id(child): rows[len(child.children)]
        for child in node.children
        if rows and child.bracket == "[" and len(child.children) in rows and not _width(child)
    }


def _lengths(text: str, node: JsonNode) -> dict[int, list[JsonNode]]:
    """The members of an object that say how long a list beside them is: integers, and lists that are never cut."""
    said: dict[int, list[JsonNode]] = {}
    for child in node.children:
        number = _COUNT.fullmatch(text, *child.value)
        length = int(number[0]) if number else len(child.children) if child.bracket == "[" else 0
        if length > 1 and not child.is_records:
            said.setdefault(length, []).append(child)
    return said


def _columns(node: JsonNode) -> dict[int, int]:
    """By identity: the members of an object that are long lists of plain values, and how many of them have that length.

    A list as long as the records beside it stays whole with them, and names of columns are none. More lists of one
    length than a table has columns are whole, since each item has a rule for each other column.
    """
    names, records = _column_names(node), {len(child.children) for child in node.children if child.is_records}
    found = [child for child in node.children if child.is_many and id(child) not in names]
    lengths = Counter(len(child.children) for child in found)
    return {
        id(child): lengths[len(child.children)]
        for child in found
        if len(child.children) not in records and lengths[len(child.children)] <= _MOST_COLUMNS
    }


def _opens(node: JsonNode) -> bool:
    """Whether a value is decided on part by part: an object, a series, a list around a single container."""
    is_around_one = node.bracket == "[" and len(node.children) == 1 and bool(node.children[0].children)
    return bool(node.children) and (node.bracket == "{" or node.is_series or is_around_one)


@dataclass
class _Parts:
    """The parts of a region, collected from left to right."""

    text: str
    find_inner: FindInner | None
    units: list[Span] = field(default_factory=list)
    scaffold: list[Scaffold] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    inner: list[Region] = field(default_factory=list)
    complete: list[tuple[Span, Span]] = field(default_factory=list)

    def region_of(self, node: JsonNode, is_whole: bool) -> Region:
        """The region of an outermost value.

        The brackets of a text that is one value always stay, so that the text stays valid. Elsewhere empty brackets
        would say that there was nothing.
        """
        start = node.value[0]
        if node.children:
            content = None if is_whole else node.content
            self._follow((start, start + 1), after=content)
            if _opens(node):
                self._inside(node)
            else:
                self._list_of_scalars(node)
            self._close(node, content)
        else:
            self._follow(node.value)
        return self._region("json", node.value)

    def _list_of_scalars(self, node: JsonNode) -> None:
        """Adds the elements of an outermost list, which go together: a mark says then how many went."""
        self._whole(node._replace(span=node.content))
        quote = _QUOTE.search(self.text, *node.value)
        noun, size = "item", len(node.children)
        self.series.append(Series((node.content,), noun, "element", quote[0] if quote else '"', sizes=(size,)))

    def region_of_run(self, run: Sequence[JsonNode]) -> Region:
        """The region of values one after the other, each of which may go."""
        span = run[0].value[0], run[-1].value[1]
        gaps = [self.text[one.value[1] : other.value[0]] for one, other in pairwise(run)]
        commas = tuple(one.value[1] + gap.index(",") for one, gap in zip(run, gaps, strict=False) if "," in gap)
        self._items(JsonNode(span, span, "[", tuple(run), commas), is_line=not commas)
        return self._region("json" if commas else "json lines", span)

    def _region(self, kind: str, span: Span) -> Region:
        return Region(
            kind,
            span,
            tuple(self.units),
            tuple(self.scaffold),
            tuple(self.series),
            tuple(self.inner),
            tuple(self.complete),
        )

    def _follow(self, span: Span, before: Span | None = None, after: Span | None = None, alone: bool = False) -> None:
        """Adds a unit of scaffold."""
        self.units.append(span)
        self.scaffold.append(Scaffold(span, before, after, alone))

    def _member(self, node: JsonNode) -> None:
        """Adds a value that may go, with its key."""
        if not _opens(node):
            self._whole(node)
            return
        self._follow((node.span[0], node.value[0] + 1), after=node.content)
        self._inside(node)
        self._close(node, node.content)

    def _close(self, node: JsonNode, before: Span | None) -> None:
        """Adds the closing bracket of a container, unless it was cut off."""
        if not node.is_cut:
            self._follow((node.value[1] - 1, node.value[1]), before=before)

    def _inside(self, node: JsonNode) -> None:
        """Adds what is between the brackets of a container."""
        if node.is_series:
            self._items(node)
        elif _opens(node):
            self._members(node)
        else:
            self._whole(node)

    def _members(self, node: JsonNode) -> None:
        """Adds the members of a single object, each of which may go."""
        names, columns = _column_names(node), _columns(node)
        are_records = self._are_records(node)
        for number, child in enumerate(node.children):
            if id(child) in names:
                self._follow(child.span, after=names[id(child)], alone=True)
            elif are_records or (child.is_many and id(child) not in columns):
                self._whole(child)
            else:
                self._member(child)
                if child.is_series:
                    self._stays_with(child, node)
            self._comma(node, number, child.span)
        # Of a record the members have names of their own, by which one that is not there is missed.
        if node.bracket == "{" and len(node.children) >= MANY_ITEMS:
            self._add_series(node, "member")
        self._align(node, columns)
        said = _lengths(self.text, node)
        series: dict[int, list[Span]] = {}
        for child in node.children:
            if child.is_series and id(child) not in names:
                series.setdefault(len(child.children), []).append(child.span)
        for length, spans in series.items():
            self.complete.extend(
                (child.span, (spans[0][0], spans[-1][1]))
                for child in said.get(length, ())
                if id(child) not in names and not child.is_divisible
            )

    def _align(self, node: JsonNode, columns: dict[int, int]) -> None:
        """Adds that columns beside each other keep the same items."""
        for length in {len(child.children) for child in node.children if columns.get(id(child), 0) > 1}:
            found = [child for child in node.children if id(child) in columns and len(child.children) == length]
            for row in zip(*(child.children for child in found), strict=True):
                for item, other in permutations((each.span for each in row), 2):
                    sides = {"before": other} if other < item else {"after": other}
                    self.scaffold.append(Scaffold(item, **sides, alone=True))

    def _stays_with(self, series: JsonNode, holder: JsonNode) -> None:
        """Adds that a list of records stays as long as anything beside it: a mark in the list says then what went."""
        opener, closer = (series.span[0], series.value[0] + 1), (series.value[1] - 1, series.value[1])
        self.scaffold.append(Scaffold(opener, before=holder.content, alone=True, marked=True))
        if not series.is_cut:
            self.scaffold.append(Scaffold(closer, before=(series.span[0], series.content[1]), marked=True))

    def _are_records(self, node: JsonNode) -> bool:
        """Whether the members of an object are objects alike, each under a name of its own: each goes whole."""
        if len(node.children) < 2 or not all(child.bracket == "{" and child.children for child in node.children):
            return False
        keys = [{self.text[each.span[0] : each.value[0]] for each in child.children} for child in node.children]
        shared = set.intersection(*keys)
        return 2 * len(shared) >= min(map(len, keys))

    def _items(self, node: JsonNode, holder: Span | None = None, is_line: bool = False) -> None:
        """Adds the items of a series, each of which may go; with a holder, the first one stays with that."""
        items, (_, end) = node.children, node.content
        for number, item in enumerate(items):
            is_held = holder is not None and number == 0
            if number == 0 and not is_held and self._is_header(node):
                self._follow(item.span, after=(item.span[1], end), alone=True)
            elif not is_held:
                self._whole(item)
            self._comma(node, number, holder if is_held else item.span)
        self._add_series(node, "line" if is_line else "element")

    def _add_series(self, node: JsonNode, form: Literal["line", "element", "member"]) -> None:
        """Adds that children of a container may go."""
        quote = _QUOTE.search(self.text, *node.value)
        noun = "member" if form == "member" else "record" if node.children[0].bracket == "{" else "item"
        spans = tuple(child.span for child in node.children)
        self.series.append(Series(spans, noun, form, quote[0] if quote else '"', is_marked=node.is_many))

    def _comma(self, node: JsonNode, number: int, before: Span | None) -> None:
        """Adds the comma after a child, if there is one: it stays between two values, and behind a last one."""
        if number < len(node.commas):
            at = node.commas[number]
            is_last = number == len(node.children) - 1
            self._follow((at, at + 1), before, None if is_last else (at + 1, node.content[1]))

    def _is_header(self, node: JsonNode) -> bool:
        """Whether the first row of a table names the columns: it alone has strings only."""
        if not _width(node) or any(child.is_divisible for child in node.children[0].children):
            return False
        first, *others = (all(self.text[child.value[0]] in "'\"" for child in row.children) for row in node.children)
        return first and not any(others)

    def _whole(self, node: JsonNode) -> None:
        """Adds a value that stays whole, but for words of long strings and items of series inside.

        All around these is scaffold in pieces as long as possible. The first piece can stay alone.
        """
        holes = self._holes(node, node.span, is_cut=False)
        if not holes:
            self.units.append(node.span)
            return
        start, end = node.span
        for hole in holes:
            series_or_string = (hole.children[0].span[1], hole.content[1]) if isinstance(hole, JsonNode) else hole.span
            self._piece(node, start, series_or_string[0])
            if isinstance(hole, JsonNode):
                self._items(hole, holder=node.span)
            else:
                self.inner.append(hole)
            start = series_or_string[1]
        self._piece(node, start, end)

    def _piece(self, node: JsonNode, start: int, end: int) -> None:
        """Adds a piece of a value that stays whole: all pieces stay as long as anything of the value stays."""
        span = strip_span(self.text, (start, end))
        if start == node.span[0]:
            self._follow(span, after=(span[1], node.span[1]), alone=not node.is_long)
        else:
            self._follow(span, before=node.span)

    def _holes(self, node: JsonNode, holder: Span, is_cut: bool = True) -> list[JsonNode | Region]:
        """What may go inside a value that stays: series, of which the first item stays, and parts of long strings.

        Args:
            node: The value.
            holder: The value that all of this stays with.
            is_cut: Whether items of this value may go, if it is a series.
        """
        if not node.is_divisible:
            return []
        if node.is_long:
            region = string_region(self.text, (node.value[0] + 1, node.value[1] - 1), holder, self._regions_in)
            return [region] if region else []
        if node.is_series and is_cut:
            return [*self._holes(node.children[0], holder, is_cut=False), node]
        names, said, columns = _column_names(node), _lengths(self.text, node), _columns(node)
        self._align(node, columns)
        return [
            hole
            for child in node.children
            for hole in self._holes(
                child,
                holder,
                id(child) in columns if child.is_many else id(child) not in names and len(child.children) not in said,
            )
        ]

    def _regions_in(self, content: str) -> tuple[Region, ...]:
        """The regions in the content of a string: JSON where all of it is JSON."""
        if is_value(content):
            return tuple(find_json(Lines.of(content), self.find_inner))
        if "\n" not in content:
            return ()
        return self.find_inner(content) if self.find_inner else ()
