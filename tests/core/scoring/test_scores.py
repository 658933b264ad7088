"""What the model made of a prompt."""

from typing import Any

import numpy as np

from diffumask_core.scoring.scores import Scores


def scores(of_units: list[float], gains: list[float]) -> Scores:
    """Scores that hold no more than what units are worth."""
    none: Any = None
    worth = np.array(of_units, dtype=float), np.array(gains, dtype=float)
    return Scores(none, none, none, none, none, *worth, none, none, none, none, none)


def test_a_unit_shares_what_its_shot_lacks_to_the_best() -> None:
    assert scores([1, 1, 3, 3], [0, 0, 0, 5]).bias(shot_level=True).tolist() == [-2, -2, 0, 5]


def test_without_the_level_of_shots_only_gains_count() -> None:
    assert scores([1, 1, 3, 3], [0, 0, 0, 5]).bias(shot_level=False).tolist() == [0, 0, 0, 5]


def test_without_units_there_is_none() -> None:
    assert scores([], []).bias(shot_level=True).tolist() == []
