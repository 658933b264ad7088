"""Bodies of requests: read up to a limit, and changed in the messages alone, byte for byte the same elsewhere."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diffumask_core import InputError
from diffumask_core.conversation.breakpoints import breakpoints_of
from diffumask_core.extras import needs_extra
from diffumask_core.prompt.spans import Span
from diffumask_integrations.server.errors import RequestError

with needs_extra("server", "the server"):
    from starlette.requests import Request

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
# Of Anthropic's breakpoints, that of the request as a whole among them.
_MOST_BREAKPOINTS = 4


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request, of which no more than the limit is ever held.

    Raises:
        RequestError: The body is longer.
    """
    declared = request.headers.get("content-length", "")
    chunks: list[bytes] = []
    size = int(declared) if declared.isdecimal() else 0
    if size <= limit:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                break
            chunks.append(chunk)
    if size > limit:
        raise RequestError(413, "body_too_large", f"The body has more than {limit} bytes, which is the limit.")
    return b"".join(chunks)


def parse_json(body: bytes) -> Any:
    """The value of a body.

    Raises:
        InputError: The body is no JSON, or holds a number that JSON cannot hold.
    """
    return _parse(_decode(body))


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"The body is not UTF-8: {error.reason} at byte {error.start}.") from error


def _parse(text: str) -> Any:
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_finite)
    except ValueError as error:
        raise InputError(f"The body is no JSON: {error}.") from error
    except RecursionError as error:
        raise InputError("The body is nested too deeply.") from error


def _finite(written: str) -> float:
    number = float(written)
    if not math.isfinite(number):
        raise ValueError(f"{written[:20]} is no number of JSON")
    return number


@dataclass(frozen=True)
class MessagesBody:
    """A body with a list of messages in it.

    Attributes:
        text: The body.
        request: Its value.
        messages: The messages.
        spans: Where in the body each message stands.
    """

    text: str
    request: Mapping[str, Any]
    messages: list[Any]
    spans: list[Span]

    @classmethod
    def of(cls, body: bytes, member: str) -> "MessagesBody":
        """Finds the messages in a body.

        Args:
            body: The body.
            member: What the list is called. A string in its place counts as no messages.

        Raises:
            InputError: The body is no object of JSON with such a list, or has two.
        """
        text = _decode(body)
        request = _parse(text)
        if not isinstance(request, dict):
            raise InputError("The body is no object.")
        places = [(value, span) for key, value, span in _members(text) if key == member]
        match places:
            case [(list() as messages, (start, _))]:
                return cls(text, request, messages, [span for _, span in _elements(text, start)])
            case [(str(), _)]:
                return cls(text, request, [], [])
        raise InputError(f"The body has no list of {member}, or more than one.")

    @property
    def cache_control(self) -> Mapping[str, Any] | None:
        """The breakpoint that Anthropic puts at the end by itself, where the request has room for one more."""
        automatic = self.request.get("cache_control")
        contents = [self.request.get("tools"), self.request.get("system")]
        contents += [message.get("content") for message in self.messages if isinstance(message, dict)]
        others = sum(1 for content in contents for _ in breakpoints_of(content))
        return automatic if isinstance(automatic, dict) and others + 1 < _MOST_BREAKPOINTS else None

    def with_messages(self, messages: Sequence[Mapping[str, Any]]) -> bytes:
        """The body with other messages; those that are the same as before keep their bytes."""
        pieces: list[str] = []
        position = 0
        for before, after, (start, end) in zip(self.messages, messages, self.spans, strict=True):
            if after != before:
                pieces += [self.text[position:start], json.dumps(after)]
                position = end
        return "".join([*pieces, self.text[position:]]).encode("utf-8")


def _members(text: str) -> Iterator[tuple[str, Any, Span]]:
    """The members of the object that a valid text of JSON is, each with the place of its value."""
    at = _skip(text, _skip(text, 0) + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        value, end = _DECODER.raw_decode(text, start)
        yield key, value, (start, end)
        at = _next(text, end)


def _elements(text: str, start: int) -> Iterator[tuple[Any, Span]]:
    """The elements of the list that begins at a place of a valid text of JSON."""
    at = _skip(text, start + 1)
    while text[at] != "]":
        value, end = _DECODER.raw_decode(text, at)
        yield value, (at, end)
        at = _next(text, end)


def _next(text: str, end: int) -> int:
    """Where the next member or element begins, or the bracket after the last one stands."""
    at = _skip(text, end)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found
    return found.end()
