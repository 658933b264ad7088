"""Code: in fences, and standing free in a text; by lines, each definition's head above what is left of its body."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from diffumask_core.prompt.spans import Span
from diffumask_core.regions.blocks import Block, Tail, follow, indent_of, region_of_blocks
from diffumask_core.regions.code_lines import PROMPT, Look, find_foreign, look_of, without_numbers
from diffumask_core.regions.fences import Fence, find_fences
from diffumask_core.regions.outline import outline
from diffumask_core.regions.region import Head, Lines, Region, Scaffold

_FEWEST_POINTS = 4
"""What the lines of a stretch have to come to: two imports, say, or a definition and two statements."""

_CLOSING_FENCES = ("```", "~~~")

_LONGEST_STRING = 400
"""Lines that a string or a comment may have."""


def find_code(lines: Lines) -> Iterator[Region]:
    """Finds fenced code, and code that stands free, also printed with line numbers or cut off.

    A fence whose contents are not code is a region with no units but the lines of the fence; see `find_fenced`.
    """
    yield from _Code(lines).regions()


def find_fenced(lines: Lines) -> Iterator[tuple[Region, Span | None]]:
    """Finds fenced blocks; with each that holds no code the span of its contents, for other detectors to look into."""
    code = _Code(lines)
    for fence in code.fences:
        holds_other = fence.contents[0] < fence.contents[1] and not code.is_code(fence)
        yield code.fenced(fence), lines.cover(*fence.contents) if holds_other else None


class _Code:
    """Some lines and what each looks like, where strings and comments of several lines are known."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.texts, self.numbered = without_numbers(lines)
        foreign = find_foreign(self.texts)
        self.looks = [Look.PROSE if foreign[number] else self._look(number) for number in range(len(lines))]
        self.inside = _insides(self.texts, self.looks)
        self.fences = list(find_fences(lines, self.looks))

    def _look(self, number: int) -> Look:
        """A line that a tool has printed with a number and a tab is from a file, whatever it looks like."""
        look = look_of(self.texts[number])
        if number not in self.numbered or look >= Look.CODE:
            return look
        printed = self.lines[number]
        listed = printed[:1] == " " and "\t" in printed and "\t" not in self.texts[number].strip()
        return Look.CODE if listed and look != Look.BLANK else Look.WEAK

    def regions(self) -> Iterator[Region]:
        last = 0
        for fence in self.fences:
            yield from self._free(last, fence.reach[0])
            yield self.fenced(fence)
            last = fence.reach[1]
        yield from self._free(last, len(self.lines))

    def is_code(self, fence: Fence) -> bool:
        if fence.is_code is not None:
            return fence.is_code
        looks = [self.looks[number] for number in range(*fence.contents) if self.looks[number] != Look.BLANK]
        return sum(look >= Look.CODE for look in looks) * 2 >= len(looks)

    def fenced(self, fence: Fence) -> Region:
        first, last = fence.contents
        # A fence with nothing between is one unit: no line of it has anything to follow from.
        if not any(self.lines[number].strip() for number in range(first, last)):
            return region_of_blocks("code", self.lines, fence.reach, blocks=[fence.reach])
        opening = Head(fence.reach[0], first, last, alone=False)
        closing = [Tail(last, first, last)] if last < fence.reach[1] else []
        if self.is_code(fence):
            region = self._region(fence.reach, fence.contents)
        else:
            edges = [self.lines.spans[number] for number in (fence.reach[0], *(tail.line for tail in closing))]
            region = Region("code", self.lines.cover(*fence.reach), tuple(edges))
        edge = [Scaffold(self.lines.spans[opening.line], after=self.lines.cover(first, last))]
        edge += [Scaffold(self.lines.spans[tail.line], before=self.lines.cover(first, last)) for tail in closing]
        return replace(region, scaffold=(*edge, *region.scaffold))

    def _region(self, reach: Block, contents: Block) -> Region:
        first, last = contents
        found = outline(self.texts, first, last, self.inside)
        heads = [*found.heads, *self._prompts(first, last)]
        return region_of_blocks("code", self.lines, reach, blocks=found.blocks, heads=heads, tails=found.tails)

    def _prompts(self, first: int, last: int) -> Iterator[Head]:
        """What was typed at a prompt heads what was printed."""
        told = [number for number in range(first, last) if PROMPT.match(self.texts[number][:200])]
        for number, following in follow(told, last):
            yield Head(number, number + 1, following)

    def _free(self, first: int, last: int) -> Iterator[Region]:
        for start, stop in self._stretches(first, last):
            # A fence right below closes code whose opening fence was cut off.
            closed = stop < last and self.lines[stop].strip() in _CLOSING_FENCES
            if self._is_sure(start, stop, _FEWEST_POINTS - 3 * closed):
                region = self._region((start, stop + closed), (start, stop + closed))
                closing = [Scaffold(self.lines.spans[stop], before=self.lines.cover(start, stop))] if closed else []
                yield replace(region, scaffold=(*region.scaffold, *closing))

    def _is_sure(self, first: int, last: int, fewest: int) -> bool:
        """Whether enough lines are sure to be code, and few are not."""
        points = strong = plain = 0
        for number in range(first, last):
            look = self.looks[number]
            points += max(look, 0)
            strong += look > 0
            plain += look == Look.WEAK and not self.inside[number]
        # Two statements are enough where they are indented, as a piece of a file is.
        if strong == last - first >= 2 and indent_of(self.texts[first]) > 0:
            return True
        return points >= fewest and strong >= min(fewest, 2) and strong * 2 >= plain

    def _stretches(self, first: int, last: int) -> Iterator[Block]:
        """Lines of code in a row, from the first to the last one that counts."""
        start = end = None
        session = False
        for number in range(first, last):
            look = self.looks[number]
            if look == Look.BLANK:
                session = False
                continue
            session = session or (look == Look.ANCHOR and bool(PROMPT.match(self.texts[number][:200])))
            if start is not None and end is not None and not session and self._ends(look, number, end):
                yield start, end
                start = end = None
            if look >= Look.CODE or self.inside[number] or session:
                start = self._beginning(number, first) if start is None else start
                end = number + 1
            elif start is not None and end == number:
                end = number + 1
            first = end if end is not None else first
        if start is not None and end is not None:
            yield start, end

    def _ends(self, look: Look, number: int, end: int) -> bool:
        """Whether a line does not go on with the code that ended before line `end`."""
        if look >= Look.CODE or self.inside[number]:
            return False
        if look == Look.PROSE:
            # A line of a text inside the code, which nothing but its indentation tells from prose around it.
            return indent_of(self.texts[number]) == 0 or number > end
        return number > end + 2

    def _beginning(self, number: int, first: int) -> int:
        """The first of the lines right above that belong to a line of code: comments, arguments."""
        while number > first and self.looks[number - 1] == Look.WEAK:
            number -= 1
        return number


