"""The compressor, by examples; what holds for every input is in test_guarantees."""

import json
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tiny import tiny_tokenizer

from diffumask_core import BudgetError, CompressionResult, Compressor, InputError, Prompt, Shot, TokenizerError

PROSE = (
    "The river had been rising since Monday, and by the time the mayor arrived nobody in the lower town believed that "
    "the old wall would hold. Two engineers, who had warned the council in 2019, were already on the bridge; one of "
    "them carried a radio that did not work. "
)
QUERY = "Q: A baker makes 5 trays of 14 rolls and sells 23 of them. How many rolls are left?\nA:"


def words(text: str) -> int:
    return len(text.split())


def exemplar(number: int) -> str:
    return (
        f"Q: A shop sells apples in boxes of {number}. On Monday the owner sold 12 boxes and on Tuesday another 7 "
        f"loose apples to a visitor from out of town. How many apples did she sell?\n"
        f"A: On Monday she sold 12 boxes of {number}, which makes {12 * number}. Then she sold 7 more. "
        f"The answer is {12 * number + 7}."
    )


def few_shot(shots: int) -> str:
    return "\n\n".join([*map(exemplar, range(3, 3 + shots)), QUERY])


def fates(result: CompressionResult) -> list[str]:
    return [shot.fate for shot in result.shots]


