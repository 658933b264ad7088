"""One prompt cut to the same budgets in several ways: ours, and what one would do without it."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from diffumask_core.compressor import Compressor
from diffumask_core.evaluation.baselines import (
    idf_scores,
    keep_best,
    lead_scores,
    random_scores,
    remove_one_by_one,
    shared_rare_words,
)
from diffumask_core.model.pruner import Pruner
from diffumask_core.prompt.assemble import kept_text
from diffumask_core.prompt.document import Document
from diffumask_core.prompt.parse import parse_layout
from diffumask_core.prompt.prompt import Prompt
from diffumask_core.prompt.spans import Span
from diffumask_core.scoring.fit import fit_budget
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
    steps: int,
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

    Returns:
        From the name of a method to a text for each rate.
    """
    first = Compressor(pruner).compress(prompt, query=query, keep_rate=keep_rates[0], tokenizer=counter, steps=steps)
    results = [first.at(keep_rate=rate) for rate in keep_rates]
    budgets = [result.budget for result in results]
    layout = prompt.layout if isinstance(prompt, Prompt) else parse_layout(prompt)
    document = Document.of(layout, [])
    units = [layout.text[start:end] for start, end in document.offsets.tolist()]
    rankings = {
        "random": random_scores(units),
        "idf": idf_scores(_block_texts(document))(units),
        "sequential": _survival(document, pruner, query),
    }
    order = _shot_order(document, query)

    def beginning(spans: Sequence[Span]) -> str:
        return layout.text[: spans[-1][1]] if spans else ""

    def lead(budget: int) -> str:
        return beginning(keep_best(layout.text, lead_scores, lambda spans: counter.count(beginning(spans)), budget))

    return {
        OURS: [result.text for result in results],
        **{
            name: [_keep_words(document, scores, counter, budget) for budget in budgets]
            for name, scores in rankings.items()
        },
        "lead": [lead(budget) for budget in budgets],
        "whole shots": [_keep_shots(document, order, counter, budget) for budget in budgets],
    }


def _keep_words(document: Document, scores: FloatArray, counter: TokenCounter, budget: int) -> str:
    """The units with the highest scores; a shot of which none is kept goes with its markers and label."""
    free = np.flatnonzero(document.free)
    ranked = free[np.argsort(-scores[free], kind="stable")]

    def close(mask: BoolArray) -> BoolArray:
        return document.close(mask, document.shots_of(mask))

    return _fitted(document, close, ranked, counter, budget)


def _keep_shots(document: Document, order: IntArray, counter: TokenCounter, budget: int) -> str:
    """Whole shots in that order, each that still fits; text outside shots comes first and is cut at its end."""
    outside = np.flatnonzero((document.shot_of_unit < 0) & ~document.protected)
    alive = document.pinned.copy()

    def close(mask: BoolArray) -> BoolArray:
        return document.close(mask | (document.shot_of_unit >= 0), alive)

    everything = np.ones(len(document.offsets), dtype=bool)
    for shot in order:
        before, alive[shot] = alive[shot], True
        if counter.count(kept_text(document, close(everything))) > budget:
            alive[shot] = before
    return _fitted(document, close, outside, counter, budget)


def _fitted(
    document: Document, close: Callable[[BoolArray], BoolArray], ranked: IntArray, counter: TokenCounter, budget: int
) -> str:
    size = len(document.offsets)
    kept = fit_budget(lambda mask: counter.count(kept_text(document, close(mask))), ranked, len(ranked), budget, size)
    return kept_text(document, close(kept))


def _block_texts(document: Document) -> list[str]:
    """The text of each shot and of what is between shots."""
    text, offsets = document.layout.text, document.offsets
    return [text[offsets[first, 0] : offsets[last - 1, 1]] for first, last in document.blocks()]


def _survival(document: Document, pruner: Pruner, query: str) -> FloatArray:
    """How late each unit ``[N]`` goes when the denoiser takes them away one by one, as a share of its shot.

    Each shot is a run of its own: over a whole prompt of many shots the calls would take hours.
    """
    scores = np.ones(len(document.offsets))
    free = document.free
    for (first, last), text in zip(document.blocks(), _block_texts(document), strict=True):
        if not (inside := np.flatnonzero(free[first:last])).size:
            continue
        offsets = document.offsets[first:last] - document.offsets[first, 0]
        predict = pruner.predictor(pruner.encode(text, offsets, [(0, last - first)], query), _SEQUENTIAL_RATE)
        gone = remove_one_by_one(predict, inside, last - first)
        scores[first + np.array(gone)] = np.arange(len(gone)) / len(gone)
    return scores


def _shot_order(document: Document, query: str) -> IntArray:
    """Shots from the one to keep longest: by the rare words that it shares with the query, or the labels in turn."""
    text, shots = document.layout.text, document.layout.shots
    if query:
        return np.argsort(-shared_rare_words(query, [text[slice(*shot.span)] for shot in shots]), kind="stable")
    seen: Counter[str] = Counter()
    turns = []
    for shot in shots:
        label = text[slice(*shot.answer)] if shot.answer else ""
        turns.append(seen[label])
        seen[label] += 1
    return np.argsort(turns, kind="stable")
