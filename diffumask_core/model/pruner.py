"""The pruner: the network with its tokenizer, from a text's units to scores, without a budget or a decision."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor

from diffumask_core.diffusion.sampler import Predict
from diffumask_core.model.inputs import (
    Frame,
    UnitInputs,
    Window,
    batch_windows,
    describe_units,
    query_tokens,
    windows_of,
)
from diffumask_core.model.modeling import DiffuMaskModel, pool_tokens
from diffumask_core.prompt.layout import Span

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

# Windows of one text of like length run together up to so many tokens, whatever else is compressed beside it: that
# keeps memory flat on long texts and the results the same alone and in a batch.
_TOKENS_AT_ONCE = 3072


@dataclass(frozen=True)
class Encoding:
    """What the encoder made of a text of N units, on the model's device.

    Attributes:
        hidden: ``[N, D]``.
        context: ``[1, N, W + 2]``.
        twins: ``[1, N]``.
        units: The units as they were read.
        query: Token ids of the query; none where there is none.
    """

    hidden: Tensor
    context: Tensor
    twins: Tensor
    units: UnitInputs
    query: IntArray


class Pruner:
    """Runs the encoder once and the denoiser as often as asked."""

    def __init__(self, model: DiffuMaskModel, tokenizer: Tokenizer) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.frame = Frame.of(tokenizer)

    @property
    def _device(self) -> torch.device:
        return self.model.device

    @torch.inference_mode()
    def encode(self, text: str, offsets: IntArray, blocks: Sequence[Span], query: str = "") -> Encoding:
        """Encodes units ``[N, 2]`` of a text, N > 0.

        Args:
            text: The text.
            offsets: Its units.
            blocks: Ranges of units that cover them all in order; a block that fits is read in one window.
            query: What the text is read for.
        """
        units = describe_units(text, offsets, self.tokenizer, blocks)
        asked = query_tokens(query, self.tokenizer, self.model.config.query_tokens)
        windows = windows_of(units, blocks, asked, self.model.config)
        hidden = torch.cat(
            _by_length(units, windows, lambda group: self._encode_windows(units, group, asked), len(asked))
        )
        context = self.model.contextualise(hidden[None], torch.from_numpy(units.shapes).to(self._device)[None])
        return Encoding(hidden, context, torch.from_numpy(units.twins).to(self._device)[None], units, asked)

    def _encode_windows(self, units: UnitInputs, windows: Sequence[Window], query: IntArray) -> list[Tensor]:
        batch = batch_windows([(units, window, query) for window in windows], self.frame)
        most = max(window.end - window.start for window in windows)
        ids, types, attention, owners = self._tensors(
            batch.input_ids, batch.token_types, batch.attention_mask, batch.unit_of_token
        )
        with self._fastest():
            hidden = self.model.encode(ids, types, attention, owners, most)
        return [
            hidden[row, window.core_start - window.start : window.core_end - window.start].float()
            for row, window in enumerate(windows)
        ]

    @torch.inference_mode()
    def logits(self, encoding: Encoding, states: IntArray, noise: float, keep_rate: FloatArray) -> FloatArray:
        """One step of the denoiser.

        Args:
            encoding: Of N units.
            states: ``[N]``.
            noise: The share of units that are undecided.
            keep_rate: ``[N]`` or ``[1]``, the share of units to keep around each unit.

        Returns:
            ``[N]``, the logit of "keep".
        """
        count = encoding.twins.shape[1]
        logits = self.model.denoiser(
            encoding.context,
            torch.from_numpy(states).to(self._device)[None],
            torch.full((1, 1), noise, device=self._device),
            torch.from_numpy(keep_rate).to(self._device)[None],
            encoding.twins,
            torch.ones(1, count, device=self._device),
        )
        result: FloatArray = logits[0].float().cpu().numpy()
        return result

    def predictor(self, encoding: Encoding, keep_rate: float) -> Predict:
        """The denoiser as the sampler calls it, at one keep rate for the whole text."""
        rate = np.array([keep_rate], dtype=np.float32)
        return lambda states, noise: self.logits(encoding, states, noise, rate)

    @torch.inference_mode()
    def shot_scores(self, encoding: Encoding, shot_of_unit: IntArray, shots: int) -> FloatArray:
        """The utility of each shot for the query that the text was encoded with: ``[S]``.

        Args:
            encoding: Of N units.
            shot_of_unit: ``[N]``, -1 for units outside shots.
            shots: S.
        """
        owners = torch.from_numpy(shot_of_unit).to(self._device)[None]
        evidence = self.model.shot_head(encoding.hidden[None], owners, shots)[0]
        scores: FloatArray = self.model.config.evidence_weight * evidence.float().cpu().numpy()
        if self.model.relevance is not None and len(encoding.query):
            scores = scores + self.model.config.relevance_weight * self._nearness(encoding, shot_of_unit, shots)
        return scores

    def _nearness(self, encoding: Encoding, shot_of_unit: IntArray, shots: int) -> FloatArray:
        """The cosine between the query and each shot: ``[S]``."""
        units, most = encoding.units, self.model.config.relevance_tokens
        in_shots = np.flatnonzero(shot_of_unit >= 0)
        first = in_shots[np.searchsorted(shot_of_unit[in_shots], np.arange(shots))]
        last = in_shots[np.searchsorted(shot_of_unit[in_shots], np.arange(shots), side="right") - 1] + 1
        read = np.searchsorted(units.first_token, units.first_token[first] + most, side="right") - 1
        windows = [
            Window(start, end, start, end)
            for start, end in zip(first.tolist(), np.minimum(last, np.maximum(read, first + 1)).tolist(), strict=True)
        ]
        [asked] = self._embed(_whole(encoding.query), [Window(0, 1, 0, 1)])
        vectors = torch.stack(_by_length(units, windows, lambda group: self._embed(units, group)))
        nearness: FloatArray = (vectors @ asked).cpu().numpy()
        return nearness

    def _embed(self, units: UnitInputs, windows: Sequence[Window]) -> list[Tensor]:
        none = np.zeros(0, dtype=np.int64)
        batch = batch_windows([(units, window, none) for window in windows], self.frame)
        with self._fastest():
            return list(self.model.embed(*self._tensors(batch.input_ids, batch.attention_mask)).float())

    def _tensors(self, *arrays: IntArray) -> Iterator[Tensor]:
        return (torch.from_numpy(array).to(self._device) for array in arrays)

    def _fastest(self) -> torch.autocast:
        """Bfloat16 where the hardware has it: half the time there, and slower elsewhere."""
        device = self._device.type
        if device == "cpu":
            fast = bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
        else:
            fast = device == "cuda" and torch.cuda.is_bf16_supported()
        return torch.autocast(device, torch.bfloat16, enabled=fast)

    def shot_vectors(self, encoding: Encoding, shot_of_unit: IntArray, shots: int) -> FloatArray:
        """The mean of each shot's unit vectors ``[S, D]``."""
        owners = torch.from_numpy(np.where(shot_of_unit < 0, shots, shot_of_unit)).to(self._device)
        vectors: FloatArray = pool_tokens(encoding.hidden[None], owners[None], shots + 1)[0, :shots].cpu().numpy()
        return vectors


