"""An OpenAI-compatible chat-completions server on loopback that checks and records what clients send."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Message = Mapping[str, Any]


def violations(messages: Sequence[Message]) -> list[str]:
    """What a provider would refuse about the messages of a request."""
    found = []
    if not messages or messages[-1].get("role") not in ("user", "tool"):
        found.append("the last message is neither the user's nor a tool's")
    asked: set[str] = set()
    for index, message in enumerate(messages):
        role = message.get("role")
        if role == "tool":
            if message.get("tool_call_id") not in asked:
                found.append(f"messages[{index}] answers no open tool call")
            asked.discard(message.get("tool_call_id", ""))
        else:
            found += [f"tool call {one} has no answer before messages[{index}]" for one in sorted(asked)]
            calls = message.get("tool_calls") or []
            asked = {call["id"] for call in calls}
            if role not in ("system", "developer", "user", "assistant"):
                found.append(f"messages[{index}] has the role {role}")
            if calls and role != "assistant":
                found.append(f"messages[{index}] is the {role}'s, but has tool calls")
            found += [f"messages[{index}]: {problem}" for call in calls for problem in _call_violations(call)]
        found += [f"messages[{index}]: {problem}" for problem in _content_violations(message)]
    return found + [f"tool call {one} has no answer" for one in sorted(asked)]


def _call_violations(call: Mapping[str, Any]) -> Iterator[str]:
    if call.get("type") != "function" or not call["function"].get("name"):
        yield "a tool call is no function's"
    try:
        if not isinstance(json.loads(call["function"]["arguments"]), dict):
            yield "arguments are no object"
    except ValueError:
        yield "arguments are no JSON"


def _content_violations(message: Message) -> Iterator[str]:
    content = message.get("content")
    if not content and (message.get("tool_calls") or message["role"] == "tool"):
        return  # A call needs no words, and a tool may have found nothing.
    if isinstance(content, str):
        if not content.strip():
            yield "the content is empty"
    elif not isinstance(content, list) or not content:
        yield "there is no content"
    else:
        for part in content:
            if not part.get("type"):
                yield "a part has no type"
            elif part["type"] == "text" and not part["text"].strip():
                yield "a text is empty"


class ChatServer:
    """The server, as a context manager.

    Attributes:
        requests: The bodies that came in.
        violations: What was wrong with them.
    """

    def __init__(self, *replies: Message | str | None, port: int = 0) -> None:
        """Takes the assistant's messages that it answers with, the last one again and again.

        A message may have ``logprobs`` beside its content. A string is a page that is no JSON, and at None the server
        hangs up.
        """
        self.requests: list[dict[str, Any]] = []
        self.violations: list[str] = []
        self._replies = replies or ({"role": "assistant", "content": "All is well."},)
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """What clients take as their base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> "ChatServer":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, body: dict[str, Any]) -> Message | str | None:
        """Records a request and gives the reply to it.

        Raises:
            ValueError: The request is not valid.
        """
        reply = self._replies[min(len(self.requests), len(self._replies) - 1)]
        self.requests.append(body)
        if problems := violations(body["messages"]):
            self.violations += problems
            raise ValueError("; ".join(problems))
        return reply


def _handler(server: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            goes_on = self.path == "/v1/completions"
            if goes_on:
                body["messages"] = [{"role": "user", "content": body["prompt"]}]
            elif self.path != "/v1/chat/completions":
                return self._send(404, "application/json", _error(f"no such path: {self.path}"))
            try:
                reply = server.answer(body)
            except ValueError as error:
                return self._send(400, "application/json", _error(str(error)))
            if reply is None:
                self.close_connection = True
            elif isinstance(reply, str):
                self._send(200, "text/html", reply)
            elif body.get("stream"):
                events = [f"data: {json.dumps(chunk)}\n\n" for chunk in _chunks(reply)]
                self._send(200, "text/event-stream", "".join([*events, "data: [DONE]\n\n"]))
            else:
                choice = {"index": 0, "finish_reason": _reason(reply)}
                choice |= {"text": reply["content"]} if goes_on else {"message": reply}
                choice["logprobs"] = reply.get("logprobs")
                usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
                self._send(200, "application/json", json.dumps({**_head("chat.completion", choice), "usage": usage}))

        def _send(self, status: int, kind: str, text: str) -> None:
            payload = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *args: object) -> None:
            """Nothing."""

    return Handler


def _error(message: str) -> str:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error"}})


def _head(kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chat-1", "object": kind, "created": 0, "model": "gpt-4o", "choices": [choice]}


def _reason(reply: Message) -> str:
    return "tool_calls" if reply.get("tool_calls") else "stop"


def _chunks(reply: Message) -> Iterator[dict[str, Any]]:
    """The reply word by word."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": f"{word} "} for word in (reply["content"] or "").split()]
    deltas += [{"tool_calls": [{"index": number, **call}]} for number, call in enumerate(reply.get("tool_calls") or [])]
    for delta in deltas:
        yield _head("chat.completion.chunk", {"index": 0, "delta": delta, "finish_reason": None})
    yield _head("chat.completion.chunk", {"index": 0, "delta": {}, "finish_reason": _reason(reply)})
