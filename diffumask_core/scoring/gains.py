"""What units gain and lose by what they tell: the newest results, copies, outcomes, what the query names."""

import numpy as np
import numpy.typing as npt

from diffumask_core.prompt.wording import count_words, sentences
from diffumask_core.regions.region import Series, walk_all
from diffumask_core.scoring.line_gains import line_gains
from diffumask_core.scoring.novelty import copies, repeats
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.telling import is_telling, named_by, odd_ones
from diffumask_core.scoring.terms import bm25

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating]

# A sentence of fewer words is no fact that is told twice.
_SENTENCE_WORDS = 6
# What a line or sentence that is near-equal to an earlier one loses: on the scale of logits that is beyond doubt.
_COPY_PENALTY = 8.0
# What a line or a row gains that says how something ended, such as an error or a total, or is unlike the others.
_TELLING_BONUS = 4.0
# What a line or a record gains that holds a term of the query which few others hold.
_NAMED_BONUS = 4.0
# What the words weigh that a line or a record shares with the query.
_SHARED_WEIGHT = 3.0
# What the results of the newest calls of a running turn gain, the newest first: they are the last to be shortened.
_RECENCY_BONUS = (16.0, 4.0, 2.0, 1.0)


def unit_gains(reading: Reading, utilities: FloatArray, by_lines: BoolArray) -> FloatArray:
    """What each unit ``[N]`` gains, or loses, by what it tells, on the scale of logits.

    Results of a running turn gain by how new they are. Near-equal lines lose but for the first, and sentences that are
    told again but for that of the best passage. Lines and records gain that say how something ended, that the query
    names, or that say in its words what it asks for.

    Args:
        reading: The prompt.
        utilities: ``[N]``, those of units.
        by_lines: ``[N]``, units that the line model decides. It knows what these tell and how new they are, and only
            the newest results gain all the same, and what must be the last to go.
    """
    units = reading.units
    gains = np.zeros(len(units))
    _add_of_copies(gains, reading, utilities)
    for region in walk_all(units.layout.regions):
        for series in region.series:
            if not by_lines[slice(*units.at(series.items[0] if series.items else region.span))].all():
                _add_of_series(gains, reading, region.kind, series)
    gains[by_lines] = line_gains(reading, by_lines)[by_lines]
    for span, rank in units.layout.recency:
        first, last = units.at(span)
        if rank < len(_RECENCY_BONUS):
            gains[first:last] += np.where(by_lines[first:last] & (rank > 0), 0.0, _RECENCY_BONUS[rank])
    return gains


def _add_of_copies(gains: FloatArray, reading: Reading, utilities: FloatArray) -> None:
    """Adds what sentences of passages lose that are told again, but for the one in the best passage."""
    passages = reading.units.layout.passages
    if len(passages) < 2:
        return
    text, spans = reading.units.layout.text, reading.units.spans
    found = [span for passage in passages for span in sentences(text, *passage)]
    found = [span for span in found if count_words(text[slice(*span)]) >= _SENTENCE_WORDS]
    best_first = sorted(found, key=lambda span: -utilities[reading.units.at(span)[0]])
    again = copies([reading.text(span) for span in best_first], [None] * len(found))
    for (start, end), is_copy in zip(best_first, again, strict=True):
        if is_copy:
            # A unit that says more than the sentence is no copy.
            gains[(spans[:, 0] >= start) & (spans[:, 1] <= end)] -= _COPY_PENALTY


def _add_of_series(gains: FloatArray, reading: Reading, kind: str, series: Series) -> None:
    """Adds what the items of a series lose as copies of others, and what they gain by what they tell."""
    texts = [reading.text(item) for item in series.items]
    seen = repeats(series.alike) or [False] * len(texts)
    named, odd = named_by(reading.query, texts), odd_ones(texts)
    shared = bm25(reading.query, texts)
    for item, text, is_copy, is_named, is_odd, words in zip(series.items, texts, seen, named, odd, shared, strict=True):
        tells = is_odd or is_telling(kind, text)
        gain = _NAMED_BONUS * is_named + _TELLING_BONUS * tells - _COPY_PENALTY * is_copy + _SHARED_WEIGHT * words
        if gain:
            first, last = reading.units.at(item)
            gains[first:last] += gain
