"""What has been read is not read again, and nothing else changes."""

import multiprocessing
import pickle
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from diffumask_core import Compressor, EncodingCache, InputError, Prompt
from diffumask_core.model.inputs import WindowBatch, WordBatch
from diffumask_core.model.network import Network
from diffumask_core.model.pruner import Pruner
from diffumask_core.model.torch_network import TorchNetwork

# Each is longer than shots that share a window.
SHOTS = [
    f"{name} went to the market on the hill and bought {count} {thing} there for the party of the year. " * 4
    for name, count, thing in [("anna", 3, "apples"), ("omar", 7, "rolls"), ("lena", 12, "books")]
]
OPTIONS: dict[str, Any] = {"keep_rate": 0.5, "tokenizer": str.__len__}


class CountingNetwork(TorchNetwork):
    """Counts the windows that are read, and the texts whose words are compared."""

    windows = 0
    compared = 0

    def encode(self, batch: WindowBatch) -> Any:
        self.windows += len(batch.input_ids)
        return super().encode(batch)

    def compare(self, batch: WordBatch) -> Any:
        self.compared += len(batch.vectors)
        return super().compare(batch)


@pytest.fixture
def network(pruner: Pruner) -> CountingNetwork:
    return CountingNetwork(pruner.network.model)


def compressor(network: Network, tokenizer: Tokenizer, cache: EncodingCache | None) -> Compressor:
    return Compressor(Pruner(network, tokenizer, cache))


def test_a_text_is_read_once_whatever_the_rate(network: CountingNetwork, tokenizer: Tokenizer) -> None:
    cached = compressor(network, tokenizer, EncodingCache())
    first = cached.compress(Prompt(shots=SHOTS), **OPTIONS)
    read = network.windows
    assert read > 0
    assert cached.compress(Prompt(shots=SHOTS), **OPTIONS) == first
    cached.compress(Prompt(shots=SHOTS), **{**OPTIONS, "keep_rate": 0.2})
    assert network.windows == read
    assert cached.cache is not None
    info = cached.cache.info()
    assert (info.hits, info.misses, info.entries) == (2 * read, read, read)
    assert info.megabytes > 0
    assert info.folder_megabytes is None


def test_a_shot_is_read_once_whatever_stands_beside_it(network: CountingNetwork, tokenizer: Tokenizer) -> None:
    cached = compressor(network, tokenizer, EncodingCache())
    cached.compress(Prompt(shots=SHOTS[:2]), **OPTIONS)
    read = network.windows
    cached.compress(Prompt(shots=SHOTS[::-1]), **OPTIONS)
    again = network.windows - read
    plain = CountingNetwork(network.model)
    compressor(plain, tokenizer, None).compress(Prompt(shots=SHOTS[2:]), **OPTIONS)
    assert again == plain.windows


def test_results_are_those_without_a_cache(network: CountingNetwork, tokenizer: Tokenizer) -> None:
    cached, plain = compressor(network, tokenizer, EncodingCache()), compressor(network, tokenizer, None)
    for shots in (SHOTS[:1], SHOTS, SHOTS[::-1], ["short one", "short two", *SHOTS]):
        for query in ("", "how many rolls?"):
            assert cached.compress(Prompt(shots=shots), query=query, **OPTIONS) == plain.compress(
                Prompt(shots=shots), query=query, **OPTIONS
            )


def test_a_text_is_read_once_whatever_the_query(network: CountingNetwork, tokenizer: Tokenizer) -> None:
    cached = compressor(network, tokenizer, EncodingCache())
    plain = cached.compress(Prompt(shots=SHOTS), **OPTIONS)
    read = network.windows
    asked = cached.compress(Prompt(shots=SHOTS), query="how many rolls?", **OPTIONS)
    # The query is read, and the text is not read again.
    assert network.windows == read + 1
    assert asked == compressor(network, tokenizer, None).compress(
        Prompt(shots=SHOTS), query="how many rolls?", **OPTIONS
    )
    again = network.windows
    cached.compress(Prompt(shots=SHOTS), query="how many rolls?", **{**OPTIONS, "keep_rate": 0.2})
    assert network.windows == again
    assert [shot.score for shot in asked.shots] != [shot.score for shot in plain.shots]


@pytest.mark.parametrize("place", ["memory", "folder"])
def test_words_are_compared_once(network: CountingNetwork, tokenizer: Tokenizer, tmp_path: Path, place: str) -> None:
    folder = tmp_path if place == "folder" else None
    cache, texts, query = EncodingCache(folder=folder), [*SHOTS, " "], "how many rolls?"
    expected = Pruner(TorchNetwork(network.model), tokenizer).nearness_of(texts, query)
    np.testing.assert_array_equal(Pruner(network, tokenizer, cache).nearness_of(texts, query), expected)
    # A text without a word is not compared, and the query is.
    assert network.compared == len(SHOTS) + 1
    later = cache if folder is None else EncodingCache(folder=folder)
    np.testing.assert_array_equal(Pruner(network, tokenizer, later).nearness_of(texts, query), expected)
    assert network.compared == len(SHOTS) + 1
    Pruner(network, tokenizer, later).nearness_of(texts[::-1], "who bought books?")
    assert network.compared == len(SHOTS) + 2


