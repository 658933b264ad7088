import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "langchain-agents.md"


def test_the_program_runs_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = [
        block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S) if "print" in block
    ]
    names: dict[str, Any] = {"__name__": "program"}
    exec(compile(program, str(PAGE), "exec"), names)
    plain, shorter = names["plain"], names["shorter"]
    assert len(plain) == len(shorter) == 2 * len(names["ROOMS"])
    assert shorter[0] == plain[0]
    assert shorter[-1] < 0.8 * plain[-1]
    assert capsys.readouterr().out.strip().endswith("True")
