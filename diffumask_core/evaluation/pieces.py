"""Old results of tools cut into pieces, and what is left of them in ways that need no model.

A piece is a line, or in a result that is JSON a member with its value. Lines that are left out leave no mark, and JSON
stays JSON.
"""

import heapq
import json
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count as numbers
from typing import Any

import numpy as np

from diffumask_core.labeling.hindsight import is_exact, stands_in, strings_of
from diffumask_core.scoring.terms import bm25
from diffumask_core.tokens import TokenCounter

Place = tuple[int, int]
"""The number of a result, and of a piece in it."""

# How much less than a line of the newest result a line of the oldest counts, found on runs that training may see.
_OLDEST = 0.25
# Shorter values of JSON, such as prices and counts, are no rare strings.
_LEAST_VALUE = 4
_NOTHING = object()


@dataclass(frozen=True)
class Result:
    """A result of a tool.

    Attributes:
        text: As the tool gave it.
    """

    text: str

    @cached_property
    def value(self) -> Any:
        """What the text says where it is an object or a list in JSON; None where it is not."""
        try:
            value = json.loads(self.text) if self.text.lstrip()[:1] in ("{", "[") else None
        except (ValueError, RecursionError):
            return None
        return value or None

    @cached_property
    def pieces(self) -> list[str]:
        """The lines of the text, or the members of the JSON."""
        return self.text.split("\n") if self.value is None else [piece for piece, _ in _members(self.value)]

    @cached_property
    def strings(self) -> list[set[str]]:
        """What each piece says that a later step could need to the letter."""
        if self.value is None:
            return [set(strings_of(line)) for line in self.pieces]
        values = [str(value) for _, value in _members(self.value)]
        return [{value} if len(value) >= _LEAST_VALUE and is_exact(value) else set() for value in values]

    def left(self, kept: Collection[int]) -> str:
        """The text with these pieces alone; all of them give the text itself."""
        if len(kept) == len(self.pieces):
            return self.text
        if not kept:
            return ""
        if self.value is None:
            return "\n".join(self.pieces[number] for number in sorted(kept))
        return json.dumps(_with(self.value, kept, numbers()), ensure_ascii=False)


def _members(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The scalars in a JSON value, in order, each as it is written with its key."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _members(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from _members(each, key)
    else:
        yield f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}", value


def _with(value: Any, kept: Collection[int], at: Iterator[int]) -> Any:
    """A JSON value with some of its scalars, which are numbered in order; objects and lists without any go."""
    if isinstance(value, dict):
        inner = {name: _with(each, kept, at) for name, each in value.items()}
        return {name: each for name, each in inner.items() if each is not _NOTHING} or _NOTHING
    if isinstance(value, list):
        return [each for each in (_with(each, kept, at) for each in value) if each is not _NOTHING] or _NOTHING
    return value if next(at) in kept else _NOTHING


@dataclass(frozen=True)
class History:
    """What the ways to shorten see of a run.

    Attributes:
        results: The old results of tools, oldest first.
        query: The task, and what the agent said last.
        elsewhere: All that stays beside the results.
        counter: Counts tokens.
    """

    results: Sequence[Result]
    query: str
    elsewhere: str
    counter: TokenCounter

    @cached_property
    def places(self) -> list[Place]:
        """All pieces that are not blank."""
        return [
            (number, piece)
            for number, result in enumerate(self.results)
            for piece, text in enumerate(result.pieces)
            if text.strip()
        ]

    def text(self, place: Place) -> str:
        """A piece."""
        return self.results[place[0]].pieces[place[1]]

    @cached_property
    def tokens(self) -> int:
        """Of all results."""
        return sum(map(self.counter.count, (result.text for result in self.results)))

    def fit(self, order: Sequence[Place], limit: int) -> list[str]:
        """What is left of each result when as many pieces stay, in this order, as the limit of tokens allows."""
        low, high = 0, len(order) + 1
        while high - low > 1:
            middle = (low + high) // 2
            left = self._left(order[:middle])
            low, high = (middle, high) if sum(map(self.counter.count, left)) <= limit else (low, middle)
        return self._left(order[:low])

    def _left(self, kept: Sequence[Place]) -> list[str]:
        own: list[set[int]] = [set() for _ in self.results]
        for number, piece in kept:
            own[number].add(piece)
        return [result.left(pieces) for result, pieces in zip(self.results, own, strict=True)]


def _head_and_tail(history: History) -> list[Place]:
    """The first and last pieces, the same share of each result."""

    def depth(place: Place) -> float:
        size = len(history.results[place[0]].pieces)
        return min(place[1], size - 1 - place[1]) / size

    return sorted(history.places, key=depth)


def _at_random(history: History) -> list[Place]:
    """Any pieces; the same ones each time for the same results."""
    places = list(history.places)
    random.Random(len(places)).shuffle(places)
    return places


def _by_bm25(history: History) -> list[Place]:
    """The pieces that are nearest in words to the task and to what the agent said last."""
    scores = bm25(history.query, [history.text(place) for place in history.places])
    return [history.places[number] for number in np.argsort(-scores, kind="stable")]


def _by_rule(history: History) -> list[Place]:
    """The pieces with the most rare strings a token, each string once.

    Strings that stand in the rest of the context or in pieces before count nothing, pieces that an earlier result has
    are passed over, and lines of newer results count more.
    """
    texts = {text: place for place in reversed(history.places) if (text := history.text(place).strip())}
    strings = {place: history.results[place[0]].strings[place[1]] for place in texts.values()}
    holding = Counter(string for own in strings.values() for string in own)
    worth = {string: np.log((len(texts) + 1) / found) for string, found in holding.items()}
    worth |= {string: 0.0 for string in worth if string in history.elsewhere and stands_in(string, history.elsewhere)}
    costs = dict(zip(texts.values(), history.counter.count_each([f"\n{text}" for text in texts]), strict=True))
    newest = len(history.results) - 1

    def gain(place: Place) -> float:
        is_line = history.results[place[0]].value is None
        newer = _OLDEST + (1 - _OLDEST) * place[0] / max(newest, 1) if is_line else 1.0
        return float(newer * sum(worth[string] for string in strings[place]) / costs[place])

    heap = [(-gain(place), place) for place in strings]
    heapq.heapify(heap)
    order: list[Place] = []
    while heap:
        before, place = heapq.heappop(heap)
        # What is kept already only lowers a gain, so the first that has not changed is the best.
        if -gain(place) > before:
            heapq.heappush(heap, (-gain(place), place))
            continue
        order.append(place)
        worth |= dict.fromkeys(strings[place], 0.0)
    return order


def _newest_whole(history: History, limit: int) -> list[str]:
    """Whole results, the newest first, each that still fits."""
    left = [""] * len(history.results)
    room = limit
    for number in reversed(range(len(left))):
        text = history.results[number].text
        tokens = history.counter.count(text)
        if tokens <= room:
            left[number], room = text, room - tokens
    return left


Way = Callable[[History, int], list[str]]
"""From results and a limit of tokens for all of them to what is left of each."""


def _in_order(order: Callable[[History], list[Place]]) -> Way:
    return lambda history, limit: history.fit(order(history), limit)


WITHOUT_A_MODEL: Mapping[str, Way] = {
    "head and tail": _in_order(_head_and_tail),
    "newest whole": _newest_whole,
    "random lines": _in_order(_at_random),
    "bm25 lines": _in_order(_by_bm25),
    "rare strings": _in_order(_by_rule),
}
