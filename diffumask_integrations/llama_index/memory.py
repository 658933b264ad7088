"""A memory block: what falls out of short-term memory gets shorter instead of lost."""

import asyncio
import re
from typing import Any

from pydantic import Field, PrivateAttr

from diffumask_core import CompressionResult, Compressor, EncodingCache
from diffumask_core.extras import needs_extra
from diffumask_core.options import CompressionOptions
from diffumask_core.tokens import get_counter
from diffumask_integrations.settings import CompressionSettings

with needs_extra("llama-index"):
    from llama_index.core.base.llms.types import ChatMessage, TextBlock
    from llama_index.core.memory import BaseMemoryBlock
    from llama_index.core.utils import get_tokenizer

_SYSTEM_ROLES = ("system", "developer")
# Vectors of some hundred thousand words.
_CACHE_MEGABYTES = 128


def count_tokens(text: str) -> int:
    """Tokens of a text as LlamaIndex counts them unless it is told otherwise."""
    return len(get_tokenizer()(text))


class DiffuMaskMemoryBlock(CompressionSettings, BaseMemoryBlock[list[ChatMessage]]):
    """Keeps the messages that fall out of short-term memory, and shortens them when the memory is over its limit.

    The messages come back before those of the short-term memory, with their roles and tool calls. As long as the
    memory has room, they are as they were. When it has not, they are compressed to what is left of its token limit,
    for the user's message at hand: old turns that matter little to it go whole, the others lose words. The block
    holds the originals, so another message can bring back what this one had no need of.

    An agent asks its memory several times for one message of the user: the block remembers what the model has read for
    that message, and reads only what came since. Where nothing came since, it only decides again how much is left.

    What comes back depends on the user's message at hand, so it is no `diffumask_core.Conversation`, of which each
    message is decided once and for all.

    ``keep_rate`` or ``target_tokens`` limits what comes back even where there is room; by default nothing does.

    Example:
        ```python
        memory = Memory.from_defaults(token_limit=4000, memory_blocks=[DiffuMaskMemoryBlock()])
        ```
    """

    name: str = Field(default="EarlierMessages", description="The name of the memory block.")
    priority: int = Field(
        default=1, description="Which block is shortened first: the one with the lowest number; 0 never is."
    )
    tokenizer: Any = Field(
        default=count_tokens, description="What counts the tokens: the same as in the memory, so that its limit holds."
    )
    messages: list[ChatMessage] = Field(default_factory=list, description="What was collected.")
    _query: str = PrivateAttr(default="")
    _cache: EncodingCache = PrivateAttr(default_factory=lambda: EncodingCache(_CACHE_MEGABYTES))
    _read: "_Read" = PrivateAttr(default_factory=lambda: _Read())

    def get_compressor(self) -> Compressor:
        """The compressor that was given, or that of `model`; with a cache of this block unless it has one."""
        found = super().get_compressor()
        return found if found.cache is not None else found.with_cache(self._cache)

    async def _aget(self, messages: list[ChatMessage] | None = None, **block_kwargs: Any) -> list[ChatMessage]:
        asked = [message.content or "" for message in messages or () if message.role == "user"]
        self._query = asked[-1] if asked else ""
        if any(map(_counted, self.messages)) and (self.keep_rate or self.target_tokens):
            return await asyncio.to_thread(self._compress, self.messages)
        # Copies, since the memory writes what other blocks hold into the messages it gets.
        return [_copy(message) for message in self.messages]

    async def _aput(self, messages: list[ChatMessage]) -> None:
        # The memory marks them with its session, which is nothing for an LLM's API.
        for message in messages:
            kwargs = {key: value for key, value in message.additional_kwargs.items() if key != "session_id"}
            self.messages.append(_copy(message, additional_kwargs=kwargs))

    async def atruncate(self, content: list[ChatMessage], tokens_to_truncate: int) -> list[ChatMessage] | None:
        """Shortens messages.

        Args:
            content: What the block gave back.
            tokens_to_truncate: How many tokens shorter they must be at least.

        Returns:
            The messages that are left, which are longer than that only by what is protected; None where nothing may be
            left.
        """
        count = get_counter(self.tokenizer).count

        def tokens(messages: list[ChatMessage]) -> int:
            return sum(count(text) for message in messages for text in _counted(message))

        target = tokens(content) - tokens_to_truncate
        if target <= 0:
            return None
        left = await asyncio.to_thread(self._compress, content, target_tokens=target)
        # The core leaves something of every text; a memory that is over its limit may lose all that is not protected.
        return [] if tokens(left) > target and not any(map(self._is_protected, left)) else left

    def _is_protected(self, message: ChatMessage) -> bool:
        """Whether a message holds text that comes out unchanged."""
        text = "\n".join(_counted(message))
        named = any(string in text for string in self.protect) or any(
            re.search(pattern, text) for pattern in self.protect_patterns
        )
        return named or (message.role in _SYSTEM_ROLES and not self.compress_instructions)

    def _compress(self, messages: list[ChatMessage], **overrides: Any) -> list[ChatMessage]:
        # With a message of the user after them, all of them are past turns.
        sent = [*map(_to_openai, range(len(messages)), messages), {"role": "user", "content": ""}]
        options = self.options(query=self._query, compress_query=True, **overrides)
        result = self._read.compress(self.get_compressor(), (self.compressor, self.model), sent, options)
        assert result.messages is not None
        return [_with_texts(messages[left["index"]], left["content"]) for left in result.messages[:-1]]


