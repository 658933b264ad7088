"""What all adapters share: the settings of a compression as pydantic fields, and one loaded model per process."""

import re
from functools import lru_cache
from typing import Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from diffumask_core import Compressor
from diffumask_core.options import DEFAULT_STEPS, CompressionOptions, Options
from diffumask_core.tokens import get_counter

_DEFAULT_KEEP_RATE = 0.5


@lru_cache(maxsize=4)
def load_compressor(model: str | None) -> Compressor:
    """Loads a model once; adapters are copied and rebuilt often, and a compressor has no state of its own."""
    return Compressor.from_pretrained(model)


class CompressionSettings(BaseModel):
    """How an adapter compresses. The fields are those of `diffumask_core.options.Options`, where they are explained.

    Unlike the core, a production chain must not fail on a long question: where the protected text alone is longer
    than the budget, it is what is left, with a warning in the log.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    model: str | None = Field(default=None, description="A folder with a model; the bundled one by default.")
    keep_rate: float | None = Field(
        default=None,
        description=f"Of the tokens that may go, the share that may stay; {_DEFAULT_KEEP_RATE} where there is no "
        "target_tokens either.",
    )
    target_tokens: int | None = Field(default=None, description="The most tokens of the whole output.")
    protect: list[str | re.Pattern[str]] = Field(
        default_factory=list, description="Strings and regular expressions that come out unchanged."
    )
    tokenizer: Any = Field(
        default="gpt-4o", description="What counts the tokens: a model's name, a tokenizer or a function."
    )
    steps: int = Field(default=DEFAULT_STEPS, description="The most denoising steps.")
    min_shots: int = Field(default=0, description="How many shots stay at least.")
    shot_level: bool = Field(default=True, description="Whether shots may be dropped whole.")
    token_level: bool = Field(default=True, description="Whether words are scored and dropped one by one.")
    on_overflow: Literal["raise", "best_effort"] = Field(
        default="best_effort", description="What to do when the protected text alone is longer than the budget."
    )
    compressor: Compressor | None = Field(
        default=None, exclude=True, repr=False, description="A loaded compressor, in place of `model`."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Here and not at the first call, so that a wrong model, tokenizer or rate is seen at once."""
        Options(**self.options())
        get_counter(self.tokenizer)
        self.get_compressor()
        return self

    def get_compressor(self) -> Compressor:
        """The compressor that was given, or that of `model`, which is loaded once."""
        return self.compressor or load_compressor(self.model)

    def options(self, **overrides: Any) -> CompressionOptions:
        """The keyword arguments for `Compressor.compress`; overrides are those of a single call.

        A rate or a budget among the overrides takes the place of both.
        """
        names = CompressionOptions.__annotations__.keys() & type(self).model_fields.keys()
        chosen: dict[str, Any] = {name: getattr(self, name) for name in names}
        if {"keep_rate", "target_tokens"} & overrides.keys():
            chosen |= {"keep_rate": None, "target_tokens": None}
        chosen |= overrides
        if chosen["keep_rate"] is None and chosen["target_tokens"] is None:
            chosen["keep_rate"] = _DEFAULT_KEEP_RATE
        return cast(CompressionOptions, chosen)
