"""The corridor: what is read, how often, and what comes out, with a pruner that likes long words."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from diffumask_core import BudgetError, CompressionResult, Prompt, Shot
from diffumask_core.options import Options
from diffumask_core.pipeline import Once, compress, read_prompt
from diffumask_core.prompt.layout import Layout
from diffumask_core.prompt.messages import messages_layout, rebuild
from diffumask_core.prompt.spans import Span


class LongWords:
    """A pruner by the length of words, which notes what it is asked."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []
        self.rates: list[float] = []

    compares = False
    lines = None

    def read(self, text: str, offsets: np.ndarray, blocks: Sequence[Span], query: str = "") -> np.ndarray:
        assert blocks[0][0] == 0
        assert blocks[-1][1] == len(offsets)
        self.texts.append((text, query))
        return (offsets[:, 1] - offsets[:, 0]).astype(np.float64)

    def encode(self, read: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        return read[wanted]

    def predictor(self, encoding: np.ndarray, keep_rate: float) -> Callable[[np.ndarray, float], np.ndarray]:
        self.rates.append(keep_rate)
        return lambda states, noise: encoding

    def nearness(self, read: np.ndarray, parts: Sequence[Span]) -> np.ndarray:
        return np.array([read[first:last].sum() for first, last in parts])

    def means(self, read: np.ndarray, parts: Sequence[Span]) -> np.ndarray:
        return np.eye(len(parts), dtype=np.float32)


def words(text: str) -> int:
    return len(text.split())


PROSE = " ".join(["The harbour of a small town was rebuilt after the terrible storm of that winter."] * 8)
SHOTS = Prompt(
    "Sort them.",
    [Shot(question=f"{' '.join([letter * 3] * 12)} {number}", answer=letter) for number, letter in enumerate("abcdab")],
    "Q: abc?\nA:",
)


def shortened(pruner: LongWords, layout: Layout, **options: Any) -> CompressionResult:
    return compress(layout, Options(tokenizer=words, **options), pruner)  # type: ignore[arg-type]


class TestReading:
    @pytest.mark.parametrize("layout", [Layout(PROSE), SHOTS.layout], ids=["prose", "shots"])
    def test_a_prompt_is_read_once_for_every_budget(self, layout: Layout) -> None:
        pruner = LongWords()
        result = shortened(pruner, layout, keep_rate=0.5)
        again = [result.at(keep_rate=0.3), result.at(target_tokens=40), result.at(keep_rate=0.3).at(keep_rate=0.5)]
        assert pruner.texts == [(layout.text, "Q: abc?" if layout.shots else "")]
        assert again[2] == result
        for each, options in zip(again, [{"keep_rate": 0.3}, {"target_tokens": 40}], strict=False):
            assert each == shortened(LongWords(), layout, **options)
            assert each.compressed_tokens <= each.budget

    @pytest.mark.parametrize("options", [{"keep_rate": 1.0}, {"target_tokens": 1000}])
    @pytest.mark.parametrize("least", [0, 2])
    def test_nothing_is_read_where_the_text_fits(self, options: dict[str, Any], least: int) -> None:
        pruner = LongWords()
        result = shortened(pruner, SHOTS.layout, min_shots=least, **options)
        assert result.text == SHOTS.text
        assert {shot.fate for shot in result.shots} == {"kept"}
        assert pruner.texts == []

    def test_nothing_is_read_where_only_what_must_stay_fits(self) -> None:
        pruner = LongWords()
        must = words("Sort them. Q: abc? A:")
        result = shortened(pruner, SHOTS.layout, target_tokens=must)
        assert result.text == "Sort them.\n\nQ: abc?\nA:"
        with pytest.raises(BudgetError):
            shortened(pruner, SHOTS.layout, target_tokens=must - 1)
        assert pruner.texts == []

    def test_a_prompt_is_read_when_that_is_first_needed(self) -> None:
        pruner = LongWords()
        whole = shortened(pruner, Layout(PROSE), keep_rate=1.0)
        assert pruner.texts == []
        assert whole.at(keep_rate=0.4) == shortened(LongWords(), Layout(PROSE), keep_rate=0.4)
        whole.at(keep_rate=0.2)
        assert len(pruner.texts) == 1

    def test_shots_that_must_stay_are_the_best(self) -> None:
        pruner = LongWords()
        result = shortened(pruner, SHOTS.layout, target_tokens=60, min_shots=2)
        assert len(pruner.texts) == 1
        assert sum(shot.fate != "dropped" for shot in result.shots) >= 2

    def test_the_denoiser_is_told_the_share_that_may_stay(self) -> None:
        pruner = LongWords()
        shortened(pruner, Layout(PROSE), keep_rate=0.25)
        assert pruner.rates == [pytest.approx(0.25, abs=0.02)]


class TestOutput:
    def test_the_units_that_the_pruner_likes_stay(self) -> None:
        text = shortened(LongWords(), Layout(PROSE), keep_rate=0.25).text
        assert set(text.replace(".", "").split()) <= {"harbour", "rebuilt", "terrible", "winter"}

    def test_without_the_level_of_words_the_best_shots_stay_whole(self) -> None:
        result = shortened(LongWords(), SHOTS.layout, keep_rate=0.4, token_level=False)
        assert [shot.fate for shot in result.shots] == ["kept", "kept", "dropped", "dropped", "dropped", "dropped"]

    def test_without_the_level_of_shots_none_goes(self) -> None:
        result = shortened(LongWords(), SHOTS.layout, keep_rate=0.4, shot_level=False)
        assert {shot.fate for shot in result.shots} == {"shortened"}

    def test_an_output_is_never_empty(self) -> None:
        text = " ".join(["extraordinarily"] * 60 + ["sea"])
        with pytest.raises(BudgetError):
            compress(Layout(text), Options(tokenizer=len, target_tokens=2), LongWords())  # type: ignore[arg-type]
        how = Options(tokenizer=len, target_tokens=2, on_overflow="best_effort")
        result = compress(Layout(text), how, LongWords())  # type: ignore[arg-type]
        assert result.text == "sea"
        assert result.protected_tokens == 3

    def test_of_a_shot_that_is_gone_nothing_is_said_to_stay(self) -> None:
        passages = Prompt("Answer.", ["w" * 40, PROSE], "What?")
        for rate in (0.05, 0.3, 0.6):
            for shot in shortened(LongWords(), passages.layout, keep_rate=rate).shots:
                assert (shot.fate == "dropped") is (not shot.text) is (shot.compressed_tokens == 0)

    def test_messages_are_put_back(self) -> None:
        messages = [{"role": "user", "content": PROSE}, {"role": "assistant", "content": PROSE}]
        messages.append({"role": "user", "content": "And then?"})
        laid_out = messages_layout(messages)
        options = Options(tokenizer=words, keep_rate=0.5)
        result = compress(laid_out.layout, options, LongWords(), lambda left: rebuild(laid_out, messages, left))  # type: ignore[arg-type]
        assert result.messages is not None
        assert [message["role"] for message in result.messages] == ["user", "assistant", "user"]
        assert sum(words(message["content"]) for message in result.messages) == result.compressed_tokens
        assert result.messages[2]["content"] == "And then?"

    def test_words_everywhere_find_no_regions(self) -> None:
        log = "\n".join(f"2026-03-0{day} 10:00:00 INFO the lamp on pier {day} was lit" for day in range(1, 9))
        by_lines = shortened(LongWords(), Layout(log), keep_rate=0.5)
        by_words = shortened(LongWords(), Layout(log), keep_rate=0.5, grain="words")
        assert [region.kind for region in by_lines.regions] == ["log"]
        assert set(by_lines.text.split("\n")) <= {*log.split("\n"), *(mark.text for mark in by_lines.marks)}
        assert by_words.regions == by_words.marks == []
        assert not set(by_words.text.split("\n")) <= set(log.split("\n"))


@pytest.mark.parametrize("text", ["", "  \n ", "\u200b"])
def test_a_text_without_units_is_read(text: str) -> None:
    reading = read_prompt(Layout(text), Options(keep_rate=0.5, tokenizer=words))
    assert len(reading.costs) == len(reading.units)


def test_what_is_computed_once_is_computed_when_first_asked_for() -> None:
    asked: list[int] = []
    once = Once(lambda: asked.append(1) or len(asked))
    assert once.seconds == 0
    assert asked == []
    assert [once(), once()] == [1, 1]
    assert asked == [1]


def little_told(caplog: pytest.LogCaptureFixture, messages: Sequence[dict[str, Any]], **options: Any) -> list[str]:
    caplog.clear()
    laid_out = messages_layout(messages, (), options.get("compress_instructions", False), False)
    shortened(LongWords(), laid_out.layout, **options)
    return [message for message in caplog.messages if "are protected" in message]


@pytest.mark.parametrize("history", [0, 1])
def test_a_rate_of_next_to_nothing_is_told(history: int, caplog: pytest.LogCaptureFixture) -> None:
    context = {"role": "system", "content": f"Answer from this context:\n{PROSE * 10}"}
    said = [{"role": "user", "content": "Why then?"}, {"role": "assistant", "content": "It was the winter."}]
    asked = {"role": "user", "content": "Which town is it?"}
    messages = [context, *said * history, asked]
    [told] = little_told(caplog, messages, keep_rate=0.4)
    assert told.startswith(f"Of {words(context['content']) + 4 + 6 * history} tokens ")
    assert "compress_instructions=True" in told
    for options in ({"keep_rate": 1}, {"target_tokens": 5000}, {"keep_rate": 0.4, "compress_instructions": True}):
        assert little_told(caplog, messages, **options) == []
    assert little_told(caplog, [{**context, "content": "Answer in one word."}, asked], keep_rate=0.4) == []
    assert little_told(caplog, [{**context, "role": "user"}, *said, asked], keep_rate=0.4) == []
