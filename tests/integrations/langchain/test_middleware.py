import asyncio
import copy
import json
import pickle
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from pydantic import Field

from diffumask_core import Compressor, InputError
from diffumask_core.tokens import get_counter
from diffumask_integrations.langchain.middleware import DiffuMaskMiddleware

MANUAL = (
    "The workshop opens at eight on weekdays and at ten on Saturdays; it is closed on Sundays and on public holidays. "
    "A bicycle that was left for repair is kept for thirty days after the work was done. After that a small fee is "
    "charged for every further week, and after half a year the bicycle may be given to a charity in the same town. "
    "Whoever brings a bicycle in gets a paper slip with a number, which has to be shown when it is picked up again."
)
STOCK = [
    {"part": f"brake pad {size}", "left": size, "shelf": f"row {size}, behind the counter, below the old saddles"}
    for size in range(12)
]


@tool
def manual(topic: str) -> str:
    """Looks a topic up in the workshop's manual."""
    return f"On {topic}: {MANUAL}"


@tool
def stock(part: str) -> str:
    """Lists parts."""
    return json.dumps(STOCK)


@tool
def price(part: str) -> str:
    """Fails: the list of prices is away."""
    raise ValueError(f"No price for {part}. {MANUAL}")


class ScriptedModel(BaseChatModel):
    """Gives its replies in turn, and remembers what it was shown."""

    replies: list[AIMessage]
    seen: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> "ScriptedModel":
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.seen.append(messages)
        reply = self.replies[len(self.seen) - 1]
        return ChatResult(generations=[ChatGeneration(message=reply)])


def call(name: str, number: int = 1, content: str = "") -> AIMessage:
    arguments = {"topic" if name == "manual" else "part": "brake pads"}
    return AIMessage(content, tool_calls=[{"name": name, "args": arguments, "id": f"call-{number}"}])


def conversation(turns: int) -> list[BaseMessage]:
    """Turns of a question, a call, its long result and a long answer."""
    messages: list[BaseMessage] = []
    for turn in range(turns):
        messages += [
            HumanMessage(f"Question {turn}: what does the manual say?", id=f"human-{turn}"),
            call("manual", turn),
            ToolMessage(f"{turn}. {MANUAL}", tool_call_id=f"call-{turn}", name="manual", id=f"tool-{turn}"),
            AIMessage(f"Answer {turn}. {MANUAL}", id=f"ai-{turn}"),
        ]
    return messages


Make = Callable[..., DiffuMaskMiddleware]


@pytest.fixture
def middleware(compressor: Compressor) -> Make:
    return lambda **options: DiffuMaskMiddleware(compressor=compressor, **options)


def changed(before: list[BaseMessage], after: list[BaseMessage]) -> list[int]:
    assert len(before) == len(after)
    return [index for index, pair in enumerate(zip(before, after, strict=True)) if pair[0].content != pair[1].content]


def shared(first: list[BaseMessage], second: list[BaseMessage]) -> int:
    """How many messages two requests have in common at their beginnings, as they are sent."""
    serialized = [[message.model_dump_json() for message in request] for request in (first, second)]
    same = [a == b for a, b in zip(*serialized, strict=False)]
    return [*same, False].index(False)


