"""The sentence encoder that compares shots with the query."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from diffumask_core import Compressor, Prompt
from diffumask_core.model.configuration import DiffuMaskConfig
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pretrained import load_pruner, save_folder
from diffumask_core.model.pruner import Pruner


@pytest.fixture(scope="module")
def comparing(pruner: Pruner, tokenizer: Tokenizer) -> Pruner:
    settings = pruner.model.config.to_dict()
    settings["relevance_config"] = dict(settings["encoder_config"])
    torch.manual_seed(0)
    return Pruner(DiffuMaskModel(DiffuMaskConfig(**settings)).train(False), tokenizer)


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
    assert with_cosine - without == pytest.approx(comparing.model.config.relevance_weight, rel=0.02)


def test_a_saved_folder_is_small_and_scores_as_before(comparing: Pruner, tmp_path: Path) -> None:
    save_folder(comparing.model, comparing.tokenizer, tmp_path)
    loaded = load_pruner(tmp_path)
    in_memory = sum(value.numel() * value.element_size() for value in comparing.model.state_dict().values())
    assert (tmp_path / "model.safetensors").stat().st_size < in_memory / 2
    for name, value in comparing.model.state_dict().items():
        torch.testing.assert_close(loaded.model.state_dict()[name], value, rtol=0.07, atol=0.002)
