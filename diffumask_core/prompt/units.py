"""Units: the smallest things that are kept or dropped.

A unit is a word, a number with its decimals, or a punctuation mark; never a part of a word. Together the
units of a text cover every character that is not white space, so nothing can be lost between them.
"""

import numpy as np
import numpy.typing as npt
import regex

# Scripts written without spaces: a run of one script is the closest thing to a word that needs no dictionary.
_UNSPACED = r"\p{Han}+|\p{Hiragana}+|[\p{Katakana}ー]+"
_LETTER = r"(?:(?![\p{Han}\p{Hiragana}\p{Katakana}])[\p{L}\p{M}\p{N}_])"
_UNIT = regex.compile(
    rf"""
      (?:https?|ftp)://[^\s<>"'`()\[\]{{}}]*[^\s<>"'`()\[\]{{}}.,;:!?]   # a URL, without the punctuation after it
    | (?=[\p{{Extended_Pictographic}}\p{{Regional_Indicator}}])\X       # an emoji, with all that it is joined from
    | \p{{Nd}}{{4}}-\p{{Nd}}{{2}}-\p{{Nd}}{{2}}(?![\p{{L}}\p{{Nd}}_])       # an ISO date
    | \p{{Nd}}+(?:[.,:]\p{{Nd}}+)*(?![\p{{L}}\p{{M}}_])                # a number with its decimals, a time of day
    | \.\p{{Nd}}+(?![\p{{L}}\p{{M}}_])                               # a number that starts with its decimals
    | {_UNSPACED}
    | {_LETTER}+(?:['’\-]{_LETTER}+)*                            # a word: don't, well-known, order_id, HAT111
    | [()\[\]{{}}]                                               # a bracket
    | ([\p{{P}}\p{{S}}])\1*                                       # a punctuation mark, or a row of the same one
    | (?=\S)\X                                                  # anything else: controls, lone marks
    """,
    regex.VERBOSE,
)


def split_units(text: str, start: int = 0, end: int | None = None) -> npt.NDArray[np.int64]:
    """Splits ``text[start:end]`` into units.

    Returns:
        Offsets of shape ``[units, 2]``: unit ``i`` is ``text[offsets[i, 0]:offsets[i, 1]]``.
    """
    end = len(text) if end is None else end
    spans = [match.span() for match in _UNIT.finditer(text, start, end)]
    return np.array(spans, dtype=np.int64).reshape(-1, 2)
