"""A provider on loopback that records what it gets and answers in the formats of OpenAI and Anthropic."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from diffumask_core import Compressor
from diffumask_integrations.server import ServerSettings, create_app

Event = Mapping[str, Any]

CALL = {"machine": "crane"}
_USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


@dataclass
class Seen:
    """A request that came in."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Upstream:
    """The provider, as an application."""

    seen: list[Seen] = field(default_factory=list)
    dropped: threading.Event = field(default_factory=threading.Event)

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST", "PUT", "DELETE"])])

    async def _record(self, request: Request) -> bytes:
        body = await request.body()
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        headers = [(name.decode(), value.decode("latin-1")) for name, value in request.headers.raw]
        self.seen.append(Seen(request.method, target, headers, body))
        return body

    async def answer(self, request: Request) -> Response:
        body = await self._record(request)
        asked = _asked(body)
        match asked.get("model"):
            case "refuses":
                refusal = JSONResponse({"error": {"type": "rate_limit", "message": "Come later."}}, 429)
                refusal.raw_headers += [(b"retry-after", b"7"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
                return refusal
            case "sleeps":
                return await self._sleep(request)
        path = request.url.path
        name = next((name for name in _REPLIES if path.endswith(name)), None)
        if name is None or request.method != "POST":
            return JSONResponse({"object": "list", "data": [], "path": path})
        reply, events = _REPLIES[name](bool(asked.get("tools")))
        if asked.get("stream"):
            return StreamingResponse(_sent(events), media_type="text/event-stream")
        return JSONResponse(reply)

    async def _sleep(self, request: Request) -> Response:
        """Answers never, and sees when the client goes."""
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self.dropped.set()
        return Response()


def _asked(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return asked if isinstance(asked, dict) else {}


async def _sent(events: Sequence[Event]) -> AsyncIterator[bytes]:
    for event in events:
        name = f"event: {event['type']}\n" if "type" in event else ""
        yield f"{name}data: {json.dumps(event)}\n\n".encode()
        await asyncio.sleep(0)
    if "type" not in events[0]:
        yield b"data: [DONE]\n\n"


def _chat(with_call: bool) -> tuple[Event, Sequence[Event]]:
    head = {"id": "1", "created": 0, "model": "made"}
    function = {"name": "log", "arguments": json.dumps(CALL)}
    call = {"id": "c1", "type": "function", "function": function}
    said = {"content": None, "tool_calls": [call]} if with_call else {"content": "All is well."}
    message = {"role": "assistant", **said}
    reply = {**head, "object": "chat.completion", "usage": _USAGE}
    reply["choices"] = [{"index": 0, "finish_reason": "tool_calls" if with_call else "stop", "message": message}]
    parts = [{"role": "assistant"}, {"content": "All is"}, {"content": " well."}]
    if with_call:
        parts[1:] = [{"tool_calls": [{"index": 0, **call}]}]
    chunk = {**head, "object": "chat.completion.chunk"}
    return reply, [{**chunk, "choices": [{"index": 0, "delta": part, "finish_reason": None}]} for part in parts]


def _responses(with_call: bool) -> tuple[Event, Sequence[Event]]:
    text = {"type": "output_text", "text": "All is well.", "annotations": []}
    item = {"id": "m1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    if with_call:
        item = {"id": "f1", "type": "function_call", "call_id": "c1", "name": "log", "arguments": json.dumps(CALL)}
    reply = {"id": "r1", "object": "response", "created_at": 0, "model": "made", "output": [item], "tools": []}
    reply |= {"parallel_tool_calls": True, "tool_choice": "auto", "status": "completed"}
    place = {"item_id": "m1", "output_index": 0, "content_index": 0, "logprobs": []}
    deltas = [
        {"type": "response.output_text.delta", "delta": part, "sequence_number": number, **place}
        for number, part in enumerate(("All is", " well."))
    ]
    return reply, [*deltas, {"type": "response.completed", "response": reply, "sequence_number": 9}]


def _messages(with_call: bool) -> tuple[Event, Sequence[Event]]:
    block = {"type": "text", "text": "All is well."}
    if with_call:
        block = {"type": "tool_use", "id": "c1", "name": "log", "input": CALL}
    usage = {"input_tokens": 1, "output_tokens": 1}
    reason = {"stop_reason": "tool_use" if with_call else "end_turn", "stop_sequence": None}
    reply = {"id": "m1", "type": "message", "role": "assistant", "model": "made", "content": [block], "usage": usage}
    started = {**reply, "content": [], "stop_reason": None, "stop_sequence": None}
    empty = {**block, "input": {}} if with_call else {**block, "text": ""}
    delta = {"type": "text_delta", "text": "All is well."}
    if with_call:
        delta = {"type": "input_json_delta", "partial_json": json.dumps(CALL)}
    events = [
        {"type": "message_start", "message": started},
        {"type": "content_block_start", "index": 0, "content_block": empty},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": reason, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]
    return {**reply, **reason}, events


_REPLIES: dict[str, Callable[[bool], tuple[Event, Sequence[Event]]]] = {
    "/chat/completions": _chat,
    "/responses": _responses,
    "/messages": _messages,
}


@contextmanager
def listening(app: ASGIApp) -> Iterator[str]:
    """Runs an application on a free port of loopback, and gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


class Wire(httpx.ASGITransport):
    """Takes the target of a request from where the transports of httpx to a network take it."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(raw_path=request.extensions["target"])
        return await super().handle_async_request(request)


class InProcess:
    """A server before a provider, both in this process and without a network."""

    def __init__(
        self, compressor: Compressor, transport: httpx.AsyncBaseTransport | None = None, **settings: Any
    ) -> None:
        self.upstream = Upstream()
        given = ServerSettings(**{"upstream": "http://upstream.test", "running": 2, **settings})
        self.app = create_app(compressor, given, transport or Wire(self.upstream.app))

    def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        """Sends a request, and waits for its answer."""
        return asyncio.run(self.send(method, path, **given))

    async def send(self, method: str, path: str, **given: Any) -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://diffumask.test"
        ) as client:
            return await client.request(method, path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self.request("POST", path, **given)

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.request("GET", path, **given)
