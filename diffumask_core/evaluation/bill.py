"""What recorded runs of agents would have cost, call by call, with a provider's cache of prompts.

A provider charges little for the beginning of a request that is that of the request before. So what shortens a history
saves tokens, and pays for each time that it changes what was sent already.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import accumulate, pairwise, takewhile
from pathlib import Path
from typing import Any

from tqdm import tqdm

from diffumask_core.compressor import Compressor
from diffumask_core.datasets import RunRow, read_runs
from diffumask_core.errors import DataError, InputError
from diffumask_core.evaluation.runs import Messages, Shorten, calls_of, texts_of
from diffumask_core.evaluation.shorten import OURS
from diffumask_core.prompt.formats import put_text, read_messages
from diffumask_core.tokens import TokenCounter

WHOLE = "whole history"
_MILLION = 1_000_000
# How many of the newest messages the ways here leave as they are, as the adapter for agents does.
_KEEP = 6
_CLEARED = "[Old tool result content cleared]"


@dataclass(frozen=True)
class Prices:
    """What a provider charges, in dollars for a million tokens, and what its cache takes for the same beginning.

    Attributes:
        input: Tokens that are neither read from the cache nor written to it.
        cached: Tokens that are read from the cache.
        write: Tokens that are written to it: all others up to the breakpoint, or with a step all others.
        output: Tokens that the model writes.
        step: The beginning is counted in so many tokens; None where it is made of whole messages.
        least: A shorter beginning is not cached.
    """

    input: float
    cached: float
    write: float
    output: float
    step: int | None = None
    least: int = 1024


PRICES: Mapping[str, Prices] = {
    "anthropic": Prices(3, 0.3, 3.75, 15),
    "openai": Prices(1.25, 0.125, 1.25, 10, step=128),
}


def prices_of(listed: str) -> Prices:
    """Reads prices: a provider's name, or four numbers.

    Raises:
        InputError: It is neither.
    """
    if listed in PRICES:
        return PRICES[listed]
    try:
        numbers = [float(number) for number in listed.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4 or not all(0 <= number < _MILLION for number in numbers):
        raise InputError(
            f"--prices {listed} are no prices: pass {' or '.join(PRICES)}, or dollars for a million tokens of input, "
            "cached input, input written to the cache, and output, such as 3,0.3,3.75,15."
        )
    price, cached, write, output = numbers
    return Prices(price, cached, write, output)


@dataclass(frozen=True)
class Charge:
    """A call, as it is billed.

    Attributes:
        prompt: Tokens of the request.
        cached: Those of them that are read from the cache.
        output: Tokens of the answer.
        dollars: What all of that costs.
    """

    prompt: int
    cached: int
    output: int
    dollars: float


@dataclass(frozen=True)
class Sent:
    """A request.

    Attributes:
        messages: What is sent.
        breakpoint: How many of the messages are written to a cache that is made of whole ones. None for as many as the
            next request begins with, which is the best place, and no program knows it.
    """

    messages: Messages
    breakpoint: int | None = None


Send = Callable[[Messages], Sent]
"""From the messages before a call to the request; asked for each call of a run, in order."""


def bill(messages: Messages, send: Send, prices: Prices, counter: TokenCounter) -> list[Charge]:
    """Bills each call of a run.

    The request is what `send` makes of the messages before the call; the answer is the recorded one. Descriptions
    of tools, which a run does not hold, are not counted.

    Args:
        messages: The run.
        send: What shortens it.
        prices: Of the provider.
        counter: Counts tokens.
    """

    @cache
    def count(text: str) -> int:
        return counter.count(text)

    def tokens(sent: Messages) -> int:
        return sum(count(text) for message in sent for text in texts_of(message))

    calls = calls_of(messages)
    requests = [send(messages[: call.prompt]) for call in calls]
    used = _by_messages(requests, tokens) if prices.step is None else _by_tokens(requests, prices.step, tokens, count)
    charges = []
    for call, sent, (found, end) in zip(calls, requests, used, strict=True):
        total = tokens(sent.messages)
        cached = found if found >= prices.least else 0
        written = max(end - cached, 0) if end >= prices.least else 0
        output = tokens(messages[call.prompt : call.end])
        dollars = cached * prices.cached + written * prices.write + (total - cached - written) * prices.input
        charges.append(Charge(total, cached, output, (dollars + output * prices.output) / _MILLION))
    return charges


def _by_messages(requests: Sequence[Sent], tokens: Callable[[Messages], int]) -> Iterator[tuple[int, int]]:
    """Tokens that a cache of whole messages has of each request, and tokens up to where it is written."""
    entries: list[Messages] = [[]]
    for sent, after in pairwise([*requests, *requests[-1:]]):
        found = max(len(entry) for entry in entries if _equal(entry, sent.messages) == len(entry))
        end = _equal(sent.messages, after.messages) if sent.breakpoint is None else sent.breakpoint
        entries.append(sent.messages[:end])
        yield tokens(sent.messages[:found]), tokens(sent.messages[:end])


def _by_tokens(
    requests: Sequence[Sent], step: int, tokens: Callable[[Messages], int], count: Callable[[str], int]
) -> Iterator[tuple[int, int]]:
    """Tokens of the beginning that each request shares with the one before, in whole steps, and tokens of all of it."""
    for before, sent in pairwise([Sent([]), *requests]):
        old, new = before.messages, sent.messages
        equal = _equal(old, new)
        same = tokens(new[:equal])
        if equal < min(len(old), len(new)):
            for first, second in zip(texts_of(old[equal]), texts_of(new[equal]), strict=False):
                same += count(_common(first, second))
                if first != second:
                    break
        yield same // step * step, tokens(new)


def _equal(first: Messages, second: Messages) -> int:
    """How many messages two lists share at their beginnings."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def _common(first: str, second: str) -> str:
    """The beginning that two texts share, up to its last whole word."""
    if first == second:
        return first
    length = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))
    return first[:length].rpartition(" ")[0]


