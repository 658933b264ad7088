"""The comparer: how near texts are to the query."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from diffumask_core import Compressor, ModelError, Prompt
from diffumask_core.model.configuration import DiffuMaskConfig
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pretrained import load_pruner, save_folder
from diffumask_core.model.pruner import Pruner, ReadText
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.units.words import split_words

SHOTS = ["green frogs jump high", "what is the capital of italy", "two plus two is four"]


@pytest.fixture(scope="module")
def lacking(pruner: Pruner, tokenizer: Tokenizer) -> Pruner:
    """A model without a comparer."""
    settings = pruner.network.model.config.to_dict() | {"comparer_layers": 0}
    torch.manual_seed(0)
    return Pruner(TorchNetwork(DiffuMaskModel(DiffuMaskConfig(**settings)).train(False)), tokenizer)


def read_shots(pruner: Pruner, query: str) -> tuple[ReadText, list[tuple[int, int]]]:
    """The shots one after the other, and which units are whose."""
    text = " ".join(SHOTS)
    ends = np.cumsum([0, *(len(split_words(shot)) for shot in SHOTS)]).tolist()
    parts = list(pairwise(ends))
    return pruner.read(text, split_words(text), parts, query), parts


def test_the_shot_that_is_nearest_to_the_query_has_the_highest_utility(pruner: Pruner) -> None:
    query = "what is the capital of italy now"
    result = Compressor(pruner).compress(Prompt(shots=SHOTS), query=query, target_tokens=20, tokenizer=len)
    best = int(np.argmax([shot.score for shot in result.shots]))
    read, parts = read_shots(pruner, query)
    assert best == int(np.argmax(pruner.nearness(read, parts)))
    assert result.shots[best].fate != "dropped"


def test_nearness_is_a_cosine_times_the_relevance_weight(pruner: Pruner) -> None:
    read, parts = read_shots(pruner, "which capital?")
    weight = pruner.network.settings.relevance_weight
    assert (abs(pruner.nearness(read, parts)) <= weight * 1.001).all()
    # A text that the trunk has read by itself is as near as the same text among others where it has its own window.
    text = "the capital of italy is rome"
    offsets = split_words(text)
    alone = pruner.read(text, offsets, [(0, len(offsets))], "which capital?")
    [expected] = pruner.nearness_of([text], "which capital?")
    np.testing.assert_allclose(pruner.nearness(alone, [(0, len(offsets))]), expected, atol=0.05)


def test_a_long_query_is_compared_by_its_end(pruner: Pruner) -> None:
    """Sixteen tokens are read, each a letter."""
    queries = [f"{word}? " * 30 + "sixteen letters." for word in ("why", "who")]
    first, second = pruner.embed(queries, are_queries=True)
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_without_a_query_nothing_is_near(pruner: Pruner) -> None:
    read, parts = read_shots(pruner, "")
    assert pruner.nearness(read, parts).tolist() == [0, 0, 0]
    assert pruner.nearness(read, []).tolist() == []


def test_an_empty_part_is_not_near(pruner: Pruner) -> None:
    read, (_, part, _) = read_shots(pruner, "which capital?")
    near = pruner.nearness(read, [(0, 0), part, (4, 4)])
    assert (near == 0).tolist() == [True, False, True]


def test_of_a_long_part_the_beginning_is_compared(pruner: Pruner, monkeypatch: pytest.MonkeyPatch) -> None:
    read, parts = read_shots(pruner, "which capital?")
    monkeypatch.setattr(pruner.network, "settings", replace(pruner.network.settings, relevance_units=2))
    cut = [(first, first + 2) for first, _ in parts]
    np.testing.assert_allclose(pruner.nearness(read, parts), pruner.nearness(read, cut), atol=1e-4)


def test_means_are_those_of_the_units_of_each_part(pruner: Pruner) -> None:
    read, parts = read_shots(pruner, "")
    means = pruner.means(read, [*parts, (2, 2)])
    for mean, (first, last) in zip(means, parts, strict=False):
        np.testing.assert_allclose(mean, read.vectors[first:last].astype(np.float32).mean(0), atol=1e-5)
    assert not means[-1].any()
    assert pruner.means(read, []).shape == (0, 16)


def test_a_model_without_a_comparer(lacking: Pruner) -> None:
    read, parts = read_shots(lacking, "which capital?")
    assert lacking.nearness(read, parts).tolist() == [0, 0, 0]
    with pytest.raises(ModelError, match="no comparer"):
        lacking.embed(SHOTS)
    result = Compressor(lacking).compress(Prompt(shots=SHOTS), query="which capital?", keep_rate=0.5)
    assert result.compressed_tokens <= result.budget


def test_a_turn_without_a_word_is_compared_with_nothing(pruner: Pruner) -> None:
    messages = [
        {"role": role, "content": content}
        for role, content in [
            ("user", "The capital of Italy is Rome."),
            ("assistant", "It is an old town on a river."),
            ("user", " "),
            ("assistant", "\n"),
            ("user", "What is the capital of Italy?"),
        ]
    ]
    result = Compressor(pruner).compress_messages(messages, keep_rate=0.5, tokenizer=len)
    assert len(result.shots) == 1


def test_a_saved_folder_is_small_and_as_before_but_for_rounding(pruner: Pruner, tmp_path: Path) -> None:
    save_folder(pruner.network.model, pruner.tokenizer, tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    loaded = load_pruner(tmp_path).network.model.state_dict()
    for name, value in pruner.network.model.state_dict().items():
        if name.startswith(("encoder.", "upper.", "comparer.")) and value.dim() == 2:
            assert stored[name].dtype == torch.int8
            assert ((loaded[name] - value).abs() <= stored[f"{name}.scale"][:, None] * 0.5001).all()
        else:
            assert stored[name].dtype == torch.float16
            torch.testing.assert_close(loaded[name], value, rtol=1e-3, atol=1e-3)
