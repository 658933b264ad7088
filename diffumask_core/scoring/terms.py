"""What texts say in the same words: terms, weighted by how rare they are."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

# Letters of scripts without spaces: Thai to Burmese, Khmer, kana, Han.
_UNSPACED = "\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
_TERM = re.compile(rf"[{_UNSPACED}]+|(?:(?![{_UNSPACED}])[^\W_])+")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_ENDING = re.compile(r"(?<=\w{3})(?:ing|ies|es|ed|s)\Z")
# The usual constants: how soon more of a term counts no more, and how much the length of a text counts.
_SATURATION, _LENGTH = 1.2, 0.75


def terms_of(text: str) -> list[str]:
    """The words of a text in small letters, without endings of English; of scripts without spaces pairs of letters."""
    terms: list[str] = []
    for term in _TERM.findall(text.lower()):
        if _IS_UNSPACED.match(term):
            terms += [term[at : at + 2] for at in range(max(len(term) - 1, 1))]
        else:
            terms.append(_ENDING.sub("", term))
    return terms


def bm25(query: str, texts: Sequence[str]) -> FloatArray:
    """How much each text says in the words of a query, ``[T]`` (Okapi BM25, Robertson and Zaragoza, 2009)."""
    asked = set(terms_of(query))
    if not asked:
        return np.zeros(len(texts))
    counts = [Counter(terms_of(text)) for text in texts]
    lengths = np.array([sum(count.values()) for count in counts], dtype=np.float64)
    lengths *= _LENGTH / max(lengths.mean(), 1.0) if len(texts) else 1.0
    scores = np.zeros(len(texts))
    for term in asked:
        found = np.array([count[term] for count in counts], dtype=np.float64)
        holding = np.count_nonzero(found)
        rarity = np.log1p((len(texts) - holding + 0.5) / (holding + 0.5))
        scores += rarity * found * (_SATURATION + 1) / (found + _SATURATION * (1 - _LENGTH + lengths))
    return scores
