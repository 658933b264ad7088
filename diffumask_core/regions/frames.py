"""Finds the frames of stack traces and the error line that each trace explains.

Other detectors ask for traces too: a log and the output of a test runner hold some.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from diffumask_core.regions.region import Lines, Scaffold
from diffumask_core.regions.runs import beginnings, without_numbers


@dataclass(frozen=True)
class Trace:
    """A stack trace, or what is left of one.

    Attributes:
        first: Its first line.
        last: The line after its last one.
        scaffold: Which of its lines follow from others.
    """

    first: int
    last: int
    scaffold: tuple[Scaffold, ...]


@dataclass(frozen=True)
class _Style:
    """How frames of a family of languages look.

    Attributes:
        frame: A line that is a frame.
        extra: Other lines that may stand between frames.
        title: A line above the first frame that says what went wrong.
        second: A frame that is the second line of two, with the name of its function above it.
        sure: How many frames make a trace where no title is found.
    """

    frame: re.Pattern[str]
    extra: re.Pattern[str]
    title: re.Pattern[str]
    second: re.Pattern[str] | None = None
    sure: int = 2


# A class of errors, or words that begin the report of one.
_ERROR = (
    r"(?:.{0,60}?\b)?(?:[A-Za-z_$][\w$]*[.:/\\]{1,2}){0,12}[A-Za-z_$][\w$]*(?:Error|Exception|Throwable|Failure|Fault)\b|"
    r"(?:Exception in thread|Caused by|Suppressed|Unhandled|Uncaught|Error|\[cause\])\b"
)
_PLACE = r"[^()\s]{1,250}:\d{1,7}(?::\d{1,7})?"

_STYLES = (
    # Java, Kotlin, Scala, JavaScript, C#: "at" and a name with its place or its arguments.
    _Style(
        re.compile(
            r"\s{1,12}at (?:"
            r"[^()]{1,250}\((?:[^()]{0,250}:\d{1,7}[^()]{0,20}|Native Method|Unknown Source|native|<anonymous>|"
            r"[\w$]{1,80}\.(?:java|kt|scala|groovy|clj))\)|"
            rf"(?:async )?(?:new )?{_PLACE}\)?\s*$|"
            r"(?:[\w$<>`\[\],+|&]{1,120}\.){1,20}[.\w$<>`\[\],+|&]{1,120}\(.*\)(?: in .{1,200})?\s*$)"
        ),
        re.compile(
            r"\s*(?:\.\.\. \d{1,6} (?:more|common frames omitted)|--- End of |---> |Caused by: |Suppressed: |"
            r"\[cause\]: |\[CIRCULAR)"
        ),
        re.compile(_ERROR),
    ),
    # Go: a call, and its place on the next line.
    _Style(
        re.compile(r"\t\S{1,300}\.(?:go|s):\d{1,7}(?: \+0x[0-9a-f]+)?\s*$"),
        re.compile(
            r"goroutine \d{1,9} |created by \S|[\w./*()\[\]{}%-]{1,250}\([^)]{0,250}\)\s*$|"
            r"exit status \d|\[signal "
        ),
        re.compile(r"panic: |fatal error: |runtime: |goroutine \d{1,9} \[|\[signal "),
        second=re.compile(r"\t"),
    ),
    # Rust: a number with a name, and its place on the next line.
    _Style(
        re.compile(
            r"\s{1,6}\d{1,4}: (?:0x[0-9a-f]{4,16} - )?(?:[\w<&{\[(]|\*const).*::|"
            r"\s{9,30}at [^\s:]{1,250}:\d{1,7}"
        ),
        re.compile(r"stack backtrace:|\s{1,6}\d{1,4}: \w{1,80}\s*$|note: (?:run with|[Ss]ome details)"),
        re.compile(r"thread '.{0,120}' (?:\(\d+\) )?(?:has overflowed|panicked at )|stack backtrace:"),
        second=re.compile(r"\s{9}"),
    ),
    # gdb, sanitizers, Dart: a number after "#", an address or a place.
    _Style(
        re.compile(
            r"\s{0,8}#\d{1,5}\s{1,8}(?:0x[0-9a-f]{4,16} in |[\w:~<>*&. ]{1,200}\(.*\) (?:at|from) \S|[\w.<>]{1,200} "
            rf"\({_PLACE}\)|<signal handler called>)"
        ),
        re.compile(r"\s{2,}(?:at|from) \S|\d{1,6}\t|Thread \d|\(More stack frames follow"),
        re.compile(r"(?:Program|Thread .{1,60}) (?:received|terminated)|==\d{1,9}==\s?ERROR|" + _ERROR),
    ),
    # PHP
    _Style(
        re.compile(r"\s{0,8}#\d{1,5} (?:\S{1,250}\(\d{1,7}\): |\[internal function\]|\{main\})"),
        re.compile(r"Stack trace:|\s*thrown in "),
        re.compile(r"(?:PHP )?(?:Fatal|Parse|Recoverable).{0,20} error: |Next |Stack trace:|" + _ERROR),
    ),
    # Ruby, old and new, and Elixir.
    _Style(
        re.compile(
            r"\s{1,12}(?:\d{1,4}: )?(?:from )\S{1,250}:\d{1,7}(?::in [`'].{1,120}'|)|"
            r"\s{1,8}(?:\([\w ]{1,40} [\d.]{1,20}\) )?\S{1,200}\.exs?:\d{1,7}: \S"
        ),
        re.compile(r"\s*\.\.\. \d{1,5} levels"),
        re.compile(r"\S{1,250}:\d{1,7}:in [`'].{1,120}': |\*\* \(\w|\S{1,250}\.rb:\d{1,7}: "),
    ),
)
# A quick look: a line with none of these is no frame of any style.
_HINT = re.compile(
    r"\s{1,30}at \S|\t\S|\s{1,6}\d{1,4}: |\s{0,8}#\d|\s{1,12}from \S|\s{1,8}\S{1,200}\.exs?:\d|"
    r"\s{1,8}\(\w"
)

# Python. A group of exceptions draws a margin of "|" and "+".
_MARGIN = r"(?P<margin>[ ]{0,40}(?:[|+] |[|+]-\+-+ \d+ -+|)[ ]{0,40})"
_START = re.compile(_MARGIN + r"(?:Exception Group )?Traceback \(most recent call (?:last|first)\):")
_FRAME = re.compile(_MARGIN + r"File \"[^\"]{1,300}\", line \d{1,8}")
_LAST = re.compile(r"[ ]{0,40}(?:[|+] )?[ ]{0,8}(?:[A-Za-z_]\w*\.){0,12}[A-Za-z_]\w*(?::(?: |$)|\s*$)")
_JOIN = re.compile(
    r"[ |]{0,40}(?:The above exception was the direct cause of|"
    r"During handling of the above exception)"
)
_REPEATED = re.compile(r"[ |]{0,40}\[Previous line repeated \d")
_BAR = re.compile(r"[ ]{0,40}(?:[|] )?[ ]{0,8}\+(?:-\+)?-{4,}")


def stack_traces(lines: Lines) -> list[Trace]:
    """The stack traces in consecutive lines, in order, not overlapping."""
    texts = beginnings(lines)
    if not any(_START.match(text) or _FRAME.match(text) or _HINT.match(text) for text in texts):
        texts = without_numbers(texts)
    found: list[Trace] = []
    at = 0
    while at < len(texts):
        trace = _python(lines, texts, at) or _other(lines, texts, at, found[-1].last if found else 0)
        if trace:
            found.append(trace)
        at = trace.last if trace else at + 1
    return found


@dataclass
class _Python:
    """What is read of a Python trace: chained parts, each with its frames and its error line."""

    scaffold: list[Scaffold] = field(default_factory=list)
    frames: int = 0
    ended: bool = False


def _python(lines: Lines, texts: Sequence[str], start: int) -> Trace | None:
    """The Python trace that begins at a line, with all that are chained to it."""
    if not (_START.match(texts[start]) or _FRAME.match(texts[start])):
        return None
    state = _Python()
    at = _python_part(lines, texts, start, state)
    # The first line alone, as in the examples of a documentation, is no trace.
    if not state.frames:
        return None
    while at < len(texts):
        join = _after_blanks(texts, at)
        if join >= len(texts):
            break
        joined = _JOIN.match(texts[join]) or _BAR.match(texts[join])
        following = _after_blanks(texts, join + 1) if joined else join
        end = _python_part(lines, texts, following, state)
        if _BAR.match(texts[join]) and end == following < len(texts) and _LAST.match(texts[following]):
            end = following + 1
        if end == following or not (joined or following == at):
            at = join + 1 if joined and join == at else at
            break
        if joined:
            state.scaffold.append(
                Scaffold(lines.spans[join], before=lines.cover(start, join), after=lines.cover(following, end))
            )
        at = end
    sure = state.frames >= 2 or state.ended or _START.match(texts[start])
    return Trace(start, at, tuple(state.scaffold)) if sure else None


def _python_part(lines: Lines, texts: Sequence[str], start: int, state: _Python) -> int:
    """Reads a trace's start, frames and error line; the line after them, or `start` where none begins there."""
    if start >= len(texts):
        return start
    begins = _START.match(texts[start])
    at = first = start + 1 if begins else start
    depth = _depth(texts[start])
    while at < len(texts):
        if _FRAME.match(texts[at]):
            end = _python_source(texts, at + 1)
            if end > at + 1:
                state.scaffold.append(Scaffold(lines.spans[at], after=lines.cover(at + 1, end), alone=True))
            state.frames += 1
            at = end
        elif _REPEATED.match(texts[at]):
            at += 1
        else:
            break
    end = at
    if at < len(texts) and at > first and _LAST.match(texts[at]) and _depth(texts[at]) <= depth:
        state.scaffold.append(Scaffold(lines.spans[at], before=lines.cover(first, at), alone=True))
        state.ended = True
        end = _message_end(texts, at + 1, _depth(texts[at]))
    if begins and end > first:
        state.scaffold.append(Scaffold(lines.spans[start], after=lines.cover(first, end)))
    return end


