"""Marks: what says how many lines, rows or records were left out, and where.

A mark is the only text of an output that is not the source's. There is one for each gap, and none is dearer than what
it stands for: a gap that costs no more than its mark is filled again. A named mark bears a short hash of what it stands
for, by which that can be asked for. Of a few lines of a tool's result a mark says only that they went: old results have
many small gaps, and words in each of them would take the room of what the agent needs.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Literal

import numpy as np
import numpy.typing as npt

from diffumask_core.prompt.spans import Span
from diffumask_core.regions.region import Region, Series
from diffumask_core.units.units import Units

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

Marks = bool | Literal["named"]
"""Whether marks stand in gaps, and whether they have names."""

BRIEF_MARK = "[…]"
"""The mark of a few lines of a tool's result."""
# So many lines are few.
_FEW_LINES = 10
# A line is priced with the mark of so many, which has about as many tokens as any that says how many: dearer than the
# mark of a few, since lines that stay together also read better.
_TYPICAL_GAP = 12
# A mark of an earlier shortening, and how many it says are gone.
_EARLIER_MARK = re.compile(r"""(?:["']…+["']:\s*)?["']?\[…\s(\d{1,9})\s[^\]]*left\sout[^\]]*\]["']?,?""")
_NAME_DIGITS = 6
HASH_DIGITS = 24
REST_KEY = "…"
"""The key under which an object of JSON says that something of it was left out."""


@dataclass(frozen=True)
class Mark:
    """A text in place of items that were left out.

    Attributes:
        text: The mark as it stands in the output.
        span: The stretch of the source from the first to the last item that was left out.
        count: How many items were left out; of items of several lines, how many lines.
        noun: What each item is, such as ``"line"``.
        name: The name in the text of a named mark: the first digits of a hash of the stretch; empty of any other mark.
    """

    text: str
    span: Span
    count: int
    noun: str
    name: str = ""


@dataclass(frozen=True)
class PlacedMark:
    """A mark and where it goes.

    Attributes:
        mark: The mark.
        unit: The first unit that was left out.
        before: What parts the mark from what is kept before it.
        after: What parts the mark from what is kept after it.
    """

    mark: Mark
    unit: int
    before: str
    after: str


def mark_text(count: int, noun: str, similar: int = 0, name: str = "") -> str:
    """The words of a mark.

    Args:
        count: How many items were left out.
        noun: What an item is.
        similar: How many of them are near-equal to what stands above the mark, or below one that nothing stands above.
        name: The name of the mark, if it has one.
    """
    nouns = noun if count == 1 else f"{noun}s"
    named = f", #{name}" if name else ""
    if similar == count:
        return f"[… {count} similar {nouns} left out{named}]"
    return f"[… {count} {nouns} left out{f', {similar} similar' if similar else ''}{named}]"


