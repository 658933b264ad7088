import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from diffumask_core import Compressor, InputError
from diffumask_core.options import Options

TEXT = "Q: How many apples did Anna sell on Monday?\nA: She sold five and seven. The answer is 12.\n\n" * 3


@pytest.mark.parametrize("number", [80, np.int64(80), np.int32(80), np.uint8(80)])
def test_whole_numbers_of_numpy_become_plain_ones(number: Any) -> None:
    options = Options(target_tokens=number, steps=number, min_shots=number)
    for value in (options.target_tokens, options.steps, options.min_shots):
        assert type(value) is int
        assert value == 80


@pytest.mark.parametrize("number", [0.5, np.float64(0.5), np.float32(0.5), np.float16(0.5), Fraction(1, 2)])
def test_other_real_numbers_become_plain_ones(number: Any) -> None:
    assert type(Options(keep_rate=number).keep_rate) is float
    assert Options(keep_rate=number).keep_rate == 0.5


@pytest.mark.parametrize(
    "given",
    [
        {"target_tokens": np.int64(0)},
        {"target_tokens": np.float64(80)},
        {"target_tokens": np.bool_(True)},
        {"keep_rate": np.float32("nan")},
        {"keep_rate": np.float64(1.5)},
        {"keep_rate": np.bool_(True)},
        {"keep_rate": 0.5, "steps": np.int64(0)},
        {"keep_rate": 0.5, "min_shots": np.int64(-1)},
    ],
)
def test_impossible_numbers_of_numpy_are_told(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"is not (a share|possible)"):
        Options(**given)


def test_a_result_of_a_numpy_budget_is_ready_for_json(compressor: Compressor) -> None:
    result = compressor.compress(TEXT, target_tokens=np.int64(40), tokenizer=len, on_overflow="best_effort")
    again = result.at(target_tokens=np.int64(60))
    assert json.loads(json.dumps(result.to_dict()))["budget"] == 40
    assert json.loads(json.dumps(again.to_dict()))["budget"] == 60
    json.dumps(compressor.compress(TEXT, keep_rate=np.float32(0.5), tokenizer=len).to_dict())
