"""What the line model is told of lines: their features, and their exact strings.

A line here is a unit of a tool's result that is kept or dropped whole: a line, a row, a record, a member of an object.
Features are counts, places and overlaps of words with what is said around the result.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from diffumask_core.lines.terms import Terms, strings_in, words_in
from diffumask_core.prompt.formats import argument_values
from diffumask_core.prompt.layout import Layout, Voice
from diffumask_core.regions.region import walk_all
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.telling import is_telling
from diffumask_core.units.units import Units, overlapping

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_NONE: IntArray = np.zeros(0, dtype=np.int64)
# So many messages after a result tell what the agent made of it at once.
_AT_ONCE = 3
# Of a line so many characters are looked at.
_LOOKED_AT = 300
# How a line begins, or what stands in it.
_LOOKS = {
    "definition": r"(?:async\s+)?(?:def|class|func|fn|function|struct|interface|impl)\b",
    "import": r"(?:import|from|#include|use|require)\b",
    "comment": r"#|//|\*",
    "hit": r"[\w./-]+:\d+",
    "file": r"[\w./-]+\.\w+$",
    "change": r"[+-]|@@",
    "failure": r".*(?:Error|Exception|Traceback|FAILED|failed|error:)",
    "attribute": r".*\bself\.",
    "return": r".*\breturn\b",
    "key": r"[\"'][\w-]+[\"']\s*:|[\w-]+:\s",
    "exact value": r"[\"'][^\"']*[\"']\s*:\s*[\"']?[\w.@-]*\d[\w.@-]*[\"']?,?$",
    "flag": r"[\"'][^\"']*[\"']\s*:\s*(?:true|false|null|None|True|False)\b",
    "bracket": r"[\[{]",
    "tag": r"</?\w",
}
# What the call of a result does.
_CALLS = {
    "searches": r"\b(?:grep|rg|ag|search|find_in)",
    "reads": r"\b(?:cat|head|tail|read|view|open)\b",
    "prints": r"\b(?:sed|nl|awk)\b",
    "lists": r"\b(?:ls|find|tree|list|glob)",
    "runs": r"\b(?:pytest|python|test|run|make|npm|cargo)\b",
    "compares": r"\b(?:git|diff|log)\b",
    "looks up": r"\b(?:get|fetch|lookup|details|query|select)",
}
_KINDS = ("code", "output", "json", "string", "listing", "log", "trace", "test output", "table", "diff", "config")
FEATURES = (
    *("said in the task", "asked since", "said in the call", "said at once", "said since", "said before"),
    *("strings", "new strings", "known strings", "rarity", "results that hold", "strings of earlier results"),
    *("strings with digits", "length", "indentation", "slashes", "words", "place", "share of lines before", "lines"),
    *("messages since", "share of messages before", "telling"),
    *(f"kind {kind}" for kind in _KINDS),
    *(f"looks like a {look}" for look in _LOOKS),
    *(f"call {call}" for call in _CALLS),
)


@dataclass(frozen=True)
class Evidence:
    """What the line model is told of M lines.

    Attributes:
        unit: ``[M]``, the unit that each line is.
        features: ``[M, F]``, those of `FEATURES`, as ``sign(x) log(1 + |x|)``.
        costs: ``[M]``, tokens.
        terms: The exact strings of each line that are said nowhere but in these lines.
    """

    unit: IntArray
    features: FloatArray
    costs: FloatArray
    terms: Terms


def read_evidence(reading: Reading) -> Evidence | None:
    """Looks at the lines of the results of tools in a conversation; None where none is to be decided."""
    units, layout = reading.units, reading.units.layout
    unit = np.flatnonzero(lines_of_results(units))
    if not len(unit):
        return None
    texts = [layout.text[start:end] for start, end in units.spans[unit].tolist()]
    scene = _Scene.of(layout, units.segment[unit])
    held = [strings_in(text) for text in texts]
    known = {string for text in scene.staying for string in strings_in(text)}
    terms = Terms.of([own - known for own in held])
    columns = [
        *_overlaps(texts, scene),
        *_strings(held, terms, scene),
        *_places(texts, scene, units, unit),
        *_looks(texts, scene, units, unit),
    ]
    features = np.stack(columns, axis=1)
    return Evidence(unit, np.sign(features) * np.log1p(np.abs(features)), reading.costs[unit].clip(1.0), terms)


def lines_of_results(units: Units) -> BoolArray:
    """``[N]``, the units that the line model decides: those of regions in results of tools in a conversation."""
    layout = units.layout
    if not layout.voices:
        return np.zeros(len(units), dtype=bool)
    brought = np.array([voice.is_result for voice in layout.voices])
    whole = overlapping(units.spans, [span for region in walk_all(layout.regions) for span in region.units])
    lines: BoolArray = units.free & whole & brought[units.segment]
    return lines


@dataclass(frozen=True)
class _Scene:
    """The conversation around R results with M lines.

    Attributes:
        result: ``[M]``, the number of the result that each line is in.
        first: ``[R + 1]``, the first line of each result, and M.
        message: ``[R]``, the message of each result; see `_messages`.
        call: ``[R]``, what the call of each result says.
        asked: What the system and the users say, by message; empty where others speak.
        said: What the agent says, by message: its words, and the arguments of its calls as they are meant.
        staying: The texts without a line that is to be decided.
    """

    result: IntArray
    first: IntArray
    message: IntArray
    call: list[str]
    asked: list[str]
    said: list[str]
    staying: list[str]

    @classmethod
    def of(cls, layout: Layout, segment: IntArray) -> "_Scene":
        """Looks at a conversation.

        Args:
            layout: The conversation.
            segment: ``[M]``, the segment of each line, in order.
        """
        segments, first, result = np.unique(segment, return_index=True, return_inverse=True)
        open_segments = set(segments.tolist())
        message_of = _messages(layout.voices)
        messages = message_of[-1] + 1
        asked, said = [""] * messages, [""] * messages
        meant = [
            "\n".join(argument_values(text)) if voice.is_call else text
            for voice, text in zip(layout.voices, (layout.text[slice(*each)] for each in layout.segments), strict=True)
        ]
        for number, (voice, text) in enumerate(zip(layout.voices, meant, strict=True)):
            if number not in open_segments and not voice.is_result:
                spoken = said if voice.role == "assistant" else asked
                spoken[message_of[number]] += f"{text}\n"
        message = np.array([message_of[number] for number in segments.tolist()])
        call = [
            "\n".join(meant[call] for call in layout.voices[number].calls) or said[max(message_of[number] - 1, 0)]
            for number in segments.tolist()
        ]
        staying = [text for number, text in enumerate(meant) if number not in open_segments]
        return cls(result, np.append(first, len(segment)), message, call, asked, said, staying)


def _messages(voices: Sequence[Voice]) -> list[int]:
    """The number of the message that each segment is of, the same in all formats.

    What an agent says and calls in a row is one message, and each result of a tool is one.
    """
    numbers = [0]
    for before, voice in pairwise(voices):
        if voice.role != before.role or voice.calls != before.calls:
            is_new = True
        else:
            is_new = voice.message != before.message and voice.role != "assistant"
        numbers.append(numbers[-1] + is_new)
    return numbers


class _Speech:
    """Which of V words which of several speakers or messages says."""

    def __init__(self, words: Terms, texts: Sequence[str]) -> None:
        said = [np.flatnonzero(words.among(words_in(text))) if text else _NONE for text in texts]
        number = np.repeat(np.arange(len(texts)), [len(each) for each in said])
        word = np.concatenate([_NONE, *said])
        self._texts = len(texts)
        self._codes = np.sort(word * self._texts + number)
        self.first, self.last = np.full(len(words.numbers), self._texts), np.full(len(words.numbers), -1)
        np.minimum.at(self.first, word, number)
        np.maximum.at(self.last, word, number)

    def says(self, number: IntArray, word: IntArray) -> BoolArray:
        """Whether the texts of these numbers say these words, number by number."""
        codes = word * self._texts + number
        at = np.searchsorted(self._codes, codes).clip(max=max(len(self._codes) - 1, 0))
        inside = (number < self._texts) & (self._codes[at] == codes) if len(self._codes) else np.zeros(len(codes), bool)
        return inside


def _overlaps(texts: Sequence[str], scene: _Scene) -> Iterator[FloatArray]:
    """How much of the words of each line, by rarity, stands in the task, the call and what was said around it."""
    words = Terms.of([words_in(text) for text in texts])
    asked, said = _Speech(words, scene.asked), _Speech(words, scene.said)
    call = _Speech(words, scene.call)

    length = 1 + np.bincount(words.line, minlength=words.lines) / 6
    word, place = words.term, scene.message[scene.result][words.line]
    for found in (
        asked.last[word] >= 0,
        asked.last[word] > place,
        call.says(scene.result[words.line], word),
        np.any([said.says(place + after, word) for after in range(1, _AT_ONCE + 1)], axis=0),
        said.last[word] > place,
        said.first[word] < place,
    ):
        yield words.sums(words.rarity * found) / length


def _strings(held: Sequence[set[str]], terms: Terms, scene: _Scene) -> Iterator[FloatArray]:
    """How many exact strings each line holds, how rare they are, and in how many results they stand."""
    count, result = len(terms.numbers), scene.result[terms.line]
    number = np.array([len(own) for own in held], dtype=np.float64)
    new = terms.sums(np.ones(len(terms.line)))
    results_of = np.unique(np.stack([terms.term, result]), axis=1)[0]
    spread, most = np.bincount(results_of, minlength=count), np.zeros(terms.lines)
    np.maximum.at(most, terms.line, spread[terms.term])
    earliest = np.full(count, len(scene.first))
    np.minimum.at(earliest, terms.term, result)
    has_digit = np.array([any(map(str.isdigit, each)) for each in terms.numbers], dtype=bool)
    yield from (number, new, number - new, terms.weights, most)
    yield terms.sums(earliest[terms.term] < result)
    yield terms.sums(has_digit[terms.term]) if count else np.zeros(terms.lines)


def _places(texts: Sequence[str], scene: _Scene, units: Units, unit: IntArray) -> Iterator[FloatArray]:
    """How long each line is, and where it stands."""
    lines = np.diff(scene.first)[scene.result].astype(np.float64)
    place = np.arange(len(texts)) - scene.first[scene.result]
    message, messages = scene.message[scene.result], len(scene.said)
    yield np.array([len(text.strip()) for text in texts], dtype=np.float64)
    yield np.array([len(text) - len(text.lstrip()) for text in texts], dtype=np.float64)
    yield np.array([text.count("/") for text in texts], dtype=np.float64)
    yield np.diff(units.first_word)[unit].astype(np.float64)
    yield place.astype(np.float64)
    yield place / lines
    yield lines
    yield (messages - message).astype(np.float64)
    yield message / messages


def _looks(texts: Sequence[str], scene: _Scene, units: Units, unit: IntArray) -> Iterator[FloatArray]:
    """What each line looks like, the kind of its region, and what the call of its result does."""
    kind_of_unit = np.full(len(units), -1)
    for region in walk_all(units.layout.regions):
        first, last = units.at(region.span)
        kind_of_unit[first:last] = _KINDS.index(region.kind) if region.kind in _KINDS else -1
    kind = kind_of_unit[unit]
    telling = [
        number >= 0 and is_telling(_KINDS[number], text) for number, text in zip(kind.tolist(), texts, strict=True)
    ]
    yield np.array(telling, dtype=np.float64)
    for number in range(len(_KINDS)):
        yield (kind == number).astype(np.float64)
    starts = [text.strip()[:_LOOKED_AT] for text in texts]
    for pattern in _LOOKS.values():
        match = re.compile(pattern).match
        yield np.array([match(start) is not None for start in starts], dtype=np.float64)
    for pattern in _CALLS.values():
        search = re.compile(pattern).search
        yield np.array([search(call) is not None for call in scene.call], dtype=np.float64)[scene.result]
