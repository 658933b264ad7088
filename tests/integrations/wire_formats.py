"""The formats of conversations: what providers refuse, converters from OpenAI's chat, and what must not change."""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.wire import violations as openai_violations

Message = dict[str, Any]

_TEXTS = ("text", "input_text", "output_text")


# Anthropic's messages.


def to_anthropic(messages: Sequence[Message]) -> list[Message]:
    """A conversation in OpenAI's chat format as one of Anthropic's; its system prompt is no message there."""
    converted: list[Message] = []
    for message in messages:
        if message["role"] == "tool":
            block = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": message["content"]}
            if converted[-1]["role"] != "user":
                converted.append({"role": "user", "content": []})
            converted[-1]["content"].append(block)
        elif message["role"] in ("user", "assistant"):
            calls = message.get("tool_calls") or []
            converted.append({"role": message["role"], "content": message["content"]})
            if calls:
                words = [{"type": "text", "text": message["content"]}] if message["content"] else []
                thought = {"type": "thinking", "thinking": "Which tool?", "signature": f"c2ln{len(converted)}"}
                converted[-1]["content"] = [thought, *words, *map(_to_tool_use, calls)]
    return converted


def _to_tool_use(call: Message) -> Message:
    function = call["function"]
    arguments = json.loads(function["arguments"])
    return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": arguments}


def anthropic_violations(messages: Sequence[Message]) -> list[str]:
    """What Anthropic would refuse about the messages of a request."""
    found = [] if messages and messages[-1]["role"] == "user" else ["the last message is not the user's"]
    asked: list[str] = []
    for index, message in enumerate(messages):
        blocks = message["content"]
        if isinstance(blocks, str):
            blocks = [{"type": "text", "text": blocks}]
        kinds = [block["type"] for block in blocks]
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if sorted(answered) != sorted(asked):
            found.append(f"messages[{index}] answers {answered} and not {asked}")
        asked = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if message["role"] not in ("user", "assistant"):
            found.append(f"messages[{index}] has the role {message['role']}")
        if not kinds or any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            found.append(f"messages[{index}] has an empty text")
        if "tool_result" in kinds[len(answered) :]:
            found.append(f"messages[{index}] has something before a result")
        if message["role"] == "user" and asked:
            found.append(f"messages[{index}] is the user's, but has tool calls")
        if not all(isinstance(block.get("input", {}), dict) for block in blocks):
            found.append(f"messages[{index}] has an input that is no object")
    return found + [f"tool call {one} has no result" for one in asked]


# OpenAI's Responses.


def to_responses(messages: Sequence[Message]) -> list[Message]:
    """A conversation in OpenAI's chat format as items of its Responses format."""
    items: list[Message] = []
    for message in messages:
        role, content = message["role"], message["content"]
        if role == "tool":
            items.append({"type": "function_call_output", "call_id": message["tool_call_id"], "output": content})
        elif content:
            kind = "output_text" if role == "assistant" else "input_text"
            items.append({"role": role, "content": [{"type": kind, "text": content}]})
        for call in message.get("tool_calls") or []:
            items.append({"type": "reasoning", "id": f"r{len(items)}", "summary": [], "encrypted_content": "AAAA"})
            items.append({"type": "function_call", "call_id": call["id"], **call["function"]})
    return items


def responses_violations(items: Sequence[Message]) -> list[str]:
    """What OpenAI would refuse about the items of a request."""
    kinds = [item.get("type", "message") for item in items]
    is_asked = kinds and (kinds[-1] == "function_call_output" or items[-1].get("role") == "user")
    found = [] if is_asked else ["the last item is neither the user's nor a tool's"]
    asked: set[str] = set()
    for index, (item, kind) in enumerate(zip(items, kinds, strict=True)):
        if kind == "function_call":
            asked.add(item["call_id"])
        elif kind == "function_call_output":
            if item["call_id"] not in asked:
                found.append(f"items[{index}] answers no open call")
            asked.discard(item["call_id"])
        elif kind == "message":
            texts = [item[key] for item, key in slots(item)]
            if item["role"] not in ("system", "developer", "user", "assistant") or not item["content"]:
                found.append(f"items[{index}] is no message")
            if any(not text.strip() for text in texts):
                found.append(f"items[{index}] has an empty text")
        elif kind == "reasoning" and [*kinds, "end"][index + 1] == "function_call_output":
            found.append(f"items[{index}] is followed by nothing that it led to")
    return found + [f"call {one} has no result" for one in sorted(asked)]


# All formats.


@dataclass(frozen=True)
class Format:
    """A format: what makes a conversation of it from one of OpenAI's chat, and what finds fault with it."""

    convert: Callable[[Sequence[Message]], list[Message]]
    violations: Callable[[Sequence[Message]], list[str]]


FORMATS = {
    "openai": Format(copy.deepcopy, openai_violations),
    "anthropic": Format(to_anthropic, anthropic_violations),
    "responses": Format(to_responses, responses_violations),
}


def slots(message: Message) -> Iterator[tuple[Message, str]]:
    """Where the texts of a message are that may be shortened: the dict and the key of each."""
    for key in ("content", "output"):
        yield from _slots(message, key)


def _slots(holder: Message, key: str) -> Iterator[tuple[Message, str]]:
    if isinstance(holder.get(key), str):
        yield holder, key
    for block in holder[key] if isinstance(holder.get(key), list) else ():
        if block["type"] in _TEXTS:
            yield block, "text"
        elif block["type"] == "tool_result":
            yield from _slots(block, "content")


def texts(message: Message) -> list[str]:
    """All that an LLM reads of a message, the names and arguments of calls included."""
    found = [holder[key] for holder, key in slots(message)]
    calls = [call["function"] for call in message.get("tool_calls") or []]
    calls += [message] if message.get("type") == "function_call" else []
    found += [text for call in calls for text in (call["name"], call["arguments"])]
    content = message.get("content")
    uses = [block for block in content if block["type"] == "tool_use"] if isinstance(content, list) else []
    return found + [text for use in uses for text in (use["name"], json.dumps(use["input"], ensure_ascii=False))]


def numbered(messages: Sequence[Message]) -> list[Message]:
    """Copies of messages that know their indices."""
    return [{**copy.deepcopy(message), "index": index} for index, message in enumerate(messages)]


def damages(before: Sequence[Message], after: Sequence[Message]) -> Iterator[str]:
    """What happened to numbered messages that must not happen."""
    for message in after:
        original = before[message["index"]]
        where = f"messages[{message['index']}]"
        if _without_texts(message) != _without_texts(original):
            yield f"{where} is not alike in all but its texts"
            continue
        for (old_holder, key), (new_holder, _) in zip(slots(original), slots(message), strict=True):
            old, new = old_holder[key], new_holder[key]
            if old.strip() and not new.strip():
                yield f"{where} has an empty text"
            if isinstance(_parsed(old), dict | list) and not isinstance(_parsed(new), dict | list):
                yield f"{where} is no JSON any more"
            if old != new and (message.get("role") in ("system", "developer") or old_holder.get("is_error")):
                yield f"{where} is not the same"


def _without_texts(message: Message) -> Message:
    """The message with each text blanked: calls, thoughts, images, ids and marks of caches are left."""
    blanked = copy.deepcopy(message)
    for holder, key in slots(blanked):
        holder[key] = ""
    return blanked


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
