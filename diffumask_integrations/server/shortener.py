"""From the messages of a request to shorter ones, the same for every endpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from diffumask_core import Compressor, View
from diffumask_core.conversation.conversation import Restore
from diffumask_core.conversation.left_out import LONGEST_TEXT
from diffumask_core.options import CompressionOptions
from diffumask_core.prompt.formats import read_messages
from diffumask_core.scoring.nearest import nearest_pieces
from diffumask_core.tokens import get_counter
from diffumask_integrations.left_out import LeftOutStore
from diffumask_integrations.server.settings import Shortening

# Below so many characters a part of a text is not worth an answer of its own.
_SHORT = 2_000
_QUERY_KEEP_RATE = 0.3


@dataclass(frozen=True)
class Shortened:
    """What is left of the messages of a request.

    Attributes:
        messages: As many as were given, alike in all but their texts and the places of ``cache_control``.
        tokens_before: Tokens of the messages as they were given.
        tokens_after: Tokens of what is left.
        hashes: The names of results of which something was left out that can be had back.
    """

    messages: list[dict[str, Any]]
    tokens_before: int
    tokens_after: int
    hashes: tuple[str, ...] = ()


class Shortener:
    """Shortens messages, and keeps what was left out for as long as there is room; many threads may use one.

    Whatever comes out depends on the messages alone. So a server needs no sessions: a conversation is the same as its
    last request with some more messages at the end, and its beginning comes out the same.
    """

    def __init__(self, compressor: Compressor, how: Shortening, left_out_characters: int) -> None:
        """Makes a shortener.

        Args:
            compressor: Its model.
            how: How it shortens.
            left_out_characters: The most characters that it keeps of what was left out.

        Raises:
            InputError: An option is not possible.
        """
        options: CompressionOptions = {
            "keep_rate": how.keep_rate,
            "target_tokens": how.target_tokens,
            "protect": how.protect,
            "tokenizer": how.tokenizer,
        }
        restore: Restore = "whole" if how.restore else False
        conversation = partial(compressor.conversation, exclude_tools=how.exclude_tools, restore=restore, **options)
        self._compressor = compressor
        self._tokenizer = how.tokenizer
        self._growing = conversation(keep=how.keep, trigger=how.trigger)
        self._rows = conversation(keep=("messages", 0))
        self._store = LeftOutStore(left_out_characters)

    def shorten(
        self, messages: Sequence[Mapping[str, Any]], cache_control: Mapping[str, Any] | None = None
    ) -> Shortened:
        """Shortens the old messages of a conversation.

        Args:
            messages: All of a conversation so far.
            cache_control: That of the request as a whole; see `Conversation.shorten`.

        Raises:
            InputError: A message is of no known format.
        """
        return self._told([self._growing.at(messages, cache_control)])

    def shorten_rows(self, messages: Sequence[Mapping[str, Any]]) -> Shortened:
        """Shortens the messages that a gateway sends.

        Some gateways keep back what is new and all that the assistant said, and send the rest. What stands around a
        message then changes from call to call, so each is read by itself, and comes out the same in each call.

        Args:
            messages: A conversation so far, or those of its messages that are old and not the assistant's.

        Raises:
            InputError: A message is of no known format.
        """
        if any(_is_of_assistant(message) for message in messages):
            return self.shorten(messages)
        return self._told([self._rows.at([message]) for message in messages])

    def unchanged(self, messages: Sequence[Mapping[str, Any]]) -> Shortened:
        """Messages as they are, with their tokens.

        Raises:
            InputError: A message is of no known format.
        """
        count = get_counter(self._tokenizer).count
        tokens = sum(count(text.text) for each in read_messages(messages) for text in each.texts if text.text.strip())
        return Shortened([*map(dict, messages)], tokens, tokens)

    def read_left_out(self, name: str, query: str = "") -> tuple[str, bool] | None:
        """What was left out.

        Args:
            name: The name in the mark.
            query: What it is read for; of a long text only what serves that comes back.

        Returns:
            The text and whether it is whole; None where there is none of that name, or none any more.
        """
        text = self._store.get(name)
        if text is None or not query.strip() or len(text) < _SHORT:
            return None if text is None else (text, True)
        part, marks = (text, []) if len(text) <= LONGEST_TEXT else nearest_pieces(text, query, LONGEST_TEXT)
        result = self._compressor.compress(
            part,
            query=query,
            keep_rate=_QUERY_KEEP_RATE,
            protect=marks,
            tokenizer=self._tokenizer,
            on_overflow="best_effort",
        )
        return result.text, result.text == text

    def _told(self, views: Sequence[View]) -> Shortened:
        marks = [left for view in views for left in view.marks]
        for left in marks:
            self._store.put(left.text)
        return Shortened(
            [message for view in views for message in view.messages],
            sum(view.original_tokens for view in views),
            sum(view.tokens for view in views),
            tuple(dict.fromkeys(left.mark.name for left in marks)),
        )


def _is_of_assistant(message: object) -> bool:
    if not isinstance(message, Mapping):
        return False
    return message.get("role") == "assistant" or message.get("type") == "function_call"
