import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stopwatch import at_most

from diffumask_core.errors import InputError
from diffumask_core.prompt.messages import MessagesLayout, messages_layout, rebuild
from diffumask_core.prompt.spans import Span
from diffumask_core.regions.detect import regions_of

Message = dict[str, Any]


def call(name: str, arguments: str, content: Any = None) -> Message:
    function = {"name": name, "arguments": arguments}
    return {
        "role": "assistant",
        "content": content,
        "tool_calls": [{"id": "c1", "type": "function", "function": function}],
    }


def result(content: str) -> Message:
    return {"role": "tool", "tool_call_id": "c1", "name": "find", "content": content}


def message(role: str, content: Any) -> Message:
    return {"role": role, "content": content}


AGENT = [
    message("system", "You run a bicycle workshop's front desk."),
    message("user", "When is my blue bike ready?"),
    call("find", '{"bike": "blue"}'),
    result('{"ready": "Friday", "price": 80}'),
    message("assistant", "Your blue bike will be ready on Friday."),
    message("user", "And what about the red one?"),
    call("find", '{"bike": "red"}', "Let me look."),
    result('[{"ready": null}]'),
]


def texts(laid_out: MessagesLayout, spans: list[Span] | tuple[Span, ...]) -> list[str]:
    return [laid_out.layout.text[start:end] for start, end in spans]


def json_texts(laid_out: MessagesLayout) -> list[str]:
    return texts(laid_out, [region.span for region in regions_of(laid_out.layout) if region.kind == "json"])


def segment_texts(laid_out: MessagesLayout) -> list[str]:
    return texts(laid_out, laid_out.layout.segments)


