"""The smallest keep rate at which a reader still gets right what it gets right with the full prompt.

examples --full prompt--> those the reader gets right --bisection over rates--> the share that stays right, with a
lower confidence bound --> the smallest rate whose bound is above the floor
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, Unpack

import numpy as np

from diffumask_core.errors import InputError, ReaderError
from diffumask_core.options import CompressionOptions
from diffumask_core.prompt.parse import parse_layout
from diffumask_core.prompt.prompt import Prompt
from diffumask_core.readers.answers import is_right
from diffumask_core.readers.protocol import Question, Reader
from diffumask_core.result import CompressionResult

logger = logging.getLogger("diffumask")

KEEP_RATES = tuple(step / 20 for step in range(1, 20))
_HALVINGS = 60

Outcome = Literal["reached", "not_reached", "too_few_examples"]


class Shortener(Protocol):
    """The part of a `Compressor` that a calibration needs."""

    def compress(self, prompt: str | Prompt, **options: Unpack[CompressionOptions]) -> CompressionResult:
        """Shortens a prompt."""


@dataclass(frozen=True)
class Example:
    """A prompt whose right answer is known.

    Attributes:
        prompt: As it is sent, with the query at its end.
        answer: The right answer.
        labels: The answers to choose among; none where any text may be one.
    """

    prompt: Prompt | str
    answer: str
    labels: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The whole prompt."""
        return self.prompt if isinstance(self.prompt, str) else self.prompt.text

    @cached_property
    def query(self) -> str:
        """What the prompt ends in.

        Raises:
            InputError: There is no query at the end of the text, or none that can be found.
        """
        layout = parse_layout(self.prompt) if isinstance(self.prompt, str) else self.prompt.layout
        if layout.query is None:
            raise InputError(
                f"The example that ends in {self.text[-60:]!r} has no query that can be found: pass a "
                "Prompt(shots=[...], query=...)."
            )
        return layout.text[slice(*layout.query)]

    def question(self, text: str) -> Question:
        """What a reader is asked when this text is left of the prompt."""
        return Question(text.rstrip().removesuffix(self.query.rstrip()).rstrip(), self.query, self.answer, self.labels)


@dataclass(frozen=True)
class Tried:
    """A keep rate and how the reader did at it.

    Attributes:
        keep_rate: The rate; 1 for the full prompt.
        quality: Of the examples that the reader gets right with the full prompt, the share that it gets right.
        bound: The lower confidence bound of `quality`.
        right: The questions that it got right.
        calls: The questions that it was asked.
        tokens: The mean tokens of the prompts that it read.
    """

    keep_rate: float
    quality: float
    bound: float
    right: int
    calls: int
    tokens: float


@dataclass(frozen=True)
class Calibration:
    """A keep rate and what speaks for it.

    Attributes:
        keep_rate: The smallest of the tried rates whose bound is above the floor; 1 where there is none.
        quality: That at this rate.
        bound: Its lower confidence bound.
        evidence: All tried rates, in the order in which they were tried; the full prompt first.
        calls: The questions that the reader was asked in all.
        outcome: ``"reached"``; ``"not_reached"`` where no tried rate is good enough; ``"too_few_examples"`` where the
            bound would be below the floor even if every answer stayed right.
        complete: Whether all rates were tried that were to be tried; not so where the reader gave up, as at the end
            of its budget.
    """

    keep_rate: float
    quality: float
    bound: float
    evidence: tuple[Tried, ...]
    calls: int
    outcome: Outcome
    complete: bool = True


