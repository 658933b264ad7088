"""What training starts from: a trunk out of a pretrained encoder, and fresh parts above it."""

import copy
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedModel

from diffumask_core.errors import ModelError
from diffumask_core.model.configuration import DiffuMaskConfig
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pretrained import load_pruner, read_tokenizer
from diffumask_core.model.pruner import Pruner
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.model.trunks import bert_layers, first_layers, longest_text, read_trunk
from diffumask_core.training.comparing import Teacher
from diffumask_core.units.words import split_words

logger = logging.getLogger("diffumask")

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]


def fresh_model(encoder: Path | None = None, trunk_layers: int | None = None) -> tuple[DiffuMaskModel, Tokenizer]:
    """A model to train: a trunk that has been pretrained, and new parts above it.

    Args:
        encoder: A folder with a Hugging Face encoder (see `model.trunks`) and its ``tokenizer.json``; by default the
            trunk and the comparer of the bundled model.
        trunk_layers: As many of the encoder's first layers are the trunk; by default all. Where the encoder is built
            like BERT, the upper layers begin as those that follow in the encoder, and the comparer as some of these.

    Raises:
        InputError: The encoder has not as many layers.
        ModelError: There is no such folder, it is incomplete, or its model does not read texts in both directions.
    """
    if encoder is None:
        pruner = load_pruner(runtime="torch")
        assert isinstance(pruner.network, TorchNetwork)
        bundled = pruner.network.model
        model = DiffuMaskModel(copy.deepcopy(bundled.config))
        for name in ("encoder", "comparer"):
            model.get_submodule(name).load_state_dict(bundled.get_submodule(name).state_dict())
        model.middle.copy_(bundled.middle)
        return model, pruner.tokenizer
    pretrained, tokenizer = read_encoder(encoder)
    if warning := _case_warning(tokenizer):
        logger.warning("%s: %s", encoder, warning)
    config = first_layers(pretrained.config, trunk_layers)
    width, heads = config.hidden_size, getattr(config, "num_attention_heads", 1)
    # Where the folder was is nobody's business.
    plain = config.to_dict() | {"_name_or_path": ""}
    following = bert_layers(pretrained)[config.num_hidden_layers :]
    settings = DiffuMaskConfig(
        encoder_config=plain,
        upper_heads=heads if width % heads == 0 else 1,
        upper_width=getattr(config, "intermediate_size", 4 * width),
    )
    settings.window_tokens = longest_text(config, settings.window_tokens)
    model = DiffuMaskModel(settings)
    # Layers that the trunk has not are left out.
    weights = pretrained.state_dict()
    model.encoder.load_state_dict({name: weights[name] for name in model.encoder.state_dict()})
    if following:
        # From the first that follows to the last, which is the one that compares.
        spread = np.linspace(0, len(following) - 1, len(model.comparer.layers)).round().astype(int)
        for part, sources in ((model.upper, following), (model.comparer, [following[at] for at in spread])):
            for layer, source in zip(part.layers, sources, strict=False):
                _take_over(layer, source)
            nn.init.zeros_(part.roles.weight)
    return model, tokenizer


def read_encoder(folder: Path) -> tuple[PreTrainedModel, Tokenizer]:
    """A Hugging Face encoder and its tokenizer.

    Raises:
        ModelError: There is no such folder, it is incomplete, or its model does not read texts in both directions.
    """
    missing = [name for name in ("config.json", "tokenizer.json") if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"{folder} has no {', '.join(missing)}: pass a folder with a Hugging Face encoder.")
    try:
        tokenizer = read_tokenizer(folder / "tokenizer.json")
    # The tokenizers library has no other error.
    except Exception as error:
        raise ModelError(f"The tokenizer.json in {folder} cannot be read ({error}): save it again.") from error
    return read_trunk(folder), tokenizer


def _case_warning(tokenizer: Tokenizer) -> str | None:
    """What is to be said of a tokenizer for which upper and lower case are one."""
    upper, lower = (tokenizer.encode(text, add_special_tokens=False).ids for text in (_WORDS.upper(), _WORDS))
    if upper != lower and len(set(upper)) > 1:
        return None
    known = sum(token.lower() != token and token[0] not in "[<" for token in tokenizer.get_vocab())
    if upper == lower and known > _SOME:
        return (
            f"the tokenizer makes all letters small, though {known} pieces of its vocabulary have capitals, so the "
            "encoder has learnt to tell them: take the lowercasing out of tokenizer.json."
        )
    return (
        "the tokenizer does not tell capitals from small letters: names and acronyms are known by the shape of words "
        "alone."
    )


_WORDS = " a rose on the table by the window"
# Signs and special tokens have capitals in uncased vocabularies too.
_SOME = 100


def _take_over(layer: Any, source: Any) -> None:
    """Gives a layer the weights of one of BERT's."""
    attention = source.attention
    for part, weights in (
        (layer.query, attention.self.query),
        (layer.key, attention.self.key),
        (layer.value, attention.self.value),
        (layer.attended, attention.output.dense),
        (layer.attended_norm, attention.output.LayerNorm),
        (layer.expand, source.intermediate.dense),
        (layer.reduce, source.output.dense),
        (layer.norm, source.output.LayerNorm),
    ):
        part.load_state_dict(weights.state_dict())


def read_teacher(folder: Path | None) -> Teacher:
    """What the comparer learns from where words are.

    Args:
        folder: A sentence encoder. What it puts before queries and before other texts is read from its
            ``config_sentence_transformers.json``. By default the bundled model's comparer.

    Raises:
        ModelError: There is no such folder, it is incomplete, or its model does not read texts in both directions.
    """
    if folder is None:
        bundled = load_pruner()

        def as_bundled(text: str, words: IntArray, is_query: bool) -> FloatArray:
            read = bundled.read(text, words, [(0, len(words))]).of_part(0, len(words))
            return bundled.compare([read], are_queries=is_query)[0]

        return as_bundled
    model, tokenizer = fresh_model(folder)
    reader = Pruner(TorchNetwork(model.train(False)), tokenizer)
    told = folder / "config_sentence_transformers.json"
    prompts = json.loads(told.read_text("utf-8")).get("prompts", {}) if told.is_file() else {}

    def as_encoder(text: str, words: IntArray, is_query: bool) -> FloatArray:
        prompt = prompts.get("query" if is_query else "passage", "")
        before = split_words(prompt)
        all_words = np.concatenate([before, words + len(prompt)])
        return reader.read(prompt + text, all_words, [(0, len(all_words))]).vectors[len(before) :]

    return as_encoder