class TestLayout:
    def test_an_agent_at_work(self) -> None:
        laid_out = messages_layout(AGENT)
        layout = laid_out.layout
        assert segment_texts(laid_out) == [
            AGENT[0]["content"],
            AGENT[1]["content"],
            "find",
            '{"bike": "blue"}',
            AGENT[3]["content"],
            AGENT[4]["content"],
            AGENT[5]["content"],
            "Let me look.",
            "find",
            '{"bike": "red"}',
            AGENT[7]["content"],
        ]
        assert layout.text == "\n\n".join(segment_texts(laid_out))
        assert layout.query
        assert layout.text[slice(*layout.query)] == AGENT[5]["content"]
        assert texts(laid_out, layout.protected) == [AGENT[0]["content"], "find", '{"bike": "red"}']
        (shot,) = layout.shots
        assert shot.span == (layout.segments[1][0], layout.segments[5][1])
        assert texts(laid_out, shot.kept) == ["find", '{"bike": "blue"}']
        assert shot.answer is None
        assert not shot.pinned
        assert laid_out.turns == ((1, 2, 3, 4),)
        # Arguments of the running turn stay whole, so nobody looks into them.
        assert json_texts(laid_out) == ['{"bike": "blue"}', AGENT[3]["content"], AGENT[7]["content"]]

    def test_json_does_not_reach_across_texts(self) -> None:
        conversation = [message("assistant", '{"a": ['), message("assistant", '"b"]}'), message("user", "hm")]
        assert json_texts(messages_layout(conversation)) == []

    def test_few_shot_pairs(self) -> None:
        conversation = [
            message("developer", "Name the tone."),
            message("user", "What a lovely day!"),
            message("assistant", "happy"),
            message("user", "My shoes are wet again."),
            message("assistant", "annoyed"),
            message("user", "The cake was gone when I came."),
        ]
        laid_out = messages_layout(conversation)
        assert [laid_out.layout.text[slice(*shot.answer)] for shot in laid_out.layout.shots if shot.answer] == [
            "happy",
            "annoyed",
        ]
        assert all(shot.kept == (shot.answer,) for shot in laid_out.layout.shots)
        assert laid_out.turns == ((1, 2), (3, 4))

    def test_messages_that_are_named_as_exemplars(self) -> None:
        conversation = [
            message("system", "Say it in German."),
            message("system", "Where is the house of the harbour master?") | {"name": "example_user"},
            message("system", "Wo ist das Haus des Hafenmeisters, bitte?") | {"name": "example_assistant"},
            message("user", "Where is the crane?") | {"name": "example_user"},
            message("assistant", "Wo steht der Kran, und wer bedient ihn?") | {"name": "example_assistant"},
        ]
        for asked in ([], [message("user", "Where is the boat?")]):
            laid_out = messages_layout([*conversation, *asked])
            layout = laid_out.layout
            assert laid_out.turns == ((1, 2), (3, 4))
            assert [texts(laid_out, shot.output) for shot in layout.shots] == [
                [conversation[2]["content"]],
                [conversation[4]["content"]],
            ]
            assert texts(laid_out, layout.protected) == ["Say it in German."]
            assert (layout.query and layout.text[slice(*layout.query)]) == (asked[0]["content"] if asked else None)

    def test_a_reply_to_write_like_has_a_final_answer(self) -> None:
        solved = "Every box holds 9, so there are 4 * 9. The answer is 36."
        told = "There are several boxes, and nobody has counted what is in them yet."
        for reply, output in ((solved, [solved]), (told, [])):
            conversation = [message("user", "How many?"), message("assistant", reply), message("user", "And now?")]
            laid_out = messages_layout(conversation)
            assert texts(laid_out, laid_out.layout.shots[0].output) == output

    def test_user_messages_in_a_row_belong_together(self) -> None:
        conversation = [
            message("user", "first"),
            message("user", "second"),
            message("assistant", "a reply to both of them, and longer than a label"),
            message("user", "a long text to read"),
            message("system", "Be brief."),
            message("user", "What does it say?"),
        ]
        laid_out = messages_layout(conversation)
        assert laid_out.turns == ((0, 1, 2),)
        assert laid_out.layout.query
        assert laid_out.layout.text[slice(*laid_out.layout.query)] == "What does it say?"
        assert texts(laid_out, laid_out.layout.protected) == ["Be brief."]

    def test_a_system_message_in_a_turn_pins_it(self) -> None:
        laid_out = messages_layout([message(role, role) for role in ("user", "system", "assistant", "system", "user")])
        (shot,) = laid_out.layout.shots
        assert shot.pinned
        assert laid_out.turns == ((0, 1, 2),)
        assert texts(laid_out, laid_out.layout.protected) == ["system", "system"]

    def test_without_a_user(self) -> None:
        laid_out = messages_layout([AGENT[0], *AGENT[2:5]])
        assert laid_out.layout.query is None
        assert laid_out.layout.shots == ()
        assert texts(laid_out, laid_out.layout.protected) == [AGENT[0]["content"], "find", '{"bike": "blue"}']

    def test_parts(self) -> None:
        image = {"type": "image_url", "image_url": {"url": "data:,"}}
        conversation = [
            message("user", [image]),
            message("assistant", "A cat on a mat, sleeping in the sun."),
            message("user", [{"type": "text", "text": "And"}, image, {"type": "text", "text": "now?"}]),
        ]
        laid_out = messages_layout(conversation)
        assert [(place.message, place.keys) for place in laid_out.places] == [
            (1, ("content",)),
            (2, ("content", 0, "text")),
            (2, ("content", 2, "text")),
        ]
        assert laid_out.turns == ((0, 1),)
        assert asked(laid_out) == "now?"
        assert texts(laid_out, laid_out.layout.protected) == ["And"]

    @pytest.mark.parametrize("conversation", [[], [message("user", "")], [message("assistant", None)]])
    def test_no_text(self, conversation: list[Message]) -> None:
        laid_out = messages_layout(conversation)
        assert laid_out.layout.text == ""
        assert laid_out.places == ()
        assert rebuild(laid_out, conversation, [""]) == conversation

    @pytest.mark.parametrize(
        ("conversation", "expected"),
        [
            ("hello", "messages is a str: pass a list"),
            ({"role": "user"}, "messages is a dict: pass a list"),
            (None, "messages is a NoneType"),
            (["hello"], r"messages\[0\] is a str: it must be a dict"),
            ([message("user", "a"), {"content": "b"}], r"messages\[1\] has no role"),
            (
                [message("user", 5)],
                r'messages\[0\]\["content"\] is an int: it must be a string, a list of parts or None',
            ),
            ([message("user", ["a"])], r'messages\[0\]\["content"\]\[0\] must be a dict with a type'),
            ([message("user", [{"type": "text"}])], r'\["content"\]\[0\]\["text"\] is a NoneType: it must be a string'),
            ([{"role": "assistant", "tool_calls": "find"}], r'messages\[0\]\["tool_calls"\] must be a list of dicts'),
            (
                [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}],
                r'"arguments"\] is a dict',
            ),
        ],
    )
    def test_bad_input(self, conversation: Any, expected: str) -> None:
        with pytest.raises(InputError, match=expected):
            messages_layout(conversation)


