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
from diffumask_core.regions.markdown import find_bullets, find_checklists, find_headings
from diffumask_core.regions.markup import find_markup
from diffumask_core.regions.output import (
    LONGEST_LINE,
    find_output,
    find_repeated,
    is_printed,
    rest_beside_regions,
    rest_of_output,
)
from diffumask_core.regions.region import Detector, Lines, Region, Scaffold
from diffumask_core.regions.tables import find_tables
from diffumask_core.regions.traces import find_traces
from diffumask_core.regions.transcript import find_speakers


def find_inline_json(lines: Lines) -> Iterator[Region]:
    """Finds JSON anywhere in the lines; a string of several lines is looked into."""
    return find_json(lines, find_regions)


def find_json_blocks(lines: Lines) -> Iterator[Region]:
    """Finds JSON that has its lines to itself, so that no other detector takes it apart.

    Words that end in a colon may stand before JSON of several lines, and behind what was cut off a comma or dots.
    """
    for region in find_inline_json(lines):
        first, last = lines.at(region.span[0]), lines.at(region.span[1] - 1)
        before = lines.source[lines.spans[first][0] : region.span[0]].strip().strip("\ufeff")
        behind = lines.source[region.span[1] : lines.spans[last][1]].strip()
        ends = behind in ("", ",") or behind.startswith(("...", "…"))
        if ends and (not before or (first < last and before.endswith((":", "\uff1a")))):
            yield region


def find_json_in_long_lines(lines: Lines) -> Iterator[Region]:
    """Finds JSON that makes up most of a line that is too long to go whole, as behind the name of a field.

    Without it, pieces of such a line would go, and the halves of two records read as one.
    """
    for text, span in zip(lines, lines.spans, strict=True):
        if len(text) > LONGEST_LINE:
            found = list(find_inline_json(Lines(lines.source, [span])))
            if 2 * sum(region.span[1] - region.span[0] for region in found) > len(text):
                yield from found


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
    find_json_in_long_lines,
    find_output,
    find_repeated,
)

Outliner = Callable[[Lines, Sequence[Span]], list[Scaffold]]

# What heads stretches of prose and of regions alike: such a region holds others, and decides word by word.
OUTLINES: dict[str, Outliner] = {"list": find_bullets, "markdown": find_headings, "transcript": find_speakers}


def regions_of(layout: Layout) -> tuple[Region, ...]:
    """Finds the regions of a prompt; none crosses the border of a segment, a shot, instructions or the query.

    A text of a conversation that stays whole is not looked at.
    """
    edges = {edge for segment in layout.segments for edge in segment}
    edges |= {edge for shot in layout.shots for edge in shot.span}
    edges |= {edge for span in (*layout.instructions, layout.query) if span for edge in span}
    results, whole = set(layout.results), layout.whole_segments
    found: list[Region] = []
    for start, end in pairwise(sorted(edges)):
        if (start, end) in whole:
            continue
        found += find_regions(layout.text, start, end, is_output=(start, end) in results)
    return tuple(found)


def find_regions(text: str, start: int = 0, end: int | None = None, is_output: bool = False) -> tuple[Region, ...]:
    """Finds the regions of ``text[start:end]``, outermost, in order.

    Args:
        text: The text.
        start: Where to begin.
        end: Where to stop.
        is_output: Whether the text is known to be the output of a program. Then each line that no detector claims is a
            unit too, unless it is part of a paragraph. Elsewhere lines that are no sentences are units only where
            detectors claim at least half of the text.
    """
    lines = Lines.of(text, start, end)
    found = [
        replace(fence, inner=find_regions(text, *contents)) if contents else fence
        for fence, contents in find_fenced(lines)
    ]
    left = _without(lines, found)
    for detect in DETECTORS:
        left = _detect(detect, left, found)
    claimed = sum(end - start for start, end in (region.span for region in found if region.series))
    if is_output:
        left = _detect(rest_of_output, left, found)
    elif found and 2 * claimed >= sum(len(text.strip()) for text in lines):
        told = _told(left, found)
        between = [stretch for stretch in left if all(stretch is not each for each in told)]
        left = [*told, *_detect(rest_beside_regions, between, found)]
    _detect(find_inline_json, left, found)
    found.sort(key=lambda region: region.span)
    spans = [region.span for region in found]
    for kind, outline in OUTLINES.items():
        if scaffold := outline(lines, spans):
            found = [Region(kind, lines.cover(0, len(lines)), scaffold=tuple(scaffold), inner=tuple(found))]
    return tuple(found)


def _told(stretches: Sequence[Lines], found: Sequence[Region]) -> list[Lines]:
    """What a person wrote before all regions or after them, such as a task: a blank line parts it from the regions."""
    first, last = min(region.span[0] for region in found), max(region.span[1] for region in found)
    return [
        stretch
        for stretch in stretches
        if (stretch.spans[-1][1] <= first and not stretch[len(stretch) - 1].strip())
        or (stretch.spans[0][0] >= last and not stretch[0].strip())
        if not is_printed(stretch)
    ]


def _detect(detect: Detector, stretches: Sequence[Lines], found: list[Region]) -> list[Lines]:
    """Adds what a detector finds in stretches of lines, and gives the stretches that are left."""
    left: list[Lines] = []
    for stretch in stretches:
        new = list(detect(stretch))
        found += new
        left += _without(stretch, new)
    return left


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
