"""Chat messages in the OpenAI format: their layout as one text, and putting shortened texts back."""

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from diffumask_core.errors import InputError
from diffumask_core.prompt.json_values import find_json
from diffumask_core.prompt.layout import JsonNode, Layout, ShotSpan, shift_layout, shift_shot
from diffumask_core.prompt.parse import describe_shot, parse_layout
from diffumask_core.prompt.spans import Span, merge_spans
from diffumask_core.units.words import split_words

_SYSTEM_ROLES = ("system", "developer")
_BETWEEN = "\n\n"
_MAX_LABEL_UNITS = 5


@dataclass(frozen=True)
class TextPlace:
    """Where in the messages a text is.

    Attributes:
        message: The index of the message.
        keys: The keys and indices that lead from the message to the text, such as ``("content", 0, "text")``.
    """

    message: int
    keys: tuple[str | int, ...]

    @property
    def in_call(self) -> bool:
        """Whether the text is the name or the arguments of a tool call."""
        return self.keys[0] == "tool_calls"


@dataclass(frozen=True)
class MessagesLayout:
    """Messages as one text.

    Attributes:
        layout: The transcript. Its segments are the texts that are sent: of each message the content or its text
            parts, then the names and arguments of its tool calls. Its shots are the past turns.
        places: For each segment where it is from (none when the messages hold no text).
        turns: For each shot the indices of its messages, which go together; none for a shot inside a message.
    """

    layout: Layout
    places: tuple[TextPlace, ...]
    turns: tuple[tuple[int, ...], ...]


def messages_layout(
    messages: Sequence[Mapping[str, Any]],
    keep: Collection[int] = (),
    compress_instructions: bool = False,
    compress_query: bool = False,
) -> MessagesLayout:
    """Lays out a conversation.

    System and developer messages are protected. The last user message is the query, or is read as a prompt of its own
    where it holds shots. What a user said before, with all up to what they said next, is a shot; in it the names and
    arguments of tool calls stay as long as the shot stays, and so does the final answer of a reply, or a reply that is
    as short as a label. All else (tool results in progress, a greeting before the first user message, user messages in
    a row with the last one) can be shortened, but not dropped.

    Args:
        messages: Dicts with a role, and a content that is a string, a list of parts, or None.
        keep: Indices of messages that are protected too.
        compress_instructions: Whether system messages, and the instructions in the last user message, are not.
        compress_query: Whether the last user message is not, apart from a question that it ends in.

    Raises:
        InputError: Something in the messages is not of that form, or there is no message of an index.
    """
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Sequence):
        raise InputError(f"messages is a {type(messages).__name__}: pass a list of dicts with a role and a content.")
    if missing := [index for index in keep if index not in range(len(messages))]:
        raise InputError(f"keep holds {missing[0]!r}: pass indices of messages, from 0 to {len(messages) - 1}.")
    places: list[TextPlace] = []
    texts: list[str] = []
    for index, message in enumerate(messages):
        for keys, sent in _texts(f"messages[{index}]", message):
            # A blank text that stays is left out of it all, as an image is: there is nothing to decide or to count.
            if index in keep and not sent.strip():
                continue
            places.append(TextPlace(index, keys))
            texts.append(sent)
    text = _BETWEEN.join(texts)
    segments = _joined_spans(texts)

    roles: list[str] = [message["role"] for message in messages]
    last_user = max((index for index, role in enumerate(roles) if role == "user"), default=None)
    own: list[list[Span]] = [[] for _ in messages]
    calls: list[list[Span]] = [[] for _ in messages]
    for place, span in zip(places, segments, strict=True):
        own[place.message].append(span)
        if place.in_call:
            calls[place.message].append(span)
    shots: list[ShotSpan] = []
    turns: list[tuple[int, ...]] = []
    for turn in _past_turns(roles):
        whole = _cover([span for index in turn for span in own[index]])
        # Without a word there is nothing to decide: such messages stay.
        if whole is None or not text[slice(*whole)].strip():
            continue
        turn_roles = [roles[index] for index in turn]
        kept, answer = [span for index in turn for span in calls[index]], None
        if turn_roles == ["user", "assistant"]:
            marked, answer = _answer(text, own[turn[-1]])
            kept += marked
        # A turn stays with a message in its midst that stays.
        pinned = any(role in _SYSTEM_ROLES for role in turn_roles) or any(index in keep for index in turn)
        shots.append(ShotSpan(whole, tuple(merge_spans(kept)), answer, pinned))
        turns.append(tuple(turn))

    asked = None if last_user is None else _cover(own[last_user])
    query_stays = not compress_query
    protected: list[Span] = []
    if last_user is not None and own[last_user]:
        start, end = own[last_user][-1]
        inner = shift_layout(parse_layout(text[start:end]), start)
        # A whole few-shot prompt is often sent as one message.
        is_prompt = len(own[last_user]) == 1 and bool(inner.shots and (inner.query or inner.instructions))
        if is_prompt or (compress_query and inner.query):
            asked, query_stays = inner.query, True
        if is_prompt:
            shots += inner.shots
            turns += [()] * len(inner.shots)
            protected += [inner.instructions] if inner.instructions and not compress_instructions else []
    json: list[JsonNode] = []
    in_shots = {index for turn in turns for index in turn}
    for place, span in zip(places, segments, strict=True):
        is_instruction = roles[place.message] in _SYSTEM_ROLES and not compress_instructions
        if is_instruction or place.message in keep or (place.in_call and place.message not in in_shots):
            protected.append(span)
        elif not place.in_call:
            json.extend(find_json(text, *span))
    layout = Layout(
        text=text,
        shots=tuple(shots),
        query=asked,
        query_stays=query_stays,
        protected=tuple(protected),
        json=tuple(json),
        segments=tuple(segments),
    )
    return MessagesLayout(layout, tuple(places), tuple(turns))