class TestRebuild:
    def test_texts_go_back_where_they_are_from(self) -> None:
        before = copy.deepcopy(AGENT)
        laid_out = messages_layout(AGENT)
        rebuilt = rebuild(laid_out, AGENT, [text.upper() for text in segment_texts(laid_out)])
        assert rebuilt[3] == {**AGENT[3], "content": '{"READY": "FRIDAY", "PRICE": 80}'}
        assert rebuilt[6]["content"] == "LET ME LOOK."
        (new_call,) = rebuilt[6]["tool_calls"]
        assert new_call == {
            "id": "c1",
            "type": "function",
            "function": {"name": "FIND", "arguments": '{"BIKE": "RED"}'},
        }
        assert before == AGENT

    def test_a_dropped_turn_is_left_out(self) -> None:
        laid_out = messages_layout(AGENT)
        new: list[str | None] = list(segment_texts(laid_out))
        new[1:6] = [None] * 5
        assert rebuild(laid_out, AGENT, new) == [AGENT[0], *AGENT[5:]]

    def test_nothing_becomes_empty(self) -> None:
        laid_out = messages_layout(AGENT)
        new: list[str | None] = ["" for _ in laid_out.places]
        assert rebuild(laid_out, AGENT, new) == AGENT
        new[-1] = None
        assert rebuild(laid_out, AGENT, new) == AGENT

    def test_blank_text_may_become_empty(self) -> None:
        conversation = [message("assistant", "\n\n")]
        assert rebuild(messages_layout(conversation), conversation, [""]) == [message("assistant", "")]

    def test_parts_keep_their_other_keys(self) -> None:
        image = {"type": "image_url", "image_url": {"url": "data:,"}}
        text = {"type": "text", "text": "a b c", "cache_control": {"type": "ephemeral"}}
        conversation = [message("user", [image, text])]
        rebuilt = rebuild(messages_layout(conversation), conversation, ["a c"])
        assert rebuilt == [message("user", [image, {**text, "text": "a c"}])]
        assert conversation[0]["content"][1]["text"] == "a b c"


_TEXTS = st.text(st.sampled_from('ab {}[]":,1\n'), max_size=12)
_PARTS = st.lists(
    _TEXTS.map(lambda text: {"type": "text", "text": text}) | st.just({"type": "input_audio", "input_audio": {}}),
    max_size=3,
)
_MESSAGES = st.one_of(
    st.builds(
        message, st.sampled_from(["system", "user", "assistant", "tool", "function"]), st.none() | _TEXTS | _PARTS
    ),
    st.builds(call, st.just("find"), _TEXTS, st.none() | _TEXTS),
)


@settings(max_examples=150, deadline=None)
@given(conversation=st.lists(_MESSAGES, max_size=10), data=st.data())
def test_any_conversation(conversation: list[Message], data: st.DataObject) -> None:
    before = copy.deepcopy(conversation)
    laid_out = messages_layout(conversation)
    layout = laid_out.layout
    if laid_out.places:
        assert layout.text == "\n\n".join(segment_texts(laid_out))
    assert rebuild(laid_out, conversation, segment_texts(laid_out)) == conversation

    inside = [
        [start <= a and b <= end for a, b in layout.segments] for start, end in (shot.span for shot in layout.shots)
    ]
    assert all(sum(column) <= 1 for column in zip(*inside, strict=True))
    dropped = [not shot.pinned and data.draw(st.booleans()) for shot in layout.shots]
    goes = [
        any(d and column for d, column in zip(dropped, columns, strict=True)) for columns in zip(*inside, strict=True)
    ]
    new = (
        [None if gone else text for gone, text in zip(goes, segment_texts(laid_out), strict=True)]
        if dropped
        else segment_texts(laid_out)
    )
    gone = {index for turn, is_dropped in zip(laid_out.turns, dropped, strict=True) if is_dropped for index in turn}
    assert rebuild(laid_out, conversation, new) == [m for i, m in enumerate(conversation) if i not in gone]
    assert not any(conversation[i]["role"] == "system" for i in gone)
    assert not gone or max(gone) < max(i for i, m in enumerate(conversation) if m["role"] == "user")
    assert conversation == before


def test_a_few_shot_prompt_in_the_last_user_message_is_read_as_a_prompt() -> None:
    prompt = "Label each review.\n\nReview: Lovely.\nLabel: good\n\nReview: Awful.\nLabel: bad\n\nReview: Fine.\nLabel:"
    laid_out = messages_layout([{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt}])
    layout = laid_out.layout
    assert [layout.text[slice(*shot.answer)] for shot in layout.shots if shot.answer] == ["good", "bad"]
    assert layout.query is not None
    assert layout.text[slice(*layout.query)] == "Review: Fine.\nLabel:"
    assert laid_out.turns == ((), ())


