"""The command line, on files written for the tests and the tiny model."""

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from made_runs import drawn_run, drawn_runs
from tokenizers import Tokenizer
from typer.main import get_command
from typer.testing import CliRunner

from diffumask_core import Compressor, ModelError
from diffumask_core.cli import app
from diffumask_core.datasets import HindsightRow, SolutionRow, is_held_out, read_rows
from diffumask_core.lines.model import LINES_FILE, LineModel

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

    def test_a_name_that_is_nowhere_in_the_text_is_told(
        self, prompt: Path, how: list[object], caplog: pytest.LogCaptureFixture
    ) -> None:
        invoke("compress", prompt, "--keep-rate", 0.4, "--protect", "Anna", "--protect", "Mr. Nobody", *how)
        assert caplog.messages == ["protect holds 'Mr. Nobody', which is nowhere in the text."]

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
            (["--keep-rate", 0.5, "--target-tokens", 9], "Of --keep-rate and --target-tokens both were given"),
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
        """A new one from an encoder, with another as the teacher of its comparer."""
        out = tmp_path / "out"
        shots = {"id": "s", "kind": "qa", "query": "Who?", "shots": ["Anna did.", "It rained."], "grades": [3, 0]}
        shot_file = write(tmp_path / "shots.jsonl", shots)
        texts = write(tmp_path / "texts.jsonl", *({"text": f"A boat with {number} sails."} for number in range(3)))
        options = ["--labels", labels, "--shot-labels", shot_file, "--texts", texts, "--out", out]
        options += ["--encoder", encoder_folder, "--trunk-layers", 1, "--teacher", encoder_folder]
        result = invoke("train", *options, "--epochs", 1, "--device", "cpu")
        assert result.exit_code == 0, result.output
        assert {file.name for file in out.iterdir()} >= {"config.json", "model.safetensors", "tokenizer.json"}
        log = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
        assert log[0]["epoch"] == 1
        assert all(0 <= line["tight_f1"] <= line["score"] for line in log)
        used = invoke("compress", prompt, "--keep-rate", 0.3, "--model", out, "--tokenizer", out)
        assert used.exit_code == 0
        again = invoke("train", *options[:2], "--out", tmp_path / "on", "--start-from", out, "--epochs", 1)
        assert again.exit_code == 0, again.output

    @pytest.mark.parametrize("splits", ["train", "dev"])
    def test_both_splits_are_needed(self, tmp_path: Path, splits: str, encoder_folder: Path) -> None:
        file = write(tmp_path / "labels.jsonl", {**LABEL, "id": "a", "split": splits})
        result = invoke("train", "--labels", file, "--out", tmp_path / "out", "--encoder", encoder_folder)
        assert_told(result, "there must be rows of both splits")

    def test_a_broken_line_is_named(self, tmp_path: Path, labels: Path) -> None:
        labels.write_text(labels.read_text("utf-8") + '{"id": 1}\n', "utf-8")
        assert_told(invoke("train", "--labels", labels, "--out", tmp_path / "out"), "labels.jsonl, line 7:")

    def test_a_missing_file(self, tmp_path: Path) -> None:
        assert_told(invoke("train", "--labels", tmp_path / "none.jsonl", "--out", tmp_path), "Cannot read")

    @pytest.mark.parametrize("option", ["--encoder", "--teacher"])
    def test_a_start_that_has_both(self, tmp_path: Path, labels: Path, option: str, encoder_folder: Path) -> None:
        options = ["--labels", labels, "--out", tmp_path / "out", "--start-from", "bundled", option, encoder_folder]
        assert_told(invoke("train", *options), "are for a new model: leave them out with --start-from")

    def test_layers_of_no_encoder(self, tmp_path: Path, labels: Path) -> None:
        options = ["--labels", labels, "--out", tmp_path / "out", "--trunk-layers", 2]
        assert_told(invoke("train", *options), "--trunk-layers is about an encoder: pass it with --encoder")

    def test_a_trunk_without_a_graph_is_told_of(
        self,
        tmp_path: Path,
        labels: Path,
        encoder_folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """What has been trained is there, and runs on torch."""

        def refuse(*_: object) -> None:
            raise ModelError("A trunk of this type does not become a graph.")

        monkeypatch.setattr("diffumask_core.training.command.export_folder", refuse)
        options = ["--labels", labels, "--out", tmp_path / "out", "--epochs", 1, "--device", "cpu"]
        result = invoke("train", *options, "--encoder", encoder_folder, "--teacher", encoder_folder)
        assert result.exit_code == 0, result.output
        assert "A trunk of this type does not become a graph." in caplog.text
        assert Compressor.from_pretrained(tmp_path / "out").compress("one two three", keep_rate=0.5, tokenizer=len)

    @pytest.mark.parametrize("option", ["--encoder", "--start-from"])
    def test_a_missing_start(self, tmp_path: Path, labels: Path, option: str) -> None:
        options = ["--labels", labels, "--out", tmp_path / "out", option, tmp_path / "nowhere"]
        assert_told(invoke("train", *options), "nowhere")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return write(tmp_path / "runs.jsonl", *(run.model_dump() for run in drawn_runs(6)))


class TestHindsight:
    def test_rows_come_out(self, tmp_path: Path, runs: Path) -> None:
        out = tmp_path / "rows.jsonl"
        result = invoke("label", "hindsight", "--runs", runs, "--out", out, "--cuts", "0.75")
        assert result.exit_code == 0, result.output
        assert result.stdout == "6 rows of 6 runs: 18 strings needed, in 18 lines, rows and records\n"
        rows = read_rows(out, HindsightRow)
        assert [row.id for row in rows] == [f"run-{number}@17" for number in range(6)]
        twice = invoke("label", "hindsight", "--runs", runs, "--runs", runs, "--out", out, "--cuts", "0.75", "--json")
        assert json.loads(twice.stdout) == {"runs": 12, "rows": 12, "needed": 36, "units": 36}

    def test_more_runs_tell_what_is_common(self, tmp_path: Path) -> None:
        said = "I change src/anchor/opens_0.py and src/anchor/closes_0.py now"
        spoken = {"messages": [*drawn_run(0)[:19], {"role": "assistant", "content": said}]}
        runs = write(tmp_path / "runs.jsonl", spoken)
        also = write(tmp_path / "also.jsonl", *[spoken] * 3)
        options = ["label", "hindsight", "--runs", runs, "--out", tmp_path / "rows.jsonl", "--cuts", "0.75"]
        assert invoke(*options).stdout.startswith("1 rows of 1 runs: 2 strings")
        assert_told(invoke(*options, "--also", also), "None of the 1 runs writes anything later")

    def test_cuts_by_default(self, tmp_path: Path, runs: Path) -> None:
        report = json.loads(
            invoke("label", "hindsight", "--runs", runs, "--out", tmp_path / "rows.jsonl", "--json").stdout
        )
        assert report["rows"] > report["runs"] == 6

    @pytest.mark.parametrize("cuts", ["half", "0", "0.5,1.5", "nan", "", "0.5,,0.7"])
    def test_cuts_that_are_no_shares(self, tmp_path: Path, runs: Path, cuts: str) -> None:
        options = ["--runs", runs, "--out", tmp_path / "rows.jsonl", "--cuts", cuts]
        assert_told(invoke("label", "hindsight", *options), f"--cuts {cuts} are not shares".replace("  ", " "))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (None, "Cannot read"),
            ("", "runs.jsonl"),
            ("no JSON\n", "runs.jsonl, line 1"),
            ('{"messages": [{"role": "user", "content": "Hello."}]}\n', "None of the 1 runs"),
            ('{"id": 1}\n', "runs.jsonl, line 1"),
            ('{"id": "a", "messages": [{"content": "Hello."}]}\n', "run 1 'a': messages[0] has no role"),
        ],
    )
    def test_files_without_runs(self, tmp_path: Path, text: str | None, message: str) -> None:
        file = tmp_path / "runs.jsonl"
        if text is not None:
            file.write_text(text, "utf-8")
        assert_told(invoke("label", "hindsight", "--runs", file, "--out", tmp_path / "rows.jsonl"), message)
        assert not (tmp_path / "rows.jsonl").exists()

    def test_the_line_model_alone_is_trained(self, tmp_path: Path, runs: Path, model_folder: Path) -> None:
        rows, out = tmp_path / "rows.jsonl", tmp_path / "own"
        invoke("label", "hindsight", "--runs", runs, "--out", rows)
        options = ["train", "--hindsight", rows, "--epochs", 1]
        result = invoke(*options, "--start-from", model_folder, "--out", out)
        assert result.exit_code == 0, result.output
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            assert (out / name).read_bytes() == (model_folder / name).read_bytes()
        model = LineModel.load(out)
        assert model is not None
        # A second time in the same folder: the line model is another one, and all else is as before.
        assert invoke(*options, "--seed", 1, "--start-from", out, "--out", out).exit_code == 0
        again = LineModel.load(out)
        assert again is not None
        assert (again.weights["out.0.weight"] != model.weights["out.0.weight"]).any()
        assert (out / "model.safetensors").read_bytes() == (model_folder / "model.safetensors").read_bytes()

    def test_both_are_trained(self, tmp_path: Path, runs: Path, labels: Path, encoder_folder: Path) -> None:
        rows, out, on = tmp_path / "rows.jsonl", tmp_path / "both", tmp_path / "on"
        invoke("label", "hindsight", "--runs", runs, "--out", rows)
        options = ["--labels", labels, "--epochs", 1, "--device", "cpu"]
        new = ["--encoder", encoder_folder, "--teacher", encoder_folder]
        result = invoke("train", *options, *new, "--hindsight", rows, "--out", out)
        assert result.exit_code == 0, result.output
        assert LineModel.load(out) is not None
        # Where there are no rows, the line model is that of the model to start from.
        assert invoke("train", *options, "--start-from", out, "--out", on).exit_code == 0
        assert (on / LINES_FILE).read_bytes() == (out / LINES_FILE).read_bytes()

    def test_too_few_rows_leave_no_model(self, tmp_path: Path, runs: Path, model_folder: Path) -> None:
        rows, out = tmp_path / "rows.jsonl", tmp_path / "own"
        runs.write_text("".join(runs.read_text("utf-8").splitlines(keepends=True)[:2]), "utf-8")
        invoke("label", "hindsight", "--runs", runs, "--out", rows, "--cuts", "0.75")
        result = invoke("train", "--hindsight", rows, "--start-from", model_folder, "--out", out)
        assert_told(result, "Of 2 rows 2 have between 10 and 2500 lines")
        assert not out.exists()

    @pytest.mark.parametrize(
        "option", ["--shot-labels", "--passages", "--exemplars", "--texts", "--encoder", "--teacher"]
    )
    def test_what_goes_with_labels(self, tmp_path: Path, runs: Path, option: str) -> None:
        rows = tmp_path / "rows.jsonl"
        invoke("label", "hindsight", "--runs", runs, "--out", rows)
        result = invoke("train", "--hindsight", rows, option, runs, "--out", tmp_path / "own")
        assert_told(result, "go with --labels: with --hindsight alone only the line model is trained")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["train"], "train needs labels: pass --labels FILE, --hindsight FILE, or both"),
            (["train", "--hindsight", "none.jsonl"], "Cannot read none.jsonl"),
            (["label", "hindsight"], "Missing option '--runs'"),
            (["label"], "label needs --prompts, --items, --reader and --out; of runs of agents see hindsight"),
            (["label", "--prompts", "prompts.jsonl"], "label needs --prompts, --items, --reader and --out"),
            (["label", "foresight"], "No such command 'foresight'"),
        ],
    )
    def test_bad_arguments(self, tmp_path: Path, arguments: list[str], message: str) -> None:
        out = [] if arguments[-1] == "foresight" else ["--out", tmp_path / "own"]
        assert_told(invoke(*arguments, *out), message)

    def test_a_broken_row_is_named(self, tmp_path: Path, runs: Path) -> None:
        rows = tmp_path / "rows.jsonl"
        invoke("label", "hindsight", "--runs", runs, "--out", rows, "--cuts", "0.75")
        rows.write_text(rows.read_text("utf-8") + '{"id": "a", "messages": []}\n', "utf-8")
        assert_told(invoke("train", "--hindsight", rows, "--out", tmp_path / "own"), "rows.jsonl, line 7:")


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


def test_help_has_every_name_and_summary_in_full() -> None:
    """In a terminal of 80 columns."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), get_command(app))]
    while waiting:
        path, command = waiting.pop()
        told = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).stdout
        options = [name for each in command.params for name in (*each.opts, *each.secondary_opts) if name[0] == "-"]
        assert [name for name in options if not re.search(rf"(?<![\w-]){name}(?![\w-])", told)] == []
        assert [line for line in told.splitlines() if line.endswith(("...", "…")) and "Usage" not in line] == []
        waiting += [((*path, name), each) for name, each in getattr(command, "commands", {}).items()]


def test_help_of_serve_says_what_the_program_does() -> None:
    assert "OPENAI_BASE_URL=http://127.0.0.1:8787/v1" in invoke("serve", "--help").stdout
