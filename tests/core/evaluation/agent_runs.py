"""Runs of agents written for the tests."""

import json
import lzma
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from made_runs import to_anthropic, to_responses

Message = dict[str, Any]

NEEDED = ("harbour/tides/lowest.py", "QUAY_DEPTH_LIMIT", "mooring_ledger", "48213")


def step(number: int, says: str, arguments: Message, result: str) -> list[Message]:
    """A call of a tool and its result."""
    function = {"name": "run", "arguments": json.dumps(arguments)}
    call = {"id": f"call_{number}", "type": "function", "function": function}
    return [
        {"role": "assistant", "content": says, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"call_{number}", "content": result},
    ]


def listing(number: int, needed: Sequence[str] = ()) -> str:
    """A result of some lines, in the midst of which strings stand."""
    lines = [f"the boat of row {number} and line {line} lies still" for line in range(12)]
    return "\n".join([*lines[:6], *(f"look at {string} there" for string in needed), *lines[6:]])


def coding_run(steps: int = 8) -> list[Message]:
    """A run that writes at its end what it saw in its first result alone."""
    results = [listing(0, NEEDED), *(listing(number) for number in range(1, steps))]
    looked = [each for number, text in enumerate(results) for each in step(number, "I look.", {"command": "ls"}, text)]
    said = f"I change {' and '.join(NEEDED)}."
    return [
        {"role": "user", "content": "Why does the gate of the lock not open?"},
        *looked,
        {"role": "assistant", "content": said},
    ]


def desk_run(steps: int = 6) -> list[Message]:
    """A run with JSON results, whose last call holds values of the first one."""
    records = [
        json.dumps(
            {"berth": f"B{number}Z{number}", "guests": [{"id": f"guest_{number}_{n}7", "nights": n} for n in range(5)]}
        )
        for number in range(steps)
    ]
    looked = [each for n, text in enumerate(records) for each in step(n, "", {"row": n}, text)]
    last = step(steps, "", {"berth": "B0Z0", "guest": "guest_0_37"}, "{}")
    return [{"role": "user", "content": "Book the berth again."}, *looked, *last]


FORMATS = {"openai": list, "anthropic": to_anthropic, "responses": to_responses}


def write_runs(file: Path, *runs: Any) -> Path:
    """Writes runs as JSON lines, compressed where the name says so."""
    text = "".join(json.dumps({"id": f"run-{number}", "messages": run}) + "\n" for number, run in enumerate(runs))
    file.write_bytes(lzma.compress(text.encode()) if file.suffix == ".xz" else text.encode())
    return file
