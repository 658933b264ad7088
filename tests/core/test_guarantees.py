"""The guarantees of the design, as properties: for any text, structure, budget and tokenizer."""

import json
import logging
import re
import zlib
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from conftest import tiny_tokenizer
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from diffumask_core import BudgetError, CompressionResult, Compressor, Prompt, Shot
from diffumask_core.prompt.parse import parse_layout
from diffumask_core.prompt.protect import protected_spans
from diffumask_core.tokens import get_counter

Span = tuple[int, int]
Options = dict[str, Any]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Without the warnings of best effort, which would fill the report of a failure."""
    caplog.set_level(logging.ERROR, "diffumask")


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


TOKENIZERS = [words, quarters, utf8_bytes, silly, tiny_tokenizer()]


# Texts.

CHUNKS = [
    *["\n", "\n\n", " ", "\t", "\r\n", ".", ",", "(", ")", '"', "'", "-", "—", "...", "1,200.50", "3:45", "x"],
    *["Q: ", "A: ", "Question: ", "Answer: ", "### Input\n", "Document [1] ", "<example>", "</example>", "Label: yes"],
    *["The answer is 4.", "don't", "well-known", "HAT111", "#### 72", "---\n", "1. ", "User: ", "\\boxed{7}"],
    *["{name}", "{{ user.name }}", "{% if x %}", "https://a.example/b?c=1,", "www.b.example", "```\nx = 1\n```\n"],
    *["```", '{"a": 1, "b": [true, null]}', '[{"k": "v"}]', "{", "}", "[", "]", '{"t": "a b c d e f g h i j"}'],
    *["😀", "👩‍👩‍👧", "🇩🇪", "שלום עולם", "مرحبا", "日本語の文章", "한국어", "ไทย", "é", "\u202e", "\u200b", "\ufeff"],
    *["\x00", "\x1c", "\x7f", "\x85", "\u2028", "\u0600", "\u0301"],
]
ANY_TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200),
    st.lists(st.sampled_from(CHUNKS), min_size=1, max_size=60).map("".join),
    st.lists(st.sampled_from([*CHUNKS, "the", "of", "seven", "Anna"]), min_size=1, max_size=60).map(" ".join),
)

PLAIN_WORDS = [
    *["the", "a", "not", "tall", "Anna", "Paris", "river", "bought", "sold", "because", "quickly", "apples"],
    *["12", "3.5", "$4", "50%", "日本", "élan", "😀"],
]
SENTENCE = st.lists(st.sampled_from(PLAIN_WORDS), min_size=3, max_size=25).map(" ".join)
STAYS_WHOLE = st.sampled_from(
    ["{name}", "{{ user.name }}", "https://a.example/b?c=1&d=2", "```\nprint(1)\n\nprint(2)\n```", "{price:.2f}"]
)


class Structured:
    """A few-shot prompt, and what must come out of it."""

    def __init__(self, prompt: str | Prompt, shots: list[list[str]], query: str) -> None:
        self.prompt = prompt
        self.shots = shots  # of each shot its markers and answer, in order
        self.query = query

    def __repr__(self) -> str:
        return repr(self.prompt)


@st.composite
def chains_of_thought(draw: st.DrawFn) -> Structured:
    answers = draw(st.lists(st.integers(0, 9999), min_size=2, max_size=5))
    blocks, kept = [], []
    for answer in answers:
        blocks.append(f"Q: {draw(SENTENCE)}?\nA: {draw(SENTENCE)}. The answer is {answer}.")
        kept.append(["Q:", "A:", f"The answer is {answer}."])
    query = f"Q: {draw(SENTENCE)}?\nA:"
    return Structured("\n\n".join([*blocks, query]), kept, query)


@st.composite
def classifications(draw: st.DrawFn) -> Structured:
    labels = draw(st.lists(st.sampled_from(["positive", "negative", "very mixed"]), min_size=2, max_size=5))
    blocks = [f"Review: {draw(SENTENCE)}\nSentiment: {label}" for label in labels]
    query = f"Review: {draw(SENTENCE)}\nSentiment:"
    prompt = f"Say what {draw(SENTENCE)}.\n\n" + "\n\n".join([*blocks, query])
    return Structured(prompt, [["Review:", f"Sentiment: {label}"] for label in labels], query)


@st.composite
def retrieved_documents(draw: st.DrawFn) -> Structured:
    count = draw(st.integers(2, 5))
    heads = [f"Document [{number}]" for number in range(1, count + 1)]
    blocks = [f"{head}(Title: {draw(SENTENCE)}) {draw(SENTENCE)}." for head in heads]
    query = f"Question: {draw(SENTENCE)}?\nAnswer:"
    return Structured("\n\n".join([*blocks, query]), [[head] for head in heads], query)


@st.composite
def prompt_objects(draw: st.DrawFn) -> Structured:
    shots, kept = [], []
    for answer in draw(st.lists(SENTENCE, max_size=4)):
        question, rationale = draw(SENTENCE), draw(st.none() | SENTENCE)
        shots.append(Shot(question=question, rationale=rationale, answer=answer))
        kept.append(["Q:", "A:", answer])
    query = draw(SENTENCE)
    return Structured(Prompt(draw(st.just("") | SENTENCE), shots, query), kept, query)


STRUCTURED = st.one_of(chains_of_thought(), classifications(), retrieved_documents(), prompt_objects())


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    text = st.one_of(SENTENCE, ANY_TEXT)
    messages: list[dict[str, Any]] = [{"role": "system", "content": draw(SENTENCE)}] if draw(st.booleans()) else []
    for turn in range(draw(st.integers(0, 4))):
        messages.append({"role": "user", "content": draw(text)})
        if draw(st.booleans()):
            function = {"name": "look_up", "arguments": json.dumps({"of": draw(SENTENCE), "n": turn})}
            call = {"id": f"call-{turn}", "type": "function", "function": function}
            messages.append({"role": "assistant", "content": draw(st.none() | text), "tool_calls": [call]})
            messages.append({"role": "tool", "tool_call_id": f"call-{turn}", "content": draw(text)})
        messages.append({"role": "assistant", "content": draw(text | st.sampled_from(["yes", "Sports"]))})
    parts = [{"type": "text", "text": draw(text)}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    return [*messages, {"role": "user", "content": draw(text | st.just(parts))}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 9999) | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "a\nb", 'say "x"', "<example>x</example>", "Q: x", "{x}", "日本"]) | SENTENCE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


# Options.

BUDGET = st.one_of(
    st.builds(dict, keep_rate=st.floats(0.01, 1)),
    st.builds(dict, target_tokens=st.integers(1, 250)),
)
HOW = st.fixed_dictionaries(
    {"tokenizer": st.sampled_from(TOKENIZERS)},
    optional={
        "steps": st.sampled_from([1, 3]),
        "query": st.sampled_from(["who sold the apples?", "the", "日本"]),
        "shot_level": st.booleans(),
        "token_level": st.booleans(),
        "compress_instructions": st.booleans(),
        "compress_query": st.booleans(),
        "min_shots": st.integers(0, 3),
    },
)
OPTIONS = st.builds(lambda budget, how: {**budget, **how}, BUDGET, HOW)


def property_test(examples: int) -> Callable[[Any], Any]:
    # The fixtures hold no state, and nothing here depends on time.
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


def within_budget(compress: Callable[..., CompressionResult], source: Any, options: Options) -> CompressionResult:
    """Compresses; where what is protected is too long, checks that the error says so and takes the best effort."""
    result = compress(source, **options, on_overflow="best_effort")
    if min(result.protected_tokens, result.original_tokens) > result.budget:
        with pytest.raises(BudgetError) as raised:
            compress(source, **options)
        assert (raised.value.budget, raised.value.protected_tokens) == (result.budget, result.protected_tokens)
        assert result.compressed_tokens == result.protected_tokens
    else:
        assert compress(source, **options) == result
    return result


def limit(result: CompressionResult) -> int:
    """The budget; where the protected text alone is longer, that."""
    return max(result.budget, result.protected_tokens)


def assert_extractive(result: CompressionResult) -> None:
    assert all(0 <= start < end <= len(result.source) for start, end in result.spans)
    assert all(before[1] <= after[0] for before, after in pairwise(result.spans))
    kept = [result.source[start:end] for start, end in result.spans]
    assert "".join(result.text.split()) == "".join("".join(kept).split())
    position = 0
    for part in kept:
        found = result.text.find(part, position)
        assert found >= 0, f"{part!r} was changed"
        position = found + len(part)


def comes_out(result: CompressionResult, span: Span) -> bool:
    """Whether the text of a span, but for white space at its ends, is unbroken in the result."""
    part = result.source[slice(*span)]
    start = span[0] + len(part) - len(part.lstrip())
    end = span[1] - len(part) + len(part.rstrip())
    return start >= end or any(first <= start and end <= last for first, last in result.spans)


# 1, 2 and 5: budget, extraction, idleness.


@property_test(250)
@given(text=ANY_TEXT, options=OPTIONS)
def test_any_text_keeps_to_the_budget(compressor: Compressor, text: str, options: Options) -> None:
    result = within_budget(compressor.compress, text, options)
    counter = get_counter(options["tokenizer"])
    assert result.source == text
    assert result.original_tokens == counter.count(text)
    assert result.compressed_tokens == (counter.count(result.text) if result.text else 0)
    assert result.compressed_tokens <= limit(result)
    assert result.budget == options.get("target_tokens", result.budget)
    assert result.counter == counter.name
    assert_extractive(result)
    if result.original_tokens <= result.budget:
        assert result.text == text


@property_test(150)
@given(given_prompt=STRUCTURED, options=OPTIONS)
def test_any_structure_keeps_to_the_budget(compressor: Compressor, given_prompt: Structured, options: Options) -> None:
    prompt = given_prompt.prompt
    result = within_budget(compressor.compress, prompt, options)
    counter = get_counter(options["tokenizer"])
    assert result.source == (prompt.text if isinstance(prompt, Prompt) else prompt)
    assert result.compressed_tokens == counter.count(result.text) <= limit(result)
    assert len(result.shots) == len(given_prompt.shots)
    assert sum(shot.fate != "dropped" for shot in result.shots) >= min(options.get("min_shots", 0), len(result.shots))
    assert_extractive(result)


@property_test(150)
@given(messages=conversations(), options=OPTIONS)
def test_any_conversation_keeps_to_the_budget(
    compressor: Compressor, messages: list[dict[str, Any]], options: Options
) -> None:
    assume(any(text.strip() for text in sent_texts(messages)))
    result = within_budget(compressor.compress_messages, messages, options)
    counter = get_counter(options["tokenizer"])
    assert result.messages is not None
    assert result.original_tokens == sum(map(counter.count, sent_texts(messages)))
    assert result.compressed_tokens == sum(map(counter.count, filter(None, sent_texts(result.messages))))
    assert result.compressed_tokens <= limit(result)
    assert_extractive(result)
    if result.original_tokens <= result.budget:
        assert result.messages == messages


def sent_texts(messages: list[dict[str, Any]]) -> list[str]:
    texts = []
    for message in messages:
        content = message["content"]
        parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
        texts += [part["text"] for part in parts if part["type"] == "text"]
        texts += [call["function"][key] for call in message.get("tool_calls", ()) for key in ("name", "arguments")]
    return [text for text in texts if text]


@property_test(60)
@given(text=ANY_TEXT, how=HOW, room=st.integers(0, 5))
def test_a_text_within_the_budget_comes_back_byte_for_byte(
    compressor: Compressor, text: str, how: Options, room: int
) -> None:
    tokens = get_counter(how["tokenizer"]).count(text)
    result = compressor.compress(text, **how, target_tokens=tokens + room or 1)
    assert result.text == text
    assert result.compressed_tokens == result.original_tokens == tokens


@property_test(60)
@given(given_prompt=STRUCTURED, how=HOW)
def test_the_whole_rate_changes_nothing(compressor: Compressor, given_prompt: Structured, how: Options) -> None:
    assume(how["tokenizer"] is not silly)
    result = compressor.compress(given_prompt.prompt, **how, keep_rate=1.0)
    assert result.text == result.source


# 3: protection.


@property_test(120)
@given(given_prompt=STRUCTURED, options=OPTIONS)
def test_markers_answers_and_query_come_out(compressor: Compressor, given_prompt: Structured, options: Options) -> None:
    result = within_budget(compressor.compress, given_prompt.prompt, options)
    assert given_prompt.query in result.text or options.get("compress_query")
    assert len(result.shots) == len(given_prompt.shots)
    for shot, parts in zip(result.shots, given_prompt.shots, strict=True):
        position = shot.span[0]
        for part in parts[:-1]:
            position = result.source.index(part, position)
            assert comes_out(result, (position, position + len(part))) or shot.fate == "dropped"
        last = result.source.rindex(parts[-1], *shot.span)
        assert comes_out(result, (last, last + len(parts[-1]))) or shot.fate == "dropped"
        if shot.fate == "dropped":
            assert all(end <= shot.span[0] or start >= shot.span[1] for start, end in result.spans)
            assert shot.compressed_tokens == 0


@property_test(80)
@given(before=SENTENCE, whole=st.lists(STAYS_WHOLE, min_size=1, max_size=3), after=SENTENCE, options=OPTIONS)
def test_variables_links_and_code_come_out(
    compressor: Compressor, before: str, whole: list[str], after: str, options: Options
) -> None:
    text = f"{before}\n" + f"\n{after}\n".join(whole) + f"\n{after}"
    result = within_budget(compressor.compress, text, options)
    position = 0
    for part in whole:
        position = result.text.find(part, position)
        assert position >= 0
        position += len(part)


@property_test(120)
@given(text=ANY_TEXT, options=OPTIONS)
def test_what_any_text_marks_as_protected_comes_out(compressor: Compressor, text: str, options: Options) -> None:
    result = within_budget(compressor.compress, text, options)
    assert [span for span in protected_spans(text) if not comes_out(result, span)] == []


@property_test(150)
@given(text=ANY_TEXT, options=OPTIONS, data=st.data())
def test_what_the_user_names_comes_out(
    compressor: Compressor, text: str, options: Options, data: st.DataObject
) -> None:
    def part_of_text() -> Span:
        start = data.draw(st.integers(0, len(text) - 1))
        return start, data.draw(st.integers(start + 1, min(len(text), start + 30)))

    span, (first, last), (begin, end) = part_of_text(), part_of_text(), part_of_text()
    string, pattern = text[first:last], re.compile(re.escape(text[begin:end]))
    result = within_budget(compressor.compress, text, {**options, "protect": [span, string, pattern]})
    assert comes_out(result, span)
    assert comes_out(result, (text.index(string), text.index(string) + len(string)))
    assert all(comes_out(result, match.span()) for match in pattern.finditer(text))


@property_test(120)
@given(value=JSON, options=OPTIONS, indent=st.sampled_from([None, 2]))
def test_json_stays_valid(compressor: Compressor, value: Any, options: Options, indent: int | None) -> None:
    source = json.dumps(value, indent=indent, ensure_ascii=False)
    assume(source[0] in "[{")
    result = within_budget(compressor.compress, source, options)
    assert is_within(json.loads(result.text), value)


@property_test(80)
@given(value=st.dictionaries(SENTENCE, JSON, min_size=1, max_size=4), options=OPTIONS, around=SENTENCE)
def test_json_in_a_text_stays_valid(compressor: Compressor, value: Any, options: Options, around: str) -> None:
    source = f"{around}:\n{json.dumps(value)}\n{around}"
    result = within_budget(compressor.compress, source, options)
    left = result.text[result.text.index("{") : result.text.rindex("}") + 1]
    assert is_within(json.loads(left), value)


def is_within(part: Any, whole: Any) -> bool:
    """Whether a JSON value is another one with something left out."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(key in whole and is_within(inner, whole[key]) for key, inner in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        rest = iter(whole)
        return all(any(is_within(inner, other) for other in rest) for inner in part)
    if isinstance(whole, str) and isinstance(part, str):
        rest = iter("".join(whole.split()))
        return all(letter in rest for letter in "".join(part.split()))
    return type(part) is type(whole) and part == whole


