"""LangChain messages as the core's OpenAI-format dicts, and shortened texts back into copies of the messages."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from diffumask_core.extras import needs_extra

with needs_extra("langchain"):
    from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

_ROLES = {"human": "user", "ai": "assistant"}


def to_openai(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """What `Compressor.compress_messages` needs to know of messages.

    Args:
        messages: LangChain messages, which stay as they are.

    Returns:
        For each message its role, its texts and its tool calls, and its place in `messages` as ``index``. In a list
        content, a block that is not text is an empty stand-in.
    """
    return [
        {"role": _role(message), "content": _content(message), "tool_calls": _calls(message), "index": index}
        for index, message in enumerate(messages)
    ]


def failed_tools(messages: Sequence[BaseMessage]) -> list[int]:
    """Indices of the results of tools that failed: an error message is of use in full only."""
    return [
        index
        for index, message in enumerate(messages)
        if isinstance(message, ToolMessage) and message.status == "error"
    ]


def put_back(originals: Sequence[BaseMessage], shortened: Iterable[Mapping[str, Any]]) -> list[BaseMessage]:
    """The messages that are left, with the texts that are left of them.

    Args:
        originals: The messages that `to_openai` was given; they stay as they are.
        shortened: What became of its dicts, as in `CompressionResult.messages`.

    Returns:
        Copies that differ from the originals in their texts only; a message whose texts are the same is the original.
    """
    return [_with_texts(originals[message["index"]], message["content"]) for message in shortened]


def _role(message: BaseMessage) -> str:
    # By class and not by type: that of a chunk is the name of its class.
    match message:
        case HumanMessage():
            return "user"
        case AIMessage():
            return "assistant"
        case SystemMessage():
            return "system"
        case ToolMessage():
            return "tool"
        case ChatMessage():
            return _ROLES.get(message.role, message.role)
        case _:
            return message.type


def _content(message: BaseMessage) -> str | list[dict[str, Any]]:
    if isinstance(message.content, str):
        return message.content
    texts = map(_block_text, message.content)
    return [{"type": "other"} if text is None else {"type": "text", "text": text} for text in texts]


def _block_text(block: str | dict[Any, Any]) -> str | None:
    if isinstance(block, str):
        return block
    text = block.get("text") if block.get("type") == "text" else None
    return text if isinstance(text, str) else None


def _calls(message: BaseMessage) -> list[dict[str, Any]]:
    """Tool calls, also those whose arguments the LLM got wrong: their tokens count."""
    if not isinstance(message, AIMessage):
        return []
    calls = [(call["name"], json.dumps(call["args"], ensure_ascii=False, default=str)) for call in message.tool_calls]
    calls += [(call["name"] or "", call["args"] or "") for call in message.invalid_tool_calls]
    return [{"type": "function", "function": {"name": name, "arguments": arguments}} for name, arguments in calls]


def _with_texts(message: BaseMessage, content: str | list[dict[str, Any]]) -> BaseMessage:
    if content == _content(message):
        return message
    if isinstance(content, str):
        return message.model_copy(update={"content": content})
    blocks: list[str | dict[Any, Any]] = []
    for block, part in zip(message.content, content, strict=True):
        if part["type"] != "text":
            blocks.append(block)
        else:
            blocks.append(part["text"] if isinstance(block, str) else {**block, "text": part["text"]})
    return message.model_copy(update={"content": blocks})