class TestAgent:
    REPLIES = (call("manual", 1), call("stock", 2, "Now the parts."), AIMessage("Here is what I found."))

    def check(self, model: ScriptedModel, state: list[BaseMessage]) -> None:
        human, _, found, _, parts, answer = state
        assert human.content == "What about brake pads?"
        assert found.content == f"On brake pads: {MANUAL}"
        assert parts.content == json.dumps(STOCK)
        assert answer.content == "Here is what I found."
        system, *seen = model.seen[-1]
        assert system.content == "You help."
        assert changed(state[:-1], seen) == [2, 4]
        assert all(0 < len(seen[index].content) < len(state[index].content) for index in (2, 4))
        assert json.loads(str(seen[4].content))
        assert [message.id for message in seen] == [message.id for message in state[:-1]]

    def test_sync(self, middleware: Make) -> None:
        model = ScriptedModel(replies=self.REPLIES)
        layer = middleware(keep=("messages", 0))
        agent = create_agent(model, [manual, stock], system_prompt="You help.", middleware=[layer])
        state = agent.invoke({"messages": [HumanMessage("What about brake pads?")]})
        self.check(model, state["messages"])

    async def test_async(self, middleware: Make) -> None:
        model = ScriptedModel(replies=self.REPLIES)
        layer = middleware(keep=("messages", 0))
        agent = create_agent(model, [manual, stock], system_prompt="You help.", middleware=[layer])
        state = await agent.ainvoke({"messages": [HumanMessage("What about brake pads?")]})
        self.check(model, state["messages"])

    @pytest.mark.parametrize("keep", [0, 1, 5])
    def test_the_part_that_all_later_requests_share_only_grows(self, middleware: Make, keep: int) -> None:
        turns = 20
        replies = [reply for turn in range(turns) for reply in (call("manual", turn), AIMessage(f"{turn}. {MANUAL}"))]
        model = ScriptedModel(replies=replies)
        agent = create_agent(model, [manual], middleware=[middleware(keep=("messages", keep), keep_rate=0.25)])
        state: dict[str, Any] = {"messages": []}
        for turn in range(turns):
            asked = HumanMessage(f"Question {turn}: {MANUAL} What follows from that?")
            state = agent.invoke({"messages": [*state["messages"], asked]})
        requests = model.seen
        assert len(requests) == 2 * turns
        stable = [min(shared(request, later) for later in requests[index:]) for index, request in enumerate(requests)]
        assert stable == sorted(stable)
        # All that is old stays as it is, so each request goes on from all but the newest messages of the one before.
        assert all(len(request) - length <= keep + 1 for request, length in zip(requests, stable, strict=True))
        assert all(shared(first, second) >= len(first) - keep for first, second in pairwise(requests))
        text = "".join(str(message.content) for message in requests[-1])
        assert len(text) < 0.6 * len("".join(str(message.content) for message in state["messages"]))


