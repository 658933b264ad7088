"""Configuration of the DiffuMask network."""

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from diffumask_core.model.settings import FORMAT_VERSION


@strict
class DiffuMaskConfig(PreTrainedConfig):
    """What `DiffuMaskModel` is built from.

    How a text is read, from ``window_tokens`` to ``evidence_weight``, is told by `settings.Settings`.

    Attributes:
        encoder_config: Configuration of the encoder: any Hugging Face encoder.
        relevance_config: Configuration of a sentence encoder with the same tokenizer, which compares shots with the
            query; None for none.
        denoiser_width: Channels of the denoiser.
        denoiser_blocks: Its convolution blocks.
        denoiser_kernel: Units that one convolution sees; odd.
        shape_features: Features of a unit's shape (see `model.inputs`).
        format_version: Of the folder; another one is not read.
    """

    model_type = "diffumask"
    sub_configs_defaults: ClassVar[dict[str, SubConfigSpec]] = {
        "encoder_config": SubConfigSpec(config_class=AutoConfig, model_type="bert"),
        "relevance_config": SubConfigSpec(config_class=AutoConfig, model_type="bert", optional=True),
    }

    encoder_config: PreTrainedConfig | dict[str, Any] | None = None
    relevance_config: PreTrainedConfig | dict[str, Any] | None = None
    denoiser_width: int = 128
    denoiser_blocks: int = 2
    denoiser_kernel: int = 9
    shape_features: int = 12
    window_tokens: int = 384
    packed_tokens: int = 128
    window_overlap: int = 48
    query_tokens: int = 64
    relevance_tokens: int = 160
    relevance_weight: float = 40.0
    evidence_weight: float = 0.25
    initializer_range: float = 0.02
    format_version: int = FORMAT_VERSION
