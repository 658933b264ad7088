"""What the line model is told of lines: their features, their exact strings, and what is said elsewhere.

A line here is any unit of a tool's result that is kept or dropped whole: a line, a row, a record, a member of an object.
Features are counts and overlaps of words; no encoder reads the lines, so that a line costs microseconds.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffumask_core.lines.terms import Terms, strings_in, words_in
from diffumask_core.prompt.formats import argument_values
from diffumask_core.prompt.layout import Layout
from diffumask_core.regions.region import walk_all
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.telling import is_telling
from diffumask_core.units.units import Units, overlapping

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# So many messages after a result tell what the agent made of it at once.
_AT_ONCE = 3
# What a line looks like, and what the call of its result does; one feature each.
_LOOKS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:async\s+)?(?:def|class|func|fn|function|struct|interface|impl)\b",
        r"(?:import|from|#include|use|require)\b",
        r"#|//|\*",
        r"[\w./-]+:\d+",
        r"[\w./-]+\.\w+$",
        r"[+-]|@@",
        r".*(?:Error|Exception|Traceback|FAILED|failed|error:)",
        r".*\bself\.",
        r".*\breturn\b",
        r"[\"'][\w-]+[\"']\s*:|[\w-]+:\s",
        r"[\"'][^\"']*[\"']\s*:\s*[\"']?[\w.@-]*\d[\w.@-]*[\"']?,?$",
        r"[\"'][^\"']*[\"']\s*:\s*(?:true|false|null|None|True|False)\b",
        r"[\[{]",
        r"</?\w",
    )
)
_CALLS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:grep|rg|ag|search|find_in)",
        r"\b(?:cat|head|tail|read|view|open)\b",
        r"\b(?:sed|nl|awk)\b",
        r"\b(?:ls|find|tree|list|glob)",
        r"\b(?:pytest|python|test|run|make|npm|cargo)\b",
        r"\b(?:git|diff|log)\b",
        r"\b(?:get|fetch|lookup|details|query|select)",
    )
)
_KINDS = ("code", "output", "json", "string", "listing", "log", "trace", "test output", "table", "diff", "config")
_LOOKED_AT = 300


@dataclass(frozen=True)
class Evidence:
    """What the line model is told of M lines.

    Attributes:
        unit: ``[M]``, the unit that each line is.
        features: ``[M, F]``, squashed by ``sign(x) log(1 + |x|)``.
        costs: ``[M]``, tokens.
        terms: The exact strings of each line that stand nowhere but in these lines.
    """

    unit: IntArray
    features: FloatArray
    costs: FloatArray
    terms: Terms


def read_evidence(reading: Reading) -> Evidence | None:
    """Looks at the lines of the results of tools in a conversation; None where there are none to decide."""
    units, layout = reading.units, reading.units.layout
    which = _lines_of_results(units)
    if not which.any():
        return None
    unit = np.flatnonzero(which)
    texts = [layout.text[start:end] for start, end in units.spans[unit].tolist()]
    segment = units.segment[unit]
    scene = _Scene.of(layout, set(segment.tolist()))
    held = [strings_in(text) for text in texts]
    known = set().union(*scene.known_strings)
    terms = Terms.of([own - known for own in held])
    features = np.stack(
        [*_overlaps(texts, segment, scene), *_strings(held, terms, segment, scene), *_looks(texts, segment, scene, units, unit)],
        axis=1,
    )
    features = np.sign(features) * np.log1p(np.abs(features))
    return Evidence(unit, features, np.maximum(reading.costs[unit], 1.0), terms)


def _lines_of_results(units: Units) -> BoolArray:
    """``[N]``, the units that the line model decides: those of regions in results of tools."""
    layout = units.layout
    results = np.array([voice.role in ("tool", "function") and not voice.is_call for voice in layout.voices], dtype=bool)
    if not results.any():
        return np.zeros(len(units), dtype=bool)
    whole = overlapping(units.spans, [span for region in walk_all(layout.regions) for span in region.units])
    lines: BoolArray = units.free & whole & results[units.segment]
    return lines


@dataclass(frozen=True)
class _Scene:
    """The conversation around the lines.

    Attributes:
        layout: The conversation.
        open_segments: The segments in which lines are decided.
        said: For each message what the agent says in it: texts, and arguments as they are meant.
        asked: What the system and the user say.
        known_strings: Of each segment that stays, its exact strings.
        first_said: For each message the words that the agent ...
    """

    layout: Layout
    open_segments: set[int]
    said: list[str]
    asked: str
    known_strings: list[set[str]]

    @classmethod
    def of(cls, layout: Layout, open_segments: set[int]) -> "_Scene":
        said = [""] * (layout.voices[-1].message + 1)
        asked: list[str] = []
        known: list[set[str]] = []
        for number, (voice, span) in enumerate(zip(layout.voices, layout.segments, strict=True)):
            if number in open_segments:
                continue
            text = layout.text[slice(*span)]
            if voice.is_call:
                text = "\n".join(argument_values(text))
            known.append(strings_in(text))
            if voice.role == "assistant":
                said[voice.message] += f"\n{text}"
            elif voice.role in ("system", "developer", "user"):
                asked.append(text)
        return cls(layout, open_segments, said, "\n".join(asked), known)

    def call(self, segment: int) -> str:
        """The call that brought a result; where nothing says which, what the agent said before."""
        voice = self.layout.voices[segment]
        texts = [self.layout.text[slice(*self.layout.segments[number])] for number in voice.calls]
        return "\n".join(argument for text in texts for argument in argument_values(text)) or self.said[max(voice.message - 1, 0)]


def _overlaps(texts: Sequence[str], segment: IntArray, scene: _Scene) -> list[FloatArray]:
    """How much of the words of each line, by rarity, the task, the call and the agent's words hold."""
    words = Terms.of([words_in(text) for text in texts])
    vocabulary = len(words.numbers)
    last = np.full(vocabulary, -1)
    first = np.full(vocabulary, len(scene.said) + 1)
    by_message = [words.among([words_in(text)]) if text else None for text in scene.said]
    for message, found in enumerate(by_message):
        if found is not None:
            last[found] = message
            first[found] = np.minimum(first[found], message)
    weight = words.rarity[words.term]
    length = 1 + np.bincount(words.row, minlength=words.lines) / 6
    message = np.array([scene.layout.voices[each].message for each in segment])
    task = words.among([words_in(scene.asked)])[words.term]
    call, at_once = np.zeros(len(words.row), dtype=bool), np.zeros(len(words.row), dtype=bool)
    borders = np.searchsorted(segment[words.row], np.unique(segment), side="left").tolist() + [len(words.row)]
    for number, start, end in zip(np.unique(segment).tolist(), borders, borders[1:]):
        own = words.term[start:end]
        call[start:end] = words.among([words_in(scene.call(number))])[own]
        place = scene.layout.voices[number].message
        for found in by_message[place + 1 : place + 1 + _AT_ONCE]:
            if found is not None:
                at_once[start:end] |= found[own]
    place = message[words.row]
    after, before = last[words.term] > place, first[words.term] < place
    return [words.sums(weight * flag) / length for flag in (task, call, at_once, after, before)]


