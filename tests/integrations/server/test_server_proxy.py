"""The proxy: what reaches the provider, what comes back, and that a prompt never breaks on its way."""

import asyncio
import itertools
import json
import logging
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from integrations.server.runs import Message, conversation, log, values
from integrations.server.upstream import InProcess, Upstream, listening
from integrations.wire_formats import FORMATS
from made_runs import drawn_run
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from diffumask_core import Compressor
from diffumask_integrations.server import ServerSettings, Shortening, create_app

# Each format with its path, and what its list of messages is called.
PATHS = {
    "openai": ("/v1/chat/completions", "messages"),
    "responses": ("/v1/responses", "input"),
    "anthropic": ("/v1/messages", "messages"),
}
formats = pytest.mark.parametrize("name", PATHS)


@pytest.fixture(scope="module")
def server(compressor: Compressor) -> InProcess:
    return InProcess(compressor)


def body_of(name: str, messages: list[Message], **more: Any) -> dict[str, Any]:
    return {"model": "made", PATHS[name][1]: FORMATS[name].convert(messages), **more}


def sent(server: InProcess, name: str, messages: list[Message]) -> list[Message]:
    """What reaches the provider of messages."""
    path, member = PATHS[name]
    answer = server.post(path, json=body_of(name, messages))
    assert answer.status_code == 200, answer.text
    found: list[Message] = server.upstream.last.json[member]
    return found


def outcome(answer: httpx.Response) -> str:
    return answer.headers["x-diffumask-outcome"]


