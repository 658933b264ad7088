"""Agents: what shortening leaves of the strings and values that the rest of a recorded run needed of old results.

runs --cut at half--> cases --shortened to a share of the old results' tokens--> texts --> what is needed left?
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from tqdm import tqdm

from diffumask_core.compressor import Compressor
from diffumask_core.datasets import RunRow, read_runs
from diffumask_core.errors import DataError
from diffumask_core.evaluation.pieces import WITHOUT_A_MODEL, History, Result
from diffumask_core.evaluation.runs import Messages, Shorten, prompts_of
from diffumask_core.evaluation.shorten import OURS
from diffumask_core.labeling.hindsight import NEWEST, Cut, cut_run, runs_that_write, said, stands_in, strings_of
from diffumask_core.prompt.formats import read_messages
from diffumask_core.result import CompressionResult
from diffumask_core.tokens import TokenCounter

KEEP_RATES = (0.3, 0.15, 0.08)
AS_IT_GOES = f"{OURS}, each message as it becomes old"
_SHARE = 0.5
# A share of fewer strings says little.
_LEAST_NEEDED = 3
_MARK = re.compile(r"\[…(?: .* left out\b.*)?\]")

Figures = dict[str, float]
"""Shares from 0 to 1 by what is measured, and seconds."""


@dataclass(frozen=True)
class Case:
    """A run that was cut, and what its old results are measured by.

    Attributes:
        cut: The run up to the cut.
        history: What the ways to shorten see.
        needed: Strings that the rest of the run needed; none where the results are JSON.
        values: Values of arguments that the rest of the run needed, where the results are JSON.
    """

    cut: Cut
    history: History
    needed: tuple[str, ...]
    values: tuple[str, ...]


def results_before_newest(messages: Messages) -> list[str]:
    """What is left of the old results in shortened messages."""
    old = read_messages(messages[: max(len(messages) - NEWEST, 0)])
    return [text.text for message in old for text in message.texts if text.is_result]


def cases_of(runs: Sequence[RunRow], also: Iterable[RunRow], counter: TokenCounter) -> list[Case]:
    """Cuts runs at half of their messages.

    Args:
        runs: Those to cut.
        also: More runs that say how many agents write a string.
        counter: Counts tokens.

    Returns:
        Those of which the rest needed three strings at least or, where most results are JSON, one value.
    """
    counts = runs_that_write(run.messages for run in (*runs, *also))
    cases = (
        case_of(cut_run(run.id or str(number), run.messages, _SHARE, counts), counter)
        for number, run in enumerate(runs)
    )
    return [case for case in cases if case.needed or case.values]


def case_of(cut: Cut, counter: TokenCounter) -> Case:
    """A cut run with its old results as the ways to shorten see them."""
    read = read_messages(cut.messages)
    old = [Result(text.text) for n in cut.old for text in read[n].texts if text.is_result and text.text.strip()]
    stays = [
        text.text for n, message in enumerate(read) for text in message.texts if not (n in cut.old and text.is_result)
    ]
    task = [text.text for message in read if message.asks for text in message.own]
    last = [said(message) for message in read if message.role == "assistant"]
    history = History(old, "\n".join(task[:1] + last[-1:]), "\n".join(stays), counter)
    sizes = {True: 0, False: 0}
    for result in history.results:
        sizes[result.value is not None] += counter.count(result.text)
    is_json = sizes[True] > sizes[False]
    needed = cut.needed if not is_json and len(cut.needed) >= _LEAST_NEEDED else ()
    return Case(cut, history, needed, cut.values if is_json else ())


@dataclass(frozen=True)
class Left:
    """What a way to shorten left of the old results of a case, and how long that took."""

    texts: Sequence[str]
    seconds: float


Way = Callable[[Case, Sequence[float]], list[Left]]
"""From a case and shares of the old results' tokens to what is left at each."""


def with_compressor(compressor: Compressor, steps: int | None) -> Way:
    """Ours: all but the old results is kept, and these have the share of their tokens together, marks included."""

    def way(case: Case, rates: Sequence[float]) -> list[Left]:
        began = time.perf_counter()
        results = at_rates(compressor, case, rates, steps)
        passed = time.perf_counter() - began
        # The prompt is read and encoded once; a call at one rate alone would pay for that in full.
        once = passed - sum(result.timings["decide"] for result in results)
        return [
            Left(results_before_newest(result.messages or []), once + result.timings["decide"]) for result in results
        ]

    return way


def at_rates(compressor: Compressor, case: Case, rates: Sequence[float], steps: int | None) -> list[CompressionResult]:
    """A cut run with its old results shortened to a share of their tokens together, marks included, at each rate."""
    messages, history = case.cut.messages, case.history
    kept = [index for index in range(len(messages)) if index not in case.cut.old]
    whole = compressor.compress_messages(
        messages, keep=kept, keep_rate=1.0, steps=steps, tokenizer=history.counter, on_overflow="best_effort"
    )
    stays = whole.original_tokens - history.tokens
    return [whole.at(target_tokens=stays + int(rate * history.tokens)) for rate in rates]


