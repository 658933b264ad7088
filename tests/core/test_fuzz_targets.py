"""The targets of the fuzzer run on their seeds and on bytes of no sense, without the fuzzer."""

import random
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
NAMES = [
    "parse",
    "prompt",
    "regions",
    "messages-chat",
    "messages-responses",
    "messages-anthropic",
    "conversation",
    "json",
    "server",
]


@pytest.fixture(scope="module")
def targets() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT), *sys.path])
        import fuzz.targets
    return fuzz.targets


@pytest.fixture(scope="module")
def reader() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT), *sys.path])
        import fuzz.reader
    return fuzz.reader


def test_every_target_has_a_test(targets: ModuleType) -> None:
    assert list(targets.TARGETS) == NAMES
    assert all(name in (ROOT / "Makefile").read_text("utf-8") for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_target_holds_on_seeds_and_on_noise(targets: ModuleType, name: str, tmp_path: Path) -> None:
    seeds = runpy.run_path(str(ROOT / "fuzz" / "seeds.py"))
    seeds["write_seeds"](name, tmp_path / "seeds")
    files = sorted((tmp_path / "seeds").iterdir())
    assert len(files) > 3
    for path in files[:: max(len(files) // 8, 1)]:
        targets.run(name, path.read_bytes())
    for seed in range(8):
        targets.run(name, random.Random(seed).randbytes(200))
    targets.run(name, b"")


def test_texts_are_at_the_front_and_choices_at_the_end(reader: ModuleType) -> None:
    read = reader.Reader("naïve".encode() + b"\xff" + b"\xd8two" + b"\xff\x02\x07")
    assert read.choice("abcdefghij") == "h"
    assert read.integer(0, 5) == 2
    assert read.text() == "naïve"
    assert read.text() == "\udcd8two"
    assert (read.text(), read.integer(3, 900), read.flag()) == ("", 3, False)
