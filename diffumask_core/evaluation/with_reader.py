"""Curves from files: what ``diffumask evaluate TASK --reader`` does."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from diffumask_core.compressor import Compressor
from diffumask_core.datasets import (
    ClassificationRow,
    DocsRow,
    ExampleRow,
    LabelRow,
    PassageRow,
    SolutionRow,
    read_rows,
)
from diffumask_core.errors import DataError, InputError
from diffumask_core.evaluation import docs
from diffumask_core.evaluation.curves import KEEP_RATES, IsRight, Trials, curves, survey
from diffumask_core.evaluation.custom import custom_trials
from diffumask_core.evaluation.gsm8k import gsm8k_trials, held_out_exemplars
from diffumask_core.evaluation.icl import icl_trials
from diffumask_core.evaluation.nq import names_answer, nq_trials
from diffumask_core.evaluation.plot import plot_curves
from diffumask_core.evaluation.shorten import OURS, methods_for, shorten
from diffumask_core.model.pretrained import load_pruner
from diffumask_core.pictures import check_picture
from diffumask_core.prompt.prompt import Prompt
from diffumask_core.readers.answers import is_right
from diffumask_core.readers.cost import Cost, PaidReader
from diffumask_core.readers.protocol import Reader
from diffumask_core.readers.resolve import resolve_reader
from diffumask_core.tokens import TokenCounter, get_counter

# What a paid reader is asked about only where it is named.
_LEFT_OUT = ("idf", "sequential")


def evaluate_with_reader(
    task: str,
    data: Path | None,
    reader: str | Reader,
    reader_url: str | None = None,
    exemplars: Path | None = None,
    labels: Path | None = None,
    split: str = "dev",
    shots: int | None = None,
    total_shots: int | None = None,
    seeds: int | None = None,
    methods: Sequence[str] | None = None,
    per_query: bool = False,
    model: str | None = None,
    keep_rates: Sequence[float] | None = None,
    steps: int | None = None,
    limit: int | None = None,
    plot: Path | None = None,
    cache: Path | None = None,
    confirm: Callable[[Cost], None] = lambda cost: None,
) -> dict[str, Any]:
    """Measures how often a reader answers right, over the tokens that its prompt is cut to.

    Args:
        task: ``"icl"``, ``"nq"``, ``"gsm8k"``, ``"docs"`` or ``"custom"``.
        data: The task's file.
        reader: A reader, or its name as `resolve_reader` takes it.
        reader_url: The address of a server that the reader is asked at, as of `resolve_reader`.
        exemplars: Of gsm8k, the problems that the prompt is made of.
        labels: Of gsm8k, label rows whose problems are left out of the prompt.
        split: Of docs, the split of the questions.
        shots: Of icl, so many of each label.
        total_shots: Of icl, so many in a prompt; the labels take turns.
        seeds: Of icl, the prompts of so many seeds.
        methods: Those beside ours; by default all, or for a paid reader all but ``"idf"`` and ``"sequential"``.
        per_query: Whether a prompt is shortened for each query; those of nq and docs always are.
        model: As of `Compressor.from_pretrained`.
        keep_rates: Shares to keep; the whole prompt is read besides. Docs has numbers of tokens in their place.
        steps: The most denoising steps.
        limit: Only so many queries.
        plot: A file for the picture, such as ``curves.svg``.
        cache: Where the replies of a chat model are kept, for a run that goes on.
        confirm: Is told what a paid reader is going to cost, before it is asked; raises to stop.

    Returns:
        ``task``, ``data``, ``rows``, ``reader``, ``results`` and ``baselines``, the last two from a method's name to a
        `Point` for each rate.

    Raises:
        InputError: The task and the options do not go together.
        DataError: A file is missing, empty or broken.
        ReaderError: The reader gives no reply, or would exceed its limit.
    """
    if data is None:
        raise InputError(f"evaluate {task} needs its file: pass --data FILE.")
    if task == "labels":
        raise InputError("evaluate labels compares words with words: leave out --reader.")
    if task == "docs" and keep_rates:
        raise InputError(docs.NO_RATES)
    if reader == "nearest" and task in ("nq", "gsm8k", "docs"):
        raise InputError(
            f"In {task} no exemplar has the answer, and the nearest exemplar votes for a label: pass another."
        )
    if plot:
        check_picture(plot)
    counter = get_counter()
    trials, judge = _trials(task, data, exemplars, labels, split, shots, total_shots, seeds, limit, counter)
    reading = resolve_reader(reader, cache, reader_url) if isinstance(reader, str) else reader
    per_query = per_query or task in ("nq", "docs")
    chosen = _methods(task, per_query, methods, isinstance(reading, PaidReader))
    pruner = load_pruner(model)
    rates = (1.0, *docs.BUDGETS) if task == "docs" else sorted({1.0, *(keep_rates or KEEP_RATES)}, reverse=True)

    def cut(prompt: Prompt | str, query: str) -> dict[str, list[str]]:
        if task == "docs":
            return docs.shorten_passages(prompt, query, Compressor(pruner), counter, steps, chosen)
        return shorten(prompt, query, rates, pruner, counter, steps, chosen)

    found = survey(trials, cut, per_query)
    if isinstance(reading, PaidReader) and (cost := reading.estimate(found.questions)).calls:
        confirm(cost)
    replies = reading.answers(found.questions)
    points = curves(found, replies, rates, judge, counter)
    if plot:
        plot_curves(points, f"{data.stem}, read by {reading.name}", plot)
    return {
        "task": task,
        "data": data.name,
        "rows": len(trials[0]),
        "reader": reading.name,
        "results": {OURS: points.pop(OURS)},
        "baselines": points,
    }


def _methods(task: str, for_query: bool, asked: Sequence[str] | None, paid: bool) -> tuple[str, ...]:
    """Ours and those that it is compared with."""
    known = docs.METHODS if task == "docs" else methods_for(for_query)
    if asked is None:
        return tuple(method for method in known if not (paid and method in _LEFT_OUT))
    if unknown := [method for method in asked if method not in known]:
        raise InputError(f"There is no method {unknown[0]!r} here: pass some of {', '.join(known)}.")
    return OURS, *asked


def _trials(
    task: str,
    data: Path,
    exemplars: Path | None,
    labels: Path | None,
    split: str,
    shots: int | None,
    total_shots: int | None,
    seeds: int | None,
    limit: int | None,
    counter: TokenCounter,
) -> tuple[Trials, IsRight]:
    if task == "icl":
        return icl_trials(read_rows(data, ClassificationRow), shots, limit, total_shots, seeds), is_right
    if task == "nq":
        return nq_trials(read_rows(data, PassageRow)[:limit]), names_answer
    if task == "docs":
        return docs.docs_trials(docs.retrieve(read_rows(data, DocsRow), split, limit, counter)), docs.says_all
    if task == "custom":
        return custom_trials(read_rows(data, ExampleRow)[:limit]), is_right
    if exemplars is None:
        raise InputError(
            "evaluate gsm8k with a reader makes a prompt of training problems: pass --exemplars gsm8k_train.jsonl, and "
            "the test problems as --data."
        )
    seen = read_rows(labels, LabelRow) if labels else []
    chosen = held_out_exemplars(read_rows(exemplars, SolutionRow), seen, "train")
    if not chosen:
        raise DataError(f"{exemplars} has no rows in the held-out part.")
    return gsm8k_trials(read_rows(data, SolutionRow)[:limit], chosen), is_right
