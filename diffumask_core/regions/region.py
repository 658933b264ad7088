"""What a detector says of a stretch of text: its kind, what in it goes whole, and what follows from what.

A detector annotates and decides nothing. Everything is a span of source text, so a region can be found in a text, in a
passage of it or in a string inside JSON, and be moved to where that stands.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from diffumask_core.prompt.spans import Span


@dataclass(frozen=True)
class Scaffold:
    """A unit that follows from other units: it stays where something stays on each of the sides that it has.

    A hunk header stays if a line below it stays (``after``). A closing bracket stays if something inside stays
    (``before``). A comma stays if the value before it and another value after it stay.

    Attributes:
        span: The unit. It is one of the units of its region.
        before: Where something must stay before it; None where nothing need.
        after: Where something must stay after it; None where nothing need.
        alone: Whether the unit may also stay for its own sake, as the head of a function may without its body.
        marked: Whether the rule holds only where marks are: a list without its items says nothing true without one.
    """

    span: Span
    before: Span | None = None
    after: Span | None = None
    alone: bool = False
    marked: bool = False


@dataclass(frozen=True)
class Series:
    """Items in a row, of which some may go; a mark says how many went where.

    Attributes:
        items: The items in order: lines, rows, records. Each is made of whole units, or is in a unit with others.
        noun: What a mark calls one of them, such as ``"line"``.
        form: How a mark is written: as a line of its own, as an element of the list that the items are in, or as a
            member of the object that they are in.
        quote: What stands around a mark: the quote of a string where the items are values of JSON, else nothing.
        alike: For each item a value that near-equal items share, None for an item that is like no other; empty where
            no item repeats another. Of items that share a value one is enough.
        sizes: For each item how many a mark counts it as; empty where an item counts as one, or as its lines.
        is_marked: Whether items may go only where a mark says so: without marks they are one unit.
    """

    items: tuple[Span, ...]
    noun: str = "line"
    form: Literal["line", "element", "member"] = "line"
    quote: str = ""
    alike: tuple[str | None, ...] = ()
    sizes: tuple[int, ...] = ()
    is_marked: bool = False

    @property
    def span(self) -> Span:
        """From the first item to the last one; a series has items."""
        return self.items[0][0], self.items[-1][1]


@dataclass(frozen=True)
class Region:
    """A stretch of text of one kind.

    Attributes:
        kind: Such as ``"diff"`` or ``"json"``.
        span: Where it is.
        units: What is kept or dropped whole, in order, not overlapping. What is in no unit, here or in `inner`, is
            decided word by word.
        scaffold: Units that follow from others.
        series: Items of which some may go.
        inner: Regions inside this one, in order. A unit of this one holds none of them.
        complete: Units that say how much there is of something, such as a count beside a list, each with the span of
            that: where a part of the span has gone and no mark says so, the unit goes before any scaffold is decided.
        escaped: Whether it is between the quotes of a string: then a line break is written as an escape.
    """

    kind: str
    span: Span
    units: tuple[Span, ...] = ()
    scaffold: tuple[Scaffold, ...] = ()
    series: tuple[Series, ...] = ()
    inner: tuple["Region", ...] = ()
    complete: tuple[tuple[Span, Span], ...] = ()
    escaped: bool = False

    def walk(self) -> Iterator["Region"]:
        """This region and all inside it, outer ones first."""
        yield self
        for region in self.inner:
            yield from region.walk()

    def moved(self, place: Callable[[int], int]) -> "Region":
        """The same region where each position ``p`` of its text is at ``place(p)``."""

        def at(span: Span) -> Span:
            return place(span[0]), place(span[1])

        def maybe(span: Span | None) -> Span | None:
            return None if span is None else at(span)

        return replace(
            self,
            span=at(self.span),
            units=tuple(map(at, self.units)),
            scaffold=tuple(
                replace(each, span=at(each.span), before=maybe(each.before), after=maybe(each.after))
                for each in self.scaffold
            ),
            series=tuple(replace(each, items=tuple(map(at, each.items))) for each in self.series),
            inner=tuple(region.moved(place) for region in self.inner),
            complete=tuple((at(unit), at(whole)) for unit, whole in self.complete),
        )


def walk_all(regions: Iterable[Region]) -> Iterator[Region]:
    """These regions and all inside them, outer ones first."""
    return chain.from_iterable(region.walk() for region in regions)


@dataclass(frozen=True)
class Lines:
    """Consecutive lines of a text.

    Attributes:
        source: The text that they are in.
        spans: Where each line is, without its line break; empty lines too.
    """

    source: str
    spans: Sequence[Span]

    @classmethod
    def of(cls, text: str, start: int = 0, end: int | None = None) -> "Lines":
        r"""Splits ``text[start:end]`` at line breaks (``\n``, ``\r\n``)."""
        end = len(text) if end is None else end
        spans: list[Span] = []
        while start <= end:
            stop = text.find("\n", start, end)
            following = end + 1 if stop < 0 else stop + 1
            stop = end if stop < 0 else stop
            spans.append((start, stop - (stop > start and text[stop - 1] == "\r")))
            start = following
        return cls(text, spans)

    def __len__(self) -> int:
        return len(self.spans)

    def __getitem__(self, index: int) -> str:
        """The text of a line."""
        start, end = self.spans[index]
        return self.source[start:end]

    def __iter__(self) -> Iterator[str]:
        return (self.source[start:end] for start, end in self.spans)

    def cover(self, first: int, last: int) -> Span:
        """From the start of line ``first`` to the end of the line before ``last``."""
        return self.spans[first][0], self.spans[last - 1][1]

    def part(self, first: int, last: int) -> "Lines":
        """The lines from ``first`` to the one before ``last``."""
        return Lines(self.source, self.spans[first:last])

    def at(self, position: int) -> int:
        """The line that a position is in."""
        return max(bisect_left(self.spans, (position + 1,)) - 1, 0)


Detector = Callable[[Lines], Iterator[Region]]
"""Finds regions of one kind in consecutive lines, in order. It takes time linear in their length, and is silent where
it is not sure."""


@dataclass(frozen=True)
class Head:
    """A line that stays as long as one of the lines that it heads stays.

    Attributes:
        line: Its index.
        first: The first line below it that it heads.
        last: The line after the last one.
        alone: As of a `Scaffold`.
    """

    line: int
    first: int
    last: int
    alone: bool = True


def region_of_lines(
    kind: str,
    lines: Lines,
    first: int,
    last: int,
    heads: Sequence[Head] = (),
    alike: Callable[[str], str | None] | None = None,
) -> Region:
    """A region whose units are whole lines; blank lines are in no unit.

    Args:
        kind: Of the region.
        lines: The lines that it is among.
        first: Its first line.
        last: The line after its last one.
        heads: Lines of it that stay as long as others stay. Their indices count from the beginning of `lines`.
        alike: From a line to a value that near-equal lines share, or None; see `Series`.
    """
    filled = [number for number in range(first, last) if lines[number].strip()]
    items = tuple(lines.spans[number] for number in filled)
    values = tuple(alike(lines[number]) for number in filled) if alike else ()
    scaffold = tuple(
        Scaffold(lines.spans[head.line], after=lines.cover(head.first, head.last), alone=head.alone)
        for head in heads
        if head.first < head.last
    )
    span = lines.cover(first, last)
    return Region(kind, span, items, scaffold, (Series(items, alike=values),))
