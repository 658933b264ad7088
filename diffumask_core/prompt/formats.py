"""Where the texts of a message are: in OpenAI's chat and Responses formats and in Anthropic's messages.

Nothing declares a format: each message, and each part of its content, says by its type how to read it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from diffumask_core.errors import InputError, kind_of
from diffumask_core.prompt.layout import TOOL_ROLES

Keys = tuple[str | int, ...]
"""The keys and indices that lead from a message to a text in it, such as ``("content", 0, "text")``."""

Kind = Literal["text", "result", "failed", "fixed"]

_Found = tuple[Keys, Any, Kind]

_TEXT_TYPES = ("text", "input_text", "output_text")
_CALL_TYPES = ("function_call", "function_call_output")
# The names by which OpenAI's chat format tells exemplars, whatever their role is, from what was said.
_EXAMPLES = {"example_user": "user", "example_assistant": "assistant"}


@dataclass(frozen=True)
class MessageText:
    """A text of a message.

    Attributes:
        keys: Where in the message it is.
        text: The text, or the JSON of a call's arguments that are no text; never empty.
        kind: ``"text"`` for words of the user, the assistant or the system; ``"result"`` for the result of a tool;
            ``"failed"`` for the result of a tool that failed, which never changes; ``"fixed"`` for the name and
            arguments of a call, and for a text that annotations point into: they change only by going with their turn.
        call: The id of the call that the text is part of, or whose result it is; empty where there is none.
    """

    keys: Keys
    text: str
    kind: Kind
    call: str = ""

    @property
    def is_result(self) -> bool:
        """Whether the text is from a tool, failed or not."""
        return self.kind in ("result", "failed")


@dataclass(frozen=True)
class ReadMessage:
    """A message, or an item of the Responses format, whatever its format.

    Attributes:
        role: Whose turn it is: ``"tool"`` for a user message with results of tools, ``"assistant"`` for an item that
            is a call, ``""`` for an opaque item. A message named ``example_user`` or ``example_assistant`` is of the
            user or the assistant, though its role may be that of the system.
        texts: Its texts in order.
        asks: Whether it is a message in which the user says something, with or without results of tools before.
        is_example: Whether its name says that it is part of an exemplar.
        calls: The ids of the calls in it.
        answers: The ids of the calls whose results are in it.
    """

    role: str
    texts: tuple[MessageText, ...] = ()
    asks: bool = False
    is_example: bool = False
    calls: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()

    @property
    def own(self) -> tuple[MessageText, ...]:
        """The texts after the last result of a tool: those of the author of the message."""
        last = max((number for number, text in enumerate(self.texts) if text.is_result), default=-1)
        return self.texts[last + 1 :]


def read_message(where: str, message: Mapping[str, Any]) -> ReadMessage:
    """Reads a message of any of the formats.

    Args:
        where: What errors call it, such as ``"messages[0]"``.
        message: A dict with a role, or an item with a type.

    Raises:
        InputError: It is neither, or where a text should be there is something else.
    """
    if not isinstance(message, Mapping):
        raise InputError(f"{where} is {kind_of(message)}: it must be a dict with a role and a content.")
    role, kind = message.get("role"), message.get("type")
    if isinstance(kind, str) and (kind in _CALL_TYPES or (not isinstance(role, str) and kind != "message")):
        return _item(where, kind, message)
    if isinstance(role, str):
        return _with_role(where, role, message)
    raise InputError(
        f'{where} has no role: it must be a string such as "user", "assistant" or "tool". Only an item of another '
        'type than "message", such as "reasoning", needs none.'
    )


def read_messages(messages: Sequence[Mapping[str, Any]]) -> list[ReadMessage]:
    """Reads each message of a conversation.

    Raises:
        InputError: A message is of none of the formats; its index is named.
    """
    return [read_message(f"messages[{index}]", message) for index, message in enumerate(messages)]


def argument_values(text: str) -> list[str]:
    """The strings and numbers in the arguments of a call, as they are meant: without the escapes of JSON."""
    try:
        return [str(value) for value in _scalars(json.loads(text))]
    except (ValueError, RecursionError):
        return [text]


def _scalars(value: Any) -> Iterator[str | int | float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _scalars(each)
    elif value is not None and not isinstance(value, bool):
        yield value


def put_text(message: dict[str, Any], keys: Keys, text: str) -> None:
    """Puts a text where another one is; a call's arguments that are no text stay."""
    holder: Any = message
    for key in keys[:-1]:
        holder = holder[key]
    before = holder[keys[-1]]
    # An API may refuse an empty text, so only a blank one may become empty.
    if isinstance(before, str) and (text or not before.strip()):
        holder[keys[-1]] = text


def _item(where: str, kind: str, item: Mapping[str, Any]) -> ReadMessage:
    """Reads an item of the Responses format that is no message."""
    ids = _ids([item], "call_id")
    if kind == "function_call":
        return ReadMessage("assistant", _checked(where, item, _call((), item)), calls=ids)
    if kind == "function_call_output":
        texts = _checked(where, item, _plain(where, ("output",), item.get("output"), "result"))
        return ReadMessage("tool", texts, answers=ids)
    # Calls of other kinds have results of other kinds, such as "computer_call" and "computer_call_output".
    return ReadMessage("", answers=ids) if kind.endswith("_output") else ReadMessage("", calls=ids)


