"""A growing conversation: each message is shortened once, when it becomes old, and is the same ever after.

Providers charge little for the beginning of a request that they have seen in an earlier one. So nothing may change that
was sent in its shortened form: a message is decided at the moment when it becomes old, from what had been said by then.
The moments are replayed for each list of messages, so what comes out depends on these messages alone.
"""

import copy
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import accumulate
from threading import Lock
from typing import Any, Literal

from cachetools import LRUCache

from diffumask_core.conversation.aging import Aging, Moment
from diffumask_core.conversation.breakpoints import move_breakpoints
from diffumask_core.conversation.left_out import (
    LONGEST_TEXT,
    READ_LEFT_OUT,
    Cut,
    LeftOut,
    find_left_out,
    hash_mark,
    name_of,
    parsed_json,
    tail_mark,
)
from diffumask_core.conversation.shortening import Wanted, shorten_within
from diffumask_core.errors import InputError, kind_of
from diffumask_core.model.pruner import Pruner
from diffumask_core.options import Options
from diffumask_core.prompt.calls import tools_of
from diffumask_core.prompt.formats import (
    Keys,
    MessageText,
    ReadMessage,
    argument_values,
    put_text,
    read_messages,
)
from diffumask_core.prompt.layout import TOOL_ROLES
from diffumask_core.prompt.messages import TextPlace
from diffumask_core.prompt.protect import user_spans
from diffumask_core.rendering.marks import Mark
from diffumask_core.scoring.budget import SMALL_PROMPT
from diffumask_core.tokens import get_counter

DEFAULT_KEEP_RATE = 0.3
_SHORTENED_ROLES = ("user", "assistant", *TOOL_ROLES)
# Characters of the messages around those that are decided: what is read for each decision must not grow without end.
_SURROUNDINGS = 64_000
# Of what was said since, the encoder reads the end.
_LONGEST_QUERY = 20_000
_REMEMBERED_CHARACTERS = 32_000_000
_REMEMBERED_COUNTS = 65_536
_LEAST_SIZE = 200
# JSON of so few tokens is a record or two, of which an LLM makes nothing once half of it is gone.
_SMALL_RECORD = 80
# What an agent asked back stays whole, unless it is of more characters.
_LONGEST_READ_BACK = 16_000
# What a step of an agent adds, and so what becomes old next: its words with its calls, and their results.
_STEP = 2

Restore = bool | Literal["whole"]
"""Whether what was left out can be had back: by the gap, or whole results of tools."""


@dataclass(frozen=True)
class Saved:
    """What a conversation has saved.

    Attributes:
        original_tokens: Tokens of the last request as it was given.
        tokens: Tokens of the last request as it was sent.
        shortened: How many messages of the last request were shortened.
        requests: How many requests there were.
        total_original_tokens: Tokens of all requests as they were given.
        total_tokens: Tokens of all requests as they were sent.
    """

    original_tokens: int = 0
    tokens: int = 0
    shortened: int = 0
    requests: int = 0
    total_original_tokens: int = 0
    total_tokens: int = 0


@dataclass(frozen=True)
class View:
    """What an LLM gets to see of a conversation.

    Attributes:
        messages: As many messages as were given, alike in all but their texts and the places of ``cache_control``.
        original_tokens: Tokens of the messages as they were given.
        tokens: Tokens of the messages.
        shortened: How many of them were shortened.
        marks: What can be had back, in order; nothing without ``restore=True``.
        same_next: How many of them, from the first on, the next request is going to have as they are: all, or those
            that are old already where it shortens what is new in this one.
    """

    messages: list[dict[str, Any]] = field(default_factory=list)
    original_tokens: int = 0
    tokens: int = 0
    shortened: int = 0
    marks: list[LeftOut] = field(default_factory=list)
    same_next: int = 0

    def restore(self, mark: str | Mark | LeftOut) -> str:
        """The text that a mark stands for, as it stood in its message; see `Conversation.restore`."""
        return find_left_out(mark, {left.mark.name: left for left in self.marks})


@dataclass(frozen=True)
class _Text:
    """A text of a message that was shortened."""

    message: int
    keys: Keys
    text: str
    marks: tuple[Mark, ...]
    saved: int


_Decision = tuple[_Text, ...]


