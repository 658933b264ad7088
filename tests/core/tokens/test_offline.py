"""Where tiktoken's vocabularies come from, and what happens without them."""

import base64
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from diffumask_core.errors import TokenizerError
from diffumask_core.tokens import bundled, counters, get_counter, offline

# The hashes that tiktoken expects of its own files.
ORIGINALS = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}
P50K_URL = "https://openaipublic.blob.core.windows.net/encodings/p50k_base.tiktoken"
P50K_FILE = hashlib.sha1(P50K_URL.encode()).hexdigest()
BYTE_VOCABULARY = b"".join(base64.b64encode(bytes([byte])) + b" %d\n" % byte for byte in range(256))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> NoReturn:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No vocabulary but those of the package, and nothing remembered from other tests."""
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.delenv("DATA_GYM_CACHE_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    caches = (counters._tiktoken_counter, offline.load_encoding, offline._definitions)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.fixture
def byte_vocabulary() -> bytes:
    """A vocabulary of single bytes that passes for p50k_base: its hash is put into the definitions."""
    definitions = offline._definitions()
    read = definitions.load_tiktoken_bpe

    def load(url: str, expected_hash: str) -> Any:
        return read(url, hashlib.sha256(BYTE_VOCABULARY).hexdigest())

    definitions.__dict__["load_tiktoken_bpe"] = load
    definitions.ENCODING_CONSTRUCTORS["p50k_base"] = lambda: {
        "name": "p50k_base",
        "pat_str": r"\S+|\s+",
        "mergeable_ranks": load(P50K_URL, ""),
        "special_tokens": {},
    }
    return BYTE_VOCABULARY


# The vocabularies of the package.


@pytest.mark.parametrize("name", ORIGINALS)
def test_tiktokens_own_file_comes_out_of_a_packed_one(name: str) -> None:
    ranks = bundled.bundled_ranks(ORIGINALS[name])
    assert ranks is not None
    file = b"".join(b"%s %d\n" % (base64.b64encode(token), rank) for token, rank in ranks.items())
    assert hashlib.sha256(file).hexdigest() == ORIGINALS[name]


def test_both_packed_vocabularies_together_are_small() -> None:
    assert sum(len((bundled.FOLDER / f"{name}.bin").read_bytes()) for name in ORIGINALS) < 1_500_000


@pytest.mark.parametrize(
    ("name", "text", "tokens"),
    [
        ("gpt-4o", "tiktoken is great!", 6),
        ("gpt-4", "tiktoken is great!", 6),
        ("o200k_base", "antidisestablishmentarianism", 6),
        ("cl100k_base", "antidisestablishmentarianism", 6),
        ("cl100k_base", "2 + 2 = 4", 7),
        ("cl100k_base", "お誕生日おめでとう", 9),
        ("o200k_base", "お誕生日おめでとう", 8),
        ("gpt-oss-20b", "<|endoftext|>", 7),
    ],
)
def test_counts_are_exact_without_any_file_of_tiktoken(name: str, text: str, tokens: int) -> None:
    assert get_counter(name).count(text) == tokens


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("gpt-4.1-mini", "o200k_base"),
        ("gpt-4o", "o200k_base"),
        ("o200k_base", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("gpt-oss-20b", "o200k_harmony"),
    ],
)
def test_a_models_name_stands_for_its_encoding(name: str, encoding: str) -> None:
    assert get_counter(name).name == f"tiktoken/{encoding}"


def test_the_default_is_gpt_4o() -> None:
    assert get_counter().name == "tiktoken/o200k_base"


@pytest.mark.parametrize("text", ["\ud83d", "a \udc00\ud800 b", "\ud83d\ude00", "\ud83d" * 1000])
def test_lone_surrogates_count_as_tiktoken_counts_them(text: str) -> None:
    for name in ORIGINALS:
        counter = get_counter(name)
        assert counter.count(text) == len(offline.load_encoding(name).encode(text))
        assert counter.count_each([text, text]) == [counter.count(text)] * 2


def test_a_file_on_the_machine_does_not_change_a_bundled_vocabulary(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    (tmp_path / "fb374d419588a4632f3f557e76b4b70aebbca790").write_bytes(BYTE_VOCABULARY)
    assert get_counter("o200k_base").count("hello hello") == 2


@pytest.mark.parametrize("damage", ["missing", "cut off", "another"])
def test_an_incomplete_installation_says_so(damage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    original = bundled.FOLDER / "o200k_base.bin"
    if damage == "cut off":
        (tmp_path / "o200k_base.bin").write_bytes(original.read_bytes()[:-9])
    elif damage == "another":
        shutil.copy(str(bundled.FOLDER / "cl100k_base.bin"), tmp_path / "o200k_base.bin")
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    with pytest.raises(TokenizerError, match=r"o200k_base\.bin .* reinstall"):
        get_counter("gpt-4o")


# Other vocabularies.


@pytest.mark.parametrize("place", ["TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR", "temporary folder"])
def test_another_vocabulary_is_found_in_tiktokens_cache(
    place: str, byte_vocabulary: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    if place == "temporary folder":
        folder = tmp_path / "data-gym-cache"
    else:
        monkeypatch.setenv(place, str(folder))
    folder.mkdir(parents=True)
    (folder / P50K_FILE).write_bytes(byte_vocabulary)
    environment = dict(os.environ)
    for name in ("p50k_base", "text-davinci-003"):
        counter = get_counter(name)
        assert counter.name == "tiktoken/p50k_base"
        assert counter.count("héllo") == 6
        assert counter.count("<|endoftext|>") == 13
    assert dict(os.environ) == environment


@pytest.mark.parametrize("name", ["gpt2", "r50k_base", "p50k_base", "p50k_edit", "text-davinci-003"])
def test_no_vocabulary_is_downloaded_or_estimated(name: str) -> None:
    with pytest.raises(TokenizerError, match=r"neither part of this package .*TIKTOKEN_CACHE_DIR.*cl100k_base"):
        get_counter(name)


def test_the_error_names_the_address_and_the_file() -> None:
    with pytest.raises(TokenizerError) as caught:
        get_counter("p50k_base")
    assert P50K_URL in str(caught.value)
    assert P50K_FILE in str(caught.value)


def test_a_damaged_vocabulary_is_passed_over_and_stays(
    byte_vocabulary: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    (tmp_path / P50K_FILE).write_bytes(byte_vocabulary[:-9])
    with pytest.raises(TokenizerError):
        get_counter("p50k_base")
    assert (tmp_path / P50K_FILE).exists()


def test_a_vocabulary_that_appears_later_is_used(
    byte_vocabulary: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    with pytest.raises(TokenizerError):
        get_counter("p50k_base")
    (tmp_path / P50K_FILE).write_bytes(byte_vocabulary)
    assert get_counter("p50k_base").name == "tiktoken/p50k_base"


def test_counting_imports_no_model_library() -> None:
    program = """
import importlib.util, sys
# The package without its top module, which brings the model along.
sys.modules["diffumask_core"] = importlib.util.module_from_spec(importlib.util.find_spec("diffumask_core"))
from diffumask_core.tokens import get_counter
assert not {"tiktoken", "tokenizers"} & set(sys.modules)
get_counter(len).count("text")
get_counter("gpt-4o").count("text")
assert not {"torch", "transformers", "llama_index"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
