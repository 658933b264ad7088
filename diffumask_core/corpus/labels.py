"""Rows with labels, scored: how well a model agrees with their annotator."""

from os import PathLike
from typing import ClassVar

from diffumask_core.corpus.worker import Row, thread_limit
from diffumask_core.datasets import LabelRow
from diffumask_core.evaluation.labels import evaluate_labels, pruner_selection
from diffumask_core.model.pretrained import load_pruner


class LabelScorer:
    """Scores label rows; it loads the model when it is made, so make one in each process.

    A row comes back with the words that the model kept at each level, as many as the annotator, how many of them are
    right, and their share, the F1: ``light_kept``, ``light_right``, ``light_f1``, and the same for ``tight``. Over a
    corpus the F1 is the sum of the right ones by the sum of the kept ones.
    """

    sums: ClassVar = ("light_kept", "light_right", "tight_kept", "tight_right")

    def __init__(self, *, model: str | PathLike[str] | None = None, steps: int = 1) -> None:
        self._select = pruner_selection(load_pruner(model, threads=thread_limit()), steps)

    def __call__(self, row: Row) -> Row:
        """Scores a row.

        Raises:
            ValueError: It is no `LabelRow`.
        """
        figures = evaluate_labels([LabelRow.model_validate(row)], self._select)
        scores = {
            f"{level}_{name}": value
            for level, agreement in figures.levels.items()
            for name, value in (("kept", agreement.kept), ("right", agreement.right), ("f1", agreement.f1))
        }
        return {**row, **scores}
