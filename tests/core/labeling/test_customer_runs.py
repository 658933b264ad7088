"""Runs of customer-service agents that a script makes up."""

import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from diffumask_core.labeling.hindsight import cut_run

SCRIPT = Path(__file__).parents[3] / "scripts" / "customer_runs.py"
RUNS = 40

Messages = Sequence[dict[str, Any]]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("customer_runs", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def runs(script: ModuleType) -> list[Messages]:
    return [run.messages for run in script.make_runs(RUNS, 0)]


def test_each_result_answers_a_call_of_the_message_before_it(runs: list[Messages]) -> None:
    for messages in runs:
        waiting: list[str] = []
        for message in messages:
            if message["role"] == "tool":
                assert message["tool_call_id"] == waiting.pop(0)
            else:
                assert not waiting
                waiting = [call["id"] for call in message.get("tool_calls", [])]
        assert not waiting


def test_arguments_are_json_objects(runs: list[Messages]) -> None:
    calls = [call for messages in runs for message in messages for call in message.get("tool_calls", [])]
    assert calls
    assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in calls)


def test_most_results_are_json(runs: list[Messages]) -> None:
    results = [message["content"] for messages in runs for message in messages if message["role"] == "tool"]
    assert sum(result[0] in "{[" for result in results) > len(results) / 2


def test_agents_need_values_of_old_results(runs: list[Messages]) -> None:
    cuts = [cut_run("run", messages, share, {}) for messages in runs for share in (0.4, 0.6, 0.8)]
    assert sum(bool(cut.values) for cut in cuts) > 0.6 * len(cuts)


def test_a_seed_makes_the_same_runs_and_another_seed_makes_others(script: ModuleType, runs: list[Messages]) -> None:
    assert [run.messages for run in script.make_runs(RUNS, 0)] == runs
    assert [run.messages for run in script.make_runs(RUNS, 1)] != runs


def test_the_script_writes_a_run_a_line(
    script: ModuleType, runs: list[Messages], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "runs.jsonl"
    monkeypatch.setattr("sys.argv", ["customer_runs.py", "--runs", "3", "--seed", "0", "--out", str(out), "--stats"])
    script.main()
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [row["messages"] for row in rows] == runs[:3]
