"""The shot level: how many shots a budget can carry, and which."""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from diffumask_core.diffusion.sampler import budget_threshold
from diffumask_core.options import Options
from diffumask_core.scoring.budget import Budget
from diffumask_core.scoring.footing import cheap_first, footing, small_first
from diffumask_core.scoring.readable import PASSAGE_SHARE
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.scores import Scores
from diffumask_core.scoring.worth import Worth

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def choose_shots(reading: Reading, scores: Scores, pinned: BoolArray, budget: Budget, options: Options) -> BoolArray:
    """``[S]``, the shots that stay at a budget: the best that it can carry at a readable share of their words.

    Args:
        reading: The prompt of S shots.
        scores: What the model made of it.
        pinned: ``[S]``, shots that may not go.
        budget: The budget.
        options: With the level of words or without.
    """
    units, costs = reading.units, reading.costs
    # A copy tells nothing new: where anything has to go, copies do.
    order = scores.order[~scores.repeated[scores.order]]
    if not len(order):
        return pinned
    in_shots = units.shot >= 0

    def per_shot(which: BoolArray) -> FloatArray:
        return np.bincount(units.shot[which], costs[which], minlength=len(pinned)).astype(np.float64)

    fixed, free = per_shot(in_shots & ~(units.free | units.too_large)), per_shot(in_shots & units.free)
    words = footing(reading, cheap_first(reading, np.flatnonzero(units.free & in_shots)))
    footed = fixed + np.bincount(units.shot[words], costs[words], len(pinned))
    # Without the level of words a shot is whole or gone.
    needed = fixed + (scores.readable if options.token_level else free)
    other = float(costs[units.free & ~in_shots].sum()) * (PASSAGE_SHARE if options.token_level else 1.0)
    room = budget.limit - float(costs[units.protected].sum())
    best = order[0]
    if not pinned.any() and max(fixed[best] + 1, footed[best]) <= room < needed[best] + other:
        # Part of the best shot is better than a worse one.
        alive = with_best(pinned, order, 1)
    else:
        alive = add_shots(pinned, order, needed, room - other - float(needed[pinned].sum()))
    if options.token_level:
        # What is over when all that stays is whole goes to shots of which less than they need can be kept.
        least = np.maximum(np.minimum(needed, fixed + PASSAGE_SHARE * free), footed)
        alive = add_shots(alive, order, least, budget.limit - reading.total_of(alive))
    if reading.room(budget.limit, alive) >= 0:
        return alive
    # Costs of units are estimates: shots go, the least useful first, until what stays with them fits.
    going = order[alive[order] & ~pinned[order]]

    def of_best(number: int) -> BoolArray:
        return with_best(pinned, going, number)

    return of_best(last_that_holds(lambda number: reading.room(budget.limit, of_best(number)) >= 0, len(going)))


def add_shots(alive: BoolArray, order: IntArray, costs: FloatArray, room: float) -> BoolArray:
    """Adds the best shots that a budget can carry.

    Args:
        alive: ``[S]``, the shots that stay already.
        order: Shots from the best to the worst.
        costs: ``[S]``, tokens of each shot.
        room: Tokens for the shots that are added.
    """
    alive = alive.copy()
    for shot in order[~alive[order]]:
        if costs[shot] <= room:
            alive[shot] = True
            room -= float(costs[shot])
    return alive


