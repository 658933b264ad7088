"""Conversations in each format, shortened: what is left is valid, within the budget and alike in all but texts."""

import json
from typing import Any

import pytest
from integrations.wire_formats import (
    FORMATS,
    anthropic_violations,
    damages,
    numbered,
    responses_violations,
    texts,
    to_anthropic,
    to_responses,
)

from diffumask_core import Compressor
from diffumask_core.tokens import get_counter

Message = dict[str, Any]

COUNT = get_counter("gpt-4o").count
FERRY = (
    "The ferry leaves from the north pier every forty minutes between six in the morning and nine at night. In winter, "
    "from November to the end of March, the last crossing is at seven, and bicycles travel free of charge all year."
)
PIERS = json.dumps([{"pier": name, "crossings": number, "notes": FERRY} for number, name in enumerate("abc")])


def said(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def looked_up(numbers: list[int], content: str | None = None) -> list[Message]:
    """A step of the assistant with a call for each number, and the results."""
    calls = [
        {"id": f"call-{number}", "type": "function", "function": {"name": "piers", "arguments": '{"order": "ä"}'}}
        for number in numbers
    ]
    asked = {"role": "assistant", "content": content, "tool_calls": calls}
    return [asked, *({"role": "tool", "tool_call_id": f"call-{number}", "content": PIERS} for number in numbers)]


CONVERSATION = [
    said("system", "You sell tickets for a ferry."),
    said("user", f"I read this: {FERRY} Is it still true?"),
    *looked_up([1]),
    said("assistant", f"Yes, it is. {FERRY}"),
    said("user", "Are there other piers?"),
    *looked_up([2, 3], "Let me see."),
    said("assistant", f"There are three of them. {FERRY}"),
    said("user", "Which of them is open on Sundays?"),
    *looked_up([4]),
    *looked_up([5], "And once more."),
]


def use(number: int) -> Message:
    return {"type": "tool_use", "id": f"t{number}", "name": "piers", "input": {}}


def result(number: int) -> Message:
    return {"type": "tool_result", "tool_use_id": f"t{number}", "content": FERRY}


def tokens(messages: list[Message]) -> int:
    return sum(COUNT(text) for message in messages for text in texts(message))


@pytest.mark.parametrize("rate", [0.3, 0.6])
@pytest.mark.parametrize("name", FORMATS)
def test_every_prefix_stays_valid(compressor: Compressor, name: str, rate: float) -> None:
    conversation = FORMATS[name].convert(CONVERSATION)
    lengths = [
        length for length in range(1, len(conversation) + 1) if not FORMATS[name].violations(conversation[:length])
    ]
    assert len(lengths) == 7
    for length in lengths:
        before = numbered(conversation[:length])
        decided = compressor.compress_messages(before, keep_rate=rate, on_overflow="best_effort")
        after = decided.messages or []
        assert not FORMATS[name].violations(after)
        assert not [*damages(before, after)]
        assert tokens(before) == decided.original_tokens
        assert tokens(after) == decided.compressed_tokens <= decided.budget
    assert tokens(after) < 0.7 * tokens(before)


def test_a_call_and_its_result_go_together(compressor: Compressor) -> None:
    conversation = [
        said("user", "Read notes.txt and tell me which pier it is about."),
        {"role": "assistant", "content": [{"type": "text", "text": "I will read it."}, use(1)]},
        {"role": "user", "content": [result(1)]},
        {"role": "assistant", "content": [{"type": "text", "text": "It is about the north pier."}]},
        said("user", "And when does the ferry leave?"),
    ]
    for rate in (0.0001, 0.1, 0.3, 0.5, 0.7, 0.9):
        after = compressor.compress_messages(conversation, keep_rate=rate).messages or []
        assert len(after) in (1, 5)
        assert after[-1] == conversation[-1]
        assert not anthropic_violations(after)


def test_the_formats_are_told_apart_message_by_message(compressor: Compressor) -> None:
    mixed = numbered([*to_anthropic(CONVERSATION[1:5]), *to_responses(CONVERSATION[5:10]), *CONVERSATION[10:]])
    after = compressor.compress_messages(mixed, keep_rate=0.5).messages or []
    assert not [*damages(mixed, after)]


class TestChecks:
    """What they find."""

    @pytest.mark.parametrize(
        ("messages", "problem"),
        [
            ([], "the last message"),
            ([said("system", "Hello."), said("user", "Hello.")], "the role system"),
            ([{"role": "assistant", "content": [use(1)]}, said("user", "Hm.")], r"answers \[\]"),
            ([{"role": "user", "content": [result(1)]}], r"answers \['t1'\]"),
            ([{"role": "assistant", "content": [use(1)]}, {"role": "user", "content": [result(2)]}], "'t2'"),
            ([{"role": "user", "content": [use(1)]}], "the user's, but has tool calls"),
            ([said("user", " ")], "empty text"),
            ([{"role": "user", "content": []}], "empty text"),
            (
                [
                    {"role": "assistant", "content": [use(1)]},
                    {"role": "user", "content": [{"type": "text", "text": "x"}, result(1)]},
                ],
                "before a result",
            ),
        ],
    )
    def test_anthropic(self, messages: list[Message], problem: str) -> None:
        with pytest.raises(AssertionError, match=problem):
            assert "; ".join(anthropic_violations(messages)) == ""

    @pytest.mark.parametrize(
        ("items", "problem"),
        [
            ([], "the last item"),
            ([{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}], "call c has no result"),
            ([{"type": "function_call_output", "call_id": "c", "output": "x"}], "answers no open call"),
            ([{"role": "user", "content": [{"type": "input_text", "text": " "}]}], "empty text"),
            ([{"role": "robot", "content": "x"}], "is no message"),
        ],
    )
    def test_responses(self, items: list[Message], problem: str) -> None:
        with pytest.raises(AssertionError, match=problem):
            assert "; ".join(responses_violations(items)) == ""

    def test_damages(self) -> None:
        thought = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
        before = numbered([{"role": "assistant", "content": [thought, {"type": "text", "text": json.dumps([1])}]}])
        for changed, problem in (
            ([{**thought, "thinking": "h"}, before[0]["content"][1]], "alike"),
            ([thought, {"type": "text", "text": ""}], "empty"),
            ([thought, {"type": "text", "text": "1]"}], "JSON"),
        ):
            assert problem in "".join(damages(before, [{**before[0], "content": changed}]))
        assert not [*damages(before, [{**before[0], "content": [thought, {"type": "text", "text": "[]"}]}])]
