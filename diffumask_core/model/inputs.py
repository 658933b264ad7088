"""What the network sees of a text: each unit's tokens, shape and twins, and the windows that the encoder reads."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from diffumask_core.model.scripts import unknown_tokens, warn_of_unread_scripts
from diffumask_core.model.settings import Settings
from diffumask_core.prompt.spans import Span
from diffumask_core.units.words import split_words

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
Vectors = npt.NDArray[np.floating]
"""In any precision."""

# A unit of many tokens (a long URL, a base64 blob) is recognised by its beginning.
_MOST_TOKENS_OF_A_UNIT = 16
_LONGEST_REMEMBERED = 64  # characters
_SHAPE_OF_WORD = 8
SHAPE_FEATURES = _SHAPE_OF_WORD + 4
# Half of a pair of UTF-16 units, as a text has it that was cut between the two. A tokenizer takes no such text.
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class UnitInputs:
    """The units of one text (N) as the network is given them.

    Attributes:
        tokens: Token ids of all units, one after the other.
        first_token: ``[N + 1]``, where each unit's tokens begin in `tokens`.
        shapes: ``[N, SHAPE_FEATURES]``: what an uncased encoder cannot see.
        twins: ``[N]``, equal numbers below N for units of one block that are the same word but for case.
        words: ``[N]``, whether the unit holds a letter or a digit.
    """

    tokens: IntArray
    first_token: IntArray
    shapes: FloatArray
    twins: IntArray
    words: npt.NDArray[np.bool_]


def _word_shape(unit: str) -> tuple[float, ...]:
    digits = sum(character.isdigit() for character in unit)
    letters = sum(character.isalpha() for character in unit)
    return (
        float(unit[0].isupper()),
        float(letters > 1 and unit.isupper()),
        float(digits > 0 and letters == 0),
        float(digits > 0 and letters > 0),
        float(digits == 0 and letters == 0),
        float("_" in unit[1:-1] or (letters > 1 and not unit.islower() and not unit.isupper() and not unit.istitle())),
        math.log1p(len(unit)),
        float(letters > 0 or digits > 0),
    )


_short_word_shape = lru_cache(maxsize=65536)(_word_shape)


def _shape_of(unit: str) -> tuple[float, ...]:
    # A longer word, such as an encoded file, hardly comes again, and a server would hold thousands of them.
    return _short_word_shape(unit) if len(unit) <= _LONGEST_REMEMBERED else _word_shape(unit)


def describe_units(
    text: str, offsets: IntArray, tokenizer: Tokenizer, blocks: Sequence[Span] | None = None
) -> UnitInputs:
    """Tokenises units and describes their shapes.

    Args:
        text: The text.
        offsets: ``[N, 2]``, its units.
        tokenizer: The encoder's.
        blocks: Ranges of units that cover them in order; a word has twins only in its own block, since what another
            shot says may be gone with that shot. By default all is one block.
    """
    text = _LONE_SURROGATE.sub("\ufffd", text)
    units = [text[start:end] for start, end in offsets.tolist()]
    count = len(units)
    blocks = blocks or [(0, count)]
    numbers: dict[tuple[int, str], int] = {}
    twins = np.array(
        [
            numbers.setdefault((block, unit.lower()), len(numbers))
            for block, (start, end) in enumerate(blocks)
            for unit in units[start:end]
        ],
        dtype=np.int64,
    )
    shapes = np.zeros((count, SHAPE_FEATURES), dtype=np.float32)
    ends = [0, *offsets[:-1, 1].tolist()] if count else []
    gaps = [text[end:start] for end, start in zip(ends, offsets[:, 0].tolist(), strict=True)]
    if count:
        shapes[:, :_SHAPE_OF_WORD] = np.array([_shape_of(unit) for unit in units], dtype=np.float32)
        shapes[:, _SHAPE_OF_WORD] = [float("\n" in gap) for gap in gaps]
        shapes[:, _SHAPE_OF_WORD + 1] = [float(bool(gap)) for gap in gaps]
        first = np.full(count, count)
        np.minimum.at(first, twins, np.arange(count))
        last = np.full(count, -1)
        np.maximum.at(last, twins, np.arange(count))
        shapes[:, _SHAPE_OF_WORD + 2] = first[twins] < np.arange(count)
        shapes[:, _SHAPE_OF_WORD + 3] = last[twins] > np.arange(count)
    # A tokenizer that tells words by the space before them reads each as it stands in the text.
    pairs = zip(gaps, units, strict=True)
    spaced = [" " + unit if gap or not number else unit for number, (gap, unit) in enumerate(pairs)]
    tokens, first_token = _tokenise(units, spaced, tokenizer)
    return UnitInputs(tokens, first_token, shapes, twins, shapes[:, _SHAPE_OF_WORD - 1] > 0)


def query_words(query: str, tokenizer: Tokenizer, most: int) -> IntArray:
    """The words of a query ``[N, 2]``; of a long query those of its end, where the question usually stands.

    Args:
        query: The query; it may be empty.
        tokenizer: The encoder's.
        most: The most tokens.
    """
    offsets = split_words(query)
    first_token = describe_units(query, offsets, tokenizer).first_token
    return offsets[int(np.searchsorted(first_token, first_token[-1] - most)) :]


def _tokenise(units: list[str], spaced: list[str], tokenizer: Tokenizer) -> tuple[IntArray, IntArray]:
    encoding = tokenizer.encode(spaced, is_pretokenized=True, add_special_tokens=False)
    ids = np.array(encoding.ids, dtype=np.int64)
    owners = np.array([-1 if word is None else word for word in encoding.word_ids], dtype=np.int64)
    first = np.searchsorted(owners, np.arange(len(units)))
    keep = np.arange(len(ids)) - first[owners] < _MOST_TOKENS_OF_A_UNIT if len(ids) else np.zeros(0, dtype=bool)
    counts = np.bincount(owners[keep], minlength=len(units))
    unknown = owners[keep & np.isin(ids, unknown_tokens(tokenizer))]
    warn_of_unread_scripts([unit.lstrip(" ") for unit in units], counts, np.bincount(unknown, minlength=len(units)))
    return ids[keep], np.concatenate([[0], np.cumsum(counts)])


@dataclass(frozen=True)
class Window:
    """Units ``start`` to ``end`` are read together; the vectors of ``core_start`` to ``core_end`` are used."""

    start: int
    end: int
    core_start: int
    core_end: int


# The most special tokens around a window, and the fewest tokens of text in it.
SPECIAL_TOKENS = 2
_LEAST_ROOM = 16


def windows_of(units: UnitInputs, blocks: Sequence[Span], settings: Settings) -> list[Window]:
    """The windows in which a model reads a text.

    Args:
        units: The text's.
        blocks: Unit ranges that cover all units in order.
        settings: The model's.
    """
    room = max(settings.window_tokens - SPECIAL_TOKENS, _LEAST_ROOM)
    return plan_windows(
        units.first_token, blocks, room, min(settings.window_overlap, room // 2), settings.packed_tokens
    )


def plan_windows(first_token: IntArray, blocks: Sequence[Span], room: int, overlap: int, pack: int) -> list[Window]:
    """Lays blocks of units out in windows of at most ``room`` tokens.

    Blocks that fit are never cut, so a shot is read whole, and short ones share a window. A longer block is read in
    overlapping windows, and each of its units is taken from the window in which it stands farther from the edge.

    Args:
        first_token: ``[N + 1]``, see `UnitInputs`.
        blocks: Unit ranges that cover all units in order.
        room: The most tokens of a window.
        overlap: Tokens that neighbouring windows of one block share.
        pack: The most tokens of a window of several blocks.
    """
    windows: list[Window] = []
    open_start = open_end = 0
    for start, end in blocks:
        if first_token[end] - first_token[open_start] <= min(pack, room):
            open_end = end
            continue
        if open_end > open_start:
            windows.append(Window(open_start, open_end, open_start, open_end))
        if first_token[end] - first_token[start] > room:
            windows.extend(_cut_block(first_token, start, end, room, overlap))
            open_start = open_end = end
        else:
            open_start, open_end = start, end
    if open_end > open_start:
        windows.append(Window(open_start, open_end, open_start, open_end))
    return windows


def _cut_block(first_token: IntArray, start: int, end: int, room: int, overlap: int) -> list[Window]:
    windows: list[Window] = []
    begin = core = start
    while True:
        stop = int(np.searchsorted(first_token, first_token[begin] + room, side="right")) - 1
        stop = min(max(stop, begin + 1), end)
        if stop == end:
            windows.append(Window(begin, end, core, end))
            return windows
        following = int(np.searchsorted(first_token, first_token[stop] - overlap))
        following = min(max(following, begin + 1), stop)
        middle = (following + stop) // 2
        windows.append(Window(begin, stop, core, middle))
        begin, core = following, middle


@dataclass(frozen=True)
class Frame:
    """The special tokens around a window: ``[start] text [end]``; None where there is none."""

    start: int | None
    end: int | None
    padding: int

    @property
    def tokens(self) -> int:
        """How many special tokens there are around a window."""
        return sum(token is not None for token in (self.start, self.end))

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "Frame":
        """Reads the special tokens off a tokenizer, in BERT's, RoBERTa's or the causal models' names."""

        def first_of(*names: str) -> int | None:
            return next((number for name in names if (number := tokenizer.token_to_id(name)) is not None), None)

        end = first_of("[SEP]", "</s>", "<eos>", "<|endoftext|>")
        return cls(first_of("[CLS]", "<s>", "<bos>"), end, first_of("[PAD]", "<pad>") or 0)


