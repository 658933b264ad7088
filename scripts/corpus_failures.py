"""Shows that a corpus on Ray loses nothing when a worker is killed, and then a whole node; prints a table in Markdown.

    python scripts/corpus_failures.py --runs DATA/agent_runs_dev.jsonl.xz --limit 20

Recorded runs of agents are shortened twice: in one process, and on a cluster of two nodes on this machine with a worker
each. Once a third of the runs is done, the worker of the first node is killed; once two thirds are, the second node
with all its processes. Neither can say goodbye. The exit status is 1 where a run is missing, stands there twice, or
differs.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import ray
from ray.cluster_utils import Cluster

from diffumask_core.corpus import ConversationCompressor, Engine, Row, map_corpus, run_locally
from diffumask_core.datasets import read_runs
from diffumask_integrations.ray import run_on_ray


class Noted(ConversationCompressor):
    """Notes which runs are begun, in a file since its process may die of it."""

    def __init__(self, log: str) -> None:
        super().__init__()
        self._log = Path(log)

    def __call__(self, row: Row) -> Row:
        with self._log.open("a") as log:
            log.write(f"{row['id']}\n")
        return super().__call__(row)


@dataclass(frozen=True)
class Outcome:
    """What a run over the corpus left.

    Attributes:
        parts: The files that came out.
        begun: How often each row was begun.
    """

    parts: dict[str, bytes]
    begun: Counter[str]

    @property
    def rows(self) -> Counter[str]:
        """How often each row came out."""
        return Counter(json.loads(line)["id"] for part in self.parts.values() for line in part.splitlines())


def shorten(corpus: Path, out: Path, engine: Engine, workers: int) -> Outcome:
    """Shortens the runs of a corpus, each as a block of its own."""
    log = out.with_suffix(".log")
    map_corpus(Noted, {"log": str(log)}, corpus, out, engine=engine, workers=workers, block_rows=1)
    parts = {part.name: part.read_bytes() for part in out.glob("*.jsonl")}
    return Outcome(parts, Counter(log.read_text().splitlines()))


@contextlib.contextmanager
def two_nodes() -> Iterator[Cluster]:
    """A cluster of two nodes with one CPU each, to which this program is connected."""
    os.environ["RAY_AUTH_MODE"] = "disabled"  # Otherwise Ray makes a token in the home folder.
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def break_down(cluster: Cluster, out: Path, rows: int) -> None:
    """Kills the worker of the first node, and later the second node."""
    wait_for(out, rows // 3)
    kill(processes_of(cluster.head_node, "BlockMapper"))
    wait_for(out, rows * 2 // 3)
    (node,) = cluster.worker_nodes
    processes = processes_of(node)
    cluster.remove_node(node, allow_graceful=False)
    kill(processes)


def wait_for(out: Path, parts: int) -> None:
    """Waits until so many parts are there."""
    while len(list(out.glob("part-*"))) < parts:
        time.sleep(0.1)


def processes_of(node: Any, name: str = "") -> list[int]:
    """The processes that a node has started for its workers, by a name in their command line."""
    raylet = node.all_processes["raylet"][0].process.pid
    children = map(int, Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split())
    return [child for child in children if name in Path(f"/proc/{child}/cmdline").read_text()]


def kill(processes: list[int]) -> None:
    """Kills processes, as the kernel does that is out of memory."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def main() -> None:
    """Runs the corpus twice, and compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=20)
    options = parser.parse_args()
    runs = read_runs(options.runs, options.limit)
    with TemporaryDirectory() as folder:
        corpus, alone, out = (Path(folder) / name for name in ("runs.jsonl", "alone", "ray"))
        corpus.write_text("".join(json.dumps({"id": run.id, "messages": run.messages}) + "\n" for run in runs))
        outcomes = {"one process": shorten(corpus, alone, run_locally, 1)}
        with two_nodes() as cluster:
            Thread(target=break_down, args=(cluster, out, len(runs)), daemon=True).start()
            outcomes["Ray, a worker and a node killed"] = shorten(corpus, out, run_on_ray, 2)
            if cluster.worker_nodes:
                sys.exit("The node was not killed: the run was over before. Pass more runs.")
    expected = outcomes["one process"].parts
    print("| engine | runs out | runs begun | begun again | missing | twice | different |\n|" + "---|" * 7)
    ok = True
    for name, outcome in outcomes.items():
        missing = sum(run.id not in outcome.rows for run in runs)
        twice = sum(times > 1 for times in outcome.rows.values())
        different = sum(outcome.parts.get(part) != text for part, text in expected.items())
        again = sum(times > 1 for times in outcome.begun.values())
        cells = (outcome.rows.total(), outcome.begun.total(), again, missing, twice, different)
        print(f"| {name} | {' | '.join(map(str, cells))} |")
        ok = ok and not (missing or twice or different or len(outcome.parts) != len(expected))
    sys.exit(not ok)


if __name__ == "__main__":
    main()
