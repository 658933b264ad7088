import math
import random
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffumask_core import Compressor, InputError, Prompt, Shot
from diffumask_core.calibration import KEEP_RATES, Calibration, Example, calibrate, lower_bound
from diffumask_core.errors import ReaderBudgetError
from diffumask_core.readers import Question

levels = st.sampled_from([0.5, 0.2, 0.05, 0.01, 0.001])


# The bound.


def at_least(successes: int, trials: int, share: float) -> float:
    """The probability of so many successes or more."""
    return sum(
        math.comb(trials, count) * share**count * (1 - share) ** (trials - count)
        for count in range(successes, trials + 1)
    )


@settings(deadline=None)
@given(trials=st.integers(1, 300), data=st.data(), level=levels)
def test_the_bound_is_the_share_at_which_as_many_are_just_too_many(
    trials: int, data: st.DataObject, level: float
) -> None:
    successes = data.draw(st.integers(0, trials))
    bound = lower_bound(successes, trials, level)
    if successes:
        assert 0 < bound <= successes / trials
        assert at_least(successes, trials, bound) == pytest.approx(level, rel=1e-6)
    else:
        assert bound == 0


@settings(deadline=None)
@given(successes=st.integers(1, 50), lost=st.integers(0, 50), times=st.integers(2, 10), level=levels)
def test_more_evidence_for_the_same_share_raises_the_bound(successes: int, lost: int, times: int, level: float) -> None:
    bound = lower_bound(successes, successes + lost, level)
    assert lower_bound(times * successes, times * (successes + lost), level) >= bound
    assert lower_bound(successes + 1, successes + 1 + lost, level) > bound
    assert lower_bound(successes, successes + lost + 1, level) < bound
    assert lower_bound(successes, successes + lost, level / 2) < bound


@pytest.mark.parametrize("share", [0.5, 0.9, 0.97, 0.98, 0.995])
@pytest.mark.parametrize("trials", [1, 20, 150, 228])
def test_the_bound_holds_with_its_confidence(trials: int, share: float) -> None:
    """Over all that can be seen, weighted by how likely it is."""
    level = 0.05
    above = sum(
        math.comb(trials, seen) * share**seen * (1 - share) ** (trials - seen)
        for seen in range(trials + 1)
        if lower_bound(seen, trials, level) > share
    )
    assert above <= level + 1e-9


def test_without_trials_nothing_is_known() -> None:
    assert lower_bound(0, 0, 0.05) == 0
    assert lower_bound(228, 228, 0.01) > 0.98 > lower_bound(227, 227, 0.01)


# The search.


class FirstWords:
    """A compressor that keeps the first words of each prompt, and its query."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.options: list[Any] = []

    def compress(self, prompt: Prompt, keep_rate: float, **options: Any) -> SimpleNamespace:
        if keep_rate not in self.rates:
            self.rates.append(keep_rate)
            self.options.append(options)
        words = prompt.text.removesuffix(prompt.query).split()
        left = words[: round(keep_rate * len(words))]
        return SimpleNamespace(text=f"{' '.join(left)}\n\n{prompt.query}", compressed_tokens=len(left))


WORDS = 20


class Judge:
    """A reader that is right or not by the share of the words that it is given, and by the question's number."""

    name = "judge"

    def __init__(self, is_right: Callable[[float, int], bool], gives_up_after: int | None = None) -> None:
        self._is_right = is_right
        self._left = gives_up_after
        self.asked: list[Question] = []

    def answers(self, questions: Sequence[Question]) -> list[str]:
        if self._left is not None:
            if len(questions) > self._left:
                raise ReaderBudgetError("max_calls", self._left, self._left + 1)
            self._left -= len(questions)
        self.asked += questions
        return [
            question.answer if self._is_right(len(question.prompt.split()) / WORDS, self._number(question)) else "no"
            for question in questions
        ]

    @staticmethod
    def _number(question: Question) -> int:
        return int(question.query.removeprefix("Q: number "))


def examples(count: int) -> list[Example]:
    text = " ".join(f"word{number}" for number in range(WORDS))
    return [Example(Prompt(text, query=f"Q: number {number}"), f"answer {number}") for number in range(count)]


def run(judge: Judge, count: int = 60, min_quality: float = 0.9, **options: Any) -> Calibration:
    return calibrate(cast(Compressor, FirstWords()), examples(count), judge, min_quality, **options)


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.1, 0.4, 0.55, 0.9, 0.95])
def test_the_smallest_rate_that_is_good_enough(threshold: float) -> None:
    found = run(Judge(lambda share, _: share >= threshold))
    assert found.keep_rate == max(threshold, 0.05)
    assert found.quality == 1.0
    assert found.bound == lower_bound(60, 60, 0.05 / 5)
    assert (found.outcome, found.complete) == ("reached", True)
    [full, *tried] = found.evidence
    assert (full.keep_rate, full.quality, full.bound, full.right, full.calls, full.tokens) == (1, 1, 1, 60, 60, 20)
    assert 4 <= len(tried) <= 5
    assert found.calls == sum(each.calls for each in found.evidence) <= 60 * 6
    for each in tried:
        assert each.quality == (each.keep_rate >= threshold)
        assert each.tokens == pytest.approx(20 * each.keep_rate)
        assert each.right == each.calls * each.quality


