"""What the network sees of a text."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.models import Model
from tokenizers.normalizers import Normalizer
from tokenizers.pre_tokenizers import PreTokenizer

from diffumask_core.model.inputs import (
    Frame,
    UnitInputs,
    Window,
    batch_windows,
    batch_words,
    describe_units,
    plan_windows,
    query_words,
)
from diffumask_core.model.pretrained import read_tokenizer
from diffumask_core.prompt.spans import Span
from diffumask_core.units.words import split_words


def described(text: str, tokenizer: Tokenizer) -> UnitInputs:
    return describe_units(text, split_words(text), tokenizer)


class TestUnits:
    def test_each_unit_has_its_tokens(self, tokenizer: Tokenizer) -> None:
        units = described("ab c, d", tokenizer)
        assert units.first_token.tolist() == [0, 2, 3, 4, 5]
        assert [tokenizer.id_to_token(token) for token in units.tokens] == ["a", "##b", "c", ",", "d"]

    def test_a_very_long_unit_is_known_by_its_beginning(self, tokenizer: Tokenizer) -> None:
        units = described("x" * 90 + " b", tokenizer)
        assert units.first_token.tolist() == [0, 16, 17]

    def test_a_unit_may_have_no_tokens(self, tokenizer: Tokenizer) -> None:
        units = described("a \u200b b", tokenizer)
        assert units.first_token.tolist() == [0, 1, 1, 2]

    def test_twins_are_the_same_word_but_for_case(self, tokenizer: Tokenizer) -> None:
        assert described("The dog, the cat, THE end", tokenizer).twins.tolist() == [0, 1, 2, 0, 3, 2, 0, 4]

    def test_words_hold_a_letter_or_a_digit(self, tokenizer: Tokenizer) -> None:
        assert described("one, 2 % é", tokenizer).words.tolist() == [True, False, True, False, True]

    def test_shapes_tell_what_an_uncased_encoder_cannot_see(self, tokenizer: Tokenizer) -> None:
        shapes = described("Anna anna ANNA 12 a12 . a_b\naNna", tokenizer).shapes
        assert len({tuple(row[:7]) for row in shapes}) == 8

    def test_no_units(self, tokenizer: Tokenizer) -> None:
        units = described("  ", tokenizer)
        assert units.first_token.tolist() == [0]
        assert units.shapes.shape == (0, 12)


def letters(space: str) -> Model:
    """A vocabulary of single letters and of the sign that stands for a space."""
    signs = ["?", space, *"abcd,()"]
    return models.BPE({sign: number for number, sign in enumerate(signs)}, [], unk_token="?")


class TestSpaces:
    """A tokenizer that tells words by the space before them sees each unit as it stands in the text."""

    @pytest.mark.parametrize(
        ("space", "split", "normalizer"),
        [
            ("Ġ", pre_tokenizers.ByteLevel(add_prefix_space=False), None),
            ("Ġ", pre_tokenizers.ByteLevel(add_prefix_space=True), None),
            ("▁", pre_tokenizers.Metaspace(prepend_scheme="never"), None),
            ("▁", pre_tokenizers.Metaspace(prepend_scheme="always"), None),
            ("▁", pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]), None),
            ("▁", None, normalizers.Replace(" ", "▁")),
            ("▁", None, normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])),
            ("▁", pre_tokenizers.Metaspace(), normalizers.Sequence([normalizers.NFKC(), normalizers.Strip()])),
        ],
        ids=["bytes", "bytes-prefix", "never", "always", "split", "replace", "prepend", "strip"],
    )
    def test_a_unit_has_its_space(
        self, space: str, split: PreTokenizer | None, normalizer: Normalizer | None, tmp_path: Path
    ) -> None:
        saved = Tokenizer(letters(space))
        if split is not None:
            saved.pre_tokenizer = split
        if normalizer is not None:
            saved.normalizer = normalizer
        saved.save(str(tmp_path / "tokenizer.json"))
        tokenizer = read_tokenizer(tmp_path / "tokenizer.json")
        units = described("ab, (cd)\na", tokenizer)
        tokens = [tokenizer.id_to_token(token) for token in units.tokens]
        runs = ["".join(tokens[start:end]) for start, end in pairwise(units.first_token.tolist())]
        # The first one stands at the beginning of a text, where words have a space too.
        assert runs == [space + "ab", ",", space + "(", "cd", ")", space + "a"]

    def test_it_stays_so_when_it_is_saved(self, tmp_path: Path) -> None:
        saved = Tokenizer(letters("▁"))
        saved.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
        saved.save(str(tmp_path / "first.json"))
        read_tokenizer(tmp_path / "first.json").save(str(tmp_path / "second.json"))
        first, second = (read_tokenizer(tmp_path / f"{name}.json") for name in ("first", "second"))
        assert described("ab, (cd)", first).tokens.tolist() == described("ab, (cd)", second).tokens.tolist()


class TestQuery:
    def test_of_a_long_query_the_end_is_read(self, tokenizer: Tokenizer) -> None:
        query = "why? " * 30 + "how many?"
        read = describe_units(query, query_words(query, tokenizer, 16), tokenizer)
        end = described("how many?", tokenizer)
        assert len(end.tokens) <= len(read.tokens) <= 16
        assert read.tokens[-len(end.tokens) :].tolist() == end.tokens.tolist()

    def test_a_short_query_is_read_whole(self, tokenizer: Tokenizer) -> None:
        assert query_words("how many?", tokenizer, 16).tolist() == split_words("how many?").tolist()

    @given(query=st.text("ab ?é\u200b", max_size=60), most=st.integers(16, 40))
    def test_as_many_words_of_the_end_are_read_as_fit(self, tokenizer: Tokenizer, query: str, most: int) -> None:
        words, all_words = query_words(query, tokenizer, most), split_words(query)
        assert words.tolist() == all_words[len(all_words) - len(words) :].tolist()
        assert len(describe_units(query, words, tokenizer).tokens) <= most
        one_more = all_words[len(all_words) - len(words) - 1 :]
        assert len(words) == len(all_words) or len(describe_units(query, one_more, tokenizer).tokens) > most

    @pytest.mark.parametrize("query", ["", "  "])
    def test_an_empty_query_has_no_words(self, tokenizer: Tokenizer, query: str) -> None:
        assert len(query_words(query, tokenizer, 16)) == 0


def plan(tokens: list[int], blocks: list[Span], room: int, overlap: int = 2, pack: int = 99) -> list[Window]:
    return plan_windows(np.concatenate([[0], np.cumsum(tokens)]), blocks, room, overlap, pack)


class TestWindows:
    def test_what_fits_is_one_window(self) -> None:
        assert plan([1] * 9, [(0, 4), (4, 9)], 9) == [Window(0, 9, 0, 9)]

    def test_blocks_that_fit_are_not_cut(self) -> None:
        windows = plan([1] * 12, [(0, 5), (5, 8), (8, 12)], 8)
        assert windows == [Window(0, 8, 0, 8), Window(8, 12, 8, 12)]

    def test_only_short_blocks_share_a_window(self) -> None:
        windows = plan([1] * 12, [(0, 2), (2, 4), (4, 10), (10, 12)], 8, pack=4)
        assert windows == [Window(0, 4, 0, 4), Window(4, 10, 4, 10), Window(10, 12, 10, 12)]

    def test_a_longer_block_is_read_in_overlapping_windows(self) -> None:
        windows = plan([1] * 20, [(0, 20)], 8, 2)
        assert windows == [Window(0, 8, 0, 7), Window(6, 14, 7, 13), Window(12, 20, 13, 20)]

    def test_a_long_block_stands_alone(self) -> None:
        windows = plan([1] * 16, [(0, 2), (2, 14), (14, 16)], 8, 2)
        assert [(window.start, window.end) for window in windows] == [(0, 2), (2, 10), (8, 14), (14, 16)]

    def test_a_unit_longer_than_a_window_has_one_for_itself(self) -> None:
        windows = plan([1, 30, 1], [(0, 3)], 8)
        assert any((window.start, window.end) == (1, 2) for window in windows)

    def test_no_units(self) -> None:
        assert plan([], [(0, 0)], 8) == []

    @given(st.data())
    def test_every_unit_is_read_exactly_once_in_windows_that_fit(self, data: st.DataObject) -> None:
        tokens = data.draw(st.lists(st.integers(0, 16), max_size=60))
        edges = sorted({0, len(tokens)} | data.draw(st.sets(st.integers(0, len(tokens)), max_size=6)))
        blocks = list(pairwise(edges))
        room = data.draw(st.integers(16, 40))
        windows = plan(tokens, blocks, room, data.draw(st.integers(0, room // 2)), data.draw(st.integers(0, 50)))
        cores = [unit for window in windows for unit in range(window.core_start, window.core_end)]
        assert cores == list(range(len(tokens)))
        for window in windows:
            assert window.start <= window.core_start <= window.core_end <= window.end
            assert sum(tokens[window.start : window.end]) <= room
        for start, end in blocks:
            if 0 < sum(tokens[start:end]) <= room:
                assert any(window.start <= start and end <= window.end for window in windows)


class TestBatch:
    frame = Frame(start=2, end=3, padding=0)

    def test_rows_are_framed_and_padded(self, tokenizer: Tokenizer) -> None:
        units = described("ab c d", tokenizer)
        batch = batch_windows([(units, Window(0, 3, 0, 3)), (units, Window(1, 2, 1, 2))], self.frame)
        tokens = units.tokens.tolist()
        assert batch.input_ids.tolist() == [[2, *tokens, 3], [2, tokens[2], 3, 0, 0, 0]]
        assert batch.unit_of_token.tolist() == [[-1, 0, 0, 1, 2, -1], [-1, 0] + [-1] * 4]
        assert batch.attention_mask.tolist() == [[1] * 6, [1] * 3 + [0] * 3]

    def test_a_tokenizer_without_special_tokens_has_no_frame(self, tokenizer: Tokenizer) -> None:
        units = described("ab c", tokenizer)
        batch = batch_windows([(units, Window(0, 2, 0, 2))], Frame(None, None, 0), length=5)
        assert batch.input_ids.tolist() == [[*units.tokens.tolist(), 0, 0]]
        assert batch.unit_of_token.tolist() == [[0, 0, 1, -1, -1]]

    def test_words_of_a_query_stand_after_those_of_its_text(self) -> None:
        text, query = np.full((3, 2), 1.0, dtype=np.float16), np.full((2, 2), 2.0, dtype=np.float16)
        batch = batch_words([text, text[:1]], [query, query[:0]])
        assert batch.vectors[..., 0].tolist() == [[1, 1, 1, 2, 2], [1, 0, 0, 0, 0]]
        assert batch.roles.tolist() == [[0, 0, 0, 1, 1], [0] * 5]
        assert batch.mask.tolist() == [[1] * 5, [1, 0, 0, 0, 0]]

    @pytest.mark.parametrize(
        ("vocabulary", "frame"),
        [
            (["[PAD]", "[CLS]", "[SEP]"], Frame(1, 2, 0)),
            (["<s>", "<pad>", "</s>"], Frame(0, 2, 1)),
            (["<pad>", "</s>"], Frame(None, 1, 0)),
            (["<pad>", "<eos>", "<bos>"], Frame(2, 1, 0)),
            (["x"], Frame(None, None, 0)),
        ],
        ids=["bert", "roberta", "t5", "gemma", "none"],
    )
    def test_special_tokens_by_the_names_of_their_family(self, vocabulary: list[str], frame: Frame) -> None:
        tokens = {token: number for number, token in enumerate(vocabulary)}
        assert Frame.of(Tokenizer(models.WordLevel(tokens, unk_token="x"))) == frame
        assert frame.tokens == sum(token not in ("[PAD]", "<pad>", "x") for token in vocabulary)
