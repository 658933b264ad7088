"""Tables: rows of fields, with the head that they are read by.

A table with rules or bars is told from its lines; separated fields and aligned columns have modules of their own.
"""

import re
from collections.abc import Iterator
from itertools import chain

from diffumask_core.regions.blocks import Block, first_claims, region_of_blocks, table_region
from diffumask_core.regions.columns import find_columns
from diffumask_core.regions.region import Lines, Region
from diffumask_core.regions.separated import find_separated

_BAR = re.compile(r"[|│┃║]")
# A rule has only strokes, and a joint or a bar besides; a line of dashes alone is no rule of a table.
_RULE = re.compile(
    r"(?=[^-=─━═]*+[-=─━═])(?=[^|+┼┬┴╪╬╦╩┳┻╇]*+[|+┼┬┴╪╬╦╩┳┻╇])[-=─━═|+:\s┌┐└┘├┤┬┴┼╞╡╪╔╗╚╝╠╣╦╩╬┏┓┗┛┡┩┳┻╇]++$"
)
_STROKES = re.compile(r"[-=─━═]+")


def find_tables(lines: Lines) -> Iterator[Region]:
    """Finds CSV, TSV, Markdown tables, printed results of databases and aligned columns."""
    found = chain(find_ruled(lines), find_separated(lines), find_columns(lines))
    yield from first_claims(lines, found)


def find_ruled(lines: Lines) -> Iterator[Region]:
    """Tables with bars between the fields: those of Markdown, and what databases print with borders."""
    first = 0
    for number, text in enumerate(chain(lines, ("",))):
        if text.strip() and (_BAR.search(text) or _RULE.match(text)):
            continue
        if number > first:
            yield from _ruled(lines, first, number)
        first = number + 1


def _ruled(lines: Lines, first: int, last: int) -> Iterator[Region]:
    rules = [number for number in range(first, last) if _RULE.match(lines[number])]
    if not rules:
        yield from _bars_alone(lines, first, last)
        return
    start = max(rules[0] - 1, first)
    ruled = set(rules)
    rows = [number for number in range(start, last) if number not in ruled]
    if not rows or not _fits(lines[rows[0]], lines[rules[0]]):
        return
    yield _table(lines, (start, last), rules)


def _cells(text: str) -> int:
    bare = text.strip()
    inner = bare[bool(_BAR.match(bare)) : len(bare) - bool(_BAR.match(bare[-1:]))]
    return len(_BAR.findall(inner)) + 1


def _fits(row: str, rule: str) -> bool:
    """Whether a row has as many fields as a rule has strokes; a bar inside a field may make one more."""
    strokes = len(_STROKES.findall(rule))
    framed = bool(_BAR.match(row.strip()))
    return (strokes >= 2 or framed) and 0 <= _cells(row) - strokes <= 1


def _table(lines: Lines, reach: Block, rules: list[int]) -> Region:
    start, last = reach
    # A table that begins with a rule has its head between two rules; any other has one line above its first rule.
    framed = rules[0] == start
    closing = rules[1] if framed and len(rules) > 1 else rules[0]
    body = closing + 1 if closing < last - 1 else start + 1 if framed else start
    return table_region(lines, reach, body, rules)


def _bars_alone(lines: Lines, first: int, last: int) -> Iterator[Region]:
    """Rows between bars whose head was cut off: each begins and ends with a bar, and all have as many fields.

    A single row has at least three fields.
    """
    texts = [lines[number].strip() for number in range(first, last)]
    framed = all(text.startswith(("|", "│")) and text.endswith(("|", "│")) for text in texts)
    if framed and len({_cells(text) for text in texts}) == 1 and _cells(texts[0]) >= max(2, 4 - len(texts)):
        yield region_of_blocks("table", lines, (first, last), noun="row")
