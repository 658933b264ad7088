"""The searches: which masks to try next, given which of the last ones held the floor.

A search is a generator. It yields some candidates, each a part of the last mask that held, and is sent whether each
of them holds. Nothing here knows a reader.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np

from diffumask_core.labeling.space import BoolArray, Guide, IntArray, SearchSpace

Proposals = Generator[list[BoolArray], list[bool], BoolArray]
"""Yields candidates ``[N]``, is sent whether each holds, and returns the last mask that held."""

# The model's order of the units is cut into so many parts to look for the first large cut.
_PARTS = 20


def sequential(space: SearchSpace, guide: Guide, batch: int) -> Proposals:
    """One unit after the other in the order of the text, left out if the floor holds, until nothing more goes.

    TAPruning (Wang, Hu and Bing, "Evolving Prompts In-Context", ICML 2025). There the floor rises with the best
    quality on the way; here it is the same for all searches.
    """
    return (yield from _one_by_one(space, space.everything))


def shots_first(space: SearchSpace, guide: Guide, batch: int) -> Proposals:
    """One shot after the other, and then one unit after the other: `sequential` below a shot level."""
    mask = yield from _in_turn(space, space.everything, space.shots(space.everything))
    return (yield from _one_by_one(space, mask))


def hierarchical(space: SearchSpace, guide: Guide, batch: int) -> Proposals:
    """Large cuts first: shots, what the model would drop, clauses, halves of clauses, down to single units.

    At each level as many spans go at once as the floor allows, those that the model would drop first before the
    others. A span that is refused alone is halved for the next level. Among k needed spans of n that takes about
    k log(n / k) candidates in place of n: group testing (Hwang, "A method for detecting all defective members in a
    population by group testing", JASA 67, 1972), over a hierarchy as in hierarchical delta debugging (Misherghi and
    Su, ICSE 2006). It ends when a pass over all levels takes nothing away, and so with a mask from which no single
    unit can go.
    """
    shots = space.shots(space.everything)
    mask, _ = yield from _sweep(space, space.everything, [shots[shot] for shot in guide.shots[::-1]], batch)
    units = np.flatnonzero(mask & space.free)
    ranked = units[np.argsort(guide.units[units], kind="stable")]
    parts = [part for part in np.array_split(ranked, _PARTS) if len(part)]
    _, mask = yield from _longest(space, mask, parts, len(parts) // 2, batch)
    while True:
        before = mask
        spans = space.clauses(mask)
        while spans:
            mask, refused = yield from _sweep(space, mask, sorted(spans, key=guide.of), batch)
            spans = [half for span in refused if len(span) > 1 for half in np.array_split(span, 2)]
        if np.array_equal(mask, before):
            return mask


def _one_by_one(space: SearchSpace, mask: BoolArray) -> Proposals:
    while True:
        before = mask
        mask = yield from _in_turn(space, mask, list(np.flatnonzero(mask & space.free)[:, None]))
        if np.array_equal(mask, before):
            return mask


def _in_turn(space: SearchSpace, mask: BoolArray, spans: Sequence[IntArray]) -> Proposals:
    for span in spans:
        candidate = space.without(mask, span)
        [holds] = yield [candidate]
        if holds:
            mask = candidate
    return mask


def _sweep(
    space: SearchSpace, mask: BoolArray, spans: Sequence[IntArray], batch: int
) -> Generator[list[BoolArray], list[bool], tuple[BoolArray, list[IntArray]]]:
    """Takes away what it can of some spans, in their order and as many at once as possible.

    Returns:
        What is left, and the spans that were refused, each by itself.
    """
    spans = [span for span in spans if len(span)]
    refused: list[IntArray] = []
    at, run = 0, len(spans) // 2
    while at < len(spans):
        gone, mask = yield from _longest(space, mask, spans[at:], run, batch)
        at += gone
        refused += spans[at : at + 1]
        at += 1
        # As far as it was to the last refused span, so far it may be to the next.
        run = gone // 2
    return mask, refused


def _longest(
    space: SearchSpace, mask: BoolArray, spans: Sequence[IntArray], first: int, batch: int
) -> Generator[list[BoolArray], list[bool], tuple[int, BoolArray]]:
    """How many of the first spans can go together, and what is left then.

    Growing numbers are tried until one is refused, then those between: an exponential search.
    """
    gone, refused, step, left = 0, len(spans) + 1, max(first, 1), mask
    while gone + 1 < refused:
        if refused <= len(spans):
            counts = {gone + max((refused - gone) * part // (batch + 1), 1) for part in range(1, batch + 1)}
        else:
            counts = {min(gone + step * 2**part, len(spans)) for part in range(batch)}
        tried = {count: space.without(mask, np.concatenate(spans[:count])) for count in sorted(counts)}
        held = dict(zip(tried, (yield list(tried.values())), strict=True))
        before = gone
        for count, candidate in tried.items():
            if held[count]:
                gone, left = count, candidate
        refused = min((count for count in tried if count > gone and not held[count]), default=refused)
        step = 2 * max(gone - before, 1)
    return gone, left


@dataclass(frozen=True)
class Strategy:
    """A search, and how its candidates are judged.

    Attributes:
        propose: From a space, a guide and how many candidates to try at once to the proposals.
        gives_up: Whether a candidate that does clearly worse than the last mask that held is given up before it has
            been asked everything.
    """

    propose: Callable[[SearchSpace, Guide, int], Proposals]
    gives_up: bool


STRATEGIES = {
    "hierarchical": Strategy(hierarchical, gives_up=True),
    "sequential": Strategy(sequential, gives_up=False),
    "shots-first": Strategy(shots_first, gives_up=False),
}
