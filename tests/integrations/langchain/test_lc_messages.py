import copy
import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    SystemMessage,
    ToolMessage,
)

from diffumask_core import BudgetError, Compressor
from diffumask_core.prompt.formats import put_text
from diffumask_integrations.langchain import DiffuMaskCompressor
from diffumask_integrations.langchain.messages import failed_tools, put_back, read_openai, to_openai


def call(name: str, **arguments: object) -> dict[str, object]:
    return {"name": name, "args": arguments, "id": f"call-{name}", "type": "tool_call"}


def with_texts(message: BaseMessage, text: str) -> BaseMessage:
    """The message after each of its texts has become this one."""
    (sent,) = to_openai([message])
    content = sent["content"]
    if isinstance(content, str):
        sent["content"] = text
    else:
        sent["content"] = [{**part, "text": text} if part["type"] == "text" else part for part in content]
    (result,) = put_back([message], [sent])
    return result


@pytest.mark.parametrize(
    ("message", "role"),
    [
        (HumanMessage("hi"), "user"),
        (HumanMessageChunk(content="hi"), "user"),
        (AIMessage("hi"), "assistant"),
        (AIMessageChunk(content="hi"), "assistant"),
        (SystemMessage("hi"), "system"),
        (ToolMessage("hi", tool_call_id="1"), "tool"),
        (FunctionMessage("hi", name="f"), "function"),
        (ChatMessage("hi", role="human"), "user"),
        (ChatMessage("hi", role="reviewer"), "reviewer"),
    ],
)
def test_role_and_text(message: BaseMessage, role: str) -> None:
    (sent,) = to_openai([message])
    assert (sent["role"], sent["content"], sent["index"]) == (role, "hi", 0)


def test_exemplars_that_the_system_tells_are_not_instructions(compressor: Compressor) -> None:
    reply = "The boat is moored at the second pier, next to the crane, until the end of the month."
    pairs = [
        [
            SystemMessage(f"Where is boat {number}, please?", name="example_user"),
            SystemMessage(reply, name="example_assistant"),
        ]
        for number in range(4)
    ]
    messages = [SystemMessage("Be brief."), *(each for pair in pairs for each in pair), HumanMessage("And boat 7?")]
    left = DiffuMaskCompressor(compressor=compressor, keep_rate=0.5, tokenizer=len).invoke(messages)
    assert isinstance(left, list)
    assert (left[0], left[-1]) == (messages[0], messages[-1])
    replies = [message for message in left if getattr(message, "name", None) == "example_assistant"]
    assert 0 < len(replies) < len(pairs)
    assert all(message.content == reply for message in replies)


def test_tool_calls_are_sent_as_json_also_broken_ones() -> None:
    broken = {"name": None, "args": '{"city": ', "id": "2", "error": "no JSON", "type": "invalid_tool_call"}
    message = AIMessage("", tool_calls=[call("weather", city="Zürich", at=None)], invalid_tool_calls=[broken])
    good, bad = (each["function"] for each in to_openai([message])[0]["tool_calls"])
    assert good["name"] == "weather"
    assert json.loads(good["arguments"]) == {"city": "Zürich", "at": None}
    assert bad == {"name": "", "arguments": '{"city": '}


