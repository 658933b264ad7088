"""The programs of the page on LangChain run as they stand."""

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "langchain.md"
PROGRAMS = dict(
    re.findall(r"^## ([^\n]*)\n(?:(?!^## ).)*?^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
)


@pytest.fixture
def names(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The names of a program after it has run, and what it printed as ``out``."""
    found: dict[str, Any] = {"__name__": "program"}
    exec(compile(PROGRAMS[request.param], str(PAGE), "exec"), found)
    return {**found, "out": capsys.readouterr().out}


def test_every_program_has_a_test() -> None:
    assert list(PROGRAMS) == [
        "A chain",
        "A few-shot chat",
        "Retrieval",
        "An example selector",
        "Templates, compressed once",
    ]


@pytest.mark.parametrize("names", ["A chain"], indirect=True)
def test_a_chain(names: dict[str, Any]) -> None:
    read, answer = names["out"].rsplit("Answer:", 1)
    assert "Question: When did the window break?" in read
    assert len(read) < 0.6 * len(names["inputs"]["report"])
    assert answer.strip() == "On the night of 3 March, at 2:40."


@pytest.mark.parametrize("names", ["A few-shot chat"], indirect=True)
def test_a_few_shot_chat(names: dict[str, Any]) -> None:
    event, answer = names["out"].splitlines()
    assert event.startswith("diffumask_compression")
    saved = re.search(r"'compressed_tokens': (\d+), 'saved_tokens': (\d+), 'budget': 200", event)
    assert saved
    assert 0 < int(saved[1]) <= 200
    assert int(saved[2]) > 100
    assert answer == "The answer is 130."


@pytest.mark.parametrize("names", ["Retrieval"], indirect=True)
def test_retrieval(names: dict[str, Any]) -> None:
    *found, answer = names["out"].splitlines()
    assert any(line.startswith("visit.md") and "80" in line for line in found)
    assert not any(line.startswith("food.md") for line in found)
    assert answer == "80 kroner."


@pytest.mark.parametrize("names", ["An example selector"], indirect=True)
def test_an_example_selector(names: dict[str, Any]) -> None:
    assert names["out"].count("Message: ") == 4
    assert "You charged me twice for the same month.\nTeam: payments" in names["out"]


@pytest.mark.parametrize("names", ["Templates, compressed once"], indirect=True)
def test_templates(names: dict[str, Any]) -> None:
    prompt, shorter = names["prompt"], names["shorter"]
    assert len(shorter.format(company="", question="")) < 0.7 * len(prompt.format(company="", question=""))
    assert '{{"answer": "...", "sure": true}}' in names["out"].splitlines()[0]
    assert "Nordlys" in names["out"]
