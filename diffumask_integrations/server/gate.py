"""How many compressions run and wait: they run in threads, so that the event loop stays free for all else."""

import asyncio
import math
from collections.abc import Callable
from typing import TypeVar

from diffumask_core.extras import needs_extra
from diffumask_integrations.server.errors import RequestError

with needs_extra("server", "the server"):
    from anyio import CapacityLimiter, to_thread

Value = TypeVar("Value")

_RETRY_AFTER_SECONDS = 1


class Gate:
    """Lets so many compressions run at once and so many wait, and turns the others away."""

    def __init__(self, running: int, waiting: int) -> None:
        """Makes a gate.

        Args:
            running: How many run at once.
            waiting: How many more may wait.
        """
        self._limiter = CapacityLimiter(running)
        # Whoever has a place has a thread.
        self._threads = CapacityLimiter(math.inf)
        self._most = running + waiting
        self._inside = 0

    @property
    def inside(self) -> int:
        """How many run or wait."""
        return self._inside

    async def run(self, work: Callable[[], Value]) -> Value:
        """Does work in a thread.

        A client that goes while it waits is dropped; what runs already has its place until it is done, since a thread
        cannot be stopped.

        Raises:
            RequestError: As many run and wait as may.
        """
        if self._inside >= self._most:
            raise RequestError(
                503,
                "overloaded",
                f"{self._most} requests run or wait already: come again later.",
                {"retry-after": str(_RETRY_AFTER_SECONDS)},
            )
        self._inside += 1
        place = object()
        try:
            await self._limiter.acquire_on_behalf_of(place)
        except asyncio.CancelledError:
            self._inside -= 1
            raise
        running = asyncio.ensure_future(to_thread.run_sync(work, limiter=self._threads))
        running.add_done_callback(lambda _: self._leave(place))
        return await asyncio.shield(running)

    def _leave(self, place: object) -> None:
        self._inside -= 1
        self._limiter.release_on_behalf_of(place)
