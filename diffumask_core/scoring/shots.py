"""The shot level: how many shots a budget can carry, and which."""

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
# About three words: with fewer a text does not tell what its label means.
_LEAST_TOKENS = 5.0


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
    # Costs of units are estimates: shots go until what stays with them fits.
    for shot in order[::-1]:
        if reading.room(budget.limit, alive) >= 0:
            break
        alive[shot] = pinned[shot]
    return alive


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
    # Never so many that the rest could not fill the budget: the best of them stay.
    for shot in scores.order[starved[scores.order]]:
        rest = alive & ~starved
        if costs[units.free & units.in_shots(rest)].sum() >= reading.room(budget.limit, rest):
            break
        starved[shot] = False
    # Some tokenizers count more tokens in less text.
    return alive & ~starved if reading.room(budget.limit, alive & ~starved) >= 0 else alive
