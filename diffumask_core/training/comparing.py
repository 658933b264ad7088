"""What the comparer is trained on: how near texts are to each other, as a larger sentence encoder has it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from diffumask_core.model.inputs import batch_words, describe_units, query_units
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pruner import Pruner
from diffumask_core.units.words import split_words

FloatArray = npt.NDArray[np.floating]

Teacher = Callable[[Sequence[str], bool], FloatArray]
"""From texts, and whether they are queries, to vectors of unit length ``[T, E]``."""

_NEARNESS_WEIGHT = 10.0  # of how near the texts of a batch are to each other, beside where each of them is


@dataclass(frozen=True)
class Compared:
    """A text to compare.

    Attributes:
        vectors: ``[N, D]``, the trunk's of its words.
        target: ``[D]``, where the teacher sees it.
        is_query: Whether it asks.
    """

    vectors: FloatArray
    target: FloatArray
    is_query: bool


def compared(reader: Pruner, teacher: Teacher, texts: Sequence[str], queries: Sequence[str]) -> list[Compared]:
    """Texts as the trunk and the teacher see them.

    The teacher's vectors are taken from the middle of all of them, and turned, so that they fit the width of the
    comparer: sentence encoders put all texts into one corner of their space, where cosines hardly differ.

    Args:
        reader: The model, for its trunk.
        teacher: Tells where texts are.
        texts: What tells.
        queries: What asks.
    """
    settings = reader.network.settings
    items: list[tuple[FloatArray, bool]] = []
    for text in tqdm(texts, desc="reading texts"):
        offsets = split_words(text)[: settings.relevance_units]
        units = describe_units(text, offsets, reader.tokenizer)
        items.append((reader.read(units, [(0, len(offsets))]), False))
    for query in queries:
        asked = query_units(query, reader.tokenizer, settings.query_tokens)
        items.append((reader.read_query(asked), True))
    targets = np.concatenate([teacher(texts, False), teacher(queries, True)] if queries else [teacher(texts, False)])
    targets = _fitted(targets, reader.network.width)
    return [
        Compared(vectors, target, is_query)
        for (vectors, is_query), target in zip(items, targets, strict=True)
        if len(vectors)
    ]


def _fitted(targets: FloatArray, width: int) -> FloatArray:
    """Vectors of unit length around their middle ``[T, width]``; cosines change as little as that width allows."""
    centred = targets - targets.mean(0)
    if centred.shape[1] > width:
        centred = centred @ np.linalg.svd(centred, full_matrices=False)[2][:width].T
    # Fewer texts than that have fewer directions.
    centred = np.pad(centred, ((0, 0), (0, width - centred.shape[1])))
    fitted: FloatArray = centred / np.linalg.norm(centred, axis=1, keepdims=True).clip(1e-6)
    return fitted


def paired(items: Sequence[Compared], words: int, rng: random.Random) -> list[list[Compared]]:
    """Groups texts of like length, in random order."""
    grouped: list[list[Compared]] = []
    for item in sorted(items, key=lambda one: len(one.vectors) * rng.uniform(0.8, 1.25)):
        if grouped and (len(grouped[-1]) + 1) * max(len(one.vectors) for one in (item, *grouped[-1])) <= words:
            grouped[-1].append(item)
        else:
            grouped.append([item])
    rng.shuffle(grouped)
    return grouped


def comparer_loss(model: DiffuMaskModel, group: Sequence[Compared]) -> Tensor:
    """How far texts are from where the teacher sees them, and from each other."""
    none = np.zeros((0, group[0].vectors.shape[1]), dtype=np.float32)
    words = batch_words(
        [none if one.is_query else one.vectors for one in group],
        [one.vectors if one.is_query else none for one in group],
    )
    arrays = (words.vectors, words.roles, words.mask, np.stack([one.target for one in group]).astype(np.float32))
    vectors, roles, mask, targets = (torch.from_numpy(array).to(model.device) for array in arrays)
    with torch.autocast(model.device.type, torch.bfloat16):
        seen = model.embed(vectors, roles, mask)
    apart = 1 - (seen * targets).sum(1).mean()
    return apart + _NEARNESS_WEIGHT * ((seen @ seen.T) - (targets @ targets.T)).square().mean()
