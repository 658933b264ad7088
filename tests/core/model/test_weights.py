"""How weights are stored."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load_file
from tiny import tiny_encoder, tiny_model
from tokenizers import Tokenizer

from diffumask_core.model.export import export_folder
from diffumask_core.model.onnx_network import OnnxNetwork
from diffumask_core.model.pretrained import load_pruner, save_folder
from diffumask_core.model.weights import pack, smoothing_key, unpack
from diffumask_core.units.words import split_words

MATRIX = "encoder.layer.weight"
# As many rows as a vocabulary has at least that is stored in 4 bits.
ROWS = 4096
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


@given(numbers((2, 3, 32), -8, 8))
def test_several_matrices_in_one_have_a_step_for_each_row(matrices: FloatArray) -> None:
    stored = pack({MATRIX: matrices})
    assert stored[MATRIX].dtype == np.int8
    steps = np.abs(matrices).max(-1, keepdims=True) / 127
    assert (np.abs(unpack(stored)[MATRIX] - matrices) <= steps * 0.501 + 1e-6).all()


def test_kernels_of_convolutions_are_no_matrices() -> None:
    kernels = np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 4, 3)
    stored = pack({MATRIX: kernels})
    assert list(stored) == [MATRIX]
    np.testing.assert_allclose(unpack(stored)[MATRIX], kernels, atol=1e-3)


def vocabulary(seed: int, columns: int = 64) -> FloatArray:
    """Random multiples from -8 to 7 of one number for each 32 of a row; of some rows there are none but zeros."""
    random = np.random.default_rng(seed)
    multiples = random.integers(-8, 8, (ROWS, columns // 32, 32))
    # One of each is -8, as where a row was divided by its largest number.
    multiples[..., 0] = -8
    multiples[:: random.integers(2, 50)] = 0
    steps = random.uniform(0.001, 2, (ROWS, columns // 32, 1)) * random.choice([-1, 1], (ROWS, columns // 32, 1))
    return (multiples * steps.astype(np.float16).astype(np.float32)).reshape(ROWS, columns).astype(np.float32)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.sampled_from([64, 128]))
def test_a_vocabulary_of_multiples_is_exact_in_4_bits(seed: int, columns: int) -> None:
    matrix = vocabulary(seed, columns)
    stored = pack({MATRIX: matrix}, vocabularies=[MATRIX])
    assert stored[MATRIX].dtype == np.uint8
    assert stored[MATRIX].shape == (ROWS, columns // 2)
    assert np.array_equal(unpack(stored)[MATRIX], matrix)


def test_a_vocabulary_that_4_bits_would_change_has_8() -> None:
    matrix = vocabulary(0)
    matrix[7, 5] += 0.01
    assert pack({MATRIX: matrix}, vocabularies=[MATRIX])[MATRIX].dtype == np.int8


def test_a_matrix_that_is_multiplied_with_has_8_bits_whatever_its_numbers() -> None:
    assert pack({MATRIX: vocabulary(0)})[MATRIX].dtype == np.int8


def test_both_runtimes_read_a_vocabulary_in_4_bits_alike(tokenizer: Tokenizer, tmp_path: Path) -> None:
    config = tiny_encoder(tokenizer)
    config.vocab_size, config.hidden_size = ROWS, 64
    model = tiny_model(config)
    with torch.no_grad():
        model.encoder.embeddings.word_embeddings.weight.copy_(torch.from_numpy(vocabulary(1)))
    save_folder(model, tokenizer, tmp_path)
    text = "the owner of the shop, who had been away, sold 12 boxes of apples for $3.50 each"
    export_folder(tmp_path, [text])
    name = "encoder.embeddings.word_embeddings.weight"
    assert load_file(tmp_path / "model.safetensors")[name].dtype == np.uint8
    ours, theirs = load_pruner(tmp_path), load_pruner(tmp_path, runtime="torch")
    assert isinstance(ours.network, OnnxNetwork)
    assert np.array_equal(theirs.network.model.get_parameter(name).detach().numpy(), vocabulary(1))
    offsets = split_words(text)
    one, other = (each.read(text, offsets, [(0, len(offsets))], "which?").vectors for each in (ours, theirs))
    assert np.linalg.norm(one - other) < 0.05 * np.linalg.norm(other)
