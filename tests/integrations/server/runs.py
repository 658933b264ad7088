"""Conversations of an agent that reads logs, and what is drawn in their place."""

import json
from typing import Any

from hypothesis import strategies as st

Message = dict[str, Any]


def log(machine: str, lines: int = 40) -> str:
    told = [f"2026-03-02 10:{minute:02}:00 INFO {machine} turned {minute * 7} times" for minute in range(lines)]
    return "\n".join([*told, f"2026-03-02 11:00:00 ERROR {machine} stood still"])


def step(number: int, result: str) -> list[Message]:
    """A call of a tool with its result, as OpenAI's chat has them."""
    call = {"id": f"c{number}", "type": "function", "function": {"name": "log", "arguments": json.dumps({"n": number})}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"c{number}", "content": result},
    ]


def conversation(steps: int) -> list[Message]:
    """A question and so many steps."""
    messages: list[Message] = [{"role": "user", "content": "Which machines stood still?"}]
    for number in range(steps):
        messages += step(number, log(f"machine-{number}"))
    return messages


_KEYS = ("role", "content", "type", "text", "messages", "input", "tool_calls", "function", "name", "arguments", "id")
_WORDS = ("user", "assistant", "tool", "text", "tool_use", "tool_result", "function_call_output", "output", "")

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(_WORDS) | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_KEYS) | st.text(max_size=5), inner),
    max_leaves=20,
)
