"""The proxy: requests go on to a provider, prompts with their old messages shortened, all else as it came."""

from collections.abc import AsyncIterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import quote

from diffumask_core import InputError
from diffumask_core.extras import needs_extra
from diffumask_integrations.server.body import MessagesBody, read_body
from diffumask_integrations.server.client import while_there
from diffumask_integrations.server.errors import OwnFaultError, RequestError
from diffumask_integrations.server.service import OWN_HEADERS, Outcome, Service, asks_for_bypass
from diffumask_integrations.server.shortener import Shortened

with needs_extra("server", "the server"):
    import httpx
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import BaseRoute, Match
    from starlette.types import Receive, Scope, Send

# Where prompts come in, whatever stands before: the name of the endpoint, and of the list of messages in the body.
_PROMPTS = {
    "/chat/completions": ("chat", "messages"),
    "/responses": ("responses", "input"),
    "/messages": ("messages", "messages"),
    # What is counted is what is going to be sent.
    "/messages/count_tokens": ("count_tokens", "messages"),
}
_OTHER = "other"
# These speak of one connection, and there are two.
_HOP_BY_HOP = (
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)
_CONNECT_SECONDS = 10.0
_KEPT_CONNECTIONS = 100

Headers = list[tuple[bytes, bytes]]


def upstream_client(timeout: float, transport: "httpx.AsyncBaseTransport | None" = None) -> "httpx.AsyncClient":
    """A client that adds nothing of its own: no redirects, no cookies, no limit but the time.

    Args:
        timeout: Seconds that the upstream may take.
        transport: In place of a network.
    """
    return httpx.AsyncClient(
        transport=transport,
        timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=_KEPT_CONNECTIONS),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


class Proxy(BaseRoute):
    """A route that takes every request, a path with a line break too, which no pattern matches, and passes it on."""

    def __init__(self, service: Service, client: "httpx.AsyncClient") -> None:
        self._service = service
        self._client = client

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.FULL if scope["type"] == "http" else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self._answer(request)
        try:
            await response(scope, receive, send)
        except httpx.TransportError as error:
            # The status is sent already. An answer that is not completed is one whose connection the server closes, so
            # the client sees that the end is missing.
            self._service.upstream_failed("broken_off", error)

    async def _answer(self, request: Request) -> Response:
        service = self._service
        if service.settings.upstream is None:
            raise RequestError(
                404, "not_found", "There is nothing here; to pass requests on, start with --upstream URL."
            )
        service.check_header(request)
        # The URL of a request holds its header "host" too, which may be anything.
        path: str = request.scope["path"]
        if not path.startswith("/"):
            raise RequestError(404, "not_found", "There is nothing here: the target of a request is a path.")
        endings = (ending for ending in _PROMPTS if path.rstrip("/").endswith(ending))
        endpoint, member = _PROMPTS.get(next(endings, ""), (_OTHER, ""))
        if request.method != "POST" or endpoint == _OTHER:
            return await self._streamed(request, service.tell(_OTHER, "passed"))
        if asks_for_bypass(request):
            return await self._streamed(request, service.tell(endpoint, "bypassed"))
        body = await read_body(request, service.settings.max_body_bytes)
        return await while_there(request, self._passed_on(request, endpoint, member, body))

    async def _shortened(self, endpoint: str, member: str, body: bytes) -> tuple[bytes, Outcome, Shortened | None]:
        """The body that is sent on: whatever goes wrong here, a prompt is sent, if need be as it came.

        Raises:
            RequestError: Too many requests wait. A prompt that is sent as it came would cost more than one that comes
                again, since the provider has the beginning of the shorter one in its cache.
        """

        def work() -> tuple[Shortened, bytes]:
            given = MessagesBody.of(body, member)
            shortened = self._service.shortener.shorten(given.messages, given.cache_control)
            return shortened, given.with_messages(shortened.messages)

        try:
            shortened, content, outcome = await self._service.shorten(endpoint, work)
        except InputError:
            return body, "unreadable", None
        except OwnFaultError:
            return body, "failed", None
        return content if outcome == "shortened" else body, outcome, shortened

    async def _streamed(self, request: Request, told: Mapping[str, str]) -> Response:
        """Passes a request on whose body is not read here."""
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        headers = _passing(request.headers.raw, "host")
        return await self._sent(request, self._request(request, headers, request.stream() if has_body else None), told)

    async def _passed_on(self, request: Request, endpoint: str, member: str, body: bytes) -> Response:
        """Passes a prompt on whose body was read."""
        content, outcome, shortened = await self._shortened(endpoint, member, body)
        told = self._service.tell(endpoint, outcome, shortened)
        headers = _passing(request.headers.raw, "host", "content-length")
        return await self._sent(request, self._request(request, headers, content), told)

    def _request(
        self, request: Request, headers: Headers, content: bytes | AsyncIterator[bytes] | None
    ) -> "httpx.Request":
        """The request to the upstream: the same path, query and headers, none but these.

        The target stands beside the URL, where httpx leaves it as it is: a path in the URL is tidied up or refused.
        """
        path = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
        query: bytes = request.scope["query_string"]
        upstream = httpx.URL(str(self._service.settings.upstream))
        target = upstream.raw_path.rstrip(b"/") + path.partition(b"?")[0] + (b"?" + query if query else b"")
        return httpx.Request(request.method, upstream, headers=headers, content=content, extensions={"target": target})

    async def _sent(self, request: Request, upstream: "httpx.Request", told: Mapping[str, str]) -> Response:
        """The answer of the upstream: its status, its headers, and its body piece by piece as it comes.

        Raises:
            RequestError: There is no answer.
        """
        # Neither the path nor a password that stands before the host.
        address = f"{upstream.url.scheme}://{upstream.url.netloc.decode()}"
        try:
            answer = await self._client.send(upstream, stream=True)
        except httpx.TimeoutException as error:
            self._service.upstream_failed("timeout", error)
            seconds = self._service.settings.timeout
            raise RequestError(
                504, "upstream_timeout", f"The upstream {address} gave no answer in {seconds:g} seconds."
            ) from error
        except httpx.TransportError as error:
            self._service.upstream_failed("unreachable", error)
            message = f"The upstream {address} cannot be reached ({type(error).__name__})."
            raise RequestError(502, "upstream_unreachable", message) from error
        response = StreamingResponse(_pieces(answer), answer.status_code)
        own = [(name.encode(), value.encode()) for name, value in told.items()]
        response.raw_headers = [*_passing(answer.headers.raw), *own]
        return response


async def _pieces(answer: "httpx.Response") -> AsyncIterator[bytes]:
    """The body of an answer as it comes, not decompressed; the connection is given back in any case."""
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()


def _passing(headers: Headers, *without: str) -> Headers:
    """The headers that are for the other side, in their order, double ones too."""
    named = [value.decode("latin-1") for name, value in headers if name.lower() == b"connection"]
    stays = {each.strip().lower() for value in named for each in value.split(",")}.union(_HOP_BY_HOP, without)
    told = ((name.decode("latin-1").lower(), name, value) for name, value in headers)
    return [(name, value) for lower, name, value in told if lower not in stays and not lower.startswith(OWN_HEADERS)]
