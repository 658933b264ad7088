"""The endpoints of our own: shorten messages, read what was left out, health, metrics."""

from typing import Any

from diffumask_core import InputError
from diffumask_core.extras import needs_extra
from diffumask_integrations.server.body import parse_json, read_body
from diffumask_integrations.server.client import while_there
from diffumask_integrations.server.errors import PlainJSON, RequestError
from diffumask_integrations.server.service import Service, asks_for_bypass
from diffumask_integrations.server.shortener import Shortened

with needs_extra("server", "the server"):
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_METRICS_TYPE = "text/plain; version=0.0.4"


class OwnEndpoints:
    """The endpoints, as routes."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/v1/compress", self.compress, methods=["POST"]),
            Route("/v1/retrieve/{name}", self.retrieve),
            Route("/health", self.health),
            Route("/metrics", self.metrics),
        ]

    async def compress(self, request: Request) -> Response:
        """``POST /v1/compress``: the contract of the guardrails of LiteLLM and Portkey."""
        service = self._service
        service.check_bearer(request)
        body = await read_body(request, service.settings.max_body_bytes)
        is_bypassed = asks_for_bypass(request)

        def work() -> tuple[Shortened, list[Any]]:
            messages = _messages_of(body)
            how = service.shortener.unchanged if is_bypassed else service.shortener.shorten_rows
            return how(messages), messages

        shortened, messages, outcome = await while_there(request, service.shorten("compress", work))
        headers = service.tell("compress", "bypassed" if is_bypassed else outcome, shortened)
        if outcome == "measured":
            shortened = Shortened(messages, shortened.tokens_before, shortened.tokens_before)
        return PlainJSON(_answer(shortened), headers=headers)

    async def retrieve(self, request: Request) -> Response:
        """``GET /v1/retrieve/{24 hexadecimal digits}?query=``: what was left out."""
        service = self._service
        service.check_bearer(request)
        name, query = request.path_params["name"], request.query_params.get("query", "")
        reading = service.run("retrieve", lambda: service.shortener.read_left_out(name, query))
        found = await while_there(request, reading)
        if found is None:
            service.tell("retrieve", "missing")
            raise RequestError(404, "not_found", "Nothing is kept under that hash, or nothing any more.")
        text, is_whole = found
        headers = service.tell("retrieve", "read")
        return PlainJSON({"original_content": text, "complete": is_whole}, headers=headers)

    async def health(self, request: Request) -> Response:
        """``GET /health``, for probes, which have no token."""
        return PlainJSON({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """``GET /metrics``, in the text format of Prometheus."""
        self._service.check_bearer(request)
        return PlainTextResponse(self._service.metrics.text(), media_type=_METRICS_TYPE)


def _messages_of(body: bytes) -> list[Any]:
    """The messages in a body of ``/v1/compress``.

    Raises:
        InputError: They are not of the form that the contract has.
        RequestError: The body is no JSON.
    """
    try:
        given = parse_json(body)
    except InputError as error:
        raise RequestError(400, "invalid_json", str(error)) from error
    messages = given.get("messages") if isinstance(given, dict) else None
    if not isinstance(messages, list) or not messages:
        raise InputError('The body must be an object with a list of "messages" that is not empty.')
    for index, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if isinstance(role, str) and role not in _ROLES:
            raise InputError(f"messages[{index}] has the role {role[:40]!r}: it must be one of {', '.join(_ROLES)}.")
    return messages


def _answer(shortened: Shortened) -> dict[str, Any]:
    """The answer of ``/v1/compress``."""
    before, after = shortened.tokens_before, shortened.tokens_after
    return {
        "messages": shortened.messages,
        "tokens_before": before,
        "tokens_after": after,
        "compression_ratio": round(after / before, 4) if before else 1.0,
        "ccr_hashes": list(shortened.hashes),
    }
