"""What a joint between two kept units has to know of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffumask_core.prompt.spans import Span, disjoint_spans
from diffumask_core.regions.region import Region

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

_JSON_KINDS = ("json", "json lines")


@dataclass(frozen=True)
class Joins:
    """What a joint between two units has to know of each of the N units.

    Attributes:
        value: ``[N]``, the number of the JSON value that the unit is in, -1 outside JSON.
        syntax: ``[N]``, brackets, commas, keys and quotes of JSON, which stand close to what they belong to.
        begins_in: ``[N]``, the number of the JSON string in which the unit begins, -1 outside strings.
        ends_in: ``[N]``, the number of the JSON string in which the unit ends, -1 outside strings.
    """

    value: IntArray
    syntax: BoolArray
    begins_in: IntArray
    ends_in: IntArray

    @classmethod
    def of(cls, regions: Sequence[Region], spans: IntArray) -> "Joins":
        """Looks units ``[N, 2]`` up in regions."""
        rules = [rule.span for region in regions if region.kind in _JSON_KINDS for rule in region.scaffold]
        syntax = np.zeros(len(spans), dtype=bool)
        syntax[np.searchsorted(spans[:, 1], [start for start, _ in rules], side="right")] = True
        values = disjoint_spans([region.span for region in regions if region.kind in _JSON_KINDS])
        strings = disjoint_spans([region.span for region in regions if region.escaped])
        # The first word of a string belongs to the unit that opens the string, so a string's region begins behind it.
        begins, ends = _number_at(strings, spans[:, 0]), _number_at(strings, spans[:, 1])
        return cls(_number_at(values, spans[:, 0]), syntax, begins, ends)

    def newline(self, unit: int) -> str:
        """A line break as it is written where a unit begins."""
        return "\\n" if self.begins_in[unit] >= 0 else "\n"


def _number_at(spans: Sequence[Span], positions: IntArray) -> IntArray:
    """The number of the span that each position lies in, -1 for none; the spans are in order and do not overlap."""
    edges = np.array(spans, dtype=np.int64).reshape(-1, 2)
    number = np.searchsorted(edges[:, 0], positions, side="right") - 1
    inside = number >= 0
    inside[inside] = positions[inside] < edges[number[inside], 1]
    return np.where(inside, number, -1)
