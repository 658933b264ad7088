"""Anthropic's cache behind the proxy: an unchanged program, whose only breakpoint is at the end, reads from it."""

import itertools
import json
from typing import Any

import pytest
from anthropic_cache import used, with_breakpoint_at_end, without_breakpoints
from integrations.server.runs import Message, conversation, step
from integrations.server.upstream import InProcess
from integrations.wire_formats import FORMATS

from diffumask_core import Compressor

TURNS = 12
EPHEMERAL = {"type": "ephemeral"}
TOOLS = [{"name": "log", "description": "The log of a machine.", "input_schema": {"type": "object"}}]
SYSTEM = [{"type": "text", "text": "You look after machines.", "cache_control": EPHEMERAL}]


@pytest.fixture(scope="module")
def server(compressor: Compressor) -> InProcess:
    return InProcess(compressor)


def requests_of(turns: int = TURNS, **more: Any) -> list[Message]:
    """What a program sends, turn by turn."""
    runs = [FORMATS["anthropic"].convert(conversation(steps)) for steps in range(1, turns + 1)]
    return [{"model": "made", "system": SYSTEM, "messages": with_breakpoint_at_end(run), **more} for run in runs]


def passed_on(server: InProcess, request: Message, **headers: str) -> Message:
    """What reaches Anthropic of a request."""
    assert server.post("/v1/messages", json=request, headers=headers).status_code == 200
    found: Message = server.upstream.last.json
    return found


def marks(request: Message) -> list[int]:
    """The messages with a breakpoint."""
    return [number for number, each in enumerate(request["messages"]) if "cache_control" in json.dumps(each)]


def texts(request: Message) -> list[Message]:
    return without_breakpoints(request["messages"])


@pytest.mark.parametrize(
    ("more", "most"),
    [
        ({}, 0.92),
        # With four, none is added.
        ({"tools": [{**TOOLS[0], "cache_control": EPHEMERAL}] * 2}, 0.97),
        # One at the end of the request stays there, and writes what is not found again.
        ({"cache_control": EPHEMERAL}, 1.05),
    ],
)
def test_most_is_read_from_the_cache_and_the_bill_is_smaller(
    server: InProcess, more: dict[str, Any], most: float
) -> None:
    place = without_breakpoints if "cache_control" in more else with_breakpoint_at_end
    direct = [{**each, "messages": place(texts(each))} for each in requests_of(**more)]
    after = [passed_on(server, request) for request in direct]
    # The same texts with the breakpoints of the program.
    before = [{**each, "messages": place(texts(each))} for each in after]
    bills = {name: used(requests) for name, requests in (("direct", direct), ("before", before), ("after", after))}
    assert bills["before"].read == 0
    assert bills["before"].cost > 2 * bills["direct"].cost
    assert bills["after"].share_read > 0.5
    assert bills["after"].cost < most * bills["direct"].cost


def test_breakpoints_move_and_texts_do_not_change(server: InProcess) -> None:
    requests = [passed_on(server, request) for request in requests_of()]
    assert [marks(each) for each in requests] == [[2], *([2 * turn] for turn in range(1, TURNS))]
    for before, after in itertools.pairwise(requests):
        assert texts(after)[: len(texts(before)) - 2] == texts(before)[:-2]
    assert passed_on(server, requests_of()[-1]) == requests[-1]


@pytest.mark.parametrize(
    "messages",
    [
        FORMATS["anthropic"].convert(conversation(4)),
        # What is old already is found where it was.
        [
            *with_breakpoint_at_end(FORMATS["anthropic"].convert(conversation(1))),
            *FORMATS["anthropic"].convert(conversation(4))[3:],
        ],
    ],
)
def test_without_a_breakpoint_in_what_changes_none_is_added(server: InProcess, messages: list[Message]) -> None:
    found = passed_on(server, {"model": "made", "system": SYSTEM, "messages": messages})
    assert marks(found) == marks({"messages": messages})


def test_what_stays_short_keeps_its_breakpoint(server: InProcess) -> None:
    messages = FORMATS["anthropic"].convert([*conversation(3), *step(3, "All is well.")])
    request = {"model": "made", "messages": with_breakpoint_at_end(messages)}
    assert marks(passed_on(server, request)) == [len(messages) - 1]


def test_a_longer_time_to_live_stays_in_front(server: InProcess) -> None:
    request = requests_of()[-1]
    request["messages"][-3]["content"][-1]["cache_control"] = {"type": "ephemeral", "ttl": "1h"}
    request["system"] = [{**SYSTEM[0], "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    found = passed_on(server, request)
    assert marks(found) == [len(found["messages"]) - 3]
    used([found])


def test_an_automatic_breakpoint_beside_three_is_the_last(server: InProcess) -> None:
    request = {**requests_of(cache_control=EPHEMERAL)[-1], "tools": [{**TOOLS[0], "cache_control": EPHEMERAL}] * 2}
    request["messages"] = without_breakpoints(request["messages"])
    assert marks(passed_on(server, request)) == []


def test_a_bypass_and_an_audit_move_nothing(server: InProcess, compressor: Compressor) -> None:
    request = requests_of()[-1]
    assert passed_on(server, request, **{"x-diffumask-bypass": "true"}) == request
    assert passed_on(InProcess(compressor, audit=True), request) == request


def test_a_guardrail_moves_them_too(server: InProcess) -> None:
    [*_, request] = requests_of()
    answer = server.post("/v1/compress", json={"messages": request["messages"]}).json()
    assert answer["messages"] == passed_on(server, request)["messages"]
