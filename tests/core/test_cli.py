"""The command line, on files written for the tests and the tiny model."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tokenizers import Tokenizer
from typer.testing import CliRunner

from diffumask_core import Compressor
from diffumask_core.cli import app
from diffumask_core.datasets import SolutionRow, is_held_out

TEXT = "Q: How many apples did Anna sell on Monday?\nA: She sold five and seven. The answer is 12.\n\n"
PROMPT = TEXT + TEXT.replace("Monday", "Friday") + "Q: How many rolls are left?\nA:\n"
LOG = "\n".join(f"2031-05-01 10:00:{second} INFO harbour: ship {second} came in" for second in range(10, 30))
LABEL = {
    "kind": "prose",
    "text": "Anna did not go to Paris, alas.",
    "light": [[0, 4], [9, 24]],
    "tight": [[9, 12], [19, 24]],
}


def invoke(*arguments: object, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def assert_told(result: Result, message: str) -> None:
    """Bad input: a line on standard error, nothing on standard output, exit code 2 and no traceback."""
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert result.stdout == ""
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)


def write(file: Path, *rows: Any) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    file = tmp_path / "prompt.txt"
    file.write_text(PROMPT, "utf-8")
    return file


@pytest.fixture
def how(model_folder: Path) -> list[object]:
    """The tiny model, and a tokenizer that is on this machine."""
    return ["--model", model_folder, "--tokenizer", model_folder]


class TestCompress:
    def test_text(self, prompt: Path, how: list[object]) -> None:
        result = invoke("compress", prompt, "--keep-rate", 0.4, *how)
        assert result.exit_code == 0
        assert result.stdout.endswith("Q: How many rolls are left?\nA:\n")
        assert len(result.stdout) < len(PROMPT)
        assert " tokens (budget " in result.stderr
        assert "of 2 shots dropped" in result.stderr

    def test_standard_input(self, prompt: Path, how: list[object]) -> None:
        options = ["--keep-rate", 0.4, *how]
        expected = invoke("compress", prompt, *options).stdout
        assert invoke("compress", "-", *options, stdin=PROMPT).stdout == expected
        assert invoke("compress", *options, stdin=PROMPT).stdout == expected

    def test_json(self, prompt: Path, how: list[object]) -> None:
        result = invoke("compress", prompt, "--target-tokens", 80, "--format", "json", *how)
        plain = json.loads(result.stdout)
        assert result.exit_code == 0
        assert plain["budget"] == 80 >= plain["compressed_tokens"]
        assert [shot["span"][0] for shot in plain["shots"]] == [0, len(TEXT)]
        assert plain.keys() >= {"text", "spans", "original_tokens", "protected_tokens", "counter", "timings"}

    def test_html(self, prompt: Path, how: list[object]) -> None:
        result = invoke("compress", prompt, "--keep-rate", 0.4, "--format", "html", *how)
        assert result.exit_code == 0
        assert result.stdout.startswith("<!doctype html>")
        assert result.stdout.rstrip().endswith("</html>")
        assert "Friday" in result.stdout

    def test_options_reach_the_compressor(self, prompt: Path, how: list[object]) -> None:
        protect = ["--protect", "on Friday", "--protect", "five and seven"]
        options = ["--keep-rate", 0.05, "--query", "Which day?", "--steps", 2, *protect]
        result = invoke("compress", prompt, *options, *how)
        assert result.exit_code == 0
        assert "on Friday" in result.stdout
        assert result.stdout.count("five and seven") == 2

    def test_flags_reach_the_compressor(
        self, prompt: Path, how: list[object], compressor: Compressor, tokenizer: Tokenizer
    ) -> None:
        flags: dict[str, dict[str, Any]] = {
            "--min-shots 2": {"min_shots": 2},
            "--compress-instructions": {"compress_instructions": True},
            "--compress-query": {"compress_query": True},
            "--compress-rationales": {"compress_rationales": True},
            "--no-shot-level": {"shot_level": False},
            "--no-token-level": {"token_level": False},
            "--grain words": {"grain": "words"},
            "--no-marks": {"marks": False},
            "--named-marks": {"marks": "named"},
            "--on-overflow best_effort": {"on_overflow": "best_effort"},
        }
        file = prompt.with_name("mixed.txt")
        file.write_text(f"Answer with a number, and say what was sold on which day.\n\n{PROMPT}{LOG}\n", "utf-8")
        text = file.read_text("utf-8")
        seen = set()
        for flag, options in flags.items():
            result = invoke("compress", file, "--keep-rate", 0.4, *flag.split(), *how)
            expected = compressor.compress(text, keep_rate=0.4, tokenizer=tokenizer, **options)
            assert result.stdout == expected.text + "\n" * (not expected.text.endswith("\n"))
            seen.add(result.stdout)
        assert len(seen) > 4
        assert invoke("compress", file, "--target-tokens", 1, "--on-overflow", "best_effort", *how).exit_code == 0

    def test_marks_in_json_and_html(self, how: list[object]) -> None:
        options = ["--keep-rate", 0.4, *how]
        plain = json.loads(invoke("compress", *options, "--format", "json", stdin=LOG).stdout)
        assert plain["regions"] == [{"kind": "log", "span": [0, len(LOG)]}]
        assert plain["marks"]
        page = invoke("compress", *options, "--format", "html", stdin=LOG).stdout
        for mark in plain["marks"]:
            assert mark["text"] in plain["text"]
            assert mark["text"] in page
        assert len(plain["marks"]) == page.count("left out]</ins>")
        bare = json.loads(invoke("compress", *options, "--no-marks", "--format", "json", stdin=LOG).stdout)
        assert bare["marks"] == []
        assert "left out" not in bare["text"]

    def test_a_text_that_fits_comes_back(self, how: list[object]) -> None:
        text = "  Grüße,\n\n  日本 😀 \n"
        assert invoke("compress", "--keep-rate", 1, *how, stdin=text).stdout == text

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ([], "Of --keep-rate and --target-tokens neither was given: pass one, such as --keep-rate 0.5"),
            (["--keep-rate", 0.5, "--target-tokens", 9], "Of --keep-rate and --target-tokens both was given"),
            (["--keep-rate", 1.5], "--keep-rate 1.5 is not a share"),
            (["--target-tokens", 0], "--target-tokens 0 is not possible"),
            (["--target-tokens", 3], "more than the budget of 3: raise --target-tokens to at least"),
            (["--target-tokens", 3], 'pass --on-overflow "best_effort" to get'),
            (["--keep-rate", 0.5, "--min-shots", -1], "--min-shots -1 is not possible"),
            (["--keep-rate", 0.5, "--protect", ""], "--protect holds an empty string"),
            (["--keep-rate", 0.5, "--steps", 0], "--steps 0 is not possible"),
            (["--keep-rate", 0.5, "--tokenizer", "no-such"], "No tokenizer is known as 'no-such'"),
            (["--keep-rate", 0.5, "--model", "no such!"], "There is no model 'no such!'"),
            (["--keep-rate", "half"], "Invalid value"),
            (["--format", "pdf"], "Invalid value"),
            (["--grain", "lines"], "Invalid value"),
            (["--on-overflow", "ignore"], "Invalid value"),
        ],
    )
    def test_bad_options(self, prompt: Path, how: list[object], options: list[object], message: str) -> None:
        assert_told(invoke("compress", prompt, *how, *options), message)

    def test_an_empty_text(self, how: list[object]) -> None:
        assert_told(invoke("compress", "--keep-rate", 0.5, *how, stdin=""), "Error: The text is empty")

    def test_a_missing_file(self, tmp_path: Path, how: list[object]) -> None:
        assert_told(invoke("compress", tmp_path / "none.txt", "--keep-rate", 0.5, *how), "none.txt: No such file")

    def test_a_folder(self, tmp_path: Path, how: list[object]) -> None:
        assert_told(invoke("compress", tmp_path, "--keep-rate", 0.5, *how), "Cannot read")

    def test_a_file_that_is_not_utf8(self, how: list[object]) -> None:
        assert_told(invoke("compress", "--keep-rate", 0.5, *how, stdin=b"caf\xe9"), "not UTF-8 text")


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    rows = [{**LABEL, "id": f"r{number}", "split": "dev" if number < 2 else "train"} for number in range(6)]
    return write(tmp_path / "labels.jsonl", *rows)


class TestTrain:
    def test_a_model_comes_out(self, tmp_path: Path, labels: Path, encoder_folder: Path, prompt: Path) -> None:
        out = tmp_path / "out"
        shots = {"id": "s", "kind": "qa", "query": "Who?", "shots": ["Anna did.", "It rained."], "grades": [3, 0]}
        shot_file = write(tmp_path / "shots.jsonl", shots)
        options = ["--labels", labels, "--shot-labels", shot_file, "--out", out, "--encoder", encoder_folder]
        result = invoke("train", *options, "--epochs", 1, "--device", "cpu")
        assert result.exit_code == 0, result.output
        assert {file.name for file in out.iterdir()} >= {"config.json", "model.safetensors", "tokenizer.json"}
        log = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
        assert log[0]["epoch"] == 1
        assert all(0 <= line["tight_f1_1"] <= line["score"] for line in log)
        used = invoke("compress", prompt, "--keep-rate", 0.3, "--model", out, "--tokenizer", out)
        assert used.exit_code == 0
        again = invoke("train", *options[:2], "--out", tmp_path / "on", "--start-from", out, "--epochs", 1)
        assert again.exit_code == 0, again.output

    @pytest.mark.parametrize("splits", ["train", "dev"])
    def test_both_splits_are_needed(self, tmp_path: Path, splits: str, encoder_folder: Path) -> None:
        file = write(tmp_path / "labels.jsonl", {**LABEL, "id": "a", "split": splits})
        result = invoke("train", "--labels", file, "--out", tmp_path / "out", "--encoder", encoder_folder)
        assert_told(result, "it must have rows of both splits")

    def test_a_broken_line_is_named(self, tmp_path: Path, labels: Path) -> None:
        labels.write_text(labels.read_text("utf-8") + '{"id": 1}\n', "utf-8")
        assert_told(invoke("train", "--labels", labels, "--out", tmp_path / "out"), "labels.jsonl, line 7:")

    def test_a_missing_file(self, tmp_path: Path) -> None:
        assert_told(invoke("train", "--labels", tmp_path / "none.jsonl", "--out", tmp_path), "Cannot read")

    @pytest.mark.parametrize("option", ["--encoder", "--start-from"])
    def test_a_missing_start(self, tmp_path: Path, labels: Path, option: str) -> None:
        options = ["--labels", labels, "--out", tmp_path / "out", option, tmp_path / "nowhere"]
        assert_told(invoke("train", *options), "nowhere")


class TestEvaluate:
    def test_labels(self, labels: Path, model_folder: Path) -> None:
        options = ["evaluate", "labels", "--data", labels, "--model", model_folder, "--steps", 2]
        result = invoke(*options, "--json")
        report = json.loads(result.stdout)
        assert result.exit_code == 0
        assert (report["task"], report["data"], report["rows"]) == ("labels", "labels.jsonl", 2)
        assert report["results"].keys() == {"1 step", "2 steps"}
        assert report["baselines"].keys() == {"random", "lead", "idf"}
        assert 0 <= report["results"]["1 step"]["light"]["f1"] <= 1
        table = invoke(*options)
        assert table.exit_code == 0
        assert "labels: 2 rows of labels.jsonl" in table.stdout
        assert str(report["baselines"]["lead"]["tight"]["f1"]) in table.stdout

    def test_limit_and_split(self, labels: Path, model_folder: Path) -> None:
        options = ["--data", labels, "--model", model_folder, "--steps", 1, "--split", "train", "--limit", 3, "--json"]
        report = json.loads(invoke("evaluate", "labels", *options).stdout)
        assert report["rows"] == 3
        assert report["results"].keys() == {"1 step"}

    def test_gsm8k(self, tmp_path: Path, labels: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("diffumask_core.evaluation.command._TOKENIZER", str(model_folder))
        answer = "It is 5 * 14 = <<5*14=70>>70.\n#### 70"
        rows = [{"question": f"A baker makes {number} rolls. How many?", "answer": answer} for number in range(40)]
        data = write(tmp_path / "gsm8k.jsonl", *rows)
        options = ["--data", data, "--labels", labels, "--model", model_folder, "--keep-rates", "1,0.3", "--limit", 2]
        result = invoke("evaluate", "gsm8k", *options, "--steps", 2, "--json")
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        assert report["rows"] == 2 <= sum(is_held_out(SolutionRow.model_validate(row)) for row in rows)
        assert report["results"]["2 steps"].keys() == {"1.0", "0.3"}
        assert report["results"]["2 steps"]["1.0"] == report["baselines"]["idf"]["1.0"] == 1.0

    def test_nq(self, tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from diffumask_core.evaluation import baselines

        monkeypatch.setattr(baselines, "minilm_similarities", lambda: baselines.tfidf_similarities)
        passages = [
            {"title": "Flood", "text": "Anna carried the radio.", "is_gold": True},
            {"title": "Bread", "text": "A baker makes rolls.", "is_gold": False},
        ]
        row = {"id": "q", "question": "Who carried the radio?", "answers": ["Anna"], "documents": passages}
        data = write(tmp_path / "nq.jsonl", row)
        options = ["--data", data, "--model", model_folder, "--keep-rates", "1.0,0.5", "--steps", 2, "--json"]
        result = invoke("evaluate", "nq", *options)
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        assert report["results"]["2 steps"]["1.0"] == 1.0
        assert report["baselines"]["tfidf passages"] == {"1.0": 1.0, "0.5": 1.0}

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["labels"], "evaluate labels needs its file"),
            (["nq"], "pass --data FILE"),
            (["gsm8k", "--data", "x.jsonl"], "pass --labels token_labels.jsonl"),
            (["labels", "--data", "none.jsonl"], "Cannot read none.jsonl"),
            (["labels", "--keep-rates", "0.5,2"], "--keep-rates 0.5,2 are not shares"),
            (["labels", "--keep-rates", "half"], "are not shares"),
            (["labels", "--keep-rates", "nan"], "are not shares"),
            (["poetry"], "poetry"),
        ],
    )
    def test_bad_arguments(self, model_folder: Path, arguments: list[str], message: str) -> None:
        assert_told(invoke("evaluate", *arguments, "--model", model_folder), message)

    def test_a_split_without_rows(self, labels: Path, model_folder: Path) -> None:
        options = ["--data", labels, "--model", model_folder, "--split", "test"]
        assert_told(invoke("evaluate", "labels", *options), "has no rows in split test")


def test_version() -> None:
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.stdout == f"diffumask {version('diffumask')}\n"


def test_help_names_the_commands() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert all(command in result.stdout for command in ("compress", "train", "evaluate"))
