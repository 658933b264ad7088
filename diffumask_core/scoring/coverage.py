"""Labels that must be covered: an LLM cannot give a label that it has never seen."""

import numpy as np
import numpy.typing as npt

from diffumask_core.options import Options
from diffumask_core.scoring.footing import cheap_first, footing
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.scores import Scores
from diffumask_core.scoring.shots import last_that_holds, with_best

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Of a readable part so much is asked for, then less.
_SHARES = (1.0, 0.75, 0.5)


def with_labels(reading: Reading, scores: Scores, pinned: BoolArray, limit: int, options: Options) -> BoolArray:
    """``[S]``, the pinned shots and an exemplar of each label, as far as the budget can carry them.

    The best exemplar of a label stands for it, or its shortest one where the best ones of all labels are too long
    together. Where a budget cannot carry a readable part of each, less and less of each is enough, down to three words;
    where it cannot carry all labels with three words, those of the best exemplars stay.

    Args:
        reading: The prompt of S shots.
        scores: What the model made of it.
        pinned: ``[S]``, shots that may not go.
        limit: The most tokens of the whole output.
        options: With the level of words or without.
    """
    best = _first_of_labels(scores.order, scores.labels, pinned)
    if not len(best):
        return pinned
    sizes = np.bincount(reading.units.shot + 1, reading.costs, len(pinned) + 1)[1:]
    shortest = _first_of_labels(np.argsort(sizes, kind="stable"), scores.labels, pinned)
    # In the order of the best ones, which begins with the likely labels of a query.
    place = {label: number for number, label in enumerate(scores.labels[best].tolist())}
    shortest = shortest[np.argsort([place[label] for label in scores.labels[shortest].tolist()])]

    def fit(exemplars: IntArray, parts: BoolArray) -> bool:
        alive = with_best(pinned, exemplars, len(exemplars))
        added = reading.units.in_shots(alive & ~pinned) & (reading.units.shot >= 0)
        # Some tokenizers count more tokens in less text.
        fits = reading.count(reading.close(parts & added, alive), alive) <= limit
        return fits and reading.room(limit, alive) >= 0

    levels = _levels(reading, scores.readable) if options.token_level else [reading.units.free]

    def best_ones(parts: BoolArray) -> BoolArray:
        """As many of the best exemplars as fit, and the shortest ones of the other labels."""
        mixed = [np.concatenate([best[:number], shortest[number:]]) for number in range(len(best) + 1)]
        most = last_that_holds(lambda number: fit(mixed[number], parts), len(mixed))
        return with_best(pinned, mixed[most], len(best))

    for parts in levels:
        if fit(shortest, parts):
            return best_ones(parts)
    most = last_that_holds(lambda number: fit(shortest[:number], levels[-1]), len(shortest))
    return with_best(pinned, shortest, most)


def _first_of_labels(order: IntArray, labels: IntArray, pinned: BoolArray) -> IntArray:
    """The first shot of each label in an order of shots, but of labels that pinned shots have."""
    ranked = order[(labels[order] >= 0) & ~np.isin(labels[order], labels[pinned])]
    first: IntArray = ranked[np.sort(np.unique(labels[ranked], return_index=True)[1])]
    return first


def _levels(reading: Reading, needed: FloatArray) -> list[BoolArray]:
    """Units ``[N]`` of each shot, from much to little: shares of its readable part, its three cheapest words."""
    units, costs = reading.units, reading.costs
    free = np.flatnonzero(units.free & (units.shot >= 0))
    shots = units.shot[free]

    before = np.cumsum(costs[free]) - costs[free]
    before -= before[np.searchsorted(shots, shots)]
    parts = []
    for share in _SHARES:
        part = reading.nothing
        part[free[before < share * needed[shots]]] = True
        parts.append(part)
    few = reading.nothing
    few[footing(reading, cheap_first(reading, free))] = True
    return [*parts, few]
