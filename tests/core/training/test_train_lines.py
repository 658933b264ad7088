"""The line model learns from runs what agents need later, and decides the lines of a conversation."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_runs import FORMATS, Message, drawn_run, drawn_runs, wanted_paths

from diffumask_core import Compressor, DataError
from diffumask_core.datasets import HindsightRow
from diffumask_core.diffusion.states import KEEP, UNDECIDED
from diffumask_core.labeling.runs import label_runs
from diffumask_core.lines.model import LINES_FILE, LineModel
from diffumask_core.model.pretrained import BUNDLED, load_pruner
from diffumask_core.model.pruner import Pruner
from diffumask_core.training.lines import Case, LineTraining, train_lines

OPTIONS = LineTraining(epochs=6, rate=1e-2, width=16, static_blocks=1, kernel=3, averaging=0.5)
MARK = re.compile(r"\[…(?: [^\]]*left out[^\]]*)?\]")


def rows_of(count: int, first: int = 0) -> list[HindsightRow]:
    return list(label_runs(drawn_runs(count, first), [], (0.75,)))


def quarters(text: str) -> int:
    return len(text) // 4 + 1


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LineModel, list[float]]:
    """A folder with a trained line model, the model, and the losses of its epochs."""
    folder = tmp_path_factory.mktemp("lines")
    said: list[str] = []
    torch.set_num_threads(1)
    model = train_lines(rows_of(24), folder, OPTIONS, said.append)
    losses = [float(re.findall(r"loss ([\d.]+)", line)[0]) for line in said]
    return folder, model, losses


def test_the_loss_falls(trained: tuple[Path, LineModel, list[float]]) -> None:
    _, _, losses = trained
    assert len(losses) == OPTIONS.epochs
    assert losses[-1] < 0.5 * losses[0]


def test_lines_that_are_needed_outrank_the_others(trained: tuple[Path, LineModel, list[float]]) -> None:
    _, model, _ = trained
    for row in rows_of(6, 100):
        case = Case.of(row)
        assert case is not None
        logits = model.predictor(case.evidence, 0.2)(np.full(len(case.evidence.unit), UNDECIDED))
        best = np.argsort(-logits)[: len(case.line)]
        assert len(set(best) & set(case.line)) >= len(case.line) - 1


def test_the_average_learns_from_few_rows_too(tmp_path: Path) -> None:
    model = train_lines(rows_of(24), tmp_path, replace(OPTIONS, averaging=0.998), lambda said: None)
    [row] = rows_of(1, 100)
    case = Case.of(row)
    assert case is not None
    logits = model.predictor(case.evidence, 0.2)(np.full(len(case.evidence.unit), UNDECIDED))
    assert set(np.argsort(-logits)[:8]) & set(case.line)


def test_what_a_kept_line_holds_is_wanted_no_more() -> None:
    [row] = rows_of(1)
    case = Case.of(row)
    assert case is not None
    states = np.full(len(case.evidence.unit), UNDECIDED)
    assert set(np.flatnonzero(case.wanted(states))) == set(case.line)
    states[case.line[0]] = KEEP
    assert set(np.flatnonzero(case.wanted(states))) == set(case.line[1:])


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    rows, short = rows_of(4), replace(OPTIONS, epochs=2)
    files = []
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        train_lines(list(rows), tmp_path / name, replace(short, seed=seed), lambda said: None)
        files.append((tmp_path / name / LINES_FILE).read_bytes())
    one, same, other = files
    assert one == same != other


def test_what_is_saved_is_what_was_trained(trained: tuple[Path, LineModel, list[float]]) -> None:
    folder, model, _ = trained
    loaded = LineModel.load(folder)
    assert loaded is not None
    assert loaded.settings == model.settings
    assert list(loaded.settings.rates) == sorted(loaded.settings.rates)
    # Where more is to be kept, lines are kept that are needed less surely.
    assert loaded.settings.threshold(0.1) > loaded.settings.threshold(0.8)


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        ([], OPTIONS),
        (rows_of(3), OPTIONS),
        ([row.model_copy(update={"split": "dev"}) for row in rows_of(8)], OPTIONS),
        ([row.model_copy(update={"needed": []}) for row in rows_of(8)], OPTIONS),
        (rows_of(8), replace(OPTIONS, fewest=1000)),
        (rows_of(8), replace(OPTIONS, most=5)),
    ],
)
def test_too_few_rows(tmp_path: Path, rows: Sequence[HindsightRow], options: LineTraining) -> None:
    with pytest.raises(DataError, match=f"Of {len(rows)} rows .* record more runs, or longer ones"):
        train_lines(rows, tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


# A whole compressor with the trained lines.


@pytest.fixture(scope="module")
def own(trained: tuple[Path, LineModel, list[float]], tmp_path_factory: pytest.TempPathFactory) -> Compressor:
    """The bundled model with the trained lines."""
    folder = Path(shutil.copytree(BUNDLED, tmp_path_factory.mktemp("own") / "model"))
    shutil.copy(trained[0] / LINES_FILE, folder)
    return Compressor.from_pretrained(folder)


def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on an encoder that is asked for anything is an error."""

    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("The encoder was run.")

    for name in ("read", "encode"):
        monkeypatch.setattr(Pruner, name, refuse)


