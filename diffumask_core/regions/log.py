"""Finds logs: lines that begin with a time, with a level or with pairs of keys and values.

A line that goes on with the entry above it, such as a stack trace's, is a line of the log.
"""

import re
from collections.abc import Iterator, Sequence

from diffumask_core.regions.frames import Trace, stack_traces
from diffumask_core.regions.region import Head, Lines, Region, region_of_lines
from diffumask_core.regions.runs import beginnings, blocks, is_fence, template, without_numbers
from diffumask_core.regions.traces import with_traces

_LONGEST_GAP = 6
"""How many lines without a shape, not indented, may stand between two entries."""

_LEVEL = r"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|CRITICAL|FATAL|SEVERE|PANIC|EMERG|ALERT|VERBOSE)"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"\d{1,2}:\d{2}:\d{2}(?:[.,:]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?"
_TIME = (
    rf"(?:\d{{4}}[-/.]\d{{2}}[-/.]\d{{2}}[T ,_:]{{1,2}}{_CLOCK}|"
    rf"(?:\w{{3}},? )?{_MONTH} {{1,2}}\d{{1,2}} (?:\d{{4}} )?{_CLOCK}(?: \d{{4}})?|"
    rf"\d{{1,2}}[-/. ](?:\d{{2}}|{_MONTH})[-/. ]\d{{2,4}}[ :,]{{1,2}}{_CLOCK}|"
    rf"[IWEF]\d{{4}} {_CLOCK}|{_CLOCK})"
)
# Before the time: a priority, a bracket, a container's name and a bar, the client's address of a request.
_BEFORE = (
    r"\s{0,4}(?:<\d{1,3}>(?:1 )?)?(?:[\w.:/-]{1,80}\s{1,30}\| )?"
    r"(?:\[pod/\S{1,150}\] )?(?:[\w.:-]{2,60} \S{1,40} \S{1,60} )?"
)
# After the time: its bracket, and a message. Fields that a comma or a tab parts are a table's.
_AFTER = rf"(?:[\])>]|(?= )|(?=: )|(?=\t+\[?(?:{_LEVEL})\b)| ?\|(?= {_LEVEL}))(?!\s{{0,9}}(?:-->|\|\s*\d|[,;]))\s*\S"
_TIMED = re.compile(rf"{_BEFORE}[\[(<]?(?P<time>{_TIME}){_AFTER}")
_KERNEL = re.compile(
    r"(?:<\d{1,2}>)?\[ {0,10}\d{1,9}\.\d{3,6}\](?:\[[ \w]{1,12}\])? \S|"
    r"#\d{1,4} (?:\d{1,6}\.\d{1,3} \S|DONE \d|\[)"
)
_EPOCH = re.compile(rf"(?:[\[(])?1\d{{9}}(?:\d{{3}}|\.\d{{1,9}})?[\])]?\s{{1,4}}\[?(?:{_LEVEL})\b", re.IGNORECASE)
_PAIRS = re.compile(
    r"[\w.-]{1,40}=(?:\"[^\"]{0,300}\"|"
    r"[^\s\"=,;()]{1,200}) (?:[\w.@-]{1,60}=(?:\"[^\"]{0,300}\"|[^\s\"=()]{0,200})(?: |$)){2}"
)
_LEVELLED = re.compile(
    rf"\s{{0,4}}(?:\[(?:{_LEVEL}|trace|debug|info|warn|warning|error)\s*\][ :]|{_LEVEL}:[\w.-]{{1,80}}:|"
    rf"{_LEVEL}\s{{0,6}}[:|-] ?\S|"
    rf"{_LEVEL}\s{{1,8}}(?![=:+(&|/.,-])[\w\[\"'/<{{]|npm (?:ERR!|WARN|notice|http)|(?:info|warn|fail|dbug|"
    rf"crit): [\w.]{{3,200}}\[\d)"
)
_GOES_ON = re.compile(
    r"\s+\S|Traceback \(|Caused by: |[\w.]{1,200}(?:Error|Exception)\b|The above exception|"
    r"During handling|goroutine \d"
)

