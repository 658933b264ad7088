"""The line model: a light denoiser over the lines of tools' results, in numpy.

Its first blocks read the features of lines and their neighbours once. The last blocks run at each step: they see which
lines are decided, and which of the exact strings of each line other lines hold that are kept or undecided. No encoder
reads the lines, so that a line costs microseconds.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from safetensors.numpy import load_file

from diffumask_core.diffusion.states import KEEP, UNDECIDED
from diffumask_core.errors import ModelError
from diffumask_core.lines.evidence import FEATURES, Evidence

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

LINES_FILE = "lines.safetensors"
_FORMAT_VERSION = 1
# Of a long text so many lines are computed at once.
_LINES_AT_ONCE = 4096
# What the model is told of rarity is of this size.
_RARITY_SCALE = 4.0
# A feature this far from its mean, in standard deviations, is an outlier.
_FARTHEST = 5.0


@dataclass(frozen=True)
class LineSettings:
    """The shape of a line model.

    Attributes:
        static_blocks: Blocks that run once.
        step_blocks: Blocks that run at each step.
        rates: Shares of tokens, rising.
        thresholds: For each of the rates the logit above which lines were kept on average.
    """

    static_blocks: int
    step_blocks: int
    rates: tuple[float, ...]
    thresholds: tuple[float, ...]

    def threshold(self, keep_rate: float) -> float:
        """The logit above which lines are kept on average when a share of the tokens is."""
        return float(np.interp(np.log(keep_rate), np.log(self.rates), self.thresholds))


class LineModel:
    """Says how surely an agent needs each line of old results of tools.

    Attributes:
        settings: Its shape.
        weights: Arrays by the names of `training.lines.LineNetwork`.
    """

    def __init__(self, settings: LineSettings, weights: Mapping[str, npt.NDArray[np.floating]]) -> None:
        """Takes the weights as they were trained."""
        self.settings = settings
        self.weights = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in weights.items()}

    @classmethod
    def load(cls, folder: Path) -> "LineModel | None":
        """Reads the line model of a pretrained folder; None where the folder has none.

        Raises:
            ModelError: The model is of another version, or its file is broken.
        """
        path = folder / LINES_FILE
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="numpy") as stored:
                told = json.loads((stored.metadata() or {}).get("settings", "{}"))
            is_known = told.pop("format_version", None) == _FORMAT_VERSION and told.pop("features", 0) == list(FEATURES)
            if is_known:
                settings = LineSettings(**{name: _plain(value) for name, value in told.items()})
                return cls(settings, load_file(path))._tried()
        # The file's reader and the network raise what they like: for a reader of ours all of it means a broken file.
        except Exception as error:
            raise ModelError(
                f"The line model in {path} cannot be read ({error!r}): download it again, or train it again "
                "(docs/hindsight.md)."
            ) from error
        raise ModelError(f"The line model in {path} is of another version: train it again (docs/hindsight.md).")

    def predictor(self, evidence: Evidence, keep_rate: float) -> Callable[[IntArray], FloatArray]:
        """The denoiser as the sampler calls it: from states ``[M]`` to logits ``[M]``.

        The logits are relative to the logit above which lines are kept on average at the rate, as the logits of words
        are, so that lines and words share one budget.

        Args:
            evidence: Of M lines.
            keep_rate: The share of the tokens that is to stay.
        """
        context = self._context(evidence.features.astype(np.float32))
        above = self.settings.threshold(keep_rate)

        def predict(states: IntArray) -> FloatArray:
            return self._logits(context, states, novelty(evidence, states, keep_rate)) - above

        return predict

    def _tried(self) -> "LineModel":
        """The model after a try with a line, so that a weight that is missing is told when a model is loaded."""
        context = self._context(np.zeros((1, len(FEATURES)), dtype=np.float32))
        self._logits(context, np.array([UNDECIDED]), np.zeros((1, 5), dtype=np.float32))
        self.settings.threshold(0.5)
        return self

    def _context(self, features: FloatArray) -> FloatArray:
        """What does not depend on states: ``[M, F]`` to ``[M, W]``."""
        weights = self.weights
        standard = (features - weights["mean"]) / weights["deviation"]
        hidden = self._linear("input", np.clip(standard, -_FARTHEST, _FARTHEST))
        return self._blocks(hidden, 0, self.settings.static_blocks)

    def _logits(self, context: FloatArray, states: IntArray, told: FloatArray) -> FloatArray:
        hidden = context + self.weights["state.weight"][states] + self._linear("novelty", told)
        blocks = self.settings.static_blocks, self.settings.static_blocks + self.settings.step_blocks
        hidden = _normalised(self._blocks(hidden, *blocks), self.weights, "norm")
        return self._linear("out.2", np.maximum(self._linear("out.0", hidden), 0))[:, 0]

    def _blocks(self, hidden: FloatArray, first: int, last: int) -> FloatArray:
        """Runs blocks over pieces of a long text; each piece sees as much beside it as the blocks reach."""
        reach = (last - first) * (self.weights["blocks.0.mix.weight"].shape[-1] // 2)
        if len(hidden) <= _LINES_AT_ONCE:
            return self._run(hidden, first, last)
        result = np.empty_like(hidden)
        for start in range(0, len(hidden), _LINES_AT_ONCE):
            before = min(start, reach)
            piece = self._run(hidden[start - before : start + _LINES_AT_ONCE + reach], first, last)
            result[start : start + _LINES_AT_ONCE] = piece[before : before + _LINES_AT_ONCE]
        return result

    def _run(self, hidden: FloatArray, first: int, last: int) -> FloatArray:
        for number in range(first, last):
            name = f"blocks.{number}"
            mixed = hidden + _convolved(hidden, self.weights[f"{name}.mix.weight"], self.weights[f"{name}.mix.bias"])
            wide = np.maximum(self._linear(f"{name}.up", _normalised(mixed, self.weights, f"{name}.norm")), 0)
            hidden = hidden + self._linear(f"{name}.down", wide)
        return hidden

    def _linear(self, name: str, values: FloatArray) -> FloatArray:
        product: FloatArray = values @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]
        return product


def novelty(evidence: Evidence, states: IntArray, keep_rate: float) -> FloatArray:
    """What a state says of each line: ``[M, 5]``.

    The columns are the shares of the exact strings of each line that kept and that undecided lines hold too, how rare
    its strings are, the share of all tokens that is kept already, and the share that is to be kept.
    """
    terms, kept = evidence.terms, states == KEEP
    columns = np.empty((len(states), 5), dtype=np.float32)
    columns[:, 0] = terms.held_elsewhere(kept)
    columns[:, 1] = terms.held_elsewhere(states == UNDECIDED)
    columns[:, 2] = np.log1p(terms.weights) / _RARITY_SCALE
    columns[:, 3] = evidence.costs[kept].sum() / evidence.costs.sum()
    columns[:, 4] = np.log(keep_rate)
    return columns


def _convolved(hidden: FloatArray, kernel: FloatArray, bias: FloatArray) -> FloatArray:
    """Each channel convolved with a kernel of its own: ``[M, W]`` with ``[W, 1, K]``."""
    reach = kernel.shape[-1] // 2
    padded = np.pad(hidden, ((reach, reach), (0, 0)))
    result = np.tile(bias, (len(hidden), 1))
    for offset in range(kernel.shape[-1]):
        result += padded[offset : offset + len(hidden)] * kernel[:, 0, offset]
    return result


def _normalised(hidden: FloatArray, weights: Mapping[str, FloatArray], name: str) -> FloatArray:
    """Layer normalisation."""
    centred = hidden - hidden.mean(1, keepdims=True)
    deviation = np.sqrt((centred * centred).mean(1, keepdims=True) + 1e-5)
    normalised: FloatArray = centred / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"]
    return normalised


def metadata(settings: LineSettings) -> dict[str, str]:
    """What the file of a line model says of itself."""
    told: dict[str, Any] = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {"settings": json.dumps({**told, "format_version": _FORMAT_VERSION, "features": list(FEATURES)})}


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
