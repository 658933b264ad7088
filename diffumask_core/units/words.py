r"""Words: the smallest things that the model reads, each with its place in the text.

A word of prose is a run of letters or a punctuation mark; in scripts without spaces it is a phrase. Text without white
space inside that holds a digit or one of ``/ @ _ \ ::`` or an inner point is one exact word, since a part of a number,
path or address says something else.
Together the words of a text cover every character that is not white space, so nothing can be lost between them.
"""

import re
from itertools import chain

import numpy as np
import numpy.typing as npt
import regex

from diffumask_core.prompt.spans import Span, chain_spans
from diffumask_core.units.amounts import amounts
from diffumask_core.units.expressions import expressions
from diffumask_core.units.segmentation import EAST_ASIAN, EAST_ASIAN_RUN, SOUTH_ASIAN, SOUTH_ASIAN_RUN, cut_runs

IntArray = npt.NDArray[np.int64]

# Characters that show nothing or little and stand inside words: soft hyphen, zero-width characters, geresh, gershayim.
_INVISIBLE = r"\u00ad\u200b-\u200d\u2060\u05f3\u05f4"
_LETTER = rf"[[\p{{L}}\p{{M}}\p{{N}}_{_INVISIBLE}]--{EAST_ASIAN}--{SOUTH_ASIAN}]"
_COMMON = r"[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0400-\u0481\u048a-\u052f]"
_NUMBER = r"\p{Nd}++(?:[.,:\uff1a\uff0e]\p{Nd}++)*+"
_KEYCAP = r"[0-9\#*]\uFE0F?\u20E3"
_DRESS = r"[\p{M}\p{Emoji_Modifier}\U000E0020-\U000E007F]*+"
_PICTURE = rf"\p{{Extended_Pictographic}}{_DRESS}(?:\u200D\p{{Extended_Pictographic}}{_DRESS})*+"
_FLAG = r"\p{Regional_Indicator}{1,2}+"

_OPERATOR = r"[=!]==?|<=>|(?:<<|>>>?|\*\*|//|\?\?|&&|\|\|)=|[<>:+\-*/%&|^~@]=|<[<>\-]|>>>?|[=\-|]>|&&|\|\||\?\?|\*\*|=~"

_PLAIN = regex.compile(
    rf"""
      {_COMMON}++(?![^\s.,;:!?()]) | [.,;:](?=\s)               # most words and marks: these are found faster
    | {_KEYCAP}
    | {_LETTER}++(?:(?:['’\-\u2010\u2011]|(?<=\p{{Hebrew}})"(?=\p{{Hebrew}})){_LETTER}++)*+  # don't, well-known
    | {EAST_ASIAN_RUN} | {SOUTH_ASIAN_RUN}                        # segmentation.py cuts runs
    | (?<![\w\])])\[[ xX]\](?![(\[])                            # a box to be ticked
    | {_FLAG} | {_PICTURE}
    | (?<![=<>!|&+\-])(?:{_OPERATOR})(?![=<>!|&+\-])            # an operator of two characters
    | [()\[\]{{}}]                                              # a bracket
    | ([\p{{P}}\p{{S}}])\1*+\p{{M}}*+                            # a punctuation mark, or a row of the same one
    | [^\s\x1c-\x1f]                                            # anything else: controls
    """,
    regex.VERBOSE | regex.V1,
)

# Any of these in a stretch without white space makes it exact.
_TRAIT = rf"""(?:
      [\d/@_\\] | ::
    | (?<!\.)\.{{1,2}}(?=\w)                                    # node.js, .NET, a..b; not an ellipsis
    | (?<=[\w)\]"'])(?:{_OPERATOR})(?=[\w("'\[$\-])             # a!=b
    | <[/!]?[^\W\d_][^<>\s]{{0,200}}>                           # <br>, List<String>
    | [$%](?=\w) | \$(?=[{{(])                                  # $HOME, %APPDATA%, ${{HOME}}
    | \#(?=\w) | (?<=\w)\# | (?<=\w)\+\+ | (?<=\w)\(\)          # #topic, C#, C++, main()
    | (?<![^\s(\[{{"'`\ufeff])--?(?=[A-Za-z])                    # -rf, --force
    )"""
