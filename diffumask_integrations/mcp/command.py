"""``diffumask mcp``: tools for an agent, over standard input and output or over HTTP."""

from pathlib import Path
from typing import Literal

from diffumask_core import Compressor
from diffumask_core.extras import needs_extra
from diffumask_integrations.binding import bearer_of, check_binding, check_port, is_token
from diffumask_integrations.mcp.server import create_mcp_server

with needs_extra("mcp", "the MCP server"):
    import uvicorn
    from starlette.datastructures import Headers
    from starlette.responses import JSONResponse
    from starlette.types import ASGIApp, Receive, Scope, Send

Transport = Literal["stdio", "http"]


def run_mcp(
    transport: Transport,
    *,
    root: Path | None = None,
    model: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8788,
    token: str | None = None,
    open_to_all: bool = False,
) -> None:
    """Serves until the client goes, or a signal to stop comes.

    Args:
        transport: How clients come: ``"stdio"``, or ``"http"`` (streamable HTTP, at /mcp).
        root: The folder whose files may be read.
        model: A model folder or a hub id; the bundled model by default.
        host: Over HTTP, where it listens.
        port: Over HTTP, the port.
        token: Over HTTP, the bearer token that clients must send.
        open_to_all: Over HTTP, whether other machines may come without a token.

    Raises:
        InputError: Anyone could use the server, and nobody said so; nothing can listen there; or there is no such
            folder.
        ModelError: The model cannot be loaded.
    """
    if transport == "http":
        check_binding(host, token, open_to_all)
        check_port(host, port)
    server = create_mcp_server(Compressor.from_pretrained(model), root)
    if transport == "stdio":
        server.run("stdio")
        return
    app: ASGIApp = server.streamable_http_app(host=host)
    uvicorn.run(
        RequireToken(app, token) if token else app,
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        log_level="info",
    )


class RequireToken:
    """An application that answers only those who know a token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = bearer_of(Headers(scope=scope).get("authorization", "")) if scope["type"] == "http" else self._token
        if is_token(given, self._token):
            await self._app(scope, receive, send)
            return
        refusal = JSONResponse({"error": "unauthorized"}, 401, {"www-authenticate": "Bearer"})
        await refusal(scope, receive, send)
