"""Real clients of both frameworks against a server that refuses what a provider would refuse."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from integrations.wire import ChatServer, violations
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, convert_to_messages
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import Memory
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.llms.openai import OpenAI
from llama_index.llms.openai.utils import from_openai_message_dicts
from sqlalchemy.ext.asyncio import create_async_engine

from diffumask_core import Compressor
from diffumask_core.tokens import get_counter
from diffumask_integrations.langchain.compressor import DiffuMaskCompressor
from diffumask_integrations.langchain.middleware import DiffuMaskMiddleware
from diffumask_integrations.llama_index import DiffuMaskMemoryBlock, DiffuMaskNodePostprocessor

Message = dict[str, Any]

FERRY = (
    "The ferry leaves from the north pier every forty minutes between six in the morning and nine at night. In winter, "
    "from November to the end of March, the last crossing is at seven. Bicycles travel free of charge as long as there "
    "is room on the lower deck, and dogs have to be kept on a lead during the whole of the crossing."
)
PIERS = [{"pier": name, "crossings": number, "notes": FERRY} for number, name in enumerate(["north", "south", "old"])]


def said(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def called(name: str, number: int, **arguments: str) -> Message:
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": f"call-{number}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def result(number: int, content: str) -> Message:
    return {"role": "tool", "tool_call_id": f"call-{number}", "content": content}


CONVERSATION = [
    said("system", "You sell tickets for a ferry."),
    said("user", f"I read this: {FERRY} Is it still true?"),
    called("timetable", 1, pier="north"),
    result(1, f"As of today: {FERRY}"),
    said("assistant", f"Yes, it is. {FERRY}"),
    said("user", "Are there other piers?"),
    called("piers", 2, order="by crossings"),
    result(2, json.dumps(PIERS)),
    said("assistant", f"There are three of them. {FERRY}"),
    said("user", "Which of them is open on Sundays?"),
    called("piers", 3, order="by name"),
    result(3, json.dumps(PIERS)),
]


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            assert address[0] == "127.0.0.1", f"A connection to {address}."
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as running:
        yield running
    assert not running.violations


def lang_chain(server: ChatServer) -> ChatOpenAI:
    return ChatOpenAI(model="gpt-4o", base_url=server.url, api_key="none", max_retries=0)


def llama_index(server: ChatServer) -> OpenAI:
    return OpenAI(model="gpt-4o", api_base=server.url, api_key="none", max_retries=0)


def sent(server: ChatServer) -> list[list[Message]]:
    """The messages of each request, without keys that hold nothing."""
    return [
        [{key: value for key, value in message.items() if value is not None} for message in request["messages"]]
        for request in server.requests
    ]


def tokens(messages: list[Message]) -> int:
    count = get_counter("gpt-4o").count
    return sum(count(str(message["content"])) for message in messages if message.get("content"))


class TestBothFrameworks:
    @pytest.mark.parametrize("rate", [0.2, 0.6])
    def test_send_the_same(self, server: ChatServer, compressor: Compressor, rate: float) -> None:
        shorter = compressor.compress_messages(CONVERSATION, keep_rate=rate).messages
        assert shorter is not None
        chain = DiffuMaskCompressor(keep_rate=rate, compressor=compressor) | lang_chain(server)
        assert chain.invoke(convert_to_messages(CONVERSATION)).content == "All is well."
        reply = llama_index(server).chat(from_openai_message_dicts(shorter))
        assert reply.message.content == "All is well."
        ours, theirs = sent(server)
        assert ours == theirs
        assert tokens(ours) < 0.8 * tokens(CONVERSATION)
        assert ours[0] == CONVERSATION[0]
        assert CONVERSATION[9] in ours
        # The result of the running turn is the last to get shorter.
        assert (ours[-1]["content"] != CONVERSATION[-1]["content"]) == (rate < 0.5)
        assert isinstance(json.loads(ours[-1]["content"]), list)

    async def test_send_the_same_asynchronously(self, server: ChatServer, compressor: Compressor) -> None:
        shorter = compressor.compress_messages(CONVERSATION, target_tokens=400).messages
        assert shorter is not None
        chain = DiffuMaskCompressor(target_tokens=400, compressor=compressor) | lang_chain(server)
        await chain.ainvoke(convert_to_messages(CONVERSATION))
        await llama_index(server).achat(from_openai_message_dicts(shorter))
        ours, theirs = sent(server)
        assert ours == theirs
        assert tokens(ours) <= 400

    def test_stream_the_reply(self, server: ChatServer, compressor: Compressor) -> None:
        shorter = compressor.compress_messages(CONVERSATION, keep_rate=0.4).messages
        assert shorter is not None
        chain = DiffuMaskCompressor(keep_rate=0.4, compressor=compressor) | lang_chain(server)
        chunks = [str(chunk.content) for chunk in chain.stream(convert_to_messages(CONVERSATION))]
        assert [chunk for chunk in chunks if chunk] == ["All ", "is ", "well. "]
        deltas = [chunk.delta for chunk in llama_index(server).stream_chat(from_openai_message_dicts(shorter))]
        assert [delta for delta in deltas if delta] == ["All ", "is ", "well. "]
        assert all(request["stream"] for request in server.requests)
        ours, theirs = sent(server)
        assert ours == theirs

    async def test_stream_the_reply_asynchronously(self, server: ChatServer, compressor: Compressor) -> None:
        chain = DiffuMaskCompressor(keep_rate=0.4, compressor=compressor) | lang_chain(server)
        chunks = [str(chunk.content) async for chunk in chain.astream(convert_to_messages(CONVERSATION))]
        assert "".join(chunks) == "All is well. "
        assert tokens(sent(server)[0]) < tokens(CONVERSATION)

    async def test_a_memory_that_is_too_long_is_sent_shorter(self, server: ChatServer, compressor: Compressor) -> None:
        database = create_async_engine("sqlite+aiosqlite:///:memory:")
        memory = Memory.from_defaults(
            async_engine=database,
            token_limit=600,
            token_flush_size=20,
            chat_history_token_ratio=0.3,
            memory_blocks=[DiffuMaskMemoryBlock(compressor=compressor)],
        )
        history = from_openai_message_dicts(CONVERSATION[1:9] * 2)
        await memory.aput_messages(history)
        engine = SimpleChatEngine.from_defaults(llm=llama_index(server), memory=memory)
        await engine.achat("Which of the piers is open on Sundays?")
        await database.dispose()
        [request] = sent(server)
        assert request[-1]["content"] == "Which of the piers is open on Sundays?"
        assert any("tool_calls" in message for message in request)
        assert 100 < tokens(request) < 600 < tokens(CONVERSATION[1:9] * 2)

    def test_learn_what_is_invalid(self, compressor: Compressor) -> None:
        unanswered = CONVERSATION[:-1]
        with ChatServer() as server:
            chain = DiffuMaskCompressor(keep_rate=0.4, compressor=compressor) | lang_chain(server)
            with pytest.raises(openai.BadRequestError, match="call-3 has no answer"):
                chain.invoke(convert_to_messages(unanswered))
            with pytest.raises(openai.BadRequestError, match="call-3 has no answer"):
                llama_index(server).chat(from_openai_message_dicts(unanswered))
        assert len(server.requests) == 2


class TestLangChain:
    def test_prompts(self, server: ChatServer, compressor: Compressor) -> None:
        rest = DiffuMaskCompressor(keep_rate=0.4, compressor=compressor) | lang_chain(server)
        (PromptTemplate.from_template("{text}\n\nWhen does it leave?") | rest).invoke({"text": FERRY})
        chat = ChatPromptTemplate([("system", "You sell tickets."), ("placeholder", "{past}"), ("human", "{question}")])
        past = [("human", FERRY), ("ai", FERRY)]
        (chat | rest).invoke({"past": past, "question": "When does it leave?"})
        first, second = sent(server)
        assert [message["role"] for message in first] == ["user"]
        assert tokens(first) < tokens([said("user", FERRY)])
        assert second[0] == said("system", "You sell tickets.")
        assert second[-1] == said("user", "When does it leave?")
        assert tokens(second) < tokens([said("user", FERRY + FERRY)])

    def test_an_agent(self, compressor: Compressor) -> None:
        @tool
        def piers(order: str) -> str:
            """Lists the piers."""
            return json.dumps(PIERS)

        replies = [
            reply
            for turn in range(3)
            for reply in (called("piers", turn, order="by name"), said("assistant", f"Answer {turn}. {FERRY}"))
        ]
        layer = DiffuMaskMiddleware(keep=("messages", 2), keep_rate=0.3, compressor=compressor)
        with ChatServer(*replies) as server:
            agent = create_agent(lang_chain(server), [piers], system_prompt="You sell tickets.", middleware=[layer])
            state: dict[str, Any] = {"messages": []}
            for turn in range(3):
                state = agent.invoke({"messages": [*state["messages"], HumanMessage(f"Question {turn}?")]})
        assert not server.violations
        requests = sent(server)
        assert [len(request) for request in requests] == [2, 4, 6, 8, 10, 12]
        assert [message["role"] for message in requests[-1]] == [
            "system",
            *["user", "assistant", "tool", "assistant"] * 2,
            "user",
            "assistant",
            "tool",
        ]
        # The state has the originals.
        assert [message.content for message in state["messages"][2::4]] == [json.dumps(PIERS)] * 3
        old, new = requests[-1][3], requests[-1][-1]
        assert new["content"] == json.dumps(PIERS)
        assert 0 < len(json.dumps(json.loads(old["content"]))) < 0.7 * len(new["content"])
        # What was sent shortened once is sent like that again.
        assert requests[-1][:7] == requests[-2][:7]


class TestLlamaIndex:
    def test_a_query_engine(self, server: ChatServer, compressor: Compressor) -> None:
        nodes = [TextNode(text=f"Pier {number}. {FERRY}", id_=str(number)) for number in range(4)]

        class Everything(BaseRetriever):
            def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
                return [NodeWithScore(node=node, score=1 - int(node.id_) / 10) for node in nodes]

        shorten = DiffuMaskNodePostprocessor(target_tokens=120, compressor=compressor)
        for postprocessors in ([], [shorten]):
            engine = RetrieverQueryEngine.from_args(
                Everything(), llm=llama_index(server), node_postprocessors=postprocessors
            )
            assert str(engine.query("When does the last ferry leave?")) == "All is well."
        plain, shorter = sent(server)
        assert tokens(shorter) <= tokens(plain) - (4 * tokens([said("user", FERRY)]) - 120)
        assert "When does the last ferry leave?" in shorter[-1]["content"]


class TestServer:
    """What it refuses."""

    def test_a_valid_conversation(self) -> None:
        for length in (2, 4, 6, 8, 10, 12):
            assert not violations(CONVERSATION[:length])

    @pytest.mark.parametrize(
        ("messages", "problem"),
        [
            ([], "the last message"),
            ([said("user", "Hello."), said("assistant", "Hello.")], "the last message"),
            ([said("robot", "Hello."), said("user", "Hello.")], "the role robot"),
            ([said("user", "Hello."), result(1, "Yes.")], "answers no open tool call"),
            ([called("piers", 1), said("user", "Hello.")], "call-1 has no answer before"),
            ([called("piers", 1), result(2, "Yes.")], "call-1 has no answer"),
            ([called("piers", 1), result(1, "Yes."), result(1, "Yes.")], "answers no open tool call"),
            ([{**called("piers", 1), "role": "user"}, result(1, "Yes.")], "has tool calls"),
            ([called("", 1), result(1, "Yes.")], "no function's"),
            ([said("user", " ")], "the content is empty"),
            ([said("assistant", ""), said("user", "Hello.")], "the content is empty"),
            ([{"role": "user", "content": None}], "there is no content"),
            ([{"role": "user", "content": []}], "there is no content"),
            ([{"role": "user", "content": [{"text": "Hello."}]}], "no type"),
            ([{"role": "user", "content": [{"type": "text", "text": ""}]}], "a text is empty"),
        ],
    )
    def test_invalid_messages(self, messages: list[Message], problem: str) -> None:
        assert any(problem in found for found in violations(messages))

    @pytest.mark.parametrize(("arguments", "problem"), [("{", "no JSON"), ("[]", "no object")])
    def test_invalid_arguments(self, arguments: str, problem: str) -> None:
        call = {"id": "call-1", "type": "function", "function": {"name": "piers", "arguments": arguments}}
        messages = [{"role": "assistant", "content": None, "tool_calls": [call]}, result(1, "Yes.")]
        assert violations(messages) == [f"messages[0]: arguments are {problem}"]