_IS_EXACT = re.compile(_TRAIT, re.VERBOSE)
# The class holds every character that a trait begins with, so that letters are passed over in runs.
_HINT = r"""\d/@_\\:.=!<>&|+\-*^~$%#("""
_EXACT_STRETCH = re.compile(rf"(?<!\S)(?:[^\s{_HINT}]++|(?!{_TRAIT})[{_HINT}])*+\S++", re.VERBOSE)

# Number words of Chinese and Japanese; of a longer run of letters after a number only these belong to the number.
_COUNTERS = (
    "年月日号號時时分秒小鐘钟間间周週個个名位円元圆圓块万萬億亿兆千百十度歳岁回次件"
    "本枚台点點倍公里米吨克升页頁章番階层級级"
)
_COUNTED = rf"(?:\p{{Han}}{{1,4}}+(?!\p{{Han}})|[{_COUNTERS}]{{1,4}}+|[\p{{Katakana}}ー]++|つ)"
_URL_SCHEME = r"(?:(?:https?|ftp)://|data:\w+/)"
# Bidirectional controls and the byte order mark.
_CONTROL = r"\ufeff\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069"
# What in an exact stretch stands for itself: controls, dashes and ellipses, pictures, scripts without spaces and
# their punctuation.
_APART = rf"""[{_CONTROL}—―…{EAST_ASIAN}{SOUTH_ASIAN}
\u3000-\u303f\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65
\p{{Regional_Indicator}}\p{{Emoji_Presentation}}]""".replace("\n", "")
_PART = regex.compile(
    rf"""
      (?P<word>
          {EAST_ASIAN_RUN}
        | {_URL_SCHEME}[^\s<>"'`()\[\]{{}}{_CONTROL}]*[^\s<>"'`()\[\]{{}}{_CONTROL}.,;:!?]    # no punctuation after it
        | {_KEYCAP} | {_FLAG} | (?=\p{{Emoji_Presentation}}|.\uFE0F){_PICTURE}
        | (?:{_NUMBER})?+{SOUTH_ASIAN_RUN}(?:{_NUMBER}|{SOUTH_ASIAN_RUN})*+
      )
    | (?:
          [^\s{_APART}\p{{Extended_Pictographic}}hfd\]0-9\#*]++
        | (?!{_URL_SCHEME})[hfd]
        | \](?!\((?:\#|[^\s()/.]*+[/.]))                         # in [text](address) both are for themselves
        | (?!{_KEYCAP})[0-9\#*]
        | (?!{_APART})\p{{Extended_Pictographic}}(?!\uFE0F)
        | (?<=\p{{Nd}})[—\uff1a\uff0e](?=\p{{Nd}}) | (?<=\p{{Nd}})[\uff05℃]
        | (?<=[/\\])… | …(?=[/\\])                              # .../src with its path
      )++
      (?:(?<=\p{{Nd}}){_COUNTED}(?:{_NUMBER}{_COUNTED}?+){{0,8}}+)?+    # 3個, 2024年3月5日
    """,
    regex.VERBOSE | regex.V1,
)
# Nearly all exact stretches are one word, with a mark after it or none; this pattern spares them the rest.
_SIMPLE = re.compile(r"((?:--)?(?:[\w/\\@#%+$=~&*^]|-(?!-)|[.,](?=[\w/\\])|:(?=[\w\\]))++)[.,;:!?]?+", re.ASCII)
_NEEDS_PARTS = re.compile(rf"[^\x00-\x7f]|{_URL_SCHEME}|\]\(")

# Words or numbers of prose around an ellipsis or a dash; `v1.0...v2.0` and `block__part--form` are names.
_PIECE = r"(?:[\p{L}\p{M}]++(?:['’\-][\p{L}\p{M}]++)*+|[$€£¥]?+\p{Nd}++(?:[.,]\p{Nd}++)*+(?:%|\p{L}{1,3}+)?+)"
_JOINT = r"(?:\.{3,}+|-{2,}+)"
_LOOSE = regex.compile(rf"(?:{_PIECE}(?:(?<!\p{{Nd}}){_JOINT}|{_JOINT}(?!\p{{Nd}})))++{_PIECE}")
_PIECE_OR_JOINT = regex.compile(rf"{_PIECE}|{_JOINT}")

