"""LangChain messages as the core's dicts, and shortened texts back into copies of the messages."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from diffumask_core.extras import needs_extra
from diffumask_core.prompt.formats import ReadMessage, read_message

with needs_extra("langchain"):
    from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

_ROLES = {"human": "user", "ai": "assistant"}
_CALLS = {"tool_use": "input", "function_call": "arguments"}
_OTHER = {"type": "other"}

_Content = str | list[dict[str, Any]]


def to_openai(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """What `Compressor.compress_messages` needs to know of messages.

    Args:
        messages: LangChain messages, which stay as they are.

    Returns:
        For each message its role, its name, its texts, its tool calls or the call that it answers, whether that failed,
        and its place in `messages` as ``index``. In a list content, blocks of Anthropic and of OpenAI's Responses that
        hold texts, calls or results of tools are as in Anthropic's format; any other block is an empty stand-in, and so
        is a call that the tool calls have too.
    """
    return [
        {
            "role": _role(message),
            "content": _content(message),
            "tool_calls": _calls(message),
            "tool_call_id": message.tool_call_id if isinstance(message, ToolMessage) else None,
            "is_error": _has_failed(message),
            "name": message.name,
            "index": index,
        }
        for index, message in enumerate(messages)
    ]


def read_openai(sent: Sequence[Mapping[str, Any]]) -> list[ReadMessage]:
    """Where the texts are in what `to_openai` made."""
    return [read_message(f"messages[{index}]", message) for index, message in enumerate(sent)]


def failed_tools(messages: Sequence[BaseMessage]) -> list[int]:
    """Indices of the results of tools that failed, also of those without a text."""
    return [index for index, message in enumerate(messages) if _has_failed(message)]


def put_back(originals: Sequence[BaseMessage], shortened: Iterable[Mapping[str, Any]]) -> list[BaseMessage]:
    """The messages that are left, with the texts that are left of them.

    Args:
        originals: The messages that `to_openai` was given; they stay as they are.
        shortened: What became of its dicts, as in `CompressionResult.messages`.

    Returns:
        Copies that differ from the originals in their texts only; a message whose texts are the same is the original.
    """
    return [_with_texts(originals[message["index"]], message["content"]) for message in shortened]


def _has_failed(message: BaseMessage) -> bool:
    """Whether a message is the result of a tool that failed: an error message is of use in full only."""
    return isinstance(message, ToolMessage) and message.status == "error"


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


def _content(message: BaseMessage) -> _Content:
    if isinstance(message.content, str):
        return message.content
    known = {call["id"] for call in message.tool_calls} if isinstance(message, AIMessage) else set()
    return [_part(block, known) for block in message.content]


def _part(block: str | dict[Any, Any], known: Collection[str | None]) -> dict[str, Any]:
    """A block for the core; `known` has the ids of the calls that it hears of without the block."""
    match block:
        case {"type": "tool_result", **rest}:
            return _result(rest)
        case {"type": "tool_use" | "function_call" as kind, "name": str() as name, **rest}:
            if (id_ := _call_id(rest)) not in known:
                return {"type": "tool_use", "id": id_, "name": name, "input": rest.get(_CALLS[kind])}
    return _text_part(block)


def _result(block: Mapping[Any, Any]) -> dict[str, Any]:
    content = block.get("content")
    shown = {"type": "tool_result", "tool_use_id": block.get("tool_use_id"), "is_error": block.get("is_error")}
    if isinstance(content, list):
        return {**shown, "content": [_text_part(inner) for inner in content]}
    return {**shown, "content": content} if isinstance(content, str) else shown


def _text_part(block: str | dict[Any, Any]) -> dict[str, Any]:
    match block:
        case str() as text:
            return {"type": "text", "text": text}
        # Annotations hold positions in the text, so the core leaves such a text as it is.
        case {"type": "output_text", "text": str() as text, "annotations": [_, *_] as annotations}:
            return {"type": "output_text", "text": text, "annotations": annotations}
        case {"type": "text" | "input_text" | "output_text", "text": str() as text}:
            return {"type": "text", "text": text}
    return _OTHER


def _call_id(block: Mapping[Any, Any]) -> str | None:
    # A call of OpenAI's Responses has an id as an item too.
    ids = (block.get("call_id"), block.get("id"))
    return next((found for found in ids if isinstance(found, str)), None)


def _calls(message: BaseMessage) -> list[dict[str, Any]]:
    """Tool calls, also those whose arguments the LLM got wrong: their tokens count."""
    if not isinstance(message, AIMessage):
        return []
    calls = [
        (call["id"], call["name"], json.dumps(call["args"], ensure_ascii=False, default=str))
        for call in message.tool_calls
    ]
    calls += [(call["id"], call["name"] or "", call["args"] or "") for call in message.invalid_tool_calls]
    return [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
        for id_, name, arguments in calls
    ]


def _with_texts(message: BaseMessage, content: _Content) -> BaseMessage:
    if content == _content(message):
        return message
    return message.model_copy(update={"content": _merged(message.content, content)})


def _merged(blocks: str | Sequence[str | dict[Any, Any]], parts: _Content) -> str | list[str | dict[Any, Any]]:
    """A content with the texts that are left of it."""
    if isinstance(parts, str):
        return parts
    return [_merged_block(block, part) for block, part in zip(blocks, parts, strict=True)]


def _merged_block(block: str | dict[Any, Any], part: Mapping[str, Any]) -> str | dict[Any, Any]:
    if isinstance(block, str):
        return str(part["text"])
    if part["type"] == "text":
        return {**block, "text": part["text"]}
    if part["type"] == "tool_result" and "content" in part:
        return {**block, "content": _merged(block["content"], part["content"])}
    return block
