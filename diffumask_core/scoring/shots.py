"""The shot level: how much each shot is worth, and how many of them a budget can carry."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# A shot of which less than this share of its words is left tells an LLM little: about the tight level of the labels.
READABLE_SHARE = 0.3
# What similarity to a better shot costs, and what bringing a label that no better shot has is worth.
_REDUNDANCY_WEIGHT = 1.0
_COVERAGE_BONUS = 1.0
# What a retriever's score one standard deviation above the mean adds to a utility.
_RETRIEVAL_WEIGHT = 2.0
_LEAST_SPREAD = 0.02  # of the largest score


@dataclass(frozen=True)
class ShotCosts:
    """Tokens of each shot ``[S]``: ``fixed``, which stay with it, and ``free``, which can be shortened."""

    fixed: FloatArray
    free: FloatArray


def retrieval_utilities(scores: Sequence[float | None]) -> npt.NDArray[np.float32]:
    """What a retriever's scores add to utilities: standardised, since every retriever has a scale of its own.

    Args:
        scores: ``[S]``; a shot without a score counts as one with the mean.

    Returns:
        ``[S]``; zeros where the scores do not differ, and little where they hardly do.
    """
    known = np.array([score for score in scores if score is not None], dtype=np.float64)
    if not known.any():
        return np.zeros(len(scores), dtype=np.float32)
    # Scores that are as good as equal are not driven apart.
    spread = max(known.std(), _LEAST_SPREAD * abs(known).max())
    standard = np.array([0.0 if score is None else (score - known.mean()) / spread for score in scores])
    return (_RETRIEVAL_WEIGHT * standard).astype(np.float32)


def rank_shots(utilities: FloatArray, vectors: FloatArray, answers: Sequence[str | None]) -> IntArray:
    """Orders shots from the one to keep longest to the one to drop first.

    Greedy, in the manner of maximal marginal relevance (Carbonell and Goldstein, 1998): at each place the shot with
    the highest utility, less its similarity to the better ones, and more if its label is not among theirs.

    Args:
        utilities: ``[S]``.
        vectors: ``[S, D]``, one vector a shot.
        answers: ``[S]``, labels; None where a shot has none. They count only where some of them are the same, as in
            classification; where every exemplar has an answer of its own there is nothing to cover.

    Returns:
        ``[S]``, shot numbers.
    """
    count = len(utilities)
    if not count:
        return np.zeros(0, dtype=np.int64)
    directions = vectors - vectors.mean(0)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True).clip(1e-6)
    distinct = {answer for answer in answers if answer is not None}
    are_labels = len(distinct) < sum(answer is not None for answer in answers)
    value = utilities.astype(np.float64).copy()
    if are_labels:
        value += [_COVERAGE_BONUS * (answer is not None) for answer in answers]
    nearest = np.zeros(count)
    covered: set[str | None] = {None}
    order: list[int] = []
    left = np.ones(count, dtype=bool)
    for _ in range(count):
        best = int(np.where(left, value - _REDUNDANCY_WEIGHT * nearest, -np.inf).argmax())
        order.append(best)
        left[best] = False
        nearest = np.maximum(nearest, directions @ directions[best])
        if are_labels and answers[best] not in covered:
            covered.add(answers[best])
            value[[number for number, answer in enumerate(answers) if answer == answers[best]]] -= _COVERAGE_BONUS
    return np.array(order, dtype=np.int64)


def choose_shots(
    order: IntArray, costs: ShotCosts, budget: float, other_free: float, pinned: BoolArray, share: float
) -> BoolArray:
    """Keeps as many shots, best first, as a budget can carry at a readable share of their words.

    Args:
        order: ``[S]``, from `rank_shots`.
        costs: Of all shots.
        budget: Tokens for the shots and the other text that can be shortened.
        other_free: Tokens of that other text, which takes its share first.
        pinned: ``[S]``, shots that may not go.
        share: The readable share.

    Returns:
        ``[S]``, whether each shot stays.
    """
    ranked = np.concatenate([order[pinned[order]], order[~pinned[order]]])
    needed = np.cumsum(costs.fixed[ranked] + share * costs.free[ranked]) + share * other_free
    count = int(np.searchsorted(needed, budget, side="right"))
    # The first shot comes along when its fixed part fits: part of a shot is better than none.
    if count == 0 and len(ranked) and costs.fixed[ranked[0]] < budget:
        count = 1
    alive = pinned.copy()
    alive[ranked[:count]] = True
    return alive


def unit_bias(utilities: FloatArray, shot_of_unit: IntArray) -> FloatArray:
    """What the utility of its shot adds to the logit of each unit: 0 in the best shot and outside shots.

    Utilities are on the scale of logits (see ``relevance_weight`` and ``evidence_weight`` of the configuration).

    Args:
        utilities: ``[S]``.
        shot_of_unit: ``[N]``, -1 outside shots.
    """
    if not len(utilities):
        return np.zeros(len(shot_of_unit))
    return np.append(utilities - utilities.max(), 0.0)[shot_of_unit]
