"""The exact budget: what it is, and the most units whose text the tokenizer counts within it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffumask_core.options import Options
from diffumask_core.scoring.reading import Reading

BoolArray = npt.NDArray[np.bool_]

# A prompt of so few tokens is not shortened unless a number of tokens is asked for: there is little to save in it.
SMALL_PROMPT = 50
_FILL_TRIES = 12


@dataclass(frozen=True)
class Budget:
    """Tokens.

    Attributes:
        limit: The most that the output may have.
        least: What must stay has so many, with the marks of what goes.
    """

    limit: int
    least: int


def budget_of(reading: Reading, pinned: BoolArray, options: Options) -> Budget:
    """The budget that the options ask for.

    Args:
        reading: The prompt.
        pinned: ``[S]``, shots that may not go whole.
        options: With a keep rate, or with a number of tokens.
    """
    least = reading.count(reading.close(reading.nothing, pinned), pinned)
    if options.target_tokens is not None:
        return Budget(options.target_tokens, least)
    if reading.total <= SMALL_PROMPT or options.keep_rate is None:
        return Budget(reading.total, least)
    may_go = max(reading.total - least, 0)
    return Budget(min(least + int(options.keep_rate * may_go), reading.total), least)


def fit_budget(reading: Reading, alive: BoolArray, ranked: npt.NDArray[np.int64], guess: int, limit: int) -> BoolArray:
    """Keeps units in the order of their rank up to a limit of tokens.

    Token counts are not additive, so the limit is met by counting whole texts: a search for how many units fit, from a
    guess that is nearly right, then single units that fill what is left.

    Args:
        reading: The prompt of N units.
        alive: ``[S]``, shots that stay.
        ranked: The units that can be kept, best first.
        guess: About how many of them fit.
        limit: The most tokens.

    Returns:
        ``[N]``, whether each unit is kept, scaffold included.
    """

    def closed(units: npt.NDArray[np.int64]) -> BoolArray:
        mask = reading.nothing
        mask[units] = True
        return reading.close(mask, alive)

    def fits(number: int) -> bool:
        return number == 0 or reading.count(closed(ranked[:number]), alive) <= limit

    low, high = _bracket(fits, guess, len(ranked))
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    chosen, mask = ranked[:low], closed(ranked[:low])
    used = reading.count(mask, alive)
    for unit in ranked[low + 1 : low + 1 + _FILL_TRIES]:
        if used >= limit:
            break
        larger = closed(np.append(chosen, unit))
        if (tokens := reading.count(larger, alive)) <= limit:
            chosen, mask, used = np.append(chosen, unit), larger, tokens
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