def shared(one: list[Message], other: list[Message]) -> int:
    """How many messages two lists share at their beginnings."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))


# What reaches the provider.


@formats
def test_old_messages_reach_it_shorter(server: InProcess, compressor: Compressor, name: str) -> None:
    messages = FORMATS[name].convert(conversation(4))
    found = sent(server, name, conversation(4))
    assert found == compressor.conversation().shorten(messages)
    assert found != messages
    assert FORMATS[name].violations(found) == FORMATS[name].violations(messages)


@formats
@settings(max_examples=4, deadline=None)
@given(number=st.integers(0, 10_000))
def test_what_requests_share_only_grows(server: InProcess, name: str, number: int) -> None:
    run = drawn_run(number)
    ends = [index for index, message in enumerate(run) if message["role"] == "assistant"]
    requests = [sent(server, name, run[:end]) for end in ends]
    grown = [shared(before, after) for before, after in itertools.pairwise(requests)]
    assert grown == sorted(grown)
    # All but the newest messages of a request stay as they were sent.
    kept = [len(FORMATS[name].convert(run[:end])) for end in ends]
    assert all(common >= length - 6 for common, length in zip(grown, kept, strict=False))
    assert requests[-1] != FORMATS[name].convert(run[: ends[-1]])


@formats
def test_all_but_the_messages_keeps_its_bytes(server: InProcess, name: str) -> None:
    path, member = PATHS[name]
    messages = json.dumps(FORMATS[name].convert(conversation(3)), indent=1)
    before = '{ "temperature": 1.0, "big": 123456789012345678901234567890, "text": "\\u00e9 é \\ud83d",  '
    after = ',\n "unknown": {"a": [1e5, {}], "a": 2}, "seed":  null }\n'
    server.post(path, content=f'{before}"{member}":{messages}{after}'.encode())
    found = server.upstream.last.body.decode()
    assert found.startswith(before)
    assert found.endswith(after)
    assert len(found) < len(f"{before}{messages}{after}")
    # So do messages that were not shortened.
    assert found.endswith(messages[-600:] + after)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("openai", "/openai/deployments/made/chat/completions?api-version=2025-01-01"),
        ("openai", "/openai/v1/chat/completions"),
        ("openai", "/chat/completions/"),
        ("responses", "/openai/v1/responses"),
        ("responses", "/openai/responses?api-version=preview"),
        ("anthropic", "/anthropic/v1/messages?beta=true"),
        ("anthropic", "/v1/messages/count_tokens"),
    ],
)
def test_prompts_are_found_at_any_address(server: InProcess, name: str, path: str) -> None:
    member = PATHS[name][1]
    answer = server.post(path, json=body_of(name, conversation(4)))
    assert (outcome(answer), server.upstream.last.target) == ("shortened", path)
    assert server.upstream.last.json[member] == sent(server, name, conversation(4))


@pytest.mark.parametrize(
    "path", ["/v1/responses/r1/cancel", "/v1/messages/batches", "/v1/submessages", "/v1/chat/completions/c1"]
)
def test_what_is_no_prompt_keeps_its_bytes(server: InProcess, path: str) -> None:
    body = json.dumps(body_of("anthropic", conversation(4))).encode()
    assert outcome(server.post(path, content=body)) == "passed"
    assert server.upstream.last.body == body


def test_a_string_as_input_goes_on(server: InProcess) -> None:
    body = b'{"model": "made", "input": "Hello."}'
    assert outcome(server.post("/v1/responses", content=body)) == "unchanged"
    assert server.upstream.last.body == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"{}",
        b'{"messages": 7}',
        b'{"messages": [7]}',
        b'{"messages": [{"role": "user", "content": 7}]}',
        b'{"messages": [], "messages": []}',
        b'{"messages": [{"role": "user", "content": NaN}]}',
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_read_goes_on_as_it_came(server: InProcess, body: bytes) -> None:
    for path in ("/v1/chat/completions", "/v1/messages"):
        assert outcome(server.post(path, content=body)) == "unreadable"
        assert server.upstream.last.body == body
    assert 'outcome="unreadable"' in server.get("/metrics").text


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(PATHS)), value=values, raw=st.binary(max_size=30), is_raw=st.booleans())
def test_any_body_reaches_the_provider(server: InProcess, name: str, value: Any, raw: bytes, is_raw: bool) -> None:
    path, member = PATHS[name]
    body = raw if is_raw else json.dumps({member: value, "model": "made"}).encode()
    answer = server.post(path, content=body)
    assert answer.status_code == 200
    assert outcome(answer) in ("shortened", "unchanged", "unreadable")
    if outcome(answer) != "shortened":
        assert server.upstream.last.body == body


def test_a_bypass_and_an_audit_keep_every_byte(compressor: Compressor) -> None:
    body = json.dumps(body_of("openai", conversation(4))).encode()
    measured = InProcess(compressor, audit=True)
    for server, headers in ((measured, {}), (InProcess(compressor), {"x-diffumask-bypass": "TRUE"})):
        answer = server.post("/v1/chat/completions", content=body, headers=headers)
        assert server.upstream.last.body == body
        assert outcome(answer) == ("bypassed" if headers else "measured")
    told = measured.post("/v1/chat/completions", content=body).headers
    assert int(told["x-diffumask-tokens-after"]) < int(told["x-diffumask-tokens-before"])


def test_with_restore_shortened_results_end_in_a_hash(compressor: Compressor) -> None:
    server = InProcess(compressor, shortening=Shortening(restore=True))
    found = sent(server, "openai", conversation(3))
    mark = found[2]["content"].splitlines()[-1]
    name = mark.removeprefix("[… shortened, hash=").removesuffix("]")
    assert server.get(f"/v1/retrieve/{name}").json()["original_content"] == log("machine-0")


def test_headers_go_on_but_ours_and_those_of_the_connection(server: InProcess) -> None:
    given = [
        ("Authorization", "Bearer sk-1"),
        ("x-api-key", "sk-2"),
        ("anthropic-beta", "one"),
        ("anthropic-beta", "two"),
        ("connection", "keep-alive, x-private"),
        ("x-private", "1"),
        ("x-diffumask-anything", "1"),
        ("te", "trailers"),
        ("accept-encoding", "identity"),
    ]
    server.post("/v1/messages?beta=true&key=ä", json=body_of("anthropic", conversation(3)), headers=given)
    seen = server.upstream.last
    assert seen.target == "/v1/messages?beta=true&key=%C3%A4"
    names = [name for name, _ in seen.headers]
    assert {"connection", "x-private", "x-diffumask-anything", "te", "transfer-encoding"}.isdisjoint(names)
    assert [value for name, value in seen.headers if name == "anthropic-beta"] == ["one", "two"]
    found = dict(seen.headers)
    assert (found["authorization"], found["x-api-key"], found["host"]) == ("Bearer sk-1", "sk-2", "upstream.test")
    assert int(found["content-length"]) == len(seen.body)


def test_nothing_is_added_to_a_request(server: InProcess) -> None:
    async def bare() -> None:
        transport = httpx.ASGITransport(server.app)
        await transport.handle_async_request(httpx.Request("GET", "http://diffumask.test/v1/models"))

    asyncio.run(bare())
    assert [name for name, _ in server.upstream.last.headers] == ["host"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/models?limit=2"), ("DELETE", "/v1/files/a%2Fb"), ("GET", "/")]
)
def test_other_paths_go_through(server: InProcess, method: str, path: str) -> None:
    answer = server.request(method, path)
    assert (outcome(answer), server.upstream.last.method) == ("passed", method)
    assert answer.json()["object"] == "list"


def test_other_bodies_stream_through_whatever_their_size(compressor: Compressor) -> None:
    server = InProcess(compressor, max_body_bytes=10)
    server.request("PUT", "/v1/files", content=b"x" * 1000)
    assert server.upstream.last.body == b"x" * 1000
    assert server.post("/v1/messages", content=b"x" * 1000).status_code == 413


@pytest.mark.parametrize("upstream", ["http://upstream.test/v1", "http://upstream.test/v1/", "http://upstream.test"])
def test_an_upstream_may_be_named_as_in_sdks(compressor: Compressor, upstream: str) -> None:
    server = InProcess(compressor, upstream=upstream)
    server.get("/v1/models")
    assert server.upstream.last.target == "/v1/models"


def test_an_upstream_may_have_a_path(compressor: Compressor) -> None:
    server = InProcess(compressor, upstream="http://upstream.test/openai/")
    server.get("/v1/models?a=1")
    assert server.upstream.last.target == "/openai/v1/models?a=1"


# Targets that httpx would tidy up or refuse; found by fuzzing.


class Targets:
    """A provider that records the target of each request."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.seen.append(scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b""))
            await Response()(scope, receive, send)


