"""The order of shots: from the one to keep longest to the one to drop first."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from diffumask_core.diffusion.sampler import sample_mask
from diffumask_core.diffusion.states import KEEP, UNDECIDED

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# What similarity to a shot that stays costs.
_REDUNDANCY_WEIGHT = 1.0
# What the best exemplar of a label gains that no shot has which stays: more than any utility can make up for.
_LABEL_BONUS = 1e6
# What an exemplar loses for each one of its label that stays: without a query more than any other difference, so that
# labels take turns, and with a query less than the difference between a likely label and another.
_TURN_WEIGHT = 2.0
# What a copy of another shot loses.
_COPY_PENALTY = 1e3
# Up to so many shots are decided one by one.
_MOST_STEPS = 64
# What a retriever's score one standard deviation above the mean adds to a utility.
_RETRIEVAL_WEIGHT = 2.0
_LEAST_SPREAD = 0.02  # of scores as shares of the largest
# The order of fewer shots says nothing; ten in any order have a higher rank correlation once in three hundred times.
_FEWEST_RANKED = 5
_CHANCE = 0.8
# What the bundled model makes of English passages is 34 in the median of those that answer a question, 20 of their
# nearest neighbours, and 8 of passages on other subjects.
_RELEVANCE_MIDPOINT, _RELEVANCE_SCALE = 19.0, 3.0


def retrieval_utilities(scores: Sequence[float | None], own: FloatArray | None = None) -> FloatArray:
    """What a retriever's scores add to utilities: standardised, since every retriever has a scale of its own.

    Where there are no scores the order of the shots stands for them, best first, as far as it agrees with what the
    model makes of the shots: shots that are in any other order agree by chance alone.

    Args:
        scores: ``[S]``; a shot without a score counts as one with the mean.
        own: ``[S]``, what the model makes of the shots; without it their order says nothing.

    Returns:
        ``[S]``; zeros where the scores do not differ, and little where they hardly do.
    """
    known = np.array([score for score in scores if score is not None], dtype=np.float64)
    if not known.any():
        return np.zeros(len(scores)) if own is None else _RETRIEVAL_WEIGHT * _order_utilities(own)
    # As shares of the largest, for sums and squares of scores leave the range of floats.
    shares = known / abs(known).max()
    # Scores that are as good as equal are not driven apart.
    spread = max(shares.std(), _LEAST_SPREAD)
    standard = np.zeros(len(scores))
    standard[[score is not None for score in scores]] = (shares - shares.mean()) / spread
    return _RETRIEVAL_WEIGHT * standard


def _order_utilities(own: FloatArray) -> FloatArray:
    """The places of shots, standardised, as far as they correlate with what the model makes of them beyond chance."""
    count = len(own)
    if count < _FEWEST_RANKED or own.std() == 0:
        return np.zeros(count)
    places = (count - 1) / 2 - np.arange(count)
    ranks = np.argsort(np.argsort(own, kind="stable")) - (count - 1) / 2
    agreement = float(places @ ranks) / float(places @ places)
    trust = max((agreement - _CHANCE) / (1 - _CHANCE), 0.0)
    order: FloatArray = trust * places / places.std()
    return order


def relevance_of(own: FloatArray) -> FloatArray:
    """From what the model makes of passages to how surely they help with the query, from 0 to 1.

    About one half is the relevance of near neighbours of a passage that answers; passages on other subjects are mostly
    below 0.1.
    """
    relevance: FloatArray = 1 / (1 + np.exp((_RELEVANCE_MIDPOINT - own) / _RELEVANCE_SCALE))
    return relevance


def typicality(vectors: FloatArray, labels: IntArray) -> FloatArray:
    """How typical each exemplar is of its label, ``[S]``: the choice that serves any query; zeros without labels.

    It is the mean cosine with the others of its label, less that with those of other labels.
    """
    labelled = np.flatnonzero(labels >= 0)
    typical = np.zeros(len(labels))
    if not len(labelled):
        return typical
    directions = _directions(vectors)[labelled]
    sums = np.zeros((labels.max() + 1, vectors.shape[1]))
    np.add.at(sums, labels[labelled], directions)
    sizes = np.bincount(labels[labelled])[labels[labelled]]
    same = (directions * sums[labels[labelled]]).sum(1) - 1
    other = directions @ sums.sum(0) - same - 1
    typical[labelled] = same / np.maximum(sizes - 1, 1) * (sizes > 1) - other / np.maximum(len(labelled) - sizes, 1)
    return typical


def _directions(vectors: FloatArray) -> FloatArray:
    """Vectors of unit length that point from the middle of all to each."""
    centred = vectors - vectors.mean(0)
    directions: FloatArray = centred / np.linalg.norm(centred, axis=1, keepdims=True).clip(1e-6)
    return directions


def rank_shots(utilities: FloatArray, vectors: FloatArray, labels: IntArray, repeated: BoolArray) -> IntArray:
    """Orders shots from the one to keep longest to the one to drop first.

    The sampler decides them as it decides units, from all undecided, the surest first. What a shot is worth depends on
    those that stay already: its utility, less its similarity to them (maximal marginal relevance, Carbonell and
    Goldstein, 1998), and less for each exemplar of its label among them. The best exemplar of a label that none of them
    has comes before all else.

    Args:
        utilities: ``[S]``.
        vectors: ``[S, D]``, one vector a shot.
        labels: ``[S]``, of `labels.find_labels`; -1 where a shot has none.
        repeated: ``[S]``, whether each shot is a copy of an earlier one; copies come last.

    Returns:
        ``[S]``, shot numbers. An exemplar of each label comes before any second one.
    """
    count = len(utilities)
    directions = _directions(vectors) if count else vectors
    value = utilities.astype(np.float64) - _COPY_PENALTY * repeated
    nearest, seen = np.zeros(count), np.zeros(count, dtype=bool)

    def predict(states: IntArray, noise: float) -> FloatArray:
        kept = states == KEEP
        new = directions[kept & ~seen]
        nearest[:] = np.maximum(nearest, (directions @ new.T).max(1, initial=0.0))
        seen[:] = kept
        of_label = np.bincount(labels[kept] + 1, minlength=labels.max(initial=-1) + 2)
        worth = value - _REDUNDANCY_WEIGHT * nearest - _TURN_WEIGHT * of_label[labels + 1] * (labels >= 0)
        worth[_best_of_new_labels(worth, labels, kept, states == UNDECIDED)] += _LABEL_BONUS
        return worth

    everything = np.ones(count)
    undecided = np.full(count, UNDECIDED)
    steps = min(max(count, 1), _MOST_STEPS)
    return sample_mask(predict, everything, count, undecided, steps=steps, confidence=np.inf).order


def _best_of_new_labels(worth: FloatArray, labels: IntArray, kept: BoolArray, undecided: BoolArray) -> IntArray:
    """The best undecided shot of each label that no shot has which stays."""
    new = undecided & (labels >= 0) & ~np.isin(labels, labels[kept])
    ranked = np.argsort(-worth, kind="stable")
    ranked = ranked[new[ranked]]
    best: IntArray = ranked[np.unique(labels[ranked], return_index=True)[1]]
    return best
