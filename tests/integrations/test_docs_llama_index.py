"""The programs of the page on LlamaIndex run as they stand."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "llama-index.md"
RUN_EACH = """
import contextlib, io, json, sys
shown = []
for program in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(program, "program", "exec"), {"__name__": "__main__"})
    shown.append(out.getvalue())
print(json.dumps(shown))
"""


@pytest.fixture(scope="module")
def shown() -> dict[str, str]:
    """What each program prints; all of them run in one process, since most of the time goes into imports."""
    programs = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    finished = subprocess.run(
        [sys.executable, "-c", RUN_EACH], input=json.dumps(programs), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return dict(
        zip(["query engine", "chat engine", "events", "memory", "agent"], json.loads(finished.stdout), strict=True)
    )


def test_query_engine(shown: dict[str, str]) -> None:
    assert "Ingrid Falk" in shown["query engine"]
    assert "overnight" not in shown["query engine"]


def test_chat_engine(shown: dict[str, str]) -> None:
    assert "500 square metres" in shown["chat engine"]
    assert "How large is the garden of house 5?" in shown["chat engine"]


def test_events(shown: dict[str, str]) -> None:
    before, after, budget = map(int, re.findall(r"\d+", shown["events"]))
    assert after <= budget < before


def test_memory(shown: dict[str, str]) -> None:
    assert "200 square metres" in shown["memory"]
    assert "user: The garden of house 8 has 800 square metres and a pond." in shown["memory"]


def test_agent(shown: dict[str, str]) -> None:
    plain, shorter = (list(map(int, re.findall(r"\d+", line))) for line in shown["agent"].splitlines())
    assert len(plain) == len(shorter) == 12
    assert shorter[:4] == plain[:4]
    assert shorter[-1] < 0.7 * plain[-1]
    assert max(shorter) < 500