# Anthropic's format and OpenAI's Responses.


def use(number: int, **arguments: Any) -> Message:
    return {"type": "tool_use", "id": f"t{number}", "name": "find", "input": arguments}


def found(number: int, content: Any, **more: Any) -> Message:
    return {"type": "tool_result", "tool_use_id": f"t{number}", "content": content, **more}


def text(words: str) -> Message:
    return {"type": "text", "text": words}


THINKING = {"type": "thinking", "thinking": "Blue, then.", "signature": "c2lnbmVk"}
ANTHROPIC = [
    message("user", "When is my blue bike ready?"),
    message("assistant", [THINKING, text("Let me look."), use(1, bike="blue")]),
    message("user", [found(1, "It is ready on Friday, for eighty.")]),
    message("assistant", [text("Your blue bike will be ready on Friday.")]),
    message("user", "And what about the red one and the green one?"),
    message("assistant", [use(2, bike="red"), use(3, bike="green")]),
    message("user", [found(2, '{"ready": "Monday"}'), found(3, [text("No such bike.")], is_error=True)]),
    message("assistant", [use(4, owner="me")]),
    message("user", [{**found(4, "red and green"), "cache_control": {"type": "ephemeral"}}]),
]
RESPONSES = [
    {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "You run a workshop."}]},
    message("user", "When is my blue bike ready?"),
    {"type": "reasoning", "id": "r1", "encrypted_content": "AAAA", "summary": []},
    {"type": "function_call", "call_id": "c1", "name": "find", "arguments": '{"bike": "blue"}'},
    {"type": "function_call_output", "call_id": "c1", "output": "It is ready on Friday, for eighty."},
    message(
        "assistant", [{"type": "output_text", "text": "Your blue bike will be ready on Friday.", "annotations": []}]
    ),
    {"role": "user", "content": [{"type": "input_text", "text": "And what about the red one?"}]},
    {"type": "function_call", "call_id": "c2", "name": "find", "arguments": '{"bike": "red"}'},
    {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "on Monday"}]},
]


def asked(laid_out: MessagesLayout) -> str | None:
    query = laid_out.layout.query
    return laid_out.layout.text[slice(*query)] if query else None


def ranks(laid_out: MessagesLayout) -> list[tuple[str, int]]:
    return [(laid_out.layout.text[slice(*span)], rank) for span, rank in laid_out.layout.recency]


class TestAnthropic:
    def test_an_agent_at_work(self) -> None:
        laid_out = messages_layout(ANTHROPIC)
        layout = laid_out.layout
        assert asked(laid_out) == ANTHROPIC[4]["content"]
        assert laid_out.turns == ((0, 1, 2, 3),)
        assert texts(laid_out, layout.shots[0].kept) == ["find", '{"bike": "blue"}']
        assert texts(laid_out, layout.protected) == [
            *["find", '{"bike": "red"}', "find", '{"bike": "green"}'],
            *["No such bike.", "find", '{"owner": "me"}'],
        ]
        assert '{"ready": "Monday"}' in json_texts(laid_out)
        assert "Blue, then." not in layout.text

    def test_results_are_known_old_or_new_and_the_newest_of_the_running_turn_come_first(self) -> None:
        laid_out = messages_layout(ANTHROPIC)
        assert texts(laid_out, laid_out.layout.results) == [
            "It is ready on Friday, for eighty.",
            *['{"ready": "Monday"}', "No such bike.", "red and green"],
        ]
        assert ranks(laid_out) == [('{"ready": "Monday"}', 1), ("No such bike.", 1), ("red and green", 0)]

    def test_only_texts_change(self) -> None:
        before = copy.deepcopy(ANTHROPIC)
        laid_out = messages_layout(ANTHROPIC)
        rebuilt = rebuild(laid_out, ANTHROPIC, [each.upper() for each in segment_texts(laid_out)])
        assert rebuilt[1]["content"] == [THINKING, text("LET ME LOOK."), {**use(1, bike="blue"), "name": "FIND"}]
        assert rebuilt[6]["content"][1] == found(3, [text("NO SUCH BIKE.")], is_error=True)
        assert rebuilt[8]["content"] == [{**ANTHROPIC[8]["content"][0], "content": "RED AND GREEN"}]
        assert before == ANTHROPIC

    def test_a_turn_goes_whole(self) -> None:
        laid_out = messages_layout(ANTHROPIC)
        left = [None if number < 6 else each for number, each in enumerate(segment_texts(laid_out))]
        assert rebuild(laid_out, ANTHROPIC, left) == ANTHROPIC[4:]

    def test_what_a_user_says_after_results_is_the_query(self) -> None:
        conversation = [*ANTHROPIC[:2], message("user", [*ANTHROPIC[2]["content"], text("And the red one?")])]
        laid_out = messages_layout(conversation)
        assert asked(laid_out) == "And the red one?"
        assert laid_out.turns == ()
        assert ranks(laid_out) == [("It is ready on Friday, for eighty.", 0)]

    def test_a_message_with_results_never_begins_a_turn(self) -> None:
        both = message("user", [*ANTHROPIC[2]["content"], text("And the red one?")])
        laid_out = messages_layout([*ANTHROPIC[:2], both, *ANTHROPIC[3:]])
        assert laid_out.turns == ((0, 1, 2, 3),)
        assert asked(laid_out) == ANTHROPIC[4]["content"]

    def test_a_result_that_failed_pins_its_turn(self) -> None:
        failed = message("user", [found(1, "out of order", is_error=True)])
        laid_out = messages_layout([*ANTHROPIC[:2], failed, *ANTHROPIC[3:5]])
        assert [shot.pinned for shot in laid_out.layout.shots] == [True]
        assert texts(laid_out, laid_out.layout.protected) == ["out of order"]

    def test_few_shot_pairs_with_thinking(self) -> None:
        conversation = [
            message("user", [text("What a lovely day!")]),
            message("assistant", [THINKING, text("happy")]),
            message("user", [text("The cake was gone when I came.")]),
        ]
        (shot,) = messages_layout(conversation).layout.shots
        assert shot.answer == shot.kept[0]


