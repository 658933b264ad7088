"""What texts say in the same words."""

import numpy as np
import pytest

from diffumask_core.scoring.terms import bm25


def test_bm25_can_be_worked_out_by_hand() -> None:
    texts = ["the rolls", "The river, the river", "a baker of rolls"]
    # Of three texts two hold "rolls", and one "river", twice; the mean text has three words and a third.
    mean = 10 / 3
    rolls, river = np.log(1 + 1.5 / 2.5), np.log(1 + 2.5 / 1.5)
    expected = [
        rolls * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / mean)),
        river * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 4 / mean)),
        rolls * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 4 / mean)),
    ]
    assert bm25("River rolls?", texts) == pytest.approx(expected)


@pytest.mark.parametrize("texts", [[], [""], ["", "rolls"]])
def test_bm25_of_nothing(texts: list[str]) -> None:
    scores = bm25("Rolls?", texts)
    assert len(scores) == len(texts)
    assert all(scores[:1] == 0)
