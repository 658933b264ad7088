"""The shot level."""

import numpy as np
import pytest

from diffumask_core.scoring.shots import ShotCosts, choose_shots, rank_shots, retrieval_utilities, unit_bias


def rank(utilities: list[float], vectors: list[list[float]] | None = None, answers: list[str | None] | None = None):
    shots = len(utilities)
    # Vectors that are all alike: nothing is redundant.
    points = np.array(vectors, dtype=np.float32) if vectors else np.zeros((shots, 2), dtype=np.float32)
    return rank_shots(np.array(utilities, dtype=np.float32), points, answers or [None] * shots).tolist()


class TestRetrieval:
    def test_scores_of_any_scale_count_alike(self) -> None:
        small, large = retrieval_utilities([0.1, 0.5, 0.9]), retrieval_utilities([10, 50, 90])
        assert small.tolist() == pytest.approx(large.tolist())
        assert small[0] < small[1] == 0 < small[2]

    def test_scores_that_are_as_good_as_equal_hardly_count(self) -> None:
        assert abs(retrieval_utilities([0.8001, 0.8])).max() < 0.02
        assert retrieval_utilities([0.7, 0.7]).tolist() == [0, 0]

    def test_a_shot_without_a_score_is_in_the_middle(self) -> None:
        assert retrieval_utilities([0.2, None, 0.4])[1] == 0
        assert retrieval_utilities([None, None]).tolist() == [0, 0]
        assert retrieval_utilities([]).tolist() == []


class TestRank:
    def test_no_shots(self) -> None:
        assert rank_shots(np.zeros(0), np.zeros((0, 2)), []).tolist() == []

    def test_the_most_useful_first(self) -> None:
        assert rank([0.1, 0.9, 0.5]) == [1, 2, 0]

    def test_equals_stay_in_order(self) -> None:
        assert rank([0.0, 0.0, 0.0]) == [0, 1, 2]

    def test_a_shot_like_a_better_one_comes_later(self) -> None:
        assert rank([1.0, 0.9, 0.5], [[5, 0], [5, 0], [-5, 1]]) == [0, 2, 1]

    def test_each_label_comes_once_before_any_comes_twice(self) -> None:
        assert rank([0.9, 0.8, 0.7, 0.1], answers=["yes", "yes", "yes", "no"]) == [0, 3, 1, 2]

    def test_answers_that_all_differ_are_no_labels(self) -> None:
        assert rank([0.9, 0.8, 0.1], answers=["12", "7", None]) == [0, 1, 2]

    def test_every_shot_has_a_place(self) -> None:
        rng = np.random.default_rng(0)
        order = rank_shots(rng.normal(size=20), rng.normal(size=(20, 4)), list("aabbcdefgh" * 2))
        assert sorted(order.tolist()) == list(range(20))


def choose(
    budget: float,
    *,
    fixed: list[float],
    free: list[float],
    other: float = 0.0,
    pinned: list[int] | None = None,
    share: float = 0.5,
    order: list[int] | None = None,
) -> list[int]:
    pins = np.isin(np.arange(len(fixed)), pinned or [])
    ranked = np.array(order or range(len(fixed)), dtype=np.int64)
    costs = ShotCosts(np.array(fixed, dtype=float), np.array(free, dtype=float))
    return np.flatnonzero(choose_shots(ranked, costs, budget, other, pins, share)).tolist()


class TestChoose:
    @pytest.mark.parametrize(("budget", "kept"), [(0, []), (6.9, [0]), (7, [0]), (14, [0, 1]), (99, [0, 1, 2])])
    def test_as_many_as_the_budget_carries(self, budget: float, kept: list[int]) -> None:
        assert choose(budget, fixed=[2, 2, 2], free=[10, 10, 10]) == kept

    def test_the_best_first(self) -> None:
        assert choose(14, fixed=[2, 2, 2], free=[10, 10, 10], order=[2, 0, 1]) == [0, 2]

    def test_other_text_takes_its_share_first(self) -> None:
        assert choose(14, fixed=[2, 2, 2], free=[10, 10, 10], other=14) == [0]

    def test_pinned_shots_always_stay(self) -> None:
        assert choose(0, fixed=[2, 2, 2], free=[10, 10, 10], pinned=[1]) == [1]
        assert choose(14, fixed=[2, 2, 2], free=[10, 10, 10], pinned=[2]) == [0, 2]

    def test_part_of_the_first_shot_is_better_than_none(self) -> None:
        assert choose(3, fixed=[2, 2], free=[10, 10]) == [0]
        assert choose(2, fixed=[2, 2], free=[10, 10]) == []

    def test_whole_shots(self) -> None:
        assert choose(24, fixed=[2, 2, 2], free=[10, 10, 10], share=1.0) == [0, 1]

    def test_no_shots(self) -> None:
        assert choose(5, fixed=[], free=[]) == []


class TestBias:
    def test_it_is_none_in_the_best_shot_and_outside_shots(self) -> None:
        bias = unit_bias(np.array([1.0, 3.0]), np.array([-1, 0, 0, 1, -1]))
        assert bias.tolist() == [0, -2, -2, 0, 0]

    def test_without_shots_there_is_none(self) -> None:
        assert unit_bias(np.zeros(0), np.full(3, -1)).tolist() == [0, 0, 0]
