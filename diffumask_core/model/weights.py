"""The weights file: the matrices of encoders in 8 bits, vocabularies in 4 where that is exact, everything else in 16.

A matrix ``[out, in]``, or several ``[experts, out, in]``, is stored as signed 8-bit integers with one scale for each
row, so that both runtimes compute with the very same weights: the CPU's integer units directly, torch after multiplying
them out. Where the range of what goes into it is known, each of its columns is divided by a factor that its input is
multiplied with: all inputs are then within 1, and none of them much smaller than the others (Xiao et al.,
"SmoothQuant", 2023).

A vocabulary whose numbers are multiples from -8 to 7 of one number for each 32 of them, as a 4-bit model has them, is
stored as these multiples, two in a byte: a row's first half in the lower bits, its second half in the upper ones.
"""

from collections.abc import Container, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from diffumask_core.model.cache import cache_key

Weights = dict[str, npt.NDArray[np.generic]]
SCALE = ".scale"
"""What the name of a matrix's scales ends in."""
SMOOTHING = ".smoothing"
"""What the name of the factors of its inputs ends in."""

BLOCKS = ".blocks"
"""What the name of the numbers of which a vocabulary has multiples ends in."""

LARGEST = 127
BLOCK = 32
"""As many numbers of a row are multiples of the same one."""
_LARGE = 4096
WEIGHTS_FILE = "model.safetensors"


def is_packed(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a weight is stored in 8 bits; the rows of a convolution's kernels are too short for a scale each."""
    is_matrix = len(shape) == 2 or (len(shape) == 3 and shape[-1] >= BLOCK)
    return is_matrix and name.startswith(("encoder.", "upper.", "comparer."))


def pack(
    weights: Mapping[str, npt.NDArray[np.floating]],
    smoothing: Mapping[str, npt.NDArray[np.float32]] | None = None,
    vocabularies: Container[str] = (),
) -> Weights:
    """Weights as they are stored.

    Args:
        weights: By name.
        smoothing: Of some of the matrices the factors ``[in]`` of their inputs.
        vocabularies: The names of the matrices of which rows are looked up, and that nothing is multiplied with.
    """
    packed: Weights = {}
    for name, value in weights.items():
        if name in vocabularies and is_packed(name, value.shape) and (multiples := _multiples(value)):
            packed[name], packed[name + BLOCKS] = multiples
        elif is_packed(name, value.shape):
            if smoothing and name in smoothing:
                packed[name + SMOOTHING] = smoothing[name]
                value = value / smoothing[name]
            scale = np.abs(value).max(-1) / LARGEST
            scale = np.where(scale > 0, scale, 1).astype(np.float32)
            packed[name] = np.rint(value / scale[..., None]).astype(np.int8)
            packed[name + SCALE] = scale
        else:
            packed[name] = value.astype(np.float16)
    return packed


def _multiples(value: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float16]] | None:
    """A vocabulary in 4 bits; None of a small one, and where that would change a number."""
    rows, columns = value.shape
    if rows < _LARGE or columns % (2 * BLOCK):
        return None
    blocks = value.reshape(rows, -1, BLOCK)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(2)[..., None], 2)[..., 0]
    step = (largest / -8).astype(np.float16)
    multiples = np.rint(blocks / np.where(step == 0, 1, step)[..., None]).clip(-8, 7)
    if not np.array_equal(multiples * step[..., None].astype(np.float32), blocks):
        return None
    nibbles = (multiples.reshape(rows, columns) + 8).astype(np.uint8)
    return np.bitwise_or(nibbles[:, : columns // 2], nibbles[:, columns // 2 :] * np.uint8(16)), step


def _from_multiples(stored: npt.NDArray[np.generic], step: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    nibbles = stored.astype(np.uint8)
    both = np.concatenate([nibbles & 15, nibbles >> 4], 1).astype(np.float32) - 8
    value: npt.NDArray[np.float32] = both.reshape(len(both), -1, BLOCK) * step.astype(np.float32)[..., None]
    return value.reshape(both.shape)


def _belongs(name: str, stored: Container[str]) -> bool:
    """Whether a name is that of a part of a stored matrix; a model may have weights with names like these."""
    return any(name.endswith(part) and name.removesuffix(part) in stored for part in (SCALE, SMOOTHING, BLOCKS))


def unpack(stored: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, npt.NDArray[np.float32]]:
    """Stored weights as the numbers that they stand for."""
    weights: dict[str, npt.NDArray[np.float32]] = {}
    for name, value in stored.items():
        if name + BLOCKS in stored:
            weights[name] = _from_multiples(value, stored[name + BLOCKS])
        elif not _belongs(name, stored):
            numbers = value.astype(np.float32)
            if name + SCALE in stored:
                numbers *= stored[name + SCALE].astype(np.float32)[..., None]
            if name + SMOOTHING in stored:
                numbers *= stored[name + SMOOTHING].astype(np.float32)
            weights[name] = numbers
    return weights


def smoothing_key(stored: Mapping[str, npt.NDArray[np.generic]]) -> str:
    """What tells stored weights with other factors from these: graphs have the factors built in."""
    names = sorted(name for name in stored if name.endswith(SMOOTHING))
    return cache_key(*(part for name in names for part in (name.encode(), stored[name].tobytes()))).hex()


def read_weights(file: Path) -> Weights:
    """Reads a weights file, packed or as ``save_pretrained`` writes it; either way it comes out packed."""
    stored: Weights = load_file(file)
    if any(_belongs(name, stored) for name in stored):
        return stored
    return pack({name: value.astype(np.float32) for name, value in stored.items()})


def save_weights(packed: Weights, file: Path) -> None:
    """Writes packed weights."""
    save_file(packed, file, metadata={"format": "pt"})