class TestWhatIsShortened:
    def test_old_messages_of_every_kind(self, middleware: Make) -> None:
        messages = conversation(3)
        messages[0] = HumanMessage(f"{MANUAL} What does that mean?", id="human-0")
        seen = middleware(keep=("messages", 4), keep_rate=0.4).compress(messages)
        assert changed(messages, seen) == [0, 2, 3, 6, 7]

    def test_a_rate_and_a_budget_hold_for_each_message(self, middleware: Make) -> None:
        messages = conversation(2)
        count = get_counter("gpt-4o").count
        # The first word of each message stays beside the share, here with the number of a list item.
        length = count(MANUAL) + 8
        for options, limit in (({"target_tokens": 40}, 40), ({"keep_rate": 0.3}, 0.3 * length), ({}, 0.5 * length)):
            seen = middleware(keep=("messages", 0), **options).compress(messages)
            assert changed(messages, seen) == [2, 3, 6, 7]
            assert all(count(str(seen[index].content)) <= limit for index in (2, 3, 6, 7))

    def test_settings_reach_the_core(self, middleware: Make) -> None:
        messages = conversation(2)
        seen = middleware(keep=("messages", 0), target_tokens=150, tokenizer=len, protect=["charity"]).compress(
            messages
        )
        for index in (2, 3, 6, 7):
            assert len(str(seen[index].content)) <= 150
            assert "charity" in str(seen[index].content)

    def test_the_question_of_a_turn_stays_while_the_agent_is_at_work(self, middleware: Make) -> None:
        question = HumanMessage(MANUAL)
        work = [
            message
            for number in range(6)
            for message in (call("manual", number), ToolMessage(MANUAL, tool_call_id=f"call-{number}"))
        ]
        layer = middleware(keep=("messages", 2))
        seen = layer.compress([question, *work])
        assert changed([question, *work], seen) == [2, 4, 6, 8, 10]
        # And for good: the requests that come after begin in the same way.
        later = layer.compress([question, *work, AIMessage(MANUAL), *conversation(2)])
        assert shared(seen, later) >= 11

    def test_messages_that_stay(self, middleware: Make) -> None:
        messages = [
            SystemMessage(MANUAL),
            *conversation(1),
            call("price", 7, MANUAL),
            ToolMessage(f"Error: {MANUAL}", tool_call_id="call-7", status="error"),
            ToolMessage("Short.", tool_call_id="call-8"),
        ]
        seen = middleware(keep=("messages", 0)).compress(messages)
        assert changed(messages, seen) == [3, 4, 5]
        assert isinstance(seen[5], AIMessage)
        assert seen[5].tool_calls == messages[5].tool_calls

    def test_a_tool_that_raises(self, middleware: Make) -> None:
        from langchain.agents.middleware import ToolRetryMiddleware

        model = ScriptedModel(replies=[call("price"), AIMessage("No price.")])
        layers = [middleware(keep=("messages", 0)), ToolRetryMiddleware(max_retries=0)]
        state = create_agent(model, [price], middleware=layers).invoke({"messages": [HumanMessage("How much?")]})
        assert state["messages"][2].status == "error"
        assert model.seen[-1][2].content == state["messages"][2].content

    def test_excluded_tools(self, middleware: Make) -> None:
        nameless = ToolMessage(MANUAL, tool_call_id="call-9")
        messages = [*conversation(1), call("stock", 9), nameless]
        layer = middleware(keep=("messages", 0), exclude_tools=["manual"])
        assert changed(messages, layer.compress(messages)) == [3, 5]
        layer = middleware(keep=("messages", 0), exclude_tools={"stock"})
        assert changed(messages, layer.compress(messages)) == [2, 3]

    def test_json_stays_json(self, middleware: Make) -> None:
        result = ToolMessage(json.dumps({"parts": STOCK, "note": MANUAL, "total": 12}), tool_call_id="call-1")
        messages = [HumanMessage("Which brake pads are left?"), call("stock"), result]
        for rate in (0.1, 0.3, 0.6):
            seen = middleware(keep=("messages", 0), keep_rate=rate).compress(messages)
            assert len(str(seen[2].content)) < len(str(result.content))
            assert set(json.loads(str(seen[2].content))) <= {"parts", "note", "total"}

    def test_lines_of_a_result_go_whole(self, middleware: Make) -> None:
        log = [f"2026-03-{day:02} 10:00:{day:02} INFO job {day * 7} done in {day} ms" for day in range(1, 25)]
        hits = [f"src/part_{n}.py:{n * 3}:    total = add(total, {n})" for n in range(1, 25)]
        diff = [
            "--- a/parts.py",
            "+++ b/parts.py",
            "@@ -1,24 +1,24 @@",
            *(f"-old_{n} = {n}\n+new_{n} = {n}" for n in hits),
        ]
        for lines in (log, hits, diff):
            content = "\n".join(lines)
            result = ToolMessage(content, tool_call_id="call-1")
            messages = [HumanMessage("Which job failed?"), call("manual"), result]
            (*_, seen) = middleware(keep=("messages", 0), keep_rate=0.4).compress(messages)
            left = str(seen.content).splitlines()
            assert any(line.startswith("[…") for line in left)
            assert {line for line in left if not line.startswith("[…")} < set(content.splitlines())

    def test_what_is_small_stays(self, middleware: Make) -> None:
        messages = [HumanMessage("What?"), call("manual"), ToolMessage(MANUAL[:200], tool_call_id="call-1")]
        assert not changed(messages, middleware(keep=("messages", 0), keep_rate=0.1).compress(messages))

    def test_blocks_that_are_not_text(self, middleware: Make) -> None:
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
        text = {"type": "text", "text": MANUAL, "cache_control": {"type": "ephemeral"}}
        result = ToolMessage([image, text, "Short."], tool_call_id="call-1", artifact={"rows": 3})
        (*_, seen) = middleware(keep=("messages", 0)).compress([HumanMessage("What?"), call("manual"), result])
        first, second, third = seen.content
        assert (first, third) == (image, "Short.")
        assert isinstance(second, dict)
        assert 0 < len(second.pop("text")) < len(MANUAL)
        assert second == {"type": "text", "cache_control": {"type": "ephemeral"}}
        assert (seen.tool_call_id, seen.artifact) == ("call-1", {"rows": 3})


