"""Punctuation of prose: marks that tell nothing once the words that they belong to have gone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

_CLOSING = frozenset(")]}»”’）】")
_OPENING = frozenset("([{«“‘„（【")
_PARTNERS = {")": "(", "]": "[", "}": "{", "»": "«", "”": "“", "）": "（", "】": "【"}
_ENDS = frozenset(".!?…,;:。！？，、；：")
_OPERATORS = frozenset("=+-−–*×·/÷<>≤≥≈")


@dataclass(frozen=True)
class Punctuation:
    """Marks among N units.

    Attributes:
        clings: ``[C]``, brackets, quotes and marks that end a line, which stay only beside the unit that they cling to.
        clung_to: ``[C]``, the unit beside each.
        pairs: ``[P, 2]``, brackets and quotes that open and close, which stay only together.
        ends: ``[E]``, marks that end a clause, which stay only if something of the clause stays.
        begins: ``[E]``, the first unit of each of these clauses. Marks in a row, such as ``?!``, end the same clause.
        operators: ``[O]``, signs of a calculation, which stay only beside a unit that stays.
        marks: ``[N]``, whether a unit is one of all these marks.
    """

    clings: IntArray
    clung_to: IntArray
    pairs: IntArray
    ends: IntArray
    begins: IntArray
    operators: IntArray
    marks: BoolArray

    @classmethod
    def of(cls, text: str, spans: IntArray, prose: BoolArray) -> "Punctuation":
        """Finds the marks.

        Args:
            text: The text.
            spans: ``[N, 2]``, its units.
            prose: ``[N]``, units outside JSON, where brackets and commas are syntax.
        """
        closing, opening, ends, operators = [], [], [], []
        for unit in np.flatnonzero((spans[:, 1] - spans[:, 0] == 1) & prose).tolist():
            start = int(spans[unit, 0])
            is_glued = unit > 0 and spans[unit - 1, 1] == start
            if text[start] in _ENDS and not (is_glued and text[start + 1 : start + 2] in ("\n", "\r", "")):
                ends.append(unit)
            elif text[start] in _OPERATORS and _is_between(text, spans, unit):
                operators.append(unit)
            elif text[start] in _CLOSING | _ENDS and is_glued:
                closing.append(unit)
            elif text[start] in _OPENING and unit + 1 < len(spans) and spans[unit + 1, 0] == start + 1:
                opening.append(unit)
        clings = np.array([*closing, *opening], dtype=np.int64)
        clung_to = np.array([*(unit - 1 for unit in closing), *(unit + 1 for unit in opening)], dtype=np.int64)
        clauses = _clauses(text, spans, np.array(ends, dtype=np.int64))
        marks = np.zeros(len(spans), dtype=bool)
        marks[np.array([*closing, *opening, *ends, *operators], dtype=np.int64)] = True
        pairs = _pairs(text, spans, prose)
        return cls(clings, clung_to, pairs, *clauses, np.array(operators, dtype=np.int64), marks)

    def thin(self, mask: BoolArray) -> BoolArray:
        """A mask ``[N]`` without the marks that would stand alone."""
        thinned = mask.copy()
        # Twice, since a mark may cling to another mark.
        for _ in range(2):
            thinned[self.clings] &= thinned[self.clung_to]
        thinned[self.pairs] &= thinned[self.pairs].all(axis=1, keepdims=True)
        thinned[self.operators] &= thinned[self.operators - 1] | thinned[self.operators + 1]
        words = thinned.copy()
        words[self.ends] = False
        kept_before = np.concatenate([[0], np.cumsum(words)])
        thinned[self.ends] &= kept_before[self.ends] > kept_before[self.begins]
        return thinned


def _pairs(text: str, spans: IntArray, prose: BoolArray) -> IntArray:
    """The units ``[P, 2]`` of brackets and quotes with their partners, within a line."""
    pairs: list[tuple[int, int]] = []
    opened: list[tuple[str, int]] = []
    line = 0
    for unit in np.flatnonzero((spans[:, 1] - spans[:, 0] == 1) & prose).tolist():
        start = int(spans[unit, 0])
        mark = text[start]
        if mark in _PARTNERS.values() or mark in _PARTNERS:
            if "\n" in text[line:start]:
                opened = []
            line = start
        if mark in _PARTNERS.values():
            opened.append((mark, unit))
        elif opened and opened[-1][0] == _PARTNERS.get(mark):
            pairs.append((opened.pop()[1], unit))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _clauses(text: str, spans: IntArray, marks: IntArray) -> tuple[IntArray, IntArray]:
    """`ends` and `begins` of marks; a mark that nothing stands before in its line ends no clause."""
    # A clause ends with its line: a heading is none of what stands below.
    breaks = np.flatnonzero(np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32) == ord("\n"))
    line = np.searchsorted(breaks, spans[marks, 0])
    first_of_line = np.searchsorted(spans[:, 0], np.concatenate([[0], breaks])[line]).astype(np.int64)
    start = np.maximum(np.concatenate([[0], marks[:-1] + 1])[: len(marks)], first_of_line)
    begins = np.maximum.accumulate(np.where(start < marks, start, -1))
    ends_clause = begins >= first_of_line
    return marks[ends_clause], begins[ends_clause]


def _is_between(text: str, spans: IntArray, unit: int) -> bool:
    """Whether a unit stands between two others of its line; a dash at the beginning of a line is a bullet."""
    if not 0 < unit < len(spans) - 1:
        return False
    return "\n" not in text[spans[unit - 1, 1] : spans[unit + 1, 0]]
