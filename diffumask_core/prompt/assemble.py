"""From a retention mask back to text."""

from functools import lru_cache

import regex
from numpy import append, bool_, diff, flatnonzero, insert
from numpy.typing import NDArray

from diffumask_core.prompt.document import Document
from diffumask_core.prompt.spans import Span

_BLANK_LINE = regex.compile(r"\n[^\S\n]*\r?\n")
_OPENING = regex.compile(r"[\p{Ps}\p{Pi}]")
_CLOSING = regex.compile(r"[\p{Pe}\p{Pf}.,;:!?…。、，]")
_OF_A_WORD = regex.compile(r"[\p{L}\p{M}\p{N}_]")


def kept_spans(document: Document, mask: NDArray[bool_]) -> list[list[Span]]:
    """The spans of source text that a mask keeps, for each segment; neighbours that are both kept share a span."""
    kept = flatnonzero(mask)
    segments = document.segment_of_unit[kept]
    breaks = flatnonzero((diff(kept) > 1) | (diff(segments) > 0)) + 1
    first, last = insert(breaks, 0, 0), append(breaks, len(kept)) - 1
    spans: list[list[Span]] = [[] for _ in document.layout.segments]
    if len(kept):
        starts, ends = document.offsets[kept[first], 0].tolist(), document.offsets[kept[last], 1].tolist()
        for segment, start, end in zip(segments[first].tolist(), starts, ends, strict=True):
            spans[segment].append((start, end))
    return [
        _with_margins(document, mask, inside, segment)
        for inside, segment in zip(spans, document.layout.segments, strict=True)
    ]


def _with_margins(document: Document, mask: NDArray[bool_], spans: list[Span], segment: Span) -> list[Span]:
    """Adds the white space at the ends of a segment whose first or last unit is kept: nothing was dropped there."""
    if not spans:
        return spans
    first, last = document.offsets[:, 0].searchsorted(segment)
    if mask[first]:
        spans[0] = (segment[0], spans[0][1])
    if mask[last - 1]:
        spans[-1] = (spans[-1][0], segment[1])
    return spans


def kept_text(document: Document, mask: NDArray[bool_]) -> str:
    """The text that a mask keeps of a document of a single segment."""
    [spans] = kept_spans(document, mask)
    return join_spans(document.layout.text, spans)


def join_spans(text: str, spans: list[Span]) -> str:
    """Joins kept spans; white space is normalised only where something was dropped."""
    parts: list[str] = []
    previous: Span | None = None
    for span in spans:
        if previous:
            parts.append(_joint(text, previous, span))
        parts.append(text[span[0] : span[1]])
        previous = span
    return "".join(parts)


def _joint(text: str, before: Span, after: Span) -> str:
    """What stands in place of dropped text."""
    dropped = text[before[1] : after[0]]
    if "\n" in dropped:
        return "\n\n" if _BLANK_LINE.search(dropped) else "\n"
    left, right = text[max(before[0], before[1] - 1) : before[1]], text[after[0] : after[0] + 1]
    if _is(_OF_A_WORD, left) and _is(_OF_A_WORD, right):
        return " "
    if not any(map(str.isspace, dropped)):
        return ""
    if _is(_CLOSING, right) and not dropped[-1].isspace():
        return ""
    if _is(_OPENING, left) and not dropped[0].isspace():
        return ""
    return " "


@lru_cache(maxsize=4096)
def _is(kind: regex.Pattern[str], character: str) -> bool:
    return kind.match(character) is not None
