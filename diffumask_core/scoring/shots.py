"""The shot level: how many shots a budget can carry, and which."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffumask_core.diffusion.sampler import budget_threshold
from diffumask_core.options import Options
from diffumask_core.scoring.budget import Budget
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.scores import Scores
from diffumask_core.scoring.worth import Worth

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# A shot of which less than this share of its words is left tells an LLM little: about the tight level of the labels.
READABLE_SHARE = 0.3
# About three words: with fewer a text hardly tells what its label means.
_FOOTING_TOKENS = 5.0
# A label that an LLM has never seen cannot be given, so for the sake of a label about one word is enough.
_LEAST_TOKENS = 2.0


@dataclass(frozen=True)
class ShotCosts:
    """Tokens of each shot ``[S]``: ``fixed``, which stay with it, and ``free``, which can be shortened."""

    fixed: FloatArray
    free: FloatArray


def shots_within(
    order: IntArray,
    costs: ShotCosts,
    budget: float,
    other_free: float,
    pinned: BoolArray,
    share: float,
    labels: int = 0,
) -> BoolArray:
    """Keeps as many shots, best first, as a budget can carry at a readable share of their words.

    Args:
        order: ``[S]``, from `ranking.rank_shots`.
        costs: Of all shots.
        budget: Tokens for the shots and the other text that can be shortened.
        other_free: Tokens of that other text, which takes its share first.
        pinned: ``[S]``, shots that may not go.
        share: The readable share.
        labels: How many of the first shots bring a label each. They stay as far as some words of each can be carried.

    Returns:
        ``[S]``, whether each shot stays.
    """
    ranked = np.concatenate([order[pinned[order]], order[~pinned[order]]])
    needed = np.cumsum(costs.fixed[ranked] + share * costs.free[ranked]) + share * other_free
    count = int(np.searchsorted(needed, budget, side="right"))
    least = np.cumsum(costs.fixed[ranked] + np.minimum(costs.free[ranked], _LEAST_TOKENS))
    count = max(count, min(labels, int(np.searchsorted(least, budget, side="right"))))
    # The first shot comes along when its fixed part fits: part of a shot is better than none.
    if count == 0 and len(ranked) and costs.fixed[ranked[0]] < budget:
        count = 1
    alive = pinned.copy()
    alive[ranked[:count]] = True
    return alive


def choose_shots(reading: Reading, scores: Scores, pinned: BoolArray, budget: Budget, options: Options) -> BoolArray:
    """``[S]``, the shots that stay at a budget.

    Args:
        reading: The prompt of S shots.
        scores: What the model made of it.
        pinned: ``[S]``, shots that may not go.
        budget: The budget.
        options: With the level of words or without.
    """
    units, costs, order = reading.units, reading.costs, scores.order
    if not len(order):
        return pinned
    in_shots = units.shot >= 0

    def per_shot(which: BoolArray) -> FloatArray:
        return np.bincount(units.shot[which], costs[which], minlength=len(order)).astype(np.float64)

    shot_costs = ShotCosts(per_shot(in_shots & ~units.free), per_shot(in_shots & units.free))
    other = float(costs[units.free & ~in_shots].sum())
    room = budget.limit - float(costs[units.protected].sum())
    share = READABLE_SHARE if options.token_level else 1.0
    alive = shots_within(order, shot_costs, room, other, pinned, share, scores.labels)
    # A copy tells nothing new: copies go before anything else is shortened.
    for shot in order[::-1]:
        if scores.repeated[shot] and reading.total_of(alive) > budget.limit:
            alive[shot] = pinned[shot]
    if reading.room(budget.limit, alive) >= 0:
        return alive
    # Costs of units are estimates: shots go, the least useful first, until what stays with them fits.
    going = order[alive[order] & ~pinned[order]]

    def of_best(number: int) -> BoolArray:
        return with_best(pinned, going, number)

    return of_best(_last_that_holds(lambda number: reading.room(budget.limit, of_best(number)) >= 0, len(going)))


def _last_that_holds(holds: Callable[[int], bool], end: int) -> int:
    """The largest number below `end` that holds, where all smaller ones do too; 0 where none does."""
    low, high = 0, end
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def footing_first(reading: Reading, ranked: IntArray) -> IntArray:
    """Ranked units, those in front without which an exemplar would be left with its markers and its answer alone.

    Of each exemplar these are its best units, some words in all: an answer without an input teaches nothing. All
    exemplars come to their first word before any comes to its second one.

    Args:
        reading: The prompt.
        ranked: Units that can be kept, best first.
    """
    units = reading.units
    exemplars = [number for number, shot in enumerate(units.layout.shots) if shot.answer]
    places = np.flatnonzero(np.isin(units.shot[ranked], exemplars))
    # In the order of shots, and of rank within each.
    places = places[np.argsort(units.shot[ranked[places]], kind="stable")]
    shots, costs = units.shot[ranked[places]], reading.costs[ranked[places]]
    before = np.cumsum(costs) - costs
    first_of_shot = np.searchsorted(shots, shots)
    spent = np.full(len(ranked), np.inf)
    spent[places] = before - before[first_of_shot]
    spent[spent >= _FOOTING_TOKENS] = np.inf
    in_turn: IntArray = ranked[np.argsort(spent, kind="stable")]
    return in_turn


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
    starved = (total > 0) & (kept < READABLE_SHARE * total) & alive & ~with_best(pinned, scores.order, scores.labels)
    going = scores.order[starved[scores.order]]

    def with_first(number: int) -> BoolArray:
        return with_best(alive & ~starved, going, number)

    def falls_short(number: int) -> bool:
        rest = with_first(number)
        return bool(costs[units.free & units.in_shots(rest)].sum() < reading.room(budget.limit, rest))

    # Never so many that the rest could not fill the budget: the best of them stay.
    spared = 1 + _last_that_holds(falls_short, len(going)) if len(going) and falls_short(0) else 0
    fed = with_first(spared)
    # Some tokenizers count more tokens in less text.
    return fed if reading.room(budget.limit, fed) >= 0 else alive
