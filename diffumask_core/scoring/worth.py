"""What a unit is worth: the denoiser's logit, and what its utility and what it tells add to that."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffumask_core.diffusion.sampler import sample_mask
from diffumask_core.diffusion.states import DROP, KEEP, UNDECIDED
from diffumask_core.lines.evidence import Evidence
from diffumask_core.regions.region import walk_all
from diffumask_core.scoring.line_worth import LineWorth
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.scores import Scores
from diffumask_core.units.units import Units, overlapping

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]

# Where lines share more than this share of their exact strings, by rarity, so many steps are taken.
_SHARED = 0.2
_STEPS_OF_LINES = 16
# A decision about a word that is this far from the threshold is not put off.
_CONFIDENCE = 2.0
# What words lose beside lines of results of tools: a line holds what is needed to the letter, and a word seldom does.
_BESIDE_LINES = 2.0
# A passage of so few words goes whole, as far as the budget allows.
_FEW_WORDS = 10


@dataclass(frozen=True)
class Worth:
    """What the sampler is given of a prompt of N units.

    Attributes:
        predict: From states ``[N]`` and a noise level to logits ``[N]``.
        costs: ``[N]``, tokens of each unit.
        room: Tokens for the undecided units.
        states: ``[N]``, of `diffusion.states`, before anything is decided.
        marginals: ``[N]``, the logits with nothing decided.
        lines: What the line model is told of lines, if there are any.
    """

    predict: Callable[[IntArray, float], FloatArray]
    costs: FloatArray
    room: float
    states: IntArray
    marginals: FloatArray
    lines: Evidence | None = None

    @property
    def free(self) -> BoolArray:
        """``[N]``, the units that are to be decided."""
        free: BoolArray = self.states == UNDECIDED
        return free

    def ranked(self, steps: int | None) -> tuple[IntArray, int]:
        """The free units, best first, and how many of them the sampler keeps.

        Args:
            steps: The most steps; None for as many as pay.
        """
        steps = self.steps_that_pay() if steps is None else steps
        # What a line is worth depends on the lines that are kept, however sure the model is.
        confidence = np.inf if self.lines else _CONFIDENCE
        sample = sample_mask(
            self.predict,
            self.costs,
            self.room,
            self.states,
            steps=steps,
            marginals=self.marginals,
            confidence=confidence,
        )
        return sample.order, int((sample.mask & self.free).sum())

    def steps_that_pay(self) -> int:
        """Many steps where lines share exact strings, so that a kept line makes others worthless; else one."""
        if self.lines is None:
            return 1
        terms = self.lines.terms
        shared = terms.weights * terms.held_elsewhere(np.ones(terms.lines, dtype=bool))
        return _STEPS_OF_LINES if shared.sum() > _SHARED * terms.weights.sum() else 1


def worth_of(reading: Reading, scores: Scores, bias: FloatArray, alive: BoolArray, limit: int) -> Worth:
    """Prepares the denoiser for a choice of shots and a budget.

    Args:
        reading: The prompt.
        scores: What the model made of the prompt.
        bias: ``[N]``, what is added to each unit's logit.
        alive: ``[S]``, shots that stay.
        limit: The most tokens of the whole output.
    """
    room = reading.room(limit, alive)
    units, costs = reading.units, reading.costs
    stays = units.in_shots(alive)
    free = units.free & stays
    # The denoiser is told a share of tokens, those of what is too large among them. Markers and answers count as kept,
    # as they did in the labels.
    with_shot = float(costs[units.kept_with_shot & stays].sum())
    may_go = float(costs[(units.free | units.too_large) & stays].sum())
    rate = min(max((room + with_shot) / max(may_go + with_shot, 1.0), 0.01), 1.0)
    seen = scores.read_units & stays
    of_words, of_lines = _of_words(scores, units, seen, rate), LineWorth.of(reading, scores, rate)
    short, beside = _short_passages(units), _BESIDE_LINES if of_lines else 0.0

    def predict(states: IntArray, noise: float) -> FloatArray:
        logits = bias.copy()
        if of_words:
            logits[seen] += of_words(states, noise) - beside
        if of_lines:
            logits[of_lines.unit] += of_lines(states)
        for first, last in short:
            logits[first:last] = logits[first:last].mean()
        return logits

    states = np.where(~stays | units.too_large, DROP, np.where(free, UNDECIDED, KEEP))
    if of_lines:
        costs = of_lines.with_marks(costs)
    return Worth(predict, costs, room, states, predict(states, 1.0), scores.lines)


def _of_words(
    scores: Scores, units: Units, seen: BoolArray, rate: float
) -> Callable[[IntArray, float], FloatArray] | None:
    """From states ``[N]`` to the logits of the units ``[N]`` that are seen; None where there is nothing to see."""
    encoding = scores.encoding_of(seen, units)
    if encoding is None:
        return None
    denoise = scores.pruner.predictor(encoding, rate)
    lengths, lines = np.diff(units.first_word)[seen], _lines_of(units)[seen]
    first_word = np.concatenate([[0], np.cumsum(lengths)])
    clauses = _clauses_of(units)[seen]

    def predict(states: IntArray, noise: float) -> FloatArray:
        words = denoise(np.repeat(states[seen], lengths), noise)
        pooled = np.where(clauses, pool_best(words, first_word), pool_words(words, first_word))
        return with_neighbours(pooled, lines)

    return predict


def pool_words(logits: FloatArray, first_word: IntArray) -> FloatArray:
    """The logits of units ``[N]`` from those of their words ``[W]``: the mean of a unit's words.

    Args:
        logits: ``[W]``.
        first_word: ``[N + 1]``, the first word of each unit, and W.
    """
    if len(first_word) == len(logits) + 1:
        return logits
    pooled: FloatArray = np.add.reduceat(logits, first_word[:-1]) / np.diff(first_word)
    return pooled


def pool_best(logits: FloatArray, first_word: IntArray) -> FloatArray:
    """The logits of units ``[N]`` as the mean of the better half of each unit's words ``[W]``.

    Of a clause of prose that is one unit the worse half would have gone word by word.

    Args:
        logits: ``[W]``.
        first_word: ``[N + 1]``, the first word of each unit, and W.
    """
    lengths = np.diff(first_word)
    unit = np.repeat(np.arange(len(lengths)), lengths)
    best_first = logits[np.lexsort((-logits, unit))]
    better = np.arange(len(logits)) - first_word[unit] < (lengths[unit] + 1) // 2
    pooled: FloatArray = np.add.reduceat(np.where(better, best_first, 0.0), first_word[:-1]) / ((lengths + 1) // 2)
    return pooled


def with_neighbours(logits: FloatArray, lines: BoolArray) -> FloatArray:
    """Logits ``[N]`` where each line counts half for itself and a quarter for each line beside it.

    A line makes sense with the lines around it, and lines that stay together need fewer marks.

    Args:
        logits: ``[N]``.
        lines: ``[N]``, units that are lines.
    """
    if not lines.any():
        return logits
    # The mode "same" gives no fewer values than the kernel has, so the ends of the full result are cut off.
    total, weight = (np.convolve(values, (1.0, 2.0, 1.0))[1:-1] for values in (logits * lines, lines.astype(float)))
    smoothed: FloatArray = np.where(lines, total / np.maximum(weight, 1.0), logits)
    return smoothed


def _short_passages(units: Units) -> list[tuple[int, int]]:
    """The ranges of units of passages of few words: their units are worth the same, since part of one tells nothing."""
    ranges = [units.at(shot.span) for shot in units.layout.shots if not shot.is_exemplar]
    return [
        (first, last) for first, last in ranges if 0 < units.first_word[last] - units.first_word[first] <= _FEW_WORDS
    ]


def _clauses_of(units: Units) -> BoolArray:
    """``[N]``, units of several words that are in no unit of a region."""
    regions = walk_all(units.layout.regions)
    found: BoolArray = ~overlapping(units.spans, [span for region in regions for span in region.units])
    return found & (np.diff(units.first_word) > 1)


def _lines_of(units: Units) -> BoolArray:
    """``[N]``, units that are items of a series of lines or rows."""
    series = [each for region in walk_all(units.layout.regions) for each in region.series if each.form == "line"]
    return overlapping(units.spans, [item for each in series for item in each.items])
