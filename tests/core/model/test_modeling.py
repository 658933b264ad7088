"""The network."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import distilbert, roberta, tiny_encoder, tiny_model
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoConfig, AutoModel

from diffumask_core import Compressor
from diffumask_core.diffusion.states import DROP, KEEP, UNDECIDED
from diffumask_core.model.configuration import DiffuMaskConfig
from diffumask_core.model.inputs import Frame, Window, batch_windows, describe_units, windows_of
from diffumask_core.model.modeling import Denoiser, DiffuMaskModel, pool_tokens
from diffumask_core.model.pruner import Encoding, Pruner
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.units.words import split_words

SHORT = "The owner sold 12 boxes."
LONG = "On Monday the owner, who had been away for a week, sold 12 boxes to a visitor."


def forward(model: DiffuMaskModel, tokenizer: Tokenizer, texts: list[str]) -> Any:
    units = [describe_units(text, split_words(text), tokenizer) for text in texts]
    counts = [len(one.words) for one in units]
    windows = [Window(0, count, 0, count) for count in counts]
    none = np.zeros(0, dtype=np.int64)
    batch = batch_windows(
        [(one, window, none) for one, window in zip(units, windows, strict=True)], Frame.of(tokenizer)
    )

    def padded(rows: list[np.ndarray]) -> Tensor:
        return torch.nn.utils.rnn.pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True)

    with torch.inference_mode():
        return model(
            *map(torch.from_numpy, (batch.input_ids, batch.token_types, batch.attention_mask, batch.unit_of_token)),
            shapes=padded([one.shapes for one in units]),
            twins=padded([one.twins for one in units]),
            unit_mask=padded([np.ones(count, dtype=np.float32) for count in counts]),
            keep_rate=torch.full((len(texts), 1), 0.4),
        )


class TestFolder:
    def test_a_round_trip_changes_nothing(self, pruner: Pruner, model_folder: Path, tokenizer: Tokenizer) -> None:
        loaded = DiffuMaskModel.from_pretrained(model_folder)
        assert loaded.config.to_dict().keys() == pruner.network.model.config.to_dict().keys()
        before, after = forward(pruner.network.model, tokenizer, [LONG]), forward(loaded.eval(), tokenizer, [LONG])
        assert torch.equal(before.logits, after.logits)
        assert torch.equal(before.hidden, after.hidden)

    def test_the_auto_classes_know_it(self, model_folder: Path) -> None:
        config = AutoConfig.from_pretrained(model_folder)
        assert isinstance(config, DiffuMaskConfig)
        assert (config.denoiser_width, config.encoder_config.hidden_size) == (8, 16)
        assert isinstance(AutoModel.from_pretrained(model_folder), DiffuMaskModel)

    @pytest.mark.parametrize("encoder", [roberta, distilbert])
    def test_any_encoder_will_do(self, tokenizer: Tokenizer, tmp_path: Path, encoder: Any) -> None:
        model = tiny_model(encoder(tokenizer))
        model.save_pretrained(tmp_path)
        tokenizer.save(str(tmp_path / "tokenizer.json"))
        options: dict[str, Any] = {"keep_rate": 0.4, "query": "How many boxes?", "tokenizer": str.__len__}
        before = Compressor(Pruner(TorchNetwork(model), tokenizer)).compress(LONG * 9, **options)
        after = Compressor.from_pretrained(tmp_path).compress(LONG * 9, **options)
        assert after == before
        assert 0 < after.compressed_tokens <= after.budget


class TestForward:
    def test_shapes(self, pruner: Pruner, tokenizer: Tokenizer) -> None:
        units = len(split_words(LONG))
        output = forward(pruner.network.model, tokenizer, [SHORT, LONG])
        assert output.logits.shape == (2, units)
        assert output.hidden.shape == (2, units, 16)
        assert output.context.shape == (2, units, 8 + 2)

    def test_padding_changes_nothing(self, pruner: Pruner, tokenizer: Tokenizer) -> None:
        units = len(split_words(SHORT))
        alone, beside = (
            forward(pruner.network.model, tokenizer, [SHORT]),
            forward(pruner.network.model, tokenizer, [SHORT, LONG]),
        )
        torch.testing.assert_close(beside.hidden[:1, :units], alone.hidden, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(beside.logits[:1, :units], alone.logits, atol=1e-5, rtol=1e-4)

    def test_the_query_is_seen(self, pruner: Pruner) -> None:
        offsets = split_words(LONG)
        blocks = [(0, len(offsets))]
        plain, asked = pruner.encode(LONG, offsets, blocks), pruner.encode(LONG, offsets, blocks, "How many boxes?")
        assert not np.allclose(plain.vectors, asked.vectors)

    def test_of_a_long_query_the_end_is_seen(self, pruner: Pruner) -> None:
        offsets = split_words(LONG)
        end, whole = (
            pruner.encode(LONG, offsets, [(0, len(offsets))], query).query
            for query in ("how many?", "why? " * 30 + "how many?")
        )
        assert len(whole) == pruner.network.model.config.query_tokens
        assert whole[-len(end) :].tolist() == end.tolist()


class TestDenoiser:
    def test_an_untrained_one_changes_nothing(self, tokenizer: Tokenizer) -> None:
        denoiser = DiffuMaskModel(DiffuMaskConfig(encoder_config=tiny_encoder(tokenizer), denoiser_width=8)).denoiser
        context, mask, level = torch.randn(1, 6, 10), torch.ones(1, 6), torch.full((1, 1), 0.5)
        tight, light = context[..., -2], context[..., -1]
        for rate, of_tight in ((0.25, 0.858), (0.55, 0.142)):
            for states in (torch.full((1, 6), UNDECIDED), torch.tensor([[KEEP, DROP, UNDECIDED] * 2])):
                logits = denoiser(context, states, level, torch.full((1, 1), rate), torch.arange(6)[None], mask)
                torch.testing.assert_close(logits, of_tight * tight + (1 - of_tight) * light, atol=0.01, rtol=0.01)

    def logits(self, pruner: Pruner, states: list[int], rate: float = 0.4, noise: float = 1.0) -> np.ndarray:
        offsets = split_words("the owner met the visitor")
        encoding = pruner.encode("the owner met the visitor", offsets, [(0, len(offsets))])
        return pruner.predictor(encoding, rate)(np.array(states), noise)

    def test_it_sees_the_states_the_rate_and_the_noise(self, pruner: Pruner) -> None:
        undecided = self.logits(pruner, [UNDECIDED] * 5)
        assert undecided.shape == (5,)
        assert not np.allclose(undecided[1:], self.logits(pruner, [KEEP] + [UNDECIDED] * 4)[1:])
        assert not np.allclose(undecided, self.logits(pruner, [UNDECIDED] * 5, rate=0.1))
        assert not np.allclose(undecided, self.logits(pruner, [UNDECIDED] * 5, noise=0.2))

    @given(states=st.lists(st.sampled_from([KEEP, DROP, UNDECIDED]), min_size=60, max_size=60))
    def test_of_the_units_it_is_asked_for_it_says_what_it_says_of_all(self, pruner: Pruner, states: list[int]) -> None:
        text = " ".join(["the owner", "the visitor", "the box"] * 10)
        encoding = pruner.encode(text, split_words(text), [(0, 60)])
        given_states = np.array(states)
        now, context, twins = (
            torch.from_numpy(array)[None] for array in (given_states, encoding.context, encoding.units.twins)
        )
        level, rate = torch.full((1, 1), 0.5), torch.full((1, 1), 0.4)
        with torch.inference_mode():
            whole = pruner.network.model.denoiser(context, now, level, rate, twins, torch.ones(1, 60))[0].numpy()
        asked = given_states == UNDECIDED if UNDECIDED in states else np.ones(60, dtype=bool)
        logits = pruner.predictor(encoding, 0.4)(given_states, 0.5)
        np.testing.assert_allclose(logits, np.where(asked, whole, 0), atol=1e-5)

    def test_a_long_text_is_denoised_in_pieces(self, pruner: Pruner, monkeypatch: pytest.MonkeyPatch) -> None:
        text = " ".join(f"{word}{number}" for number in range(12) for word in ("the apple", "the box", "cat"))
        offsets = split_words(text)
        encoding = pruner.encode(text, offsets, [(0, len(offsets))])
        states = np.arange(len(offsets)) % 3
        whole = pruner.predictor(encoding, 0.4)(states, 0.5)
        for size in (5, 12, len(offsets) - 1, len(offsets)):
            monkeypatch.setattr("diffumask_core.model.pruner._UNITS_AT_ONCE", size)
            np.testing.assert_allclose(pruner.predictor(encoding, 0.4)(states, 0.5), whole, atol=1e-5)

    def test_it_counts_the_other_units_of_a_word(self) -> None:
        twins = torch.tensor([[0, 1, 0, 2, 0]])
        flags = torch.tensor([[True, True, False, False, True]])
        assert Denoiser._of_twins(flags, twins).tolist() == [[1, 0, 1, 0, 1]]


def test_tokens_are_pooled_by_unit() -> None:
    hidden = torch.tensor([[[1.0], [2.0], [4.0], [8.0]]])
    pooled = pool_tokens(hidden, torch.tensor([[-1, 0, 0, 2]]), 3)
    assert pooled.tolist() == [[[3.0], [0.0], [8.0]]]


def test_shots_are_scored_apart(pruner: Pruner) -> None:
    text = f"{SHORT} {LONG} {SHORT}"
    offsets = split_words(text)
    first, last = len(split_words(SHORT)), len(offsets) - len(split_words(SHORT))
    owner = np.full(len(offsets), -1)
    owner[:first], owner[last:] = 0, 1
    encoding = pruner.encode(text, offsets, [(0, first), (first, last), (last, len(offsets))], "how many boxes?")
    scores, vectors = pruner.shot_scores(encoding, owner, 3), pruner.shot_vectors(encoding, owner, 3)
    assert len(set(scores.tolist())) == 3
    assert scores[2] == 0
    assert vectors.tolist() == [*encoding.vectors[[0, 2]].tolist(), [0.0] * 16]


def test_shots_are_scored_as_in_training(pruner: Pruner) -> None:
    # A shot that is longer than those that share a window, and read in a window of its own.
    text = " ".join(f"{LONG} {number}" for number in range(2))
    offsets = split_words(text)
    half = len(offsets) // 2
    encoding = pruner.encode(text, offsets, [(0, half), (half, len(offsets))], "how many boxes?")
    model, units = pruner.network.model, encoding.units
    windows = windows_of(units, [(0, half), (half, len(offsets))], encoding.query, pruner.network.settings)
    batch = batch_windows([(units, window, encoding.query) for window in windows], pruner.frame)
    assert [(window.core_start, window.core_end) for window in windows] == [(0, half), (half, len(offsets))]
    arrays = batch.input_ids, batch.token_types, batch.attention_mask, batch.unit_of_token
    with torch.inference_mode():
        hidden = model.encode(*map(torch.from_numpy, arrays), half)
        expected = model.shot_head(hidden, torch.zeros(2, half, dtype=torch.int64), 1)[:, 0]
    np.testing.assert_allclose(encoding.vectors, hidden.mean(1), atol=0.02)
    np.testing.assert_allclose(encoding.utilities, expected, atol=0.02)


@pytest.mark.parametrize("query", ["", "how many boxes?"])
def test_a_long_text_is_read_in_portions(pruner: Pruner, monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    texts = [SHORT, LONG * 4, SHORT, LONG, SHORT] * 2
    ends = np.cumsum([len(split_words(text)) for text in texts]).tolist()
    text = " ".join(texts)

    def encoded() -> Encoding:
        return pruner.encode(text, split_words(text), list(pairwise([0, *ends])), query)

    whole = encoded()
    assert len(whole.vectors) == len(whole.utilities) == len(texts)
    for size in (1, 30, 90):
        monkeypatch.setattr("diffumask_core.model.pruner._UNITS_AT_ONCE", size)
        portions = encoded()
        np.testing.assert_allclose(portions.context, whole.context, atol=1e-5)
        np.testing.assert_allclose(portions.vectors, whole.vectors, atol=1e-5)
        np.testing.assert_allclose(portions.utilities, whole.utilities, atol=1e-5)
