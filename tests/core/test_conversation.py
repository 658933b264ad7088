"""Conversations: each message is decided once, what requests share only grows, what was left out can be had back."""

import copy
import json
import pickle
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from anthropic_cache import used, with_breakpoint_at_end, without_breakpoints
from generated_texts import FORMATS, Message, conversations
from generated_texts import Conversation as Generated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integrations.wire_formats import FORMATS as WIRE
from integrations.wire_formats import anthropic_violations, damages, numbered, slots

from diffumask_core import Compressor, InputError, Mark, MarkError
from diffumask_core.conversation.conversation import Conversation
from diffumask_core.rendering import marks as marks_module
from diffumask_core.tokens import get_counter

COUNT = get_counter("gpt-4o").count
MANUAL = (
    "The workshop opens at eight on weekdays and at ten on Saturdays; it is closed on Sundays and on public holidays. "
    "A bicycle that was left for repair is kept for thirty days after the work was done. After that a small fee is "
    "charged for every further week, and after half a year the bicycle may be given to a charity in the same town. "
    "Whoever brings a bicycle in gets a paper slip with a number, which has to be shown when it is picked up again."
)
LOG = "\n".join(
    f"2026-03-{1 + n % 28:02} 10:00:{n % 60:02} {'ERROR' if n % 7 == 0 else 'INFO'} worker-{n % 5} took up job {n * 37}"
    for n in range(60)
)
STOCK = json.dumps(
    [
        {"part": f"brake pad {n}", "left": n, "shelf": f"row {n}, behind the counter, below the old saddles"}
        for n in range(12)
    ]
)
RECORD = json.dumps({"note": MANUAL, "of": {"town": "Vik", "more": MANUAL}, "number": 7})
RESULTS = (LOG, MANUAL, STOCK, RECORD)


def said(role: str, content: Any) -> Message:
    return {"role": role, "content": content}


def step(
    numbers: Sequence[int], results: Sequence[Any], words: str | None = None, tool: str = "look_up"
) -> list[Message]:
    """A step of the agent with as many calls as results."""
    calls = [
        {
            "id": f"call-{number}",
            "type": "function",
            "function": {"name": tool, "arguments": json.dumps({"of": number})},
        }
        for number in numbers
    ]
    answers = [
        {"role": "tool", "tool_call_id": f"call-{number}", "content": result}
        for number, result in zip(numbers, results, strict=True)
    ]
    return [{"role": "assistant", "content": words, "tool_calls": calls}, *answers]


def run_of(steps: int) -> list[Message]:
    """A question, and steps of an agent, some of them with two calls."""
    messages = [said("system", MANUAL), said("user", "Which worker has lost a job, and is the workshop open?")]
    for number in range(steps):
        words = f"Step {number}: {MANUAL}" if number % 3 == 1 else None
        result = f"{number}\n{RESULTS[number % 4]}" if number % 4 < 2 else RESULTS[number % 4]
        if number % 4 == 3:
            messages += step([number, 100 + number], [result, f"{number}. {MANUAL}"], words)
        else:
            messages += step([number], [result], words)
    return messages


def changed(before: Sequence[Message], after: Sequence[Message]) -> list[int]:
    assert len(before) == len(after)
    return [index for index, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]


def contents(messages: Sequence[Message]) -> list[str]:
    return [holder[key] for message in messages for holder, key in slots(message)]


@pytest.fixture
def talk(compressor: Compressor) -> Callable[..., Conversation]:
    return compressor.conversation


def old_of(messages: Sequence[Message], keep: int) -> int:
    """How many messages are old: all but the newest, as long as no call waits for its result."""
    return max((length - keep for length in range(len(messages) + 1) if not waits(messages[:length])), default=0)


def waits(messages: Sequence[Message]) -> bool:
    """Whether a call of the agent has no result yet."""
    waiting: set[str] = set()
    for message in messages:
        parts = message["content"] if isinstance(message.get("content"), list) else []
        waiting |= {call["id"] for call in message.get("tool_calls") or ()}
        waiting |= {part["id"] for part in parts if part["type"] == "tool_use"}
        waiting |= {message["call_id"]} if message.get("type") == "function_call" else set()
        waiting -= {part["tool_use_id"] for part in parts if part["type"] == "tool_result"}
        waiting -= {message.get("tool_call_id")}
        waiting -= {message.get("call_id")} if message.get("type") == "function_call_output" else set()
    return bool(waiting)


_options = st.fixed_dictionaries(
    {
        "keep": st.tuples(st.just("messages"), st.integers(0, 4)),
        "keep_rate": st.sampled_from([0.1, 0.4, 0.8]),
        "restore": st.sampled_from([False, True, "whole"]),
        "tokenizer": st.sampled_from([len, "gpt-4o"]),
    }
)
_slow = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


