"""From rows to batches: the windows that the network is trained on.

An example of labels is one text with its query. Several texts in a window were tried: the encoder then learns more
slowly and less.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor

from diffumask_core.datasets import Exemplar, LabelRow, PassageRow, ShotRow, covered_units
from diffumask_core.model.inputs import (
    Frame,
    UnitInputs,
    Window,
    batch_windows,
    describe_units,
    query_tokens,
    windows_of,
)
from diffumask_core.model.settings import Settings
from diffumask_core.prompt.spans import Span
from diffumask_core.units.units import read_words

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Example:
    """One text of N units to learn from; what it does not teach is None.

    Attributes:
        units: The text's units.
        query: Token ids of its query.
        light: ``[N]``, kept at the light level.
        tight: ``[N]``, kept at the tight level.
        required: ``[N]``, units that a tight budget must keep.
        scope: ``[N]``, the units whose budget `required` is about.
        shot_of_unit: ``[N]``, -1 outside shots.
        grades: One utility for each shot.
    """

    units: UnitInputs
    query: IntArray
    light: BoolArray | None = None
    tight: BoolArray | None = None
    required: BoolArray | None = None
    scope: BoolArray | None = None
    shot_of_unit: IntArray | None = None
    grades: Sequence[float] = field(default=())

    @property
    def tokens(self) -> int:
        return len(self.units.tokens) + len(self.query)


class ExampleBuilder:
    """Turns rows into examples."""

    def __init__(self, tokenizer: Tokenizer, query_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._query_tokens = query_tokens

    def labelled(self, rows: Sequence[LabelRow]) -> Iterator[Example]:
        """Texts with what an annotator kept."""
        for row in rows:
            offsets = read_words(row.text)
            yield Example(
                describe_units(row.text, offsets, self._tokenizer),
                self._query(row.query),
                light=covered_units(offsets, row.light, len(row.text)),
                tight=covered_units(offsets, row.tight, len(row.text)),
            )

    def solved(self, exemplars: Sequence[Exemplar]) -> Iterator[Example]:
        """Exemplars, with what their calculations need."""
        for exemplar in exemplars:
            offsets = read_words(exemplar.text)
            required = covered_units(offsets, exemplar.required, len(exemplar.text))
            units = describe_units(exemplar.text, offsets, self._tokenizer)
            yield Example(units, self._query(None), required=required, scope=np.ones(len(offsets), dtype=bool))

    def retrieved(self, rows: Sequence[PassageRow], documents: int, rng: random.Random) -> Iterator[Example]:
        """Questions with some of their passages, the gold one among them."""
        for row in rows:
            gold = [passage for passage in row.documents if passage.is_gold]
            others = [passage for passage in row.documents if not passage.is_gold]
            chosen = gold + rng.sample(others, min(max(documents - len(gold), 0), len(others)))
            rng.shuffle(chosen)
            text, starts = _join(f"{passage.title}\n{passage.text}" for passage in chosen)
            offsets = read_words(text)
            owner = np.searchsorted(starts, offsets[:, 0], side="right") - 1
            in_gold = np.array([passage.is_gold for passage in chosen])[owner]
            answers = [span for answer in row.answers for span in _occurrences(text, answer)]
            required = covered_units(offsets, answers, len(text)) & in_gold
            yield Example(
                describe_units(text, offsets, self._tokenizer),
                self._query(row.question),
                required=required,
                scope=in_gold,
                shot_of_unit=owner,
                # The gold passage answers, the others do not: far apart on the scale of the graded shots.
                grades=[8.0 * passage.is_gold for passage in chosen],
            )

    def graded(self, rows: Sequence[ShotRow], shots: int, rng: random.Random) -> Iterator[Example]:
        """Some shots of each row with their grades for its query."""
        for row in rows:
            chosen = rng.sample(range(len(row.shots)), min(shots, len(row.shots)))
            text, starts = _join(row.shots[shot] for shot in chosen)
            offsets = read_words(text)
            yield Example(
                describe_units(text, offsets, self._tokenizer),
                self._query(row.query),
                shot_of_unit=np.searchsorted(starts, offsets[:, 0], side="right") - 1,
                grades=[row.grades[shot] for shot in chosen],
            )

    def _query(self, query: str | None) -> IntArray:
        if not query:
            return np.zeros(0, dtype=np.int64)
        return query_tokens(query, self._tokenizer, self._query_tokens)


def _join(texts: Iterable[str]) -> tuple[str, list[int]]:
    """Joins texts by blank lines; returns the whole and where each begins."""
    joined, starts = "", list[int]()
    for text in texts:
        joined += "\n\n" if joined else ""
        starts.append(len(joined))
        joined += text
    return joined, starts


def _occurrences(text: str, part: str) -> Iterator[Span]:
    at = text.find(part)
    while part and at >= 0:
        yield at, at + len(part)
        at = text.find(part, at + len(part))


@dataclass(frozen=True)
class Batch:
    """Examples side by side: R rows of U units, read in B windows of L tokens.

    Attributes:
        input_ids: ``[B, L]``, and so are `token_types`, `attention_mask` and `unit_of_token`.
        unit_place: ``[B, V]``, where a window's unit stands in the rows, as ``row * U + unit``; R * U for padding.
        shapes: ``[R, U, F]``.
        twins: ``[R, U]``.
        mask: ``[R, U]``, 0 for padding.
        weights: ``[R, U]``, how much a unit's decision matters.
        light: ``[R, U]``, and so is `tight`.
        required: ``[R, U]``, and so are `scope` and `shot_of_unit`.
        grades: ``[R, S]``, -inf for padding.
        has_labels: ``[R]``; `has_required` likewise.
    """

    input_ids: Tensor
    token_types: Tensor
    attention_mask: Tensor
    unit_of_token: Tensor
    unit_place: Tensor
    shapes: Tensor
    twins: Tensor
    mask: Tensor
    weights: Tensor
    light: Tensor
    tight: Tensor
    required: Tensor
    scope: Tensor
    shot_of_unit: Tensor
    grades: Tensor
    has_labels: Tensor
    has_required: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})


# The annotators' punctuation is noisy.
_WEIGHT_OF_PUNCTUATION = 0.3


def collate(examples: Sequence[Example], frame: Frame, settings: Settings) -> Batch:
    """Lays examples out as one batch."""
    rows, units = len(examples), max(len(example.units.words) for example in examples)
    windows: list[tuple[UnitInputs, Window, IntArray]] = []
    places: list[IntArray] = []
    for row, example in enumerate(examples):
        for piece in windows_of(example.units, _blocks(example), example.query, settings):
            windows.append((example.units, piece, example.query))
            place = row * units + np.arange(piece.start, piece.end)
            place[: piece.core_start - piece.start] = rows * units
            place[piece.core_end - piece.start :] = rows * units
            places.append(place)
    tokens = batch_windows(windows, frame)
    shots = max((len(example.grades) for example in examples), default=0)
    return Batch(
        input_ids=torch.from_numpy(tokens.input_ids),
        token_types=torch.from_numpy(tokens.token_types),
        attention_mask=torch.from_numpy(tokens.attention_mask),
        unit_of_token=torch.from_numpy(tokens.unit_of_token),
        unit_place=_pad(places, max(map(len, places)), rows * units),
        shapes=_pad([example.units.shapes for example in examples], units, 0.0),
        twins=_pad([example.units.twins for example in examples], units, 0),
        mask=_pad([np.ones(len(example.units.words), dtype=np.float32) for example in examples], units, 0.0),
        weights=_pad([_weights(example) for example in examples], units, 0.0),
        light=_pad([_filled(example, example.light) for example in examples], units, 0.0),
        tight=_pad([_filled(example, example.tight) for example in examples], units, 0.0),
        required=_pad([_filled(example, example.required) for example in examples], units, 0.0),
        scope=_pad([_filled(example, example.scope) for example in examples], units, 0.0),
        shot_of_unit=_pad(
            [
                np.full(len(example.units.words), -1) if example.shot_of_unit is None else example.shot_of_unit
                for example in examples
            ],
            units,
            -1,
        ),
        grades=_pad([np.array(example.grades, dtype=np.float32) for example in examples], shots, -np.inf),
        has_labels=torch.tensor([example.light is not None for example in examples]),
        has_required=torch.tensor([example.required is not None for example in examples]),
    )


def _blocks(example: Example) -> list[Span]:
    count = len(example.units.words)
    if example.shot_of_unit is None:
        return [(0, count)]
    edges = np.flatnonzero(np.diff(example.shot_of_unit)) + 1
    return list(zip([0, *edges.tolist()], [*edges.tolist(), count], strict=True))


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


def batches(examples: Sequence[Example], tokens: int, rng: random.Random) -> list[list[Example]]:
    """Groups examples of like length into batches of at most ``tokens`` padded tokens, in random order."""
    grouped: list[list[Example]] = []
    # Some noise on the length, so that batches differ from epoch to epoch.
    for example in sorted(examples, key=lambda one: one.tokens * rng.uniform(0.9, 1.1)):
        if grouped and (len(grouped[-1]) + 1) * max(example.tokens, *(o.tokens for o in grouped[-1])) <= tokens:
            grouped[-1].append(example)
        else:
            grouped.append([example])
    rng.shuffle(grouped)
    return grouped
