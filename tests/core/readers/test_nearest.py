import math
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffumask_core import Compressor, Prompt, Shot
from diffumask_core.model.pruner import Pruner
from diffumask_core.readers import NearestExemplarReader, PaidReader, Question

SHOTS = {
    "The soup was cold and the waiter rude.": "bad",
    "A lovely evening with the best fish in town!": "good",
    "They open at noon and close at ten.": "neutral",
    "We waited for an hour, and then the fish was burnt.": "bad",
    "The cook came out to greet us.": "good",
}
LABELS = ("good", "neutral", "bad")


class WordCounts:
    """In place of a model: texts are near that share words."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.seen += texts
        vectors = np.zeros((len(texts), 256), dtype=np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                vector[sum(word.encode()) % 256] += 1
            vector /= np.linalg.norm(vector) or 1
        return vectors


@pytest.fixture(scope="module")
def reader() -> NearestExemplarReader:
    return NearestExemplarReader(cast(Pruner, WordCounts()))


def prompt(shots: dict[str, str]) -> str:
    return Prompt(shots=[Shot(question=text, answer=label) for text, label in shots.items()]).text


def ask(shots: str, text: str, answer: str = "", labels: tuple[str, ...] = LABELS) -> Question:
    return Question(shots, f"Q: {text}\nA:", answer, labels)


def test_what_a_shot_says_is_answered_so(reader: NearestExemplarReader) -> None:
    questions = [ask(prompt(SHOTS), text) for text in SHOTS]
    assert reader.answers(questions) == list(SHOTS.values())
    unlabelled = [ask(prompt(SHOTS), text, labels=()) for text in SHOTS]
    assert reader.answers(unlabelled) == list(SHOTS.values())


@settings(max_examples=20, deadline=None)
@given(
    shots=st.dictionaries(st.sampled_from(list(SHOTS)), st.sampled_from(LABELS)),
    query=st.sampled_from(list(SHOTS)) | st.text("abc .,", max_size=20),
)
def test_the_labels_share_one_vote(reader: NearestExemplarReader, shots: dict[str, str], query: str) -> None:
    questions = [ask(prompt(shots) if shots else "", query, label) for label in LABELS]
    shares = [math.exp(value) for value in reader.log_probabilities(questions)]
    assert sum(shares) == pytest.approx(1)
    assert all(share > 0.005 for share in shares)
    answers = set(reader.answers(questions))
    if shots:
        assert answers <= set(shots.values())
        assert LABELS[shares.index(max(shares))] in answers
    else:
        assert answers == {""}
        assert shares == pytest.approx([1 / 3] * 3)


def test_a_label_without_a_shot_is_unlikely(reader: NearestExemplarReader) -> None:
    without = prompt({text: label for text, label in SHOTS.items() if label != "bad"})
    [low, unknown] = reader.log_probabilities([ask(without, "cold", "bad"), ask(without, "cold", "no label")])
    assert low == pytest.approx(math.log(0.01 / 1.03))
    assert unknown == low
    assert reader.answers([ask(without, "cold", labels=("bad",))]) == [""]


def test_what_a_shot_lost_changes_the_answer(reader: NearestExemplarReader) -> None:
    """The label alone is no exemplar of anything."""
    whole = prompt(SHOTS)
    emptied = whole.replace("They open at noon and close at ten.", ".")
    question = "They open at noon and close at ten."
    before, after = reader.log_probabilities([ask(text, question, "neutral") for text in (whole, emptied)])
    assert after < before


@pytest.mark.parametrize(
    "text",
    [
        "Classify.\n\nReview: fish\nLabel: good\n\nReview: soup\nLabel: bad",
        "Review: fish Label: good\nReview: soup Label: bad",
        "<example>\nReview: fish\nLabel: good\n</example>\n<example>\nReview: soup\nLabel: bad\n</example>",
        # What a cut leaves: the last shot without its label.
        "Review: fish\nLabel: good\n\nReview: soup\nLabel: bad\n\nReview: they op",
    ],
)
def test_shots_are_found_however_they_are_written(reader: NearestExemplarReader, text: str) -> None:
    questions = [Question(text, f"Review: {query}\nLabel:", "", LABELS) for query in ("fish", "soup")]
    assert reader.answers(questions) == ["good", "bad"]


def test_a_single_shot_is_one(reader: NearestExemplarReader) -> None:
    assert reader.answers([ask(prompt({"fish": "good"}), "soup")]) == ["good"]


def test_solutions_have_answers_too(reader: NearestExemplarReader) -> None:
    shots = [
        Shot(question="What is 2 + 3?", rationale="Two and three are five.", answer="The answer is 5."),
        Shot(question="How many boxes?", rationale="There are 4 rows of 9 boxes, so 36.", answer="The answer is 36."),
    ]
    question = Question(Prompt(shots=shots).text, "Q: How many boxes?\nA:", "36")
    assert reader.answers([question]) == ["36"]
    assert math.exp(reader.log_probabilities([question])[0]) > 0.5


def test_a_compressed_prompt_is_read(reader: NearestExemplarReader, compressor: Compressor) -> None:
    left = compressor.compress(prompt(SHOTS), keep_rate=0.7, shot_level=False).text
    assert set(reader.answers([ask(left, text) for text in SHOTS])) <= set(LABELS)
    assert min(reader.log_probabilities([ask(left, text, label) for text, label in SHOTS.items()])) > -5


def test_texts_are_embedded_once() -> None:
    counts = WordCounts()
    reader = NearestExemplarReader(cast(Pruner, counts))
    reader.answers([ask(prompt(SHOTS), "cold fish")] * 2)
    reader.log_probabilities([ask(prompt({**SHOTS, "Cold fish.": "bad"}), "cold fish", "bad")])
    assert sorted(counts.seen) == sorted([*SHOTS, "Cold fish.", "cold fish"])


def test_from_many_threads() -> None:
    reader = NearestExemplarReader(cast(Pruner, WordCounts()))
    questions = [ask(prompt(SHOTS), text) for text in SHOTS] * 4
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda question: reader.answers([question]), questions))
    assert [answer for [answer] in results] == list(SHOTS.values()) * 4


def test_with_the_bundled_model() -> None:
    shots = prompt({"The striker scored twice in the final.": "sport", "Share prices fell on Monday.": "business"})
    texts = {"Her team lost the match in extra time.": "sport", "The bank raised its interest rates.": "business"}
    questions = [ask(shots, text, label, ("business", "sport")) for text, label in texts.items()]
    assert NearestExemplarReader().answers(questions) == list(texts.values())


def test_it_costs_nothing(reader: NearestExemplarReader) -> None:
    assert not isinstance(reader, PaidReader)
    assert reader.answers([]) == []
    assert reader.log_probabilities([]) == []
