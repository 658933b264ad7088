"""The corridor: a prompt's structure goes in at the top, and what is left of the prompt comes out at the bottom.

    layout -> regions -> units -> reading -> budget -> scores -> shots -> worth -> sample -> fit -> text

Each function stands above those that it calls. A prompt is encoded once, and only if something has to go: its scores
serve every budget.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from diffumask_core.errors import BudgetError
from diffumask_core.model.pruner import Pruner
from diffumask_core.options import Options
from diffumask_core.prompt.kept import protect
from diffumask_core.prompt.layout import Layout
from diffumask_core.prompt.protect import query_words
from diffumask_core.prompt.task import with_task
from diffumask_core.regions.detect import regions_of
from diffumask_core.regions.documentation import DOCUMENTATION, with_whole_paragraphs, without_whole_paragraphs
from diffumask_core.regions.region import walk_all
from diffumask_core.rendering.join import BETWEEN_SEGMENTS
from diffumask_core.rendering.shot_result import ShotResult
from diffumask_core.result import CompressionResult
from diffumask_core.scoring.budget import Budget, budget_of, fit_budget
from diffumask_core.scoring.coverage import with_labels
from diffumask_core.scoring.line_worth import fair_rate
from diffumask_core.scoring.reading import Reading, read
from diffumask_core.scoring.scores import Scores, score
from diffumask_core.scoring.shots import choose_shots, with_best, with_footing, without_starved
from diffumask_core.scoring.worth import Worth, worth_of
from diffumask_core.tokens import get_counter
from diffumask_core.units.units import Units

logger = logging.getLogger("diffumask")

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]

# A prompt of so many tokens is more than a task, and a rate of less than such a share of it saves nothing.
_LONG_PROMPT = 1000
_LITTLE = 0.05

Rebuild = Callable[[Sequence[str | None]], list[dict[str, Any]]]
"""From what is left of each segment, None where nothing is, to messages."""


def compress(
    layout: Layout, options: Options, pruner: Pruner, rebuild: Rebuild | None = None, on_average: bool = False
) -> CompressionResult:
    """Shortens a prompt.

    Args:
        layout: The structure of the prompt, as the parser, a `Prompt` or messages give it.
        options: How much to keep, and what.
        pruner: The model.
        rebuild: Makes messages of what is left of each segment, where the prompt was messages.
        on_average: Whether the keep rate is that of many prompts: lines that are needed more than usual keep more.

    Raises:
        BudgetError: The protected text alone is longer than the budget.
    """
    began = time.perf_counter()
    reading = read_prompt(layout, options)
    scored = Once(partial(score, reading, pruner))
    if on_average and options.keep_rate is not None:
        options = replace(options, keep_rate=fair_rate(reading, scored(), options.keep_rate))
    result = decide(reading, scored, options, rebuild, {"parse": time.perf_counter() - began})
    if not on_average and options.keep_rate is not None:
        _warn_of_little(result, options.keep_rate)
    return result


def _warn_of_little(result: CompressionResult, keep_rate: float) -> None:
    """Says why a long prompt stays as long as it was: a rate of next to nothing is no error."""
    total, protected = result.original_tokens, result.protected_tokens
    if keep_rate < 1 and total >= _LONG_PROMPT and total - protected < _LITTLE * total:
        logger.warning(
            "Of %d tokens %d are protected, and keep_rate is a share of the others. A context belongs into the user's "
            "message; or pass compress_instructions=True for system messages and what stands before the shots, "
            "compress_query=True for what the prompt ends in.",
            total,
            protected,
        )


def read_prompt(layout: Layout, options: Options) -> Reading:
    """From the structure of a prompt to its units and what each costs; nothing is encoded yet.

    The product, the search for labels and the evaluation read a prompt with this function.
    """
    if options.grain == "auto":
        layout = replace(layout, regions=regions_of(layout))
    layout = with_task(layout)
    query = options.query or query_words(layout.text[slice(*layout.query)] if layout.query else "")
    if query and options.grain == "auto":
        layout = with_whole_paragraphs(layout)
    return _read_units(layout, query, options)


def _read_units(layout: Layout, query: str, options: Options) -> Reading:
    units = Units.of(layout, protect(layout, options), bool(options.marks))
    return read(units, query, get_counter(options.tokenizer), options.marks)


def decide(
    reading: Reading,
    scored: "Once[Scores]",
    options: Options,
    rebuild: Rebuild | None,
    timings: Mapping[str, float],
) -> CompressionResult:
    """Applies a budget to a prompt that has been read; `CompressionResult.at` begins here."""
    began, encoded = time.perf_counter(), scored.seconds
    choice = choose(reading, scored, options)
    shown, encode = reading, scored.seconds - encoded
    if choice.scores and _is_too_coarse(reading, choice, choice.scores):
        shown = _read_units(without_whole_paragraphs(reading.units.layout), reading.query, options)
        rescored = Once(partial(score, shown, choice.scores.pruner))
        choice = choose(shown, rescored, options)
        encode += rescored.seconds
    result = render(shown, _never_empty(shown, choice, options), rebuild)
    stages = {**timings, "encode": encode, "decide": time.perf_counter() - began - encode}

    def again(keep_rate: float | None, target_tokens: int | None) -> CompressionResult:
        return decide(reading, scored, replace(options, keep_rate=keep_rate, target_tokens=target_tokens), rebuild, {})

    return replace(result, timings=stages, _again=again)


@dataclass(frozen=True)
class Choice:
    """What is kept of a prompt of N units and S shots.

    Attributes:
        budget: The budget that was applied.
        mask: ``[N]``, the units that are kept, scaffold included.
        alive: ``[S]``, the shots that are not dropped whole.
        scores: What the model made of the prompt; None where nothing had to go, or nothing but what must stay fits.
    """

    budget: Budget
    mask: BoolArray
    alive: BoolArray
    scores: Scores | None = None


def choose(reading: Reading, scored: "Once[Scores]", options: Options) -> Choice:
    """Decides which shots and which units stay."""
    units = reading.units
    # A pinned shot may not go whole: one with protected text, one of the `min_shots` best, all without the shot level.
    pinned = np.ones_like(units.pinned) if not options.shot_level else units.pinned
    budget = budget_of(reading, pinned, options)
    if options.shot_level and options.min_shots and (options.min_relevance or reading.total > budget.limit):
        pinned = with_best(pinned, scored().order, options.min_shots)
        budget = budget_of(reading, pinned, options)
    wanted = _relevant(reading, scored, pinned, options)
    if reading.total <= budget.limit and wanted.all():
        return Choice(budget, ~reading.nothing, wanted)
    if budget.least >= budget.limit or not (units.free | units.kept_with_shot).any():
        return _protected_alone(reading, budget, pinned, options)

    fitting = reading.without_too_large(budget.limit - budget.least)
    scores = scored().for_budget(fitting, wanted)
    if options.shot_level:
        pinned = with_labels(fitting, scores, pinned, budget.limit, options)
    alive = choose_shots(fitting, scores, pinned, budget, options) if options.shot_level else pinned
    if options.token_level:
        worth, alive = _worth_and_shots(fitting, scores, budget, options, alive, pinned)
        ranked, guess = worth.ranked(options.steps)
        ranked, alive = with_footing(fitting, scores, ranked, alive, pinned, budget.limit)
    else:
        ranked, guess = _in_reading_order(fitting, scores.order, budget, alive)
    mask = fit_budget(fitting, alive, ranked, guess, budget.limit)
    mask, alive = _without_bare_shots(reading, mask, alive, pinned, budget.limit)
    return Choice(budget, mask, alive, scored())


def _without_bare_shots(
    reading: Reading, mask: BoolArray, alive: BoolArray, pinned: BoolArray, limit: int
) -> tuple[BoolArray, BoolArray]:
    """The mask and the shots without those of which only markers would be left: a head without its text misleads."""
    units = reading.units
    could, does = units.shots_with(units.free), units.shots_with(units.free & mask)
    bare = alive & ~pinned & could & ~does
    if not bare.any():
        return mask, alive
    fewer = alive & ~bare
    less = reading.close(mask & units.free, fewer)
    # Some tokenizers count more tokens in less text.
    return (less, fewer) if reading.count(less, fewer) <= limit else (mask, alive)


def _is_too_coarse(reading: Reading, choice: Choice, scores: Scores) -> bool:
    """Whether the paragraph that helps most is larger than the budget, where paragraphs go whole.

    Words of it are better than another paragraph that fits, and than nothing.
    """
    units = reading.units
    if all(region.kind != DOCUMENTATION for region in walk_all(units.layout.regions)):
        return False
    free = np.flatnonzero(units.free)
    best = free[np.argmax(scores.of_units[free])]
    alive = choice.alive | units.shots_with(np.arange(len(units)) == best)
    return not choice.mask[best] and bool(reading.costs[best] > reading.room(choice.budget.limit, alive))


def _relevant(reading: Reading, scored: "Once[Scores]", pinned: BoolArray, options: Options) -> BoolArray:
    """``[S]``, the shots that the user wants: no passages below the floor, but the best one if it is all there is."""
    if not (options.min_relevance and options.shot_level and len(pinned)):
        return np.ones_like(pinned)
    scores = scored()
    wanted = pinned | ~(scores.relevance < options.min_relevance)
    if not wanted.any() and (reading.units.shot >= 0).all():
        wanted[scores.order[0]] = True
    return wanted


def _protected_alone(reading: Reading, budget: Budget, pinned: BoolArray, options: Options) -> Choice:
    choice = Choice(budget, reading.close(reading.nothing, pinned), pinned)
    _check(budget, options)
    return choice


def _never_empty(reading: Reading, choice: Choice, options: Options) -> Choice:
    """An output is never empty: where no unit fits and no mark stands, the shortest unit is what may not go."""
    if choice.mask.all() or reading.count(choice.mask, choice.alive):
        return choice
    mask, alive = reading.shortest(choice.alive)
    least = reading.count(mask, alive)
    # A share of what may go is never too little for that unit; a number of tokens can be.
    limit = choice.budget.limit if options.keep_rate is None else max(choice.budget.limit, least)
    budget = Budget(limit, least)
    _check(budget, options)
    return replace(choice, budget=budget, mask=mask, alive=alive)


def _check(budget: Budget, options: Options) -> None:
    if budget.least <= budget.limit:
        return
    if options.on_overflow == "raise":
        raise BudgetError(budget.limit, budget.least)
    logger.warning(
        "The protected text has %d tokens, more than the budget of %d: only it is left.", budget.least, budget.limit
    )


def _worth_and_shots(
    reading: Reading, scores: Scores, budget: Budget, options: Options, alive: BoolArray, pinned: BoolArray
) -> tuple[Worth, BoolArray]:
    """What units are worth, and the shots that stay: a shot of which too little would be left goes whole after all."""
    bias = scores.bias(options.shot_level)
    worth = worth_of(reading, scores, bias, alive, budget.limit)
    if options.shot_level:
        fed = without_starved(reading, scores, worth, alive, pinned, budget)
        if (fed != alive).any():
            return worth_of(reading, scores, bias, fed, budget.limit), fed
    return worth, alive


def _in_reading_order(reading: Reading, order: IntArray, budget: Budget, alive: BoolArray) -> tuple[IntArray, int]:
    """Free units, text outside shots first and then shot by shot with the best first, and about how many fit.

    Hardly more are given than fit: a text that is cut at its end has no gaps.
    """
    units = reading.units
    place = np.empty(len(alive) + 1)
    place[order] = np.arange(len(order))
    place[-1] = -1
    free = np.flatnonzero(units.free & units.in_shots(alive))
    ranked = free[np.argsort(place[units.shot[free]], kind="stable")]
    room = reading.room(budget.limit, alive)
    fitting = int(np.searchsorted(np.cumsum(reading.costs[ranked]), room, side="right"))
    return ranked[: fitting + 1], fitting


def render(reading: Reading, choice: Choice, rebuild: Rebuild | None) -> CompressionResult:
    """Writes out what is left, with what became of each shot."""
    layout, budget = reading.units.layout, choice.budget
    segments = reading.segments(choice.mask, choice.alive)
    left = [segment for segment in segments if segment]
    # White space alone has no units: a blank segment comes back where the budget allows, else nothing of it does.
    whole = bool(choice.mask.all()) and (reading.total <= budget.limit or len(left) == len(segments))
    return CompressionResult(
        source=layout.text,
        text=layout.text if whole else BETWEEN_SEGMENTS.join(segment.text for segment in left),
        spans=[(0, len(layout.text))] if whole else [span for segment in left for span in segment.spans],
        budget=budget.limit,
        original_tokens=reading.total,
        compressed_tokens=reading.total if whole else reading.count(choice.mask, choice.alive),
        protected_tokens=budget.least,
        counter=reading.counter.name,
        marks=[mark for segment in left for mark in segment.marks],
        regions=list(layout.regions),
        shots=_shot_results(reading, choice),
        messages=rebuild([segment.text if segment else None for segment in segments]) if rebuild else None,
    )


def _shot_results(reading: Reading, choice: Choice) -> list[ShotResult]:
    count = reading.counter.count
    results = []
    for number, left in enumerate(reading.shots(choice.mask, choice.alive)):
        span = reading.units.layout.shots[number].span
        source = reading.text(span)
        fate: Literal["kept", "shortened", "dropped"] = "dropped"
        if choice.alive[number] and left.text:
            fate = "kept" if left.text == source else "shortened"
        original = count(source)
        tokens = original if fate == "kept" else count(left.text) if left.text else 0
        utility, relevance = choice.scores.of_shot(number) if choice.scores else (0.0, None)
        results.append(ShotResult(span, utility, relevance, fate, original, tokens, left.text))
    return results


Value = TypeVar("Value")


class Once(Generic[Value]):
    """A value that is computed when it is first asked for.

    Attributes:
        seconds: How long that took; 0 until then.
    """

    def __init__(self, compute: Callable[[], Value]) -> None:
        self._compute = compute
        self._values: list[Value] = []
        self.seconds = 0.0

    def __call__(self) -> Value:
        if not self._values:
            began = time.perf_counter()
            self._values.append(self._compute())
            self.seconds = time.perf_counter() - began
        return self._values[0]
