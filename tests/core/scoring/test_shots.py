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
from diffumask_core.scoring.coverage import with_labels
from diffumask_core.scoring.readable import readable_parts
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.shots import add_shots, choose_shots, with_best, with_footing, without_starved
from diffumask_core.scoring.worth import Worth


class TestAdding:
    def added(self, room: float, costs: tuple[int, ...] = (7, 7, 7), stays: int | None = None) -> list[int]:
        alive, order = np.arange(3) == stays, np.array([2, 0, 1], dtype=np.int64)
        return np.flatnonzero(add_shots(alive, order, np.array(costs, dtype=float), room)).tolist()

    @pytest.mark.parametrize(("room", "added"), [(0, []), (6.9, []), (7, [2]), (14, [0, 2]), (99, [0, 1, 2])])
    def test_the_best_as_far_as_there_is_room(self, room: float, added: list[int]) -> None:
        assert self.added(room) == added

    def test_a_shot_that_does_not_fit_makes_room_for_the_next(self) -> None:
        assert self.added(14, costs=(20, 7, 7)) == [1, 2]

    def test_what_stays_already_costs_nothing(self) -> None:
        assert self.added(7, stays=1) == [1, 2]


TEXTS = ["Q " + " ".join([letter * 4] * 10) + f" A {letter}" for letter in "abcd"]


def words(text: str) -> int:
    return len(text.split())


def reading_of(texts: list[str], answered: bool = False) -> Reading:
    """A prompt of shots; each has three words that stay with it, the last of which can be an answer."""
    shots, start = [], 0
    for text in texts:
        end = start + len(text)
        answer = (end - 1, end) if answered else None
        shots.append(ShotSpan((start, end), ((start, start + 1), (end - 3, end)), answer))
        start = end + 2
    return read_prompt(Layout("\n\n".join(texts), shots=tuple(shots)), Options(keep_rate=0.5, tokenizer=words))


def scored(reading: Reading, order: list[int], labels: list[int] | None = None, copies: tuple[int, ...] = ()) -> Any:
    """Scores that hold no more than the order of the shots, their labels, and which of them are copies."""
    return SimpleNamespace(
        order=np.array(order, dtype=np.int64),
        labels=np.array(labels or [-1] * len(order), dtype=np.int64),
        repeated=np.isin(np.arange(len(order)), copies),
        readable=readable_parts(reading, np.zeros(len(reading.units))),
    )


NONE = np.zeros(4, dtype=bool)


class TestChoose:
    def choose(self, limit: int, pinned: np.ndarray = NONE, copies: tuple[int, ...] = (), **options: Any) -> list[int]:
        how, reading = Options(target_tokens=limit, **options), reading_of(TEXTS)
        scores = scored(reading, [2, 0, 3, 1], copies=copies)
        return np.flatnonzero(choose_shots(reading, scores, pinned, Budget(limit, 0), how)).tolist()

    def test_the_best_shots_that_stay_readable(self) -> None:
        assert self.choose(6) == [2]
        assert self.choose(13) == [0, 2]
        assert self.choose(52) == [0, 1, 2, 3]

    def test_without_the_level_of_words_shots_are_whole(self) -> None:
        assert self.choose(26, token_level=False) == [0, 2]
        assert self.choose(25, token_level=False) == [2]

    def test_copies_go_where_anything_has_to_go(self) -> None:
        assert self.choose(40, copies=(3,)) == [0, 1, 2]
        assert self.choose(51, copies=(3,)) == [0, 1, 2]

    def test_pinned_shots_stay(self) -> None:
        assert self.choose(13, pinned=np.array([False, True, False, False])) == [1, 2]

    def test_a_shot_whose_fixed_part_does_not_fit_goes(self) -> None:
        assert self.choose(2) == []

    def test_no_shots(self) -> None:
        none, reading = np.zeros(0, dtype=bool), reading_of([])
        chosen = choose_shots(reading, scored(reading, []), none, Budget(5, 0), Options(target_tokens=5))
        assert chosen.tolist() == []


