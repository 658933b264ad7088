"""The comparer: how near texts are to the query."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tokenizers import Tokenizer

from diffumask_core import Compressor, ModelError, Prompt
from diffumask_core.model.configuration import DiffuMaskConfig
from diffumask_core.model.inputs import Frame, batch_words
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pretrained import load_pruner, save_folder
from diffumask_core.model.pruner import Pruner, ReadText
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.scoring.ranking import relevance_of
from diffumask_core.scoring.relevance import TERMS_WEIGHT
from diffumask_core.scoring.terms import bm25
from diffumask_core.units.words import split_words

SHOTS = ["green frogs jump high", "what is the capital of italy", "two plus two is four"]


@pytest.fixture(scope="module")
def lacking(pruner: Pruner, tokenizer: Tokenizer) -> Pruner:
    """A model without a comparer."""
    settings = pruner.network.model.config.to_dict() | {"comparer_layers": 0}
    torch.manual_seed(0)
    return Pruner(TorchNetwork(DiffuMaskModel(DiffuMaskConfig(**settings)).train(False)), tokenizer)


def read_shots(pruner: Pruner, query: str, shots: Sequence[str] = SHOTS) -> tuple[ReadText, list[tuple[int, int]]]:
    """The shots one after the other, and which units are whose."""
    text = " ".join(shots)
    ends = np.cumsum([0, *(len(split_words(shot)) for shot in shots)]).tolist()
    parts = list(pairwise(ends))
    return pruner.read(text, split_words(text), parts, query), parts


def test_the_shot_that_is_nearest_to_the_query_has_the_highest_utility(pruner: Pruner) -> None:
    query = "what is the capital of italy now"
    result = Compressor(pruner).compress(Prompt(shots=SHOTS), query=query, target_tokens=20, tokenizer=len)
    best = int(np.argmax([shot.score for shot in result.shots]))
    read, parts = read_shots(pruner, query)
    assert best == int(np.argmax(pruner.nearness(read, parts)))
    assert result.shots[best].fate != "dropped"


def words_alone(pruner: Pruner, vectors: np.ndarray, is_query: bool) -> list[np.ndarray]:
    """The vectors by which the words of one text are compared, with nothing beside them and no padding."""
    none = vectors[:0]
    batch = batch_words([none], [vectors]) if is_query else batch_words([vectors], [none])
    return list(pruner.network.compare(batch)[0][pruner.frame.tokens :])


def by_hand(pruner: Pruner, read: ReadText, first: int, last: int) -> float:
    """The mean over the words of the query of the largest cosine with a word of a part."""
    told = words_alone(pruner, read.of_part(first, last), False)
    largest = []
    for word in words_alone(pruner, read.query, True):
        cosines = [word @ other / (np.linalg.norm(word) * np.linalg.norm(other)) for other in told]
        largest.append(max(cosines))
    return float(pruner.network.settings.relevance_weight * sum(largest) / len(largest))


sentences = st.lists(
    st.sampled_from(["frogs", "jump", "capital", "rome", "two", "four", "green", ".", "a"]), min_size=1, max_size=9
).map(" ".join)


@settings(max_examples=30)
@given(texts=st.lists(sentences, min_size=1, max_size=4), query=sentences)
def test_nearness_is_the_mean_of_the_largest_cosines(pruner: Pruner, texts: list[str], query: str) -> None:
    """Whatever stands beside a text: nothing but its own words and the query's counts."""
    read, parts = read_shots(pruner, query, texts)
    expected = [by_hand(pruner, read, *part) for part in parts]
    np.testing.assert_allclose(pruner.nearness(read, parts), expected, atol=0.1)
    np.testing.assert_allclose(pruner.nearness(read, parts[-1:]), expected[-1:], atol=0.1)
    assert (abs(pruner.nearness(read, parts)) <= pruner.network.settings.relevance_weight * 1.001).all()


@settings(max_examples=20)
@given(texts=st.lists(sentences | st.sampled_from(["", " \n"]), max_size=4), query=sentences)
def test_texts_are_as_near_as_alone_and_those_without_a_word_are_not(
    pruner: Pruner, texts: list[str], query: str
) -> None:
    near = pruner.nearness_of(texts, query)
    assert near.shape == (len(texts),)
    for text, found in zip(texts, near, strict=True):
        np.testing.assert_allclose(pruner.nearness_of([text], query), [found], atol=0.1)
        assert text.strip() or found == 0
    assert not pruner.nearness_of(texts, " ").any()


@pytest.mark.parametrize("frame", [Frame(2, 3, 0), Frame(None, 3, 0), Frame(None, None, 0)])
def test_all_words_are_compared_however_many_special_tokens_there_are(
    pruner: Pruner, tokenizer: Tokenizer, frame: Frame
) -> None:
    other = Pruner(pruner.network, tokenizer)
    other.frame = frame
    read, parts = read_shots(other, "which capital?")
    compared = other.compare([read.of_part(*part) for part in parts])
    assert [len(words) for words in compared] == [last - first for first, last in parts]
    expected = [by_hand(other, read, *part) for part in parts]
    np.testing.assert_allclose(other.nearness(read, parts), expected, atol=0.1)


def test_a_text_read_by_itself_is_as_near_as_among_others(pruner: Pruner) -> None:
    # A text that the trunk has read by itself is as near as the same text among others where it has its own window.
    text = "the capital of italy is rome"
    offsets = split_words(text)
    alone = pruner.read(text, offsets, [(0, len(offsets))], "which capital?")
    [expected] = pruner.nearness_of([text], "which capital?")
    np.testing.assert_allclose(pruner.nearness(alone, [(0, len(offsets))]), expected, atol=0.05)


