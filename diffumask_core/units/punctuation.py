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
        begins: ``[E]``, the first unit of each of these clauses. Marks in a row, such as ``?!``, end the same clause.
    """

    clings: IntArray
    clung_to: IntArray
    ends: IntArray
    begins: IntArray

    @classmethod
    def of(cls, text: str, spans: IntArray, prose: BoolArray) -> "Punctuation":
        """Finds the marks.

        Args:
            text: The text.
            spans: ``[N, 2]``, its units.
            prose: ``[N]``, units outside JSON, where brackets and commas are syntax.
        """
        closing, opening, marks = [], [], []
        for unit in np.flatnonzero((spans[:, 1] - spans[:, 0] == 1) & prose).tolist():
            start = int(spans[unit, 0])
            if text[start] in _ENDS:
                marks.append(unit)
            elif text[start] in _CLOSING and unit > 0 and spans[unit - 1, 1] == start:
                closing.append(unit)
            elif text[start] in _OPENING and unit + 1 < len(spans) and spans[unit + 1, 0] == start + 1:
                opening.append(unit)
        clings = np.array([*closing, *opening], dtype=np.int64)
        clung_to = np.array([*(unit - 1 for unit in closing), *(unit + 1 for unit in opening)], dtype=np.int64)
        return cls(clings, clung_to, *_clauses(np.array(marks, dtype=np.int64)))

    def thin(self, mask: BoolArray) -> BoolArray:
        """A mask ``[N]`` without the marks that would stand alone."""
        thinned = mask.copy()
        # Twice, since a mark may cling to another mark.
        for _ in range(2):
            thinned[self.clings] &= thinned[self.clung_to]
        words = thinned.copy()
        words[self.ends] = False
        kept_before = np.concatenate([[0], np.cumsum(words)])
        thinned[self.ends] &= kept_before[self.ends] > kept_before[self.begins]
        return thinned


def _clauses(marks: IntArray) -> tuple[IntArray, IntArray]:
    """`ends` and `begins` of marks; a mark that nothing stands before ends no clause."""
    opens = np.diff(marks, prepend=-1) > 1
    after_last = np.concatenate([[0], marks[:-1] + 1])[: len(marks)]
    begins = np.maximum.accumulate(np.where(opens, after_last, -1))
    return marks[begins >= 0], begins[begins >= 0]
