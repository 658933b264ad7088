"""YAML: keys head what stands below them, further in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from diffumask_core.regions.blocks import Block, indent_of, region_of_blocks
from diffumask_core.regions.region import Head, Lines, Region

_SEEN = 300
"""Characters of a line that are looked at."""

_KEY = re.compile(r"\s*(?:- +)*(?:\"[^\"\n]{1,80}\"|'[^'\n]{1,80}'|[A-Za-z0-9_.$/~<*][\w.$/@*<\-]*):(?:\s+(\S.*)|\s*)$")
_ITEM = re.compile(r"\s*-(?:\s+(\S.*)|\s*)$")
_EDGE = re.compile(r"(?:---|\.\.\.)(?:\s|$)|%YAML")
_NOTE = re.compile(r"\s*#")
_BLOCK = re.compile(r".*(?:: |- |:\s+\S+ )[|>][+\-\d]{0,2}\s*(?:#.*)?$")
# A value that is data: one word, or quoted, or in brackets, or with a tag; a sentence is none.
_DATA = re.compile(r"(?:\S+|[\"'].*[\"'],?|[\[{].*|[&*!|>]\S*.*|\$\{.*)\s*(?:#.*)?$")
_OTHER = re.compile(r"\s=\s|[;{(\\]\s*$|[\"'\])}\w],\s*$")
_ROLES = re.compile(
    r"\s*(?:user|assistant|system|tool|human|ai|bot|agent|question|answer|context|input|output|q|a|text|label)\s?:"
)
_TRAILING = re.compile(r"\s+#\s.*$")
_SMALL = re.compile(r"\s*(?:- +)*[\"']?[a-z_.$/~<*\d]")
_TYPES = re.compile(r"(?:str|int|float|bool|bytes|string|number|boolean|any|None|void)\b")
_CODE = re.compile(r"\s*(?:try|else|finally|default|do|if|for|while|return|class|def)\b\s?:?")


def find_yaml(lines: Lines) -> Iterator[Region]:
    """Finds stretches of YAML: at least three lines, whose keys have data and not sentences."""
    number = 0
    while number < len(lines):
        if not _begins(lines[number]):
            number += 1
            continue
        last = _reach(lines, number)
        if _is_yaml(lines, number, last):
            yield region_of_blocks("config", lines, (number, last), heads=_heads(lines, number, last))
        number = max(last, number + 1)


def _begins(text: str) -> bool:
    return len(text) < 10 * _SEEN and bool(_KEY.match(text[:_SEEN]) or _EDGE.match(text))


def _reach(lines: Lines, first: int) -> int:
    """The line after the last one that goes on with the YAML of line `first`."""
    last, block = first, -1
    for number in range(first, len(lines)):
        text = lines[number][:_SEEN]
        if not text.strip():
            continue
        indent = indent_of(text)
        if block >= 0 and indent > block:
            last = number + 1
            continue
        block = indent if _BLOCK.match(text) else -1
        deeper = last == number and indent > indent_of(lines[number - 1][:_SEEN]) if number > first else False
        known = _KEY.match(text) or _ITEM.match(text) or _EDGE.match(text) or _NOTE.match(text)
        if not known and not deeper and not re.match(r"\s*[\]}]+\s*$", text):
            break
        # After a blank line an item or a comment alone begins something else.
        if number > last and indent == 0 and not _KEY.match(text) and not _EDGE.match(text) and not _NOTE.match(text):
            break
        last = number + 1
    while last > first + 1 and (not lines[last - 1].strip() or _NOTE.match(lines[last - 1])):
        last -= 1
    return last


@dataclass(frozen=True)
class _Entry:
    """A line that is no comment and not in a block of text: a key, an item of a list, or something else."""

    text: str
    indent: int
    key: bool
    value: str | None

    @property
    def is_data(self) -> bool:
        """Whether the value is none that prose has after a colon; further in a few words are allowed."""
        words = self.value or ""
        return bool(_DATA.match(words)) or (self.indent > 0 and self.key and words.count(" ") < 4)

    @property
    def is_parent(self) -> bool:
        return self.key and (not self.value or self.value[0] in "#|>&")


def _entries(lines: Lines, first: int, last: int) -> Iterator[_Entry]:
    block = -1
    for number in range(first, last):
        text = lines[number][:_SEEN]
        indent = indent_of(text)
        if not text.strip() or (block >= 0 and indent > block) or _NOTE.match(text) or _EDGE.match(text):
            continue
        block = indent if _BLOCK.match(text) else -1
        key = None if _CODE.match(text) or _ROLES.match(text) else _KEY.match(text)
        found = key or _ITEM.match(text)
        yield _Entry(text, indent, bool(key), (found[1] or "") if found else None)


def _is_yaml(lines: Lines, first: int, last: int) -> bool:
    entries = list(_entries(lines, first, last))
    keys = [entry for entry in entries if entry.key]
    items = sum(entry.value is not None for entry in entries) - len(keys)
    # A mapping has each key once; a repeated one, and what ends as code does, speaks against YAML.
    outer = [entry.text.partition(":")[0] for entry in keys if entry.indent == 0 and entry.text[0] != "-"]
    against = sum(entry.value is None or bool(_OTHER.search(_TRAILING.sub("", entry.text))) for entry in entries)
    against += len(outer) - len(set(outer))
    typed = sum(bool(_TYPES.match(entry.value or "")) for entry in keys)
    if last - first < 3 or len(keys) < 2 or against * 4 > len(keys) + items or typed * 2 > len(keys):
        return False
    valued = [entry for entry in entries if entry.value]
    parents = sum(entry.is_parent for entry in keys)
    nested = any(entry.indent > 0 for entry in keys)
    told = sum(not entry.is_data for entry in valued)
    if told * 3 > len(valued) or (parents * 2 > len(keys) and not nested and items < 2):
        return False
    small = sum(bool(_SMALL.match(entry.text)) for entry in keys)
    # Flat entries are YAML only where all keys are small, as those of a program are; nesting shows by itself.
    if parents and (nested or items):
        return small * 2 > len(keys) or (nested and len({entry.indent for entry in keys}) > 2)
    return small == len(keys) and len(valued) - told >= 3


def _heads(lines: Lines, first: int, last: int) -> list[Head]:
    """For each line that has lines further in below it: how far they go."""
    heads: list[Head] = []
    stack: list[Block] = []
    previous = first

    def leave(depth: int) -> None:
        while stack and depth <= stack[-1][0]:
            _, line = stack.pop()
            if previous > line:
                heads.append(Head(line, line + 1, previous + 1, alone=False))

    for number in range(first, last):
        text = lines[number]
        if not text.strip() or (_NOTE.match(text) and stack and indent_of(text) <= stack[-1][0]):
            continue
        # An item of a list may stand as far left as the key of the list does.
        indent = indent_of(text) * 2 + (text.lstrip().startswith("- ") and not _EDGE.match(text))
        leave(indent)
        stack.append((indent, number))
        previous = number
    leave(-1)
    return heads
