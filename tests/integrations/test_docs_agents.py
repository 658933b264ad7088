"""The programs of the pages on conversations and on agents run as they stand."""

import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def run(page: str) -> dict[str, Any]:
    """Runs the one complete program of a page."""
    text = (DOCS / page).read_text("utf-8")
    (program,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "print" in block]
    names: dict[str, Any] = {"__name__": "program"}
    exec(compile(program, page, "exec"), names)
    return names


def test_langchain(capsys: pytest.CaptureFixture[str]) -> None:
    names = run("langchain-agents.md")
    plain, shorter = names["plain"], names["shorter"]
    assert len(plain) == len(shorter) == 2 * len(names["ROOMS"])
    assert shorter[0] == plain[0]
    assert shorter[-1] < 0.7 * plain[-1]
    assert [tool.name for tool in names["middleware"].tools] == ["read_left_out"]
    assert names["middleware"].saved.requests == len(plain)
    assert capsys.readouterr().out.strip().endswith("True")


def test_a_loop_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    names = run("conversations.md")
    shown = capsys.readouterr().out
    saved = names["conversation"].saved
    assert saved.requests == len(names["MACHINES"]) + 2
    assert saved.tokens < 0.5 * saved.original_tokens
    assert "All of them stood still at 10:40." in shown
    original, sent, found = names["messages"][2], names["shorter"][2], names["messages"][-2]
    assert found["content"] in original["content"]
    assert found["content"] not in sent["content"]
