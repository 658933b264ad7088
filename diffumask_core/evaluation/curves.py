"""How often a reader answers right over the tokens that its prompt is cut to.

trials --shorten--> texts by method and rate --> distinct questions --reader--> right or wrong --> accuracy, interval
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypedDict

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from diffumask_core.prompt.prompt import Prompt
from diffumask_core.readers.protocol import Question
from diffumask_core.tokens import TokenCounter

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

KEEP_RATES = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2)
_RESAMPLES = 2000
_COVERED = 0.95


@dataclass(frozen=True)
class Trial:
    """A prompt, what is asked after it, and what counts as right.

    Attributes:
        prompt: Instructions and shots, without the query.
        query: As it stands after the prompt.
        answers: Each of them is right.
        labels: The answers to choose among; none where any text may be one.
    """

    prompt: Prompt | str
    query: str
    answers: tuple[str, ...]
    labels: tuple[str, ...] = ()


Trials = Sequence[Sequence[Trial]]
"""``[S][I]``: the same items with prompts of several seeds; a single list where there are no seeds."""

Shorten = Callable[[Prompt | str, str], dict[str, list[str]]]
"""From a prompt and the query that it is shortened for ("" for any) to a text at each rate, by method."""

IsRight = Callable[[str, Question], bool]


class Point(TypedDict):
    """A method at one rate: the share of right answers, its 95 % interval, and the mean tokens of the prompts."""

    accuracy: float
    interval: list[float]
    tokens: int


@dataclass(frozen=True)
class Survey:
    """All that a reader has to be asked.

    Attributes:
        questions: Distinct ones: where methods leave the same, it is asked once.
        asked: By method, ``[R, S, I]`` numbers of questions.
        answers: What is right, for each question.
    """

    questions: list[Question]
    asked: dict[str, IntArray]
    answers: list[tuple[str, ...]]


def survey(trials: Trials, shorten: Shorten, per_query: bool) -> Survey:
    """Shortens the prompts of all trials, each once.

    Args:
        trials: ``[S][I]``.
        shorten: Gives a text for each rate, by method.
        per_query: Whether a prompt is shortened anew for each query, or once for all of them.
    """
    shortened: dict[tuple[str, str], dict[str, list[str]]] = {}
    for trial in tqdm([trial for row in trials for trial in row], desc="shortening", disable=None, leave=False):
        if (key := _key(trial, per_query)) not in shortened:
            shortened[key] = shorten(trial.prompt, key[1])
    numbers: dict[Question, int] = {}
    answers: list[tuple[str, ...]] = []

    def number_of(trial: Trial, text: str) -> int:
        question = Question(text, trial.query, trial.answers[0], trial.labels)
        if question not in numbers:
            numbers[question] = len(numbers)
            answers.append(trial.answers)
        return numbers[question]

    methods = {method: len(texts) for method, texts in next(iter(shortened.values())).items()}
    asked = {
        method: np.array(
            [
                [[number_of(trial, shortened[_key(trial, per_query)][method][rate]) for trial in row] for row in trials]
                for rate in range(rates)
            ]
        )
        for method, rates in methods.items()
    }
    return Survey(list(numbers), asked, answers)


def _key(trial: Trial, per_query: bool) -> tuple[str, str]:
    text = trial.prompt if isinstance(trial.prompt, str) else trial.prompt.text
    return text, trial.query if per_query else ""


def curves(
    found: Survey, replies: Sequence[str], keep_rates: Sequence[float], is_right: IsRight, counter: TokenCounter
) -> dict[str, dict[str, Point]]:
    """Accuracy at each rate, by method.

    Args:
        found: The survey.
        replies: To its questions.
        keep_rates: Those of its texts.
        is_right: Whether a reply is a question's answer.
        counter: Counts the tokens of prompts; the query is not counted.
    """
    right = np.array(
        [
            any(is_right(reply, replace(question, answer=answer)) for answer in answers)
            for question, answers, reply in zip(found.questions, found.answers, replies, strict=True)
        ]
    )
    count = lru_cache(maxsize=None)(counter.count)
    tokens = np.array([count(question.prompt) for question in found.questions])
    return {
        method: {
            str(rate): point(right[numbers], float(tokens[numbers].mean()))
            for rate, numbers in zip(keep_rates, asked, strict=True)
        }
        for method, asked in found.asked.items()
    }


def point(right: BoolArray, tokens: float) -> Point:
    """A point of a curve from what was right, ``[S, I]``."""
    low, high = interval(right)
    return {
        "accuracy": round(float(right.mean()), 4),
        "interval": [round(low, 4), round(high, 4)],
        "tokens": round(tokens),
    }


def interval(right: BoolArray) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean of ``[S, I]``.

    Seeds and items are both drawn anew, since both are samples and the seeds share their items (the pigeonhole
    bootstrap, Owen 2007). The draws are the same each time.
    """
    seeds, items = right.shape
    random = np.random.default_rng(0)
    seed_weights = random.multinomial(seeds, np.full(seeds, 1 / seeds), _RESAMPLES)
    item_weights = random.multinomial(items, np.full(items, 1 / items), _RESAMPLES)
    means = ((seed_weights @ right) * item_weights).sum(1) / right.size
    low, high = np.quantile(means, [(1 - _COVERED) / 2, (1 + _COVERED) / 2])
    return float(low), float(high)
