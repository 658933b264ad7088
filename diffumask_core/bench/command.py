"""What ``diffumask bench`` does: a plan, its figures with the machine they are of, and a table."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from diffumask_core.bench.contestants import KEEP_RATE, ColdStart, Contestant, DiffuMask, EncoderPass, Removal
from diffumask_core.bench.measure import measure
from diffumask_core.bench.peers import MBERT, XLM_R_LARGE, ClassifierPass, LLMLingua2
from diffumask_core.bench.prompts import Case
from diffumask_core.evaluation.labels import MANY_STEPS
from diffumask_core.tokens import get_counter

Plan = Sequence[tuple[Case, Sequence[Contestant]]]
Report = dict[str, Any]

_PACKAGES = ("diffumask", "onnxruntime", "torch", "transformers", "llmlingua")


def default_plan(model: str | None, quick: bool) -> Plan:
    """What is measured.

    Args:
        model: As in `Compressor.from_pretrained`.
        quick: Leaves out what takes longest: the longest prompt and the largest network.
    """
    ours = DiffuMask("DiffuMask", model)
    on_torch = DiffuMask("DiffuMask on torch", model, runtime="torch")
    many = [DiffuMask(f"DiffuMask, {steps} steps", model, steps=steps) for steps in (MANY_STEPS, 64)]
    alone: list[Contestant] = [
        EncoderPass("DiffuMask's encoder alone", model),
        ClassifierPass("one pass of mBERT's size", MBERT, model),
    ]
    mbert = LLMLingua2("LLMLingua-2, mBERT", MBERT)
    large = LLMLingua2("LLMLingua-2, XLM-R large", XLM_R_LARGE)
    peers = [mbert] if quick else [mbert, large]
    cold = [ColdStart("DiffuMask", model), ColdStart("DiffuMask on torch", model, runtime="torch")]
    removal = [Removal("in parallel", model, sequential=False), Removal("one at a time", model, sequential=True)]
    plan: list[tuple[Case, Sequence[Contestant]]] = [
        (Case("first call of a fresh process", shots=2), cold),
        (Case("short prompt", shots=2), [ours, on_torch, *peers]),
        (Case("eight short prompts at once", shots=2, prompts=8), [ours, on_torch, *peers]),
        (Case("few-shot prompt", shots=16), [ours, *many, on_torch, *alone, *peers]),
        (Case("few-shot prompt without a query", shots=16, query=False), [ours, on_torch]),
        (Case("denoiser on ten prompts", shots=4, prompts=10), removal),
        (Case("long prompt", shots=160), [ours, on_torch, *peers]),
    ]
    return plan[:-1] if quick else plan


def run_bench(plan: Plan, repeats: int) -> Report:
    """Measures a plan.

    Returns:
        ``machine``; ``keep_rate``; ``cases``, each with its ``name``, ``prompts``, ``tokens`` of all of them by
        `counter`, and ``rows`` as in `measure.summary`; ``left_out``, the reason by name.

    Raises:
        DiffuMaskError: Ours cannot run.
    """
    counter = get_counter()
    calls = sum(len(contestants) for _, contestants in plan) * (repeats + 1)
    with tqdm(total=calls, unit="call", leave=False) as progress:

        def tell(what: str) -> None:
            progress.set_description(what)
            progress.update()

        results, left_out = measure(plan, repeats, tell)
    cases = [
        {
            "name": case.name,
            "prompts": case.prompts,
            "tokens": sum(map(counter.count, case.texts(0))),
            "rows": rows,
        }
        for (case, _), rows in zip(plan, results, strict=True)
    ]
    return {
        "machine": _machine(),
        "keep_rate": KEEP_RATE,
        "counter": counter.name,
        "cases": cases,
        "left_out": left_out,
    }


def _machine() -> Report:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: found for name in _PACKAGES if (found := _version(name))},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # only Linux has it
        lines = []
    names = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def print_report(report: Report) -> None:
    """Prints the machine, a table and what was left out."""
    columns = ("seconds", "quartiles", "times", "outside encoder", "calls", "MB")
    table = Table("", title=f"Prompts shortened to {report['keep_rate']:.0%}")
    for column in columns:
        table.add_column(column, justify="right")
    for case in report["cases"]:
        table.add_section()
        table.add_row(f"[bold]{case['name']}[/bold] ({case['tokens']} tokens)")
        for row in case["rows"]:
            table.add_row(f"  {row['name']}", *_cells(row))
    console = Console(highlight=False, width=130)
    console.print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    console.print(table)
    for name, reason in report["left_out"].items():
        console.print(f"Left out: {name}: {reason}", markup=False)


def _cells(row: Report) -> list[str]:
    once = row["runs"] == 1
    return [
        f"{row['seconds']:.3g}",
        "one call" if once else f"{row['low']:.3g} to {row['high']:.3g}",
        f"{row['times']:.3g}",
        f"{row['outside_encoder']:.0%}" if "outside_encoder" in row else "",
        f"{row['calls']:.0f}" if "calls" in row else "",
        f"{row['megabytes']:.0f}" if "megabytes" in row else "",
    ]
