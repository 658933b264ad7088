"""What the budget is, and filling it exactly."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffumask_core.options import Options
from diffumask_core.pipeline import read_prompt
from diffumask_core.prompt.layout import Layout, ShotSpan
from diffumask_core.scoring.budget import SMALL_PROMPT, budget_of, fit_budget
from diffumask_core.scoring.reading import Reading


def letters(text: str) -> int:
    """Counts letters, so that a word costs its length."""
    return sum(character.isalpha() for character in text)


def reading_of(costs: list[int], counter: Callable[[str], int] = letters) -> Reading:
    """A prompt of one word for each cost."""
    text = " ".join("w" * cost for cost in costs)
    return read_prompt(Layout(text), Options(keep_rate=0.5, tokenizer=counter))


NO_SHOTS = np.zeros(0, dtype=bool)


def fit(reading: Reading, ranked: list[int], guess: int, limit: int) -> list[int]:
    mask = fit_budget(reading, NO_SHOTS, np.array(ranked, dtype=np.int64), guess, limit)
    return np.flatnonzero(mask).tolist()


class TestFit:
    @pytest.mark.parametrize("guess", range(11))
    @pytest.mark.parametrize(("limit", "kept"), [(0, 0), (1, 1), (6, 6), (10, 10), (99, 10)])
    def test_as_many_as_fit_from_any_guess(self, guess: int, limit: int, kept: int) -> None:
        ranked = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
        assert fit(reading_of([1] * 10), ranked, guess, limit) == sorted(ranked[:kept])

    def test_what_is_left_is_filled_with_smaller_units(self) -> None:
        assert fit(reading_of([4, 7, 5, 1, 2]), [0, 1, 2, 3, 4], 2, 10) == [0, 2, 3]

    @pytest.mark.parametrize("large", [[0], [0, 1], [5, 150]])
    def test_what_is_too_large_for_what_is_left_keeps_nothing_else_out(self, large: list[int]) -> None:
        costs = [1] * 300
        for place in large:
            costs[place] = 120
        kept = fit(reading_of(costs), list(range(300)), 0, 200)
        assert sum(costs[unit] for unit in kept) == 200

    def test_only_ranked_units_are_kept(self) -> None:
        assert fit(reading_of([1] * 6), [4, 2], 1, 9) == [2, 4]

    @pytest.mark.parametrize("size", [0, 3])
    def test_nothing_to_rank(self, size: int) -> None:
        assert fit(reading_of([1] * size), [], 0, 5) == []

    def test_what_follows_from_a_unit_is_counted_with_it(self) -> None:
        text = "import quay\n\ndef walk(n):\n    return one\n\ndef stop(n):\n    return two\n"
        reading = read_prompt(Layout(text), Options(keep_rate=0.5, tokenizer=letters, marks=False))
        lines = [text[start:end].strip() for start, end in reading.units.spans.tolist()]
        ranked = [lines.index("return one"), lines.index("return two")]
        two = letters("def walk(n):return one")
        assert [lines[unit] for unit in fit(reading, ranked, 1, two)] == ["def walk(n):", "return one"]
        assert fit(reading, ranked, 1, two - 1) == []

    def test_marks_are_counted(self) -> None:
        text = "\n".join(
            f"2026-03-0{day} 10:00:00 INFO the lamp on pier number {day} has been lit" for day in range(1, 9)
        )
        reading = read_prompt(Layout(text), Options(keep_rate=0.5, tokenizer=letters))
        for limit in range(40, reading.total, 25):
            mask = fit_budget(reading, NO_SHOTS, np.arange(8), 4, limit)
            assert reading.count(mask, NO_SHOTS) <= limit
            [left] = reading.segments(mask, NO_SHOTS)
            assert left is not None
            assert letters(left.text) == reading.count(mask, NO_SHOTS)
            assert "left out]" in left.text

    def test_a_good_guess_needs_few_counts(self) -> None:
        counted = 0

        def count(text: str) -> int:
            nonlocal counted
            counted += 1
            return letters(text)

        reading = reading_of([1] * 2000, count)
        counted = 0
        assert len(fit(reading, list(range(2000)), 801, 800)) == 800
        assert counted < 12

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(0, 100), st.integers(0, 30), st.booleans())
    def test_any_count_keeps_to_the_limit(self, costs: list[int], limit: int, guess: int, additive: bool) -> None:
        def count(text: str) -> int:
            return letters(text) if additive else letters(text) * 7919 % 83

        reading = reading_of(costs, count)
        mask = fit_budget(reading, NO_SHOTS, np.arange(len(costs)), min(guess, len(costs)), limit)
        assert reading.count(mask, NO_SHOTS) <= limit
        if additive and sum(costs) <= limit:
            assert mask.all()


PROSE = " ".join(["The harbour of the town was built again after a great storm."] * 10)


def words(text: str) -> int:
    return len(text.split())


class TestBudget:
    def limit(self, text: str, **how: object) -> tuple[int, int, int]:
        options = Options(tokenizer=words, **how)  # type: ignore[arg-type]
        reading = read_prompt(Layout(text, protected=((0, 11),)), options)
        budget = budget_of(reading, NO_SHOTS, options)
        return budget.least, budget.limit, reading.total

    def test_a_rate_is_of_what_may_go(self) -> None:
        assert self.limit(PROSE, keep_rate=0.5) == (2, 2 + 59, 120)
        assert self.limit(PROSE, keep_rate=1.0) == (2, 120, 120)

    def test_a_number_of_tokens_is_of_the_whole_output(self) -> None:
        assert self.limit(PROSE, target_tokens=30) == (2, 30, 120)

    def test_a_small_prompt_is_not_shortened_by_a_rate_but_by_a_number_of_tokens(self) -> None:
        small = " ".join(PROSE.split()[:SMALL_PROMPT])
        assert self.limit(small, keep_rate=0.1)[1] == SMALL_PROMPT
        assert self.limit(f"{small} more", keep_rate=0.1)[1] < SMALL_PROMPT
        assert self.limit(small, target_tokens=7)[1] == 7

    def test_pinned_shots_are_what_must_stay(self) -> None:
        layout = Layout("Q: one two\nA: three\n\nQ: four\nA: five " + PROSE, shots=(ShotSpan((0, 20), ((0, 2),)),))
        options = Options(keep_rate=0.5, tokenizer=words)
        reading = read_prompt(layout, options)
        free, pinned = (budget_of(reading, np.array([pin]), options).least for pin in (False, True))
        assert (free, pinned) == (0, 1)

    def test_what_must_stay_counts_the_marks_of_what_goes(self) -> None:
        log = "\n".join(
            f"2026-03-0{day} 10:00:00 INFO the lamp on pier number {day} has been lit" for day in range(1, 9)
        )
        options = Options(keep_rate=0.1, tokenizer=words)
        assert budget_of(read_prompt(Layout(log), options), NO_SHOTS, options).least == words("[… 8 lines left out]")
