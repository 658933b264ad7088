"""One prompt's search: it asks questions, is told scores, and knows the best mask so far at any moment."""

import json
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from importlib.metadata import version
from itertools import islice
from typing import Literal

import numpy as np

from diffumask_core.labeling.space import BoolArray, FloatArray, Guide, SearchSpace
from diffumask_core.labeling.strategies import Proposals, Strategy
from diffumask_core.readers.answers import is_right
from diffumask_core.readers.cache import ReplyCache
from diffumask_core.readers.protocol import Question, Reader

Measure = Literal["accuracy", "log_probability"]

# A candidate can be given up after each so many questions.
_QUESTIONS_AT_ONCE = 5
# It is given up when it is so many standard errors from holding the floor.
_DOUBT = 0.75
# What is thought of an item before anything is known, as if it had been asked once: the mean change of its score, and
# that of the square. A candidate that is worse than those before it is worse by at most so many times.
_CHANGE, _SQUARE, _WORST = -0.02, 0.05, 3.0
_ROUNDING = 1e-9


class Judge:
    """Asks a reader, each question about each candidate once, whatever ends a run.

    Attributes:
        items: V validation items.
        measure: What is scored: a right answer with 1, or its log-probability.
    """

    def __init__(self, reader: Reader, items: Sequence[Question], measure: Measure, scores: ReplyCache) -> None:
        """Takes items, whose `prompt` does not matter, and where scores are kept.

        Readers of the same name are taken for the same one, as long as this package is of the same version: the
        bundled model reads too.
        """
        self.measure: Measure = measure
        # Files are often sorted by label: the first questions ever asked must stand for all of them.
        order = np.random.default_rng(0).permutation(len(items)).tolist()
        self.items = [items[number] for number in order]
        self._reader = reader
        self._scores = scores
        asked = [(item.query, item.answer, item.labels) for item in self.items]
        self._about = repr((version("diffumask"), reader.name, measure, asked))

    def known(self, text: str) -> dict[int, float]:
        """The scores of the items after a text, by their numbers, as far as they have been asked."""
        found = self._scores.get(self._key(text))
        return {int(number): score for number, score in json.loads(found).items()} if found else {}

    def learn(self, text: str, scores: Mapping[int, float]) -> None:
        """Keeps scores of items after a text."""
        self._scores.put(self._key(text), json.dumps({**self.known(text), **scores}))

    def ask(self, questions: Sequence[Question]) -> list[float]:
        """The score of each question."""
        if self.measure == "log_probability":
            return self._reader.log_probabilities(questions)
        answers = self._reader.answers(questions)
        return [float(is_right(answer, question)) for answer, question in zip(answers, questions, strict=True)]

    def _key(self, text: str) -> str:
        return blake2b(f"{self._about}\n{text}".encode(), digest_size=16).hexdigest()


class _Changes:
    """How the scores of items have changed with the candidates so far: what to ask first, what to expect of the rest.

    Most items are answered alike after nearly every candidate, and a few are lost again and again. Those are asked
    first, and what they tell is carried over to the others by the ratio of what is seen to what was expected (the ratio
    estimator of survey sampling; Cochran, "Sampling Techniques", 1977).
    """

    def __init__(self, items: int) -> None:
        self._asked = np.ones(items)
        self._sum = np.full(items, _CHANGE)
        self._squares = np.full(items, _SQUARE)

    def order(self) -> list[int]:
        """The items, those first that change most."""
        order: list[int] = np.argsort(-self._squares / self._asked, kind="stable").tolist()
        return order

    def learn(self, numbers: Sequence[int], changes: FloatArray) -> None:
        """Takes in how the scores of some items have changed with a candidate."""
        self._asked[numbers] += 1
        self._sum[numbers] += changes
        self._squares[numbers] += changes**2

    def of_rest(self, numbers: Sequence[int], changes: FloatArray) -> tuple[float, float]:
        """From the changes of some items the sum of those of all others, and its standard error."""
        rest = np.setdiff1d(np.arange(len(self._asked)), numbers)
        expected = self._sum / self._asked
        ratio = changes.sum() / min(expected[numbers].sum(), _CHANGE)
        total = min(max(ratio, 0.0), _WORST) * min(expected[rest].sum(), 0.0)
        return float(total), float(np.sqrt((self._squares / self._asked)[rest].sum()))


class _OutOfCallsError(Exception):
    pass


_Steps = Generator[list[Question], list[float], None]