class TestShots:
    def test_whole_shots_go_when_the_budget_is_tight(self, compressor: Compressor) -> None:
        result = compressor.compress(few_shot(8), target_tokens=90, tokenizer=words)
        assert 0 < fates(result).count("dropped") < 8
        for number, shot in enumerate(result.shots, 3):
            answer = f"The answer is {12 * number + 7}."
            assert (answer in result.text) == (shot.fate != "dropped")
            assert (shot.compressed_tokens == 0) == (shot.fate == "dropped")
            assert shot.original_tokens == words(exemplar(number))
        assert result.text.endswith(QUERY)

    def test_no_shot_goes_when_there_is_room(self, compressor: Compressor) -> None:
        result = compressor.compress(few_shot(4), keep_rate=0.9, tokenizer=words)
        assert "dropped" not in fates(result)

    def test_all_shots_may_go(self, compressor: Compressor) -> None:
        result = compressor.compress(few_shot(4), target_tokens=words(QUERY), tokenizer=words)
        assert fates(result) == ["dropped"] * 4
        assert result.text == QUERY

    @pytest.mark.parametrize("least", [1, 3])
    @pytest.mark.parametrize("token_level", [True, False])
    def test_min_shots_stay(self, compressor: Compressor, least: int, token_level: bool) -> None:
        options: dict[str, Any] = {"min_shots": least, "token_level": token_level, "tokenizer": words}
        result = compressor.compress(few_shot(6), keep_rate=0.02, **options)
        assert fates(result).count("dropped") <= 6 - least
        assert result.compressed_tokens <= result.budget

    def test_min_shots_count_as_protected(self, compressor: Compressor) -> None:
        with pytest.raises(BudgetError, match="raise target_tokens"):
            compressor.compress(few_shot(6), target_tokens=words(QUERY), min_shots=1, tokenizer=words)

    def test_more_min_shots_than_there_are(self, compressor: Compressor) -> None:
        result = compressor.compress(few_shot(2), keep_rate=0.3, min_shots=9, tokenizer=words)
        assert "dropped" not in fates(result)

    def test_without_the_shot_level_no_shot_goes(self, compressor: Compressor) -> None:
        result = compressor.compress(few_shot(6), keep_rate=0.02, shot_level=False, tokenizer=words)
        assert fates(result) == ["shortened"] * 6

    def test_without_the_token_level_shots_stay_whole(self, compressor: Compressor) -> None:
        result = compressor.compress(few_shot(6), keep_rate=0.6, token_level=False, tokenizer=words)
        assert fates(result).count("kept") >= 2
        assert fates(result).count("shortened") <= 1
        for number, shot in enumerate(result.shots, 3):
            assert (exemplar(number) in result.text) == (shot.fate == "kept")

    def test_without_either_level_a_plain_text_is_cut_at_its_end(self, compressor: Compressor) -> None:
        result = compressor.compress(PROSE, target_tokens=20, token_level=False, tokenizer=words)
        assert PROSE.startswith(result.text)
        # A sentence's denial is not cut through.
        assert 10 <= words(result.text) <= 20

    def test_what_is_left_of_each_shot(self, compressor: Compressor) -> None:
        prompt = Prompt(shots=[exemplar(number) for number in range(3, 9)], query=QUERY)
        result = compressor.compress(prompt, keep_rate=0.4, tokenizer=words)
        assert result.text == "\n\n".join([*(shot.text for shot in result.shots if shot.text), QUERY])
        assert [words(shot.text) for shot in result.shots] == [shot.compressed_tokens for shot in result.shots]

    def test_what_a_retriever_thinks_counts(self, compressor: Compressor) -> None:
        texts = [exemplar(number) for number in range(3, 9)]

        def kept(scores: list[float | None]) -> list[bool]:
            shots = [Shot(text, score=score) for text, score in zip(texts, scores, strict=True)]
            result = compressor.compress(Prompt(shots=shots), keep_rate=0.3, token_level=False, tokenizer=words)
            return [shot.fate == "kept" for shot in result.shots]

        assert kept([0.1, 0.1, 0.1, 0.1, 0.1, 0.9])[5]
        assert kept([0.9, 0.1, 0.1, 0.1, 0.1, None])[0]
        assert kept([0.7] * 6) == kept([None] * 6)

    def test_scores_need_a_query(self, compressor: Compressor) -> None:
        shots = [exemplar(3), exemplar(9)]
        without = compressor.compress(Prompt(shots=shots), keep_rate=0.5, tokenizer=words)
        asked = compressor.compress(Prompt(shots=shots), keep_rate=0.5, tokenizer=words, query="How many apples?")
        assert [shot.score for shot in without.shots] == [0, 0]
        assert all(shot.score for shot in asked.shots)

    def test_what_is_marked_goes_only_with_its_shot(self, compressor: Compressor) -> None:
        passages = [f"{PROSE} See https://example.org/{number} for more." for number in range(4)]
        result = compressor.compress(Prompt(shots=passages, query="Who?"), keep_rate=0.2, tokenizer=words)
        assert set(fates(result)) == {"shortened", "dropped"}
        for number, shot in enumerate(result.shots):
            assert (f"https://example.org/{number}" in shot.text) == (shot.fate == "shortened")
        assert result.compressed_tokens <= result.budget

    def test_a_protected_word_keeps_its_shot(self, compressor: Compressor) -> None:
        result = compressor.compress(few_shot(6), keep_rate=0.05, protect=["boxes of 5"], tokenizer=words)
        assert "boxes of 5" in result.text
        assert result.shots[2].fate == "shortened"


