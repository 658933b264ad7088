"""Curves from files: the tasks that a reader can be asked, and the command line."""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from typer.testing import CliRunner

from diffumask_core import DataError, InputError
from diffumask_core.cli import app
from diffumask_core.datasets import ClassificationRow, ExampleRow, SolutionRow, is_held_out, read_rows
from diffumask_core.evaluation.custom import custom_trials
from diffumask_core.evaluation.icl import icl_trials
from diffumask_core.evaluation.with_reader import evaluate_with_reader
from diffumask_core.readers import Question
from diffumask_core.readers.cost import Cost

TEXTS = {
    "weather": ["Rain fell\n\non the hills all night.", "It will be dry and bright.", "Snow is expected."],
    "sport": ["The keeper held the ball.", "She won the race by a minute.", "The match was a draw."],
}
RATES = (0.6, 0.3)


class Knowing:
    """Gives the right answer where enough of the prompt is left."""

    name = "knowing"

    def __init__(self, words: int = 0) -> None:
        self.words = words
        self.questions: list[Question] = []

    def answers(self, questions: Sequence[Question]) -> list[str]:
        self.questions = list(questions)
        return [
            f"{question.answer}." if len(question.prompt.split()) >= self.words else "neither" for question in questions
        ]

    def log_probabilities(self, questions: Sequence[Question]) -> list[float]:
        return [0.0 for _ in questions]


class Paid(Knowing):
    """A reader that costs."""

    spent = Cost()

    def estimate(self, questions: Sequence[Question]) -> Cost:
        return Cost(len(questions), 100 * len(questions))


