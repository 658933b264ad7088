"""Chat messages of any of the formats: their layout as one text, and putting shortened texts back."""

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

from diffumask_core.errors import InputError, kind_of
from diffumask_core.prompt.formats import Keys, MessageText, ReadMessage, put_text, read_messages
from diffumask_core.prompt.layout import Layout, ShotSpan, Voice, shift_layout, shift_shot
from diffumask_core.prompt.outputs import is_formal
from diffumask_core.prompt.parse import describe_shot, parse_layout
from diffumask_core.prompt.spans import Span, merge_spans
from diffumask_core.prompt.task import claimed_spans, holds_material
from diffumask_core.prompt.wording import LONG_WORDS, count_words
from diffumask_core.regions.detect import find_regions
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
    keys: Keys


@dataclass(frozen=True)
class MessagesLayout:
    """Messages as one text.

    Attributes:
        layout: The transcript. Its segments are the texts that are sent: of each message the content or its text
            parts, and the names and arguments of its tool calls. Its shots are the past turns.
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
    """Lays out a conversation in the format of OpenAI's chat, OpenAI's Responses or Anthropic's messages.

    System and developer messages are protected, and so are results of tools that failed. The last user message is the
    query, or is read as a prompt of its own where it holds shots. What a user said before, with all up to what they
    said next, is a shot; in it the names and arguments of tool calls stay as long as the shot stays, and so does a
    reply that an LLM is to write like: one with a final answer, as short as a label, or all JSON, SQL, markup or code.
    Messages named ``example_user`` and ``example_assistant`` are such shots whatever their roles are. A user message
    that brings results of tools goes on with the turn; what the user says after the results can be the query. All else
    (tool results in progress, a greeting before the first user message, user messages in a row with the last one) can
    be shortened, but not dropped.

    Args:
        messages: Dicts with a role, and a content that is a string, a list of parts, or None; or items with a type.
        keep: Indices of messages that are protected too.
        compress_instructions: Whether system messages, and the instructions in the last user message, may be shortened.
        compress_query: Whether the last user message may be shortened, apart from a question that it ends in.

    Raises:
        InputError: Something in the messages is not of that form, or there is no message of an index.
    """
    conversation = _Conversation.of(messages, keep)
    pieces = list(conversation.pieces())
    starts = _turn_starts(conversation.messages)
    past = ((_past_turn(conversation, turn), tuple(turn)) for turn in _past_turns(conversation.messages, starts))
    turns = [(shot, turn) for shot, turn in past if shot is not None]
    last = _last_message(conversation, compress_instructions, compress_query)
    in_turns = {index for _, turn in turns for index in turn}
    layout = Layout(
        text=conversation.text,
        shots=(*(shot for shot, _ in turns), *last.shots),
        query=last.query,
        query_stays=last.query_stays,
        protected=(*last.protected, *_protected(conversation, in_turns, compress_instructions)),
        task_within=last.task_within,
        segments=tuple(piece.span for piece in pieces),
        voices=tuple(_voices(conversation)),
        results=tuple(piece.span for piece in pieces if piece.text.is_result),
        recency=_recency(conversation, starts[-1] if starts else 0),
        every_segment=True,
    )
    places = tuple(TextPlace(piece.message, piece.text.keys) for piece in pieces)
    return MessagesLayout(layout, places, tuple(turn for _, turn in turns) + ((),) * len(last.shots))


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
        put_text(rebuilt[place.message], place.keys, text or "")
    dropped = {index for turn in laid_out.turns if staying.isdisjoint(turn) for index in turn}
    return [message for index, message in enumerate(rebuilt) if index not in dropped]


@dataclass(frozen=True)
class _Piece:
    """A text of a message, and where it is in the transcript."""

    message: int
    text: MessageText
    span: Span


@dataclass(frozen=True)
class _Conversation:
    """Messages that were read.

    Attributes:
        messages: Each of them.
        spans: For each message where its texts are in the transcript.
        text: The transcript.
        keep: Indices of messages that the caller protects.
    """

    messages: Sequence[ReadMessage]
    spans: Sequence[Sequence[Span]]
    text: str
    keep: Collection[int]

    @classmethod
    def of(cls, messages: Sequence[Mapping[str, Any]], keep: Collection[int]) -> "_Conversation":
        """Reads messages, and joins their texts."""
        if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Sequence):
            raise InputError(f"messages is {kind_of(messages)}: pass a list of dicts with a role and a content.")
        if not isinstance(keep, Collection) or isinstance(keep, str):
            raise InputError(f"keep={keep!r} is no list of indices: pass such as [0, 3], the messages that stay.")
        if missing := [index for index in keep if index not in range(len(messages))]:
            raise InputError(f"keep holds {missing[0]!r}: pass indices of messages, from 0 to {len(messages) - 1}.")
        read = [_without_blanks(message, index in keep) for index, message in enumerate(read_messages(messages))]
        spans = []
        position = 0
        for message in read:
            own = []
            for each in message.texts:
                own.append((position, position + len(each.text)))
                position += len(each.text) + len(_BETWEEN)
            spans.append(own)
        return cls(read, spans, _BETWEEN.join(each.text for message in read for each in message.texts), keep)

    def pieces(self) -> Iterator[_Piece]:
        """All texts, in order."""
        for index in range(len(self.messages)):
            yield from self.pieces_of(index)

    def pieces_of(self, index: int) -> list[_Piece]:
        """The texts of a message."""
        pairs = zip(self.messages[index].texts, self.spans[index], strict=True)
        return [_Piece(index, text, span) for text, span in pairs]

    def asked(self) -> tuple[list[Span], bool]:
        """Where the texts are that the user said last, and whether an agent has gone to work on them."""
        last = max((index for index, message in enumerate(self.messages) if message.asks), default=None)
        if last is None:
            return [], False
        spans = self.spans[last]
        own = list(spans[len(spans) - len(self.messages[last].own) :])
        return own, any(message.role == "assistant" for message in self.messages[last + 1 :])


def _without_blanks(message: ReadMessage, stays: bool) -> ReadMessage:
    """A blank text that stays is left out, as an image is: there is nothing to decide or to count."""
    texts = [text for text in message.texts if text.text.strip() or not (stays or text.kind == "failed")]
    return replace(message, texts=tuple(texts))


# Past turns.


def _turn_starts(messages: Sequence[ReadMessage]) -> list[int]:
    """Where turns begin: at the first of user messages in a row, unless a call waits there for its result."""
    waiting = _waiting(messages)
    starts: list[int] = []
    previous = ReadMessage("")
    for index, message in enumerate(messages):
        if message.role in _SYSTEM_ROLES:
            continue
        follows = previous.role == "user" and previous.is_example == message.is_example
        if message.role == "user" and not follows and not waiting[index]:
            starts.append(index)
        previous = message
    return starts


def _waiting(messages: Sequence[ReadMessage]) -> list[bool]:
    """For each message whether it parts a call from its result, or is that result."""
    called: dict[str, int] = {}
    changes = [0] * (len(messages) + 1)
    for index, message in enumerate(messages):
        # Some agents number the calls of each step anew, so the last call of an id counts.
        for begin in [called[each] for each in message.answers if each in called]:
            changes[begin + 1] += 1
            changes[index + 1] -= 1
        called.update(dict.fromkeys(message.calls, index))
    return [number > 0 for number in accumulate(changes)]


def _past_turns(messages: Sequence[ReadMessage], starts: Sequence[int]) -> Iterator[range]:
    """Turns before the last one: each from its start to the next; system messages at its end belong to none.

    An exemplar is over even where nothing follows it.
    """
    over = [len(messages)] if starts and messages[starts[-1]].is_example else []
    for begin, end in pairwise([*starts, *over]):
        last = max(index for index in range(begin, end) if messages[index].role not in _SYSTEM_ROLES)
        yield range(begin, last + 1)


def _past_turn(conversation: _Conversation, turn: range) -> ShotSpan | None:
    """A past turn as a shot; None without a word in it, when there is nothing to decide and its messages stay."""
    pieces = [piece for index in turn for piece in conversation.pieces_of(index)]
    whole = _cover([piece.span for piece in pieces])
    if whole is None or not conversation.text[slice(*whole)].strip():
        return None
    # A turn stays with a message in its midst that stays.
    pinned = any(conversation.messages[index].role in _SYSTEM_ROLES or index in conversation.keep for index in turn)
    pinned = pinned or any(piece.text.kind == "failed" for piece in pieces)
    shot = ShotSpan(whole, tuple(piece.span for piece in pieces if piece.text.kind == "fixed"), pinned=pinned)
    speaking = [index for index in turn if conversation.messages[index].role]
    if [conversation.messages[index].role for index in speaking] == ["user", "assistant"]:
        asked, reply = (conversation.spans[index] for index in speaking)
        return _with_reply(shot, conversation.text, asked, reply, conversation.messages[speaking[-1]].is_example)
    return shot


def _with_reply(shot: ShotSpan, text: str, asked: Sequence[Span], reply: Sequence[Span], is_example: bool) -> ShotSpan:
    """The turn with what stays of its reply: a final answer, which may be all of it, and what an LLM is to write like.

    Args:
        shot: The turn.
        text: The transcript.
        asked: The texts of the user.
        reply: The texts of the assistant.
        is_example: Whether the turn is known to be an exemplar.
    """
    if len(reply) != 1:
        return replace(shot, output=tuple(reply) if is_example else ())
    start, end = reply[0]
    is_label = 1 <= len(split_words(text, start, end)) <= _MAX_LABEL_UNITS
    if is_label or is_formal(text[start:end]):
        kept = tuple(merge_spans([*shot.kept, *reply]))
        return replace(shot, kept=kept, answer=reply[0] if is_label else None, output=tuple(reply))
    described = shift_shot(describe_shot(text[start:end]), start)
    # An exemplar in one text has its input there too.
    output = described.output if is_example and not asked else tuple(reply)
    return replace(
        shot,
        kept=tuple(merge_spans([*shot.kept, *described.kept])),
        answer=described.answer,
        output=output if is_example or described.answer else (),
    )


# The last user message.


@dataclass(frozen=True)
class _LastMessage:
    """What the last user message is made of; the attributes are those of a `Layout`."""

    query: Span | None
    query_stays: bool
    shots: tuple[ShotSpan, ...] = ()
    protected: tuple[Span, ...] = ()
    task_within: Span | None = None


def _last_message(conversation: _Conversation, compress_instructions: bool, compress_query: bool) -> _LastMessage:
    """Decides what of the last user message is the task, and so stays, and what can be shortened.

    This function is the one place of that decision. A few-shot prompt sent as one message is read as a prompt of its
    own. In a message with context beside its question, as RAG chains send it, all but the task and the question can be
    shortened, unless an agent is at work on the message: then it is the task as a whole. Any other message is the
    query.

    Args:
        conversation: The messages.
        compress_instructions: Whether instructions in a few-shot prompt may be shortened.
        compress_query: Whether the message may be shortened, apart from a question that it ends in.
    """
    asked, at_work = conversation.asked()
    whole = _LastMessage(_cover(asked), not compress_query)
    if not asked:
        return whole
    text, (start, end) = conversation.text, asked[-1]
    inner = shift_layout(parse_layout(text[start:end]), start)
    if len(asked) == 1 and inner.shots and (inner.query or inner.instructions):
        return _LastMessage(inner.query, True, inner.shots, () if compress_instructions else inner.instructions)
    if compress_query:
        return _LastMessage(inner.query, True) if inner.query else whole
    if at_work:
        return whole
    if len(asked) > 1:
        # What stands in parts of its own before the last one is context where it is long.
        return _LastMessage(asked[-1], True, protected=tuple(part for part in asked[:-1] if not _is_long(text, part)))
    if holds_material(text, start, end, claimed_spans(find_regions(text, start, end))):
        return _LastMessage(inner.query, True, task_within=(start, end))
    return whole


def _is_long(text: str, span: Span) -> bool:
    return count_words(text[slice(*span)]) > LONG_WORDS


# The rest of the layout.


def _protected(conversation: _Conversation, in_turns: set[int], compress_instructions: bool) -> Iterator[Span]:
    """Texts that stay: of messages that do, of tools that failed, and of the running turn its calls and tasks."""
    steps = [index for index, message in enumerate(conversation.messages) if message.role == "assistant"]
    asking = [index for index, message in enumerate(conversation.messages) if message.asks]
    earlier = range(min(steps[-1], asking[-1]) if steps and asking else 0)
    for piece in conversation.pieces():
        message = conversation.messages[piece.message]
        # What the user said before an agent went to work is the task, also where they have added to it since.
        is_task = piece.message in earlier and message.asks and piece.text in message.own
        in_progress = piece.message not in in_turns and (is_task or piece.text.kind == "fixed")
        if _stays(conversation, piece, compress_instructions) or in_progress:
            yield piece.span


def _stays(conversation: _Conversation, piece: _Piece, compress_instructions: bool) -> bool:
    is_instruction = conversation.messages[piece.message].role in _SYSTEM_ROLES and not compress_instructions
    return is_instruction or piece.message in conversation.keep or piece.text.kind == "failed"


def _recency(conversation: _Conversation, start: int) -> tuple[tuple[Span, int], ...]:
    """The results of tools in the turn that begins at a message, with their ranks; see `Layout`.

    A batch is what came between two steps of the assistant.
    """
    ranks: list[tuple[Span, int]] = []
    rank = 0
    in_batch = False
    for index in reversed(range(start, len(conversation.messages))):
        results = [piece.span for piece in conversation.pieces_of(index) if piece.text.is_result]
        ranks += [(span, rank) for span in reversed(results)]
        if conversation.messages[index].role == "assistant":
            rank += in_batch
            in_batch = False
        in_batch = in_batch or bool(results)
    return tuple(reversed(ranks))


def _voices(conversation: _Conversation) -> Iterator[Voice]:
    """Whose text each segment is, and of a result which call brought it: the last call of its id before it."""
    called: dict[str, tuple[int, ...]] = {}
    number = 0
    for index, message in enumerate(conversation.messages):
        own: dict[str, tuple[int, ...]] = {}
        for text in message.texts:
            is_call = text.kind == "fixed" and message.role == "assistant"
            # What a user says after results of tools is no result.
            role = "user" if message.role == "tool" and not text.is_result else message.role
            yield Voice(index, role, is_call, called.get(text.call, ()) if text.is_result else ())
            if is_call and text.call:
                own[text.call] = (*own.get(text.call, ()), number)
            number += 1
        called.update(own)


def _cover(spans: Sequence[Span]) -> Span | None:
    """From the first to the last of the spans, which are in order."""
    return (spans[0][0], spans[-1][1]) if spans else None
