"""Which answers of exemplars are labels."""

import pytest

from diffumask_core.scoring.labels import find_labels

SENTENCE = "The customer wants money back for goods that came broken."


@pytest.mark.parametrize(
    ("answers", "labels"),
    [
        ([], []),
        ([None, None], [-1, -1]),
        (["a", "b", "a"], [0, 1, 0]),
        (["a", None, "a", "b"], [0, -1, 0, 1]),
        (["Business", "Business & Finance", "Business"], [0, 1, 0]),
        # An exemplar each.
        (["World", "Sports"], [0, 1]),
        (["1", "2", "3", "4", "5"], [0, 1, 2, 3, 4]),
        # A sentence is a label where it comes again.
        ([SENTENCE, SENTENCE, "The customer asks when the shop opens in the morning.", SENTENCE], [0, 0, 1, 0]),
        ([SENTENCE, "The customer asks when the shop opens in the morning."], [-1, -1]),
        # Results of calculations are none, even where two are equal by chance.
        (["72", "10", "5"], [-1, -1, -1]),
        (["72", "10", "5", "10"], [-1, -1, -1, -1]),
        (["5", "3", "5", "3"], [0, 1, 0, 1]),
    ],
)
def test_answers_that_are_labels(answers: list[str | None], labels: list[int]) -> None:
    assert find_labels(answers, [""] * len(answers)).tolist() == labels


def test_many_answers_that_all_differ_are_labels_behind_a_marker_of_classes_only() -> None:
    answers = [f"intent {letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    assert find_labels(answers, ["Intent: "] * 26).tolist() == list(range(26))
    assert set(find_labels(answers, ["A: "] * 26).tolist()) == {-1}
