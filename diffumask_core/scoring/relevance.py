"""How much each passage helps with the query, and each paragraph of it where passages have several."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from diffumask_core.prompt.layout import Layout
from diffumask_core.prompt.spans import Span, clip_spans, merge_spans
from diffumask_core.prompt.wording import paragraphs
from diffumask_core.regions.region import walk_all
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.terms import bm25

FloatArray = npt.NDArray[np.floating]

# On the scale of utilities: what the words that a text shares with the query weigh, beside how near it is in meaning.
TERMS_WEIGHT = 0.5
# What a passage as a whole weighs beside its paragraph.
_PASSAGE_WEIGHT = 0.5


def paragraphs_of(reading: Reading) -> list[Span]:
    """The paragraphs of passages that are compared with the query; none where no passage has several."""
    passages = reading.units.layout.passages
    found = [part for passage in passages for part in _parts(reading.units.layout, passage)]
    return found if len(found) > len(passages) else []


def with_shared_terms(reading: Reading, spans: Sequence[Span], nearness: FloatArray) -> FloatArray:
    """How much texts of a prompt help with the query ``[P]``: how near they are to it in meaning and in words.

    Args:
        reading: The prompt.
        spans: Of the texts.
        nearness: Of each, on the scale of utilities.
    """
    return nearness + TERMS_WEIGHT * bm25(reading.query, [reading.text(span) for span in spans])


def unit_utilities(
    reading: Reading, paragraphs: Sequence[Span], values: FloatArray, utilities: FloatArray
) -> FloatArray:
    """The utility of each unit ``[N]``: that of its paragraph, or that of its shot.

    The utility of a paragraph is how much it helps with the query, and half the utility of its passage. What stands in
    no paragraph of these, such as exemplars, counts as its shot does.

    Args:
        reading: The prompt of N units and S shots.
        paragraphs: Those that were compared with the query.
        values: How much each of these helps.
        utilities: ``[S]``; what stands outside shots is worth as much as the best shot.
    """
    units = reading.units
    each = np.append(utilities, utilities.max(initial=0.0))[units.shot]
    for paragraph, value in zip(paragraphs, values, strict=True):
        first, last = units.at(paragraph)
        each[first:last] = _PASSAGE_WEIGHT * each[first:last] + value
    return each


def _parts(layout: Layout, passage: Span) -> list[Span]:
    """The paragraphs of a passage; all of it where most is lines of code or a log, in which blank lines part little."""
    series = [series for region in walk_all(layout.regions) for series in region.series]
    lines = merge_spans([(each.items[0][0], each.items[-1][1]) for each in series if each.items])
    claimed = sum(end - start for start, end in clip_spans(lines, passage))
    return [passage] if 2 * claimed > passage[1] - passage[0] else list(paragraphs(layout.text, *passage))
