"""Calculations left in exemplars."""

from collections.abc import Sequence

import pytest
from diffumask_core.rendering.join import join_spans

from diffumask_core import Compressor
from diffumask_core.datasets import Exemplar, LabelRow, SolutionRow, exemplar_of, is_held_out
from diffumask_core.evaluation.gsm8k import (
    EXEMPLARS,
    Compress,
    baseline_compressors,
    calculations_left,
    held_out_exemplars,
    with_compressor,
    with_oracle,
)
from diffumask_core.prompt.spans import Span


def words(text: str) -> int:
    return len(text.split())


ROW = SolutionRow(
    question="A baker makes 5 trays of 14 rolls each day and sells them in the small shop on the corner. How many?",
    answer="Every day she bakes 5 * 14 = <<5*14=70>>70 rolls and sells them all.\n#### 70",
)
EXEMPLAR = exemplar_of(ROW)
# Of units side by side some may hold parts of what is required.
SIDE_BY_SIDE = Exemplar("the ratio is 50:40 now", ((13, 18),))


def leaving(*spans: Sequence[Span]) -> Compress:
    """Leaves these spans, whatever the exemplar."""
    return lambda exemplar, budgets: spans


def test_all_that_is_required_must_be_left() -> None:
    whole = [(0, len(EXEMPLAR.text))]
    assert calculations_left([EXEMPLAR], leaving(whole, []), [0.5, 0.1], words) == {"0.5": 1.0, "0.1": 0.0}
    assert calculations_left([EXEMPLAR], leaving(EXEMPLAR.required), [0.5], words) == {"0.5": 1.0}
    for missing in EXEMPLAR.required:
        left = sorted(set(EXEMPLAR.required) - {missing})
        assert calculations_left([EXEMPLAR], leaving(left), [0.5], words) == {"0.5": 0.0}


@pytest.mark.parametrize(
    ("spans", "share"),
    [
        ([(13, 15), (15, 18)], 1.0),
        ([(0, 13), (13, 22)], 1.0),
        ([(13, 15), (16, 18)], 0.0),
        ([(14, 18)], 0.0),
        ([], 0.0),
    ],
)
def test_what_is_required_may_lie_in_spans_side_by_side(spans: list[Span], share: float) -> None:
    assert calculations_left([SIDE_BY_SIDE], leaving(spans), [1.0], words) == {"1.0": share}


def test_budgets_are_shares_of_the_tokens() -> None:
    asked: list[Sequence[int]] = []

    def compress(exemplar: Exemplar, budgets: Sequence[int]) -> Sequence[Sequence[Span]]:
        asked.append(budgets)
        return [[], []]

    calculations_left([EXEMPLAR], compress, [0.5, 0.1], words)
    assert asked == [[words(EXEMPLAR.text) // 2, words(EXEMPLAR.text) // 10]]


def test_exemplars_are_held_out_and_have_no_labels() -> None:
    rows = [SolutionRow(question=f"Question {number}?", answer="#### 1") for number in range(200)]
    held_out = [number for number, row in enumerate(rows) if is_held_out(row)]
    labels = [LabelRow(id="a", kind="cot", text="x", light=[], tight=[], source=f"gsm8k/train/{held_out[0]}")]
    chosen = held_out_exemplars(rows, labels, "train")
    assert [exemplar.text for exemplar in chosen] == [exemplar_of(rows[number]).text for number in held_out[1:]]
    assert len(held_out_exemplars(rows * 40, [], "train")) == EXEMPLARS


def test_ours_and_the_baselines_keep_to_the_budget(compressor: Compressor) -> None:
    budgets = [12, 20, 30]
    compressors = {"ours": with_compressor(compressor, words, 2), **baseline_compressors([EXEMPLAR], words)}
    for name, compress in compressors.items():
        for tokens, spans in zip(budgets, compress(EXEMPLAR, budgets), strict=True):
            assert 0 < words(join_spans(EXEMPLAR.text, list(spans))) <= tokens, name


def test_the_whole_budget_leaves_everything(compressor: Compressor) -> None:
    compressors = {"ours": with_compressor(compressor, words, 2), **baseline_compressors([EXEMPLAR], words)}
    shares = {name: calculations_left([EXEMPLAR], one, [1.0], words)["1.0"] for name, one in compressors.items()}
    assert shares == {"ours": 1.0, "random": 1.0, "lead": 1.0, "idf": 1.0}


def test_what_is_possible_ends_where_what_must_stay_is_longer_than_the_budget(compressor: Compressor) -> None:
    # "Every day she bakes" and all but the numbers can go; what is required takes up eight words at least.
    rates = [0.7, 0.1]
    assert calculations_left([EXEMPLAR], with_oracle(compressor, words), rates, words) == {"0.7": 1.0, "0.1": 0.0}
