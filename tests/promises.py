"""What any result is checked for: the guarantees, as functions that the property tests and the fuzzer share."""

import json
import re
import zlib
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

from tiny import tiny_tokenizer

from diffumask_core import BudgetError, CompressionResult, Compressor
from diffumask_core.rendering.marks import Mark
from diffumask_core.tokens import get_counter

Span = tuple[int, int]
Options = dict[str, Any]
Message = dict[str, Any]

# Tokenizers.


def words(text: str) -> int:
    return len(text.split())


def quarters(text: str) -> int:
    return len(text) // 4 + 1


def utf8_bytes(text: str) -> int:
    return len(text.encode())


def silly(text: str) -> int:
    """Neither monotone nor additive."""
    return zlib.crc32(text.encode()) % 60


class Spelling:
    """The tiny tokenizer, with a short name for the report of a failure."""

    tokenizer = tiny_tokenizer()

    def __call__(self, text: str) -> int:
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def __repr__(self) -> str:
        return "spelling"


TOKENIZERS = [words, quarters, utf8_bytes, silly, Spelling()]

# What any result is checked for.


def within_budget(compress: Callable[..., CompressionResult], source: Any, options: Options) -> CompressionResult:
    """Compresses; where what is protected is too long, checks that the error says so and takes the best effort."""
    result = compress(source, **options, on_overflow="best_effort")
    if min(result.protected_tokens, result.original_tokens) > result.budget:
        assert "target_tokens" in options, "A share never fails."
        error = overflow(compress, source, options)
        assert (error.budget, error.protected_tokens) == (result.budget, result.protected_tokens)
        assert result.compressed_tokens == result.protected_tokens
    else:
        assert result.compressed_tokens <= result.budget
    return result


def overflow(compress: Callable[..., CompressionResult], source: Any, options: Options) -> BudgetError:
    """The error of a compression whose protected text is too long."""
    try:
        compress(source, **options)
    except BudgetError as error:
        return error
    raise AssertionError("What is protected is too long, and no error says so.")


def joints(result: CompressionResult) -> Iterator[tuple[int, int, str]]:
    """Reads a text back: kept pieces of the source in order, between them white space and marks, and nothing else.

    Yields:
        Where one piece ends in the source, where the next one begins, and what parts the two in the text.
    """
    marks, position, before = list(result.marks), 0, -1
    for start, end in [*result.spans, (len(result.source) + 1, len(result.source) + 1)]:
        placed = []
        while marks and marks[0].span[0] < start:
            placed.append(marks.pop(0).text)
        # Within JSON a mark is an element with its comma, and a line break is an escape.
        space = r"(?:[\s,]|\\+[rn])*?" if placed or in_json(result, before) else r"\s*?"
        gap = space + "".join(re.escape(mark) + space for mark in placed)
        piece = re.escape(result.source[start:end]) if end <= len(result.source) else r"\Z"
        found = re.compile(f"({gap}){piece}").match(result.text, position)
        assert found, f"{result.text[position : position + 40]!r} is not from the source at {start}"
        if before >= 0 and end <= len(result.source):
            yield before, start, found[1]
        position, before = found.end(), end
    assert not marks


def in_json(result: CompressionResult, position: int) -> bool:
    """Whether a place of the source is inside JSON."""
    inner = (region for outer in result.regions for region in outer.walk())
    return any(region.kind.startswith("json") and region.span[0] < position <= region.span[1] for region in inner)


def assert_extractive(result: CompressionResult) -> None:
    assert all(0 <= start < end <= len(result.source) for start, end in result.spans)
    assert all(before[1] <= after[0] for before, after in pairwise(result.spans))
    for before, after, gap in joints(result):
        between = result.source[before:after]
        assert re.search(r"\s", gap) or in_json(result, after) or not between, f"{between!r} is gone without a space"


def comes_out(result: CompressionResult, span: Span) -> bool:
    """Whether the text of a span, but for white space at its ends, is unbroken in the result."""
    part = result.source[slice(*span)]
    start = span[0] + len(part) - len(part.lstrip())
    end = span[1] - len(part) + len(part.rstrip())
    return start >= end or any(first <= start and end <= last for first, last in result.spans)


# Exact.

_TRAIT = re.compile(r"[\d/@_\\]|::")
# Runs without white space, of Latin script; long dashes and ellipses part words too.
_CHUNK = re.compile(r"[!-~\u00a1-\u00ac\u00ae-\u024f€№–’]+")


def exact_chunks(text: str) -> set[str]:
    """The chunks of a text that hold something exact, without the punctuation around them."""
    chunks = (chunk.strip(".,;:!?()[]{}\"'`") for chunk in _CHUNK.findall(text))
    return {chunk for chunk in chunks if _TRAIT.search(chunk)}


def without_marks(result: CompressionResult, but: str = "-") -> str:
    """The text without marks, but for those that begin with a character."""
    text = result.text
    for mark in result.marks:
        if not mark.text.startswith(but):
            text = text.replace(mark.text, " ", 1)
    return text


