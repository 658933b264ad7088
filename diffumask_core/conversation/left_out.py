"""What was left out of a conversation, by the names of its marks."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from diffumask_core.errors import MarkError
from diffumask_core.prompt.formats import Keys
from diffumask_core.prompt.spans import Span, merge_spans, shift_span, spans_between
from diffumask_core.rendering.marks import HASH_DIGITS, REST_KEY, Mark, mark_name, mark_text

_WRITTEN = rf"#[0-9a-f]{{6}}|hash=[0-9a-f]{{{HASH_DIGITS}}}"
_NAME = re.compile(
    rf"(?:#|hash=)?(?P<name>[0-9a-f]{{6}}|[0-9a-f]{{{HASH_DIGITS}}})|\"?\[… .*, (?P<inner>{_WRITTEN})\]\"?", re.DOTALL
)
# A mark that an LLM quotes may bring the quotes of JSON along.
_AROUND = ' \t\r\n"\\'
_WORD = re.compile(r"\w")
# A longer text is first cut in its midst: it would take minutes to read, and no LLM reads it either.
LONGEST_TEXT = 200_000
READ_LEFT_OUT = "read_left_out"
"""What the tool is called with which an agent reads what was left out; some clients put the server's name before it."""


@dataclass(frozen=True)
class LeftOut:
    """A named mark in a shortened conversation, and what it stands for.

    Attributes:
        mark: The mark; its span is a stretch of the text that the message had.
        message: The index of the message.
        keys: Where in the message the text is.
        source: The text that the message had.
    """

    mark: Mark
    message: int
    keys: Keys
    source: str = field(repr=False)

    @property
    def text(self) -> str:
        """The source from the first to the last thing that was left out."""
        return self.source[slice(*self.mark.span)]


def find_left_out(asked: str | Mark | LeftOut, known: Mapping[str, LeftOut]) -> str:
    """What a mark stands for.

    Args:
        asked: A name with or without its sign, the text of a mark, a mark, or what was left out under it.
        known: What was left out, by name, in order.

    Raises:
        MarkError: There is no mark of that name.
    """
    mark = asked.mark if isinstance(asked, LeftOut) else asked
    written = f"#{mark.name}" if isinstance(mark, Mark) else mark
    name = name_of(written)
    if name not in known:
        raise MarkError(str(written), list(known)[::-1])
    return known[name].text


def name_of(written: object) -> str:
    """The name in what an LLM or a user wrote: a name with or without its sign, or the text of a mark; else empty."""
    found = _NAME.fullmatch(written.strip(_AROUND).lower()) if isinstance(written, str) else None
    return (found["name"] or found["inner"].removeprefix("#").removeprefix("hash=")) if found else ""


def tail_mark(text: str) -> Mark:
    """The mark that stands for the whole of a text of which words went without a mark."""
    name = mark_name(text)
    return Mark(f"[… shortened, #{name}]", (0, len(text)), 1, "text", name)


def hash_mark(text: str) -> Mark:
    """The mark that stands for the whole of a text wherever that text may be: its name is no other text's."""
    name = mark_name(text, HASH_DIGITS)
    return Mark(f"[… shortened, hash={name}]", (0, len(text)), 1, "text", name)


def lost_words(text: str, kept: Sequence[Span], marks: Sequence[Mark]) -> bool:
    """Whether words of a text are neither among what was kept of it nor under a mark."""
    told = merge_spans([*kept, *(mark.span for mark in marks)])
    return any(_WORD.search(text, *span) for span in spans_between(told, (0, len(text))))


def with_tail(text: str, mark: Mark) -> str:
    """A text with a mark at its end: JSON and lines of JSON stay such, and any other text gets one more line."""
    value = parsed_json(text)
    member = json.dumps(mark.text, ensure_ascii=False)
    if not isinstance(value, dict | list):
        lines = [line for line in text.split("\n") if line.strip()]
        return f"{text}\n{member if all(_is_json_line(line) for line in lines) else mark.text}"
    body = text.rstrip()[:-1].rstrip()
    if isinstance(value, dict):
        # A mark of members has the key already.
        key = next(key for count in range(1, len(value) + 2) if (key := REST_KEY * count) not in value)
        member = f'"{key}": {member}'
    return f"{body}{', ' if value else ''}{member}{text.rstrip()[-1]}"


def parsed_json(text: str) -> Any:
    """The value of a text that is JSON; None of any other."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_json_line(line: str) -> bool:
    """Whether a line is a value of JSON, or a mark among such lines."""
    return parsed_json(line) is not None or (line[0] == '"' and line.rstrip()[-1] == '"')


@dataclass(frozen=True)
class Cut:
    """A text that was cut in its midst before anything is decided.

    Attributes:
        text: What is left of it, with a mark.
        mark: The mark, with the stretch of the source that it stands for; None where nothing was cut.
        at: Where the mark stands in the text.
    """

    text: str
    mark: Mark | None = None
    at: Span = (0, 0)

    @classmethod
    def of(cls, text: str, named: bool) -> "Cut":
        """Cuts a text that is too long, at the ends of lines if possible."""
        if len(text) <= LONGEST_TEXT:
            return cls(text)
        start = text.rfind("\n", 0, LONGEST_TEXT // 2) + 1 or LONGEST_TEXT // 2
        end = text.find("\n", len(text) - LONGEST_TEXT // 2) + 1 or len(text) - LONGEST_TEXT // 2
        gone = text[start:end].rstrip("\n")
        lines = sum(bool(line.strip()) for line in gone.split("\n"))
        count, noun = (lines, "line") if text[start - 1] == "\n" == text[end - 1] else (len(gone), "character")
        name = mark_name(gone) if named else ""
        mark = Mark(mark_text(count, noun, name=name), (start, start + len(gone)), count, noun, name)
        head = text[:start].rstrip("\n") + "\n"
        at = (len(head), len(head) + len(mark.text))
        return cls(f"{head}{mark.text}\n{text[end:]}", mark, at)

    def in_source(self, text: str, marks: Sequence[Mark]) -> list[Mark]:
        """The marks of what was left as marks of the source, in order, with that of the cut.

        Args:
            text: The source.
            marks: The marks of the shortened text.
        """
        if self.mark is None:
            return list(marks)
        by = len(text) - len(self.text)
        before = [mark for mark in marks if mark.span[1] <= self.at[0]]
        after = [replace(mark, span=shift_span(mark.span, by)) for mark in marks if self.at[1] <= mark.span[0]]
        whole = [mark for mark in marks if mark.span == (0, len(text))]
        return [*before, self.mark, *after, *whole]