class TestParts:
    def test_instructions_stay_unless_opted_in(self, compressor: Compressor) -> None:
        prompt = Prompt(instructions=PROSE.strip(), shots=[exemplar(3)], query="What now?")
        result = compressor.compress(prompt, keep_rate=0.1, tokenizer=words)
        assert result.text.startswith(PROSE.strip())
        shorter = compressor.compress(prompt, keep_rate=0.1, compress_instructions=True, tokenizer=words)
        assert PROSE.strip() not in shorter.text
        assert shorter.text.endswith("What now?")

    def test_the_query_stays_unless_opted_in(self, compressor: Compressor) -> None:
        prompt = Prompt(shots=[exemplar(3)], query=PROSE.strip())
        assert compressor.compress(prompt, keep_rate=0.5, tokenizer=words).text.endswith(PROSE.strip())
        shorter = compressor.compress(prompt, keep_rate=0.3, compress_query=True, tokenizer=words)
        assert words(shorter.text) < words(PROSE)

    def test_the_question_of_a_plain_text_stays_unless_opted_in(self, compressor: Compressor) -> None:
        question = "Who were the two engineers, and which of them carried the radio that did not work?"
        text = f"{PROSE * 3}\n\n{question}"
        assert compressor.compress(text, keep_rate=0.1, tokenizer=words).text.endswith(question)
        shorter = compressor.compress(text, keep_rate=0.1, compress_query=True, tokenizer=words)
        assert not shorter.text.endswith(question)
        assert shorter.compressed_tokens <= shorter.budget

    def test_the_query_given_apart_stays_where_the_text_repeats_it(self, compressor: Compressor) -> None:
        text = f"{PROSE}\nWho carried the radio?"
        result = compressor.compress(text, keep_rate=0.1, query="Who carried the radio?", tokenizer=words)
        assert result.text.endswith("Who carried the radio?")

    def test_fields_of_a_shot(self, compressor: Compressor) -> None:
        shot = Shot(question=PROSE.strip(), rationale="One of them did.", answer="an engineer")
        result = compressor.compress(Prompt(shots=[shot], query="Who?"), keep_rate=0.3, tokenizer=words, min_shots=1)
        assert re.fullmatch(r"Q: .+\nA:( .*)? an engineer\n\nWho\?", result.text, re.DOTALL)

    def test_protected_spans_strings_and_patterns(self, compressor: Compressor) -> None:
        at = PROSE.index("lower town")
        protect = [(at, at + 10), "old wall", re.compile(r"\b\d{4}\b")]
        result = compressor.compress(PROSE, target_tokens=7, protect=protect, tokenizer=words)
        # "Nobody" turns the sentence that the lower town is in, which a mark parts from the next.
        assert result.text.split() == ["nobody", "lower", "town", "old", "wall", ".", "2019"]
        assert result.protected_tokens == result.compressed_tokens == 7


