"""Output of programs that no other detector knows: lines that no person wrote as sentences."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from diffumask_core.regions.region import Lines, Region, region_of_lines
from diffumask_core.regions.runs import beginnings, template

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
# So many lines that differ in their numbers alone are a program's, or so many in a row that differ in one more word.
_FEWEST_ALIKE = 5
_FEWEST_BUT_FOR_A_WORD = 10
_FEWEST_WORDS = 4
# Such lines may be a person's too: items of a list, headings, examples with an arrow.
_LISTED = re.compile(r"\s*+(?:[-*+•]\s|\d{1,3}[.)]\s|#{1,6}\s|-- )|.*(?:[-=]>|[→⇒])")
# A speaker, a marker such as "A:", a key.
_LABELLED = re.compile(r"\s*+[^\W\d_][^\W\d]*+(?: [^\W\d]++){0,3}:(?!\S)")
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


def find_repeated(lines: Lines) -> Iterator[Region]:
    """Finds runs of lines that differ from others in numbers alone, or from those beside them in one more word."""
    texts = beginnings(lines)
    shapes = [_shape(text) for text in texts]
    labelled = [_LABELLED.match(text) is not None for text in texts]
    counts = Counter(" ".join(shape) for shape, has_label in zip(shapes, labelled, strict=True) if not has_label)
    common = [bool(shape) and counts[" ".join(shape)] >= _FEWEST_ALIKE for shape in shapes]
    # Of lines with labels only those in a row are alike: questions and answers take turns.
    beside = [
        _are_alike(one, other, may_differ=not any(labels))
        for (one, other), labels in zip(pairwise(shapes), pairwise(labelled), strict=True)
    ]
    alike = map(any, zip(common, [False, *beside], [*beside, False], strict=True))
    first = 0
    for stop in [*(number for number, each in enumerate(alike) if not each), len(lines)]:
        if sum(common[first:stop]) >= _FEWEST_ALIKE or stop - first >= _FEWEST_BUT_FOR_A_WORD:
            yield region_of_lines("output", lines, first, stop, alike=template)
        first = stop + 1


def _shape(text: str) -> list[str]:
    """The words of a line with its numbers masked; none where it has no number, or a person may have written it."""
    words = template(text).split()
    return words if any("#" in word for word in words) and not _LISTED.match(text) else []


def _are_alike(one: list[str], other: list[str], may_differ: bool) -> bool:
    """Whether two shapes are the same, or longer ones differ in one word ("200 g flour" and "50 g salt" are a list)."""
    if not one or len(one) != len(other):
        return False
    differing = sum(a != b for a, b in zip(one, other, strict=True))
    return differing <= (may_differ and len(one) >= _FEWEST_WORDS)


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
