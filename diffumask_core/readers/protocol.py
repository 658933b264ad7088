"""What stands in for the LLM that reads a compressed prompt: one small protocol."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Question:
    """What a reader is asked.

    Attributes:
        prompt: What it reads first: instructions and shots, without the query.
        query: The input that it answers, as it stands after the shots.
        answer: The right answer.
        labels: The answers to choose among; none where any text may be one.
    """

    prompt: str
    query: str
    answer: str
    labels: tuple[str, ...] = ()


class Reader(Protocol):
    """Answers questions, or tells how likely it finds the right answer.

    Both methods take many questions at once, so that an implementation can batch them or ask concurrently, and give
    results in their order.

    Attributes:
        name: What figures measured with it are told under.
    """

    name: str

    def answers(self, questions: Sequence[Question]) -> list[str]:
        """The answer to each question; an empty one where the reader gives none."""
        ...

    def log_probabilities(self, questions: Sequence[Question]) -> list[float]:
        """The natural log-probability of each question's right answer."""
        ...