class TestWhenItIsShortened:
    def test_trigger(self, middleware: Make) -> None:
        messages = conversation(4)
        texts = [str(message.content) for message in messages]
        calls = [f"{call['name']}{json.dumps(call['args'])}" for m in messages for call in getattr(m, "tool_calls", [])]
        total = len("".join(texts + calls))
        for limit, on in ((total + 1, False), (total, True), (0, True)):
            layer = middleware(trigger=("tokens", limit), tokenizer=len, keep=("messages", 4))
            assert bool(changed(messages, layer.compress(messages))) == on
        # Once on it stays on, since the original messages are counted.
        layer = middleware(trigger=("tokens", total), tokenizer=len, keep=("messages", 4))
        longer = [*messages, HumanMessage("And now?")]
        assert layer.compress(longer)[:12] == layer.compress(messages)[:12]

    @pytest.mark.parametrize("keep", [1, 3, 8, 50])
    def test_recent_messages_stay(self, middleware: Make, keep: int) -> None:
        messages = conversation(5)
        for length in range(len(messages)):
            seen = middleware(keep=("messages", keep)).compress(messages[:length])
            assert all(index < length - keep for index in changed(messages[:length], seen))

    def test_no_messages(self, middleware: Make) -> None:
        assert middleware().compress([]) == []

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("trigger", ("fraction", 0.5)),
            ("trigger", ("tokens", -1)),
            ("trigger", []),
            ("trigger", 800),
            ("keep", ("lines", 3)),
            ("keep", ("messages", "3")),
            ("exclude_tools", "manual"),
            ("keep_rate", 1.5),
        ],
    )
    def test_bad_options(self, middleware: Make, option: str, value: Any) -> None:
        with pytest.raises((InputError, ValueError), match=option):
            middleware(**{option: value})


def test_many_threads_see_the_same(middleware: Make) -> None:
    conversations = [conversation(turns) for turns in range(1, 7)]
    alone = [middleware(keep=("messages", 2)).compress(messages) for messages in conversations]
    layer = middleware(keep=("messages", 2))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(layer.compress, conversations * 3)) == alone * 3


def test_a_pickled_or_copied_one_shows_the_same(middleware: Make) -> None:
    layer = middleware(keep=("messages", 2), trigger=("tokens", 40), exclude_tools=["stock"], protect=["paper slip"])
    messages = conversation(4)
    seen = layer.compress(messages)
    assert seen != messages
    for again in (pickle.loads(pickle.dumps(layer)), copy.copy(layer), copy.deepcopy(layer)):
        assert again.compress(messages) == seen


async def test_the_event_loop_goes_on(middleware: Make) -> None:
    """What the middleware waits for can only happen in the loop."""
    loop = asyncio.get_running_loop()

    def count(text: str) -> int:
        return asyncio.run_coroutine_threadsafe(asyncio.sleep(0, len(text)), loop).result(timeout=5)

    layer = middleware(tokenizer=count)
    agent = create_agent(ScriptedModel(replies=[AIMessage("Yes.")]), middleware=[layer])
    state = await agent.ainvoke({"messages": [HumanMessage("Is it open?")]})
    assert state["messages"][-1].content == "Yes."


PARTS = "\n".join(
    f"2026-03-{day:02} 10:00:{day:02} INFO part {day * 7} was sold to customer {day}" for day in range(1, 29)
)


@tool
def sales(part: str) -> str:
    """Lists what was sold."""
    return PARTS


def read(mark: str, number: int) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": "read_left_out", "args": {"mark": mark}, "id": f"read-{number}"}])


class ReadingModel(ScriptedModel):
    """Lists sales, twice; then reads what was left out of the first list."""

    replies: list[AIMessage] = Field(default_factory=list)

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        marks = re.findall(r"\[… .*?\]", "".join(str(message.content) for message in messages))
        steps = [call("sales", 1), call("sales", 2), call("sales", 3), read([*marks, "none"][0], 4), read("#000000", 5)]
        self.replies = [*steps, AIMessage("Done.")]
        return super()._generate(messages, *args, **kwargs)


