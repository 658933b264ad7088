"""The exact budget."""

from collections.abc import Callable

import numpy as np
import pytest
from diffumask_core.scoring.fit import fit_budget
from hypothesis import given
from hypothesis import strategies as st


def fit(count: Callable[[np.ndarray], int], ranked: list[int], guess: int, budget: int, size: int) -> list[int]:
    return np.flatnonzero(fit_budget(count, np.array(ranked, dtype=np.int64), guess, budget, size)).tolist()


@pytest.mark.parametrize("guess", range(11))
@pytest.mark.parametrize(("budget", "kept"), [(0, 0), (1, 1), (6, 6), (10, 10), (99, 10)])
def test_as_many_as_fit_from_any_guess(guess: int, budget: int, kept: int) -> None:
    ranked = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    assert fit(lambda mask: int(mask.sum()), ranked, guess, budget, 10) == sorted(ranked[:kept])


def test_what_is_left_is_filled_with_smaller_units() -> None:
    costs = np.array([4, 7, 5, 1, 2])
    assert fit(lambda mask: int(costs[mask].sum()), [0, 1, 2, 3, 4], 2, 10, 5) == [0, 2, 3]


def test_only_ranked_units_are_kept() -> None:
    assert fit(lambda mask: int(mask.sum()), [4, 2], 1, 9, 6) == [2, 4]


@pytest.mark.parametrize("size", [0, 3])
def test_nothing_to_rank(size: int) -> None:
    assert fit(lambda mask: 0, [], 0, 5, size) == []


def test_a_good_guess_needs_few_counts() -> None:
    counted = 0

    def count(mask: np.ndarray) -> int:
        nonlocal counted
        counted += 1
        return int(mask.sum())

    assert len(fit(count, list(range(10_000)), 4001, 4000, 10_000)) == 4000
    assert counted < 12


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(0, 100), st.integers(0, 30), st.booleans())
def test_any_count_keeps_to_the_budget(costs: list[int], budget: int, guess: int, additive: bool) -> None:
    def count(mask: np.ndarray) -> int:
        total = int(np.array(costs)[mask].sum())
        return total if additive else total * 7919 % 83

    kept = fit(count, list(range(len(costs))), min(guess, len(costs)), budget, len(costs))
    mask = np.zeros(len(costs), dtype=bool)
    mask[kept] = True
    assert count(mask) <= budget
    if additive and sum(costs) <= budget:
        assert len(kept) == len(costs)
