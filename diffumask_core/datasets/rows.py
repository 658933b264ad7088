"""Rows of the data files (JSON lines) and their reading."""

import lzma
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Annotated, Any, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator

from diffumask_core.errors import DataError
from diffumask_core.prompt.prompt import Prompt, Shot
from diffumask_core.prompt.spans import Span


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class LabelRow(_Row):
    """A text and what an annotator kept of it at two nested levels."""

    id: str
    kind: str
    text: str
    light: list[Span]
    tight: list[Span]
    query: str | None = None
    source: str = ""
    split: Literal["train", "dev"] = "train"


class TextRow(_Row):
    """A text without labels."""

    text: str


class ShotRow(_Row):
    """Shots and how much each helps with a query, from 0 to 3."""

    id: str
    kind: str
    query: str
    shots: list[str]
    grades: list[float]
    split: Literal["train", "dev"] = "train"


class Passage(_Row):
    """A retrieved passage."""

    title: str
    text: str
    is_gold: bool

    @property
    def whole(self) -> str:
        """The passage with its title."""
        return f"{self.title}\n{self.text}"


class PassageRow(_Row):
    """A question, its answers, and passages of which one holds an answer."""

    id: str
    question: str
    answers: list[str]
    documents: list[Passage]


class SolutionRow(_Row):
    """A word problem and its solution, with calculations as ``<<48/2=24>>`` and the answer as ``#### 72``."""

    question: str
    answer: str


class DocumentRow(_Row):
    """A technical document."""

    type: Literal["document"]
    id: str
    kind: str
    title: str
    text: str


class QuestionRow(_Row):
    """A question that a document answers.

    Attributes:
        document: The document's id.
        needed: Pieces of the document's text that the answer rests on.
        split: For choosing (dev) or for reporting (test).
    """

    type: Literal["question"]
    id: str
    kind: str
    document: str
    question: str
    needed: Annotated[list[str], Field(min_length=1)]
    split: Literal["dev", "test"]


class DocsRow(RootModel[Annotated[DocumentRow | QuestionRow, Field(discriminator="type")]]):
    """A document, or a question about one."""


class RunRow(_Row):
    """A recorded run of an agent.

    Attributes:
        id: What the run is called.
        messages: In any of the formats.
        reward: How well the agent did, where the file says so.
    """

    id: Annotated[str, Field(coerce_numbers_to_str=True)] = ""
    messages: list[dict[str, Any]]
    reward: float | None = None


class NeededRow(_Row):
    """A string that the rest of a run needed of old results.

    Attributes:
        string: The string.
        units: The lines, rows and records that hold the string: the message, and where they begin and end in its text.
    """

    string: str
    units: list[tuple[int, int, int]]


class HindsightRow(_Row):
    """A run up to a cut, with what the rest of the run needed of old results of tools.

    Attributes:
        id: Of the run, and where it was cut.
        messages: The messages before the cut, in any of the formats.
        old: Indices of the messages with old results.
        needed: What was needed.
        split: For training, or for choosing.
    """

    id: str
    messages: list[dict[str, Any]]
    old: list[int]
    needed: list[NeededRow]
    split: Literal["train", "dev"] = "train"


class ClassificationRow(_Row):
    """A labelled text: a shot of one of several sets, or a test input."""

    text: str
    label: str
    split: Literal["shots", "test"]
    seed: int | None = None


class _FewShotRow(_Row):
    prompt: str = ""
    instructions: str = ""
    shots: list[Shot | str] = []

    @property
    def few_shot(self) -> Prompt | str:
        """The prompt as it was given."""
        return self.prompt or Prompt(instructions=self.instructions, shots=self.shots)

    @model_validator(mode="after")
    def _has_one_prompt(self) -> Self:
        if bool(self.prompt) == bool(self.instructions or self.shots):
            msg = "give either prompt, or shots (with or without instructions)"
            raise ValueError(msg)
        _ = self.few_shot  # says what is wrong with it while its line is known
        return self


class PromptRow(_FewShotRow):
    """A few-shot prompt to find labels for.

    Attributes:
        id: Of the label row.
        kind: Of the label row.
        prompt: A text, whose shots are found, in place of ``instructions`` and ``shots``.
        instructions: What stands before the shots.
        shots: Texts, or the fields of a `Shot`.
        source: Where the shots are from; no source may be in both splits.
        split: Of the label row.
    """

    id: str
    kind: str = "few_shot"
    source: str = ""
    split: Literal["train", "dev"] = "train"


class ItemRow(_Row):
    """What is asked after any prompt of a task, and what is right.

    Attributes:
        query: As it stands after the prompt.
        answer: What is right.
        labels: The answers to choose among; none where any text may be one.
    """

    query: str
    answer: str
    labels: list[str] = []

    @model_validator(mode="after")
    def _is_among_its_labels(self) -> Self:
        if self.labels and self.answer not in self.labels:
            msg = f"answer {self.answer!r} is none of the labels {self.labels}"
            raise ValueError(msg)
        return self


class ExampleRow(_FewShotRow):
    """A user's own prompt, what is asked after it, and what is right.

    Attributes:
        query: As it stands after the prompt.
        answer: What is right; one or several.
        prompt: A text, whose shots are found, in place of ``instructions`` and ``shots``.
        instructions: What stands before the shots.
        shots: Texts, or the fields of a `Shot`.
        labels: The answers to choose among; none where any text may be one.
    """

    query: str
    answer: str | list[str]
    labels: list[str] = []

    @property
    def answers(self) -> tuple[str, ...]:
        """All that is right."""
        return (self.answer,) if isinstance(self.answer, str) else tuple(self.answer)

    @model_validator(mode="after")
    def _has_an_answer(self) -> Self:
        if not self.answers:
            msg = "answer is an empty list"
            raise ValueError(msg)
        return self


RowType = TypeVar("RowType", bound=BaseModel)


def read_rows(path: str | Path, row_type: type[RowType]) -> list[RowType]:
    """Reads a file of JSON lines, which may be compressed with xz.

    Raises:
        DataError: The file is missing or empty, or a line of it is not such a row; the line is named by its number.
    """
    rows: list[RowType] = []
    number = 0
    try:
        with _opened(Path(path)) as lines:
            for line in lines:
                number += 1
                if line.strip():
                    rows.append(row_type.model_validate_json(line))
    except OSError as error:
        msg = f"Cannot read {path}: {error.strerror}."
        raise DataError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 text: {error.reason} at byte {error.start}."
        raise DataError(msg) from error
    except (lzma.LZMAError, EOFError) as error:
        msg = f"{path} is no whole xz file: {error}. Fetch or write it again."
        raise DataError(msg) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        msg = f"{path}, line {number}: {first['msg']}{f' (field {where})' if where else ''}; mend or remove the line."
        raise DataError(msg) from error
    if not rows:
        msg = f"{path} has no rows."
        raise DataError(msg)
    return rows


def _opened(path: Path) -> IO[str]:
    return lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8")


def covered_units(offsets: npt.NDArray[np.int64], spans: Sequence[Span], length: int) -> npt.NDArray[np.bool_]:
    """Which units ``[N, 2]`` of a text of ``length`` characters lie at least half inside the spans: ``[N]``."""
    inside = np.zeros(length + 1, dtype=np.int64)
    for start, end in spans:
        inside[start:end] = 1
    before = np.concatenate([[0], np.cumsum(inside)])
    covered = before[offsets[:, 1]] - before[offsets[:, 0]]
    result: npt.NDArray[np.bool_] = 2 * covered >= offsets[:, 1] - offsets[:, 0]
    return result