def last_that_holds(holds: Callable[[int], bool], end: int) -> int:
    """The largest number below `end` that holds, where all smaller ones do too; 0 where none does."""
    low, high = 0, end
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def with_footing(
    reading: Reading, scores: Scores, ranked: IntArray, alive: BoolArray, pinned: BoolArray, limit: int
) -> tuple[IntArray, BoolArray]:
    """Ranked units with a few words of each exemplar's input in front, and the shots that stay.

    These are the best words, of as many exemplars as fit together so; of the others cheaper ones. Where the cheapest do
    not fit either, exemplars go whole, the least useful first.

    Args:
        reading: The prompt of S shots.
        scores: What the model made of it.
        ranked: Units that can be kept, best first.
        alive: ``[S]``, the shots that stay so far.
        pinned: ``[S]``, shots that may not go.
        limit: The most tokens of the whole output.
    """
    shots = reading.units.shot
    exemplars = alive & np.array([shot.is_exemplar for shot in reading.units.layout.shots], dtype=bool)
    may_go = exemplars & ~pinned
    going = scores.order[may_go[scores.order]]

    def with_first(number: int) -> BoolArray:
        return with_best(alive & ~may_go, going, number)

    def fits(words: IntArray, number: int) -> bool:
        stays = with_first(number)
        mask = reading.nothing
        mask[words[stays[shots[words]]]] = True
        return reading.count(reading.close(mask, stays), stays) <= limit

    ways = (ranked, small_first(reading, ranked), cheap_first(reading, ranked))
    best, small, cheap = (footing(reading, way) for way in ways)
    rich, poor = (best, small) if fits(small, len(going)) else (small, cheap)
    number = last_that_holds(partial(fits, poor), len(going) + 1)
    prices = [np.bincount(shots[words], reading.costs[words], len(alive)) for words in (rich, poor)]
    least_first = np.argsort(prices[0] - prices[1], kind="stable")

    def mixed(count: int) -> IntArray:
        """The better words of so many exemplars, of which these cost least more, and the others of the rest."""
        is_rich = with_best(np.zeros_like(alive), least_first, count)
        return np.concatenate([rich[is_rich[shots[rich]]], poor[~is_rich[shots[poor]]]])

    words = mixed(last_that_holds(lambda count: fits(mixed(count), number), len(alive) + 1))
    in_turn = np.concatenate([words, ranked[~np.isin(ranked, words)]])
    left = with_first(number)
    # Some tokenizers count more tokens in less text.
    left = left if reading.room(limit, left) >= 0 else alive
    return in_turn[reading.units.in_shots(left)[in_turn]], left


def with_best(pinned: BoolArray, order: IntArray, count: int) -> BoolArray:
    """The pinned shots ``[S]`` and so many of the best."""
    more = pinned.copy()
    more[order[:count]] = True
    return more


def without_starved(
    reading: Reading, scores: Scores, worth: Worth, alive: BoolArray, pinned: BoolArray, budget: Budget
) -> BoolArray:
    """The shots that stay, without those of which one step would leave too little to read.

    The tokens of such a shot had better go to others.

    Args:
        reading: The prompt of S shots.
        scores: What the model made of it.
        worth: What units are worth when these shots stay.
        alive: ``[S]``, the shots that stay so far.
        pinned: ``[S]``, shots that may not go.
        budget: The budget.
    """
    units, costs = reading.units, reading.costs
    if not worth.free.any():
        return alive
    above = worth.free & (
        worth.marginals > budget_threshold(worth.marginals[worth.free], costs[worth.free], worth.room)
    )
    in_shot = worth.free & (units.shot >= 0)
    total = np.bincount(units.shot[in_shot], costs[in_shot], minlength=len(alive))
    kept = np.bincount(units.shot[in_shot & above], costs[in_shot & above], minlength=len(alive))
    starved = (total > 0) & (kept < scores.readable) & alive & ~pinned
    going = scores.order[starved[scores.order]]

    def with_first(number: int) -> BoolArray:
        return with_best(alive & ~starved, going, number)

    def falls_short(number: int) -> bool:
        rest = with_first(number)
        return bool(costs[units.free & units.in_shots(rest)].sum() < reading.room(budget.limit, rest))

    # Never so many that the rest could not fill the budget: the best of them stay.
    spared = 1 + last_that_holds(falls_short, len(going)) if len(going) and falls_short(0) else 0
    fed = with_first(spared)
    # Some tokenizers count more tokens in less text.
    return fed if reading.room(budget.limit, fed) >= 0 else alive
