"""A reader at an OpenAI-compatible server: a fake one, on loopback."""

import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from integrations.wire import ChatServer
from typer.testing import CliRunner

from diffumask_core import InputError
from diffumask_core.cli import app
from diffumask_core.errors import ReaderError
from diffumask_core.readers import PaidReader, Question
from diffumask_core.readers.resolve import resolve_reader

LABELS = ("sport", "weather")
PROMPT = "Q: Rain fell.\nA: weather\n\nQ: She won.\nA: sport"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(said("weather", ("weather", -0.1, {"sport": -2.4}))) as running:
        yield running


def said(content: str | None, *tokens: tuple[str, float, dict[str, float]]) -> dict[str, Any]:
    """A reply with the log-probabilities of its tokens, where there are some."""
    message = {"role": "assistant", "content": content}
    reported = [
        {"token": text, "logprob": value, "top_logprobs": [{"token": t, "logprob": v} for t, v in others.items()]}
        for text, value, others in tokens
    ]
    return {**message, "logprobs": {"content": reported}} if tokens else message


def ask(query: str, labels: Sequence[str] = LABELS, answer: str = "weather") -> Question:
    return Question(PROMPT, f"Q: {query}\nA:", answer, tuple(labels))


def reader_at(server: ChatServer, cache: Path | None = None) -> PaidReader:
    reader = resolve_reader("chat:openai:tiny", cache, server.url)
    assert isinstance(reader, PaidReader)
    return reader


def test_it_is_asked_in_order_for_a_few_tokens_and_their_alternatives(server: ChatServer) -> None:
    reader = reader_at(server)
    assert reader.name == "tiny"
    assert reader.answers([ask(str(number)) for number in range(5)]) == ["weather"] * 5
    queries = [request["messages"][0]["content"].rpartition("Q: ")[2] for request in server.requests]
    assert queries == [f"{number}\nA:" for number in range(5)]
    for name, value in {"model": "tiny", "temperature": 0, "logprobs": True, "top_logprobs": 20}.items():
        assert server.requests[0][name] == value
    assert server.requests[0]["max_tokens"] <= 5
    reader.answers([ask("Why?", labels=())])
    assert server.requests[-1]["max_tokens"] == 512


def test_the_likeliest_label_is_the_answer_and_has_its_probability() -> None:
    reply = said("We", ("We", -1.2, {"sport": -1.0, "Sport": -1.5, "weather": -1.3}))
    with ChatServer(reply) as server:
        reader = reader_at(server)
        assert reader.answers([ask("a")]) == ["sport"]
        told = reader.log_probabilities([ask("a"), ask("a", answer="sport")])
        # "We" goes on to no other label than weather.
        assert told == pytest.approx(
            [math.log(math.exp(-1.2) + math.exp(-1.3)), math.log(math.exp(-1.0) + math.exp(-1.5))]
        )


def test_without_log_probabilities_what_is_written_counts() -> None:
    with ChatServer(said("The answer is sport.")) as server:
        reader = reader_at(server)
        assert reader.answers([ask("a")]) == ["sport"]
        assert reader.log_probabilities([ask("a", answer="sport"), ask("a")]) == [0.0, pytest.approx(math.log(1e-4))]


def test_labels_that_are_next_to_impossible_are_no_answers(tmp_path: Path) -> None:
    with ChatServer(said("@@@@", ("@@@@", -0.01, {"sport": -9.5, "weather": -11.0}))) as server:
        reader = reader_at(server, tmp_path / "replies.sqlite")
        assert reader.answers([ask("a")]) == [""]
        assert reader.log_probabilities([ask("a")]) == [pytest.approx(math.log(1e-4))]


@pytest.mark.parametrize("content", ["", None, "@@@@", "\u0000{[", "sport and weather"])
def test_nonsense_is_no_answer(content: str | None) -> None:
    with ChatServer(said(content)) as server:
        assert reader_at(server).answers([ask("a")]) == [""]


def test_a_page_in_place_of_a_reply_is_told() -> None:
    with (
        ChatServer("<html>It works!</html>") as server,
        pytest.raises(ReaderError, match=f"tiny at {server.url} gave no reply"),
    ):
        reader_at(server).answers([ask("a")])


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    with ChatServer() as server:
        url, port = server.url, server.port
    began = time.perf_counter()
    with pytest.raises(ReaderError, match=f"no server at {url} .*start one, as with `llama-server .*--port {port}`"):
        resolve_reader("chat:openai:tiny", url=url)
    assert time.perf_counter() - began < 2


def test_a_server_that_dies_is_told_and_what_it_said_is_kept(tmp_path: Path) -> None:
    cache, questions = tmp_path / "replies.sqlite", [ask(str(number)) for number in range(4)]
    with ChatServer(said("sport"), said("weather"), None) as server:
        url, port = server.url, server.port
        with pytest.raises(
            ReaderError, match=rf"tiny at {url} gave no reply in 4 attempts .*that are finished are kept"
        ):
            reader_at(server, cache).answers(questions)
    with ChatServer(said("sport"), port=port) as again:
        assert reader_at(again, cache).answers(questions) == ["sport", "weather", "sport", "sport"]
        assert len(again.requests) == 2


