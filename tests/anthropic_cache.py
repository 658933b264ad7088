"""A stand-in for Anthropic's cache of prompts: what a run of requests reads from it, and what that costs.

A beginning is written at each breakpoint, and found by a breakpoint at most twenty blocks after; where breakpoints
stand is no part of what is compared.
"""

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diffumask_core.tokens import get_counter

Request = Mapping[str, Any]

COUNT = get_counter("gpt-4o").count
READ, WRITE = 0.1, 1.25
_MOST, _LOOKBACK, _LEAST_TOKENS = 4, 20, 1024


@dataclass(frozen=True)
class Used:
    """Tokens of a request, or of many.

    Attributes:
        read: From the cache.
        written: Into it.
        other: Neither.
    """

    read: int = 0
    written: int = 0
    other: int = 0

    @property
    def share_read(self) -> float:
        return self.read / (self.read + self.written + self.other)

    @property
    def cost(self) -> float:
        """What they cost, where a token of plain input costs 1."""
        return self.read * READ + self.written * WRITE + self.other


def used(requests: Sequence[Request]) -> Used:
    """What requests use together that are sent one after the other.

    Raises:
        AssertionError: Anthropic would refuse one.
    """
    entries: set[str] = set()
    found = [_sent(request, entries) for request in requests]
    return Used(*(sum(getattr(each, name) for each in found) for name in ("read", "written", "other")))


def _sent(request: Request, entries: set[str]) -> Used:
    blocks = [*_blocks(request)]
    prefixes, sizes = [""], [0]
    for block, _ in blocks:
        prefixes.append(prefixes[-1] + block)
        sizes.append(sizes[-1] + COUNT(block))
    at = [number for number, (_, control) in enumerate(blocks, 1) if control]
    kept = [control.get("ttl", "5m") for _, control in blocks if control]
    assert len(at) <= _MOST
    assert kept == sorted(kept), "a longer time to live follows a shorter one"
    within = [number for each in at for number in range(max(each - _LOOKBACK, 0), each + 1)]
    read = max((sizes[number] for number in within if prefixes[number] in entries), default=0)
    entries.update(prefixes[number] for number in at if sizes[number] >= _LEAST_TOKENS)
    end = max((sizes[number] for number in at if sizes[number] >= _LEAST_TOKENS), default=0)
    return Used(read, max(end - read, 0), sizes[-1] - max(end, read))


def _blocks(request: Request) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """The blocks of a request, each with the breakpoint on it, if any."""
    found = [("tools", each) for each in request.get("tools", ())]
    found += [("system", each) for each in request.get("system", ())]
    for number, message in enumerate(request["messages"]):
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        found += [(f"{number} {message['role']}", part) for part in parts]
    for number, (place, block) in enumerate(found, 1):
        bare = copy.deepcopy(dict(block))
        control = bare.pop("cache_control", None)
        assert not control or bare.get("type") != "thinking"
        assert not control or bare.get("text") != ""
        if number == len(found):
            control = control or request.get("cache_control")
        yield json.dumps([place, bare]), control


def with_breakpoint_at_end(messages: Sequence[Mapping[str, Any]], **control: str) -> list[dict[str, Any]]:
    """Messages as most programs send them: with one breakpoint, on the last block."""
    marked = [copy.deepcopy(dict(message)) for message in messages]
    last = marked[-1]
    if isinstance(last["content"], str):
        last["content"] = [{"type": "text", "text": last["content"]}]
    last["content"][-1]["cache_control"] = {"type": "ephemeral", **control}
    return marked


def without_breakpoints(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Messages without breakpoints, as the cache compares them: a text alone is a block."""
    bare = [copy.deepcopy(dict(message)) for message in messages]
    for message in bare:
        if isinstance(message["content"], str):
            message["content"] = [{"type": "text", "text": message["content"]}]
        for block in message["content"]:
            block.pop("cache_control", None)
    return bare
