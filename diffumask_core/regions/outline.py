"""Definitions in code: a signature stays above what is left of its body, a closing brace below.

Indentation says what belongs to a body, in languages with braces too. A statement of SQL is found here as well.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from diffumask_core.regions.blocks import Block, Tail, indent_of
from diffumask_core.regions.code_lines import CALLABLE, DEFINITION, STRING
from diffumask_core.regions.region import Head

_LONGEST_UNIT = 12
"""Lines of a signature or statement that goes whole; a longer one is decided line by line."""

_SIGNATURE_SHARE, _STATEMENT_SHARE = 2, 4
"""A signature of more than a half of its stretch and a statement of more than a quarter are decided line by line too: a
budget might else have room for nothing. A statement stands alone; a signature stays above its body anyway."""

_FARTHEST = 30
"""Lines in which a bracket of a signature has to be closed."""

_ATTRIBUTE = re.compile(r"@[A-Za-z]|#\[|\[[A-Z]\w*(?:\(.*\))?\]$")
_LOOSE = re.compile(r"#|//|\w+:$|\*|/\*|--\s")
_CLOSER = re.compile(r"[})]|end\b")
_GOES_ON = re.compile(r"\{|where\b|throws\b|extends\b|implements\b|:|->")
_SIGNATURE = re.compile(
    r"(?!(?:if|for|while|switch|catch|return|else|do|elif|with|foreach)\b)[\w:<>*&~,\[\]. ]+\([^;={}]*$"
)
_STATEMENT = re.compile(
    r"(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE (?:OR REPLACE )?(?:TABLE|VIEW|INDEX|UNIQUE INDEX|TYPE)"
    r"|ALTER TABLE|WITH\s+\w+\s+AS\s*\(|MERGE INTO)\b"
    r"|(?:select\b.*|insert into\s+\w+.*|update\s+\w+\s+set\b.*|delete from\s+\w+.*|create table\s+\w+.*)(?<![.:])$"
)


@dataclass
class Outline:
    """What in a stretch of code goes whole, and what follows from what.

    Attributes:
        lines: How many lines the stretch has.
        blocks: Units of several lines.
        heads: Lines that stay above others.
        tails: Lines that stay below others.
    """

    lines: int
    blocks: list[Block] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    tails: list[Tail] = field(default_factory=list)

    def close(self, head: Block, last: int) -> None:
        """Notes that the lines of `head` are the head of what follows up to line `last`."""
        first, body = head
        whole = self.is_whole(first, body)
        self.heads += [Head(line, body, last) for line in ([first] if whole else range(first, body))]

    def is_whole(self, first: int, last: int, share: int = _SIGNATURE_SHARE) -> bool:
        """Whether some lines are few enough to go whole."""
        return last - first <= min(_LONGEST_UNIT, self.lines // share)

    def whole(self, first: int, last: int, share: int = _SIGNATURE_SHARE) -> None:
        """Notes a unit of several lines, if it is not too long."""
        if last - first > 1 and self.is_whole(first, last, share):
            self.blocks.append((first, last))


def outline(texts: Sequence[str], first: int, last: int, inside: Sequence[bool]) -> Outline:
    """Finds the definitions and statements among some lines.

    Args:
        texts: The lines, without printed numbers.
        first: The first line.
        last: The line after the last one.
        inside: For each line whether it is within a string or a comment of several lines.
    """
    found = Outline(last - first)
    stack: list[tuple[int, Block]] = []
    previous, attributes, line = first, -1, first
    while line < last:
        text = texts[line]
        bare = text.strip()
        indent = indent_of(text)
        if not bare or inside[line] or (_LOOSE.match(bare) and not bare.startswith("#[")):
            deeper = bool(bare) and (inside[line] or not stack or indent > stack[-1][0])
            previous = line if deeper else previous
            line += 1
            continue
        _leave(found, stack, indent, previous, line if _CLOSER.match(bare) else None)
        stop = _attribute_end(texts, line, last) if _ATTRIBUTE.match(bare) else None
        if stop:
            attributes = line if attributes < 0 else attributes
        else:
            stop = _statement_end(texts, line, last) or _head_end(texts, line, last)
            start = attributes if attributes >= 0 else line
            attributes = -1
            if stop and _STATEMENT.match(bare):
                _add_statement(found, texts, line, stop)
            elif stop and _has_body(texts, stop, last, indent, inside):
                found.whole(start, stop)
                stack.append((indent, (start, stop)))
            else:
                stop = line + 1
        line, previous = stop, stop - 1
    _leave(found, stack, -1, previous, None)
    return found


def _leave(found: Outline, stack: list[tuple[int, Block]], indent: int, previous: int, closer: int | None) -> None:
    """Ends the definitions that a line with such an indentation is not in."""
    while stack and indent <= stack[-1][0]:
        depth, head = stack.pop()
        found.close(head, previous + 1)
        if closer is not None and depth == indent:
            found.tails.append(Tail(closer, head[1], previous + 1))


@lru_cache(maxsize=256)
def _depth(text: str) -> int:
    """How many brackets a line opens more than it closes; a line is looked at for each signature near by."""
    code = STRING.sub("", text)
    return sum(map(code.count, "([")) - sum(map(code.count, ")]"))


def _attribute_end(texts: Sequence[str], line: int, last: int) -> int:
    depth, stop = _depth(texts[line]), line + 1
    while depth > 0 and stop < min(last, line + _FARTHEST):
        depth += _depth(texts[stop])
        stop += 1
    return stop


def _head_end(texts: Sequence[str], line: int, last: int) -> int | None:
    """The line after a definition's signature; None if no definition begins here."""
    bare = texts[line].strip()
    named = DEFINITION.match(bare) or CALLABLE.match(bare)
    if not named and not _SIGNATURE.match(bare):
        return None
    stop = _attribute_end(texts, line, last)
    indent = indent_of(texts[line])
    if not texts[stop - 1].rstrip().endswith(("{", ":", ";", ",")):
        for below in range(stop, min(last, stop + 6)):
            text = texts[below]
            if not _GOES_ON.match(text.strip()) and not (below > stop and indent_of(text) > indent):
                break
            if text.rstrip().endswith("{"):
                stop = below + 1
                break
    return stop if named or texts[stop - 1].rstrip().endswith("{") else None


def _has_body(texts: Sequence[str], stop: int, last: int, indent: int, inside: Sequence[bool]) -> bool:
    # A directive of the preprocessor stands at the left, wherever it is.
    near = range(stop, min(last, stop + 5))
    below = next((line for line in near if texts[line].strip() and texts[line][0] != "#"), None)
    return below is not None and (inside[below] or indent_of(texts[below]) > indent)


def _statement_end(texts: Sequence[str], line: int, last: int) -> int | None:
    """The line after a statement of SQL that begins here: at its semicolon, or before a blank line."""
    if not _STATEMENT.match(texts[line].strip()):
        return None
    for stop in range(line, last):
        text = texts[stop].strip()
        if not text:
            return stop
        if text.endswith(";"):
            return stop + 1
    return last


def _add_statement(found: Outline, texts: Sequence[str], first: int, last: int) -> None:
    found.whole(first, last, _STATEMENT_SHARE)
    if not found.is_whole(first, last, _STATEMENT_SHARE):
        closed = bool(_CLOSER.match(texts[last - 1].strip()))
        found.heads.append(Head(first, first + 1, last - closed))
        if closed:
            found.tails.append(Tail(last - 1, first + 1, last - 1))
