"""`prompt | DiffuMaskCompressor(keep_rate=0.4) | llm`."""

import logging
from collections.abc import Sequence
from typing import Any

from pydantic import ConfigDict

from diffumask_core import CompressionResult, InputError
from diffumask_core.errors import kind_of
from diffumask_core.extras import needs_extra
from diffumask_integrations.langchain.messages import failed_tools, put_back, read_openai, to_openai
from diffumask_integrations.langchain.savings import EVENT, trace
from diffumask_integrations.settings import CompressionSettings

with needs_extra("langchain"):
    from langchain_core.callbacks import (
        AsyncCallbackManagerForChainRun,
        CallbackManagerForChainRun,
        adispatch_custom_event,
        dispatch_custom_event,
    )
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.messages import AnyMessage, BaseMessage, convert_to_messages
    from langchain_core.prompt_values import ChatPromptValue, ChatPromptValueConcrete, StringPromptValue
    from langchain_core.runnables import RunnableConfig, RunnableSerializable, run_in_executor
    from langchain_core.runnables.config import get_config_list

logger = logging.getLogger("diffumask")


class DiffuMaskCompressor(CompressionSettings, RunnableSerializable[LanguageModelInput, LanguageModelInput]):
    """Shortens what an LLM is about to read: a string, a prompt value or a list of messages; out comes the same kind.

    In messages, human messages before the last one, each with the replies to it, are shots that go whole or are
    shortened; the last human message is the query. It stays as it is, as do system messages. Of a message only texts
    change: ids, names, tool calls, images and keys such as ``cache_control`` are kept. The results of tools that
    failed stay as they are too.

    Every option of a compression can be bound: ``compressor.bind(target_tokens=800, query="...")``.

    What was saved goes out as a custom event ``"diffumask_compression"``, and a tracer has it in the metadata of the
    run under the same name.

    Example:
        ```python
        chain = prompt | DiffuMaskCompressor(keep_rate=0.4) | llm
        ```
    """

    # That of a Runnable would let a misspelt field pass.
    model_config = ConfigDict(extra="forbid")

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """The settings can be dumped and loaded; the model comes from `model` again."""
        return True

    @property
    def InputType(self) -> Any:  # noqa: N802
        """That of language models, whose schema names the classes of messages."""
        return str | StringPromptValue | ChatPromptValueConcrete | list[AnyMessage]

    @property
    def OutputType(self) -> Any:  # noqa: N802
        """The kind that comes in."""
        return self.InputType

    def invoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> LanguageModelInput:
        """Shortens one input.

        Args:
            input: A string, a prompt value or a list of messages.
            config: As for any Runnable.
            **kwargs: Options of this call, which take the place of the settings.

        Raises:
            InputError: The input is of another kind, or an option is not possible.
            BudgetError: The protected text alone is longer than the budget, and ``on_overflow="raise"``.
        """
        return self._call_with_config(self._run, input, config, **kwargs)

    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> LanguageModelInput:
        """As `invoke`; the event loop is free meanwhile."""
        return await self._acall_with_config(self._arun, input, config, **kwargs)

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[LanguageModelInput]:
        """Shortens several inputs, one after the other: a model on a CPU gains nothing from threads."""
        outputs: list[Any] = []
        for value, each in zip(inputs, get_config_list(config, len(inputs)), strict=True):
            try:
                outputs.append(self.invoke(value, each, **kwargs))
            except Exception as error:
                if not return_exceptions:
                    raise
                outputs.append(error)
        return outputs

    async def abatch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[LanguageModelInput]:
        """As `batch`; the event loop is free meanwhile."""
        outputs: list[Any] = []
        for value, each in zip(inputs, get_config_list(config, len(inputs)), strict=True):
            try:
                outputs.append(await self.ainvoke(value, each, **kwargs))
            except Exception as error:
                if not return_exceptions:
                    raise
                outputs.append(error)
        return outputs

    # Runs: a compression, and the news of what it saved.

    def _run(
        self, value: LanguageModelInput, run_manager: CallbackManagerForChainRun, **options: Any
    ) -> LanguageModelInput:
        output, result = self._compress(value, options)
        if result:
            savings = _savings(result)
            trace(run_manager.handlers, run_manager.run_id, savings)
            dispatch_custom_event(EVENT, savings, config={"callbacks": run_manager.get_child()})
        return output

    async def _arun(
        self, value: LanguageModelInput, run_manager: AsyncCallbackManagerForChainRun, **options: Any
    ) -> LanguageModelInput:
        output, result = await run_in_executor(None, self._compress, value, options)
        if result:
            savings = _savings(result)
            trace(run_manager.handlers, run_manager.run_id, savings)
            await adispatch_custom_event(EVENT, savings, config={"callbacks": run_manager.get_child()})
        return output

    # The compression; without a result where there was no text.

    def _compress(
        self, value: LanguageModelInput, options: dict[str, Any]
    ) -> tuple[LanguageModelInput, CompressionResult | None]:
        match value:
            case str():
                return self._compress_text(value, options)
            case StringPromptValue():
                text, result = self._compress_text(value.text, options)
                return value.model_copy(update={"text": text}), result
            case ChatPromptValue():
                messages, result = self._compress_messages(value.messages, options)
                return value.model_copy(update={"messages": messages}), result
            case list() | tuple():
                try:
                    converted = convert_to_messages(value)
                except (NotImplementedError, ValueError) as error:
                    raise InputError(f"The list is not one of messages: {error}") from error
                return self._compress_messages(converted, options)
        raise InputError(
            f"This is {kind_of(value)}, which cannot be compressed: pass a string, a string or chat prompt value, or a "
            "list of messages."
        )

    def _compress_text(self, text: str, options: dict[str, Any]) -> tuple[str, CompressionResult | None]:
        if not text.strip():
            logger.warning("The prompt has no text to compress: it is passed on as it is.")
            return text, None
        result = self.get_compressor().compress(text, **self.options(**options))
        return result.text, result

    def _compress_messages(
        self, messages: Sequence[BaseMessage], options: dict[str, Any]
    ) -> tuple[list[BaseMessage], CompressionResult | None]:
        sent = to_openai(messages)
        if not any(text.kind != "fixed" and text.text.strip() for read in read_openai(sent) for text in read.texts):
            logger.warning("The messages have no text to compress: they are passed on as they are.")
            return list(messages), None
        result = self.get_compressor().compress_messages(sent, keep=failed_tools(messages), **self.options(**options))
        return put_back(messages, result.messages or []), result


def _savings(result: CompressionResult) -> dict[str, Any]:
    return {
        "original_tokens": result.original_tokens,
        "compressed_tokens": result.compressed_tokens,
        "saved_tokens": result.saved_tokens,
        "budget": result.budget,
        "counter": result.counter,
        "marks": len(result.marks),
        "dropped_shots": sum(shot.fate == "dropped" for shot in result.shots),
    }
