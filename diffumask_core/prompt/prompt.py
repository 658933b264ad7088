"""A prompt given in parts: instructions, shots and a query."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real

from diffumask_core.errors import InputError, kind_of
from diffumask_core.prompt.layout import Layout, ShotSpan, shift_shot
from diffumask_core.prompt.parse import describe_shot_or_passage
from diffumask_core.prompt.spans import Span, merge_spans

_SEPARATOR = "\n\n"


@dataclass(frozen=True)
class Shot:
    """One exemplar or passage: either its text, or its fields.

    Fields are written out as ``Q: {question}`` and ``A: {rationale} {answer}``; rationale and answer stay as they are
    as long as the shot stays.

    Attributes:
        text: The shot as it stands in the prompt. Its markers and its answer are looked for.
        question: What is asked, or the input.
        rationale: The reasoning or explanation that leads to the answer.
        answer: The final answer or label.
        score: What a retriever or a reranker thinks of it, higher for better, on any scale: it counts beside the shot's
            own utility, as far as it differs from the scores of the other shots.
    """

    text: str = ""
    question: str | None = None
    rationale: str | None = None
    answer: str | None = None
    score: float | None = None

    def __post_init__(self) -> None:
        for name in ("text", "question", "rationale", "answer"):
            value = getattr(self, name)
            if not isinstance(value, str | None):
                raise InputError(f"Shot({name}={value!r}) is not a string: pass {name}=str(...).")
        if self.score is not None and not (isinstance(self.score, Real) and math.isfinite(self.score)):
            raise InputError(f"Shot(score={self.score!r}) is not a finite number: leave it out where there is none.")
        if self.text and self._fields:
            raise InputError(
                f"A Shot has both text ({self.text[:40]!r}) and fields ({', '.join(self._fields)}): give either the "
                "text, or question, rationale and answer."
            )
        if not self.text.strip() and not any(value.strip() for value in self._fields.values()):
            raise InputError("A Shot has nothing in it: give its text, or a question and an answer.")

    @property
    def _fields(self) -> dict[str, str]:
        fields = {"question": self.question, "rationale": self.rationale, "answer": self.answer}
        return {name: value for name, value in fields.items() if value}

    def render(self) -> tuple[str, ShotSpan]:
        """Writes the shot out.

        Returns:
            Its text, and its structure with offsets into that text.
        """
        if self.text:
            return self.text, replace(describe_shot_or_passage(self.text), score=self.score)
        text, kept, answer = "", list[Span](), None
        if self.question:
            text, kept = f"Q: {self.question}", [(0, 2)]
        if self.rationale or self.answer:
            text += "\nA:" if text else "A:"
            kept.append((len(text) - 2, len(text)))
        output = len(text) + 1
        if self.rationale:
            text += f" {self.rationale}"
        if self.answer:
            answer = (len(text) + 1, len(text) + 1 + len(self.answer))
            text += f" {self.answer}"
            kept.append(answer)
        written = ((output, len(text)),) if output < len(text) else ()
        return text, ShotSpan((0, len(text)), tuple(merge_spans(kept)), answer, written, score=self.score)


@dataclass(frozen=True)
class Prompt:
    """Instructions, shots and a query. Parts are joined by a blank line; empty parts are left out.

    Attributes:
        instructions: What to do.
        shots: Exemplars or passages, each of which can be dropped whole. Strings become `Shot(text=...)`.
        query: What the prompt ends in: the question to answer, the input to classify.
    """

    instructions: str = ""
    shots: Sequence[Shot | str] = ()
    query: str = ""

    def __post_init__(self) -> None:
        for name in ("instructions", "query"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise InputError(f"Prompt({name}={value!r}) is not a string: pass {name}=str(...).")
        if isinstance(self.shots, str) or not isinstance(self.shots, Iterable):
            raise InputError(f"shots must be a list of shots, not {self.shots!r}: write shots=[...].")
        shots = tuple(self.shots)
        for number, shot in enumerate(shots, 1):
            if not isinstance(shot, Shot | str):
                raise InputError(f"Shot {number} is {kind_of(shot)}: give a Shot or a string.")
            if isinstance(shot, str) and not shot.strip():
                raise InputError(f"Shot {number} is an empty string: leave it out.")
        object.__setattr__(self, "shots", tuple(Shot(shot) if isinstance(shot, str) else shot for shot in shots))

    @property
    def text(self) -> str:
        """The whole prompt."""
        return self.layout.text

    @cached_property
    def layout(self) -> Layout:
        """The prompt's structure, as it was given."""
        text = ""

        def add(part: str) -> Span:
            nonlocal text
            text += _SEPARATOR + part if text else part
            return len(text) - len(part), len(text)

        instructions = add(self.instructions) if self.instructions else None
        shots = []
        for shot in self.shots:
            part, described = (Shot(shot) if isinstance(shot, str) else shot).render()
            shots.append(shift_shot(described, add(part)[0]))
        query = add(self.query) if self.query else None
        return Layout(text, (instructions,) if instructions else (), tuple(shots), query)
