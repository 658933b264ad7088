"""Rows that are conversations: runs of agents come out as `Compressor.conversation` shortens them."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from made_runs import Message, drawn_run, to_anthropic, to_responses
from typer.testing import CliRunner

from diffumask_core import Compressor, InputError, ModelError, TokenizerError
from diffumask_core.cli import app
from diffumask_core.corpus import ConversationCompressor

RUN = drawn_run(3)
FORMATS = {"chat": RUN, "anthropic": to_anthropic(RUN), "responses": to_responses(RUN)}
KEYS_OF_TEXTS = {"content", "text", "output"}


@pytest.fixture(scope="module")
def options(model_folder: Path) -> dict[str, Any]:
    return {"model": model_folder, "tokenizer": str(model_folder)}


@pytest.fixture(scope="module")
def shorten(options: dict[str, Any]) -> ConversationCompressor:
    return ConversationCompressor(**options)


def frame(value: Any) -> Any:
    """All of a message but its texts: roles, ids, calls with their arguments."""
    if isinstance(value, list):
        return [frame(each) for each in value]
    if isinstance(value, dict):
        return {
            key: "" if key in KEYS_OF_TEXTS and isinstance(each, str) else frame(each) for key, each in value.items()
        }
    return value


@pytest.mark.parametrize("name", FORMATS)
def test_a_run_is_shortened_as_a_conversation_is(
    shorten: ConversationCompressor, compressor: Compressor, options: dict[str, Any], name: str
) -> None:
    row = {"id": "run-3", "messages": FORMATS[name], "reward": 1.0, "tags": None}
    view = compressor.conversation(tokenizer=options["tokenizer"]).at(row["messages"])
    assert shorten(row) == {
        **row,
        "compressed": view.messages,
        "original_tokens": view.original_tokens,
        "compressed_tokens": view.tokens,
        "shortened": view.shortened,
    }
    assert view.tokens < view.original_tokens
    # Every call keeps its result, and the arguments of calls are exact.
    assert frame(view.messages) == frame(row["messages"])
    assert view.messages[-2:] == row["messages"][-2:]


def test_the_requests_of_a_run_share_their_beginnings(shorten: ConversationCompressor) -> None:
    """A log of requests has the messages of a run again and again: an old message is the same in each of them."""
    whole = shorten({"messages": RUN})["compressed"]
    for length in range(3, len(RUN), 2):  # After each result.
        request = shorten({"messages": RUN[:length]})["compressed"]
        assert request[:-2] == whole[: length - 2]


def test_what_a_worker_did_before_makes_no_difference(options: dict[str, Any]) -> None:
    rows = [{"messages": drawn_run(number)[:length]} for number in range(2) for length in (9, 15, 22)]
    one, other = ConversationCompressor(**options), ConversationCompressor(**options)
    assert [one(row) for row in rows] == [other(row) for row in rows[::-1]][::-1]


def test_options_of_conversations(options: dict[str, Any], compressor: Compressor) -> None:
    how: dict[str, Any] = {"keep": ("messages", 9), "exclude_tools": ["sh*"], "keep_rate": 0.5}
    row = {"steps": RUN, "messages": "other"}
    done = ConversationCompressor(field="steps", **how, **options)(row)
    expected = compressor.conversation(tokenizer=options["tokenizer"], **how).at(RUN)
    assert done["compressed"] == expected.messages
    results = [message for message in RUN if message["role"] == "tool"]
    assert [message for message in done["compressed"] if message["role"] == "tool"] == results


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "Hello"}, "messages is 'None': it must be a list of the messages of a run"),
        ({"messages": []}, r"messages is '\[\]'"),
        ({"messages": "Hello"}, "messages is 'Hello'"),
        ({"messages": [5]}, r"messages\[0\] is an int"),
        ({"messages": RUN, "shortened": 1}, "The row has a field 'shortened' already"),
    ],
)
def test_bad_rows(shorten: ConversationCompressor, row: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        shorten(row)


def test_options_are_checked_before_rows(options: dict[str, Any]) -> None:
    for wrong in ({"query": "Why?"}, {"keep": ("messages", -1)}, {"exclude_tools": "read"}, {"keep_rate": 2}):
        with pytest.raises(InputError):
            ConversationCompressor(**wrong, **options)
    with pytest.raises(TokenizerError):
        ConversationCompressor(model=options["model"], tokenizer="no-such-tokenizer")
    with pytest.raises(ModelError):
        ConversationCompressor(model="no/such/model")


# The command.


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["compress", *map(str, arguments)])


def write_runs(file: Path) -> list[dict[str, Any]]:
    rows = [{"id": number, "messages": messages} for number, messages in enumerate(FORMATS.values())]
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"id": 3, "text": "Hello"}]))
    return rows


def compressed(out: Path) -> list[list[Message]]:
    parts = sorted(out.glob("part-*"))
    return [json.loads(line)["compressed"] for part in parts for line in part.read_text().splitlines()]


def test_the_command(tmp_path: Path, model_folder: Path, options: dict[str, Any]) -> None:
    rows, out = write_runs(tmp_path / "runs.jsonl"), tmp_path / "out"
    files = ["--input", tmp_path / "runs.jsonl", "--output", out, "--block-rows", 2, "--workers", 1]
    how = ["--conversations", "--model", model_folder, "--tokenizer", model_folder]
    result = invoke(*files, *how, "--keep-messages", 4, "--exclude-tool", "read_*", "--target-tokens", 60)
    assert result.exit_code == 0, result.output
    assert f"3 rows in {out}, 1 bad" in result.stderr
    shorten = ConversationCompressor(keep=("messages", 4), exclude_tools=["read_*"], target_tokens=60, **options)
    assert compressed(out) == [shorten(row)["compressed"] for row in rows]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--conversations"], "--conversations goes with a corpus: pass --input FILE and --output FOLDER"),
        (["--input", "a", "--output", "b", "--keep-messages", "2"], "--exclude-tool go with --conversations"),
        (["--input", "a", "--output", "b", "--exclude-tool", "x"], "--exclude-tool go with --conversations"),
    ],
)
def test_arguments_that_do_not_go_together(arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
