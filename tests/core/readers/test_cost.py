from concurrent.futures import ThreadPoolExecutor

import pytest

from diffumask_core.errors import DiffuMaskError, ReaderBudgetError, ReaderError
from diffumask_core.readers import Cost
from diffumask_core.readers.cost import Meter


def test_calls_and_tokens_are_counted() -> None:
    meter = Meter(None, None)
    meter.reserve(10)
    meter.reserve(20)
    meter.settle(10, 15)
    assert meter.spent == Cost(calls=2, tokens=35)


def test_a_call_that_would_exceed_a_limit_is_not_counted() -> None:
    meter = Meter(max_calls=2, max_tokens=None)
    meter.reserve(1)
    meter.reserve(1)
    with pytest.raises(ReaderBudgetError, match="3 calls, more than max_calls=2: raise the limit"):
        meter.reserve(1)
    assert meter.spent == Cost(2, 2)
    meter = Meter(max_calls=None, max_tokens=100)
    meter.reserve(60)
    with pytest.raises(ReaderBudgetError) as caught:
        meter.reserve(41)
    assert (caught.value.limit, caught.value.allowed, caught.value.needed) == ("max_tokens", 100, 101)
    meter.settle(60, 50)
    meter.reserve(50)
    assert issubclass(ReaderBudgetError, ReaderError)
    assert issubclass(ReaderError, DiffuMaskError)


def test_threads_share_a_limit() -> None:
    meter = Meter(max_calls=20, max_tokens=None)

    def reserve(_: int) -> bool:
        try:
            meter.reserve(1)
        except ReaderBudgetError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(reserve, range(50))) == 20
