"""What is measured of ours: whole calls, a first one, the encoder alone, and units taken away one by one or at once."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np

from diffumask_core.compressor import Compressor
from diffumask_core.diffusion.sampler import Predict, sample_mask
from diffumask_core.diffusion.states import UNDECIDED
from diffumask_core.evaluation.baselines import remove_one_by_one
from diffumask_core.evaluation.labels import MANY_STEPS
from diffumask_core.model.inputs import WindowBatch
from diffumask_core.model.network import FloatArray, Network
from diffumask_core.model.pretrained import Runtime, load_pruner
from diffumask_core.model.pruner import Pruner, side_by_side
from diffumask_core.units.words import split_words

KEEP_RATE = 0.4

Run = Callable[[], Mapping[str, float]]
"""What is timed; it gives further figures about the call."""
Prepare = Callable[[Sequence[str]], Run]
"""From prompts to the call that compresses them."""


class Contestant(Protocol):
    """Something to measure. It is sent to a process of its own, which loads it once: a hashable, picklable value.

    Attributes:
        name: What the table calls it.
    """

    @property
    def name(self) -> str: ...

    def __hash__(self) -> int: ...

    def load(self) -> Prepare:
        """Loads the model.

        Raises:
            DiffuMaskError: It cannot run on this machine; the message says what to install.
        """
        ...


@dataclass(frozen=True)
class DiffuMask:
    """`Compressor.compress_batch` as users call it."""

    name: str
    model: str | None
    runtime: Runtime | None = None
    steps: int | None = None

    def load(self) -> Prepare:
        compressor = Compressor.from_pretrained(self.model, runtime=self.runtime)

        def prepare(prompts: Sequence[str]) -> Run:
            def run() -> Mapping[str, float]:
                results = compressor.compress_batch(prompts, keep_rate=KEEP_RATE, steps=self.steps)
                seconds = sum(sum(result.timings.values()) for result in results)
                encoder = sum(result.timings["encode"] for result in results)
                return {"outside_encoder": 1 - encoder / seconds}

            return run

        return prepare


_FIRST_CALL = """
import json, sys
from diffumask_core import Compressor
prompts, model, runtime, keep_rate = json.loads(sys.stdin.read())
Compressor.from_pretrained(model, runtime=runtime).compress_batch(prompts, keep_rate=keep_rate)
from diffumask_core.bench.measure import peak_memory
print(json.dumps(peak_memory()))
"""


@dataclass(frozen=True)
class ColdStart:
    """A fresh Python that imports the package, loads the model and compresses."""

    name: str
    model: str | None
    runtime: Runtime | None = None

    def load(self) -> Prepare:
        # Fails here where the fresh one would.
        load_pruner(self.model, runtime=self.runtime)

        def prepare(prompts: Sequence[str]) -> Run:
            given = json.dumps([prompts, self.model, self.runtime, KEEP_RATE])

            def run() -> Mapping[str, float]:
                command = [sys.executable, "-c", _FIRST_CALL]
                done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
                figures: dict[str, float] = json.loads(done.stdout)
                return figures

            return run

        return prepare


@dataclass(frozen=True)
class EncoderPass:
    """The encoder alone, over the windows that `DiffuMask` has it read."""

    name: str
    model: str | None

    def load(self) -> Prepare:
        pruner = load_pruner(self.model)

        def prepare(prompts: Sequence[str]) -> Run:
            recorder = _Recorder(pruner.network)
            compressor = Compressor(Pruner(cast(Network, recorder), pruner.tokenizer))
            compressor.compress_batch(prompts, keep_rate=KEEP_RATE)

            def run() -> Mapping[str, float]:
                for _ in side_by_side(pruner.network.encode, recorder.batches, pruner.network.workers):
                    pass
                return {}

            return run

        return prepare


@dataclass
class _Recorder:
    """A network that remembers what its encoder was given."""

    network: Network
    batches: list[WindowBatch] = field(default_factory=list)

    def encode(self, batch: WindowBatch) -> FloatArray:
        self.batches.append(batch)
        return self.network.encode(batch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)


@dataclass(frozen=True)
class Removal:
    """The denoiser after the encoder has run, to the same number of units.

    It takes away the unit that it is surest of, one at a time, or decides about all of them in parallel in
    `MANY_STEPS` steps.
    """

    name: str
    model: str | None
    sequential: bool

    def load(self) -> Prepare:
        pruner = load_pruner(self.model)
        remove = _one_at_a_time if self.sequential else _in_parallel

        def prepare(prompts: Sequence[str]) -> Run:
            encodings = []
            for prompt in prompts:
                offsets = split_words(prompt)
                encodings.append(pruner.encode(pruner.read(prompt, offsets, [(0, len(offsets))])))

            def run() -> Mapping[str, float]:
                tasks = [(pruner.predictor(encoding, KEEP_RATE), len(encoding.context)) for encoding in encodings]
                return {"calls": sum(remove(predict, units, int(KEEP_RATE * units)) for predict, units in tasks)}

            return run

        return prepare


def _one_at_a_time(predict: Predict, units: int, keep: int) -> int:
    """Gives the number of calls of the denoiser."""
    return len(remove_one_by_one(predict, np.arange(units), units, keep))


def _in_parallel(predict: Predict, units: int, keep: int) -> int:
    """Gives the number of calls of the denoiser."""
    return sample_mask(predict, np.ones(units), keep, np.full(units, UNDECIDED), steps=MANY_STEPS).steps
