"""Measures the curves of docs/results.md and puts their tables and pictures there.

    python scripts/curves.py DATA

DATA is the folder with icl_agnews.jsonl, icl_yelp-5.jsonl and icl_yahoo.jsonl. The reader is the nearest exemplar.
"""

import sys
import time
from pathlib import Path
from typing import Any

from diffumask_core.evaluation.with_reader import evaluate_with_reader

DOCS = Path(__file__).parent.parent / "docs"
# Shots of each label; None for all sixteen.
TASKS = {"agnews": None, "yelp-5": 4, "yahoo": None}


def markdown(report: dict[str, Any]) -> str:
    """A table with a method a row and a rate a column."""
    methods = {**report["results"], **report["baselines"]}
    rates = list(report["results"]["diffumask"])
    lines = ["| | " + " | ".join(f"{100 * float(rate):.0f} %" if float(rate) <= 1 else rate for rate in rates) + " |"]
    lines.append("|---" * (len(rates) + 1) + "|")
    tokens = " | ".join(str(point["tokens"]) for point in report["results"]["diffumask"].values())
    lines.append(f"| tokens | {tokens} |")
    for name, points in methods.items():
        cells = (
            f"{point['accuracy']:.2f} ({point['interval'][0]:.2f} to {point['interval'][1]:.2f})"
            for point in points.values()
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(data: Path) -> None:
    """Runs all tasks."""
    page = DOCS / "results.md"
    for task, shots in TASKS.items():
        began = time.perf_counter()
        picture = DOCS / "images" / f"curves-{task}.svg"
        file = data / f"icl_{task}.jsonl"
        report = evaluate_with_reader("icl", file, "nearest", shots=shots, plot=picture)
        before, start, rest = page.read_text("utf-8").partition(f"<!-- {task} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        page.write_text(before + start + markdown(report) + end + after, "utf-8")
        print(f"{task}: {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