def test_a_long_query_is_compared_by_its_end(pruner: Pruner) -> None:
    """Sixteen tokens are read, each a letter."""
    queries = [f"{word}? " * 30 + "sixteen letters." for word in ("why", "who")]
    first, second = pruner.embed(queries, are_queries=True)
    np.testing.assert_allclose(first, second, atol=1e-4)
    near = [pruner.nearness_of(SHOTS, query) for query in queries]
    np.testing.assert_allclose(*near, atol=0.1)
    assert not np.allclose(near[0], pruner.nearness_of(SHOTS, queries[0].replace("letters", "capitals")), atol=0.1)


def test_a_text_has_the_direction_of_the_mean_of_its_words(pruner: Pruner) -> None:
    offsets = [split_words(shot) for shot in SHOTS]
    alone = [pruner.read(shot, each, [(0, len(each))]) for shot, each in zip(SHOTS, offsets, strict=True)]
    means = [np.mean(words_alone(pruner, one.of_part(0, len(one.vectors)), False), 0) for one in alone]
    embedded = pruner.embed([*SHOTS, " "])
    for vector, mean in zip(embedded, means, strict=False):
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=0.01)
    assert not embedded[-1].any()
    assert pruner.embed([]).shape == (0, 16)


def test_without_a_query_nothing_is_near(pruner: Pruner) -> None:
    read, parts = read_shots(pruner, "")
    assert pruner.nearness(read, parts).tolist() == [0, 0, 0]
    assert pruner.nearness(read, []).tolist() == []


def test_an_empty_part_is_not_near(pruner: Pruner) -> None:
    read, (_, part, _) = read_shots(pruner, "which capital?")
    near = pruner.nearness(read, [(0, 0), part, (4, 4)])
    assert (near == 0).tolist() == [True, False, True]


def test_of_a_long_part_the_beginning_is_compared(pruner: Pruner, monkeypatch: pytest.MonkeyPatch) -> None:
    read, parts = read_shots(pruner, "which capital?")
    monkeypatch.setattr(pruner.network, "settings", replace(pruner.network.settings, relevance_units=2))
    cut = [(first, first + 2) for first, _ in parts]
    np.testing.assert_allclose(pruner.nearness(read, parts), pruner.nearness(read, cut), atol=1e-4)


def test_means_are_those_of_the_units_of_each_part(pruner: Pruner) -> None:
    read, parts = read_shots(pruner, "")
    means = pruner.means(read, [*parts, (2, 2)])
    for mean, (first, last) in zip(means, parts, strict=False):
        np.testing.assert_allclose(mean, read.vectors[first:last].astype(np.float32).mean(0), atol=1e-5)
    assert not means[-1].any()
    assert pruner.means(read, []).shape == (0, 16)


def test_a_model_without_a_comparer(lacking: Pruner) -> None:
    read, parts = read_shots(lacking, "which capital?")
    assert lacking.nearness(read, parts).tolist() == [0, 0, 0]
    with pytest.raises(ModelError, match="no comparer"):
        lacking.embed(SHOTS)
    with pytest.raises(ModelError, match="no comparer"):
        lacking.nearness_of(SHOTS, "which capital?")
    result = Compressor(lacking).compress(Prompt(shots=SHOTS), query="which capital?", keep_rate=0.5)
    assert result.compressed_tokens <= result.budget


def test_passages_that_share_words_with_the_query_are_worth_more(pruner: Pruner, lacking: Pruner) -> None:
    """Beside how near they are, and where nothing tells that; what is near is as surely of help as it is near."""
    shots, query = [*SHOTS, "rome lies on a river"], "which river is near the capital of italy"
    options = {"query": query, "keep_rate": 0.9, "tokenizer": len}
    near = pruner.nearness(*read_shots(pruner, query, shots))
    gained = TERMS_WEIGHT * bm25(query, shots)
    result = Compressor(lacking).compress(Prompt(shots=shots), **options)
    np.testing.assert_allclose([shot.score for shot in result.shots], gained, atol=1e-3)
    assert len({shot.relevance for shot in result.shots}) == 1
    result = Compressor(pruner).compress(Prompt(shots=shots), **options)
    np.testing.assert_allclose([shot.relevance for shot in result.shots], relevance_of(near), atol=0.02)
    np.testing.assert_allclose([shot.score for shot in result.shots], near + gained, atol=0.2)


def test_a_turn_without_a_word_is_compared_with_nothing(pruner: Pruner) -> None:
    messages = [
        {"role": role, "content": content}
        for role, content in [
            ("user", "The capital of Italy is Rome."),
            ("assistant", "It is an old town on a river."),
            ("user", " "),
            ("assistant", "\n"),
            ("user", "What is the capital of Italy?"),
        ]
    ]
    result = Compressor(pruner).compress_messages(messages, keep_rate=0.5, tokenizer=len)
    assert len(result.shots) == 1


def test_a_saved_folder_is_small_and_as_before_but_for_rounding(pruner: Pruner, tmp_path: Path) -> None:
    save_folder(pruner.network.model, pruner.tokenizer, tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    loaded = load_pruner(tmp_path).network.model.state_dict()
    for name, value in pruner.network.model.state_dict().items():
        if name.startswith(("encoder.", "upper.", "comparer.")) and value.dim() == 2:
            assert stored[name].dtype == torch.int8
            assert ((loaded[name] - value).abs() <= stored[f"{name}.scale"][:, None] * 0.5001).all()
        else:
            assert stored[name].dtype == torch.float16
            torch.testing.assert_close(loaded[name], value, rtol=1e-3, atol=1e-3)
