"""The command and the program of the page on labels run as they stand."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from diffumask_core.cli import app
from diffumask_core.datasets import LabelRow, read_rows
from diffumask_core.labeling import Labelled

PAGE = (Path(__file__).parents[3] / "docs" / "labeling.md").read_text("utf-8")


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, rows in re.findall(r"^```jsonl (\S+)\n(.*?)^```$", PAGE, re.M | re.S):
        Path(name).write_text(rows, "utf-8")
    [command] = re.findall(r"^    diffumask (label .*)$", PAGE, re.M)
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 0, result.output
    rows = read_rows("labels.jsonl", LabelRow)
    assert {row.split for row in rows} == {"train", "dev"}


def test_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    [program] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    names: dict[str, Any] = {"__name__": "program"}
    exec(compile(program, "labeling.md", "exec"), names)
    found: Labelled = names["found"]
    assert found.row is not None
    assert found.kept < 0.5
    assert found.quality >= found.floor
    assert f"{found.calls} calls" in capsys.readouterr().out
