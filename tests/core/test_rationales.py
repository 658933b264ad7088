"""What an LLM is to write like is whole or gone, unless the options say otherwise."""

from typing import Any

import pytest

from diffumask_core import BudgetError, Compressor, Prompt, Shot

QUESTION = "Mara has twelve apples and gives five of them to her brother, who is older. How many has she now?"
RATIONALE = "Mara starts with 12 apples. After giving 5 away she has 12 - 5 = 7 of them."
SHOT = Shot(question=QUESTION, rationale=RATIONALE, answer="7")
OUTPUT = f"A: {RATIONALE} 7"
QUERY = "Q: How many legs do nine dogs have?\nA:"


def words(text: str) -> int:
    return len(text.split())


def test_questions_are_shortened_and_rationales_are_not(compressor: Compressor) -> None:
    prompt = Prompt(shots=[SHOT, SHOT], query=QUERY)
    result = compressor.compress(prompt, keep_rate=0.8, shot_level=False, tokenizer=words)
    assert result.text.count(OUTPUT) == 2
    assert QUESTION not in result.text
    shorter = compressor.compress(
        prompt, keep_rate=0.5, shot_level=False, tokenizer=words, compress_rationales=True
    ).text
    assert OUTPUT not in shorter
    assert shorter.count(" 7\n") == 2


@pytest.mark.parametrize("query", [QUERY, ""])
@pytest.mark.parametrize("rate", [0.05, 0.4, 0.9])
def test_the_rationale_of_a_lone_exemplar_stays(compressor: Compressor, query: str, rate: float) -> None:
    text = Prompt(shots=[SHOT], query=query).text
    for prompt in (Prompt(shots=[SHOT], query=query), Prompt(shots=[f"Question: {QUESTION}\n{OUTPUT}"], query=query)):
        result = compressor.compress(prompt, keep_rate=rate, tokenizer=lambda part: 2 * words(part))
        assert OUTPUT in result.text
        assert QUESTION not in result.text
        assert result.compressed_tokens <= result.budget < 2 * words(text) + 2


@pytest.mark.parametrize(
    ("shots", "options"), [([SHOT], {}), ([SHOT, SHOT], {"min_shots": 1}), ([SHOT, SHOT], {"shot_level": False})]
)
def test_a_budget_that_cannot_carry_a_rationale(
    compressor: Compressor, shots: list[Shot], options: dict[str, Any]
) -> None:
    prompt = Prompt(shots=shots, query=QUERY)
    with pytest.raises(BudgetError):
        compressor.compress(prompt, target_tokens=20, tokenizer=words, **options)
    result = compressor.compress(prompt, target_tokens=20, tokenizer=words, on_overflow="best_effort", **options)
    assert OUTPUT in result.text
    assert result.compressed_tokens == result.protected_tokens > result.budget


def test_exemplars_go_whole_where_the_budget_cannot_carry_a_rationale(compressor: Compressor) -> None:
    result = compressor.compress(Prompt("Solve it.", [SHOT, SHOT], QUERY), target_tokens=20, tokenizer=words)
    assert result.text == f"Solve it.\n\n{QUERY}"
    assert [shot.fate for shot in result.shots] == ["dropped", "dropped"]


def test_exemplars_alone_are_never_all_gone(compressor: Compressor) -> None:
    result = compressor.compress(Prompt(shots=[SHOT, SHOT]), keep_rate=0.1, tokenizer=lambda part: 2 * words(part))
    assert OUTPUT in result.text
    assert result.compressed_tokens <= result.budget
