"""From prompts to label rows, and the command line."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from diffumask_core.rendering.join import join_spans
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from diffumask_core import DataError, InputError
from diffumask_core.cli import app
from diffumask_core.datasets import ItemRow, LabelRow, PromptRow, covered_units, read_rows
from diffumask_core.errors import ReaderBudgetError
from diffumask_core.labeling import Labelled, label_prompts
from diffumask_core.labeling.command import label_from_files
from diffumask_core.model.pruner import Pruner
from diffumask_core.readers import Question
from diffumask_core.readers.cost import Cost
from diffumask_core.units.words import split_words

SHOTS = [
    {"question": "The parcel was left in the rain, and the box is wet through.", "answer": "delivery"},
    {"question": "You took the money twice, for the same month!", "answer": "billing"},
    {"question": "Where is the courier? I have been at home all day.", "answer": "delivery"},
    {"question": "My invoice lacks the address of the firm, I am afraid.", "answer": "billing"},
]
PROMPTS = [
    {"id": "a", "instructions": "Sort the mail.", "shots": SHOTS, "source": "mail/1"},
    {"id": "b", "shots": SHOTS[::-1], "kind": "mail", "split": "dev"},
    {"id": "c", "prompt": "Q: Is the box wet?\nA: yes\n\nQ: Is the invoice paid?\nA: no\n\nQ: Is it red?\nA: yes"},
]
ITEMS = [
    {"query": "Q: box\nA:", "answer": "delivery", "labels": ["delivery", "billing"]},
    {"query": "Q: invoice\nA:", "answer": "billing", "labels": ["delivery", "billing"]},
]


class Finds:
    """Answers right where the word that is asked for is left of the prompt."""

    name = "finds"

    def __init__(self, fail_after: int = 10**9) -> None:
        self.rounds: list[Sequence[Question]] = []
        self.fail_after = fail_after

    def answers(self, questions: Sequence[Question]) -> list[str]:
        if len(self.rounds) >= self.fail_after:
            raise ReaderBudgetError("max_calls", 7, 8)
        self.rounds.append(questions)
        return [q.answer if q.query.split()[1] in re.findall(r"\w+", q.prompt) else "?" for q in questions]

    def log_probabilities(self, questions: Sequence[Question]) -> list[float]:
        return [0.0 for _ in questions]


class Indifferent(Finds):
    """Needs no prompt."""

    def answers(self, questions: Sequence[Question]) -> list[str]:
        return [question.answer for question in questions]


class Ignorant(Finds):
    """Answers nothing."""

    def answers(self, questions: Sequence[Question]) -> list[str]:
        return ["" for _ in questions]


class Paid(Finds):
    """A reader that costs."""

    spent = Cost()

    def estimate(self, questions: Sequence[Question]) -> Cost:
        return Cost(len(questions), 100)


def prompt_rows() -> list[PromptRow]:
    return [PromptRow.model_validate(row) for row in PROMPTS]


def item_rows() -> list[ItemRow]:
    return [ItemRow.model_validate(row) for row in ITEMS]


def write(file: Path, rows: Sequence[Any]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {
        "prompts": write(tmp_path / "prompts.jsonl", PROMPTS),
        "items": write(tmp_path / "items.jsonl", ITEMS),
        "out": tmp_path / "labels.jsonl",
        "cache": tmp_path / "replies.sqlite",
    }


def label_files(files: dict[str, Path], model: Path, reader: Any, **options: Any) -> dict[str, Any]:
    chosen = {"search": "hierarchical", "measure": "accuracy", "floor": 1.0, "max_calls": 500, "batch": 1, **options}
    return label_from_files(**files, reader=reader, model=str(model), **chosen)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def words(row: LabelRow, spans: Sequence[tuple[int, int]]) -> list[str]:
    return join_spans(row.text, list(spans)).split()


def labelled(pruner: Pruner, reader: Any = None, **options: Any) -> dict[str, Labelled]:
    found = label_prompts(prompt_rows(), item_rows(), reader or Finds(), **{"floor": 1.0, "pruner": pruner, **options})
    return {one.id: one for one in found}


class TestRows:
    @pytest.mark.parametrize("search", ["hierarchical", "sequential", "shots-first"])
    def test_tight_is_what_is_needed_with_markers_and_answers(self, pruner: Pruner, search: str) -> None:
        row = labelled(pruner, search=search)["a"].row
        assert row is not None
        assert words(row, row.tight) == ["Q:", "box", "A:", "delivery", "Q:", "invoice", "A:", "billing"]

    def test_the_text_is_that_of_the_shots_that_stay(self, pruner: Pruner) -> None:
        found = labelled(pruner)
        first, second = found["a"].row, found["b"].row
        assert first is not None
        assert second is not None
        stay = [f"Q: {shot['question']}\nA: {shot['answer']}" for shot in (SHOTS[0], SHOTS[3])]
        assert first.text == "\n\n".join(stay)
        assert second.text == "\n\n".join(stay[::-1])
        assert (first.id, first.kind, first.source, first.query, first.split) == (
            "a",
            "few_shot",
            "mail/1",
            None,
            "train",
        )
        assert (second.id, second.kind, second.split) == ("b", "mail", "dev")

    @settings(max_examples=15, deadline=None)
    @given(
        floor=st.sampled_from([0.5, 1.0]),
        max_calls=st.integers(2, 80),
        search=st.sampled_from(["hierarchical", "sequential"]),
        batch=st.integers(1, 3),
    )
    def test_tight_is_inside_light_and_light_is_about_half(
        self, pruner: Pruner, floor: float, max_calls: int, search: str, batch: int
    ) -> None:
        for one in labelled(pruner, floor=floor, max_calls=max_calls, search=search, batch=batch).values():
            assert one.calls <= max_calls
            assert one.quality >= one.floor - 1e-9
            if one.row is None:
                continue
            row = LabelRow.model_validate_json(one.row.model_dump_json())
            offsets = split_words(row.text)
            light, tight = (covered_units(offsets, spans, len(row.text)) for spans in (row.light, row.tight))
            assert not (tight & ~light).any()
            assert light.mean() == pytest.approx(max(0.55, tight.mean()), abs=1 / len(offsets))
            for spans in (row.light, row.tight):
                flat = [edge for span in spans for edge in span]
                assert flat == sorted(set(flat))
                assert 0 <= flat[0] <= flat[-1] <= len(row.text)

    def test_what_went_last_comes_back_first(self, pruner: Pruner) -> None:
        row = labelled(pruner, search="sequential")["a"].row
        assert row is not None
        offsets = split_words(row.text)
        light, tight = (covered_units(offsets, spans, len(row.text)) for spans in (row.light, row.tight))
        # One unit went after the other from the left.
        assert np.flatnonzero(light & ~tight).min() > np.flatnonzero(~light).max()

    def test_a_plain_text_without_shots_is_one_text(self, pruner: Pruner) -> None:
        prompt = PromptRow(id="d", prompt="The box was grey. The invoice was lost, as it happens.")
        [found] = label_prompts([prompt], item_rows(), Finds(), floor=1.0, pruner=pruner)
        assert found.row is not None
        assert found.row.text == prompt.prompt
        assert words(found.row, found.row.tight) == ["box", "invoice"]

    def test_no_row_where_nothing_is_needed_or_nothing_helps(self, pruner: Pruner) -> None:
        for reader, ended, kept in ((Indifferent(), "minimal", 0.0), (Ignorant(), "useless", 1.0)):
            for one in labelled(pruner, reader).values():
                assert (one.row, one.ended, one.kept) == (None, ended, kept)

    def test_the_reader_is_asked_about_several_prompts_at_once(self, pruner: Pruner) -> None:
        reader = Finds()
        labelled(pruner, reader)
        first = {question.prompt for question in reader.rounds[0]}
        assert len(first) == len(PROMPTS)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"floor": 0.0}, "floor=0.0 is not a share"),
            ({"floor": 1.1}, "floor=1.1 is not a share"),
            ({"max_calls": 1}, "max_calls=1 does not even judge the full prompt on the 2 items"),
            ({"batch": 0}, "batch=0 is not possible"),
            ({"search": "random"}, "search='random' is unknown"),
            ({"measure": "bleu"}, "measure='bleu' is unknown"),
        ],
    )
    def test_arguments_that_are_not_possible(self, pruner: Pruner, options: dict[str, Any], message: str) -> None:
        with pytest.raises(InputError, match=message):
            labelled(pruner, **options)

    def test_no_items(self, pruner: Pruner) -> None:
        with pytest.raises(InputError, match="no validation items"):
            list(label_prompts(prompt_rows(), [], Finds(), pruner=pruner))


class TestFiles:
    def test_rows_and_report(self, files: dict[str, Path], model_folder: Path) -> None:
        report = label_files(files, model_folder, Finds())
        rows = read_rows(files["out"], LabelRow)
        assert [row.id for row in rows] == ["a", "b", "c"]
        assert report["reader"] == "finds"
        assert report["rows"] == 3
        assert report["calls"] == sum(prompt["calls"] for prompt in report["prompts"])
        assert sorted(prompt["id"] for prompt in report["prompts"]) == ["a", "b", "c"]
        assert json.loads(json.dumps(report)) == report

    def test_train_takes_them(self, files: dict[str, Path], model_folder: Path, encoder_folder: Path) -> None:
        label_files(files, model_folder, Finds())
        out = files["out"].parent / "model"
        result = invoke(
            "train",
            "--labels",
            files["out"],
            "--out",
            out,
            "--encoder",
            encoder_folder,
            "--epochs",
            1,
            "--device",
            "cpu",
        )
        assert result.exit_code == 0, result.output
        assert (out / "model.safetensors").exists()

    @pytest.mark.parametrize("fail_after", [0, 1, 20])
    def test_what_a_failing_reader_has_answered_is_not_asked_again(
        self, files: dict[str, Path], model_folder: Path, fail_after: int
    ) -> None:
        whole, first, rest = Finds(), Finds(fail_after), Finds()
        expected = label_files({**files, "cache": files["cache"].with_name("other")}, model_folder, whole)
        with pytest.raises(ReaderBudgetError):
            label_files(files, model_folder, first)
        report = label_files(files, model_folder, rest)
        assert {**report, "seconds": 0} == {**expected, "seconds": 0}
        asked = [question for reader in (first, rest) for questions in reader.rounds for question in questions]
        assert len(asked) == len(set(asked)) == sum(map(len, whole.rounds))

    def test_rows_that_are_done_are_there_when_the_reader_fails(
        self, files: dict[str, Path], model_folder: Path
    ) -> None:
        whole = Finds()
        label_files({**files, "cache": files["cache"].with_name("other")}, model_folder, whole)
        with pytest.raises(ReaderBudgetError):
            label_files(files, model_folder, Finds(len(whole.rounds) - 1))
        done = read_rows(files["out"], LabelRow)
        assert done
        assert len(done) < 3

    def test_the_cost_is_told_before_a_paid_run(self, files: dict[str, Path], model_folder: Path) -> None:
        told: list[Cost] = []

        def stop(cost: Cost) -> None:
            told.append(cost)
            raise KeyboardInterrupt

        reader = Paid()
        with pytest.raises(KeyboardInterrupt):
            label_files(files, model_folder, reader, confirm=stop)
        assert reader.rounds == []
        [cost] = told
        assert cost.calls == 3 * 500
        assert cost.tokens > 30 * cost.calls

    def test_nobody_is_asked_before_a_free_run(self, files: dict[str, Path], model_folder: Path) -> None:
        label_files(files, model_folder, Finds(), confirm=lambda cost: pytest.fail("asked"))

    def test_an_id_that_is_there_twice(self, files: dict[str, Path], model_folder: Path) -> None:
        write(files["prompts"], [PROMPTS[0], PROMPTS[0]])
        with pytest.raises(DataError, match="several prompts with the id 'a'"):
            label_files(files, model_folder, Finds())


class TestCommand:
    @pytest.fixture
    def options(self, files: dict[str, Path], model_folder: Path) -> list[object]:
        given = [argument for name, path in files.items() for argument in (f"--{name}", path)]
        return [*given, "--model", model_folder]

    def test_json(self, options: list[object], files: dict[str, Path]) -> None:
        result = invoke("label", *options, "--reader", "nearest", "--floor", 0.5, "--max-calls", 30, "--json")
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        assert report["reader"] == "nearest exemplar"
        assert all(prompt["calls"] <= 30 for prompt in report["prompts"])
        assert len(read_rows(files["out"], LabelRow)) == report["rows"]

    def test_table(self, options: list[object]) -> None:
        result = invoke("label", *options, "--reader", "nearest", "--max-calls", 10, "--search", "sequential")
        assert result.exit_code == 0, result.output
        assert "max_calls" in result.stdout
        assert "calls" in result.stdout

    @pytest.mark.parametrize(
        ("name", "line", "message"),
        [
            ("prompts", '{"id": "x"}', "prompts.jsonl, line 2: Value error, give either prompt, or shots"),
            ("prompts", '{"id": "x", "shots": [""]}', "line 2: Value error, Shot 1 is an empty string"),
            ("prompts", '{"id": "x", "shots": [{"question": 1}]}', "prompts.jsonl, line 2:"),
            ("prompts", '{"id": "x", "prompt": "y", "split": "test"}', "(field split)"),
            ("prompts", "{", "prompts.jsonl, line 2: Invalid JSON"),
            ("items", '{"query": "x"}', "items.jsonl, line 2: Field required (field answer)"),
            ("items", '{"query": "x", "answer": "y", "labels": ["z"]}', "answer 'y' is none of the labels ['z']"),
        ],
    )
    def test_broken_lines_are_named(
        self, options: list[object], files: dict[str, Path], name: str, line: str, message: str
    ) -> None:
        first = {"prompts": PROMPTS, "items": ITEMS}[name][0]
        files[name].write_text(json.dumps(first) + "\n" + line + "\n", "utf-8")
        result = invoke("label", *options, "--reader", "nearest")
        assert result.exit_code == 2
        assert message in " ".join(result.stderr.split())
        assert "Traceback" not in result.output
        assert not files["out"].exists()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--reader", "oracle"], "There is no reader 'oracle'"),
            (["--reader", "nearest", "--floor", 2], "floor=2.0 is not a share"),
            (["--reader", "nearest", "--max-calls", 1], "max_calls=1 does not even judge"),
            (["--reader", "nearest", "--search", "widest"], "Invalid value"),
            (["--reader", "nearest", "--prompts", "none.jsonl"], "Cannot read none.jsonl"),
        ],
    )
    def test_bad_options(self, options: list[object], arguments: list[object], message: str) -> None:
        result = invoke("label", *options, *arguments)
        assert result.exit_code == 2
        assert message in " ".join(result.stderr.replace("│", " ").split())
        assert "Traceback" not in result.output
