"""How weights are stored."""

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from diffumask_core.model.weights import pack, smoothing_key, unpack

MATRIX = "encoder.layer.weight"
FloatArray = npt.NDArray[np.float32]


def numbers(shape: tuple[int, ...], least: float, most: float) -> st.SearchStrategy[FloatArray]:
    return arrays(np.float32, shape, elements=st.floats(least, most, width=32))


@given(numbers((3, 4), -8, 8), st.none() | numbers((4,), 0.125, 8))
def test_a_matrix_is_stored_to_half_a_step_of_its_rows(matrix: FloatArray, smoothing: FloatArray | None) -> None:
    [(name, whole)] = unpack(pack({MATRIX: matrix}, None if smoothing is None else {MATRIX: smoothing})).items()
    factors = np.ones(4, dtype=np.float32) if smoothing is None else smoothing
    steps = np.abs(matrix / factors).max(1, keepdims=True) / 127 * factors
    assert name == MATRIX
    assert (np.abs(whole - matrix) <= steps * 0.501 + 1e-6).all()


def test_other_factors_have_another_key() -> None:
    matrix, factors = np.ones((3, 4), dtype=np.float32), np.ones(4, dtype=np.float32)
    keys = {smoothing_key(pack({MATRIX: matrix}, some)) for some in (None, {MATRIX: factors}, {MATRIX: 2 * factors})}
    assert len(keys) == 3
    assert smoothing_key(pack({MATRIX: 2 * matrix}, {MATRIX: factors})) in keys
