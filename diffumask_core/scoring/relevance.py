"""How much each paragraph of a passage helps with the query, where passages have several."""

import numpy as np
import numpy.typing as npt

from diffumask_core.model.pruner import Pruner
from diffumask_core.prompt.wording import paragraphs
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.terms import bm25

FloatArray = npt.NDArray[np.floating]

# On the scale of utilities: what the words that a paragraph shares with the query weigh, and its passage as a whole.
_TERMS_WEIGHT = 2.0
_PASSAGE_WEIGHT = 0.5


def unit_utilities(reading: Reading, pruner: Pruner, utilities: FloatArray) -> FloatArray:
    """The utility of each unit ``[N]``: that of its paragraph, or that of its shot.

    The utility of a paragraph is how near it is to the query, in meaning and in words, and half the utility of its
    passage. Where no passage has several paragraphs, where there is no query, or in exemplars, shots count as a whole.

    Args:
        reading: The prompt of N units and S shots.
        pruner: The model.
        utilities: ``[S]``; what stands outside shots is worth as much as the best shot.
    """
    units, layout = reading.units, reading.units.layout
    each = np.append(utilities, utilities.max(initial=0.0))[units.shot]
    passages = layout.passages if reading.query and pruner.network.compares else []
    found = [paragraph for passage in passages for paragraph in paragraphs(layout.text, *passage)]
    if len(found) <= len(passages):
        return each
    texts = [reading.text(paragraph) for paragraph in found]
    vectors = pruner.embed([*texts, reading.query])
    nearness = pruner.network.settings.relevance_weight * (vectors[:-1] @ vectors[-1])
    ranges = [units.at(paragraph) for paragraph in found]
    for (first, last), value in zip(ranges, nearness + _TERMS_WEIGHT * bm25(reading.query, texts), strict=True):
        each[first:last] = _PASSAGE_WEIGHT * each[first:last] + value
    return each
