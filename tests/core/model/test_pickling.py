"""A model that is sent to another process decides there as it does here."""

import os
import pickle
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from diffumask_core import Compressor, EncodingCache
from diffumask_core.model.export import export_folder
from diffumask_core.model.onnx_network import OnnxNetwork
from diffumask_core.model.pretrained import load_pruner, save_folder
from diffumask_core.model.pruner import Pruner
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.units.words import split_words

TEXT = "the baker, who had been away for a week, made 12 loaves of rye bread for $3.50 each. no loaf was left. " * 3


@pytest.fixture(scope="module")
def folder(pruner: Pruner, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with its graphs."""
    folder = tmp_path_factory.mktemp("exported")
    save_folder(pruner.network.model, tokenizer, folder)
    export_folder(folder, [TEXT])
    return folder


def there_and_back(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def assert_equal(one: Pruner, other: Pruner) -> None:
    offsets = split_words(TEXT)
    parts = [(0, 20), (20, len(offsets))]
    first, second = (each.read(TEXT, offsets, parts, "how many loaves?") for each in (one, other))
    np.testing.assert_array_equal(first.vectors, second.vectors)
    np.testing.assert_array_equal(one.encode(first).context, other.encode(second).context)
    np.testing.assert_array_equal(one.nearness(first, parts), other.nearness(second, parts))


def test_a_pickled_model_on_onnx_reads_the_same(folder: Path) -> None:
    pruner = load_pruner(folder, threads=2)
    again = there_and_back(pruner)
    assert isinstance(again.network, OnnxNetwork)
    assert again.network.fingerprint == pruner.network.fingerprint
    assert again.network.workers == 2
    assert_equal(again, pruner)


def test_a_pickle_of_a_model_on_onnx_holds_no_weights(folder: Path) -> None:
    network = load_pruner(folder).network
    assert len(pickle.dumps(network)) < 2000


def test_a_pickled_model_on_torch_reads_the_same(folder: Path) -> None:
    pruner = load_pruner(folder, runtime="torch")
    fingerprint = pruner.network.fingerprint
    again = there_and_back(pruner)
    assert isinstance(again.network, TorchNetwork)
    assert again.network.fingerprint == fingerprint
    assert_equal(again, pruner)


def test_a_relative_folder_is_found_from_another_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(folder.parent)
    pickled = pickle.dumps(load_pruner(folder.name))
    monkeypatch.chdir(tmp_path)
    assert isinstance(pickle.loads(pickled).network, OnnxNetwork)


def test_a_pickled_cache_has_its_settings_and_is_empty(tmp_path: Path) -> None:
    memory = EncodingCache(megabytes=1)
    memory.put(b"key", np.ones((2, 3), dtype=np.float16))
    again = there_and_back(memory)
    assert again.info().entries == 0
    # Each number takes two bytes.
    large = np.ones((2**19 + 1, 1), dtype=np.float16)
    again.put(b"more than a megabyte", large)
    assert again.info().entries == 0

    kept = EncodingCache(folder=tmp_path / "cache")
    kept.put(b"key", np.ones((2, 3), dtype=np.float16))
    found = there_and_back(kept).get(b"key", 3)
    assert found is not None
    assert found.shape == (2, 3)


def test_a_relative_folder_of_a_cache_is_found_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    cache = EncodingCache(folder="cache")
    cache.put(b"key", np.ones((2, 3), dtype=np.float16))
    pickled = pickle.dumps(cache)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert pickle.loads(pickled).get(b"key", 3) is not None
    assert os.listdir() == []


def shorten(compressor: Compressor) -> str:
    return compressor.compress(TEXT, keep_rate=0.5, tokenizer=len).text


def test_a_compressor_decides_the_same_in_another_process(folder: Path) -> None:
    compressor = Compressor.from_pretrained(folder, cache=EncodingCache(megabytes=4))
    with get_context("spawn").Pool(1) as pool:
        assert pool.apply(shorten, (compressor,)) == shorten(compressor) != TEXT
