"""The server as a target: requests of every kind go in, without a network, before a provider that sends them back.

What must hold is promised in docs/server.md. A request has the form in which any server of HTTP lets one through: a
target of visible ASCII, headers without control characters, a length where there is a body.
"""

import asyncio
import copy
import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx
from generated_texts import FORMATS
from integrations.wire_formats import FORMATS as WIRE
from promises import outline
from starlette.applications import Starlette
from starlette.types import Message

from diffumask_integrations.server import ServerSettings, Shortening, create_app
from fuzz.inputs import COMPRESSOR, read_conversation, strings_of
from fuzz.reader import Reader

Headers = Sequence[tuple[bytes, bytes]]

_TOKEN = "right"
_PROMPTS = {
    "chat": ("/v1/chat/completions", "messages"),
    "responses": ("/v1/responses", "input"),
    "anthropic": ("/v1/messages", "messages"),
}
_PATHS = ["/v1/compress", "/health", "/metrics", "/v1/retrieve/", "/v1/models", "/chat/completions/", "/"]
_METHODS = ["POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS"]
_HEADERS = [
    (b"x-diffumask-token", b"right"),
    (b"authorization", b"Bearer right"),
    (b"x-diffumask-bypass", b"true"),
    (b"authorization", b"Bearer wrong"),
    (b"x-diffumask-token", b"wrong"),
    (b"x-diffumask-bypass", b"no"),
    (b"accept-encoding", b"gzip, br"),
    (b"connection", b"close"),
    (b"content-encoding", b"gzip"),
]
# Headers that go on whatever they say.
_PASSING = (b"x-api-key", b"content-type", b"cookie", b"anthropic-beta")
_ERRORS = {
    400: ("invalid_json",),
    401: ("unauthorized",),
    404: ("not_found",),
    413: ("body_too_large",),
    422: ("invalid_request",),
    502: ("upstream_unreachable",),
    504: ("upstream_timeout",),
}
_OUTCOMES = ("shortened", "unchanged", "measured", "bypassed", "unreadable", "passed")
# Members of a body that must keep their bytes.
_MORE = ['"é \\u00e9 \\ud83d"', '{"a": [1E5, {}], "a":2}', "123456789012345678901234567890", "null"]
_ODD: list[Any] = [
    None,
    True,
    7,
    -1.5,
    10**30,
    float("nan"),
    "",
    "\ud83d",
    "user",
    [],
    {},
    [None],
    [[]],
    {"type": "text"},
]
_GONE = object()
_ODD += [
    {"type": "text", "text": 7},
    {"type": "tool_result"},
    {"type": "tool_use", "id": []},
    [{"type": {}}],
    "assistant",
]


@dataclass(frozen=True)
class Asked:
    """A request, as it came in or as it went on."""

    method: str
    target: bytes
    headers: Headers
    body: bytes

    @property
    def path(self) -> str:
        """Its path, as a server of HTTP decodes it."""
        return unquote(self.target.partition(b"?")[0].decode("ascii"))

    @property
    def asks_for_bypass(self) -> bool:
        """Whether nothing of it may change."""
        return self.first(b"x-diffumask-bypass").strip().lower() == "true"

    def first(self, name: bytes) -> str:
        """The first of its headers of a name; empty where there is none."""
        return next((value for key, value in self.headers if key == name), b"").decode("latin-1")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Headers
    body: bytes

    @property
    def told(self) -> dict[str, str]:
        """The headers of the server's own."""
        return {name.decode(): value.decode() for name, value in self.headers if name.startswith(b"x-diffumask-")}


@dataclass
class Echo(httpx.AsyncBaseTransport):
    """A provider that sends back the body that it gets, or cannot be reached."""

    status: int
    error: httpx.TransportError | None
    seen: list[Asked] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        body = b"".join([piece async for piece in request.stream])
        target = request.extensions.get("target", request.url.raw_path)
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        self.seen.append(Asked(request.method, target, headers, body))
        if self.error:
            raise self.error
        return httpx.Response(self.status, headers={"x-of-upstream": "1"}, stream=_Pieces(body))


