"""What all adapters share: the settings of a compression as pydantic fields, and one loaded model per process."""

import logging
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from numbers import Real
from os import PathLike, fspath
from typing import Any, Literal, Self, TypedDict, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from diffumask_core import CompressionResult, Compressor, InputError, Prompt, Shot
from diffumask_core.options import CompressionOptions, Options, check_names, described
from diffumask_core.tokens import TokenizerLike, get_counter

logger = logging.getLogger("diffumask")

_DEFAULT_KEEP_RATE = 0.5


@lru_cache(maxsize=4)
def load_compressor(model: str | None) -> Compressor:
    """Loads a model once; adapters are copied and rebuilt often, and a compressor has no state of its own."""
    return Compressor.from_pretrained(model)


class SettingsOptions(TypedDict, total=False):
    """The keyword arguments of `CompressionSettings`."""

    model: str | PathLike[str] | None
    keep_rate: float | None
    target_tokens: int | None
    protect: list[str]
    protect_patterns: list[str]
    tokenizer: TokenizerLike
    steps: int
    min_shots: int
    min_relevance: float
    compress_instructions: bool
    compress_query: bool
    compress_rationales: bool
    shot_level: bool
    token_level: bool
    grain: Literal["auto", "words"]
    marks: bool | Literal["named"]
    on_overflow: Literal["raise", "best_effort"]
    compressor: Compressor | None


class CompressionSettings(BaseModel):
    """How an adapter compresses. The fields are those of `diffumask_core.options.Options`, where they are explained.

    Unlike the core, a production chain must not fail on a long question: where the protected text alone is longer
    than the budget, it is what is left, with a warning in the log.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    model: str | None = Field(default=None, description="A folder with a model; the bundled one by default.")
    keep_rate: float | None = Field(
        default=None,
        description=f"{described('keep_rate')} Where there is no target_tokens either, what `compressor` was "
        f"calibrated to, or {_DEFAULT_KEEP_RATE}.",
    )
    target_tokens: int | None = Field(default=None, description=described("target_tokens"))
    protect: list[str] = Field(default_factory=list, description="Strings that come out unchanged.")
    protect_patterns: list[str] = Field(
        default_factory=list, description="Regular expressions whose matches come out unchanged."
    )
    tokenizer: Any = Field(default="gpt-4o", description=described("tokenizer"))
    steps: int | None = Field(default=None, description=described("steps"))
    min_shots: int = Field(default=0, description=described("min_shots"))
    min_relevance: float = Field(default=0.0, description=described("min_relevance"))
    compress_instructions: bool = Field(default=False, description=described("compress_instructions"))
    compress_query: bool = Field(default=False, description=described("compress_query"))
    compress_rationales: bool = Field(default=False, description=described("compress_rationales"))
    shot_level: bool = Field(default=True, description=described("shot_level"))
    token_level: bool = Field(default=True, description=described("token_level"))
    grain: Literal["auto", "words"] = Field(default="auto", description=described("grain"))
    marks: bool | Literal["named"] = Field(default=True, description=described("marks"))
    on_overflow: Literal["raise", "best_effort"] = Field(default="best_effort", description=described("on_overflow"))
    compressor: Compressor | None = Field(
        default=None, exclude=True, repr=False, description="A loaded compressor, in place of `model`."
    )

    @field_validator("model", mode="before")
    @classmethod
    def _path(cls, model: Any) -> Any:
        return fspath(model) if isinstance(model, PathLike) else model

    @model_validator(mode="before")
    @classmethod
    def _names(cls, given: Any) -> Any:
        """Pydantic forbids an unknown name too, and does not say which one was meant."""
        if isinstance(given, dict):
            check_names(given, cls.model_fields)
        return given

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

        Raises:
            InputError: There is no option of that name, or a pattern is no regular expression.
        """
        check_names(overrides)
        known = CompressionOptions.__annotations__.keys()
        chosen: dict[str, Any] = {name: getattr(self, name) for name in known & type(self).model_fields.keys()}
        chosen["protect"] = [*self.protect, *map(_compile, self.protect_patterns)]
        if any(overrides.get(name) is not None for name in ("keep_rate", "target_tokens")):
            chosen |= {"keep_rate": None, "target_tokens": None}
        chosen |= overrides
        if chosen["keep_rate"] is None and chosen["target_tokens"] is None:
            calibration = self.compressor and self.compressor.calibration
            chosen["keep_rate"] = calibration.keep_rate if calibration else _DEFAULT_KEEP_RATE
        return cast(CompressionOptions, chosen)

    def compress_passages(
        self, texts: Sequence[str], scores: Sequence[object], query: str | None
    ) -> tuple[list[str], CompressionResult | None]:
        """Shortens retrieved passages for a query, within one budget over all of them.

        Tokens are counted with the passages joined by blank lines, as they usually stand in a prompt.

        Args:
            texts: The passages; a blank one comes out as it is.
            scores: What a retriever thinks of each; what is not a finite number counts as none.
            query: What they were retrieved for; None for nothing in particular.

        Returns:
            What is left of each passage, nothing of those that are dropped; and the compression, unless all are blank.
        """
        shots = [
            Shot(text, score=float(score) if isinstance(score, Real) and math.isfinite(score) else None)
            for text, score in zip(texts, scores, strict=True)
            if text.strip()
        ]
        if not shots:
            return list(texts), None
        if query is not None and not query.strip():
            logger.warning("The query is empty: the passages are compressed without one.")
        # The query is not among the passages: words of theirs that equal it need no protection.
        options = self.options(query=query or "", compress_query=True)
        result = self.get_compressor().compress(Prompt(shots=shots), **options)
        if result.text == result.source:
            return list(texts), result
        left = iter(result.shots)
        return [next(left).text if text.strip() else text for text in texts], result


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise InputError(f"protect_patterns holds {pattern!r}, which is no regular expression: {error}.") from error
