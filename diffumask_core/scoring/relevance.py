"""How much each paragraph of a passage helps with the query, where passages have several."""

import numpy as np
import numpy.typing as npt

from diffumask_core.model.pruner import Pruner
from diffumask_core.prompt.layout import Layout
from diffumask_core.prompt.spans import Span, clip_spans, merge_spans
from diffumask_core.prompt.wording import paragraphs
from diffumask_core.regions.region import walk_all
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
    passages = layout.passages if reading.query and pruner.compares else []
    found = [part for passage in passages for part in _parts(layout, passage)]
    if len(found) <= len(passages):
        return each
    texts = [reading.text(paragraph) for paragraph in found]
    nearness = pruner.nearness(texts, reading.query)
    ranges = [units.at(paragraph) for paragraph in found]
    for (first, last), value in zip(ranges, nearness + _TERMS_WEIGHT * bm25(reading.query, texts), strict=True):
        each[first:last] = _PASSAGE_WEIGHT * each[first:last] + value
    return each


def _parts(layout: Layout, passage: Span) -> list[Span]:
    """The paragraphs of a passage; all of it where most is lines of code or a log, in which blank lines part little."""
    series = [series for region in walk_all(layout.regions) for series in region.series]
    lines = merge_spans([(each.items[0][0], each.items[-1][1]) for each in series if each.items])
    claimed = sum(end - start for start, end in clip_spans(lines, passage))
    return [passage] if 2 * claimed > passage[1] - passage[0] else list(paragraphs(layout.text, *passage))
