"""Checks every prefix of agent conversations: is what is left of it valid, and is it within the budget?

    PYTHONPATH=tests python scripts/check_trajectories.py conversations.jsonl

The file has a conversation in the OpenAI chat format a line, under `messages`; it is checked in that format and in
those of Anthropic and of OpenAI's Responses. Prefixes that a provider takes are what a model is asked to go on from.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integrations.wire_formats import FORMATS, damages, numbered, texts
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

    def add(self, name: str, before: Sequence[Message], after: Sequence[Message], budget: int) -> None:
        """Checks a prefix in a format; each message after has the index of the one before that it is made of."""
        tokens = count(after)
        self.prefixes += 1
        self.invalid += bool([*FORMATS[name].violations(after), *damages(before, after)])
        self.over_budget += tokens > budget
        self.before += count(before)
        self.after += tokens


class Middleware:
    """The middleware of LangChain at each rate, and how often it sent a message in two shortened forms."""

    def __init__(self, compressor: Compressor) -> None:
        self._layers = {rate: DiffuMaskMiddleware(keep_rate=rate, compressor=compressor) for rate in RATES}
        self._sent: dict[tuple[float, int], Message] = {}
        self.changed_twice = 0

    def begin(self) -> None:
        """Forgets the conversation before."""
        self._sent = {}

    def check(self, prefix: Sequence[Message], seen: dict[str, Figures]) -> None:
        """Checks a prefix at each rate."""
        messages = convert_to_messages(prefix)
        for rate, layer in self._layers.items():
            original, shortened = as_sent(messages), as_sent(layer.compress(messages))
            # Its rate is that of what becomes old, so all that holds for the whole is that it never gets longer.
            figures = seen.setdefault(f"openai, middleware at {rate:.0%}", Figures())
            figures.add("openai", original, shortened, count(original))
            for index, (old, new) in enumerate(zip(original, shortened, strict=True)):
                if old != new:
                    self.changed_twice += self._sent.setdefault((rate, index), new) != new


def count(messages: Sequence[Message]) -> int:
    """Tokens of all texts."""
    return sum(COUNTER.count(text) for message in messages for text in texts(message))


def prefixes(name: str, conversation: Sequence[Message]) -> Iterator[list[Message]]:
    """What models were asked to go on from, in a format."""
    converted = FORMATS[name].convert(conversation)
    for length in range(1, len(converted) + 1):
        if not FORMATS[name].violations(converted[:length]):
            yield numbered(converted[:length])


def as_sent(messages: Sequence[BaseMessage]) -> list[Message]:
    """Messages of LangChain as they are sent, with their indices."""
    return numbered(convert_to_openai_messages(messages))


def print_table(seen: dict[str, Figures]) -> None:
    """Prints a line for each way to compress."""
    print(f"{'':34}{'prefixes':>10}{'invalid':>10}{'over budget':>13}{'tokens':>10}{'left':>8}")
    for name, total in seen.items():
        left = f"{total.after / total.before:.0%}"
        print(f"{name:34}{total.prefixes:10}{total.invalid:10}{total.over_budget:13}{total.before:10}{left:>8}")


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--limit", type=int, help="the first so many conversations only")
    parser.add_argument("--model", help="a folder with a model, in place of the bundled one")
    parser.add_argument("--format", choices=[*FORMATS, "all"], default="all", help="of the messages")
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in arguments.file.read_text("utf-8").splitlines()][: arguments.limit]
    names = [*FORMATS] if arguments.format == "all" else [arguments.format]

    compressor = Compressor.from_pretrained(arguments.model)
    middleware = Middleware(compressor)
    seen: dict[str, Figures] = {}
    for row in tqdm(rows):
        middleware.begin()
        for name in names:
            for prefix in prefixes(name, row["messages"]):
                result = compressor.compress_messages(prefix, keep_rate=RATES[0], on_overflow="best_effort")
                for rate in RATES:
                    decided = result.at(keep_rate=rate)
                    figures = seen.setdefault(f"{name}, compress_messages at {rate:.0%}", Figures())
                    figures.add(name, prefix, decided.messages or [], decided.budget)
                if name == "openai":
                    middleware.check(prefix, seen)
    print_table(seen)
    if "openai" in names:
        print(f"Messages that the middleware sent in two shortened forms: {middleware.changed_twice}")


if __name__ == "__main__":
    main()
