"""Rows whose fields have a separator between them: CSV, TSV, and with semicolons or bars."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from diffumask_core.regions.blocks import Block, region_of_blocks
from diffumask_core.regions.region import Head, Lines, Region

_FEWEST = {"\t": 1, ";": 2, ",": 2, "|": 2}
"""How many of each separator a row has at least: a tab is hardly ever in prose, a comma is."""

_QUOTED = re.compile(r'"((?:[^"]|"")*+)"')
_OPEN = re.compile(r'(?:^|[,;\t|]) ?"(?:[^"]|"")*+$')
_LONGEST_ROW = 20
"""Lines that one row may have: a quote that is closed much later is no quote."""

_NUMBER = re.compile(r"\s*[-+$€£]?\s?\d[\d.,:/%TZ\- ]*[A-Za-z%€]{0,3}\s*$")
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[_.\-][a-z0-9]+)*$")
# Code may have as many commas on each of its lines as a table has: a call's end, an assignment, an opened bracket.
_CODE = re.compile(
    r"[({\[\\]\s*$|[)}\]][;,]\s*$|^\s*[\[{(<]|^\s*[\w.]+\(|\s[:+*-]?=\s|=>|->|\[\d\d?[;m]"
    r"|^\s*(?:def|for|if|return|import|from|//|#)\b"
)
_LISTED = re.compile(r"\s+\d+\t|\d+[:-]\s*\d+\t|\s")
_SUM = re.compile(r"\w\)?\s?[=+*]\s?\(?\w")
_PAIR = re.compile(r"^\s*[\"']?[\w.\-]+[\"']?\s?[=:]")


@dataclass(frozen=True)
class _Row:
    reach: Block
    text: str

    def fields(self, separator: str) -> list[str]:
        return [field.strip() for field in _bare(self.text, separator).split(separator)]


def find_separated(lines: Lines) -> Iterator[Region]:
    """Finds at least three rows with as many fields and little prose in them."""
    rows = list(_rows(lines))
    for separator, fewest in _FEWEST.items():
        for count, group in groupby(rows, partial(_count, separator)):
            if count >= fewest:
                table = list(group)
                if len(table) >= 3 and _is_table(table, separator):
                    yield _region(lines, table, separator)


def _rows(lines: Lines) -> Iterator[_Row]:
    """The lines, those that a quoted field goes on over joined."""
    number = 0
    while number < len(lines):
        text, stop = lines[number], number + 1
        if text.count('"') % 2 and _OPEN.search(text):
            stop = _closed(lines, number) or stop
            text = "\n".join(lines[line] for line in range(number, stop))
        yield _Row((number, stop), text)
        number = stop


def _closed(lines: Lines, first: int) -> int | None:
    for number in range(first + 1, min(first + _LONGEST_ROW, len(lines))):
        if lines[number].count('"') % 2:
            return number + 1
    return None


def _bare(text: str, separator: str) -> str:
    """A row whose quoted fields have no separators and no line breaks."""
    if '"' not in text:
        return text
    return _QUOTED.sub(lambda match: match[1] if separator not in match[1] and "\n" not in match[1] else "text", text)


def _count(separator: str, row: _Row) -> int:
    return _bare(row.text, separator).count(separator) if separator in row.text else 0


def _is_table(rows: list[_Row], separator: str) -> bool:
    texts = [_bare(row.text, separator) for row in rows]
    half = len(rows) / 2
    if sum(bool(_CODE.search(text)) for text in texts) >= half * 0.6:
        return False
    cells = [field for row in rows for field in row.fields(separator)]
    if separator != "\t" and sum(bool(_PAIR.match(cell)) for cell in cells) > len(cells) / 2:
        return False
    if separator != "\t" and sum(bool(_SUM.search(cell)) for cell in cells) > len(cells) / 4:
        return False
    if sum(bool(_LISTED.match(text)) for text in texts) > half and (separator == "\t" or "\t" in texts[0]):
        return False
    return _is_terse(texts, cells, separator)


def _is_terse(texts: list[str], cells: list[str], separator: str) -> bool:
    """Whether the fields are data: prose has a space after each comma, and several words between two."""
    spaced = sum(text.count(separator + " ") for text in texts) > sum(text.count(separator) for text in texts) / 2
    # Arguments of a call stand over several lines, each with a comma at its end and a space after the others.
    if (
        separator == ","
        and any(", " in text for text in texts)
        and sum(text.endswith(",") for text in texts) > len(texts) / 2
    ):
        return False
    words = sum(cell.count(" ") + 1 for cell in cells if cell) / max(sum(map(bool, cells)), 1)
    if separator == "\t":
        return words <= 12
    ends = sum(text.rstrip().endswith((".", "?", "!", ":")) for text in texts) > len(texts) / 3
    if not spaced:
        return words <= 6 and not (ends and words > 3)
    return words <= 2 and not ends and any(map(_NUMBER.match, cells))


def _has_head(rows: list[_Row], separator: str) -> bool:
    """Whether the first row names the columns: all are named, and numbers stand below or the names are identifiers."""
    first = rows[0].fields(separator)
    if not all(first) or len(set(first)) < len(first) or any(map(_NUMBER.match, first)):
        return False
    below = [row.fields(separator) for row in rows[1:50]]
    numeric = [sum(bool(_NUMBER.match(row[column])) for row in below) > len(below) / 2 for column in range(len(first))]
    return any(numeric) or (all(map(_NAME.match, first)) and not all(map(_NAME.match, below[0])))


def _region(lines: Lines, rows: list[_Row], separator: str) -> Region:
    reach = rows[0].reach[0], rows[-1].reach[1]
    blocks = [row.reach for row in rows if row.reach[1] - row.reach[0] > 1]
    if not _has_head(rows, separator):
        return region_of_blocks("table", lines, reach, blocks=blocks, noun="row")
    body = rows[0].reach[1]
    heads = [Head(reach[0], body, reach[1], alone=False)]
    frame = frozenset(range(reach[0], body))
    return region_of_blocks("table", lines, reach, blocks=blocks, heads=heads, noun="row", frame=frame)
