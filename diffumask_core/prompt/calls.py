"""Which tool a result is from, in each of the formats."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from diffumask_core.prompt.formats import Keys, ReadMessage
from diffumask_core.prompt.layout import TOOL_ROLES


def tools_of(messages: Sequence[Mapping[str, Any]], read: Sequence[ReadMessage]) -> list[dict[Keys, str | None]]:
    """The names of the tools that results are from; None for a result that tells neither a name nor a known call.

    Args:
        messages: The messages.
        read: The same, as `read_message` reads them.

    Returns:
        For each message the name for each text that is a result.
    """
    called: dict[object, str] = {}
    found: list[dict[Keys, str | None]] = []
    for message, each in zip(messages, read, strict=True):
        # Some agents number the calls of each step anew, so the last call of an id counts.
        found.append({text.keys: _tool(message, text.keys, called) for text in each.texts if text.is_result})
        called.update(_calls(message))
    return found


def _calls(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The id and the name of each call in a message."""
    holders: list[tuple[Mapping[str, Any], str, Any]] = []
    if message.get("type") == "function_call":
        holders.append((message, "call_id", message))
    holders += [(call, "id", call.get("function")) for call in _objects(message.get("tool_calls"))]
    holders += [(part, "id", part) for part in _objects(message.get("content")) if part.get("type") == "tool_use"]
    for call, key, named in holders:
        name = named.get("name") if isinstance(named, Mapping) else None
        if isinstance(call.get(key), str) and isinstance(name, str):
            yield call[key], name


def _objects(value: object) -> list[Mapping[str, Any]]:
    """The objects in a list; a message of a type that is not read may hold anything in its place."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _tool(message: Mapping[str, Any], keys: Keys, called: Mapping[object, str]) -> str | None:
    """The name of the tool that a text of a message is a result of."""
    if isinstance(name := message.get("name"), str) and message.get("role") in TOOL_ROLES:
        return name
    answered = message.get("tool_call_id", message.get("call_id"))
    if isinstance(content := message.get("content"), list):
        answered = content[int(keys[1])].get("tool_use_id", answered)
    return called.get(answered) if isinstance(answered, str) else None
