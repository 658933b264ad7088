"""The application: endpoints of our own, and a proxy for all else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from diffumask_core import Compressor, InputError
from diffumask_core.extras import needs_extra
from diffumask_integrations.server.errors import RequestError
from diffumask_integrations.server.own import OwnEndpoints
from diffumask_integrations.server.proxy import Proxy, upstream_client
from diffumask_integrations.server.service import Service
from diffumask_integrations.server.settings import ServerSettings

with needs_extra("server", "the server"):
    import httpx
    from starlette.applications import Starlette
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import Response

_CLIENT_GONE = 499


def create_app(
    compressor: Compressor,
    settings: ServerSettings | None = None,
    transport: "httpx.AsyncBaseTransport | None" = None,
) -> Starlette:
    """Makes the application; any ASGI server can run it.

    Args:
        compressor: The model, of which all requests share the one.
        settings: How it works.
        transport: How the upstream is reached, in place of a network. Path and query of a request are its extension
            "target".

    Raises:
        InputError: An option of the shortening is not possible.
    """
    service = Service(compressor, settings or ServerSettings())
    client = upstream_client(service.settings.timeout, transport)

    @asynccontextmanager
    async def closing(app: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    routes = [*OwnEndpoints(service).routes, Proxy(service, client)]

    async def refused(request: Request, error: Exception) -> Response:
        told = error if isinstance(error, RequestError) else RequestError(422, "invalid_request", _why(error))
        service.metrics.request("refused", told.kind)
        return told.response()

    handlers = {RequestError: refused, InputError: refused, RecursionError: refused, ClientDisconnect: _gone}
    return Starlette(routes=routes, lifespan=closing, exception_handlers=handlers)


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, InputError) else "The messages are nested too deeply."


async def _gone(request: Request, error: Exception) -> Response:
    """Nobody reads the answer any more."""
    return Response(status_code=_CLIENT_GONE)
