"""What a joint between two kept units has to know of them."""

import re
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
        begins_on: ``[N]``, the line of the text on which the unit begins.
        ends_on: ``[N]``, the line of the text on which the unit ends.
        returns: ``[N]``, whether lines end in a carriage return and a line feed where the unit begins: its line, of
            the last line the one before, and in a JSON string the lines of the string.
    """

    value: IntArray
    syntax: BoolArray
    begins_in: IntArray
    ends_in: IntArray
    begins_on: IntArray
    ends_on: IntArray
    returns: BoolArray

    @classmethod
    def of(cls, text: str, regions: Sequence[Region], spans: IntArray) -> "Joins":
        """Looks units ``[N, 2]`` of a text up in its regions and lines."""
        rules = [rule.span for region in regions if region.kind in _JSON_KINDS for rule in region.scaffold]
        syntax = np.zeros(len(spans), dtype=bool)
        syntax[np.searchsorted(spans[:, 1], [start for start, _ in rules], side="right")] = True
        values = disjoint_spans([region.span for region in regions if region.kind in _JSON_KINDS])
        strings = disjoint_spans([region.span for region in regions if region.escaped])
        # The first word of a string belongs to the unit that opens the string, so a string's region begins behind it.
        begins, ends = number_at(strings, spans[:, 0]), number_at(strings, spans[:, 1])
        breaks = [match.start() for match in re.finditer("\n", text)]
        on = np.searchsorted(np.array(breaks, dtype=np.int64), spans)
        ends_in_two = np.array([text[max(each - 1, 0)] == "\r" for each in breaks] or [False])
        returns = ends_in_two[np.minimum(on[:, 0], len(ends_in_two) - 1)]
        with_returns = np.array([*("\\r\\n" in text[slice(*string)] for string in strings), False])
        returns = np.where(begins >= 0, with_returns[begins], returns)
        return cls(number_at(values, spans[:, 0]), syntax, begins, ends, on[:, 0], on[:, 1], returns)

    def are_plain(self, before: IntArray, after: IntArray) -> BoolArray:
        """Whether a blank is all that parts each of P pairs of units of one segment: ``[P]``.

        Such pairs stand on one line, and not both in the same JSON value or string.
        """
        plain: BoolArray = self.ends_on[before] == self.begins_on[after]
        plain &= (self.value[before] < 0) | (self.value[before] != self.value[after])
        plain &= (self.ends_in[before] < 0) | (self.ends_in[before] != self.begins_in[after])
        return plain

    def newline(self, unit: int) -> str:
        """A line break as it is written where a unit begins."""
        newline = "\r\n" if self.returns[unit] else "\n"
        return newline.replace("\r", "\\r").replace("\n", "\\n") if self.begins_in[unit] >= 0 else newline


def number_at(spans: Sequence[Span], positions: IntArray) -> IntArray:
    """The number of the span that each position lies in, -1 for none; the spans are in order and do not overlap."""
    edges = np.array(spans, dtype=np.int64).reshape(-1, 2)
    number = np.searchsorted(edges[:, 0], positions, side="right") - 1
    inside = number >= 0
    inside[inside] = positions[inside] < edges[number[inside], 1]
    return np.where(inside, number, -1)
