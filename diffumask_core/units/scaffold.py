"""What follows from what is kept: brackets and commas, table heads, hunk headers, the head of a definition."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from diffumask_core.prompt.spans import Span
from diffumask_core.regions.region import Scaffold

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


class ScaffoldIndex:
    """The scaffold of a text among its N units; it is made once and serves every mask.

    Each of its K rules says that a unit stays where something stays on each of the sides that the rule has.

    Attributes:
        syntax: ``[N]``, units that are never decided, since they follow from others alone.
    """

    def __init__(self, rules: Sequence[Scaffold], spans: IntArray, complete: Sequence[tuple[Span, Span]] = ()) -> None:
        """Looks up the units of rules.

        Args:
            rules: K rules; each span begins where a unit begins, or within one.
            spans: ``[N, 2]``, where the units are.
            complete: Units that say how much there is of something, each with the span of what must all be there.
        """
        self._unit = _units_at(spans, [rule.span[0] for rule in rules])
        self._before, self._needs_before = _ranges(spans, [rule.before for rule in rules])
        self._after, self._needs_after = _ranges(spans, [rule.after for rule in rules])
        self.syntax: BoolArray = np.zeros(len(spans), dtype=bool)
        self._alone = np.array([rule.alone for rule in rules], dtype=bool)
        self.syntax[self._unit[~self._alone]] = True
        self._counts = _units_at(spans, [unit[0] for unit, _ in complete])
        self._counted, _ = _ranges(spans, [whole for _, whole in complete])

    def close(self, decided: BoolArray) -> BoolArray:
        """What is kept when certain units are: those, and the scaffold that follows from them.

        Args:
            decided: ``[N]``, the units that are kept for their own sake; syntax among them counts for nothing.
        """
        closed = decided & ~self.syntax
        gone_before = np.concatenate([[0], np.cumsum(~(decided | self.syntax))])
        closed[self._counts[gone_before[self._counted[:, 1]] > gone_before[self._counted[:, 0]]]] = False
        # Heads first: brackets and commas follow from heads too.
        for rules in (self._alone, ~self._alone):
            kept_before = np.concatenate([[0], np.cumsum(closed)])
            before = kept_before[self._before[rules, 1]] > kept_before[self._before[rules, 0]]
            after = kept_before[self._after[rules, 1]] > kept_before[self._after[rules, 0]]
            stays = (~self._needs_before[rules] | before) & (~self._needs_after[rules] | after)
            closed[self._unit[rules][stays]] = True
        return closed

    def support(self, forced: BoolArray) -> BoolArray:
        """Adds to units that must stay the units from which they follow.

        Args:
            forced: ``[N]``, units that must stay; some of them may be syntax.

        Returns:
            ``[N]``, those and for each syntax unit among them the nearest unit on each side that it needs.
        """
        decided = np.flatnonzero(~self.syntax)
        supported = forced.copy()
        rules = forced[self._unit] & self.syntax[self._unit]
        place = np.searchsorted(decided, self._after[:, 0])
        found = rules & self._needs_after & (place < np.searchsorted(decided, self._after[:, 1]))
        supported[decided[place[found]]] = True
        place = np.searchsorted(decided, self._before[:, 1]) - 1
        found = rules & self._needs_before & (place >= np.searchsorted(decided, self._before[:, 0]))
        supported[decided[place[found]]] = True
        return supported


def _units_at(spans: IntArray, positions: Sequence[int]) -> IntArray:
    """The unit that each position lies in, or the next one after it."""
    found: IntArray = np.searchsorted(spans[:, 1], np.array(positions, dtype=np.int64), side="right").astype(np.int64)
    return np.minimum(found, max(len(spans) - 1, 0))


def _ranges(spans: IntArray, sides: Sequence[Span | None]) -> tuple[IntArray, BoolArray]:
    """Ranges of units ``[K, 2]`` that lie in each side, and which rules have that side ``[K]``."""
    given = np.array([side is not None for side in sides], dtype=bool)
    edges = np.array([side or (0, 0) for side in sides], dtype=np.int64).reshape(-1, 2)
    first = np.searchsorted(spans[:, 1], edges[:, 0], side="right")
    last = np.maximum(np.searchsorted(spans[:, 0], edges[:, 1], side="left"), first)
    return np.stack([first, last], 1).astype(np.int64), given
