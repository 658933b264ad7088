"""What units gain and lose by what they tell."""

import json

import numpy as np

from diffumask_core.options import Options
from diffumask_core.pipeline import read_prompt
from diffumask_core.prompt.layout import Layout, ShotSpan
from diffumask_core.prompt.messages import messages_layout
from diffumask_core.scoring.gains import unit_gains
from diffumask_core.scoring.reading import Reading

ALIKE = "\n".join(f"2026-03-0{day} 10:00:00 INFO job {day} started on node {day} of the pier" for day in range(1, 5))
FACT = "The ferry leaves the eastern pier at nine."


def reading_of(layout: Layout) -> Reading:
    return read_prompt(layout, Options(keep_rate=0.5, tokenizer=lambda text: len(text.split())))


def gains_of(reading: Reading) -> np.ndarray:
    return unit_gains(reading, np.zeros(len(reading.units)), np.zeros(len(reading.units), dtype=bool))


def test_a_sentence_that_is_told_again_loses_but_in_the_best_passage() -> None:
    first, second = f"{FACT} Bread is baked at night.", f"Stars are far away. {FACT}"
    spans = ((0, len(first)), (len(first) + 2, len(first) + 2 + len(second)))
    reading = reading_of(Layout(f"{first}\n\n{second}", shots=tuple(map(ShotSpan, spans))))
    utilities = reading.units.shot.astype(float)
    lost = unit_gains(reading, utilities, np.zeros(len(utilities), dtype=bool)) < 0
    begin, end = reading.units.at((0, len(FACT)))
    assert lost[begin:end].all()
    assert not lost[end:].any()
    assert not (unit_gains(reading, -utilities, np.zeros(len(utilities), dtype=bool)) < 0)[:end].any()


def test_near_equal_lines_of_a_log_lose_but_for_the_first() -> None:
    gained = gains_of(reading_of(Layout(ALIKE)))
    assert gained[0] == 0
    assert (gained[1:] < -4).all()


def test_lines_that_are_no_copies_lose_nothing() -> None:
    text = ALIKE.replace("INFO job 3 started on node 3 of the pier", "INFO the crane has gone to sleep")
    assert gains_of(reading_of(Layout(text))).tolist()[::2] == [0, 0]


def test_copies_in_a_string_of_json_are_known_too() -> None:
    reading = reading_of(Layout(json.dumps({"log": ALIKE})))
    lines = [reading.units.at((at, at + 1))[0] for at in (reading.text((0, 999)).index(f"job {n}") for n in (3, 4))]
    assert (gains_of(reading)[lines] < -4).all()


def test_the_newest_results_of_a_running_turn_gain_the_most() -> None:
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
    gained = gains_of(reading)
    gains = [gained[reading.units.at(span)[0]] for span in layout.results]
    assert gains[0] == 0
    assert gains[1:] == sorted(gains[1:])
    assert gains[-1] > gains[-2] > gains[-3] > gains[1] == 0
    assert gained[reading.units.at(layout.segments[0])[0]] == 0
