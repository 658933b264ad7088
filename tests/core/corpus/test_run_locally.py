"""Blocks in a pool of processes: the output is that of a single one, whatever happens to them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from core.corpus.row_functions import Faulty, Fragile, seen

from diffumask_core import InputError
from diffumask_core.corpus import CorpusReport, RowCompressor, map_corpus
from diffumask_core.errors import WorkerError

BLOCK_ROWS = 4
TEXT = "On day {} the owner, who had been away for a while, sold 12 boxes to a visitor from out of town. "


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two bad rows among 24 good ones."""
    rows = [{"id": number, "text": TEXT.format(number) * 2, "query": "How many?"} for number in range(24)]
    lines = [json.dumps(row) for row in rows]
    lines[6:6] = ["{", '{"id": 99}']
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines))
    return tmp_path / "corpus.jsonl"


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def run(corpus: Path, output: Path, function: Any, options: dict[str, Any], workers: int = 2) -> CorpusReport:
    return map_corpus(function, options, corpus, output, workers=workers, block_rows=BLOCK_ROWS)


def test_the_same_as_one_by_one(tmp_path: Path, corpus: Path, model_folder: Path) -> None:
    """With the bundled model and its runtime, which has more threads in a process that is alone."""
    options = {"tokenizer": str(model_folder), "keep_rate": 0.4}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OMP_NUM_THREADS")
        reports = [run(corpus, tmp_path / f"{workers}", RowCompressor, options, workers) for workers in (1, 2)]
        assert "OMP_NUM_THREADS" not in os.environ
    assert (reports[0].rows, reports[0].failures, reports[0].totals) == (24, 2, reports[1].totals)
    assert reports[0].totals["compressed_tokens"] <= 0.4 * reports[0].totals["original_tokens"]
    assert files(tmp_path / "1") == files(tmp_path / "2")


def test_a_worker_that_is_killed(tmp_path: Path, corpus: Path) -> None:
    log = tmp_path / "log"
    report = run(corpus, tmp_path / "out", Fragile, {"log": str(log), "at": 9})
    expected = run(corpus, tmp_path / "serial", Fragile, {"log": str(tmp_path / "other"), "at": -1}, workers=1)
    assert (report.rows, report.failures, report.totals) == (24, 2, expected.totals)
    pairs = [(tmp_path / folder / "part-00002.jsonl").read_bytes() for folder in ("out", "serial")]
    assert pairs[0] == pairs[1]
    assert seen(log).count(9) == 2
    # At most the two blocks that were running are repeated.
    assert len(seen(log)) <= 25 + 2 * BLOCK_ROWS


def test_a_block_that_kills_every_worker(tmp_path: Path, corpus: Path) -> None:
    log = tmp_path / "log"
    options = {"log": str(log), "at": 9, "times": 3}
    # With the two bad lines before it, row 9 is in line 12.
    with pytest.raises(WorkerError, match=r"in each of 3 attempts at block 2 \(lines 9 to 12\)"):
        run(corpus, tmp_path / "out", Fragile, options)
    # Whoever mends what was wrong goes on from there.
    report = run(corpus, tmp_path / "out", Fragile, options)
    assert (report.rows, report.failures) == (24, 2)
    assert seen(log).count(9) == 4


def test_errors_come_home_as_they_are(tmp_path: Path, corpus: Path) -> None:
    with pytest.raises(InputError, match="keep_rate=2 is not a share"):
        run(corpus, tmp_path / "out", RowCompressor, {"keep_rate": 2})
    with pytest.raises(KeyError, match="next") as caught:
        run(corpus, tmp_path / "out", Faulty, {"log": str(tmp_path / "log")})
    assert caught.value.__notes__