class _Read:
    """The messages that were read last: as long as they are the same, a budget is all that has to be decided.

    A copy has read nothing, since scores stay in the process that made them.
    """

    def __init__(self) -> None:
        self._last: tuple[Any, CompressionResult] | None = None

    def __reduce__(self) -> tuple[type["_Read"], tuple[()]]:
        return _Read, ()

    def compress(
        self, compressor: Compressor, source: Any, messages: list[dict[str, Any]], options: CompressionOptions
    ) -> CompressionResult:
        """Does what `Compressor.compress_messages` does.

        Args:
            compressor: The compressor.
            source: What tells it from others.
            messages: The messages.
            options: How.
        """
        rest = {name: value for name, value in options.items() if name not in ("keep_rate", "target_tokens")}
        last = self._last
        if last and last[0] == (source, messages, rest):
            return last[1].at(keep_rate=options.get("keep_rate"), target_tokens=options.get("target_tokens"))
        result = compressor.compress_messages(messages, **options)
        self._last = (source, messages, rest), result
        return result


def _copy(message: ChatMessage, **update: Any) -> ChatMessage:
    """A copy that shares no blocks with the message."""
    return message.model_copy(update={"blocks": [block.model_copy() for block in message.blocks], **update})


def _counted(message: ChatMessage) -> list[str]:
    """The strings whose tokens the memory counts, without blank ones."""
    texts = [block.text for block in message.blocks if isinstance(block, TextBlock)]
    kwargs = [str(message.additional_kwargs)] if message.additional_kwargs else []
    return [text for text in texts + kwargs if text.strip()]


def _to_openai(index: int, message: ChatMessage) -> dict[str, Any]:
    """What the core needs to know of a message.

    The memory counts ``additional_kwargs`` as a string. That string stands in for a tool call, so that it counts here
    too, and goes with its turn and not before.
    """
    parts = [
        {"type": "text", "text": block.text, "block": number}
        for number, block in enumerate(message.blocks)
        if isinstance(block, TextBlock)
    ]
    kwargs = message.additional_kwargs
    calls = [{"type": "function", "function": {"name": str(kwargs), "arguments": ""}}] if kwargs else []
    return {"role": message.role.value, "content": parts, "tool_calls": calls, "index": index}


def _with_texts(message: ChatMessage, parts: list[dict[str, Any]]) -> ChatMessage:
    blocks = list(message.blocks)
    for part in parts:
        blocks[part["block"]] = blocks[part["block"]].model_copy(update={"text": part["text"]})
    return message.model_copy(update={"blocks": blocks})
