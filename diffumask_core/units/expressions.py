"""Formulas, lists of numbers and command lines in prose: stretches of several words of which a part says nothing."""

import re
from collections.abc import Iterator

import regex

from diffumask_core.prompt.spans import Span

# Of a formula: a number, a name or a call, in brackets or not, and the signs between them. A word after a number is no
# name: of `40 apples + 2 pears` the numbers and the sign are enough.
_TERM = (
    r"(?:[$€£]?\d++(?:[.,]\d++)*+[^\W\d_]{0,3}%?"
    r"|(?<!\d[ ])[^\W\d_]\w{0,30}+(?:\.\w{1,30}+){0,3}(?:\([^()\n]{0,40}\))?)[²³']?(?!\w)"
)
_OPEN, _CLOSE = r"(?:[(\[][ ]?){0,6}", r"(?:[ ]?[)\]]){0,6}+"
# A dash is a minus between numbers, letters and brackets alone.
_MINUS = r"(?<=[\d)\]%][ ]?|(?<!\w)\w[ ]?|[\d_]\w[ ]?)[-−–](?=[ ]?(?:[(\[$€£\d]|\w(?!\w)))"
_SIGN = rf"(?:[+*/×·÷=≤≥≠≈±^<>]|[=<>!]=|\*\*|//|{_MINUS})"
_LINK = rf"(?:[ ]{_SIGN}[ ]|(?<=[)\]])[ ]?{_SIGN}[ ]?|[ ]?{_SIGN}[ ]?(?=[(\[]))"
_FORMULA = regex.compile(rf"(?<![\w.,]){_OPEN}{_TERM}{_CLOSE}(?:{_LINK}{_OPEN}{_TERM}{_CLOSE}){{1,60}}+")

# Numbers in brackets, nested or not; longer lists lose items.
_NUMBERS = re.compile(r"(?<!\w)[\[({][\d .,eE+\-\[\](){}]{2,300}")

_COMMANDS = (
    "apt|apt-get|awk|aws|az|brew|bundle|cargo|chmod|chown|composer|conda|cp|curl|docker|docker-compose|dotnet|ffmpeg|"
    "find|gcloud|gem|gh|git|go|gradle|grep|gunzip|gzip|helm|java|journalctl|kubectl|ln|ls|make|mkdir|mv|mvn|mysql|node|"
    "npm|npx|openssl|pg_dump|pip|pip3|pipx|pnpm|podman|poetry|psql|pytest|python|python3|redis-cli|rm|rsync|ruby|rustc|"
    "scp|sed|ssh|sudo|systemctl|tar|terraform|touch|unzip|uv|uvicorn|vim|wget|yarn|yum|zip"
)
_PROSE = (
    "the|of|and|to|on|in|is|that|for|with|from|at|by|or|if|when|then|before|after|as|it|you|we|they|this|a|an|are|was|"
    "will|would|can|should|must|may|not|never|but|because|which|who|so|und|oder|nicht|auf|mit|wenn|dann|der|die|das|y|o|"
    "que|con|para|et|ou|avec|pour|puis"
)
_VERBS = "run|use|type|call|execute|try|please|do|always|only"
_BEGIN = re.compile(rf"(?<![\w./-])(?P<name>{_COMMANDS})(?=[ ])|(?<=[ ])--?[A-Za-z](?=[\w-]*[ =])")
_OPTION = re.compile(r"--?[A-Za-z][\w-]*(?:=\S+)?")
_TOKEN = re.compile(r"(?:[^\s\"'`]|\"[^\"\n]{0,80}\"|'[^'\n]{0,80}')++")
_GAP = re.compile(r"[ \t]++(?:\\\n[ \t]*+)?")
_WORD_BEFORE = regex.compile(r"(?r)(?<![^\s(\"'])[a-z][\w./-]{0,40}[ ]")
_IS_PROSE = re.compile(_PROSE, re.IGNORECASE)
_IS_PROSE_BEFORE = re.compile(rf"{_PROSE}|{_VERBS}", re.IGNORECASE)
_IS_PLAIN = re.compile(r"[^\W\d_]+")
_ENDS = ".,;:!?)"
_MOST_TOKENS = 40
_MOST_PLAIN = 3


def expressions(text: str, start: int, end: int) -> Iterator[Span]:
    """Finds formulas, lists of numbers and command lines in ``text[start:end]``; they may overlap."""
    for formula in _FORMULA.finditer(text, start, end):
        yield formula.span()
    for numbers in _NUMBERS.finditer(text, start, end):
        yield from _lists(text, *numbers.span())
    at = start
    for match in _BEGIN.finditer(text, start, end):
        if match.start() >= at and (command := _command(text, match.start(), start, end, bool(match["name"]))):
            at = command[1]
            yield command


def _lists(text: str, start: int, end: int) -> Iterator[Span]:
    """Lists of several numbers whose brackets close within ``text[start:end]``, the outer ones."""
    depth, first = 0, start
    for at in range(start, end):
        if text[at] in "[({":
            first = at if depth == 0 else first
            depth += 1
        elif text[at] in "])}" and depth:
            depth -= 1
            if depth == 0 and "," in text[first:at]:
                yield first, at + 1


def _command(text: str, at: int, start: int, end: int, is_known: bool) -> Span | None:
    """A command line that begins with a known name, or has its first option here: then two options tell it."""
    first = at
    for _ in range(0 if is_known else 2):
        word = _WORD_BEFORE.match(text, start, first)
        if not word or _IS_PROSE_BEFORE.fullmatch(word[0].rstrip()):
            break
        first = word.start()
    options = plain = 0
    last = at
    for _ in range(_MOST_TOKENS):
        token = _TOKEN.match(text, at, end)
        if not token or _IS_PROSE.fullmatch(token[0].rstrip(_ENDS)):
            break
        options += bool(_OPTION.fullmatch(token[0].rstrip(_ENDS)))
        plain = plain + 1 if _IS_PLAIN.fullmatch(token[0].rstrip(_ENDS)) else 0
        if plain > _MOST_PLAIN:
            break
        last = token.start() + len(token[0].rstrip(_ENDS))
        gap = _GAP.match(text, token.end(), end)
        if last < token.end() or not gap:
            break
        at = gap.end()
    return (first, last) if options >= (1 if is_known else 2) and first < last else None
