"""DiffuMask: shortens prompts with a masked-diffusion model before an LLM reads them."""

from diffumask_core.calibration import Calibration, Example
from diffumask_core.compressor import Compressor
from diffumask_core.conversation.conversation import Conversation, Saved, View
from diffumask_core.conversation.left_out import LeftOut
from diffumask_core.errors import (
    BudgetError,
    DataError,
    DiffuMaskError,
    InputError,
    MarkError,
    ModelError,
    ReaderBudgetError,
    ReaderError,
    TokenizerError,
)
from diffumask_core.model.cache import CacheInfo, EncodingCache
from diffumask_core.prompt.prompt import Prompt, Shot
from diffumask_core.rendering.marks import Mark
from diffumask_core.rendering.shot_result import ShotResult
from diffumask_core.result import CompressionResult

__all__ = [
    "BudgetError",
    "CacheInfo",
    "Calibration",
    "CompressionResult",
    "Compressor",
    "Conversation",
    "DataError",
    "DiffuMaskError",
    "EncodingCache",
    "Example",
    "InputError",
    "LeftOut",
    "Mark",
    "MarkError",
    "ModelError",
    "Prompt",
    "ReaderBudgetError",
    "ReaderError",
    "Saved",
    "Shot",
    "ShotResult",
    "TokenizerError",
    "View",
]