class TestResponses:
    def test_an_agent_at_work(self) -> None:
        laid_out = messages_layout(RESPONSES)
        assert asked(laid_out) == "And what about the red one?"
        assert laid_out.turns == ((1, 2, 3, 4, 5),)
        assert texts(laid_out, laid_out.layout.protected) == ["You run a workshop.", "find", '{"bike": "red"}']
        assert texts(laid_out, laid_out.layout.shots[0].kept) == ["find", '{"bike": "blue"}']
        assert texts(laid_out, laid_out.layout.results) == ["It is ready on Friday, for eighty.", "on Monday"]
        assert ranks(laid_out) == [("on Monday", 0)]

    def test_a_turn_goes_with_its_opaque_items(self) -> None:
        laid_out = messages_layout(RESPONSES)
        left = [None if 0 < number < 6 else each for number, each in enumerate(segment_texts(laid_out))]
        assert rebuild(laid_out, RESPONSES, left) == [RESPONSES[0], *RESPONSES[6:]]

    def test_few_shot_pairs_with_reasoning(self) -> None:
        pair = [message("user", "What a lovely day!"), RESPONSES[2], message("assistant", "happy")]
        laid_out = messages_layout([*pair, message("user", "The cake was gone when I came.")])
        (shot,) = laid_out.layout.shots
        assert shot.answer
        assert laid_out.turns == ((0, 1, 2),)

    @pytest.mark.parametrize("kind", ["function_call", "computer_call"])
    def test_a_user_who_speaks_before_the_result_does_not_part_it_from_its_call(self, kind: str) -> None:
        call_item = {"type": kind, "call_id": "c1", "name": "find", "arguments": "{}"}
        result_item = {"type": f"{kind}_output", "call_id": "c1", "output": "a blue bike"}
        conversation = [
            *[message("user", "Find my bike."), call_item, message("user", "Please be quick."), result_item],
            *[message("assistant", "Here it is, in the cellar."), message("user", "Thank you for that.")],
        ]
        assert messages_layout(conversation).turns == ((0, 1, 2, 3, 4),)

    def test_ids_may_come_again_in_later_turns(self) -> None:
        assert messages_layout([*RESPONSES[1:6] * 3, message("user", "Thanks.")]).turns == (
            (0, 1, 2, 3, 4),
            (5, 6, 7, 8, 9),
            (10, 11, 12, 13, 14),
        )


