"""What the comparer is trained on: how near texts are to each other, and which help with a query.

The first is learnt from a larger sentence encoder, on texts of all kinds and languages. The second is learnt from
graded shots, and from questions with passages of which one holds the answer.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from diffumask_core.datasets import PassageRow, ShotRow
from diffumask_core.diffusion.losses import ranking_loss
from diffumask_core.model.inputs import batch_words
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pruner import Pruner
from diffumask_core.units.words import split_words

FloatArray = npt.NDArray[np.floating]

Teacher = Callable[[Sequence[str], bool], FloatArray]
"""From texts, and whether they are queries, to vectors of unit length ``[T, E]``."""

_GOLD = 8.0
_MIDDLE_OF = 700  # texts
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


@dataclass(frozen=True)
class Graded:
    """Texts and how much each helps with a query.

    Attributes:
        query: ``[Q, D]``, the trunk's vectors of its words.
        texts: The same of each text.
        grades: Of each text; higher is better.
    """

    query: FloatArray
    texts: Sequence[FloatArray]
    grades: Sequence[float]


@torch.no_grad()
def take_middle(model: DiffuMaskModel, reader: Pruner, texts: Sequence[str], queries: Sequence[str]) -> None:
    """Finds the middles of texts and of queries, for a comparer that is a sentence encoder as it was pretrained."""
    model.middle.zero_()
    rng = random.Random(0)
    for role, several in enumerate((texts, queries)):
        chosen = rng.sample(several, min(_MIDDLE_OF, len(several)))
        read = [_read_query(reader, text) if role else _read(reader, text) for text in tqdm(chosen, desc="middle")]
        vectors = [_embed(model, [one], [role == 1]) for one in read if len(one)]
        if vectors:
            model.middle[role] = torch.cat(vectors).mean(0)


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
    items = [(_read(reader, text), False) for text in tqdm(texts, desc="reading texts")]
    items += [(_read_query(reader, query), True) for query in queries]
    targets = np.concatenate([teacher(texts, False), teacher(queries, True)] if queries else [teacher(texts, False)])
    targets = _fitted(targets, reader.network.width)
    return [
        Compared(vectors, target, is_query)
        for (vectors, is_query), target in zip(items, targets, strict=True)
        if len(vectors)
    ]


def graded(
    reader: Pruner, shots: Sequence[ShotRow], passages: Sequence[PassageRow], most: int, rng: random.Random
) -> list[Graded]:
    """Graded shots, and passages of which one holds the answer, as the trunk sees them.

    Args:
        reader: The model, for its trunk.
        shots: Rows of graded shots.
        passages: Questions with passages.
        most: The most texts of a row.
        rng: Draws these.
    """
    rows = [(row.query, _some(list(zip(row.shots, row.grades, strict=True)), most, rng)) for row in shots] + [
        # The gold passage answers, the others do not: far apart on the scale of the graded shots.
        (row.question, _some([(one.whole, _GOLD * one.is_gold) for one in row.documents], most, rng))
        for row in passages
    ]
    return [
        Graded(_read_query(reader, query), [_read(reader, text) for text, _ in texts], [grade for _, grade in texts])
        for query, texts in tqdm(rows, desc="reading graded texts")
    ]


def _some(texts: list[tuple[str, float]], most: int, rng: random.Random) -> list[tuple[str, float]]:
    """Some of graded texts, the best one among them."""
    best = max(texts, key=lambda one: one[1])
    others = [one for one in texts if one is not best and one[0].strip()]
    return [best, *rng.sample(others, min(most - 1, len(others)))]


def _read(reader: Pruner, text: str) -> FloatArray:
    offsets = split_words(text)[: reader.network.settings.relevance_units]
    return reader.read(text, offsets, [(0, len(offsets))]).of_part(0, len(offsets))


def _read_query(reader: Pruner, query: str) -> FloatArray:
    nothing = np.zeros((0, 2), dtype=np.int64)
    return reader.read("", nothing, [(0, 0)], query).query


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
    seen = _embed(model, [one.vectors for one in group], [one.is_query for one in group])
    targets = torch.from_numpy(np.stack([one.target for one in group]).astype(np.float32)).to(model.device)
    apart = 1 - (seen * targets).sum(1).mean()
    return apart + _NEARNESS_WEIGHT * ((seen @ seen.T) - (targets @ targets.T)).square().mean()


def graded_loss(model: DiffuMaskModel, row: Graded) -> Tensor:
    """How well nearness to a query ranks its texts."""
    seen = _embed(model, [*row.texts, row.query], [*(False for _ in row.texts), True])
    scores = model.config.relevance_weight * seen[:-1] @ seen[-1]
    grades = torch.tensor(row.grades, device=model.device)
    return ranking_loss(scores[None], grades[None], torch.ones_like(grades, dtype=torch.bool)[None])


def _embed(model: DiffuMaskModel, several: Sequence[FloatArray], are_queries: Sequence[bool]) -> Tensor:
    none = np.zeros((0, several[0].shape[1]), dtype=np.float32)
    texts = [none if is_query else one for one, is_query in zip(several, are_queries, strict=True)]
    queries = [one if is_query else none for one, is_query in zip(several, are_queries, strict=True)]
    words = batch_words(texts, queries)
    vectors, roles, mask = (
        torch.from_numpy(array).to(model.device) for array in (words.vectors, words.roles, words.mask)
    )
    with torch.autocast(model.device.type, torch.bfloat16):
        return model.embed(vectors, roles, mask)
