"""Rows whose columns are aligned by spaces, as ``df``, ``ps``, ``docker ps``, ``kubectl get`` and pandas print them."""

import re
from collections.abc import Iterator
from itertools import islice

from diffumask_core.regions.blocks import table_region
from diffumask_core.regions.region import Lines, Region

_WIDEST = 250
"""Characters of a line in which columns are looked for."""

_FEWEST = 3
"""Columns, and lines, that a table has at least."""

_INK = re.compile(r"\S")
_GAP = re.compile(r"\S  +\S")
_RULE = re.compile(r"\s*+(?:[-=]{2,}+\s*+)++$")
_CODE = re.compile(r"[{};,(\\:]\s*$|\s[:+*-]?=\s|^\s*[#\"'*>$\[{(-]|\w\(")
_NUMBER = re.compile(r"[-+]?\d")


def find_columns(lines: Lines) -> Iterator[Region]:
    """Finds at least three lines that have white space in the same two places or more, below a head."""
    number = 0
    while number < len(lines):
        last = _reach(lines, number)
        if last - number >= _FEWEST and _is_table(lines, number, last):
            yield _region(lines, number, last)
        number = max(last if last - number >= _FEWEST else 0, number + 1)


def _ink(text: str) -> int:
    """A line as bits: which of its columns hold a character."""
    inked = _INK.sub("1", text[:_WIDEST].expandtabs()).rstrip()
    return int(re.sub(r"\s", "0", inked)[::-1], 2)


def _columns(ink: int) -> int:
    return (ink & ~(ink << 1)).bit_count()


def _reach(lines: Lines, first: int) -> int:
    """The line after the last one that leaves the white space of the lines from `first` on in at least two places."""
    text = lines[first]
    if not _RULE.match(text) and not _GAP.search(text[:_WIDEST]):
        return first
    ink = 0
    for number in range(first, len(lines)):
        text = lines[number]
        if not text.strip():
            return number
        if not _RULE.match(text):
            ink |= _ink(text)
            # The head of a table whose first column has no name, as pandas prints it, has one column less.
            if _columns(ink) < _FEWEST - (number == first):
                return number
    return len(lines)


def _is_table(lines: Lines, first: int, last: int) -> bool:
    rows = [lines[number] for number in range(first, last) if not _RULE.match(lines[number])]
    if len(rows) < _FEWEST:
        return False
    gaps = sum(bool(_GAP.search(row)) for row in rows)
    code = sum(bool(_CODE.search(row)) for row in rows)
    return gaps * 2 >= len(rows) and code * 3 < len(rows) and _is_head(rows[0], rows[1:])


def _is_head(head: str, rows: list[str]) -> bool:
    """Whether a line names columns: in capitals, or without a number where most rows have one."""
    if any(_NUMBER.match(name) for name in head.split()):
        return False
    numbers = sum(any(map(_NUMBER.match, row.split())) for row in rows)
    return head.isupper() or numbers * 2 > len(rows)


def _region(lines: Lines, first: int, last: int) -> Region:
    rules = [number for number in range(first, last) if _RULE.match(lines[number])]
    # The second line that is no rule is the first row: what is above it is the head.
    body = next(islice((number for number in range(first, last) if not _RULE.match(lines[number])), 1, None))
    return table_region(lines, (first, last), body, rules)
