"""Scripts that a model cannot read: its tokenizer has no pieces for them, or spells each word out letter by letter."""

import logging
import math
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

logger = logging.getLogger("diffumask")

IntArray = npt.NDArray[np.int64]

# The last letter that has pieces in any vocabulary, or is one of their letters with an accent.
_LAST_OF_LATIN = "\u024f"
# A script counts in a text from so many letters, and from this share of all letters.
_LEAST_LETTERS = 20
_LEAST_SHARE = 0.2
# A script is not read where more than this share of its letters is unknown.
_MOST_UNKNOWN = 0.15
# A script is spelled out where a token has no more letters than so; letters of some scripts say as much as a syllable
# or a word.
_SPELLED = 1.4
_SPELLED_OF = {"CJK": 0.4, "HIRAGANA": 0.4, "KATAKANA": 0.4, "HANGUL": 0.7}

_warned: set[str] = set()


def unknown_tokens(tokenizer: Tokenizer) -> list[int]:
    """The ids that a tokenizer gives to what its vocabulary has not."""
    return [number for name in ("[UNK]", "<unk>") if (number := tokenizer.token_to_id(name)) is not None]


def warn_of_unread_scripts(units: Sequence[str], tokens: IntArray, unknown: IntArray) -> None:
    """Warns once in a process of each script that a text is in and the tokenizer has hardly any pieces for.

    Args:
        units: The N units of a text.
        tokens: ``[N]``, how many tokens each has.
        unknown: ``[N]``, how many of these are unknown.
    """
    foreign = [number for number, unit in enumerate(units) if unit[0] > _LAST_OF_LATIN and unit[0].isalpha()]
    if sum(len(units[number]) for number in foreign) < _LEAST_LETTERS:
        return
    scripts: dict[str, list[int]] = {}
    for number in foreign:
        scripts.setdefault(_script(units[number][0]), []).append(number)
    letters = np.array([len(unit) if unit[0].isalpha() else 0 for unit in units])
    least = max(_LEAST_LETTERS, math.ceil(_LEAST_SHARE * int(letters.sum())))
    for script, members in scripts.items():
        size = int(letters[members].sum())
        if script in _warned or size < least:
            continue
        lost = float((letters * unknown / tokens.clip(1))[members].sum())
        spelled = size <= _SPELLED_OF.get(script, _SPELLED) * int(tokens[members].sum())
        if lost > _MOST_UNKNOWN * size or spelled:
            _warned.add(script)
            logger.warning(
                "The model cannot read the %s script: its vocabulary has hardly any pieces for that script, so what "
                "stays of such a text is little better than chance. Name a model that was trained on the language, "
                "Compressor.from_pretrained(model), or keep such texts whole with protect=.",
                "Han" if script == "CJK" else script.capitalize(),
            )


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    """The script of a letter, as its name begins; empty of a letter without a name."""
    return unicodedata.name(letter, "").partition(" ")[0].partition("-")[0]
