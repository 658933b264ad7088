"""The programs of the pages on migration: those with DiffuMask run, and differ from the others in two lines."""

import contextlib
import io
import re
from difflib import ndiff
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "migration"
PROGRAM = re.compile(r"^(Before|After):\n\n```python\n(.*?)^```$", re.M | re.S)


def programs(page: str) -> dict[str, str]:
    return dict(PROGRAM.findall((FOLDER / page).read_text("utf-8")))


@pytest.mark.parametrize(
    ("page", "kept", "gone"),
    [
        ("langchain-llmlingua.md", "visit.md", "food.md"),
        ("llama-index-longllmlingua.md", "0.82 {'file': 'bridge.txt'}", "bakery.txt"),
    ],
)
def test_the_program_with_diffumask_runs(page: str, kept: str, gone: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(compile(programs(page)["After"], page, "exec"), {"__name__": "__main__"})
    assert shown.getvalue().startswith(kept)
    assert gone not in shown.getvalue()


@pytest.mark.parametrize("page", sorted(path.name for path in FOLDER.glob("*.md")))
def test_two_lines_change(page: str) -> None:
    found = programs(page)
    compile(found["Before"], page, "exec")
    changed = [line for line in ndiff(found["Before"].splitlines(), found["After"].splitlines()) if line[:1] in "+-"]
    assert sum(line[2:].strip() != "" for line in changed) == 4