def history(number: int = 100, form: str = "chat") -> list[Message]:
    """A run of an agent up to what it writes at the end."""
    messages: list[Message] = FORMATS[form](drawn_run(number)[:19])
    return messages


def results_of(messages: Sequence[Message]) -> list[str]:
    """The texts of the results of tools."""
    texts: list[str] = []
    for message in messages:
        content = message.get("content")
        if message.get("role") == "tool":
            texts.append(message["content"])
        elif message.get("type") == "function_call_output":
            texts.append(message["output"])
        elif message.get("role") == "user" and isinstance(content, list):
            texts += [part["content"] for part in content]
    return texts


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("steps", [None, 1, 4])
def test_lines_of_results_stay_or_go_whole(own: Compressor, form: str, steps: int | None) -> None:
    messages = history(form=form)
    result = own.compress_messages(messages, keep_rate=0.3, steps=steps, tokenizer=quarters)
    assert result.messages is not None
    assert result.compressed_tokens <= result.budget
    for before, after in zip(results_of(messages), results_of(result.messages), strict=True):
        lines = {line.strip() for line in before.splitlines()}
        left = [line.strip() for line in MARK.sub("", after).splitlines()]
        assert {line for line in left if line} <= lines
    again = own.compress_messages(messages, keep_rate=0.3, steps=steps, tokenizer=quarters)
    assert again.text == result.text


@pytest.mark.parametrize("form", FORMATS)
def test_what_was_learnt_is_kept(own: Compressor, form: str) -> None:
    result = own.compress_messages(history(form=form), keep_rate=0.3, tokenizer=quarters)
    held = [path for path in wanted_paths("anchor", 100) if path in result.text]
    assert len(held) >= 2


def test_formats_leave_the_same_lines(own: Compressor) -> None:
    left = []
    for form in FORMATS:
        result = own.compress_messages(history(form=form), keep_rate=0.3, tokenizer=quarters)
        left.append(results_of(result.messages or []))
    assert left[0] == left[1] == left[2]


def test_no_encoder_runs_where_lines_alone_are_decided(own: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = history()
    keep = [number for number, message in enumerate(messages) if message["role"] != "tool"]
    unread(monkeypatch)
    result = own.compress_messages(messages, keep_rate=0.3, keep=keep, tokenizer=quarters)
    assert result.compressed_tokens < result.original_tokens


def test_an_encoder_runs_where_there_are_words_too(own: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = history()
    messages[5]["content"] = "As far as I can see, that is all that there is to be found in this folder of the harbour."
    unread(monkeypatch)
    with pytest.raises(AssertionError, match="encoder was run"):
        own.compress_messages(messages, keep_rate=0.3, tokenizer=quarters)


def test_a_plain_text_and_a_chat_without_tools_are_read_by_the_encoder(own: Compressor) -> None:
    lineless = load_pruner()
    lineless.lines = None
    text = "\n".join(f"src/almond/part_{number}.py:{number}: wait = measure()" for number in range(40))
    options: dict[str, Any] = {"keep_rate": 0.3, "compress_query": True, "tokenizer": quarters}
    assert own.compress(text, **options).text == Compressor(lineless).compress(text, **options).text
    chat = [{"role": "user", "content": text}, {"role": "assistant", "content": "So."}]
    shorter, other = (each.compress_messages(chat, **options) for each in (own, Compressor(lineless)))
    assert shorter.text == other.text


def test_another_budget_of_the_same_result(own: Compressor) -> None:
    messages = history()
    result = own.compress_messages(messages, keep_rate=0.5, tokenizer=quarters)
    for rate in (0.4, 0.2):
        later = result.at(keep_rate=rate)
        assert later.text == own.compress_messages(messages, keep_rate=rate, tokenizer=quarters).text
        assert later.compressed_tokens <= later.budget < result.budget