def write(file: Path, rows: Sequence[Any]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def classification_rows() -> list[dict[str, Any]]:
    shots = [
        {"task": "t", "seed": seed, "split": "shots", "text": f"{text} {seed}", "label": label}
        for seed in (0, 1)
        for label, texts in TEXTS.items()
        for text in texts
    ]
    tests = [("Fog all day.", "weather"), ("The cup was theirs.", "sport"), ("A mild evening.", "weather")]
    return shots + [{"task": "t", "seed": None, "split": "test", "text": text, "label": label} for text, label in tests]


@pytest.fixture
def icl(tmp_path: Path) -> Path:
    return write(tmp_path / "icl_topics.jsonl", classification_rows())


@pytest.fixture
def measure(model_folder: Path) -> Callable[..., dict[str, Any]]:
    def run(task: str, data: Path, reader: Any, **options: Any) -> dict[str, Any]:
        return evaluate_with_reader(task, data, reader, model=str(model_folder), keep_rates=RATES, **options)

    return run


class TestIcl:
    def test_a_prompt_for_each_seed_with_its_shots_shuffled(self) -> None:
        rows = [ClassificationRow.model_validate(row) for row in classification_rows()]
        trials = icl_trials(rows)
        assert [len(items) for items in trials] == [3, 3]
        for seed, items in enumerate(trials):
            assert len({trial.prompt for trial in items}) == 1
            answers = [shot.answer for shot in items[0].prompt.shots]
            assert sorted(answers) == sorted(row.label for row in rows if row.seed == seed)
            assert answers not in (sorted(answers), sorted(answers, reverse=True))
            assert f"Rain fell on the hills all night. {seed}\nA: weather" in items[0].prompt.text
            assert items[0].query == "Q: Fog all day.\nA:"
            assert (items[0].answers, items[0].labels) == (("weather",), ("weather", "sport"))
        assert trials == icl_trials(rows)

    def test_fewer_shots_and_fewer_tests(self) -> None:
        rows = [ClassificationRow.model_validate(row) for row in classification_rows()]
        for items in icl_trials(rows, shots=1, limit=2):
            assert len(items) == 2
            assert {shot.answer for shot in items[0].prompt.shots} == {"weather", "sport"}
            assert len(items[0].prompt.shots) == 2

    def test_so_many_shots_in_all_and_so_many_seeds(self) -> None:
        rows = [ClassificationRow.model_validate(row) for row in classification_rows()]
        for total, counts in ((1, [1]), (3, [2, 1]), (5, [3, 2]), (9, [3, 3])):
            [[trial, *_]] = icl_trials(rows, total_shots=total, seeds=1)
            assert sorted(Counter(shot.answer for shot in trial.prompt.shots).values(), reverse=True) == counts
        assert icl_trials(rows, total_shots=9) == icl_trials(rows)

    @pytest.mark.parametrize("split", ["shots", "test"])
    def test_both_splits_are_needed(self, split: str) -> None:
        rows = [ClassificationRow.model_validate(row) for row in classification_rows()]
        with pytest.raises(DataError, match=f"no rows of split {split}"):
            icl_trials([row for row in rows if row.split != split])

    def test_the_report(self, icl: Path, measure: Callable[..., dict[str, Any]]) -> None:
        reader = Knowing(words=50)
        report = measure("icl", icl, reader)
        assert {name: report[name] for name in ("task", "data", "rows", "reader")} == {
            "task": "icl",
            "data": "icl_topics.jsonl",
            "rows": 3,
            "reader": "knowing",
        }
        assert report["baselines"].keys() == {"random", "idf", "sequential", "lead", "whole shots"}
        for points in (*report["results"].values(), *report["baselines"].values()):
            assert points.keys() == {"1.0", "0.6", "0.3"}
            tokens = [point["tokens"] for point in points.values()]
            assert tokens == sorted(tokens, reverse=True)
            assert points["1.0"]["accuracy"] == 1.0
            assert points["0.3"] | {"tokens": 0} == {"accuracy": 0.0, "interval": [0.0, 0.0], "tokens": 0}
        assert json.loads(json.dumps(report)) == report


class TestCustom:
    ROWS = (
        {"shots": ["Q: 1 + 1?\nA: 2", {"question": "2 + 2?", "answer": "4"}], "query": "Q: 3 + 3?\nA:", "answer": "6"},
        {"prompt": "Q: Red?\nA: yes\n\nQ: Blue?\nA: no", "query": "Q: Tan?\nA:", "answer": ["no", "nope"]},
    )

    def test_rows_become_trials(self, tmp_path: Path) -> None:
        [trials] = custom_trials(read_rows(write(tmp_path / "mine.jsonl", self.ROWS), ExampleRow))
        assert trials[0].prompt.text == "Q: 1 + 1?\nA: 2\n\nQ: 2 + 2?\nA: 4"
        assert trials[1].prompt == self.ROWS[1]["prompt"]
        assert [trial.answers for trial in trials] == [("6",), ("no", "nope")]

    def test_the_row_of_the_docs_can_be_read(self, tmp_path: Path) -> None:
        page = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text("utf-8")
        [block] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
        file = tmp_path / "mine.jsonl"
        file.write_text(block, "utf-8")
        [[trial]] = custom_trials(read_rows(file, ExampleRow))
        assert trial.answers[0] in trial.labels

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"prompt": "Both."}, "give either prompt, or shots"),
            ({"shots": []}, "give either prompt, or shots"),
            ({"answer": []}, "answer is an empty list"),
            ({"query": None}, "query"),
            ({"shots": [{"text": "a", "answer": "b"}]}, "give either the text, or question"),
        ],
    )
    def test_a_row_that_cannot_be_used(self, tmp_path: Path, change: dict[str, Any], message: str) -> None:
        with pytest.raises(DataError, match=message):
            read_rows(write(tmp_path / "mine.jsonl", [{**self.ROWS[0], **change}]), ExampleRow)

    def test_the_report(self, tmp_path: Path, measure: Callable[..., dict[str, Any]]) -> None:
        report = measure("custom", write(tmp_path / "mine.jsonl", self.ROWS), Knowing(), per_query=True)
        assert report["rows"] == 2
        assert {point["accuracy"] for point in report["results"]["diffumask"].values()} == {1.0}


def problems(count: int) -> list[dict[str, str]]:
    answer = "It is 5 * 14 = <<5*14=70>>70.\n#### 70"
    return [{"question": f"A baker makes {number} rolls. How many?", "answer": answer} for number in range(count)]


