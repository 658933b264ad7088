"""Code fences of Markdown: where each begins and ends, and what its info string says of the contents."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diffumask_core.regions.blocks import Block, indent_of
from diffumask_core.regions.code_lines import Look
from diffumask_core.regions.region import Lines

_FENCE = re.compile(r"\s*+(`{3,}+|~{3,}+)[ \t]*+([^`\n]{0,100})$")

_LONGEST = 6
"""A fence of more signs than this counts as one of this many."""

_OTHER = frozenset(
    """
    json jsonl json5 ndjson diff patch udiff log logs csv tsv yaml yml toml ini env dotenv properties xml html
    svg dockerfile docker markdown md text txt plain plaintext output table traceback mermaid http
    """.split()  # noqa: SIM905  # a word a line would fill a page
)


@dataclass(frozen=True)
class Fence:
    """A fenced block.

    Attributes:
        reach: All its lines, with those of the fence.
        contents: The lines between.
        info: The first word of its info string, in small letters.
    """

    reach: Block
    contents: Block
    info: str

    @property
    def is_code(self) -> bool | None:
        """Whether the info string names a language, or another kind of text; None where there is none."""
        return self.info not in _OTHER if self.info else None


def find_fences(lines: Lines, looks: Sequence[Look]) -> Iterator[Fence]:
    """Finds the fences in some lines, in order; `looks` says what each line looks like.

    A fence that is not closed ends with its paragraph: before a blank line that prose follows, before the next fence
    that opens, or with the lines.
    """
    marks = {number: match for number, text in enumerate(lines) if (match := _FENCE.match(text[:200]))}
    following = _following(marks)
    last = 0
    for number, match in marks.items():
        if number < last or _is_stray(lines, looks, number, match, last):
            continue
        below = following[number]
        if below is not None and not marks[below][2].strip():
            stop, last = below, below + 1
        else:
            stop = last = _paragraph_end(lines, looks, number + 1, len(lines) if below is None else below)
        info = re.split(r"[\s,:{(]", match[2].strip().lstrip("{.").rstrip("}").lower())[0]
        if stop == number + 1 == last:
            continue
        yield Fence((number, last), (number + 1, stop), info)


def _following(marks: dict[int, re.Match[str]]) -> dict[int, int | None]:
    """For each fence the next one of the same sign and at least its length."""
    nearest: dict[tuple[str, int], int] = {}
    following: dict[int, int | None] = {}
    for number, match in reversed(marks.items()):
        sign, length = match[1][0], min(len(match[1]), _LONGEST)
        following[number] = nearest.get((sign, length))
        nearest.update({(sign, shorter): number for shorter in range(3, length + 1)})
    return following


def _is_stray(lines: Lines, looks: Sequence[Look], number: int, match: re.Match[str], last: int) -> bool:
    """Whether a fence closes code whose beginning was cut off: code stands right above, and none right below."""
    if match[2].strip() or number == last:
        return False
    above = looks[number - 1] >= Look.CODE or (looks[number - 1] == Look.WEAK and indent_of(lines[number - 1]) > 0)
    return above and (number + 1 == len(lines) or looks[number + 1] < Look.WEAK)


def _paragraph_end(lines: Lines, looks: Sequence[Look], first: int, last: int) -> int:
    end = first
    for number in range(first, last):
        if looks[number] == Look.BLANK:
            continue
        if end < number > first and looks[number] == Look.PROSE and indent_of(lines[number]) == 0:
            return end
        end = number + 1
    return end
