"""Finds stack traces and the output of test runners.

The line that says what went wrong stays with what explains it; the name of a failing test stays above its section.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from diffumask_core.regions.frames import Trace, stack_traces
from diffumask_core.regions.region import Lines, Region, Scaffold, region_of_lines
from diffumask_core.regions.runners import passed, runner_outputs


def find_traces(lines: Lines) -> Iterator[Region]:
    """Finds stack traces and the output of test runners in consecutive lines.

    Args:
        lines: Of a text.

    Yields:
        A region for each; a trace in the output of a test runner is part of that region.
    """
    traces = stack_traces(lines)
    at = 0
    for run in runner_outputs(lines):
        while at < len(traces) and traces[at].last <= run.first:
            yield _of_trace(lines, traces[at])
            at += 1
        first, last = run.first, run.last
        inside: list[Trace] = []
        while at < len(traces) and traces[at].first < last:
            inside.append(traces[at])
            first, last = min(first, traces[at].first), max(last, traces[at].last)
            at += 1
        region = region_of_lines("test output", lines, first, last, run.heads, alike=passed)
        yield with_traces(region, inside)
    yield from (_of_trace(lines, trace) for trace in traces[at:])


def _of_trace(lines: Lines, trace: Trace) -> Region:
    return with_traces(region_of_lines("trace", lines, trace.first, trace.last), [trace])


def with_traces(region: Region, traces: Sequence[Trace]) -> Region:
    """A region with the scaffold of the stack traces in it, except for lines that are scaffold already."""
    taken = {each.span for each in region.scaffold}
    added: list[Scaffold] = []
    for trace in traces:
        added.extend(each for each in trace.scaffold if each.span not in taken)
    return replace(region, scaffold=(*region.scaffold, *added))