def test_another_server_has_its_own_replies(tmp_path: Path) -> None:
    for label in LABELS:
        with ChatServer(said(label)) as server:
            assert reader_at(server, tmp_path / "replies.sqlite").answers([ask("a")]) == [label]


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "localhost", "http://", "ftp://127.0.0.1/v1", "http://host:port/v1"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(InputError, match="is no address of a server: pass one such as http://127"):
        resolve_reader("chat:openai:tiny", url=url)


@pytest.mark.parametrize("name", ["nearest", "causal:folder", "chat:anthropic:claude"])
def test_only_one_kind_of_reader_has_an_address(name: str, server: ChatServer) -> None:
    with pytest.raises(
        InputError, match=f"{name}.* pass chat:openai:MODEL or text:MODEL to ask the server at {server.url}"
    ):
        resolve_reader(name, url=server.url)


class TestCommandLine:
    ROWS = (
        {"split": "shots", "seed": 0, "text": "Rain fell on the hills all night.", "label": "weather"},
        {"split": "shots", "seed": 0, "text": "The keeper held the ball.", "label": "sport"},
        {"split": "test", "text": "Fog all day.", "label": "weather"},
        {"split": "test", "text": "The cup was theirs.", "label": "sport"},
    )

    def invoke(self, tmp_path: Path, server: ChatServer, *arguments: object) -> Any:
        at_server = ["--reader", "chat:openai:tiny", "--reader-url", server.url, "--cache", tmp_path / "replies.sqlite"]
        return CliRunner().invoke(app, [str(argument) for argument in (*arguments, *at_server, "--yes", "--json")])

    def write(self, file: Path, *rows: object) -> Path:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return file

    def test_evaluate(self, tmp_path: Path, server: ChatServer, model_folder: Path) -> None:
        data = self.write(tmp_path / "icl_topics.jsonl", *self.ROWS)
        options = ["--model", model_folder, "--keep-rates", "0.5", "--methods", "lead"]
        result = self.invoke(tmp_path, server, "evaluate", "icl", "--data", data, *options)
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        assert (report["reader"], list(report["baselines"])) == ("tiny", ["lead"])
        assert report["results"]["diffumask"]["0.5"]["accuracy"] == 0.5
        asked = len(server.requests)
        assert json.loads(self.invoke(tmp_path, server, "evaluate", "icl", "--data", data, *options).stdout) == report
        assert len(server.requests) == asked

    def test_label(self, tmp_path: Path, server: ChatServer, model_folder: Path) -> None:
        prompts = self.write(tmp_path / "prompts.jsonl", {"id": "p", "prompt": PROMPT})
        item = {"query": "Q: Fog.\nA:", "answer": "weather", "labels": LABELS}
        files = ["--prompts", prompts, "--items", self.write(tmp_path / "items.jsonl", item), "--out", tmp_path / "out"]
        options = ["--measure", "log_probability", "--max-calls", 20, "--model", model_folder]
        result = self.invoke(tmp_path, server, "label", *files, *options)
        assert result.exit_code == 0, result.output
        [figures] = json.loads(result.stdout)["prompts"]
        assert figures["full_quality"] == pytest.approx(-0.1)

    def test_a_server_that_is_not_there(self, tmp_path: Path, model_folder: Path) -> None:
        with ChatServer() as gone:
            pass
        data = self.write(tmp_path / "icl_topics.jsonl", *self.ROWS)
        result = self.invoke(tmp_path, gone, "evaluate", "icl", "--data", data, "--model", model_folder)
        assert result.exit_code == 2
        assert result.stderr.startswith(f"Error: There is no server at {gone.url}")


class TestGoingOn:
    def reader(self, server: ChatServer) -> PaidReader:
        reader = resolve_reader("text:tiny", None, server.url)
        assert isinstance(reader, PaidReader)
        return reader

    def test_it_is_asked_for_what_follows_the_text(self, server: ChatServer) -> None:
        assert self.reader(server).answers([ask("Rain?")]) == ["weather"]
        [request] = server.requests
        assert request["prompt"] == f"{PROMPT}\n\nQ: Rain?\nA:"
        assert request["max_tokens"] <= 5
        assert request["logprobs"] == 20

    def test_the_likeliest_label_in_the_form_of_chats(self) -> None:
        reply = said(" we", (" we", -1.2, {" sport": -0.5}))
        with ChatServer(reply) as server:
            assert self.reader(server).answers([ask("a")]) == ["sport"]

    def test_the_likeliest_label_in_the_older_form(self) -> None:
        told = {"tokens": [" we"], "token_logprobs": [-1.2], "top_logprobs": [{" we": -1.2, " sport": -0.5}]}
        with ChatServer({**said(" we"), "logprobs": told}) as server:
            assert self.reader(server).answers([ask("a")]) == ["sport"]

    def test_without_labels_it_writes_until_the_next_question(self) -> None:
        with ChatServer(said(" Two and two make 4. The answer is 4.")) as server:
            assert self.reader(server).answers([ask("2 + 2?", labels=(), answer="4")]) == ["4"]
            assert "\nQuestion:" in server.requests[0]["stop"]

    def test_without_a_server(self) -> None:
        with pytest.raises(InputError, match="pass its address"):
            resolve_reader("text:tiny")
