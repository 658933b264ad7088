"""Ray Data on a real cluster of two workers on this machine."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from core.corpus.row_functions import Fragile, Shout, seen
from made_runs import drawn_run

from diffumask_core.corpus import ConversationCompressor, RowCompressor, map_corpus
from diffumask_core.errors import WorkerError

pytest.importorskip("ray.data", reason='Ray is not installed: pip install "diffumask[ray]"')

import ray

from diffumask_integrations.ray import DiffuMaskMapper, run_on_ray

# Ray sets deprecated settings of its own to their defaults.
pytestmark = pytest.mark.filterwarnings("ignore:`use_:DeprecationWarning:ray.data.context")

TEXT = "On day {} the owner, who had been away for a while, sold 12 boxes to a visitor from out of town. "


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)  # Where workers find functions.
        patch.setenv("RAY_AUTH_MODE", "disabled")  # Otherwise it makes a token in the home folder.
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
        yield
        ray.shutdown()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Rows 0 to 11 with two bad lines in their midst; in blocks of four lines, row 9 is the last one of block 2."""
    lines = [json.dumps({"id": number, "text": TEXT.format(number)}) for number in range(12)]
    lines[6:6] = ["{", '{"id": 99}']
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines))
    return tmp_path / "corpus.jsonl"


def parts(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("*.jsonl")}


def test_a_worker_that_is_killed(tmp_path: Path, corpus: Path) -> None:
    """Nothing is lost, only its block is repeated, and the output is that of one worker whom nothing happens to."""
    log = tmp_path / "log"
    report = map_corpus(
        Fragile, {"log": str(log), "at": 9}, corpus, tmp_path / "ray", engine=run_on_ray, workers=2, block_rows=4
    )
    serial = map_corpus(Shout, {"log": str(tmp_path / "other")}, corpus, tmp_path / "serial", workers=1, block_rows=4)
    assert (report.rows, report.failures, report.totals) == (12, 2, serial.totals)
    assert parts(tmp_path / "ray") == parts(tmp_path / "serial")
    assert Counter(seen(log)) == Counter([*range(12), 99, 6, 7, 8, 9])


def test_a_block_that_kills_every_worker(tmp_path: Path, corpus: Path) -> None:
    options = {"log": str(tmp_path / "log"), "at": 9, "times": 3}
    with pytest.raises(WorkerError, match=r"in each of 3 attempts at block 2 \(lines 9 to 12\)"):
        map_corpus(Fragile, options, corpus, tmp_path / "out", engine=run_on_ray, workers=2, block_rows=4)
    # Whoever mends what was wrong goes on from there, on any engine.
    report = map_corpus(Fragile, options, corpus, tmp_path / "out", workers=1, block_rows=4)
    assert (report.rows, report.failures) == (12, 2)


def test_map_batches(model_folder: Path) -> None:
    """By hand: the same as row by row, bad rows with their reason, whatever stands in a batch together."""
    options = {"tokenizer": str(model_folder), "keep_rate": 0.4}
    rows = [{"id": number, "messages": [{"role": "user", "content": TEXT.format(number)}]} for number in range(6)]
    rows[2]["messages"] = []
    rows[3]["messages"] = []
    dataset = ray.data.from_items(rows, override_num_blocks=3).map_batches(
        DiffuMaskMapper,
        fn_constructor_kwargs=options,
        batch_size=2,
        compute=ray.data.ActorPoolStrategy(size=2),
    )
    done = {row["id"]: row for row in dataset.iter_rows()}
    compress = RowCompressor(**options)
    for row in rows:
        got = done[row["id"]]
        if row["messages"]:
            assert got == {**compress(row), "error": None}
        else:
            assert got["error"] == "There is no text in the messages: there is nothing to compress."
            assert got["messages"] == []
            assert [got[name] for name in RowCompressor.added] == [None] * 5


def test_map_batches_of_runs(model_folder: Path) -> None:
    """A table has all keys in all messages, with null where a message has none: results and calls still go together."""
    options = {"tokenizer": str(model_folder), "keep_rate": 0.4}
    rows = [{"id": number, "messages": drawn_run(number)} for number in range(4)]
    dataset = ray.data.from_items(rows, override_num_blocks=2).map_batches(
        DiffuMaskMapper,
        fn_constructor_kwargs={"conversations": True, **options},
        batch_size=2,
        compute=ray.data.ActorPoolStrategy(size=1),
    )
    done = {row["id"]: row for row in dataset.iter_rows()}
    shorten = ConversationCompressor(**options)
    for row in rows:
        got, expected = done[row["id"]], shorten(row)
        assert got["error"] is None
        assert [got[name] for name in shorten.added[1:]] == [expected[name] for name in shorten.added[1:]]
        assert [
            {key: value for key, value in message.items() if value is not None} for message in got["compressed"]
        ] == expected["compressed"]


def test_the_program_of_the_page_on_corpora(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "corpora.md").read_text("utf-8")
    (program,) = [block for block in re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S) if "import ray" in block]
    exec(compile(program, "program", "exec"), {"__name__": "program"})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all("Tuesday" in line and line.endswith(" None") for line in lines)
