"""What a pruner needs to know of a model, from its ``config.json``."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from diffumask_core.errors import ModelError

FORMAT_VERSION = 6


@dataclass(frozen=True)
class Settings:
    """How a model reads a text. `configuration.DiffuMaskConfig` has the same, and the shape of the network.

    Attributes:
        window_tokens: Tokens of one window of the trunk, special tokens included.
        packed_tokens: The most tokens of whole shots that share a window.
        window_overlap: Tokens that neighbouring windows of one long block share.
        query_tokens: The most tokens of the query that are read.
        relevance_units: The most words of a text that the comparer reads.
        comparer_layers: Its layers; without any, texts are not compared.
        relevance_weight: What a cosine of 1 adds to a shot's utility; it was chosen on development questions.
        denoiser_blocks: Convolutions of the denoiser, one after the other.
        denoiser_kernel: Units that one of them sees; odd.
    """

    window_tokens: int
    packed_tokens: int
    window_overlap: int
    query_tokens: int
    relevance_units: int
    comparer_layers: int
    relevance_weight: float
    denoiser_blocks: int
    denoiser_kernel: int

    @property
    def denoiser_reach(self) -> int:
        """How many units to either side of one the denoiser sees."""
        return self.denoiser_blocks * (self.denoiser_kernel // 2)

    @classmethod
    def of(cls, config: Mapping[str, Any], folder: object) -> "Settings":
        """Takes them from what ``config.json`` holds.

        Args:
            config: Its contents.
            folder: Where it is, for errors.

        Raises:
            ModelError: It is not of a DiffuMask model, or of another version.
        """
        if config.get("model_type") != "diffumask":
            raise ModelError(f"{folder} holds a model of type {config.get('model_type')!r}, not a DiffuMask model.")
        if config.get("format_version") != FORMAT_VERSION:
            raise ModelError(
                f"The model in {folder} is of format {config.get('format_version')}, and this version of diffumask "
                f"reads format {FORMAT_VERSION}: train it again, or install the version that made it."
            )
        missing = [field.name for field in fields(cls) if field.name not in config]
        if missing:
            raise ModelError(f"The config.json in {folder} has no {', '.join(missing)}: save or download it again.")
        return cls(**{field.name: config[field.name] for field in fields(cls)})