class MaskSearch:
    """Looks for a short mask of one prompt under a quality floor.

    A reader call is one candidate prompt judged on one validation item. The quality of a mask is its mean score over
    all items. The floor is a share of the full prompt's quality; where the score is a log-probability, it is that
    share of the geometric mean of the probabilities, so the full prompt's quality plus the logarithm of the share.

    Attributes:
        space: What is searched.
        questions: What has to be asked next; nothing when the search has ended.
        best: ``[N]``, the shortest mask so far that holds the floor. All items have been asked about it.
        quality: That of `best`.
        full_quality: That of the full prompt.
        floor: The quality that must be left.
        survival: ``[N]``, the number of the cut with which each unit went on the way to `best`; infinite for what is
            left.
        calls: Reader calls so far.
        candidates: Distinct texts so far, the full prompt among them.
        ended: Why there is nothing more to ask: ``"minimal"`` where nothing more goes, ``"max_calls"``, or
            ``"useless"`` where the reader gets nothing right with the full prompt, so that there is nothing to hold.
    """

    def __init__(
        self,
        space: SearchSpace,
        guide: Guide,
        judge: Judge,
        strategy: Strategy,
        floor: float,
        max_calls: int | None = None,
        batch: int = 1,
    ) -> None:
        """Begins a search.

        Args:
            space: What is searched.
            guide: What goes first.
            judge: Keeps what is known about the candidates.
            strategy: One of `STRATEGIES`.
            floor: The share of the full prompt's quality that must be left; above 0 and at most 1.
            max_calls: The most reader calls.
            batch: How many candidates are judged at once.
        """
        self.space = space
        self.best = space.everything
        self.quality = self.full_quality = math.nan
        self.floor = -math.inf
        self.survival: FloatArray = np.full(len(space.everything), np.inf)
        self.calls = 0
        self.candidates = 0
        self.ended: Literal["", "minimal", "max_calls", "useless"] = ""
        self._judge = judge
        self._gives_up = strategy.gives_up
        self._share = floor
        self._max_calls = max_calls
        self._mask = self.best
        self._mask_scores: FloatArray = np.zeros(0)
        self._survival = self.survival.copy()
        self._changes = _Changes(len(judge.items))
        self._verdicts: dict[str, bool] = {}
        self._steps = self._run(strategy.propose(space, guide, batch))
        self.questions = next(self._steps, [])

    def tell(self, scores: Sequence[float]) -> None:
        """Goes on with the score of each of `questions`."""
        try:
            self.questions = self._steps.send(list(scores))
        except StopIteration:
            self.questions = []

    def _run(self, proposals: Proposals) -> _Steps:
        try:
            yield from self._judged([self.space.everything])
            self._set_floor()
            if self.ended:
                return
            candidates = next(proposals)
            while True:
                held = yield from self._judged(candidates)
                kept = [mask for mask, holds in zip(candidates, held, strict=True) if holds]
                if kept:
                    self._go_on_from(min(kept, key=np.count_nonzero))
                candidates = proposals.send(held)
        except StopIteration:
            self.ended = "minimal"
        except _OutOfCallsError:
            self.ended = "max_calls"

    def _set_floor(self) -> None:
        self._mask_scores = self._all_scores(self.best)
        self.quality = self.full_quality = float(self._mask_scores.mean())
        if self._judge.measure == "log_probability":
            self.floor = self.full_quality + math.log(self._share)
        else:
            self.floor = self._share * self.full_quality
        if not np.isfinite(self._mask_scores).all() or (self._judge.measure == "accuracy" and not self.full_quality):
            self.ended = "useless"

    def _go_on_from(self, mask: BoolArray) -> None:
        self._survival[mask] = np.inf
        earlier = self._survival[np.isfinite(self._survival)]
        self._survival[self._mask & ~mask] = earlier.max(initial=-1) + 1
        self._mask, self._mask_scores = mask, self._all_scores(mask)
        if np.count_nonzero(mask) < np.count_nonzero(self.best):
            self.best, self.survival = mask, self._survival.copy()
            self.quality = float(self._mask_scores.mean())

    def _all_scores(self, mask: BoolArray) -> FloatArray:
        known = self._judge.known(self.space.text(mask))
        return np.array([known[number] for number in range(len(self._judge.items))])

    def _judged(self, masks: Sequence[BoolArray]) -> Generator[list[Question], list[float], list[bool]]:
        """Asks about some masks side by side; whether each holds the floor."""
        texts = [self.space.text(mask) for mask in masks]
        order = self._changes.order()
        asked = {text: 0 for text in texts if text not in self._verdicts}
        self.candidates += len(asked)
        while asked:
            ends = {text: self._next(count) for text, count in asked.items()}
            self._spend(sum(ends.values()) - sum(asked.values()))
            known = {text: self._judge.known(text) for text in asked}
            wanted = {
                text: [number for number in order[:end] if number not in known[text]] for text, end in ends.items()
            }
            questions = [
                replace(self._judge.items[number], prompt=text)
                for text, numbers in wanted.items()
                for number in numbers
            ]
            scores = iter((yield questions) if questions else ())
            for text, numbers in wanted.items():
                if numbers:
                    new = dict(zip(numbers, islice(scores, len(numbers)), strict=True))
                    self._judge.learn(text, new)
                    known[text] |= new
            for text, end in ends.items():
                asked[text] = end
                verdict = self._verdict(order[:end], np.array([known[text][number] for number in order[:end]]))
                if verdict is not None:
                    self._verdicts[text] = verdict
                    del asked[text]
        return [self._verdicts[text] for text in texts]

    def _next(self, count: int) -> int:
        everything = len(self._judge.items)
        if not self._gives_up or not len(self._mask_scores):
            return everything
        return min(count + _QUESTIONS_AT_ONCE, everything)

    def _spend(self, calls: int) -> None:
        if self._max_calls is not None and self.calls + calls > self._max_calls:
            raise _OutOfCallsError
        self.calls += calls

    def _verdict(self, numbers: Sequence[int], scores: FloatArray) -> bool | None:
        """Whether a candidate with these scores of these items holds the floor; None while that is open."""
        everything = len(self._judge.items)
        if not np.isfinite(scores).all():
            return False
        if not len(self._mask_scores):
            return True
        changes = scores - self._mask_scores[numbers]
        rest, error = self._changes.of_rest(numbers, changes)
        best = self._mask_scores.mean() + (changes.sum() + rest + _DOUBT * error) / everything
        holds = best >= self.floor - _ROUNDING
        if holds and len(scores) < everything:
            return None
        self._changes.learn(numbers, changes)
        return bool(holds)
