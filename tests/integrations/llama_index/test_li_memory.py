"""The memory block, by itself and in the memory that LlamaIndex's chat engines and agents use."""

import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.base.llms.types import (
    ChatMessage,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.memory import InsertMethod, Memory, StaticMemoryBlock
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import create_async_engine

from diffumask_core import CompressionResult, Compressor, EncodingCache
from diffumask_integrations.llama_index import DiffuMaskMemoryBlock


def count_words(text: str) -> int:
    return len(text.split())


def words(messages: list[ChatMessage]) -> int:
    """Words of messages, counted where the memory counts tokens."""
    texts = [block.text for item in messages for block in item.blocks if isinstance(block, TextBlock)]
    return sum(map(count_words, texts + [str(item.additional_kwargs) for item in messages if item.additional_kwargs]))


def said(role: str, *texts: str, **kwargs: Any) -> ChatMessage:
    return ChatMessage(role=role, blocks=[TextBlock(text=text) for text in texts], **kwargs)


def garden(number: int) -> list[ChatMessage]:
    """A turn about a garden."""
    return [
        said("user", f"The garden at house {number} has {number}00 square metres, with apple trees and a small pond."),
        said("assistant", f"Then house {number} must be a pleasant place to live in during the summer months."),
    ]


def lookup(number: int) -> list[ChatMessage]:
    """A turn with a tool call, whose result is JSON."""
    function = {"name": "find", "arguments": json.dumps({"house": number})}
    calls = [{"id": f"call-{number}", "type": "function", "function": function}]
    found = {"house": number, "owner": "Ada Holm", "notes": "the roof was mended last year and the chimney was not"}
    return [
        said("user", f"Please look up who owns house {number}."),
        said("assistant", "I look that up.", additional_kwargs={"tool_calls": calls}),
        said("tool", json.dumps(found), additional_kwargs={"tool_call_id": f"call-{number}"}),
        said("assistant", f"House {number} belongs to Ada Holm, who had its roof mended last year."),
    ]


@pytest.fixture
def block(compressor: Compressor) -> DiffuMaskMemoryBlock:
    return DiffuMaskMemoryBlock(compressor=compressor, tokenizer=count_words)


MakeMemory = Callable[..., Memory]


@pytest.fixture
async def make_memory() -> AsyncIterator[MakeMemory]:
    engine = create_async_engine("sqlite+aiosqlite:///:memory:")

    def make(**options: Any) -> Memory:
        return Memory.from_defaults(async_engine=engine, token_flush_size=20, **options)

    yield make
    await engine.dispose()


# In a memory.


async def test_with_room_everything_comes_back(compressor: Compressor, make_memory: MakeMemory) -> None:
    block = DiffuMaskMemoryBlock(compressor=compressor)
    memory = make_memory(token_limit=1000, chat_history_token_ratio=0.1, memory_blocks=[block])
    conversation = [*garden(1), *lookup(2), *garden(3), *lookup(4)]
    await memory.aput_messages([message.model_copy(deep=True) for message in conversation])
    assert 0 < len(block.messages) < len(conversation)
    assert await memory.aget() == conversation


async def test_over_the_limit_it_shortens_and_forgets_nothing(compressor: Compressor, make_memory: MakeMemory) -> None:
    block = DiffuMaskMemoryBlock(compressor=compressor)
    memory = make_memory(token_limit=200, chat_history_token_ratio=0.5, memory_blocks=[block])
    conversation = [message for number in range(8) for message in (*garden(number), *lookup(number))]
    given_back: list[int] = []
    for start in range(0, len(conversation), 2):
        await memory.aput_messages([message.model_copy(deep=True) for message in conversation[start : start + 2]])
        messages = await memory.aget(input="Who owns house 3?")
        recent = await memory.aget_all()
        archived = len(block.messages)
        given_back.append(len(messages))

        assert memory._estimate_token_count(messages) <= 200
        assert messages[len(messages) - (start + 2 - archived) :] == conversation[archived : start + 2]
        assert block.messages == conversation[:archived]
        assert len(recent) == start + 2
        if archived:
            # Never all or nothing: some of what fell out is there.
            assert len(messages) > start + 2 - archived
        assert_tool_calls_are_answered(messages)
    assert len(block.messages) > 30 > given_back[-1]


def assert_tool_calls_are_answered(messages: list[ChatMessage]) -> None:
    calls = [call["id"] for item in messages for call in item.additional_kwargs.get("tool_calls", ())]
    results = [item.additional_kwargs["tool_call_id"] for item in messages if item.role == MessageRole.TOOL]
    # The result of the last call may still be to come.
    assert results in (calls, calls[:-1])
    for item in messages:
        if item.role == MessageRole.TOOL:
            assert set(json.loads(item.content or "")) <= {"house", "owner", "notes", "…"}


async def test_what_the_user_asks_now_decides(make_memory: MakeMemory) -> None:
    memory = make_memory(token_limit=150, chat_history_token_ratio=0.5, memory_blocks=[DiffuMaskMemoryBlock()])
    await memory.aput_messages([message for number in range(2, 9) for message in garden(number)])
    for number in (2, 4):
        messages = await memory.aget(input=f"How many square metres has the garden at house {number}?")
        assert f"{number}00 square metres" in " ".join(item.content or "" for item in messages)


async def test_what_other_blocks_insert_does_not_stay(compressor: Compressor, make_memory: MakeMemory) -> None:
    memory = make_memory(
        token_limit=1000,
        chat_history_token_ratio=0.01,
        insert_method=InsertMethod.SYSTEM,
        memory_blocks=[
            DiffuMaskMemoryBlock(compressor=compressor),
            StaticMemoryBlock(static_content=[TextBlock(text="The user is called Ada.")]),
        ],
    )
    await memory.aput_messages([said("system", "Be brief."), *garden(1), *garden(2)])
    first, second = await memory.aget(), await memory.aget()
    assert first == second
    assert str(first).count("called Ada") == 1


async def test_a_block_may_refuse_what_falls_out(compressor: Compressor, make_memory: MakeMemory) -> None:
    block = DiffuMaskMemoryBlock(compressor=compressor, accept_short_term_memory=False)
    memory = make_memory(token_limit=100, chat_history_token_ratio=0.5, memory_blocks=[block])
    await memory.aput_messages([message for number in range(5) for message in garden(number)])
    assert block.messages == []
    assert await memory.aget()


# By itself.


def numbered(messages: list[ChatMessage]) -> list[ChatMessage]:
    for number, message in enumerate(messages):
        message.additional_kwargs["number"] = number
    return messages


turns = st.lists(
    st.one_of(
        st.integers(1, 99).map(garden),
        st.integers(1, 99).map(lookup),
        st.lists(st.sampled_from(["a rope", "", " ", "two salted herrings and a lamp", "Yes."]), max_size=3).map(
            lambda texts: [
                ChatMessage(
                    role="user",
                    blocks=[*(TextBlock(text=text) for text in texts), ImageBlock(url="https://example.org/a.png")],
                ),
                said("assistant", *texts, additional_kwargs={"refusal": None}),
            ]
        ),
    ),
    max_size=6,
).map(lambda several: numbered([message for turn in several for message in turn]))


@settings(max_examples=60, deadline=None)
@given(content=turns, share=st.floats(0.05, 1.1))
async def test_atruncate_changes_texts_only(compressor: Compressor, content: list[ChatMessage], share: float) -> None:
    block = DiffuMaskMemoryBlock(compressor=compressor, tokenizer=count_words)
    before = [message.model_dump() for message in content]
    tokens_to_truncate = max(int(share * words(content)), 1)

    left = await block.atruncate(content, tokens_to_truncate)

    assert [message.model_dump() for message in content] == before
    if left is None:
        assert words(content) <= tokens_to_truncate
        return
    assert words(content) - words(left) >= tokens_to_truncate
    assert_tool_calls_are_answered(left)
    numbers = [message.additional_kwargs["number"] for message in left]
    assert numbers == sorted(numbers)
    for message in left:
        original = content[message.additional_kwargs["number"]]
        assert (message.role, message.additional_kwargs) == (original.role, original.additional_kwargs)
        for now, then in zip(message.blocks, original.blocks, strict=True):
            if isinstance(now, TextBlock) and isinstance(then, TextBlock):
                assert now.text.strip() or not then.text.strip()
            else:
                assert now is then


async def test_nothing_to_shorten(block: DiffuMaskMemoryBlock) -> None:
    image = ChatMessage(role="user", blocks=[ImageBlock(url="https://example.org/a.png")])
    assert await block.atruncate([], 5) is None
    assert await block.atruncate([image], 5) is None
    assert await block.atruncate(garden(1), 1000) is None


async def test_a_turn_whose_calls_do_not_fit_goes_whole(block: DiffuMaskMemoryBlock) -> None:
    content = lookup(1)
    assert await block.atruncate(content, words(content) - 10) == []


async def test_a_limit_of_its_own(compressor: Compressor) -> None:
    conversation = [message for number in range(1, 7) for message in garden(number)]
    for limit, most in (({"target_tokens": 40}, 40), ({"keep_rate": 0.3}, int(0.3 * words(conversation)))):
        options: dict[str, Any] = limit
        block = DiffuMaskMemoryBlock(compressor=compressor, tokenizer=count_words, **options)
        assert await block.aget() == []
        await block.aput(conversation)
        left = await block.aget([said("user", "Which garden has a pond?")])
        assert 0 < words(left) <= most
        assert block.messages == conversation


async def test_what_was_read_for_a_question_is_not_read_again(block: DiffuMaskMemoryBlock) -> None:
    cache = block.get_compressor().cache
    assert cache is not None

    async def misses() -> int:
        before = cache.info().misses
        await block.atruncate(block.messages, words(block.messages) // 2)
        return cache.info().misses - before

    await block.aput([message for number in range(12) for message in garden(number)])
    await block.aget([said("user", "Which garden has a pond?")])
    first = await misses()
    assert await misses() == 0
    await block.aput(garden(12))
    assert 0 < await misses() < first / 2


async def test_the_same_messages_are_laid_out_once_for_all_budgets(
    block: DiffuMaskMemoryBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = [message for number in range(4) for message in (*garden(number), *lookup(number))]
    fresh = [
        await block.model_copy(deep=True).atruncate([*content], tokens_to_truncate=number) for number in (30, 60, 90)
    ]
    read: list[int] = []
    compress = Compressor.compress_messages

    def noted(self: Compressor, messages: Any, **options: Any) -> CompressionResult:
        read.append(len(messages))
        return compress(self, messages, **options)

    monkeypatch.setattr(Compressor, "compress_messages", noted)
    assert [await block.atruncate([*content], tokens_to_truncate=number) for number in (30, 60, 90)] == fresh
    assert len(read) == 1
    # Another message of the user, one more message, a copy: all is read anew.
    await block.aget([said("user", "Who owns house 3?")])
    await block.atruncate([*content], tokens_to_truncate=30)
    await block.atruncate([*content, said("user", "And?")], tokens_to_truncate=30)
    await block.model_copy(deep=True).atruncate([*content], tokens_to_truncate=30)
    assert read == [25, 25, 26, 25]


async def test_a_cache_that_was_given_is_used(compressor: Compressor) -> None:
    given = compressor.with_cache(EncodingCache(1))
    assert DiffuMaskMemoryBlock(compressor=given).get_compressor() is given


async def test_protected_text_stays(compressor: Compressor, caplog: pytest.LogCaptureFixture) -> None:
    block = DiffuMaskMemoryBlock(compressor=compressor, tokenizer=count_words, protect=["house 2"])
    content = [*garden(1), *garden(2), *garden(3)]
    left = await block.atruncate(content, words(content) - 20)
    assert left is not None
    assert all("house 2" in (message.content or "") for message in left)
    with caplog.at_level(logging.WARNING, logger="diffumask"):
        assert await block.atruncate(content, words(content) - 1)
    assert "more than the budget of 1" in caplog.text


async def test_what_others_write_to_their_messages_is_theirs(block: DiffuMaskMemoryBlock) -> None:
    given, before = garden(1), [message.content for message in garden(1)]
    await block.aput(given)
    given[0].blocks[0].text = "changed"  # type: ignore[union-attr]
    for message in await block.aget():
        message.blocks.append(TextBlock(text="more"))
    assert [message.content for message in await block.aget()] == before


async def test_messages_are_not_marked_with_a_session(block: DiffuMaskMemoryBlock) -> None:
    message = said("tool", "found", additional_kwargs={"tool_call_id": "call-1"})
    await block.aput([message], from_short_term_memory=True, session_id="someone")
    assert message.additional_kwargs["session_id"] == "someone"
    assert (await block.aget())[0].additional_kwargs == {"tool_call_id": "call-1"}


def test_defaults_and_wrong_settings(compressor: Compressor) -> None:
    block = DiffuMaskMemoryBlock(compressor=compressor)
    assert (block.name, block.priority) == ("EarlierMessages", 1)
    with pytest.raises(ValidationError, match="steps=0 is not possible"):
        DiffuMaskMemoryBlock(compressor=compressor, steps=0)


# Blocks that are no texts.


def called(number: int) -> list[ChatMessage]:
    """A turn whose call is a block, with a thought before it and an image beside the result."""
    thought = ThinkingBlock(content="Who owns it?", additional_information={"signature": "c2lnbmVk"})
    call = ToolCallBlock(tool_call_id=f"t{number}", tool_name="find", tool_kwargs={"house": number})
    found = f"House {number} belongs to Ada Holm, who had its roof mended last year, and the chimney after it."
    blocks = [TextBlock(text=found), ImageBlock(url="https://example.org/a.png")]
    return [
        said("user", f"Please look up who owns house {number}."),
        ChatMessage(role="assistant", blocks=[thought, call]),
        ChatMessage(role="tool", blocks=blocks, additional_kwargs={"tool_call_id": f"t{number}"}),
        said("assistant", f"House {number} belongs to Ada Holm, who had its roof mended last year."),
    ]


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
async def test_calls_and_thoughts_that_are_blocks_stay_with_their_results(
    block: DiffuMaskMemoryBlock, share: float
) -> None:
    content = [message for number in range(6) for message in called(number)]
    left = await block.atruncate(content, int(share * words(content)))
    assert left
    assert len(left) % 4 == 0
    assert words(left) <= words(content) - int(share * words(content))
    for asked, call, result, _ in zip(*(left[start::4] for start in range(4)), strict=True):
        number = next(number for number in range(6) if called(number)[1] == call)
        assert asked.role == MessageRole.USER
        assert result.additional_kwargs == {"tool_call_id": f"t{number}"}
        assert result.blocks[1] == called(number)[2].blocks[1]
