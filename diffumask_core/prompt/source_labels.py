"""Labels of texts that stand below each other in one prompt, such as `[wifi.md]`.

A label without its text tells nothing. A text without its label, below the label of another one, would be taken for a
part of that one.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from diffumask_core.prompt.layout import Layout
from diffumask_core.regions.region import Scaffold

# A box to be ticked, a link and the definition of a link are no labels.
_LABEL = re.compile(r"^[ \t]*+(\[(?![ xX]\])[^\[\]\n]{1,80}\])(?![(\[:])", re.MULTILINE)


def label_rules(layout: Layout) -> Iterator[Scaffold]:
    """A rule for each label of a segment with several: the label stays where something of its text stays."""
    borders = [border for span in (*layout.instructions, *layout.protected, layout.query or (0, 0)) for border in span]
    for start, end in layout.segments:
        labels = [match.span(1) for match in _LABEL.finditer(layout.text, start, end)]
        if len(labels) < 2:
            continue
        for label, following in pairwise([*labels, (end, end)]):
            edges = [shot.span[1] for shot in layout.shots if shot.span[0] <= label[0] < shot.span[1]] + borders
            stop = min([edge for edge in edges if edge >= label[1]] + [following[0]])
            if layout.text[label[1] : stop].strip():
                yield Scaffold(label, after=(label[1], stop))
