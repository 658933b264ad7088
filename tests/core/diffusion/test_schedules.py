"""The noise schedule."""

from itertools import pairwise

import pytest

from diffumask_core.diffusion.schedules import LinearSchedule


def test_noise_rises_from_none_to_all() -> None:
    noise = [LinearSchedule().noise(time / 20) for time in range(21)]
    assert noise[0] == 0
    assert noise[-1] == 1
    assert all(before < after for before, after in pairwise(noise))


@pytest.mark.parametrize("time", [0.1, 0.3, 0.5, 0.9])
def test_the_weight_is_the_change_of_noise_over_noise(time: float) -> None:
    schedule = LinearSchedule()
    change = (schedule.noise(time + 1e-6) - schedule.noise(time - 1e-6)) / 2e-6
    assert schedule.weight(time) == pytest.approx(change / schedule.noise(time), rel=1e-4)


def test_values() -> None:
    assert LinearSchedule().noise(0.25) == 0.25
    assert LinearSchedule().weight(0.25) == 4