class TestFooting:
    def front(self, limit: int, pinned: np.ndarray = NONE) -> tuple[list[int], list[int]]:
        """How many words of each shot are in front, where the first ones of each are the best, and which shots stay."""
        reading = reading_of(TEXTS, answered=True)
        alive = np.ones(4, dtype=bool)
        ranked = np.flatnonzero(reading.units.free)
        scores = scored(reading, [2, 0, 3, 1])
        ranked, alive = with_footing(reading, scores, ranked, alive, pinned, limit)
        front = reading.units.shot[ranked[: 3 * alive.sum()]]
        return np.bincount(front, minlength=4).tolist(), np.flatnonzero(alive).tolist()

    def test_three_words_of_each_exemplar_come_first(self) -> None:
        assert self.front(24) == ([3, 3, 3, 3], [0, 1, 2, 3])

    def test_exemplars_go_whose_three_words_do_not_fit(self) -> None:
        assert self.front(23) == ([3, 0, 3, 3], [0, 2, 3])
        assert self.front(6) == ([0, 0, 3, 0], [2])

    def test_pinned_exemplars_stay(self) -> None:
        assert self.front(13, np.array([False, True, False, False])) == ([0, 3, 3, 0], [1, 2])


class TestLabels:
    def carried(self, limit: int, labels: list[int], texts: list[str] = TEXTS, **options: Any) -> list[int]:
        how, reading = Options(target_tokens=limit, **options), reading_of(texts, answered=True)
        kept = with_labels(reading, scored(reading, [2, 0, 3, 1], labels), NONE, limit, how)
        return np.flatnonzero(kept).tolist()

    def test_the_best_exemplar_of_each_label(self) -> None:
        assert self.carried(99, [0, 1, 1, 0]) == [0, 2]

    def test_labels_stay_as_far_as_three_words_of_each_can_be_carried(self) -> None:
        assert self.carried(24, [0, 1, 2, 3]) == [0, 1, 2, 3]
        assert self.carried(19, [0, 1, 2, 3]) == [0, 2, 3]
        assert self.carried(5, [0, 1, 2, 3]) == []

    def test_a_short_exemplar_stands_for_its_label_where_the_best_ones_are_too_long(self) -> None:
        texts = [TEXTS[0], TEXTS[1], TEXTS[2] + " " + TEXTS[2], "Q word A d"]
        assert self.carried(99, [0, 1, 2, 2], texts) == [0, 1, 2]
        assert self.carried(20, [0, 1, 2, 2], texts) == [0, 1, 3]

    def test_without_labels_nothing_has_to_stay(self) -> None:
        assert self.carried(99, [-1, -1, -1, -1]) == []

    def test_without_the_level_of_words_exemplars_are_whole(self) -> None:
        assert self.carried(51, [0, 1, 2, 3], token_level=False) == [0, 2, 3]


def test_the_best_stay_beside_the_pinned() -> None:
    pinned = np.array([False, True, False, False])
    assert with_best(pinned, np.array([2, 0, 3, 1]), 2).tolist() == [True, True, True, False]
    assert with_best(pinned, np.array([2, 0, 3, 1]), 9).all()
    assert pinned.tolist() == [False, True, False, False]


class TestStarved:
    def fed(self, logits: list[float], pinned: np.ndarray = NONE, limit: int = 32) -> list[int]:
        """The shots that stay, where all words of each shot have one logit."""
        reading = reading_of(TEXTS)
        units = reading.units
        alive = np.ones(4, dtype=bool)
        marginals = np.array(logits)[units.shot]
        states = np.where(units.free, UNDECIDED, 1)
        worth = Worth(lambda now, noise: marginals, reading.costs, reading.room(limit, alive), states, marginals)
        left = without_starved(reading, scored(reading, [0, 1, 2, 3]), worth, alive, pinned, Budget(limit, 0))
        return np.flatnonzero(left).tolist()

    def test_a_shot_of_which_too_little_would_be_left_goes(self) -> None:
        assert self.fed([2.0, 1.0, 0.0, -1.0]) == [0, 1, 2]

    def test_the_best_stay_until_the_budget_can_be_filled(self) -> None:
        assert self.fed([2.0, 1.0, 0.0, -1.0], limit=22) == [0, 1]

    def test_pinned_shots_stay(self) -> None:
        assert 3 in self.fed([2.0, 1.0, 0.0, -1.0], pinned=np.array([False, False, False, True]))

    def test_where_all_get_their_share_all_stay(self) -> None:
        assert self.fed([2.0, 2.0, 2.0, 2.0], limit=50) == [0, 1, 2, 3]