class _Pieces(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), 500):
            yield self._body[start : start + 500]


def server(reader: Reader) -> None:
    """A request to the server: it is answered as documented, or goes on changed in its messages alone."""
    settings, upstream = _read_settings(reader), _read_upstream(reader)
    form = reader.choice(list(_PROMPTS))
    asked, fixed = _read_request(reader, form)
    asyncio.run(_exchange(settings, upstream, asked, form, fixed))


async def _exchange(settings: ServerSettings, upstream: Echo, asked: Asked, form: str, fixed: "Fixed | None") -> None:
    app = create_app(COMPRESSOR, settings, upstream)
    answer = await _ask(app, asked)
    if not upstream.seen:
        _check_own(settings, asked, answer)
    else:
        _check_passed_on(settings, upstream, asked, answer)
        if fixed and answer.told.get("x-diffumask-outcome") == "shortened":
            _check_frame(upstream.seen[0].body, form, fixed)
    seen = list(upstream.seen)
    again = await _ask(app, asked)
    assert asked.path == "/metrics" or again == answer, "Asked again, the server answers something else."
    assert upstream.seen == seen * 2, "Asked again, the server sends something else on."
    if not seen and answer.status == 200 and b'"ccr_hashes"' in answer.body:
        await _check_left_out(app, asked, answer)


# What is promised.


def _check_own(settings: ServerSettings, asked: Asked, answer: Answer) -> None:
    """An answer of the server's own."""
    if answer.status != 200:
        _check_error(answer)
        assert answer.status != 413 or len(asked.body) > settings.max_body_bytes
        assert answer.status != 401 or settings.token
        return
    assert asked.path.startswith(("/v1/compress", "/v1/retrieve/", "/health", "/metrics")), "A path of the provider's."
    assert asked.path == "/health" or settings.token in (None, asked.first(b"authorization").partition(" ")[2].strip())
    if not asked.path.startswith("/v1/compress"):
        return
    told, given = _json(answer), json.loads(asked.body)["messages"]
    assert told.keys() == {"messages", "tokens_before", "tokens_after", "compression_ratio", "ccr_hashes"}
    assert told["tokens_after"] <= told["tokens_before"]
    assert [*map(outline, told["messages"])] == [*map(outline, given)], "More than texts changed."
    if settings.audit or asked.asks_for_bypass:
        assert (told["messages"], told["tokens_after"]) == (given, told["tokens_before"]), "A bypass changed something."


def _check_error(answer: Answer) -> None:
    assert answer.status in _ERRORS, f"{answer.status} is not documented: {answer.body[:200]!r}"
    told = _json(answer)
    assert (told["type"], bool(told["error"]["message"])) == ("error", True)
    assert told["error"]["type"] in _ERRORS[answer.status]


def _check_passed_on(settings: ServerSettings, upstream: Echo, asked: Asked, answer: Answer) -> None:
    """A request that went on, and what came back."""
    [seen] = upstream.seen
    assert settings.token in (None, asked.first(b"x-diffumask-token"))
    assert (seen.method, seen.target) == (asked.method, _prefix(settings) + asked.target), seen.target
    assert not [name for name, _ in seen.headers if name.startswith(b"x-diffumask-")]
    assert [each for each in seen.headers if each[0] in _PASSING] == [
        each for each in asked.headers if each[0] in _PASSING and each[0] not in _of_connection(asked)
    ]
    if upstream.error:
        _check_error(answer)
        assert answer.status == (504 if isinstance(upstream.error, httpx.TimeoutException) else 502)
        assert seen.body == asked.body or not settings.audit
        return
    assert (answer.status, answer.body) == (upstream.status, seen.body)
    assert (b"x-of-upstream", b"1") in answer.headers
    outcome = answer.told["x-diffumask-outcome"]
    assert outcome in _OUTCOMES, f"The server met an error of its own: {outcome}."
    if outcome != "shortened":
        assert seen.body == asked.body, f"{outcome}, and yet the body is another one."
        return
    assert not settings.audit
    assert not asked.asks_for_bypass
    assert int(answer.told["x-diffumask-tokens-after"]) < int(answer.told["x-diffumask-tokens-before"])
    before, after = json.loads(asked.body), json.loads(seen.body)
    assert list(before) == list(after)
    for key, value in before.items():
        if key in ("messages", "input") and isinstance(value, list):
            assert [*map(outline, value)] == [*map(outline, after[key])], "More than texts changed."
        else:
            assert after[key] == value