class TestGsm8k:
    def test_the_prompt_is_made_of_held_out_exemplars(
        self, tmp_path: Path, measure: Callable[..., dict[str, Any]]
    ) -> None:
        train, test = problems(120), [{"question": "How many rolls?", "answer": "5 * 14 = <<5*14=70>>70\n#### 1,070"}]
        reader = Knowing()
        report = measure(
            "gsm8k", write(tmp_path / "test.jsonl", test), reader, exemplars=write(tmp_path / "train.jsonl", train)
        )
        whole = reader.questions[0]
        used = [row["question"] for row in train if is_held_out(SolutionRow.model_validate(row))][:8]
        assert [line.removeprefix("Question: ") for line in whole.prompt.splitlines() if "Question: " in line] == used
        assert (whole.query, whole.answer) == ("Question: How many rolls?\nLet's think step by step.\n", "1,070")
        assert report["results"]["diffumask"]["0.3"]["accuracy"] == 1.0

    def test_exemplars_are_needed(self, tmp_path: Path, measure: Callable[..., dict[str, Any]]) -> None:
        data = write(tmp_path / "test.jsonl", problems(1))
        with pytest.raises(InputError, match="pass --exemplars"):
            measure("gsm8k", data, Knowing())
        seen = [row for row in problems(20) if not is_held_out(SolutionRow.model_validate(row))]
        with pytest.raises(DataError, match="no rows in the held-out part"):
            measure("gsm8k", data, Knowing(), exemplars=write(tmp_path / "train.jsonl", seen))


