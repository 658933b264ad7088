"""Output of programs that no other detector knows: lines that no person wrote as sentences."""

import re
from collections.abc import Iterator

from diffumask_core.regions.region import Lines, Region, region_of_lines

LONGEST_LINE = 1000
"""A printed line of more characters goes by pieces."""

_FEWEST_LINES = 3
_SHARE = 0.6
_LONGEST = 160
# Signs that sentences do without.
_SIGN = re.compile(r"[/\\_={}\[\]<>|@+~^]|\w\(|::|[,;{(]\s*$")
# A first word that names a place, a call or an assignment says that a program printed the line, whatever follows.
_PRINTED = re.compile(r"\s*+(?:\S*[/\\]\S*:\d|[\w.]*_\w*|[a-z][\w.]*[(=\[]\S|[\"'(\[{<]\S*[_(=:/])")
# What a person writes: list items, headings, labels such as "Question:", and sentences, which have four plain words in
# a row or more.
_WRITTEN = re.compile(r"\s*+(?:[-*+•]\s|\d{1,3}[.)]\s|#{1,6}\s|-- |[A-Z][\w ]{0,30}:\s)")
# As many words as go into 200 characters, or one longer word.
_PIECE = re.compile(r"\S(?:.{0,198}\S)?(?!\S)|\S++")
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*(?=\s+[A-Z]|\s*$)")
_SENTENCE = re.compile(r"(?<![^\s\"'(])(?:[A-Za-z][a-z'’-]*,? ){3}[A-Za-z][a-z'’-]*(?![^\s.,;:!?\"')])")


def find_output(lines: Lines) -> Iterator[Region]:
    """Finds blocks of lines, most of which a program printed: names, paths, values, calls."""
    first = 0
    for stop in [*(number for number, text in enumerate(lines) if not text.strip()), len(lines)]:
        block = lines.part(first, stop)
        if len(block) >= _FEWEST_LINES and all(len(text) <= _LONGEST for text in block) and is_printed(block):
            yield region_of_lines("output", lines, first, stop, alike=str.strip)
        first = stop + 1


def is_printed(lines: Lines) -> bool:
    """Whether a program printed most of the lines."""
    filled = [text for text in lines if text.strip()]
    return sum(map(_is_printed, filled)) >= _SHARE * len(filled)


def rest_of_output(lines: Lines) -> Iterator[Region]:
    """All lines of an output that are no paragraphs: what stands between code, logs and tables goes by lines too.

    A line of more than a thousand characters that a program printed goes by pieces of some words.
    """
    first = 0
    for stop in [
        *(number for number, text in enumerate(lines) if len(text) > _LONGEST and not _goes_whole(text)),
        len(lines),
    ]:
        if any(lines[number].strip() for number in range(first, stop)):
            yield region_of_lines("output", lines, first, stop, alike=str.strip)
        if stop < len(lines) and not _is_written(lines[stop]):
            start, _ = span = lines.spans[stop]
            units = tuple((start + piece.start(), start + piece.end()) for piece in _PIECE.finditer(lines[stop]))
            yield Region("output", span, units)
        first = stop + 1


def rest_beside_regions(lines: Lines) -> Iterator[Region]:
    """The lines of a text of many regions that are neither sentences nor list items."""
    first = 0
    prose = (number for number, text in enumerate(lines) if _SENTENCE.search(text[:_LONGEST]) or _WRITTEN.match(text))
    for stop in [*prose, len(lines)]:
        if any(lines[number].strip() for number in range(first, stop)):
            yield from rest_of_output(lines.part(first, stop))
        first = stop + 1


def _goes_whole(text: str) -> bool:
    """Whether a long line is the message of a program and no paragraph."""
    return len(text) <= LONGEST_LINE and not _is_written(text)


def _is_written(text: str) -> bool:
    """Whether a long line is made of sentences."""
    return not _PRINTED.match(text) and len(_SENTENCE_END.findall(text[:LONGEST_LINE])) > 1


def _is_printed(text: str) -> bool:
    if _PRINTED.match(text):
        return True
    return bool(_SIGN.search(text)) and not _WRITTEN.match(text) and not _SENTENCE.search(text)