def test_only_texts_of_a_list_content_change() -> None:
    blocks = [
        "a plain string",
        {"type": "text", "text": "a block", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"},
        {"type": "tool_use", "id": "1", "name": "f", "input": {"text": "not a text"}},
        {"type": "text", "text": None},
        {"text": "no type"},
    ]
    message = HumanMessage(content=blocks, id="m", name="Ada", additional_kwargs={"k": 1})
    before = copy.deepcopy(message)
    result = with_texts(message, "short")
    assert result.content == ["short", {**blocks[1], "text": "short"}, *blocks[2:]]
    assert result.model_copy(update={"content": message.content}) == message == before


def test_a_message_that_stays_the_same_is_the_same_object() -> None:
    messages = [HumanMessage("hi"), AIMessage([{"type": "text", "text": "ho"}]), SystemMessage("")]
    result = put_back(messages, to_openai(messages))
    assert all(new is old for new, old in zip(result, messages, strict=True))


def test_dropped_messages_are_left_out_in_order() -> None:
    messages = [HumanMessage("a"), AIMessage("b"), HumanMessage("c")]
    assert put_back(messages, to_openai(messages)[::2]) == [messages[0], messages[2]]


def test_failed_tools() -> None:
    messages = [
        HumanMessage("a"),
        ToolMessage("b", tool_call_id="1", status="error"),
        ToolMessage("c", tool_call_id="2"),
    ]
    assert failed_tools(messages) == [1]
    assert [each["is_error"] for each in to_openai(messages)] == [False, True, False]
    assert [text.kind for each in read_openai(to_openai(messages)) for text in each.texts] == [
        "text",
        "failed",
        "result",
    ]


# Blocks of Anthropic and of OpenAI's Responses.

THOUGHT = {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmVk"}
IMAGE = {"type": "image", "source": {"type": "base64", "data": "AAAA"}}


def use(number: int) -> dict[str, object]:
    return {"type": "tool_use", "id": f"t{number}", "name": "tides", "input": {"pier": "north"}}


def result_of(number: int, content: object, **more: object) -> dict[str, object]:
    return {"type": "tool_result", "tool_use_id": f"t{number}", "content": content, **more}


class TestBlocks:
    def test_results_in_a_human_message(self) -> None:
        nested = [{"type": "text", "text": "a table", "cache_control": {"type": "ephemeral"}}, IMAGE, "a string"]
        message = HumanMessage([result_of(1, "noon"), result_of(2, nested), {"type": "text", "text": "And now?"}])
        before = copy.deepcopy(message)
        (sent,) = to_openai([message])
        (read,) = read_openai([sent])
        assert [(text.text, text.kind) for text in read.texts] == [
            *[("noon", "result"), ("a table", "result"), ("a string", "result"), ("And now?", "text")],
        ]
        assert (read.role, read.asks, read.answers) == ("tool", True, ("t1", "t2"))
        for text in read.texts:
            put_text(sent, text.keys, text.text[:1])
        (short,) = put_back([message], [sent])
        assert short.content == [
            result_of(1, "n"),
            result_of(2, [{**nested[0], "text": "a"}, IMAGE, "a"]),
            {"type": "text", "text": "A"},
        ]
        assert message == before

    def test_a_result_that_failed_is_known(self) -> None:
        (read,) = read_openai(to_openai([HumanMessage([result_of(1, "no such pier", is_error=True)])]))
        assert [text.kind for text in read.texts] == ["failed"]

    def test_a_tool_message_with_blocks(self) -> None:
        for content in ([{"type": "text", "text": "noon"}, IMAGE], [result_of(1, [{"type": "text", "text": "noon"}])]):
            message = ToolMessage(content, tool_call_id="t1", name="tides")
            (read,) = read_openai(to_openai([message]))
            assert [(text.text, text.kind) for text in read.texts] == [("noon", "result")]
            assert put_back([message], to_openai([message])) == [message]

    def test_a_call_counts_once(self) -> None:
        called = [{"name": "tides", "args": {"pier": "north"}, "id": "t1"}]
        responses = {"type": "function_call", "id": "fc_9", "call_id": "t1", "name": "tides", "arguments": '{"a": 1}'}
        for content in ([THOUGHT, use(1)], [{"type": "reasoning", "id": "r", "summary": []}, responses]):
            for calls in (called, []):
                message = AIMessage(content, tool_calls=calls)
                (read,) = read_openai(to_openai([message]))
                assert [text.kind for text in read.texts] == ["fixed", "fixed"]
                assert read.calls == ("t1",)
                assert put_back([message], to_openai([message]))[0] is message

    def test_texts_of_responses(self) -> None:
        blocks = [
            {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "x"}]},
            {"type": "output_text", "text": "At noon.", "id": "m1"},
            {"type": "output_text", "text": "See there.", "annotations": [{"type": "url_citation", "start_index": 4}]},
        ]
        short = with_texts(AIMessage(blocks), "noon")
        assert short.content == [blocks[0], {**blocks[1], "text": "noon"}, blocks[2]]
        assert with_texts(HumanMessage([{"type": "input_text", "text": "When?"}]), "x").content == [
            {"type": "input_text", "text": "x"}
        ]

    def test_odd_blocks_stay(self) -> None:
        blocks = [
            *[{"type": "tool_use", "id": ["t"], "name": None}, {"type": "tool_use", "name": "f", "id": {}}],
            *[{"type": "tool_result"}, {"type": "tool_result", "content": 5}, {"type": 7}, {"type": "text"}],
        ]
        for message in (AIMessage(blocks), HumanMessage(blocks)):
            read_openai(to_openai([message]))
            assert put_back([message], to_openai([message]))[0] is message

    def test_a_runnable_keeps_calls_and_results_together(self, compressor: Compressor) -> None:
        words = "The ferry leaves from the north pier every forty minutes, as long as there is light. " * 4
        turn = [
            HumanMessage("When does the ferry leave?"),
            AIMessage([THOUGHT, use(1)]),
            HumanMessage([result_of(1, words)]),
            AIMessage([{"type": "text", "text": f"I read this: {words}"}]),
        ]
        running = [HumanMessage("And in winter?"), AIMessage([THOUGHT, use(2)]), HumanMessage([result_of(2, words)])]
        messages = [*turn, *running]
        for rate in (0.01, 0.2, 0.5, 0.8):
            runnable = DiffuMaskCompressor(compressor=compressor, keep_rate=rate, on_overflow="best_effort")
            result = runnable.invoke(messages)
            assert isinstance(result, list)
            assert len(result) in (3, 7)
            assert result[-3:-1] == running[:2]
            # The result of the running turn is the last to get shorter.
            assert result != messages
            assert result[-1] != messages[-1] or rate >= 0.5
            assert result[-1].content[0]["tool_use_id"] == "t2"  # type: ignore[index]

    def test_messages_whose_only_texts_are_results(self, compressor: Compressor) -> None:
        words = "The ferry leaves from the north pier every forty minutes, as long as there is light. " * 4
        messages = [AIMessage([use(1)]), HumanMessage([result_of(1, words)])]
        result = DiffuMaskCompressor(compressor=compressor, keep_rate=0.4).invoke(messages)
        assert result[0] == messages[0]  # type: ignore[index]
        assert result[1] != messages[1]  # type: ignore[index]


