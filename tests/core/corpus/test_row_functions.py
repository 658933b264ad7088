"""What is done with a row: compression and the scoring of labels."""

from typing import Any

import pytest

from diffumask_core import BudgetError, Compressor, InputError, ModelError, Prompt, Shot, TokenizerError
from diffumask_core.corpus import LabelScorer, RowCompressor
from diffumask_core.datasets import LabelRow
from diffumask_core.evaluation.labels import evaluate_labels, pruner_selection
from diffumask_core.model.pruner import Pruner

TEXT = "On Monday the owner, who had been away for a week, sold 12 boxes to a visitor from out of town. " * 3
MESSAGES = [
    {"role": "user", "content": "Who came to see us? " + TEXT},
    {"role": "assistant", "content": "A visitor from out of town, as I have told you before."},
    {"role": "user", "content": "How many boxes did they buy?"},
]
OTHER: dict[str, Any] = {"id": 7, "tags": ["a", None, {"ü": 1.0}]}


@pytest.fixture(scope="module")
def options(model_folder: Any) -> dict[str, Any]:
    return {"keep_rate": 0.4, "tokenizer": str(model_folder), "query": "Which day?"}


@pytest.fixture(scope="module")
def compress(model_folder: Any, options: dict[str, Any]) -> RowCompressor:
    return RowCompressor(model=model_folder, **options)


def counts(result: Any) -> dict[str, int]:
    return {
        name: getattr(result, name) for name in ("original_tokens", "compressed_tokens", "protected_tokens", "budget")
    }


class TestRowCompressor:
    def test_text(self, compress: RowCompressor, compressor: Compressor, options: dict[str, Any]) -> None:
        row = {**OTHER, "text": TEXT}
        result = compressor.compress(TEXT, **options)
        assert compress(row) == {**row, "compressed": result.text, **counts(result)}
        assert len(result.text) < len(TEXT)

    def test_a_query_of_its_own(self, compress: RowCompressor, compressor: Compressor, options: dict[str, Any]) -> None:
        row = {"text": TEXT, "query": "How many boxes?"}
        expected = compressor.compress(TEXT, **{**options, "query": "How many boxes?"})
        assert compress(row)["compressed"] == expected.text
        assert compress({**row, "query": None})["compressed"] == compressor.compress(TEXT, **options).text

    def test_messages(self, compress: RowCompressor, compressor: Compressor, options: dict[str, Any]) -> None:
        row = {**OTHER, "messages": MESSAGES, "text": None}
        result = compressor.compress_messages(MESSAGES, **options)
        assert compress(row) == {**row, "compressed": result.messages, **counts(result)}
        assert result.messages != MESSAGES

    def test_a_prompt(self, compress: RowCompressor, compressor: Compressor, options: dict[str, Any]) -> None:
        shots: list[Any] = [TEXT, {"question": "What is " + TEXT, "answer": "12"}]
        row = {**OTHER, "instructions": "Answer the question.", "shots": shots, "query": "How many boxes?"}
        prompt = Prompt("Answer the question.", [Shot(TEXT), Shot(**shots[1])], "How many boxes?")
        result = compressor.compress(prompt, **{**options, "query": "How many boxes?"})
        assert compress(row) == {**row, "compressed": result.text, **counts(result)}
        assert result.text.endswith("\n\nHow many boxes?")
        assert compress({"instructions": TEXT})["compressed"] == TEXT
        assert compress({"shots": [TEXT]})["original_tokens"] == compressor.compress(TEXT, **options).original_tokens

    def test_another_field(self, model_folder: Any, options: dict[str, Any]) -> None:
        row = {"body": TEXT, "text": 5}
        done = RowCompressor(model=model_folder, field="body", **options)(row)
        assert done["compressed_tokens"] < done["original_tokens"]
        assert {name: done[name] for name in row} == row

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ({}, "The row has no text, messages, instructions or shots"),
            ({"text": None, "messages": None}, "The row has no text, messages, instructions or shots"),
            ({"text": ""}, "The text is empty"),
            ({"text": ["a"]}, "text is a list: it must be a string"),
            ({"text": TEXT, "query": 5}, "query=5 is not a string"),
            ({"text": TEXT, "budget": 1}, "The row has a field 'budget' already"),
            ({"messages": "Hello"}, "messages is a str"),
            ({"messages": [{"content": "Hello"}]}, "has no role"),
            ({"shots": "Hello"}, "shots is a str: it must be a list"),
            ({"shots": [5]}, "Shot 1 is an int"),
            ({"shots": [{"text": "a", "txt": "b"}]}, "A shot has a field 'txt'"),
            ({"shots": [{}]}, "A Shot has nothing in it"),
            ({"instructions": 5}, "instructions=5"),
        ],
    )
    def test_bad_rows(self, compress: RowCompressor, row: dict[str, Any], message: str) -> None:
        with pytest.raises(InputError, match=message):
            compress(row)

    def test_a_budget_that_is_not_possible(self, model_folder: Any) -> None:
        compress = RowCompressor(model=model_folder, tokenizer=str(model_folder), target_tokens=5)
        with pytest.raises(BudgetError):
            compress({"text": TEXT, "query": TEXT[:60]})

    def test_options_are_checked_before_rows(self, model_folder: Any) -> None:
        with pytest.raises(InputError, match="neither was given"):
            RowCompressor(model=model_folder)
        with pytest.raises(TokenizerError):
            RowCompressor(model=model_folder, keep_rate=0.5, tokenizer="no-such-tokenizer")
        with pytest.raises(ModelError):
            RowCompressor(model="no/such/model", keep_rate=0.5)


def test_labels_are_scored_as_all_at_once(model_folder: Any, pruner: Pruner) -> None:
    kept = [("light", [[0, 4], [9, 24]]), ("tight", [[9, 12], [19, 24]])]
    texts = ["Anna did not go to Paris, alas.", "Boris never went to Rome at all, as he said."]
    rows = [{"id": str(number), "kind": "prose", "text": text, **dict(kept)} for number, text in enumerate(texts)]
    score = LabelScorer(model=model_folder)
    scored = [score(row) for row in rows]
    assert [{name: row[name] for name in rows[0]} for row in scored] == rows
    figures = evaluate_labels([LabelRow.model_validate(row) for row in rows], pruner_selection(pruner, 1))
    for level, agreement in figures.levels.items():
        sums = {name: sum(row[f"{level}_{name}"] for row in scored) for name in ("kept", "right")}
        assert sums == {"kept": agreement.kept, "right": agreement.right}
        assert all(row[f"{level}_f1"] == row[f"{level}_right"] / row[f"{level}_kept"] for row in scored)
    assert {f"{level}_{name}" for level in ("light", "tight") for name in ("kept", "right")} == {*LabelScorer.sums}
    with pytest.raises(ValueError, match="tight"):
        score({"id": "1", "kind": "prose", "text": "Anna.", "light": []})
