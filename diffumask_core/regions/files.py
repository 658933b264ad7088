"""Finds listings of files: of `ls`, `find`, `tree`, `du`, and bare lists of paths.

Each function takes the beginnings of lines and yields runs of them, with the lines that head others.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from diffumask_core.regions.region import Head
from diffumask_core.regions.runs import is_fence


@dataclass(frozen=True)
class Listing:
    """Lines of one listing.

    Attributes:
        first: Its first line.
        last: The line after its last one.
        heads: Lines that stay above others.
    """

    first: int
    last: int
    heads: tuple[Head, ...] = ()


_LONG = re.compile(
    r"\s{0,8}(?:\d{1,20}\s{1,8}){0,2}[-dlbcpsDPC][-r][-w][-xsS][-r][-w][-xsS][-r][-w][-xtT][.+@]?\s{1,8}\d"
)
_TOTAL = re.compile(r"\s{0,8}total \d[\d.,]{0,15}[KMGTkB]{0,2}\s*$")
_DIRECTORY = re.compile(r"\s{0,8}(?:\.{1,2}|~|[\w.~@+-]{0,80}/[^:]{0,300}|[\w.@+-]{1,80}):\s*$")
_PLACED = re.compile(r"(?:\.{0,2}/[\w.]|\.:)")
_BRANCH = re.compile(r"(?P<lead>[│| \t\xa0]{0,240}?)(?:[├└][─-]{1,3}[┬ \xa0]|\|-- |`-- |\+--[- ]|\\--[- ])[ ]?\S")
_TREE_SUM = re.compile(r"\s{0,8}\d{1,9} director(?:y|ies)(?:, \d{1,9} files?)?\s*$")
_USAGE = re.compile(r"\s{0,8}\d{1,15}(?:[.,]\d{1,3})?[KMGTPB]?i?B?\t[ ]?(?:[.~/]|[\w.@+-]{1,200}[./]|total\s*$)")
_COUNT = re.compile(
    r"\s{0,12}(?:\d{1,12}\s{1,8}){1,3}(?:[\w.~@+-]{0,100}/\S{0,300}|"
    r"[\w@+-][\w.@+-]{0,100}\.\w{1,8}|total)\s*$"
)

# A path has no white space, no punctuation at its end that ends a phrase, and a letter.
_PATH = re.compile(
    r"\s{0,8}[\"']?(?:[A-Za-z]:[\\/]|\\\\|~/|\.{1,2}/|/|[a-z]{2,6}://)?(?=[^A-Za-z]{0,60}[^\W\d_])"
    r"[\w.@+~*%$#=^!{}\[\]-][\w./\\@+~*%$#=^!{}\[\]:-]{0,380}[\"']?\s*$"
)
_SPACED = re.compile(r"\s{0,8}[\"']?(?:\./|/|~/|[A-Za-z]:\\)[^\t:;|<>]{1,380}$")
# Of the words of a plain `ls` some have a directory or an ending.
_TELLING = re.compile(
    r"\s{0,8}[\"']?(?:\S{0,300}[/\\]|\.?[\w@+-][\w.@+-]{0,120}\.(?=\w{0,7}[A-Za-z])\w{1,8}[\"']?\s*$|\.[a-z])"
)
_CODE = re.compile(
    r"\s{0,8}(?:@\w|(?:self|cls|this)\.|//|/\*|\*+/|#|[\w.]+=|\\|\{|\[|.{0,390}(?:[:=\\{]|"
    r"\*/)\s*$|</)"
)


def long_listings(texts: Sequence[str]) -> Iterator[Listing]:
    """Listings of `ls -l`, with the totals and the directories' names of `ls -R`."""
    at = 0
    while at < len(texts):
        first = at
        while at < len(texts) and (_DIRECTORY.match(texts[at]) or _TOTAL.match(texts[at])):
            at += 1
        entries = at
        while at < len(texts) and _LONG.match(texts[at]):
            at += 1
        if at > entries:
            first = max(first, entries - 2)
            yield Listing(first, at, tuple(Head(head, entries, at) for head in range(first, entries)))
        at = max(at, first + 1)


def path_lists(texts: Sequence[str]) -> Iterator[Listing]:
    """At least three lines in a row that are a path each, with the heads of `ls -R`."""
    first = 0
    while first < len(texts):
        last, sure, telling = first, 0, 0
        while last < len(texts) and (plain := _is_path(texts[last])) is not None:
            if not plain and not (last > first):
                break
            sure += plain
            telling += plain and _TELLING.match(texts[last]) is not None
            last += 1
        head = first > 0 and _DIRECTORY.match(texts[first - 1]) is not None
        # Below the path of a directory (`./src:`) one name is enough.
        below = head and sure > 0 and _PLACED.match(texts[first - 1]) is not None
        if below or (sure >= 3 and telling >= 2 and telling * 3 >= sure):
            yield Listing(first - head, last, (Head(first - 1, first, last),) if head else ())
        first = max(last, first + 1)


def _is_path(text: str) -> bool | None:
    """True for a line that is a path, False for one that may be a path with blanks in it, None for any other."""
    if is_fence(text) or _CODE.match(text):
        return None
    if _PATH.match(text):
        return True
    return False if _SPACED.match(text) and " -" not in text else None


def trees(texts: Sequence[str]) -> Iterator[Listing]:
    """Listings of `tree`: a directory heads the deeper lines below it."""
    first = 0
    while first < len(texts):
        last = first
        while last < len(texts) and _BRANCH.match(texts[last]):
            last += 1
        if last - first >= 2:
            root = first > 0 and bool(texts[first - 1].strip()) and not is_fence(texts[first - 1])
            root = root and len(texts[first - 1].split()) <= 3
            yield Listing(first - root, _sum_end(texts, last), tuple(_tree_heads(texts, first, last, root)))
        first = max(last, first + 1)


def _tree_heads(texts: Sequence[str], first: int, last: int, root: bool) -> Iterator[Head]:
    """Each line with the deeper lines right below it."""
    opened: list[tuple[int, int]] = [(first - 1, -1)] if root else []
    for line in range(first, last + 1):
        found = _BRANCH.match(texts[line]) if line < last else None
        depth = len(found["lead"].expandtabs(4)) if found else -1
        while opened and opened[-1][1] >= depth:
            head, _ = opened.pop()
            if line > head + 1:
                yield Head(head, head + 1, line)
        if found:
            opened.append((line, depth))


def _sum_end(texts: Sequence[str], last: int) -> int:
    """The line after the sum below a tree, where one is."""
    for at in range(last, min(last + 2, len(texts))):
        if _TREE_SUM.match(texts[at]):
            return at + 1
    return last


def sizes(texts: Sequence[str]) -> Iterator[Listing]:
    """Listings of `du` and `wc`: a number and a path. Numbers that count upwards by one are those of lines."""
    for run in runs_of(texts, lambda text: _USAGE.match(text) or _COUNT.match(text), least=2):
        numbers = [text.split(None, 1)[0] for text in texts[run.first : run.last]]
        counted = all(number.isdecimal() for number in numbers)
        if not (counted and all(int(b) == int(a) + 1 for a, b in pairwise(numbers))):
            yield run


def runs_of(texts: Sequence[str], fits: Callable[[str], object], least: int) -> Iterator[Listing]:
    """Runs of at least so many lines in a row that fit."""
    first = 0
    while first < len(texts):
        last = first
        while last < len(texts) and fits(texts[last]):
            last += 1
        if last - first >= least:
            yield Listing(first, last)
        first = max(last, first + 1)
