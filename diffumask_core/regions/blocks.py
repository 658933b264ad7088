"""Regions of lines in which some units have several lines, and closing lines follow from what they close.

A signature over four lines, a quoted CSV field with a line break and an empty element go whole.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from diffumask_core.prompt.spans import Span
from diffumask_core.regions.region import Head, Lines, Region, Scaffold, Series

Block = tuple[int, int]
"""Consecutive lines that are one unit: the first line and the line after the last one."""


@dataclass(frozen=True)
class Tail:
    """A closing line, which stays exactly as long as one of the lines that it closes stays.

    Attributes:
        line: Its index.
        first: The first line that it closes.
        last: The line after the last one.
    """

    line: int
    first: int
    last: int


def indent_of(text: str) -> int:
    """The columns of white space that a line begins with, tabs at every eighth column."""
    blank = text[: len(text) - len(text.lstrip())]
    return len(blank.expandtabs()) if "\t" in blank else len(blank)


def follow(marked: Sequence[int], last: int) -> Iterator[Block]:
    """Each of some lines with the one that follows among them, or the end."""
    return zip(marked, [*marked[1:], last][: len(marked)], strict=True)


def units_of(lines: Lines, first: int, last: int, blocks: Sequence[Block]) -> dict[int, Span]:
    """For each line that is in a unit, the unit: a block, or a filled line on its own."""
    units: dict[int, Span] = {}
    line = first
    for start, stop in [*blocks, (last, last)]:
        for number in range(line, start):
            if lines[number].strip():
                units[number] = lines.spans[number]
        if start < stop:
            units.update(dict.fromkeys(range(start, stop), lines.cover(start, stop)))
        line = stop
    return units


def region_of_blocks(
    kind: str,
    lines: Lines,
    reach: Block,
    *,
    blocks: Sequence[Block] = (),
    heads: Sequence[Head] = (),
    tails: Sequence[Tail] = (),
    noun: str = "line",
    frame: frozenset[int] = frozenset(),
) -> Region:
    """A region whose units are lines and blocks of lines.

    Args:
        kind: Of the region.
        lines: The lines that it is among; all indices count from their beginning.
        reach: The lines of the region.
        blocks: Units of several lines, in order, not overlapping.
        heads: Lines that stay as long as others below them stay.
        tails: Lines that stay as long as others above them stay.
        noun: What a mark counts: lines, or units of that name.
        frame: Lines that no mark counts, such as a table's head.
    """
    units = units_of(lines, *reach, blocks)
    scaffold = [
        Scaffold(units[head.line], after=lines.cover(head.first, head.last), alone=head.alone)
        for head in heads
        if head.first < head.last and head.line in units
    ]
    scaffold += [
        Scaffold(units[tail.line], before=lines.cover(tail.first, tail.last))
        for tail in tails
        if tail.first < tail.last and tail.line in units
    ]
    # A mark counts the lines of a block, but a row over several lines is one row.
    counted = {line: lines.spans[line] if noun == "line" else unit for line, unit in units.items()}
    items = tuple(dict.fromkeys(item for line, item in counted.items() if line not in frame and lines[line].strip()))
    every = tuple(dict.fromkeys(units.values()))
    return Region(kind, lines.cover(*reach), every, tuple(scaffold), (Series(items, noun),))


def table_region(lines: Lines, reach: Block, body: int, rules: Sequence[int]) -> Region:
    """A table: the lines above line `body` head all rows, a rule further down heads the rows up to the next one."""
    first, last = reach
    heads = [Head(number, body, last, alone=False) for number in range(first, body)]
    tails = []
    for rule, following in follow([rule for rule in rules if rule >= body], last):
        if rule + 1 < following:
            heads.append(Head(rule, rule + 1, following, alone=False))
        else:
            tails.append(Tail(rule, body, rule))
    frame = frozenset([*range(first, body), *rules])
    return region_of_blocks("table", lines, reach, heads=heads, tails=tails, noun="row", frame=frame)


def first_claims(lines: Lines, found: Iterable[Region]) -> list[Region]:
    """The regions that share no line with one found before them, in the order of the text."""
    taken = bytearray(len(lines))
    regions = []
    for region in found:
        first, last = lines.at(region.span[0]), lines.at(max(region.span[1] - 1, region.span[0])) + 1
        if not any(taken[first:last]):
            taken[first:last] = b"\1" * (last - first)
            regions.append(region)
    return sorted(regions, key=lambda region: region.span)
