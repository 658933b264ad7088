"""Where tiktoken's vocabularies come from, and what happens without them."""

import base64
import hashlib
import logging
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, NoReturn

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from diffumask_core.errors import TokenizerError
from diffumask_core.tokens import bundled, counters, get_counter, offline

URL = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
FILE_NAME = "fb374d419588a4632f3f557e76b4b70aebbca790"
VOCABULARY = b"".join(base64.b64encode(bytes([byte])) + b" %d\n" % byte for byte in range(256))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> NoReturn:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No vocabulary anywhere, and nothing remembered from other tests."""
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.delenv("DATA_GYM_CACHE_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    find_spec = PathFinder.find_spec

    def find_here(name: str, path: Any = None, target: Any = None) -> Any:
        # What is installed beside the tests is none of theirs.
        own = [entry for entry in sys.path if Path(entry).is_relative_to(tmp_path)]
        return find_spec(name, own if name == "llama_index" else path, target)

    monkeypatch.setattr(PathFinder, "find_spec", staticmethod(find_here))
    caches = (counters._tiktoken_counter, counters._bundled_counter, offline._definitions)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.fixture
def byte_vocabulary() -> bytes:
    """A vocabulary of single bytes that passes for o200k_base: its hash is put into the definitions."""
    definitions = offline._definitions()
    read = definitions.load_tiktoken_bpe

    def load(url: str, expected_hash: str) -> Any:
        return read(url, hashlib.sha256(VOCABULARY).hexdigest())

    definitions.__dict__["load_tiktoken_bpe"] = load
    return VOCABULARY


@pytest.fixture
def bundled_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    letters = [chr(code) for code in range(97, 123)]
    vocabulary = {token: i for i, token in enumerate(["[UNK]", "hello", *letters, *("##" + x for x in letters), "."])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.enable_truncation(4)
    file = tmp_path / "bundled.json"
    tokenizer.save(str(file))
    monkeypatch.setattr(bundled, "TOKENIZER", file)
    return file


@pytest.mark.parametrize("place", ["TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR", "temporary folder", "llama-index-core"])
def test_finds_a_vocabulary(
    place: str, byte_vocabulary: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    if place == "temporary folder":
        folder = tmp_path / "data-gym-cache"
    elif place == "llama-index-core":
        folder = tmp_path / "site" / "llama_index" / "core" / "_static" / "tiktoken_cache"
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
    else:
        monkeypatch.setenv(place, str(folder))
    folder.mkdir(parents=True)
    (folder / FILE_NAME).write_bytes(byte_vocabulary)
    environment, imported = dict(os.environ), sys.modules.get("llama_index")

    for name in ("gpt-4o", "o200k_base", "gpt-4.1-mini"):
        counter = get_counter(name)
        assert counter.name == "tiktoken/o200k_base"
        assert counter.count("héllo") == 6
        assert counter.count("<|endoftext|>") == 13
    assert get_counter("gpt-oss-20b").name == "tiktoken/o200k_harmony"
    assert dict(os.environ) == environment
    assert sys.modules.get("llama_index") is imported


def test_the_default_is_gpt_4o(byte_vocabulary: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    (tmp_path / FILE_NAME).write_bytes(byte_vocabulary)
    assert get_counter().name == "tiktoken/o200k_base"


def test_the_address_is_tiktokens() -> None:
    assert hashlib.sha1(URL.encode()).hexdigest() == FILE_NAME
    with pytest.raises(offline.VocabularyError, match=URL):
        offline.load_encoding("o200k_base")


@pytest.mark.parametrize("name", ["gpt2", "r50k_base", "p50k_base", "p50k_edit", "cl100k_base", "o200k_harmony"])
def test_no_encoding_is_downloaded(name: str) -> None:
    with pytest.raises(offline.VocabularyError):
        offline.load_encoding(name)


def test_a_damaged_vocabulary_is_passed_over(
    byte_vocabulary: bytes, bundled_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    (tmp_path / FILE_NAME).write_bytes(byte_vocabulary[:-9])
    assert get_counter("gpt-4o").name.startswith("bundled/")
    assert (tmp_path / FILE_NAME).exists()


def test_without_a_vocabulary_the_bundled_one_counts_and_it_is_said_once(
    bundled_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "diffumask"):
        for _ in range(3):
            assert get_counter("gpt-4o").name == "bundled/wordpiece (for o200k_base)"
            assert get_counter("o200k_base").count("hello") == 1
        assert len(caplog.records) == 1
        assert "o200k_base" in caplog.text
        get_counter("gpt-4")
    assert len(caplog.records) == 2
    assert "cl100k_base" in caplog.text


def test_the_bundled_estimate_counts_what_wordpiece_does_not_see(bundled_file: Path) -> None:
    count = get_counter("gpt-4o").count
    assert count("") == 0
    assert count("hello hello") == 2
    assert count("hello\n\nhello") == 3
    assert count("hello\x00") == 2
    assert count("\u0e2a\u0e27") == 6
    assert count("\ud800") > 0
    assert count("hello " * 120) == 130, "the margin, and no truncation"
    assert count("hello 1234567") >= 1 + 1 + 3
    assert count("\n" * 800) >= 100


def test_a_vocabulary_that_appears_later_is_used(
    byte_vocabulary: bytes, bundled_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert get_counter("gpt-4o").name.startswith("bundled/")
    (tmp_path / FILE_NAME).write_bytes(byte_vocabulary)
    assert get_counter("gpt-4o").name == "tiktoken/o200k_base"


def test_an_incomplete_installation_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bundled, "TOKENIZER", tmp_path / "missing.json")
    with pytest.raises(TokenizerError, match="reinstall"):
        get_counter("gpt-4o")


def test_counting_imports_no_model_library() -> None:
    program = """
import importlib.util, sys
# The package without its top module, which brings the model along.
sys.modules["diffumask_core"] = importlib.util.module_from_spec(importlib.util.find_spec("diffumask_core"))
from diffumask_core.tokens import get_counter
assert not {"tiktoken", "tokenizers"} & set(sys.modules)
get_counter(len).count("text")
assert not {"torch", "transformers", "llama_index"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
