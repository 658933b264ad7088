"""From prompts and validation items to label rows: many searches side by side, one reader.

prompts --SearchSpace, Guide--> searches --candidates, in batches--> reader --scores--> masks --> rows
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from diffumask_core.datasets import ItemRow, LabelRow, PromptRow
from diffumask_core.errors import InputError
from diffumask_core.labeling.search import Judge, MaskSearch, Measure
from diffumask_core.labeling.space import BoolArray, Guide, SearchSpace, read_guide
from diffumask_core.labeling.strategies import STRATEGIES
from diffumask_core.model.pretrained import load_pruner
from diffumask_core.model.pruner import Pruner
from diffumask_core.prompt.spans import Span, clip_spans
from diffumask_core.readers.cache import ReplyCache
from diffumask_core.readers.protocol import Question, Reader
from diffumask_core.rendering.join import render_segments

# About what the annotators kept at the light level.
_LIGHT = 0.55
# What a reader is asked about so many prompts goes to it together.
_SIDE_BY_SIDE = 8


@dataclass(frozen=True)
class Labelled:
    """What a search found of a prompt.

    Attributes:
        id: The prompt's.
        row: Its label row; None where nothing of it is needed, or the reader gets nothing right with all of it.
        kept: Of the units that may go, the share that is left.
        quality: With what is left.
        full_quality: With the full prompt.
        floor: What had to be left of it.
        calls: Of the reader.
        candidates: Distinct texts.
        ended: As in `MaskSearch`.
    """

    id: str
    row: LabelRow | None
    kept: float
    quality: float
    full_quality: float
    floor: float
    calls: int
    candidates: int
    ended: str


def label_prompts(
    prompts: Sequence[PromptRow],
    items: Sequence[ItemRow],
    reader: Reader,
    *,
    search: str = "hierarchical",
    measure: Measure = "accuracy",
    floor: float = 0.96,
    max_calls: int | None = None,
    batch: int = 1,
    scores: ReplyCache | None = None,
    pruner: Pruner | None = None,
) -> Iterator[Labelled]:
    """Finds what a reader needs of each prompt; gives each as soon as its search has ended.

    Several prompts are searched side by side, so that the reader is asked about many candidates at once.

    Args:
        prompts: Few-shot prompts.
        items: What is asked after each prompt, with the right answers.
        reader: What judges.
        search: One of `STRATEGIES`.
        measure: What quality is: the share of right answers (``"accuracy"``), or how probable they are
            (``"log_probability"``).
        floor: The share of the full prompt's quality that must be left; see `MaskSearch`.
        max_calls: The most reader calls for each prompt; what has been found until then is taken.
        batch: How many candidates of one prompt are judged at once: more are faster and cost more calls.
        scores: Where scores are kept, for a run that goes on; in memory by default.
        pruner: What guides the search; by default the bundled one.

    Raises:
        InputError: An argument is not possible, or nothing in a prompt may go.
        ReaderError: The reader gave no reply. All scores until then are kept.
    """
    _check(items, search, measure, floor, max_calls, batch)
    asked = [Question("", item.query, item.answer, tuple(item.labels)) for item in items]
    judge = Judge(reader, asked, measure, scores or ReplyCache())
    pruner = pruner or load_pruner()

    def begin(prompt: PromptRow) -> tuple[PromptRow, Guide, MaskSearch]:
        space = SearchSpace(prompt.few_shot)
        guide = read_guide(space, pruner)
        return prompt, guide, MaskSearch(space, guide, judge, STRATEGIES[search], floor, max_calls, batch)

    waiting = iter(prompts)
    running: list[tuple[PromptRow, Guide, MaskSearch]] = []
    while running := [*running, *map(begin, islice(waiting, _SIDE_BY_SIDE - len(running)))]:
        going = []
        for prompt, guide, found in running:
            if found.ended:
                yield _labelled(prompt, guide, found)
            else:
                going.append((prompt, guide, found))
        running = going
        if running:
            replies = iter(judge.ask([question for _, _, found in running for question in found.questions]))
            for _, _, found in running:
                found.tell(list(islice(replies, len(found.questions))))


def _check(
    items: Sequence[ItemRow], search: str, measure: str, floor: float, max_calls: int | None, batch: int
) -> None:
    if not items:
        raise InputError("There are no validation items: give queries with their right answers.")
    if search not in STRATEGIES:
        raise InputError(f"search={search!r} is unknown: pass one of {', '.join(STRATEGIES)}.")
    if measure not in ("accuracy", "log_probability"):
        raise InputError(f'measure={measure!r} is unknown: pass "accuracy" or "log_probability".')
    if not 0 < floor <= 1:
        raise InputError(f"floor={floor!r} is not a share: pass a number above 0 and at most 1, such as 0.96.")
    if max_calls is not None and max_calls < len(items):
        raise InputError(
            f"max_calls={max_calls} does not even judge the full prompt on the {len(items)} items: pass more, such as "
            f"{50 * len(items)}, or fewer items."
        )
    if batch < 1:
        raise InputError(f"batch={batch} is not possible: pass a number of at least 1.")


def _labelled(prompt: PromptRow, guide: Guide, found: MaskSearch) -> Labelled:
    return Labelled(
        id=prompt.id,
        row=None if found.ended == "useless" else _row(prompt, guide, found),
        kept=found.space.share(found.best),
        quality=found.quality,
        full_quality=found.full_quality,
        floor=found.floor,
        calls=found.calls,
        candidates=found.candidates,
        ended=found.ended,
    )


def _row(prompt: PromptRow, guide: Guide, found: MaskSearch) -> LabelRow | None:
    """The shots of which something is left, with what is left of them; None where nothing is."""
    prompt_units = found.space.units
    layout = prompt_units.layout
    alive = prompt_units.shots_of(found.best)
    parts = [shot.span for shot, stays in zip(layout.shots, alive, strict=True) if stays]
    if not layout.shots:
        parts = [(0, len(layout.text))]
    if not parts:
        return None
    inside = np.append(alive, not layout.shots)[prompt_units.shot]
    light = _light(found, guide, inside)
    text = "\n\n".join(layout.text[start:end] for start, end in parts)
    return LabelRow(
        id=prompt.id,
        kind=prompt.kind,
        text=text,
        light=_spans(found.space, prompt_units.close(light, alive), parts),
        tight=_spans(found.space, found.best, parts),
        source=prompt.source,
        split=prompt.split,
    )


def _light(found: MaskSearch, guide: Guide, inside: BoolArray) -> BoolArray:
    """What is left, and what went last before it, up to the light level: ``[N]``."""
    units = np.flatnonzero(inside)
    last_first = units[np.lexsort((guide.units[units], found.survival[units]))[::-1]]
    light = found.best & inside
    light[last_first[: math.ceil(_LIGHT * len(units))]] = True
    return light


def _spans(space: SearchSpace, mask: BoolArray, parts: Sequence[Span]) -> list[Span]:
    """What a mask keeps, as offsets into the parts joined by blank lines."""
    [left] = render_segments(space.units, mask, [])
    kept = left.spans if left else []
    spans: list[Span] = []
    begin = 0
    for first, last in parts:
        spans += [(start - first + begin, end - first + begin) for start, end in clip_spans(kept, (first, last))]
        begin += last - first + 2
    return spans
