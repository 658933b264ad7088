"""The comparer, which tells how near texts are to a query and to each other."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny import tiny_encoder, tiny_model
from tokenizers import Tokenizer

from diffumask_core import Compressor, ModelError, Prompt
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pretrained import load_pruner, save_folder
from diffumask_core.model.pruner import Pruner
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.units.words import split_words


def test_the_shot_that_is_nearest_to_the_query_has_the_highest_utility(pruner: Pruner) -> None:
    shots = ["green frogs jump high", "what is the capital of italy", "two plus two is four"]
    result = Compressor(pruner).compress(
        Prompt(shots=shots), query="what is the capital of italy now", target_tokens=20, tokenizer=len
    )
    assert int(np.argmax([shot.score for shot in result.shots])) == 1
    assert result.shots[1].fate != "dropped"


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


def test_a_cosine_of_one_adds_the_relevance_weight(pruner: Pruner) -> None:
    text = "what is the capital of italy"
    encoding = pruner.encode(text, np.array([[0, len(text)]]), [(0, 1)], text)
    owners = np.zeros(1, dtype=np.int64)
    far, near = (pruner.shot_scores(encoding, owners, np.array([cosine], dtype=np.float32)) for cosine in (0, 1))
    assert near - far == pytest.approx(pruner.network.settings.relevance_weight)


def test_parts_are_as_near_to_a_query_as_they_are_by_themselves(pruner: Pruner) -> None:
    """A passage of a text is compared as a text of its own is."""
    shots = ["what is the capital of italy, which lies on a river", "green frogs jump high over the stones of a pond"]
    text, query = "\n".join(shots), "what is the capital of italy"
    offsets = split_words(text)
    first = len(split_words(shots[0]))
    blocks = [(0, first), (first, len(offsets))]
    encoding = pruner.encode(text, offsets, blocks, query, blocks)
    assert len(encoding.nearness) == 2
    # Each half is read in the window of both.
    np.testing.assert_allclose(pruner.on_scale(encoding.nearness), pruner.nearness(shots, query), atol=8)
    assert encoding.nearness[0] > encoding.nearness[1]
    assert not pruner.encode(text, offsets, blocks, "", blocks).nearness.any()


def test_texts_and_queries_have_vectors_of_unit_length(pruner: Pruner) -> None:
    texts = ["what is the capital of italy", "", "green frogs jump high", " \n", "x " * 400]
    for are_queries in (False, True):
        lengths = np.linalg.norm(pruner.embed(texts, are_queries=are_queries), axis=1)
        np.testing.assert_allclose(lengths, [1, 0, 1, 0, 1], atol=1e-5)


def test_a_query_has_another_vector_than_the_same_text(pruner: Pruner) -> None:
    texts = ["what is the capital of italy", "green frogs jump high"]
    told, asked = (pruner.embed(texts, are_queries=are_queries) for are_queries in (False, True))
    assert not np.allclose(told, asked)
    np.testing.assert_allclose(pruner.nearness(texts, texts[0]), pruner.on_scale(told @ asked[0]), atol=1e-3)


def test_a_vector_does_not_depend_on_the_texts_beside_it(pruner: Pruner) -> None:
    texts = ["what is the capital of italy", "green frogs jump high " * 30, "two plus two is four"]
    together = pruner.embed(texts)
    for number, text in enumerate(texts):
        assert np.array_equal(pruner.embed([text])[0], together[number])


def test_without_a_comparer_shots_are_scored_by_their_evidence_alone(tokenizer: Tokenizer) -> None:
    config = tiny_model(tiny_encoder(tokenizer)).config
    config.comparer_layers = 0
    torch.manual_seed(0)
    pruner = Pruner(TorchNetwork(DiffuMaskModel(config).train(False)), tokenizer)
    assert not pruner.compares
    with pytest.raises(ModelError, match="no comparer to compare texts with"):
        pruner.embed(["a text"])
    shots = ["green frogs jump high", "what is the capital of italy", "two plus two is four"]
    result = Compressor(pruner).compress(Prompt(shots=shots), query="what?", target_tokens=40, tokenizer=len)
    assert len({shot.score for shot in result.shots}) == 3


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