# Whole conversations.

_VOCABULARY = "the a harbour of boats 1,200 ships is it not very old {name} and so on. What, really?"
_WORDS = st.sampled_from(sorted(set(_VOCABULARY.split())))
_TEXTS = st.lists(_WORDS, min_size=1, max_size=30).map(" ".join)
_BLOCKS = st.one_of(
    _TEXTS,
    _TEXTS.map(lambda text: {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}),
    st.just({"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}),
    st.just({"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmVk"}),
)
_CONTENTS = st.one_of(_TEXTS, st.just(""), st.lists(_BLOCKS, max_size=3))
_NAMES = st.sampled_from([None, "Ada", "Bo"])


@st.composite
def conversations(draw: st.DrawFn) -> list[BaseMessage]:
    messages: list[BaseMessage] = []

    def add(kind: type[BaseMessage], **fields: object) -> None:
        messages.append(kind(id=f"m{len(messages)}", additional_kwargs={"n": [len(messages)]}, **fields))

    for kind in draw(st.lists(st.sampled_from("hhhaatts"), min_size=1, max_size=10)):
        content = draw(_CONTENTS)
        if kind == "h":
            add(HumanMessage, content=content, name=draw(_NAMES))
        elif kind == "s":
            add(SystemMessage, content=content)
        elif kind == "a":
            add(AIMessage, content=content, name=draw(_NAMES), response_metadata={"model": "m"})
        else:
            asked = [call(f"f{len(messages)}x{number}", text=draw(_TEXTS)) for number in range(draw(st.integers(1, 2)))]
            add(AIMessage, content=content, tool_calls=asked)
            for each in asked:
                status = draw(st.sampled_from(["success", "error"]))
                add(
                    ToolMessage, content=draw(_CONTENTS), tool_call_id=each["id"], status=status, artifact={"rows": [1]}
                )
    return messages


def texts_of(message: BaseMessage) -> list[str]:
    (sent,) = to_openai([message])
    content = sent["content"]
    return [content] if isinstance(content, str) else [part["text"] for part in content if part["type"] == "text"]


def words(text: str) -> int:
    return len(text.split())


def tokens(messages: list[BaseMessage]) -> int:
    sent = to_openai(messages)
    calls = [each["function"] for message in sent for each in message["tool_calls"]]
    texts = [text for message in messages for text in texts_of(message)]
    return sum(map(words, texts)) + sum(words(each["name"]) + words(each["arguments"]) for each in calls)


@settings(max_examples=60, deadline=None)
@given(messages=conversations(), target_tokens=st.integers(1, 150))
def test_only_texts_and_whole_turns_go(compressor: Compressor, messages: list[BaseMessage], target_tokens: int) -> None:
    runnable = DiffuMaskCompressor(
        compressor=compressor, target_tokens=target_tokens, tokenizer=words, on_overflow="raise"
    )
    before = copy.deepcopy(messages)
    try:
        result = runnable.invoke(messages)
    except BudgetError:
        assume(False)
    assert messages == before
    assert isinstance(result, list)

    by_id = {message.id: message for message in messages}
    assert [message.id for message in result] == [id_ for id_ in by_id if id_ in {each.id for each in result}]
    for message in result:
        original = by_id[message.id]
        assert type(message) is type(original)
        assert message.model_copy(update={"content": original.content}) == original
        if isinstance(original.content, str):
            assert isinstance(message.content, str)
            assert message.content.strip() or not original.content
        else:
            assert all(
                (new if isinstance(new, str) else new.get("text")) != ""
                and (isinstance(old, str) or old["type"] == "text" or new == old)
                and (isinstance(old, str) or {**new, "text": None} == {**old, "text": None})
                for new, old in zip(message.content, original.content, strict=True)
            )

    asked = [each["id"] for message in result if isinstance(message, AIMessage) for each in message.tool_calls]
    assert asked == [message.tool_call_id for message in result if isinstance(message, ToolMessage)]
    stays = [message for message in messages if isinstance(message, SystemMessage)]
    stays += [message for message in messages if isinstance(message, ToolMessage) and message.status == "error"]
    stays += [message for message in messages if isinstance(message, HumanMessage)][-1:]
    assert all(message in result for message in stays)
    if any(text.strip() for message in messages for text in texts_of(message)):
        assert tokens(result) <= target_tokens
    else:
        assert result == messages
