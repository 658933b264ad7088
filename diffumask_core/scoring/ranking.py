"""The order of shots: from the one to keep longest to the one to drop first."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from diffumask_core.scoring.novelty import repeats

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# What similarity to a better shot costs, and what bringing a label that no better shot has is worth.
_REDUNDANCY_WEIGHT = 1.0
_COVERAGE_BONUS = 1.0
# Answers are labels where there are at most so many different ones for each shot.
_LABEL_SHARE = 0.75
# Numbers are more often results of a calculation, of which two can be equal by chance, than labels such as stars.
_NUMBER_SHARE = 0.5
# What a copy of another shot loses: more than any utility can make up for.
_COPY_PENALTY = 1000.0
# What a retriever's score one standard deviation above the mean adds to a utility.
_RETRIEVAL_WEIGHT = 2.0
_LEAST_SPREAD = 0.02  # of the largest score


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


def rank_shots(
    utilities: FloatArray, vectors: FloatArray, answers: Sequence[str | None], repeated: BoolArray
) -> IntArray:
    """Orders shots from the one to keep longest to the one to drop first.

    Greedy, in the manner of maximal marginal relevance (Carbonell and Goldstein, 1998): at each place the shot with
    the highest utility, less its similarity to the better ones, and more if its label is not among theirs. Copies of
    other shots come last.

    Args:
        utilities: ``[S]``.
        vectors: ``[S, D]``, one vector a shot.
        answers: ``[S]``, labels; None where a shot has none. They count only where some of them are the same, as in
            classification; where every exemplar has an answer of its own there is nothing to cover.
        repeated: ``[S]``, whether each shot is a copy of an earlier one.

    Returns:
        ``[S]``, shot numbers. Where there are labels, an exemplar of each comes before any second one.
    """
    count = len(utilities)
    if not count:
        return np.zeros(0, dtype=np.int64)
    directions = vectors - vectors.mean(0)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True).clip(1e-6)
    are_labels = count_labels(answers) > 0
    with_label: dict[str | None, list[int]] = {}
    for number, answer in enumerate(answers):
        with_label.setdefault(answer, []).append(number)
    value = utilities.astype(np.float64) - _COPY_PENALTY * repeated
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
            value[with_label[answers[best]]] -= _COVERAGE_BONUS
    return labels_first(order, answers) if are_labels else np.array(order, dtype=np.int64)


def labels_first(order: Sequence[int], answers: Sequence[str | None]) -> IntArray:
    """The same order, but with the best shot of each label first: an LLM cannot give a label that it never saw."""
    second = repeats(answers[shot] for shot in order)
    first_of_label = [answers[shot] is not None and not again for shot, again in zip(order, second, strict=True)]
    ranked: IntArray = np.array(order, dtype=np.int64)[np.argsort(~np.array(first_of_label), kind="stable")]
    return ranked


def count_labels(answers: Sequence[str | None]) -> int:
    """How many labels shots have; 0 where hardly two have the same answer, so that answers are no labels."""
    given = [answer for answer in answers if answer is not None]
    distinct = len(set(given))
    share = _NUMBER_SHARE if any(map(str.isdigit, "".join(given))) else _LABEL_SHARE
    return distinct if distinct <= share * len(given) else 0
