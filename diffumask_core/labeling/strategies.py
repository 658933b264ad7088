"""The searches: which masks to try next, given which of the last ones held the floor.

A search is a generator. It yields some candidates, each a part of the last mask that held or the whole prompt, and is
sent whether each of them holds. Nothing here knows a reader.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np

from diffumask_core.labeling.space import BoolArray, Guide, IntArray, SearchSpace

Proposals = Generator[list[BoolArray], list[bool], BoolArray]
"""Yields candidates ``[N]``, is sent whether each holds, and returns a mask that held."""

# The model's order of the units is cut into so many parts for the first large cuts.
_PARTS = 20
# A candidate that holds costs all the questions, and one that does not only the first few. So much is tried, and then
# less bit by bit: next is this share of what was too much, and after what went, so many times as much.
_SHRINK, _GROW = 0.7, 3
# Of the shots, the share that first goes at random, that below which none does, and how many draws there are of each.
_MOST, _LEAST, _DRAWS = 0.5, 0.1, 20
# It ends when so many descents in a row have found nothing shorter.
_PATIENCE = 2


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
    Su, ICSE 2006). A descent ends when a pass over all levels takes nothing away, and so with a mask from which no
    single unit can go.

    Where it ends depends much on what goes first. So the first shots to go are drawn at random, and after a descent
    another one begins with the whole prompt, until some in a row have found nothing shorter.
    """
    draws = np.random.default_rng(0)
    shortest, in_vain = space.everything, 0
    while in_vain < _PATIENCE:
        yield [space.everything]
        mask = yield from _descent(space, guide, batch, draws)
        in_vain = 0 if np.count_nonzero(mask) < np.count_nonzero(shortest) else in_vain + 1
        shortest = min(shortest, mask, key=np.count_nonzero)
        if _MOST * len(guide.shots) < 2:
            break  # Of so few shots none are drawn: another descent would be the same.
    return shortest


def _descent(space: SearchSpace, guide: Guide, batch: int, draws: np.random.Generator) -> Proposals:
    shots = space.shots(space.everything)
    mask, left = yield from _drawn(space, [shots[shot] for shot in guide.shots[::-1]], batch, draws)
    mask, _ = yield from _sweep(space, mask, left, batch)
    units = np.flatnonzero(mask & space.free)
    ranked = units[np.argsort(guide.units[units], kind="stable")]
    mask, _ = yield from _sweep(space, mask, np.array_split(ranked, _PARTS), batch)
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


def _drawn(
    space: SearchSpace, spans: Sequence[IntArray], batch: int, draws: np.random.Generator
) -> Generator[list[BoolArray], list[bool], tuple[BoolArray, list[IntArray]]]:
    """Takes large shares of some spans away, drawn at random, the first ones more often.

    Returns:
        What is left of the whole prompt, and the spans that are.
    """
    mask, left = space.everything, [span for span in spans if len(span)]
    share, tries = _MOST, 0
    while share >= _LEAST and (size := int(share * len(left))) > 1:
        ranks = np.linspace(0, 1, len(left))
        # The first of a sorting with Gumbel noise are a weighted draw without replacement.
        drawn = [np.argsort(ranks - draws.gumbel(size=len(left)))[:size] for _ in range(batch)]
        candidates = [space.without(mask, np.concatenate([left[number] for number in numbers])) for numbers in drawn]
        held = yield candidates
        tries += batch
        if any(held):
            shortest = min(np.flatnonzero(held), key=lambda at: np.count_nonzero(candidates[at]))
            mask, tries = candidates[shortest], 0
            left = [left[number] for number in np.setdiff1d(np.arange(len(left)), drawn[shortest])]
        elif tries >= _DRAWS:
            share, tries = share * _SHRINK, 0
    return mask, left


def _sweep(
    space: SearchSpace, mask: BoolArray, spans: Sequence[IntArray], batch: int
) -> Generator[list[BoolArray], list[bool], tuple[BoolArray, list[IntArray]]]:
    """Takes away what it can of some spans, in their order and as many at once as possible.

    Returns:
        What is left, and the spans that were refused, each by itself.
    """
    spans = [span for span in spans if len(span)]
    refused: list[IntArray] = []
    at, size = 0, len(spans) // 2
    too_many: int | None = None  # so many of the spans from `at` on are known not to go together
    while at < len(spans):
        most = len(spans) - at if too_many is None else too_many - 1
        counts = {max(min(int(size * _SHRINK**part), most), 1) for part in range(batch)}
        tried = {count: space.without(mask, np.concatenate(spans[at : at + count])) for count in sorted(counts)}
        held = dict(zip(tried, (yield list(tried.values())), strict=True))
        gone = max((count for count in tried if held[count]), default=0)
        too_many = min((count for count in tried if count > gone), default=too_many)
        if gone:
            mask = tried[gone]
        at += gone
        too_many = too_many and too_many - gone
        if too_many == 1:
            refused.append(spans[at])
            at, too_many = at + 1, None
        size = _GROW * max(gone, 1) if too_many is None else int(_SHRINK * too_many)
    return mask, refused


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
