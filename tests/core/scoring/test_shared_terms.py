"""What passages gain by the words that they share with the query."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from diffumask_core.options import Options
from diffumask_core.pipeline import read_prompt
from diffumask_core.prompt.layout import Layout, ShotSpan
from diffumask_core.prompt.spans import Span
from diffumask_core.scoring.reading import Reading
from diffumask_core.scoring.relevance import TERMS_WEIGHT, with_shared_terms
from diffumask_core.scoring.terms import bm25, terms_of

WORDS = ["ferry", "bread", "stars", "pier", "night", "oven"]
sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)


def reading_of(passages: list[str], query: str) -> tuple[Reading, list[Span]]:
    """A prompt of passages, and where they are."""
    spans, start = [], 0
    for passage in passages:
        spans.append((start, start + len(passage)))
        start += len(passage) + 2
    layout = Layout("\n\n".join(passages), shots=tuple(map(ShotSpan, spans)))
    return read_prompt(layout, Options(keep_rate=0.5, query=query, tokenizer=len)), spans


@given(passages=st.lists(sentences, min_size=1, max_size=5), query=sentences, seed=st.integers(0, 99))
def test_a_passage_gains_by_shared_words_and_by_nothing_else(passages: list[str], query: str, seed: int) -> None:
    reading, spans = reading_of(passages, query)
    nearness = np.random.default_rng(seed).normal(size=len(passages)).astype(np.float32)
    gained = with_shared_terms(reading, spans, nearness) - nearness
    shares = [bool({*terms_of(passage)} & {*terms_of(query)}) for passage in passages]
    assert (gained > 1e-6).tolist() == shares
    np.testing.assert_allclose(gained, TERMS_WEIGHT * bm25(query, passages), atol=1e-5)


def test_a_rare_word_counts_more_than_one_of_every_passage() -> None:
    reading, spans = reading_of(["the ferry left", "the oven cooled", "the stars shone"], "the oven")
    gained = with_shared_terms(reading, spans, np.zeros(3))
    assert gained.argmax() == 1
    assert gained[1] > 2 * gained[0] > 0


def test_no_passages() -> None:
    reading, _ = reading_of(["the ferry left"], "which ferry?")
    assert with_shared_terms(reading, [], np.zeros(0)).tolist() == []