# Of these lines no two are alike unless they say the same: an error's number is what a reader looks for.
_GRAVE = re.compile(
    r"\b(?:ERROR|ERR|FATAL|CRITICAL|SEVERE|PANIC|EMERG|ALERT|error|fatal|critical|panic)\b|ERR!|^[EF]\d{4} |"
    r"(?:Error|Exception)\b|Traceback|\bat \S{1,200}\(|^\s+File \"|\" [45]\d\d "
)
_ANY_TIME = re.compile(_TIME)


def find_logs(lines: Lines) -> Iterator[Region]:
    """Finds logs in consecutive lines.

    Args:
        lines: Of a text.

    Yields:
        A region for each log, from its first entry to the last line of its last entry.
    """
    texts = beginnings(lines)
    shapes = [_weight(text) for text in texts]
    if sum(map(bool, shapes)) < 3:
        texts = without_numbers(texts)
        shapes = [_weight(text) for text in texts]
    if not any(shapes):
        return
    traces = stack_traces(lines)
    inside = _inside(traces, len(texts))
    at = 0
    for first, last in _logs(texts, shapes, inside):
        while at < len(traces) and traces[at].last <= first:
            at += 1
        own: list[Trace] = []
        while at < len(traces) and traces[at].first < last:
            own.append(traces[at])
            at += 1
        heads = tuple(_heads(shapes, first, last))
        yield with_traces(region_of_lines("log", lines, first, last, heads, alike=_alike), own)


def _weight(text: str) -> int:
    """2 for an entry with a time, 1 for one with a level or with pairs alone, 0 for any other line."""
    if not text or text.isspace():
        return 0
    if _TIMED.match(text) or _KERNEL.match(text) or _EPOCH.match(text) or _PAIRS.match(text):
        return 2
    return int(_LEVELLED.match(text) is not None)


def _inside(traces: Sequence[Trace], size: int) -> bytearray:
    """For each line whether it is in a stack trace."""
    inside = bytearray(size)
    for trace in traces:
        inside[trace.first : trace.last] = b"\x01" * (trace.last - trace.first)
    return inside


def _logs(texts: Sequence[str], shapes: Sequence[int], inside: bytearray) -> Iterator[tuple[int, int]]:
    """Where the logs are that are sure."""
    dense = _dense_lines(texts, shapes)
    first = 0
    while first < len(texts):
        if not shapes[first]:
            first += 1
            continue
        last, entries, foreign = _log_from(texts, shapes, inside, first)
        timed = any(shape == 2 for shape in shapes[first:last])
        if (entries >= 3 and entries > foreign) or (dense[first] and (timed or entries >= 2)):
            yield first, last
        first = last


def _dense_lines(texts: Sequence[str], shapes: Sequence[int]) -> bytearray:
    """For each line whether 60 % of the lines without a blank one between have a log's shape."""
    dense = bytearray(len(texts))
    for first, last in blocks(texts):
        if sum(map(bool, shapes[first:last])) * 10 >= (last - first) * 6:
            dense[first:last] = b"\x01" * (last - first)
    return dense


def _log_from(texts: Sequence[str], shapes: Sequence[int], inside: bytearray, first: int) -> tuple[int, int, int]:
    """Where the log ends that begins at a line, how many entries it has and how many lines of other shapes."""
    last, entries, foreign, gap = first, 0, 0, 0
    for at in range(first, len(texts)):
        text = texts[at]
        if shapes[at]:
            last, entries, foreign, gap = at + 1, entries + 1, foreign + gap, 0
        elif inside[at] or (_GOES_ON.match(text) and last == at):
            last = at + 1 if gap == 0 else last
        elif text.strip():
            gap += 1
            if gap > _LONGEST_GAP or is_fence(text):
                break
    return last, entries, foreign


def _heads(shapes: Sequence[int], first: int, last: int) -> Iterator[Head]:
    """Entries of several lines: the first line heads the others."""
    entry = first
    for at in range(first + 1, last + 1):
        if at == last or shapes[at]:
            if at > entry + 1:
                yield Head(entry, entry + 1, at)
            entry = at


def _alike(text: str) -> str:
    """What near-equal entries share: a grave one all but its time, any other its template."""
    if _GRAVE.search(text[:2000]):
        return _ANY_TIME.sub("#", text)
    return template(text)
