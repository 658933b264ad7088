from typing import Any

import pytest

from diffumask_core.errors import InputError
from diffumask_core.prompt.formats import ReadMessage, put_text, read_message


def read(message: Any) -> ReadMessage:
    return read_message("messages[3]", message)


def texts(message: Any) -> list[tuple[str, str]]:
    return [(text.text, text.kind) for text in read(message).texts]


def tool_result(content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t1", "content": content, **more}


TEXT = {"type": "text", "text": "a tide table"}
IMAGE = {"type": "image", "source": {"type": "base64", "data": "AAAA"}}


class TestChat:
    def test_a_user_asks(self) -> None:
        assert read({"role": "user", "content": "When?"}).asks
        assert read({"role": "user", "content": [IMAGE]}).asks
        assert not read({"role": "assistant", "content": "At noon."}).asks

    def test_calls_are_fixed_and_their_results_are_results(self) -> None:
        function = {"name": "tides", "arguments": '{"pier": "north"}'}
        call = {"role": "assistant", "content": "Let me look.", "tool_calls": [{"id": "c1", "function": function}]}
        assert texts(call) == [("Let me look.", "text"), ("tides", "fixed"), ('{"pier": "north"}', "fixed")]
        assert read(call).calls == ("c1",)
        result = {"role": "tool", "tool_call_id": "c1", "content": [TEXT]}
        assert texts(result) == [("a tide table", "result")]
        assert read(result).answers == ("c1",)
        assert texts({"role": "function", "name": "tides", "content": "noon"}) == [("noon", "result")]


class TestAnthropic:
    def test_a_call_counts_as_its_json(self) -> None:
        use = {"type": "tool_use", "id": "t1", "name": "tides", "input": {"pier": "nörd", "days": [1, 2]}}
        message = {"role": "assistant", "content": [TEXT, use]}
        assert texts(message) == [
            ("a tide table", "text"),
            ("tides", "fixed"),
            ('{"pier": "nörd", "days": [1, 2]}', "fixed"),
        ]
        assert (read(message).role, read(message).calls) == ("assistant", ("t1",))

    def test_input_that_is_still_a_text_or_missing(self) -> None:
        use = {"type": "tool_use", "id": "t1", "name": "tides"}
        assert texts({"role": "assistant", "content": [use]}) == [("tides", "fixed")]
        assert texts({"role": "assistant", "content": [{**use, "input": '{"pi'}]})[1] == ('{"pi', "fixed")

    @pytest.mark.parametrize("content", ["noon", [{"type": "text", "text": "noon"}, IMAGE]])
    def test_results_go_on_with_the_turn(self, content: Any) -> None:
        message = {"role": "user", "content": [tool_result(content)]}
        assert texts(message) == [("noon", "result")]
        assert read(message) == ReadMessage("tool", read(message).texts, answers=("t1",))

    @pytest.mark.parametrize("content", [None, "", [], [IMAGE]])
    def test_results_without_text_go_on_with_the_turn_too(self, content: Any) -> None:
        message = {"role": "user", "content": [tool_result(content)]}
        assert (read(message).role, read(message).asks, read(message).texts) == ("tool", False, ())

    def test_what_stands_after_results_is_the_users(self) -> None:
        message = {"role": "user", "content": [tool_result("noon"), TEXT]}
        assert (read(message).role, read(message).asks) == ("tool", True)
        assert [text.text for text in read(message).own] == ["a tide table"]
        assert not read({"role": "user", "content": [tool_result("noon"), {"type": "text", "text": " "}]}).asks
        assert not read({"role": "user", "content": [TEXT, tool_result("noon")]}).asks

    def test_a_tool_that_failed(self) -> None:
        assert texts({"role": "user", "content": [tool_result("no such pier", is_error=True)]}) == [
            ("no such pier", "failed")
        ]
        assert texts({"role": "user", "content": [tool_result("noon", is_error=False)]}) == [("noon", "result")]

    @pytest.mark.parametrize(
        "part",
        [
            {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "AAAA"},
            {"type": "document", "source": {"type": "text", "data": "a long text"}, "title": "text"},
            {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "text", "text": "x"}]},
            IMAGE,
        ],
    )
    def test_other_blocks_hold_no_text(self, part: Any) -> None:
        assert texts({"role": "assistant", "content": [part]}) == []

    def test_results_in_results_are_opaque(self) -> None:
        deep: Any = "x"
        for _ in range(100_000):
            deep = [tool_result(deep)]
        assert texts({"role": "user", "content": deep}) == []


