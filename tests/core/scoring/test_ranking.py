"""The order of shots."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from diffumask_core.scoring.labels import find_labels
from diffumask_core.scoring.ranking import rank_shots, retrieval_utilities, typicality


def rank(
    utilities: list[float],
    vectors: list[list[float]] | None = None,
    answers: list[str | None] | None = None,
    repeated: list[bool] | None = None,
) -> list[int]:
    shots = len(utilities)
    # Vectors that are all alike: nothing is redundant.
    points = np.array(vectors, dtype=np.float32) if vectors else np.zeros((shots, 2), dtype=np.float32)
    again = np.array(repeated or [False] * shots, dtype=bool)
    labels = find_labels(answers or [None] * shots, [""] * shots)
    return rank_shots(np.array(utilities, dtype=np.float32), points, labels, again).tolist()


class TestRetrieval:
    def test_scores_of_any_scale_count_alike(self) -> None:
        small, large = retrieval_utilities([0.1, 0.5, 0.9]), retrieval_utilities([10, 50, 90])
        assert small.tolist() == pytest.approx(large.tolist())
        assert small[0] < small[1] == 0 < small[2]

    def test_scores_that_are_as_good_as_equal_hardly_count(self) -> None:
        assert abs(retrieval_utilities([0.8001, 0.8])).max() < 0.02
        assert retrieval_utilities([0.7, 0.7]).tolist() == [0, 0]

    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=9))
    @example([5e-324])
    @example([1.7e308, 1.7e308, -1.7e308])
    def test_scores_of_any_size_count_in_their_order(self, scores: list[float]) -> None:
        added = retrieval_utilities(scores)
        assert np.isfinite(added).all()
        assert (np.diff(added[np.argsort(scores, kind="stable")]) >= 0).all()

    def test_a_shot_without_a_score_is_in_the_middle(self) -> None:
        assert retrieval_utilities([0.2, None, 0.4])[1] == 0
        assert retrieval_utilities([None, None]).tolist() == [0, 0]
        assert retrieval_utilities([]).tolist() == []


class TestRank:
    def test_no_shots(self) -> None:
        assert rank([]) == []

    def test_the_most_useful_first(self) -> None:
        assert rank([0.1, 0.9, 0.5]) == [1, 2, 0]

    def test_equals_stay_in_order(self) -> None:
        assert rank([0.0, 0.0, 0.0]) == [0, 1, 2]

    def test_a_shot_like_a_better_one_comes_later(self) -> None:
        assert rank([1.0, 0.9, 0.5], [[5, 0], [5, 0], [-5, 1]]) == [0, 2, 1]

    def test_copies_come_last_however_useful(self) -> None:
        assert rank([0.1, 9.0, 0.2], repeated=[False, True, False]) == [2, 0, 1]

    def test_each_label_comes_once_before_any_comes_twice(self) -> None:
        assert rank([0.9, 0.8, 0.7, 0.1], answers=["yes", "yes", "yes", "no"]) == [0, 3, 1, 2]

    def test_labels_take_turns_where_no_query_tells_more(self) -> None:
        assert rank([0.9, 0.8, 0.7, 0.1, 0.2], answers=["yes", "yes", "yes", "no", "no"]) == [0, 4, 1, 3, 2]

    def test_a_likely_label_comes_again_before_an_unlikely_one(self) -> None:
        assert rank([9.0, 8.0, 1.0, 0.5], answers=["yes", "yes", "no", "no"]) == [0, 2, 1, 3]

    def test_no_utility_makes_up_for_a_label_that_is_missing(self) -> None:
        assert rank([90.0, 80.0, 70.0, -50.0], answers=["yes", "yes", "yes", "no"])[:2] == [0, 3]

    def test_the_best_exemplar_of_a_label_stands_for_it(self) -> None:
        assert rank([0.1, 0.2, 0.3, 0.4], answers=["yes", "no", "no", "yes"])[:2] == [3, 2]

    def test_a_shot_without_a_label_comes_after_the_first_of_each_label(self) -> None:
        assert rank([9.0, 0.2, 0.3, 0.1], answers=[None, "no", "yes", "no"]) == [2, 1, 0, 3]

    def test_results_of_calculations_are_no_labels(self) -> None:
        assert rank([0.9, 0.8, 0.1], answers=["12", "7", None]) == [0, 1, 2]

    @given(st.lists(st.tuples(st.floats(-9, 9), st.sampled_from([None, "a", "b", "c"]), st.booleans()), max_size=20))
    def test_every_shot_has_a_place_and_labels_come_first(self, shots: list[tuple[float, str | None, bool]]) -> None:
        vectors = np.random.default_rng(0).normal(size=(len(shots), 4))
        answers = [answer for _, answer, _ in shots]
        repeated = np.array([copy for _, _, copy in shots], dtype=bool)
        labels = find_labels(answers, [""] * len(shots))
        order = rank_shots(np.array([each for each, _, _ in shots]), vectors, labels, repeated)
        assert sorted(order.tolist()) == list(range(len(shots)))
        count = len(set(labels[labels >= 0].tolist()))
        assert len(set(labels[order[:count]].tolist()) - {-1}) == count


def test_an_exemplar_is_typical_that_is_like_its_label_and_unlike_others() -> None:
    vectors = np.array([[1.0, 0.0], [0.9, 0.1], [0.2, 0.8], [0.0, 1.0]])
    typical = typicality(vectors, np.array([0, 0, 0, 1]))
    assert typical[0] > typical[2]
    assert typicality(vectors, np.full(4, -1)).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("order", "counts"), [([9, 8, 7, 6, 5, 4], True), ([4, 9, 5, 8, 6, 7], False), ([1, 2], False)]
)
def test_an_order_counts_that_agrees_with_the_model(order: list[float], counts: bool) -> None:
    added = retrieval_utilities([None] * len(order), np.array(order, dtype=float))
    assert (added[0] > added[-1]) is np.bool_(counts)
    assert retrieval_utilities([None] * len(order)).tolist() == [0] * len(order)
