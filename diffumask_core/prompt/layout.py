"""The structure of a prompt as spans over its text: what it is made of and what must stay.

Everything that reads a prompt (the parser, a `Prompt`, a list of messages) ends in a `Layout`; everything that
decides and assembles starts from one.
"""

from dataclasses import dataclass, field, replace

from diffumask_core.prompt.spans import Span, shift_span


@dataclass(frozen=True)
class ShotSpan:
    """One exemplar, passage or past turn, which can be dropped whole.

    Attributes:
        span: The whole shot, with its markers.
        kept: What stays as long as the shot stays: markers (``Q:``), the final answer, a label.
        answer: The final answer or label, where there is one; exemplars with equal answers share a label.
        pinned: Whether the shot must not be dropped whole.
        score: What a retriever thinks of it, where it was found by one.
        guessed: Whether its borders were looked for in plain text; those of a `Prompt` or of past turns are given.
    """

    span: Span
    kept: tuple[Span, ...] = ()
    answer: Span | None = None
    pinned: bool = False
    score: float | None = None
    guessed: bool = False


@dataclass(frozen=True)
class JsonNode:
    """A JSON value in the text, or a member of an object.

    Attributes:
        span: The value, from its first to its last character; for a member from its key to the end of its value.
        value: The value alone (equal to `span` unless this is a member of an object).
        children: Members or elements, in order. Empty for scalars and empty containers.
        words: For a string worth shortening: the span between its quotes. Everything else goes whole.
    """

    span: Span
    value: Span
    children: tuple["JsonNode", ...] = ()
    words: Span | None = None


@dataclass(frozen=True)
class Layout:
    """A prompt's text and its structure.

    Attributes:
        text: The whole prompt.
        instructions: The text before the first shot, when there are shots.
        shots: In order, not overlapping.
        query: The question that the prompt ends in.
        query_stays: Whether the query is protected.
        protected: Spans that come out unchanged, whatever happens to the shot that they are in.
        json: JSON values (objects and arrays) in the text, outermost, in order; they stay valid JSON.
        segments: The parts of the text that are sent, and so counted, apart from each other (one for a plain text;
            one for each message text). White space between segments is not counted.
        tool_results: The segments that are results of tools, old or new.
        recency: Of the turn that is not over yet, the results of tools, each with its rank: 0 for the newest batch,
            1 for the batch before the assistant's last step, and so on.
    """

    text: str
    instructions: Span | None = None
    shots: tuple[ShotSpan, ...] = ()
    query: Span | None = None
    query_stays: bool = True
    protected: tuple[Span, ...] = ()
    json: tuple[JsonNode, ...] = ()
    segments: tuple[Span, ...] = field(default=())
    tool_results: tuple[Span, ...] = ()
    recency: tuple[tuple[Span, int], ...] = ()

    def __post_init__(self) -> None:
        if not self.segments:
            object.__setattr__(self, "segments", ((0, len(self.text)),))


def shift_shot(shot: ShotSpan, by: int) -> ShotSpan:
    """The same shot, so many characters later."""
    return replace(
        shot,
        span=shift_span(shot.span, by),
        kept=tuple(shift_span(span, by) for span in shot.kept),
        answer=shot.answer and shift_span(shot.answer, by),
    )


def shift_layout(layout: Layout, by: int) -> Layout:
    """The instructions, shots and query of a layout, so many characters later."""
    return replace(
        layout,
        instructions=layout.instructions and shift_span(layout.instructions, by),
        shots=tuple(shift_shot(shot, by) for shot in layout.shots),
        query=layout.query and shift_span(layout.query, by),
    )
