import asyncio
import json
import logging
from collections.abc import Iterator
from inspect import signature
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompt_values import ChatPromptValue, ImagePromptValue, PromptValue, StringPromptValue
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    FewShotPromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
)
from langchain_core.runnables import ConfigurableField, RunnableLambda
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run

from diffumask_core import BudgetError, Compressor, InputError, TokenizerError
from diffumask_integrations.langchain import DiffuMaskCompressor

TEXT = (
    "The ferry to the island leaves the old harbour at a quarter past nine in the morning, and in the summer months "
    "there is a second one in the late afternoon, which is always full of people who come back from the beach. Whoever "
    "misses that one has to stay the night at the small inn behind the lighthouse, or to ask one of the fishermen."
)
EXAMPLES = [
    {"question": f"How many boats are there in harbour {number}, all of them?", "answer": f"There are {number} boats."}
    for number in range(1, 7)
]


class Seen(BaseCallbackHandler):
    """What a chat model was given, and the events on the way there."""

    def __init__(self) -> None:
        self.messages: list[BaseMessage] = []
        self.events: list[tuple[str, dict[str, Any], UUID]] = []

    def on_chat_model_start(self, serialized: Any, messages: list[list[BaseMessage]], **kwargs: Any) -> None:
        self.messages = messages[0]

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.events.append((name, data, run_id))


