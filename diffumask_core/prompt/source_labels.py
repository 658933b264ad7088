"""Labels of texts that stand below each other in one prompt, such as `[wifi.md]`.

A label without its text tells nothing. A text without its label, below the label of another one, would be taken for a
part of that one.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import pairwise

from diffumask_core.prompt.layout import Layout
from diffumask_core.regions.region import Scaffold

# A box to be ticked, a link and the definition of a link are no labels.
_LABEL = re.compile(r"^[ \t]*+(\[(?![ xX]\])[^\[\]\n]{1,80}\])(?![(\[:])", re.MULTILINE)


def label_rules(layout: Layout) -> Iterator[Scaffold]:
    """A rule for each label of a segment with several: the label stays where something of its text stays."""
    spans = (*layout.instructions, *layout.protected, layout.query or (0, 0))
    borders = sorted(border for span in spans for border in span)
    starts = [shot.span[0] for shot in layout.shots]
    for start, end in layout.segments:
        labels = [match.span(1) for match in _LABEL.finditer(layout.text, start, end)]
        if len(labels) < 2:
            continue
        for label, following in pairwise([*labels, (end, end)]):
            shot, border = bisect_right(starts, label[0]), bisect_left(borders, label[1])
            # The shot that the label is in, if there is one, and the next border.
            edges = [each.span[1] for each in layout.shots[max(shot - 1, 0) : shot] if label[1] <= each.span[1]]
            stop = min([*edges, *borders[border : border + 1], following[0]])
            if layout.text[label[1] : stop].strip():
                yield Scaffold(label, after=(label[1], stop))
