"""Measures contestants side by side, each in a process of its own so that its memory is its own."""

import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from diffumask_core.bench.contestants import Contestant, Prepare
from diffumask_core.bench.prompts import Case
from diffumask_core.errors import DiffuMaskError

# A call that takes so many seconds is measured once, without one before it that warms up.
SLOW = 20.0

Figures = Mapping[str, float]


def time_call(contestant: Contestant, prompts: Sequence[str]) -> Figures:
    """Measures one call, in the process that is the contestant's; the first one loads it.

    Returns:
        ``seconds``, ``megabytes`` (the most memory that the process has had so far, where that can be told), and
        what the contestant says about the call.
    """
    run = _loaded(contestant)(prompts)
    began = time.perf_counter()
    told = run()
    return {"seconds": time.perf_counter() - began, **peak_memory(), **told}


@cache
def _loaded(contestant: Contestant) -> Prepare:
    return contestant.load()


def peak_memory() -> Figures:
    """The most resident memory that this process has had, in ``megabytes``; nothing where that cannot be told."""
    if sys.platform == "linux":
        # What getrusage says there includes the memory of the process that started this one.
        status = Path("/proc/self/status").read_text()
        return {"megabytes": int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024}
    if sys.platform == "darwin":
        import resource

        return {"megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}
    return {}


def measure(
    plan: Sequence[tuple[Case, Sequence[Contestant]]], repeats: int, tell: Callable[[str], object]
) -> tuple[list[list[dict[str, Any]]], dict[str, str]]:
    """Runs the cases one after the other, and in each the contestants in turns, so that noise hits all alike.

    Args:
        plan: The cases and who takes part in them, first the one that the others are compared with.
        repeats: How often a call is measured, after one that is not.
        tell: Called before each call with what is about to run.

    Returns:
        The rows of each case, see `summary`, and why contestants were left out.

    Raises:
        DiffuMaskError: The first contestant of a case cannot run.
    """
    left_out: dict[str, str] = {}
    results = []
    with ExitStack() as stack:

        @cache
        def process_of(_: Contestant) -> ProcessPoolExecutor:
            return stack.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn")))

        for case, contestants in plan:
            calls: dict[Contestant, list[Figures]] = {contestant: [] for contestant in contestants}
            for number in range(repeats + 1):
                for contestant, done in calls.items():
                    if contestant.name in left_out or (done and done[0]["seconds"] >= SLOW):
                        continue
                    tell(f"{case.name}: {contestant.name}")
                    try:
                        done.append(process_of(contestant).submit(time_call, contestant, case.texts(number)).result())
                    except (DiffuMaskError, BrokenProcessPool) as error:
                        if contestant == contestants[0]:
                            raise
                        died = isinstance(error, BrokenProcessPool)
                        left_out[contestant.name] = f"its process died ({error})" if died else str(error)
            counted = {one.name: done[1:] or done for one, done in calls.items() if one.name not in left_out}
            results.append(summary(counted))
    return results, left_out


def summary(calls: Mapping[str, Sequence[Figures]]) -> list[dict[str, Any]]:
    """Describes the calls of each contestant.

    Returns:
        For each its ``name``, ``runs``, the median of its ``seconds`` with the quartiles ``low`` and ``high``,
        ``times`` (those seconds over the first one's), and the medians of its other figures.
    """
    rows: list[dict[str, Any]] = []
    for name, figures in calls.items():
        low, seconds, high = np.percentile([call["seconds"] for call in figures], [25, 50, 75]).tolist()
        times = seconds / rows[0]["seconds"] if rows else 1.0
        others = {key: float(np.median([call[key] for call in figures])) for key in figures[0] if key != "seconds"}
        row = {"name": name, "runs": len(figures), "seconds": seconds, "low": low, "high": high, "times": times}
        rows.append(row | others)
    return rows
