"""Hostile input: no crash, the budget holds, something is left, and the time is linear."""

import json
import time
from collections.abc import Callable

import numpy as np
import pytest

from diffumask_core import Compressor
from diffumask_core.options import Options
from diffumask_core.pipeline import read_prompt
from diffumask_core.prompt.messages import messages_layout
from diffumask_core.scoring.novelty import copies
from diffumask_core.scoring.ranking import rank_shots


def quarters(text: str) -> int:
    return len(text) // 4 + 1


@pytest.mark.parametrize("text", [" ", "\n\n", "\t" * 500, "\u00a0" * 500, "\x1c" * 500, " \r\n" * 200])
def test_white_space_comes_back_where_the_budget_allows_and_else_goes(compressor: Compressor, text: str) -> None:
    tokens = quarters(text)
    assert compressor.compress(text, target_tokens=tokens, tokenizer=quarters).text == text
    if tokens > 1:
        result = compressor.compress(text, target_tokens=1, tokenizer=quarters)
        assert (result.text, result.compressed_tokens) == ("", 0)


@pytest.mark.parametrize(
    "text",
    [
        ">" * 400,
        "1," * 150,
        ", . ; " * 60,
        ") ] } " * 60,
        "Q: a b c\nA: " + "answer: " * 60 + "\n\nQ: a b c\nA: x\n\nQ: d\nA:",
        "\x00" * 300,
        "\ud83d " * 100,
        "[… 12 lines left out]\n" * 40,
    ],
)
@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_something_is_left_of_any_text_with_ink(compressor: Compressor, text: str, rate: float) -> None:
    result = compressor.compress(text, keep_rate=rate, tokenizer=quarters, on_overflow="best_effort")
    assert result.text.strip()
    assert result.compressed_tokens <= max(result.budget, result.protected_tokens)


@pytest.mark.parametrize("options", [{}, {"token_level": False}, {"shot_level": False}, {"compress_query": True}])
def test_something_is_left_where_no_shot_fits(compressor: Compressor, options: dict[str, bool]) -> None:
    messages = [
        {"role": "user", "content": "> " * 200},
        {"role": "assistant", "content": "answer: " * 80},
        {"role": "user", "content": "! a " * 100},
    ]
    result = compressor.compress_messages(
        messages, keep_rate=0.01, tokenizer=quarters, on_overflow="best_effort", **options
    )
    assert result.text.strip()
    assert result.compressed_tokens <= max(result.budget, result.protected_tokens)


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_a_text_of_few_long_lines_is_shortened(compressor: Compressor, lines: int) -> None:
    text = "\n".join(f"2031-05-01 10:00:0{line},120 INFO harbour: {'ship ' * 60}" for line in range(lines))
    result = compressor.compress(text, target_tokens=100, tokenizer=quarters, on_overflow="best_effort")
    assert result.compressed_tokens <= max(100, result.protected_tokens)


@pytest.mark.parametrize("opening", ["[", '{"a": ', "(", "> ", "```\n", "  - ", "<div>\n", "{{", "if x:\n"])
def test_deep_nesting_is_no_error(compressor: Compressor, opening: str) -> None:
    result = compressor.compress(
        opening * 300 + "the end", target_tokens=50, tokenizer=quarters, on_overflow="best_effort"
    )
    assert result.compressed_tokens <= max(50, result.protected_tokens)


def seconds(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def grows_linearly(run: Callable[[int], Callable[[], object]], small: int) -> bool:
    """Whether eight times as much takes less than 24 times as long, the best of three; quadratic time takes 64."""
    return min(seconds(run(8 * small)) / max(seconds(run(small)), 1e-3) for _ in range(3)) < 24


def test_many_messages_with_lines_are_read_in_linear_time() -> None:
    def conversation(turns: int) -> Callable[[], object]:
        messages = [{"role": "user", "content": "Find the fault."}]
        for turn in range(turns):
            call = {"id": f"c{turn}", "type": "function", "function": {"name": "read", "arguments": "{}"}}
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
            lines = "\n".join(f"a{turn}.py:{line}:def total(x):" for line in range(4))
            messages.append({"role": "tool", "tool_call_id": f"c{turn}", "content": lines})
        layout = messages_layout(messages).layout
        return lambda: read_prompt(layout, Options(keep_rate=0.5, tokenizer=quarters))

    assert grows_linearly(conversation, 60)


def test_texts_that_begin_alike_are_compared_in_linear_time() -> None:
    preamble = " ".join(f"word{number}" for number in range(60))

    def texts(count: int) -> Callable[[], object]:
        given = [f"{preamble} " + " ".join(f"own{number}of{each}" for each in range(40)) for number in range(count)]
        return lambda: copies(given, [None] * count)

    assert grows_linearly(texts, 60)


def test_shots_go_after_few_counts_of_the_whole_text(compressor: Compressor) -> None:
    texts: list[int] = []

    def counted(text: str) -> int:
        texts.append(len(text))
        return len(text.split())

    passages = "\n\n".join(f"Document [{number}] The ship number {number} came in late." for number in range(1, 301))
    result = compressor.compress(passages + "\n\nQuestion: Which ship?\nAnswer:", keep_rate=0.3, tokenizer=counted)
    assert result.compressed_tokens <= result.budget
    assert sum(length > 1000 for length in texts) < 60


def test_a_shot_of_each_of_many_labels_comes_first() -> None:
    count = 2000
    labels = np.arange(count) // 2
    vectors = np.zeros((count, 2), dtype=np.float32)
    order = rank_shots(np.zeros(count), vectors, labels, np.zeros(count, dtype=bool))
    assert sorted(order.tolist()) == list(range(count))
    assert set(labels[order[: count // 2]].tolist()) == set(labels.tolist())


def test_json_of_many_records_stays_valid(compressor: Compressor) -> None:
    source = json.dumps([{"id": number, "name": f"ship {number}"} for number in range(300)])
    result = compressor.compress(source, keep_rate=0.3, tokenizer=quarters)
    assert len(json.loads(result.text)) < 301
