"""Labels by hindsight: what an agent's run wrote later says what it needed of earlier results of tools.

No LLM is asked. A run is cut; a string that the agent writes after the cut, that it had seen before only in old
results, and that agents write in few runs, was needed.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffumask_core.datasets import HindsightRow, NeededRow
from diffumask_core.lines.evidence import lines_of_results
from diffumask_core.options import Options
from diffumask_core.pipeline import read_prompt
from diffumask_core.prompt.formats import ReadMessage, argument_values, read_messages
from diffumask_core.prompt.messages import messages_layout
from diffumask_core.prompt.spans import shift_span

# Paths, identifiers of six characters and more with what is joined to them by points, and numbers of three digits.
# What stands before a slash is looked for from its beginning only, so that the time is linear.
_STRING = re.compile(r"(?:(?<![\w.-])[\w.-]++)?(?:/[\w.-]++)+|[A-Za-z_][A-Za-z0-9_]{5,}(?:\.[A-Za-z_]\w+)*|\b\d{3,}\b")
# The newest messages, which nothing shortens.
NEWEST = 4
# A string that agents write in more runs than these can be guessed.
MOST_RUNS = 3

Messages = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Cut:
    """A run up to a cut, and what the rest of the run needed of the old results of tools.

    Attributes:
        id: Of the run, and where it was cut.
        messages: The messages before the cut.
        old: Indices of the messages with old results of tools.
        needed: Strings that the agent writes later and has seen only in these results, in alphabetical order.
        values: Whole values of arguments of later calls, seen only in these results, in alphabetical order.
    """

    id: str
    messages: Messages
    old: tuple[int, ...]
    needed: tuple[str, ...]
    values: tuple[str, ...]


def strings_of(text: str) -> list[str]:
    """The paths, identifiers and numbers of a text that a later step could need to the letter."""
    return _STRING.findall(text)


def runs_that_write(runs: Iterable[Messages]) -> Counter[str]:
    """For each string in how many runs the agent writes it."""
    counts: Counter[str] = Counter()
    for messages in runs:
        counts.update(set(strings_of("\n".join(map(said, read_messages(messages))))))
    return counts


def cut_run(name: str, messages: Messages, share: float, counts: Mapping[str, int], newest: int = NEWEST) -> Cut:
    """Cuts a run before the first step of the agent after a share of its messages.

    Args:
        name: What the run is called.
        messages: In any of the formats.
        share: Of the messages, those before the cut, from 0 to 1.
        counts: Of `runs_that_write`.
        newest: How many messages before the cut are not old.
    """
    read = read_messages(messages)
    at = next((n for n in range(int(len(read) * share), len(read)) if read[n].role == "assistant"), len(read))
    asked = next((n for n, message in enumerate(read) if message.asks), 0)
    old = tuple(n for n in range(asked + 1, at - newest) if _results(read[n]))
    stays = "\n".join(_all(message, with_results=n not in old) for n, message in enumerate(read[:at]))
    results = "\n".join(_results(read[n]) for n in old)
    seen, known = set(strings_of(results)), set(strings_of(stays))
    written = {string for message in read[at:] for string in strings_of(said(message))}
    needed = {string for string in written & seen - known if counts.get(string, 0) <= MOST_RUNS}
    values = {value for message in read[at:] for value in exact_values(message)}
    needed_values = {value for value in values if stands_in(value, results) and not stands_in(value, stays)}
    return Cut(f"{name}@{at}", messages[:at], old, tuple(sorted(needed)), tuple(sorted(needed_values)))


def holds(text: str, needed: str) -> bool:
    """Whether a text holds a string that is needed, as a string of its own and not as a part of a longer one."""
    if needed not in text:
        return False
    return needed in strings_of(text) if strings_of(needed) == [needed] else stands_in(needed, text)


def hindsight_row(cut: Cut) -> HindsightRow | None:
    """The row of a cut run, with the units that hold what was needed; None where nothing was."""
    keep = [number for number in range(len(cut.messages)) if number not in cut.old]
    reading = read_prompt(messages_layout(cut.messages, keep).layout, Options(keep_rate=1.0))
    units, layout = reading.units, reading.units.layout
    lines = np.flatnonzero(lines_of_results(units))
    spans, segments = units.spans[lines].tolist(), units.segment[lines].tolist()
    texts = [reading.text((start, end)) for start, end in spans]
    needed: list[NeededRow] = []
    for string in sorted({*cut.needed, *cut.values}):
        found = [number for number, text in enumerate(texts) if holds(text, string)]
        places = [(segments[number], spans[number]) for number in found]
        in_message = [
            (layout.voices[segment].message, *shift_span((start, end), -layout.segments[segment][0]))
            for segment, (start, end) in places
        ]
        needed += [NeededRow(string=string, units=in_message)] if found else []
    if not needed:
        return None
    return HindsightRow(id=cut.id, messages=list(map(dict, cut.messages)), old=list(cut.old), needed=needed)


def said(message: ReadMessage) -> str:
    """What the agent writes in a message: its words, and the arguments of its calls as they are meant."""
    if message.role != "assistant":
        return ""
    parts = [text.text for text in message.texts if text.kind == "text"]
    return "\n".join([*parts, *_arguments(message)])


def exact_values(message: ReadMessage) -> list[str]:
    """Values of the arguments of the calls in a message that must be right to the letter: no white space inside."""
    return [value for value in _arguments(message) if is_exact(value)]


def is_exact(value: str) -> bool:
    """Whether a value must be right to the letter: no white space inside."""
    return len(value) > 1 and not re.search(r"\s", value)


def _arguments(message: ReadMessage) -> list[str]:
    """All strings and numbers in the arguments of a message's calls."""
    given = [text.text for text in message.texts if text.kind == "fixed" and text.keys[-1] in ("arguments", "input")]
    return [value for text in given for value in argument_values(text)]


def stands_in(value: str, text: str) -> bool:
    """Whether a value stands in a text on its own, not as a part of a longer word or number."""
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None


def _results(message: ReadMessage) -> str:
    return "\n".join(text.text for text in message.texts if text.is_result)


def _all(message: ReadMessage, with_results: bool) -> str:
    texts = [text for text in message.texts if text.kind != "fixed" and (with_results or not text.is_result)]
    return "\n".join([*(text.text for text in texts), said(message)])
