"""What the package shows to the outside, and what it keeps its hands off."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import diffumask_core
from diffumask_core import Compressor

ROOT = Path(diffumask_core.__file__).parent.parent


def test_public_names() -> None:
    assert diffumask_core.__all__ == [
        "BudgetError",
        "CacheInfo",
        "Calibration",
        "CompressionResult",
        "Compressor",
        "Conversation",
        "DataError",
        "DiffuMaskError",
        "EncodingCache",
        "Example",
        "InputError",
        "LeftOut",
        "Mark",
        "MarkError",
        "ModelError",
        "Prompt",
        "ReaderBudgetError",
        "ReaderError",
        "Saved",
        "Shot",
        "ShotResult",
        "TokenizerError",
        "View",
    ]
    assert all(hasattr(diffumask_core, name) for name in diffumask_core.__all__)


def test_errors_are_what_a_caller_expects() -> None:
    assert issubclass(diffumask_core.BudgetError, diffumask_core.InputError)
    assert issubclass(diffumask_core.InputError, ValueError)
    assert issubclass(diffumask_core.ModelError, OSError)
    for name in ("InputError", "BudgetError", "TokenizerError", "ModelError", "DataError"):
        assert issubclass(getattr(diffumask_core, name), diffumask_core.DiffuMaskError)


def imported(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has imported after a statement."""
    code = f"{statement}; import sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_core_imports_no_framework_and_nothing_for_training_alone() -> None:
    modules = imported("import diffumask_core")
    assert "diffumask_core" in modules
    unwanted = {"diffumask_integrations", "langchain", "langchain_core", "llama_index", "sklearn", "typer"}
    assert modules & unwanted == set()


def test_guarantee_7_compressing_needs_no_network(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def refuse(*arguments: Any, **options: Any) -> None:
        asked.append(arguments)
        raise OSError("The network is off.")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    with pytest.raises(OSError, match="The network is off"):
        socket.create_connection(("localhost", 9))
    asked.clear()
    compressor = Compressor.from_pretrained(model_folder)
    text = "On Monday the owner, who had been away for a week, sold 12 boxes to a visitor from out of town. " * 3
    for tokenizer in (str(model_folder), len):
        result = compressor.compress(text, keep_rate=0.4, query="How many boxes?", tokenizer=tokenizer)
        assert 0 < result.compressed_tokens <= result.budget
    assert asked == []
