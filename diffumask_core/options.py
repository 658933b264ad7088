"""How to compress: the options of `Compressor`, with their defaults and checks."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import cleandoc
from numbers import Integral, Real
from typing import Literal, TypedDict

from diffumask_core.errors import InputError
from diffumask_core.prompt.spans import Span
from diffumask_core.tokens import TokenizerLike


class CompressionOptions(TypedDict, total=False):
    """The keyword arguments of `Compressor.compress`; see `Options` for what they mean."""

    keep_rate: float | None
    target_tokens: int | None
    query: str
    protect: Sequence[str | re.Pattern[str] | Span]
    tokenizer: TokenizerLike
    steps: int | None
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


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to compress. One of `keep_rate` and `target_tokens` must be given.

    Attributes:
        keep_rate: Of the tokens that may go, the share that may stay at most; in (0, 1].
        target_tokens: The most tokens of the whole output.
        query: What the text is read for. When empty, the query that the prompt ends in, if there is one.
        protect: Strings, compiled regular expressions and spans that come out unchanged. A string that is nowhere in
            the text is no error; the log ("diffumask", level INFO) has it.
        tokenizer: What counts the tokens: a model's name, a tokenizer, or a function.
        steps: The most denoising steps; by default as many as pay: one, or sixteen where lines of tools' results share
            names and numbers, since a line that is kept then makes others worthless.
        min_shots: How many shots stay at least.
        min_relevance: Passages below this relevance for the query go, even where the budget has room for them; from 0,
            which is no floor, to 1. Passages on another subject are mostly below 0.1.
        compress_instructions: Whether the text before the first shot may be shortened too; of messages, those of the
            system.
        compress_query: Whether what the prompt ends in may be shortened too; of messages, the last one of the user.
        compress_rationales: Whether what an LLM is to write like, the rationales and outputs of exemplars, may be
            shortened too, all but the final answers. An LLM writes as it is shown: it then reasons in the same
            telegraph style, and gets less right. Without it they are whole or gone with their exemplar.
        shot_level: Whether shots may be dropped whole, and their utility shares the budget.
        token_level: Whether words are scored. Without it whole shots go, the least useful first, and what is still
            too long is cut at its end.
        grain: What is kept or dropped whole: the least that makes sense in each region, such as a line of code or a row
            of a table (``"auto"``), or words everywhere (``"words"``).
        marks: Whether a mark such as ``[… 12 lines left out]`` stands where lines, rows or records went, or ``[…]`` for
            few lines of a tool's result; ``"named"`` for marks with a name each, such as
            ``[… 12 lines left out, #3fa9c2]``.
        on_overflow: What to do when the protected text alone is longer than the budget: ``"raise"`` a `BudgetError`
            or give the protected text back (``"best_effort"``).
    """

    keep_rate: float | None = None
    target_tokens: int | None = None
    query: str = ""
    protect: Sequence[str | re.Pattern[str] | Span] = ()
    tokenizer: TokenizerLike = "gpt-4o"
    steps: int | None = None
    min_shots: int = 0
    min_relevance: float = 0.0
    compress_instructions: bool = False
    compress_query: bool = False
    compress_rationales: bool = False
    shot_level: bool = True
    token_level: bool = True
    grain: Literal["auto", "words"] = "auto"
    marks: bool | Literal["named"] = True
    on_overflow: Literal["raise", "best_effort"] = "raise"

    def __post_init__(self) -> None:
        if (self.keep_rate is None) == (self.target_tokens is None):
            given = "neither was" if self.keep_rate is None else "both were"
            raise InputError(
                f"Of keep_rate and target_tokens {given} given: pass one, such as keep_rate=0.5 (of the tokens "
                "that may go) or target_tokens=800 (of the whole output)."
            )
        if self.keep_rate is not None and not (_is_number(self.keep_rate) and 0 < self.keep_rate <= 1):
            raise InputError(f"keep_rate={self.keep_rate!r} is not a share: pass a number above 0 and at most 1.")
        if not (_is_number(self.min_relevance) and 0 <= self.min_relevance <= 1):
            raise InputError(f"min_relevance={self.min_relevance!r} is not possible: pass a number from 0 to 1.")
        self._make_plain("keep_rate", float)
        self._make_plain("min_relevance", float)
        for name, least in (("target_tokens", 1), ("steps", 1), ("min_shots", 0)):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, Integral) or isinstance(value, bool) or value < least):
                raise InputError(f"{name}={value!r} is not possible: pass a whole number of at least {least}.")
            self._make_plain(name, int)
        if self.grain not in ("auto", "words"):
            raise InputError(f'grain={self.grain!r} is unknown: pass "auto" or "words".')
        if self.marks not in (True, False, "named"):
            raise InputError(f'marks={self.marks!r} is unknown: pass True, False or "named".')
        if self.on_overflow not in ("raise", "best_effort"):
            raise InputError(f'on_overflow={self.on_overflow!r} is unknown: pass "raise" or "best_effort".')
        if not isinstance(self.query, str):
            raise InputError(f"query={self.query!r} is not a string: pass the question as text.")

    def _make_plain(self, name: str, kind: type[int] | type[float]) -> None:
        """Turns a number of numpy's into one of Python's: a result holds the budget, and JSON knows only Python's."""
        value = getattr(self, name)
        if value is not None:
            object.__setattr__(self, name, kind(value))


def check_names(given: Iterable[str], known: Collection[str] = CompressionOptions.__annotations__) -> None:
    """Checks that each of some names is that of an option.

    Args:
        given: The names.
        known: Those of the options that there are.

    Raises:
        InputError: There is no option of a name; the message has the nearest one, where there is one.
    """
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, 1)
            instead = f"did you mean {near[0]}? There are" if near else "pass one of"
            raise InputError(f"There is no option {name!r}: {instead} {', '.join(known)}.")


def described(option: str) -> str:
    """What an option means, from the docstring of `Options`: the adapters and the command line say the same."""
    attributes = cleandoc(Options.__doc__ or "").partition("Attributes:\n")[2]
    found = re.search(rf"^    {option}: (.+(?:\n {{8}}.+)*)", attributes, re.MULTILINE)
    if found is None:
        raise KeyError(option)
    return re.sub(r"\s+", " ", found[1])


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