def test_ranks_count_steps_of_the_assistant() -> None:
    steps = [[call("find", "{}"), result(f"result {number}")] for number in range(3)]
    conversation = [message("user", "Look."), *(each for step in steps for each in step)]
    expected = [("result 0", 2), ("result 1", 1), ("result 2", 0)]
    assert ranks(messages_layout(conversation)) == expected
    assert ranks(messages_layout(conversation[1:])) == expected
    assert ranks(messages_layout([*conversation, result("result 3")])) == [
        *[("result 0", 2), ("result 1", 1), ("result 2", 0), ("result 3", 0)],
    ]
    # The assistant has begun to reply: the last results are still the newest.
    assert ranks(messages_layout([*conversation, message("assistant", "So")])) == expected
    assert ranks(messages_layout([*conversation, message("user", "Thanks.")])) == []


def test_a_lone_surrogate_is_a_character() -> None:
    conversation = [message("user", "a \ud83d b"), message("assistant", [use(1, word="\ud83d")])]
    laid_out = messages_layout(conversation)
    assert "\ud83d" in laid_out.layout.text
    assert rebuild(laid_out, conversation, segment_texts(laid_out)) == conversation


def test_other_sequences() -> None:
    assert messages_layout(tuple(AGENT)) == messages_layout(AGENT)
    others: tuple[Any, ...] = (np.array(["a"]), {1}, iter(AGENT), 5)
    for other in others:
        with pytest.raises(InputError, match="pass a list of dicts"):
            messages_layout(other)


def test_many_messages_take_linear_time() -> None:
    turn = [message("user", "Go on."), message("assistant", [use(1)]), message("user", [found(1, "done it all")])]
    conversation = [*turn * 5_000, message("user", [found(1, "x")] * 20_000)]
    with at_most(5):
        laid_out = messages_layout(conversation)
        rebuild(laid_out, conversation, segment_texts(laid_out))


_IDS = st.sampled_from(["t1", "t2", "t3"])
_CONTENTS = st.none() | _TEXTS | st.lists(_TEXTS.map(text), max_size=2)
_BLOCKS = st.one_of(
    _TEXTS.map(text),
    st.just(THINKING),
    st.builds(lambda id_, value: {"type": "tool_use", "id": id_, "name": "f", "input": {"a": value}}, _IDS, _TEXTS),
    st.builds(
        lambda id_, content, failed: {
            "type": "tool_result",
            "tool_use_id": id_,
            "content": content,
            "is_error": failed,
        },
        _IDS,
        _CONTENTS,
        st.booleans(),
    ),
)
_ITEMS = st.one_of(
    st.builds(message, st.sampled_from(["user", "assistant", "system"]), _CONTENTS | st.lists(_BLOCKS, max_size=4)),
    st.builds(lambda id_: {"type": "function_call", "call_id": id_, "name": "f", "arguments": "{}"}, _IDS),
    st.builds(lambda id_, out: {"type": "function_call_output", "call_id": id_, "output": out}, _IDS, _CONTENTS),
    st.builds(lambda kind: {"type": kind, "id": "i"}, st.sampled_from(["reasoning", "item_reference", "mcp_call"])),
)


@settings(max_examples=200, deadline=None)
@given(conversation=st.lists(_ITEMS, max_size=12))
def test_any_items(conversation: list[Message]) -> None:
    before = copy.deepcopy(conversation)
    laid_out = messages_layout(conversation)
    layout = laid_out.layout
    assert rebuild(laid_out, conversation, segment_texts(laid_out)) == conversation == before
    assert {span for span, _ in layout.recency} <= set(layout.results) <= {*layout.segments}
    assert [rank for _, rank in layout.recency] == sorted((rank for _, rank in layout.recency), reverse=True)
    for turn in laid_out.turns:
        inside = [conversation[index] for index in turn]
        outside = [each for index, each in enumerate(conversation) if index not in turn]
        # A result outside has its call outside, unless it had none before.
        assert orphans(outside) <= orphans(conversation)
        assert list(turn) == [*range(turn[0], turn[-1] + 1)]
        assert inside[0]["role"] == "user"


def orphans(conversation: list[Message]) -> int:
    """Results without a call of their id before them."""
    called: set[str] = set()
    count = 0
    for each in conversation:
        content = each.get("content")
        blocks = [each, *(content if isinstance(content, list) else [])]
        answered = [block.get("tool_use_id") for block in blocks if block.get("type") == "tool_result"]
        answered += [each["call_id"]] if each.get("type") == "function_call_output" else []
        count += sum(one not in called for one in answered)
        called |= {block["id"] for block in blocks if block.get("type") == "tool_use"}
        called |= {each["call_id"]} if each.get("type") == "function_call" else set()
    return count
