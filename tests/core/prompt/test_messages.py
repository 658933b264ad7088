import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffumask_core.errors import InputError
from diffumask_core.prompt.messages import MessagesLayout, messages_layout, rebuild
from diffumask_core.prompt.spans import Span

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
        assert texts(laid_out, [node.span for node in layout.json]) == [AGENT[3]["content"], AGENT[7]["content"]]

    def test_json_does_not_reach_across_texts(self) -> None:
        conversation = [message("assistant", '{"a": ['), message("assistant", '"b"]}'), message("user", "hm")]
        assert messages_layout(conversation).layout.json == ()

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
        assert laid_out.layout.query
        assert laid_out.layout.text[slice(*laid_out.layout.query)] == "And\n\nnow?"

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
                r'messages\[0\]\["content"\] is a int: it must be a string, a list of parts or None',
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
