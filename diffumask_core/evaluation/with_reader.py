"""Curves from files: what ``diffumask evaluate TASK --reader`` does."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from diffumask_core.datasets import ClassificationRow, ExampleRow, LabelRow, PassageRow, SolutionRow, read_rows
from diffumask_core.errors import DataError, InputError
from diffumask_core.evaluation.curves import KEEP_RATES, IsRight, Trials, curves, survey
from diffumask_core.evaluation.custom import custom_trials
from diffumask_core.evaluation.gsm8k import gsm8k_trials, held_out_exemplars
from diffumask_core.evaluation.icl import icl_trials
from diffumask_core.evaluation.nq import names_answer, nq_trials
from diffumask_core.evaluation.plot import plot_curves
from diffumask_core.evaluation.shorten import OURS, shorten
from diffumask_core.model.pretrained import load_pruner
from diffumask_core.options import DEFAULT_STEPS
from diffumask_core.pictures import check_picture
from diffumask_core.readers.answers import is_right
from diffumask_core.readers.cost import Cost, PaidReader
from diffumask_core.readers.protocol import Reader
from diffumask_core.readers.resolve import resolve_reader
from diffumask_core.tokens import get_counter


def evaluate_with_reader(
    task: str,
    data: Path | None,
    reader: str | Reader,
    exemplars: Path | None = None,
    labels: Path | None = None,
    shots: int | None = None,
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
        task: ``"icl"``, ``"nq"``, ``"gsm8k"`` or ``"custom"``.
        data: The task's file.
        reader: A reader, or its name as `resolve_reader` takes it.
        exemplars: Of gsm8k, the problems that the prompt is made of.
        labels: Of gsm8k, label rows whose problems are left out of the prompt.
        shots: Of icl, so many of each label.
        per_query: Whether a prompt is shortened for each query; that of nq always is.
        model: As of `Compressor.from_pretrained`.
        keep_rates: Shares to keep; the whole prompt is read besides.
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
    if reader == "nearest" and task in ("nq", "gsm8k"):
        raise InputError(
            f"In {task} no exemplar has the answer, and the nearest exemplar votes for a label: pass another."
        )
    if plot:
        check_picture(plot)
    trials, judge = _trials(task, data, exemplars, labels, shots, limit)
    rates = sorted({1.0, *(keep_rates or KEEP_RATES)}, reverse=True)
    pruner, counter = load_pruner(model), get_counter()
    many = DEFAULT_STEPS if steps is None else steps
    reading = resolve_reader(reader, cache) if isinstance(reader, str) else reader
    found = survey(
        trials,
        lambda prompt, query: shorten(prompt, query, rates, pruner, counter, many),
        per_query or task == "nq",
    )
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


def _trials(
    task: str, data: Path, exemplars: Path | None, labels: Path | None, shots: int | None, limit: int | None
) -> tuple[Trials, IsRight]:
    if task == "icl":
        return icl_trials(read_rows(data, ClassificationRow), shots, limit), is_right
    if task == "nq":
        return nq_trials(read_rows(data, PassageRow)[:limit]), names_answer
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
