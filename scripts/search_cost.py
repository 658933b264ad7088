"""What searches for labels cost, and how short a prompt they find, read by the nearest exemplars.

    python scripts/search_cost.py DATA --out search_cost.jsonl

DATA is a folder with icl_agnews.jsonl, icl_yahoo.jsonl and icl_yelp-5.jsonl. The shots of a prompt are drawn from the
set of one seed, the validation items from the sets of the others; the test inputs are seen by no search. The
sequential search runs to its end, and the hierarchical one gets a tenth of the reader calls that this took. The file
is for one measure; a finished search is a line of it, and a run that was cut off goes on after it.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from diffumask_core import Prompt, Shot
from diffumask_core.datasets import ClassificationRow, read_rows
from diffumask_core.evaluation.icl import one_line
from diffumask_core.labeling import STRATEGIES, Judge, MaskSearch, SearchSpace, read_guide
from diffumask_core.labeling.search import Measure
from diffumask_core.model.pretrained import load_pruner
from diffumask_core.model.pruner import Pruner
from diffumask_core.readers import NearestExemplarReader, Question, Reader
from diffumask_core.readers.answers import is_right
from diffumask_core.readers.cache import ReplyCache

# So many shots of each label make prompts of about 1,500 units, and 800 of the long reviews.
SHOTS = {"agnews": 8, "yahoo": 8, "yelp-5": 1}
SEEDS = 5
BASELINE, BUDGETED = "sequential", "hierarchical"


@dataclass(frozen=True)
class Case:
    """A prompt, what judges it, and what no search sees."""

    prompt: Prompt
    items: Sequence[Question]
    tests: Sequence[Question]


def cases(data: Path, task: str, count: int, items: int) -> Iterator[Case]:
    """Draws prompts, the seeds in turn."""
    rows = read_rows(data / f"icl_{task}.jsonl", ClassificationRow)
    labels = tuple(dict.fromkeys(row.label for row in rows))

    def question(row: ClassificationRow) -> Question:
        return Question("", f"Q: {one_line(row.text)}\nA:", row.label, labels)

    tests = [question(row) for row in rows if row.split == "test"]
    for number in range(count):
        drawn = random.Random(number)
        pool = [row for row in rows if row.split == "shots" and row.seed == number % SEEDS]
        others = [row for row in rows if row.split == "shots" and row.seed != number % SEEDS]
        shots = [
            Shot(question=one_line(row.text), answer=row.label)
            for label in labels
            for row in drawn.sample([row for row in pool if row.label == label], SHOTS[task])
        ]
        drawn.shuffle(shots)
        yield Case(Prompt(shots=shots), [question(row) for row in drawn.sample(others, items)], tests)


def run(case: Case, name: str, measure: Measure, pruner: Pruner, floor: float, max_calls: int | None) -> dict[str, Any]:
    """Runs one search; its own reader and scores, so that none finds what another has paid for."""
    reader = NearestExemplarReader(pruner)
    began = time.perf_counter()
    space = SearchSpace(case.prompt)
    judge = Judge(reader, case.items, measure, ReplyCache())
    search = MaskSearch(space, read_guide(space, pruner), judge, STRATEGIES[name], floor, max_calls)
    rounds = 0
    while search.questions:
        search.tell(judge.ask(search.questions))
        rounds += 1
    seconds = time.perf_counter() - began
    return {
        "units": len(space.free),
        "calls": search.calls,
        "candidates": search.candidates,
        "rounds": rounds,
        "seconds": round(seconds, 1),
        "kept": search.space.share(search.best),
        "full": search.full_quality,
        "floor": search.floor,
        "quality": search.quality,
        "test_full": accuracy(reader, case.tests, space.text(space.everything)),
        "test": accuracy(reader, case.tests, space.text(search.best)),
        "ended": search.ended,
    }


def accuracy(reader: Reader, tests: Sequence[Question], prompt: str) -> float:
    """The share of right answers after a prompt."""
    asked = [replace(question, prompt=prompt) for question in tests]
    return mean(is_right(answer, question) for answer, question in zip(reader.answers(asked), asked, strict=True))


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Prints the means of each task and search, and where the budgeted search is no longer than the baseline."""
    columns = (
        "units",
        "calls",
        "candidates",
        "rounds",
        "seconds",
        "kept",
        "full",
        "floor",
        "quality",
        "test_full",
        "test",
    )
    table = Table("task", "search", "prompts", *columns)
    figures: dict[str, Any] = {}
    for task in dict.fromkeys(row["task"] for row in rows):
        for name in dict.fromkeys(row["search"] for row in rows if row["task"] == task):
            same = [row for row in rows if (row["task"], row["search"]) == (task, name)]
            means = {column: round(mean(row[column] for row in same), 4) for column in columns}
            figures.setdefault(task, {})[name] = {"prompts": len(same), **means}
            table.add_row(task, name, str(len(same)), *(f"{value:.4g}" for value in means.values()))
        kept = {(row["search"], row["prompt"]): row["kept"] for row in rows if row["task"] == task}
        pairs = [(kept[BASELINE, number], value) for (name, number), value in kept.items() if name == BUDGETED]
        figures[task]["no_longer"] = sum(ours <= theirs for theirs, ours in pairs)
    Console(width=160).print(table)
    print(json.dumps(figures, indent=2))


def main() -> None:
    """Runs what is not in the file yet and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("search_cost.jsonl"))
    parser.add_argument("--tasks", nargs="+", default=list(SHOTS), choices=list(SHOTS))
    parser.add_argument("--prompts", type=int, default=20, help="of each task")
    parser.add_argument("--items", type=int, default=100, help="validation items")
    parser.add_argument("--floor", type=float, default=0.96)
    parser.add_argument("--measure", default="accuracy", choices=["accuracy", "log_probability"])
    parser.add_argument("--searches", nargs="+", default=list(STRATEGIES), choices=list(STRATEGIES))
    options = parser.parse_args()

    lines = options.out.read_text("utf-8").splitlines() if options.out.exists() else []
    done = {(row["task"], row["prompt"], row["search"]): row for row in map(json.loads, lines)}
    pruner = load_pruner(threads=1)  # on texts this short, more threads wait for each other
    for task in options.tasks:
        for number, case in enumerate(tqdm(cases(options.data, task, options.prompts, options.items), desc=task)):
            for name in sorted(options.searches, key=BASELINE.__ne__):
                if (task, number, name) in done:
                    continue
                budget = done[task, number, BASELINE]["calls"] // 10 if name == BUDGETED else None
                figures = run(case, name, options.measure, pruner, options.floor, budget)
                done[task, number, name] = {"task": task, "prompt": number, "search": name, **figures}
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(done[task, number, name]) + "\n")
    show(list(done.values()))


if __name__ == "__main__":
    main()
