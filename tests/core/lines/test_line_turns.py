"""Past turns of which only lines of results are to be decided."""

import pytest

from diffumask_core import Compressor

PROSE = (
    "I looked at all the days, and as far as I can tell from what the log says the crane with that number was the one "
    "at the northern end of the quay, which is moved rather seldom, and only when a ship of over forty metres is in."
)


@pytest.fixture(scope="module")
def bundled() -> Compressor:
    return Compressor.from_pretrained()


def turn(number: int) -> list[dict[str, object]]:
    call = {"id": f"call_{number}", "type": "function", "function": {"name": "log", "arguments": '{"day": 3}'}}
    lines = [f"2026-03-0{number} 10:{minute:02}:00 INFO crane-{minute * 37} was moved" for minute in range(30)]
    return [
        {"role": "user", "content": f"What did the cranes do on day {number}?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"call_{number}", "content": "\n".join(lines)},
        {"role": "assistant", "content": "They were moved."},
    ]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turn_without_a_word_to_read(bundled: Compressor, turns: int) -> None:
    """The shot of such a turn has no words for the encoder, and the query is compared with nothing."""
    messages = [message for number in range(1, turns + 1) for message in turn(number)]
    messages.append({"role": "user", "content": "And which of them was crane-111?"})
    messages.append({"role": "assistant", "content": PROSE})
    keep = [number for number, message in enumerate(messages[:-1]) if message["role"] != "tool"]
    result = bundled.compress_messages(messages, keep=keep, keep_rate=0.3)
    assert result.messages is not None
    assert [message["role"] for message in result.messages] == [message["role"] for message in messages]
    assert result.compressed_tokens <= result.budget
    for before, after in zip(messages, result.messages, strict=True):
        if before["role"] == "tool":
            source = str(before["content"]).split("\n")
            assert all(line in source or line.startswith("[…") for line in after["content"].split("\n"))
        elif before["content"] != PROSE:
            assert after == before
