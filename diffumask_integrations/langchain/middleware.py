"""An agent's conversation, shortened before each model call: each message once, so that prompt caches still hit."""

# In langchain 1.0 a ModelRequest takes no type parameter.
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import lru_cache
from typing import Any, Literal, cast

from diffumask_core import InputError
from diffumask_core.extras import needs_extra
from diffumask_core.prompt.formats import MessageText, put_text
from diffumask_core.tokens import get_counter
from diffumask_integrations.langchain.messages import failed_tools, put_back, read_openai, to_openai
from diffumask_integrations.settings import CompressionSettings

with needs_extra("langchain-agents"):
    from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
    from langchain.agents.middleware.types import ContextT
    from langchain_core.messages import AnyMessage

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
        read = read_openai(sent)
        if self._trigger and sum(self._count(text.text) for each in read for text in each.texts) < self._trigger:
            return list(messages)
        failed = {*failed_tools(messages)}
        tools = _called_tools(sent)
        block = max(self._keep, 1)
        query = ""
        for index in range(max(len(sent) - self._keep, 0) // block * block):
            texts = read[index].texts
            if read[index].asks:
                own = read[index].own
                query = "".join(text.text for text in own if text.kind == "text")
                # It stays for good if it was still the query when it became old.
                length_then = index // block * block + block + self._keep
                if not any(each.asks for each in read[index + 1 : length_then]):
                    texts = texts[: len(texts) - len(own)]
            if read[index].role in ("user", "assistant", "tool") and index not in failed:
                self._shorten_texts(sent[index], texts, tools, query)
        return cast(list[AnyMessage], put_back(messages, sent))

    def _shorten_texts(
        self, message: dict[str, Any], texts: Sequence[MessageText], tools: dict[str, str], query: str
    ) -> None:
        """Shortens these texts of a message, each on its own."""
        for text in texts:
            is_wanted = text.kind == "result" and _tool(message, text, tools) not in self._exclude_tools
            if is_wanted or text.kind == "text":
                role = "tool" if text.is_result else message["role"]
                put_text(message, text.keys, self._shorten(role, text.text, query))

    def _compress_text(self, role: str, text: str, query: str) -> str:
        if not text.strip():
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


def _called_tools(messages: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The names of the tools that were called, by the ids of the calls."""
    tools = {call["id"]: call["function"]["name"] for message in messages for call in message["tool_calls"]}
    blocks = [part for message in messages if isinstance(message["content"], list) for part in message["content"]]
    return {part["id"]: part["name"] for part in blocks if part["type"] == "tool_use"} | tools


def _tool(message: dict[str, Any], result: MessageText, tools: dict[str, str]) -> str | None:
    """The name of the tool that a result in a message is from."""
    content, answered = message["content"], message["tool_call_id"]
    if isinstance(content, list):
        answered = content[int(result.keys[1])].get("tool_use_id", answered)
    return message["tool_name"] or tools.get(answered)
