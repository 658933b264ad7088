"""The order in which a compressor would drop shots."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffumask_core import Compressor, InputError, Prompt, Shot

_TEXTS = [
    "The ferry leaves at nine.",
    "Bees make honey from nectar.",
    "A harbour shelters ships from storms.",
    "Soup.",
    "https://example.org/a/long/path",
    "x = 1\ny = 2",
]


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.sampled_from(_TEXTS)), query=st.sampled_from(["", "When does the ferry leave?"]))
def test_each_shot_is_ranked_once(compressor: Compressor, texts: list[str], query: str) -> None:
    ranked = compressor.rank_shots(Prompt(shots=texts), query)
    assert sorted(ranked) == list(range(len(texts)))
    # Copies come last.
    assert len({texts[number] for number in ranked[: len(set(texts))]}) == len(set(texts))


def test_each_label_comes_before_a_second_exemplar_of_any(compressor: Compressor) -> None:
    labels = ["good", "good", "bad", "good", "mixed", "bad"]
    shots = [Shot(question=f"Review {number}: {_TEXTS[number]}", answer=label) for number, label in enumerate(labels)]
    ranked = compressor.rank_shots(Prompt(shots=shots), "The fish was cold.")
    assert {labels[number] for number in ranked[:3]} == {"good", "bad", "mixed"}


def test_it_is_the_order_in_which_shots_stay(compressor: Compressor) -> None:
    shots = [f"{text} It has been so for as long as anybody on the island can remember." for text in _TEXTS[:4]]
    query = "When does the ferry leave?"
    ranked = compressor.rank_shots(Prompt(shots=shots), query)
    for count in (1, 2, 3):
        result = compressor.compress(Prompt(shots=shots), query=query, keep_rate=0.2, min_shots=count)
        kept = {number for number, shot in enumerate(result.shots) if shot.fate != "dropped"}
        assert kept >= set(ranked[:count])


def test_the_query_of_the_prompt_counts_where_no_other_is_given(compressor: Compressor) -> None:
    asked = "When does the ferry leave?"
    prompt = Prompt(shots=_TEXTS[:4], query=asked)
    assert compressor.rank_shots(prompt) == compressor.rank_shots(prompt, asked)


def test_a_query_that_is_no_text(compressor: Compressor) -> None:
    with pytest.raises(InputError, match="query"):
        compressor.rank_shots(Prompt(shots=_TEXTS), 7)  # type: ignore[arg-type]


@pytest.mark.parametrize("target_tokens", [1, 30])
def test_shots_that_only_go_whole_are_chosen_too(compressor: Compressor, target_tokens: int) -> None:
    shots = [f"https://example.org/a/{number}/long/path" for number in range(10)]
    result = compressor.compress(Prompt(shots=shots), target_tokens=target_tokens, on_overflow="best_effort")
    assert 0 < sum(shot.fate == "kept" for shot in result.shots) < len(shots)
    assert result.compressed_tokens <= max(result.protected_tokens, target_tokens)