class TestReadLeftOut:
    def check(self, layer: DiffuMaskMiddleware, model: ReadingModel, state: list[BaseMessage]) -> None:
        *_, asked, answer, _, failed, done = state
        assert done.content == "Done."
        mark = asked.tool_calls[0]["args"]["mark"]  # type: ignore[attr-defined]
        shown = str(model.seen[3][2].content)
        assert re.fullmatch(r"\[… \d+ (?:similar )?lines? left out, #\w{6}\]", mark)
        before, after = shown.split(mark)
        assert str(answer.content).count("\n") >= 0
        assert PARTS.split("\n")[before.count("\n")] == str(answer.content).split("\n")[0]
        assert answer.content in PARTS
        assert after.split("\n")[1] == PARTS.partition(str(answer.content))[2].split("\n")[1]
        assert failed.status == "error"  # type: ignore[attr-defined]
        assert "Nothing was left out under the mark '#000000': pass one of the names" in failed.content
        assert [message.content for message in state[2:7:2]] == [PARTS] * 3
        assert [each.name for each in layer.tools] == ["read_left_out"]

    def test_sync(self, middleware: Make) -> None:
        model, layer = ReadingModel(), middleware(restore=True)
        agent = create_agent(model, [sales], middleware=[layer])
        self.check(layer, model, agent.invoke({"messages": [HumanMessage("What was sold?")]})["messages"])

    async def test_async(self, middleware: Make) -> None:
        model, layer = ReadingModel(), middleware(restore=True)
        agent = create_agent(model, [sales], middleware=[layer])
        state = await agent.ainvoke({"messages": [HumanMessage("What was sold?")]})
        self.check(layer, model, state["messages"])

    def test_the_model_sees_the_mark_alone(self, middleware: Make) -> None:
        (tool,) = middleware(restore=True).tools
        assert list(tool.tool_call_schema.model_json_schema()["properties"]) == ["mark"]

    def test_another_process_answers_from_the_state(self, middleware: Make) -> None:
        messages = [
            HumanMessage("What?"),
            call("sales", 1),
            ToolMessage(PARTS, tool_call_id="call-1"),
            call("sales", 2),
        ]
        messages.append(ToolMessage(PARTS, tool_call_id="call-2"))
        layer = middleware(restore=True)
        mark = re.findall("#[0-9a-f]{6}", str(layer.compress(messages)[2].content))[0]
        again = pickle.loads(pickle.dumps(middleware(restore=True)))
        asked = read(mark, 3)
        (left_out,) = again.tools
        found = left_out.invoke({"mark": mark, "messages": [*messages, asked]})
        assert found in PARTS
        assert 0 < len(found) < len(PARTS)

    def test_without_restore_there_is_no_tool(self, middleware: Make) -> None:
        assert list(middleware().tools) == []


