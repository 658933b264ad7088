"""How many compressions run and wait: they run in threads, so that the event loop stays free for all else."""

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
        self._most = running + waiting
        self._inside = 0

    @property
    def inside(self) -> int:
        """How many run or wait."""
        return self._inside

    async def run(self, work: Callable[[], Value]) -> Value:
        """Does work in a thread.

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
        try:
            return await to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._inside -= 1