@property_test(80)
@given(messages=conversations(), keep=st.sets(st.integers(0, 9), max_size=2), options=OPTIONS)
def test_messages_keep_their_shape(
    compressor: Compressor, messages: list[dict[str, Any]], keep: set[int], options: Options
) -> None:
    assume(any(text.strip() for text in sent_texts(messages)))
    keep = {index for index in keep if index < len(messages)}
    result = within_budget(partial(compressor.compress_messages, keep=keep), messages, options)
    assert result.messages is not None
    left = result.messages
    if not options.get("compress_query"):
        [*_, asked] = ["", *sent_texts(messages[-1:])]
        # A few-shot prompt that is sent as one message is read as the prompt that it is: its query comes out.
        inner = parse_layout(asked)
        if inner.shots and isinstance(messages[-1]["content"], str):
            assert not inner.query or asked[slice(*inner.query)] in left[-1]["content"]
        else:
            assert left[-1] == messages[-1] or not asked.strip()
    if not options.get("compress_instructions"):
        assert [m for m in left if m["role"] == "system"] == [m for m in messages if m["role"] == "system"]
    assert all(message in left for number, message in enumerate(messages) if number in keep)
    rest = iter(messages)
    assert all(any(is_like(message, other) for other in rest) for message in left)
    called = {call["id"] for message in left for call in message.get("tool_calls", ())}
    assert {message["tool_call_id"] for message in left if message["role"] == "tool"} == called


