"""Technical documentation: passages, what is left of them, and what a reader says."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from diffumask_core import Compressor, DataError, Shot
from diffumask_core.cli import app
from diffumask_core.datasets import DocsRow, read_rows
from diffumask_core.datasets.rows import DocumentRow, QuestionRow
from diffumask_core.evaluation.docs import (
    BUDGETS,
    METHODS,
    Retrieved,
    chunks,
    cut_passages,
    docs_trials,
    joined,
    needs_left,
    retrieve,
    says_all,
)
from diffumask_core.evaluation.with_reader import evaluate_with_reader
from diffumask_core.readers import Question
from diffumask_core.tokens import get_counter

SET = Path(__file__).parents[3] / "data" / "technical_docs.jsonl"
COUNTER = get_counter(lambda text: len(text.split()))
TOPICS = {
    "backup": "--keep-daily N\n    Keep the newest snapshot of each of the last N days.\n    The default is 7.",
    "mail": "smtp_port\n    The port of the outgoing mail server. The default is 587.",
    "cache": "cache_size\n    Megabytes of memory that hold pages. The default is 64.",
}
QUESTIONS = {
    "backup": ("How many days of backup snapshots are kept by default?", ["--keep-daily", "default is 7"]),
    "mail": ("Which port has the outgoing mail server?", ["The port of the outgoing mail server.", "587"]),
    "cache": ("How much memory do cached pages take?", ["Megabytes of memory"]),
}


def rows(**changes: Any) -> list[dict[str, Any]]:
    filler = "\n\n".join(" ".join(f"{topic}{number}" for number in range(150)) for topic in TOPICS)
    documents = [
        {"type": "document", "id": topic, "kind": "manual", "title": topic, "text": f"{text}\n\n{filler}"}
        for topic, text in TOPICS.items()
    ]
    questions = [
        {"type": "question", "id": f"q-{topic}", "kind": "manual", "document": topic, "question": question}
        | {"needed": needed, "split": "dev" if topic == "cache" else "test"}
        for topic, (question, needed) in QUESTIONS.items()
    ]
    return [*documents, *questions[:-1], questions[-1] | changes]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "docs.jsonl", rows())


def write(file: Path, lines: Sequence[Any]) -> Path:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return file


def words(count: int, name: str) -> str:
    return " ".join(f"{name}{number}" for number in range(count))


class TestChunks:
    def test_paragraphs_stay_together_as_long_as_they_fit(self) -> None:
        one, two, three = words(90, "a"), words(100, "b"), words(50, "c")
        assert chunks(f"{one}\n\n{two}\n \n\n{three}\n", COUNTER) == [f"{one}\n\n{two}", three]

    def test_what_is_too_long_is_cut_at_lines_then_sentences_then_words(self) -> None:
        lines = [words(120, "a"), words(120, "b"), f"{words(150, 'c')}. {words(100, 'd')}.", words(250, "e")]
        assert chunks("\n".join(lines), COUNTER) == [
            lines[0],
            lines[1],
            f"{words(150, 'c')}.",
            f"{words(100, 'd')}.",
            words(200, "e"),
            " ".join(words(250, "e").split()[200:]),
        ]

    @settings(max_examples=50, deadline=None)
    @given(text=st.text(alphabet="ab. \n", max_size=1500))
    def test_nothing_is_lost_and_nothing_is_too_long(self, text: str) -> None:
        found = chunks(text, COUNTER)
        assert " ".join(found).split() == text.split()
        assert all(0 < COUNTER.count(chunk) <= 200 for chunk in found)


class TestRetrieval:
    def test_the_passages_nearest_to_the_question_come_first(self, data: Path) -> None:
        asked = retrieve(read_rows(data, DocsRow), "test", None, COUNTER)
        assert [each.row.id for each in asked] == ["q-backup", "q-mail"]
        for each in asked:
            assert TOPICS[each.row.document] in each.passages[0].text
            scores = [passage.score for passage in each.passages if passage.score is not None]
            assert len(scores) == len(each.passages) <= 10
            assert scores == sorted(scores, reverse=True)

    def test_a_limit(self, data: Path) -> None:
        assert len(retrieve(read_rows(data, DocsRow), "test", 1, COUNTER)) == 1

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            (rows()[:3], "no questions of split dev"),
            (rows()[3:], "no documents"),
            (rows(document="none"), "'q-cache' needs .* a document 'none': mend its row"),
            (rows(needed=["Gigabytes"]), "'Gigabytes'.* not all of which is in a document 'cache'"),
            (rows(needed=[]), "line 6: .*needed"),
            (rows(type="answer"), "line 6: "),
        ],
    )
    def test_rows_that_cannot_be_used(self, tmp_path: Path, lines: Sequence[Any], message: str) -> None:
        with pytest.raises(DataError, match=message):
            retrieve(read_rows(write(tmp_path / "docs.jsonl", lines), DocsRow), "dev", None, COUNTER)


PASSAGES = [Shot(f"{words(90, 'a')}\nthe port\n{words(90, 'b')}", score=0.9), Shot(words(180, "c"), score=0.5)]
PASSAGES += [Shot(f"{words(180, 'd')} port", score=0.1), Shot("The port is 587.\n", score=0.1)]
PASSAGES += [Shot(words(180, name), score=0.1) for name in "efg"]


class TestMethods:
    def test_every_method_keeps_to_the_budget(self, compressor: Compressor) -> None:
        found = cut_passages(PASSAGES, "Which port?", compressor, COUNTER, 1)
        assert tuple(found) == METHODS
        for method, left in found.items():
            for budget, texts in zip(BUDGETS, left, strict=True):
                assert len(texts) == len(PASSAGES)
                assert 0 < COUNTER.count(joined(texts)) <= budget, method

    def test_what_each_way_without_a_model_leaves(self, compressor: Compressor) -> None:
        found = cut_passages(PASSAGES, "Which port?", compressor, COUNTER, 1)
        whole = [passage.text for passage in PASSAGES]
        for left, budget in zip(found["lead"], BUDGETS, strict=True):
            assert joined(left).split() == joined(whole).split()[:budget]
        at_most_200 = [found[method][2] for method in METHODS[2:]]
        assert at_most_200[1] == [whole[0], "", "", whole[3], "", "", ""]
        assert at_most_200[2][0].startswith("the port\n") or at_most_200[2][0] == "the port"
        assert at_most_200[2][3] == "The port is 587."
        # The shortest passage with the word is the nearest by BM25, the next one is cut.
        assert at_most_200[3][3] == whole[3].rstrip()
        assert sum(map(bool, at_most_200[3])) == 3

    def test_only_those_that_are_named(self, compressor: Compressor) -> None:
        assert cut_passages(PASSAGES, "Why?", compressor, COUNTER, 1, ["lead"]).keys() == {"lead"}

    def test_what_fits_stays(self, compressor: Compressor) -> None:
        for left in cut_passages([Shot("One line.", score=1.0)], "Why?", compressor, COUNTER, 1).values():
            assert left == [["One line."]] * len(BUDGETS)


class TestShares:
    def test_all_that_is_needed_has_to_be_in_one_passage(self, data: Path, compressor: Compressor) -> None:
        asked = retrieve(read_rows(data, DocsRow), "test", None, COUNTER)
        found = needs_left(asked, compressor, COUNTER, 1)
        assert tuple(found) == (*METHODS, "possible")
        assert found["possible"] == found["whole passages"] == {"800": 1.0, "400": 1.0, "200": 1.0}
        # As if the retriever had found the two pieces apart.
        apart = [
            Retrieved(each.row, (Shot("--keep-daily N", score=1.0), Shot("587 or 7", score=0.0))) for each in asked
        ]
        assert set(needs_left(apart, compressor, COUNTER, 1)["possible"].values()) == {0.0}

    def test_white_space_does_not_count(self, compressor: Compressor, data: Path) -> None:
        [each] = retrieve(read_rows(data, DocsRow), "dev", None, COUNTER)
        again = Retrieved(each.row, (Shot("  Megabytes\n   of  memory", score=1.0),))
        assert set(needs_left([again], compressor, COUNTER, 1)["lead"].values()) == {1.0}


class Echoing:
    """Says what stands in the last line of the prompt, or all of it."""

    name = "echoing"

    def __init__(self, says: str) -> None:
        self.says = says
        self.questions: list[Question] = []

    def answers(self, questions: Sequence[Question]) -> list[str]:
        self.questions = list(questions)
        return [self.says] * len(questions)

    def log_probabilities(self, questions: Sequence[Question]) -> list[float]:
        return [0.0] * len(questions)


class TestReader:
    @pytest.mark.parametrize(
        ("topic", "reply", "right"),
        [
            ("backup", "By --KEEP-DAILY; the default  is 7.", True),
            ("backup", "7, as --keep-daily says.", False),
            ("mail", "587? The port of the outgoing mail\nserver.", True),
            ("mail", "587", False),
            ("cache", "megabytes of memory", True),
            ("cache", "Megabytes", False),
        ],
    )
    def test_a_right_reply(self, data: Path, topic: str, reply: str, right: bool) -> None:
        [trials] = docs_trials(retrieve(read_rows(data, DocsRow), "dev" if topic == "cache" else "test", None, COUNTER))
        [trial] = [trial for trial in trials if trial.query == QUESTIONS[topic][0]]
        assert says_all(reply, Question("", trial.query, *trial.answers)) == right

    def test_the_report(self, data: Path, model_folder: Path) -> None:
        reader = Echoing("587: The port of the outgoing mail server.")
        report = evaluate_with_reader("docs", data, reader, split="test", model=str(model_folder))
        assert (report["rows"], report["reader"]) == (2, "echoing")
        assert {*report["results"], *report["baselines"]} == set(METHODS)
        for points in (*report["results"].values(), *report["baselines"].values()):
            assert points.keys() == {"1.0", "800", "400", "200"}
            assert {point["accuracy"] for point in points.values()} == {0.5}
        assert all(question.prompt.startswith("Answer the question from the") for question in reader.questions)
        some = evaluate_with_reader("docs", data, reader, methods=["bm25 lines"], model=str(model_folder))
        assert some["baselines"].keys() == {"bm25 lines"}


def test_the_command(data: Path, model_folder: Path) -> None:
    options = ["evaluate", "docs", "--data", str(data), "--split", "test", "--model", str(model_folder), "--json"]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["task"], report["rows"]) == ("docs", 2)
    assert tuple(report["results"]) == METHODS[:2]
    assert tuple(report["baselines"]) == (*METHODS[2:], "possible")
    assert report["baselines"]["possible"].keys() == {"800", "400", "200"}


def test_the_set_of_the_repository() -> None:
    rows = read_rows(SET, DocsRow)
    documents = {row.root.id: row.root for row in rows if isinstance(row.root, DocumentRow)}
    questions = [row.root for row in rows if isinstance(row.root, QuestionRow)]
    assert Counter(question.kind for question in questions).keys() == {"manual", "api", "policy", "runbook"}
    assert min(Counter(question.split for question in questions).values()) >= 100
    splits: dict[str, set[str]] = {}
    for question in questions:
        splits.setdefault(question.document, set()).add(question.split)
        text = " ".join(documents[question.document].text.split())
        assert all(" ".join(needed.split()) in text for needed in question.needed)
    # What is chosen on one half cannot have been seen in the other.
    assert all(len(of_document) == 1 for of_document in splits.values())
