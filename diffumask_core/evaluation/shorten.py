"""One prompt cut to the same budgets in several ways: ours, and what one would do without it."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Sequence

import numpy as np
import numpy.typing as npt

from diffumask_core.compressor import Compressor
from diffumask_core.evaluation.baselines import (
    bundled,
    idf_scores,
    keep_best,
    lead_scores,
    random_scores,
    remove_one_by_one,
    shared_rare_words,
)
from diffumask_core.model.pruner import Pruner
from diffumask_core.options import Options
from diffumask_core.pipeline import read_prompt
from diffumask_core.prompt.parse import parse_layout
from diffumask_core.prompt.prompt import Prompt
from diffumask_core.prompt.spans import Span
from diffumask_core.rendering.join import kept_text
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.terms import bm25
from diffumask_core.scoring.worth import pool_words
from diffumask_core.tokens import TokenCounter

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating]

OURS = "diffumask"
# The rate that the denoiser is told when it takes away one unit after the other: the middle of those of the curves.
_SEQUENTIAL_RATE = 0.4


def shorten(
    prompt: Prompt | str,
    query: str,
    keep_rates: Sequence[float],
    pruner: Pruner,
    counter: TokenCounter,
    steps: int | None,
    methods: Collection[str] | None = None,
) -> dict[str, list[str]]:
    """What each method leaves of a prompt at each rate; all of them within the budget that ours has at that rate.

    The baselines keep a shot's markers and label as long as they keep a word of it, but for the truncation.

    Args:
        prompt: Instructions and shots, without the query.
        query: What it is read for; empty to shorten it for any query.
        keep_rates: As of `Compressor.compress`.
        pruner: Of ours and of the sequential removal.
        counter: Counts the tokens.
        steps: Of ours.
        methods: Some of `methods_for`; by default all of them.

    Returns:
        From the name of a method to a text for each rate.
    """
    first = Compressor(pruner).compress(prompt, query=query, keep_rate=keep_rates[0], tokenizer=counter, steps=steps)
    results = [first.at(keep_rate=rate) for rate in keep_rates]
    budgets = [result.budget for result in results]
    layout = prompt.layout if isinstance(prompt, Prompt) else parse_layout(prompt)
    reading = read_prompt(layout, Options(keep_rate=1.0, query=query, tokenizer=counter, marks=False))
    units = [reading.text((start, end)) for start, end in reading.units.spans.tolist()]
    shots = [reading.text(shot.span) for shot in reading.units.layout.shots]

    def words(scores: FloatArray) -> list[str]:
        return [_keep_words(reading, scores, budget) for budget in budgets]

    def whole_shots() -> list[str]:
        order = _shot_order(reading)
        return [_keep_shots(reading, order, budget) for budget in budgets]

    def beginning(spans: Sequence[Span]) -> str:
        return layout.text[: spans[-1][1]] if spans else ""

    def lead(budget: int) -> str:
        return beginning(keep_best(layout.text, lead_scores, lambda spans: counter.count(beginning(spans)), budget))

    ways: dict[str, Callable[[], list[str]]] = {
        OURS: lambda: [result.text for result in results],
        "random": lambda: words(random_scores(units)),
        "idf": lambda: words(idf_scores(_block_texts(reading))(units)),
        "sequential": lambda: words(_survival(reading, pruner)),
        "lead": lambda: [lead(budget) for budget in budgets],
        "whole shots": whole_shots,
        "bm25 passages": lambda: words(_shots_by(reading, bm25(query, shots))),
        "nearest passages": lambda: words(_shots_by(reading, bundled().nearness_of(shots, query))),
    }
    return {name: ways[name]() for name in methods_for(bool(query)) if methods is None or name in methods}


def methods_for(query: bool) -> tuple[str, ...]:
    """All methods, ours first; with a query or without one."""
    always = (OURS, "random", "idf", "sequential", "lead", "whole shots")
    return (*always, "bm25 passages", "nearest passages") if query else always


def _keep_words(reading: Reading, scores: FloatArray, budget: int) -> str:
    """The units with the highest scores; a shot of which none is kept goes with its markers and label."""
    units = reading.units
    free = np.flatnonzero(units.free)
    ranked = free[np.argsort(-scores[free], kind="stable")]

    def left(number: int) -> str:
        mask = reading.nothing
        mask[ranked[:number]] = True
        return kept_text(units, units.close(mask, units.shots_of(mask)))

    return _most(left, len(ranked), reading, budget)


def _keep_shots(reading: Reading, order: IntArray, budget: int) -> str:
    """Whole shots in that order, each that still fits; text outside shots comes first and is cut at its end."""
    units = reading.units
    outside = np.flatnonzero((units.shot < 0) & ~units.protected)
    alive = units.pinned.copy()

    def left(number: int) -> str:
        mask = units.shot >= 0
        mask[outside[:number]] = True
        return kept_text(units, units.close(mask, alive))

    for shot in order:
        before, alive[shot] = alive[shot], True
        if reading.counter.count(left(len(outside))) > budget:
            alive[shot] = before
    return _most(left, len(outside), reading, budget)


def _most(left: Callable[[int], str], most: int, reading: Reading, budget: int) -> str:
    """The text with as many of the ranked units as fit the budget."""
    fitting = bisect_right(range(most + 1), budget, key=lambda number: reading.counter.count(left(number)))
    return left(max(fitting - 1, 0))


def _block_texts(reading: Reading) -> list[str]:
    """The text of each shot and of what is between shots."""
    words = reading.units.words
    return [reading.text((words[first, 0], words[last - 1, 1])) for first, last in reading.units.blocks()]


def _survival(reading: Reading, pruner: Pruner) -> FloatArray:
    """How late each unit ``[N]`` goes when the denoiser takes them away one by one, as a share of its shot.

    Each shot is a run of its own: over a whole prompt of many shots the calls would take hours.
    """
    units = reading.units
    scores = np.ones(len(units.words))
    free = np.repeat(units.free, np.diff(units.first_word))
    for (first, last), text in zip(units.blocks(), _block_texts(reading), strict=True):
        if not (inside := np.flatnonzero(free[first:last])).size:
            continue
        words = units.words[first:last] - units.words[first, 0]
        read = pruner.read(text, words, [(0, last - first)], reading.query)
        predict = pruner.predictor(pruner.encode(read), _SEQUENTIAL_RATE)
        gone = remove_one_by_one(predict, inside, last - first)
        scores[first + np.array(gone)] = np.arange(len(gone)) / len(gone)
    return pool_words(scores, units.first_word)


def _shots_by(reading: Reading, nearness: FloatArray) -> FloatArray:
    """Scores of units ``[N]`` by which whole shots stay, the nearest to the query first, and one is cut at its end.

    Args:
        reading: The prompt of S shots.
        nearness: ``[S]``.
    """
    # Text outside shots, which is number -1, comes before all of them.
    ranks = np.full(len(nearness) + 1, -1.0)
    ranks[np.argsort(-nearness, kind="stable")] = np.arange(len(nearness))
    scores: FloatArray = -ranks[reading.units.shot]
    return scores


def _shot_order(reading: Reading) -> IntArray:
    """Shots from the one to keep longest: by the rare words that it shares with the query, or the labels in turn."""
    shots = reading.units.layout.shots
    if reading.query:
        return np.argsort(-shared_rare_words(reading.query, [reading.text(shot.span) for shot in shots]), kind="stable")
    seen: Counter[str] = Counter()
    turns = []
    for shot in shots:
        label = reading.text(shot.answer) if shot.answer else ""
        turns.append(seen[label])
        seen[label] += 1
    return np.argsort(turns, kind="stable")
