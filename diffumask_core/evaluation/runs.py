"""Recorded runs of agents: the calls in them, and what a call is shown when something shortens the history."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from diffumask_core.prompt.formats import ReadMessage, read_message, read_messages

Message: TypeAlias = Mapping[str, Any]
Messages: TypeAlias = Sequence[Message]
Shorten: TypeAlias = Callable[[Messages], Messages]
"""From the messages before a call to those that are sent; asked for each call of a run, in order."""


@dataclass(frozen=True)
class Call:
    """A call of the model in a run.

    Attributes:
        prompt: How many messages stand before it.
        end: Where its answer ends: one message, or several items of the Responses format.
    """

    prompt: int
    end: int


def calls_of(messages: Messages) -> list[Call]:
    """The calls of the model in a run, each of which answers to something."""
    answers = [_is_answer(message) for message in read_messages(messages)]
    starts = [at for at in range(1, len(answers)) if answers[at] and not answers[at - 1]]
    return [Call(at, next((n for n in range(at, len(answers)) if not answers[n]), len(answers))) for at in starts]


def _is_answer(message: ReadMessage) -> bool:
    """Whether a model wrote a message; an item without a role is such a one unless it is the result of a call."""
    return message.role == "assistant" or (message.role == "" and not message.answers)


def prompts_of(messages: Messages, shorten: Shorten) -> Iterator[tuple[Call, Messages]]:
    """What each call of a run is shown."""
    for call in calls_of(messages):
        yield call, shorten(messages[: call.prompt])


def texts_of(message: Message) -> list[str]:
    """All texts of a message that a model reads, the names and arguments of calls included."""
    return [text.text for text in read_message("message", message).texts]
