"""The exact budget: from the sampler's decisions to the most units whose text the tokenizer counts within it."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]

_FILL_TRIES = 12


def fit_budget(
    count: Callable[[BoolArray], int], ranked: npt.NDArray[np.int64], guess: int, budget: int, size: int
) -> BoolArray:
    """Keeps units in the order of their rank up to the budget.

    Token counts are not additive, so the budget is met by counting whole texts: a search for how many units fit,
    from a guess that is nearly right, then single units that fill what is left.

    Args:
        count: Tokens of the text that a mask ``[N]`` gives; within the budget for the empty mask.
        ranked: The units that can be kept, best first.
        guess: About how many of them fit.
        budget: The most tokens.
        size: N.

    Returns:
        ``[N]``, whether each unit is kept.
    """

    def best(number: int) -> BoolArray:
        mask = np.zeros(size, dtype=bool)
        mask[ranked[:number]] = True
        return mask

    def fits(number: int) -> bool:
        return number == 0 or count(best(number)) <= budget

    low, high = _bracket(fits, guess, len(ranked))
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    mask = best(low)
    used = count(mask)
    for unit in ranked[low + 1 : low + 1 + _FILL_TRIES]:
        if used >= budget:
            break
        mask[unit] = True
        larger = count(mask)
        if larger <= budget:
            used = larger
        else:
            mask[unit] = False
    return mask


def _bracket(fits: Callable[[int], bool], guess: int, most: int) -> tuple[int, int]:
    """A number that fits and a larger one that does not (``most + 1`` where all fit), searched outwards."""
    step = 2
    if fits(guess):
        low = guess
        while low < most:
            high = min(low + step, most)
            if not fits(high):
                return low, high
            low, step = high, 4 * step
        return most, most + 1
    high = guess
    while high > 0:
        low = max(high - step, 0)
        if fits(low):
            return low, high
        high, step = low, 4 * step
    return 0, 1
