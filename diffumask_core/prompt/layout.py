"""The structure of a prompt as spans over its text: what it is made of and what must stay.

Everything that reads a prompt (the parser, a `Prompt`, a list of messages) ends in a `Layout`; everything that
decides and assembles starts from one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from diffumask_core.prompt.spans import Span, clip_spans, merge_spans, shift_span, spans_between
from diffumask_core.regions.region import Region


@dataclass(frozen=True)
class ShotSpan:
    """One exemplar, passage or past turn, which can be dropped whole.

    Attributes:
        span: The whole shot, with its markers.
        kept: What stays as long as the shot stays: markers (``Q:``), the final answer, a label.
        answer: The final answer or label, where there is one; exemplars with equal answers share a label.
        output: What an LLM is to write like: the rationale with the answer, the reply. In parts where something that
            is read, such as an observation, stands between.
        pinned: Whether the shot must not be dropped whole.
        score: What a retriever thinks of it, where it was found by one.
        guessed: Whether its borders were looked for in plain text; those of a `Prompt` or of past turns are given.
    """

    span: Span
    kept: tuple[Span, ...] = ()
    answer: Span | None = None
    output: tuple[Span, ...] = ()
    pinned: bool = False
    score: float | None = None
    guessed: bool = False

    @property
    def is_exemplar(self) -> bool:
        """Whether it shows an LLM what to write."""
        return bool(self.answer or self.output)


TOOL_ROLES = ("tool", "function")
"""The roles of messages that bring what a tool or a function gave."""


@dataclass(frozen=True)
class Voice:
    """Whose text a segment of a conversation is.

    Attributes:
        message: The number of its message.
        role: Who says it: ``"system"``, ``"user"``, ``"assistant"``, ``"tool"``.
        is_call: Whether the segment is the name or the arguments of a call.
        calls: Of a result of a tool, the segments with the name and the arguments of the call that brought the result.
    """

    message: int
    role: str
    is_call: bool = False
    calls: tuple[int, ...] = ()

    @property
    def is_result(self) -> bool:
        """Whether it is what a tool or a function brought."""
        return self.role in TOOL_ROLES


@dataclass(frozen=True)
class Layout:
    """A prompt's text and its structure.

    Attributes:
        text: The whole prompt.
        instructions: What says what is to be done: the text before the first shot, paragraphs that give a task.
        shots: In order, not overlapping.
        query: The question that the prompt ends in.
        query_stays: Whether the query is protected even where the options say that queries may be shortened.
        protected: Spans that come out unchanged, whatever happens to the shot that they are in.
        regions: Stretches of a kind of their own, such as code or a table, in order; all else is prose.
        task_within: A stretch whose instructions and query are not known yet: they are looked for in its paragraphs.
        segments: The parts of the text that are sent, and so counted, apart from each other (one for a plain text;
            one for each message text). White space between segments is not counted.
        voices: For each segment of a conversation whose text it is; nothing for a plain text.
        results: The segments that are results of tools.
        recency: Of the turn that is not over yet, the results of tools, each with its rank: 0 for the newest batch,
            1 for the batch before the assistant's last step, and so on.
        every_segment: Whether something is left of each segment as long as its shot stays.
    """

    text: str
    instructions: tuple[Span, ...] = ()
    shots: tuple[ShotSpan, ...] = ()
    query: Span | None = None
    query_stays: bool = False
    protected: tuple[Span, ...] = ()
    regions: tuple[Region, ...] = ()
    task_within: Span | None = None
    segments: tuple[Span, ...] = ()
    voices: tuple[Voice, ...] = ()
    results: tuple[Span, ...] = ()
    recency: tuple[tuple[Span, int], ...] = ()
    every_segment: bool = False

    def __post_init__(self) -> None:
        if not self.segments:
            object.__setattr__(self, "segments", ((0, len(self.text)),))

    @property
    def whole_segments(self) -> set[Span]:
        """The texts of a conversation that come out unchanged: nothing in them is to be decided."""
        return set(self.protected).intersection(self.segments) if self.voices else set()

    @property
    def passages(self) -> list[Span]:
        """What is read for the query: shots without an answer, and what outside shots is no task and no tool's result.

        Of messages that is what stands beside the query in its message: past turns are no passages.
        """
        segments: Sequence[Span] = self.segments
        if self.every_segment:
            segments = [each for each in segments if self.query and each[0] <= self.query[0] < each[1]]
        tasks = [span for span in (*self.instructions, self.query, *self.protected, *self.results) if span]
        taken = merge_spans([*tasks, *(shot.span for shot in self.shots)])
        outside = [span for segment in segments for span in spans_between(taken, segment)]
        given = [shot.span for shot in self.shots if not shot.is_exemplar]
        shots = [span for span in given if span in clip_spans(segments, span)]
        return sorted([*outside, *shots])


def shift_shot(shot: ShotSpan, by: int) -> ShotSpan:
    """The same shot, so many characters later."""
    return replace(
        shot,
        span=shift_span(shot.span, by),
        kept=tuple(shift_span(span, by) for span in shot.kept),
        answer=shot.answer and shift_span(shot.answer, by),
        output=tuple(shift_span(span, by) for span in shot.output),
    )


def shift_layout(layout: Layout, by: int) -> Layout:
    """The instructions, shots and query of a layout, so many characters later."""
    return replace(
        layout,
        instructions=tuple(shift_span(span, by) for span in layout.instructions),
        shots=tuple(shift_shot(shot, by) for shot in layout.shots),
        query=layout.query and shift_span(layout.query, by),
    )
