"""The pruner: the network with its tokenizer, from a text's units to scores, without a budget or a decision."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from diffumask_core.diffusion.sampler import Predict
from diffumask_core.diffusion.states import KEEP, UNDECIDED
from diffumask_core.errors import ModelError
from diffumask_core.lines.model import LineModel
from diffumask_core.model.cache import EncodingCache, cache_key
from diffumask_core.model.inputs import (
    SPECIAL_TOKENS,
    Frame,
    UnitInputs,
    Window,
    batch_windows,
    batch_words,
    describe_units,
    query_words,
    windows_of,
)
from diffumask_core.model.network import Network
from diffumask_core.model.pooling import mean_of_runs
from diffumask_core.prompt.spans import Span
from diffumask_core.units.words import split_words

FloatArray = npt.NDArray[np.float32]
HalfArray = npt.NDArray[np.float16]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Of a long text about so many are denoised at once.
_UNITS_AT_ONCE = 8192
# Rows of a batch are padded to multiples of so many tokens or words.
_LENGTHS = 16


@dataclass(frozen=True)
class ReadText:
    """What the trunk has read of a text of N units, for one query.

    Attributes:
        units: The units as they were read.
        windows: The windows in which they were.
        vectors: ``[N, D]``, the trunk's of the units.
        special: For each window the trunk's vectors of its special tokens ``[_, D]``: attention rests on them where
            nothing else is of interest, so all that reads words is given them too.
        query: ``[Q, D]``, the trunk's of the query's special tokens and words; none where there is no query.
        considered: What the upper layers have made of windows so far, by their numbers.
    """

    units: UnitInputs
    windows: Sequence[Window]
    vectors: HalfArray
    special: Sequence[HalfArray]
    query: HalfArray
    considered: dict[int, FloatArray] = field(default_factory=dict)

    def of_window(self, number: int) -> HalfArray:
        """The vectors of the special tokens and of the units of a window."""
        window = self.windows[number]
        return np.concatenate([self.special[number], self.vectors[window.start : window.end]])

    def of_part(self, first: int, last: int) -> HalfArray:
        """The vectors of a range of units, after those of the special tokens of the window that it begins in.

        None where the range is empty.
        """
        if first == last:
            return self.vectors[:0]
        starts = [window.core_start for window in self.windows]
        window = int(np.searchsorted(starts, first, side="right")) - 1
        return np.concatenate([self.special[window], self.vectors[first:last]])


@dataclass(frozen=True)
class Encoding:
    """What the network made of some units (E) of a text.

    Attributes:
        context: ``[E, W + 2]``, what the denoiser is given at each step.
        twins: ``[E]``, equal numbers for units of one block that are the same word but for case.
    """

    context: FloatArray
    twins: IntArray


_Batch = tuple[int, list[int]]
"""A padded length, and the rows of it that are computed together."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


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

    def read(self, text: str, offsets: IntArray, blocks: Sequence[Span], query: str = "") -> ReadText:
        """Reads units ``[N, 2]`` of a text with the trunk.

        Args:
            text: The text.
            offsets: Its units.
            blocks: Ranges of units that cover them all in order; a block that fits is read in one window.
            query: What the text is read for. The trunk reads it apart.
        """
        units = describe_units(text, offsets, self.tokenizer, blocks)
        windows = windows_of(units, blocks, self.network.settings)
        vectors, special = self._read(units, windows)
        return ReadText(units, windows, vectors, special, self._read_query(query))

    def encode(self, read: ReadText, wanted: BoolArray | None = None) -> Encoding:
        """Encodes the units of a text that are wanted ``[N]``, by default all.

        The upper layers see only windows that hold some of these, and each of them once.
        """
        wanted = np.ones(len(read.units.words), dtype=bool) if wanted is None else wanted
        numbers = [number for number, one in enumerate(read.windows) if wanted[one.core_start : one.core_end].any()]
        self._consider(read, [number for number in numbers if number not in read.considered])
        pieces = [
            read.considered[number][wanted[read.windows[number].core_start : read.windows[number].core_end]]
            for number in numbers
        ]
        none = np.zeros((0, self.network.context_width), dtype=np.float32)
        return Encoding(np.concatenate([none, *pieces]), read.units.twins[wanted])

    def _read_query(self, query: str) -> HalfArray:
        """The trunk's vectors of a query's special tokens and words; none where it has no word."""
        words = query_words(query, self.tokenizer, self.network.settings.query_tokens)
        asked, count = describe_units(query, words, self.tokenizer), len(words)
        vectors, special = self._read(asked, [Window(0, count, 0, count)] if count else [])
        return np.concatenate([*special, vectors])

    def _read(self, units: UnitInputs, windows: Sequence[Window]) -> tuple[HalfArray, list[HalfArray]]:
        """The trunk's vectors of units ``[N, D]``, and for each window those of its special tokens.

        Windows that are in the cache are not read again.
        """
        # In half precision, since all of a text is held.
        vectors = np.empty((len(units.words), self.network.width), dtype=np.float16)
        special: list[HalfArray] = [vectors[:0]] * len(windows)

        def note(number: int, rows: HalfArray) -> None:
            window = windows[number]
            first = len(rows) - (window.core_end - window.core_start)
            special[number] = rows[:first]
            vectors[window.core_start : window.core_end] = rows[first:]

        new = []
        for number, window in enumerate(windows):
            found = self.cache.get(self._key(units, window), self.network.width) if self.cache else None
            if found is None:
                new.append(number)
            else:
                note(number, found)
        lengths = [
            int(units.first_token[windows[number].end] - units.first_token[windows[number].start]) + SPECIAL_TOKENS
            for number in new
        ]

        def run(length: int, rows: Sequence[int]) -> list[FloatArray]:
            return self._read_windows(units, [windows[new[row]] for row in rows], length)

        for row, result in self._by_length(lengths, run):
            read = result.astype(np.float16)
            note(new[row], read)
            if self.cache:
                self.cache.put(self._key(units, windows[new[row]]), read)
        return vectors, special

    def _key(self, units: UnitInputs, window: Window) -> bytes:
        first = units.first_token[window.start : window.end + 1]
        core = np.array([window.core_start - window.start, window.core_end - window.start])
        arrays = (units.tokens[first[0] : first[-1]], first - first[0], core)
        return cache_key(self.network.fingerprint, *(array.tobytes() for array in arrays))

    def _read_windows(self, units: UnitInputs, windows: Sequence[Window], length: int) -> list[FloatArray]:
        """For each window the vectors of its special tokens and of its core's units: the means over their tokens."""
        batch = batch_windows([(units, window) for window in windows], self.frame, length)
        hidden = self.network.encode(batch)
        vectors = []
        for row, window in enumerate(windows):
            is_of_unit = batch.unit_of_token[row] >= 0
            special = hidden[row, (batch.attention_mask[row] > 0) & ~is_of_unit]
            starts = units.first_token[window.core_start : window.core_end + 1] - units.first_token[window.start]
            vectors.append(np.concatenate([special, mean_of_runs(hidden[row, is_of_unit], starts)]))
        return vectors

    def _consider(self, read: ReadText, numbers: Sequence[int]) -> None:
        """Runs the upper layers over some windows of a text, and notes the context of the units of their cores."""
        windows = [read.windows[number] for number in numbers]

        def run(length: int, rows: Sequence[int]) -> list[FloatArray]:
            texts = [read.of_window(numbers[row]) for row in rows]
            hidden = self.network.consider(batch_words(texts, [read.query] * len(rows), length))
            of_rows = [windows[row] for row in rows]
            cores = []
            for row, one, vectors in zip(rows, of_rows, hidden, strict=True):
                first = len(read.special[numbers[row]]) - one.start
                cores.append(vectors[first + one.core_start : first + one.core_end])
            shapes = [read.units.shapes[one.core_start : one.core_end] for one in of_rows]
            context = self.network.contextualise(np.concatenate(cores), np.concatenate(shapes))
            return np.split(context, np.cumsum([len(core) for core in cores])[:-1])

        lengths = [len(read.special[number]) + len(read.query) for number in numbers]
        lengths = [length + one.end - one.start for length, one in zip(lengths, windows, strict=True)]
        for row, context in self._by_length(lengths, run):
            read.considered[numbers[row]] = context

    def compare(self, texts: Sequence[HalfArray], *, are_queries: bool = False) -> list[HalfArray]:
        """The comparer's vectors of the words of texts, ``[N, D]`` each.

        Args:
            texts: For each the trunk's vectors, those of the special tokens first; none where there is no word.
            are_queries: Whether they are queries.
        """
        none = np.zeros((0, self.network.width), dtype=np.float16)
        compared = [none] * len(texts)
        role = b"query" if are_queries else b"text"
        keys = [cache_key(self.network.fingerprint, role, text.tobytes()) for text in texts] if self.cache else []
        new = []
        for number, text in enumerate(texts):
            found = self.cache.get(keys[number], self.network.width) if self.cache and len(text) else None
            if found is not None:
                compared[number] = found
            elif len(text):
                new.append(number)

        def run(length: int, rows: Sequence[int]) -> list[FloatArray]:
            words, others = [texts[new[row]] for row in rows], [none] * len(rows)
            batch = batch_words(others, words, length) if are_queries else batch_words(words, others, length)
            rows_of_words = zip(self.network.compare(batch), words, strict=True)
            return [vectors[self.frame.tokens : len(text)] for vectors, text in rows_of_words]

        for row, vectors in self._by_length([len(texts[number]) for number in new], run):
            compared[new[row]] = vectors.astype(np.float16)
            if self.cache:
                self.cache.put(keys[new[row]], compared[new[row]])
        return compared

    def _by_length(
        self, lengths: Sequence[int], run: Callable[[int, Sequence[int]], list[FloatArray]]
    ) -> Iterator[tuple[int, FloatArray]]:
        """Computes rows in batches of one padded length; gives each row's number with its result, in any order.

        The length depends on a row alone: what else is computed, or is in the cache already, cannot change its vectors
        by a rounding error.
        """
        of_length: dict[int, list[int]] = {}
        for number, length in enumerate(lengths):
            of_length.setdefault(math.ceil(length / _LENGTHS) * _LENGTHS, []).append(number)
        total = sum(length * len(members) for length, members in of_length.items())
        at_once = min(self.network.tokens_at_once, total // self.network.workers)
        batches: list[_Batch] = []
        for length, members in of_length.items():
            parts = math.ceil(len(members) / max(at_once // length, 1))
            # All of about the same size, so that the workers are done at about the same time.
            batches += [(length, members[part::parts]) for part in range(parts)]
        # The last ones to be done are small, so that no worker waits long for another.
        batches.sort(key=lambda batch: batch[0] * len(batch[1]), reverse=True)
        results = side_by_side(lambda batch: run(*batch), batches, self.network.workers)
        for (_, members), vectors in zip(batches, results, strict=True):
            yield from zip(members, vectors, strict=True)

    def predictor(self, encoding: Encoding, keep_rate: float) -> Predict:
        """The denoiser as the sampler calls it, at one keep rate for the whole text.

        It gives logits for the undecided units, or for all where nothing is undecided, and zeros for the others. Only
        what the denoiser sees from there is read, and of a long text a piece after the other: the logits are the same.
        """
        twins, reach = encoding.twins, self.network.settings.denoiser_reach

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

    def nearness(self, read: ReadText, parts: Sequence[Span]) -> FloatArray:
        """How near parts of a text are to its query ``[P]``, on the scale of utilities; zeros without a query.

        Args:
            read: The text.
            parts: Ranges of units.
        """
        if not (len(read.query) and len(parts) and self.compares):
            return np.zeros(len(parts), dtype=np.float32)
        most = self.network.settings.relevance_units
        compared = self.compare([read.of_part(first, min(last, first + most)) for first, last in parts])
        return self._agreement(compared, self.compare([read.query], are_queries=True)[0])

    def _agreement(self, texts: Sequence[HalfArray], query: HalfArray) -> FloatArray:
        """How well the words of a query find theirs in texts ``[T]``, on the scale of utilities.

        It is the mean over the words of the query of the largest cosine with a word of the text: late interaction, as
        in Khattab and Zaharia, "ColBERT" (2020). A text without a word has zero.
        """
        asked = query.astype(np.float32).T
        found = [float((text @ asked).max(0).mean()) if len(text) and len(query) else 0.0 for text in texts]
        return self.network.settings.relevance_weight * np.array(found, dtype=np.float32)

    def means(self, read: ReadText, parts: Sequence[Span]) -> FloatArray:
        """The means of the trunk's vectors of parts of a text ``[P, D]``: parts that say the same are near each other.

        Args:
            read: The text.
            parts: Ranges of units.
        """
        means = [mean_of_runs(read.vectors[first:last], np.array([0, last - first])) for first, last in parts]
        return np.concatenate([np.zeros((0, self.network.width), dtype=np.float32), *means])

    def embed(self, texts: Sequence[str], *, are_queries: bool = False) -> FloatArray:
        """Vectors of unit length whose inner products tell how near texts are to each other: ``[T, D]``.

        A text without a word has zeros.

        Args:
            texts: Any texts; of a long one the beginning is read, and of a long query the end.
            are_queries: Whether they ask for what other texts tell.

        Raises:
            ModelError: The model has no comparer.
        """
        compared = self._compare_texts(texts, are_queries)
        sums = [words.sum(0, dtype=np.float32) for words in compared]
        means = np.array(sums, dtype=np.float32).reshape(-1, self.network.width)
        embedded: FloatArray = means / np.linalg.norm(means, axis=1, keepdims=True).clip(1e-6)
        return embedded

    def _compare_texts(self, texts: Sequence[str], are_queries: bool = False) -> list[HalfArray]:
        if not self.compares:
            raise ModelError("This model has no comparer to compare texts with: use the bundled one.")
        if are_queries:
            return self.compare([self._read_query(text) for text in texts], are_queries=True)
        return self.compare([self._read_text(text) for text in texts])

    def _read_text(self, text: str) -> HalfArray:
        """The trunk's vectors of the special tokens and of the first words of a text."""
        offsets = split_words(text)[: self.network.settings.relevance_units]
        return self.read(text, offsets, [(0, len(offsets))]).of_part(0, len(offsets))

    @property
    def compares(self) -> bool:
        """Whether the model has a comparer, which tells how near texts are to each other."""
        return self.network.compares

    def nearness_of(self, texts: Sequence[str], query: str) -> FloatArray:
        """How near texts are to a query, ``[T]``, on the scale of utilities."""
        return self._agreement(self._compare_texts(texts), self._compare_texts([query], are_queries=True)[0])


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
