"""What runs of agents needed later of old results: which strings count, and the rows with the lines that hold them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import FORMATS, Message, drawn_run, drawn_runs, step, wanted_paths

from diffumask_core import DataError
from diffumask_core.datasets import HindsightRow, RunRow, read_rows
from diffumask_core.labeling.hindsight import (
    MOST_RUNS,
    cut_run,
    hindsight_row,
    holds,
    is_exact,
    runs_that_write,
    strings_of,
)
from diffumask_core.labeling.runs import label_runs, label_runs_of_files
from diffumask_core.prompt.formats import read_message

# The words of the agent at the end of a run, after which nothing is cut.
END = {"role": "assistant", "content": "It is mended."}
FILLER = [each for n in range(20, 24) for each in step(n, "", {"day": "today"}, "the tide is low")]


def run_of(*results: str, later: Any, task: str = "Mend the gate.", filler: list[Message] = FILLER) -> list[Message]:
    """A run with results, steps of which nothing is needed, and a call at its end."""
    looked = [each for n, text in enumerate(results) for each in step(n, "I look.", {"command": "ls"}, text)]
    return [{"role": "user", "content": task}, *looked, *filler, *step(40, "", later, "done"), END]


def needed_of(run: list[Message], share: float = 0.7, counts: Counter[str] | None = None) -> set[str]:
    cut = cut_run("run", run, share, counts or Counter())
    return {*cut.needed, *cut.values}


OLD = "harbour/quay.py:12: moor(boat)\nharbour/gate.py:7: open(gate)\nnothing else"


def test_a_string_that_is_written_later_was_needed() -> None:
    assert needed_of(run_of(OLD, later={"path": "harbour/gate.py"})) == {"harbour/gate.py"}


@pytest.mark.parametrize(
    "run",
    [
        # In the task, in what the agent says before the cut, in a result that is not old, nowhere, or after the cut.
        run_of(OLD, later={"path": "harbour/gate.py"}, task="Mend harbour/gate.py now."),
        run_of(
            OLD,
            later={"path": "harbour/gate.py"},
            filler=[*step(19, "I see harbour/gate.py there.", {}, "ok"), *FILLER],
        ),
        run_of(OLD, later={"path": "harbour/gate.py"}, filler=[*step(19, "", {"of": "harbour/gate.py"}, ""), *FILLER]),
        run_of(OLD, later={"path": "harbour/gate.py"}, filler=[*FILLER, *step(19, "", {}, "harbour/gate.py")]),
        run_of(OLD, later={"path": "harbour/lock.py"}),
        run_of(OLD, later={"path": "quay.py/harbour"}),
        run_of(OLD, later={}),
    ],
)
def test_what_stands_elsewhere_was_not(run: list[Message]) -> None:
    assert needed_of(run, 0.8) == set()


def test_a_string_that_many_runs_write_was_not() -> None:
    run = run_of("look at mooring_ledger and tide_table_of_spring", later={"code": "mooring_ledger = 1"})
    counts = runs_that_write([run] * MOST_RUNS)
    assert counts["mooring_ledger"] == MOST_RUNS
    assert "tide_table_of_spring" not in counts
    assert needed_of(run, counts=counts) == {"mooring_ledger"}
    assert needed_of(run, counts=runs_that_write([run] * (MOST_RUNS + 1))) == set()


def test_the_newest_messages_are_not_old() -> None:
    run = run_of(OLD, later={"path": "harbour/gate.py"}, filler=[])
    cut = cut_run("run", run, 0.5, Counter(), newest=4)
    assert (len(cut.messages), cut.old, cut.needed) == (3, (), ())
    assert cut_run("run", run, 0.5, Counter(), newest=0).needed == ("harbour/gate.py",)


def test_a_cut_is_before_a_step_of_the_agent() -> None:
    run = run_of(OLD, OLD, later={"path": "harbour/gate.py"})
    for share in (0.0, 0.3, 0.5, 0.9, 1.0):
        cut = cut_run("run", run, share, Counter())
        assert list(cut.messages) == run[: len(cut.messages)]
        assert cut.id == f"run@{len(cut.messages)}"
        assert len(cut.messages) == len(run) or run[len(cut.messages)]["role"] == "assistant"
        assert all(run[number]["role"] == "tool" for number in cut.old)


@pytest.mark.parametrize("form", FORMATS)
def test_values_of_arguments_are_needed_to_the_letter(form: str) -> None:
    record = json.dumps({"berth": "B7", "guests": [{"id": "g-4", "nights": 12, "name": "Ada Quay", "paid": True}]})
    later = {"berth": "B7", "guest": {"ids": ["g-4"]}, "nights": 12, "note": "Ada Quay", "paid": True, "n": 1}
    assert needed_of(FORMATS[form](run_of(record, later=later))) == {"B7", "g-4", "12"}


def test_a_part_of_a_longer_word_is_no_value() -> None:
    assert needed_of(run_of("B77 and xB7 and B7_1", later={"berth": "B7"})) == set()
    assert needed_of(run_of("B77 and (B7)", later={"berth": "B7"})) == {"B7"}


def test_what_a_user_says_after_old_results_is_known() -> None:
    run = FORMATS["anthropic"](run_of(OLD, later={"path": "harbour/gate.py"}))
    assert needed_of(run) == {"harbour/gate.py"}
    run[2]["content"].append({"type": "text", "text": "Look into harbour/gate.py now."})
    assert needed_of(run) == set()


@pytest.mark.parametrize(
    ("text", "needed", "is_held"),
    [
        ("open harbour/gate.py:7", "harbour/gate.py", True),
        ("open old/harbour/gate.py:7", "harbour/gate.py", False),
        ("tide_table_2", "tide_table", False),
        ("the tide_table is", "tide_table", True),
        ("B77", "B7", False),
        ('"B7"', "B7", True),
        ("nothing", "B7", False),
    ],
)
def test_holds(text: str, needed: str, is_held: bool) -> None:
    assert holds(text, needed) is is_held


@pytest.mark.parametrize(("value", "exact"), [("B7", True), ("1", False), ("", False), ("two words", False)])
def test_exact(value: str, exact: bool) -> None:
    assert is_exact(value) is exact


def test_strings_are_found_in_linear_time() -> None:
    assert strings_of("-" * 300_000 + "." * 300_000) == []


def message_text(messages: list[Message], number: int) -> str:
    """The one result in a message."""
    [text] = [text.text for text in read_message("message", messages[number]).texts if text.is_result]
    return text


@pytest.mark.parametrize("form", FORMATS)
def test_a_row_has_the_lines_that_hold_what_was_needed(form: str) -> None:
    run = FORMATS[form](drawn_run(3))
    cut = cut_run("run", run, 0.75, Counter())
    row = hindsight_row(cut)
    assert row is not None
    assert (row.id, row.messages, tuple(row.old)) == (cut.id, list(cut.messages), cut.old)
    assert {each.string for each in row.needed} == set(wanted_paths("dredger", 3))
    for each in row.needed:
        [(message, start, end)] = each.units
        text = message_text(row.messages, message)
        [line] = [line for line in text.splitlines() if each.string in line]
        assert text[start:end].strip() == line
        assert message in row.old


LINES = st.lists(
    st.one_of(
        st.sampled_from(["harbour/gate.py:7: open()", '  "berth": "B7",', "gate_keeper is in", "", "B7\tgate_keeper"]),
        st.text('ab é船/.:_-{}[]",\t7', max_size=20),
    ),
    min_size=1,
    max_size=8,
)


@given(st.lists(LINES, min_size=1, max_size=3), st.sampled_from(list(FORMATS)))
@settings(max_examples=60, deadline=None)
def test_each_unit_holds_its_string(results: list[list[str]], form: str) -> None:
    later = {"files": ["harbour/gate.py"], "berth": "B7", "code": "gate_keeper(7)", "a": "a/b"}
    run = FORMATS[form](run_of(*("\n".join(lines) for lines in results), later=later))
    row = hindsight_row(cut_run("run", run, 0.7, Counter()))
    for each in row.needed if row else ():
        assert each.units
        for message, start, end in each.units:
            assert each.string in message_text(run, message)[start:end]
            assert message in row.old if row else False


def test_no_row_where_nothing_is_needed() -> None:
    assert hindsight_row(cut_run("run", run_of(OLD, later={}), 0.7, Counter())) is None
    # A result that failed is never shortened, so that no line of it is to be decided.
    run = run_of(OLD, later={"path": "harbour/gate.py"})
    run[2]["is_error"] = True
    assert hindsight_row(cut_run("run", run, 0.7, Counter())) is None


def test_runs_are_cut_at_shares_and_each_place_once() -> None:
    rows = list(label_runs(drawn_runs(2), [], (0.6, 0.74, 0.75, 0.751)))
    assert len({row.id for row in rows}) == len(rows)
    assert {row.id.split("@")[0] for row in rows} == {"run-0", "run-1"}


def test_more_runs_tell_what_is_common_but_give_no_rows() -> None:
    runs = drawn_runs(1)
    also = [RunRow(messages=drawn_run(0)) for _ in range(MOST_RUNS)]
    [row] = label_runs(runs, [], (0.75,))
    # Values of arguments count however many agents write them; paths in the midst of a text do not.
    assert {each.string for each in row.needed} == set(wanted_paths("anchor", 0))
    said = [{"role": "assistant", "content": f"I change {' and '.join(wanted_paths('anchor', 0))}."}]
    spoken = [RunRow(id="spoken", messages=[*drawn_run(0)[:19], *said])]
    assert len(list(label_runs(spoken, [], (0.75,)))) == 1
    assert list(label_runs(spoken, also, (0.75,))) == []


def test_files(tmp_path: Path) -> None:
    file, out = tmp_path / "runs.jsonl", tmp_path / "own" / "rows.jsonl"
    file.write_text("".join(run.model_dump_json() + "\n" for run in drawn_runs(3)), "utf-8")
    report = label_runs_of_files([file, file], [], out, (0.75,))
    rows = read_rows(out, HindsightRow)
    assert report == {"runs": 6, "rows": len(rows), "needed": 18, "units": 18}
    assert list(out.parent.iterdir()) == [out]


def test_runs_without_hindsight_leave_no_file(tmp_path: Path) -> None:
    file, out = tmp_path / "runs.jsonl", tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"messages": run_of(OLD, later={})}) + "\n", "utf-8")
    with pytest.raises(DataError, match=r"None of the 1 runs .* pass longer runs"):
        label_runs_of_files([file], [], out, (0.5,))
    assert list(tmp_path.iterdir()) == [file]
