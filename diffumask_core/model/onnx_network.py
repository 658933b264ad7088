"""The network on ONNX Runtime: the default on a CPU, in 8-bit integers and without torch.

The graphs lie beside the weights, in ``onnx/``; `export` makes them. Every row of a batch is computed by itself, so a
window's vectors do not depend on what runs beside it.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from diffumask_core.errors import ModelError
from diffumask_core.model.cache import cache_key
from diffumask_core.model.inputs import WindowBatch, WordBatch
from diffumask_core.model.settings import Settings
from diffumask_core.model.weights import LARGEST, SMOOTHING, WEIGHTS_FILE, Weights, read_weights, smoothing_key

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

GRAPHS = "onnx"
"""The folder of the graphs in that of the model."""
LARGEST_PRODUCT = "largest_product.onnx"
"""The graph that shows whether sums of products in 8 bits are cut off at 16 bits on this processor."""
# The weights of each graph, by the beginnings of their names.
_WEIGHTS = {
    "encoder": ("encoder.",),
    "context": ("shape.", "norm.", "project.", "marginals."),
    "denoiser": ("denoiser.",),
    "upper": ("upper.",),
    "comparer": ("comparer.", "middle"),
}


class OnnxNetwork:
    """Runs the graphs of a model with its weights; see `network.Network`. Many threads may use one.

    The encoders compute in the thread that calls them. Several batches side by side, each small enough for a core's
    cache, take a fifth less time than one after the other with all cores on each.
    """

    tokens_at_once = 384

    def __init__(self, folder: Path, settings: Settings, threads: int | None = None) -> None:
        """Makes the sessions.

        Args:
            folder: The model's folder, with the weights and the folder of the graphs.
            settings: How the model reads a text.
            threads: How many threads compute at once; by default one for each core.

        Raises:
            ModelError: The graphs were made for other weights.
        """
        self.settings = settings
        self.workers = threads or _cores()
        # Another process, which unpickles a network, may have another working directory.
        self._folder, self._threads = folder.absolute(), threads
        graphs, weights = folder / GRAPHS, read_weights(folder / WEIGHTS_FILE)
        self.compares = settings.comparer_layers > 0
        cuts_off = _cuts_off(graphs / LARGEST_PRODUCT)
        self._sessions = {
            name: _Session(
                graphs / f"{name}.onnx",
                weights,
                prefixes,
                threads=1 if name in ("encoder", "upper", "comparer") else self.workers,
                cuts_off=cuts_off,
            )
            for name, prefixes in _WEIGHTS.items()
            if name != "comparer" or self.compares
        }
        made_for = {session.smoothing_key for session in self._sessions.values()}
        if made_for != {smoothing_key(weights)}:
            raise ModelError(
                f"The graphs in {graphs} were made for other weights than are beside them: make them again with "
                "diffumask_core.model.export.export_folder."
            )
        self.width, self.context_width = (self._sessions[name].width for name in ("encoder", "context"))

    def __reduce__(self) -> tuple[Any, ...]:
        # Sessions cannot be pickled: whoever unpickles a network loads the folder again.
        return OnnxNetwork, (self._folder, self.settings, self._threads)

    @cached_property
    def fingerprint(self) -> bytes:
        files = [self._folder / WEIGHTS_FILE, *sorted((self._folder / GRAPHS).glob("*.onnx"))]
        return cache_key(b"onnx", *(file.read_bytes() for file in files))

    def encode(self, batch: WindowBatch) -> FloatArray:
        return self._sessions["encoder"].run(input_ids=batch.input_ids, attention_mask=batch.attention_mask)

    def consider(self, batch: WordBatch) -> FloatArray:
        return self._sessions["upper"].run(vectors=batch.vectors, roles=batch.roles, mask=batch.mask)

    def compare(self, batch: WordBatch) -> FloatArray:
        return self._sessions["comparer"].run(vectors=batch.vectors, roles=batch.roles, mask=batch.mask)

    def contextualise(self, hidden: FloatArray, shapes: FloatArray) -> FloatArray:
        return self._sessions["context"].run(hidden=hidden, shapes=shapes)

    def denoise(
        self, context: FloatArray, states: IntArray, noise: float, keep_rate: float, of_twins: FloatArray
    ) -> FloatArray:
        return self._sessions["denoiser"].run(
            context=context,
            states=states,
            noise=np.array([noise], dtype=np.float32),
            keep_rate=np.array([keep_rate], dtype=np.float32),
            of_twins=of_twins,
        )


def _cores() -> int:
    """The cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def _cuts_off(graph: Path) -> bool:
    """Whether this processor's products in 8 bits are wrong where they are large: x86 ones without VNNI."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph.read_bytes(), options, providers=["CPUExecutionProvider"])
    numbers = np.full(session.get_inputs()[0].shape, 255, dtype=np.uint8)
    return bool((session.run(None, {"numbers": numbers})[0] != numbers.size * 255 * LARGEST).any())


class _Session:
    """A graph with its weights, ready to run."""

    def __init__(
        self, graph: Path, weights: Weights, prefixes: tuple[str, ...], *, threads: int, cuts_off: bool
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        if cuts_off:
            # Other products, which are slower and exact.
            options.add_session_config_entry("session.x64quantprecision", "1")
        options.log_severity_level = 3
        # Plans are kept for every new length of a batch, and save no time.
        options.enable_mem_pattern = False
        # Within a run freed memory is used again, since new pages from the system take time; after it, all goes back.
        self._run_options = onnxruntime.RunOptions()
        self._run_options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        # Threads that wait for work sleep: an application has other things to do on these cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # The graphs themselves have the factors for smoothing.
        names = [name for name in weights if name.startswith(prefixes) and not name.endswith(SMOOTHING)]
        # ONNX Runtime reads them where they lie, so they are kept as long as the session.
        self._weights = [
            weight if weight.dtype in (np.int8, np.uint8) else weight.astype(np.float32)
            for weight in map(weights.__getitem__, names)
        ]
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(weight) for weight in self._weights]
        options.add_external_initializers(names, values)
        # Its fused GELU with a bias takes three times as long as the addition and a GELU after it.
        self._session = onnxruntime.InferenceSession(
            graph.read_bytes(),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["BiasGeluFusion"],
        )

    @property
    def smoothing_key(self) -> str:
        return str(self._session.get_modelmeta().custom_metadata_map.get(SMOOTHING))

    @property
    def width(self) -> int:
        return int(self._session.get_outputs()[0].shape[-1])

    def run(self, **inputs: npt.NDArray[np.generic]) -> FloatArray:
        output: FloatArray = self._session.run(None, inputs, self._run_options)[0]
        return output