def test_some_answers_may_get_lost() -> None:
    """One in 40 more with each step down: the bound says where it is enough."""
    found = run(Judge(lambda share, number: number >= 40 * (0.9 - share)), count=400, min_quality=0.95)
    by_rate = {each.keep_rate: each for each in found.evidence}
    assert by_rate[found.keep_rate].bound == found.bound >= 0.95
    assert 0.95 < found.quality < 1
    below = [each for rate, each in by_rate.items() if rate < found.keep_rate]
    assert below
    assert all(each.bound < 0.95 for each in below)
    assert by_rate[round(found.keep_rate - 0.05, 2)].bound < 0.95


def test_no_rate_is_good_enough() -> None:
    found = run(Judge(lambda share, _: share > 0.99))
    assert (found.keep_rate, found.quality, found.bound, found.outcome) == (1.0, 1.0, 1.0, "not_reached")
    assert [each.keep_rate for each in found.evidence] == [1.0, 0.5, 0.75, 0.9, 0.95]


def test_too_few_examples_are_told_before_they_are_paid_for(caplog: pytest.LogCaptureFixture) -> None:
    judge = Judge(lambda share, number: True)
    found = run(judge, count=30, min_quality=0.98)
    assert (found.keep_rate, found.outcome, found.calls) == (1.0, "too_few_examples", 30)
    assert len(judge.asked) == 30
    assert "30 examples are right with the full prompt, and a quality of 0.98 needs 228" in caplog.text
    assert run(Judge(lambda share, number: True), count=228, min_quality=0.98).outcome == "reached"
    assert run(Judge(lambda share, number: True), count=227, min_quality=0.98).outcome == "too_few_examples"
    # What helps with fewer.
    assert run(judge, count=149, min_quality=0.98, keep_rates=[0.4]).keep_rate == 0.4
    assert run(judge, count=30, min_quality=0.85).keep_rate == 0.05
    assert run(Judge(lambda share, number: False), count=30).outcome == "too_few_examples"


def test_only_what_is_right_with_the_full_prompt_is_asked_again() -> None:
    """And what the reader gets right only later does not make up for what it lost."""
    judge = Judge(lambda share, number: number % 2 == 0 or share < 0.99)
    found = run(judge, count=120)
    assert found.evidence[0].right == 60
    assert all(each.calls == 60 for each in found.evidence[1:])
    assert found.calls == len(judge.asked) == 120 + 60 * (len(found.evidence) - 1)


def test_a_quality_that_falls_and_rises_ends_in_a_rate_that_was_good() -> None:
    good = {0.2, 0.5, 0.7, 0.75, 0.8}
    found = run(Judge(lambda share, _: share > 0.99 or share in good))
    assert found.keep_rate == 0.5  # 0.25 failed, so 0.2 is not tried
    assert found.outcome == "reached"


def test_the_end_of_a_budget_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    found = run(Judge(lambda share, _: share >= 0.2, gives_up_after=60 * 3))
    assert (found.keep_rate, found.outcome, found.complete) == (0.25, "reached", False)
    assert found.calls == 180
    assert "The calibration ends before keep rate 0.15: " in caplog.text
    found = run(Judge(lambda share, _: False, gives_up_after=60 * 2))
    assert found.outcome == "too_few_examples"
    found = run(Judge(lambda share, _: share > 0.6, gives_up_after=60 * 2))
    assert (found.keep_rate, found.outcome, found.complete) == (1.0, "not_reached", False)
    with pytest.raises(ReaderBudgetError):
        run(Judge(lambda share, _: True, gives_up_after=59))


def test_rates_and_options_are_those_that_were_given() -> None:
    words = FirstWords()
    found = calibrate(
        cast(Compressor, words),
        examples(60),
        Judge(lambda share, _: share >= 0.3),
        0.9,
        keep_rates=(0.6, 0.3, 0.1, 0.3),
        min_shots=2,
        steps=4,
    )
    assert found.keep_rate == 0.3
    assert words.rates == [1.0, 0.3, 0.1]
    assert words.options == [{"min_shots": 2, "steps": 4}] * 3


def test_a_rate_that_is_not_good_enough_is_seldom_returned() -> None:
    """Though several are tried, and each answer at each rate is a matter of chance."""
    chance, runs = random.Random(0), 120
    judge = Judge(lambda share, _: chance.random() < (0.97 if share >= 0.5 else 0.79))
    wrong = sum(run(judge, count=80, min_quality=0.8, confidence=0.9).keep_rate < 0.5 for _ in range(runs))
    # A tenth, and three standard deviations.
    assert wrong / runs <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / runs)


