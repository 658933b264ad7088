"""Configuration of the DiffuMask network."""

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from diffumask_core.model.settings import FORMAT_VERSION


@strict
class DiffuMaskConfig(PreTrainedConfig):
    """What `DiffuMaskModel` is built from.

    How a text is read, from ``window_tokens`` to ``relevance_weight``, is told by `settings.Settings`.

    Attributes:
        encoder_config: Configuration of the trunk: any Hugging Face encoder.
        upper_layers: Layers above the trunk that see a window's words and the query's.
        comparer_layers: Layers above the trunk that make vectors by which words are compared; 0 for none.
        upper_heads: Heads of attention of each of these layers.
        upper_width: Channels of their mixing.
        upper_dropout: Share of their channels that training leaves out.
        denoiser_width: Channels of the denoiser.
        denoiser_blocks: Its convolution blocks.
        denoiser_kernel: Units that one convolution sees; odd.
        shape_features: Features of a unit's shape (see `model.inputs`).
        format_version: Of the folder; another one is not read.
    """

    model_type = "diffumask"
    sub_configs_defaults: ClassVar[dict[str, SubConfigSpec]] = {
        "encoder_config": SubConfigSpec(config_class=AutoConfig, model_type="bert"),
    }

    encoder_config: PreTrainedConfig | dict[str, Any] | None = None
    upper_layers: int = 3
    comparer_layers: int = 6
    upper_heads: int = 12
    upper_width: int = 1536
    upper_dropout: float = 0.1
    denoiser_width: int = 128
    denoiser_blocks: int = 2
    denoiser_kernel: int = 9
    shape_features: int = 12
    window_tokens: int = 384
    packed_tokens: int = 128
    window_overlap: int = 48
    query_tokens: int = 64
    relevance_units: int = 160
    relevance_weight: float = 50.0
    initializer_range: float = 0.02
    format_version: int = FORMAT_VERSION
