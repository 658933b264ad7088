"""The pieces of a long text that are nearest to a query, where a model would read for minutes."""

import numpy as np

from diffumask_core.prompt.spans import Span, merge_spans, spans_between
from diffumask_core.rendering.marks import mark_text
from diffumask_core.scoring.terms import bm25

_PIECE = 2_000


def nearest_pieces(text: str, query: str, characters: int) -> tuple[str, list[str]]:
    """The pieces that say most in the words of a query, in their order, with marks for what stands between.

    Args:
        text: The text.
        query: What it is read for; where no piece has a word of it, the beginning stays.
        characters: About how many characters stay.

    Returns:
        What stays, and the marks in it.
    """
    pieces = _pieces(text)
    best = np.argsort(-bm25(query, [text[slice(*piece)] for piece in pieces]), kind="stable")
    kept = merge_spans([pieces[number] for number in best[: characters // _PIECE]])
    gaps = {gap: mark_text(gap[1] - gap[0], "character") for gap in spans_between(kept, (0, len(text)))}
    parts = (gaps.get(span) or text[slice(*span)].strip("\n") for span in sorted([*kept, *gaps]))
    return "\n".join(parts), list(gaps.values())


def _pieces(text: str) -> list[Span]:
    """A text in pieces of so many characters at most, which end with a line where there is one."""
    pieces, start = [], 0
    while start < len(text):
        end = min(start + _PIECE, len(text))
        if end < len(text):
            end = text.rfind("\n", start, end) + 1 or end
        pieces.append((start, end))
        start = end
    return pieces