def _by_length(
    units: UnitInputs, windows: Sequence[Window], run: Callable[[list[Window]], list[Tensor]], beside: int = 0
) -> list[Tensor]:
    """Runs windows in groups of like length, so that little is padded; gives the results in the windows' order.

    Args:
        units: What the windows are of.
        windows: Any number of windows.
        run: From some windows to a tensor for each.
        beside: Further tokens in each window.
    """
    lengths = [int(units.first_token[window.end] - units.first_token[window.start]) + beside for window in windows]
    results: dict[int, Tensor] = {}
    group: list[int] = []
    for number in sorted(range(len(windows)), key=lengths.__getitem__):
        if group and (len(group) + 1) * lengths[number] > _TOKENS_AT_ONCE:
            results |= zip(group, run([windows[member] for member in group]), strict=True)
            group = []
        group.append(number)
    results |= zip(group, run([windows[member] for member in group]), strict=True)
    return [results[number] for number in range(len(windows))]


def _whole(tokens: IntArray) -> UnitInputs:
    """Tokens as a single unit, to be read as a window of their own."""
    nothing = np.zeros(0, dtype=np.float32)
    return UnitInputs(tokens, np.array([0, len(tokens)]), nothing, np.zeros(1, dtype=np.int64), np.ones(1, dtype=bool))
