"""Breakpoints of Anthropic's cache stand where a request is the same the next time.

A block with ``cache_control`` writes a request up to there into the cache, and a later request reads that if nothing
before changed. Most programs have one at the end of their messages. Where the next request shortens some of these, what
was written there is never read again: the breakpoint then belongs at the end of what is old already.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_KEY = "cache_control"
# An empty text and a thought are refused with a breakpoint, and kinds that are new may be.
_CARRIERS = ("text", "image", "document", "tool_use", "tool_result")


def move_breakpoints(
    messages: Sequence[dict[str, Any]], settled: int, cache_control: Mapping[str, Any] | None = None
) -> None:
    """Moves the breakpoints on messages that are not settled to the end of those that are, where one is enough.

    So a request has never more of them than before, and four is the most that Anthropic takes.

    Args:
        messages: The messages of a request, which are changed; those of another format than Anthropic's stay.
        settled: How many of them are the same in all later requests.
        cache_control: A breakpoint at the end of the request that is not in the messages; it is added here.
    """
    if not all(message.get("role") in ("user", "assistant") and "tool_calls" not in message for message in messages):
        return
    moving = [block for message in messages[settled:] for block in breakpoints_of(message.get("content"))]
    values = [*(block[_KEY] for block in moving), *([cache_control] if cache_control else [])]
    carriers = (found for message in reversed(messages[:settled]) if (found := _carrier(message)))
    if not values or (carrier := next(carriers, None)) is None:
        return
    for block in moving:
        del block[_KEY]
    # One that lives longer may not come later, so the first of several is the one that can stand before all others.
    carrier.setdefault(_KEY, dict(values[0]))


def breakpoints_of(content: Any) -> Iterator[dict[str, Any]]:
    """The blocks of a content with a breakpoint, those in results of tools included."""
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict):
            yield from breakpoints_of(block.get("content"))
            if isinstance(block.get(_KEY), Mapping):
                yield block


def _carrier(message: dict[str, Any]) -> dict[str, Any] | None:
    """The last block of a message that can have a breakpoint; a string becomes the block that it is short for."""
    content = message.get("content")
    if isinstance(content, str) and content.strip():
        message["content"] = content = [{"type": "text", "text": content}]
    blocks = content if isinstance(content, list) else []
    return next((block for block in reversed(blocks) if _carries(block)), None)


def _carries(block: Mapping[str, Any]) -> bool:
    return block.get("type") in _CARRIERS and (block["type"] != "text" or bool(str(block.get("text")).strip()))
