"""What a unit is worth, whatever is decided."""

import numpy as np
import pytest

from diffumask_core.options import Options
from diffumask_core.pipeline import read_prompt
from diffumask_core.prompt.layout import Layout
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.worth import pool_words

ALIKE = "\n".join(f"2026-03-0{day} 10:00:00 INFO job {day} started on node {day} of the pier" for day in range(1, 5))


def words(text: str) -> int:
    return len(text.split())


def reading_of(layout: Layout) -> Reading:
    return read_prompt(layout, Options(keep_rate=0.5, tokenizer=words))


class TestPooling:
    def test_a_unit_has_the_mean_of_its_words(self) -> None:
        units = reading_of(Layout(ALIKE)).units
        logits = np.arange(len(units.words), dtype=np.float64)
        pooled = pool_words(logits, units.first_word)
        assert len(pooled) == len(units) == 4
        first, last = units.first_word[1:3]
        assert pooled[1] == pytest.approx(logits[first:last].mean())

    def test_a_long_line_is_worth_no_more_than_a_short_one_of_equal_words(self) -> None:
        text = "2026-03-01 10:00:00 INFO lit\n2026-03-02 10:00:00 INFO the lamp on the pier has been lit by the keeper"
        units = reading_of(Layout(f"{text}\n{ALIKE}")).units
        assert set(pool_words(np.full(len(units.words), 1.5), units.first_word).tolist()) == {1.5}

    def test_where_each_word_is_a_unit_nothing_changes(self) -> None:
        units = reading_of(Layout("oak elm maple")).units
        logits = np.array([0.5, -1.0, 2.0])
        assert pool_words(logits, units.first_word).tolist() == logits.tolist()
