"""What became of a shot."""

from dataclasses import dataclass
from typing import Literal

from diffumask_core.prompt.spans import Span


@dataclass(frozen=True)
class ShotResult:
    """What became of a shot.

    Attributes:
        span: Where it is in the source.
        score: Its utility for the query, with what a retriever thought of it; higher is better. 0 for all where there
            is neither, or nothing had to go.
        relevance: How surely it helps with the query, from 0 to 1, whatever a retriever thought of it; None where there
            is no query, where nothing had to go, and of exemplars.
        fate: ``"kept"`` whole, ``"shortened"``, or ``"dropped"`` whole.
        original_tokens: Its tokens in the source.
        compressed_tokens: The tokens that are left of it.
        text: What is left of it.
    """

    span: Span
    score: float
    relevance: float | None
    fate: Literal["kept", "shortened", "dropped"]
    original_tokens: int
    compressed_tokens: int
    text: str
