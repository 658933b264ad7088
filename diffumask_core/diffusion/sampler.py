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
        margins: ``[N]``, how far each unit's logit was from the threshold when it was decided; above 0 for kept
            units. Ordering units by it extends the decision to slightly larger and smaller budgets.
        order: The units that were decided, in that order.
        steps: How many times the denoiser ran.
    """

    mask: npt.NDArray[np.bool_]
    margins: FloatArray
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
    is its distance from the threshold. As many units are decided as the schedule asks for, the most confident first,
    and with them all whose confidence is above ``confidence``.

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
    margins = np.where(states == KEEP, np.inf, -np.inf)
    order: list[IntArray] = []
    total = int((states == UNDECIDED).sum())
    for step in range(1, steps + 1):
        undecided = np.flatnonzero(states == UNDECIDED)
        asked = len(undecided) - int(schedule.noise(1 - step / steps) * total)
        # Confident decisions can run ahead of the schedule: then there is nothing to ask for.
        if asked <= 0:
            continue
        logits = marginals if taken == 0 and marginals is not None else predict(states, len(undecided) / total)
        margin = logits[undecided] - budget_threshold(logits[undecided], costs[undecided], rest)
        certainty = np.abs(margin)
        count = max(asked, int((certainty > confidence).sum()))
        fixed = np.argsort(-certainty, kind="stable")[:count]
        keep = margin[fixed] > 0
        states[undecided[fixed]] = np.where(keep, KEEP, DROP)
        margins[undecided[fixed]] = margin[fixed]
        order.append(undecided[fixed])
        rest -= float(costs[undecided[fixed[keep]]].sum())
        taken += 1
    return Sample(states == KEEP, margins, np.concatenate([np.zeros(0, dtype=np.int64), *order]), taken)
