"""The noise schedule: how many units are undecided at a given time.

Time runs from 0 (all decided) to 1 (all undecided), as in masked diffusion (Sahoo et al., "Simple and Effective
Masked Diffusion Language Models", 2024).
"""


class LinearSchedule:
    """As much undecided as time is left."""

    def noise(self, time: float) -> float:
        """The share of units that are undecided at a time in [0, 1]."""
        return time

    def weight(self, time: float) -> float:
        """The weight of the loss at a time in (0, 1]: the rate of change of `noise` over `noise`."""
        return 1 / time
