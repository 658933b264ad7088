"""An agent's conversation, shortened before each model call: each message once, so that prompt caches still hit."""

# In langchain 1.0 a ModelRequest takes no type parameter.
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal, cast

from diffumask_core import InputError
from diffumask_core.extras import needs_extra
from diffumask_core.tokens import get_counter
from diffumask_integrations.langchain.messages import failed_tools, put_back, to_openai
from diffumask_integrations.settings import CompressionSettings

with needs_extra("langchain-agents"):
    from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
    from langchain.agents.middleware.types import ContextT
    from langchain_core.messages import AIMessage, AnyMessage, ToolMessage

# Texts of fewer tokens stay: there is little to save in them.
_SMALL = 50
_CACHED_TEXTS = 4096


class DiffuMaskMiddleware(AgentMiddleware[AgentState[Any], ContextT]):
    """Shows an agent's model a shorter conversation; the agent's state keeps the original one.

    Old messages are shortened: the model's texts, the results of tools, and what the human said if they said something
    else before it became old. System messages, tool calls, results of tools that failed and all that is not text stay
    as they are, and no message goes whole.

    Providers cache the part of a request that is the same as in an earlier one, so what was sent once must not change.
    A message is therefore compressed on its own, for the human message of its turn, and always comes out the same. It
    changes only once, when it becomes old. That happens to `keep` messages at a time, when as many newer ones have
    followed them: until then each request begins with the whole of the one before. What was old stays old, so the
    part that all later requests share only grows.

    Example:
        ```python
        agent = create_agent(model, tools, middleware=[DiffuMaskMiddleware(keep_rate=0.4, trigger=("tokens", 8000))])
        ```
    """

    def __init__(
        self,
        *,
        trigger: tuple[Literal["tokens"], int] | None = None,
        keep: tuple[Literal["messages"], int] = ("messages", 6),
        exclude_tools: Collection[str] = (),
        **settings: Any,
    ) -> None:
        """Says what to shorten, and how.

        Args:
            trigger: ``("tokens", 8000)`` leaves conversations of fewer tokens as they are. The original messages are
                counted, so that it stays on once it is on.
            keep: ``("messages", 6)`` leaves at least the six most recent messages as they are.
            exclude_tools: Names of tools whose results stay as they are.
            **settings: The fields of `CompressionSettings`, such as ``keep_rate`` (0.5 by default), ``protect`` and
                ``tokenizer``. A rate or a budget is that of each message.

        Raises:
            InputError: An option is not possible.
        """
        super().__init__()
        self._trigger = 0 if trigger is None else _amount("trigger", trigger, "tokens")
        self._keep = _amount("keep", keep, "messages")
        if isinstance(exclude_tools, str):
            raise InputError(f"exclude_tools={exclude_tools!r} is one string: pass a list of names.")
        self._exclude_tools = frozenset(exclude_tools)
        self._settings = CompressionSettings(**settings)
        self._remember()

    def _remember(self) -> None:
        """Counts and shortens each text once. Only the speed depends on it: the same text comes out the same anyway."""
        self._count = lru_cache(_CACHED_TEXTS)(get_counter(self._settings.tokenizer).count)
        self._shorten = lru_cache(_CACHED_TEXTS)(self._compress_text)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_count", "_shorten")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._remember()

    def wrap_model_call(
        self,
        request: ModelRequest[ContextT],
        handler: Callable[[ModelRequest[ContextT]], ModelResponse[Any]],
    ) -> ModelResponse[Any]:
        """Calls the model with the shorter conversation."""
        return handler(request.override(messages=self.compress(request.messages)))

    async def awrap_model_call(
        self,
        request: ModelRequest[ContextT],
        handler: Callable[[ModelRequest[ContextT]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Calls the model with the shorter conversation, which is made in a thread."""
        return await handler(request.override(messages=await asyncio.to_thread(self.compress, request.messages)))

    def compress(self, messages: Sequence[AnyMessage]) -> list[AnyMessage]:
        """What the model gets to see of a conversation.

        Args:
            messages: The conversation so far, which stays as it is.

        Returns:
            As many messages, alike in all but their texts.
        """
        sent = to_openai(messages)
        if self._trigger and sum(self._count(text) for text in _all_texts(sent)) < self._trigger:
            return list(messages)
        roles = [message["role"] for message in sent]
        stays = {*failed_tools(messages), *self._excluded(messages)}
        block = max(self._keep, 1)
        query = ""
        for index in range(max(len(sent) - self._keep, 0) // block * block):
            if roles[index] == "user":
                query = str(messages[index].text)
                # It stays for good if it was still the query when it became old.
                length_then = index // block * block + block + self._keep
                if "user" not in roles[index + 1 : length_then]:
                    continue
            if roles[index] in ("user", "assistant", "tool") and index not in stays:
                sent[index]["content"] = self._shorten_content(roles[index], sent[index]["content"], query)
        return cast(list[AnyMessage], put_back(messages, sent))

    def _excluded(self, messages: Sequence[AnyMessage]) -> list[int]:
        """Indices of the results of tools that are excluded."""
        called = {
            call["id"]: call["name"]
            for message in messages
            if isinstance(message, AIMessage)
            for call in message.tool_calls
        }
        return [
            index
            for index, message in enumerate(messages)
            if isinstance(message, ToolMessage)
            and (message.name or called.get(message.tool_call_id)) in self._exclude_tools
        ]

    def _shorten_content(
        self, role: str, content: str | list[dict[str, Any]], query: str
    ) -> str | list[dict[str, Any]]:
        if isinstance(content, str):
            return self._shorten(role, content, query)
        return [
            {**part, "text": self._shorten(role, part["text"], query)} if part["type"] == "text" else part
            for part in content
        ]

    def _compress_text(self, role: str, text: str, query: str) -> str:
        if not text.strip() or self._count(text) < _SMALL:
            return text
        result = self._settings.get_compressor().compress_messages(
            [{"role": role, "content": text}], **self._settings.options(query=query, compress_query=True)
        )
        [shortened] = result.messages or []
        return str(shortened["content"])


def _amount(option: str, value: Any, unit: str) -> int:
    match value:
        case (str(given), int(amount)) if given == unit and amount >= 0:
            return amount
    raise InputError(f'{option}={value!r} is not possible: pass a pair such as {option}=("{unit}", 10).')


def _all_texts(messages: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The texts of messages in the OpenAI format, those of their tool calls included."""
    for message in messages:
        content = message["content"]
        yield from [content] if isinstance(content, str) else [part.get("text", "") for part in content]
        for call in message["tool_calls"]:
            yield from call["function"].values()
