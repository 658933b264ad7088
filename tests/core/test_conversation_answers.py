"""What an LLM needs that goes on from a shortened conversation: what was named, what failed, what it read back."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffumask_core import Compressor
from diffumask_core.conversation.left_out import tail_mark, with_tail
from diffumask_core.tokens import get_counter

COUNT = get_counter("gpt-4o").count
Message = dict[str, Any]
NOUNS = ("anchor", "buoy", "capstan", "davit", "fender", "gangway", "hawser", "jib", "keel", "mast", "oar", "rudder")


@pytest.fixture(scope="module")
def bundled() -> Compressor:
    return Compressor.from_pretrained()


def step(number: int, result: str, tool: str = "look_up", **arguments: Any) -> list[Message]:
    """A call of a tool, and its result."""
    function = {"name": tool, "arguments": json.dumps(arguments)}
    call = {"id": f"call-{number}", "type": "function", "function": function}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"call-{number}", "content": result},
    ]


def asked(question: str, result: str) -> list[Message]:
    """A question, a result, and two steps in which the agent has said nothing of the result."""
    later = [*step(2, "Berths are let by the month.", topic="rules"), *step(3, "fine", of="weather")]
    return [{"role": "user", "content": question}, *step(1, result), *later]


def left_of(compressor: Compressor, question: str, result: str, **options: Any) -> str:
    left: str = compressor.conversation(**options).shorten(asked(question, result))[2]["content"]
    return left


def record(number: int) -> dict[str, Any]:
    return {
        "id": f"BTH-{number}",
        "boat": f"{NOUNS[number % 12]} {number % 7}",
        "paid": number % 3 == 0,
        "length": 6.5 + number % 9,
    }


def as_json(numbers: list[int]) -> str:
    return json.dumps({"berths": [record(number) for number in numbers]})


def as_json_lines(numbers: list[int]) -> str:
    return "\n".join(json.dumps(record(number)) for number in numbers)


def as_csv(numbers: list[int]) -> str:
    rows = [",".join(map(str, record(number).values())) for number in numbers]
    return "\n".join(["id,boat,paid,length", *rows])


def as_log(numbers: list[int]) -> str:
    lines = [f"INFO harbour let BTH-{number} to {NOUNS[number % 12]} {number % 7}" for number in numbers]
    return "\n".join(f"2026-03-01 10:{at // 60:02}:{at % 60:02} {line}" for at, line in enumerate(lines))


FORMS: list[Callable[[list[int]], str]] = [as_json, as_json_lines, as_csv, as_log]


@given(
    numbers=st.lists(st.integers(1000, 9999), min_size=15, max_size=40, unique=True),
    at=st.integers(0, 14),
    form=st.sampled_from(FORMS),
    question=st.sampled_from(["Why was {} not paid?", "Is berth {} free, and since when?", "Tell me about {}."]),
)
@settings(max_examples=40, deadline=None)
def test_the_record_that_the_user_names_stays(
    bundled: Compressor, numbers: list[int], at: int, form: Callable[[list[int]], str], question: str
) -> None:
    name = f"BTH-{numbers[at]}"
    result = form(numbers)
    left = left_of(bundled, question.format(name), result)
    line = (
        next(line for line in result.split("\n") if name in line)
        if form is not as_json
        else json.dumps(record(numbers[at]))
    )
    assert line in left
    assert COUNT(left) < 0.6 * COUNT(result)


def test_a_person_and_a_path_are_names_too(bundled: Compressor) -> None:
    people = [
        f"{first} {last}" for first in ("Anna", "Bo", "Cyrus", "Dora", "Emil") for last in ("Lind", "Maar", "Holst")
    ]
    rows = [
        f"{number},{person},{'open' if number % 2 else 'paid'},{number * 17}" for number, person in enumerate(people)
    ]
    assert "Dora Maar," in left_of(bundled, "Has Dora Maar paid?", "\n".join(["no,guest,state,sum", *rows]))
    paths = [f"./harbour/part_{number % 5}/fees_{number}.py" for number in range(60)]
    assert "fees_41.py" in left_of(bundled, "Mend the error in fees_41.py", "\n".join(paths))


def test_what_a_named_line_heads_stays(bundled: Compressor) -> None:
    blocks = [f"- name: berth-{number}\n  quay: north\n  depth: {number * 3 + 100}" for number in range(40)]
    assert "  depth: 181" in left_of(bundled, "How deep is berth-27?", "\n".join(blocks))


def test_what_instructions_name_stays(bundled: Compressor) -> None:
    messages = asked("Look at the berths.", as_json(list(range(1000, 1040))))
    system = {"role": "system", "content": "You keep the harbour. Say always how berth BTH-1023 is."}
    assert json.dumps(record(1023)) in bundled.conversation().shorten([system, *messages])[3]["content"]


def test_what_the_newest_call_names_stays(bundled: Compressor) -> None:
    messages = [
        {"role": "user", "content": "Look at the berths."},
        *step(1, as_json(list(range(1000, 1040)))),
        *step(2, "It is known.", of="BTH-1023"),
    ]
    assert json.dumps(record(1023)) in bundled.conversation().shorten(messages)[2]["content"]


PASSED = [f"tests/test_berths.py::test_{number} PASSED    [{number * 2:3}%]" for number in range(1, 50)]
PYTEST = "\n".join(
    [
        "============================= test session starts =============================",
        "collected 50 items",
        "",
        *PASSED[:17],
        "tests/test_berths.py::test_winter FAILED    [ 36%]",
        *PASSED[17:],
        "",
        "=================================== FAILURES ===================================",
        "_________________________________ test_winter __________________________________",
        "",
        "    def test_winter():",
        ">       assert fee(3) == 7",
        "E       assert 6 == 7",
        "",
        "tests/test_berths.py:88: AssertionError",
        "=========================== short test summary info ============================",
        "FAILED tests/test_berths.py::test_winter - assert 6 == 7",
        "======================== 1 failed, 49 passed in 0.31s =========================",
    ]
)
INSTALLED = [
    f"Get:{number} http://mirror.example/pool main lib{noun}{number} {number}.2 [{number * 37} kB]"
    for number, noun in enumerate(NOUNS * 4)
]
FAILURES: dict[str, tuple[str, list[str]]] = {
    "pytest": (PYTEST, ["test_winter FAILED", "E       assert 6 == 7", "FAILED tests/", "1 failed, 49 passed"]),
    "make": (
        "\n".join(
            [
                *INSTALLED,
                "fatal: could not create work tree dir '/srv/app': Permission denied",
                "make: *** [Makefile:12: install] Error 128",
            ]
        ),
        ["fatal: could not", "make: ***"],
    ),
    "traceback": (
        "\n".join(
            [
                *INSTALLED,
                "Traceback (most recent call last):",
                *(f'  File "/srv/m{n}.py", line {n}, in f{n}\n    return g{n}(x)' for n in range(9)),
                "KeyError: 'season'",
            ]
        ),
        ["KeyError: 'season'"],
    ),
    "npm": (
        "\n".join([*INSTALLED, "npm ERR! code ERESOLVE", "npm ERR! unable to resolve the tree"]),
        ["npm ERR! code ERESOLVE"],
    ),
    "cargo": (
        "\n".join(
            [
                *(f"test berths::case_{number} ... ok" for number in range(60)),
                "test fees::winter ... FAILED",
                "test result: FAILED. 60 passed; 1 failed; 0 ignored",
            ]
        ),
        ["test fees::winter ... FAILED", "test result: FAILED"],
    ),
    "log": (
        as_log(list(range(1000, 1060))) + "\n2026-03-01 10:09:00 ERROR the gate does not shut",
        ["the gate does not"],
    ),
    "records": (
        json.dumps(
            [{"job": f"build-{n}", "state": "success" if n != 13 else "failed", "took": n * 3} for n in range(40)]
        ),
        ["build-13"],
    ),
    "error of an object": (
        json.dumps(
            {
                "parts": [{"part": number, "of": NOUNS[number % 12]} for number in range(40)],
                "error": {"code": 429, "message": "no room left in the shed"},
            }
        ),
        ["no room left in the shed"],
    ),
    "exit code": (
        json.dumps({"stdout": "\n".join(INSTALLED), "exit_code": 2}),
        ['"exit_code": 2'],
    ),
}


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("restore", [False, True])
def test_a_failure_is_the_last_to_go(bundled: Compressor, kind: str, restore: bool) -> None:
    result, telling = FAILURES[kind]
    left = left_of(bundled, "Did it work?", result, restore=restore)
    assert [line for line in telling if line not in left] == []
    assert COUNT(left) < 0.6 * COUNT(result)


def test_that_all_passed_stays_to_be_seen(bundled: Compressor) -> None:
    result = "\n".join(["===== test session starts =====", *PASSED, "", "====== 49 passed in 0.31s ======"])
    assert "49 passed" in left_of(bundled, "Do the tests pass?", result)


@pytest.mark.parametrize("restore", [True, "whole"])
def test_what_was_read_back_stays_whole(bundled: Compressor, restore: Any) -> None:
    conversation = bundled.conversation(restore=restore)
    messages = asked("What is with my berth?", as_json(list(range(1000, 1040))))
    conversation.shorten(messages)
    back = max((conversation.restore(each.mark) for each in conversation.marks), key=len)
    mark = next(each.mark.name for each in conversation.marks if each.text == back)
    # A tool of any name gives back what a mark stands for.
    messages += step(4, back, tool="more", name=f"#{mark}" if restore is True else f"hash={mark}")
    at = len(messages) - 1
    messages += [*step(5, "fine"), *step(6, "fine"), *step(7, "fine")]
    assert conversation.shorten(messages)[at]["content"] == back
    # A stretch of text of the same size that nobody asked back is shortened.
    messages[at - 1] = step(4, back, tool="more", name="berths")[0]
    assert conversation.shorten(messages)[at]["content"] != back


def test_what_the_tool_of_that_name_gave_back_stays_whole(bundled: Compressor) -> None:
    back = as_csv(list(range(1000, 1030)))
    messages = [{"role": "user", "content": "Hm?"}, *step(1, back, tool="mcp__harbour__read_left_out", mark="#474d53")]
    messages += [*step(2, "fine"), *step(3, "fine")]
    assert bundled.conversation().shorten(messages)[2]["content"] == back


def test_a_huge_text_that_was_read_back_is_shortened_all_the_same(bundled: Compressor) -> None:
    back = as_csv(list(range(1000, 2200)))
    messages = [{"role": "user", "content": "Hm?"}, *step(1, back, tool="read_left_out"), *step(2, "fine")]
    assert len(bundled.conversation().shorten([*messages, *step(3, "fine")])[2]["content"]) < len(back)


@pytest.mark.parametrize("count", [1, 2])
def test_a_short_result_stays_whole(bundled: Compressor, count: int) -> None:
    result = json.dumps({"of": [record(1000 + number) for number in range(count)], "note": None, "page": 1})
    assert COUNT(result) <= 80
    assert left_of(bundled, "What is paid?", result) == result


@pytest.mark.parametrize("form", [as_json, as_json_lines, as_csv])
def test_of_lines_that_differ_three_fifths_of_the_rate_stay(
    bundled: Compressor, form: Callable[[list[int]], str]
) -> None:
    result = form(list(range(1000, 1050)))
    assert COUNT(left_of(bundled, "What is paid?", result)) > 0.16 * COUNT(result)


def test_of_near_equal_lines_few_stay(bundled: Compressor) -> None:
    result = as_log([1001 + 84 * number for number in range(50)])
    assert COUNT(left_of(bundled, "What was let?", result)) < 0.2 * COUNT(result)


def test_a_mark_of_members_stays_beside_the_mark_of_the_whole() -> None:
    mark = tail_mark("a text")
    marked = json.loads(with_tail('{"a": 1, "…": "[… 30 members left out]"}', mark))
    assert list(marked.values()) == [1, "[… 30 members left out]", mark.text]