def rebuild(
    laid_out: MessagesLayout, messages: Sequence[Mapping[str, Any]], segment_texts: Sequence[str | None]
) -> list[dict[str, Any]]:
    """Puts shortened texts back into a copy of the messages.

    Args:
        laid_out: What `messages_layout` made of `messages`.
        messages: The messages, which stay as they are.
        segment_texts: For each segment its new text, or None where it went with its shot. A text that is left empty,
            or None elsewhere, is not put back, since an API may refuse an empty message; unless it was blank before.

    Returns:
        The messages without those of dropped shots, alike in all but their texts.
    """
    rebuilt = [copy.deepcopy(dict(message)) for message in messages]
    staying: set[int] = set()
    for place, text in zip(laid_out.places, segment_texts, strict=False):
        if text is not None:
            staying.add(place.message)
        holder: Any = rebuilt[place.message]
        for key in place.keys[:-1]:
            holder = holder[key]
        if text or not holder[place.keys[-1]].strip():
            holder[place.keys[-1]] = text or ""
    dropped = {index for turn in laid_out.turns if staying.isdisjoint(turn) for index in turn}
    return [message for index, message in enumerate(rebuilt) if index not in dropped]


_Found = tuple[tuple[str | int, ...], Any]


def _texts(where: str, message: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The texts of a message that are not empty, each with the keys that lead to it."""
    if not isinstance(message, Mapping):
        raise InputError(f"{where} is a {type(message).__name__}: it must be a dict with a role and a content.")
    if not isinstance(message.get("role"), str):
        raise InputError(f'{where} has no role: it must be a string such as "user", "assistant" or "tool".')
    for keys, text in [*_content(where, message.get("content")), *_calls(where, message.get("tool_calls"))]:
        if not isinstance(text, str):
            path = "".join(f"[{key}]" if isinstance(key, int) else f'["{key}"]' for key in keys)
            expected = "a string, a list of parts or None" if keys == ("content",) else "a string"
            raise InputError(f"{where}{path} is a {type(text).__name__}: it must be {expected}.")
        if text:
            yield keys, text


def _content(where: str, content: Any) -> Iterator[_Found]:
    if isinstance(content, list):
        for number, part in enumerate(content):
            if not isinstance(part, dict) or "type" not in part:
                raise InputError(f'{where}["content"][{number}] must be a dict with a type, such as "text".')
            if part["type"] == "text":
                yield ("content", number, "text"), part.get("text")
    elif content is not None:
        yield ("content",), content


def _calls(where: str, calls: Any) -> Iterator[_Found]:
    if calls is not None and not (isinstance(calls, list) and all(isinstance(call, dict) for call in calls)):
        raise InputError(f'{where}["tool_calls"] must be a list of dicts.')
    for number, call in enumerate(calls or ()):
        if isinstance(call.get("function"), dict):
            yield ("tool_calls", number, "function", "name"), call["function"].get("name")
            yield ("tool_calls", number, "function", "arguments"), call["function"].get("arguments")


def _joined_spans(texts: Sequence[str]) -> list[Span]:
    """Where each text is when all are joined."""
    spans = []
    position = 0
    for text in texts:
        spans.append((position, position + len(text)))
        position += len(text) + len(_BETWEEN)
    return spans


def _past_turns(roles: Sequence[str]) -> Iterator[range]:
    """Turns before the last one: user messages in a row, and all up to the next user message.

    System messages at the end of a turn belong to none.
    """
    starts: list[int] = []
    previous = ""
    for index, role in enumerate(roles):
        if role in _SYSTEM_ROLES:
            continue
        if role == "user" != previous:
            starts.append(index)
        previous = role
    for begin, end in pairwise(starts):
        last = max(index for index in range(begin, end) if roles[index] not in _SYSTEM_ROLES)
        yield range(begin, last + 1)


def _cover(spans: Sequence[Span]) -> Span | None:
    """From the first to the last of the spans, which are in order."""
    return (spans[0][0], spans[-1][1]) if spans else None


def _answer(text: str, reply: Sequence[Span]) -> tuple[Sequence[Span], Span | None]:
    """Of a reply that is one text: what stays of it, and the final answer, which may be all of it."""
    if len(reply) != 1:
        return [], None
    start, end = reply[0]
    if 1 <= len(split_words(text, start, end)) <= _MAX_LABEL_UNITS:
        return [reply[0]], reply[0]
    described = shift_shot(describe_shot(text[start:end]), start)
    return described.kept, described.answer
