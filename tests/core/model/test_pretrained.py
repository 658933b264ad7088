"""Pretrained folders that are missing or broken."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file

from diffumask_core import Compressor, ModelError
from diffumask_core.model.pretrained import load_pruner


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


def configured(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    config = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({key: value for key, value in {**config, **changes}.items() if value is not None}))


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def without(folder: Path, part: str) -> None:
    file = folder / "model.safetensors"
    weights = {name: value for name, value in load_file(file).items() if not name.startswith(part)}
    save_file(weights, file, metadata={"format": "pt"})


def test_a_whole_folder_is_read(folder: Path) -> None:
    pruner = load_pruner(folder)
    assert not pruner.network.model.training
    assert pruner.tokenizer.truncation is None
    result = Compressor.from_pretrained(str(folder)).compress("one two three four", keep_rate=0.5, tokenizer=len)
    assert result.compressed_tokens <= result.budget


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no model.safetensors"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer.json"),
        (lambda folder: truncated(folder / "model.safetensors"), "cannot be read .* save or download it again"),
        (lambda folder: truncated(folder / "config.json"), "cannot be read|config.json"),
        (lambda folder: truncated(folder / "tokenizer.json"), "cannot be read"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "cannot be read"),
        (lambda folder: configured(folder, format_version=1), "is of format 1, .* reads format 6: train it again"),
        (lambda folder: configured(folder, format_version=None), "is of format None"),
        (lambda folder: configured(folder, model_type="bert"), "a model of type 'bert', not a DiffuMask model"),
        (lambda folder: configured(folder, model_type=None), "not a DiffuMask model"),
        (lambda folder: configured(folder, denoiser_width=16), "do not fit its config.json|cannot be read"),
        (lambda folder: configured(folder, denoiser_width="wide"), "cannot be read"),
        (lambda folder: without(folder, "denoiser."), "do not fit its config.json"),
        (lambda folder: without(folder, "encoder."), "do not fit its config.json"),
        (lambda folder: without(folder, "upper."), "do not fit its config.json"),
        (lambda folder: without(folder, "comparer."), "do not fit its config.json"),
        (lambda folder: configured(folder, format_version=5), "is of format 5"),
    ],
)
def test_a_broken_folder(folder: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(folder)
    with pytest.raises(ModelError, match=message) as raised:
        Compressor.from_pretrained(folder)
    assert str(folder) in str(raised.value)


@pytest.mark.parametrize("name", ["no such model!", "./nowhere/at/all"])
def test_no_folder_and_no_hub_id(name: str) -> None:
    with pytest.raises(ModelError, match="neither a folder here nor a model that the hub gives"):
        Compressor.from_pretrained(name)


def test_the_hub_is_asked_only_for_what_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def download(name: str, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    load_pruner("someone/some-model")
    wanted = ["config.json", "model.safetensors", "tokenizer.json", "lines.safetensors", "onnx/*"]
    assert asked == [("someone/some-model", wanted)]


def test_the_hub_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(name: str, allow_patterns: list[str]) -> str:
        raise LocalEntryNotFoundError("offline")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(ModelError, match="There is no model 'someone/some-model'"):
        load_pruner("someone/some-model")


def test_a_file_is_no_folder(folder: Path) -> None:
    with pytest.raises(ModelError, match="There is no model"):
        load_pruner(folder / "model.safetensors")
