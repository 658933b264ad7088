"""Markdown in prose: headings that stay above their sections, bullets, and lines that are checked off or struck out.

Headings and bullets are no regions: the words below them are decided one by one, and only the marks follow.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from diffumask_core.prompt.spans import Span, clip_spans, merge_spans
from diffumask_core.regions.region import Lines, Region, Scaffold, region_of_lines

_ATX = re.compile(r" {0,3}(?P<signs>#{1,6})[ \t]+[^\s#]")
_UNDERLINE = re.compile(r"(?P<sign>[=\-~^\"'`#*+])(?P=sign){2,}+[ \t]*+")
_BOLD = re.compile(r"[ \t]{0,3}(?:\*\*|__)(?=\S)[^*_\n]{1,100}(?:\*\*|__):?[ \t]*+")
_NUMBERED = re.compile(r"[ \t]{0,3}(?P<number>\d{1,3}(?:\.\d{1,3}){0,4})(?P<dot>\.?)[ \t]+[^\W\d_a-z][^\n]{1,100}")
_BULLET = re.compile(r"[ \t]*+(?P<bullet>(?:[-*+•◦‣–]|\(?\d{1,3}[.)]|\(?[a-z][.)])[ \t]+)(?=\S)")

# Where code stands that no detector has claimed, "# " opens comments.
_CODE = re.compile(
    r"[ \t]*+(?:import \w|from [\w.]+ import |def \w+\(|class \w+[(:]|#include\b|#!|@\w+|[\w.]{1,60} ?=[ \w'\"\[({]"
    r"|(?:if|for|while|else|try)\b.*:[ \t]*+$|export \w+=|# ?-\*-)"
)

# A box is a mark only at the start of an item: "a[x]" is code. Check marks and struck text are marks anywhere.
_BOX = re.compile(r"[ \t>]*+(?:(?:[-*+•]|\d{1,3}[.)])[ \t]+)?\\?\[[ xX✓✔✗✘-]\\?\](?=\s)")
_CHECKED = re.compile(r"[✓✔✗✘☑☐☒✅❌❎]|~~(?=\S)[^~\n]{1,300}~~")
_MAX_CHECKED = 400
_MAX_TITLE = 120
_TITLE_WORDS = 10
_BOLD_LEVEL = 20  # below every other heading
_NUMBERED_LEVEL = 10


class _Heading(NamedTuple):
    line: int
    level: int
    below: int  # the first line of the section
    rule: int | None = None  # the line that underlines the heading


def find_headings(lines: Lines, claimed: Sequence[Span] = ()) -> list[Scaffold]:
    """Finds headings: ``## Title``, underlined ones, lines in bold, and numbered ones such as ``1.2 Title``.

    A heading stays as long as something of its section stays, which ends at the next heading of the same level or of
    a higher one; the line under a heading stays with the heading.

    Args:
        lines: The lines to look in.
        claimed: Code, logs, tables: where detectors have found another kind is no heading.
    """
    free = _free_lines(lines, claimed)
    headings = list(_headings(lines, free))
    ends = _section_ends(headings, len(lines))
    scaffold: list[Scaffold] = []
    for heading, end in zip(headings, ends, strict=True):
        while end > heading.below and not lines[end - 1].strip():
            end -= 1
        if end > heading.below:
            span = lines.spans[heading.line]
            scaffold.append(Scaffold(span, after=lines.cover(heading.below, end), alone=True))
            if heading.rule is not None:
                scaffold.append(Scaffold(lines.spans[heading.rule], before=span))
    return scaffold


def find_bullets(lines: Lines, claimed: Sequence[Span] = ()) -> list[Scaffold]:
    """Finds the bullets and numbers of list items; each stays as long as something of its line stays."""
    free = _free_lines(lines, claimed)
    scaffold: list[Scaffold] = []
    for number, (start, end) in enumerate(lines.spans):
        match = _BULLET.match(lines.source, start, end) if free[number] else None
        if match:
            first, last = match.span("bullet")
            sign = lines.source[first:last].rstrip()
            scaffold.append(Scaffold((first, first + len(sign)), after=(last, end)))
    return scaffold


def find_checklists(lines: Lines) -> Iterator[Region]:
    """Finds lines with boxes, check marks or struck text, which go whole: a task without its mark is another task."""
    number = 0
    while number < len(lines):
        first = number
        while number < len(lines) and _is_checked(lines, number):
            number += 1
        if number > first:
            yield region_of_lines("checklist", lines, first, number)
        number += 1


def _is_checked(lines: Lines, number: int) -> bool:
    start, end = lines.spans[number]
    if end - start > _MAX_CHECKED:
        return False
    source = lines.source
    return _BOX.match(source, start, end) is not None or _CHECKED.search(source, start, end) is not None


def _free_lines(lines: Lines, claimed: Sequence[Span]) -> list[bool]:
    """For each line whether no detector has claimed a part of the line."""
    merged = merge_spans(claimed)
    return [not clip_spans(merged, span) for span in lines.spans] if merged else [True] * len(lines)


def _headings(lines: Lines, free: Sequence[bool]) -> Iterator[_Heading]:
    levels: dict[str, int] = {}  # of underlines, in the order in which their signs occur
    numbered = _has_subsections(lines, free)
    code = any(free[at] and _CODE.match(lines.source, *span) for at, span in enumerate(lines.spans))
    blank = [not free[number] or not lines[number].strip() for number in range(len(lines))]
    above = True  # whether a heading may begin: after a blank line or a heading
    skip = -1
    for number in range(len(lines)):
        if number == skip:
            continue
        heading = None
        if not blank[number] and lines.spans[number][1] - lines.spans[number][0] <= 2 * _MAX_TITLE:
            below = number + 1 < len(lines) and free[number + 1]
            under = lines[number + 1] if below else ""
            heading = _underlined(lines[number], under, number, levels) if above else None
            comment = code and lines[number].lstrip().startswith("# ")
            heading = heading or (None if comment else _single(lines[number], number, above, under, numbered))
        if heading:
            yield heading
            skip = -1 if heading.rule is None else heading.rule
        above = blank[number] or heading is not None


def _underlined(title: str, under: str, number: int, levels: dict[str, int]) -> _Heading | None:
    match = _UNDERLINE.fullmatch(under)
    title = title.strip()
    fits = match and len(title) <= _MAX_TITLE and 2 * len(match[0].strip()) >= len(title)
    if not match or not fits or "|" in title or not any(sign.isalpha() for sign in title) or title[0] in "-*+#>`":
        return None
    level = levels.setdefault(match["sign"], len(levels) + 1)
    return _Heading(number, level, number + 2, number + 1)


def _single(line: str, number: int, above: bool, under: str, numbered: bool) -> _Heading | None:
    """A heading of one line. Since "# " opens comments too, a blank line must be on one of its sides, and no other."""
    if match := _ATX.match(line):
        level = len(match["signs"])
        alone = (above or not under.strip()) and not under.startswith("# ")
        return _Heading(number, level, number + 1) if level > 1 or alone else None
    if not above:
        return None
    if _BOLD.fullmatch(line):
        return _Heading(number, _BOLD_LEVEL, number + 1)
    match = _NUMBERED.fullmatch(line) if numbered else None
    if match and len(line.split()) <= _TITLE_WORDS and line.rstrip()[-1] not in ".,;:!?":
        return _Heading(number, _NUMBERED_LEVEL + match["number"].count("."), number + 1)
    return None


def _has_subsections(lines: Lines, free: Sequence[bool]) -> bool:
    """Whether a line such as ``1.2 Title`` stands alone: only then is ``1. Title`` a heading and no list item."""
    for number in range(len(lines)):
        start, end = lines.spans[number]
        match = _NUMBERED.fullmatch(lines.source, start, end) if free[number] else None
        if match and "." in match["number"] and (number == 0 or not lines[number - 1].strip()):
            return True
    return False


def _section_ends(headings: Sequence[_Heading], total: int) -> list[int]:
    """For each heading the line where the next one of its level or a higher one stands."""
    ends = [total] * len(headings)
    opened: list[int] = []
    for at, heading in enumerate(headings):
        while opened and headings[opened[-1]].level >= heading.level:
            ends[opened.pop()] = heading.line
        opened.append(at)
    return ends
