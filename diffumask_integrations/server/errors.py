"""What a request is answered with that cannot be served: a status, a type for programs and a message for people."""

import json
from collections.abc import Mapping
from typing import Any

from diffumask_core.errors import DiffuMaskError
from diffumask_core.extras import needs_extra

with needs_extra("server", "the server"):
    from starlette.responses import JSONResponse


class PlainJSON(JSONResponse):
    """JSON in ASCII, which can hold half a character too, as a text that was cut in its midst has."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode("ascii")


class RequestError(DiffuMaskError):
    """A request that cannot be served.

    Attributes:
        status: The status of the answer.
        kind: What programs tell the error by.
        headers: Headers of the answer.
    """

    def __init__(self, status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.kind = kind
        self.headers = dict(headers or {})
        super().__init__(message)

    def response(self) -> PlainJSON:
        """The answer, in the shape in which the SDKs of OpenAI and of Anthropic look for errors."""
        body = {"type": "error", "error": {"type": self.kind, "message": str(self)}}
        return PlainJSON(body, self.status, self.headers)


class OwnFaultError(RequestError):
    """A request that met an error of ours."""

    def __init__(self) -> None:
        super().__init__(500, "internal_error", "The server met an error of its own; its log has the place.")
