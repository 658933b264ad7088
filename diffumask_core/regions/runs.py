"""What detectors of line-structured output share: the beginnings of lines, margins of line numbers, template keys.

A shape is decided by the beginning of a line, so a line of a million characters costs no more than a short one.
"""

import re
from collections.abc import Iterator, Sequence

from diffumask_core.regions.region import Lines

WIDTH = 400
"""How many characters of a line a shape is looked for in."""

# The numbers that `cat -n`, `nl` and editors' tools write before a line.
_NUMBER = re.compile(r"[ ]{0,12}(\d{1,9})(?:\t|→|[ ]{2,3}(?=\S)|$)")
# A line that belongs to the shell or to the message around an output.
_FENCE = re.compile(r"\s{0,8}(?:</?[A-Za-z][\w-]{0,40}>?|```|~~~|[$%] |>>> |\S{1,60}[@:]\S{1,80}[$#] )")


def beginnings(lines: Lines) -> list[str]:
    """The first `WIDTH` characters of each line."""
    return [lines.source[start : min(end, start + WIDTH)] for start, end in lines.spans]


def without_numbers(texts: Sequence[str]) -> list[str]:
    """The same lines without line numbers, where at least three lines in a row count upwards by one.

    Blank lines between numbered lines may have no number, as `nl` leaves them.
    """
    bare = list(texts)
    run: list[tuple[int, int]] = []
    previous = -1
    for index, text in enumerate([*texts, "end"]):
        if not text.strip():
            continue
        found = _NUMBER.match(text)
        number = int(found[1]) if found else -1
        if not (found and run and number == previous + 1):
            _cut_margins(bare, run)
            run = []
        if found:
            run.append((index, found.end()))
        previous = number
    return bare


def _cut_margins(texts: list[str], run: Sequence[tuple[int, int]]) -> None:
    """Takes the margin off each line of a run that is long enough to be sure."""
    if len(run) < 3:
        return
    for index, end in run:
        texts[index] = texts[index][end:]


def is_fence(text: str) -> bool:
    """Whether a line is a tag, a code fence or a shell prompt, which no output of a program goes beyond."""
    return _FENCE.match(text) is not None


def blocks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Runs of consecutive lines that are not blank, as ``(first, last)`` with `last` after the run."""
    first = -1
    for index, text in enumerate([*texts, ""]):
        filled = bool(text and not text.isspace())
        if filled and first < 0:
            first = index
        elif not filled and first >= 0:
            yield first, index
            first = -1


# A request keeps its path: requests of one path are alike, others are not.
_QUOTED = re.compile(r"\"(?!(?:GET|POST|PUT|HEAD|DELETE|PATCH|OPTIONS) )[^\"]*+\"|(?<!\w)'[^']*+'(?!\w)")
# A word with a digit in it is a number, a time, a hash or an identifier; neighbours of this kind are one.
_VARIABLE = re.compile(r"\b(?=[^\W\d_]*\d|[\w]{0,40}\d)\w++(?:[.:,/+-]\w*\d\w*+)*+")


def template(text: str) -> str:
    """A line with its quoted strings, numbers, times, hashes and identifiers masked."""
    return _VARIABLE.sub("#", _QUOTED.sub('""', text))
