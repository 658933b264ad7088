r"""Phrases of scripts that set no space between words: Chinese, Japanese, Thai, and with less help Khmer and its kin.

BudouX, a small model of its own for each language, says where a phrase of Chinese, Japanese or Thai begins. Khmer, Lao,
Burmese and Tibetan have no model: there the writer's own marks part words, a zero-width space or a tsheg. No phrase is
longer than `_LONGEST` characters, so that a long text without any space can be shortened.
"""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import regex

if TYPE_CHECKING:
    from budoux import Parser

IntArray = npt.NDArray[np.int64]

Language = Literal["ja", "zh-hans", "zh-hant", "th", ""]
"""The language of a model; empty for a script without a model."""

# Marks with which a writer parts words; each belongs to the word before it.
_BREAKS = r"\u200b\u0f0b\u0f0c"
# Soft hyphen, joiners, combining marks: what stands inside a word of any script.
_UNSEEN = r"\p{M}\u00ad\u200c\u200d\u2060"

EAST_ASIAN = r"[\p{Han}\p{Hiragana}\p{Katakana}ーｰﾞﾟ]"
"""Letters of Chinese and Japanese, as a class of the package regex."""

SOUTH_ASIAN = r"[[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]&&[\p{L}\p{M}]]"
"""Letters of scripts that set spaces between phrases only."""

EAST_ASIAN_RUN = rf"{EAST_ASIAN}[{EAST_ASIAN}{_UNSEEN}{_BREAKS}]*+"
"""A run of such letters with all that belongs to them."""

SOUTH_ASIAN_RUN = rf"{SOUTH_ASIAN}[{SOUTH_ASIAN}{_UNSEEN}{_BREAKS}]*+"

# A number in a run of Thai is part of an exact word; the letters around the number are cut all the same.
_RUN = regex.compile(rf"{EAST_ASIAN_RUN}|[{SOUTH_ASIAN}{_UNSEEN}{_BREAKS}\p{{Nd}}.,:\uff1a\uff0e]++", regex.V1)
_ANY = regex.compile(rf"{EAST_ASIAN}|{SOUTH_ASIAN}", regex.V1)
_PIECE = regex.compile(rf"[{EAST_ASIAN}{SOUTH_ASIAN}{_UNSEEN}]++", regex.V1)
_AFTER_BREAK = regex.compile(rf"(?<=[{_BREAKS}])(?={EAST_ASIAN}|{SOUTH_ASIAN})", regex.V1)
# No phrase begins with a mark, with the second half of a vowel, or behind a sign that binds two letters.
_WITHIN = regex.compile(r"[\p{M}\u0e33\u0eb3\u00ad\u200c\u200d\u2060]|(?<=[\u200d\u2060\u17d2\u1039])")
_CLUSTER = regex.compile(r"\X(?:(?<=[\u200d\u2060\u17d2\u1039])\X)*+")

_THAI = regex.compile(r"\p{Thai}")
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_HAN = regex.compile(r"\p{Han}")
# Of a line of Japanese more than this share is kana; a line of Chinese may quote some.
_SHARE_OF_KANA = 0.1
# Frequent characters that one of the two ways of writing Chinese has and the other has not.
_TRADITIONAL = regex.compile(
    "[這個們來說時會對國學經過還沒為與於開關長門問間東車電話語實體發後從點無樣當將現動種應業進產]"
)
_SIMPLIFIED = regex.compile(
    "[这个们来说时会对国学经过还没为与于开关长门问间东车电话语实体发后从点无样当将现动种应业进产]"
)

# About a clause of Khmer.
_LONGEST = 40
# So many characters are read at once, since the time of BudouX is not linear in a phrase; no feature of its models
# reaches farther than three characters.
_AT_ONCE = 500
_CONTEXT = 3


