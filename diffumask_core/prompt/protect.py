"""Spans that come out unchanged: what a text marks as such, and what the user names.

Fenced code has its own function, since the borders of a block are needed where its lines are not protected.
"""

import logging
import re
from collections.abc import Sequence
from numbers import Integral

import regex

from diffumask_core.errors import InputError
from diffumask_core.prompt.material import material_marks
from diffumask_core.prompt.spans import BLANK_LINE, Span, merge_spans

logger = logging.getLogger("diffumask")

_NAME = r"(?:[^\W\d]\w*|\d+)(?:\.\w+|\[[^\[\]{}\n]{1,60}\])*"
# What doubled braces enclose, such as JSON, in which single braces come in pairs.
_INNER = r"\{(?:[^{}]++|\{(?:[^{}]++|\{[^{}]*+\}){0,50}+\}){0,50}+\}"
_TEMPLATE = regex.compile(
    rf"""
      \{{\{{[-~\#/^&>!]?\s{{0,8}}{_NAME}\s{{0,8}}(?:\|[^{{}}\n]{{1,200}})?[-~]?\}}\}}   # {{{{ user.name }}}}
    | (?<!\{{)\{{\{{(?:[^{{}}]{{1,2000}}+|{_INNER}){{1,100}}+\}}\}}   # {{{{"answer": "..."}}}}
    | \{{%[^{{}}\n]{{1,300}}%\}}    # {{% if x %}}
    | %\(\w{{1,60}}\)[\#0+-]?[\d.]{{0,6}}[a-zA-Z]    # %(name)s
    | \$?\{{{_NAME}(?:![rsa])?(?::[^\s{{}}"']{{1,20}})?\}}    # {{name}}, {{price:.2f}}, ${{name}}
    """,
    regex.VERBOSE,
)
_URL = re.compile(
    r"""(?:\b(?:https?|ftp)://|\bwww\.)(?:[^\s<>"'`()\[\]{}]|\([^\s<>"'`()]{0,100}\)|\{[\w.]{1,50}\})++""",
    re.IGNORECASE,
)
# A block may open behind a marker ("Output: ```json") or a bullet; only a fence that begins its line closes.
_FENCE = re.compile(
    r"^[ \t]*+(?P<lead>[^\n`~]{0,40}?[:\uff1a>*.-][ \t]{1,4})?(?P<fence>`{3,}+|~{3,}+)(?P<info>[^\n]*)", re.MULTILINE
)
_LANGUAGE = re.compile(r"[A-Za-z][\w+#.-]{0,20}")
_LETTER = re.compile(r"\w")
# A name with a colon, a heading or a tag, and nothing after it.
_BARE_MARKER = re.compile(
    r"(?:#{1,6} |\*\*)?(?:[^\W\d_][\w'’-]{0,20} ){0,2}[^\W\d_][\w'’;-]{0,20}(?: ?\d{1,3})?(?:\*\*)? ?[:\uff1a](?:\*\*)?"
    r"|#{1,6} (?:[^\W\d_]{1,20} ){0,2}[^\W\d_]{1,20}|(?:</?[\w.-]{1,40}>\s*)+"
)


def variable_spans(text: str) -> list[Span]:
    """Finds template variables: sorted spans that do not overlap."""
    return merge_spans([match.span() for match in _TEMPLATE.finditer(text)])


def url_spans(text: str) -> list[Span]:
    """Finds URLs: sorted spans that do not overlap."""
    return [(match.start(), match.start() + len(match[0].rstrip(".,;:!?"))) for match in _URL.finditer(text)]


def fenced_spans(text: str) -> list[Span]:
    """Finds fenced code blocks, with their fences.

    A block that is not closed, as a splitter leaves one, ends with its paragraph, or where the next passage begins.
    """
    spans: list[Span] = []
    opened: tuple[int, str] | None = None
    for match in _FENCE.finditer(text):
        fence, info = match["fence"], match["info"].strip()
        same = opened is not None and fence[0] == opened[1][0]
        if opened and same and not info and len(fence) >= len(opened[1]) and not (match["lead"] or "").strip():
            spans.append((opened[0], match.end("fence")))
            opened = None
        elif opened is None or (same and len(fence) == len(opened[1]) and _LANGUAGE.fullmatch(info)):
            # A fence with a language opens a block: the one before was cut off. Backticks that close on the same line
            # are inline code.
            if opened:
                spans.append((opened[0], _end_of_unclosed(text, opened[0], match.start())))
                opened = None
            if not (fence[0] == "`" and "`" in info):
                opened = match.start("fence"), fence
    if opened:
        spans.append((opened[0], _end_of_unclosed(text, opened[0], len(text))))
    return spans


def _end_of_unclosed(text: str, start: int, end: int) -> int:
    blank = BLANK_LINE.search(text, start, end)
    end = blank.start() if blank else end
    mark = next(material_marks(text, start, end), None)
    end = mark[0][0] if mark else end
    return start + len(text[start:end].rstrip())


def query_words(query: str) -> str:
    """The words of a query, without template variables and bare markers (``Answer:``).

    Returns:
        An empty string where nothing else is left: the name of a placeholder is no query.
    """
    lines = (_TEMPLATE.sub(" ", line).strip() for line in query.splitlines())
    return "\n".join(line for line in lines if _LETTER.search(line) and not _BARE_MARKER.fullmatch(line))


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
                if text and not found:
                    # No warning: one list of names often goes with many texts, of which each has some.
                    logger.info("protect holds %r, which is nowhere in the text.", item)
            case re.Pattern(pattern=str()):
                found = [match.span() for match in item.finditer(text)]
            case (Integral() as start, Integral() as end) if isinstance(item, tuple):
                if not 0 <= start < end <= len(text):
                    raise InputError(
                        f"protect holds the span {item!r}, which is not within the text: give (start, end) with "
                        f"0 <= start < end <= {len(text)}, the length of the text."
                    )
                found = [(int(start), int(end))]
            case _:
                raise InputError(
                    f"protect holds {item!r} of type {type(item).__name__}: give a string, a compiled regular "
                    "expression (re.compile) or a span (start, end)."
                )
        spans += found
    return merge_spans(spans)


def _occurrences(text: str, wanted: str) -> list[Span]:
    spans: list[Span] = []
    start = text.find(wanted)
    while start >= 0:
        spans.append((start, start + len(wanted)))
        start = text.find(wanted, start + 1)
    return spans