def _prefix(settings: ServerSettings) -> bytes:
    return httpx.URL(settings.upstream or "").raw_path.rstrip(b"/")


def _of_connection(asked: Asked) -> set[bytes]:
    named = [value.lower().split(b",") for name, value in asked.headers if name == b"connection"]
    return {each.strip() for values in named for each in values}


def _check_frame(body: bytes, form: str, fixed: "Fixed") -> None:
    """All but the messages keeps its bytes, and the messages stay valid."""
    assert body.startswith(fixed.before), "What stands before the messages changed."
    assert body.endswith(fixed.after), "What stands after the messages changed."
    violations = WIRE[{"chat": "openai"}.get(form, form)].violations
    left = json.loads(body)[_PROMPTS[form][1]]
    assert violations(fixed.messages) or not violations(left), violations(left)


async def _check_left_out(app: Starlette, asked: Asked, answer: Answer) -> None:
    """What a hash stands for comes back exactly."""
    given = [*strings_of(json.loads(asked.body)["messages"])]
    for name in _json(answer)["ccr_hashes"]:
        headers = [each for each in asked.headers if each[0] == b"authorization"]
        got = await _ask(app, Asked("GET", f"/v1/retrieve/{name}".encode(), headers, b""))
        text = _json(got)["original_content"]
        assert hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest().startswith(name)
        assert any(text in each for each in given), "What was left out is nowhere in the messages."
        part = await _ask(app, Asked("GET", f"/v1/retrieve/{name}?query=who".encode(), headers, b""))
        assert part.status == 200


# Requests.


@dataclass(frozen=True)
class Fixed:
    """A conversation in a body, and the bytes around it."""

    before: bytes
    messages: list[dict[str, Any]]
    after: bytes


def _read_settings(reader: Reader) -> ServerSettings:
    shortening = Shortening(
        keep=("messages", reader.integer(0, 3)),
        restore=reader.flag(),
        keep_rate=reader.choice([0.3, 0.05, 0.9, None]),
        protect=reader.choice([(), ("apples", "\n")]),
    )
    return ServerSettings(
        upstream=reader.choice([*["http://upstream.test", "https://upstream.test/openai/v1"] * 3, None]),
        audit=reader.integer(0, 7) == 7,
        token=_TOKEN if reader.integer(0, 7) == 7 else None,
        max_body_bytes=64 if reader.integer(0, 15) == 15 else 2**20,
        shortening=shortening,
        running=1,
    )


def _read_upstream(reader: Reader) -> Echo:
    errors = [None] * 6 + [httpx.ReadTimeout("secret"), httpx.RemoteProtocolError("secret")]
    return Echo(reader.choice([200, 400, 429, 500, 529]), reader.choice(errors))


def _read_request(reader: Reader, form: str) -> tuple[Asked, Fixed | None]:
    method = "POST" if reader.integer(0, 7) < 7 else reader.choice(_METHODS)
    target, host = _read_target(reader, form), _read_host(reader)
    headers = [(b"host", host), *(_read_header(reader) for _ in range(reader.integer(0, 3)))]
    is_chunked = reader.flag()
    # The texts of a body come last, since the last one takes what is left of the bytes.
    body, fixed = _read_body(reader, form)
    if method in ("GET", "HEAD"):
        body, fixed = b"", None
    length = (b"content-length", str(len(body)).encode())
    framing = [(b"transfer-encoding", b"chunked") if is_chunked else length] if body or method == "POST" else []
    return Asked(method, target, [*headers, *framing], body), fixed


