"""Evaluation from files: what ``diffumask evaluate`` does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from diffumask_core.compressor import Compressor
from diffumask_core.datasets import DocsRow, LabelRow, PassageRow, SolutionRow, read_rows
from diffumask_core.errors import DataError, InputError
from diffumask_core.evaluation import agent, baselines, bill, docs, gsm8k, nq
from diffumask_core.evaluation.labels import MANY_STEPS, Select, evaluate_labels, pruner_selection
from diffumask_core.evaluation.plot import plot_bill, plot_left
from diffumask_core.evaluation.shorten import OURS
from diffumask_core.model.pretrained import load_pruner
from diffumask_core.pictures import check_picture
from diffumask_core.tokens import get_counter

Report = dict[str, Any]
_TOKENIZER = "gpt-4o"


def evaluate_task(
    task: str,
    data: Path | None,
    split: str,
    labels: Path | None,
    model: str | None,
    keep_rates: tuple[float, ...] | None,
    steps: int | None,
    limit: int | None,
) -> Report:
    """Measures a model on a task, one step and ``steps`` steps (docs with ``steps`` alone), with the task's baselines.

    Returns:
        ``task``, ``data``, ``rows``, ``results`` and ``baselines``, each a dict of names to figures.
    """
    if task in ("icl", "custom"):
        raise InputError(f"evaluate {task} asks a reader: name one, such as --reader nearest.")
    if data is None:
        raise InputError(f"evaluate {task} needs its file: pass --data FILE.")
    pruner = load_pruner(model)
    compressor = Compressor(pruner)
    many = MANY_STEPS if steps is None else steps
    compared = {f"{count} step{'s' * (count > 1)}": count for count in dict.fromkeys((1, many))}
    if task == "labels":
        rows = [row for row in read_rows(data, LabelRow) if row.split == split][:limit]
        _need_rows(rows, data, f"split {split}")
        ours = {name: pruner_selection(pruner, count) for name, count in compared.items()}
        others = label_baselines(rows)
        return _report(
            task,
            data,
            len(rows),
            {name: evaluate_labels(rows, select).to_dict() for name, select in ours.items()},
            {name: evaluate_labels(rows, select).to_dict() for name, select in others.items()},
        )
    if task == "nq":
        passages = read_rows(data, PassageRow)[:limit]
        rates = keep_rates or nq.KEEP_RATES
        return _report(
            task,
            data,
            len(passages),
            {
                name: nq.answers_left(passages, nq.with_compressor(compressor, count), rates)
                for name, count in compared.items()
            },
            {name: nq.answers_left(passages, compress, rates) for name, compress in nq.baseline_compressors().items()},
        )
    if task == "docs":
        if keep_rates:
            raise InputError(docs.NO_RATES)
        counter = get_counter(_TOKENIZER)
        asked = docs.retrieve(read_rows(data, DocsRow), split, limit, counter)
        left = docs.needs_left(asked, compressor, counter, steps)
        return _report(
            task,
            data,
            len(asked),
            {method: shares for method, shares in left.items() if method.startswith(OURS)},
            {method: shares for method, shares in left.items() if not method.startswith(OURS)},
        )
    if labels is None:
        raise InputError("evaluate gsm8k leaves out problems that have labels: pass --labels token_labels.jsonl.")
    solutions = read_rows(data, SolutionRow)
    exemplars = gsm8k.held_out_exemplars(solutions, read_rows(labels, LabelRow), "train")[:limit]
    _need_rows(exemplars, data, "the held-out part")
    rates = keep_rates or gsm8k.KEEP_RATES
    return _report(
        task,
        data,
        len(exemplars),
        {
            name: gsm8k.calculations_left(
                exemplars, gsm8k.with_compressor(compressor, _TOKENIZER, count), rates, _TOKENIZER
            )
            for name, count in compared.items()
        },
        {
            name: gsm8k.calculations_left(exemplars, compress, rates, _TOKENIZER)
            for name, compress in (
                *gsm8k.baseline_compressors(exemplars, _TOKENIZER).items(),
                ("possible", gsm8k.with_oracle(compressor, _TOKENIZER)),
            )
        },
    )


def evaluate_runs(
    runs: Path | None,
    also: Sequence[Path] = (),
    prices: str = "anthropic",
    model: str | None = None,
    keep_rates: tuple[float, ...] | None = None,
    steps: int | None = None,
    limit: int | None = None,
    plot: Path | None = None,
) -> Report:
    """Measures on recorded runs of agents what is left of what they needed later, and what they would have cost.

    Args:
        runs: The file of runs.
        also: Files of more runs, which only tell what agents write in many runs.
        prices: As of `bill.prices_of`.
        model: As of `Compressor.from_pretrained`.
        keep_rates: Shares of the old results' tokens.
        steps: The most denoising steps; None for as many as pay.
        limit: Only so many runs.
        plot: A file for the picture of what is left; beside it lies that of the bill, with ``-bill`` in its name.

    Returns:
        The report of `agent.evaluate_agent`, with that of `bill.evaluate_bill` as ``bill``.
    """
    if runs is None:
        raise InputError("evaluate agent needs recorded runs: pass --runs FILE.")
    charged = bill.prices_of(prices)
    if plot:
        check_picture(plot)
    compressor, counter = Compressor(load_pruner(model)), get_counter(_TOKENIZER)
    report = agent.evaluate_agent(runs, also, compressor, keep_rates or agent.KEEP_RATES, steps, limit, counter)
    report["bill"] = bill.evaluate_bill(runs, compressor, charged, limit, counter)
    if plot:
        median = report["bill"]["median_run"]
        plot_left({**report["results"], **report["baselines"]}, report["data"], plot)
        plot_bill(median["dollars"], f"{report['data']}, run {median['id']}", plot.with_stem(f"{plot.stem}-bill"))
    return report


def _report(task: str, data: Path, rows: int, results: Report, others: Report) -> Report:
    return {"task": task, "data": data.name, "rows": rows, "results": results, "baselines": others}


def _need_rows(rows: Sequence[object], data: Path, part: str) -> None:
    if not rows:
        raise DataError(f"{data} has no rows in {part}.")


def label_baselines(rows: Sequence[LabelRow]) -> dict[str, Select]:
    """As many words as annotated: at random, from the beginning, and the rarest."""

    def by(scores: baselines.UnitScores) -> Select:
        def select(
            row: LabelRow,
            offsets: npt.NDArray[np.int64],
            words: npt.NDArray[np.bool_],
            annotated: Sequence[npt.NDArray[np.bool_]],
        ) -> list[npt.NDArray[np.bool_]]:
            ranked = np.where(words, scores([row.text[start:end] for start, end in offsets.tolist()]), -np.inf)
            order = np.argsort(-ranked, kind="stable")
            masks = []
            for truth in annotated:
                mask = np.zeros(len(offsets), dtype=bool)
                mask[order[: int((truth & words).sum())]] = True
                masks.append(mask)
            return masks

        return select

    return {
        "random": by(baselines.random_scores),
        "lead": by(baselines.lead_scores),
        "idf": by(baselines.idf_scores([row.text for row in rows])),
    }
