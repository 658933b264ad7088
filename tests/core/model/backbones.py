"""Tiny random encoders of several architectures, as folders to train from."""

from collections.abc import Callable
from pathlib import Path

import torch
from tiny import SMALL
from tokenizers import Tokenizer
from transformers import (
    BertConfig,
    BertModel,
    DebertaV2Config,
    DebertaV2Model,
    DiffusionGemmaConfig,
    DiffusionGemmaForBlockDiffusion,
    DiffusionGemmaTextConfig,
    DistilBertConfig,
    DistilBertModel,
    Gemma4VisionConfig,
    GPT2Config,
    GPT2Model,
    LlamaConfig,
    LlamaModel,
    ModernBertConfig,
    ModernBertModel,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTModel,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

LAYERS = 3


def bert(vocabulary: int) -> PreTrainedModel:
    return BertModel(
        BertConfig(
            vocab_size=vocabulary,
            **SMALL,
            num_hidden_layers=LAYERS,
        )
    )


def xlm_roberta(vocabulary: int) -> PreTrainedModel:
    return XLMRobertaForMaskedLM(
        XLMRobertaConfig(
            vocab_size=vocabulary,
            **(SMALL | {"max_position_embeddings": 132}),
            num_hidden_layers=LAYERS,
            pad_token_id=0,
        )
    )


def modernbert(vocabulary: int) -> PreTrainedModel:
    return ModernBertModel(
        ModernBertConfig(
            vocab_size=vocabulary,
            **(SMALL | {"max_position_embeddings": 256}),
            num_hidden_layers=LAYERS,
            local_attention=16,
            pad_token_id=0,
            bos_token_id=2,
            cls_token_id=2,
            eos_token_id=3,
            sep_token_id=3,
        )
    )


def deberta(vocabulary: int) -> PreTrainedModel:
    return DebertaV2Model(
        DebertaV2Config(
            vocab_size=vocabulary,
            **SMALL,
            num_hidden_layers=LAYERS,
            relative_attention=True,
            position_buckets=16,
            pos_att_type=["p2c", "c2p"],
            norm_rel_ebd="layer_norm",
            share_att_key=True,
            position_biased_input=False,
            type_vocab_size=0,
        )
    )


def distilbert(vocabulary: int) -> PreTrainedModel:
    return DistilBertModel(
        DistilBertConfig(
            vocab_size=vocabulary, dim=16, n_layers=LAYERS, n_heads=2, hidden_dim=32, max_position_embeddings=128
        )
    )


def t5(vocabulary: int) -> PreTrainedModel:
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=vocabulary, d_model=16, d_kv=8, d_ff=32, num_layers=LAYERS, num_heads=2, decoder_start_token_id=0
        )
    )


def diffusion_gemma(vocabulary: int) -> PreTrainedModel:
    text = DiffusionGemmaTextConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=24,
        num_hidden_layers=LAYERS,
        layer_types=["sliding_attention", "full_attention", "full_attention"],
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        global_head_dim=16,
        num_experts=4,
        top_k_experts=2,
        moe_intermediate_size=32,
        sliding_window=16,
        max_position_embeddings=256,
        bos_token_id=2,
        eos_token_id=3,
    )
    vision = Gemma4VisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        patch_size=4,
        position_embedding_size=16,
    )
    model = DiffusionGemmaForBlockDiffusion(DiffusionGemmaConfig(text_config=text, vision_config=vision))
    # The scale of a layer is all that the two directions of reading do not share.
    for layer in model.model.decoder.layers:
        layer.layer_scalar.fill_(0.7)
    return model


BACKBONES: dict[str, Callable[[int], PreTrainedModel]] = {
    "bert": bert,
    "xlm-roberta": xlm_roberta,
    "modernbert": modernbert,
    "deberta-v2": deberta,
    "distilbert": distilbert,
    "t5": t5,
    "diffusion_gemma": diffusion_gemma,
}


def gpt2(vocabulary: int) -> PreTrainedModel:
    return GPT2Model(GPT2Config(vocab_size=vocabulary, n_embd=16, n_layer=1, n_head=2))


def llama(vocabulary: int) -> PreTrainedModel:
    return LlamaModel(
        LlamaConfig(
            vocab_size=vocabulary, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
        )
    )


def vit(vocabulary: int) -> PreTrainedModel:
    return ViTModel(
        ViTConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=16)
    )


def saved(make: Callable[[int], PreTrainedModel], tokenizer: Tokenizer, folder: Path) -> PreTrainedModel:
    """A random model, saved with a tokenizer."""
    torch.manual_seed(0)
    model = make(tokenizer.get_vocab_size()).eval()
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return model