def calibrate(
    compressor: Shortener,
    examples: Sequence[Example],
    reader: Reader,
    min_quality: float = 0.98,
    confidence: float = 0.95,
    keep_rates: Sequence[float] = KEEP_RATES,
    **options: Unpack[CompressionOptions],
) -> Calibration:
    """Finds the smallest keep rate whose quality stays above a floor.

    The quality of a rate is the share of answers that stay right: of the examples that the reader gets right with the
    full prompt, those that it gets right at that rate. What it gets right after compression only does not count, so
    the accuracy relative to that with the full prompt is at least as high.

    Rates are bisected: of K rates at most T = ceil(log2(K + 1)) are tried, with at most (1 + T) calls an example. Each
    is tested by an exact lower bound (`lower_bound`) at a level of (1 - confidence) / T, so that all T bounds hold
    together with the given confidence (Bonferroni). T is enough where the true quality never falls as the rate
    rises: then the rates that are too small and that bisection can come to before it errs are the same whatever the
    data are. Where it does fall, the returned rate has still passed its own test, but a smaller one that would pass
    too can be missed: no rate below one that failed is tried.

    A bound needs examples: with the defaults, at least 228 that are right with the full prompt, of which none may get
    lost. For fewer lower `min_quality` or `confidence`, or give fewer `keep_rates`.

    Args:
        compressor: What shortens the prompts.
        examples: Prompts with their right answers, like those that the rate is for.
        reader: What reads them.
        min_quality: The floor; above 0 and below 1.
        confidence: That the bounds hold with; at least 0.5 and below 1.
        keep_rates: The rates to choose from; above 0 and below 1.
        **options: Of `Compressor.compress`, those that the rate is for.

    Returns:
        The rate and the evidence. Where the reader fails on the way with a `ReaderError`, as at the end of its budget,
        what was found until then, with a warning in the log.

    Raises:
        InputError: There are no examples, one has no query, or an argument is not possible.
        ReaderError: The reader failed before it had read all full prompts.
    """
    _check(examples, min_quality, confidence, keep_rates, options)
    right, tokens = _read(compressor, examples, reader, 1.0, options)
    known = [example for example, is_known in zip(examples, right, strict=True) if is_known]
    best = Tried(1.0, 1.0, 1.0, len(known), len(examples), tokens)
    evidence = [best]

    rates = sorted(set(keep_rates))
    level = (1 - confidence) / math.ceil(math.log2(len(rates) + 1))
    outcome: Outcome = "not_reached"
    complete = True
    # The answer is one of rates[low:high + 1], where the one past the last is the full prompt.
    low, high = 0, len(rates)
    if lower_bound(len(known), len(known), level) < min_quality:
        outcome, low = "too_few_examples", high
        logger.warning(
            "%d examples are right with the full prompt, and a quality of %g needs %d at this confidence and number of "
            "rates: the prompts stay as they are.",
            len(known),
            min_quality,
            math.ceil(math.log(level) / math.log(min_quality)),
        )
    while low < high:
        middle = (low + high) // 2
        try:
            right, tokens = _read(compressor, known, reader, rates[middle], options)
        except ReaderError as error:
            logger.warning("The calibration ends before keep rate %g: %s", rates[middle], error)
            complete = False
            break
        kept = sum(right)
        bound = lower_bound(kept, len(known), level)
        tried = Tried(rates[middle], kept / len(known), bound, kept, len(known), tokens)
        evidence.append(tried)
        if tried.bound >= min_quality:
            best, outcome, high = tried, "reached", middle
        else:
            low = middle + 1
    calls = sum(tried.calls for tried in evidence)
    return Calibration(best.keep_rate, best.quality, best.bound, tuple(evidence), calls, outcome, complete)


def lower_bound(successes: int, trials: int, level: float) -> float:
    """The exact one-sided lower confidence bound of a share (Clopper and Pearson, Biometrika 26, 1934).

    It is the share at which so many successes or more would be seen with a probability of `level`: whatever the true
    share is, the bound is above it with at most that probability, for any number of trials.

    Args:
        successes: Of the trials.
        trials: Independent ones.
        level: One minus the confidence; above 0 and at most 0.5.
    """
    if not successes:
        return 0.0
    counts = np.arange(successes, trials + 1)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])  # their logarithms
    ways = factorials[trials] - factorials[counts] - factorials[trials - counts]
    low, high = 0.0, successes / trials
    for _ in range(_HALVINGS):
        share = (low + high) / 2
        tail = np.exp(ways + counts * math.log(share) + (trials - counts) * math.log1p(-share)).sum()
        low, high = (low, share) if tail > level else (share, high)
    return low


def _read(
    compressor: Shortener, examples: Sequence[Example], reader: Reader, keep_rate: float, options: CompressionOptions
) -> tuple[list[bool], float]:
    """Which examples the reader gets right at a keep rate, and the mean tokens that it reads."""
    # Slow to import, and this module is imported with the package.
    from tqdm import tqdm

    chosen: Any = {**options, "keep_rate": keep_rate}
    results = [
        compressor.compress(example.prompt, **chosen)
        for example in tqdm(examples, desc=f"keep rate {keep_rate:g}", leave=False, disable=None)
    ]
    questions = [example.question(result.text) for example, result in zip(examples, results, strict=True)]
    right = [is_right(answer, question) for answer, question in zip(reader.answers(questions), questions, strict=True)]
    return right, float(np.mean([result.compressed_tokens for result in results]))


def _check(
    examples: Sequence[Example],
    min_quality: float,
    confidence: float,
    keep_rates: Sequence[float],
    options: CompressionOptions,
) -> None:
    if not examples:
        raise InputError("There are no examples to calibrate with: give prompts with their right answers.")
    if not 0 < min_quality < 1:
        raise InputError(f"min_quality={min_quality!r} is not possible: pass a number above 0 and below 1.")
    if not 0.5 <= confidence < 1:
        raise InputError(f"confidence={confidence!r} is not possible: pass a number of at least 0.5 and below 1.")
    if not keep_rates or not all(0 < rate < 1 for rate in keep_rates):
        raise InputError(f"keep_rates={keep_rates!r} are not possible: pass numbers above 0 and below 1.")
    fixed = sorted(options.keys() & {"keep_rate", "target_tokens", "compress_query"})
    if fixed:
        raise InputError(f"{fixed[0]} is no option of a calibration: it looks for a rate, and asks the query as it is.")
