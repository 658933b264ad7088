"""From rows to batches: what the upper parts of the network are trained on.

The trunk rests, so each text is read once, before training.

An example of labels is one text with its query. Several texts in a window were tried: the encoder then learns more
slowly and less.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from diffumask_core.datasets import Exemplar, LabelRow, PassageRow, covered_units
from diffumask_core.model.inputs import UnitInputs, batch_words
from diffumask_core.model.pruner import Pruner, ReadText
from diffumask_core.prompt.spans import Span
from diffumask_core.units.units import read_words

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating]


class _Read(Protocol):
    @property
    def words(self) -> int: ...


_Item = TypeVar("_Item", bound=_Read)


@dataclass(frozen=True)
class Example:
    """One text of N units to learn from; what it does not teach is None.

    Attributes:
        read: The text, with its query, as the trunk has read it.
        light: ``[N]``, kept at the light level.
        tight: ``[N]``, kept at the tight level.
        required: ``[N]``, units that a tight budget must keep.
        scope: ``[N]``, the units whose budget `required` is about.
    """

    read: ReadText
    light: BoolArray | None = None
    tight: BoolArray | None = None
    required: BoolArray | None = None
    scope: BoolArray | None = None

    @property
    def words(self) -> int:
        """How many words the upper layers see, those of the query included."""
        return len(self.read.vectors) + len(self.read.query)

    @property
    def units(self) -> UnitInputs:
        return self.read.units


class ExampleBuilder:
    """Turns rows into examples, which the trunk has read."""

    def __init__(self, reader: Pruner) -> None:
        self._reader = reader

    def labelled(self, rows: Sequence[LabelRow]) -> Iterator[Example]:
        """Texts with what an annotator kept."""
        for row in rows:
            offsets = read_words(row.text)
            yield Example(
                self._read(row.text, offsets, row.query),
                light=covered_units(offsets, row.light, len(row.text)),
                tight=covered_units(offsets, row.tight, len(row.text)),
            )

    def solved(self, exemplars: Sequence[Exemplar]) -> Iterator[Example]:
        """Exemplars, with what their calculations need."""
        for exemplar in exemplars:
            offsets = read_words(exemplar.text)
            required = covered_units(offsets, exemplar.required, len(exemplar.text))
            read = self._read(exemplar.text, offsets, None)
            yield Example(read, required=required, scope=np.ones(len(offsets), dtype=bool))

    def gold(self, rows: Sequence[PassageRow]) -> Iterator[Example]:
        """Questions with the passage that holds the answer, which has to stay."""
        for row in rows:
            text = next(passage.whole for passage in row.documents if passage.is_gold)
            offsets = read_words(text)
            answers = [span for answer in row.answers for span in _occurrences(text, answer)]
            yield Example(
                self._read(text, offsets, row.question),
                required=covered_units(offsets, answers, len(text)),
                scope=np.ones(len(offsets), dtype=bool),
            )

    def _read(self, text: str, offsets: IntArray, query: str | None) -> ReadText:
        return self._reader.read(text, offsets, [(0, len(offsets))], query or "")


def _occurrences(text: str, part: str) -> Iterator[Span]:
    at = text.find(part)
    while part and at >= 0:
        yield at, at + len(part)
        at = text.find(part, at + len(part))


@dataclass(frozen=True)
class Batch:
    """Examples side by side: R rows of U units, seen in B windows of V words.

    Attributes:
        vectors: ``[B, V, D]``, the trunk's of each window's words and of its query's.
        roles: ``[B, V]``, 1 for words of the query.
        seen: ``[B, V]``, 0 for padding.
        unit_place: ``[B, V]``, where a window's unit stands in the rows, as ``row * U + unit``; R * U for all else.
        shapes: ``[R, U, F]``.
        twins: ``[R, U]``.
        mask: ``[R, U]``, 0 for padding.
        weights: ``[R, U]``, how much a unit's decision matters.
        light: ``[R, U]``, and so is `tight`.
        required: ``[R, U]``, and so is `scope`.
        has_labels: ``[R]``; `has_required` likewise.
    """

    vectors: Tensor
    roles: Tensor
    seen: Tensor
    unit_place: Tensor
    shapes: Tensor
    twins: Tensor
    mask: Tensor
    weights: Tensor
    light: Tensor
    tight: Tensor
    required: Tensor
    scope: Tensor
    has_labels: Tensor
    has_required: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})


# The annotators' punctuation is noisy.
_WEIGHT_OF_PUNCTUATION = 0.3


def collate(examples: Sequence[Example]) -> Batch:
    """Lays examples out as one batch."""
    rows, units = len(examples), max(len(example.units.words) for example in examples)
    texts, queries, places = [], [], []
    for row, example in enumerate(examples):
        read = example.read
        for number, piece in enumerate(read.windows):
            texts.append(read.of_window(number))
            queries.append(read.query)
            first = len(read.special[number]) - piece.start
            place = np.full(len(texts[-1]), rows * units)
            place[first + piece.core_start : first + piece.core_end] = row * units + np.arange(
                piece.core_start, piece.core_end
            )
            places.append(place)
    words = batch_words(texts, queries)
    return Batch(
        vectors=torch.from_numpy(words.vectors),
        roles=torch.from_numpy(words.roles),
        seen=torch.from_numpy(words.mask),
        unit_place=_pad(places, words.mask.shape[1], rows * units),
        shapes=_pad([example.units.shapes for example in examples], units, 0.0),
        twins=_pad([example.units.twins for example in examples], units, 0),
        mask=_pad([np.ones(len(example.units.words), dtype=np.float32) for example in examples], units, 0.0),
        weights=_pad([_weights(example) for example in examples], units, 0.0),
        light=_pad([_filled(example, example.light) for example in examples], units, 0.0),
        tight=_pad([_filled(example, example.tight) for example in examples], units, 0.0),
        required=_pad([_filled(example, example.required) for example in examples], units, 0.0),
        scope=_pad([_filled(example, example.scope) for example in examples], units, 0.0),
        has_labels=torch.tensor([example.light is not None for example in examples]),
        has_required=torch.tensor([example.required is not None for example in examples]),
    )


def _weights(example: Example) -> npt.NDArray[np.float32]:
    return np.where(example.units.words, 1.0, _WEIGHT_OF_PUNCTUATION).astype(np.float32)


def _filled(example: Example, flags: BoolArray | None) -> npt.NDArray[np.float32]:
    return (np.zeros(len(example.units.words)) if flags is None else flags).astype(np.float32)


def _pad(arrays: Sequence[npt.NDArray[np.generic]], length: int, filling: float) -> Tensor:
    shape = (len(arrays), length, *arrays[0].shape[1:])
    padded = np.full(shape, filling, dtype=arrays[0].dtype)
    for row, array in enumerate(arrays):
        padded[row, : len(array)] = array
    return torch.from_numpy(padded)


def batches(items: Sequence[_Item], words: int, rng: random.Random) -> list[list[_Item]]:
    """Groups items of like length into batches of at most ``words`` padded words, in random order."""
    grouped: list[list[_Item]] = []
    # Some noise on the length, so that batches differ from epoch to epoch.
    for item in sorted(items, key=lambda one: one.words * rng.uniform(0.9, 1.1)):
        if grouped and (len(grouped[-1]) + 1) * max(one.words for one in (item, *grouped[-1])) <= words:
            grouped[-1].append(item)
        else:
            grouped.append([item])
    rng.shuffle(grouped)
    return grouped