class Heard(BaseCallbackHandler):
    """Notes custom events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        self.events.append((name, data))


class Traced(BaseTracer):
    """Notes the metadata of runs."""

    def __init__(self) -> None:
        super().__init__()
        self.savings: list[Any] = []

    def _persist_run(self, run: Run) -> None:
        pass

    def _on_chain_end(self, run: Run) -> None:
        if "diffumask_compression" in run.metadata:
            self.savings.append(run.metadata["diffumask_compression"])


class TestSavings:
    REPLIES = (call("sales", 1), call("sales", 2), call("sales", 3), AIMessage("Done."))

    def check(self, layer: DiffuMaskMiddleware, heard: Heard, traced: Traced) -> None:
        assert [name for name, _ in heard.events] == ["diffumask_compression"] * 4
        last = heard.events[-1][1]
        assert last["saved_tokens"] == last["original_tokens"] - last["compressed_tokens"] > 0
        assert last["shortened_messages"] == 2
        assert traced.savings == [data for _, data in heard.events]
        assert layer.saved.requests == 4
        assert layer.saved.total_tokens == sum(data["compressed_tokens"] for _, data in heard.events)
        assert layer.saved.original_tokens == last["original_tokens"]

    def test_sync(self, middleware: Make) -> None:
        heard, traced, layer = Heard(), Traced(), middleware()
        agent = create_agent(ScriptedModel(replies=self.REPLIES), [sales], middleware=[layer])
        agent.invoke({"messages": [HumanMessage("What was sold?")]}, {"callbacks": [heard, traced]})
        self.check(layer, heard, traced)

    async def test_async(self, middleware: Make) -> None:
        heard, traced, layer = Heard(), Traced(), middleware()
        agent = create_agent(ScriptedModel(replies=self.REPLIES), [sales], middleware=[layer])
        await agent.ainvoke({"messages": [HumanMessage("What was sold?")]}, {"callbacks": [heard, traced]})
        self.check(layer, heard, traced)


# Properties over generated conversations.

_words = st.lists(st.sampled_from([*MANUAL.split(), "\n\n", '"', "{x}", "é", "Q:", "A: 7"]), min_size=1, max_size=90)
_texts = st.one_of(
    _words.map(" ".join),
    st.lists(st.dictionaries(st.sampled_from("abc"), _words.map(" ".join)), max_size=4).map(json.dumps),
    st.sampled_from(["", " ", " \n\t" * 100, "Yes.", "null", "[]"]),
)
_blocks = st.one_of(
    _texts,
    _texts.map(lambda text: {"type": "text", "text": text}),
    _texts.map(lambda text: {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}),
    st.just({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}),
    st.just({"type": "thinking", "thinking": "So it is.", "signature": "c2ln"}),
)
_contents = st.one_of(_texts, st.lists(_blocks, min_size=1, max_size=3))


@st.composite
def conversations(draw: st.DrawFn) -> list[BaseMessage]:
    messages: list[BaseMessage] = [SystemMessage(draw(_texts))] if draw(st.booleans()) else []
    for turn in range(draw(st.integers(1, 4))):
        messages.append(HumanMessage(draw(_contents), id=f"human-{turn}", name=draw(st.sampled_from([None, "ada"]))))
        for step in range(draw(st.integers(0, 2))):
            ids = [f"{turn}-{step}-{number}" for number in range(draw(st.integers(1, 2)))]
            calls = [{"name": "find", "args": {"what": draw(_texts)}, "id": one} for one in ids]
            messages.append(AIMessage(draw(_contents), tool_calls=calls, id=f"ai-{turn}-{step}"))
            messages += [
                ToolMessage(
                    draw(_contents),
                    tool_call_id=one,
                    id=f"tool-{one}",
                    name=draw(st.sampled_from([None, "find", "keep_me"])),
                    status=draw(st.sampled_from(["success", "error"])),
                    artifact=[turn],
                )
                for one in ids
            ]
        if draw(st.booleans()):
            messages.append(AIMessage(draw(_contents), id=f"ai-{turn}", response_metadata={"n": turn}))
    return messages


def block_texts(message: BaseMessage) -> Iterator[str]:
    for block in [message.content] if isinstance(message.content, str) else message.content:
        if isinstance(block, str):
            yield block
        elif block["type"] == "text":
            yield block["text"]


def without_texts(message: BaseMessage) -> dict[str, Any]:
    """All that must not change."""
    plain = message.model_dump()
    if isinstance(message.content, str):
        plain["content"] = None
    else:
        plain["content"] = [
            None if isinstance(block, str) else {**block, "text": None} if block["type"] == "text" else block
            for block in message.content
        ]
    return plain


def is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False


_options = st.fixed_dictionaries(
    {
        "keep": st.tuples(st.just("messages"), st.integers(0, 4)),
        "keep_rate": st.sampled_from([0.1, 0.5, 0.9]),
        "trigger": st.sampled_from([None, ("tokens", 200)]),
        "exclude_tools": st.sampled_from([(), ("keep_me",)]),
    }
)


class TestProperties:
    @settings(max_examples=40, deadline=None)
    @given(messages=conversations(), options=_options)
    def test_nothing_changes_but_texts(
        self, compressor: Compressor, messages: list[BaseMessage], options: dict[str, Any]
    ) -> None:
        originals = copy.deepcopy(messages)
        seen = DiffuMaskMiddleware(compressor=compressor, **options).compress(messages)
        assert messages == originals
        assert [type(message) for message in seen] == [type(message) for message in messages]
        assert [*map(without_texts, seen)] == [*map(without_texts, messages)]
        count = get_counter("gpt-4o").count
        for before, after in zip(messages, seen, strict=True):
            for old, new in zip(block_texts(before), block_texts(after), strict=True):
                assert new.strip() or not old.strip()
                assert count(new) <= count(old)
                assert is_json(new) or not is_json(old)
            stays = isinstance(before, SystemMessage) or getattr(before, "status", None) == "error"
            if stays or (before.name is not None and before.name in options["exclude_tools"]):
                assert after == before
        last_human = max(index for index, message in enumerate(messages) if isinstance(message, HumanMessage))
        assert seen[last_human] == messages[last_human]

    @settings(max_examples=30, deadline=None)
    @given(messages=conversations(), options=_options, data=st.data())
    def test_a_message_changes_once_at_most(
        self, compressor: Compressor, messages: list[BaseMessage], options: dict[str, Any], data: st.DataObject
    ) -> None:
        first = DiffuMaskMiddleware(compressor=compressor, **options)
        second = DiffuMaskMiddleware(compressor=compressor, **options)
        length = data.draw(st.integers(0, len(messages)))
        early, late = first.compress(messages[:length]), second.compress(messages)
        for index in changed(messages[:length], early):
            assert late[index] == early[index]
        if changed(messages[:length], early):
            assert shared(early, late) > length - 2 * max(options["keep"][1], 1)


class TestBlocks:
    """Messages that carry calls and results of tools as Anthropic's blocks."""

    THOUGHT: ClassVar = {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmVk"}

    def step(self, number: int, name: str = "manual", **more: Any) -> list[BaseMessage]:
        use = {"type": "tool_use", "id": f"t{number}", "name": name, "input": {"topic": "brakes"}}
        result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": f"{number}. {MANUAL}", **more}
        return [AIMessage([self.THOUGHT, use]), HumanMessage([result])]

    def test_results_are_shortened_for_the_humans_question(self, middleware: Make) -> None:
        messages = [HumanMessage(f"{MANUAL} And the brakes?"), *self.step(1), *self.step(2)]
        layer = middleware(keep=("messages", 1))
        seen = layer.compress(messages)
        # The results are no messages of the human: the question is still what the agent works on.
        assert changed(messages, seen) == [2]
        assert seen[2].content[0]["tool_use_id"] == "t1"  # type: ignore[index]
        plain = [
            HumanMessage(f"{MANUAL} And the brakes?"),
            call("manual", 1),
            ToolMessage(f"1. {MANUAL}", tool_call_id="call-1"),
        ]
        assert changed(plain, layer.compress([*plain, *conversation(1)])[:3]) == [2]

    def test_failed_and_excluded_results_stay(self, middleware: Make) -> None:
        messages = [HumanMessage("Well?"), *self.step(1, is_error=True), *self.step(2, "stock"), *self.step(3)]
        seen = middleware(keep=("messages", 0), exclude_tools=["stock"]).compress(messages)
        assert changed(messages, seen) == [6]

    def test_what_the_human_says_after_results_stays_while_it_is_the_question(self, middleware: Make) -> None:
        asked = [*self.step(1)[1].content, {"type": "text", "text": f"{MANUAL} Go on with that."}]  # type: ignore[misc]
        messages = [HumanMessage(f"{MANUAL} And the brakes?"), self.step(1)[0], HumanMessage(asked), *self.step(2)]
        seen = middleware(keep=("messages", 0)).compress(messages)
        assert changed(messages, seen) == [2, 4]
        assert seen[2].content[1] == asked[1]

    def test_other_roles_of_results(self, middleware: Make) -> None:
        messages = [HumanMessage("Well?"), ChatMessage(MANUAL, role="tool"), AIMessage("Hm.")]
        assert changed(messages, middleware(keep=("messages", 0)).compress(messages)) == [1]
