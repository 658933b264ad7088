"""What a call of `compress` costs beside its network: reading, counting, the search for the budget, putting together.

    python scripts/call_overhead.py

Every run of a graph is timed from inside the call; what is left of the call is the overhead. Medians, one thread.
"""

import argparse
import time
from statistics import median
from typing import Any

from diffumask_core import Compressor
from diffumask_core.bench.prompts import few_shot_prompt
from diffumask_core.model.network import Network
from diffumask_core.model.pretrained import load_pruner
from diffumask_core.tokens import get_counter

KEEP_RATE = 0.4
SHOTS = (1, 2, 16, 160)


class Timed:
    """A network that adds up the seconds of its runs."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._network, name)
        if not callable(found):
            return found

        def run(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                return found(*arguments)
            finally:
                self.seconds += time.perf_counter() - began

        return run


def main() -> None:
    """Prints a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=50, help="calls for each length")
    options = parser.parse_args()
    pruner = load_pruner(threads=1)
    network = pruner.network = Timed(pruner.network)
    compressor = Compressor(pruner)
    count = get_counter("gpt-4o").count
    print("| tokens | milliseconds a call | in the network | beside it |\n|---|---|---|---|")
    for shots in SHOTS:
        prompt = few_shot_prompt(shots)
        compressor.compress(prompt, keep_rate=KEEP_RATE)
        calls = []
        for _ in range(max(options.repeats // shots, 5)):
            network.seconds, began = 0.0, time.perf_counter()
            compressor.compress(prompt, keep_rate=KEEP_RATE)
            calls.append((time.perf_counter() - began, network.seconds))
        whole, inside = (1000 * median(column) for column in zip(*calls, strict=True))
        beside = 1000 * median(seconds - computed for seconds, computed in calls)
        print(f"| {count(prompt):,} | {whole:.1f} | {inside:.1f} | {beside:.1f} |")


if __name__ == "__main__":
    main()
