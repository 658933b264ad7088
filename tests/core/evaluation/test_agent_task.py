"""What shortening leaves of what recorded agents needed later."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from core.evaluation.agent_runs import FORMATS, NEEDED, coding_run, desk_run, listing, step, write_runs
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from diffumask_core import Compressor, DataError, InputError
from diffumask_core.cli import app
from diffumask_core.datasets import RunRow, read_runs
from diffumask_core.evaluation.agent import (
    AS_IT_GOES,
    Case,
    Left,
    cases_of,
    figures_of,
    measure,
    measure_calls,
    with_compressor,
    without_a_model,
)
from diffumask_core.evaluation.command import evaluate_runs
from diffumask_core.evaluation.pieces import WITHOUT_A_MODEL, History, Result
from diffumask_core.evaluation.runs import Messages, calls_of
from diffumask_core.tokens import get_counter

COUNTER = get_counter()
RATES = (0.5, 0.2)


def case_of(messages: list[dict[str, Any]]) -> Case:
    [case] = cases_of([RunRow(messages=messages)], [], COUNTER)
    return case


@pytest.mark.parametrize("convert", FORMATS.values(), ids=FORMATS)
class TestFormats:
    def test_a_run_needs_what_it_writes_later(self, convert: Callable[..., Any]) -> None:
        case = case_of(convert(coding_run()))
        assert sorted(case.needed) == sorted(NEEDED)
        assert case.values == ()
        assert case.history.results[0].text == listing(0, NEEDED)

    def test_values_of_json_are_measured_apart(self, convert: Callable[..., Any]) -> None:
        case = case_of(convert(desk_run()))
        assert case.needed == ()
        assert case.values == ("B0Z0", "guest_0_37")

    @pytest.mark.parametrize("run", [coding_run, desk_run])
    def test_ours_has_the_share_of_the_tokens(
        self, compressor: Compressor, convert: Callable[..., Any], run: Callable[[], list[dict[str, Any]]]
    ) -> None:
        case = case_of(convert(run()))
        for rate, left in zip(RATES, with_compressor(compressor, 1)(case, RATES), strict=True):
            assert len(left.texts) == len(case.history.results)
            assert sum(map(COUNTER.count, left.texts)) <= rate * case.history.tokens
            assert left.seconds > 0

    def test_calls_answer_to_something(self, convert: Callable[..., Any]) -> None:
        messages = convert(coding_run(2))
        calls = calls_of(messages)
        assert len(calls) == 3
        assert calls[0].prompt == 1
        assert calls[-1].end == len(messages)
        greeting = {"role": "assistant", "content": "Good morning."}
        assert len(calls_of([greeting, *messages])) == 3


class TestWithoutAModel:
    @pytest.mark.parametrize("name", WITHOUT_A_MODEL)
    @pytest.mark.parametrize("run", [coding_run, desk_run])
    def test_no_way_takes_more_than_its_share(self, name: str, run: Callable[[], list[dict[str, Any]]]) -> None:
        case = case_of(run())
        for rate, left in zip(RATES, without_a_model()[name](case, RATES), strict=True):
            assert sum(map(COUNTER.count, left.texts)) <= rate * case.history.tokens
            assert figures_of(case, left).get("whole lines", 1.0) == 1.0

    @pytest.mark.parametrize("run", [coding_run, desk_run])
    @pytest.mark.parametrize("name", WITHOUT_A_MODEL)
    def test_the_whole_budget_leaves_all(self, name: str, run: Callable[[], list[dict[str, Any]]]) -> None:
        case = case_of(run())
        measured = measure([case], without_a_model()[name], (1.0,))["1.0"]
        assert measured["values left" if case.values else "strings left"] == 1.0

    def test_rare_strings_are_found(self) -> None:
        assert measure([case_of(coding_run())], without_a_model()["rare strings"], (0.2,))["0.2"]["strings left"] == 1.0

    def test_rare_strings_pass_over_what_is_known(self) -> None:
        lines = ["see tides_of_north and tides_of_south", "see boards_of_oak", "see tides_of_north"]
        history = History([Result("\n".join(lines)), Result(lines[0])], "", "boards_of_oak was seen.", COUNTER)
        assert WITHOUT_A_MODEL["rare strings"](history, COUNTER.count(lines[0]) + 1) == [lines[0], ""]

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
            max_leaves=12,
        ).filter(lambda value: isinstance(value, dict | list)),
        st.data(),
    )
    @settings(deadline=None)
    def test_json_stays_json(self, value: Any, data: st.DataObject) -> None:
        result = Result(json.dumps(value))
        kept = data.draw(st.sets(st.sampled_from(range(len(result.pieces))))) if result.pieces else set()
        left = result.left(kept)
        assert left == "" or len(kept) == len(result.pieces) or len(Result(left).pieces) == len(kept)


class TestFigures:
    def test_a_string_counts_where_it_stands_whole(self) -> None:
        case = case_of(coding_run())
        texts = [f"look at {NEEDED[0]} there", "the QUAY_DEPTH", "[… 9 lines left out, 2 similar]", "[…]"]
        figures = figures_of(case, Left(texts, 0.0))
        assert figures["strings left"] == 0.25
        assert figures["whole lines"] == 0.5

    def test_a_value_counts_where_it_stands_alone(self) -> None:
        case = case_of(desk_run())
        assert figures_of(case, Left(['{"berth": "B0Z0", "id": "guest_0_371"}'], 0.0))["values left"] == 0.5

    def test_what_shortens_as_the_run_goes(self) -> None:
        case = case_of(coding_run())
        seen: list[int] = []

        def begin() -> Callable[[Messages], Messages]:
            def shorten(messages: Messages) -> Messages:
                seen.append(len(messages))
                results = [n for n, message in enumerate(messages) if message["role"] == "tool"]
                return [{**each, "content": "Gone."} if n in results[:-2] else each for n, each in enumerate(messages)]

            return shorten

        assert measure_calls([case], begin)["strings left"] == 0.0
        assert seen == sorted(seen)
        assert seen[-1] == len(case.cut.messages)
        assert measure_calls([case], lambda: lambda messages: messages)["strings left"] == 1.0


class TestCommand:
    def test_a_report(self, tmp_path: Path, model_folder: Path) -> None:
        runs = write_runs(tmp_path / "runs.jsonl.xz", coding_run(), desk_run())
        options = ["--runs", runs, "--also", runs, "--model", model_folder, "--keep-rates", "0.4", "--steps", "2"]
        arguments = [str(option) for option in ["evaluate", "agent", *options]]
        told = CliRunner().invoke(app, [*arguments, "--json"])
        assert told.exit_code == 0, told.output
        report = json.loads(told.stdout)
        assert (report["task"], report["data"], report["rows"], report["runs"]) == ("agent", "runs.jsonl.xz", 2, 2)
        assert report["results"].keys() == {"diffumask", "diffumask, 1 step", AS_IT_GOES}
        assert report["baselines"].keys() == WITHOUT_A_MODEL.keys()
        assert report["bill"]["results"]["diffumask"]["share of the bill"] > 0
        for methods in (report["results"], report["baselines"]):
            for name, left in methods.items():
                # A message that is shortened by itself has its own budget, which rounds in its own way.
                assert name == AS_IT_GOES or left["0.4"]["tokens"] <= 0.4
                assert {"strings left", "values left", "tokens", "seconds"} <= left["0.4"].keys()
        table = CliRunner().invoke(app, arguments).stdout
        assert "agent, 0.4 of the old results' tokens" in table
        assert "strings left" in table
        assert "share of the bill" in table

    def test_a_picture(self, tmp_path: Path, model_folder: Path) -> None:
        runs = write_runs(tmp_path / "runs.jsonl", coding_run(), desk_run())
        picture = tmp_path / "left.svg"
        evaluate_runs(runs, model=str(model_folder), keep_rates=(0.5, 0.3), plot=picture)
        drawn = picture.read_text("utf-8")
        assert "dollars so far" in (tmp_path / "left-bill.svg").read_text("utf-8")
        assert all(name in drawn for name in ("strings left", "values left", "rare strings"))

    def test_common_strings_are_not_needed(self) -> None:
        runs = [RunRow(messages=coding_run()) for _ in range(3)]
        assert len(cases_of(runs, [], COUNTER)) == 3
        assert cases_of(runs, runs, COUNTER) == []

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            ([], "has no rows"),
            (['{"text": "a"}'], "line 1: Field required .field messages."),
            (['{"messages": "a"}'], "line 1: Input should be a valid array .field messages."),
            (['{"messages": [{"content": "a"}]}'], "run 1 '': .*has no role"),
            (['{"id": "x", "messages": [{"role": "user", "content": 5}]}'], r"run 1 'x': messages\[0\].*is an int"),
            (["{"], "line 1"),
        ],
    )
    def test_a_broken_file(self, tmp_path: Path, lines: Sequence[str], message: str) -> None:
        file = tmp_path / "runs.jsonl"
        file.write_text("\n".join(lines), "utf-8")
        with pytest.raises(DataError, match=message):
            read_runs(file)

    def test_ids_may_be_numbers(self, tmp_path: Path) -> None:
        file = tmp_path / "runs.jsonl"
        file.write_text('{"id": 7, "messages": []}\n{"messages": []}\n', "utf-8")
        assert [run.id for run in read_runs(file)] == ["7", ""]

    @pytest.mark.parametrize("content", [b"plain", b""])
    def test_no_xz(self, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / "runs.jsonl.xz"
        file.write_bytes(content)
        with pytest.raises(DataError, match="no whole xz file"):
            read_runs(file)

    @pytest.mark.parametrize(
        "messages",
        [
            [],
            [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hello."}],
            [{"role": "user", "content": "Hello."}, *step(1, "I look.", {}, "nothing")],
        ],
    )
    def test_runs_without_old_results(self, tmp_path: Path, model_folder: Path, messages: Any) -> None:
        file = write_runs(tmp_path / "runs.jsonl", messages)
        with pytest.raises(DataError, match="has no run whose second half needs"):
            evaluate_runs(file, model=str(model_folder))

    def test_no_runs(self) -> None:
        with pytest.raises(InputError, match="pass --runs FILE"):
            evaluate_runs(None)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["agent", "--data", "x"], "takes --runs FILE"),
            (["agent", "--runs", "x", "--reader", "nearest"], "no --reader"),
            (["labels", "--runs", "x"], "go with the task agent"),
        ],
    )
    def test_options_that_do_not_go_together(self, arguments: list[str], message: str) -> None:
        told = CliRunner().invoke(app, ["evaluate", *arguments])
        assert told.exit_code == 2
        assert message in told.stderr