@pytest.fixture(scope="module")
def through(compressor: Compressor) -> Iterator[tuple[Targets, Callable[[bytes, str], httpx.Response]]]:
    """A provider, and what sends a target to the server before it."""
    provider = Targets()
    with listening(provider) as upstream:
        app = create_app(compressor, ServerSettings(upstream=f"{upstream}/base"))
        with listening(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
            yield provider, lambda target, host: client.get("/", headers={"host": host}, extensions={"target": target})


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/a#b",
        b"/v1/a/../b/./c",
        b'/v1/a"b|c\\d',
        b"/v1/a%zz%41?b=%zz#c",
        b"//elsewhere.test/v1",
        b"/v1/two%0Alines",
        b"/" + b"a" * 60_000,
    ],
)
@pytest.mark.parametrize("host", ["diffumask.test", "[", "a/b?c"])
def test_a_target_goes_on_byte_for_byte(
    through: tuple[Targets, Callable[[bytes, str], httpx.Response]], target: bytes, host: str
) -> None:
    provider, get = through
    assert outcome(get(target, host)) == "passed"
    assert provider.seen[-1] == b"/base" + target


@pytest.mark.parametrize("target", [b"*", b"http://diffumask.test/v1/models"])
def test_a_target_that_is_no_path_is_refused(
    through: tuple[Targets, Callable[[bytes, str], httpx.Response]], target: bytes
) -> None:
    provider, get = through
    provider.seen.clear()
    answer = get(target, "diffumask.test")
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found")
    assert provider.seen == []


# What comes back.


@formats
def test_errors_of_the_provider_come_back_unchanged(server: InProcess, name: str) -> None:
    answer = server.post(PATHS[name][0], json=body_of(name, conversation(1)) | {"model": "refuses"})
    assert answer.status_code == 429
    assert answer.json() == {"error": {"type": "rate_limit", "message": "Come later."}}
    assert answer.headers["retry-after"] == "7"
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


def test_cookies_of_one_client_are_not_sent_for_another(server: InProcess) -> None:
    server.post("/v1/messages", json=body_of("anthropic", conversation(1)) | {"model": "refuses"})
    server.post("/v1/messages", json=body_of("anthropic", conversation(1)))
    assert "cookie" not in dict(server.upstream.last.headers)


class Failing(httpx.AsyncBaseTransport):
    """A network on which nothing arrives."""

    def __init__(self, error: httpx.TransportError) -> None:
        self._error = error

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (httpx.ReadTimeout("secret"), 504, "upstream_timeout"),
        (httpx.ConnectTimeout("secret"), 504, "upstream_timeout"),
        (httpx.ConnectError("secret"), 502, "upstream_unreachable"),
        (httpx.RemoteProtocolError("secret"), 502, "upstream_unreachable"),
    ],
)
def test_no_answer_is_told(compressor: Compressor, error: httpx.TransportError, status: int, kind: str) -> None:
    server = InProcess(compressor, Failing(error), upstream="https://me:secret@upstream.test:8443/secret/v1")
    for method, path in (("POST", "/v1/chat/completions"), ("GET", "/v1/models?key=secret")):
        answer = server.request(method, path, content=b"{}", headers={"authorization": "Bearer secret"})
        assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
        assert "The upstream https://upstream.test:8443 " in answer.json()["error"]["message"]
        assert "secret" not in answer.text


