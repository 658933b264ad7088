"""What all endpoints share: a request's messages are shortened, counted and told of in the same way."""

import logging
import time
from collections.abc import Callable
from typing import Literal, TypeVar

from diffumask_core import Compressor, InputError
from diffumask_core.extras import needs_extra
from diffumask_integrations.binding import bearer_of, is_token
from diffumask_integrations.server.errors import OwnFaultError, RequestError
from diffumask_integrations.server.gate import Gate
from diffumask_integrations.server.metrics import Metrics
from diffumask_integrations.server.settings import ServerSettings
from diffumask_integrations.server.shortener import Shortened, Shortener

with needs_extra("server", "the server"):
    from starlette.requests import Request

Value = TypeVar("Value")

logger = logging.getLogger("diffumask.server")

OWN_HEADERS = "x-diffumask-"
TOKEN_HEADER = f"{OWN_HEADERS}token"
_BYPASS_HEADER = f"{OWN_HEADERS}bypass"

Outcome = Literal["shortened", "unchanged", "measured", "bypassed", "unreadable", "failed", "passed", "read", "missing"]
"""What became of a request.

It was shortened, had nothing to shorten, was only measured, asked for a bypass, could not be read, met an error of
ours, is no prompt; or it asked for what was left out, which was there or was not.
"""


class Service:
    """A shortener with a gate before it, and counters behind it.

    Attributes:
        settings: How it works.
        gate: How many compressions run and wait.
        metrics: What it counts.
        shortener: What shortens.
    """

    def __init__(self, compressor: Compressor, settings: ServerSettings) -> None:
        self.settings = settings
        self.gate = Gate(settings.running, settings.waiting)
        self.metrics = Metrics(lambda: self.gate.inside)
        self.shortener = Shortener(compressor, settings.shortening, settings.left_out_characters)

    async def run(self, endpoint: str, work: Callable[[], Value]) -> Value:
        """Does work in a thread.

        Raises:
            InputError: Something in the request is not possible.
            OwnFaultError: Something went wrong here. The log has the place, and not the message, which may quote a
                prompt.
            RequestError: Too many requests wait.
        """
        try:
            return await self.gate.run(work)
        except (InputError, RequestError):
            raise
        except RecursionError as error:
            raise InputError("The messages are nested too deeply.") from error
        except Exception as error:
            logger.error("%s: %s at %s; please report it", endpoint, type(error).__name__, _place_of(error))
            raise OwnFaultError from None

    async def shorten(
        self, endpoint: str, work: Callable[[], tuple[Shortened, Value]]
    ) -> tuple[Shortened, Value, Outcome]:
        """Shortens a request in a thread.

        Args:
            endpoint: Where it came in.
            work: Reads the request, and gives its shorter messages and whatever else is made of them.

        Raises:
            InputError: A message is of no known format.
            OwnFaultError: Something went wrong here.
            RequestError: Too many requests wait.
        """
        began = time.perf_counter()
        shortened, made = await self.run(endpoint, work)
        before, after = shortened.tokens_before, shortened.tokens_after
        self.metrics.shortened(endpoint, before, after, time.perf_counter() - began)
        if after == before:
            return shortened, made, "unchanged"
        return shortened, made, "measured" if self.settings.audit else "shortened"

    def tell(self, endpoint: str, outcome: Outcome, shortened: Shortened | None = None) -> dict[str, str]:
        """Counts a request, writes a line to the log, and gives the headers that tell the client."""
        self.metrics.request(endpoint, outcome)
        headers: dict[str, str] = {f"{OWN_HEADERS}outcome": outcome}
        if shortened is None:
            logger.info("%s: %s", endpoint, outcome)
            return headers
        before, after = shortened.tokens_before, shortened.tokens_after
        logger.info("%s: %s, %d -> %d tokens", endpoint, outcome, before, after)
        return {**headers, f"{OWN_HEADERS}tokens-before": str(before), f"{OWN_HEADERS}tokens-after": str(after)}

    def upstream_failed(self, kind: str, error: Exception) -> None:
        """Counts a request that the upstream gave no answer to, or not all of it, and writes a line to the log."""
        self.metrics.upstream_failed(kind)
        logger.warning("upstream: %s (%s)", kind, type(error).__name__)

    def check_bearer(self, request: Request) -> None:
        """Checks the token of a request to an endpoint of ours, which is a bearer token as gateways send it.

        Raises:
            RequestError: The token is not the right one.
        """
        self._check(bearer_of(request.headers.get("authorization", "")), "authorization: Bearer TOKEN")

    def check_header(self, request: Request) -> None:
        """Checks the token of a request for the upstream, whose key stands where a bearer token would.

        Raises:
            RequestError: The token is not the right one.
        """
        self._check(request.headers.get(TOKEN_HEADER, ""), f"{TOKEN_HEADER}: TOKEN")

    def _check(self, given: str, header: str) -> None:
        token = self.settings.token
        if token is not None and not is_token(given, token):
            raise RequestError(
                401,
                "unauthorized",
                f"The server asks for its token: send it as {header}.",
                {"www-authenticate": "Bearer"},
            )


def asks_for_bypass(request: Request) -> bool:
    """Whether a client wants a request to stay as it is."""
    return request.headers.get(_BYPASS_HEADER, "").strip().lower() == "true"


def _place_of(error: Exception) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "an unknown place"