class TestBudget:
    def test_a_budget_below_what_is_protected(self, compressor: Compressor) -> None:
        with pytest.raises(BudgetError) as raised:
            compressor.compress(few_shot(3), target_tokens=5, tokenizer=words)
        assert raised.value.budget == 5
        assert raised.value.protected_tokens == words(QUERY)
        assert "5" in str(raised.value)
        assert str(words(QUERY)) in str(raised.value)

    def test_best_effort_gives_the_protected_text(
        self, compressor: Compressor, caplog: pytest.LogCaptureFixture
    ) -> None:
        result = compressor.compress(few_shot(3), target_tokens=5, on_overflow="best_effort", tokenizer=words)
        assert result.text == QUERY
        assert (result.budget, result.compressed_tokens) == (5, words(QUERY))
        assert "more than the budget of 5" in caplog.text

    def test_a_rate_never_fails_on_a_prompt_that_is_nearly_all_query(self, compressor: Compressor) -> None:
        query = f"{PROSE.strip()} {QUERY}"
        result = compressor.compress(Prompt(shots=["ok"], query=query), keep_rate=0.01, tokenizer=words)
        assert result.text == query

    def test_a_rate_never_fails_where_no_unit_fits(self, compressor: Compressor) -> None:
        line = "2031-05-01 10:00:05 INFO harbour: " + "ship 17 came in " * 30
        result = compressor.compress("\n".join([line] * 3), keep_rate=0.01, marks=False, tokenizer=words)
        assert result.text == line
        assert result.compressed_tokens == result.budget == result.protected_tokens < result.original_tokens
        with pytest.raises(BudgetError):
            result.at(target_tokens=5)

    @pytest.mark.parametrize("rate", [0.01, 0.5, 0.99])
    def test_a_prompt_of_50_tokens_is_shortened_by_a_number_of_tokens_alone(
        self, compressor: Compressor, rate: float
    ) -> None:
        text = " ".join(PROSE.split()[:50])
        assert compressor.compress(text, keep_rate=rate, tokenizer=words).text == text
        assert compressor.compress(f"{text} 51", keep_rate=rate, tokenizer=words).text != f"{text} 51"
        assert 0 < words(compressor.compress(text, target_tokens=20, tokenizer=words).text) <= 20

    @pytest.mark.parametrize("rate", [0.2, 0.5, 0.8])
    def test_a_rate_is_of_what_may_go(self, compressor: Compressor, rate: float) -> None:
        result = compressor.compress(few_shot(6), keep_rate=rate, tokenizer=words)
        free = result.original_tokens - result.protected_tokens
        assert result.protected_tokens == words(QUERY)
        assert result.original_tokens == words(few_shot(6))
        assert result.budget == result.protected_tokens + int(rate * free)
        assert result.keep_rate <= rate
        assert result.saved_tokens == result.original_tokens - result.compressed_tokens

    @pytest.mark.parametrize("counter", [words, len, tiny_tokenizer()])
    @pytest.mark.parametrize("text", [PROSE * 8, few_shot(9)], ids=["prose", "few-shot"])
    @pytest.mark.parametrize("rate", [0.25, 0.5, 0.75])
    def test_the_budget_is_nearly_used_up(self, compressor: Compressor, text: str, rate: float, counter: Any) -> None:
        result = compressor.compress(text, keep_rate=rate, tokenizer=counter, compress_rationales=True)
        assert result.original_tokens > 300
        # What is over of exemplars that are nearly whole is too little for another one.
        least = 0.98 if text.startswith(PROSE) else 0.9
        assert least * result.budget <= result.compressed_tokens <= result.budget

    def test_a_text_of_100_000_words(self, compressor: Compressor) -> None:
        text = " ".join(f"word{number % 5003}" for number in range(100_000))
        result = compressor.compress(text, keep_rate=0.3, steps=2, tokenizer=words)
        assert result.original_tokens == 100_000
        assert 29_400 <= result.compressed_tokens == words(result.text) <= result.budget == 30_000

    @pytest.mark.parametrize("text", ["\n", " \t\n ", "\u2003"])
    def test_white_space_alone(self, compressor: Compressor, text: str) -> None:
        assert compressor.compress(text, target_tokens=len(text), tokenizer=len).text == text
        shorter = compressor.compress(text * 9, target_tokens=1, tokenizer=len)
        assert shorter.text == ""
        assert (shorter.compressed_tokens, shorter.spans) == (0, [])


