"""The sentence encoder that compares shots with the query."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from diffumask_core import Compressor, Prompt
from diffumask_core.model.configuration import DiffuMaskConfig
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pretrained import load_pruner, save_folder
from diffumask_core.model.pruner import Pruner
from diffumask_core.model.torch_network import TorchNetwork


@pytest.fixture(scope="module")
def comparing(pruner: Pruner, tokenizer: Tokenizer) -> Pruner:
    settings = pruner.network.model.config.to_dict()
    settings["relevance_config"] = dict(settings["encoder_config"])
    torch.manual_seed(0)
    return Pruner(TorchNetwork(DiffuMaskModel(DiffuMaskConfig(**settings)).train(False)), tokenizer)


def test_the_shot_that_is_nearest_to_the_query_has_the_highest_utility(comparing: Pruner) -> None:
    shots = ["green frogs jump high", "what is the capital of italy", "two plus two is four"]
    result = Compressor(comparing).compress(
        Prompt(shots=shots), query="what is the capital of italy now", target_tokens=20, tokenizer=len
    )
    assert int(np.argmax([shot.score for shot in result.shots])) == 1
    assert result.shots[1].fate != "dropped"


def test_a_turn_without_a_word_is_compared_with_nothing(comparing: Pruner) -> None:
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
    result = Compressor(comparing).compress_messages(messages, keep_rate=0.5, tokenizer=len)
    assert len(result.shots) == 1


def test_a_cosine_of_one_adds_the_relevance_weight(comparing: Pruner) -> None:
    text = "what is the capital of italy"
    offsets = np.array([[0, len(text)]])
    encoding = comparing.encode(text, offsets, [(0, 1)], text)
    owners = np.zeros(1, dtype=np.int64)
    with_cosine = comparing.shot_scores(encoding, owners, 1)
    without = comparing.shot_scores(replace(encoding, query=np.zeros(0, dtype=np.int64)), owners, 1)
    assert with_cosine - without == pytest.approx(comparing.network.model.config.relevance_weight, rel=0.02)


def test_a_saved_folder_is_small_and_as_before_but_for_rounding(comparing: Pruner, tmp_path: Path) -> None:
    save_folder(comparing.network.model, comparing.tokenizer, tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    loaded = load_pruner(tmp_path).network.model.state_dict()
    for name, value in comparing.network.model.state_dict().items():
        if name.startswith(("encoder.", "relevance.")) and value.dim() == 2:
            assert stored[name].dtype == torch.int8
            assert ((loaded[name] - value).abs() <= stored[f"{name}.scale"][:, None] * 0.5001).all()
        else:
            assert stored[name].dtype == torch.float16
            torch.testing.assert_close(loaded[name], value, rtol=1e-3, atol=1e-3)