class Runs(BaseTracer):
    """The outermost runs."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.seen.append(run)


@pytest.fixture
def half(compressor: Compressor) -> DiffuMaskCompressor:
    return DiffuMaskCompressor(compressor=compressor, keep_rate=0.5)


def words(text: str) -> int:
    return len(text.split())


@pytest.fixture
def few_shot_chat() -> ChatPromptTemplate:
    example = ChatPromptTemplate.from_messages([("human", "{question}"), ("ai", "{answer}")])
    return ChatPromptTemplate.from_messages(
        [
            ("system", "You count boats, and nothing else."),
            FewShotChatMessagePromptTemplate(examples=EXAMPLES, example_prompt=example),
            ("human", "{question}"),
        ]
    )


@pytest.fixture
def few_shot_text() -> FewShotPromptTemplate:
    return FewShotPromptTemplate(
        examples=EXAMPLES,
        example_prompt=PromptTemplate.from_template("Q: {question}\nA: {answer}"),
        prefix="You count boats.",
        suffix="Q: {question}\nA:",
    )


# Kinds of input.


def test_a_string_gives_a_string(half: DiffuMaskCompressor) -> None:
    result = half.invoke(TEXT)
    assert isinstance(result, str)
    assert 0 < len(result) < len(TEXT)


def test_a_string_prompt_gives_the_same_class(half: DiffuMaskCompressor) -> None:
    class Special(StringPromptValue):
        about: str

    result = half.invoke(Special(text=TEXT, about="ferries"))
    assert isinstance(result, Special)
    assert result.about == "ferries"
    assert result.text == half.invoke(TEXT)


def test_a_chat_prompt_gives_the_same_class(half: DiffuMaskCompressor) -> None:
    class Special(ChatPromptValue):
        about: str

    messages = [AIMessage(TEXT), HumanMessage("When does it leave?")]
    result = half.invoke(Special(messages=messages, about="ferries"))
    assert isinstance(result, Special)
    assert result.about == "ferries"
    assert result.messages == half.invoke(messages) != messages


def test_what_stands_for_messages_gives_messages(half: DiffuMaskCompressor) -> None:
    alike = [("system", "Be brief."), {"role": "assistant", "content": TEXT}, "When does it leave?"]
    result = half.invoke(alike)
    assert [type(message) for message in result] == [SystemMessage, AIMessage, HumanMessage]
    assert len(result[1].content) < len(TEXT)


@pytest.mark.parametrize(
    "value", [7, None, {"question": TEXT}, b"bytes", [7], ImagePromptValue(image_url={"url": "u"})]
)
def test_another_kind_of_input(half: DiffuMaskCompressor, value: object) -> None:
    with pytest.raises(InputError, match=r"messages"):
        half.invoke(value)


@pytest.mark.parametrize(
    "value", ["", "  \n", StringPromptValue(text=""), [], [HumanMessage("")], ChatPromptValue(messages=[AIMessage("")])]
)
def test_no_text_passes_and_is_logged(half: DiffuMaskCompressor, value: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "diffumask"):
        assert half.invoke(value) == value
    assert "no text to compress" in caplog.text


# What stays.


def test_system_and_last_human_message_stay_unless_opted_in(compressor: Compressor) -> None:
    messages = [SystemMessage(TEXT), AIMessage(TEXT), HumanMessage(TEXT)]
    system, reply, asked = DiffuMaskCompressor(compressor=compressor, keep_rate=0.3).invoke(messages)
    assert (system.content, asked.content) == (TEXT, TEXT)
    assert len(reply.content) < len(TEXT)
    both = DiffuMaskCompressor(
        compressor=compressor, keep_rate=0.3, compress_instructions=True, compress_query=True
    ).invoke(messages)
    assert all(0 < len(message.content) < len(TEXT) for message in both)


def test_examples_go_as_pairs(compressor: Compressor, few_shot_chat: ChatPromptTemplate) -> None:
    value = few_shot_chat.invoke({"question": "How many boats are there in harbour 9?"})
    runnable = DiffuMaskCompressor(compressor=compressor, target_tokens=40, tokenizer=words)
    messages = runnable.invoke(value).to_messages()
    assert messages[0] == value.to_messages()[0]
    assert messages[-1] == value.to_messages()[-1]
    pairs = messages[1:-1]
    assert 0 < len(pairs) < 12
    assert [message.type for message in pairs] == ["human", "ai"] * (len(pairs) // 2)
    assert sum(words(message.content) for message in messages) <= 40


def test_results_of_failed_tools_stay(half: DiffuMaskCompressor) -> None:
    calls = [{"name": "ferry", "args": {"day": 1}, "id": each, "type": "tool_call"} for each in "12"]
    messages = [
        HumanMessage("When?"),
        AIMessage("", tool_calls=calls),
        ToolMessage(TEXT, tool_call_id="1", status="error"),
        ToolMessage(TEXT, tool_call_id="2"),
    ]
    asked, call, failed, result = half.invoke(messages)
    assert (asked, call, failed) == tuple(messages[:3])
    assert len(result.content) < len(TEXT)


def test_a_text_within_the_budget_comes_back_as_it_is(compressor: Compressor) -> None:
    assert DiffuMaskCompressor(compressor=compressor, target_tokens=1000).invoke(TEXT) == TEXT


def test_a_budget_below_what_must_stay(compressor: Compressor, caplog: pytest.LogCaptureFixture) -> None:
    messages = [AIMessage(TEXT), HumanMessage("When does the ferry leave?")]
    result = DiffuMaskCompressor(compressor=compressor, target_tokens=2).invoke(messages)
    assert result[-1] == messages[-1]
    assert "more than the budget of 2" in caplog.text
    with pytest.raises(BudgetError):
        DiffuMaskCompressor(compressor=compressor, target_tokens=2, on_overflow="raise").invoke(messages)


# Options.


def test_options_are_checked(compressor: Compressor) -> None:
    with pytest.raises(ValueError, match="keep_rate=2"):
        DiffuMaskCompressor(compressor=compressor, keep_rate=2)
    with pytest.raises(ValueError, match="did you mean keep_rate"):
        DiffuMaskCompressor(compressor=compressor, keep_rat=0.5)
    with pytest.raises(ValueError, match="no-such-tokenizer"):
        DiffuMaskCompressor(compressor=compressor, tokenizer="no-such-tokenizer")
    with pytest.raises(TokenizerError, match="no-such-tokenizer"):
        DiffuMaskCompressor(compressor=compressor).bind(tokenizer="no-such-tokenizer").invoke(TEXT)


def test_bind(half: DiffuMaskCompressor) -> None:
    bound = half.bind(target_tokens=10, tokenizer=words, protect=["quarter past nine"])
    for result in (bound.invoke(TEXT), bound.batch([TEXT])[0], asyncio.run(bound.ainvoke(TEXT))):
        assert words(result) <= 10
        assert "quarter past nine" in result


def test_with_config(half: DiffuMaskCompressor) -> None:
    runs = Runs()
    named = half.with_config(run_name="shorter", tags=["prompt"], callbacks=[runs])
    assert named.invoke(TEXT) == half.invoke(TEXT)
    assert [(run.name, run.tags) for run in runs.seen] == [("shorter", ["prompt"])]


@pytest.mark.parametrize("way", ["batch", "abatch"])
def test_a_config_for_each_input(half: DiffuMaskCompressor, way: str) -> None:
    runs = Runs()
    configs = [{"run_name": name, "callbacks": [runs]} for name in ("first", "second")]
    done = getattr(half, way)([TEXT, TEXT], configs)
    assert (asyncio.run(done) if way == "abatch" else done) == [half.invoke(TEXT)] * 2
    assert [run.name for run in runs.seen] == ["first", "second"]


def test_configurable_fields_load_no_model(
    half: DiffuMaskCompressor, monkeypatch: pytest.MonkeyPatch, few_shot_chat: ChatPromptTemplate
) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("loaded again")

    monkeypatch.setattr(Compressor, "from_pretrained", refuse)
    configurable = half.configurable_fields(keep_rate=ConfigurableField(id="keep_rate"))
    short = configurable.with_config(configurable={"keep_rate": 0.2}).invoke(TEXT)
    assert len(short) < len(half.invoke(TEXT)) == len(configurable.invoke(TEXT))
    chain = few_shot_chat | configurable
    value = chain.invoke({"question": "How many?"}, {"configurable": {"keep_rate": 1.0}})
    assert value == few_shot_chat.invoke({"question": "How many?"})


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_dumps_and_loads(model_folder: Any) -> None:
    runnable = DiffuMaskCompressor(
        model=str(model_folder), keep_rate=0.3, protect=["boat"], compress_query=True, grain="words", marks=False
    )
    dumped = dumps(runnable)
    assert "not_implemented" not in dumped
    # Older releases load whatever is in a valid namespace.
    allowed = {"allowed_objects": [DiffuMaskCompressor]} if "allowed_objects" in signature(loads).parameters else {}
    loaded = loads(dumped, valid_namespaces=["diffumask_integrations"], **allowed)
    assert isinstance(loaded, DiffuMaskCompressor)
    assert loaded == runnable
    assert loaded.invoke(TEXT) == runnable.invoke(TEXT)


def test_graph_and_schemas(half: DiffuMaskCompressor, few_shot_chat: ChatPromptTemplate) -> None:
    chain = few_shot_chat | half | FakeListChatModel(responses=["6"])
    names = [node.name for node in chain.get_graph().nodes.values()]
    assert "DiffuMaskCompressor" in names
    for schema in (half.get_input_jsonschema(), half.get_output_jsonschema()):
        assert {"type": "string"} in schema["anyOf"]
        assert "HumanMessage" in json.dumps(schema)
        assert "StringPromptValue" in json.dumps(schema)
    assert chain.get_input_jsonschema()["required"] == ["question"]


# In chains.


def seen_by_llm(prompt: Any, runnable: DiffuMaskCompressor, inputs: dict[str, Any]) -> list[BaseMessage]:
    seen = Seen()
    (prompt | runnable | FakeListChatModel(responses=["6"])).invoke(inputs, {"callbacks": [seen]})
    return seen.messages


def test_string_prompt_in_a_chain(half: DiffuMaskCompressor) -> None:
    prompt = PromptTemplate.from_template("{context}\n\nQuestion: {question}\nAnswer:")
    (message,) = seen_by_llm(prompt, half, {"context": TEXT, "question": "When does it leave?"})
    assert message.content.endswith("Question: When does it leave?\nAnswer:")
    assert len(message.content) < len(TEXT)


def test_few_shot_text_in_a_chain(half: DiffuMaskCompressor, few_shot_text: FewShotPromptTemplate) -> None:
    (message,) = seen_by_llm(few_shot_text, half, {"question": "How many in harbour 9?"})
    assert message.content.startswith("You count boats.")
    assert message.content.endswith("Q: How many in harbour 9?\nA:")
    assert words(message.content) < words(few_shot_text.format(question="How many in harbour 9?"))


def test_few_shot_chat_in_a_chain(half: DiffuMaskCompressor, few_shot_chat: ChatPromptTemplate) -> None:
    messages = seen_by_llm(few_shot_chat, half, {"question": "How many in harbour 9?"})
    assert messages[0] == SystemMessage("You count boats, and nothing else.")
    assert messages[-1] == HumanMessage("How many in harbour 9?")


def test_history_in_a_chain(half: DiffuMaskCompressor) -> None:
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])
    history = [HumanMessage(TEXT, id="1"), AIMessage(TEXT, id="2"), HumanMessage(TEXT, id="3"), AIMessage(TEXT, id="4")]
    messages = seen_by_llm(prompt, half, {"history": history, "question": "When does it leave?"})
    assert messages[-1] == HumanMessage("When does it leave?")
    assert {message.id for message in messages} <= {"1", "2", "3", "4", None}
    assert sum(len(message.content) for message in messages) < 4 * len(TEXT)


def test_every_way_to_call_a_chain(half: DiffuMaskCompressor, few_shot_chat: ChatPromptTemplate) -> None:
    inputs = [{"question": f"How many boats are in harbour {number}?"} for number in (8, 9)]
    chain = few_shot_chat | half | RunnableLambda(lambda value: value.to_string())
    expected = [chain.invoke(each) for each in inputs]
    assert expected[0] != expected[1]
    assert chain.batch(inputs) == expected
    assert list(chain.stream(inputs[0])) == expected[:1]

    async def calls() -> None:
        assert await chain.ainvoke(inputs[0]) == expected[0]
        assert await chain.abatch(inputs) == expected
        assert [each async for each in chain.astream(inputs[0])] == expected[:1]

    asyncio.run(calls())


def test_the_llm_still_streams(half: DiffuMaskCompressor, few_shot_chat: ChatPromptTemplate) -> None:
    def replies() -> Iterator[AIMessage]:
        while True:
            yield AIMessage("There are nine of them.")

    chain = few_shot_chat | half | GenericFakeChatModel(messages=replies()) | StrOutputParser()
    chunks = list(chain.stream({"question": "How many?"}))
    assert len(chunks) > 5
    assert "".join(chunks) == "There are nine of them."

    async def astream() -> list[str]:
        return [chunk async for chunk in chain.astream({"question": "How many?"})]

    assert [chunk for chunk in asyncio.run(astream()) if chunk] == [chunk for chunk in chunks if chunk]


@pytest.mark.parametrize("way", ["batch", "abatch"])
def test_an_input_that_fails_in_a_batch(half: DiffuMaskCompressor, way: str) -> None:
    def batch(**options: Any) -> list[Any]:
        if way == "batch":
            return half.batch([TEXT, 7, TEXT], **options)
        return asyncio.run(half.abatch([TEXT, 7, TEXT], **options))

    first, failed, last = batch(return_exceptions=True)
    assert first == last == half.invoke(TEXT)
    assert isinstance(failed, InputError)
    with pytest.raises(InputError, match="This is an int, which cannot"):
        batch()


# Savings.


def savings_of(data: dict[str, Any]) -> None:
    assert data["original_tokens"] - data["compressed_tokens"] == data["saved_tokens"] > 0
    assert data["compressed_tokens"] <= data["budget"]
    assert data["counter"]
    assert data["dropped_shots"] >= 0
    assert data["marks"] >= 0


@pytest.mark.parametrize("way", ["invoke", "batch", "ainvoke", "abatch"])
def test_savings_are_an_event_and_on_the_run(half: DiffuMaskCompressor, way: str) -> None:
    seen, runs = Seen(), Runs()
    config = {"callbacks": [seen, runs]}
    value = [TEXT] if "batch" in way else TEXT
    called = getattr(half, way)(value, config)
    if way[0] == "a":

        async def wait() -> None:
            await called

        asyncio.run(wait())
    ((name, data, run_id),) = seen.events
    (run,) = runs.seen
    assert name == "diffumask_compression"
    assert run.id == run_id
    assert run.metadata == {"diffumask_compression": data}
    savings_of(data)


def test_savings_in_astream_events(half: DiffuMaskCompressor, few_shot_chat: ChatPromptTemplate) -> None:
    chain = few_shot_chat | half | FakeListChatModel(responses=["6"])

    async def events() -> list[Any]:
        return [event async for event in chain.astream_events({"question": "How many?"}, version="v2")]

    found = [event for event in asyncio.run(events()) if event["event"] == "on_custom_event"]
    assert [event["name"] for event in found] == ["diffumask_compression"]
    savings_of(found[0]["data"])


def test_dropped_shots_are_counted(compressor: Compressor, few_shot_chat: ChatPromptTemplate) -> None:
    seen = Seen()
    runnable = DiffuMaskCompressor(compressor=compressor, target_tokens=40)
    value: PromptValue = few_shot_chat.invoke({"question": "How many?"})
    result = runnable.invoke(value, {"callbacks": [seen]})
    gone = len(value.to_messages()) - len(result.to_messages())
    assert seen.events[0][1]["dropped_shots"] == gone / 2 > 0


# Prompts of RAG chains, and text that goes by lines.

CONTEXT = " ".join([TEXT] * 4)
LOG = "\n".join(
    [f"2026-03-{day:02} 10:00:{day:02} INFO worker-{day % 3} job {day * 7} done in {day} ms" for day in range(1, 25)]
    + ["2026-03-25 11:00:00 ERROR worker-2 job 999 failed: disk full"]
)
RAG_PROMPTS = {
    "system and context above the question": [
        ("system", "Answer from the context."),
        ("human", "Context:\n{context}\n\nQuestion: {question}"),
    ],
    "question above the context": [
        (
            "human",
            "You are an assistant for question-answering tasks. Use the following pieces of retrieved context to "
            "answer the question. If you don't know the answer, just say that you don't know.\nQuestion: {question} \n"
            "Context: {context} \nAnswer:",
        )
    ],
    "context in an element": [("human", "<context>\n{context}\n</context>\n\nQuestion: {question}\nAnswer:")],
}


@pytest.mark.parametrize("context", [CONTEXT, LOG])
@pytest.mark.parametrize("name", RAG_PROMPTS)
def test_the_context_of_a_rag_prompt_gets_shorter_and_its_task_stays(
    compressor: Compressor, name: str, context: str
) -> None:
    prompt = ChatPromptTemplate.from_messages(RAG_PROMPTS[name])
    given = prompt.invoke({"context": context, "question": "Which ferry is the last one?"}).to_messages()
    result = (prompt | DiffuMaskCompressor(compressor=compressor, keep_rate=0.3)).invoke(
        {"context": context, "question": "Which ferry is the last one?"}
    )
    left = result.to_messages()
    assert left[:-1] == given[:-1]
    assert len(str(left[-1].content)) < 0.75 * len(str(given[-1].content))
    task = str(given[-1].content).replace(context, "")
    for line in filter(None, (line.removesuffix("Context:").strip() for line in task.splitlines())):
        if line[0] not in "<C":
            assert line in str(left[-1].content)


def test_lines_go_whole_and_marks_are_counted(compressor: Compressor) -> None:
    seen = Seen()
    runnable = DiffuMaskCompressor(compressor=compressor, keep_rate=0.4)
    left = str(runnable.invoke(f"Which job failed?\n\n{LOG}", {"callbacks": [seen]})).splitlines()
    marks = [line for line in left if line.startswith("[…")]
    assert left[0] == "Which job failed?"
    assert set(left[1:]) - set(marks) < {*LOG.splitlines(), ""}
    assert seen.events[0][1]["marks"] == len(marks) > 0


def test_bind_takes_grain_and_marks(compressor: Compressor) -> None:
    runnable = DiffuMaskCompressor(compressor=compressor, keep_rate=0.4)
    assert "left out]" in str(runnable.invoke(LOG))
    without = str(runnable.bind(marks=False).invoke(LOG))
    assert "left out]" not in without
    assert set(without.splitlines()) < set(LOG.splitlines())
    words_go = str(runnable.bind(grain="words").invoke(LOG))
    assert not set(words_go.splitlines()) <= set(LOG.splitlines())
