"""The command and the program of the page on corpora run as they stand; the one on Ray runs with the tests of Ray."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "corpora.md").read_text("utf-8")


def block(language: str) -> str:
    """The first block of a language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)
    assert found
    return found[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tickets.jsonl").write_text(block("jsonl"), "utf-8")
    return tmp_path


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def test_the_command(folder: Path) -> None:
    closing = run(folder, "sh", "-c", block("sh")).stderr.splitlines()[-1]
    assert re.sub(r"\d+ -> \d+", "", closing) == re.sub(r"\d+ -> \d+", "", closing_line())
    rows = [json.loads(line) for line in (folder / "shorter" / "part-00000.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [1, 2, 3]
    assert "4711" in rows[0]["compressed"]
    assert rows[1]["compressed"][-1] == rows[1]["messages"][-1]
    assert rows[2]["compressed"].endswith(rows[2]["query"])
    assert all(row["compressed_tokens"] <= row["budget"] <= row["original_tokens"] for row in rows)
    # Rows of few tokens are not shortened.
    assert all(row["original_tokens"] <= 50 or row["budget"] < row["original_tokens"] for row in rows)
    assert json.loads((folder / "shorter" / "errors.jsonl").read_text())["line"] == 4


def closing_line() -> str:
    return next(line.strip() for line in PAGE.splitlines() if " tokens" in line and line.startswith("    3 rows"))


def test_the_command_for_logs_of_agents(folder: Path) -> None:
    (folder / "runs.jsonl").write_text(block(r"jsonl runs\.jsonl"), "utf-8")
    closing = run(folder, "sh", "-c", block("sh runs")).stderr.splitlines()[-1]
    assert re.sub(r"\d+ -> \d+", "", closing) == "1 rows in shorter-runs;  tokens"
    row = json.loads((folder / "shorter-runs" / "part-00000.jsonl").read_text())
    assert row["shortened"] == 1
    assert row["compressed_tokens"] < row["original_tokens"]
    assert [message["role"] for message in row["compressed"]] == [message["role"] for message in row["messages"]]
    changed = [old for old, new in zip(row["messages"], row["compressed"], strict=True) if old != new]
    assert [message["role"] for message in changed] == ["tool"]


def test_the_program(folder: Path) -> None:
    (folder / "program.py").write_text(block("python"), "utf-8")
    first, second = run(folder, sys.executable, "program.py").stdout.splitlines()
    assert first.startswith("3 1 {'original_tokens': ")
    assert 0 < float(second.removeprefix("F1 at the light level: ")) <= 1