def test_it_is_the_same_each_time() -> None:
    judges = [Judge(lambda share, number: (number * 7) % 50 < 100 * share) for _ in range(2)]
    first, second = (run(judge, count=100, min_quality=0.8) for judge in judges)
    assert first == second
    assert judges[0].asked == judges[1].asked


# With a compressor.


def few_shot(number: int) -> Prompt:
    shots = [
        Shot(
            question=f"How many boxes are there in {rows} rows of {each}, if none is missing?", answer=str(rows * each)
        )
        for rows, each in [(2, 3), (4, 5), (number % 7, 8)]
    ]
    return Prompt("Answer with a number.", shots, f"Q: How many boxes are there in {number} rows of 2?\nA:")


@pytest.mark.parametrize("as_text", [False, True])
def test_with_prompts_and_texts(compressor: Compressor, as_text: bool) -> None:
    """The reader needs a third of the words of the shots; how many are left is up to the rate."""
    prompts = [few_shot(number) for number in range(12)]
    given = [
        Example(prompt.text if as_text else prompt, str(2 * number), ("1", "2"))
        for number, prompt in enumerate(prompts)
    ]

    class Reader(Judge):
        @staticmethod
        def _number(question: Question) -> int:
            assert question.query.startswith("Q: How many boxes are there in ")
            assert question.query.endswith("\nA:")
            assert question.query not in question.prompt
            assert question.labels == ("1", "2")
            return 0

    reader = Reader(lambda share, _: share * WORDS >= 20)
    found = calibrate(
        compressor, given, reader, 0.6, keep_rates=(0.1, 0.4, 0.8), tokenizer=lambda text: len(text.split())
    )
    assert found.outcome == "reached"
    assert found.evidence[0].tokens == pytest.approx(sum(len(prompt.text.split()) for prompt in prompts) / 12)
    tokens = {each.keep_rate: each.tokens for each in found.evidence}
    assert tokens[found.keep_rate] < tokens[1.0]
    full = [question for question in reader.asked if question.prompt.startswith("Answer with a number.\n\nQ:")]
    assert {question.prompt for question in full} >= {
        prompt.text.removesuffix(prompt.query).strip() for prompt in prompts
    }


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"examples": []}, "There are no examples"),
        ({"min_quality": 0}, "min_quality=0 is not possible"),
        ({"min_quality": 1}, "min_quality=1 is not possible"),
        ({"confidence": 0.4}, "confidence=0.4 is not possible"),
        ({"confidence": 1.0}, "confidence=1.0 is not possible"),
        ({"keep_rates": ()}, "keep_rates=.* are not possible"),
        ({"keep_rates": (0.5, 1.0)}, "keep_rates=.* are not possible"),
        ({"keep_rate": 0.5}, "keep_rate is no option of a calibration"),
        ({"target_tokens": 50}, "target_tokens is no option of a calibration"),
        ({"compress_query": True}, "compress_query is no option of a calibration"),
        ({"steps": 0}, "steps=0 is not possible"),
        ({"examples": [Example("A text about nothing in particular.", "4")]}, "has no query that can be found"),
        ({"examples": [Example(Prompt("Only instructions."), "4")]}, "has no query that can be found"),
    ],
)
def test_what_is_not_possible(compressor: Compressor, changed: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {"examples": examples(3), "reader": Judge(lambda share, _: True), **changed}
    with pytest.raises(InputError, match=message):
        calibrate(compressor, **options)


def test_the_rates_that_are_tried() -> None:
    assert KEEP_RATES[0] == 0.05
    assert KEEP_RATES[-1] == 0.95
    assert len(KEEP_RATES) == 19


# The calibrated compressor.


def test_a_calibrated_compressor_keeps_what_was_found(compressor: Compressor) -> None:
    # Of each prompt a reader needs nothing at all: the smallest rate will do.
    anything = Judge(lambda share, _: True)
    calibrated = compressor.calibrate(examples(60), anything, min_quality=0.9, tokenizer=str.__len__)
    assert calibrated.calibration is not None
    assert calibrated.calibration.keep_rate == min(KEEP_RATES)
    assert compressor.calibration is None
    text = "the owner of the shop sold twelve boxes of apples to a visitor from out of town on monday"
    by_itself = calibrated.compress(text, tokenizer=str.__len__)
    assert by_itself == compressor.compress(text, keep_rate=min(KEEP_RATES), tokenizer=str.__len__)
    for budget in ({"keep_rate": 0.5}, {"target_tokens": 40}):
        asked: Any = {**budget, "tokenizer": str.__len__}
        assert calibrated.compress(text, **asked) == compressor.compress(text, **asked)
