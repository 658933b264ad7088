"""Runs the notebooks of docs/tutorials with the bundled model and stores their outputs in them.

    python scripts/notebooks.py

The notebooks need no kernel: a cell is run as IPython would run it, with what it prints and the value of its last
expression as outputs. Times differ from run to run and are left out.
"""

import ast
import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"
_TIME = re.compile(r"<div><dt>Time</dt>.*?</div>")

Notebook = dict[str, Any]


def read(path: Path) -> Notebook:
    """Reads a notebook."""
    notebook: Notebook = json.loads(path.read_text("utf-8"))
    return notebook


def run(notebook: Notebook) -> tuple[list[list[dict[str, Any]]], dict[str, Any]]:
    """Runs the cells of a notebook, one after the other.

    Returns:
        The outputs of each cell with code, in the format of notebooks, and the names that the cells have made.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [_run_cell("".join(cell["source"]), number, names) for number, cell in enumerate(cells, 1)], names


def store(notebook: Notebook, outputs: list[list[dict[str, Any]]]) -> None:
    """Puts outputs into the cells of a notebook."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, (cell, of_cell) in enumerate(zip(cells, outputs, strict=True), 1):
        cell |= {"execution_count": number, "outputs": of_cell}


def _run_cell(source: str, number: int, names: dict[str, Any]) -> list[dict[str, Any]]:
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"cell {number}", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": _lines(printed.getvalue())})
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        if hasattr(value, "_repr_html_"):
            data = {"text/html": _lines(_TIME.sub("", value._repr_html_())), **data}
        outputs.append({"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"})
    return outputs


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main() -> None:
    """Runs all notebooks."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook = read(path)
        store(notebook, run(notebook)[0])
        path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", "utf-8")
        print(path.name)


if __name__ == "__main__":
    main()