class TestBadInput:
    @pytest.mark.parametrize("nothing", ["", Prompt()])
    def test_no_text(self, compressor: Compressor, nothing: str | Prompt) -> None:
        with pytest.raises(InputError, match="The text is empty: there is nothing to compress"):
            compressor.compress(nothing, keep_rate=0.5)

    @pytest.mark.parametrize("thing", [None, 5, b"text", ["text"], [{"role": "user", "content": "x"}]])
    def test_no_prompt(self, compressor: Compressor, thing: Any) -> None:
        with pytest.raises(InputError, match="pass a string or a Prompt"):
            compressor.compress(thing, keep_rate=0.5)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, "neither was given: pass one"),
            ({"keep_rate": None, "target_tokens": None}, "neither was given"),
            ({"keep_rate": 0.5, "target_tokens": 5}, "both were given"),
            ({"keep_rate": 0}, "pass a number above 0 and at most 1"),
            ({"keep_rate": -0.1}, "keep_rate=-0.1"),
            ({"keep_rate": 1.01}, "keep_rate=1.01"),
            ({"keep_rate": float("nan")}, "keep_rate=nan"),
            ({"keep_rate": "half"}, "keep_rate='half'"),
            ({"keep_rate": True}, "keep_rate=True"),
            ({"target_tokens": 0}, "target_tokens=0 is not possible: pass a whole number of at least 1"),
            ({"target_tokens": -5}, "target_tokens=-5"),
            ({"target_tokens": 2.5}, "target_tokens=2.5"),
            ({"target_tokens": True}, "target_tokens=True"),
            ({"keep_rate": 0.5, "steps": 0}, "steps=0"),
            ({"keep_rate": 0.5, "min_shots": -1}, "min_shots=-1"),
            ({"keep_rate": 0.5, "query": 5}, "query=5 is not a string"),
            ({"keep_rate": 0.5, "on_overflow": "ignore"}, "on_overflow='ignore' is unknown"),
            ({"keep_rate": 0.5, "protect": "word"}, "protect must be a list"),
            ({"keep_rate": 0.5, "protect": [(0, 10_000)]}, "not within the text"),
        ],
    )
    def test_options(self, compressor: Compressor, options: dict[str, Any], message: str) -> None:
        with pytest.raises(InputError, match=message):
            compressor.compress(PROSE, **options)
        with pytest.raises(InputError, match=message):
            compressor.compress_messages([{"role": "user", "content": PROSE}], **options)

    @pytest.mark.parametrize("counter", ["no-such-model", 5, lambda text: -1, lambda text: "many"])
    def test_tokenizer(self, compressor: Compressor, counter: Any) -> None:
        with pytest.raises(TokenizerError):
            compressor.compress(PROSE, keep_rate=0.5, tokenizer=counter)

    @pytest.mark.parametrize("messages", [[], [{"role": "user", "content": " "}], [{"role": "user", "content": None}]])
    def test_messages_without_text(self, compressor: Compressor, messages: list[dict[str, Any]]) -> None:
        with pytest.raises(InputError, match="There is no text in the messages"):
            compressor.compress_messages(messages, keep_rate=0.5)

    @pytest.mark.parametrize("budget", [{}, {"keep_rate": 0.5, "target_tokens": 9}, {"keep_rate": 2}])
    def test_deciding_again(self, compressor: Compressor, budget: dict[str, Any]) -> None:
        result = compressor.compress(PROSE, keep_rate=0.5, tokenizer=words)
        with pytest.raises(InputError):
            result.at(**budget)

    def test_an_unknown_option(self, compressor: Compressor) -> None:
        with pytest.raises(InputError, match="did you mean keep_rate"):
            compressor.compress(PROSE, keep_ratio=0.5)  # type: ignore[call-arg]


class TestDecidingAgain:
    def test_without_another_encoder_run(self, compressor: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
        result = compressor.compress(few_shot(6), keep_rate=0.5, tokenizer=words)
        expected = compressor.compress(few_shot(6), keep_rate=0.2, tokenizer=words)
        monkeypatch.setattr(compressor._pruner, "read", None)
        again = result.at(keep_rate=0.2)
        assert again == expected
        assert again.at(keep_rate=0.5) == result
        assert again.timings["encode"] == 0

    def test_to_a_number_of_tokens(self, compressor: Compressor) -> None:
        result = compressor.compress(few_shot(6), keep_rate=0.5, tokenizer=words).at(target_tokens=80)
        assert result.budget == 80
        assert result.compressed_tokens <= 80
        with pytest.raises(BudgetError):
            result.at(target_tokens=3)

    def test_up_to_the_whole_text(self, compressor: Compressor) -> None:
        result = compressor.compress(few_shot(6), keep_rate=0.1, tokenizer=words)
        assert result.at(keep_rate=1.0) == compressor.compress(few_shot(6), keep_rate=1.0, tokenizer=words)
        assert result.at(keep_rate=1.0).text == few_shot(6)

    def test_messages_are_decided_again_too(self, compressor: Compressor) -> None:
        messages = [{"role": "user", "content": PROSE}, {"role": "assistant", "content": PROSE}] * 2
        messages.append({"role": "user", "content": "So?"})
        result = compressor.compress_messages(messages, keep_rate=0.5, tokenizer=words)
        again = result.at(keep_rate=0.1)
        assert again == compressor.compress_messages(messages, keep_rate=0.1, tokenizer=words)
        assert again.messages != result.messages


MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "You are a careful assistant. Never guess."},
    {"role": "user", "content": f"Look at this. {PROSE}"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "level", "arguments": '{"river": "Elbe"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": json.dumps({"level": 4.2, "note": PROSE, "ok": True})},
    {"role": "assistant", "content": f"It is high. {PROSE}", "refusal": None},
    {
        "role": "user",
        "content": [{"type": "text", "text": "Will it hold?"}, {"type": "image_url", "image_url": {}}],
    },
]