def without_a_model() -> dict[str, Way]:
    """What one would do without a model."""

    def timed(shorten: Callable[[History, int], list[str]]) -> Way:
        def way(case: Case, rates: Sequence[float]) -> list[Left]:
            lefts = []
            for rate in rates:
                began = time.perf_counter()
                texts = shorten(case.history, int(rate * case.history.tokens))
                lefts.append(Left(texts, time.perf_counter() - began))
            return lefts

        return way

    return {name: timed(shorten) for name, shorten in WITHOUT_A_MODEL.items()}


def measure(cases: Sequence[Case], way: Way, rates: Sequence[float], name: str = "") -> dict[str, Figures]:
    """Means over cases, by the rate.

    Args:
        cases: Of `cases_of`.
        way: What shortens.
        rates: Shares of the old results' tokens.
        name: What the bar of progress calls the way.
    """
    lefts = [way(case, rates) for case in tqdm(cases, name, disable=None, leave=False)]
    return {
        str(rate): _means([figures_of(case, left[number]) for case, left in zip(cases, lefts, strict=True)])
        for number, rate in enumerate(rates)
    }


def measure_calls(cases: Sequence[Case], begin: Callable[[], Shorten], name: str = "") -> Figures:
    """Means over cases for what shortens a run as it goes, and so chooses its own share.

    Args:
        cases: Of `cases_of`.
        begin: Gives what shortens one run: it is shown the messages before each call, in order.
        name: What the bar of progress calls it.
    """
    found = []
    for case in tqdm(cases, name, disable=None, leave=False):
        began = time.perf_counter()
        messages, shorten = case.cut.messages, begin()
        for _ in prompts_of(messages, shorten):
            pass
        shown = shorten(messages)
        found.append(figures_of(case, Left(results_before_newest(shown), time.perf_counter() - began)))
    return _means(found)


def figures_of(case: Case, left: Left) -> Figures:
    """What is left of what a case needs."""
    count = case.history.counter.count
    figures = {"tokens": sum(map(count, left.texts)) / case.history.tokens, "seconds": left.seconds}
    if case.needed:
        strings = {string for text in left.texts for string in strings_of(text)}
        figures["strings left"] = len(strings.intersection(case.needed)) / len(case.needed)
        whole = {line for result in case.history.results for line in result.text.splitlines()}
        lines = [line for text in left.texts for line in text.splitlines() if line.strip()]
        own = [line in whole for line in lines if not _MARK.fullmatch(line.strip())]
        if own:
            figures["whole lines"] = fmean(own)
    if case.values:
        text = "\n".join(left.texts)
        figures["values left"] = fmean(stands_in(value, text) for value in case.values)
    return figures


def _means(found: Sequence[Mapping[str, float]]) -> Figures:
    """The mean of each figure over the cases that have it."""
    names = ("strings left", "values left", "whole lines", "tokens", "seconds")
    with_it = {name: [figures[name] for figures in found if name in figures] for name in names}
    return {name: round(fmean(values), 4) for name, values in with_it.items() if values}


def _begin(compressor: Compressor, rate: float) -> Callable[[], Shorten]:
    return lambda: compressor.conversation(keep_rate=rate).shorten


def evaluate_agent(
    file: Path,
    also: Sequence[Path],
    compressor: Compressor,
    rates: Sequence[float],
    steps: int | None,
    limit: int | None,
    counter: TokenCounter,
) -> dict[str, Any]:
    """Measures ours and what one would do without a model.

    Args:
        file: The runs that are cut.
        also: Files with more runs, which say how many agents write a string.
        compressor: Ours.
        rates: Shares of the old results' tokens.
        steps: Of ours, the most; None for as many as pay. One step is measured beside them.
        limit: Only so many runs, of those that are cut.
        counter: Counts tokens.

    Returns:
        ``task``, ``data``, ``rows`` (the cases), ``runs``, ``results`` and ``baselines``, the last two by method and
        rate.

    Raises:
        DataError: A file has no runs, or no run has a case.
    """
    runs = read_runs(file)
    cases = cases_of(
        runs[:limit], [*runs[len(runs[:limit]) :], *(run for each in also for run in read_runs(each))], counter
    )
    if not cases:
        raise DataError(
            f"{file} has no run whose second half needs {_LEAST_NEEDED} strings, or of JSON a value, that only old "
            "results of tools have: pass longer runs, or more of them."
        )
    return {
        "task": "agent",
        "data": file.name,
        "rows": len(cases),
        "runs": len(runs[:limit]),
        "results": {
            name: measure(cases, with_compressor(compressor, count), rates, name)
            for name, count in ({OURS: steps} | ({} if steps == 1 else {f"{OURS}, 1 step": 1})).items()
        }
        | {AS_IT_GOES: {str(rate): measure_calls(cases, _begin(compressor, rate)) for rate in rates}},
        "baselines": {name: measure(cases, way, rates, name) for name, way in without_a_model().items()},
    }
