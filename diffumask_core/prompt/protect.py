"""Spans that come out unchanged: what a text marks as such, and what the user names."""

import logging
import re
from collections.abc import Sequence

from diffumask_core.errors import InputError
from diffumask_core.prompt.spans import Span, merge_spans

_log = logging.getLogger(__name__)

_NAME = r"(?:[^\W\d]\w*|\d+)(?:\.\w+|\[[^\[\]{}\n]{1,60}\])*"
_TEMPLATE = re.compile(
    rf"""
      \{{\{{[-~\#/^&>!]?\s{{0,8}}{_NAME}\s{{0,8}}(?:\|[^{{}}\n]{{1,200}})?[-~]?\}}\}}   # {{{{ user.name }}}}
    | \{{%[^{{}}\n]{{1,300}}%\}}    # {{% if x %}}
    | \$?\{{{_NAME}(?:![rsa])?(?::[^\s{{}}"']{{1,20}})?\}}    # {{name}}, {{price:.2f}}, ${{name}}
    """,
    re.VERBOSE,
)
_URL = re.compile(
    r"""(?:\b(?:https?|ftp)://|\bwww\.)(?:[^\s<>"'`()\[\]{}]|\([^\s<>"'`()]{0,100}\)|\{[\w.]{1,50}\})++""",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^[ \t]*+(?P<fence>`{3,}+|~{3,}+)(?P<info>[^\n]*)", re.MULTILINE)


def protected_spans(text: str) -> list[Span]:
    """Finds template variables, URLs and fenced code blocks.

    Returns:
        Sorted spans that neither touch nor overlap.
    """
    spans = fenced_spans(text)
    spans += [match.span() for match in _TEMPLATE.finditer(text)]
    spans += [(match.start(), match.start() + len(match[0].rstrip(".,;:!?"))) for match in _URL.finditer(text)]
    return merge_spans(spans)


def fenced_spans(text: str) -> list[Span]:
    """Finds fenced code blocks, with their fences; one that is not closed runs to the end."""
    spans: list[Span] = []
    opened: tuple[int, str] | None = None
    for match in _FENCE.finditer(text):
        fence, info = match["fence"], match["info"].strip()
        if opened is None:
            # Three backticks that close on the same line are inline code.
            if not (fence[0] == "`" and "`" in info):
                opened = match.start("fence"), fence
        elif not info and fence[0] == opened[1][0] and len(fence) >= len(opened[1]):
            spans.append((opened[0], match.end("fence")))
            opened = None
    if opened is not None:
        spans.append((opened[0], len(text)))
    return spans


def user_spans(text: str, protect: Sequence[str | re.Pattern[str] | Span]) -> list[Span]:
    """Finds what the user asked to protect.

    Args:
        text: The text to look in.
        protect: Strings (every occurrence), compiled regular expressions (every match) and spans ``(start, end)``.

    Returns:
        Sorted spans that neither touch nor overlap.

    Raises:
        InputError: An item is none of these, an empty string, or a span that is not within the text.
    """
    if isinstance(protect, str | re.Pattern):
        raise InputError(f"protect must be a list, not {protect!r}: write protect=[{protect!r}].")
    spans: list[Span] = []
    for item in protect:
        match item:
            case "":
                raise InputError("protect holds an empty string, which is everywhere and nowhere: leave it out.")
            case str():
                found = _occurrences(text, item)
            case re.Pattern(pattern=str()):
                found = [match.span() for match in item.finditer(text)]
            case (int() as start, int() as end) if isinstance(item, tuple):
                if not 0 <= start < end <= len(text):
                    raise InputError(
                        f"protect holds the span {item!r}, which is not within the text: give (start, end) with "
                        f"0 <= start < end <= {len(text)}, the length of the text."
                    )
                found = [(start, end)]
            case _:
                raise InputError(
                    f"protect holds {item!r} of type {type(item).__name__}: give a string, a compiled regular "
                    "expression (re.compile) or a span (start, end)."
                )
        if not found:
            _log.debug("Nothing to protect: %r is not in the text.", item)
        spans += found
    return merge_spans(spans)


def _occurrences(text: str, wanted: str) -> list[Span]:
    spans: list[Span] = []
    start = text.find(wanted)
    while start >= 0:
        spans.append((start, start + len(wanted)))
        start = text.find(wanted, start + 1)
    return spans
