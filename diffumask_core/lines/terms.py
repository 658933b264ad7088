"""What lines say that others say too: exact strings and words, as numbers."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Paths, addresses, identifiers of six characters and more with what points join to them, and whatever holds a digit.
_STRING = re.compile(
    r"[\w.-]*(?:/[\w.-]+)+|[\w.+-]+@[\w-]+\.[\w.-]+|[A-Za-z_][A-Za-z0-9_]{5,}(?:\.[A-Za-z_]\w+)*"
    r"|\w*\d\w*(?:[.:-]\w+)*"
)
_WORD = re.compile(r"[^\W\d_]{3,}")


def strings_in(text: str) -> set[str]:
    """The exact strings of a text: an agent needs such a string to the letter or not at all."""
    return {found for found in _STRING.findall(text) if len(found) > 1}


def words_in(text: str) -> set[str]:
    """The words of a text in small letters; the parts of an identifier are words."""
    return set(_WORD.findall(text.lower()))


@dataclass(frozen=True)
class Terms:
    """Which of V terms each of M lines holds, as P pairs in the order of the lines.

    Attributes:
        row: ``[P]``, the line of each pair.
        term: ``[P]``, the term of each pair.
        rarity: ``[V]``, how rare each term is among the lines: ``log(1 + M / lines that hold the term)``.
        numbers: The number of each term.
    """

    row: IntArray
    term: IntArray
    rarity: FloatArray
    numbers: dict[str, int]
    lines: int

    @classmethod
    def of(cls, lines: Sequence[set[str]]) -> "Terms":
        """Numbers the terms of lines."""
        numbers: dict[str, int] = {}
        term = [numbers.setdefault(each, len(numbers)) for held in lines for each in sorted(held)]
        row = np.repeat(np.arange(len(lines)), [len(held) for held in lines])
        terms = np.array(term, dtype=np.int64)
        rarity = np.log1p(len(lines) / np.maximum(np.bincount(terms, minlength=len(numbers)), 1))
        return cls(row, terms, rarity, numbers, len(lines))

    def among(self, texts: Iterable[set[str]]) -> BoolArray:
        """``[V]``, the terms that are in one of these sets."""
        found = np.zeros(len(self.numbers), dtype=bool)
        for held in texts:
            found[[self.numbers[each] for each in held if each in self.numbers]] = True
        return found

    def sums(self, values: FloatArray) -> FloatArray:
        """``[M]``, for each line the sum of the values ``[P]`` of its pairs."""
        return np.bincount(self.row, values, self.lines)

    def counts(self, lines: BoolArray) -> IntArray:
        """``[V]``, how many of these lines ``[M]`` hold each term."""
        return np.bincount(self.term[lines[self.row]], minlength=len(self.numbers))
