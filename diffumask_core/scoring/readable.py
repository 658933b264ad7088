"""How much of a shot has to stay for an LLM to make something of it."""

import numpy as np
import numpy.typing as npt

from diffumask_core.regions.documentation import DOCUMENTATION
from diffumask_core.regions.region import walk_all
from diffumask_core.scoring.reading import Reading
from diffumask_core.units.units import Units, overlapping

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

PASSAGE_SHARE = 0.3
"""A passage of which less than this share of its words is left tells an LLM little: the tight level of the labels."""

# An exemplar has to be understood by itself, and what it reasons about has to be there.
_EXEMPLAR_SHARE = 0.8


def readable_parts(reading: Reading, utilities: FloatArray) -> FloatArray:
    """``[S]``, how many tokens of its text a shot needs to be readable.

    Of a passage that goes by paragraphs its best paragraph is enough. Of an exemplar's input most is needed.

    Args:
        reading: The prompt of N units and S shots.
        utilities: ``[N]``, those of units.
    """
    units, shots = reading.units, reading.units.layout.shots
    share = np.array([_EXEMPLAR_SHARE if shot.is_exemplar else PASSAGE_SHARE for shot in shots])
    free = np.flatnonzero(units.free & (units.shot >= 0))
    needed: FloatArray = share * np.bincount(units.shot[free], reading.costs[free], len(shots))
    whole = free[_are_paragraphs(units)[free]]
    best = whole[np.lexsort((-utilities[whole], units.shot[whole]))]
    in_shot, first = np.unique(units.shot[best], return_index=True)
    needed[in_shot] = np.minimum(needed[in_shot], reading.costs[best[first]])
    return needed


def _are_paragraphs(units: Units) -> BoolArray:
    """``[N]``, units that are whole paragraphs of documentation, or sentences of long ones."""
    regions = [region for region in walk_all(units.layout.regions) if region.kind == DOCUMENTATION]
    return overlapping(units.spans, [span for region in regions for span in region.units])
