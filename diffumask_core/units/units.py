"""A prompt as arrays over its units: what each is made of, which may go, and with what.

The encoder reads words; a unit is a run of words that is kept or dropped whole. In prose each word is a unit. In other
regions a unit is a line, a row, a member of an object: the least that makes sense there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from diffumask_core.prompt.clauses import bonds
from diffumask_core.prompt.kept import Protection
from diffumask_core.prompt.layout import Layout
from diffumask_core.prompt.negations import turning_words
from diffumask_core.prompt.source_labels import label_rules
from diffumask_core.prompt.spans import Span, disjoint_spans, merge_spans, spans_between
from diffumask_core.regions.detect import find_regions
from diffumask_core.regions.json_strings import unescaped
from diffumask_core.regions.region import Region, Scaffold, walk_all
from diffumask_core.units.joins import Joins, number_at
from diffumask_core.units.punctuation import Punctuation
from diffumask_core.units.scaffold import ScaffoldIndex
from diffumask_core.units.segmentation import cut_words
from diffumask_core.units.words import bound_words, split_words

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

# A key, an image or a hash that is longer hangs on no word beside it, and holds no words.
_LONGEST_WORD = 100


@dataclass(frozen=True)
class Units:
    """The N units of a prompt of W words and S shots, in order.

    Attributes:
        layout: The structure of the prompt.
        words: ``[W, 2]``, where each word is in ``layout.text``.
        first_word: ``[N + 1]``, the first word of each unit, and W.
        spans: ``[N, 2]``, where each unit is: from its first word to its last, and of a line its indentation too.
        segment: ``[N]``, the segment that each unit is in.
        shot: ``[N]``, the shot that each unit is in; -1 outside shots.
        protected: ``[N]``, units that never go.
        kept_with_shot: ``[N]``, units that go only when their whole shot goes.
        too_large: ``[N]``, units that go since the budget has no room for them even alone; none before there is one.
        pinned: ``[S]``, shots that may not go whole.
        scaffold: Units that follow from others.
        joins: How each unit stands beside its neighbours.
        punctuation: Marks of prose that tell nothing alone.
    """

    layout: Layout
    words: IntArray
    first_word: IntArray
    spans: IntArray
    segment: IntArray
    shot: IntArray
    protected: BoolArray
    kept_with_shot: BoolArray
    too_large: BoolArray
    pinned: BoolArray
    scaffold: ScaffoldIndex
    joins: Joins
    punctuation: Punctuation

    @classmethod
    def of(cls, layout: Layout, protection: Protection, marks: bool = True) -> "Units":
        """Splits a prompt into units.

        Args:
            layout: The structure, with its regions.
            protection: What must stay.
            marks: Whether a mark says how much of a list has gone. A count beside the list goes where no mark does.
        """
        regions = list(walk_all(layout.regions))
        words = _words(layout, regions)
        prose = list(_prose(layout, regions))
        bound = [*layout.whole_segments, *(span for region in regions for span in region.units)]
        turns: list[Scaffold] = []
        tied: list[Span] = []
        for start, end in prose:
            inside = words[np.searchsorted(words[:, 0], start) : np.searchsorted(words[:, 0], end)]
            bound += bound_words(layout.text, start, end, inside)
            found = turning_words(layout.text, start, end)
            # Of a script without spaces the phrase that a negation stands in is one unit.
            bound += _whole_words(inside, [word for word, _ in found])
            turns += [_turn(word, governed) for word, governed in found]
            hanging = bonds(layout.text, start, end, found)
            tied += hanging.units
            turns += hanging.rules
        long = [(start, end) for start, end in words[words[:, 1] - words[:, 0] > _LONGEST_WORD].tolist()]
        turns = [rule for rule, is_inside in zip(turns, _begin_in(long, turns), strict=True) if not is_inside]
        # A word that stays would hold all of its unit.
        held = overlapping(np.array(tied, dtype=np.int64).reshape(-1, 2), [*protection.always, *protection.with_shot])
        loose = [span for span, is_held in zip(tied, held, strict=True) if not is_held]
        parts = [part for span in loose for part in spans_between(long, span)]
        bound += _whole_words(words, [part for part in parts if not layout.text[slice(*part)].isspace()])
        labels = list(label_rules(layout))
        rules = [label for label, of_prose in zip(labels, _begin_in(prose, labels), strict=True) if of_prose]
        rules += [rule for region in regions for rule in region.scaffold if marks or not rule.marked]
        if not marks:
            whole = disjoint_spans([each.span for region in regions for each in region.series if each.is_marked])
            rules = [rule for rule, is_inside in zip(rules, _begin_in(whole, rules), strict=True) if not is_inside]
            bound += whole
        bound += [rule.span for rule in rules]
        first_word, spans = _runs(words, disjoint_spans(bound))
        complete = [] if marks else [each for region in regions for each in region.complete]
        scaffold, joins = ScaffoldIndex([*rules, *turns], spans, complete), Joins.of(layout.text, regions, spans)
        shot = np.full(len(spans), -1, dtype=np.int64)
        for number, each in enumerate(layout.shots):
            first, last = np.searchsorted(spans[:, 0], each.span)
            shot[first:last] = number
        protected = scaffold.support(overlapping(spans, protection.always))
        with_shot = scaffold.support(overlapping(spans, protection.with_shot))
        # Outside shots there is nothing to go with.
        protected |= with_shot & (shot < 0)
        pinned = np.array([each.pinned for each in layout.shots], dtype=bool)
        pinned[shot[protected & (shot >= 0)]] = True
        segment = np.searchsorted([start for start, _ in layout.segments], spans[:, 0], side="right") - 1
        with_shot &= ~protected
        punctuation = Punctuation.of(layout.text, spans, joins.value < 0)
        return cls(
            layout=layout,
            words=words,
            first_word=first_word,
            spans=spans,
            segment=segment,
            shot=shot,
            protected=protected,
            kept_with_shot=with_shot,
            too_large=np.zeros(len(spans), dtype=bool),
            pinned=pinned,
            scaffold=scaffold,
            joins=joins,
            punctuation=punctuation,
        )

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def free(self) -> BoolArray:
        """``[N]``, the units that are decided one by one as long as their shot stays."""
        free: BoolArray = ~(self.protected | self.kept_with_shot | self.scaffold.syntax | self.too_large)
        return free

    def close(self, keep: BoolArray, alive: BoolArray) -> BoolArray:
        """What is kept when certain units are: with what never goes, without dropped shots, and with the scaffold.

        Args:
            keep: ``[N]``, the units that are kept for their own sake.
            alive: ``[S]``, shots that are not dropped whole.
        """
        stays = self.in_shots(alive)
        required = (self.protected | self.kept_with_shot) & stays
        # Punctuation first: a mark that goes is no reason for a speaker, a heading or the number of an item to stay.
        closed = self.scaffold.close(self.punctuation.thin((keep & stays) | required) | required)
        kept: BoolArray = (self.punctuation.thin(closed) & stays) | required
        return kept

    def in_shots(self, alive: BoolArray) -> BoolArray:
        """``[N]``, the units that are in one of these shots ``[S]``, or in none."""
        stays: BoolArray = np.append(alive, True)[self.shot]
        return stays

    def shots_of(self, mask: BoolArray) -> BoolArray:
        """``[S]``, the shots that a mask ``[N]`` keeps a unit of, and those that may not go whole."""
        return self.pinned | self.shots_with(mask)

    def shots_with(self, which: BoolArray) -> BoolArray:
        """``[S]``, the shots that have one of these units ``[N]``."""
        found = np.zeros(len(self.pinned), dtype=bool)
        touched = self.shot[which]
        found[touched[touched >= 0]] = True
        return found

    def blocks(self) -> list[Span]:
        """Ranges of words that belong together, in order: shots, and what is between them."""
        edges = self.first_word[np.flatnonzero(np.diff(self.shot)) + 1]
        ends = [*edges.tolist(), len(self.words)]
        return list(pairwise([0, *ends]))

    def at(self, span: Span) -> tuple[int, int]:
        """The range of units that lie in a span, or partly in it."""
        first = int(np.searchsorted(self.spans[:, 1], span[0], side="right"))
        return first, max(int(np.searchsorted(self.spans[:, 0], span[1], side="left")), first)


def overlapping(spans: IntArray, wanted: Sequence[Span]) -> BoolArray:
    """Which units ``[N, 2]`` lie in a span, or partly in it: ``[N]``."""
    marked = np.zeros(len(spans) + 1, dtype=np.int64)
    for start, end in merge_spans(wanted):
        marked[np.searchsorted(spans[:, 1], start, side="right")] += 1
        marked[np.searchsorted(spans[:, 0], end, side="left")] -= 1
    result: BoolArray = np.cumsum(marked)[:-1] > 0
    return result


def read_words(text: str) -> IntArray:
    """The words of a text ``[W, 2]`` as the encoder is given them, cut where regions and their units begin and end."""
    layout = Layout(text, regions=find_regions(text))
    return _words(layout, list(walk_all(layout.regions)))


def _begin_in(spans: Sequence[Span], rules: Sequence[Scaffold]) -> BoolArray:
    """Whether the unit of each rule begins in one of some spans: ``[R]``."""
    inside: BoolArray = number_at(spans, np.array([rule.span[0] for rule in rules], dtype=np.int64)) >= 0
    return inside


def _turn(word: Span, governed: Span) -> Scaffold:
    """The rule of a word that turns a sentence, such as "not": it stays while what it governs stays."""
    if governed[1] <= word[0]:
        return Scaffold(word, before=governed, alone=True)
    return Scaffold(word, after=governed, alone=True)


def _words(layout: Layout, regions: Sequence[Region]) -> IntArray:
    """The words of a text ``[W, 2]``; none crosses an edge of a segment, a region or a unit."""
    text = layout.text
    strings = [region.span for region in regions if region.escaped]
    edges = [0, *(edge for string in strings for edge in string), len(text)]
    pieces = []
    for number, (start, end) in enumerate(pairwise(edges)):
        # Every second stretch is a string, whose escapes stand for characters.
        if number % 2:
            content, source = unescaped(text, start, end)
            pieces.append(source[split_words(content)])
        else:
            pieces.append(split_words(text, start, end))
    words = np.concatenate(pieces)
    borders = {edge for segment in layout.segments for edge in segment}
    borders |= {edge for shot in layout.shots for edge in shot.span}
    borders |= {edge for region in regions for edge in region.span}
    borders |= {edge for region in regions for span in region.units for edge in span}
    return cut_words(words, np.array(sorted(borders), dtype=np.int64))


def _whole_words(words: IntArray, spans: Sequence[Span]) -> list[Span]:
    """Each span from the beginning of the word ``[W, 2]`` in which it begins to the end of the one in which it ends."""
    edges = np.array(spans, dtype=np.int64).reshape(-1, 2)
    first = np.searchsorted(words[:, 1], edges[:, 0], side="right")
    last = np.searchsorted(words[:, 0], edges[:, 1], side="left") - 1
    return list(zip(words[first, 0].tolist(), words[last, 1].tolist(), strict=True))


def _prose(layout: Layout, regions: Sequence[Region]) -> Iterator[Span]:
    """The stretches between units of regions, where each word is a unit of its own."""
    whole = layout.whole_segments
    taken = merge_spans(
        [span for region in regions for span in (*region.units, *([region.span] if region.escaped else []))]
    )
    for segment in layout.segments:
        if segment not in whole:
            yield from (gap for gap in spans_between(taken, segment) if not layout.text[slice(*gap)].isspace())


def _runs(words: IntArray, bound: Sequence[Span]) -> tuple[IntArray, IntArray]:
    """Units as runs of words: ``first_word`` and ``spans`` of `Units`.

    Args:
        words: ``[W, 2]``.
        bound: Stretches that are one unit each, in order, not overlapping; every other word is a unit of its own.
    """
    edges = np.array(bound, dtype=np.int64).reshape(-1, 2)
    owner = number_at(bound, words[:, 0])
    owned = owner >= 0
    opens = ~owned
    opens[1:] |= owner[1:] != owner[:-1]
    opens[:1] = True
    first = np.flatnonzero(opens)
    first_word = np.append(first, len(words))
    spans = np.stack([words[first, 0], words[first_word[1:] - 1, 1]], 1) if len(words) else words
    inside = owned[first]
    spans[inside] = edges[owner[first[inside]]]
    return first_word, spans
