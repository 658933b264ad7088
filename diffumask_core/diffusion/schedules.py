"""Noise schedules: how many units are undecided at a given time.

Time runs from 0 (all decided) to 1 (all undecided), as in masked diffusion (Sahoo et al., "Simple and Effective
Masked Diffusion Language Models", 2024).
"""

import math
from typing import Protocol


class NoiseSchedule(Protocol):
    """What the forward process, the loss and the sampler need of a schedule."""

    def noise(self, time: float) -> float:
        """The share of units that are undecided at a time in [0, 1]; 0 at 0, 1 at 1, rising."""

    def weight(self, time: float) -> float:
        """The weight of the loss at a time in (0, 1]: the rate of change of `noise` over `noise`."""


class LinearSchedule:
    """As much undecided as time is left."""

    def noise(self, time: float) -> float:
        return time

    def weight(self, time: float) -> float:
        return 1 / time


class CosineSchedule:
    """Few decisions while most is undecided, many at the end."""

    def noise(self, time: float) -> float:
        return math.sin(math.pi / 2 * time)

    def weight(self, time: float) -> float:
        return math.pi / 2 / math.tan(math.pi / 2 * time) if time < 1 else 0.0