def mark_name(text: str, digits: int = _NAME_DIGITS) -> str:
    """The name of a mark that stands for a text: hexadecimal digits, the same for the same text.

    Few digits are few tokens, and tell the gaps of a conversation apart; as many as `HASH_DIGITS` tell any texts apart.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]


class MarkPlan:
    """Where marks may stand in a text of N units: its J series with their I items.

    The plan is made once and serves every mask.
    """

    def __init__(self, units: Units, costs: FloatArray, count: Callable[[str], int], marks: Marks) -> None:
        """Looks up the items.

        Args:
            units: The units of the text.
            costs: ``[N]``, tokens of each unit.
            count: The number of tokens of a text.
            marks: Whether there are marks at all, and whether they have names.
        """
        self._units = units
        self._paid = np.concatenate([[0.0], np.cumsum(costs)])
        self._count = count
        self._series, openers = _series_of(units) if marks else ([], [])
        self._named = marks == "named"
        self._briefly = [marks != "named" and _of_a_result(series, units) for series in self._series]
        ranges = [units.at(item) for series in self._series for item in series.items]
        self._first, self._end = np.array(ranges, dtype=np.int64).reshape(-1, 2).T
        self._owner = np.repeat(np.arange(len(self._series)), [len(series.items) for series in self._series])
        self._opener = np.array(openers, dtype=np.int64)[self._owner]
        self._like = _numbers_of_alike(self._series, units)
        self._sizes = _sizes_of(self._series, units, self._first)
        self._price: dict[tuple[int, int, str], float] = {}
        self._names: dict[Span, str] = {}

    def costs(self) -> FloatArray:
        """About how many tokens a mark in place of each unit has, ``[N]``; 0 where there is no mark for the unit."""
        name = "0" * _NAME_DIGITS if self._named else ""
        price = np.zeros(len(self._units))
        for first, end, series in zip(self._first.tolist(), self._end.tolist(), self._owner.tolist(), strict=True):
            price[first:end] = self._mark_cost(series, _TYPICAL_GAP, name)
        return price

    def spared(self, mask: BoolArray, stays: BoolArray) -> BoolArray:
        """``[N]``, units of gaps that are filled again, since their mark would cost as much.

        Args:
            mask: ``[N]``, the units that are kept.
            stays: ``[N]``, the units that are in no dropped shot.
        """
        cheap: BoolArray = np.zeros(len(mask), dtype=bool)
        kept_before = _kept_before(mask)
        for gaps in self._of_one_mark(self._gaps(mask, stays, kept_before), kept_before):
            units = [(int(self._first[first]), int(self._end[last - 1])) for first, last in gaps]
            size = sum(self._size(first, last) for first, last in gaps)
            paid = sum(self._paid[end] - self._paid[start] for start, end in units)
            name = self._name(self._span(units[0][0], units[-1][1]))
            if paid <= self._mark_cost(int(self._owner[gaps[0][0]]), size, name):
                for start, end in units:
                    cheap[start:end] = True
        return cheap

    def _of_one_mark(self, gaps: Sequence[tuple[int, int]], kept_before: IntArray) -> Iterator[list[tuple[int, int]]]:
        """Gaps, those together that share a mark, in order.

        Lines of one segment do with nothing kept between them, and all members of one object, which have no order.
        """
        objects: dict[int, list[tuple[int, int]]] = {}
        for gap in gaps:
            if self._series[self._owner[gap[0]]].form == "member":
                objects.setdefault(int(self._owner[gap[0]]), []).append(gap)
        yield from objects.values()
        together: list[tuple[int, int]] = []
        others = [gap for gap in gaps if int(self._owner[gap[0]]) not in objects]
        for gap in sorted(others, key=lambda gap: int(self._first[gap[0]])):
            if together and not self._share_a_mark(together[-1], gap, kept_before):
                yield together
                together = []
            together.append(gap)
        if together:
            yield together

    def _share_a_mark(self, before: tuple[int, int], after: tuple[int, int], kept_before: IntArray) -> bool:
        ended, begins = int(self._end[before[1] - 1]) - 1, int(self._first[after[0]])
        apart = kept_before[begins] > kept_before[ended] or self._units.segment[begins] != self._units.segment[ended]
        forms = {self._series[self._owner[gap[0]]].form for gap in (before, after)}
        return not apart and forms == {"line"} and self._newline(before) == self._newline(after)

    def _newline(self, gap: tuple[int, int]) -> str:
        return self._units.joins.newline(int(self._first[gap[0]]))

    def place(self, mask: BoolArray, stays: BoolArray) -> list[PlacedMark]:
        """The marks that a mask needs, in order; arguments as of `spared`."""
        kept_before = _kept_before(mask)
        placed: list[PlacedMark] = []
        # The segments of a conversation are sent apart, so that each has a mark of its own.
        for gaps in self._of_one_mark(self._gaps(mask, stays, kept_before), kept_before):
            marks = [self._placed(first, last) for first, last in gaps]
            owner = int(self._owner[gaps[0][0]])
            placed.append(reduce(partial(self._merged, owner), marks))
        return sorted(placed, key=lambda each: each.unit)

    def _gaps(self, mask: BoolArray, stays: BoolArray, kept_before: IntArray) -> list[tuple[int, int]]:
        """Runs of items of one series that were left out, from an item's number to the one after the last."""
        if not len(self._first):
            return []
        gone = kept_before[self._end] == kept_before[self._first]
        gone &= np.where(self._opener >= 0, mask[self._opener], stays[np.minimum(self._first, len(mask) - 1)])
        gone &= self._end > self._first
        opens = gone.copy()
        opens[1:] &= ~gone[:-1] | (self._owner[1:] != self._owner[:-1])
        ends = gone.copy()
        ends[:-1] &= ~gone[1:] | (self._owner[1:] != self._owner[:-1])
        return list(zip(np.flatnonzero(opens).tolist(), (np.flatnonzero(ends) + 1).tolist(), strict=True))

    def _size(self, first: int, last: int) -> int:
        """How many a mark counts in a run of items."""
        return int(self._sizes[first:last].sum())

    def _span(self, start: int, end: int) -> Span:
        """The stretch of the source from a unit to the one before ``end``."""
        spans = self._units.spans
        return int(spans[start, 0]), int(spans[end - 1, 1])

    def _name(self, span: Span) -> str:
        """The name of the mark of a stretch; empty where marks have none."""
        if not self._named:
            return ""
        if span not in self._names:
            self._names[span] = mark_name(self._units.layout.text[slice(*span)])
        return self._names[span]

    def _mark_cost(self, series: int, count: int, name: str) -> float:
        """The most tokens of a mark with what parts it from its neighbours."""
        if (series, count, name) not in self._price:
            each = self._series[series]
            # How many items are similar to a kept one is seen only when all gaps are known.
            similar = {0, count - 1, count} if any(each.alike) else {0}
            quoted = [self._written(series, count, each.noun, number, name) for number in sorted(similar)]
            parted = [f"\n{text}" if each.form == "line" else f"{text}, " for text in quoted]
            self._price[series, count, name] = max(map(self._count, parted))
        return self._price[series, count, name]

    def _placed(self, first: int, last: int) -> PlacedMark:
        owner = int(self._owner[first])
        series = self._series[owner]
        start, end = int(self._first[first]), int(self._end[last - 1])
        follows = last < len(self._first) and self._owner[last] == owner
        precedes = first > 0 and self._owner[first - 1] == owner
        beside = self._like[first - 1] if precedes else self._like[last] if follows else -1
        size, repeated = self._size(first, last), (self._like[first:last] == beside) & (beside >= 0)
        similar = int(self._sizes[first:last][repeated].sum())
        span = self._span(start, end)
        name = self._name(span)
        mark = Mark(self._written(owner, size, series.noun, similar, name), span, size, series.noun, name)
        if series.form == "line":
            newline = self._units.joins.newline(start)
            return PlacedMark(mark, start, newline, newline)
        return PlacedMark(
            mark, start, " " if precedes and follows else ", " if precedes else "", ", " if follows else ""
        )

    def _merged(self, owner: int, before: PlacedMark, after: PlacedMark) -> PlacedMark:
        """One mark for two gaps, of which the first one is in the series of a number."""
        noun = before.mark.noun if before.mark.noun == after.mark.noun else "line"
        count = before.mark.count + after.mark.count
        span = (before.mark.span[0], after.mark.span[1])
        name = self._name(span)
        merged = replace(before, mark=Mark(self._written(owner, count, noun, 0, name), span, count, noun, name))
        return merged if self._series[owner].form == "member" else replace(merged, after=after.after)

    def _written(self, owner: int, count: int, noun: str, similar: int, name: str) -> str:
        """A mark as it stands among the items of the series of a number; the rest is as of `mark_text`."""
        if self._briefly[owner] and noun == "line" and not similar and count <= _FEW_LINES:
            return BRIEF_MARK
        series, text = self._series[owner], mark_text(count, noun, similar, name)
        quoted = f"{series.quote}{text}{series.quote}"
        return f"{series.quote}{REST_KEY}{series.quote}: {quoted}" if series.form == "member" else quoted