class Conversation:
    """Shortens the old messages of a conversation that grows, each of them once.

    A message is decided when it becomes old, and comes out the same in every later request: what consecutive requests
    share only grows, so that the caches of providers hit. What comes out depends on the messages alone. A fresh
    conversation gives the same, decisions are only remembered so that each is paid for once, and many threads may use
    one conversation, also for several lists of messages.

    Make one with `Compressor.conversation`.
    """

    def __init__(
        self,
        pruner: Pruner,
        options: Options,
        aging: Aging,
        exclude_tools: Collection[str] = (),
        restore: Restore = False,
    ) -> None:
        """Makes a conversation.

        Args:
            pruner: The model.
            options: How much to keep of what becomes old, and how.
            aging: When messages become old.
            exclude_tools: Names of tools whose results stay; shell patterns such as ``"read_*"`` too.
            restore: Whether what was left out can be had back, and ``"whole"`` results of tools at once.

        Raises:
            InputError: An option does not go with conversations.
        """
        if isinstance(exclude_tools, str) or not all(isinstance(name, str) for name in exclude_tools):
            raise InputError(f"exclude_tools={exclude_tools!r} is no list of names: pass such as ['read_*'].")
        if options.query:
            raise InputError("query is not for conversations: what becomes old is read for what was said since.")
        if any(isinstance(each, tuple) for each in options.protect):
            raise InputError("protect holds a span, which is nowhere in a conversation: pass strings and patterns.")
        # Whatever else is wrong with it is seen at once.
        user_spans("", options.protect)
        if restore not in (True, False, "whole"):
            raise InputError(f'restore={restore!r} is unknown: pass True, False or "whole".')
        if restore and not options.marks:
            raise InputError(f"restore={restore!r} needs marks: leave marks=False out.")
        self._pruner = pruner
        # No message goes whole. The query is made of texts of the conversation, which is no reason to protect them.
        marks = "named" if restore is True else options.marks
        self._options = replace(options, shot_level=False, compress_query=True, marks=marks)
        self._aging = aging
        self._exclude_tools = tuple(exclude_tools)
        self._restores = restore
        self._forget()

    def _forget(self) -> None:
        """Makes the stores of what need not be computed again; only the speed depends on them."""
        self._lock = Lock()
        self._decisions: LRUCache[bytes, _Decision] = LRUCache(_REMEMBERED_CHARACTERS, getsizeof=_size)
        self._counts: LRUCache[bytes, int] = LRUCache(_REMEMBERED_COUNTS)
        self._last = View()
        self._saved = Saved()

    def __getstate__(self) -> dict[str, Any]:
        passing = ("_lock", "_decisions", "_counts", "_last", "_saved")
        return {name: value for name, value in vars(self).items() if name not in passing}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def shorten(
        self, messages: Sequence[Mapping[str, Any]], cache_control: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """What to send in place of a conversation.

        Args:
            messages: All messages so far, in the format of OpenAI's chat, OpenAI's Responses or Anthropic's messages;
                they stay as they are.
            cache_control: That of a request to Anthropic as a whole, if it has one, and at most three breakpoints.

        Returns:
            As many messages, alike in all but the texts of old ones, and the places of Anthropic's ``cache_control``.

        Raises:
            InputError: A message is of none of these formats.
        """
        view = self.at(messages, cache_control)
        self.note(view)
        return view.messages

    def at(self, messages: Sequence[Mapping[str, Any]], cache_control: Mapping[str, Any] | None = None) -> View:
        """What to send in place of a conversation, with what can be had back; counts as no request.

        Args:
            messages: As for `shorten`.
            cache_control: As for `shorten`.
        """
        replay = _Replay.of(messages, self._exclude_tools)
        tokens = [self._tokens(*each) for each in zip(replay.read, replay.keys, strict=True)]
        old = 0
        for moment in self._aging.moments(replay.read, tokens):
            replay.apply(self._decision(replay, moment))
            old = moment.end
        same_next = old if replay.decided and self._changes_next(replay, old) else len(messages)
        if same_next < len(messages):
            move_breakpoints(replay.shown, same_next, cache_control)
        total, saved = sum(tokens), sum(text.saved for text in replay.decided)
        shortened = {text.message for text in replay.decided}
        marks = [*replay.left_out.values()] if self._restores else []
        return View(replay.shown, total, total - saved, len(shortened), marks, same_next)

    def note(self, view: View) -> None:
        """Counts a view as the last request, of which `marks`, `restore` and `saved` then tell."""
        with self._lock:
            before = self._saved
            self._last = view
            self._saved = Saved(
                original_tokens=view.original_tokens,
                tokens=view.tokens,
                shortened=view.shortened,
                requests=before.requests + 1,
                total_original_tokens=before.total_original_tokens + view.original_tokens,
                total_tokens=before.total_tokens + view.tokens,
            )

    @property
    def marks(self) -> list[LeftOut]:
        """What can be had back of the last request, in order."""
        return list(self._last.marks)

    @property
    def saved(self) -> Saved:
        """What the last request and all requests have saved."""
        return self._saved

    def restore(self, mark: str | Mark | LeftOut) -> str:
        """The text that a mark of the last request stands for, from the first to the last thing that was left out.

        Args:
            mark: The name of a mark (``"3fa9c2"`` or ``"#3fa9c2"``), its whole text, the mark, or one of `marks`.

        Raises:
            MarkError: There is no mark of that name.
        """
        return self._last.restore(mark)

    # Decisions.

    def _changes_next(self, replay: "_Replay", old: int) -> bool:
        """Whether the next request is going to shorten what is new in this one."""
        length = len(replay.read)
        next_old = replay.texts(Moment(length, old, min(old + _STEP, length)))
        return any(self._is_long(text) for _, text in next_old)

    def _tokens(self, message: ReadMessage, key: bytes) -> int:
        """The tokens of a message, blank texts left out."""
        with self._lock:
            known = self._counts.get(key)
        if known is None:
            known = sum(self._count(text.text) for text in message.texts if text.text.strip())
            with self._lock:
                self._counts[key] = known
        return known

    def _count(self, text: str) -> int:
        return get_counter(self._options.tokenizer).count(text)

    def _decision(self, replay: "_Replay", moment: Moment) -> _Decision:
        """What becomes of the messages that became old at a moment: what is remembered, or a new decision."""
        key = replay.digests[moment.length - 1]
        with self._lock:
            known = self._decisions.get(key)
        if known is None:
            known = self._decide(replay, moment)
            with self._lock:
                if _size(known) <= self._decisions.maxsize:
                    self._decisions[key] = known
        return known

    def _decide(self, replay: "_Replay", moment: Moment) -> _Decision:
        """Decides messages: together under a keep rate, one by one under a number of tokens for each."""
        wanted = [(index, text) for index, text in replay.texts(moment) if self._is_long(text)]
        together = [wanted] if wanted else []
        if self._options.target_tokens is not None:
            together = [[each for each in wanted if each[0] == index] for index in dict(wanted)]
        return replay.without_clashes([text for group in together for text in self._shorten(replay, moment, group)])

    def _is_long(self, message_text: MessageText) -> bool:
        """Whether a text is shortened at all: not where there is little to save, nor a huge one that is not cut."""
        text = message_text.text
        is_record = message_text.is_result and parsed_json(text) is not None
        least = self._options.target_tokens or (_SMALL_RECORD if is_record else SMALL_PROMPT)
        may_be_read = len(text) <= LONGEST_TEXT or (bool(self._options.marks) and parsed_json(text) is None)
        return may_be_read and bool(text.strip()) and self._count(text) > least

    def _shorten(self, replay: "_Replay", moment: Moment, group: Sequence[tuple[int, MessageText]]) -> Iterator[_Text]:
        """Shortens texts of old messages, given what else there was at the moment."""
        indices = replay.surroundings(moment, {index for index, _ in group})
        history = [copy.deepcopy(replay.shown[index]) for index in indices]
        cuts, wanted = [Cut.of(text.text, self._restores is True) for _, text in group], []
        mark_of = hash_mark if self._restores == "whole" else tail_mark
        for (index, text), cut in zip(group, cuts, strict=True):
            place = TextPlace(indices.index(index), text.keys)
            put_text(history[place.message], text.keys, cut.text)
            tail = mark_of(text.text) if self._restores and text.kind == "result" else None
            wanted.append(Wanted(place, cut.at, tail, self._restores == "whole"))
        lefts = shorten_within(history, wanted, replay.said(moment), self._options, self._pruner)
        for (index, text), cut, left in zip(group, cuts, lefts, strict=True):
            saved = self._count(text.text) - self._count(left.text)
            if saved > 0:
                yield _Text(index, text.keys, left.text, tuple(cut.in_source(text.text, left.marks)), saved)


@dataclass(frozen=True)
class _Replay:
    """A list of messages in which one moment after the other is gone through.

    Attributes:
        read: The messages as they were given.
        tools: For each message the tools that its results are from.
        exclude_tools: Names and patterns of tools whose results stay.
        keys: For each message a hash of all that matters of it.
        digests: For each message a hash of it and all before it.
        shown: The messages as they are shown, given the decisions so far.
        sizes: For each of these how many characters it has.
        decided: The decisions so far.
        left_out: What was left out so far, by name.
    """

    read: list[ReadMessage]
    tools: list[dict[Keys, str | None]]
    exclude_tools: tuple[str, ...]
    keys: list[bytes]
    digests: list[bytes]
    shown: list[dict[str, Any]]
    sizes: list[int]
    decided: list[_Text] = field(default_factory=list)
    left_out: dict[str, LeftOut] = field(default_factory=dict)

    @classmethod
    def of(cls, messages: Sequence[Mapping[str, Any]], exclude_tools: tuple[str, ...]) -> "_Replay":
        """Reads messages.

        Raises:
            InputError: A message is of no known format.
        """
        if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Sequence):
            raise InputError(f"messages is {kind_of(messages)}: pass a list of dicts.")
        read = read_messages(messages)
        tools = tools_of(messages, read)
        keys = [_hash(repr(each).encode("utf-8", "surrogatepass")) for each in zip(read, tools, strict=True)]
        digests = list(accumulate(keys, lambda before, key: _hash(before + key)))
        shown = [copy.deepcopy(dict(message)) for message in messages]
        sizes = [sum(len(text.text) for text in message.texts) for message in read]
        return cls(read, tools, exclude_tools, keys, digests, shown, sizes)

    def texts(self, moment: Moment) -> Iterator[tuple[int, MessageText]]:
        """The texts that may be shortened of the messages that became old at a moment.

        What the user says stays for good if it was still the question then.
        """
        question = self._question(moment.length)
        for index in range(moment.first, moment.end):
            message = self.read[index]
            stays = message.own if index == question else ()
            for text in message.texts if message.role in _SHORTENED_ROLES else ():
                is_said = text.kind == "text" and text not in stays
                if is_said or (text.kind == "result" and not self._result_stays(index, text)):
                    yield index, text

    def _result_stays(self, index: int, text: MessageText) -> bool:
        return self._is_excluded(self.tools[index][text.keys]) or (
            len(text.text) <= _LONGEST_READ_BACK and self._is_read_back(index, text)
        )

    def _is_read_back(self, index: int, text: MessageText) -> bool:
        """Whether a result is what an agent asked back: shortened again, it would have to be asked back again.

        The tool's name tells, or a mark in the arguments of the call.
        """
        if (self.tools[index][text.keys] or "").endswith(READ_LEFT_OUT):
            return True
        if not (text.call and self.left_out):
            return False
        call = next((each for each in reversed(self.read[:index]) if text.call in each.calls), None)
        said = [each.text for each in call.texts if each.call == text.call] if call else []
        return any(name_of(value) in self.left_out for each in said for value in argument_values(each))

    def _is_excluded(self, tool: str | None) -> bool:
        return tool is not None and any(fnmatchcase(tool, pattern) for pattern in self.exclude_tools)

    def _question(self, length: int) -> int | None:
        """The last message before a point in which the user says something."""
        return next((index for index in reversed(range(length)) if self.read[index].asks), None)

    def said(self, moment: Moment) -> str:
        """The question before the messages that became old, and what was said since: texts, and arguments of calls."""
        question = self._question(moment.end)
        said = [] if question is None else [text.text for text in self.read[question].own]
        for message in self.read[moment.end : moment.length]:
            if message.role == "assistant":
                said += [text.text for text in message.texts if text.keys[-1] != "name"]
            elif message.asks:
                said += [text.text for text in message.own]
        return "\n".join(said)[-_LONGEST_QUERY:]

    def surroundings(self, moment: Moment, wanted: Collection[int]) -> list[int]:
        """The messages that are wanted, and of the others at a moment as many as are read along.

        Those are the task, which is all up to the first question, and then the newest ones.
        """
        chosen, room = set(wanted), _SURROUNDINGS
        task = next((index for index, message in enumerate(self.read[: moment.length]) if message.asks), -1)
        for index in (*range(task + 1), *reversed(range(task + 1, moment.length))):
            if index not in chosen and self.sizes[index] <= room:
                chosen.add(index)
                room -= self.sizes[index]
        return sorted(chosen)

    def without_clashes(self, found: Sequence[_Text]) -> _Decision:
        """The decisions without those for a message with a name that stands for something else already."""
        names: dict[str, str] = {}
        kept: list[_Text] = []
        for index in dict.fromkeys(text.message for text in found):
            own = [text for text in found if text.message == index]
            known = dict(names)
            if all(self._is_free(left, known) for text in own for left in self._left_out(text)):
                names = known
                kept += own
        return tuple(kept)

    def _is_free(self, left: LeftOut, known: dict[str, str]) -> bool:
        earlier = self.left_out.get(left.mark.name)
        text = known.setdefault(left.mark.name, earlier.text if earlier else left.text)
        return text == left.text

    def _left_out(self, text: _Text) -> Iterator[LeftOut]:
        return (LeftOut(mark, text.message, text.keys, self._source(text)) for mark in text.marks if mark.name)

    def _source(self, text: _Text) -> str:
        """The text that a message had before it was shortened."""
        return next(each.text for each in self.read[text.message].texts if each.keys == text.keys)

    def apply(self, decision: _Decision) -> None:
        """Shows messages as they were decided."""
        for text in decision:
            put_text(self.shown[text.message], text.keys, text.text)
            self.sizes[text.message] += len(text.text) - len(self._source(text))
            for left in self._left_out(text):
                self.left_out.setdefault(left.mark.name, left)
            self.decided.append(text)


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _size(decision: _Decision) -> int:
    return _LEAST_SIZE + sum(len(text.text) + _LEAST_SIZE * (1 + len(text.marks)) for text in decision)