def _insides(texts: Sequence[str], looks: list[Look]) -> list[bool]:
    """For each line whether it is within a string or comment of several lines; such a line is no prose."""
    inside = [False] * len(texts)
    number = 0
    while number < len(texts):
        closing = _opened(texts[number])
        if closing is None:
            number += 1
            continue
        if _is_closing(texts, looks, number, closing):
            _mark_above(texts, looks, inside, number)
            number += 1
            continue
        stop = _string_end(texts, number, closing)
        for line in range(number + 1, stop):
            inside[line] = True
            looks[line] = Look.WEAK if texts[line].strip() else Look.BLANK
        number = stop
    return inside


def _opened(text: str) -> str | None:
    """What closes the string or comment that a line leaves open."""
    for quotes in ('"""', "'''"):
        if text.count(quotes) % 2:
            return quotes
    bare = text.lstrip()
    return "*/" if bare.startswith("/*") and "*/" not in bare else None


def _is_closing(texts: Sequence[str], looks: Sequence[Look], number: int, closing: str) -> bool:
    """Whether quotes alone on a line end a string whose beginning was cut off: text stands above, and no head."""
    if texts[number].strip() != closing or not number:
        return False
    above = texts[number - 1].rstrip()
    return looks[number - 1] == Look.PROSE and indent_of(above) >= indent_of(texts[number]) > 0


def _mark_above(texts: Sequence[str], looks: list[Look], inside: list[bool], number: int) -> None:
    indent = indent_of(texts[number])
    looks[number] = Look.CODE
    for line in range(number - 1, -1, -1):
        if inside[line] or looks[line] >= Look.CODE or (texts[line].strip() and indent_of(texts[line]) < indent):
            return
        inside[line] = bool(texts[line].strip())
        looks[line] = Look.WEAK if inside[line] else Look.BLANK


def _string_end(texts: Sequence[str], number: int, closing: str) -> int:
    """The line after the one that closes a string; if none does, its paragraph's end."""
    end = None
    for line in range(number + 1, min(len(texts), number + _LONGEST_STRING)):
        if closing in texts[line]:
            return line + 1
        if end is None and not texts[line].strip():
            following = next((text for text in texts[line + 1 : line + 4] if text.strip()), "")
            end = line if indent_of(following) < max(indent_of(texts[number]), 1) else None
    return min(end or len(texts), number + _LONGEST_STRING, len(texts))
