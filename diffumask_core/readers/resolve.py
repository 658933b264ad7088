"""From a name, as the command line takes it, to a reader."""

import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from diffumask_core.errors import InputError, ReaderError
from diffumask_core.extras import needs_extra
from diffumask_core.readers.causal_lm import CausalLMReader
from diffumask_core.readers.nearest import NearestExemplarReader
from diffumask_core.readers.protocol import Reader

# A server of this machine may have one slot only: what waits there would only time out.
_SERVER_CALLS = 1
_SERVER_SECONDS = 600
_SERVER_WAIT = 5


def resolve_reader(name: str, cache: Path | None = None, url: str | None = None) -> Reader:
    """Makes the reader of a name.

    Args:
        name: ``nearest``; ``causal:FOLDER``, a Hugging Face causal language model; ``chat:PROVIDER:MODEL``, a chat
            model as LangChain's ``init_chat_model`` takes it, which is asked at temperature 0; or ``text:MODEL``, the
            same of a server, which goes on after the text instead of replying to it.
        cache: Where a chat model's replies are kept; in memory by default.
        url: The address of an OpenAI-compatible server that is asked for ``chat:openai:MODEL`` or ``text:MODEL``, such
            as ``http://127.0.0.1:8080/v1``. It needs no key.

    Raises:
        InputError: There is no such reader, or no such chat model, or the address is none.
        ReaderError: There is no server at the address.
        MissingExtraError: A package that it needs is not installed.
        ModelError: There is no causal language model in the folder.
    """
    kind, _, which = name.partition(":")
    if url and not name.startswith(("chat:openai:", "text:")):
        raise InputError(
            f"The reader {name!r} has no address: pass chat:openai:MODEL or text:MODEL to ask the server at {url}."
        )
    if kind == "text" and which and not url:
        raise InputError(f"The reader {name!r} goes on after a text at a server: pass its address too.")
    if name == "nearest":
        return NearestExemplarReader()
    if kind == "causal" and which:
        return CausalLMReader.from_pretrained(which)
    if kind in ("chat", "text") and which:
        return _chat_reader(which, cache, url, goes_on=kind == "text")
    raise InputError(
        f"There is no reader {name!r}: pass nearest, causal:FOLDER, text:MODEL or chat:PROVIDER:MODEL, such as "
        "chat:openai:gpt-4o."
    )


def _chat_reader(model: str, cache: Path | None, url: str | None, goes_on: bool) -> Reader:
    with needs_extra("langchain-agents", "a chat model"):
        from langchain.chat_models import init_chat_model

        from diffumask_integrations.langchain import ChatModelReader
    server: dict[str, Any] = {}
    if url:
        _check_server(url)
        key = os.environ.get("OPENAI_API_KEY") or "none"
        server = {"base_url": url, "api_key": key, "logprobs": True, "top_logprobs": 20, "max_retries": 0}
    try:
        if goes_on:
            from diffumask_integrations.langchain.continuing import ContinuingModel

            chat_model: Any = ContinuingModel(model=model, **server)
        else:
            chat_model = init_chat_model(model, temperature=0, **server)
    except Exception as error:  # each provider raises its own: no such provider, no package for it, no key
        raise InputError(f"The chat model {model!r} cannot be had: {error}") from error
    if url:
        return ChatModelReader(
            chat_model, cache=cache, max_concurrency=_SERVER_CALLS, timeout=_SERVER_SECONDS, limit_replies=True
        )
    return ChatModelReader(chat_model, cache=cache)


def _check_server(url: str) -> None:
    """Connects once, so that a server that is not there is told before anything is shortened for it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]
        if not host:
            raise ValueError("no host")
    except (KeyError, ValueError) as error:
        raise InputError(f"{url!r} is no address of a server: pass one such as http://127.0.0.1:8080/v1.") from error
    try:
        socket.create_connection((host, port), _SERVER_WAIT).close()
    except OSError as error:
        raise ReaderError(
            f"There is no server at {url} ({error}): start one, as with "
            f"`llama-server -m MODEL.gguf --port {port}`, or pass the address of one that runs."
        ) from error