def cut_runs(text: str, words: IntArray) -> IntArray:
    """Cuts words ``[W, 2]`` of a text that are runs of letters without spaces into phrases.

    Exact words stay whole: a run is cut between two letters, and an address or a number with its counter is no run.
    """
    if text.isascii() or not _ANY.search(text):
        return words
    cuts: list[int] = []
    language: Language = ""
    line_end = -1
    for start, end in words.tolist():
        if end - start < 2 or not _RUN.fullmatch(text, start, end):
            continue
        if start >= line_end:
            line_end = text.find("\n", start)
            line_end = len(text) if line_end < 0 else line_end
            language = _language_of_line(text, text.rfind("\n", 0, start) + 1, line_end)
        cuts += _cuts(text, start, end, language)
    return cut_words(words, np.array(cuts, dtype=np.int64))


def cut_words(words: IntArray, borders: IntArray) -> IntArray:
    """Cuts words ``[W, 2]`` where a border, of borders in order, lies inside one."""
    if not len(words):
        return words
    at = np.clip(np.searchsorted(words[:, 0], borders, side="left") - 1, 0, None)
    inside = borders[(words[at, 0] < borders) & (borders < words[at, 1])]
    starts, ends = np.concatenate([words[:, 0], inside]), np.concatenate([words[:, 1], inside])
    return np.stack([np.sort(starts), np.sort(ends)], 1)


def _language_of_line(text: str, start: int, end: int) -> Language:
    """The language of a line with characters of Chinese."""
    kana, han = (sum(1 for _ in each.finditer(text, start, end)) for each in (_KANA, _HAN))
    if kana > _SHARE_OF_KANA * (kana + han):
        return "ja"
    traditional, simplified = (sum(1 for _ in each.finditer(text, start, end)) for each in (_TRADITIONAL, _SIMPLIFIED))
    return "zh-hant" if traditional > simplified else "zh-hans"


def _language_of_run(text: str, start: int, end: int, of_line: Language) -> Language:
    if _KANA.search(text, start, end):
        return "ja"
    if _HAN.search(text, start, end):
        return of_line
    return "th" if _THAI.search(text, start, end) else ""


def _cuts(text: str, start: int, end: int, of_line: Language) -> list[int]:
    """Where a run is cut, in order."""
    language = _language_of_run(text, start, end, of_line)
    cuts = [match.start() for match in _AFTER_BREAK.finditer(text, start + 1, end)]
    for piece in _PIECE.finditer(text, start, end):
        starts = _phrase_starts(piece[0], language) if language else ()
        phrases = [piece.start() + at for at in starts if not _WITHIN.match(piece[0], at)]
        cuts += phrases
        for first, last in pairwise([piece.start(), *phrases, piece.end()]):
            if last - first > _LONGEST:
                cuts += _between_clusters(text, first, last)
    return sorted(cuts)


def _phrase_starts(piece: str, language: Language) -> Iterator[int]:
    """Where phrases begin in letters without anything else between them, but for the first one."""
    parse = _parser(language).parse
    for first in range(0, len(piece), _AT_ONCE):
        begin = max(first - _CONTEXT, 0)
        at = begin
        for phrase in parse(piece[begin : first + _AT_ONCE + _CONTEXT]):
            if max(first, 1) <= at < first + _AT_ONCE:
                yield at
            at += len(phrase)


def _between_clusters(text: str, start: int, end: int) -> Iterator[int]:
    """Cuts what is too long between two characters as a reader sees them."""
    begin = start
    for cluster in _CLUSTER.finditer(text, start, end):
        if cluster.end() - begin > _LONGEST and cluster.start() > begin:
            begin = cluster.start()
            yield begin


@cache
def _parser(language: Language) -> "Parser":
    # Most texts need none, and the import takes longer than a short text.
    import budoux

    loaders = {
        "ja": budoux.load_default_japanese_parser,
        "zh-hans": budoux.load_default_simplified_chinese_parser,
        "zh-hant": budoux.load_default_traditional_chinese_parser,
        "th": budoux.load_default_thai_parser,
    }
    return loaders[language]()