def test_a_text_is_not_taken_for_a_query_with_the_same_words(network: CountingNetwork, tokenizer: Tokenizer) -> None:
    cached, plain = (Pruner(network, tokenizer, cache) for cache in (EncodingCache(), None))
    for are_queries in (False, True):
        ours, theirs = (one.embed(["how many rolls?"], are_queries=are_queries) for one in (cached, plain))
        np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from([*SHOTS, "rolls", ""]), max_size=3), st.sampled_from(["rolls?", "who went?"])
        ),
        max_size=3,
    )
)
def test_whatever_was_compared_before_texts_are_as_near(pruner: Pruner, asked: list[tuple[list[str], str]]) -> None:
    cached = Pruner(pruner.network, pruner.tokenizer, EncodingCache())
    for texts, query in asked:
        np.testing.assert_allclose(cached.nearness_of(texts, query), pruner.nearness_of(texts, query), atol=0.1)


def test_another_model_is_another_reading(network: CountingNetwork, tokenizer: Tokenizer) -> None:
    cache = EncodingCache()
    cached = compressor(network, tokenizer, cache)
    cached.compress(Prompt(shots=SHOTS), **OPTIONS)
    read = network.windows
    other = CountingNetwork(type(network.model)(network.model.config).train(False))
    compressor(other, tokenizer, cache).compress(Prompt(shots=SHOTS), **OPTIONS)
    assert other.windows == read


def test_it_never_holds_more_than_it_may() -> None:
    cache = EncodingCache(megabytes=1)
    for number in range(40):
        cache.put(str(number).encode(), np.full((200, 100), number, dtype=np.float16))
        assert cache.info().megabytes <= 1
    assert cache.get(b"0", 100) is None
    kept = cache.get(b"39", 100)
    assert kept is not None
    assert (kept == 39).all()
    cache.put(b"too large", np.zeros((1000, 1000), dtype=np.float16))
    assert cache.get(b"too large", 1000) is None


@pytest.mark.parametrize("sizes", [{"megabytes": 0}, {"folder_megabytes": -1}, {"megabytes": float("nan")}])
def test_a_size_that_can_hold_nothing(sizes: dict[str, float]) -> None:
    with pytest.raises(InputError, match="can hold nothing"):
        EncodingCache(**sizes)


def test_a_folder_outlives_the_cache(network: CountingNetwork, tokenizer: Tokenizer, tmp_path: Path) -> None:
    first = compressor(network, tokenizer, EncodingCache(folder=tmp_path)).compress(Prompt(shots=SHOTS), **OPTIONS)
    read = network.windows
    later = EncodingCache(folder=tmp_path)
    assert compressor(network, tokenizer, later).compress(Prompt(shots=SHOTS), **OPTIONS) == first
    assert network.windows == read
    assert (later.info().folder_megabytes or 0) > 0
    later.clear()
    assert later.get(b"anything", 4) is None
    assert EncodingCache(folder=tmp_path).info().entries == 0


def write_some(folder: str, first: int) -> None:
    cache = EncodingCache(folder=folder)
    for number in range(first, first + 20):
        cache.put(str(number).encode(), np.full((3, 4), number, dtype=np.float16))


def test_several_processes_share_a_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=write_some, args=(str(tmp_path), first)) for first in (0, 10, 20)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    cache = EncodingCache(folder=tmp_path)
    for number in range(40):
        found = cache.get(str(number).encode(), 4)
        assert found is not None
        assert (found == number).all()


class Trap:
    """Unpickling it would show."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, ("raise SystemExit('a pickle was opened')",)


def test_a_pickle_in_the_folder_is_not_opened(tmp_path: Path) -> None:
    cache = EncodingCache(folder=tmp_path)
    cache.put(b"key", np.zeros((1, 4), dtype=np.float16))
    with closing(sqlite3.connect(tmp_path / "cache.db")) as database, database:
        database.execute("UPDATE Cache SET mode = 4, value = ?", (pickle.dumps(Trap()),))
    assert EncodingCache(folder=tmp_path).get(b"key", 4) is None


def test_many_threads_may_use_one(network: CountingNetwork, tokenizer: Tokenizer) -> None:
    cached, plain = compressor(network, tokenizer, EncodingCache()), compressor(network, tokenizer, None)
    prompts = [Prompt(shots=SHOTS[start:] + SHOTS[:start]) for start in range(3)] * 4
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda prompt: cached.compress(prompt, **OPTIONS), prompts))
    assert results == [plain.compress(prompt, **OPTIONS) for prompt in prompts]
