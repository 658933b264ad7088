"""Reading data files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffumask_core import DataError
from diffumask_core.datasets import LabelRow, PassageRow, ShotRow, SolutionRow, covered_units, read_rows

LABEL = {"id": "a", "kind": "prose", "text": "one two", "light": [[0, 3]], "tight": [], "split": "dev"}
SHOT = {"id": "s", "kind": "qa", "query": "who?", "shots": ["a", "b"], "grades": [0, 2.5]}
PASSAGE = {
    "id": "p",
    "question": "who?",
    "answers": ["Anna"],
    "documents": [{"title": "T", "text": "Anna did.", "is_gold": True}],
}
SOLUTION = {"question": "How many?", "answer": "2+2=<<2+2=4>>4\n#### 4"}


def write(folder: Path, *lines: Any) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines), "utf-8")
    return file


@pytest.mark.parametrize(
    ("row", "kind"), [(LABEL, LabelRow), (SHOT, ShotRow), (PASSAGE, PassageRow), (SOLUTION, SolutionRow)]
)
def test_rows_are_read(tmp_path: Path, row: dict[str, Any], kind: type[Any]) -> None:
    file = write(tmp_path, row, "\n", {**row, "more": 1})
    first, second = read_rows(file, kind)
    assert first == second
    assert row.items() <= json.loads(first.model_dump_json()).items()


def test_defaults(tmp_path: Path) -> None:
    (row,) = read_rows(write(tmp_path, {key: LABEL[key] for key in LABEL if key != "split"}), LabelRow)
    assert (row.split, row.query, row.source) == ("train", None, "")
    assert row.light == [(0, 3)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken\n", "Invalid JSON"),
        ("[]\n", "object"),
        ({**LABEL, "text": 5}, r"\(field text\)"),
        ({**LABEL, "light": [[0]]}, r"\(field light\.0"),
        ({**LABEL, "split": "test"}, r"\(field split\)"),
        ({"id": "a"}, r"Field required \(field kind\)"),
    ],
)
def test_a_broken_line_is_named_by_its_number(tmp_path: Path, line: Any, message: str) -> None:
    file = write(tmp_path, LABEL, "\n", line, LABEL)
    with pytest.raises(DataError, match=message) as raised:
        read_rows(file, LabelRow)
    assert f"{file}, line 3: " in str(raised.value)
    assert "mend or remove the line" in str(raised.value)


@pytest.mark.parametrize("lines", [(), ("\n", "  \n")])
def test_a_file_without_rows(tmp_path: Path, lines: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="has no rows"):
        read_rows(write(tmp_path, *lines), LabelRow)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Cannot read .*none\.jsonl: No such file"):
        read_rows(tmp_path / "none.jsonl", LabelRow)


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "latin.jsonl"
    file.write_bytes(b'{"id": "\xe9"}\n')
    with pytest.raises(DataError, match="is not UTF-8"):
        read_rows(file, LabelRow)


@pytest.mark.parametrize(
    ("spans", "covered"),
    [
        ([], [False, False, False]),
        ([(0, 3)], [True, False, False]),
        ([(0, 13)], [True, True, True]),
        ([(4, 6)], [False, True, False]),
        ([(4, 5)], [False, False, False]),
        ([(0, 1), (1, 2)], [True, False, False]),
        ([(8, 13), (9, 10)], [False, False, True]),
    ],
)
def test_units_at_least_half_inside_are_covered(spans: list[tuple[int, int]], covered: list[bool]) -> None:
    offsets = np.array([[0, 3], [4, 7], [8, 13]])
    assert covered_units(offsets, spans, 13).tolist() == covered
