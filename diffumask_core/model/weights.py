"""The weights file: the encoders' matrices in 8 bits, everything else in 16.

A matrix ``[out, in]`` is stored as signed 8-bit integers with one scale for each of its rows, so that both runtimes
compute with the very same weights: the CPU's integer units directly, torch after multiplying them out.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

Weights = dict[str, npt.NDArray[np.generic]]
SCALE = ".scale"
"""What the name of a matrix's scales ends in."""

LARGEST = 127
WEIGHTS_FILE = "model.safetensors"


def is_packed(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a weight is stored in 8 bits."""
    return name.startswith(("encoder.", "relevance.")) and len(shape) == 2


def pack(weights: Mapping[str, npt.NDArray[np.floating]]) -> Weights:
    """Weights as they are stored."""
    packed: Weights = {}
    for name, value in weights.items():
        if is_packed(name, value.shape):
            scale = np.abs(value).max(1) / LARGEST
            scale = np.where(scale > 0, scale, 1).astype(np.float32)
            packed[name] = np.rint(value / scale[:, None]).astype(np.int8)
            packed[name + SCALE] = scale
        else:
            packed[name] = value.astype(np.float16)
    return packed


def unpack(stored: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, npt.NDArray[np.float32]]:
    """Stored weights as the numbers that they stand for."""
    weights: dict[str, npt.NDArray[np.float32]] = {}
    for name, value in stored.items():
        if not name.endswith(SCALE):
            scale = stored.get(name + SCALE)
            numbers = value.astype(np.float32)
            weights[name] = numbers if scale is None else numbers * scale.astype(np.float32)[:, None]
    return weights


def read_weights(file: Path) -> Weights:
    """Reads a weights file, packed or as ``save_pretrained`` writes it; either way it comes out packed."""
    stored: Weights = load_file(file)
    if any(name.endswith(SCALE) for name in stored):
        return stored
    return pack({name: value.astype(np.float32) for name, value in stored.items()})
