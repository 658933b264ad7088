"""What a compression gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from diffumask_core.prompt.spans import Span
from diffumask_core.regions.region import Region
from diffumask_core.rendering.html import render_html
from diffumask_core.rendering.marks import Mark
from diffumask_core.rendering.shot_result import ShotResult

_SHOWN = 60


def _plain_mark(mark: Mark) -> dict[str, Any]:
    plain = {**vars(mark), "span": list(mark.span)}
    return plain if mark.name else {key: value for key, value in plain.items() if key != "name"}


@dataclass(frozen=True)
class CompressionResult:
    """A shortened prompt, with where it came from and what it saved.

    Attributes:
        source: The text that was compressed; of messages, a transcript.
        text: What is left of it.
        spans: The kept spans ``(start, end)`` of `source`, in order.
        budget: The token limit that was applied.
        original_tokens: Tokens of the source.
        compressed_tokens: Tokens of the text; at most `budget`.
        protected_tokens: Tokens of what may not go.
        counter: The token counter that counted.
        marks: What stands in the text in place of lines, rows and records that were left out, in order.
        regions: The stretches of the source that are not prose, outermost, in order.
        shots: Each shot's score and fate, in order.
        timings: Seconds by stage.
        messages: The shortened messages, where messages were compressed; their texts together have
            `compressed_tokens` tokens.
    """

    source: str
    text: str
    spans: list[Span]
    budget: int
    original_tokens: int
    compressed_tokens: int
    protected_tokens: int
    counter: str
    marks: list[Mark] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    shots: list[ShotResult] = field(default_factory=list)
    timings: Mapping[str, float] = field(default_factory=dict, compare=False)
    messages: list[dict[str, Any]] | None = None
    _again: Callable[..., "CompressionResult"] | None = field(default=None, repr=False, compare=False)

    @property
    def keep_rate(self) -> float:
        """Of the tokens that may go, the share that stayed."""
        free = self.original_tokens - self.protected_tokens
        return (self.compressed_tokens - self.protected_tokens) / free if free > 0 else 1.0

    @property
    def saved_tokens(self) -> int:
        """The tokens that the LLM does not have to read."""
        return self.original_tokens - self.compressed_tokens

    @property
    def unused_tokens(self) -> int:
        """The tokens of the budget that the output does not need, as where passages are below ``min_relevance``."""
        return max(self.budget - self.compressed_tokens, 0)

    def at(self, *, keep_rate: float | None = None, target_tokens: int | None = None) -> "CompressionResult":
        """Decides again at another rate or budget, from the scores of this result: the encoder does not run again.

        Args:
            keep_rate: As in `Compressor.compress`.
            target_tokens: As in `Compressor.compress`.
        """
        if self._again is None:
            msg = "This result was unpickled or made by hand, so there are no scores to decide from: compress again."
            raise ValueError(msg)
        return self._again(keep_rate=keep_rate, target_tokens=target_tokens)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, ready for JSON."""
        plain: dict[str, Any] = {
            "text": self.text,
            "spans": [list(span) for span in self.spans],
            "budget": self.budget,
            "original_tokens": self.original_tokens,
            "compressed_tokens": self.compressed_tokens,
            "protected_tokens": self.protected_tokens,
            "unused_tokens": self.unused_tokens,
            "keep_rate": round(self.keep_rate, 4),
            "counter": self.counter,
            "marks": [_plain_mark(mark) for mark in self.marks],
            "regions": [{"kind": region.kind, "span": list(region.span)} for region in self.regions],
            "shots": [{**vars(shot), "span": list(shot.span)} for shot in self.shots],
            "timings": {stage: round(seconds, 4) for stage, seconds in self.timings.items()},
        }
        if self.messages is not None:
            plain["messages"] = self.messages
        return plain

    def to_html(self) -> str:
        """The source with what went struck out, shots by fate, and the figures: one self-contained piece of HTML."""
        return render_html(
            text=self.source,
            spans=self.spans,
            marks=self.marks,
            shots=self.shots,
            original_tokens=self.original_tokens,
            compressed_tokens=self.compressed_tokens,
            budget=self.budget,
            protected_tokens=self.protected_tokens,
            keep_rate=self.keep_rate,
            counter=self.counter,
            timings=self.timings,
        )

    def __repr__(self) -> str:
        shots = f", {len(self.shots)} shots" if self.shots else ""
        start = self.text if len(self.text) <= _SHOWN else f"{self.text[:_SHOWN]}…"
        return f"<CompressionResult {self.original_tokens} -> {self.compressed_tokens} tokens{shots}: {start!r}>"

    def __getstate__(self) -> dict[str, Any]:
        # Scores and the model stay in the process that made them.
        return {**vars(self), "_again": None}

    def _repr_html_(self) -> str:
        return self.to_html()