@dataclass(frozen=True)
class WindowBatch:
    """Windows as token arrays ``[B, L]``; `unit_of_token` counts from each window's first unit, -1 for no unit."""

    input_ids: IntArray
    attention_mask: IntArray
    unit_of_token: IntArray


def batch_windows(windows: Sequence[tuple[UnitInputs, Window]], frame: Frame, length: int | None = None) -> WindowBatch:
    """Lays windows out as padded token arrays.

    Args:
        windows: For each row the text's units and the window.
        frame: The special tokens.
        length: L; by default the longest window's.
    """
    rows = [_frame_window(units, window, frame) for units, window in windows]
    length = length or max(len(ids) for ids, _ in rows)
    shape = (len(rows), length)
    batch = WindowBatch(
        np.full(shape, frame.padding, dtype=np.int64),
        np.zeros(shape, dtype=np.int64),
        np.full(shape, -1, dtype=np.int64),
    )
    for row, (ids, owners) in enumerate(rows):
        batch.input_ids[row, : len(ids)] = ids
        batch.attention_mask[row, : len(ids)] = 1
        batch.unit_of_token[row, : len(ids)] = owners
    return batch


def _frame_window(units: UnitInputs, window: Window, frame: Frame) -> tuple[IntArray, IntArray]:
    def special(token: int | None) -> IntArray:
        return np.array([] if token is None else [token], dtype=np.int64)

    head, tail = special(frame.start), special(frame.end)
    ids = units.tokens[units.first_token[window.start] : units.first_token[window.end]]
    counts = np.diff(units.first_token[window.start : window.end + 1])
    owners = np.repeat(np.arange(window.end - window.start), counts)
    return np.concatenate([head, ids, tail]), np.concatenate([np.full(len(head), -1), owners, np.full(len(tail), -1)])


