"""The programs of the page on readers run as they stand."""

import re
from pathlib import Path
from typing import Any

import pytest

from diffumask_core.calibration import Calibration
from diffumask_core.readers import Cost

PAGE = Path(__file__).parents[2] / "docs" / "readers.md"
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
    assert list(PROGRAMS) == ["Nearest exemplars", "A chat model", "Calibration"]


@pytest.mark.parametrize("names", ["Nearest exemplars"], indirect=True)
def test_nearest_exemplars(names: dict[str, Any]) -> None:
    assert "['business', 'sport']" in names["out"].splitlines()[-1]


@pytest.mark.parametrize("names", ["A chat model"], indirect=True)
def test_a_chat_model(names: dict[str, Any]) -> None:
    before, asked, after = names["out"].splitlines()
    assert before.startswith("Cost(calls=1, tokens=")
    assert asked.startswith("['36'] Cost(calls=1, tokens=")
    assert after == str(Cost(0, 0))


@pytest.mark.parametrize("names", ["Calibration"], indirect=True)
def test_calibration(names: dict[str, Any]) -> None:
    found: Calibration = names["found"]
    assert found.outcome == "reached"
    assert found.keep_rate < 1
    assert found.bound >= 0.7
    assert len(names["out"].splitlines()) == 1 + len(found.evidence)
