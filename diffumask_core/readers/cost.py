"""What asking a paid reader costs: told before, counted on the way, and limited."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol, runtime_checkable

from diffumask_core.errors import ReaderBudgetError
from diffumask_core.readers.protocol import Question, Reader


@dataclass(frozen=True)
class Cost:
    """Calls of a model, and the tokens that it reads and writes in them."""

    calls: int = 0
    tokens: int = 0


@runtime_checkable
class PaidReader(Reader, Protocol):
    """A reader whose calls cost money, so that what they will cost is shown before the first one."""

    @property
    def spent(self) -> Cost:
        """What has been asked so far."""
        ...

    def estimate(self, questions: Sequence[Question]) -> Cost:
        """What it would cost to ask these, without those whose replies are there already."""
        ...


class Meter:
    """Counts calls and tokens, from many threads, and stops at a limit."""

    def __init__(self, max_calls: int | None, max_tokens: int | None) -> None:
        self._max_calls = max_calls
        self._max_tokens = max_tokens
        self._lock = Lock()
        self.spent = Cost()

    def reserve(self, tokens: int) -> None:
        """Counts a call before it is made.

        Args:
            tokens: As many as it is expected to take.

        Raises:
            ReaderBudgetError: The call would exceed a limit.
        """
        with self._lock:
            calls, total = self.spent.calls + 1, self.spent.tokens + tokens
            if self._max_calls is not None and calls > self._max_calls:
                raise ReaderBudgetError("max_calls", self._max_calls, calls)
            if self._max_tokens is not None and total > self._max_tokens:
                raise ReaderBudgetError("max_tokens", self._max_tokens, total)
            self.spent = Cost(calls, total)

    def settle(self, expected: int, taken: int) -> None:
        """Puts the tokens that a call took in the place of those that were expected."""
        with self._lock:
            self.spent = Cost(self.spent.calls, self.spent.tokens + taken - expected)
