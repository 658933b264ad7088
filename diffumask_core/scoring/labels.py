"""Labels: which answers of exemplars are classes, which an LLM must have seen to be able to give them."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

# Answers that come again are labels where there are at most so many different ones for each exemplar.
_LABEL_SHARE = 0.75
# Numbers are more often results of a calculation, of which two can be equal by chance, than labels such as stars.
_NUMBER_SHARE = 0.5
# So many answers may all be different and still be labels, an exemplar each.
_MOST_SINGLE = 16
# Longer answers, such as a whole sentence, are labels only where they come again.
_SHORT_LABEL = 5
_NUMBER = re.compile(r"[-+$€£]?\d[\d.,/:]*%?")
# Markers that name a class, whatever stands behind them.
_CLASS_MARKER = re.compile(
    r"\b(?:label|sentiment|category|class|classification|intent|topic|emotion|tone|verdict|rating|entailment)\W*\Z",
    re.IGNORECASE,
)


def find_labels(answers: Sequence[str | None], markers: Sequence[str]) -> IntArray:
    """Numbers the labels of exemplars.

    Args:
        answers: ``[S]``, the answer of each shot; None where it has none.
        markers: ``[S]``, what stands before each answer, such as ``"Topic:"``.

    Returns:
        ``[S]``, the number of each shot's label; -1 where it has none. All are -1 where the answers are no labels, as
        results of calculations are none: there every exemplar has an answer of its own, and nothing has to be covered.
    """
    found = [(answer, marker) for answer, marker in zip(answers, markers, strict=True) if answer is not None]
    given = [answer for answer, _ in found]
    if not _are_labels(given, [marker for _, marker in found], complete=len(given) == len(answers)):
        return np.full(len(answers), -1, dtype=np.int64)
    numbers = {answer: number for number, answer in enumerate(dict.fromkeys(given))}
    return np.array([-1 if answer is None else numbers[answer] for answer in answers], dtype=np.int64)


def _are_labels(given: Sequence[str], markers: Sequence[str], complete: bool) -> bool:
    """Whether answers are labels; that may be so of answers that all differ only where every shot has one."""
    distinct = set(given)
    if len(distinct) < 2:
        return len(given) > 1
    if all(_CLASS_MARKER.search(marker) for marker in markers):
        return True
    if any(_NUMBER.fullmatch(answer.strip()) for answer in distinct):
        return len(distinct) <= _NUMBER_SHARE * len(given) or _is_scale(distinct)
    short = all(len(answer.split()) <= _SHORT_LABEL for answer in distinct)
    return len(distinct) <= max(_LABEL_SHARE * len(given), _MOST_SINGLE * (short and complete))


def _is_scale(distinct: set[str]) -> bool:
    """Whether numbers are the points of a scale, such as one to five stars."""
    points = sorted(int(answer) for answer in distinct if answer.isdecimal())
    return len(points) == len(distinct) <= _MOST_SINGLE and points[-1] - points[0] == len(points) - 1 > 1
