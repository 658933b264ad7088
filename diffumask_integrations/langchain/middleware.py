"""An agent's conversation, shortened before each model call: each message once, so that prompt caches still hit."""

# In langchain 1.0 a ModelRequest takes no type parameter.
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Unpack, cast

from diffumask_core import Saved, View
from diffumask_core.conversation.aging import Amount
from diffumask_core.extras import needs_extra
from diffumask_integrations.langchain.left_out import left_out_tool
from diffumask_integrations.langchain.messages import put_back, to_openai
from diffumask_integrations.langchain.savings import EVENT, trace
from diffumask_integrations.settings import CompressionSettings, SettingsOptions

with needs_extra("langchain-agents"):
    from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
    from langchain.agents.middleware.types import ContextT
    from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
    from langchain_core.messages import AnyMessage
    from langchain_core.runnables.config import ensure_config, get_callback_manager_for_config


class DiffuMaskMiddleware(AgentMiddleware[AgentState[Any], ContextT]):
    """Shows an agent's model a shorter conversation; the agent's state keeps the original one.

    Old messages are shortened: the model's texts, the results of tools, and what the human said if they said something
    else before it became old. System messages, tool calls, results of tools that failed and all that is not text stay
    as they are, and no message goes whole.

    Providers cache the part of a request that is the same as in an earlier one, so what was sent once must not change.
    A message is decided once, when `keep` newer ones have followed, for what the agent said since, and comes out the
    same ever after; see `diffumask_core.Conversation`.

    What was saved goes out as a custom event ``"diffumask_compression"`` at each model call, and a tracer has it in the
    metadata of the run under the same name.

    Example:
        ```python
        agent = create_agent(model, tools, middleware=[DiffuMaskMiddleware(restore=True, trigger=("tokens", 8000))])
        ```
    """

    def __init__(
        self,
        *,
        trigger: Amount | Sequence[Amount] | None = None,
        keep: Amount = ("messages", 2),
        exclude_tools: Collection[str] = (),
        restore: bool = False,
        context_tokens: int | None = None,
        **settings: Unpack[SettingsOptions],
    ) -> None:
        """Says what to shorten, and how.

        Args:
            trigger: From when on messages are shortened, such as ``("tokens", 8000)``, or a list of amounts of which
                one must be reached. The original messages are counted, so that it stays on once it is on.
            keep: How much of the end of the conversation stays: ``("messages", 2)``, ``("tokens", 4000)`` or
                ``("fraction", 0.2)``.
            exclude_tools: Names of tools whose results stay as they are; shell patterns such as ``"read_*"`` too.
            restore: Whether the agent gets a tool `read_left_out`, with which it reads what was left out.
            context_tokens: The size of the context window of which fractions are meant.
            **settings: The fields of `CompressionSettings`, such as ``keep_rate`` (0.3 by default), ``protect`` and
                ``tokenizer``. A rate is that of what becomes old, a number of tokens that of each message.

        Raises:
            InputError: An option is not possible.
        """
        super().__init__()
        checked = CompressionSettings.model_validate(settings)
        # Where nothing is said the rate is that of conversations, and not that of other adapters.
        options = {**checked.options(), "keep_rate": checked.keep_rate, "target_tokens": checked.target_tokens}
        self._conversation = checked.get_compressor().conversation(
            keep=keep,
            trigger=trigger,
            exclude_tools=exclude_tools,
            restore=restore,
            context_tokens=context_tokens,
            **cast(Any, options),
        )
        self._restores = restore
        self._make_tools()

    def _make_tools(self) -> None:
        self.tools = [left_out_tool(self._restore)] if self._restores else []

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "tools"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._make_tools()

    @property
    def saved(self) -> Saved:
        """What the last model call and all model calls have saved."""
        return self._conversation.saved

    def wrap_model_call(
        self,
        request: ModelRequest[ContextT],
        handler: Callable[[ModelRequest[ContextT]], ModelResponse[Any]],
    ) -> ModelResponse[Any]:
        """Calls the model with the shorter conversation."""
        view = self._view(request.messages)
        if savings := self._note(view):
            dispatch_custom_event(EVENT, savings)
        return handler(request.override(messages=_shown(request.messages, view)))

    async def awrap_model_call(
        self,
        request: ModelRequest[ContextT],
        handler: Callable[[ModelRequest[ContextT]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Calls the model with the shorter conversation, which is made in a thread."""
        view = await asyncio.to_thread(self._view, request.messages)
        if savings := self._note(view):
            await adispatch_custom_event(EVENT, savings)
        return await handler(request.override(messages=_shown(request.messages, view)))

    def compress(self, messages: Sequence[AnyMessage]) -> list[AnyMessage]:
        """What the model gets to see of a conversation.

        Args:
            messages: The conversation so far, which stays as it is.

        Returns:
            As many messages, alike in all but their texts.
        """
        return _shown(messages, self._view(messages))

    def _view(self, messages: Sequence[AnyMessage]) -> View:
        return self._conversation.at(to_openai(messages))

    def _restore(self, messages: list[AnyMessage], mark: str) -> str:
        return self._view(messages).restore(mark)

    def _note(self, view: View) -> dict[str, Any]:
        """Counts a model call; gives back the news of it where there is a run that hears them."""
        self._conversation.note(view)
        manager = get_callback_manager_for_config(ensure_config())
        if manager.parent_run_id is None:
            return {}
        savings = {
            "original_tokens": view.original_tokens,
            "compressed_tokens": view.tokens,
            "saved_tokens": view.original_tokens - view.tokens,
            "shortened_messages": view.shortened,
            "marks": len(view.marks),
        }
        trace(manager.handlers, manager.parent_run_id, savings)
        return savings


def _shown(messages: Sequence[AnyMessage], view: View) -> list[AnyMessage]:
    return cast(list[AnyMessage], put_back(messages, view.messages))
