"""Finds the hits of `grep` and its like: a path and a line number before each line, or a path above them.

The warnings of a compiler look alike and are none.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from diffumask_core.regions.files import Listing
from diffumask_core.regions.region import Head
from diffumask_core.regions.runs import is_fence

_NAME = r"(?:[A-Za-z]:)?(?:[\w.@+~\\/\[\]{}#%=^,-]|(?<=\w) (?=\w)){1,300}?"
# `path:12:text`, and for lines of context `path-12-text`.
_HIT = re.compile(rf"(?P<path>{_NAME})(?P<sign>[:-])(?P<number>\d{{1,8}})(?P=sign)(?P<text>.*)$", re.DOTALL)
# A path without a line number says less: it needs an ending or a directory.
_BARE = re.compile(
    r"(?P<path>(?:[\w.@+~-]{0,80}/){0,20}[\w@+~.-]{1,100}(?:\.[A-Za-z]\w{0,7}|"
    r"(?<=/)[\w.-]{1,80})):(?P<text>.*)$",
    re.DOTALL,
)
_NUMBERED = re.compile(r"(?P<number>\d{1,8})(?P<sign>[:-])(?P<text>.*)$", re.DOTALL)
_DIAGNOSTIC = re.compile(
    r"\s*(?:\d{1,6}:)?\s*(?:(?:fatal )?error|warning|note|info|hint|remark|[A-Z]{1,4}\d{2,5}|"
    r"undefined reference|\w{1,60}(?:Warning|Error|Exception))\b[: \[(]",
    re.IGNORECASE,
)
_PLACE = re.compile(r"\s?\d{1,6}:\s|\s*(?:in [`']|\s*$)")
_TELLING = re.compile(r".*[/\\.]|[A-Z]\w{2,30}file$")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(?:[:\s,.]|$)")
# A phrase with a number before it: "1: Open the door".
_PHRASE = re.compile(r" [^\W\d_]+[ ,.]")
_HEADING = re.compile(r"(?:[A-Za-z]:)?[\w.@+~\\/\[\]-]{1,300}$")
_BINARY = re.compile(r"Binary file \S.{0,300} matches$|grep: \S.{0,300}: |\S{1,300}: binary file matches")

_Found = tuple[int, int, bool, tuple[Head, ...]]
"""The first line, the line after the last one, whether they are hits, and their heads."""


def grep_hits(texts: Sequence[str]) -> Iterator[Listing]:
    """The hits of a search through files."""
    at = 0
    # Where each kind of hits was last looked for in vain, up to which line; looking again would take quadratic time.
    vain = dict.fromkeys(_KINDS, 0)
    while at < len(texts):
        following = at + 1
        for kind in _KINDS:
            if at < vain[kind]:
                continue
            first, last, sure, heads = kind(texts, at)
            if sure:
                yield Listing(first, last, heads)
                following = last
                break
            vain[kind] = last
        at = following


def _path_hit(text: str) -> re.Match[str] | None:
    """The match of a line with a path and a number, unless it is a compiler's or a linter's."""
    found = _HIT.match(text)
    if not found or not _TELLING.match(found["path"]) or "://" in text[: found.end("number")]:
        return None
    return None if _DIAGNOSTIC.match(found["text"]) or _PLACE.match(found["text"]) else found


def _with_paths(texts: Sequence[str], start: int) -> _Found:
    """Hits with path and line number: one is enough, for prose has no such line."""
    if not _path_hit(texts[start]):
        return start, start, False, ()
    at, hits = start, 0
    while at < len(texts):
        if found := _path_hit(texts[at]):
            hits += found["sign"] == ":"
        elif not (_is_separator(texts, at, _path_hit) or _BINARY.match(texts[at])):
            break
        at += 1
    return start, at, hits > 0, ()


def _is_separator(texts: Sequence[str], at: int, fits: Callable[[str], object]) -> bool:
    """Whether a line is the `--` between two groups of hits."""
    return texts[at].rstrip() == "--" and at + 1 < len(texts) and fits(texts[at + 1]) is not None


def _number_hit(text: str) -> re.Match[str] | None:
    """The match of a line with a number; a time of day or a numbered phrase ("1: Open the door") is no hit."""
    found = _NUMBERED.match(text)
    if not found or _CLOCK.match(text) or _DIAGNOSTIC.match(found["text"]):
        return None
    return found


def _with_numbers(texts: Sequence[str], start: int) -> _Found:
    """Hits with a line number alone, below the name of the file or without one."""
    if not _number_hit(texts[start]):
        return start, start, False, ()
    at, previous, hits, phrases = start, -1, 0, 0
    while at < len(texts):
        found = _number_hit(texts[at])
        if found and int(found["number"]) > previous:
            previous = int(found["number"])
            hits += found["sign"] == ":"
            phrases += _PHRASE.match(found["text"]) is not None
        elif not _is_separator(texts, at, _number_hit):
            break
        at += 1
    named = start > 0 and bool(_HEADING.match(texts[start - 1]) and _TELLING.match(texts[start - 1]))
    sure = hits > 0 and at - start >= 2 - named and phrases * 2 <= at - start
    return start - named, at, sure, (Head(start - 1, start, at, alone=False),) if named else ()


def _bare(texts: Sequence[str], start: int) -> _Found:
    """At least three hits without line numbers, where a path comes twice or has a directory."""
    at = start
    paths: list[str] = []
    while at < len(texts) and (found := _BARE.match(texts[at])):
        text = found["text"]
        if is_fence(texts[at]) or _DIAGNOSTIC.match(text) or re.match(r"\d{1,7}\b|//|\s*$", text):
            break
        paths.append(found["path"])
        at += 1
    sure = len(paths) >= 3 and (len(set(paths)) < len(paths) or sum("/" in path for path in paths) * 2 > len(paths))
    return start, at, sure, ()


_KINDS = (_with_paths, _with_numbers, _bare)
