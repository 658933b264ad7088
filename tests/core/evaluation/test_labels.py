"""Agreement with annotated units, against figures worked out by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from diffumask_core.datasets import LabelRow
from diffumask_core.evaluation.command import label_baselines
from diffumask_core.evaluation.labels import evaluate_labels, pruner_selection
from diffumask_core.model.pruner import Pruner


def row(text: str, light: Sequence[str], tight: Sequence[str] = (), kind: str = "prose") -> LabelRow:
    """A row whose annotator kept the first occurrence of each of these strings."""

    def spans(parts: Sequence[str]) -> list[tuple[int, int]]:
        return [(text.index(part), text.index(part) + len(part)) for part in parts]

    return LabelRow(id=text, kind=kind, text=text, light=spans(light), tight=spans(tight))


def selecting(light: str, tight: str):
    """Keeps these units, whatever the row; written as a bit for each unit."""
    return lambda row, offsets, words, annotated: [np.array([bit == "1" for bit in bits]) for bits in (light, tight)]


TEXT = "Anna did not go to Paris , alas ."  # a unit for each word


def test_the_annotation_agrees_with_itself() -> None:
    rows = [row(TEXT, ["Anna", "not go to Paris"], ["not", "Paris"])]
    figures = evaluate_labels(rows, lambda row, offsets, words, annotated: annotated).to_dict()
    assert figures["light"] == {
        "f1": 1.0,
        "run_f1": 1.0,
        "runs_per_annotated": 1.0,
        "negations": 0,
        "negation_recall": 0.0,
        "f1_by_kind": {"prose": 1.0},
    }
    assert figures["tight"]["f1"] == figures["tight"]["run_f1"] == 1.0


def test_f1_and_run_f1() -> None:
    # Annotated: Anna | not go to Paris. Kept: Anna did | go to Paris. Right: 4 of 5 words, and none of the 2 runs.
    figures = evaluate_labels([row(TEXT, ["Anna", "not go to Paris"])], selecting("110111000", "000000000"))
    light = figures.levels["light"]
    assert (light.kept, light.right, light.runs, light.annotated_runs, light.right_runs) == (5, 4, 2, 2, 0)
    assert (light.f1, light.run_f1) == (0.8, 0.0)
    # Kept: Anna | go to | alas; Anna is one of 3 + 2 runs.
    light = evaluate_labels([row(TEXT, ["Anna", "not go to Paris"])], selecting("100110010", "0" * 9)).levels["light"]
    assert light.f1 == 3 / 4
    assert light.run_f1 == pytest.approx(2 * 1 / 5)


def test_punctuation_does_not_count_and_does_not_part_runs() -> None:
    # Words kept on both sides of a comma are one run.
    agreement = evaluate_labels([row(TEXT, ["Paris , alas"])], selecting("000001011", "0" * 9)).levels["light"]
    assert (agreement.f1, agreement.run_f1, agreement.kept) == (1.0, 1.0, 2)


@pytest.mark.parametrize(
    ("bits", "negations", "kept"),
    [("011100000", 1, 1), ("010100000", 1, 0), ("111000000", 0, 0), ("000000000", 0, 0)],
)
def test_negations_with_both_neighbours_kept(bits: str, negations: int, kept: int) -> None:
    agreement = evaluate_labels([row(TEXT, ["did"])], selecting(bits, "0" * 9)).levels["light"]
    assert (agreement.negations, agreement.kept_negations) == (negations, kept)
    assert agreement.negation_recall == (kept / negations if negations else 0)


@pytest.mark.parametrize("word", ["don't", "Don’t", "never", "cannot", "unless", "must", "ONLY", "without", "no"])
def test_words_that_negate(word: str) -> None:
    agreement = evaluate_labels([row(f"we {word} go", ["we"])], selecting("111", "000")).levels["light"]
    assert agreement.negations == agreement.kept_negations == 1


def test_levels_and_kinds_are_apart() -> None:
    rows = [row("one two", ["one"], ["one"], "a"), row("red blue", ["blue"], ["red"], "b")]
    figures = evaluate_labels(rows, selecting("10", "10")).to_dict()
    assert figures["light"]["f1"] == 0.5
    assert figures["light"]["f1_by_kind"] == {"a": 1.0, "b": 0.0}
    assert figures["tight"]["f1_by_kind"] == {"a": 1.0, "b": 1.0}


@pytest.mark.parametrize("steps", [1, 4])
def test_the_pruner_keeps_as_many_words_as_the_annotator(pruner: Pruner, steps: int) -> None:
    rows = [
        row(TEXT, ["Anna", "not go to Paris ,"], ["not", "Paris"]),
        row("It was late, and Anna left early. Nobody knew why!", ["late, and Anna left"], ["Anna"]),
        row(" ", []),
    ]
    figures = evaluate_labels(rows, pruner_selection(pruner, steps))
    assert figures.levels["light"].kept == 5 + 4
    assert figures.levels["tight"].kept == 2 + 1
    assert figures.to_dict() == evaluate_labels(rows, pruner_selection(pruner, steps)).to_dict()


def test_baselines_keep_as_many_words() -> None:
    rows = [row(TEXT, ["Anna did", "Paris ,"]), row("Anna did see the river", ["river", "the"])]
    for name, select in label_baselines(rows).items():
        assert evaluate_labels(rows, select).levels["light"].kept == 5, name


def test_the_lead_baseline_keeps_the_first_words() -> None:
    rows = [row(TEXT, ["Anna did", "Paris"])]
    assert evaluate_labels(rows, label_baselines(rows)["lead"]).levels["light"].right == 2


def test_the_idf_baseline_keeps_the_rarest_words() -> None:
    rows = [row("the cat the dog", ["dog", "cat"]), row("the sun", ["sun"])]
    assert evaluate_labels(rows, label_baselines(rows)["idf"]).levels["light"].f1 == 1.0
