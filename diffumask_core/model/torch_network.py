"""The network on torch: for GPUs, for training, and for encoders that have not been exported."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers.utils import logging as transformers_logging

from diffumask_core.errors import ModelError
from diffumask_core.model.cache import cache_key
from diffumask_core.model.inputs import WindowBatch, WordBatch
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.settings import Settings

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


class TorchNetwork:
    """Runs a `DiffuMaskModel`; see `network.Network`. Torch itself keeps all cores busy with one batch."""

    workers = 1
    tokens_at_once = 1536

    def __init__(self, model: DiffuMaskModel) -> None:
        self.model = model
        self.settings = Settings.of(model.config.to_dict(), "this model")
        self.width = int(model.encoder.config.hidden_size)
        self.context_width = model.config.denoiser_width + 2
        self.compares = self.settings.comparer_layers > 0

    @classmethod
    def load(cls, folder: Path, device: str, threads: int | None = None) -> "TorchNetwork":
        """Loads a pretrained folder.

        Args:
            folder: The folder.
            device: Where to run it.
            threads: How many threads compute at once on the CPU, of this and any other use of torch in the process.

        Raises:
            ModelError: The weights do not fit the configuration.
        """
        shows_progress = transformers_logging.is_progress_bar_enabled()
        transformers_logging.disable_progress_bar()
        try:
            loaded: Any = DiffuMaskModel.from_pretrained(folder, dtype="float32", output_loading_info=True)
        finally:
            if shows_progress:
                transformers_logging.enable_progress_bar()
        model: DiffuMaskModel
        model, loading = loaded
        if loading["missing_keys"] or loading["mismatched_keys"]:
            wrong = sorted(map(str, [*loading["missing_keys"], *loading["mismatched_keys"]]))[:3]
            raise ModelError(f"The weights in {folder} do not fit its config.json ({', '.join(wrong)}, ...).")
        if threads is not None:
            torch.set_num_threads(threads)
        model.to(torch.device(device))  # type: ignore[arg-type]  # transformers wraps it without its types
        return cls(model.train(False))

    @cached_property
    def fingerprint(self) -> bytes:
        weights = (value.float().cpu().numpy().tobytes() for value in self.model.state_dict().values())
        return cache_key(b"torch", str(self.model.device).encode(), *weights)

    @torch.inference_mode()
    def encode(self, batch: WindowBatch) -> FloatArray:
        with self._fastest():
            return _array(self.model.read(*self._tensors(batch.input_ids, batch.attention_mask)))

    @torch.inference_mode()
    def consider(self, batch: WordBatch) -> FloatArray:
        with self._fastest():
            return _array(self.model.upper(*self._tensors(batch.vectors, batch.roles, batch.mask)))

    @torch.inference_mode()
    def compare(self, batch: WordBatch) -> FloatArray:
        with self._fastest():
            return _array(self.model.compare(*self._tensors(batch.vectors, batch.roles, batch.mask)))

    @torch.inference_mode()
    def contextualise(self, hidden: FloatArray, shapes: FloatArray) -> FloatArray:
        return _array(self.model.contextualise(*self._tensors(hidden[None], shapes[None]))[0])

    @torch.inference_mode()
    def denoise(
        self, context: FloatArray, states: IntArray, noise: float, keep_rate: float, of_twins: FloatArray
    ) -> FloatArray:
        vectors, now, twins = self._tensors(context[None], states[None], of_twins[None])
        level, rate = (torch.full((1, 1), value, device=self.model.device) for value in (noise, keep_rate))
        mask = torch.ones(now.shape, device=self.model.device)
        return _array(self.model.denoiser.score(vectors, now, level, rate, twins, mask)[0])

    def _tensors(self, *arrays: npt.NDArray[np.generic]) -> list[Tensor]:
        return [torch.from_numpy(array).to(self.model.device) for array in arrays]

    def _fastest(self) -> torch.autocast:
        """Bfloat16 where the hardware has it: half the time there, and slower elsewhere."""
        device = self.model.device.type
        if device == "cpu":
            fast = bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
        else:
            fast = device == "cuda" and torch.cuda.is_bf16_supported()
        return torch.autocast(device, torch.bfloat16, enabled=fast)


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.float().cpu().numpy()
    return array
