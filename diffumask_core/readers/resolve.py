"""From a name, as the command line takes it, to a reader."""

from pathlib import Path

from diffumask_core.errors import InputError
from diffumask_core.extras import needs_extra
from diffumask_core.readers.causal_lm import CausalLMReader
from diffumask_core.readers.nearest import NearestExemplarReader
from diffumask_core.readers.protocol import Reader


def resolve_reader(name: str, cache: Path | None = None) -> Reader:
    """Makes the reader of a name.

    Args:
        name: ``nearest``; ``causal:FOLDER``, a Hugging Face causal language model; or ``chat:PROVIDER:MODEL``, a chat
            model as LangChain's ``init_chat_model`` takes it, which is asked at temperature 0.
        cache: Where a chat model's replies are kept; in memory by default.

    Raises:
        InputError: There is no such reader, or no such chat model.
        MissingExtraError: A package that it needs is not installed.
        ModelError: There is no causal language model in the folder.
    """
    kind, _, which = name.partition(":")
    if name == "nearest":
        return NearestExemplarReader()
    if kind == "causal" and which:
        return CausalLMReader.from_pretrained(which)
    if kind == "chat" and which:
        return _chat_reader(which, cache)
    raise InputError(
        f"There is no reader {name!r}: pass nearest, causal:FOLDER or chat:PROVIDER:MODEL, such as chat:openai:gpt-4o."
    )


def _chat_reader(model: str, cache: Path | None) -> Reader:
    with needs_extra("langchain-agents", "a chat model"):
        from langchain.chat_models import init_chat_model

        from diffumask_integrations.langchain import ChatModelReader
    try:
        chat_model = init_chat_model(model, temperature=0)
    except Exception as error:  # each provider raises its own: no such provider, no package for it, no key
        raise InputError(f"The chat model {model!r} cannot be had: {error}") from error
    return ChatModelReader(chat_model, cache=cache)
