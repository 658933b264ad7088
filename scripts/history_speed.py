"""Measures how long it takes to shorten results of tools, and the memory for it, on one core.

    OMP_NUM_THREADS=1 python scripts/history_speed.py

Histories of 10,000 to 1,000,000 tokens are made up: calls that print code, search hits, logs and listings. Each is
shortened in a process of its own; seconds are the median of several calls.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from statistics import median
from typing import Any

from diffumask_core import Compressor
from diffumask_core.tokens import get_counter

SIZES = (10_000, 100_000, 1_000_000)
COUNTER = get_counter("gpt-4o")
NAMES = ["harbour", "berth", "winch", "crane", "ledger", "tariff", "pilot", "mooring", "customs", "ferry"]


def name(drawn: random.Random) -> str:
    """A made-up identifier."""
    return "_".join(drawn.sample(NAMES, 2)) + str(drawn.randrange(1000))


def result(drawn: random.Random) -> str:
    """What a tool prints: code, hits, a log or a listing."""
    lines = drawn.randrange(5, 80)
    kind = drawn.randrange(4)
    if kind == 0:
        body = [f"    self.{name(drawn)} = {name(drawn)}({name(drawn)}, {drawn.randrange(99)})" for _ in range(lines)]
        return "\n".join([f"def {name(drawn)}(self, {name(drawn)}):", *body])
    if kind == 1:
        return "\n".join(f"src/{name(drawn)}.py:{drawn.randrange(900)}: {name(drawn)}()" for _ in range(lines))
    if kind == 2:
        clock = (f"2026-03-01 10:{n // 60:02}:{n % 60:02}" for n in range(lines))
        return "\n".join(f"{at} INFO {name(drawn)} took {drawn.randrange(9999)} ms" for at in clock)
    return "\n".join(f"src/{name(drawn)}/{name(drawn)}.py" for _ in range(lines))


def history(tokens: int) -> list[dict[str, Any]]:
    """A conversation whose results of tools have about so many tokens."""
    drawn = random.Random(0)
    messages: list[dict[str, Any]] = [{"role": "user", "content": f"Find out why {name(drawn)} fails."}]
    have = number = 0
    while have < tokens:
        call = {"name": "bash", "arguments": json.dumps({"command": f"grep -rn {name(drawn)} src"})}
        calls = [{"id": f"call_{number}", "type": "function", "function": call}]
        printed = result(drawn)
        messages.append({"role": "assistant", "content": f"I look at {name(drawn)}.", "tool_calls": calls})
        messages.append({"role": "tool", "tool_call_id": f"call_{number}", "content": printed})
        have += COUNTER.count(printed)
        number += 1
    return messages


def measure(tokens: int, repeats: int) -> dict[str, float]:
    """Seconds of a call, and the most memory of this process in MB."""
    compressor, messages = Compressor.from_pretrained(threads=1), history(tokens)
    keep = [number for number, message in enumerate(messages) if message["role"] != "tool"]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        compressor.compress_messages(messages, keep=keep, keep_rate=0.3)
        seconds.append(time.perf_counter() - began)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": median(seconds), "before": before, "after": after}


def main() -> None:
    """Prints a line a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, help="measure one size in this process, and print JSON")
    options = parser.parse_args()
    if options.size:
        print(json.dumps(measure(options.size, 5 if options.size <= SIZES[0] else 1)))
        return
    for size in SIZES:
        command = [sys.executable, __file__, "--size", str(size)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(
            f"{size:>9,} tokens: {found['seconds']:.3f} s, {found['before']:.0f} to {found['after']:.0f} MB", flush=True
        )


if __name__ == "__main__":
    main()
