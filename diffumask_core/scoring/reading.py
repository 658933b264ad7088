"""A prompt that has been read: its units, what each costs, and what any choice of them would look like and cost.

Nothing is encoded for that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from diffumask_core.prompt.spans import Span
from diffumask_core.rendering.join import Rendered, render_range, render_segment, render_segments
from diffumask_core.rendering.marks import MarkPlan, Marks, PlacedMark
from diffumask_core.tokens import TokenCounter
from diffumask_core.units.units import Units

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

_REMEMBERED = 16


@dataclass(frozen=True)
class Reading:
    """A prompt of N units and S shots.

    Attributes:
        units: The units.
        query: What the prompt is read for; empty where there is no query.
        counter: Counts tokens.
        total: Tokens of the whole prompt.
        costs: ``[N]``, tokens of each unit with the white space before it; together they are those of the prompt.
        marks: Where marks may stand.
    """

    units: Units
    query: str
    counter: TokenCounter
    total: int
    costs: FloatArray
    marks: MarkPlan
    # The same few choices are counted again and again: what must stay, and what the budget leaves.
    _counts: dict[bytes, int] = field(default_factory=dict, repr=False, compare=False)
    _of_segments: dict[tuple[int, bytes, tuple[str, ...]], int] = field(default_factory=dict, repr=False, compare=False)

    def close(self, keep: BoolArray, alive: BoolArray) -> BoolArray:
        """What is kept when certain units are: with the scaffold, and with gaps that are cheaper than their mark.

        Args:
            keep: ``[N]``, the units that are kept for their own sake.
            alive: ``[S]``, shots that are not dropped whole.
        """
        closed = self.units.close(keep, alive)
        spared = self.marks.spared(closed, self.units.in_shots(alive))
        return self.units.close(keep | spared, alive) if spared.any() else closed

    def count(self, closed: BoolArray, alive: BoolArray) -> int:
        """Tokens of the text that a closed mask ``[N]`` gives, marks included; whole texts are counted."""
        key = closed.tobytes() + alive.tobytes()
        if key not in self._counts:
            if len(self._counts) >= _REMEMBERED:
                self._counts.clear()
            placed = self.marks.place(closed, self.units.in_shots(alive))
            self._counts[key] = sum(self._segment_tokens(closed, placed))
        return self._counts[key]

    def _segment_tokens(self, closed: BoolArray, placed: Sequence[PlacedMark]) -> Iterator[int]:
        """The tokens of each segment; from one choice to the next few segments change."""
        if len(self._of_segments) > _REMEMBERED * len(self.units.layout.segments):
            self._of_segments.clear()
        edges = [self.units.at(segment) for segment in self.units.layout.segments]
        stops = np.searchsorted([mark.unit for mark in placed], np.array(edges, dtype=np.int64).reshape(-1, 2))
        for number, ((first, last), (begin, end)) in enumerate(zip(edges, stops.tolist(), strict=True)):
            key = number, closed[first:last].tobytes(), tuple(each.mark.text for each in placed[begin:end])
            if key not in self._of_segments:
                left = render_segment(self.units, closed, placed, number)
                self._of_segments[key] = self.counter.count(left.text) if left else 0
            yield self._of_segments[key]

    def segments(self, closed: BoolArray, alive: BoolArray) -> list[Rendered | None]:
        """What is left of each segment; None where nothing is."""
        return render_segments(self.units, closed, self.marks.place(closed, self.units.in_shots(alive)))

    def shots(self, closed: BoolArray, alive: BoolArray) -> Sequence[Rendered]:
        """What is left of each shot."""
        placed = self.marks.place(closed, self.units.in_shots(alive))
        ranges = [self.units.at(shot.span) for shot in self.units.layout.shots]
        return [render_range(self.units, closed, placed, *each) for each in ranges]

    @property
    def nothing(self) -> BoolArray:
        """``[N]``, the mask that keeps no unit for its own sake."""
        return np.zeros(len(self.units), dtype=bool)

    def room(self, limit: int, alive: BoolArray) -> float:
        """Tokens of a budget that are left for units that are decided one by one when these shots stay."""
        return float(limit - self.count(self.close(self.nothing, alive), alive))

    def without_too_large(self, room: float) -> "Reading":
        """The same prompt, of which the free units go that this many tokens cannot hold even alone.

        What the rest is to be chosen by must not count them: it would wait for room that they never take.
        """
        too_large = self.units.free & (self.costs > room)
        return replace(self, units=replace(self.units, too_large=too_large)) if too_large.any() else self

    def total_of(self, alive: BoolArray) -> float:
        """About how many tokens these shots have as they stand, with the text outside shots."""
        return float(self.costs[self.units.in_shots(alive)].sum())

    def shortest(self, alive: BoolArray) -> tuple[BoolArray, BoolArray]:
        """The mask that keeps the shortest unit that may be kept alone, and the shots that stay with that unit.

        Punctuation is the last resort.

        Args:
            alive: ``[S]``, the shots that the unit is to be from. Where these leave none, the shot of the unit comes
                back with all that stays with it.
        """
        units = self.units
        telling, stays = units.free & ~units.punctuation.marks, units.in_shots(alive)
        among = next((each for each in (telling & stays, telling, stays) if each.any()), np.ones_like(stays))
        places = np.flatnonzero(among)
        keep = self.nothing
        fixed = np.append(np.bincount(units.shot + 1, self.costs * units.kept_with_shot, len(alive) + 1)[1:], 0.0)
        prices = self.costs + np.where(stays, 0.0, fixed[units.shot])
        keep[places[np.argmin(prices[places])]] = True
        alive = alive | units.shots_of(keep)
        return self.close(keep, alive) | keep, alive

    def text(self, span: Span) -> str:
        """The source text of a span."""
        return self.units.layout.text[slice(*span)]


def read(units: Units, query: str, counter: TokenCounter, marks: Marks) -> Reading:
    """Counts what each unit costs.

    Args:
        units: The units of a prompt.
        query: What the prompt is read for.
        counter: Counts tokens.
        marks: Whether marks stand where lines, rows and records went.
    """
    text = units.layout.text
    total = sum(counter.count(text[start:end]) for start, end in units.layout.segments)
    pieces = [text[start:end] for start, end in pairwise([0, *units.spans[:, 1].tolist()])]
    costs = np.array(counter.count_each(pieces), dtype=np.float64)
    costs *= total / max(costs.sum(), 1)
    return Reading(units, query, counter, total, costs, MarkPlan(units, costs, counter.count, marks))
