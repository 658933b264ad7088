"""A corpus goes through block by block, and a run that was cut off goes on."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from core.corpus.row_functions import Faulty, Fragile, Shout, seen
from hypothesis import given, settings
from hypothesis import strategies as st

from diffumask_core.corpus import CorpusReport, map_corpus
from diffumask_core.errors import DataError, InputError, ResumeError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)
rows = st.dictionaries(st.sampled_from(["text", "id", "Größe", ""]), values, max_size=3)
lines = rows.map(lambda row: json.dumps(row).encode()) | st.sampled_from(
    [b"", b"  \r", b"{", b"[1]", b"null", b"caf\xe9", b'{"text": "\\ud83d"}', b"[" * 5000, "\ufeff{}".encode()]
)


def write(file: Path, count: int) -> Path:
    file.write_text("".join(json.dumps({"id": number, "text": f"row {number}"}) + "\n" for number in range(count)))
    return file


def read(folder: Path) -> list[dict[str, Any]]:
    """The rows of all parts, in order."""
    return [json.loads(line) for part in sorted(folder.glob("part-*")) for line in part.read_bytes().splitlines()]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write(tmp_path / "corpus.jsonl", 10)


@pytest.fixture
def log(tmp_path: Path) -> str:
    return str(tmp_path / "log")


def shout(corpus: Path, output: Path, log: str, **options: Any) -> CorpusReport:
    return map_corpus(Shout, {"log": log}, corpus, output, **{"workers": 1, "block_rows": 3, **options})


def test_rows_in_parts(tmp_path: Path, corpus: Path, log: str) -> None:
    out = tmp_path / "deep" / "out"
    report = shout(corpus, out, log)
    assert report == CorpusReport(rows=10, failures=0, totals={"letters": 50}, errors=None)
    assert sorted(file.name for file in out.iterdir() if not file.name.startswith("_")) == [
        f"part-0000{number}.jsonl" for number in range(4)
    ]
    assert read(out) == [
        {"id": number, "text": f"row {number}", "shout": f"ROW {number}", "letters": 5} for number in range(10)
    ]
    assert len((out / "part-00003.jsonl").read_bytes().splitlines()) == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(lines, min_size=1, max_size=12), st.integers(1, 5))
def test_every_line_comes_out_or_is_told(
    tmp_path_factory: pytest.TempPathFactory, content: list[bytes], block_rows: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "corpus.jsonl").write_bytes(b"\n".join(content) + b"\n")
    out = folder / "out"
    report = shout(folder / "corpus.jsonl", out, str(folder / "log"), block_rows=block_rows)
    good: list[dict[str, Any]] = []
    bad: list[int] = []
    for number, line in enumerate(content, 1):
        try:
            row = json.loads(line.decode("utf-8-sig")) if line.strip() else None
            if row is None and not line.strip():
                continue
            row["text"].upper()
            good.append(row)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            bad.append(number)
    expected = [{**row, "shout": row["text"].upper(), "letters": len(row["text"])} for row in good]
    assert read(out) == expected
    told = [json.loads(line) for line in report.errors.read_bytes().splitlines()] if report.errors else []
    assert [error["line"] for error in told] == bad
    assert all(error["reason"] for error in told)
    assert (report.rows, report.failures) == (len(good), len(bad))


def test_reasons(tmp_path: Path, log: str) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_bytes(b'{"text": "a"}\n\n{"text": "b"\n[1]\n{"id": 5}\ncaf\xe9\n{"text": "c"}')
    report = shout(corpus, tmp_path / "out", log)
    assert report.errors == tmp_path / "out" / "errors.jsonl"
    reasons = {error["line"]: error["reason"] for error in map(json.loads, report.errors.read_text().splitlines())}
    assert reasons.keys() == {3, 4, 5, 6}
    assert reasons[3] == "This is not JSON: Expecting ',' delimiter at character 13."
    assert reasons[4] == "This is a list: a row is a JSON object."
    assert reasons[5] == "There is no text."
    assert reasons[6].startswith("This is not UTF-8 text")


class TestGoingOn:
    def test_a_run_that_was_killed(self, tmp_path: Path, corpus: Path, log: str) -> None:
        out, options = tmp_path / "out", {"log": log, "at": 7}
        arguments = json.dumps([options, str(corpus), str(out)])
        program = (
            "import json, sys; from core.corpus.row_functions import Fragile; "
            "from diffumask_core.corpus import map_corpus; "
            "map_corpus(Fragile, *json.loads(sys.argv[1]), workers=1, block_rows=3)"
        )
        killed = subprocess.run(
            [sys.executable, "-c", program, arguments], cwd=Path(__file__).parents[2], stderr=subprocess.PIPE
        )
        assert killed.returncode == -9, killed.stderr
        before = {part: part.stat().st_mtime_ns for part in out.glob("part-*")}
        assert len(before) == 2
        report = map_corpus(Fragile, options, corpus, out, workers=1, block_rows=3)
        assert report.rows == 10
        assert [row["id"] for row in read(out)] == list(range(10))
        assert {part: part.stat().st_mtime_ns for part in before} == before
        # One block is repeated from its beginning, and no row of another one.
        assert seen(log) == [*range(8), *range(6, 10)]

    def test_what_a_killed_run_left_behind(self, tmp_path: Path, corpus: Path, log: str) -> None:
        out = tmp_path / "out"
        shout(corpus, out, log)
        expected = read(out)
        # It was killed between a part and its receipt, and in the midst of a file.
        (out / "part-00002.jsonl").write_text("half a")
        (out / "_blocks" / "00002.json").unlink()
        (out / "_blocks" / "part-00003.jsonl.0.tmp").write_text("half a")
        assert shout(corpus, out, log) == CorpusReport(10, 0, {"letters": 50}, None)
        assert read(out) == expected
        assert not list(out.rglob("*.tmp"))
        assert seen(log) == [*range(10), 6, 7, 8]

    def test_a_run_that_is_done(self, tmp_path: Path, corpus: Path, log: str) -> None:
        with corpus.open("a") as file:
            file.write("{\n")
        first = shout(corpus, tmp_path / "out", log)
        again = shout(corpus, tmp_path / "out", log)
        assert again == first
        assert again.failures == 1
        assert seen(log) == list(range(10))

    def test_other_arguments_are_refused(self, tmp_path: Path, corpus: Path, log: str) -> None:
        out = tmp_path / "out"
        shout(corpus, out, log)
        expected = read(out)
        with pytest.raises(ResumeError, match="block_rows was 3 and is 4"):
            shout(corpus, out, log, block_rows=4)
        with pytest.raises(ResumeError, match=r"log was '.*log' and is '.*other'"):
            shout(corpus, out, str(tmp_path / "other"))
        with pytest.raises(ResumeError, match=r"function was '.*Shout' and is '.*Faulty'"):
            map_corpus(Faulty, {"log": log}, corpus, out, workers=1, block_rows=3)
        with corpus.open("a") as file:
            file.write('{"text": "one more"}\n')
        with pytest.raises(ResumeError, match=r"input was '\w+' and is '\w+'"):
            shout(corpus, out, log)
        assert read(out) == expected

    def test_a_run_without_a_block_binds_nobody(self, tmp_path: Path, corpus: Path, log: str) -> None:
        with pytest.raises(TypeError):
            map_corpus(Shout, {"lgo": log}, corpus, tmp_path / "out", workers=1)
        assert shout(corpus, tmp_path / "out", log).rows == 10

    def test_a_folder_with_other_things(self, tmp_path: Path, corpus: Path, log: str) -> None:
        with pytest.raises(ResumeError, match="is not empty"):
            shout(corpus, tmp_path, log)
        assert {file.name for file in tmp_path.iterdir()} <= {"corpus.jsonl", "log"}
        with pytest.raises(InputError, match=r"Cannot write .*corpus\.jsonl"):
            shout(corpus, corpus, log)


def test_a_bug_ends_the_run_and_names_the_line(tmp_path: Path, corpus: Path, log: str) -> None:
    with pytest.raises(KeyError, match="next") as caught:
        map_corpus(Faulty, {"log": log}, corpus, tmp_path / "out", workers=1)
    assert caught.value.__notes__ == [f"This was in line 1 of {corpus}."]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers=0 is not possible"),
        ({"block_rows": 0}, "block_rows=0 is not possible"),
    ],
)
def test_bad_arguments(tmp_path: Path, corpus: Path, log: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        shout(corpus, tmp_path / "out", log, **options)


def test_bad_options(tmp_path: Path, corpus: Path) -> None:
    with pytest.raises(InputError, match="not plain data"):
        map_corpus(Shout, {"log": Path("log")}, corpus, tmp_path / "out")


def test_bad_files(tmp_path: Path, log: str) -> None:
    with pytest.raises(DataError, match=r"Cannot read .*none\.jsonl"):
        shout(tmp_path / "none.jsonl", tmp_path / "out", log)
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DataError, match="has no rows"):
        shout(tmp_path / "empty.jsonl", tmp_path / "out", log)
    (tmp_path / "long.jsonl").write_text("{}\n" * 100_001)
    with pytest.raises(InputError, match=r"block_rows=1 makes 100001 blocks"):
        shout(tmp_path / "long.jsonl", tmp_path / "out", log, block_rows=1)
    assert not (tmp_path / "out").exists()