def _series_of(units: Units) -> tuple[list[Series], list[int]]:
    """All series of a text, and for each the unit without which the whole series is gone, -1 for none."""
    found: list[Series] = []
    openers: list[int] = []

    def visit(region: Region, opener: int) -> None:
        for series in region.series:
            found.append(series)
            # The bracket of a list is in a unit of its own, or in one with the first item.
            bracket = int(np.searchsorted(units.spans[:, 0], series.items[0][0])) - 1
            openers.append(opener if series.form == "line" else bracket)
        for inner in region.inner:
            # What is in a string goes with the quote that opens the string.
            visit(inner, units.at((inner.span[0] - 1, inner.span[0]))[0] if inner.escaped else opener)

    for region in units.layout.regions:
        visit(region, -1)
    filled = [number for number, series in enumerate(found) if series.items]
    return [found[number] for number in filled], [openers[number] for number in filled]


def _numbers_of_alike(series: Sequence[Series], units: Units) -> IntArray:
    """``[I]``, equal numbers for near-equal items of one series, -1 for an item that is like no other."""
    numbers: dict[tuple[int, str], int] = {}
    like: list[int] = []
    for owner, each in enumerate(series):
        for item, value in zip(each.items, each.alike or [None] * len(each.items), strict=True):
            is_alone = value is None or _EARLIER_MARK.fullmatch(units.layout.text, *item)
            like.append(-1 if is_alone else numbers.setdefault((owner, str(value)), len(numbers)))
    return np.array(like, dtype=np.int64)


def _sizes_of(series: Sequence[Series], units: Units, first: IntArray) -> IntArray:
    """``[I]``, how many a mark counts each item as.

    An item of several lines counts as its lines, and a mark of an earlier shortening as what it says is gone.
    """
    sizes: list[int] = []
    for each in series:
        for number, item in enumerate(each.items):
            newline = units.joins.newline(int(min(first[len(sizes)], len(units) - 1)))
            text = units.layout.text[slice(*item)]
            parts = text.split(newline) if each.noun == "line" else [text]
            lines = max(sum(_gone_before(part) for part in parts if part.strip()), 1)
            sizes.append(each.sizes[number] if each.sizes else lines)
    return np.array(sizes, dtype=np.int64)


def _gone_before(text: str) -> int:
    """How many a text stands for: 1, or what the mark says that it is."""
    earlier = _EARLIER_MARK.fullmatch(text.strip())
    return int(earlier[1]) if earlier else 1


def _of_a_result(series: Series, units: Units) -> bool:
    """Whether items are lines of a tool's result in a conversation."""
    first = units.at(series.items[0])[0]
    voices = units.layout.voices
    return series.form == "line" and first < len(units) and bool(voices) and voices[units.segment[first]].is_result


def _kept_before(mask: BoolArray) -> IntArray:
    """``[N + 1]``, how many units are kept before each one, and in all."""
    return np.concatenate([[0], np.cumsum(mask)])
