"""Measures how fast a corpus is compressed, by engine and number of workers; prints a table in Markdown.

    python scripts/corpus_throughput.py

Each run is a fresh ``diffumask compress --input ... --output ...`` over few-shot prompts of about a thousand tokens.
Times are told from the outside: of the whole command, and from when each worker can have done its first block.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from diffumask_core.bench.prompts import few_shot_prompt
from diffumask_core.tokens import get_counter

BLOCK_ROWS = 10


@dataclass(frozen=True)
class Setup:
    """How a corpus is run."""

    name: str
    engine: str
    workers: int
    one_thread: bool = False


SETUPS = (
    Setup("this process, a thread for each core", "local", 1),
    Setup("this process, one thread", "local", 1, one_thread=True),
    Setup("local, 2 workers", "local", 2),
    Setup("Ray, 1 worker", "ray", 1),
    Setup("Ray, 2 workers", "ray", 2),
)


def run(setup: Setup, corpus: Path, out: Path) -> tuple[float, float, float]:
    """Compresses a corpus; returns the seconds in all, until the first block, and from a block for each worker on."""
    command = [str(Path(sys.executable).with_name("diffumask")), "compress", "--keep-rate", "0.4"]
    files = ["--input", str(corpus), "--output", str(out), "--block-rows", str(BLOCK_ROWS)]
    environment = os.environ | ({"OMP_NUM_THREADS": "1"} if setup.one_thread else {})
    began, clock = time.time(), time.perf_counter()
    subprocess.run(
        [*command, *files, "--engine", setup.engine, "--workers", str(setup.workers)],
        env=environment,
        check=True,
        capture_output=True,
    )
    seconds = time.perf_counter() - clock
    done = sorted(part.stat().st_mtime for part in out.glob("part-*"))
    # The workers' first blocks are done at about the same time, and tell nothing of the time that one takes.
    return seconds, done[0] - began, done[-1] - done[setup.workers - 1]


def main() -> None:
    """Runs each setup several times, in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    prompts = [few_shot_prompt(8, variant) for variant in range(options.rows)]
    tokens = sum(map(get_counter("gpt-4o").count, prompts))
    print(f"{options.rows} rows, {tokens} tokens, {os.cpu_count()} cores; medians of {options.repeats} runs\n")
    with TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus.jsonl"
        corpus.write_text("".join(json.dumps({"text": prompt}) + "\n" for prompt in prompts))
        times: dict[Setup, list[tuple[float, float, float]]] = {setup: [] for setup in SETUPS}
        for repeat in range(options.repeats):
            for number, setup in enumerate(SETUPS):
                times[setup].append(run(setup, corpus, Path(folder) / f"{repeat}-{number}"))
    print("| engine | seconds in all | until the first block | tokens a second then |\n|---|---|---|---|")
    for setup, measured in times.items():
        whole, first, rest = (median(column) for column in zip(*measured, strict=True))
        rate = tokens * (1 - setup.workers * BLOCK_ROWS / options.rows) / rest
        print(f"| {setup.name} | {whole:.1f} | {first:.1f} | {rate:,.0f} |")


if __name__ == "__main__":
    main()
