"""Noise schedules."""

from itertools import pairwise

import pytest

from diffumask_core.diffusion.schedules import CosineSchedule, LinearSchedule, NoiseSchedule

SCHEDULES = [LinearSchedule(), CosineSchedule()]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_noise_rises_from_none_to_all(schedule: NoiseSchedule) -> None:
    noise = [schedule.noise(time / 20) for time in range(21)]
    assert noise[0] == 0
    assert noise[-1] == pytest.approx(1)
    assert all(before < after for before, after in pairwise(noise))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("time", [0.1, 0.3, 0.5, 0.9])
def test_the_weight_is_the_change_of_noise_over_noise(schedule: NoiseSchedule, time: float) -> None:
    change = (schedule.noise(time + 1e-6) - schedule.noise(time - 1e-6)) / 2e-6
    assert schedule.weight(time) == pytest.approx(change / schedule.noise(time), rel=1e-4)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_weight_at_the_start_is_that_of_the_limit(schedule: NoiseSchedule) -> None:
    assert schedule.weight(1.0) == pytest.approx(schedule.weight(1 - 1e-9), abs=1e-6)


def test_values() -> None:
    assert LinearSchedule().noise(0.25) == 0.25
    assert LinearSchedule().weight(0.25) == 4
    assert CosineSchedule().noise(1 / 3) == pytest.approx(0.5)
