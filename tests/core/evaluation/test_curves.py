"""Accuracy over tokens: the same budgets for every method, and figures that can be worked out by hand."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffumask_core import Compressor, InputError, Prompt, Shot
from diffumask_core.evaluation.curves import Point, Trial, curves, interval, point, survey
from diffumask_core.evaluation.plot import plot_curves
from diffumask_core.evaluation.shorten import OURS, methods_for, shorten
from diffumask_core.model.pruner import Pruner
from diffumask_core.readers import Question
from diffumask_core.readers.answers import is_right
from diffumask_core.tokens import get_counter

COUNTER = get_counter(lambda text: len(text.split()))
RATES = (1.0, 0.7, 0.4, 0.2)
SHOTS = [
    Shot(question="Rain fell on the hills all night, and by the morning the river had risen.", answer="weather"),
    Shot(question="The keeper held the ball on the line until the referee blew.", answer="sport"),
    Shot(question="It will be dry and bright, with a light wind from the west.", answer="weather"),
    Shot(question="She ran the last lap of the race alone and won by a minute.", answer="sport"),
]
PROMPT = Prompt(instructions="Say what each text is about.", shots=SHOTS)

words = st.text(alphabet="abc de\n.", min_size=1, max_size=60).filter(str.strip)
prompts = st.one_of(
    words,
    st.builds(
        Prompt,
        instructions=st.sampled_from(["", "Do as shown."]),
        shots=st.lists(st.builds(Shot, question=words, answer=st.sampled_from(["yes", "no"])), min_size=1, max_size=4),
    ),
)


@settings(max_examples=15, deadline=None)
@given(prompt=prompts, query=st.sampled_from(["", "Q: a b\nA:"]))
def test_every_method_keeps_to_our_budget(pruner: Pruner, prompt: Prompt | str, query: str) -> None:
    texts = shorten(prompt, query, RATES, pruner, COUNTER, 1)
    whole = prompt if isinstance(prompt, str) else prompt.text
    first = Compressor(pruner).compress(prompt, query=query, keep_rate=1.0, tokenizer=COUNTER)
    assert tuple(texts) == methods_for(bool(query))
    for method, left in texts.items():
        assert left[0].strip() == whole.strip(), method
        for rate, text in zip(RATES, left, strict=True):
            assert COUNTER.count(text) <= first.at(keep_rate=rate).budget, method


def test_markers_labels_and_instructions_stay_where_the_method_can_keep_them(pruner: Pruner) -> None:
    for method, left in shorten(PROMPT, "", RATES, pruner, COUNTER, 1).items():
        for text in left:
            assert text.startswith(PROMPT.instructions), method
            shots = text.removeprefix(PROMPT.instructions).split("Q:")[1:]
            if method != "lead":
                assert all(shot.strip().endswith(("A: weather", "A: sport")) for shot in shots), method


def test_whole_shots_stay_whole_and_labels_take_turns(pruner: Pruner) -> None:
    twice = Prompt(shots=[SHOTS[0], SHOTS[2], SHOTS[1], SHOTS[3]])
    for text in shorten(twice, "", [0.6], pruner, COUNTER, 1)["whole shots"]:
        assert text == Prompt(shots=[SHOTS[0], SHOTS[1]]).text


def test_whole_shots_go_by_the_rare_words_of_a_query(pruner: Pruner) -> None:
    for shot in SHOTS:
        [text] = shorten(Prompt(shots=SHOTS), Prompt(shots=[shot]).text, [0.32], pruner, COUNTER, 1)["whole shots"]
        assert Prompt(shots=[shot]).text in text


def test_passages_by_bm25_fill_the_budget_from_the_nearest_on(pruner: Pruner) -> None:
    rain, ball, race = (
        " ".join(f"{word}{number}" for number in range(20)) + f" {word}." for word in ("rain", "ball", "race")
    )
    prompt = Prompt(instructions="Answer.", shots=[f"{rain} Race.", f"{ball} Race.", race])
    texts = shorten(prompt, "Did the ball race?", [0.9, 0.5, 0.3], pruner, COUNTER, 1, ["bm25 passages"])
    for text, left in zip(texts["bm25 passages"], ([rain, ball, race], [ball, race], [ball]), strict=True):
        parts = text.split("\n\n")
        assert parts.pop(0) == "Answer."
        assert [part.split("0")[0] for part in parts] == [passage.split("0")[0] for passage in left]


def test_only_the_methods_that_are_named(pruner: Pruner) -> None:
    assert shorten(PROMPT, "", RATES, pruner, COUNTER, 1, [OURS, "lead"]).keys() == {OURS, "lead"}


def test_the_truncation_is_a_beginning(pruner: Pruner) -> None:
    for text in shorten(PROMPT, "", RATES, pruner, COUNTER, 1)["lead"]:
        assert PROMPT.text.startswith(text)


TRIALS = [
    [Trial(prompt, f"Q: {number}\nA:", (str(number % 3),), ("0", "1", "2")) for number in range(6)]
    for prompt in ("one two three four", "five six seven eight")
]


def halves(prompt: Prompt | str, query: str) -> dict[str, list[str]]:
    """The whole, and half of it; the other method leaves the first word."""
    whole = str(prompt)
    return {OURS: [whole, " ".join(whole.split()[:2])], "other": [whole, whole.split()[0]]}


def test_accuracy_tokens_and_questions() -> None:
    found = survey(TRIALS, halves, per_query=False)
    # Two prompts by three texts by six queries: the whole prompt is read once for both methods.
    assert len(found.questions) == len(set(found.questions)) == 2 * 3 * 6
    replies = ["0" if "five" in question.prompt else "1" for question in found.questions]
    points = curves(found, replies, (1.0, 0.5), is_right, COUNTER)
    assert points.keys() == {OURS, "other"}
    assert points[OURS].keys() == {"1.0", "0.5"}
    assert points[OURS]["1.0"] == points["other"]["1.0"]
    assert [points[OURS][rate]["tokens"] for rate in points[OURS]] == [4, 2]
    assert points["other"]["0.5"]["tokens"] == 1
    assert {figures["accuracy"] for method in points.values() for figures in method.values()} == {round(1 / 3, 4)}


def test_a_method_is_judged_by_what_it_left() -> None:
    found = survey(TRIALS, halves, per_query=False)
    right_if_two = [
        question.answer if len(question.prompt.split()) == 2 else "none of them" for question in found.questions
    ]
    points = curves(found, right_if_two, (1.0, 0.5), is_right, COUNTER)
    assert points[OURS]["0.5"] == {"accuracy": 1.0, "interval": [1.0, 1.0], "tokens": 2}
    assert points["other"]["0.5"]["accuracy"] == points[OURS]["1.0"]["accuracy"] == 0.0


def test_any_of_several_answers_is_right() -> None:
    found = survey([[Trial("a b", "Who?", ("Anna", "Anna Lee"))]], halves, per_query=False)
    for reply, right in (("Anna Lee.", 1.0), ("anna", 1.0), ("Lee", 0.0)):
        points = curves(found, [reply] * len(found.questions), (1.0, 0.5), is_right, COUNTER)
        assert points[OURS]["1.0"]["accuracy"] == right


@pytest.mark.parametrize(("per_query", "times"), [(False, 2), (True, 12)])
def test_a_prompt_is_shortened_once_or_for_each_query(per_query: bool, times: int) -> None:
    asked: list[tuple[str, str]] = []

    def shorten_and_note(prompt: Prompt | str, query: str) -> dict[str, list[str]]:
        asked.append((str(prompt), query))
        return halves(prompt, query)

    survey(TRIALS, shorten_and_note, per_query)
    assert len(set(asked)) == len(asked) == times
    assert {query for _, query in asked} == ({trial.query for trial in TRIALS[0]} if per_query else {""})


matrices = st.integers(1, 5).flatmap(
    lambda seeds: st.lists(st.lists(st.booleans(), min_size=seeds, max_size=seeds), min_size=1, max_size=30)
)


@settings(max_examples=40, deadline=None)
@given(right=matrices)
def test_the_interval_holds_the_estimate_and_is_the_same_each_time(right: list[list[bool]]) -> None:
    matrix = np.array(right).T
    low, high = interval(matrix)
    assert 0 <= low <= matrix.mean() <= high <= 1
    assert (low, high) == interval(matrix)


def test_the_interval_of_one_seed_is_the_binomial_one() -> None:
    right = np.arange(400)[None] % 4 > 0
    low, high = interval(right)
    error = 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert (low, high) == pytest.approx((0.75 - error, 0.75 + error), abs=0.01)


def test_seeds_that_differ_make_the_interval_wider() -> None:
    alike, differing = np.zeros((4, 100), dtype=bool), np.zeros((4, 100), dtype=bool)
    alike[:, ::2] = True
    differing[::2] = True
    assert np.diff(interval(differing)) > 2 * np.diff(interval(alike))


def example_curves() -> dict[str, dict[str, Point]]:
    rows = {OURS: (9, 8), "random": (9, 4), "lead": (9, 3)}
    return {
        method: {
            str(rate): point(np.arange(10)[None] < right, tokens)
            for rate, right, tokens in zip((1.0, 0.5), rights, (100, 50), strict=True)
        }
        for method, rights in rows.items()
    }


def test_the_plot_is_an_svg_with_every_method(tmp_path: Path) -> None:
    file = tmp_path / "curves.svg"
    plot_curves(example_curves(), "A title & more", file)
    picture = file.read_text("utf-8")
    root = ElementTree.fromstring(picture)
    texts = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert texts >= {OURS, "random", "lead", "full prompt", "accuracy", "A title & more"}
    assert "prefers-color-scheme: dark" in picture
    again = tmp_path / "again.svg"
    plot_curves(example_curves(), "A title & more", again)
    assert again.read_bytes() == file.read_bytes()


def test_a_plot_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot write"):
        plot_curves(example_curves(), "", tmp_path / "none" / "curves.svg")


def test_a_question_has_what_the_trial_has() -> None:
    found = survey(TRIALS[:1], halves, per_query=False)
    assert found.questions[0] == Question("one two three four", "Q: 0\nA:", "0", ("0", "1", "2"))
    assert found.asked[OURS].shape == (2, 1, 6)
