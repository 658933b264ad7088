"""From a retention mask back to text: kept pieces, the joints between them, and marks."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise, zip_longest
from operator import attrgetter

import numpy as np
import numpy.typing as npt
import regex

from diffumask_core.prompt.spans import Span
from diffumask_core.regions.json_strings import resolve
from diffumask_core.rendering.marks import Mark, PlacedMark
from diffumask_core.units.units import Units

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

_BLANK_LINE = regex.compile(r"\n[^\S\n]*\r?\n")
_INDENT = regex.compile(r"\n([ \t]*+)\Z")
BETWEEN_SEGMENTS = "\n\n"


@dataclass(frozen=True)
class Rendered:
    """What is left of a range of units.

    Attributes:
        text: The text; empty where nothing is kept and no mark stands.
        spans: The kept stretches of the source, in order.
        marks: The marks in the text, in order.
    """

    text: str
    spans: list[Span]
    marks: list[Mark]


def render_range(units: Units, mask: BoolArray, placed: Sequence[PlacedMark], first: int, last: int) -> Rendered:
    """Writes out what a mask keeps of the units ``first`` to ``last``.

    Where nothing was dropped the text is the source's, white space included; elsewhere a joint parts what was apart.

    Args:
        units: The N units of a text.
        mask: ``[N]``, the units that are kept.
        placed: The marks of the whole text, in order.
        first: The first unit of the range.
        last: The unit after the last one.
    """
    source = units.layout.text
    marks = placed[_index(placed, first) : _index(placed, last)]
    begins, ends = _runs(units, mask, first, last)
    if not len(begins):
        return Rendered(_joint(units, -1, -1, marks), [], [each.mark for each in marks])
    kept = list(zip(units.spans[begins, 0].tolist(), units.spans[ends - 1, 1].tolist(), strict=True))
    # Most joints are a blank; only the others are looked at one by one.
    joints = [" "] * (len(kept) - 1)
    stops = np.searchsorted([each.unit for each in marks], begins)
    special = ~units.joins.are_plain(ends[:-1] - 1, begins[1:]) | (np.diff(stops) > 0)
    special |= units.segment[ends[:-1] - 1] != units.segment[begins[1:]]
    for number in np.flatnonzero(special).tolist():
        between = marks[stops[number] : stops[number + 1]]
        joints[number] = _joint(units, int(ends[number]) - 1, int(begins[number + 1]), between)
    head = _joint(units, -1, int(begins[0]), marks[: stops[0]])
    tail = _joint(units, int(ends[-1]) - 1, -1, marks[stops[-1] :])
    pieces = [source[start:end] for start, end in kept]
    text = "".join(chain.from_iterable(zip([head, *joints], pieces, strict=True))) + tail
    return Rendered(text, kept, [each.mark for each in marks])


def render_segment(units: Units, mask: BoolArray, placed: Sequence[PlacedMark], number: int) -> Rendered | None:
    """Writes out what a mask keeps of a segment; None where nothing is left.

    White space at an end of a segment stays where the unit beside the white space stays.
    """
    source, (start, end) = units.layout.text, units.layout.segments[number]
    first, last = units.at((start, end))
    if not mask[first:last].any() and _index(placed, first) == _index(placed, last):
        return None
    left = render_range(units, mask, placed, first, last)
    text, spans = left.text, left.spans
    if spans and mask[first]:
        text, spans[0] = source[start : spans[0][0]] + text, (start, spans[0][1])
    if spans and mask[last - 1]:
        text, spans[-1] = text + source[spans[-1][1] : end], (spans[-1][0], end)
    return Rendered(text, spans, left.marks) if text else None


def render_segments(units: Units, mask: BoolArray, placed: Sequence[PlacedMark]) -> list[Rendered | None]:
    """Writes out what a mask keeps of each segment."""
    return [render_segment(units, mask, placed, number) for number in range(len(units.layout.segments))]


def kept_text(units: Units, mask: BoolArray) -> str:
    """The text that a mask keeps of a prompt of a single segment, without marks."""
    left = render_segment(units, mask, [], 0)
    return left.text if left else ""


def _index(placed: Sequence[PlacedMark], unit: int) -> int:
    """How many of the marks, which are in order, stand before a unit."""
    return bisect_left(placed, unit, key=attrgetter("unit"))


def _runs(units: Units, mask: BoolArray, first: int, last: int) -> tuple[IntArray, IntArray]:
    """The first unit of each run of kept units with nothing dropped between them, and the unit after its last.

    No run crosses the border of a segment.
    """
    kept = np.flatnonzero(mask[first:last]) + first
    opens = np.ones(len(kept), dtype=bool)
    opens[1:] = (kept[1:] - kept[:-1] > 1) | (units.segment[kept[1:]] != units.segment[kept[:-1]])
    closes = np.ones(len(kept), dtype=bool)
    closes[:-1] = opens[1:]
    return kept[opens], kept[closes] + 1


def _joint(units: Units, before: int, after: int, marks: Sequence[PlacedMark]) -> str:
    """What stands between two kept units that were apart; -1 stands for the beginning or the end of the range."""
    if not marks:
        return "" if before < 0 or after < 0 else _plain_joint(units, before, after)
    head = "" if before < 0 else marks[0].before
    tail = "" if after < 0 or _closes_string(units, marks[-1].unit, after) else marks[-1].after
    if after >= 0 and tail.endswith("\n"):
        tail += _indent(units, after)
    inner = [mark.mark.text + (mark.after if number < len(marks) - 1 else "") for number, mark in enumerate(marks)]
    return head + "".join(inner) + tail


def _closes_string(units: Units, marked: int, after: int) -> bool:
    """Whether a unit ends the JSON string in which a mark stands."""
    string = units.joins.begins_in[marked]
    return bool(string >= 0 and string != units.joins.begins_in[after])


def _plain_joint(units: Units, before: int, after: int) -> str:
    """A joint without a mark: as many line breaks as there were, else a space, so that two pieces are never glued."""
    joins = units.joins
    dropped = units.layout.text[units.spans[before, 1] : units.spans[after, 0]]
    if units.segment[before] != units.segment[after]:
        return BETWEEN_SEGMENTS
    if joins.ends_in[before] >= 0 and joins.ends_in[before] == joins.begins_in[after]:
        return _string_joint(dropped)
    if "\n" in dropped:
        return prose_joint(dropped) + _indent(units, after)
    # Within a JSON value brackets, commas and quotes part what they stand between. A comma may have a space behind it.
    if joins.value[before] == joins.value[after] >= 0 and (joins.syntax[before] or joins.syntax[after]):
        comma = units.layout.text[units.spans[before, 1] - 1] == ","
        return " " if comma and dropped[-1:].isspace() else ""
    return prose_joint(dropped)


def prose_joint(dropped: str) -> str:
    """What stands in prose in place of a dropped stretch; a line break is as it was written there."""
    if "\n" in dropped:
        newline = "\r\n" if "\r\n" in dropped else "\n"
        return 2 * newline if _BLANK_LINE.search(dropped) else newline
    return " "


def join_spans(text: str, spans: Sequence[Span]) -> str:
    """Joins kept spans of prose; what was side by side in the text stays so."""
    gaps = [text[before[1] : after[0]] for before, after in pairwise(spans)]
    joints = [prose_joint(gap) if gap.strip() else gap for gap in gaps]
    pieces = (text[slice(*span)] for span in spans)
    return "".join(piece + joint for piece, joint in zip_longest(pieces, joints, fillvalue=""))


def _string_joint(dropped: str) -> str:
    """A joint between the quotes of a JSON string, where a line break is written as an escape."""
    return prose_joint(resolve(dropped)).replace("\r", "\\r").replace("\n", "\\n")


def _indent(units: Units, unit: int) -> str:
    """The white space between the line break before a unit and the unit; a line has its own indentation in it."""
    start = int(units.spans[unit, 0])
    found = _INDENT.search(units.layout.text, max(0, start - 200), start)
    return found[1] if found else ""
