"""Spans of a text, and what is done with them everywhere."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from operator import itemgetter

Span = tuple[int, int]
"""Half-open character offsets ``[start, end)`` into a text."""

BLANK_LINE = re.compile(r"\n[ \t\r]*+\n")


def shift_span(span: Span, by: int) -> Span:
    """The same span, so many characters later."""
    return span[0] + by, span[1] + by


def clip_spans(spans: Sequence[Span], within: Span) -> list[Span]:
    """The parts of sorted spans that lie within one."""
    first, last = within
    begin = max(bisect_right(spans, first, key=itemgetter(0)) - 1, 0)
    near = spans[begin : bisect_left(spans, last, key=itemgetter(0))]
    return [(max(start, first), min(end, last)) for start, end in near if start < last and end > first]


def merge_spans(spans: Sequence[Span]) -> list[Span]:
    """Sorts spans and joins those that touch or overlap; empty ones vanish."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def spans_between(spans: Sequence[Span], within: Span) -> Iterator[Span]:
    """The parts of a stretch that lie in none of the spans, which are as `merge_spans` gives them, in order."""
    position = within[0]
    for start, end in clip_spans(spans, within):
        if position < start:
            yield position, start
        position = end
    if position < within[1]:
        yield position, within[1]


def trim_span(text: str, start: int, end: int, blank: str | None = None) -> Span | None:
    """The span without the white space (or `blank`) at its ends; None where nothing else is in it."""
    part = text[start:end]
    start += len(part) - len(part.lstrip(blank))
    end -= len(part) - len(part.rstrip(blank))
    return (start, end) if start < end else None


def disjoint_spans(spans: Sequence[Span]) -> list[Span]:
    """Spans in order, those that overlap made one; spans that only touch stay apart."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        elif start < end:
            joined.append((start, end))
    return joined


def chain_spans(spans: Sequence[Span], longest: int) -> list[Span]:
    """Joins sorted spans that overlap, up to so many characters; a link beyond that begins where the last one ended."""
    joined: list[Span] = []
    for start, end in spans:
        if not joined or start >= joined[-1][1]:
            joined.append((start, end))
        elif end > joined[-1][1]:
            before = joined[-1]
            fits = end - before[0] <= longest
            joined[-1:] = [(before[0], end)] if fits else [before, (before[1], end)]
    return joined
