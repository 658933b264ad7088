"""The SDKs of OpenAI and Anthropic through the proxy, on loopback: plain, asynchronous, streaming, with tools."""

import asyncio
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from integrations.server.runs import conversation
from integrations.server.upstream import CALL, Upstream, listening
from integrations.wire_formats import to_anthropic, to_responses

from diffumask_core import Compressor
from diffumask_integrations.server import ServerSettings, create_app

CHAT: Any = {"model": "made", "messages": conversation(3)}
RESPONSES: Any = {"model": "made", "input": to_responses(conversation(3))}
MESSAGES: Any = {"model": "made", "messages": to_anthropic(conversation(3)), "max_tokens": 9}

SCHEMA = {"type": "object", "properties": {"machine": {"type": "string"}}}
CHAT_TOOL: Any = {"type": "function", "function": {"name": "log", "parameters": SCHEMA}}
RESPONSES_TOOL: Any = {"type": "function", "name": "log", "parameters": SCHEMA, "strict": False}
MESSAGES_TOOL: Any = {"name": "log", "input_schema": SCHEMA}

SAID = "All is well."
OPENAI_KEY, ANTHROPIC_KEY = "sk-made", "sk-ant-made"


@pytest.fixture(scope="module")
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture(scope="module")
def address(compressor: Compressor, upstream: Upstream) -> Iterator[str]:
    with listening(upstream.app) as provider:
        app = create_app(compressor, ServerSettings(upstream=provider))
        with listening(app) as url:
            yield url


@pytest.fixture
def for_openai(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=OPENAI_KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def for_anthropic(address: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=address, api_key=ANTHROPIC_KEY, max_retries=0) as client:
        yield client


@pytest.fixture(autouse=True)
def came_shorter(upstream: Upstream) -> Iterator[None]:
    """After each test: what reached the provider was shortened, under the client's key."""
    yield
    seen = upstream.last
    asked = seen.json
    given = next(each for each in (RESPONSES, MESSAGES, CHAT) if seen.target.endswith(_path_of(each)))
    member = "input" if given is RESPONSES else "messages"
    assert asked[member] != given[member]
    assert len(asked[member]) == len(given[member])
    assert dict(seen.headers)["authorization"] == f"Bearer {ANTHROPIC_KEY if given is MESSAGES else OPENAI_KEY}"


def _path_of(given: Any) -> str:
    return "/responses" if given is RESPONSES else "/v1/messages" if given is MESSAGES else "/chat/completions"


def test_openai_chat(for_openai: openai.OpenAI) -> None:
    raw = for_openai.chat.completions.with_raw_response.create(**CHAT)
    assert raw.parse().choices[0].message.content == SAID
    assert int(raw.headers["x-diffumask-tokens-after"]) < int(raw.headers["x-diffumask-tokens-before"])


def test_openai_chat_with_tools(for_openai: openai.OpenAI) -> None:
    [call] = for_openai.chat.completions.create(**CHAT, tools=[CHAT_TOOL]).choices[0].message.tool_calls or []
    assert (call.type, call.id) == ("function", "c1")


def test_openai_chat_streaming(for_openai: openai.OpenAI) -> None:
    with for_openai.chat.completions.create(**CHAT, stream=True) as stream:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == SAID


def test_openai_chat_streaming_with_tools(for_openai: openai.OpenAI) -> None:
    with for_openai.chat.completions.create(**CHAT, tools=[CHAT_TOOL], stream=True) as stream:
        calls = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or []]
    assert [call.id for call in calls] == ["c1"]


def test_openai_responses(for_openai: openai.OpenAI) -> None:
    assert for_openai.responses.create(**RESPONSES).output_text == SAID
    [item] = for_openai.responses.create(**RESPONSES, tools=[RESPONSES_TOOL]).output
    assert item.type == "function_call"


def test_openai_responses_streaming(for_openai: openai.OpenAI) -> None:
    with for_openai.responses.create(**RESPONSES, stream=True) as stream:
        said = [event.delta for event in stream if event.type == "response.output_text.delta"]
    assert "".join(said) == SAID


def test_openai_asynchronous(address: str) -> None:
    async def ask() -> tuple[str | None, str]:
        async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key=OPENAI_KEY, max_retries=0) as client:
            whole = await client.chat.completions.create(**CHAT)
            stream = await client.chat.completions.create(**CHAT, stream=True)
            parts = [chunk.choices[0].delta.content or "" async for chunk in stream]
            return whole.choices[0].message.content, "".join(parts)

    assert asyncio.run(ask()) == (SAID, SAID)


def test_openai_errors(for_openai: openai.OpenAI) -> None:
    with pytest.raises(openai.RateLimitError, match="Come later") as caught:
        for_openai.chat.completions.create(**{**CHAT, "model": "refuses"})
    assert caught.value.response.headers["retry-after"] == "7"


def test_anthropic(for_anthropic: anthropic.Anthropic) -> None:
    [block] = for_anthropic.messages.create(**MESSAGES).content
    assert block.type == "text"
    assert block.text == SAID


def test_anthropic_with_tools(for_anthropic: anthropic.Anthropic) -> None:
    [block] = for_anthropic.messages.create(**MESSAGES, tools=[MESSAGES_TOOL]).content
    assert block.type == "tool_use"
    assert block.input == CALL


def test_anthropic_streaming(for_anthropic: anthropic.Anthropic) -> None:
    with for_anthropic.messages.stream(**MESSAGES) as stream:
        assert "".join(stream.text_stream) == SAID


def test_anthropic_streaming_with_tools(for_anthropic: anthropic.Anthropic) -> None:
    with for_anthropic.messages.stream(**MESSAGES, tools=[MESSAGES_TOOL]) as stream:
        [block] = stream.get_final_message().content
    assert block.type == "tool_use"
    assert block.input == CALL


def test_anthropic_asynchronous(address: str) -> None:
    async def ask() -> tuple[str, str]:
        async with anthropic.AsyncAnthropic(base_url=address, api_key=ANTHROPIC_KEY, max_retries=0) as client:
            [block] = (await client.messages.create(**MESSAGES)).content
            async with client.messages.stream(**MESSAGES) as stream:
                parts = [text async for text in stream.text_stream]
            assert block.type == "text"
            return block.text, "".join(parts)

    assert asyncio.run(ask()) == (SAID, SAID)


def test_anthropic_errors(for_anthropic: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.RateLimitError, match="Come later"):
        for_anthropic.messages.create(**{**MESSAGES, "model": "refuses"})


def test_a_token_from_the_environment(
    compressor: Compressor, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sdk in ("OPENAI", "ANTHROPIC"):
        monkeypatch.setenv(f"{sdk}_CUSTOM_HEADERS", "x-diffumask-token: right")
    with listening(upstream.app) as provider:
        app = create_app(compressor, ServerSettings(upstream=provider, token="right"))
        with listening(app) as url:
            with openai.OpenAI(base_url=f"{url}/v1", api_key=OPENAI_KEY, max_retries=0) as client:
                assert client.chat.completions.create(**CHAT).choices[0].message.content == SAID
            with anthropic.Anthropic(base_url=url, api_key=ANTHROPIC_KEY, max_retries=0) as other:
                [block] = other.messages.create(**MESSAGES).content
                assert block.type == "text"
    assert "x-diffumask-token" not in dict(upstream.last.headers)
