"""What training starts from: a trunk out of a pretrained encoder, and fresh parts above it."""

import copy
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm
from transformers import PreTrainedModel

from diffumask_core.errors import ModelError
from diffumask_core.model.configuration import DiffuMaskConfig
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pretrained import load_pruner, read_tokenizer
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.model.trunks import bert_layers, first_layers, longest_text, read_trunk
from diffumask_core.training.comparing import Teacher

logger = logging.getLogger("diffumask")

FloatArray = npt.NDArray[np.floating]

_TEXTS_AT_ONCE = 32
_LONGEST_TEXT = 512


def fresh_model(
    encoder: Path | None = None, trunk_layers: int | None = None, *, compares: bool = False
) -> tuple[DiffuMaskModel, Tokenizer]:
    """A model to train: a trunk that has been pretrained, and new parts above it.

    Args:
        encoder: A folder with a Hugging Face encoder (see `model.trunks`) and its ``tokenizer.json``; by default the
            trunk and the comparer of the bundled model.
        trunk_layers: As many of the encoder's first layers are the trunk; by default all. Where the encoder is built
            like BERT, the layers above it begin as those that follow in the encoder.
        compares: Whether the encoder is a sentence encoder, all layers of which that follow are the comparer.

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
        comparer_layers=len(following) if compares and following else DiffuMaskConfig.comparer_layers,
        upper_heads=heads if width % heads == 0 else 1,
        upper_width=getattr(config, "intermediate_size", 4 * width),
    )
    settings.window_tokens = longest_text(config, settings.window_tokens)
    model = DiffuMaskModel(settings)
    # Layers that the trunk has not are left out.
    weights = pretrained.state_dict()
    model.encoder.load_state_dict({name: weights[name] for name in model.encoder.state_dict()})
    for part in (model.upper, model.comparer):
        for layer, source in zip(part.layers, following, strict=False):
            _take_over(layer, source)
        if following:
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
    """What the comparer learns from.

    Args:
        folder: A sentence encoder whose vectors are the mean over its tokens; what it puts before queries and before
            other texts is read from its ``config_sentence_transformers.json``. By default the bundled model's comparer.

    Raises:
        ModelError: There is no such folder, it is incomplete, or its model does not read texts in both directions.
    """
    if folder is None:
        bundled = load_pruner()
        return lambda texts, are_queries: bundled.embed(texts, are_queries=are_queries)
    encoder, tokenizer = read_encoder(folder)
    tokenizer.enable_truncation(longest_text(encoder.config, _LONGEST_TEXT))
    tokenizer.enable_padding(pad_id=encoder.config.pad_token_id or 0)
    told = folder / "config_sentence_transformers.json"
    prompts = json.loads(told.read_text("utf-8")).get("prompts", {}) if told.is_file() else {}

    @torch.inference_mode()
    def embed(texts: Sequence[str], are_queries: bool) -> FloatArray:
        prompt = prompts.get("query" if are_queries else "passage", "")
        order = np.argsort([len(text) for text in texts])
        vectors = np.zeros((len(texts), encoder.config.hidden_size), dtype=np.float32)
        for start in tqdm(range(0, len(texts), _TEXTS_AT_ONCE), desc="asking the teacher"):
            numbers = order[start : start + _TEXTS_AT_ONCE]
            # Tokenizers that tell words by the space before them have one before the first word too.
            encoded = tokenizer.encode_batch([f" {prompt}{texts[number]}" for number in numbers])
            ids, mask = (
                torch.tensor([getattr(one, name) for one in encoded], device=encoder.device)
                for name in ("ids", "attention_mask")
            )
            with torch.autocast(encoder.device.type, torch.bfloat16):
                hidden: Tensor = encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            means = F.normalize((hidden * mask.unsqueeze(-1)).sum(1), dim=1)
            vectors[numbers] = means.cpu().numpy()
        return vectors

    return embed
