"""What the model thinks of a prompt, for whatever budget: it is read here, once."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from diffumask_core.lines.evidence import Evidence, read_evidence
from diffumask_core.model.pruner import Encoding, Pruner, ReadText
from diffumask_core.prompt.layout import ShotSpan
from diffumask_core.prompt.spans import Span
from diffumask_core.scoring.gains import unit_gains
from diffumask_core.scoring.labels import find_labels
from diffumask_core.scoring.novelty import copies
from diffumask_core.scoring.ranking import rank_shots, relevance_of, retrieval_utilities, typicality
from diffumask_core.scoring.readable import readable_parts
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.relevance import paragraphs_of, unit_utilities, with_shared_terms
from diffumask_core.units.units import Units

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Scores:
    """The scores of a prompt of S shots.

    Attributes:
        pruner: The model that made them.
        read_units: ``[N]``, the units whose words the trunk has read.
        read: What it has read of these words; None where it had nothing to read.
        lines: What the line model is told of the lines that it decides; None where there are none.
        utilities: ``[S]``, how much each shot helps with the query, with what a retriever thought of it.
        of_units: ``[N]``, the same of each unit: of the paragraph that it is in, or of its shot.
        gains: ``[N]``, what each unit gains or loses by what it tells.
        readable: ``[S]``, how many tokens of its text each shot needs to be readable.
        relevance: ``[S]``, how surely each passage helps with the query, from 0 to 1, whatever a retriever thought of
            it; NaN where there is no query, and of exemplars.
        order: ``[S]``, shot numbers from the one to keep longest to the one to drop first.
        repeated: ``[S]``, whether each shot is a copy or a near copy of an earlier one.
        labels: ``[S]``, the number of each shot's label; -1 where it has none.
    """

    pruner: Pruner
    read_units: BoolArray
    read: ReadText | None
    lines: Evidence | None
    utilities: FloatArray
    of_units: FloatArray
    gains: FloatArray
    readable: FloatArray
    relevance: FloatArray
    order: IntArray
    repeated: BoolArray
    labels: IntArray

    def encoding_of(self, wanted: BoolArray, units: Units) -> Encoding | None:
        """What the network makes of the words of wanted units ``[N]``; None where there is nothing to read.

        Args:
            wanted: Units of those that were read.
            units: All of them.
        """
        if self.read is None or not wanted.any():
            return None
        lengths = np.diff(units.first_word)[self.read_units]
        return self.pruner.encode(self.read, np.repeat(wanted[self.read_units], lengths))

    def for_budget(self, reading: Reading, wanted: BoolArray) -> "Scores":
        """The same scores, but only wanted shots ``[S]`` in the order of those that can be kept.

        Args:
            reading: The prompt without what is too large for the budget, which no shot needs to be readable.
            wanted: The shots.
        """
        has_less = reading.units.too_large.any()
        readable = readable_parts(reading, self.of_units) if has_less else self.readable
        return replace(self, order=self.order[wanted[self.order]], readable=readable)

    def bias(self, shot_level: bool) -> FloatArray:
        """What is added to the logit of each unit ``[N]``, whatever is decided.

        Args:
            shot_level: Whether a unit shares the utility of its shot or paragraph: 0 in the best one, less elsewhere.
        """
        share = self.of_units - self.of_units.max(initial=-np.inf) if shot_level else 0.0
        return self.gains + share

    def of_shot(self, number: int) -> tuple[float, float | None]:
        """The utility and the relevance of a shot; None where its relevance is not known."""
        relevance = float(self.relevance[number])
        return round(float(self.utilities[number]), 4), None if np.isnan(relevance) else round(relevance, 4)


def score(reading: Reading, pruner: Pruner) -> Scores:
    """Reads a prompt with the trunk and ranks its shots; words are scored later, where their shots stay.

    Args:
        reading: The prompt.
        pruner: The model.
    """
    units = reading.units
    shots = units.layout.shots
    lines = read_evidence(reading) if pruner.lines else None
    read_units = _to_read(units, lines)
    words = np.repeat(read_units, np.diff(units.first_word))
    paragraphs = paragraphs_of(reading) if reading.query and pruner.compares else []
    answers = [_answer(reading, shot) for shot in shots]
    labels = find_labels(answers, [_before_answer(reading, shot) for shot in shots])
    vectors: FloatArray = np.zeros((len(shots), 1))
    near: FloatArray = np.zeros(len(shots) + len(paragraphs))
    read = None
    if words.any():
        offsets = units.words[words]
        shot_of_word = np.repeat(units.shot, np.diff(units.first_word))[words]
        read = pruner.read(units.layout.text, offsets, _blocks(shot_of_word), reading.query)
        spans = np.array([*(shot.span for shot in shots), *paragraphs], dtype=np.int64).reshape(-1, 2)
        parts = [(int(first), int(last)) for first, last in np.searchsorted(offsets[:, 0], spans)]
        near = pruner.nearness(read, parts)
        vectors = pruner.means(read, parts[: len(shots)])
    own, of_paragraphs = near[: len(shots)], with_shared_terms(reading, paragraphs, near[len(shots) :])
    relevance = np.full(len(shots), np.nan)
    utilities: FloatArray
    if shots and reading.query:
        found = set(units.layout.passages)
        passages = np.array([shot.span in found for shot in shots])
        relevance[passages] = relevance_of(own[passages])
        own[passages] = with_shared_terms(reading, [shot.span for shot in shots if shot.span in found], own[passages])
        utilities = own + retrieval_utilities([shot.score for shot in shots], own * passages)
    else:
        utilities = retrieval_utilities([shot.score for shot in shots]) + typicality(vectors, labels)
    of_units = unit_utilities(reading, paragraphs, of_paragraphs, utilities)
    utilities = _best_of_shots(of_units, units.shot, utilities)
    repeated = copies([reading.text(shot.span) for shot in shots], answers)
    order = rank_shots(utilities, vectors, labels, repeated)
    by_lines = np.zeros(len(units), dtype=bool)
    by_lines[lines.unit if lines else []] = True
    gains, readable = unit_gains(reading, of_units, by_lines), readable_parts(reading, of_units)
    return Scores(
        pruner, read_units, read, lines, utilities, of_units, gains, readable, relevance, order, repeated, labels
    )


def _to_read(units: Units, lines: Evidence | None) -> BoolArray:
    """``[N]``, the units that the trunk has to read: not the lines that the line model decides.

    A text of a conversation without any other unit to decide is not read either, unless it is part of a shot that may
    go whole.
    """
    others = np.ones(len(units), dtype=bool)
    if not units.layout.voices:
        return others
    others[lines.unit if lines else []] = False
    open_segments = np.unique(units.segment[others & units.free])
    in_open_shot = np.append(~units.pinned, False)[units.shot]
    to_read: BoolArray = others & (np.isin(units.segment, open_segments) | in_open_shot)
    return to_read


def _blocks(shot_of_word: IntArray) -> list[Span]:
    """Ranges of words that belong together, in order: shots, and what is between them."""
    edges = np.flatnonzero(np.diff(shot_of_word)) + 1
    return list(pairwise([0, *edges.tolist(), len(shot_of_word)]))


def _best_of_shots(of_units: FloatArray, shot: IntArray, utilities: FloatArray) -> FloatArray:
    """``[S]``, the utility of each shot: that of its best unit."""
    best = np.full(len(utilities) + 1, -np.inf)
    np.maximum.at(best, shot, of_units)
    return np.where(np.isfinite(best[:-1]), best[:-1], utilities)


def _answer(reading: Reading, shot: ShotSpan) -> str | None:
    """The answer of an exemplar, or all that the LLM is to write like it; None of a passage."""
    if shot.answer:
        return reading.text(shot.answer)
    return " ".join(map(reading.text, shot.output)) or None


def _before_answer(reading: Reading, shot: ShotSpan) -> str:
    """The line of a shot up to its answer, in which the marker of the answer stands."""
    return reading.text((shot.span[0], shot.answer[0])).rpartition("\n")[2] if shot.answer else ""