def _python_source(texts: Sequence[str], at: int) -> int:
    """The line after the source of a frame: indented lines, at most a few, that are no frames themselves."""
    first = at
    depth = _depth(texts[at - 1])
    while at < min(len(texts), first + 12):
        inside = texts[at].strip() and _depth(texts[at]) > depth
        if not inside or _BAR.match(texts[at]) or _FRAME.match(texts[at]) or _REPEATED.match(texts[at]):
            break
        at += 1
    return at


def _message_end(texts: Sequence[str], at: int, depth: int) -> int:
    """The line after an error's message, whose further lines are indented."""
    first = at
    while at < min(len(texts), first + 40) and texts[at].strip() and _depth(texts[at]) > depth:
        if _START.match(texts[at]) or _FRAME.match(texts[at]) or _BAR.match(texts[at]):
            break
        at += 1
    return at


def _depth(text: str) -> int:
    """How far a line is indented, the margin of a group of exceptions included."""
    return len(text) - len(text.lstrip(" \t|+"))


def _after_blanks(texts: Sequence[str], at: int) -> int:
    """The first line from `at` on that holds something, over at most two blank lines."""
    limit = at + 2
    while at < min(len(texts), limit) and not texts[at].strip(" |"):
        at += 1
    return at


def _other(lines: Lines, texts: Sequence[str], start: int, floor: int) -> Trace | None:
    """The trace of another language whose first frame is at a line; its title stands above, from `floor` on."""
    if not _HINT.match(texts[start]):
        return None
    for style in _STYLES:
        if style.frame.match(texts[start]):
            return _styled(lines, texts, start, floor, style)
    return None


