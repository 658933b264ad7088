"""The sampler."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffumask_core.diffusion.sampler import Predict, Sample, budget_threshold, sample_mask
from diffumask_core.diffusion.states import DROP, KEEP, UNDECIDED

Array = np.ndarray


class Recorder:
    """A denoiser with given logits that notes what it is asked."""

    def __init__(self, logits: Array | Callable[[Array], Array]) -> None:
        self._logits = logits
        self.states: list[Array] = []
        self.noise: list[float] = []

    def __call__(self, states: Array, noise: float) -> Array:
        self.states.append(states.copy())
        self.noise.append(noise)
        return self._logits(states) if callable(self._logits) else self._logits

    @property
    def undecided(self) -> list[int]:
        return [int((states == UNDECIDED).sum()) for states in self.states]


def sample(predict: Predict, costs: Any, budget: float, states: Any = None, **options: Any) -> Sample:
    costs = np.asarray(costs, dtype=np.float64)
    states = np.full(len(costs), UNDECIDED) if states is None else np.asarray(states)
    return sample_mask(predict, costs, budget, states, **{"steps": 4, **options})


class TestThreshold:
    @pytest.mark.parametrize(
        ("budget", "kept"),
        [(0, []), (0.5, []), (1, [1]), (2.9, [1]), (3, [1, 3]), (6, [1, 3, 0]), (100, [0, 1, 2, 3])],
    )
    def test_units_above_it_cost_at_most_the_budget(self, budget: float, kept: list[int]) -> None:
        logits, costs = np.array([0.0, 5.0, -3.0, 2.0]), np.array([3.0, 1.0, 1.0, 2.0])
        threshold = budget_threshold(logits, costs, budget)
        assert np.flatnonzero(logits > threshold).tolist() == sorted(kept)

    def test_of_nothing_it_is_a_number(self) -> None:
        assert budget_threshold(np.zeros(0), np.zeros(0), 3.0) == 0.0

    @given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0, 5)), min_size=1, max_size=30), st.floats(0, 60))
    def test_it_never_lets_more_in(self, units: list[tuple[float, float]], budget: float) -> None:
        logits, costs = np.array(units).T
        assert costs[logits > budget_threshold(logits, costs, budget)].sum() <= budget + 1e-9


class TestSampler:
    def test_one_step_thresholds_the_marginals(self) -> None:
        logits = np.array([0.3, 2.0, -1.0, 0.5, 1.0])
        made = sample(Recorder(logits), np.ones(5), 3, steps=1)
        assert made.mask.tolist() == [False, True, False, True, True]
        assert made.steps == 1
        assert made.order.tolist() == np.argsort(-logits).tolist()

    def test_the_schedule_says_how_many_are_decided_at_each_step(self) -> None:
        predict = Recorder(np.linspace(-1, 1, 20))
        sample(predict, np.ones(20), 8, steps=4, confidence=np.inf)
        assert predict.undecided == [20, 15, 10, 5]
        assert predict.noise == [1.0, 0.75, 0.5, 0.25]

    def test_the_most_certain_are_decided_first(self) -> None:
        predict = Recorder(np.array([9.0, 0.1, -0.1, -9.0]))
        sample(predict, np.ones(4), 2, steps=2, confidence=np.inf)
        assert predict.states[1].tolist() == [KEEP, UNDECIDED, UNDECIDED, DROP]

    def test_confident_decisions_are_not_put_off(self) -> None:
        predict = Recorder(np.array([9.0, 8.0, -8.0, -9.0]))
        made = sample(predict, np.ones(4), 2, steps=64, confidence=4.0)
        assert made.steps == len(predict.states) == 1
        assert made.mask.tolist() == [True, True, False, False]

    def test_steps_that_confident_decisions_have_done_are_skipped(self) -> None:
        recorder = Recorder(np.array([9.0, 8.0, -8.0, -9.0, 0.3, -0.3, 0.2, -0.2]))
        taken = sample(recorder, np.ones(8), 4, steps=8).steps
        assert recorder.undecided == [8, 4, 3, 2, 1]
        assert taken == 5

    def test_it_stops_when_all_is_decided(self) -> None:
        made = sample(Recorder(np.array([1.0, 0.5, 0.2])), np.ones(3), 1, steps=50, confidence=np.inf)
        assert made.steps == 3

    def test_fixed_states_stay(self) -> None:
        states = [KEEP, DROP, UNDECIDED, UNDECIDED, KEEP, DROP]
        predict = Recorder(np.array([-9.0, 9.0, 1.0, 2.0, -9.0, 9.0]))
        made = sample(predict, np.ones(6), 1, states)
        assert made.mask.tolist() == [True, False, False, True, True, False]
        assert made.order.tolist() == [3, 2]

    def test_the_states_given_are_not_changed(self) -> None:
        states = np.full(3, UNDECIDED)
        sample_mask(Recorder(np.arange(3.0)), np.ones(3), 2, states, steps=2)
        assert states.tolist() == [UNDECIDED] * 3

    @pytest.mark.parametrize("states", [[], [KEEP, DROP]])
    def test_nothing_to_decide_needs_no_step(self, states: list[int]) -> None:
        made = sample(Recorder(np.zeros(len(states))), np.ones(len(states)), 1, np.array(states, dtype=int))
        assert made.steps == 0
        assert made.mask.tolist() == [state == KEEP for state in states]

    def test_later_steps_see_earlier_decisions(self) -> None:
        def logits(states: Array) -> Array:
            # The last two are wanted together, once the first is kept.
            return np.array([5.0, 1.0, 0.9, 3.0, 3.0] if states[0] == KEEP else [5.0, 1.0, 0.9, -0.1, -0.1])

        one = sample(Recorder(logits), np.ones(5), 3, steps=1)
        many = sample(Recorder(logits), np.ones(5), 3, steps=5, confidence=np.inf)
        assert one.mask.tolist() == [True, True, True, False, False]
        assert many.mask.tolist() == [True, False, False, True, True]


UNITS = st.lists(
    st.tuples(st.floats(-8, 8), st.floats(0, 4), st.sampled_from([UNDECIDED, UNDECIDED, UNDECIDED, KEEP, DROP])),
    min_size=1,
    max_size=40,
)


@given(UNITS, st.floats(0, 80), st.integers(1, 8), st.sampled_from([0.5, 4.0]))
def test_it_never_costs_more_than_the_budget(
    units: list[tuple[float, float, int]], budget: float, steps: int, confidence: float
) -> None:
    logits, costs, states = np.array(units).T
    states = states.astype(int)

    def predict(now: Array, noise: float) -> Array:
        # The logits change as decisions are made.
        return logits + np.sin(np.arange(len(now)) * (now == KEEP).sum()) + noise

    made = sample_mask(predict, costs, budget, states, steps=steps, confidence=confidence)
    free = states == UNDECIDED
    assert costs[made.mask & free].sum() <= budget + 1e-6
    assert (made.mask[~free] == (states[~free] == KEEP)).all()
    assert sorted(made.order.tolist()) == np.flatnonzero(free).tolist()
    assert made.mask[made.order].tolist() == sorted(made.mask[made.order].tolist(), reverse=True)
    assert made.steps <= steps
    again = sample_mask(predict, costs, budget, states, steps=steps, confidence=confidence)
    assert (again.mask == made.mask).all()
    assert (again.order == made.order).all()
