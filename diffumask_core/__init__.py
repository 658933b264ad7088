"""DiffuMask: shortens prompts with a masked-diffusion model before an LLM reads them."""

from diffumask_core.compressor import Compressor
from diffumask_core.errors import BudgetError, DataError, DiffuMaskError, InputError, ModelError, TokenizerError
from diffumask_core.prompt.prompt import Prompt, Shot
from diffumask_core.result import CompressionResult, ShotResult

__all__ = [
    "BudgetError",
    "CompressionResult",
    "Compressor",
    "DataError",
    "DiffuMaskError",
    "InputError",
    "ModelError",
    "Prompt",
    "Shot",
    "ShotResult",
    "TokenizerError",
]