_SINGLE_QUOTES = "'\u2018\u2019\u201a\u2039\u203a"
# An apostrophe between letters is no quotation mark.
_PAIRED = re.compile(rf"""[()\[\]{{}}"“”„«»`]|(?<!\w)[{_SINGLE_QUOTES}]|[{_SINGLE_QUOTES}](?!\w)""")
_FAMILIES = {mark: family for family in ("()", "[]", "{}", '"“”„«»', _SINGLE_QUOTES, "`") for mark in family}
_AFTER = frozenset(".,;:!?…")

_LONGEST_SIDE = 80
_LONGEST_CHAIN = 400
_SAYS = re.compile(r"\w")
# An operator that stands alone, or touches only one of its sides. A single sign of comparison says as much as two.
_BETWEEN = re.compile(rf"(?<!\S)(?:{_OPERATOR}|[≤≥≠→⇒])|(?:{_OPERATOR}|[≤≥≠→⇒])(?!\S)|(?<!\S)[<>](?!\S)")
_SIDE_AFTER = re.compile(
    rf"""[ \t]*+("[^"\n]{{1,{_LONGEST_SIDE}}}"|'[^'\n]{{1,{_LONGEST_SIDE}}}'|\S{{1,{_LONGEST_SIDE}}}+(?!\S))"""
)
# A formula between dollars needs a sign of mathematics, and neither a space at its ends nor a letter after it:
# neither `$5 and $6` nor `$20 (or 30$)` nor `$HOME/bin:$PATH` is a formula.
_INLINE = re.compile(
    r"""
      (?<![\w`])(?P<ticks>`{1,2}+)(?=[^\s`])[^`\n]{1,200}+(?P=ticks)(?![\w`])
    | (?<![\w`])``(?=[^`])(?:[^`\n]|`(?!`)){1,200}+``(?![\w`])   # ``x = `y` ``
    | (?<![\w$\\])(?P<dollars>\${1,2}+)(?=[^\s$])(?=[^$\n]{0,200}[\\^_={}+\-*/<>|'])
      [^$\n]{1,200}+(?<!\s)(?P=dollars)(?![\w$])
    | \\\((?:[^\n\\]|\\(?![()])){1,200}+\\\)
    | \\\[(?:[^\n\\]|\\(?![\[\]])){1,200}+\\\]
    | (?<![\w.,])\d{1,3}(?:[\u00a0\u2009\u202f]\d{3})++(?!\d)    # digits in groups set apart by no-break spaces
    """,
    re.VERBOSE,
)


def split_words(text: str, start: int = 0, end: int | None = None) -> IntArray:
    """Splits ``text[start:end]`` into words.

    Returns:
        Offsets of shape ``[W, 2]``: word ``i`` is ``text[offsets[i, 0]:offsets[i, 1]]``.
    """
    part = text[start:end]
    spans: list[Span] = []
    at = 0
    for stretch in _EXACT_STRETCH.finditer(part):
        spans += _plain_words(part, at, stretch.start())
        at = stretch.end()
        if simple := _SIMPLE.fullmatch(part, stretch.start(), at):
            spans.append(simple.span(1))
            if simple.end(1) < at:
                spans.append((simple.end(1), at))
        else:
            spans += _exact_words(part, stretch.start(), at)
    spans += _plain_words(part, at, len(part))
    words = np.fromiter(chain.from_iterable(spans), np.int64, 2 * len(spans)).reshape(-1, 2)
    return cut_runs(part, words) + start


def _plain_words(text: str, start: int, end: int) -> list[Span]:
    return [match.span() for match in _PLAIN.finditer(text, start, end)] if start < end else []


def _exact_words(text: str, start: int, end: int) -> list[Span]:
    """The words of a stretch without white space that holds something exact."""
    if not _NEEDS_PARTS.search(text, start, end):
        return _trimmed_words(text, start, end)
    spans: list[Span] = []
    at = start
    for part in _PART.finditer(text, start, end):
        spans += _plain_words(text, at, part.start())
        at = part.end()
        spans += [part.span()] if part.lastgroup else _trimmed_words(text, part.start(), at)
    return spans + _plain_words(text, at, end)


