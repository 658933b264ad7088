"""Checks every prefix of agent conversations: is what is left of it valid, and is it within the budget?

    PYTHONPATH=tests python scripts/check_trajectories.py conversations.jsonl

The file has a conversation in the OpenAI chat format a line, under `messages`. Prefixes that end in a message of the
user or a tool are what a model is asked to go on from.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integrations.wire import violations
from langchain_core.messages import BaseMessage, convert_to_messages, convert_to_openai_messages
from tqdm import tqdm

from diffumask_core import Compressor
from diffumask_core.tokens import get_counter
from diffumask_integrations.langchain.middleware import DiffuMaskMiddleware

RATES = (0.3, 0.6)
COUNTER = get_counter("gpt-4o")

Message = dict[str, Any]


@dataclass
class Figures:
    """What was seen of one way to compress."""

    prefixes: int = 0
    invalid: int = 0
    over_budget: int = 0
    before: int = 0
    after: int = 0

    def add(self, before: Sequence[Message], after: Sequence[Message], budget: int) -> None:
        """Checks a prefix; each message after has the index of the one before that it is made of."""
        tokens = count(after)
        self.prefixes += 1
        self.invalid += bool([*violations(after), *damages(before, after)])
        self.over_budget += tokens > budget
        self.before += count(before)
        self.after += tokens


def texts(message: Message) -> list[str]:
    """What a model reads of a message."""
    functions = [call["function"] for call in message.get("tool_calls") or []]
    return [message["content"] or "", *(function[key] for function in functions for key in ("name", "arguments"))]


def count(messages: Sequence[Message]) -> int:
    """Tokens of all texts."""
    return sum(COUNTER.count(text) for message in messages for text in texts(message))


def damages(before: Sequence[Message], after: Sequence[Message]) -> Iterator[str]:
    """What happened to messages that must not happen."""
    for message in after:
        index = message["index"]
        original = before[index]
        if any(message.get(key) != original.get(key) for key in ("role", "tool_call_id")):
            yield f"messages[{index}] is another message"
        if [*map(parsed, texts(message)[1:])] != [*map(parsed, texts(original)[1:])]:
            yield f"messages[{index}] calls another tool"
        old, new = original["content"] or "", message["content"] or ""
        if old.strip() and not new.strip():
            yield f"messages[{index}] is empty"
        if isinstance(parsed(old), dict | list) and not isinstance(parsed(new), dict | list):
            yield f"messages[{index}] is no JSON any more"
        if message["role"] == "system" and old != new:
            yield f"messages[{index}] is not the same instruction"


def parsed(text: str) -> Any:
    """The value of a text that is JSON; any other text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def prefixes(conversation: Sequence[Message]) -> Iterator[list[Message]]:
    """What models were asked to go on from."""
    for length, message in enumerate(conversation, 1):
        if message["role"] in ("user", "tool"):
            yield [{**message, "index": index} for index, message in enumerate(conversation[:length])]


def numbered(messages: Sequence[BaseMessage]) -> list[Message]:
    """Messages of LangChain as they are sent, with their indices."""
    return [{**message, "index": index} for index, message in enumerate(convert_to_openai_messages(messages))]


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--limit", type=int, help="the first so many conversations only")
    parser.add_argument("--model", help="a folder with a model, in place of the bundled one")
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in arguments.file.read_text("utf-8").splitlines()][: arguments.limit]

    compressor = Compressor.from_pretrained(arguments.model)
    layers = {rate: DiffuMaskMiddleware(keep_rate=rate, compressor=compressor) for rate in RATES}
    seen: dict[str, Figures] = {}
    changed_twice = 0
    for row in tqdm(rows):
        sent: dict[tuple[float, int], Message] = {}
        for prefix in prefixes(row["messages"]):
            result = compressor.compress_messages(prefix, keep_rate=RATES[0], on_overflow="best_effort")
            for rate in RATES:
                decided = result.at(keep_rate=rate)
                figures = seen.setdefault(f"compress_messages at {rate:.0%}", Figures())
                figures.add(prefix, decided.messages or [], decided.budget)

                messages = convert_to_messages(prefix)
                original, shortened = numbered(messages), numbered(layers[rate].compress(messages))
                # Its rate is that of each old message, so all that holds for the whole is that it never gets longer.
                figures = seen.setdefault(f"middleware at {rate:.0%}", Figures())
                figures.add(original, shortened, count(original))
                for index, (old, new) in enumerate(zip(original, shortened, strict=True)):
                    if old != new:
                        changed_twice += sent.setdefault((rate, index), new) != new

    print(f"{'':24}{'prefixes':>10}{'invalid':>10}{'over budget':>13}{'tokens':>10}{'left':>8}")
    for name, total in seen.items():
        left = f"{total.after / total.before:.0%}"
        print(f"{name:24}{total.prefixes:10}{total.invalid:10}{total.over_budget:13}{total.before:10}{left:>8}")
    print(f"Messages that the middleware sent in two shortened forms: {changed_twice}")


if __name__ == "__main__":
    main()
