"""The least that is left of an exemplar: three words of its input, since an answer without an input teaches nothing."""

import numpy as np
import numpy.typing as npt

from diffumask_core.scoring.reading import Reading
from diffumask_core.units.units import overlapping

IntArray = npt.NDArray[np.int64]

# With fewer words a text hardly tells what its label means.
_FEW_WORDS = 3
# A unit of more tokens is a clause or a line, which would leave no room for the input of others.
_SMALL = 5.0


def footing(reading: Reading, ranked: IntArray) -> IntArray:
    """Of each exemplar's input the first units in a ranking that have three words together, or all there are.

    An exemplar whose rationale may be shortened too has none: of it the calculations count most, wherever they stand.

    All exemplars come to their first word before any comes to its second one, and the cheap first words come first.

    Args:
        reading: The prompt.
        ranked: Units that can be kept, best first.
    """
    units, shots = reading.units, reading.units.layout.shots
    of_exemplar = np.array([*(shot.is_exemplar for shot in shots), False])
    outputs = overlapping(units.spans, [span for shot in shots for span in shot.output])
    of_exemplar[units.shot[units.free & outputs]] = False
    ranked = ranked[of_exemplar[units.shot[ranked]] & units.free[ranked]]
    # In the order of shots, and of rank within each.
    ranked = ranked[np.argsort(units.shot[ranked], kind="stable")]
    words = _words_told(reading, ranked)
    ranked, words = ranked[words > 0], words[words > 0]
    total = np.cumsum(words) - words
    before = total - total[np.searchsorted(units.shot[ranked], units.shot[ranked])]
    ranked, before = ranked[before < _FEW_WORDS], before[before < _FEW_WORDS]
    in_turn: IntArray = ranked[np.lexsort((reading.costs[ranked], before))]
    return in_turn


def small_first(reading: Reading, ranked: IntArray) -> IntArray:
    """Ranked units, single words before clauses and lines."""
    small: IntArray = ranked[np.argsort(reading.costs[ranked] > _SMALL, kind="stable")]
    return small


def cheap_first(reading: Reading, ranked: IntArray) -> IntArray:
    """Ranked units, those of few tokens in front."""
    cheap: IntArray = ranked[np.argsort(reading.costs[ranked], kind="stable")]
    return cheap


def _words_told(reading: Reading, units: IntArray) -> IntArray:
    """How many words each of some units has, without punctuation marks."""
    first, words, text = reading.units.first_word, reading.units.words, reading.units.layout.text
    return np.array(
        [
            sum(any(map(str.isalnum, text[start:end])) for start, end in words[first[unit] : first[unit + 1]].tolist())
            for unit in units.tolist()
        ],
        dtype=np.int64,
    )
