"""``/v1/compress`` and its neighbours: what gateways send, what they get, what they are told when they err."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from integrations.server.runs import conversation, log, values
from integrations.server.upstream import InProcess

from diffumask_core import Compressor
from diffumask_core.tokens import get_counter
from diffumask_integrations.server import Shortening, shortener

COUNT = get_counter("gpt-4o").count
RESTORE = Shortening(restore=True)
WRONG = (
    {},
    {"authorization": "Bearer wrong"},
    {"authorization": "Bearer right or not"},
    {"x-diffumask-token": "right"},
)


@pytest.fixture(scope="module")
def server(compressor: Compressor) -> InProcess:
    return InProcess(compressor)


@pytest.fixture(scope="module")
def restoring(compressor: Compressor) -> InProcess:
    return InProcess(compressor, shortening=RESTORE)


def compress(server: InProcess, messages: Any, **headers: str) -> dict[str, Any]:
    answer = server.post("/v1/compress", json={"messages": messages, "model": "gpt-4o"}, headers=headers)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def error_of(answer: httpx.Response) -> tuple[int, str]:
    told = answer.json()
    assert told["type"] == "error"
    assert told["error"]["message"]
    return answer.status_code, told["error"]["type"]


def test_messages_come_back_shorter(server: InProcess, compressor: Compressor) -> None:
    messages = conversation(3)
    told = compress(server, messages)
    assert told["messages"] == compressor.conversation().shorten(messages)
    assert told["tokens_after"] < told["tokens_before"]
    assert told["compression_ratio"] == round(told["tokens_after"] / told["tokens_before"], 4)
    assert told["ccr_hashes"] == []


def test_what_has_nothing_old_comes_back_as_it_is(server: InProcess) -> None:
    messages = [{"role": "user", "content": log("crane")}, {"role": "assistant", "content": "Ah."}]
    told = compress(server, messages)
    assert told["messages"] == messages
    assert told["tokens_before"] == told["tokens_after"] == COUNT(log("crane")) + COUNT("Ah.")


def test_rows_without_their_assistant_are_each_read_by_themselves(server: InProcess) -> None:
    """LiteLLM keeps back what the assistant said, and what it sends grows at any place."""
    rows = [{"role": "tool", "tool_call_id": f"c{n}", "content": log(f"machine-{n}")} for n in range(3)]
    first = compress(server, rows[:2])["messages"]
    later = compress(server, [{"role": "user", "content": "Which machines stood still?"}, *rows])["messages"]
    assert later[1:3] == first
    assert all(COUNT(short["content"]) < COUNT(row["content"]) for short, row in zip(later[1:], rows, strict=True))


def test_what_was_left_out_comes_back_exactly(restoring: InProcess) -> None:
    messages = conversation(3)
    told = compress(restoring, messages)
    shortened = [(old, new) for old, new in zip(messages, told["messages"], strict=True) if old != new]
    assert len(shortened) == len(told["ccr_hashes"]) == 2
    for (old, new), name in zip(shortened, told["ccr_hashes"], strict=True):
        assert f"hash={name}" in new["content"]
        answer = restoring.get(f"/v1/retrieve/{name}")
        assert answer.json() == {"original_content": old["content"], "complete": True}


def test_what_was_left_out_can_be_read_for_a_query(restoring: InProcess) -> None:
    name = compress(restoring, conversation(2))["ccr_hashes"][0]
    told = restoring.get(f"/v1/retrieve/{name}", params={"query": "which machine stood still"}).json()
    assert told["complete"] is False
    assert COUNT(told["original_content"]) < COUNT(log("machine-0"))


def test_a_very_long_text_is_read_where_it_is_near_to_the_query(
    restoring: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortener, "LONGEST_TEXT", 4_000)
    messages = conversation(2)
    messages[2]["content"] = "\n".join(log(f"machine-{number}") for number in range(8))
    name = compress(restoring, messages)["ccr_hashes"][0]
    told = restoring.get(f"/v1/retrieve/{name}", params={"query": "when did machine-5 stand still"}).json()
    assert told["complete"] is False
    assert "ERROR machine-5 stood still" in told["original_content"]
    assert "characters left out]" in told["original_content"]
    assert len(told["original_content"]) < 4_000


@pytest.mark.parametrize("name", ["0" * 24, "3fa9c2", "nothing", "%2e%2e"])
def test_made_up_hashes_give_nothing(restoring: InProcess, name: str) -> None:
    compress(restoring, conversation(2))
    assert error_of(restoring.get(f"/v1/retrieve/{name}")) == (404, "not_found")


def test_the_store_is_bounded(compressor: Compressor) -> None:
    small = InProcess(compressor, shortening=RESTORE, left_out_characters=3_000)
    names = compress(small, conversation(4))["ccr_hashes"]
    found = [small.get(f"/v1/retrieve/{name}").status_code for name in names]
    assert found == [404, 404, 200]


def test_a_bypass_changes_nothing(server: InProcess) -> None:
    told = compress(server, conversation(3), **{"x-diffumask-bypass": "true"})
    assert told["messages"] == conversation(3)
    assert told["tokens_before"] == told["tokens_after"] == compress(server, conversation(3))["tokens_before"]


def test_an_audit_changes_nothing_and_tells_what_would_be_saved(compressor: Compressor) -> None:
    server = InProcess(compressor, audit=True)
    answer = server.post("/v1/compress", json={"messages": conversation(3)})
    told = answer.json()
    assert told["messages"] == conversation(3)
    assert told["tokens_after"] == told["tokens_before"]
    assert answer.headers["x-diffumask-outcome"] == "measured"
    assert int(answer.headers["x-diffumask-tokens-after"]) < told["tokens_before"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (400, "invalid_json")),
        (b'{"messages": [', (400, "invalid_json")),
        (b'{"messages": [NaN]}', (400, "invalid_json")),
        (b'{"messages": [1e999]}', (400, "invalid_json")),
        (b"\xff\xfe", (400, "invalid_json")),
        (b"[" * 100_000, (400, "invalid_json")),
        (b"[]", (422, "invalid_request")),
        (b"{}", (422, "invalid_request")),
        (b'{"messages": []}', (422, "invalid_request")),
        (b'{"messages": "hello"}', (422, "invalid_request")),
        (b'{"messages": [7]}', (422, "invalid_request")),
        (b'{"messages": [{"content": "x"}]}', (422, "invalid_request")),
        (b'{"messages": [{"role": "wizard", "content": "x"}]}', (422, "invalid_request")),
        (b'{"messages": [{"role": "user", "content": 7}]}', (422, "invalid_request")),
        (b'{"messages": [{"role": "user", "content": [{"text": "no type"}]}]}', (422, "invalid_request")),
        (b'{"messages": [{"role": "user", "content": ' + b"[" * 900 + b"]" * 900 + b"}]}", (422, "invalid_request")),
    ],
)
def test_errors_have_a_type(server: InProcess, body: bytes, expected: tuple[int, str]) -> None:
    assert error_of(server.post("/v1/compress", content=body)) == expected


def test_blocks_of_kinds_that_are_new_stay(server: InProcess) -> None:
    block = {"type": "hologram", "rays": [1, {"a": 2}]}
    messages = [{"role": "user", "content": [block]}, *conversation(2)[1:]]
    assert compress(server, messages)["messages"][0]["content"] == [block]


def test_half_a_character_comes_back(server: InProcess) -> None:
    body = b'{"messages": [{"role": "user", "content": "cut \\ud83d"}]}'
    answer = server.post("/v1/compress", content=body)
    assert json.loads(answer.content)["messages"] == json.loads(body)["messages"]


def test_bodies_have_a_limit(compressor: Compressor) -> None:
    server = InProcess(compressor, max_body_bytes=100)

    async def pieces() -> Any:
        for _ in range(3):
            yield b" " * 50

    assert error_of(server.post("/v1/compress", content=b" " * 101)) == (413, "body_too_large")
    assert error_of(server.post("/v1/compress", content=pieces())) == (413, "body_too_large")
    assert error_of(server.post("/v1/compress", content=b" " * 100)) == (400, "invalid_json")


def test_a_token_is_asked_for(compressor: Compressor) -> None:
    server = InProcess(compressor, token="right")
    asked = {"messages": [{"role": "user", "content": "Hello."}]}
    for path, method in (("/v1/compress", "POST"), ("/metrics", "GET"), (f"/v1/retrieve/{'0' * 24}", "GET")):
        for header in WRONG:
            answer = server.request(method, path, headers=header)
            assert error_of(answer) == (401, "unauthorized")
    assert server.post("/v1/compress", json=asked, headers={"authorization": "Bearer right"}).status_code == 200
    assert server.get("/health").json() == {"status": "ok"}


def test_metrics_count_tokens_and_outcomes(compressor: Compressor) -> None:
    server = InProcess(compressor)
    told = compress(server, conversation(3))
    server.post("/v1/compress", content=b"{")
    text = server.get("/metrics").text
    assert 'diffumask_requests_total{endpoint="compress",outcome="shortened"} 1.0' in text
    assert 'diffumask_requests_total{endpoint="refused",outcome="invalid_json"} 1.0' in text
    assert f'diffumask_tokens_before_total{{endpoint="compress"}} {float(told["tokens_before"])}' in text
    assert f'diffumask_tokens_after_total{{endpoint="compress"}} {float(told["tokens_after"])}' in text


@settings(max_examples=60, deadline=None)
@given(values)
def test_any_json_is_answered_or_refused(server: InProcess, value: Any) -> None:
    answer = server.post("/v1/compress", content=json.dumps(value).encode())
    assert answer.status_code == 200 or error_of(answer)[0] in (400, 422)


@settings(max_examples=60, deadline=None)
@given(st.lists(values, min_size=1, max_size=4))
@example([{"type": "user", "content": [None]}])
@example([{"type": "note", "content": "all of it", "tool_calls": [None, 3, {"id": None}]}])
def test_any_messages_are_answered_or_refused(restoring: InProcess, messages: list[Any]) -> None:
    answer = restoring.post("/v1/compress", content=json.dumps({"messages": messages}).encode())
    if answer.status_code == 200:
        assert len(answer.json()["messages"]) == len(messages)
    else:
        assert error_of(answer)[0] in (400, 422)
