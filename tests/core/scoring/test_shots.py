"""The shot level: how many shots a budget can carry, and which."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from diffumask_core.diffusion.states import UNDECIDED
from diffumask_core.options import Options
from diffumask_core.pipeline import read_prompt
from diffumask_core.prompt.layout import Layout, ShotSpan
from diffumask_core.scoring.budget import Budget
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.shots import ShotCosts, choose_shots, shots_within, with_best, without_starved
from diffumask_core.scoring.worth import Worth


def within(
    budget: float,
    *,
    fixed: list[float],
    free: list[float],
    other: float = 0.0,
    pinned: list[int] | None = None,
    share: float = 0.5,
    order: list[int] | None = None,
    labels: int = 0,
) -> list[int]:
    pins = np.isin(np.arange(len(fixed)), pinned or [])
    ranked = np.array(order or range(len(fixed)), dtype=np.int64)
    costs = ShotCosts(np.array(fixed, dtype=float), np.array(free, dtype=float))
    return np.flatnonzero(shots_within(ranked, costs, budget, other, pins, share, labels)).tolist()


class TestWithin:
    @pytest.mark.parametrize(("budget", "kept"), [(0, []), (6.9, [0]), (7, [0]), (14, [0, 1]), (99, [0, 1, 2])])
    def test_as_many_as_the_budget_carries(self, budget: float, kept: list[int]) -> None:
        assert within(budget, fixed=[2, 2, 2], free=[10, 10, 10]) == kept

    def test_the_best_first(self) -> None:
        assert within(14, fixed=[2, 2, 2], free=[10, 10, 10], order=[2, 0, 1]) == [0, 2]

    def test_other_text_takes_its_share_first(self) -> None:
        assert within(14, fixed=[2, 2, 2], free=[10, 10, 10], other=14) == [0]

    def test_pinned_shots_always_stay(self) -> None:
        assert within(0, fixed=[2, 2, 2], free=[10, 10, 10], pinned=[1]) == [1]
        assert within(14, fixed=[2, 2, 2], free=[10, 10, 10], pinned=[2]) == [0, 2]

    def test_part_of_the_first_shot_is_better_than_none(self) -> None:
        assert within(3, fixed=[2, 2], free=[10, 10]) == [0]
        assert within(2, fixed=[2, 2], free=[10, 10]) == []

    def test_whole_shots(self) -> None:
        assert within(24, fixed=[2, 2, 2], free=[10, 10, 10], share=1.0) == [0, 1]

    def test_no_shots(self) -> None:
        assert within(5, fixed=[], free=[]) == []

    def test_labels_stay_as_far_as_some_words_of_each_can_be_carried(self) -> None:
        assert within(12, fixed=[2, 2, 2], free=[10, 10, 10], labels=3) == [0, 1, 2]
        assert within(11.9, fixed=[2, 2, 2], free=[10, 10, 10], labels=3) == [0, 1]
        assert within(12, fixed=[2, 2, 2], free=[10, 10, 10], labels=2, share=0.9) == [0, 1]
        assert within(9, fixed=[2, 2, 2], free=[1, 1, 1], labels=3, share=2.0) == [0, 1, 2]


TEXTS = ["Q " + " ".join([letter * 4] * 10) + f" A {letter}" for letter in "abcd"]


def words(text: str) -> int:
    return len(text.split())


def reading_of(texts: list[str]) -> Reading:
    """A prompt of exemplars; each has three words that stay with it."""
    shots, start = [], 0
    for text in texts:
        end = start + len(text)
        shots.append(ShotSpan((start, end), ((start, start + 1), (end - 3, end))))
        start = end + 2
    return read_prompt(Layout("\n\n".join(texts), shots=tuple(shots)), Options(keep_rate=0.5, tokenizer=words))


def scored(order: list[int], labels: int = 0, copies: tuple[int, ...] = ()) -> Any:
    """Scores that hold no more than the order of the shots and which of them are copies."""
    repeated = np.isin(np.arange(len(order)), copies)
    return SimpleNamespace(order=np.array(order, dtype=np.int64), labels=labels, repeated=repeated)


NONE = np.zeros(4, dtype=bool)


class TestChoose:
    def choose(
        self,
        limit: int,
        labels: int = 0,
        pinned: np.ndarray = NONE,
        copies: tuple[int, ...] = (),
        **options: Any,
    ) -> list[int]:
        how = Options(target_tokens=limit, **options)
        chosen = choose_shots(reading_of(TEXTS), scored([2, 0, 3, 1], labels, copies), pinned, Budget(limit, 0), how)
        return np.flatnonzero(chosen).tolist()

    def test_the_best_shots_that_stay_readable(self) -> None:
        assert self.choose(6) == [2]
        assert self.choose(13) == [0, 2]
        assert self.choose(52) == [0, 1, 2, 3]

    def test_without_the_level_of_words_shots_are_whole(self) -> None:
        assert self.choose(26, token_level=False) == [0, 2]
        assert self.choose(25, token_level=False) == [2]

    def test_a_shot_is_whole_even_for_the_sake_of_a_label(self) -> None:
        assert self.choose(26, labels=4) == [0, 1, 2, 3]
        assert self.choose(26, labels=4, token_level=False) == [0, 2]

    def test_copies_go_before_anything_is_shortened(self) -> None:
        assert self.choose(40, copies=(3,)) == [0, 1, 2]
        assert self.choose(52, copies=(3,)) == [0, 1, 2, 3]

    def test_pinned_shots_stay(self) -> None:
        assert self.choose(13, pinned=np.array([False, True, False, False])) == [1, 2]

    def test_a_shot_whose_fixed_part_does_not_fit_goes(self) -> None:
        assert self.choose(2) == []

    def test_no_shots(self) -> None:
        how = Options(target_tokens=5)
        none = np.zeros(0, dtype=bool)
        assert choose_shots(reading_of([]), scored([]), none, Budget(5, 0), how).tolist() == []


def test_the_best_stay_beside_the_pinned() -> None:
    pinned = np.array([False, True, False, False])
    assert with_best(pinned, np.array([2, 0, 3, 1]), 2).tolist() == [True, True, True, False]
    assert with_best(pinned, np.array([2, 0, 3, 1]), 9).all()
    assert pinned.tolist() == [False, True, False, False]


class TestStarved:
    def fed(self, logits: list[float], labels: int = 0, pinned: np.ndarray = NONE, limit: int = 32) -> list[int]:
        """The shots that stay, where all words of each shot have one logit."""
        reading = reading_of(TEXTS)
        units = reading.units
        alive = np.ones(4, dtype=bool)
        marginals = np.array(logits)[units.shot]
        states = np.where(units.free, UNDECIDED, 1)
        worth = Worth(lambda now, noise: marginals, reading.costs, reading.room(limit, alive), states, marginals)
        left = without_starved(reading, scored([0, 1, 2, 3], labels), worth, alive, pinned, Budget(limit, 0))
        return np.flatnonzero(left).tolist()

    def test_a_shot_of_which_too_little_would_be_left_goes(self) -> None:
        assert self.fed([2.0, 1.0, 0.0, -1.0]) == [0, 1, 2]

    def test_the_best_stay_until_the_budget_can_be_filled(self) -> None:
        assert self.fed([2.0, 1.0, 0.0, -1.0], limit=22) == [0, 1]

    def test_pinned_shots_and_the_first_of_each_label_stay(self) -> None:
        assert self.fed([2.0, 1.0, 0.0, -1.0], labels=4) == [0, 1, 2, 3]
        assert 3 in self.fed([2.0, 1.0, 0.0, -1.0], pinned=np.array([False, False, False, True]))

    def test_where_all_get_their_share_all_stay(self) -> None:
        assert self.fed([2.0, 2.0, 2.0, 2.0], limit=50) == [0, 1, 2, 3]