def _trimmed_words(text: str, start: int, end: int) -> list[Span]:
    """One exact word and the punctuation around it."""
    first, last = _trim(text, start, end)
    core = [(first, last)]
    if not _IS_EXACT.search(text, first, last):
        core = _plain_words(text, first, last)
    elif _LOOSE.fullmatch(text, first, last):
        core = [match.span() for match in _PIECE_OR_JOINT.finditer(text, first, last)]
    if (first, last) == (start, end):
        return core
    return _plain_words(text, start, first) + core + _plain_words(text, last, end)


def _trim(text: str, start: int, end: int) -> Span:
    """A stretch without the punctuation after it, and without brackets and quotes that have no partner in it."""
    single = _without_partner(text, start, end) if _PAIRED.search(text, start, end) else set()
    while start < end and start in single:
        start += 1
    while start < end:
        before = end - 1
        if text[before] == ".":
            while before > start and text[before - 1] == ".":
                before -= 1
            # The points of `../..` belong to the path.
            if before > start and text[before - 1] in "/\\":
                break
        elif text[before] not in _AFTER and before not in single:
            break
        end = before
    return start, end


def _without_partner(text: str, start: int, end: int) -> set[int]:
    """Where brackets and quotes stand whose other half is not in the stretch."""
    opened: dict[str, list[int]] = {family: [] for family in _FAMILIES.values()}
    single: set[int] = set()
    for match in _PAIRED.finditer(text, start, end):
        family = _FAMILIES[match[0]]
        is_bracket = len(family) == 2
        if opened[family] if not is_bracket else match[0] == family[1]:
            if opened[family]:
                opened[family].pop()
            else:
                single.add(match.start())
        else:
            opened[family].append(match.start())
    return single.union(*opened.values())


def bound_words(text: str, start: int, end: int, words: IntArray) -> list[Span]:
    """Finds stretches of several words in prose that mean something else once a part is gone.

    Such are operators with both their sides (``status <> 'banned'``; chains join), inline code and inline formulas,
    amounts of several words (``60 million``, ``5 %``, ``at most 3 kg``, ``48 of 50``, ``+1 555 010 4477``), and ranges
    (``from 12 to 19 euros``).

    Args:
        text: The text.
        start: Where to begin.
        end: Where to stop.
        words: ``[W, 2]``, the words from `split_words`.

    Returns:
        Spans in order that do not overlap, each from the start of a word to the end of another.
    """
    inline = [match.span() for match in _INLINE.finditer(text, start, end)]
    operators = [
        _trim(text, left, right)
        for match in _BETWEEN.finditer(text, start, end)
        if (right := _end_of_side(text, match.end(), end)) and (left := _start_of_side(text, match.start(), start)) >= 0
    ]
    several = [*amounts(text, start, end), *expressions(text, start, end)]
    found = np.array(sorted([*inline, *operators, *several]), dtype=np.int64).reshape(-1, 2)
    first = np.searchsorted(words[:, 1], found[:, 0], side="right")
    last = np.searchsorted(words[:, 0], found[:, 1], side="left") - 1
    is_long = last > first
    bound = list(zip(words[first[is_long], 0].tolist(), words[last[is_long], 1].tolist(), strict=True))
    return chain_spans(bound, _LONGEST_CHAIN)


def _start_of_side(text: str, at: int, least: int) -> int:
    """Where the value before an operator begins; -1 where there is none, or it is too long."""
    low = max(least, at - _LONGEST_SIDE)
    side = text[low:at].rstrip(" \t")
    # A value in quotes may hold spaces.
    opening = side.rfind(side[-1], 0, -1) if side.endswith(('"', "'")) else -1
    space = max(side.rfind(blank, 0, opening if opening >= 0 else len(side)) for blank in " \t\r\n")
    is_cut = space < 0 and low > least and not text[low - 1].isspace()
    return -1 if is_cut or not _SAYS.search(side, space + 1) else low + space + 1


def _end_of_side(text: str, at: int, most: int) -> int:
    """Where the value after an operator ends; 0 where there is none, or it is too long."""
    side = _SIDE_AFTER.match(text, at, most)
    return side.end() if side and _SAYS.search(side[1]) else 0