def lines_of(text: str, offset: int = 0) -> list[Span]:
    """The lines of a text that are not blank."""
    return [
        (offset + match.start(), offset + match.end()) for match in re.finditer(r"[^\n]+", text) if match[0].strip()
    ]


def touched(result: CompressionResult, span: Span) -> bool:
    """Whether anything of a span is kept."""
    number = bisect_right(result.spans, (span[0], len(result.source)))
    near = result.spans[max(number - 1, 0) : number + 1]
    return any(max(start, span[0]) < min(end, span[1]) for start, end in near)


# JSON.


def assert_true(part: Any, whole: Any, result: CompressionResult) -> None:
    """Checks that a JSON value is another one with something left out, and says so where records or lines went."""
    assert is_within(part, whole, {said_by(mark) for mark in result.marks})


def said_by(mark: Mark) -> str:
    """The words of a mark, which in JSON stand in quotes, and of members of an object behind a key."""
    if mark.noun == "member":
        return str(next(iter(json.loads(f"{{{mark.text}}}".replace('\\"', '"')).values())))
    return str(json.loads(mark.text)) if mark.text.startswith('"') else mark.text


def is_within(part: Any, whole: Any, marks: set[str]) -> bool:
    if isinstance(whole, dict) and isinstance(part, dict):
        left = {key: inner for key, inner in part.items() if not (key == "…" and inner in marks)}
        return all(key in whole and is_within(inner, whole[key], marks) for key, inner in left.items())
    if isinstance(whole, list) and isinstance(part, list):
        rest = iter(whole)
        left = [inner for inner in part if not (isinstance(inner, str) and inner in marks)]
        # A list of few plain values stays or goes whole, and one of many loses items where a mark says so.
        is_plain = not any(isinstance(inner, dict | list) for inner in whole)
        if left and is_plain and (len(whole) < 16 or len(left) == len(part)):
            return len(part) == len(whole) and all(map(is_within, part, whole, [marks] * len(whole)))
        return all(any(is_within(inner, other, marks) for other in rest) for inner in left)
    if isinstance(whole, str) and isinstance(part, str):
        for mark in marks:
            part = part.replace(mark, "")
        rest = iter("".join(whole.split()))
        return all(letter in rest for letter in "".join(part.split()))
    return type(part) is type(whole) and part == whole


# Messages.


def sent_texts(messages: list[Message]) -> list[str]:
    """The texts of messages in any of the formats that are counted, in order."""
    texts: list[str] = []

    def add(content: Any) -> None:
        for part in content if isinstance(content, list) else [{"type": "text", "text": content}]:
            if part["type"] == "tool_use":
                texts.extend([part["name"], json.dumps(part["input"], ensure_ascii=False)])
            elif part["type"] == "tool_result":
                add(part["content"])
            else:
                texts.append(part.get("text"))

    for message in messages:
        add(message.get("content"))
        for call in [call["function"] for call in message.get("tool_calls", ())] + [message]:
            texts += [call.get("name"), call.get("arguments")]
        add(message.get("output"))
    return [text for text in texts if text]


def outline(value: Any) -> Any:
    """A message without the texts that can be shortened."""
    if isinstance(value, list):
        return [outline(each) for each in value]
    if isinstance(value, dict):
        shown = {key: outline(each) for key, each in value.items() if key not in ("arguments", "input")}
        return {**shown, **{key: value[key] for key in ("arguments", "input") if key in value}} | {
            key: bool(value[key].strip()) for key in ("content", "text", "output") if isinstance(value.get(key), str)
        }
    return value


def ids(messages: list[Message], *keys: str) -> list[str]:
    """The ids of calls, or those of their results."""
    blocks = [part for each in messages if isinstance(each.get("content"), list) for part in each["content"]]
    calls = [call for message in messages for call in message.get("tool_calls", ())]
    found = [
        block[key]
        for block in [*messages, *blocks, *calls]
        for key in keys
        if key in block and block.get("type") not in ("function_call_output",) * (keys[0] == "id")
    ]
    return sorted(found)


def of_system(messages: list[Message]) -> list[Message]:
    return [message for message in messages if message.get("role") in ("system", "developer")]


def assert_messages_hold(
    compressor: Compressor, messages: list[Message], keep: Collection[int], options: Options
) -> CompressionResult:
    """Checks that messages are shortened within the budget, stay valid, and change in nothing but their texts."""
    result = within_budget(partial(compressor.compress_messages, keep=keep), messages, options)
    left = result.messages
    assert left is not None
    counter = get_counter(options["tokenizer"])
    assert result.original_tokens == sum(map(counter.count, sent_texts(messages)))
    assert result.compressed_tokens == sum(map(counter.count, sent_texts(left)))
    assert_extractive(result)
    rest = iter(map(outline, messages))
    assert all(any(outline(message) == other for other in rest) for message in left)
    assert all(messages[index] in left for index in keep)
    if not options.get("compress_instructions"):
        assert of_system(left) == of_system(messages)
    calls = "id", "call_id"
    results = "tool_call_id", "tool_use_id", "call_id"
    assert ids([each for each in left if each.get("type") != "function_call_output"], *calls) == ids(
        [each for each in left if each.get("type") != "function_call"], *results
    )
    return result