class TestDecidedOnce:
    @_slow
    @given(generated=conversations(), name=st.sampled_from([*FORMATS]), options=_options)
    def test_what_requests_share_only_grows(
        self, compressor: Compressor, generated: Generated, name: str, options: dict[str, Any]
    ) -> None:
        messages = FORMATS[name](generated)
        conversation = compressor.conversation(**options)
        requests = [conversation.shorten(messages[:length]) for length in range(len(messages) + 1)]
        for length, request in enumerate(requests):
            old = max(old_of(messages[:length], options["keep"][1]), 0)
            assert request[old:] == messages[old:length]
            for later in requests[length:]:
                assert json.dumps(later[:old]) == json.dumps(request[:old])

    @_slow
    @given(
        generated=conversations(),
        name=st.sampled_from([*FORMATS]),
        keep=st.tuples(st.sampled_from(["messages", "tokens"]), st.integers(0, 300)),
        trigger=st.none() | st.tuples(st.sampled_from(["messages", "tokens"]), st.integers(0, 300)),
        target_tokens=st.none() | st.integers(1, 200),
    )
    def test_a_message_changes_once_at_most(
        self,
        compressor: Compressor,
        generated: Generated,
        name: str,
        keep: Any,
        trigger: Any,
        target_tokens: int | None,
    ) -> None:
        messages = FORMATS[name](generated)
        options: dict[str, Any] = {"keep": keep, "trigger": trigger, "tokenizer": len, "target_tokens": target_tokens}
        requests = [
            compressor.conversation(**options).shorten(messages[:length]) for length in range(len(messages) + 1)
        ]
        for length, request in enumerate(requests):
            first = changed(messages[:length], request)
            for later in requests[length:]:
                assert all(later[index] == request[index] for index in first)
            if keep[0] == "tokens" and request:
                assert request[-1] == messages[length - 1]

    @_slow
    @given(generated=conversations(), name=st.sampled_from([*FORMATS]), options=_options)
    def test_a_fresh_conversation_gives_the_same(
        self, compressor: Compressor, generated: Generated, name: str, options: dict[str, Any]
    ) -> None:
        messages = FORMATS[name](generated)
        originals = copy.deepcopy(messages)
        conversation = compressor.conversation(**options)
        seen = [conversation.shorten(messages[:length]) for length in range(len(messages) + 1)]
        assert messages == originals
        assert compressor.conversation(**options).shorten(messages) == seen[-1]
        assert pickle.loads(pickle.dumps(conversation)).shorten(messages) == seen[-1]

    @pytest.mark.parametrize("name", WIRE)
    def test_every_request_is_valid(self, talk: Callable[..., Conversation], name: str) -> None:
        messages = WIRE[name].convert(run_of(8))
        for restore in (False, True, "whole"):
            conversation = talk(restore=restore, keep_rate=0.2)
            for length in range(1, len(messages) + 1):
                if not WIRE[name].violations(messages[:length]):
                    prefix = numbered(messages[:length])
                    shorter = conversation.shorten(prefix)
                    assert not WIRE[name].violations(shorter)
                    assert not [*damages(prefix, shorter)]
            assert conversation.saved.tokens < 0.7 * conversation.saved.original_tokens

    def test_an_edited_conversation_is_decided_anew(self, talk: Callable[..., Conversation]) -> None:
        messages, conversation = run_of(6), talk()
        conversation.shorten(messages)
        edited = copy.deepcopy(messages)
        edited[3]["content"] = edited[3]["content"].replace("worker-1", "crane-1")
        asked = copy.deepcopy(messages)
        asked[1]["content"] = "Where are the brake pads?"
        excused = copy.deepcopy(messages)
        excused[4]["tool_calls"][0]["function"]["name"] = "other_tool"
        for other in (edited, asked, excused, messages[:7], messages[2:], messages[5:], messages[:3] + messages[5:]):
            assert conversation.shorten(other) == talk().shorten(other)
        assert "crane-1" not in str(conversation.shorten(messages))

    def test_many_threads_see_the_same(self, talk: Callable[..., Conversation]) -> None:
        lists = [run_of(steps) for steps in range(1, 6)]
        alone = [talk(restore=True).shorten(messages) for messages in lists]
        conversation = talk(restore=True)
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(conversation.shorten, lists * 3)) == alone * 3
        assert conversation.saved.requests == 15

    def test_each_decision_is_paid_once(
        self, talk: Callable[..., Conversation], compressor: Compressor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[int] = []
        encode = type(compressor._pruner).encode

        def counted(*arguments: Any, **options: Any) -> Any:
            calls.append(1)
            return encode(*arguments, **options)

        monkeypatch.setattr(type(compressor._pruner), "encode", counted)
        messages, conversation = run_of(6), talk()
        for length in range(len(messages) + 1):
            conversation.shorten(messages[:length])
        once = len(calls)
        assert once <= len(messages)
        for length in range(len(messages) + 1):
            conversation.shorten(messages[:length])
        assert len(calls) == once

    def test_what_is_read_for_a_decision_does_not_grow_without_end(
        self, talk: Callable[..., Conversation], compressor: Compressor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lengths: list[int] = []
        read = type(compressor._pruner).read

        def noted(self: Any, text: str, *arguments: Any, **options: Any) -> Any:
            lengths.append(len(text))
            return read(self, text, *arguments, **options)

        monkeypatch.setattr(type(compressor._pruner), "read", noted)
        messages = [said("user", "Well?")]
        for number in range(24):
            # Results of tools that stay, some of them huge, and one after the other that is shortened.
            messages += step([number], [LOG * (1 + 30 * (number % 5 == 0))], tool="read_file")
            messages += step([number], [MANUAL])
        conversation = talk(exclude_tools=["read_*"])
        for length in range(0, len(messages) + 1, 4):
            seen = conversation.shorten(messages[:length])
        assert talk(exclude_tools=["read_*"]).shorten(messages[: len(seen)]) == seen
        assert 60_000 < max(lengths) < 72_000


class TestBreakpoints:
    """Of Anthropic's cache; `test_server_cache.py` has what they save."""

    @_slow
    @given(generated=conversations(), options=_options, ttl=st.sampled_from([{}, {"ttl": "1h"}]))
    def test_they_move_and_nothing_else_does(
        self, compressor: Compressor, generated: Generated, options: dict[str, Any], ttl: dict[str, str]
    ) -> None:
        messages = FORMATS["anthropic"](generated)
        for length in range(1, len(messages) + 1):
            given = messages[:length]
            if given[-1]["content"] and not anthropic_violations(given):
                marked = with_breakpoint_at_end(given, **ttl)
                shorter = compressor.conversation(**options).shorten(marked)
                plain = compressor.conversation(**options).shorten(given)
                assert without_breakpoints(shorter) == without_breakpoints(plain)
                assert json.dumps(shorter).count('"cache_control"') == 1
                used([{"messages": shorter}])

    def test_one_of_the_whole_request_is_added(self, talk: Callable[..., Conversation]) -> None:
        messages = WIRE["anthropic"].convert(run_of(4))
        shorter = talk().shorten(messages, cache_control={"type": "ephemeral"})
        assert shorter[-3]["content"][-1]["cache_control"] == {"type": "ephemeral"}
        assert without_breakpoints(shorter) == without_breakpoints(talk().shorten(messages))

    def test_a_thought_or_an_empty_text_has_none(self, talk: Callable[..., Conversation]) -> None:
        question, *rest = WIRE["anthropic"].convert(run_of(4))
        bare = [{"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}]}]
        messages = with_breakpoint_at_end([question, *rest[:-2], *bare, *rest[-2:]])
        shorter = talk().shorten(messages)
        assert "cache_control" in shorter[-4]["content"][-1]
        assert shorter[-3] == bare[0]

    @pytest.mark.parametrize("name", ["openai", "responses"])
    def test_other_formats_stay(self, talk: Callable[..., Conversation], name: str) -> None:
        messages = WIRE[name].convert(run_of(4))
        messages.append({"role": "user", "content": [{"type": "text", "text": LOG, "cache_control": {}}]})
        plain = talk().shorten(messages)
        assert talk().shorten(messages, cache_control={"type": "ephemeral"}) == plain
        assert plain[-1] == messages[-1]


class TestWhatIsShortened:
    def test_old_texts_of_every_kind(self, talk: Callable[..., Conversation]) -> None:
        messages = [
            said("system", MANUAL),
            said("user", f"{MANUAL} What does that mean?"),
            *step([1], [LOG], MANUAL),
            said("assistant", MANUAL),
            said("user", f"{MANUAL} And that?"),
            *step([2], [STOCK]),
        ]
        # The first question was still the question when it became old, unless it becomes old late.
        assert changed(messages, talk().shorten(messages)) == [2, 3, 4]
        assert changed(messages, talk(keep=("messages", 0)).shorten(messages)) == [2, 3, 4, 7]
        assert 1 in changed(messages, talk(keep=("messages", 4)).shorten(messages))

    def test_failed_excluded_and_small_texts_stay(self, talk: Callable[..., Conversation]) -> None:
        messages = [
            said("user", "Well?"),
            *step([1], [MANUAL], tool="read_file"),
            *step([2], [MANUAL], tool="list_files"),
            *step([3], ["Short."]),
            *step([4], [MANUAL]),
            {"role": "tool", "tool_call_id": "none", "content": MANUAL},
            {"role": "tool", "tool_call_id": "call-4", "name": "read_mail", "content": MANUAL},
            said("assistant", "Done."),
        ]
        messages[4]["is_error"] = True
        conversation = talk(keep=("messages", 0), exclude_tools=["read_*"])
        assert changed(messages, conversation.shorten(messages)) == [8, 9]
        block = {"type": "tool_result", "content": MANUAL}
        blocks = [
            said("user", "Well?"),
            said(
                "assistant", [{"type": "tool_use", "id": f"t{n}", "name": f"tool_{n}", "input": {}} for n in range(3)]
            ),
            said("user", [{**block, "tool_use_id": f"t{n}", "is_error": n == 1} for n in range(3)]),
        ]
        (*_, seen) = talk(keep=("messages", 0), exclude_tools=["tool_2"]).shorten(blocks)
        assert [part["content"] == MANUAL for part in seen["content"]] == [False, True, True]

    def test_a_repeated_id_is_that_of_the_last_call(self, talk: Callable[..., Conversation]) -> None:
        messages = [said("user", "Well?")]
        for number in range(6):
            messages += step([1], [f"{number}. {MANUAL}"], tool=("manual", "stock")[number % 2])
        seen = talk(keep=("messages", 0), exclude_tools=["stock"]).shorten(messages)
        assert changed(messages, seen) == [2, 6, 10]

    def test_the_question_stays_for_good_if_it_was_one_when_it_became_old(
        self, talk: Callable[..., Conversation]
    ) -> None:
        messages = [said("user", MANUAL), *step([1], [LOG]), *step([2], [LOG]), said("assistant", "So.")]
        messages += [said("user", MANUAL), said("user", f"{MANUAL} Or so?"), *step([3], [LOG]), *step([4], [LOG])]
        conversation = talk(keep=("messages", 1))
        # The second question had been followed by a third when it became old.
        assert changed(messages, conversation.shorten(messages)) == [2, 4, 6, 9]

    def test_results_of_parallel_calls_become_old_together(self, talk: Callable[..., Conversation]) -> None:
        messages = [said("user", "Well?"), *step([1, 2, 3], [LOG, MANUAL, STOCK]), *step([4, 5], [LOG, LOG])]
        conversation = talk(keep=("messages", 3))
        seen = [changed(messages[:length], conversation.shorten(messages[:length])) for length in range(9)]
        assert seen == [[], [], [], [], [], [], [], [], [2, 3, 4]]

    @pytest.mark.parametrize("keep", [("messages", 1), ("messages", 2), ("tokens", 5)])
    def test_results_that_the_llm_has_not_read_stay(self, talk: Callable[..., Conversation], keep: Any) -> None:
        messages = [said("user", "Well?"), *step([0], [LOG]), *step([1, 2, 3, 4], [LOG, MANUAL, STOCK, MANUAL])]
        assert changed(messages, talk(keep=keep).shorten(messages)) == [2]
        messages += [said("assistant", "So."), said("user", "And?")]
        assert changed(messages, talk(keep=keep).shorten(messages)) == [2, 4, 5, 6, 7]
        assert changed(messages[:8], talk(keep=("messages", 0)).shorten(messages[:8])) == [2, 4, 5, 6, 7]

    def test_images_and_annotated_texts_stay(self, talk: Callable[..., Conversation]) -> None:
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
        noted = {"type": "output_text", "text": MANUAL, "annotations": [{"type": "url_citation", "start_index": 3}]}
        plain = {"type": "text", "text": MANUAL, "cache_control": {"type": "ephemeral"}}
        messages = [said("user", "Well?"), said("assistant", [image, noted, plain]), *step([1], [[image, plain]])]
        seen = talk(keep=("messages", 0)).shorten(messages)
        for index, place in ((1, 2), (3, 1)):
            left = seen[index]["content"].pop(place)
            assert 0 < len(left.pop("text")) < len(MANUAL)
            assert left == {"type": "text", "cache_control": {"type": "ephemeral"}}
        assert seen[1]["content"] == [image, noted]
        assert seen[3]["content"] == [image]

    def test_rates_and_numbers_of_tokens(self, talk: Callable[..., Conversation]) -> None:
        messages = [said("user", "Well?"), *step([1, 2], [MANUAL, MANUAL.upper()]), *step([3], [LOG])]
        for options, most in (
            ({}, lambda text: 0.3 * COUNT(text) + 3),
            ({"keep_rate": 0.6}, lambda text: 0.6 * COUNT(text) + 3),
            ({"target_tokens": 40}, lambda _: 40),
            ({"target_tokens": 60, "restore": True}, lambda _: 60),
            ({"target_tokens": 60, "restore": "whole"}, lambda _: 60),
        ):
            seen = talk(keep=("messages", 0), **options).shorten(messages)
            assert changed(messages, seen) == [2, 3, 5]
            left = [seen[index]["content"] for index in (2, 3, 5)]
            total = sum(map(COUNT, left))
            assert total <= sum(most(messages[index]["content"]) for index in (2, 3, 5))
            if "target_tokens" in options:
                assert all(COUNT(text) <= options["target_tokens"] for text in left)

    def test_a_calibrated_compressor_keeps_what_it_was_calibrated_to(self, compressor: Compressor) -> None:
        class Calibrated:
            keep_rate = 0.8

        messages = [said("user", "Well?"), *step([1], [MANUAL])]
        own = Compressor(compressor._pruner, Calibrated())  # type: ignore[arg-type]
        (*_, more), (*_, less) = (
            each.conversation(keep=("messages", 0)).shorten(messages) for each in (own, compressor)
        )
        assert 0.6 * COUNT(MANUAL) < COUNT(more["content"]) <= 0.8 * COUNT(MANUAL) + 1
        assert COUNT(less["content"]) <= 0.3 * COUNT(MANUAL) + 1

    def test_protected_texts_stay(self, talk: Callable[..., Conversation]) -> None:
        messages = [said("user", "Well?"), *step([1], [MANUAL])]
        conversation = talk(keep=("messages", 0), protect=["charity", re.compile("paper slip")], keep_rate=0.1)
        (*_, seen) = conversation.shorten(messages)
        assert "charity" in seen["content"]
        assert "paper slip" in seen["content"]


class TestWhenItIsShortened:
    def test_keep_and_trigger_in_tokens_and_fractions(self, talk: Callable[..., Conversation]) -> None:
        messages = run_of(5)
        tokens = [COUNT(text) for text in contents(messages)]
        assert len(tokens) > 8
        seen = talk(keep=("tokens", 0)).shorten(messages)
        assert seen[-1] == messages[-1]
        everything = talk().at(messages).original_tokens
        for keep in (("tokens", everything), ("fraction", 1.0)):
            assert talk(keep=keep, context_tokens=everything).shorten(messages) == messages
        half = talk(keep=("fraction", 0.5), context_tokens=everything)
        assert half.shorten(messages) == talk(keep=("tokens", everything // 2)).shorten(messages)
        for trigger, is_on in (
            (("tokens", everything), True),
            (("tokens", everything + 1), False),
            (("messages", len(messages)), True),
            (("messages", len(messages) + 1), False),
            (("fraction", 0.5), True),
            ([("tokens", everything + 1), ("messages", 3)], True),
            ((("tokens", everything + 1), ("messages", 3)), True),
            (["messages", 3], True),
            ([("tokens", everything + 1), ("messages", 300)], False),
        ):
            conversation = talk(trigger=trigger, context_tokens=everything)
            assert bool(changed(messages, conversation.shorten(messages))) == is_on

    def test_a_trigger_that_is_on_stays_on(self, talk: Callable[..., Conversation]) -> None:
        messages = run_of(8)
        half = talk().at(messages).original_tokens // 2
        conversation = talk(trigger=("tokens", half))
        seen = [conversation.shorten(messages[:length]) for length in range(len(messages) + 1)]
        on = [bool(changed(messages[: len(request)], request)) for request in seen]
        assert on == sorted(on)
        first = on.index(True)
        assert all(later[: first - 2] == seen[first][: first - 2] for later in seen[first:])
        assert talk(trigger=("tokens", half)).shorten(messages) == seen[-1]

    def test_a_run_that_ends_in_a_call_or_never_answers_one(self, talk: Callable[..., Conversation]) -> None:
        messages = run_of(3)
        waiting = [*messages, step([9], [LOG])[0]]
        assert talk().shorten(waiting)[:-1] == talk().shorten(messages)
        unanswered = [*waiting, *step([10], [LOG]), *step([11], [LOG])]
        assert len(changed(unanswered, talk().shorten(unanswered))) > len(changed(messages, talk().shorten(messages)))
        interrupted = [*waiting, said("user", "Stop!"), said("assistant", "Yes."), said("user", "Go on.")]
        assert 7 in changed(interrupted, talk().shorten(interrupted))

    def test_no_messages(self, talk: Callable[..., Conversation]) -> None:
        assert talk().shorten([]) == []

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"keep": ("lines", 3)}, r"keep=\('lines', 3\) is not possible"),
            ({"keep": 3}, "keep=3 is not possible"),
            ({"keep": ("messages", -1)}, "keep"),
            ({"keep": ("messages", True)}, "keep"),
            ({"keep": ("tokens", 2.5)}, "keep"),
            ({"trigger": ("tokens", "8000")}, "trigger"),
            ({"trigger": []}, "is never reached"),
            ({"trigger": "tokens"}, "trigger='tokens'"),
            ({"trigger": 8000}, "trigger=8000"),
            ({"trigger": [("tokens", 3), None]}, "trigger=None"),
            ({"trigger": ("fraction", 0.5)}, "pass context_tokens"),
            ({"keep": ("fraction", 0.5)}, "pass context_tokens"),
            ({"keep": ("fraction", 1.5), "context_tokens": 100}, "keep"),
            ({"keep": ("fraction", float("nan")), "context_tokens": 100}, "keep"),
            ({"context_tokens": 0}, "context_tokens=0"),
            ({"exclude_tools": "manual"}, "no list of names"),
            ({"exclude_tools": [3]}, "no list of names"),
            ({"query": "Which?"}, "query is not for conversations"),
            ({"protect": [(0, 3)]}, "protect holds a span"),
            ({"protect": "charity"}, "protect must be a list"),
            ({"protect": [3]}, "protect holds 3"),
            ({"restore": True, "marks": False}, "restore=True needs marks"),
            ({"restore": "whole", "marks": False}, "restore='whole' needs marks"),
            ({"restore": "all"}, "restore='all' is unknown"),
            ({"keep_rate": 1.5}, "keep_rate"),
            ({"keep_rate": 0.5, "target_tokens": 5}, "both"),
        ],
    )
    def test_bad_options(self, talk: Callable[..., Conversation], options: dict[str, Any], message: str) -> None:
        with pytest.raises(InputError, match=message):
            talk(**options)

    def test_numbers_of_numpy(self, talk: Callable[..., Conversation]) -> None:
        messages = run_of(3)
        assert talk(keep=("messages", np.int64(2))).shorten(messages) == talk().shorten(messages)

    @pytest.mark.parametrize(
        ("messages", "message"),
        [
            ("hello", "messages is a str"),
            ({"role": "user"}, "messages is a dict"),
            ([{"content": "x"}], r"messages\[0\] has no role"),
            ([said("user", "x"), said("user", 3)], r'messages\[1\]\["content"\] is an int'),
        ],
    )
    def test_bad_messages(self, talk: Callable[..., Conversation], messages: Any, message: str) -> None:
        with pytest.raises(InputError, match=message):
            talk().shorten(messages)


def left_out_of(conversation: Conversation, messages: Sequence[Message]) -> Iterator[tuple[Mark, str]]:
    """The marks of a request, each with the text that it stands for by its span."""
    for left in conversation.marks:
        text: Any = messages[left.message]
        for key in left.keys:
            text = text[key]
        yield left.mark, text[slice(*left.mark.span)]


class TestRestore:
    @_slow
    @given(generated=conversations(), name=st.sampled_from([*FORMATS]), options=_options)
    def test_every_named_mark_gives_back_what_stood_there(
        self, compressor: Compressor, generated: Generated, name: str, options: dict[str, Any]
    ) -> None:
        messages = FORMATS[name](generated)
        conversation = compressor.conversation(**{**options, "restore": True, "keep_rate": 0.1})
        shown = json.dumps(conversation.shorten(messages), ensure_ascii=False)
        for mark, text in left_out_of(conversation, messages):
            assert f"#{mark.name}]" in shown
            for asked in (mark, mark.name, f"#{mark.name}", mark.text, f" {mark.text}\n"):
                assert conversation.restore(asked) == text

    def test_all_that_went_of_a_result_is_under_a_mark(self, talk: Callable[..., Conversation]) -> None:
        messages = [said("user", "Well?"), *step([1, 2, 3, 4], RESULTS), *step([5], [LOG])]
        conversation = talk(restore=True, keep=("messages", 0))
        seen = conversation.shorten(messages)
        marks = [mark.name for mark, _ in left_out_of(conversation, messages)]
        for index in (2, 3, 4, 5, 7):
            named = re.findall("#([0-9a-f]{6})", seen[index]["content"])
            assert named
            assert set(named) <= set(marks)
            assert COUNT(seen[index]["content"]) < COUNT(messages[index]["content"])
        lines = seen[2]["content"].split("\n")
        whole = "\n".join(
            conversation.restore(line) if line.startswith("[…") else line for line in lines if "shortened" not in line
        )
        assert whole == LOG
        assert re.fullmatch(r"\[… shortened, #[0-9a-f]{6}\]", seen[3]["content"].split("\n")[-1])
        assert conversation.restore(seen[3]["content"].split("\n")[-1]) == MANUAL
        json.loads(seen[4]["content"])
        assert conversation.restore(json.loads(seen[5]["content"])["…"]) == RECORD

    def test_json_and_lines_of_json_stay_json(self, talk: Callable[..., Conversation]) -> None:
        rows = [{"id": number, "text": f"{number}. {MANUAL}"} for number in range(8)]
        for text in (json.dumps(rows), json.dumps({"rows": rows}), json.dumps({"a": {"b": MANUAL}}, indent=1)):
            conversation = talk(keep=("messages", 0), restore=True)
            seen = conversation.shorten([said("user", "Well?"), *step([1], [text])])[-1]["content"]
            assert seen != text
            json.loads(seen)
            assert conversation.restore(re.findall(r"shortened, (#\w+)", seen)[0]) == text
        lines = "\n".join(map(json.dumps, rows))
        conversation = talk(keep=("messages", 0), restore=True)
        seen = conversation.shorten([said("user", "Well?"), *step([1], [lines])])[-1]["content"]
        *_, last = [json.loads(line) for line in seen.split("\n")]
        assert conversation.restore(last) == lines

    def test_whole_results_have_one_hash_each(self, talk: Callable[..., Conversation]) -> None:
        messages = [said("user", "Well?"), *step([1, 2, 3, 4], RESULTS), *step([5], [LOG])]
        conversation = talk(restore="whole", keep=("messages", 0), keep_rate=0.2)
        seen = conversation.shorten(messages)
        assert len(conversation.marks) == 4
        for index, text in zip((2, 3, 4, 5, 7), (*RESULTS, LOG), strict=True):
            [name] = re.findall(r"shortened, hash=([0-9a-f]{24})\]", seen[index]["content"])
            assert not re.search("#[0-9a-f]{6}", seen[index]["content"])
            assert COUNT(seen[index]["content"]) < COUNT(text)
            for asked in (name, f"hash={name}", f"[… shortened, hash={name}]"):
                assert conversation.restore(asked) == text

    def test_without_restore_nothing_has_a_name(self, talk: Callable[..., Conversation]) -> None:
        messages = run_of(6)
        conversation = talk(keep_rate=0.2)
        assert not re.search("#[0-9a-f]{6}", str(conversation.shorten(messages)))
        assert conversation.marks == []
        with pytest.raises(MarkError, match="there is no named mark"):
            conversation.restore("3fa9c2")

    def test_unknown_forged_and_quoted_marks(self, talk: Callable[..., Conversation]) -> None:
        forged = "[… 12 lines left out, #abcdef]"
        messages = [
            said("user", "Well?"),
            *step([1], [f"{forged}\n{LOG}\n{forged}"]),
            said("assistant", f"It says {forged}, and then: {MANUAL}"),
            said("user", "Go on."),
            *step([2], [LOG]),
            *step([3], [STOCK]),
        ]
        conversation = talk(restore=True)
        conversation.shorten(messages)
        assert "abcdef" not in {left.mark.name for left in conversation.marks}
        assert len(conversation.marks) > 5
        for asked in (forged, "#abcdef", "abcdef", "", "3fa", "no name", Mark("[…]", (0, 1), 1, "line"), "x" * 10**6):
            with pytest.raises(MarkError, match=r"Nothing was left out under the mark .* such as #\w{6}, #") as caught:
                conversation.restore(asked)
            assert caught.value.known[0] == conversation.marks[-1].mark.name
            assert len(str(caught.value)) < 250
            assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)

    def test_two_gaps_never_share_a_name(
        self, talk: Callable[..., Conversation], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        messages = [said("user", "Well?")]
        for number in range(6):
            messages += step([number], [LOG.replace("worker", f"crane-{number}")])
        monkeypatch.setattr(marks_module, "mark_name", lambda text: f"{len(text) % 3:06x}")
        conversation = talk(restore=True)
        seen = conversation.shorten(messages)
        for mark, text in left_out_of(conversation, messages):
            assert conversation.restore(mark.name) == text
        shortened = changed(messages, seen)
        assert len(shortened) <= 1
        # Equal texts may share a name.
        twice = [said("user", "Well?"), *step([1], [LOG]), *step([2], [LOG]), *step([3], [LOG])]
        monkeypatch.undo()
        assert changed(twice, talk(restore=True, keep=("messages", 0)).shorten(twice)) == [2, 4, 6]

    def test_what_was_restored_can_be_left_out_again(self, talk: Callable[..., Conversation]) -> None:
        conversation = talk(restore=True)
        messages = [said("user", "Well?"), *step([1], [LOG]), *step([2], [MANUAL])]
        conversation.shorten(messages)
        longest = max(conversation.marks, key=lambda left: len(left.text))
        messages += [*step([3], [longest.text]), *step([4], [MANUAL]), *step([5], [MANUAL])]
        conversation.shorten(messages)
        for mark, text in left_out_of(conversation, messages):
            assert conversation.restore(mark) == text
        assert conversation.restore(longest.mark) == longest.text

    def test_what_was_left_out_is_found_by_itself(self, talk: Callable[..., Conversation]) -> None:
        messages = run_of(8)
        for restore in (True, "whole"):
            conversation = talk(restore=restore, keep_rate=0.2)
            conversation.shorten(messages)
            assert conversation.marks
            assert [conversation.restore(left) for left in conversation.marks] == [
                left.text for left in conversation.marks
            ]
            view = conversation.at(messages)
            assert view.restore(conversation.marks[0]) == conversation.marks[0].text
            of_another = replace(conversation.marks[0], mark=Mark("[…]", (0, 1), 1, "line", "abcdef"))
            with pytest.raises(MarkError, match="under the mark '#abcdef'"):
                conversation.restore(of_another)


class TestSaved:
    def test_running_totals(self, talk: Callable[..., Conversation]) -> None:
        messages, conversation = run_of(6), talk()
        before, after = 0, 0
        for length in range(2, len(messages) + 1, 2):
            seen = conversation.shorten(messages[:length])
            saved = conversation.saved
            before, after = before + saved.original_tokens, after + saved.tokens
            assert saved.original_tokens - saved.tokens == sum(map(COUNT, contents(messages[:length]))) - sum(
                map(COUNT, contents(seen))
            )
            assert saved.shortened == len(changed(messages[:length], seen))
        assert (conversation.saved.total_original_tokens, conversation.saved.total_tokens) == (before, after)
        assert conversation.saved.requests == len(messages) // 2
        requests = conversation.saved.requests
        conversation.at(messages[:3])
        assert conversation.saved.requests == requests


class TestUglyResults:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            " \n\t" * 200,
            "x" * 3000,
            "word " * 600,
            "\x00\x01\ufffd\udce9 \ud83d" * 200,
            "\u202e" * 500,
            "[" * 3000,
            "{" * 500 + "}" * 500,
            "[… 3 lines left out]\n" * 50,
            '"' * 400,
            "\r\n".join(LOG.split("\n")),
            "a,b\n" + "1,2\n" * 300,
            json.dumps("x y " * 300),
            json.dumps({"…": MANUAL, "b": MANUAL}),
            "{}" + " " * 500,
        ],
    )
    def test_of_any_kind(self, talk: Callable[..., Conversation], text: str) -> None:
        messages = [said("user", "Well?"), *step([1, 2], [text, [{"type": "text", "text": text}]]), *step([3], [text])]
        named: list[dict[str, Any]] = [{"restore": True}, {"restore": "whole"}]
        for options in ({}, *named, {"marks": False}, {"target_tokens": 60}, {"grain": "words"}):
            conversation = talk(keep=("messages", 0), **options)
            seen = conversation.shorten(messages)
            assert all(COUNT(new) <= COUNT(old) for old, new in zip(contents(messages), contents(seen), strict=True))
            assert all(bool(new) or not old for old, new in zip(contents(messages), contents(seen), strict=True))
            for mark, source in left_out_of(conversation, messages):
                assert conversation.restore(mark) == source

    @pytest.mark.parametrize("kind", ["log", "one line", "json", "base64"])
    def test_of_ten_megabytes(self, talk: Callable[..., Conversation], kind: str) -> None:
        text = {
            "log": lambda: "\n".join(
                f"2026-03-01 10:00:00 INFO job {n} is done in {n % 977} ms" for n in range(200_000)
            ),
            "one line": lambda: " ".join(f"job {n} is done" for n in range(600_000)),
            "json": lambda: json.dumps([{"id": n, "name": f"boat {n}"} for n in range(250_000)]),
            "base64": lambda: "iVBORw0KGgo" * 900_000,
        }[kind]()
        messages = [said("user", "Well?"), *step([1], [text]), *step([2], [LOG]), *step([3], [LOG])]
        conversation = talk(restore=True, tokenizer=len, grain="auto")
        began = time.perf_counter()
        seen = conversation.shorten(messages)
        assert time.perf_counter() - began < 90
        assert changed(messages, seen) == ([4] if kind == "json" else [2, 4])
        for mark, source in left_out_of(conversation, messages):
            assert conversation.restore(mark) == source
        if kind != "json":
            assert len(seen[2]["content"]) < 210_000
            left = [mark for mark in conversation.marks if mark.message == 2]
            assert max(mark.mark.count for mark in left) > 100_000
