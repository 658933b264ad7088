"""When the messages of a conversation become old: what `keep` leaves new, once a `trigger` is reached."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal

from diffumask_core.errors import InputError
from diffumask_core.prompt.formats import ReadMessage

Amount = tuple[Literal["messages"], int] | tuple[Literal["tokens"], int] | tuple[Literal["fraction"], float]
"""A number of messages, a number of tokens, or a share of a context window."""


@dataclass(frozen=True)
class Moment:
    """A point of a conversation at which messages become old.

    Attributes:
        length: How many messages there were.
        first: The first message that became old.
        end: The message after the last one that did.
    """

    length: int
    first: int
    end: int


@dataclass(frozen=True)
class Aging:
    """When messages become old.

    Attributes:
        keep: How much of the end of a conversation is new.
        triggers: From when on anything is old: as soon as one of them is reached; none for from the beginning.
    """

    keep: tuple[Literal["messages", "tokens"], int]
    triggers: tuple[tuple[Literal["messages", "tokens"], int], ...] = ()

    @classmethod
    def of(cls, keep: Amount, trigger: Amount | Sequence[Amount] | None, context_tokens: int | None) -> "Aging":
        """Checks what a user asked for.

        Raises:
            InputError: An amount is not possible, or is a share of a context window of unknown size.
        """
        if context_tokens is not None and not _is_whole(context_tokens, 1):
            raise InputError(f"context_tokens={context_tokens!r} is not possible: pass a whole number of at least 1.")
        triggers = () if trigger is None else _several(trigger)
        return cls(
            _absolute("keep", keep, context_tokens),
            tuple(_absolute("trigger", each, context_tokens) for each in triggers),
        )

    def moments(self, messages: Sequence[ReadMessage], tokens: Sequence[int]) -> Iterator[Moment]:
        """The points at which messages became old, in order.

        Whether a message is old at a point depends on nothing that came later. While a call waits for its result, an
        LLM is not asked, and nothing becomes old. Results that an LLM has not read yet stay new, however many calls of
        one step have brought them, unless no message is kept.

        Args:
            messages: The messages.
            tokens: The tokens of each.
        """
        unit, most = self.keep
        waiting, unread = _waiting(messages), _unread(messages)
        old = start = total = new = 0
        for length in range(1, len(messages) + 1):
            total += tokens[length - 1]
            new += tokens[length - 1]
            # The newest message stays new, however long it is.
            while unit == "tokens" and new > most and start < length - 1:
                new -= tokens[start]
                start += 1
            end = start if unit == "tokens" else max(length - most, 0)
            end = min(end, unread[length - 1]) if most or unit == "tokens" else end
            if end > old and not waiting[length - 1] and self._is_on(length, total):
                yield Moment(length, old, end)
                old = end

    def _is_on(self, length: int, tokens: int) -> bool:
        reached = [(length if unit == "messages" else tokens) >= least for unit, least in self.triggers]
        return not reached or any(reached)


def _several(trigger: object) -> Sequence[object]:
    """The amounts of a trigger, which is one amount or several."""
    match trigger:
        case []:
            raise InputError(f'trigger={trigger!r} is never reached: leave it out, or pass such as ("tokens", 8000).')
        case [str(), *_] | str():
            return (trigger,)
        case [*several]:
            return several
    return (trigger,)


def _absolute(option: str, given: object, context_tokens: int | None) -> tuple[Literal["messages", "tokens"], int]:
    """An amount in messages or tokens."""
    match given:
        case ("messages" | "tokens" as unit, Integral() as amount) if _is_whole(amount, 0):
            return unit, int(amount)
        case ("fraction", Real() as share) if not isinstance(share, bool) and 0 < float(share) <= 1:
            if context_tokens is None:
                raise InputError(
                    f"{option}={given!r} is a share of a context window of unknown size: pass context_tokens too, such "
                    "as context_tokens=128000."
                )
            return "tokens", int(float(share) * context_tokens)
    raise InputError(
        f'{option}={given!r} is not possible: pass a pair such as ("messages", 10), ("tokens", 8000) or '
        '("fraction", 0.5).'
    )


def _is_whole(number: object, least: int) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool) and int(number) >= least


def _waiting(messages: Sequence[ReadMessage]) -> list[bool]:
    """For each message whether a call waits for its result once the message is there.

    A call that is given no result by the next step of the agent, or by what the user says next, waits for none.
    """
    calls: Counter[str] = Counter()
    waiting: list[bool] = []
    answered = False
    for message in messages:
        if message.asks or (answered and message.role == "assistant"):
            calls.clear()
        # Some agents number the calls of each step anew, so an id may wait for several results.
        calls.update(message.calls)
        calls.subtract(each for each in message.answers if calls[each] > 0)
        answered = bool(message.answers) or (answered and message.role != "assistant")
        waiting.append(calls.total() > 0)
    return waiting


def _unread(messages: Sequence[ReadMessage]) -> list[int]:
    """For each message how many are before the first result that the agent has not read once the message is there."""
    before: list[int] = []
    first: int | None = None
    for index, message in enumerate(messages):
        if message.role == "assistant":
            first = None
        elif message.answers and first is None:
            first = index
        before.append(index + 1 if first is None else first)
    return before
