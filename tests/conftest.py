"""Fixtures: a tiny random model in place of the bundled one, so that tests are fast and see every code path."""

import os
from pathlib import Path

# Before the libraries that read it are imported.
os.environ["HF_HUB_OFFLINE"] = "1"
# On networks as tiny as those of the tests, more threads only wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch
from hypothesis import HealthCheck, settings
from tiny import tiny_encoder, tiny_pruner, tiny_tokenizer
from tokenizers import Tokenizer
from transformers import BertModel

from diffumask_core import Compressor
from diffumask_core.model.pruner import Pruner

# The same examples each time, so that a failure is that of a change, on machines of any speed. New ones are looked for
# by `make test-search` and `make fuzz`.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeated", parent=_PATIENT, derandomize=True)
settings.register_profile("search", parent=_PATIENT, max_examples=1000)
settings.load_profile(os.environ.get("EXAMPLES", "repeated"))

# Assertions of modules that are no tests tell what differs, as in tests.
pytest.register_assert_rewrite("promises")


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return tiny_tokenizer()


@pytest.fixture(scope="session")
def pruner(tokenizer: Tokenizer) -> Pruner:
    return tiny_pruner(tokenizer)


@pytest.fixture(scope="session")
def compressor(pruner: Pruner) -> Compressor:
    return Compressor(pruner)


@pytest.fixture(scope="session")
def model_folder(pruner: Pruner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as a pretrained folder."""
    folder = tmp_path_factory.mktemp("model")
    pruner.network.model.save_pretrained(folder)
    pruner.tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def encoder_folder(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder to train from."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    BertModel(tiny_encoder(tokenizer)).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
