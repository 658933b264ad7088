"""Strings between quotes: their escapes, and the words in them that may go."""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import regex

from diffumask_core.prompt.spans import Span
from diffumask_core.regions.region import Region, Scaffold

FindInner = Callable[[str], tuple[Region, ...]]
"""Finds the regions of a text of several lines that stands in a string."""

# A string of fewer words is a name, a title or a sentence: its words stay or go together.
_LONG = 25

_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

# A pair of surrogates is one character, so no mask can part them. Python's escapes do not occur in JSON.
_ESCAPE = re.compile(
    r"""\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})
    |(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|U([0-9a-fA-F]{8}))
    |([0-7]{1,3})
    |(.))""",
    re.VERBOSE | re.DOTALL,
)

# Scripts that are written without spaces: a run of them counts as one word.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}"
_WORD = regex.compile(rf"[{_UNSPACED}]++|[^\s{_UNSPACED}]++")


def resolve(escaped: str) -> str:
    """The content of a string with its escapes resolved."""
    return _ESCAPE.sub(_character, escaped) if "\\" in escaped else escaped


def unescaped(text: str, start: int, end: int) -> tuple[str, npt.NDArray[np.int64]]:
    """Resolves the escapes in ``text[start:end]``, which stands between the quotes of a string.

    Returns:
        The content, and where in `text` each of its characters starts, followed by `end`.
    """
    escaped = text[start:end]
    starts = np.ones(len(escaped) + 1, dtype=np.bool_)
    for escape in _ESCAPE.finditer(escaped):
        starts[escape.start() + 1 : escape.end()] = False
    return resolve(escaped), start + np.flatnonzero(starts)


def count_words(content: str, most: int) -> int:
    """How many words a text has, counted up to `most`."""
    count = 0
    for _ in _WORD.finditer(content):
        count += 1
        if count == most:
            break
    return count


def is_long_text(content: str) -> bool:
    """Whether a text has so many words that some may go."""
    return count_words(content, _LONG) == _LONG


def string_region(text: str, between: Span, holder: Span, find_inner: FindInner) -> Region | None:
    """The part of a long string that may go: all but its first word, or its first unit where that goes whole.

    Args:
        text: The text that the string is in.
        between: What is between its quotes.
        holder: What the string stays with; what always stays of a region in the string stays as long as the holder.
        find_inner: Finds regions in the content.

    Returns:
        The region, or None where nothing may go.
    """
    content, source = unescaped(text, *between)
    word = _WORD.search(content)
    assert word, "a long string has words"
    first = word.end()
    inner = find_inner(content)
    if not inner and not is_long_text(content):
        return None
    if inner and inner[0].span[0] < first:
        start = inner[0].span[0]
        units = [unit for region in inner[0].walk() for unit in region.units]
        first = start if start > word.start() else min(units, default=inner[0].span)[1]
    if not content[first:].strip():
        return None
    place = source.tolist()
    regions = (
        _whole_strings(_behind(region, first), text[between[0] - 1]).moved(place.__getitem__)
        for region in inner
        if region.span[1] > first
    )
    held = tuple(_held(region, place[first], holder) for region in regions)
    return Region("string", (place[first], between[1]), inner=held, escaped=True)


def _behind(region: Region, first: int) -> Region:
    """What is left of a region behind a position, which is in none of its units."""
    if region.span[0] >= first:
        return region
    series = (
        replace(each, items=each.items[cut:], alike=each.alike[cut:])
        for each in region.series
        for cut in (bisect_right(each.items, (first, first)),)
    )
    return replace(
        region,
        span=(first, region.span[1]),
        units=tuple(unit for unit in region.units if unit[0] >= first),
        scaffold=tuple(each for each in region.scaffold if each.span[0] >= first),
        series=tuple(each for each in series if each.items),
        inner=tuple(_behind(each, first) for each in region.inner if each.span[1] > first),
        complete=tuple(each for each in region.complete if each[0][0] >= first),
    )


def _whole_strings(region: Region, quote: str) -> Region:
    """The region with the strings of JSON in it as units: the words of a string in a string are escaped twice."""
    strings = [each for each in region.inner if each.escaped]
    others = tuple(_whole_strings(each, quote) for each in region.inner if not each.escaped)
    series = tuple(replace(each, quote=f"\\{quote}") if each.quote == quote else each for each in region.series)
    units = tuple(sorted([*region.units, *(each.span for each in strings)]))
    # JSON in such a string has its brackets only where nothing of the string goes.
    stays = [Scaffold(each.span, before=holder, alone=True) for each in strings for holder in _holders(each)]
    return replace(region, units=units, scaffold=(*region.scaffold, *stays), series=series, inner=others)


def _holders(string: Region) -> list[Span]:
    """What a part of a string stays with, which begins before the string: one span, none where all of it may go."""
    befores = (rule.before for region in string.walk() for rule in region.scaffold)
    return [before for before in befores if before and before[0] < string.span[0]][:1]


def _held(region: Region, first: int, holder: Span) -> Region:
    """The region where what always stayed, or stayed with what is before `first`, stays with `holder`."""
    scaffold = tuple(
        replace(each, before=holder)
        if (each.before is None and each.after is None) or (each.before and each.before[0] < first)
        else each
        for each in region.scaffold
    )
    return replace(region, scaffold=scaffold, inner=tuple(_held(each, first, holder) for each in region.inner))


def _character(escape: re.Match[str]) -> str:
    """The one character that an escape stands for."""
    high, low, *codes, octal, simple = escape.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    if octal:
        return chr(int(octal, 8))
    if simple:
        return _SIMPLE.get(simple, simple)
    return chr(int("".join(code or "" for code in codes), 16))
