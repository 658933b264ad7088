"""Punctuation of prose: marks that tell nothing once the words that they belong to have gone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

_CLOSING = frozenset(")]}»”’）】")
_OPENING = frozenset("([{«“‘„（【")
_ENDS = frozenset(".!?…,;:。！？，、；：")


@dataclass(frozen=True)
class Punctuation:
    """Marks among N units.

    Attributes:
        clings: ``[C]``, brackets and quotes, which stay only beside the unit that they cling to.
        clung_to: ``[C]``, the unit beside each.
        ends: ``[E]``, marks that end a clause, which stay only if something of the clause stays.
        begins: ``[E]``, the first unit of each of these clauses.
        marks: ``[N]``, whether a unit is one of these marks.
    """

    clings: IntArray
    clung_to: IntArray
    ends: IntArray
    begins: IntArray
    marks: BoolArray

    @classmethod
    def of(cls, text: str, spans: IntArray, prose: BoolArray) -> "Punctuation":
        """Finds the marks.

        Args:
            text: The text.
            spans: ``[N, 2]``, its units.
            prose: ``[N]``, units outside JSON, where brackets and commas are syntax.
        """
        closing, opening, ends = [], [], []
        for unit in np.flatnonzero((spans[:, 1] - spans[:, 0] == 1) & prose).tolist():
            start = int(spans[unit, 0])
            if text[start] in _ENDS:
                ends.append(unit)
            elif text[start] in _CLOSING and unit > 0 and spans[unit - 1, 1] == start:
                closing.append(unit)
            elif text[start] in _OPENING and unit + 1 < len(spans) and spans[unit + 1, 0] == start + 1:
                opening.append(unit)
        clings = np.array([*closing, *opening], dtype=np.int64)
        clung_to = np.array([*(unit - 1 for unit in closing), *(unit + 1 for unit in opening)], dtype=np.int64)
        begins = np.array([0, *(unit + 1 for unit in ends[:-1])][: len(ends)], dtype=np.int64)
        marks = np.zeros(len(spans), dtype=bool)
        marks[np.array([*closing, *opening, *ends], dtype=np.int64)] = True
        return cls(clings, clung_to, np.array(ends, dtype=np.int64), begins, marks)

    def thin(self, mask: BoolArray) -> BoolArray:
        """A mask ``[N]`` without the marks that would stand alone."""
        thinned = mask.copy()
        # Twice, since a mark may cling to another mark.
        for _ in range(2):
            thinned[self.clings] &= thinned[self.clung_to]
        kept_before = np.concatenate([[0], np.cumsum(thinned)])
        thinned[self.ends] &= kept_before[self.ends] > kept_before[self.begins]
        return thinned