def _styled(lines: Lines, texts: Sequence[str], start: int, floor: int, style: _Style) -> Trace | None:
    """The trace of one style from its title down to its last frame."""
    title = _title(texts, start, floor, style)
    first = at = start if title is None else title
    end, frames, fresh = start, 0, True
    titles: list[tuple[int, int]] = []
    scaffold: list[Scaffold] = []
    while at < len(texts):
        text = texts[at]
        if style.frame.match(text):
            if style.second and style.second.match(text) and at > first:
                scaffold.append(Scaffold(lines.spans[at - 1], after=lines.spans[at], alone=True))
            frames, end, fresh = frames + 1, at + 1, False
        elif style.title.match(text.lstrip()) and (at < start or _frame_near(texts, at + 1, style)):
            titles = titles if fresh else [(line, min(end, last)) for line, last in titles]
            titles.append((at, len(texts)))
            fresh = True
        elif style.extra.match(text):
            end = max(end, at + 1)
        elif at >= start and not _frame_near(texts, at + 1, style, reach=1 if text.strip() else 4):
            break
        at += 1
    for index, (line, last) in enumerate(titles):
        # The first title names what the program died of: it explains all that follows.
        below = lines.cover(line + 1, end if index == 0 else min(last, end))
        scaffold.append(Scaffold(lines.spans[line], after=below, alone=True))
    return Trace(first, end, tuple(scaffold)) if frames >= (1 if title is not None else style.sure) else None


def _title(texts: Sequence[str], start: int, floor: int, style: _Style) -> int | None:
    """The line above the first frame that says what went wrong; its message may have lines of its own."""
    found = None
    for at in range(start - 1, max(floor, start - 8) - 1, -1):
        if style.title.match(texts[at].lstrip()):
            found = at
        elif (not texts[at].strip() and found is None) or (
            found is not None and texts[at][:1].strip() and found - at >= 2
        ):
            break
    return found


def _frame_near(texts: Sequence[str], at: int, style: _Style, reach: int = 4) -> bool:
    """Whether one of the next few lines is a frame."""
    return any(style.frame.match(text) for text in texts[at : at + reach])