@dataclass(frozen=True)
class WordBatch:
    """Vectors of words side by side, those of texts and of queries.

    Attributes:
        vectors: ``[B, U, D]``.
        roles: ``[B, U]``, 1 for words of a query.
        mask: ``[B, U]``, 0 for padding.
    """

    vectors: FloatArray
    roles: IntArray
    mask: FloatArray


def batch_words(texts: Sequence[Vectors], queries: Sequence[Vectors], length: int | None = None) -> WordBatch:
    """Lays the vectors of texts ``[_, D]`` out, each with those of its query after them.

    Args:
        texts: For each row the vectors of its text.
        queries: For each row those of its query; none where there is none.
        length: U; by default the longest row's.
    """
    length = length or max(len(text) + len(query) for text, query in zip(texts, queries, strict=True))
    shape = (len(texts), length)
    batch = WordBatch(
        np.zeros((*shape, texts[0].shape[1]), dtype=np.float32),
        np.zeros(shape, dtype=np.int64),
        np.zeros(shape, dtype=np.float32),
    )
    for row, (text, query) in enumerate(zip(texts, queries, strict=True)):
        end = len(text) + len(query)
        batch.vectors[row, : len(text)] = text
        batch.vectors[row, len(text) : end] = query
        batch.roles[row, len(text) : end] = 1
        batch.mask[row, :end] = 1
    return batch
