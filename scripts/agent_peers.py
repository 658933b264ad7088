"""What other packages leave of what agents needed later: the cuts and the measure of `diffumask evaluate agent`.

    python scripts/agent_peers.py RUNS --also MORE --venvs FOLDER --out peers.json

RUNS has conversations in the OpenAI chat format. LangChain's editing and DiffuMask's middleware need the extra
`langchain-agents`. Each other package is installed into an environment of its own in FOLDER, where it is not there yet;
one that cannot be installed or run is named with the reason. No package may download a model.

A package is asked for several shares. Its figures at a rate are those of the most tokens within the rate; where it
never gets there, of the fewest.
"""

import argparse
import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from langchain.agents.middleware import ClearToolUsesEdit
from langchain_core.messages import AnyMessage, convert_to_messages, convert_to_openai_messages
from langchain_core.messages.utils import count_tokens_approximately

from diffumask_core.datasets import read_runs
from diffumask_core.evaluation.agent import (
    Case,
    Left,
    cases_of,
    measure,
    measure_calls,
    results_before_newest,
    without_a_model,
)
from diffumask_core.evaluation.bill import PRICES, WITHOUT_A_MODEL, at_best, compare, totals
from diffumask_core.evaluation.runs import Messages, Shorten
from diffumask_core.tokens import get_counter
from diffumask_integrations.langchain.middleware import DiffuMaskMiddleware

RATES = (0.3, 0.15)
SHARES = (0.02, 0.04, 0.06, 0.08, 0.11, 0.14, 0.17, 0.2, 0.25, 0.3, 0.4, 0.6)
PACKAGES = {"litellm": "litellm", "headroom": "headroom-ai", "headroom text": "headroom-ai", "distil": "distil-llm"}
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
COUNTER = get_counter()


class PeerError(Exception):
    """A package that cannot be had here, with the reason."""


class Peer:
    """A package in an environment of its own."""

    def __init__(self, name: str, venvs: Path) -> None:
        """Installs the package, where it is not there yet, and starts it."""
        folder = venvs / PACKAGES[name]
        python = folder / "bin" / "python"
        if not python.exists():
            venv.create(folder, with_pip=True)
            ran = subprocess.run([python, "-m", "pip", "install", "-q", PACKAGES[name]], capture_output=True, text=True)
            if ran.returncode:
                raise PeerError(f"pip install {PACKAGES[name]}: {ran.stderr.strip().splitlines()[-1]}")
        self._told = folder / "stderr.txt"
        with self._told.open("w") as told:
            process = subprocess.Popen(
                [python, Path(__file__).with_name("agent_peer.py"), name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=told,
                text=True,
                env={**os.environ, **OFFLINE, "PYTHONPATH": ""},
            )
        assert process.stdin is not None
        assert process.stdout is not None
        self._requests, self._replies = process.stdin, process.stdout

    def __call__(self, case: Case) -> list[Left]:
        """What is left at each of the shares."""
        asked = {"messages": case.cut.messages, "old": case.cut.old, "query": case.history.query, "shares": SHARES}
        try:
            self._requests.write(json.dumps(asked) + "\n")
            self._requests.flush()
            reply = json.loads(self._replies.readline())
        except (BrokenPipeError, ValueError) as error:
            raise PeerError(self._told.read_text().strip().rpartition("\n")[2] or "it gave no reply") from error
        return [Left(results_before_newest(each["messages"]), each["seconds"]) for each in reply]


def within(lefts: Callable[[Case], list[Left]]) -> Callable[[Case, Sequence[float]], list[Left]]:
    """Of what a package left at several shares, that with the most tokens within each rate."""

    def way(case: Case, rates: Sequence[float]) -> list[Left]:
        sized = sorted((sum(map(COUNTER.count, left.texts)), n, left) for n, left in enumerate(lefts(case)))
        return [
            max([each for each in sized if each[0] <= rate * case.history.tokens] or sized[:1])[2] for rate in rates
        ]

    return way


def as_sent(messages: Sequence[AnyMessage]) -> Messages:
    """Messages of LangChain as they are sent."""
    sent = convert_to_openai_messages(messages)
    assert isinstance(sent, list)
    return sent


def clearing(keep: int) -> Shorten:
    """LangChain's editing with so many of the newest results kept, whatever the length of the conversation."""

    def shorten(messages: Messages) -> Messages:
        converted: list[Any] = convert_to_messages(messages)
        ClearToolUsesEdit(trigger=0, keep=keep).apply(converted, count_tokens=count_tokens_approximately)
        return as_sent(converted)

    return shorten


def with_editing(case: Case) -> list[Left]:
    """What LangChain's editing leaves, from none of the results to all of them."""
    kept = range(len(case.history.results) + 3)
    return [Left(results_before_newest(clearing(keep)(case.cut.messages)), 0.0) for keep in kept]


def middleware() -> Shorten:
    """DiffuMask's middleware with its defaults."""
    layer = DiffuMaskMiddleware()
    return lambda messages: as_sent(layer.compress(convert_to_messages(messages)))


def main() -> None:
    """Measures, prints and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--also", type=Path, action="append", default=[], help="more runs, for how common a string is")
    parser.add_argument("--venvs", type=Path, required=True, help="a folder for environments")
    parser.add_argument("--limit", type=int, help="the first so many runs only")
    parser.add_argument("--billed", type=int, default=5, help="so many runs are billed")
    parser.add_argument("--prices", choices=PRICES, default="anthropic")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    runs = read_runs(arguments.runs)
    others = [run for file in arguments.also for run in read_runs(file)]
    cases = cases_of(runs[: arguments.limit], [*runs[len(runs[: arguments.limit]) :], *others], COUNTER)

    found: dict[str, Any] = {"rows": len(cases), "left": {}, "reasons": {}}
    found["left"] |= {name: measure(cases, way, RATES, name) for name, way in without_a_model().items()}
    found["left"]["langchain editing"] = measure(cases, within(with_editing), RATES, "langchain editing")
    for name in PACKAGES:
        try:
            found["left"][name] = measure(cases, within(Peer(name, arguments.venvs)), RATES, name)
        except PeerError as error:
            found["reasons"][name] = str(error)
    found["left"]["diffumask middleware"] = {"its own": measure_calls(cases, middleware, "diffumask middleware")}
    ways = {
        **WITHOUT_A_MODEL,
        "langchain editing, 3 results": lambda: at_best(clearing(3)),
        "diffumask middleware": lambda: at_best(middleware()),
    }
    found["bill"] = totals(compare(runs[: arguments.billed], ways, PRICES[arguments.prices], COUNTER))
    arguments.out.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    print_tables(found)


def print_tables(found: dict[str, Any]) -> None:
    """A line a figure."""
    for name, by_rate in found["left"].items():
        for rate, figures in by_rate.items():
            print(f"{name:30} {rate:>8}  " + "  ".join(f"{what} {value:.3f}" for what, value in figures.items()))
    for name, figures in found["bill"].items():
        print(f"{name:40}" + "  ".join(f"{what} {value}" for what, value in figures.items()))
    for name, reason in found["reasons"].items():
        print(f"{name}: {reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
