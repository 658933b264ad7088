"""What lines of tools' results gain that must be the last to go: failures, and what the question or a call names.

The line model has learned from runs of agents what is needed on average. A user who asks for one record of thirty, or
whether the tests pass, asks for one line: an answer without the line is wrong.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from diffumask_core.prompt.formats import argument_values
from diffumask_core.regions.region import Region, Series, walk_all
from diffumask_core.scoring.novelty import repeats
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.telling import exact_names, failed_records, is_failure, odd_ones, proper_names, terms_in

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

# On the scale of logits, where 12 and 8 are beyond what the line model says of any line.
_NAMED_BONUS = 12.0
_FAILURE_BONUS = 8.0
# One of many near-equal failures tells less than the first one.
_FAILED_AGAIN_BONUS = 4.0
_COPY_PENALTY = 4.0
# A name that more of the items of a series hold tells none of them from the others, and few items fit anyway.
_COMMON = 0.1
_FEWEST_ITEMS = 5
# What a line of a name heads gains with it, if it is of so few units.
_SHORT_BODY = 12
# Rows that differ from the others in a value.
_ODD_BONUS = 4.0
_ROWS = frozenset({"json", "table"})
# Texts of more names ask for none of them in particular.
_FEW_NAMES = 12
_PROPER_WEIGHT = 0.5
_ASKING = ("user", "system", "developer")


def line_gains(reading: Reading, by_lines: BoolArray) -> FloatArray:
    """What each unit ``[N]`` that the line model decides gains by what it tells, on the scale of logits.

    Args:
        reading: The conversation.
        by_lines: ``[N]``, units that the line model decides.
    """
    gains = np.zeros(len(by_lines))
    if not by_lines.any():
        return gains
    for region in walk_all(reading.units.layout.regions):
        for series in region.series:
            _add_of_series(gains, reading, region.kind, series)
        if region.kind in _ROWS:
            _add_of_records(gains, reading, region)
    _add_of_names(gains, reading, by_lines)
    gains[~by_lines] = 0.0
    return gains


def copied_lines(reading: Reading) -> BoolArray:
    """``[N]``, units that are near-equal to an earlier one of their series."""
    copied = np.zeros(len(reading.units), dtype=bool)
    for region in walk_all(reading.units.layout.regions):
        for series in region.series:
            for item, is_copy in zip(series.items, repeats(series.alike), strict=False):
                copied[slice(*reading.units.at(item))] |= is_copy
    return copied


def _add_of_series(gains: FloatArray, reading: Reading, kind: str, series: Series) -> None:
    texts = [reading.text(item) for item in series.items]
    seen = repeats(series.alike) or [False] * len(texts)
    odd = odd_ones(texts) if kind in _ROWS else [False] * len(texts)
    for item, text, is_copy, is_odd in zip(series.items, texts, seen, odd, strict=True):
        fails = is_failure(kind, text)
        gain = (_FAILED_AGAIN_BONUS if is_copy else _FAILURE_BONUS) if fails else _ODD_BONUS * is_odd
        gains[slice(*reading.units.at(item))] += gain - _COPY_PENALTY * (is_copy and not fails)


def _add_of_records(gains: FloatArray, reading: Reading, region: Region) -> None:
    """Adds what rows, records and members of objects gain that say that something went wrong."""
    texts = [reading.text(unit) for unit in region.units]
    for unit, fails in zip(region.units, _with_members(texts, failed_records(texts)), strict=True):
        gains[slice(*reading.units.at(unit))] += _FAILURE_BONUS * fails


def _with_members(texts: Sequence[str], failed: Sequence[bool]) -> Iterator[bool]:
    """Whether each unit fails, or is inside of an object or a list that does: one that opens in a unit of its own."""
    depth, below = 0, 0
    for text, fails in zip(texts, failed, strict=True):
        if below and depth < below:
            below = 0
        yield fails or bool(below)
        depth += text.endswith(("{", "[")) - (text in ("}", "]"))
        if fails and not below and text.endswith(("{", "[")):
            below = depth


def _add_of_names(gains: FloatArray, reading: Reading, by_lines: BoolArray) -> None:
    """Adds what lines, rows and records gain by names that are asked for: the more, the fewer hold a name.

    A member of an object gains nothing: that an object is of the name is known, what else it says is not told by that.
    """
    asked = _asked(reading)
    for region in walk_all(reading.units.layout.regions) if asked else ():
        bodies = {head.span: head.after for head in region.scaffold if head.after is not None}
        for series in region.series:
            if len(series.items) < _FEWEST_ITEMS:
                continue
            ranges = [reading.units.at(item) for item in series.items]
            first = ranges[0][0]
            if first == len(by_lines) or not by_lines[first : ranges[-1][1]].any():
                continue
            new = asked.keys() - _named_in_call(reading, int(reading.units.segment[first]))
            held = [terms_in(reading.text(item)) & new for item in series.items]
            for item, (begin, end), told in zip(series.items, ranges, _told(held, asked), strict=True):
                # What a named line heads is what is asked for.
                first, last = reading.units.at(bodies.get(item, item))
                end = last if last - first <= _SHORT_BODY else end
                gains[begin:end] += _NAMED_BONUS * told


def _named_in_call(reading: Reading, segment: int) -> set[str]:
    """What the call of a result names: all of the result is about that."""
    layout = reading.units.layout
    calls = layout.voices[segment].calls
    return {term for call in calls for term in terms_in(layout.text[slice(*layout.segments[call])])}


def _told(held: Sequence[set[str]], asked: Mapping[str, float]) -> FloatArray:
    """How well the names that each line holds tell it from the others: 1 for a name that no other line holds."""
    counts = Counter(name for names in held for name in names)
    most = max(_COMMON * len(held), 1.0)
    told = {name: asked[name] * max(1.0 - (count - 1) / most, 0.0) for name, count in counts.items()}
    return np.array([max((told[name] for name in names), default=0.0) for names in held])


def _asked(reading: Reading) -> dict[str, float]:
    """The names that are asked for, with their weights: a text of many names, such as a manual, asks for none of them.

    Users ask, instructions too for what they name to the letter, and so do the calls of the agent's newest step.
    """
    weights: dict[str, float] = {}
    for text, is_question in _asking(reading):
        exact = exact_names(text)
        proper = proper_names(text) - exact if is_question else set()
        share = min(_FEW_NAMES / max(len(exact) + len(proper), 1), 1.0) ** 3
        for names, weight in ((exact, share), (proper, _PROPER_WEIGHT * share)):
            weights |= {name: max(weights.get(name, 0.0), weight) for name in names}
    return weights


def _asking(reading: Reading) -> Iterator[tuple[str, bool]]:
    """The texts that ask, and whether a user says them."""
    layout = reading.units.layout
    spoken = [number for number, voice in enumerate(layout.voices) if voice.role == "assistant"]
    newest = layout.voices[spoken[-1]].message if spoken else -1
    for voice, span in zip(layout.voices, layout.segments, strict=True):
        text = layout.text[slice(*span)]
        if voice.role in _ASKING:
            yield text, voice.role == "user"
        elif voice.is_call and voice.message == newest:
            # A value of several words is a command or a text: it names what it works with, not what it is after.
            yield "\n".join(value for value in argument_values(text) if not re.search(r"\s", value)), False
