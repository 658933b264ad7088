"""The pruner: the network with its tokenizer, from a text's units to scores, without a budget or a decision."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from diffumask_core.diffusion.sampler import Predict
from diffumask_core.diffusion.states import KEEP, UNDECIDED
from diffumask_core.errors import ModelError
from diffumask_core.lines.model import LineModel
from diffumask_core.model.blocks import BlockTotals
from diffumask_core.model.cache import EncodingCache, cache_key
from diffumask_core.model.inputs import (
    SPECIAL_TOKENS,
    Frame,
    UnitInputs,
    Window,
    batch_windows,
    describe_units,
    query_tokens,
    windows_of,
)
from diffumask_core.model.network import Network
from diffumask_core.model.pooling import mean_of_runs, runs_of
from diffumask_core.prompt.spans import Span
from diffumask_core.units.words import split_words

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Of a long text about so many are read, and so many denoised, at once.
_UNITS_AT_ONCE = 8192
# Windows are padded to multiples of so many tokens.
_LENGTHS = 16
_NONE: IntArray = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Encoding:
    """What the encoder made of a text of N units in G blocks.

    Attributes:
        units: The units as they were read.
        query: Token ids of the query; none where there is none.
        context: ``[N, W + 2]``, what the denoiser is given at each step.
        vectors: ``[G, D]``, the mean of the vectors of each block's units.
        utilities: ``[G]``, what the shot head says of each block; zeros without a query.
    """

    units: UnitInputs
    query: IntArray
    context: FloatArray
    vectors: FloatArray
    utilities: FloatArray

    def of_shots(self, values: FloatArray, shot_of_unit: IntArray, shots: int) -> FloatArray:
        """Takes the values of shots from those of blocks, ``[G, ...]`` to ``[S, ...]``; zeros for a shot without units.

        Args:
            values: A row a block.
            shot_of_unit: ``[N]``, -1 for units outside shots. Each shot is a block.
            shots: S.
        """
        numbers, first = np.unique(shot_of_unit, return_index=True)
        block = np.searchsorted(self.units.block_starts, first, side="right") - 1
        rows: FloatArray = np.zeros((shots, *values.shape[1:]), dtype=np.float32)
        rows[numbers[numbers >= 0]] = values[block[numbers >= 0]]
        return rows


_Batch = tuple[int, list[int]]
"""A padded length, and the windows of it that are read together."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_Read = Callable[[UnitInputs, Sequence[Window], IntArray, int], list[FloatArray]]