def _strings(held: Sequence[set[str]], terms: Terms, segment: IntArray, scene: _Scene) -> list[FloatArray]:
    """How many exact strings each line holds, how rare they are, in how many results, and which the agent has named."""
    results = np.unique(segment, return_inverse=True)[1]
    pairs = np.unique(np.stack([terms.term, results[terms.row]], 1), axis=0)
    spread = np.bincount(pairs[:, 0], minlength=len(terms.numbers))
    most = np.zeros(terms.lines)
    np.maximum.at(most, terms.row, spread[terms.term])
    named_at = np.full(len(terms.numbers), -1)
    number = np.array([len(own) for own in held], dtype=np.float64)
    new = np.bincount(terms.row, minlength=terms.lines).astype(np.float64)
    first_result = np.full(len(terms.numbers), len(results) + 1)
    np.minimum.at(first_result, terms.term, results[terms.row])
    again = terms.sums((first_result[terms.term] < results[terms.row]).astype(np.float64))
    digits = np.array([any(map(str.isdigit, each)) for each in terms.numbers], dtype=np.float64)
    with_digits = terms.sums(digits[terms.term]) if len(digits) else np.zeros(terms.lines)
    return [number, new, number - new, terms.sums(terms.rarity[terms.term]), most, again, with_digits]


def _looks(
    texts: Sequence[str], segment: IntArray, scene: _Scene, units: Units, unit: IntArray
) -> list[FloatArray]:
    """What each line looks like, where it stands, and what the call of its result does."""
    messages = len(scene.said)
    message = np.array([scene.layout.voices[each].message for each in segment])
    _, owner, size = np.unique(segment, return_inverse=True, return_counts=True)
    place = np.arange(len(texts)) - np.searchsorted(segment, segment)
    stripped = [text.strip()[:_LOOKED_AT] for text in texts]
    calls = {number: scene.call(number) for number in set(segment.tolist())}
    kinds = np.full(len(units), -1)
    telling = np.zeros(len(texts))
    for region in walk_all(units.layout.regions):
        first, last = units.at(region.span)
        kinds[first:last] = _KINDS.index(region.kind) if region.kind in _KINDS else -1
    kind = kinds[unit]
    telling = np.array(
        [is_telling(_KINDS[number], text) if number >= 0 else False for number, text in zip(kind, texts, strict=True)]
    )
    of_call = np.array([[bool(look.search(calls[each])) for look in _CALLS] for each in segment.tolist()], dtype=np.float64)
    of_line = np.array([[bool(look.match(text)) for look in _LOOKS] for text in stripped], dtype=np.float64)
    columns = [
        np.array([len(text.strip()) for text in texts], dtype=np.float64),
        np.array([len(text) - len(text.lstrip()) for text in texts], dtype=np.float64),
        np.array([text.count("/") for text in texts], dtype=np.float64),
        np.diff(units.first_word)[unit].astype(np.float64),
        place.astype(np.float64),
        place / size[owner],
        size[owner].astype(np.float64),
        (messages - message).astype(np.float64),
        message / messages,
        telling.astype(np.float64),
        *(np.where(kind == number, 1.0, 0.0) for number in range(len(_KINDS))),
        *of_line.T,
        *of_call.T,
    ]
    return columns
