"""The page on hindsight: its programs and commands run as they stand, and what they leave is what the page says."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage, convert_to_openai_messages
from typer.testing import CliRunner

from diffumask_core import Compressor
from diffumask_core.cli import app
from diffumask_core.datasets import HindsightRow, RunRow, read_rows, read_runs
from diffumask_core.lines.model import LINES_FILE
from diffumask_core.model.pretrained import BUNDLED

PAGE = (Path(__file__).parents[2] / "docs" / "hindsight.md").read_text("utf-8")
[PROGRAM] = re.findall(r"^```python runs\.py\n(.*?)^```$", PAGE, re.M | re.S)
RECORD, LOAD = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)


def run(program: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "program"}
    exec(compile(program, "hindsight.md", "exec"), names)
    return names


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The folder that the commands leave, what they print, and the compressor of the page."""
    folder = tmp_path_factory.mktemp("hindsight")
    [block] = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
    python, *commands = block.splitlines()
    assert python == "python runs.py"
    shown: dict[str, Any] = {"folder": folder}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run(PROGRAM)
        for command in commands:
            arguments = shlex.split(command.removeprefix("diffumask "))
            json_wanted = ["--json"] if arguments[0] != "train" else []
            result = CliRunner().invoke(app, [*arguments, *json_wanted])
            assert result.exit_code == 0, result.output
            shown[arguments[0]] = json.loads(result.stdout) if json_wanted else result.stdout
        shown["compressor"] = run(LOAD)["compressor"]
    return shown


def test_rows(left: dict[str, Any]) -> None:
    rows = read_rows(left["folder"] / "rows.jsonl", HindsightRow)
    assert left["label"]["runs"] == len(read_rows(left["folder"] / "runs.jsonl", RunRow))
    assert left["label"]["rows"] == len(rows) > 0
    assert all(needed.string.startswith("sheets/") for row in rows for needed in row.needed)
    # The fields of the page are those of a row, and an id is of the form that it shows.
    [table] = re.findall(r"^## What a row is\n(.*?)^## ", PAGE, re.M | re.S)
    assert set(re.findall(r"^\| `(\w+)`", table, re.M)) == set(HindsightRow.model_fields)
    assert re.fullmatch(r"run-\d+@\d+", rows[0].id)


def test_the_own_model_leaves_what_its_agent_needs(left: dict[str, Any]) -> None:
    report = left["evaluate"]
    assert report["rows"] > 0
    ways = {"diffumask, own line model": report["results"]["diffumask"], **report["baselines"]}
    [table] = re.findall(r"^\| \| 0\.3 .*?\n\n", PAGE, re.M | re.S)
    for name, *cells in re.findall(r"^\| (\w.*?) \| (.*?) \| (.*?) \| (.*?) \|$", table, re.M):
        found = [figures["strings left"] for figures in ways[name].values()]
        # What a training ends with differs a little from machine to machine.
        assert found == pytest.approx([float(cell) for cell in cells], abs=0.1), name


def test_the_rest_is_that_of_the_bundled_model(left: dict[str, Any]) -> None:
    own = left["folder"] / "my-model"
    assert isinstance(left["compressor"], Compressor)
    for file in BUNDLED.rglob("*"):
        if file.is_file() and file.name != LINES_FILE:
            assert (own / file.relative_to(BUNDLED)).read_bytes() == file.read_bytes()
    assert (own / LINES_FILE).is_file()


def test_runs_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record = run(RECORD)["record"]
    call = {"name": "look", "args": {"at": "Kräne"}, "id": "call_1"}
    messages = [
        HumanMessage("Look at the cranes."),
        AIMessage("", tool_calls=[call]),
        ToolMessage("crane_48 turns", tool_call_id="call_1"),
    ]
    record("first", convert_to_openai_messages(messages))
    record("second", [{"role": "user", "content": "Hello."}])
    first, second = read_runs(Path("runs.jsonl"))
    assert (first.id, second.id) == ("first", "second")
    assert [message["role"] for message in first.messages] == ["user", "assistant", "tool"]
