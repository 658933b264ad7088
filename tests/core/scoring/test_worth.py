"""What a unit is worth, whatever is decided."""

import json

import numpy as np
import pytest

from diffumask_core.options import Options
from diffumask_core.pipeline import read_prompt
from diffumask_core.prompt.layout import Layout, ShotSpan
from diffumask_core.prompt.messages import messages_layout
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.worth import pool_words, unit_bias

ALIKE = "\n".join(f"2026-03-0{day} 10:00:00 INFO job {day} started on node {day} of the pier" for day in range(1, 5))


def words(text: str) -> int:
    return len(text.split())


def reading_of(layout: Layout) -> Reading:
    return read_prompt(layout, Options(keep_rate=0.5, tokenizer=words))


class TestPooling:
    def test_a_unit_has_the_mean_of_its_words(self) -> None:
        units = reading_of(Layout(ALIKE)).units
        logits = np.arange(len(units.words), dtype=np.float64)
        pooled = pool_words(logits, units)
        assert len(pooled) == len(units) == 4
        first, last = units.first_word[1:3]
        assert pooled[1] == pytest.approx(logits[first:last].mean())

    def test_a_long_line_is_worth_no_more_than_a_short_one_of_equal_words(self) -> None:
        text = "2026-03-01 10:00:00 INFO lit\n2026-03-02 10:00:00 INFO the lamp on the pier has been lit by the keeper"
        units = reading_of(Layout(f"{text}\n{ALIKE}")).units
        assert set(pool_words(np.full(len(units.words), 1.5), units).tolist()) == {1.5}

    def test_where_each_word_is_a_unit_nothing_changes(self) -> None:
        units = reading_of(Layout("oak elm maple")).units
        logits = np.array([0.5, -1.0, 2.0])
        assert pool_words(logits, units).tolist() == logits.tolist()


class TestBias:
    def test_a_unit_shares_what_its_shot_lacks_to_the_best(self) -> None:
        text = "oak elm\n\nthree pine\n\nfive"
        reading = reading_of(Layout(text, shots=(ShotSpan((0, 7)), ShotSpan((9, 19)))))
        assert unit_bias(reading, np.array([1.0, 1.0, 3.0, 3.0, 3.0])).tolist() == [-2, -2, 0, 0, 0]
        assert unit_bias(reading, None).tolist() == [0] * 5

    def test_without_shots_there_is_none(self) -> None:
        assert unit_bias(reading_of(Layout("oak elm maple")), np.zeros(0)).tolist() == [0, 0, 0]

    def test_near_equal_lines_of_a_log_lose_but_for_the_first(self) -> None:
        bias = unit_bias(reading_of(Layout(ALIKE)), None)
        assert bias[0] == 0
        assert (bias[1:] < -4).all()

    def test_lines_that_are_no_copies_lose_nothing(self) -> None:
        text = ALIKE.replace("INFO job 3 started on node 3 of the pier", "INFO the crane has gone to sleep")
        assert unit_bias(reading_of(Layout(text)), None).tolist()[::2] == [0, 0]

    def test_copies_in_a_string_of_json_are_known_too(self) -> None:
        reading = reading_of(Layout(json.dumps({"log": ALIKE})))
        lines = [reading.units.at((at, at + 1))[0] for at in (reading.text((0, 999)).index(f"job {n}") for n in (3, 4))]
        assert (unit_bias(reading, None)[lines] < -4).all()

    def test_the_newest_results_of_a_running_turn_gain_the_most(self) -> None:
        def call(number: int) -> list[dict[str, object]]:
            function = {"name": "look", "arguments": "{}"}
            return [
                {"role": "assistant", "content": None, "tool_calls": [{"id": f"c{number}", "function": function}]},
                {"role": "tool", "tool_call_id": f"c{number}", "content": f"Lantern number{number} shines."},
            ]

        history = [{"role": "user", "content": "Look at it."}, *call(8), {"role": "assistant", "content": "I have."}]
        now = {"role": "user", "content": "Is it done by now?"}
        layout = messages_layout([*history, now, *(each for number in range(6) for each in call(number))]).layout
        reading = reading_of(layout)
        bias = unit_bias(reading, None)
        gains = [bias[reading.units.at(span)[0]] for span in layout.results]
        assert gains[0] == 0
        assert gains[1:] == sorted(gains[1:])
        assert gains[-1] > gains[-2] > gains[-3] > gains[1] == 0
        assert bias[reading.units.at(layout.segments[0])[0]] == 0
