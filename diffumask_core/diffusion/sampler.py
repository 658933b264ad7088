"""The sampler: from "all undecided" to a retention mask within a budget, the most certain decisions first."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffumask_core.diffusion.schedules import LinearSchedule
from diffumask_core.diffusion.states import DROP, KEEP, UNDECIDED

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]

Predict = Callable[[IntArray, float], FloatArray]
"""From the states ``[N]`` and the noise level to the logits of "keep" ``[N]``, at least of the undecided units."""


@dataclass(frozen=True)
class Sample:
    """What the sampler decided.

    Attributes:
        mask: ``[N]``, whether each unit is kept.
        order: The units that were decided, best first: those that are kept in the order of their decisions, then the
            others, the last decision first. A slightly larger or smaller budget keeps more or less of the same order.
        steps: How many times the denoiser ran.
    """

    mask: npt.NDArray[np.bool_]
    order: IntArray
    steps: int


def budget_threshold(logits: FloatArray, costs: FloatArray, budget: float) -> float:
    """The logit above which units cost at most the budget.

    Args:
        logits: ``[N]``.
        costs: ``[N]``, not negative.
        budget: What the kept units may cost together.
    """
    order = np.argsort(-logits, kind="stable")
    kept = int(np.searchsorted(np.cumsum(costs[order]), budget, side="right"))
    if kept == len(order):
        return float(logits[order[-1]]) - 1.0 if kept else 0.0
    if kept == 0:
        return float(logits[order[0]]) + 1e-6
    return float(logits[order[kept - 1]] + logits[order[kept]]) / 2


def sample_mask(
    predict: Predict,
    costs: FloatArray,
    budget: float,
    states: IntArray,
    *,
    steps: int,
    marginals: FloatArray | None = None,
    confidence: float = 2.0,
) -> Sample:
    """Denoises the undecided units under a budget.

    At each step the threshold is the logit that would meet the rest of the budget exactly, and the confidence of a unit
    is its distance from the threshold. The schedule says which share of the undecided units is decided. That share of
    the units above the threshold is kept, and that share of the units below it goes, the most confident first. Both
    sides have their share, since what is kept says more about the rest than what goes. All units whose confidence is
    above ``confidence`` are decided with them.

    Args:
        predict: The denoiser.
        costs: ``[N]``, tokens of each unit.
        budget: What the undecided units may cost together when kept.
        states: ``[N]``, of `diffusion.states`; units that are not undecided stay as they are.
        steps: The most steps; 1 thresholds the marginal probabilities.
        marginals: What ``predict`` gives for ``states`` and noise 1, where that is known already.
        confidence: The distance from the threshold from which on a decision is not put off.
    """
    schedule, states, rest, taken = LinearSchedule(), states.copy(), budget, 0
    kept: list[IntArray] = []
    gone: list[IntArray] = []
    total = int((states == UNDECIDED).sum())
    for step in range(1, steps + 1):
        undecided = np.flatnonzero(states == UNDECIDED)
        left = int(schedule.noise(1 - step / steps) * total)
        # Confident decisions can run ahead of the schedule: then there is nothing to ask for.
        if len(undecided) <= left:
            continue
        logits = marginals if taken == 0 and marginals is not None else predict(states, len(undecided) / total)
        margin = logits[undecided] - budget_threshold(logits[undecided], costs[undecided], rest)
        asked = len(undecided) - left
        above = margin > 0
        keep_first = -(-int(above.sum()) * asked // len(undecided))  # rounded up
        for state, side, first, decided in ((KEEP, above, keep_first, kept), (DROP, ~above, asked - keep_first, gone)):
            units, certainty = undecided[side], np.abs(margin[side])
            count = max(first, int((certainty > confidence).sum()))
            decided.append(units[np.argsort(-certainty, kind="stable")[:count]])
            states[decided[-1]] = state
        rest -= float(costs[kept[-1]].sum())
        taken += 1
    none = np.zeros(0, dtype=np.int64)
    return Sample(states == KEEP, np.concatenate([none, *kept, *(each[::-1] for each in gone[::-1])]), taken)
