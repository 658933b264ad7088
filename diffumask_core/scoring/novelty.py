"""What is said already: shots and lines that are copies of others."""

from collections.abc import Iterable, Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]

# Two texts are near copies when they share this much of their runs of words.
_NEAR_COPY = 0.8
_RUN = 3
_SKETCH = 8
_BUCKET = 16
_PRIME = (1 << 31) - 1


def copies(texts: Sequence[str], groups: Sequence[str | None]) -> BoolArray:
    """Which texts are copies or near copies of an earlier text of the same group: ``[T]``.

    Candidates share one of a few smallest hashes of their runs of three words (Broder, "On the resemblance and
    containment of documents", 1997). Of the texts that share a hash only the first few are candidates by that hash:
    texts that begin with the same page of words would all be compared with each other.
    """
    shingles = [_runs_of_words(text) for text in texts]
    buckets: dict[tuple[str | None, int, int], list[int]] = {}
    found = np.zeros(len(texts), dtype=bool)
    for number, own in enumerate(shingles):
        keys = [(groups[number], k, smallest) for k, smallest in enumerate(_smallest_hashes(own))]
        near = {other for key in keys for other in buckets.get(key, ())}
        found[number] = any(_overlap(own, shingles[other]) >= _NEAR_COPY for other in near)
        if not found[number]:
            for key in keys:
                bucket = buckets.setdefault(key, [])
                if len(bucket) < _BUCKET:
                    bucket.append(number)
    return found


def repeats(values: Iterable[str | None]) -> list[bool]:
    """Whether each value has been there before; None never has."""
    seen: set[str] = set()
    repeated = []
    for value in values:
        repeated.append(value in seen)
        if value is not None:
            seen.add(value)
    return repeated


def _runs_of_words(text: str) -> frozenset[int]:
    words = text.lower().split()
    runs = (" ".join(words[at : at + _RUN]) for at in range(max(len(words) - _RUN + 1, 1)))
    return frozenset(crc32(run.encode("utf-8", "replace")) for run in runs if run)


def _smallest_hashes(runs: frozenset[int]) -> list[int]:
    """For each of a few hash functions the smallest hash of all runs."""
    if not runs:
        return []
    values = np.fromiter(runs, dtype=np.int64)
    return [int(((values * (2 * k + 1) + k * 7919) % _PRIME).min()) for k in range(_SKETCH)]


def _overlap(a: frozenset[int], b: frozenset[int]) -> float:
    """The Jaccard similarity of two sets."""
    return len(a & b) / max(len(a | b), 1)
