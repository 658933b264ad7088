"""What the comparer is trained on: where a sentence encoder sees each word, and which texts help with a query.

The first is learnt from texts of all kinds and languages. The second is learnt from graded shots, and from questions
with passages of which one holds the answer.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from diffumask_core.datasets import PassageRow, ShotRow
from diffumask_core.diffusion.losses import ranking_loss
from diffumask_core.model.inputs import batch_words, query_words
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pruner import Pruner
from diffumask_core.units.words import split_words

HalfArray = npt.NDArray[np.float16]
FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]

Teacher = Callable[[str, IntArray, bool], FloatArray]
"""From a text, its words ``[N, 2]`` and whether it is a query, to vectors of the words ``[N, E]``."""

_GOLD = 8.0


@dataclass(frozen=True)
class Compared:
    """A text to compare, of N words.

    Attributes:
        vectors: ``[_, D]``, the trunk's of its special tokens and words.
        targets: ``[N, D]``, where the teacher sees its words.
        is_query: Whether it asks.
    """

    vectors: HalfArray
    targets: HalfArray
    is_query: bool

    @property
    def words(self) -> int:
        """How many vectors the comparer reads, those of special tokens included."""
        return len(self.vectors)


@dataclass(frozen=True)
class Graded:
    """Texts and how much each helps with a query.

    Attributes:
        query: ``[_, D]``, the trunk's vectors of its special tokens and words.
        texts: The same of each text.
        grades: Of each text; higher is better.
        special: How many vectors of special tokens stand before those of words.
    """

    query: HalfArray
    texts: Sequence[HalfArray]
    grades: Sequence[float]
    special: int


def compared(
    reader: Pruner, teacher: Teacher, texts: Sequence[str], queries: Sequence[str]
) -> tuple[list[Compared], FloatArray]:
    """Texts as the trunk and the teacher see them.

    The teacher's vectors are turned, so that they fit the width of the comparer.

    Args:
        reader: The model, for its trunk.
        teacher: Tells where words are.
        texts: What tells.
        queries: What asks.

    Returns:
        The texts with a word, and the middles of words of texts and of queries ``[2, D]``.
    """
    width = reader.network.width
    roles = [(text, False) for text in texts] + [(query, True) for query in queries]
    read: list[tuple[HalfArray, bool]] = []
    seen: list[HalfArray] = []
    for text, is_query in tqdm(roles, desc="reading texts"):
        words = _words(reader, text, is_query)
        if len(words):
            read.append((_read(reader, text, words), is_query))
            # In half precision, since all of them are held.
            seen.append(teacher(text, words, is_query).astype(np.float16))
    several = _turned(seen, width)
    middles = np.stack(
        [
            _middle([words for words, (_, role) in zip(several, read, strict=True) if role == asks], width)
            for asks in (False, True)
        ]
    )
    items = [Compared(vectors, turned, asks) for (vectors, asks), turned in zip(read, several, strict=True)]
    return items, middles


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

    Returns:
        The rows whose query has a word.
    """
    rows = [(row.query, _some(list(zip(row.shots, row.grades, strict=True)), most, rng)) for row in shots] + [
        # The gold passage answers, the others do not: far apart on the scale of the graded shots.
        (row.question, _some([(one.whole, _GOLD * one.is_gold) for one in row.documents], most, rng))
        for row in passages
    ]

    def read(text: str, is_query: bool = False) -> HalfArray:
        return _read(reader, text, _words(reader, text, is_query))

    found = [
        Graded(read(query, True), [read(text) for text, _ in texts], [grade for _, grade in texts], reader.frame.tokens)
        for query, texts in tqdm(rows, desc="reading graded texts")
    ]
    return [row for row in found if len(row.query)]


def _some(texts: list[tuple[str, float]], most: int, rng: random.Random) -> list[tuple[str, float]]:
    """Some of graded texts, the best one among them."""
    best = max(texts, key=lambda one: one[1])
    others = [one for one in texts if one is not best and one[0].strip()]
    return [best, *rng.sample(others, min(most - 1, len(others)))]


def _words(reader: Pruner, text: str, is_query: bool) -> IntArray:
    """The words of a text that the comparer reads ``[N, 2]``."""
    settings = reader.network.settings
    if is_query:
        return query_words(text, reader.tokenizer, settings.query_tokens)
    return split_words(text)[: settings.relevance_units]


def _read(reader: Pruner, text: str, words: IntArray) -> HalfArray:
    return reader.read(text, words, [(0, len(words))]).of_part(0, len(words))


def _turned(seen: Sequence[HalfArray], width: int) -> Sequence[HalfArray]:
    """Vectors of words ``[N, width]`` of each text; cosines change as little as that width allows."""
    given = seen[0].shape[1] if seen else width
    if given <= width:
        return [np.pad(words, ((0, 0), (0, width - given))) for words in seen]
    middle = _middle(seen, given)
    apart = (words - middle for words in seen)
    # The directions in which words differ most.
    largest = np.linalg.eigh(sum((each.T @ each for each in apart), np.zeros((given, given))))[1][:, : -width - 1 : -1]
    return [(words.astype(np.float32) @ largest).astype(np.float16) for words in seen]


def _middle(several: Sequence[HalfArray], width: int) -> FloatArray:
    """The mean of all words of texts ``[width]``; zeros where there are none."""
    total = sum((words.sum(0, dtype=np.float32) for words in several), np.zeros(width, dtype=np.float32))
    middle: FloatArray = total / max(sum(map(len, several)), 1)
    return middle


def comparer_loss(model: DiffuMaskModel, group: Sequence[Compared]) -> Tensor:
    """How far words are from where the teacher sees them, both from their middles: one less the cosine."""
    special = len(group[0].vectors) - len(group[0].targets)
    seen, is_word = _compare(model, [one.vectors for one in group], [one.is_query for one in group], special)
    targets = torch.from_numpy(np.concatenate([one.targets for one in group])).float().to(model.device)
    roles = torch.tensor([int(one.is_query) for one in group for _ in one.targets], device=model.device)
    return 1 - F.cosine_similarity(seen[is_word], targets - model.middle[roles]).mean()


def graded_loss(model: DiffuMaskModel, row: Graded) -> Tensor:
    """How well nearness to a query ranks its texts; see `pruner.Pruner.nearness`."""
    seen, is_word = _compare(model, [*row.texts, row.query], [*(False for _ in row.texts), True], row.special)
    cosines = (seen[:-1] @ seen[-1][is_word[-1]].T).masked_fill(~is_word[:-1, :, None], -1)
    scores = model.config.relevance_weight * cosines.amax(1).mean(1)
    grades = torch.tensor(row.grades, device=model.device)
    return ranking_loss(scores[None], grades[None], torch.ones_like(grades, dtype=torch.bool)[None])


def _compare(
    model: DiffuMaskModel, several: Sequence[HalfArray], are_queries: Sequence[bool], special: int
) -> tuple[Tensor, Tensor]:
    """The comparer's vectors of texts ``[B, U, D]``, and which of them are of words ``[B, U]``."""
    none = several[0][:0]
    texts = [none if is_query else one for one, is_query in zip(several, are_queries, strict=True)]
    queries = [one if is_query else none for one, is_query in zip(several, are_queries, strict=True)]
    words = batch_words(texts, queries)
    vectors, roles, mask = (
        torch.from_numpy(array).to(model.device) for array in (words.vectors, words.roles, words.mask)
    )
    is_word = mask > 0
    is_word[:, :special] = False
    with torch.autocast(model.device.type, torch.bfloat16):
        return model.compare(vectors, roles, mask), is_word
