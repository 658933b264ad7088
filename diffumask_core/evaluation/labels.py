"""How well the kept units agree with the annotated ones."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from diffumask_core.datasets import LabelRow, covered_units
from diffumask_core.diffusion.sampler import sample_mask
from diffumask_core.diffusion.states import UNDECIDED
from diffumask_core.model.pruner import Pruner
from diffumask_core.units.units import read_words

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

# The number of steps that one step is compared with.
MANY_STEPS = 8

NEGATIONS = frozenset({"not", "no", "never", "cannot", "without", "unless", "only", "must"})

Select = Callable[[LabelRow, IntArray, BoolArray, Sequence[BoolArray]], Sequence[BoolArray]]
"""From a row, its units ``[N, 2]``, which of them are words, and the annotated masks, to a mask for each of those,
with as many words kept."""


@dataclass
class Agreement:
    """Counts over words at one level."""

    kept: int = 0
    right: int = 0
    runs: int = 0
    annotated_runs: int = 0
    right_runs: int = 0
    negations: int = 0
    kept_negations: int = 0

    @property
    def f1(self) -> float:
        """F1 of kept words; as many are kept as were annotated, so precision and recall are the same."""
        return self.right / max(self.kept, 1)

    @property
    def run_f1(self) -> float:
        """F1 of kept runs of words that equal an annotated run exactly."""
        return 2 * self.right_runs / max(self.runs + self.annotated_runs, 1)

    @property
    def negation_recall(self) -> float:
        """Of the negations whose neighbours on both sides are kept, the share that is kept."""
        return self.kept_negations / max(self.negations, 1)


@dataclass
class LabelFigures:
    """Agreement by level ("light", "tight") and by level and kind."""

    levels: dict[str, Agreement] = field(default_factory=lambda: defaultdict(Agreement))
    kinds: dict[tuple[str, str], Agreement] = field(default_factory=lambda: defaultdict(Agreement))

    def to_dict(self) -> dict[str, dict[str, float | dict[str, float]]]:
        """Plain figures, rounded to four digits."""
        return {
            level: {
                "f1": round(agreement.f1, 4),
                "run_f1": round(agreement.run_f1, 4),
                "runs_per_annotated": round(agreement.runs / max(agreement.annotated_runs, 1), 4),
                "negations": agreement.negations,
                "negation_recall": round(agreement.negation_recall, 4),
                "f1_by_kind": {
                    kind: round(part.f1, 4) for (at, kind), part in sorted(self.kinds.items()) if at == level
                },
            }
            for level, agreement in self.levels.items()
        }


def evaluate_labels(rows: Sequence[LabelRow], select: Select) -> LabelFigures:
    """Compares what ``select`` keeps with the annotation, both levels of each row."""
    figures = LabelFigures()
    for row in rows:
        offsets = read_words(row.text)
        words = np.array([any(map(str.isalnum, row.text[start:end])) for start, end in offsets.tolist()], dtype=bool)
        names = [row.text[start:end].lower() for start, end in offsets[words].tolist()]
        annotated = [covered_units(offsets, spans, len(row.text)) for spans in (row.light, row.tight)]
        for level, truth, mask in zip(
            ("light", "tight"), annotated, select(row, offsets, words, annotated), strict=True
        ):
            for agreement in (figures.levels[level], figures.kinds[level, row.kind]):
                _count(agreement, mask[words], truth[words], names)
    return figures


def _count(agreement: Agreement, kept: BoolArray, truth: BoolArray, names: Sequence[str]) -> None:
    agreement.kept += int(kept.sum())
    agreement.right += int((kept & truth).sum())
    runs, annotated = _runs(kept), _runs(truth)
    agreement.runs += len(runs)
    agreement.annotated_runs += len(annotated)
    agreement.right_runs += len(runs & annotated)
    for at in range(1, len(names) - 1):
        if (names[at] in NEGATIONS or names[at].endswith(("n't", "n’t"))) and kept[at - 1] and kept[at + 1]:
            agreement.negations += 1
            agreement.kept_negations += int(kept[at])


def _runs(kept: BoolArray) -> set[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], kept.astype(np.int8), [0]])))
    return set(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def pruner_selection(pruner: Pruner, steps: int) -> Select:
    """What the pruner keeps in so many steps.

    Args:
        pruner: The model.
        steps: Denoising steps.
    """

    def select(
        row: LabelRow, offsets: IntArray, words: BoolArray, annotated: Sequence[BoolArray]
    ) -> Sequence[BoolArray]:
        if not len(offsets):
            return list(annotated)
        encoding = pruner.encode(pruner.read(row.text, offsets, [(0, len(offsets))], row.query or ""))
        states = np.full(len(offsets), UNDECIDED)
        masks = []
        for truth in annotated:
            predict = pruner.predictor(encoding, float(truth.mean()))
            budget = float((truth & words).sum())
            masks.append(sample_mask(predict, words.astype(np.float64), budget, states, steps=steps).mask)
        return masks

    return select
