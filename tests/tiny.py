"""A tiny random model in place of the bundled one: what the tests and the fuzzer compress with."""

import string
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import BertConfig, DistilBertConfig, PreTrainedConfig, RobertaConfig

from diffumask_core.model.configuration import DiffuMaskConfig
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pruner import Pruner
from diffumask_core.model.torch_network import TorchNetwork


def tiny_tokenizer() -> Tokenizer:
    """A WordPiece tokenizer that spells every word out in its letters."""
    letters = string.ascii_lowercase + string.digits + string.punctuation
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {token: number for number, token in enumerate(names)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 128,
}
"""The shape of an encoder that is the bundled one's in small."""


def tiny_encoder(tokenizer: Tokenizer) -> BertConfig:
    """The configuration of an encoder that is the bundled one's in small."""
    return BertConfig(vocab_size=tokenizer.get_vocab_size(), num_hidden_layers=1, **SMALL)


def roberta(tokenizer: Tokenizer) -> PreTrainedConfig:
    return RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=12,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=132,
        pad_token_id=0,
    )


def distilbert(tokenizer: Tokenizer) -> PreTrainedConfig:
    return DistilBertConfig(
        vocab_size=tokenizer.get_vocab_size(), dim=12, n_layers=1, n_heads=2, hidden_dim=16, max_position_embeddings=128
    )


def tiny_model(encoder: PreTrainedConfig) -> DiffuMaskModel:
    """A random network with the shape of the bundled one."""
    torch.manual_seed(0)
    config = DiffuMaskConfig(
        encoder_config=encoder,
        upper_layers=1,
        comparer_layers=1,
        upper_heads=2,
        upper_width=32,
        denoiser_width=8,
        window_tokens=128,
        window_overlap=16,
        query_tokens=16,
    )
    model = DiffuMaskModel(config).eval()
    # A fresh denoiser changes nothing; this one is to be seen.
    torch.nn.init.normal_(model.denoiser.logit.weight)
    return model


def tiny_pruner(tokenizer: Tokenizer) -> Pruner:
    """A pruner with a random network, which sees every code path in milliseconds."""
    return Pruner(TorchNetwork(tiny_model(tiny_encoder(tokenizer))), tokenizer)
