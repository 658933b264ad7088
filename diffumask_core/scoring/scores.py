"""What the model thinks of a prompt, for whatever budget: what needs an encoder is encoded here, once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffumask_core.model.pruner import Encoding, Pruner
from diffumask_core.scoring.novelty import copies
from diffumask_core.scoring.ranking import count_labels, rank_shots, retrieval_utilities
from diffumask_core.scoring.reading import Reading

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Scores:
    """The scores of a prompt of S shots.

    Attributes:
        pruner: The model that made them.
        encoding: What the pruning encoder made of the words.
        utilities: ``[S]``, how much each shot helps with the query, with what a retriever thought of it.
        order: ``[S]``, shot numbers from the one to keep longest to the one to drop first.
        repeated: ``[S]``, whether each shot is a copy or a near copy of an earlier one.
        labels: How many of the first shots have a label each that no better shot has.
    """

    pruner: Pruner
    encoding: Encoding
    utilities: FloatArray
    order: IntArray
    repeated: BoolArray
    labels: int


def score(reading: Reading, pruner: Pruner) -> Scores:
    """Encodes a prompt and ranks its shots.

    Args:
        reading: The prompt.
        pruner: The model.
    """
    units = reading.units
    shots = units.layout.shots
    shot_of_word = np.repeat(units.shot, np.diff(units.first_word))
    encoding = pruner.encode(units.layout.text, units.words, units.blocks(), reading.query)
    utilities = retrieval_utilities([shot.score for shot in shots])
    if shots and reading.query:
        utilities = utilities + pruner.shot_scores(encoding, shot_of_word, len(shots))
    answers = [reading.text(shot.answer) if shot.answer else None for shot in shots]
    vectors = pruner.shot_vectors(encoding, shot_of_word, len(shots))
    repeated = copies([reading.text(shot.span) for shot in shots], answers)
    order = rank_shots(utilities, vectors, answers, repeated)
    return Scores(pruner, encoding, utilities, order, repeated, count_labels(answers))