class TestMessages:
    @pytest.mark.parametrize("rate", [0.05, 0.3, 0.7])
    def test_shape(self, compressor: Compressor, rate: float) -> None:
        before = json.dumps(MESSAGES)
        result = compressor.compress_messages(MESSAGES, keep_rate=rate, tokenizer=words, shot_level=False)
        assert json.dumps(MESSAGES) == before
        assert result.messages is not None
        assert [{**message, "content": ""} for message in result.messages] == [
            {**message, "content": ""} for message in MESSAGES
        ]
        system, _, _, tool, _, last = result.messages
        assert (system, last) == (MESSAGES[0], MESSAGES[-1])
        assert json.loads(tool["content"]).keys() <= {"level", "note", "ok"}

    def test_messages_that_are_to_stay(self, compressor: Compressor) -> None:
        result = compressor.compress_messages(MESSAGES, keep={3}, keep_rate=0.05, tokenizer=words)
        assert result.messages is not None
        assert result.messages[3] == MESSAGES[3]
        assert result.messages[1]["content"] != MESSAGES[1]["content"]

    @pytest.mark.parametrize("keep", [[6], [-1], ["0"]])
    def test_an_index_of_no_message(self, compressor: Compressor, keep: list[Any]) -> None:
        with pytest.raises(InputError, match="keep holds"):
            compressor.compress_messages(MESSAGES, keep=keep, keep_rate=0.5)

    def test_messages_without_a_word_stay(self, compressor: Compressor) -> None:
        image = {"type": "image_url", "image_url": {"url": "data:,"}}
        messages = [
            {"role": "user", "content": PROSE},
            {"role": "assistant", "content": PROSE},
            {"role": "user", "content": [image, {"type": "text", "text": " "}]},
            {"role": "assistant", "content": "\n"},
            {"role": "user", "content": "So?"},
        ]
        result = compressor.compress_messages(messages, keep_rate=0.1, tokenizer=words)
        assert result.messages is not None
        assert result.messages[-3]["content"][0] == image

    def test_system_and_last_message_can_be_opted_in(self, compressor: Compressor) -> None:
        messages = [
            {"role": "system", "content": PROSE},
            {"role": "user", "content": f"{PROSE}\nQuestion: Who?\nAnswer:"},
        ]
        options: dict[str, Any] = {"compress_instructions": True, "compress_query": True, "tokenizer": words}
        result = compressor.compress_messages(messages, keep_rate=0.4, **options)
        assert result.messages is not None
        assert all(
            words(after["content"]) < words(before["content"])
            for after, before in zip(result.messages, messages, strict=True)
        )
        assert result.messages[1]["content"].endswith("Question: Who?\nAnswer:")

    def test_the_final_answer_of_an_exemplar_stays(self, compressor: Compressor) -> None:
        messages = [
            {"role": "user", "content": "How many apples are in four boxes of nine, if none of them is bad?"},
            {"role": "assistant", "content": "Every one of the boxes holds 9, so there are 4 * 9. The answer is 36."},
            {"role": "user", "content": "And in three boxes of five?"},
        ]
        options: dict[str, Any] = {"target_tokens": 25, "min_shots": 1, "tokenizer": words}
        result = compressor.compress_messages(messages, compress_rationales=True, **options)
        assert result.messages is not None
        assert result.messages[1]["content"].endswith("The answer is 36.")
        assert len(result.messages[1]["content"]) < len(str(messages[1]["content"]))
        result = compressor.compress_messages(messages, **options)
        assert result.messages is not None
        assert result.messages[1] == messages[1]

    def test_a_turn_goes_with_its_tool_calls(self, compressor: Compressor) -> None:
        least = words("You are a careful assistant. Never guess. Will it hold?")
        result = compressor.compress_messages(MESSAGES, target_tokens=least, tokenizer=words)
        assert result.messages == [MESSAGES[0], MESSAGES[-1]]
        assert result.compressed_tokens == least

    def test_counts_are_of_the_messages(self, compressor: Compressor) -> None:
        result = compressor.compress_messages(MESSAGES[:2] + MESSAGES[-1:], keep_rate=0.4, tokenizer=len)
        assert result.messages is not None
        texts = [result.messages[0]["content"], result.messages[1]["content"], "Will it hold?"]
        assert result.compressed_tokens == sum(map(len, texts)) <= result.budget

    def test_each_message_has_a_mark_of_its_own(self, compressor: Compressor) -> None:
        messages = [
            {"role": "user", "content": "Look at the log."},
            {"role": "assistant", "content": LOG},
            {"role": "assistant", "content": LOG},
            {"role": "user", "content": "So?"},
        ]
        options: dict[str, Any] = {"shot_level": False, "on_overflow": "best_effort", "tokenizer": words}
        result = compressor.compress_messages(messages, target_tokens=1, **options)
        assert result.messages is not None
        assert [mark.count for mark in result.marks] == [30, 30]
        assert [message["content"] for message in result.messages[1:3]] == ["[… 30 lines left out]"] * 2

    def test_a_blank_message_is_counted_too(self, compressor: Compressor) -> None:
        talk = [PROSE, PROSE, " \n\n ", PROSE, "So?"]
        messages = [
            {"role": "assistant" if number % 2 else "user", "content": text} for number, text in enumerate(talk)
        ]
        result = compressor.compress_messages(messages, keep_rate=0.5, shot_level=False, tokenizer=len)
        assert result.messages is not None
        assert sum(len(message["content"]) for message in result.messages) == result.compressed_tokens <= result.budget

    def test_a_blank_message_beside_messages_that_stay_keeps_to_the_budget(self, compressor: Compressor) -> None:
        messages = [
            {"role": "user", "content": PROSE},
            {"role": "tool", "tool_call_id": "1", "content": "\n \n" * 300},
            {"role": "user", "content": "So?"},
        ]
        result = compressor.compress_messages(messages, keep=[0, 2], keep_rate=0.3, tokenizer=len)
        assert result.messages is not None
        assert result.messages[::2] == messages[::2]
        assert sum(len(message["content"]) for message in result.messages) == result.compressed_tokens <= result.budget

    @pytest.mark.parametrize("keep", [1, None, "0"])
    def test_keep_that_is_no_list_is_an_input_error(self, compressor: Compressor, keep: Any) -> None:
        with pytest.raises(InputError, match="is no list of indices"):
            compressor.compress_messages([{"role": "user", "content": PROSE}], keep=keep, keep_rate=0.3)


