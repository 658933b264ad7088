"""What the upper layers see: only windows of what can stay, and each of them once."""

from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from diffumask_core import CompressionResult, Compressor, EncodingCache, Prompt
from diffumask_core.model.inputs import WindowBatch, WordBatch
from diffumask_core.model.pruner import Pruner
from diffumask_core.model.torch_network import TorchNetwork

# The letters of each, which are tokens, fill more than half of a window: each shot has windows of its own.
SHOTS = [
    f"{name} went to the market on the hill and bought {count} {thing} there for the party of the year with {friend}."
    for name, count, thing, friend in [
        ("anna", 3, "apples", "paul"),
        ("omar", 7, "rolls", "ivan"),
        ("lena", 12, "books", "maria"),
        ("ivan", 60, "roses", "greta"),
        ("paul", 4, "lamps", "hugo"),
        ("greta", 9, "chairs", "nils"),
    ]
]
QUERY = "how many rolls?"


class NotingNetwork(TorchNetwork):
    """Notes what the trunk and the upper layers are given."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.windows = 0
        self.texts: list[bytes] = []

    def encode(self, batch: WindowBatch) -> Any:
        self.windows += len(batch.input_ids)
        return super().encode(batch)

    def consider(self, batch: WordBatch) -> Any:
        for vectors, roles, mask in zip(batch.vectors, batch.roles, batch.mask, strict=True):
            self.texts.append(vectors[(mask > 0) & (roles == 0)].tobytes())
        return super().consider(batch)


@pytest.fixture
def network(pruner: Pruner) -> NotingNetwork:
    return NotingNetwork(pruner.network.model)


def shortened(network: NotingNetwork, tokenizer: Tokenizer, **options: Any) -> CompressionResult:
    compressor = Compressor(Pruner(network, tokenizer, options.pop("cache", None)))
    return compressor.compress(Prompt(shots=SHOTS), tokenizer=len, **{"query": QUERY, **options})


def stays(result: CompressionResult) -> list[int]:
    return [number for number, shot in enumerate(result.shots) if shot.fate != "dropped"]


@pytest.mark.parametrize("query", ["", QUERY])
@pytest.mark.parametrize("rate", [0.15, 0.3])
def test_shots_that_do_not_stay_are_not_seen(
    network: NotingNetwork, tokenizer: Tokenizer, query: str, rate: float
) -> None:
    kept = stays(shortened(network, tokenizer, keep_rate=rate, query=query))
    assert network.windows == len(SHOTS) + bool(query)
    # A shot of which too little would be left to read is seen before it goes; one that no budget carries is not.
    assert 0 < len(kept) <= len(network.texts) < len(SHOTS)
    assert len(set(network.texts)) == len(network.texts)


def test_a_whole_shot_needs_no_upper_layer(network: NotingNetwork, tokenizer: Tokenizer) -> None:
    result = shortened(network, tokenizer, keep_rate=0.5, token_level=False)
    assert 0 < len(stays(result)) < len(SHOTS)
    assert network.texts == []


def test_another_budget_is_as_a_fresh_call_and_sees_only_new_windows(
    network: NotingNetwork, tokenizer: Tokenizer, pruner: Pruner
) -> None:
    first = shortened(network, tokenizer, keep_rate=0.3)
    read, seen = network.windows, set(network.texts)
    larger = first.at(keep_rate=0.7)
    fresh = NotingNetwork(pruner.network.model)
    assert larger == shortened(fresh, tokenizer, keep_rate=0.7)
    assert set(stays(first)) < set(stays(larger))
    assert network.windows == read
    assert len(set(network.texts)) == len(network.texts)
    assert set(network.texts) == seen | set(fresh.texts)
    # A smaller one, and the first one again, need none.
    considered = len(network.texts)
    assert larger.at(keep_rate=0.3) == first
    assert len(network.texts) == considered


def test_a_second_query_reads_no_passage_again(network: NotingNetwork, tokenizer: Tokenizer, pruner: Pruner) -> None:
    cache = EncodingCache()
    shortened(network, tokenizer, keep_rate=0.5, cache=cache)
    shortened(network, tokenizer, keep_rate=0.5, cache=cache, query="who bought roses?")
    # All shots once, and each query.
    assert network.windows == len(SHOTS) + 2
    plain = NotingNetwork(pruner.network.model)
    options: dict[str, Any] = {"keep_rate": 0.3, "query": "who bought roses?"}
    assert shortened(network, tokenizer, cache=cache, **options) == shortened(plain, tokenizer, **options)
    assert network.windows == len(SHOTS) + 2


def test_a_query_changes_what_the_upper_layers_make_of_a_text(pruner: Pruner) -> None:
    offsets = np.array([[0, 3], [4, 9]])
    plain, asked = (pruner.encode(pruner.read("the rolls", offsets, [(0, 2)], query)) for query in ("", QUERY))
    assert plain.context.shape == asked.context.shape
    assert not np.allclose(plain.context, asked.context)