class TestResponses:
    def test_messages_with_and_without_a_type(self) -> None:
        content = [{"type": "input_text", "text": "When?"}]
        assert texts({"role": "user", "content": content}) == [("When?", "text")]
        assert read({"type": "message", "role": "user", "content": content}).asks
        assert texts({"role": "assistant", "content": [{"type": "output_text", "text": "noon"}]}) == [("noon", "text")]

    def test_a_text_with_annotations_is_fixed(self) -> None:
        part = {"type": "output_text", "text": "noon", "annotations": [{"type": "url_citation", "start_index": 1}]}
        assert texts({"role": "assistant", "content": [part]}) == [("noon", "fixed")]
        assert texts({"role": "assistant", "content": [{**part, "annotations": []}]}) == [("noon", "text")]

    def test_calls_and_results(self) -> None:
        call = {"type": "function_call", "id": "fc", "call_id": "c1", "name": "tides", "arguments": "{}"}
        assert texts(call) == [("tides", "fixed"), ("{}", "fixed")]
        assert (read(call).role, read(call).calls) == ("assistant", ("c1",))
        for output in ("noon", [{"type": "input_text", "text": "noon"}, {"type": "input_image", "image_url": "x"}]):
            result = {"type": "function_call_output", "call_id": "c1", "output": output}
            assert texts(result) == [("noon", "result")]
            assert (read(result).role, read(result).answers) == ("tool", ("c1",))

    def test_other_items_are_opaque(self) -> None:
        assert read({"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "x"}]}) == (
            ReadMessage("")
        )
        assert read({"type": "item_reference", "id": "r"}) == ReadMessage("")
        assert read({"type": "computer_call", "call_id": "k"}).calls == ("k",)
        assert read({"type": "computer_call_output", "call_id": "k"}).answers == ("k",)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (5, r"messages\[3\] is an int"),
        ({}, r"messages\[3\] has no role"),
        ({"type": "message", "content": "x"}, r"messages\[3\] has no role"),
        ({"type": 5}, r"messages\[3\] has no role"),
        ({"role": None, "content": "x"}, r"messages\[3\] has no role"),
        ({"role": "user", "content": [tool_result(5)]}, r'\["content"\]\[0\]\["content"\] is an int: it must be a str'),
        ({"role": "user", "content": [tool_result(["x"])]}, r'\["content"\]\[0\]\["content"\]\[0\] must be a dict'),
        ({"role": "user", "content": [{"type": "input_text"}]}, r'\["text"\] is a NoneType: it must be a string'),
        ({"role": "assistant", "content": [{"type": "tool_use", "input": {}}]}, r'\["name"\] is a NoneType'),
        (
            {"role": "assistant", "content": [{"type": "tool_use", "name": "f", "input": {(1,): 2}}]},
            r'\["input"\] cannot be written as JSON',
        ),
        ({"type": "function_call", "name": "f", "arguments": {}}, r'\["arguments"\] is a dict: it must be a string'),
        (
            {"type": "function_call_output", "output": 5},
            r'\["output"\] is an int: it must be a string, a list of parts',
        ),
    ],
)
def test_bad_input(message: Any, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        read(message)


def test_put_text_changes_texts_only() -> None:
    use = {"type": "tool_use", "name": "f", "input": {"a": 1}}
    message = {"role": "assistant", "content": [{"type": "text", "text": "a b"}, use, {"type": "text", "text": " "}]}
    put_text(message, ("content", 0, "text"), "a")
    put_text(message, ("content", 1, "input"), "{}")
    put_text(message, ("content", 2, "text"), "")
    assert message["content"] == [{"type": "text", "text": "a"}, use, {"type": "text", "text": ""}]
    put_text(message, ("content", 0, "text"), "")
    assert message["content"][0] == {"type": "text", "text": "a"}
