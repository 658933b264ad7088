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
        block_starts: ``[G]``, the first unit of each block that has any.
    """

    tokens: IntArray
    first_token: IntArray
    shapes: FloatArray
    twins: IntArray
    words: npt.NDArray[np.bool_]
    block_starts: IntArray


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
    if count:
        shapes[:, :_SHAPE_OF_WORD] = np.array([_shape_of(unit) for unit in units], dtype=np.float32)
        gaps = [text[a:b] for a, b in zip([0, *offsets[:-1, 1].tolist()], offsets[:, 0].tolist(), strict=True)]
        shapes[:, _SHAPE_OF_WORD] = [float("\n" in gap) for gap in gaps]
        shapes[:, _SHAPE_OF_WORD + 1] = [float(bool(gap)) for gap in gaps]
        first = np.full(count, count)
        np.minimum.at(first, twins, np.arange(count))
        last = np.full(count, -1)
        np.maximum.at(last, twins, np.arange(count))
        shapes[:, _SHAPE_OF_WORD + 2] = first[twins] < np.arange(count)
        shapes[:, _SHAPE_OF_WORD + 3] = last[twins] > np.arange(count)
    tokens, first_token = _tokenise(units, tokenizer)
    starts = np.array([start for start, end in blocks if start < end], dtype=np.int64)
    return UnitInputs(tokens, first_token, shapes, twins, shapes[:, _SHAPE_OF_WORD - 1] > 0, starts)


def query_tokens(query: str, tokenizer: Tokenizer, most: int) -> IntArray:
    """The query's token ids; of a long query its end, where the question usually stands."""
    return describe_units(query, split_words(query), tokenizer).tokens[-most:]


def _tokenise(units: list[str], tokenizer: Tokenizer) -> tuple[IntArray, IntArray]:
    encoding = tokenizer.encode(units, is_pretokenized=True, add_special_tokens=False)
    ids = np.array(encoding.ids, dtype=np.int64)
    owners = np.array([-1 if word is None else word for word in encoding.word_ids], dtype=np.int64)
    first = np.searchsorted(owners, np.arange(len(units)))
    keep = np.arange(len(ids)) - first[owners] < _MOST_TOKENS_OF_A_UNIT if len(ids) else np.zeros(0, dtype=bool)
    counts = np.bincount(owners[keep], minlength=len(units))
    unknown = owners[keep & np.isin(ids, unknown_tokens(tokenizer))]
    warn_of_unread_scripts(units, counts, np.bincount(unknown, minlength=len(units)))
    return ids[keep], np.concatenate([[0], np.cumsum(counts)])


@dataclass(frozen=True)
class Window:
    """Units ``start`` to ``end`` are read together; the vectors of ``core_start`` to ``core_end`` are used."""

    start: int
    end: int
    core_start: int
    core_end: int


# The most special tokens around a window, and the fewest tokens of text in it, however long the query.
SPECIAL_TOKENS = 3
_LEAST_ROOM = 16


def windows_of(units: UnitInputs, blocks: Sequence[Span], query: IntArray, settings: Settings) -> list[Window]:
    """The windows in which a model reads a text, with the query in each.

    Args:
        units: The text's.
        blocks: Unit ranges that cover all units in order.
        query: Token ids of the query; none where there is none.
        settings: The model's.
    """
    room = max(settings.window_tokens - len(query) - SPECIAL_TOKENS, _LEAST_ROOM)
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
    """The special tokens around a window: ``[start] query [separator] text [end]``; None where there is none."""

    start: int | None
    separator: int | None
    end: int | None
    padding: int

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "Frame":
        """Reads the special tokens off a tokenizer, in BERT's, RoBERTa's or the causal models' names."""

        def first_of(*names: str) -> int | None:
            return next((number for name in names if (number := tokenizer.token_to_id(name)) is not None), None)

        separator = first_of("[SEP]", "</s>", "<eos>", "<|endoftext|>")
        return cls(first_of("[CLS]", "<s>", "<bos>"), separator, separator, first_of("[PAD]", "<pad>") or 0)


@dataclass(frozen=True)
class WindowBatch:
    """Windows as token arrays ``[B, L]``; `unit_of_token` counts from each window's first unit, -1 for no unit."""

    input_ids: IntArray
    token_types: IntArray
    attention_mask: IntArray
    unit_of_token: IntArray


def batch_windows(
    windows: Sequence[tuple[UnitInputs, Window, IntArray]], frame: Frame, length: int | None = None
) -> WindowBatch:
    """Lays windows out as padded token arrays.

    Args:
        windows: For each row the text's units, the window, and the query's token ids (empty for none).
        frame: The special tokens.
        length: L; by default the longest window's.
    """
    rows = [_frame_window(units, window, query, frame) for units, window, query in windows]
    length = length or max(len(ids) for ids, _, _ in rows)
    shape = (len(rows), length)
    batch = WindowBatch(
        np.full(shape, frame.padding, dtype=np.int64),
        np.zeros(shape, dtype=np.int64),
        np.zeros(shape, dtype=np.int64),
        np.full(shape, -1, dtype=np.int64),
    )
    for row, (ids, owners, query_length) in enumerate(rows):
        batch.input_ids[row, : len(ids)] = ids
        batch.token_types[row, :query_length] = 1
        batch.attention_mask[row, : len(ids)] = 1
        batch.unit_of_token[row, : len(ids)] = owners
    return batch


def _frame_window(units: UnitInputs, window: Window, query: IntArray, frame: Frame) -> tuple[IntArray, IntArray, int]:
    def special(token: int | None) -> IntArray:
        return np.array([] if token is None else [token], dtype=np.int64)

    head = special(frame.start)
    if len(query):
        head = np.concatenate([head, query, special(frame.separator)])
    tail = special(frame.end)
    ids = units.tokens[units.first_token[window.start] : units.first_token[window.end]]
    counts = np.diff(units.first_token[window.start : window.end + 1])
    owners = np.repeat(np.arange(window.end - window.start), counts)
    none_before, none_after = np.full(len(head), -1), np.full(len(tail), -1)
    return (
        np.concatenate([head, ids, tail]),
        np.concatenate([none_before, owners, none_after]),
        len(head) if len(query) else 0,
    )
