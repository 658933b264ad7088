"""``diffumask compress --input FILE --output FOLDER``."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from diffumask_core import Compressor
from diffumask_core.cli import app

TEXT = "On day {} the owner, who had been away for a while, sold 12 boxes to a visitor from out of town. "


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["compress", *map(str, arguments)])


def told(result: Result) -> str:
    """What standard error says of arguments that cannot be used."""
    assert result.exit_code == 2
    assert result.stdout == ""
    return " ".join(result.stderr.split())


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rows: list[dict[str, Any]] = [{"id": number, "body": TEXT.format(number)} for number in range(5)]
    rows[3]["body"] = None
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "corpus.jsonl"


@pytest.fixture
def how(tmp_path: Path, corpus: Path, model_folder: Path) -> list[object]:
    files = ["--input", corpus, "--output", tmp_path / "out", "--field", "body", "--block-rows", 2, "--workers", 1]
    return [*files, "--model", model_folder, "--tokenizer", model_folder, "--query", "How many?", "--protect", "owner"]


def test_a_corpus(tmp_path: Path, how: list[object], compressor: Compressor, model_folder: Path) -> None:
    result = invoke(*how, "--keep-rate", 0.4)
    assert result.exit_code == 0
    assert result.stdout == ""
    out = tmp_path / "out"
    rows = [json.loads(line) for part in sorted(out.glob("part-*")) for line in part.read_text().splitlines()]
    assert [row["id"] for row in rows] == [0, 1, 2, 4]
    for row in rows:
        text = TEXT.format(row["id"])
        options = {"keep_rate": 0.4, "query": "How many?", "protect": ["owner"], "tokenizer": str(model_folder)}
        expected = compressor.compress(text, **options)
        assert row["body"] == text
        assert row["compressed"] == expected.text != text
        assert "owner" in row["compressed"]
        assert row["compressed_tokens"] == expected.compressed_tokens
    bad = json.loads((out / "errors.jsonl").read_text())
    assert bad == {
        "line": 4,
        "reason": "The row has no body, messages, instructions or shots: nothing can be compressed.",
    }
    before, after = (sum(row[name] for row in rows) for name in ("original_tokens", "compressed_tokens"))
    assert "100%" in result.stderr
    closing = result.stderr.splitlines()[-1]
    assert closing == f"4 rows in {out}, 1 bad ({out / 'errors.jsonl'}); {before} -> {after} tokens"
    again = invoke(*how, "--keep-rate", 0.4)
    assert again.stderr.splitlines()[-1] == closing
    assert "--keep-rate was 0.4 and is 0.5" in told(invoke(*how, "--keep-rate", 0.5))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--input", "a.jsonl"],
        ["--output", "out"],
        ["a.txt", "--input", "a.jsonl", "--output", "out"],
        ["--input", "a.jsonl", "--output", "out", "--format", "json"],
    ],
)
def test_arguments_that_do_not_go_together(arguments: list[str]) -> None:
    assert "A corpus needs both --input FILE and --output FOLDER" in told(invoke(*arguments, "--keep-rate", 0.4))


def test_bad_arguments(tmp_path: Path, how: list[object]) -> None:
    assert "neither was given" in told(invoke(*how))
    assert "workers=0 is not possible" in told(invoke(*how, "--keep-rate", 0.4, "--workers", 0))
    assert "Cannot read" in told(invoke("--input", "none.jsonl", "--output", tmp_path / "out", "--keep-rate", 0.4))
    assert "spark" in told(invoke(*how, "--engine", "spark"))


def test_ray_that_is_not_installed(how: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.partition(".")[0] == "ray" or name.startswith("diffumask_integrations.ray")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ray", None)
    message = 'ray is not installed, which this adapter needs: pip install "diffumask[ray]"'
    assert message in told(invoke(*how, "--keep-rate", 0.4, "--engine", "ray"))