def test_many_threads_give_the_same_results(compressor: Compressor) -> None:
    prompts = [few_shot(2 + number % 4) + f" {number}" for number in range(16)]

    def compress(prompt: str) -> CompressionResult:
        return compressor.compress(prompt, keep_rate=0.4, tokenizer=words)

    expected = [compress(prompt) for prompt in prompts]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(compress, prompts)) == expected


LOG = "\n".join(f"2031-05-01 10:00:{second} INFO harbour: ship {second} came in" for second in range(10, 40))


def test_a_result_as_plain_data(compressor: Compressor) -> None:
    result = compressor.compress(few_shot(3), keep_rate=0.5, tokenizer=words)
    plain = json.loads(json.dumps(result.to_dict()))
    assert plain["text"] == result.text
    assert [tuple(span) for span in plain["spans"]] == result.spans
    assert [shot["fate"] for shot in plain["shots"]] == fates(result)
    assert plain["counter"] == "callable/words"
    assert plain.keys() == {
        *["text", "spans", "budget", "original_tokens", "compressed_tokens", "protected_tokens", "keep_rate"],
        *["unused_tokens", "counter", "marks", "regions", "shots", "timings"],
    }


def test_plain_data_has_marks_and_regions(compressor: Compressor) -> None:
    result = compressor.compress(LOG, keep_rate=np.float32(0.3), protect=[(np.int64(0), np.int64(4))], tokenizer=words)
    plain = json.loads(json.dumps(result.to_dict()))
    assert plain["regions"] == [{"kind": "log", "span": [0, len(LOG)]}]
    assert plain["marks"]
    assert sum(mark["count"] for mark in plain["marks"]) == 30 - len(re.findall("ship", result.text))
    for mark in plain["marks"]:
        assert mark["text"] in result.text
        assert mark["text"] == f"[… {mark['count']} similar {mark['noun']}{'s' * (mark['count'] > 1)} left out]"
        assert LOG[slice(*mark["span"])].count("\n") == mark["count"] - 1


