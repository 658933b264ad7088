"""A prompt as arrays over its units: which may go, and with what."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from diffumask_core.prompt.json_values import JsonIndex, json_units
from diffumask_core.prompt.layout import Layout
from diffumask_core.prompt.spans import Span, merge_spans
from diffumask_core.units.words import split_words

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Document:
    """A layout and its units (N), in order.

    Attributes:
        layout: The structure.
        offsets: ``[N, 2]``, where each unit is in ``layout.text``.
        segment_of_unit: ``[N]``, the segment each is in.
        shot_of_unit: ``[N]``, -1 outside shots.
        protected: ``[N]``, units that never go.
        kept_with_shot: ``[N]``, units that go only when their whole shot goes.
        syntax: ``[N]``, JSON's brackets, commas and keys of containers: they follow from what is kept.
        pinned: ``[S]``, shots that may not go whole.
    """

    layout: Layout
    offsets: IntArray
    segment_of_unit: IntArray
    shot_of_unit: IntArray
    protected: BoolArray
    kept_with_shot: BoolArray
    syntax: BoolArray
    pinned: BoolArray
    _json: JsonIndex

    @classmethod
    def of(
        cls, layout: Layout, protect: Sequence[Span], marked: Sequence[Span] = (), keep_every_segment: bool = False
    ) -> "Document":
        """Splits a layout into units.

        Args:
            layout: The structure.
            protect: Spans that never go, besides those of the layout.
            marked: Spans that a text marks as not to be touched. They never go either, but with a whole shot whose
                borders are given: where they are a guess, nothing is risked.
            keep_every_segment: Whether each segment keeps at least its first unit as long as its shot stays.
        """
        offsets, syntax = _units(layout)
        index = JsonIndex(layout.json, offsets)
        asked = layout.query if layout.query_stays else None
        spans = [*layout.protected, *protect, *(span for span in (layout.instructions, asked) if span)]
        protected = index.support(_overlapping(offsets, spans))
        shot_of_unit = np.full(len(offsets), -1, dtype=np.int64)
        kept_with_shot = _overlapping(offsets, [span for shot in layout.shots for span in shot.kept])
        for number, shot in enumerate(layout.shots):
            first, last = np.searchsorted(offsets[:, 0], shot.span)
            shot_of_unit[first:last] = number
        is_marked = index.support(_overlapping(offsets, marked))
        may_go = np.array([*(not shot.guessed for shot in layout.shots), False])[shot_of_unit]
        protected |= is_marked & ~may_go
        kept_with_shot |= is_marked & may_go
        if keep_every_segment:
            for start, end in layout.segments:
                first = int(np.searchsorted(offsets[:, 0], start))
                if first < len(offsets) and offsets[first, 0] < end:
                    kept_with_shot[first] = True
        protected |= kept_with_shot & (shot_of_unit < 0)
        pinned = np.array([shot.pinned for shot in layout.shots], dtype=bool)
        pinned[shot_of_unit[protected & (shot_of_unit >= 0)]] = True
        starts = [start for start, _ in layout.segments]
        segment_of_unit = np.searchsorted(starts, offsets[:, 0], side="right") - 1
        return cls(
            layout,
            offsets,
            segment_of_unit,
            shot_of_unit,
            protected,
            kept_with_shot & ~protected,
            syntax,
            pinned,
            index,
        )

    def close(self, keep: BoolArray, alive: BoolArray) -> BoolArray:
        """What is kept when ``keep`` is: with what never goes, without dropped shots, and with JSON's syntax.

        Args:
            keep: ``[N]``.
            alive: ``[S]``, shots that are not dropped whole.
        """
        stays = np.append(alive, True)[self.shot_of_unit]
        closed: BoolArray = self._json.close((keep | self.protected | self.kept_with_shot) & stays)
        kept: BoolArray = closed & stays
        return kept

    @property
    def free(self) -> BoolArray:
        """``[N]``, the units that are decided one by one as long as their shot stays."""
        free: BoolArray = ~(self.protected | self.kept_with_shot | self.syntax)
        return free

    def shots_of(self, mask: BoolArray) -> BoolArray:
        """``[S]``, the shots that a mask ``[N]`` keeps a unit of, and those that may not go whole."""
        alive = self.pinned.copy()
        touched = self.shot_of_unit[mask]
        alive[touched[touched >= 0]] = True
        return alive

    def blocks(self) -> list[Span]:
        """Ranges of units that belong together, in order: shots, and what is between them."""
        edges = np.flatnonzero(np.diff(self.shot_of_unit)) + 1
        ends = [*edges.tolist(), len(self.offsets)]
        return list(pairwise([0, *ends]))


def _units(layout: Layout) -> tuple[IntArray, BoolArray]:
    """The units of the text, those of JSON values as `json_units` has them; a unit never crosses a segment."""
    json_offsets, json_syntax = json_units(layout.text, layout.json)
    cuts = sorted(
        {0, len(layout.text)}
        | {edge for segment in layout.segments for edge in segment}
        | {edge for node in layout.json for edge in node.span}
    )
    values = {node.span for node in layout.json}
    plain = [split_words(layout.text, start, end) for start, end in pairwise(cuts) if (start, end) not in values]
    offsets = np.concatenate([json_offsets, *plain])
    syntax = np.concatenate([json_syntax, np.zeros(len(offsets) - len(json_syntax), dtype=bool)])
    order = np.argsort(offsets[:, 0], kind="stable")
    return offsets[order], syntax[order]


def _overlapping(offsets: IntArray, spans: Sequence[Span]) -> BoolArray:
    """Which units lie in a span, or partly in one: ``[N]``."""
    marked = np.zeros(len(offsets) + 1, dtype=np.int64)
    for start, end in merge_spans(spans):
        marked[np.searchsorted(offsets[:, 1], start, side="right")] += 1
        marked[np.searchsorted(offsets[:, 0], end, side="left")] -= 1
    result: BoolArray = np.cumsum(marked)[:-1] > 0
    return result
