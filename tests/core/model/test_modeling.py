"""The network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import distilbert, roberta, tiny_encoder, tiny_model
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoConfig, AutoModel

from diffumask_core import Compressor
from diffumask_core.datasets import LabelRow
from diffumask_core.diffusion.states import DROP, KEEP, UNDECIDED
from diffumask_core.model.configuration import DiffuMaskConfig
from diffumask_core.model.inputs import Frame, Window, batch_windows, batch_words, describe_units
from diffumask_core.model.modeling import Denoiser, DiffuMaskModel, pool_tokens
from diffumask_core.model.pruner import Pruner, ReadText
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.training.examples import ExampleBuilder, collate
from diffumask_core.training.objective import encode_batch
from diffumask_core.units.words import split_words

SHORT = "The owner sold 12 boxes."
LONG = "On Monday the owner, who had been away for a week, sold 12 boxes to a visitor."


def read(pruner: Pruner, text: str, query: str = "") -> ReadText:
    offsets = split_words(text)
    return pruner.read(text, offsets, [(0, len(offsets))], query)


def forward(model: DiffuMaskModel, tokenizer: Tokenizer, texts: list[str]) -> Any:
    units = [describe_units(text, split_words(text), tokenizer) for text in texts]
    counts = [len(one.words) for one in units]
    windows = [Window(0, count, 0, count) for count in counts]
    batch = batch_windows(list(zip(units, windows, strict=True)), Frame.of(tokenizer))

    def padded(rows: list[np.ndarray]) -> Tensor:
        return torch.nn.utils.rnn.pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True)

    with torch.inference_mode():
        return model(
            *map(torch.from_numpy, (batch.input_ids, batch.attention_mask, batch.unit_of_token)),
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
        plain, asked = read(pruner, LONG), read(pruner, LONG, "How many boxes?")
        assert not np.allclose(pruner.encode(plain).context, pruner.encode(asked).context)

    def test_of_a_long_query_the_end_is_seen(self, pruner: Pruner) -> None:
        def seen(query: str) -> np.ndarray:
            return pruner.encode(read(pruner, LONG, query)).context

        # Sixteen tokens are read, each a letter.
        assert np.array_equal(seen("why? " * 30 + "sixteen letters."), seen("who? " * 30 + "sixteen letters."))
        assert not np.allclose(seen("why? sixteen letter."), seen("why? sixteen boxes."))

    def test_a_query_without_a_word_is_none(self, pruner: Pruner) -> None:
        plain, blank = read(pruner, LONG), read(pruner, LONG, " \n")
        assert len(blank.query) == 0
        assert np.array_equal(pruner.encode(plain).context, pruner.encode(blank).context)

    def test_a_query_does_not_change_what_the_trunk_makes_of_a_text(self, pruner: Pruner) -> None:
        plain, asked = read(pruner, LONG * 4), read(pruner, LONG * 4, "How many boxes?")
        assert np.array_equal(plain.vectors, asked.vectors)
        for number in range(len(plain.windows)):
            assert np.array_equal(plain.of_window(number), asked.of_window(number))

    def test_special_tokens_go_along(self, pruner: Pruner) -> None:
        """Of the text's window and of the query's, each has one before its words and one after them."""
        one = read(pruner, SHORT, "How many?")
        words = len(split_words(SHORT))
        assert len(one.vectors) == words
        assert len(one.of_window(0)) == len(one.of_part(0, words)) == words + 2
        assert np.array_equal(one.of_part(2, 3), np.concatenate([one.special[0], one.vectors[2:3]]))
        assert len(one.query) == len(split_words("How many?")) + 2
        assert len(one.of_part(3, 3)) == 0

    def test_a_part_has_the_special_tokens_of_its_window(self, pruner: Pruner) -> None:
        one = read(pruner, LONG * 4)
        assert len(one.windows) > 2
        for window, special in zip(one.windows, one.special, strict=True):
            part = one.of_part(window.core_start, window.core_end)
            assert np.array_equal(part, np.concatenate([special, one.vectors[window.core_start : window.core_end]]))


def words_of(*lengths: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.standard_normal((length, 16)).astype(np.float32) for length in lengths]


class TestLayers:
    """The upper layers and the comparer."""

    @pytest.mark.parametrize("layers", ["consider", "compare"])
    def test_neither_padding_nor_what_stands_beside_a_text_changes_it(self, pruner: Pruner, layers: str) -> None:
        texts, queries = words_of(5, 9), words_of(3, 0)
        together = getattr(pruner.network, layers)(batch_words(texts, queries))
        for row, (text, query) in enumerate(zip(texts, queries, strict=True)):
            for length in (None, 12, 40):
                alone = getattr(pruner.network, layers)(batch_words([text], [query], length))[0]
                words = slice(len(text) + len(query))
                np.testing.assert_allclose(alone[words], together[row][words], atol=1e-5)

    @pytest.mark.parametrize("layers", ["consider", "compare"])
    def test_they_tell_a_query_from_a_text(self, pruner: Pruner, layers: str) -> None:
        [words], none = words_of(5), np.zeros((0, 16), dtype=np.float32)
        network = pruner.network
        told, asked = (getattr(network, layers)(batch_words(*rows)) for rows in (([words], [none]), ([none], [words])))
        assert not np.allclose(told, asked)

    def test_vectors_that_compare_words_have_unit_length(self, pruner: Pruner) -> None:
        vectors = pruner.network.compare(batch_words(words_of(5, 9), words_of(3, 0)))
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=2), 1, atol=1e-5)

    def test_they_are_taken_from_the_middle_of_their_role(self, tokenizer: Tokenizer) -> None:
        model = tiny_model(tiny_encoder(tokenizer))
        batch = batch_words(words_of(5), words_of(3))
        words = [torch.from_numpy(array) for array in (batch.vectors, batch.roles, batch.mask)]
        with torch.inference_mode():
            hidden = model.comparer(*words)
            model.middle.copy_(hidden[0, [0, 5]])
            compared = model.compare(*words)
        middles = model.middle[[0] * 5 + [1] * 3]
        torch.testing.assert_close(compared, torch.nn.functional.normalize(hidden - middles, dim=-1))
        # Nothing is left of a word in the very middle.
        assert not compared[0, [0, 5]].any()
        assert compared[0, [1, 6]].any(1).all()


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
        encoding = pruner.encode(read(pruner, "the owner met the visitor"))
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
        encoding = pruner.encode(read(pruner, text))
        given_states = np.array(states)
        now, context, twins = (
            torch.from_numpy(array)[None] for array in (given_states, encoding.context, encoding.twins)
        )
        level, rate = torch.full((1, 1), 0.5), torch.full((1, 1), 0.4)
        with torch.inference_mode():
            whole = pruner.network.model.denoiser(context, now, level, rate, twins, torch.ones(1, 60))[0].numpy()
        asked = given_states == UNDECIDED if UNDECIDED in states else np.ones(60, dtype=bool)
        logits = pruner.predictor(encoding, 0.4)(given_states, 0.5)
        np.testing.assert_allclose(logits, np.where(asked, whole, 0), atol=1e-5)

    def test_a_long_text_is_denoised_in_pieces(self, pruner: Pruner, monkeypatch: pytest.MonkeyPatch) -> None:
        text = " ".join(f"{word}{number}" for number in range(12) for word in ("the apple", "the box", "cat"))
        encoding = pruner.encode(read(pruner, text))
        units = len(encoding.twins)
        states = np.arange(units) % 3
        whole = pruner.predictor(encoding, 0.4)(states, 0.5)
        for size in (5, 12, units - 1, units):
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


def test_the_upper_layers_see_a_text_as_in_training(pruner: Pruner) -> None:
    rows = [
        LabelRow(id=text, kind="prose", text=text, light=[], tight=[], query=query, source="made", split="train")
        for text, query in ((LONG * 4, "How many boxes?"), (SHORT, None))
    ]
    examples = list(ExampleBuilder(pruner).labelled(rows))
    assert len(examples[0].read.windows) > 2
    batch = collate(examples)
    model = pruner.network.model
    with torch.inference_mode():
        expected = model.contextualise(encode_batch(model, batch), batch.shapes).numpy()
    for context, example in zip(expected, examples, strict=True):
        ours = pruner.encode(example.read).context
        np.testing.assert_allclose(context[: len(ours)], ours, atol=0.05)


@pytest.mark.parametrize("query", ["", "how many boxes?"])
def test_how_many_windows_are_computed_together_changes_nothing(
    pruner: Pruner, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    text = " ".join([SHORT, LONG * 4, SHORT, LONG, SHORT] * 2)

    def encoded() -> tuple[np.ndarray, np.ndarray]:
        one = read(pruner, text, query)
        return one.vectors, pruner.encode(one).context

    whole = encoded()
    for size in (1, 200, 10_000):
        monkeypatch.setattr(pruner.network, "tokens_at_once", size)
        for ours, expected in zip(encoded(), whole, strict=True):
            np.testing.assert_allclose(ours, expected, atol=1e-2 if ours.dtype == np.float16 else 1e-4)


@settings(deadline=None)
@given(data=st.data())
def test_units_that_are_wanted_are_encoded_as_among_all(pruner: Pruner, data: st.DataObject) -> None:
    """Whatever was wanted of the same text before."""
    text = LONG * 4
    whole = pruner.encode(read(pruner, text, "how many boxes?"))
    one = read(pruner, text, "how many boxes?")
    units = len(one.vectors)
    for wanted in data.draw(st.lists(st.sets(st.integers(0, units - 1)), min_size=1, max_size=3)):
        mask = np.isin(np.arange(units), sorted(wanted))
        encoding = pruner.encode(one, mask)
        np.testing.assert_allclose(encoding.context, whole.context[mask], atol=1e-4)
        assert np.array_equal(encoding.twins, whole.twins[mask])