def test_the_repr_of_a_result_is_short(compressor: Compressor) -> None:
    messages = [{"role": "user", "content": LOG}, {"role": "assistant", "content": LOG}] * 5
    messages.append({"role": "user", "content": "So?"})
    result = compressor.compress_messages(messages, keep_rate=0.5, tokenizer=words)
    assert len(repr(result)) < 200
    assert f"{result.original_tokens} -> {result.compressed_tokens} tokens" in repr(result)
    assert repr(result.text[:20])[1:-1] in repr(result)


def test_a_pickled_result_is_the_same_and_says_that_it_cannot_decide_again(compressor: Compressor) -> None:
    for result in (
        compressor.compress(LOG, keep_rate=0.5, tokenizer=words),
        compressor.compress_messages(MESSAGES, keep_rate=0.5, tokenizer=words),
    ):
        again = pickle.loads(pickle.dumps(result))
        assert again == result
        assert again.to_dict() == result.to_dict()
        assert again.to_html() == result.to_html()
        with pytest.raises(ValueError, match=r"This result was unpickled .* compress again"):
            again.at(keep_rate=0.2)


@pytest.mark.parametrize("lone", [chr(0xD83D), chr(0xDE00)], ids=["high", "low"])
def test_a_lone_surrogate_is_kept_or_dropped_as_any_character(compressor: Compressor, lone: str) -> None:
    text = f"{lone} {PROSE} wall{lone} {lone}a {PROSE} {lone}"
    query = f"the wall {lone}"
    for counter in (words, len, "gpt-4o", tiny_tokenizer()):
        result = compressor.compress(text, keep_rate=0.5, query=query, protect=[f"wall{lone}"], tokenizer=counter)
        assert f"wall{lone}" in result.text
        assert result.compressed_tokens <= result.budget
        json.dumps(result.to_dict())
        result.to_html().encode()
    messages = [{"role": "user", "content": f"{text} {query}"}, {"role": "assistant", "content": text}] * 2
    messages.append({"role": "user", "content": query})
    result = compressor.compress_messages(messages, keep_rate=0.5, tokenizer=words)
    assert result.messages is not None
    assert result.messages[-1]["content"] == query


def test_a_lone_surrogate_is_read_as_the_replacement_character(compressor: Compressor) -> None:
    text = f"{PROSE} \ud83d {PROSE}"
    result = compressor.compress(text, keep_rate=0.5, tokenizer=len)
    assert result.spans == compressor.compress(text.replace("\ud83d", "\ufffd"), keep_rate=0.5, tokenizer=len).spans


def test_a_result_made_by_hand_has_nothing_to_decide_from() -> None:
    result = CompressionResult("a", "a", [(0, 1)], 1, 1, 1, 0, "words")
    with pytest.raises(ValueError, match="compress again"):
        result.at(keep_rate=0.5)
