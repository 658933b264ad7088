"""What lines of tools' results are worth: how surely they are needed, for each token of their price."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffumask_core.diffusion.states import KEEP, UNDECIDED
from diffumask_core.scoring.line_gains import copied_lines
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.scores import Scores

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]

# The price of a typical line, and how many marks a kept line brings on average.
_TYPICAL_PRICE, _MARKS_A_LINE = 20.0, 0.4
# The least and the most that lines keep of what they would keep on average.
_LEAST_SHARE, _MOST_SHARE = 0.2, 1.5
# The least that lines keep that are unlike each other: what they tell is told nowhere else.
_UNLIKE_SHARE = 0.6
# Of fewer tokens of a result nothing can be made.
_LEAST_TOKENS = 40


def fair_rate(reading: Reading, scores: Scores, keep_rate: float) -> float:
    """The keep rate for the lines of a prompt when a keep rate is meant on average.

    The line model knows above which logit lines are kept on average at a rate. The share of the tokens of lines above
    that logit is what these lines should keep, with the lines that must be the last to go and their marks. Far less
    than the rate is kept only where lines repeat others.

    Args:
        reading: The prompt.
        scores: What the model made of the prompt.
        keep_rate: The rate on average.

    Returns:
        The share, within bounds; the rate itself where there are no lines of results of tools.
    """
    lines, model = scores.lines, scores.pruner.lines
    if lines is None or model is None:
        return keep_rate
    gains, total = scores.gains[lines.unit], lines.costs.sum()
    marks = reading.marks.costs()[lines.unit] * np.where(gains > 0, 1.0, _MARKS_A_LINE)
    logits = model.predictor(lines, keep_rate)(np.full(len(lines.unit), UNDECIDED)) + gains
    # A line that must be the last to go stands alone mostly, and its mark is not in the rate that the model knows.
    share = float((lines.costs + marks * (gains > 0))[logits > 0].sum() / total)
    unlike = float((lines.costs + marks)[~copied_lines(reading)[lines.unit]].sum() / total)
    least = max(min(_UNLIKE_SHARE * keep_rate, unlike), _LEAST_SHARE * keep_rate)
    texts = np.unique(reading.units.segment[lines.unit])
    readable = float(_LEAST_TOKENS * len(texts) / reading.costs[np.isin(reading.units.segment, texts)].sum())
    wanted = min(max(share, least), _MOST_SHARE * keep_rate)
    return min(max(wanted, readable), 1.0)


@dataclass(frozen=True)
class LineWorth:
    """What lines are worth that the line model decides: M lines of N units.

    A line is worth what it is needed for each token of its price. A line between two gaps makes two marks of one, and a
    line between two kept ones spares a mark.

    Attributes:
        unit: ``[M]``, the unit of each line.
        predict: From states ``[M]`` to logits.
        costs: ``[M]``, tokens.
        marks: ``[M]``, tokens of a mark in place of the line.
        joined: ``[M - 1]``, whether the line and the next one share a mark where both go.
    """

    unit: IntArray
    predict: Callable[[IntArray], FloatArray]
    costs: FloatArray
    marks: FloatArray
    joined: BoolArray

    @classmethod
    def of(cls, reading: Reading, scores: Scores, rate: float) -> "LineWorth | None":
        """Prepares the line model for a keep rate; None where there are no lines."""
        evidence, model, units = scores.lines, scores.pruner.lines, reading.units
        if evidence is None or model is None:
            return None
        unit = evidence.unit
        marks, segment = reading.marks.costs()[unit], units.segment[unit]
        joined = (marks[:-1] > 0) & (marks[1:] > 0) & (segment[:-1] == segment[1:])
        return cls(unit, model.predictor(evidence, rate), evidence.costs, marks, joined)

    def __call__(self, states: IntArray) -> FloatArray:
        """From states ``[N]`` to what each line is worth ``[M]``."""
        own = states[self.unit]
        gone = own != KEEP
        gaps = np.zeros(len(own))
        gaps[:-1] += self.joined & gone[1:]
        gaps[1:] += self.joined & gone[:-1]
        price = np.maximum(self.costs + self.marks * (gaps - 1), 1.0)
        worth: FloatArray = self.predict(own) - np.log(price / _TYPICAL_PRICE)
        return worth

    def with_marks(self, costs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The costs of units ``[N]`` where each line has its share of the marks around it."""
        dearer = costs.copy()
        dearer[self.unit] += _MARKS_A_LINE * self.marks
        return dearer