def _with_role(where: str, role: str, message: Mapping[str, Any]) -> ReadMessage:
    content, calls, name = message.get("content"), message.get("tool_calls"), message.get("name")
    is_example = role not in TOOL_ROLES and isinstance(name, str) and name in _EXAMPLES
    role = _EXAMPLES[str(name)] if is_example else role
    kind: Kind = "text" if role not in TOOL_ROLES else "failed" if message.get("is_error") else "result"
    texts = _checked(where, message, [*_content(where, content, kind), *_calls(where, calls)])
    parts = content if isinstance(content, list) else []
    results = [part for part in parts if part["type"] == "tool_result"]
    uses = [part for part in parts if part["type"] == "tool_use"]
    read = ReadMessage(
        "tool" if role == "user" and results else role,
        texts,
        calls=_ids(uses, "id") + _ids(calls or (), "id"),
        answers=_ids(results, "tool_use_id") + _ids([message], "tool_call_id"),
    )
    is_said = not results or any(text.text.strip() for text in read.own)
    return replace(read, asks=role == "user" and is_said and not is_example, is_example=is_example)


def _ids(holders: Sequence[Mapping[str, Any]], key: str) -> tuple[str, ...]:
    return tuple(found for holder in holders if isinstance(found := holder.get(key), str))


def _checked(where: str, message: Mapping[str, Any], found: Iterable[_Found]) -> tuple[MessageText, ...]:
    """The texts that are not empty."""
    texts = []
    for keys, text, kind in found:
        if not isinstance(text, str):
            expected = "a string" if keys[-1] in ("text", "name", "arguments") else "a string, a list of parts or None"
            raise InputError(f"{where}{_path(keys)} is {kind_of(text)}: it must be {expected}.")
        if text:
            texts.append(MessageText(keys, text, kind, _call_id(message, keys)))
    return tuple(texts)


def _call_id(message: Mapping[str, Any], keys: Keys) -> str:
    """The id of the call that a text of a message is part of, or whose result it is; empty where there is none."""
    part = message[str(keys[0])][keys[1]] if len(keys) > 1 else {}
    if keys[0] == "tool_calls" or part.get("type") == "tool_use":
        found = part.get("id")
    else:
        found = part.get("tool_use_id") or message.get("tool_call_id") or message.get("call_id")
    return found if isinstance(found, str) else ""


def _content(where: str, content: Any, kind: Kind) -> Iterator[_Found]:
    """The texts of a content, those of Anthropic's calls and results of tools included."""
    for keys, part in _parts(where, ("content",), content):
        if part["type"] == "tool_use":
            yield from _tool_use(where, keys, part)
        elif part["type"] == "tool_result":
            is_failed = bool(part.get("is_error"))
            yield from _plain(where, (*keys, "content"), part.get("content"), "failed" if is_failed else "result")
        else:
            yield from _text_part(keys, part, kind)
    yield from _string(("content",), content, kind)


def _plain(where: str, keys: Keys, content: Any, kind: Kind) -> Iterator[_Found]:
    """The texts of a content without calls and results in it."""
    for inner, part in _parts(where, keys, content):
        yield from _text_part(inner, part, kind)
    yield from _string(keys, content, kind)


def _parts(where: str, keys: Keys, content: Any) -> Iterator[tuple[Keys, dict[str, Any]]]:
    if not isinstance(content, list):
        return
    for number, part in enumerate(content):
        if not isinstance(part, dict) or "type" not in part:
            raise InputError(f'{where}{_path((*keys, number))} must be a dict with a type, such as "text".')
        yield (*keys, number), part


def _text_part(keys: Keys, part: Mapping[str, Any], kind: Kind) -> Iterator[_Found]:
    if part["type"] in _TEXT_TYPES:
        # Annotations hold positions in the text, which are wrong after a change.
        is_annotated = part["type"] == "output_text" and part.get("annotations")
        yield (*keys, "text"), part.get("text"), "fixed" if is_annotated else kind


def _string(keys: Keys, content: Any, kind: Kind) -> Iterator[_Found]:
    """A content that is no list, which must be a string."""
    if content is not None and not isinstance(content, list):
        yield keys, content, kind


def _call(keys: Keys, call: Mapping[str, Any]) -> Iterator[_Found]:
    """The name and the arguments of a call in OpenAI's formats."""
    yield (*keys, "name"), call.get("name"), "fixed"
    yield (*keys, "arguments"), call.get("arguments"), "fixed"


def _tool_use(where: str, keys: Keys, part: Mapping[str, Any]) -> Iterator[_Found]:
    """The name and the arguments of a call in Anthropic's format, where arguments are an object."""
    yield (*keys, "name"), part.get("name"), "fixed"
    given = part.get("input")
    if given is not None:
        keys = (*keys, "input")
        yield keys, given if isinstance(given, str) else _json(where, keys, given), "fixed"


def _calls(where: str, calls: Any) -> Iterator[_Found]:
    """The names and arguments of calls as OpenAI's chat format has them."""
    if calls is not None and not (isinstance(calls, list) and all(isinstance(call, dict) for call in calls)):
        raise InputError(f'{where}["tool_calls"] must be a list of dicts.')
    for number, call in enumerate(calls or ()):
        if isinstance(call.get("function"), dict):
            yield from _call(("tool_calls", number, "function"), call["function"])


def _json(where: str, keys: Keys, value: Any) -> str:
    """The text that stands for a call's arguments when tokens are counted."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, TypeError, ValueError) as error:
        raise InputError(f"{where}{_path(keys)} cannot be written as JSON: {error}.") from error


def _path(keys: Keys) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f'["{key}"]' for key in keys)
