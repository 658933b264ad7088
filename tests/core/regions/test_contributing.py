"""The example of CONTRIBUTING.md works as it stands: the detector, the line in `DETECTORS`, and the tests."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from diffumask_core import Compressor
from diffumask_core.regions import detect

PAGE = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text("utf-8")
PROGRAMS = dict(re.findall(r"^```python (\S+)\n(.*?)^```$", PAGE, re.M | re.S))
DETECTOR, TESTS = PROGRAMS["diffumask_core/regions/subtitles.py"], PROGRAMS["tests/core/regions/test_subtitles.py"]
NAMES = re.findall(r"^def (test_\w+)", TESTS, re.M)


@pytest.fixture
def subtitles(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module of the page, where an import finds it."""
    module = ModuleType("diffumask_core.regions.subtitles")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(DETECTOR, "CONTRIBUTING.md", "exec"), module.__dict__)
    return module


@pytest.fixture
def tests(subtitles: ModuleType) -> dict[str, Any]:
    """What the page's tests define."""
    defined: dict[str, Any] = {"__name__": "test_subtitles"}
    exec(compile(TESTS, "CONTRIBUTING.md", "exec"), defined)
    return defined


@pytest.mark.parametrize("name", NAMES)
def test_the_tests_of_the_page_pass(tests: dict[str, Callable[[], None]], name: str) -> None:
    tests[name]()


def test_the_page_names_the_line_in_its_right_place(
    subtitles: ModuleType, monkeypatch: pytest.MonkeyPatch, tests: dict[str, Any], compressor: Compressor
) -> None:
    shown = re.findall(r"^        (find_\w+),$", PAGE, re.M)
    known = [each.__name__ for each in detect.DETECTORS]
    at = shown.index("find_subtitles")
    assert [*shown[:at], *shown[at + 1 :]] == known[: len(shown) - 1]
    monkeypatch.setattr(detect, "DETECTORS", (*detect.DETECTORS[:at], subtitles.find_subtitles, *detect.DETECTORS[at:]))
    cues = tests["CUES"]
    result = compressor.compress("WEBVTT\n\n" + "\n\n".join(cues * 3), keep_rate=0.5)
    [region] = result.regions
    assert region.kind == "subtitles"
    assert result.text.startswith("WEBVTT\n")
    left = re.sub(r"\[… \d+ cues? left out\]", "", result.text).removeprefix("WEBVTT").strip()
    assert set(re.split(r"\n{2,}", left)) <= set(cues)
    assert result.marks
