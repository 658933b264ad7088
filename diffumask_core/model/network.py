"""The network as the pruner runs it: numpy in, numpy out, whatever computes in between."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from diffumask_core.model.inputs import WindowBatch, WordBatch
from diffumask_core.model.settings import Settings

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


class Network(Protocol):
    """What is computed, by `onnx_network` or `torch_network`.

    Shapes: B windows or texts, L tokens, U units of a window, N units of a text, S shots, D encoder width, W denoiser
    width.

    Attributes:
        settings: How the model reads a text.
        width: D.
        context_width: W + 2, of what the denoiser is given of a unit.
        compares: Whether there is a comparer, which tells how near texts are to a query.
        workers: How many batches of windows are best run at the same time, each in a thread of its own.
        tokens_at_once: The padded tokens of a batch that are read fastest.
        fingerprint: Of the weights and the runtime: what two networks with the same compute is the same.
    """

    settings: Settings
    width: int
    context_width: int
    compares: bool
    workers: int
    tokens_at_once: int

    @property
    def fingerprint(self) -> bytes: ...

    def encode(self, batch: WindowBatch) -> FloatArray:
        """Runs the trunk over windows: the vectors of tokens ``[B, L, D]``."""
        ...

    def consider(self, batch: WordBatch) -> FloatArray:
        """Runs the upper layers over words, of texts and of their queries: ``[B, U, D]``."""
        ...

    def compare(self, batch: WordBatch) -> FloatArray:
        """Runs the comparer over the words of texts: vectors of unit length ``[B, U, D]``."""
        ...

    def contextualise(self, hidden: FloatArray, shapes: FloatArray) -> FloatArray:
        """The denoiser's context ``[N, W + 2]`` from ``[N, D]`` and shape features ``[N, F]``."""
        ...

    def denoise(
        self, context: FloatArray, states: IntArray, noise: float, keep_rate: float, of_twins: FloatArray
    ) -> FloatArray:
        """One step of the denoiser: the logit of "keep" of each unit ``[N]``; see `modeling.Denoiser.score`."""
        ...