class Pruner:
    """Runs the encoder once and the denoiser as often as asked."""

    def __init__(
        self,
        network: Network,
        tokenizer: Tokenizer,
        cache: EncodingCache | None = None,
        lines: LineModel | None = None,
    ) -> None:
        """Puts them together.

        Args:
            network: Of whichever runtime.
            tokenizer: Of its encoder.
            cache: Where windows that have been read are kept, if anywhere.
            lines: What decides lines of tools' results; without it the network decides them too.
        """
        self.network = network
        self.tokenizer = tokenizer
        self.cache = cache
        self.lines = lines
        self.frame = Frame.of(tokenizer)

    def encode(self, text: str, offsets: IntArray, blocks: Sequence[Span], query: str = "") -> Encoding:
        """Encodes units ``[N, 2]`` of a text, N > 0.

        Args:
            text: The text.
            offsets: Its units.
            blocks: Ranges of units that cover them all in order; a block that fits is read in one window.
            query: What the text is read for.
        """
        settings = self.network.settings
        units = describe_units(text, offsets, self.tokenizer, blocks)
        asked = query_tokens(query, self.tokenizer, settings.query_tokens)
        windows = windows_of(units, blocks, asked, settings)
        totals = BlockTotals(self.network, units, len(asked) > 0)
        context = np.empty((len(offsets), self.network.context_width), dtype=np.float32)
        for portion in _portions(windows):
            start, end = portion[0].core_start, portion[-1].core_end
            hidden = np.empty((end - start, self.network.width), dtype=np.float32)
            for number, vectors in self._once("unit vectors", units, portion, asked, self._read_windows):
                hidden[portion[number].core_start - start : portion[number].core_end - start] = vectors
            context[start:end] = self.network.contextualise(hidden, units.shapes[start:end])
            totals.add(start, hidden)
        return Encoding(units, asked, context, totals.vectors(), totals.utilities())

    def _once(
        self, what: str, units: UnitInputs, windows: Sequence[Window], query: IntArray, read: _Read
    ) -> Iterator[tuple[int, FloatArray]]:
        """Runs windows that are not in the cache; gives each window's number with its result, in any order.

        Args:
            what: What is computed, for the key.
            units: What the windows are of.
            windows: Any number of windows.
            query: Token ids of the query that is put before each; none for none.
            read: From units, windows, query and padded length to an array for each window.
        """
        if self.cache is None:
            yield from self._by_length(units, windows, query, read)
            return
        keys = [self._key(what, units, window, query) for window in windows]
        new: list[int] = []
        for number, key in enumerate(keys):
            if (found := self.cache.get(key, self.network.width)) is None:
                new.append(number)
            else:
                yield number, found
        for place, vectors in self._by_length(units, [windows[number] for number in new], query, read):
            self.cache.put(keys[new[place]], vectors)
            yield new[place], vectors

    def _by_length(
        self, units: UnitInputs, windows: Sequence[Window], query: IntArray, read: _Read
    ) -> Iterator[tuple[int, FloatArray]]:
        """Runs windows in batches of one padded length; gives each window's number with its result.

        The length depends on a window alone: what else is run, or is in the cache already, cannot change its vectors
        by a rounding error.
        """
        of_length: dict[int, list[int]] = {}
        for number, window in enumerate(windows):
            tokens = units.first_token[window.end] - units.first_token[window.start] + len(query) + SPECIAL_TOKENS
            of_length.setdefault(math.ceil(tokens / _LENGTHS) * _LENGTHS, []).append(number)
        total = sum(length * len(members) for length, members in of_length.items())
        at_once = min(self.network.tokens_at_once, total // self.network.workers)
        batches: list[_Batch] = []
        for length, members in of_length.items():
            parts = math.ceil(len(members) / max(at_once // length, 1))
            # All of about the same size, so that the workers are done at about the same time.
            batches += [(length, members[part::parts]) for part in range(parts)]
        # The last ones to be done are small, so that no worker waits long for another.
        batches.sort(key=lambda batch: batch[0] * len(batch[1]), reverse=True)

        def run(batch: _Batch) -> list[FloatArray]:
            length, members = batch
            return read(units, [windows[member] for member in members], query, length)

        for (_, members), vectors in zip(batches, side_by_side(run, batches, self.network.workers), strict=True):
            yield from zip(members, vectors, strict=True)

    def _key(self, what: str, units: UnitInputs, window: Window, query: IntArray) -> bytes:
        first = units.first_token[window.start : window.end + 1]
        core = np.array([window.core_start - window.start, window.core_end - window.start])
        arrays = (query, units.tokens[first[0] : first[-1]], first - first[0], core)
        return cache_key(self.network.fingerprint, what.encode(), *(array.tobytes() for array in arrays))

    def _read_windows(
        self, units: UnitInputs, windows: Sequence[Window], query: IntArray, length: int
    ) -> list[FloatArray]:
        """The vectors of the units of each window's core: the means over their tokens."""
        batch = batch_windows([(units, window, query) for window in windows], self.frame, length)
        hidden = self.network.encode(batch)
        vectors = []
        for row, window in enumerate(windows):
            tokens = hidden[row, batch.unit_of_token[row] >= 0]
            starts = units.first_token[window.core_start : window.core_end + 1] - units.first_token[window.start]
            vectors.append(mean_of_runs(tokens, starts))
        return vectors

    def predictor(self, encoding: Encoding, keep_rate: float) -> Predict:
        """The denoiser as the sampler calls it, at one keep rate for the whole text.

        It gives logits for the undecided units, or for all where nothing is undecided, and zeros for the others. Only
        what the denoiser sees from there is read, and of a long text a piece after the other: the logits are the same.
        """
        twins, reach = encoding.units.twins, self.network.settings.denoiser_reach

        def predict(states: IntArray, noise: float) -> FloatArray:
            undecided = states == UNDECIDED
            asked = undecided if undecided.any() else np.ones_like(undecided)
            of_twins = np.stack([_of_twins(flag, twins) for flag in (states == KEEP, undecided)], 1)
            seen = np.flatnonzero(_near(asked, reach))
            logits = np.zeros(len(states), dtype=np.float32)
            for start in range(0, len(seen), _UNITS_AT_ONCE):
                before = min(start, reach)
                piece = seen[start - before : start + _UNITS_AT_ONCE + reach]
                scores = self.network.denoise(encoding.context[piece], states[piece], noise, keep_rate, of_twins[piece])
                inner = slice(before, before + _UNITS_AT_ONCE)
                logits[piece[inner]] = scores[inner]
            return np.where(asked, logits, 0)

        return predict

    def shot_scores(self, encoding: Encoding, shot_of_unit: IntArray, shots: int) -> FloatArray:
        """The utility of each shot for the query that the text was encoded with: ``[S]``.

        Args:
            encoding: Of N units.
            shot_of_unit: ``[N]``, -1 for units outside shots. Each shot is a block.
            shots: S.
        """
        settings = self.network.settings
        scores = settings.evidence_weight * encoding.of_shots(encoding.utilities, shot_of_unit, shots)
        if self.network.compares and len(encoding.query):
            scores = scores + settings.relevance_weight * self._shot_cosines(encoding, shot_of_unit, shots)
        return scores

    def _shot_cosines(self, encoding: Encoding, shot_of_unit: IntArray, shots: int) -> FloatArray:
        """The cosine between the query and each shot: ``[S]``."""
        units = encoding.units
        inside, starts = runs_of(shot_of_unit, shots)
        texts = [_NONE] * shots
        # A shot has no words here where all of it is decided by the line model.
        for shot in np.flatnonzero(np.diff(starts)).tolist():
            first, last = inside[starts[shot]], inside[starts[shot + 1] - 1]
            texts[shot] = units.tokens[units.first_token[first] : units.first_token[last + 1]]
        vectors = self._embed([*texts, encoding.query])
        nearness: FloatArray = vectors[:-1] @ vectors[-1]
        return nearness

    def _embed(self, texts: Sequence[IntArray]) -> FloatArray:
        """Vectors of unit length of token ids ``[T, D]``, zeros where there are none."""
        filled = [number for number, tokens in enumerate(texts) if len(tokens)]
        vectors = np.zeros((len(texts), self.network.width), dtype=np.float32)
        if filled:
            read = [texts[number][: self.network.settings.relevance_tokens] for number in filled]
            for number, vector in self._once("text vector", *_as_units(read), _NONE, self._embed_windows):
                vectors[filled[number]] = vector
        return vectors

    def _embed_windows(
        self, units: UnitInputs, windows: Sequence[Window], query: IntArray, length: int
    ) -> list[FloatArray]:
        batch = batch_windows([(units, window, query) for window in windows], self.frame, length)
        return list(self.network.embed(batch))

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Vectors of unit length whose inner products tell how near texts are to each other: ``[T, D]``.

        A text without a word has zeros.

        Raises:
            ModelError: The model has no sentence encoder.
        """
        if not self.network.compares:
            raise ModelError("This model has no sentence encoder to compare texts with: use the bundled one.")
        return self._embed([describe_units(text, split_words(text), self.tokenizer).tokens for text in texts])

    @property
    def compares(self) -> bool:
        """Whether the model has a sentence encoder to compare texts with."""
        return self.network.compares

    def nearness(self, texts: Sequence[str], query: str) -> FloatArray:
        """How near texts are to a query, ``[T]``, on the scale of utilities."""
        vectors = self.embed([*texts, query])
        nearness: FloatArray = self.network.settings.relevance_weight * (vectors[:-1] @ vectors[-1])
        return nearness

    def shot_vectors(self, encoding: Encoding, shot_of_unit: IntArray, shots: int) -> FloatArray:
        """The mean of each shot's unit vectors ``[S, D]``."""
        return encoding.of_shots(encoding.vectors, shot_of_unit, shots)


def side_by_side(run: Callable[[_Item], _Result], items: Sequence[_Item], workers: int) -> Iterator[_Result]:
    """Runs items, as many at the same time as there are workers; gives the results in the items' order."""
    if min(workers, len(items)) <= 1:
        yield from map(run, items)
        return
    with ThreadPoolExecutor(min(workers, len(items))) as pool:
        yield from pool.map(run, items)


def _of_twins(flag: BoolArray, twins: IntArray) -> FloatArray:
    """Whether another unit of the same word has the flag ``[N]``, as `modeling.Denoiser` learnt it."""
    counts = np.bincount(twins, weights=flag)
    others: FloatArray = np.minimum(counts[twins] - flag, 1).astype(np.float32)
    return others


def _near(units: BoolArray, reach: int) -> BoolArray:
    """The units ``[N]`` that are no further from one of these than the reach."""
    before, place = np.concatenate([[0], np.cumsum(units)]), np.arange(len(units))
    near: BoolArray = before[np.minimum(place + reach + 1, len(units))] > before[np.maximum(place - reach, 0)]
    return near


def _as_units(texts: Sequence[IntArray]) -> tuple[UnitInputs, list[Window]]:
    """Texts of token ids as a unit each, to be read in a window each."""
    numbers = np.arange(len(texts))
    first_token = np.cumsum([0, *map(len, texts)])
    shapes, words = np.zeros((len(texts), 0), dtype=np.float32), np.ones(len(texts), dtype=bool)
    units = UnitInputs(np.concatenate(texts), first_token, shapes, numbers, words, numbers)
    return units, [Window(number, number + 1, number, number + 1) for number in numbers.tolist()]


def _portions(windows: Sequence[Window]) -> Iterator[Sequence[Window]]:
    """Consecutive windows of some `_UNITS_AT_ONCE` units, so that the vectors of a long text are never all held."""
    start = 0
    for number, window in enumerate(windows):
        if window.core_end - windows[start].core_start >= _UNITS_AT_ONCE or number == len(windows) - 1:
            yield windows[start : number + 1]
            start = number + 1
