"""Trunks: what reads a text, of any architecture; what depends on one stands here.

A trunk is a Hugging Face model that takes token ids with a mask and gives each token a vector that has seen the tokens
on both sides. An encoder is one as it is. Of T5 and its like the encoder alone is. Of DiffusionGemma the text part of
the decoder is, which denoises a canvas: there the model has learnt to read in both directions, while its encoder, with
the same weights, reads a prompt in one. With no prompt before it, a text takes the place of the canvas.
"""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING

from diffumask_core.errors import InputError, ModelError

_DIFFUSION_TEXT = "diffusion_gemma_text"
# Encoders whose layers are those of BERT.
_LIKE_BERT = frozenset({"bert", "roberta", "xlm-roberta"})


def _class_of(config: PreTrainedConfig) -> Any:
    """The class of a trunk with this configuration."""
    if config.model_type == _DIFFUSION_TEXT:
        # Not in every version of transformers.
        from diffumask_core.model.diffusion_gemma import DiffusionGemmaTrunk

        return DiffusionGemmaTrunk
    return AutoModelForTextEncoding if type(config) in MODEL_FOR_TEXT_ENCODING_MAPPING else AutoModel


def new_trunk(config: Any) -> PreTrainedModel:
    """A trunk with random weights."""
    kind = _class_of(config)
    trunk: PreTrainedModel = kind.from_config(config) if hasattr(kind, "from_config") else kind(copy.deepcopy(config))
    if hasattr(trunk, "pooler"):
        trunk.register_module("pooler", None)
    return trunk


def read_trunk(folder: Path) -> PreTrainedModel:
    """A pretrained trunk out of a folder with a Hugging Face model.

    Raises:
        ModelError: There is no such folder, it is incomplete, or its model does not read texts in both directions.
    """
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if config.model_type == "diffumask":
            raise ModelError(
                f"{folder} holds a DiffuMask model, not an encoder: pass it with --start-from to train it on."
            )
        trunk = _pretrained(folder, config)
    except ModelError:
        raise
    # Loaders raise what their parsers raise.
    except Exception as error:
        raise ModelError(
            f"The encoder in {folder} cannot be read ({error}): pass a folder with a Hugging Face encoder."
        ) from error
    trunk.train(False)
    _check(trunk, folder)
    return trunk


def _pretrained(folder: Path, config: PreTrainedConfig) -> PreTrainedModel:
    options: dict[str, Any] = {"dtype": torch.float32, "output_loading_info": True, "trust_remote_code": False}
    kind = _class_of(config)
    if isinstance(kind, type) and issubclass(kind, PreTrainedModel):
        del options["trust_remote_code"]
    model, loading = kind.from_pretrained(folder, config=config, **options)
    if missing := sorted(name for name in map(str, loading["missing_keys"]) if "pooler." not in name):
        raise ModelError(f"The weights in {folder} are not all of {config.model_type}'s: {missing[0]} is missing.")
    if config.model_type != "diffusion_gemma":
        whole: PreTrainedModel = model
        return whole
    trunk = new_trunk(config.text_config)
    weights = model.decoder.state_dict()
    conditioning = "self_conditioning."
    trunk.load_state_dict({name: value for name, value in weights.items() if not name.startswith(conditioning)})
    return trunk


@torch.inference_mode()
def _check(trunk: PreTrainedModel, folder: Path) -> None:
    """Sees whether a trunk gives vectors of its width to tokens, and whether these see the tokens after them.

    Raises:
        ModelError: One or the other is not so.
    """
    kind = trunk.config.model_type
    try:
        first, second = (
            trunk(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0, 0]
            for ids in (torch.tensor([[1, 2]]), torch.tensor([[1, 3]]))
        )
        fits = first.shape == (trunk.config.hidden_size,)
    except Exception as error:
        raise ModelError(
            f"The model in {folder} ({kind}) gives no vectors to the tokens of a text ({error}): pass a folder with an "
            "encoder of texts."
        ) from error
    if not fits:
        raise ModelError(f"The model in {folder} ({kind}) gives vectors of another width than its config.json says.")
    if torch.allclose(first, second, rtol=1e-6, atol=1e-7):
        raise ModelError(
            f"The model in {folder} ({kind}) reads in one direction only, as a decoder does: what follows a word has "
            "no say in its vector. Pass an encoder, or a model that reads in both directions."
        )


def first_layers(config: PreTrainedConfig, layers: int | None) -> PreTrainedConfig:
    """The configuration of a trunk of an encoder's first layers; of all by default.

    Raises:
        InputError: The encoder has not as many, or cannot be cut there.
    """
    cut = copy.deepcopy(config)
    there = config.num_hidden_layers
    if layers is None or layers == there:
        return cut
    if not 1 <= layers <= there:
        raise InputError(f"The encoder has {there} layers: pass --trunk-layers between 1 and {there}, not {layers}.")
    if types := getattr(config, "layer_types", None):
        if config.model_type == _DIFFUSION_TEXT and types[layers - 1] != "full_attention":
            ends = [str(number + 1) for number, kind in enumerate(types) if kind == "full_attention"]
            raise InputError(
                f"A trunk of {config.model_type} ends with a layer of full attention: pass --trunk-layers "
                f"{', '.join(ends)}, not {layers}."
            )
        # All at once, since a configuration checks that the parts fit each other.
        told = config.to_dict()
        told |= {"num_hidden_layers": layers, "layer_types": types[:layers]}
        if "per_layer_config" in told:
            told["per_layer_config"] = {
                number: layer for number, layer in told["per_layer_config"].items() if int(number) < layers
            }
        return type(config)(**told)
    cut.num_hidden_layers = layers
    return cut


def prepare_export(trunk: PreTrainedModel) -> None:
    """Has a trunk compute in steps that become a graph."""
    # Attention written out in full becomes plain products, which ONNX Runtime knows how to fuse.
    trunk.set_attn_implementation("eager")
    if getattr(trunk.config, "num_experts", None):
        # Experts are looked up for each token, where otherwise the data decides which of them run.
        trunk.set_experts_implementation("batched_mm")


def longest_text(config: PreTrainedConfig, most: int) -> int:
    """The most tokens that an encoder reads at once, up to a number of them."""
    positions = getattr(config, "max_position_embeddings", None)
    # RoBERTa and its like count positions from 2.
    return most if positions is None else min(most, positions - 2)


def bert_layers(trunk: Any) -> list[nn.Module]:
    """The layers of an encoder that is built like BERT; none of another one."""
    return list(trunk.encoder.layer) if trunk.config.model_type in _LIKE_BERT else []
