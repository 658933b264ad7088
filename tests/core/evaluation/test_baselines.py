"""What ours is compared with."""

import numpy as np
import pytest

from diffumask_core.diffusion.states import DROP
from diffumask_core.evaluation.baselines import (
    best_first,
    idf_scores,
    keep_best,
    lead_scores,
    random_scores,
    remove_one_by_one,
    sentences,
    shared_rare_words,
    tfidf_similarities,
)


def test_lead_prefers_the_beginning() -> None:
    assert np.argsort(-lead_scores(["a", "b", "c"])).tolist() == [0, 1, 2]


def test_random_is_the_same_each_time_and_another_for_another_text() -> None:
    units = [str(number) for number in range(50)]
    assert random_scores(units).tolist() == random_scores(units).tolist()
    assert random_scores(units).tolist() != random_scores(units[::-1]).tolist()


def test_idf_prefers_rare_words_whatever_their_case() -> None:
    scores = idf_scores(["The cat", "the dog", "the cat"])(["THE", "cat", "dog", "new"])
    assert np.argsort(-scores).tolist() == [3, 2, 1, 0]


def test_tfidf_is_nearest_where_words_are_shared() -> None:
    texts = ["The river rose on Monday.", "A baker makes rolls.", "Rolls and more rolls."]
    assert tfidf_similarities("What does the baker make? Rolls.", texts).argmax() == 1


def test_a_shared_word_counts_more_the_rarer_it_is() -> None:
    texts = ["the rolls", "the river", "The RIVER rose, the baker said", "", "the"]
    nearness = shared_rare_words("The baker and the river", texts)
    assert np.argsort(-nearness, kind="stable").tolist() == [2, 1, 0, 4, 3]


@pytest.mark.parametrize(
    ("words", "expected"),
    [(0, ""), (2, "d e"), (3, "d e f"), (4, "a\nd e f"), (5, "a b\nd e f"), (9, "a b c\nd e f\ng")],
)
def test_best_first_fills_the_budget(words: int, expected: str) -> None:
    assert best_first(["a b c", "d e f", "g"], np.array([0.5, 0.9, 0.1]), words) == expected


def test_sentences() -> None:
    text = 'He left. "Why?" she asked. At 3.5 p.m. it rained!\nNobody came\n\n'
    assert sentences(text) == ["He left.", '"Why?" she asked.', "At 3.5 p.m. it rained!", "Nobody came"]


@pytest.mark.parametrize(("most", "kept"), [(0, []), (1, ["c"]), (2, ["a", "c"]), (9, ["a", "b", "c"])])
def test_the_best_units_are_kept_in_order(most: int, kept: list[str]) -> None:
    text = "a b c"
    spans = keep_best(text, lambda units: np.array([2.0, 1.0, 3.0]), len, most)
    assert [text[start:end] for start, end in spans] == kept


def test_one_after_the_other_the_surest_goes_first_and_the_others_are_seen_anew() -> None:
    seen: list[list[int]] = []

    def predict(states: np.ndarray, noise: float) -> np.ndarray:
        seen.append(np.flatnonzero(states == DROP).tolist())
        # With the last unit gone, the first one is to go next.
        return np.array([-9.0 if states[3] == DROP else 9.0, -99.0, 1.0, 0.0])

    assert remove_one_by_one(predict, np.array([0, 2, 3]), 4) == [3, 0, 2]
    assert seen == [[], [3], [0, 3]]
    assert remove_one_by_one(predict, np.array([0, 2, 3]), 4, keep=2) == [3]