class BrokenOff(httpx.AsyncBaseTransport):
    """A network that is lost in the midst of an answer."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"data: 1\n\n"
            raise httpx.ReadError("secret")

        return httpx.Response(200, content=pieces())


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/files"])
def test_an_answer_that_breaks_off_is_broken_off_for_the_client(
    compressor: Compressor, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    app = create_app(compressor, ServerSettings(upstream="http://upstream.test"), BrokenOff())
    with listening(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        with client.stream("POST", path, content=b"{}") as answer:
            pieces = answer.iter_raw()
            assert (answer.status_code, next(pieces)) == (200, b"data: 1\n\n")
            with pytest.raises(httpx.RemoteProtocolError):
                next(pieces)
        assert 'diffumask_upstream_failures_total{kind="broken_off"} 1.0' in client.get("/metrics").text
    assert "upstream: broken_off (ReadError)" in caplog.text
    assert "Traceback" not in caplog.text
    assert "secret" not in caplog.text


def test_without_an_upstream_nothing_is_passed_on(compressor: Compressor) -> None:
    server = InProcess(compressor, upstream=None)
    answer = server.post("/v1/chat/completions", json=body_of("openai", conversation(1)))
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found")
    assert server.upstream.seen == []


def test_the_token_has_a_header_of_its_own(compressor: Compressor) -> None:
    server = InProcess(compressor, token="right")
    keys = {"authorization": "Bearer right"}
    assert server.get("/v1/models", headers=keys).status_code == 401
    assert server.upstream.seen == []
    assert server.get("/v1/models", headers={**keys, "x-diffumask-token": "right"}).status_code == 200
    assert "x-diffumask-token" not in dict(server.upstream.last.headers)
    assert dict(server.upstream.last.headers)["authorization"] == "Bearer right"


# Under load, and when something is wrong here.


class Held:
    """A compressor whose conversations wait, or err."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work

    def conversation(self, **options: Any) -> "Held":
        return self

    def at(self, messages: Any, cache_control: Any) -> None:
        self._work()
        raise ZeroDivisionError(f"a bug, in {messages}")


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_too_many_are_turned_away_and_the_others_are_not_held_up(release: threading.Event) -> None:
    held: Any = Held(lambda: assert_released(release))
    server = InProcess(held, running=1, waiting=1)

    async def crowd() -> tuple[list[httpx.Response], list[httpx.Response]]:
        body = body_of("openai", conversation(1))
        first = [asyncio.ensure_future(server.send("POST", "/v1/chat/completions", json=body)) for _ in range(2)]
        while "diffumask_compressions 2.0" not in (await server.send("GET", "/metrics")).text:
            # Nothing else waits in this loop, so the others get a turn here.
            await asyncio.sleep(0)
        turned = [await server.send("POST", path, json=body) for path in ("/v1/chat/completions", "/v1/compress")]
        turned += [await server.send("GET", "/health"), await server.send("GET", "/v1/models")]
        release.set()
        return list(await asyncio.gather(*first)), turned

    first, turned = asyncio.run(crowd())
    assert [answer.status_code for answer in turned] == [503, 503, 200, 200]
    assert turned[0].headers["retry-after"] == "1"
    assert turned[0].json()["error"]["type"] == "overloaded"
    assert [answer.status_code for answer in first] == [200, 200]


def test_who_goes_gives_the_place_back(release: threading.Event) -> None:
    held: Any = Held(lambda: assert_released(release))
    app = create_app(held, ServerSettings(running=1, waiting=1))
    body = {"messages": conversation(1)}

    def inside(client: httpx.Client) -> str:
        return re.findall(r"diffumask_compressions (\d\S*)", client.get("/metrics").text)[0]

    with listening(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        for _ in range(3):
            with pytest.raises(httpx.ReadTimeout):
                client.post("/v1/compress", json=body, timeout=0.3)
        # What runs cannot be stopped, and nobody waits.
        until(lambda: inside(client) == "1.0")
        release.set()
        until(lambda: inside(client) == "0.0")
        assert client.post("/v1/compress", json=body).status_code == 500


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def assert_released(event: threading.Event) -> None:
    assert event.wait(300)


def test_a_bug_of_ours_breaks_no_prompt_and_quotes_none(caplog: pytest.LogCaptureFixture) -> None:
    held: Any = Held(lambda: None)
    server = InProcess(held)
    body = body_of("openai", conversation(1))
    with caplog.at_level(logging.DEBUG):
        answer = server.post("/v1/chat/completions", json=body)
        refused = server.post("/v1/compress", json=body)
    assert (answer.status_code, outcome(answer)) == (200, "failed")
    assert server.upstream.last.json == body
    assert (refused.status_code, refused.json()["error"]["type"]) == (500, "internal_error")
    assert "ZeroDivisionError at " in caplog.text
    assert "machine-0" not in caplog.text + refused.text


def test_an_answer_is_no_longer_waited_for_when_the_client_has_gone(compressor: Compressor) -> None:
    upstream = Upstream()
    with listening(upstream.app) as address:
        app = create_app(compressor, ServerSettings(upstream=address))
        with listening(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
            with pytest.raises(httpx.ReadTimeout):
                client.post("/v1/messages", json={"model": "sleeps", "messages": []}, timeout=0.3)
            assert upstream.dropped.wait(5)
