"""Which stretch of a text is of which kind; what no detector is sure of is prose.

A new kind of text is a module with one detector and a line in `DETECTORS`; CONTRIBUTING.md walks through an example.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from diffumask_core.prompt.layout import Layout
from diffumask_core.prompt.spans import Span
from diffumask_core.regions.code import find_code, find_fenced
from diffumask_core.regions.config import find_config
from diffumask_core.regions.diff import find_diffs
from diffumask_core.regions.json_values import find_json
from diffumask_core.regions.listing import find_listings
from diffumask_core.regions.log import find_logs
from diffumask_core.regions.markdown import find_checklists, find_headings
from diffumask_core.regions.markup import find_markup
from diffumask_core.regions.region import Detector, Lines, Region, Scaffold
from diffumask_core.regions.tables import find_tables
from diffumask_core.regions.traces import find_traces
from diffumask_core.regions.transcript import find_speakers


def find_inline_json(lines: Lines) -> Iterator[Region]:
    """Finds JSON anywhere in the lines; a string of several lines is looked into."""
    return find_json(lines, find_regions)


def find_json_blocks(lines: Lines) -> Iterator[Region]:
    """Finds JSON that has its lines to itself, so that no other detector takes it apart."""
    edges = {edge for start, end in lines.spans for edge in (start, end)}
    indents = {start + len(text) - len(text.lstrip()) for (start, _), text in zip(lines.spans, lines, strict=True)}
    for region in find_inline_json(lines):
        if region.span[0] in indents and region.span[1] in edges:
            yield region


# In order: an earlier detector takes the lines that it is sure of, and a later one reads what is left.
DETECTORS: tuple[Detector, ...] = (
    find_json_blocks,
    find_diffs,
    find_traces,
    find_logs,
    find_listings,
    find_tables,
    find_code,
    find_config,
    find_markup,
    find_checklists,
    find_inline_json,
)

Outliner = Callable[[Lines, Sequence[Span]], list[Scaffold]]

# What heads stretches of prose and of regions alike: such a region holds others, and decides word by word.
OUTLINES: dict[str, Outliner] = {"markdown": find_headings, "transcript": find_speakers}


def regions_of(layout: Layout) -> tuple[Region, ...]:
    """Finds the regions of a prompt; none crosses the border of a segment, a shot, instructions or the query."""
    edges = {edge for segment in layout.segments for edge in segment}
    edges |= {edge for shot in layout.shots for edge in shot.span}
    edges |= {edge for span in (*layout.instructions, layout.query) if span for edge in span}
    stretches = pairwise(sorted(edges))
    return tuple(region for start, end in stretches for region in find_regions(layout.text, start, end))


def find_regions(text: str, start: int = 0, end: int | None = None) -> tuple[Region, ...]:
    """Finds the regions of ``text[start:end]``, outermost, in order."""
    lines = Lines.of(text, start, end)
    found: list[Region] = []
    for fence, contents in find_fenced(lines):
        found.append(replace(fence, inner=find_regions(text, *contents)) if contents else fence)
    left = _without(lines, found)
    for detect in DETECTORS:
        rest: list[Lines] = []
        for stretch in left:
            new = list(detect(stretch))
            rest += _without(stretch, new)
            found += new
        left = rest
    found.sort(key=lambda region: region.span)
    claimed = [region.span for region in found]
    for kind, outline in OUTLINES.items():
        if scaffold := outline(lines, claimed):
            found = [Region(kind, lines.cover(0, len(lines)), scaffold=tuple(scaffold), inner=tuple(found))]
    return tuple(found)


def _without(lines: Lines, regions: Sequence[Region]) -> list[Lines]:
    """The lines that none of the regions touches, in stretches."""
    left: list[Lines] = []
    first = 0
    for region in sorted(regions, key=lambda region: region.span):
        begin, stop = lines.at(region.span[0]), lines.at(region.span[1] - 1) + 1
        left.append(lines.part(first, begin))
        first = max(first, stop)
    left.append(lines.part(first, len(lines)))
    return [part for part in left if any(map(str.strip, part))]
