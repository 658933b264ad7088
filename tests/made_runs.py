"""Runs of agents that are drawn: an agent searches a harbour's code, and changes later what the task was about."""

import json
import random
from collections.abc import Sequence
from typing import Any

from diffumask_core.datasets import RunRow

Message = dict[str, Any]

TOPICS = ("anchor", "beacon", "cargo", "dredger", "ferry", "gangway", "hawser", "lantern", "mooring", "rudder")
_FILLERS = ("almond", "birch", "clover", "dahlia", "elder", "fennel", "garlic", "hazel", "iris", "juniper", "lavender")


def step(number: int, says: str, arguments: Message, result: str, name: str = "shell") -> list[Message]:
    """A call of a tool and its result, as OpenAI's chat has them."""
    call = {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return [
        {"role": "assistant", "content": says, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"call_{number}", "content": result},
    ]


def wanted_paths(topic: str, number: int) -> list[str]:
    """What the agent of a run looks for, and writes at its end."""
    return [f"src/{topic}/{place}_{number}.py" for place in ("opens", "closes", "jams")]


def drawn_run(number: int, topic: str | None = None) -> list[Message]:
    """A run whose first results name a few files of the topic of the task among many others.

    The agent opens others in between, and writes the names of the files of the topic at its end.
    """
    drawn = random.Random(number)
    topic = topic or TOPICS[number % len(TOPICS)]
    messages: list[Message] = [{"role": "user", "content": f"Why is the {topic} so slow? Mend the {topic}."}]
    paths = wanted_paths(topic, number)
    for search, path in enumerate(paths):
        lines = [
            f"src/{drawn.choice(_FILLERS)}/part_{drawn.randrange(10**6)}.py:{drawn.randrange(400)}: wait = measure()"
            for _ in range(11)
        ]
        lines.insert(drawn.randrange(len(lines)), f"{path}:{drawn.randrange(400)}: wait = measure()")
        messages += step(search, "I search.", {"command": "grep -rn wait src"}, "\n".join(lines))
    for other in range(6):
        lines = [f"{line}: the tide of day {drawn.randrange(10**6)} is low" for line in range(4)]
        messages += step(3 + other, "I read on.", {"command": "cat tides.txt"}, "\n".join(lines))
    return [*messages, *step(9, "", {"files": paths}, "done"), {"role": "assistant", "content": "It is mended."}]


def drawn_runs(count: int, first: int = 0) -> list[RunRow]:
    """So many runs."""
    return [RunRow(id=f"run-{number}", messages=drawn_run(number)) for number in range(first, first + count)]


def to_anthropic(messages: Sequence[Message]) -> list[Message]:
    """A run in the format of Anthropic's messages, where results in a row stand in one message."""
    converted: list[Message] = []
    for message in messages:
        if message["role"] == "tool":
            result = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": message["content"]}
            if converted and converted[-1]["role"] == "user" and isinstance(converted[-1]["content"], list):
                converted[-1]["content"].append(result)
            else:
                converted.append({"role": "user", "content": [result]})
            continue
        calls = [
            {
                "type": "tool_use",
                "id": call["id"],
                "name": call["function"]["name"],
                "input": json.loads(call["function"]["arguments"]),
            }
            for call in message.get("tool_calls", ())
        ]
        words = [{"type": "text", "text": message["content"]}] if message["content"] else []
        content: Any = [*words, *calls] if calls else message["content"]
        converted.append({"role": message["role"], "content": content})
    return converted


def to_responses(messages: Sequence[Message]) -> list[Message]:
    """A run in the format of OpenAI's Responses, where words, calls and results are items of their own."""
    items: list[Message] = []
    for message in messages:
        if message["role"] == "tool":
            answer = {"type": "function_call_output", "call_id": message["tool_call_id"], "output": message["content"]}
            items.append(answer)
            continue
        if message["content"]:
            items.append({"role": message["role"], "content": message["content"]})
        items += [
            {"type": "function_call", "call_id": call["id"], **call["function"]}
            for call in message.get("tool_calls", ())
        ]
    return items


FORMATS = {"chat": list, "anthropic": to_anthropic, "responses": to_responses}
