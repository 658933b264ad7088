"""Measures tasks with models of one's own machine and puts their tables into docs/results.md.

    python scripts/reader_tables.py DATA --reader NAME URL --out readers.json

DATA is the folder of the data files; --reader can be given several times. A run that was cut off goes on: replies are
kept in a file beside --out, and settings that --out has already are not measured again.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from curves import markdown

from diffumask_core.evaluation.with_reader import evaluate_with_reader

ROOT = Path(__file__).parent.parent
# The task, its file, how the reader is asked, and the task's options; but for the repository's own, files are in DATA.
SETTINGS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "AG's News": ("icl", "icl_agnews.jsonl", "text:", {"total_shots": 20, "keep_rates": [0.4, 0.2]}),
    "Yelp": ("icl", "icl_yelp-5.jsonl", "text:", {"total_shots": 10, "keep_rates": [0.4, 0.2]}),
    "Yahoo": ("icl", "icl_yahoo.jsonl", "text:", {"total_shots": 20, "keep_rates": [0.4, 0.2]}),
    "Natural Questions": ("nq", "nq_multidoc_dev.jsonl", "chat:openai:", {"keep_rates": [0.1, 0.05]}),
    "GSM8K": (
        "gsm8k",
        "gsm8k_test.jsonl",
        "text:",
        {"exemplars": "gsm8k_train.jsonl", "labels": "token_labels.jsonl", "keep_rates": [0.4, 0.2]},
    ),
    "technical documentation": ("docs", "technical_docs.jsonl", "chat:openai:", {"split": "test"}),
}


def put_tables(reports: dict[str, dict[str, Any]]) -> None:
    """Writes all tables between the marks of the page."""
    page = ROOT / "docs" / "results.md"
    before, start, rest = page.read_text("utf-8").partition("<!-- readers -->\n")
    _, end, after = rest.partition("<!-- end -->")
    tables = "".join(
        f"\n{name}, {report['rows']} queries, {report['seconds'] / 60:.0f} minutes:\n\n{markdown(report)}"
        for name, report in reports.items()
    )
    page.write_text(f"{before}{start}{tables}\n{end}{after}", "utf-8")


def main() -> None:
    """Runs all settings with all readers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--reader", nargs=2, action="append", required=True, metavar=("NAME", "URL"))
    parser.add_argument("--tasks", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    reports = json.loads(options.out.read_text("utf-8")) if options.out.exists() else {}
    for reader, url in options.reader:
        for name in options.tasks:
            task, file, kind, given = SETTINGS[name]
            folder = ROOT / "data" if task == "docs" else options.data
            chosen = {**given, "limit": options.limit, "seeds": options.seeds}
            key = f"{name}, read by {reader}"
            if reports.get(key, {}).get("options") == chosen:
                continue
            began = time.perf_counter()
            files = {option: options.data / chosen[option] for option in ("exemplars", "labels") if option in chosen}
            report = evaluate_with_reader(
                task,
                folder / file,
                f"{kind}{reader}",
                reader_url=url,
                cache=options.out.with_suffix(".sqlite"),
                **(chosen | files),
            )
            reports[key] = {**report, "options": chosen, "seconds": round(time.perf_counter() - began)}
            options.out.write_text(json.dumps(reports, indent=2) + "\n", "utf-8")
            put_tables(reports)
            print(f"{key}: {reports[key]['seconds']} s", flush=True)


if __name__ == "__main__":
    main()
