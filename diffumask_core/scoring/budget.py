"""The exact budget: what it is, and the most units whose text the tokenizer counts within it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count

import numpy as np
import numpy.typing as npt

from diffumask_core.options import Options
from diffumask_core.scoring.reading import Reading

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# A prompt of so few tokens is not shortened unless a number of tokens is asked for: there is little to save in it.
SMALL_PROMPT = 50
# Where more than this share of the limit is left beside a unit that did not fit, the search goes on behind the unit, so
# many times at most.
_MUCH = 0.05
_MOST_SEARCHES = 20
# Then so many single units are tried to fill what is left.
_FILL_TRIES = 12
# So many counts follow estimates before the search bisects.
_BY_COST = 8
# A unit may cost so many tokens less among others than alone.
_LOOSE = 2


@dataclass(frozen=True)
class Budget:
    """How many tokens an output may have, and how many it must have.

    Attributes:
        limit: The most that the output may have.
        least: Tokens of what must stay, with the marks of what goes.
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
    # White space alone has no units of which a share could go.
    if reading.total <= SMALL_PROMPT or options.keep_rate is None or not len(reading.units):
        return Budget(reading.total, least)
    may_go = max(reading.total - least, 0)
    return Budget(min(least + int(options.keep_rate * may_go), reading.total), least)


def fit_budget(reading: Reading, alive: BoolArray, ranked: IntArray, guess: int, limit: int) -> BoolArray:
    """Keeps units in the order of their rank up to a limit of tokens.

    Token counts are not additive, so the limit is met by counting whole texts: a search for how many units fit, from a
    guess that is nearly right, the same behind a unit that is too large for what is left, then single units that fill
    the rest.

    Args:
        reading: The prompt of N units.
        alive: ``[S]``, shots that stay.
        ranked: The units that can be kept, best first.
        guess: About how many of them fit.
        limit: The most tokens.

    Returns:
        ``[N]``, whether each unit is kept, scaffold included.
    """

    def closed(units: IntArray) -> BoolArray:
        mask = reading.nothing
        mask[units] = True
        return reading.close(mask, alive)

    def tokens(chosen: IntArray, rest: IntArray, number: int) -> int:
        return reading.count(closed(np.append(chosen, rest[:number])), alive)

    chosen, rest, mask, used = ranked[:0], ranked, reading.nothing, 0
    for _ in range(_MOST_SEARCHES):
        costs = np.cumsum(reading.costs[rest])
        most = _most_that_fit(partial(tokens, chosen, rest), costs, guess, limit)
        # `rest[most]` is the first that did not fit.
        chosen, rest = np.append(chosen, rest[:most]), rest[most + 1 :]
        mask = closed(chosen)
        used = reading.count(mask, alive)
        spare = limit - used
        rest = rest[reading.costs[rest] <= spare + _LOOSE]
        if spare <= _MUCH * limit or not len(rest):
            break
        guess = int(np.searchsorted(np.cumsum(reading.costs[rest]), spare, side="right"))
    tries = 0
    for unit in rest:
        spare = limit - used
        if spare <= 0 or tries >= _FILL_TRIES:
            break
        if reading.costs[unit] > spare + _LOOSE:
            continue
        tries += 1
        larger = closed(np.append(chosen, unit))
        if (counted := reading.count(larger, alive)) <= limit:
            chosen, mask, used = np.append(chosen, unit), larger, counted
    return mask


def _most_that_fit(tokens: Callable[[int], int], costs: FloatArray, guess: int, limit: int) -> int:
    """A number of units that fits where one more does not; 0 where no unit fits.

    Each count tells how far the limit is, at the estimated cost of the units between; steps to the same side double.
    A tokenizer for which that leads nowhere is met by bisection.

    Args:
        tokens: From a number of units to tokens.
        costs: ``[R]``, what the first one, the first two, ... of the units cost by estimate.
        guess: About how many of them fit.
        limit: The most tokens.
    """
    low, high = 0, len(costs) + 1
    number, step, fitted = guess, 1, None
    for tried in count():
        if high - low <= 1:
            break
        number = min(max(number, low + 1), high - 1)
        spare = limit - tokens(number)
        fits = spare >= 0
        low, high = (number, high) if fits else (low, number)
        step = 2 * step if fits is fitted else 1
        fitted = fits
        expected = int(np.searchsorted(costs, costs[number - 1] + spare, side="right"))
        number = max(expected, low + step) if fits else min(expected, high - step)
        if tried >= _BY_COST or not low < number < high:
            number = (low + high) // 2
    return low
