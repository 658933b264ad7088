"""The terms of lines, as numbers: exact strings, of which a line tells what no other line does, and words."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Paths, addresses, identifiers of six characters and more with what points join to them, and whatever holds a digit.
# What stands before a slash, an @ or a digit is looked for from its beginning only, so that the time is linear.
_STRING = re.compile(
    r"(?:(?<![\w.-])[\w.-]++)?(?:/[\w.-]++)+|(?<![\w.+-])[\w.+-]++@[\w-]++\.[\w.-]+"
    r"|[A-Za-z_][A-Za-z0-9_]{5,}+(?:\.[A-Za-z_]\w+)*|(?:(?<!\w)[^\W\d]++)?\d\w*+(?:[.:-]\w+)*"
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
        lines: M.
        line: ``[P]``, the line of each pair.
        term: ``[P]``, the term of each pair.
        rarity: ``[P]``, how rare each pair's term is among the lines: ``log(1 + M / lines that hold the term)``.
        numbers: The number of each term.
        weights: ``[M]``, the rarity of all terms of each line.
    """

    lines: int
    line: IntArray
    term: IntArray
    rarity: FloatArray
    numbers: dict[str, int]
    weights: FloatArray

    @classmethod
    def of(cls, held: Sequence[set[str]]) -> "Terms":
        """Numbers the terms of lines."""
        numbers: dict[str, int] = {}
        # Sorted, since the order of a set is another one in each process.
        terms = np.array([numbers.setdefault(each, len(numbers)) for own in held for each in sorted(own)], np.int64)
        line = np.repeat(np.arange(len(held)), [len(own) for own in held])
        rarity = np.log1p(len(held) / np.bincount(terms, minlength=len(numbers)).clip(1))[terms]
        weights = np.bincount(line, rarity, len(held)).astype(np.float64)
        return cls(len(held), line, terms, rarity, numbers, weights)

    def among(self, terms: Iterable[str]) -> BoolArray:
        """``[V]``, which terms are among these."""
        found = np.zeros(len(self.numbers), dtype=bool)
        found[[self.numbers[each] for each in terms if each in self.numbers]] = True
        return found

    def sums(self, values: npt.NDArray[np.floating | np.bool_]) -> FloatArray:
        """``[M]``, for each line the sum of the values ``[P]`` of its pairs."""
        return np.bincount(self.line, values, self.lines).astype(np.float64)

    def held_elsewhere(self, lines: BoolArray) -> FloatArray:
        """``[M]``, the share of each line's terms, by rarity, that other lines among these ``[M]`` hold."""
        own = lines[self.line]
        others = np.bincount(self.term, own, len(self.numbers))[self.term] - own > 0
        share: FloatArray = self.sums(self.rarity * others) / self.weights.clip(1e-6)
        return share
