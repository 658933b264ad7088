"""The notebooks of the tutorials run as they stand, and their stored outputs are what comes out."""

import json
import runpy
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "notebooks.py"))
# On another processor one more word may stay.
ALIKE = 0.9


@pytest.fixture(params=["agent", "few-shot", "rag"])
def notebook(request: pytest.FixtureRequest) -> dict[str, Any]:
    read: dict[str, Any] = SCRIPT["read"](ROOT / "docs" / "tutorials" / f"{request.param}.ipynb")
    return {**read, "name": request.param}


def shown(outputs: list[dict[str, Any]]) -> str:
    return "".join("".join(output.get("text") or output["data"]["text/plain"]) for output in outputs)


def test_every_notebook_has_a_test() -> None:
    assert sorted(path.stem for path in (ROOT / "docs" / "tutorials").glob("*.ipynb")) == ["agent", "few-shot", "rag"]


def test_a_notebook_runs_and_its_outputs_are_stored(notebook: dict[str, Any]) -> None:
    outputs, names = SCRIPT["run"](notebook)
    stored = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for fresh, old in zip(outputs, stored, strict=True):
        assert [output["output_type"] for output in fresh] == [output["output_type"] for output in old]
        alike = SequenceMatcher(None, shown(old), shown(fresh), autojunk=False).ratio()
        assert alike >= ALIKE, "Run python scripts/notebooks.py, and look at what has changed."
    CHECKS[notebook["name"]](names)


def of_the_agent(names: dict[str, Any]) -> None:
    last = names["requests"][-1]
    assert "ERROR crane stood still: fuse F5 has blown" in last[2]["content"]
    assert names["conversation"].saved.tokens < 0.6 * names["conversation"].saved.original_tokens
    assert names["conversation"].restore(names["mark"].text) in names["log"]("crane")


def of_few_shots(names: dict[str, Any]) -> None:
    result = names["result"]
    assert result.compressed_tokens <= result.budget
    assert {shot.fate for shot in result.shots} > {"dropped"}
    assert names["answer"] == "delivery"


def of_passages(names: dict[str, Any]) -> None:
    assert "The ticket costs 80 kroner" in names["result"].text
    assert names["result"].compressed_tokens <= 110
    assert names["floor"].unused_tokens > 0
    assert "closed on Mondays" in names["kept"].text


CHECKS = {"agent": of_the_agent, "few-shot": of_few_shots, "rag": of_passages}


def test_notebooks_are_of_the_format(notebook: dict[str, Any]) -> None:
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    assert "/home/" not in json.dumps(notebook)