def _read_target(reader: Reader, form: str) -> bytes:
    """A target: the path of the form more often than not."""
    match reader.integer(0, 7):
        case 6:
            path = reader.choice(_PATHS) + (reader.text() if reader.flag() else "")
        case 7:
            path = reader.text()
        case number:
            path = _PROMPTS[form][0] if number < 4 else "/v1/compress"
    visible = bytes(byte for byte in _encoded(path) if 0x20 < byte < 0x7F) or b"/"
    # A server of HTTP does not tell whether there is a question mark with nothing behind it.
    path, _, query = visible.decode().partition("?")
    return f"{path}?{query}".encode() if query else path.encode()


def _read_header(reader: Reader) -> tuple[bytes, bytes]:
    if reader.integer(0, 3) < 3:
        return reader.choice([*_HEADERS, *_HEADERS[:3] * 2])
    name = reader.choice([*_PASSING, b"connection", b"authorization", b"x-diffumask-token", b"x-diffumask-bypass"])
    return name, _value(reader.text())


def _read_host(reader: Reader) -> bytes:
    return b"127.0.0.1:8787" if reader.integer(0, 7) < 7 else _value(reader.text())


def _value(text: str) -> bytes:
    return bytes(byte for byte in _encoded(text) if byte >= 0x20 and byte != 0x7F).strip(b" ")


def _read_body(reader: Reader, form: str) -> tuple[bytes, Fixed | None]:
    """A conversation; or one with something odd in it or cut out of it; or any text."""
    kind = reader.choice(["conversation", "conversation", "odd", "cut", "text"])
    if kind == "text":
        return _encoded(reader.text()), None
    more, member = reader.choice(_MORE), _PROMPTS[form][1]
    before, after = f'{{"model": "made", "more": {more},  "{member}": ', reader.choice([', "seed": 1e0 }', "}", "}\n"])
    style = {"ensure_ascii": reader.flag(), "indent": reader.choice([None, 1])}
    odd = [(reader.integer(0, 5000), reader.choice([_GONE, *_ODD])) for _ in range(reader.integer(1, 3))]
    start, length = reader.integer(0, 5000), reader.integer(0, 40)
    messages: Any = FORMATS[form](read_conversation(reader))
    given = json.loads(json.dumps(messages))
    for place, value in odd if kind == "odd" else ():
        _put(messages, place, value)
    whole = before + json.dumps(messages, **style) + after
    if kind == "cut":
        start %= len(whole)
        return _encoded(whole[:start] + reader.text() + whole[start + length :]), None
    fixed = Fixed(_encoded(before), given, _encoded(after))
    return _encoded(whole), fixed if kind == "conversation" else None


def _put(messages: list[Any], place: int, value: Any) -> None:
    """Puts a value into a place of messages, or takes away what is there."""
    places = [*_places(messages)]
    if not places:
        return
    holder, key = places[place % len(places)]
    if value is _GONE:
        del holder[key]
    else:
        holder[key] = copy.deepcopy(value)


def _places(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a value, as what holds it and the key or index there."""
    keys = list(holder) if isinstance(holder, dict) else range(len(holder))
    for key in keys:
        yield holder, key
        if isinstance(holder[key], dict | list):
            yield from _places(holder[key])


def _encoded(text: str) -> bytes:
    """The bytes of a text: those that it was read from, and half characters as three bytes that are no UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


# The application, called as a server of HTTP calls it.


async def _ask(app: Starlette, asked: Asked) -> Answer:
    path, _, query = asked.target.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "http",
        "path": asked.path,
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": list(asked.headers),
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8787),
    }
    pieces = [asked.body[start : start + 1000] for start in range(0, len(asked.body), 1000)] or [b""]
    sent: list[Message] = []
    done = asyncio.Event()

    async def receive() -> Message:
        if pieces:
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            done.set()

    await app(scope, receive, send)
    start, *rest = sent
    assert start["type"] == "http.response.start"
    assert done.is_set()
    return Answer(start["status"], start["headers"], b"".join(each["body"] for each in rest))


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        raise AssertionError(f"{answer.status} has a body that is no JSON: {answer.body[:200]!r}") from None
