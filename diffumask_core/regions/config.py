"""Configuration: YAML, TOML, INI, ``.env`` and ``.properties`` files, Dockerfiles; what is left keeps its parents."""

import re
from collections.abc import Iterator
from itertools import chain

from diffumask_core.regions.blocks import Block, Tail, first_claims, follow, indent_of, region_of_blocks
from diffumask_core.regions.region import Head, Lines, Region
from diffumask_core.regions.yaml_lines import find_yaml

_SECTION = re.compile(r"\s*\[\[?[\w.\-\"' :/*@]{1,80}\]\]?\s*(?:[#;].*)?$")
_ENTRY = re.compile(r"\s*[\w.\-\"'/]+(?:\[\w*\])?\s*[=:]\s?")
_NOTE = re.compile(r"\s*[#;!]")
_CLOSER = re.compile(r"\s*[\])}]+,?\s*$|\s*(?:\"\"\"|''')\s*$")
# Variables of an environment and properties are told from equations by their names and by the missing spaces.
_VARIABLE = re.compile(r"(?:export\s+)?(?:[A-Z][A-Z0-9_]+|[A-Za-z][\w\-]*(?:\.[\w\-]+)+)\s?=(?! ?=)(?:\S|$)")
_PROPERTY = re.compile(r"[A-Za-z][\w\-]*(?:\.[\w\-]+)+\s?[=:]\s?\S*$")
_INSTRUCTION = re.compile(
    r"(?:FROM|RUN|COPY|ADD|CMD|ENTRYPOINT|ENV|ARG|WORKDIR|EXPOSE|USER|LABEL|VOLUME|SHELL|HEALTHCHECK|ONBUILD|STOPSIGNAL)"
    r"\s+\S"
)
_FEWEST = 3
"""Lines that a file of configuration has at least."""

_LONGEST_UNIT = 12
"""Lines of an instruction that goes whole."""


def find_config(lines: Lines) -> Iterator[Region]:
    """Finds stretches of configuration files."""
    found = chain(_find_sections(lines), _find_dockerfiles(lines), find_yaml(lines), _find_variables(lines))
    yield from first_claims(lines, found)


def _find_sections(lines: Lines) -> Iterator[Region]:
    """TOML and INI: a section's name heads its entries, an entry heads what it goes on with."""
    number = 0
    while number < len(lines):
        if not _SECTION.match(lines[number]):
            number += 1
            continue
        sections, last = _sections(lines, number)
        entries = sum(bool(_ENTRY.match(lines[line])) for line in range(number, last) if indent_of(lines[line]) == 0)
        filled = sum(bool(lines[line].strip()) for line in range(number, last)) - len(sections)
        if entries >= 2 or (entries and len(sections) > 1):
            heads = [Head(section, section + 1, end, alone=False) for section, end in follow(sections, last)]
            heads, tails = _entries(lines, (number, last), heads)
            if filled:
                yield region_of_blocks("config", lines, (number, last), heads=heads, tails=tails)
        number = last


def _sections(lines: Lines, first: int) -> tuple[list[int], int]:
    """The lines with sections' names from `first` on, and the line after the last entry."""
    sections, last, inside = [], first, False
    for number in range(first, len(lines)):
        text = lines[number]
        if not text.strip():
            inside = False
        elif not inside and _SECTION.match(text) and indent_of(text) == 0:
            sections.append(number)
            last = number + 1
        elif _ENTRY.match(text) or _NOTE.match(text) or _CLOSER.match(text) or (last == number and text[:1] in " \t"):
            inside = text.rstrip().endswith(("[", "{", ",", "=", '"""'))
            last = number + 1
        elif inside:
            last = number + 1
        else:
            break
    return sections, last


def _entries(lines: Lines, reach: Block, heads: list[Head]) -> tuple[list[Head], list[Tail]]:
    """Adds what entries of several lines need: their first line above, their closing bracket below."""
    tails = []
    start = None
    for number in range(*reach):
        text = lines[number]
        deeper = bool(text.strip()) and indent_of(text) > 0
        if start is not None and not deeper:
            heads.append(Head(start, start + 1, number, alone=False))
            if _CLOSER.match(text):
                tails.append(Tail(number, start + 1, number))
            start = None
        if not deeper and _ENTRY.match(text):
            start = number
    if start is not None:
        heads.append(Head(start, start + 1, reach[1], alone=False))
    return heads, tails


def _find_variables(lines: Lines) -> Iterator[Region]:
    """``.env`` and ``.properties`` files: entries and comments, one below the other."""
    first, entries = 0, 0
    for number, text in enumerate(chain(lines, ("end",))):
        entry = _VARIABLE.match(text[:300]) or _PROPERTY.match(text[:300])
        if entry or _NOTE.match(text[:300]) or not text.strip():
            entries += bool(entry)
            continue
        if entries >= _FEWEST:
            while not lines[first].strip():
                first += 1
            last = number
            while not lines[last - 1].strip():
                last -= 1
            yield region_of_blocks("config", lines, (first, last))
        first, entries = number + 1, 0


def _find_dockerfiles(lines: Lines) -> Iterator[Region]:
    """Instructions one below the other, each with the lines that it goes on over."""
    number = 0
    while number < len(lines):
        if not _INSTRUCTION.match(lines[number]):
            number += 1
            continue
        blocks, last = _instructions(lines, number)
        named = sum(lines[first].startswith(("FROM ", "RUN ", "COPY ", "WORKDIR ", "ENV ")) for first, _ in blocks)
        if len(blocks) >= _FEWEST and named * 2 >= len(blocks):
            whole = [(first, end) for first, end in blocks if 1 < end - first <= _LONGEST_UNIT]
            heads = [Head(first, first + 1, end) for first, end in blocks if end - first > _LONGEST_UNIT]
            yield region_of_blocks("config", lines, (number, last), blocks=whole, heads=heads)
        number = last


def _instructions(lines: Lines, first: int) -> tuple[list[Block], int]:
    blocks, last, number = [], first, first
    while number < len(lines):
        text = lines[number]
        if _INSTRUCTION.match(text):
            start = number
            while lines[number].rstrip().endswith("\\") and number + 1 < len(lines):
                number += 1
            blocks.append((start, number + 1))
            last = number + 1
        elif text.strip() and not _NOTE.match(text):
            break
        number += 1
    return blocks, last