Begin = Callable[[], Send]
"""Gives what shortens one run."""


def at_best(shorten: Shorten) -> Send:
    """What shortens, with the breakpoint of each request where the next one begins to differ."""
    return lambda messages: Sent(shorten(messages))


def whole() -> Send:
    """Nothing is shortened."""
    return Sent


def cleared() -> Send:
    """Results of tools that are not among the newest messages are cleared, as the editing of some providers does."""

    def shorten(messages: Messages) -> Messages:
        sent = [copy.deepcopy(dict(message)) for message in messages]
        for message, read in zip(sent, read_messages(messages[: max(len(messages) - _KEEP, 0)]), strict=False):
            for text in read.texts:
                if text.kind == "result":
                    put_text(message, text.keys, _CLEARED)
        return sent

    return at_best(shorten)


def as_it_goes(compressor: Compressor) -> Begin:
    """Each message is shortened once, when it becomes old, and the breakpoint is where a conversation moves it to."""

    def begin() -> Send:
        conversation = compressor.conversation()

        def send(messages: Messages) -> Sent:
            view = conversation.at(messages)
            return Sent(view.messages, view.same_next)

        return send

    return begin


WITHOUT_A_MODEL: Mapping[str, Begin] = {WHOLE: whole, "results cleared": cleared}


def compare(
    runs: Sequence[RunRow], ways: Mapping[str, Begin], prices: Prices, counter: TokenCounter
) -> dict[str, list[list[Charge]]]:
    """Bills runs with each way.

    Args:
        runs: Those with a call.
        ways: What shortens, by name.
        prices: Of the provider.
        counter: Counts tokens.

    Returns:
        By way, for each run the charge of each call.
    """
    return {
        name: [bill(run.messages, begin(), prices, counter) for run in tqdm(runs, name, disable=None, leave=False)]
        for name, begin in ways.items()
    }


def totals(billed: Mapping[str, Sequence[Sequence[Charge]]]) -> dict[str, dict[str, float]]:
    """Figures of all runs together by way, one of which leaves them whole."""

    def dollars(name: str) -> float:
        return sum(charge.dollars for run in billed[name] for charge in run)

    found: dict[str, dict[str, float]] = {}
    for name, runs in billed.items():
        charges = [charge for run in runs for charge in run]
        prompts = sum(charge.prompt for charge in charges)
        found[name] = {
            "dollars a run": round(dollars(name) / len(runs), 4),
            "share of the bill": round(dollars(name) / dollars(WHOLE), 4) if dollars(WHOLE) else 1.0,
            "tokens a call": round(prompts / len(charges)),
            "from the cache": round(sum(charge.cached for charge in charges) / max(prompts, 1), 4),
        }
    return found


def evaluate_bill(
    file: Path,
    compressor: Compressor,
    prices: Prices,
    limit: int | None,
    counter: TokenCounter,
) -> dict[str, Any]:
    """Bills recorded runs as they were, and shortened.

    Args:
        file: The runs.
        compressor: Ours, with the defaults of its conversations.
        prices: Of the provider.
        limit: Only so many runs.
        counter: Counts tokens.

    Returns:
        ``task``, ``data``, ``rows``, ``prices``, ``results``, ``baselines`` (by way) and ``median_run``: the run whose
        bill is the median, with the dollars up to each call, by way.

    Raises:
        DataError: The file has no runs, or none with a call.
    """
    runs = [run for run in read_runs(file, limit) if calls_of(run.messages)]
    if not runs:
        raise DataError(f"{file} has no run with a message of the assistant after another: there is nothing to bill.")
    ours = {OURS: as_it_goes(compressor)}
    billed = compare(runs, {**ours, **WITHOUT_A_MODEL}, prices, counter)
    costs = [sum(charge.dollars for charge in charges) for charges in billed[WHOLE]]
    median = sorted(range(len(runs)), key=costs.__getitem__)[len(runs) // 2]
    figures = totals(billed)
    return {
        "task": "bill",
        "data": file.name,
        "rows": len(runs),
        "prices": asdict(prices),
        "results": {name: figures[name] for name in ours},
        "baselines": {name: figures[name] for name in WITHOUT_A_MODEL},
        "median_run": {
            "id": runs[median].id,
            "dollars": {
                name: [round(dollars, 6) for dollars in accumulate(charge.dollars for charge in charges[median])]
                for name, charges in billed.items()
            },
        },
    }