def test_nq_is_right_when_an_answer_is_in_the_reply(
    tmp_path: Path, measure: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    passages = [
        {"title": "Flood", "text": "Anna Lee carried the radio.", "is_gold": True},
        {"title": "Bread", "text": "A baker makes rolls.", "is_gold": False},
    ]
    row = {"id": "q", "question": "Who carried it?", "answers": ["Anna Lee", "A. Lee"], "documents": passages}
    reader = Knowing()
    for said, right in (("It was anna  lee, they say.", 1.0), ("A. Lee", 1.0), ("Nobody.", 0.0)):
        monkeypatch.setattr(reader, "answers", lambda questions, said=said: [said] * len(questions))
        report = measure("nq", write(tmp_path / "nq.jsonl", [row]), reader)
        assert report["results"]["diffumask"]["1.0"]["accuracy"] == right


def test_a_paid_reader_tells_its_cost_first(icl: Path, measure: Callable[..., dict[str, Any]]) -> None:
    told: list[Cost] = []
    reader = Paid()
    measure("icl", icl, reader, confirm=told.append)
    assert told == [Cost(len(reader.questions), 100 * len(reader.questions))]

    def refuse(cost: Cost) -> None:
        raise KeyboardInterrupt

    refused = Paid()
    with pytest.raises(KeyboardInterrupt):
        measure("icl", icl, refused, confirm=refuse)
    assert refused.questions == []


def test_a_paid_reader_is_asked_about_fewer_methods(icl: Path, measure: Callable[..., dict[str, Any]]) -> None:
    assert measure("icl", icl, Paid())["baselines"].keys() == {"random", "lead", "whole shots"}
    assert measure("icl", icl, Paid(), methods=["idf"])["baselines"].keys() == {"idf"}
    for_query = measure("icl", icl, Paid(), methods=["bm25 passages", "diffumask"], per_query=True)
    assert for_query["baselines"].keys() == {"bm25 passages"}


@pytest.mark.parametrize("method", ["bm25 passages", "best"])
def test_a_method_that_there_is_not(icl: Path, measure: Callable[..., dict[str, Any]], method: str) -> None:
    with pytest.raises(InputError, match=f"There is no method '{method}' here: pass some of diffumask, random, idf"):
        measure("icl", icl, Knowing(), methods=["lead", method])


def invoke(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def how(model_folder: Path) -> list[object]:
    """The tiny model shortens; the nearest exemplar is found by the bundled one, whatever is measured."""
    return ["--model", model_folder, "--keep-rates", "0.5"]


class TestCommandLine:
    def test_nearest(self, icl: Path, how: list[object], tmp_path: Path) -> None:
        plot = tmp_path / "curves.svg"
        options = ["evaluate", "icl", "--data", icl, "--reader", "nearest", *how]
        result = invoke(*options, "--json", "--plot", plot)
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        assert report["reader"] == "nearest exemplar"
        assert report["results"]["diffumask"].keys() == {"1.0", "0.5"}
        assert report["results"]["diffumask"]["1.0"]["accuracy"] == 1.0
        assert plot.read_text("utf-8").startswith("<?xml")
        table = invoke(*options, "--shots", 2, "--limit", 2, "--per-query")
        assert table.exit_code == 0, table.output
        assert "icl: 2 rows of icl_topics.jsonl, read by nearest" in table.stdout
        assert "whole shots" in table.stdout
        assert " tokens" in table.stdout

    def test_a_causal_language_model(self, icl: Path, how: list[object], tokenizer: Tokenizer, tmp_path: Path) -> None:
        folder = tmp_path / "lm"
        torch.manual_seed(0)
        config = GPT2Config(vocab_size=tokenizer.get_vocab_size(), n_positions=1024, n_embd=16, n_layer=1, n_head=2)
        GPT2LMHeadModel(config).save_pretrained(folder)
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]").save_pretrained(folder)
        result = invoke("evaluate", "icl", "--data", icl, "--reader", f"causal:{folder}", *how, "--json")
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        assert report["reader"] == "lm"
        # It takes one label or the other.
        assert 0 <= report["results"]["diffumask"]["1.0"]["accuracy"] <= 1

    def test_a_chat_model_is_paid_after_a_question_and_not_twice(
        self, icl: Path, how: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from langchain_core.language_models import FakeListChatModel

        monkeypatch.setattr(
            "langchain.chat_models.init_chat_model", lambda name, **_: FakeListChatModel(responses=["weather"])
        )
        options = ["evaluate", "icl", "--data", icl, "--reader", "chat:fake:model", *how, "--limit", 1, "--json"]
        options += ["--cache", tmp_path / "replies.sqlite"]
        refused = invoke(*options, stdin="n\n")
        assert refused.exit_code == 1
        assert "The reader is asked " in refused.stderr
        paid = invoke(*options, "--yes")
        assert paid.exit_code == 0, paid.output
        report = json.loads(paid.stdout)
        assert report["results"]["diffumask"]["0.5"]["accuracy"] == 1.0
        again = invoke(*options)
        assert "The reader is asked " not in again.stderr
        assert json.loads(again.stdout) == report

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["icl"], "evaluate icl asks a reader: name one, such as --reader nearest"),
            (["custom", "--data", "DATA"], "evaluate custom asks a reader"),
            (["icl", "--reader", "nearest"], "evaluate icl needs its file"),
            (["icl", "--reader", "nearest", "--data", "none.jsonl"], "Cannot read none.jsonl"),
            (["labels", "--reader", "nearest", "--data", "DATA"], "leave out --reader"),
            (["nq", "--reader", "nearest", "--data", "DATA"], "the nearest exemplar votes for a label"),
            (["labels", "--data", "DATA", "--plot", "x.svg"], "--plot go with a reader"),
            (["nq", "--data", "DATA", "--per-query"], "go with a reader"),
            (["icl", "--data", "DATA", "--total-shots", "2"], "go with a reader"),
            (["docs", "--data", "DATA"], "leave out --keep-rates"),
            (["docs", "--data", "DATA", "--reader", "causal:x"], "leave out --keep-rates"),
            (["icl", "--reader", "nearest", "--data", "DATA", "--plot", "x.poem"], "no ending of a picture"),
            (["icl", "--reader", "oracle", "--data", "DATA"], "There is no reader 'oracle'"),
            (["icl", "--reader", "causal:none", "--data", "DATA"], "no causal language model in none"),
            (["icl", "--reader", "chat:no-such:model", "--data", "DATA"], "'no-such:model' cannot be had"),
            (["icl", "--reader", "nearest", "--data", "DATA", "--shots", "0"], "Invalid value"),
        ],
    )
    def test_bad_arguments(self, icl: Path, how: list[object], arguments: list[str], message: str) -> None:
        result = invoke("evaluate", *(icl if argument == "DATA" else argument for argument in arguments), *how)
        assert result.exit_code == 2
        assert message in " ".join(result.stderr.replace("│", " ").split())
        assert "Traceback" not in result.output
