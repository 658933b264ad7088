"""Few-shot prompts of every kind: what an LLM needs of them to answer stays."""

from typing import Any

import pytest

from diffumask_core import CompressionResult, Compressor, Prompt, Shot
from diffumask_core.prompt.prompt import Prompt as GivenPrompt

TEXTS = [
    "The harbour was rebuilt after the great storm had destroyed the old piers.",
    "Two goals in the last minute gave the home team the cup for a second year.",
    "The new phone has a larger battery and takes better pictures in the dark.",
    "Shares of the bank fell by four percent after the figures had been told.",
    "The minister met her colleagues from the south to speak about the border.",
]


def words(text: str) -> int:
    return len(text.split())


def exemplars(labels: list[str], **fields: str) -> GivenPrompt:
    shots = [
        Shot(question=f"{TEXTS[number % len(TEXTS)]} Item {number}.", answer=label, **fields)
        for number, label in enumerate(labels)
    ]
    return Prompt("Sort them.", shots, "Q: The team lost the cup.\nA:")


def labels_left(result: CompressionResult, labels: list[str]) -> set[str]:
    return {label for label, shot in zip(labels, result.shots, strict=True) if shot.fate != "dropped"}


@pytest.mark.parametrize(
    "labels",
    [
        ["World", "Sports", "Tech", "Business"],
        ["World", "Sports", "Tech", "Business"] * 3,
        ["Business", "Business & Finance", "Finance"] * 2,
        ["The customer wants money back for it.", "The customer asks when the shop opens."] * 3,
        ["1", "2", "3", "4", "5"],
        ["yes", "no"] * 5,
    ],
)
@pytest.mark.parametrize("rate", [0.5, 0.3])
@pytest.mark.parametrize("token_level", [True, False])
def test_each_label_stays(compressor: Compressor, labels: list[str], rate: float, token_level: bool) -> None:
    prompt = exemplars(labels)
    result = compressor.compress(prompt, keep_rate=rate, tokenizer=words, token_level=token_level)
    # Of an exemplar its two markers, its label, and three words of its text or all.
    whole = {label: words(f"{TEXTS[number % len(TEXTS)]} Item {number}.") for number, label in enumerate(labels)}
    least = sum(2 + words(label) + (3 if token_level else text) for label, text in whole.items())
    if result.protected_tokens + least <= result.budget:
        assert labels_left(result, labels) == set(labels)
    else:
        assert labels_left(result, labels)


def test_the_likely_label_of_a_query_comes_first() -> None:
    labels = ["Politics", "Sports", "Tech", "Business", "World"]
    bundled = Compressor.from_pretrained()
    result = bundled.compress(exemplars(labels), target_tokens=30, tokenizer=words)
    assert "Sports" in labels_left(result, labels)


@pytest.mark.parametrize(
    "labels", [["good"], ["good"] * 6, ["72", "10", "5", "12"], ["same"] * 2], ids=["one", "one label", "sums", "two"]
)
@pytest.mark.parametrize("rate", [0.7, 0.2, 0.01])
def test_prompts_without_labels_to_cover(compressor: Compressor, labels: list[str], rate: float) -> None:
    result = compressor.compress(exemplars(labels), keep_rate=rate, tokenizer=words)
    assert result.text.startswith("Sort them.")
    assert result.text.endswith("A:")
    assert result.compressed_tokens <= result.budget


def test_a_thousand_exemplars(compressor: Compressor) -> None:
    labels = [f"label {number % 40}" for number in range(1000)]
    result = compressor.compress(exemplars(labels), keep_rate=0.1, tokenizer=words)
    assert labels_left(result, labels) == set(labels)
    assert 0.9 * result.budget < result.compressed_tokens <= result.budget


@pytest.mark.parametrize("query", ["", "Where is the harbour?"])
def test_passages_all_alike(compressor: Compressor, query: str) -> None:
    result = compressor.compress(Prompt(shots=[TEXTS[0]] * 30), query=query, keep_rate=0.2, tokenizer=words)
    assert 0 < result.compressed_tokens <= result.budget
    assert result.text.count("harbour") <= 2


OUTPUTS: list[Any] = ['{"gift": false, "colour": "red", "size": 3}', "SELECT name FROM users WHERE age >= 18;"]


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("rate", [0.6, 0.3])
def test_outputs_are_whole(compressor: Compressor, output: str, rate: float) -> None:
    shots = [f"Input: {text} Item {number}.\nOutput: {output}" for number, text in enumerate(TEXTS)]
    result = compressor.compress(Prompt(shots=shots), keep_rate=rate, tokenizer=words)
    assert all(shot.text.endswith(output) for shot in result.shots if shot.fate != "dropped")


# Each has a clause that is one unit, with a reason that costs more than the input.
ASKED = [
    ("I'd like to return the lamp. It is too big for me, and I have not used it.", "A return in time.", "service"),
    ("Do you have the blue tent in Bergen? I do not want to drive 40 miles for nothing.", "A question.", "store"),
    ("We want to lease 25 desks over three years. Please send us an offer!", "25 desks are a contract.", "business"),
    ("I ordered two tubes (order 48213), but got one. I paid 17.80 EUR.", "17.80 / 2 = 8.90 is at stake.", "shipping"),
]


@pytest.mark.parametrize("reasons", [True, False])
@pytest.mark.parametrize("plain", [True, False])
def test_no_exemplar_stays_without_its_input(compressor: Compressor, reasons: bool, plain: bool) -> None:
    shots = [Shot(question=text, rationale=reason if reasons else None, answer=label) for text, reason, label in ASKED]
    given = Prompt("Sort them.", shots, "Q: The motor does not start any more.\nA:")
    first = compressor.compress(given.text if plain else given, target_tokens=60)
    for tokens in range(30, first.original_tokens, 5):
        result = first.at(target_tokens=tokens)
        for (text, *_), shot in zip(ASKED, result.shots, strict=True):
            if shot.fate != "dropped":
                start = result.source.index(text)
                left = [result.source[max(a, start) : min(b, start + len(text))] for a, b in result.spans]
                assert sum(any(map(str.isalnum, word)) for word in " ".join(left).split()) >= 3, result.text