def is_like(message: dict[str, Any], original: dict[str, Any]) -> bool:
    """Whether the two are the same but for the content."""
    return {**message, "content": ""} == {**original, "content": ""}


# 4: determinism.


@property_test(40)
@given(prompts=st.lists(STRUCTURED, min_size=1, max_size=3), how=HOW, rate=st.floats(0.01, 1))
def test_a_batch_gives_what_one_by_one_gives(
    compressor: Compressor, prompts: list[Structured], how: Options, rate: float
) -> None:
    sources = [given_prompt.prompt for given_prompt in prompts]
    together = compressor.compress_batch(sources, **how, keep_rate=rate)
    apart = [compressor.compress(source, **how, keep_rate=rate) for source in reversed(sources)]
    assert together == apart[::-1]


@property_test(60)
@given(given_prompt=STRUCTURED, how=HOW, budgets=st.lists(BUDGET, min_size=2, max_size=3))
def test_deciding_again_gives_what_compressing_again_gives(
    compressor: Compressor, given_prompt: Structured, how: Options, budgets: list[Options]
) -> None:
    first, *others = [{**budget, "on_overflow": "best_effort"} for budget in budgets]
    prompt = given_prompt.prompt
    result = compressor.compress(prompt, **how, **first)
    for budget, options in zip(budgets[1:], others, strict=True):
        result = result.at(**budget)
        assert result == compressor.compress(prompt, **how, **options)
    assert result.at(**budgets[0]) == compressor.compress(prompt, **how, **first)


@pytest.mark.parametrize("steps", [1, 3, 8])
@property_test(15)
@given(given_prompt=STRUCTURED, rate=st.floats(0.05, 0.9))
def test_any_number_of_steps_keeps_to_the_budget(
    compressor: Compressor, steps: int, given_prompt: Structured, rate: float
) -> None:
    result = compressor.compress(given_prompt.prompt, keep_rate=rate, steps=steps, tokenizer=words)
    assert result.compressed_tokens == words(result.text) <= result.budget
    assert result == compressor.compress(given_prompt.prompt, keep_rate=rate, steps=steps, tokenizer=words)
