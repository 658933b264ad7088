import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffumask_core.readers import Question
from diffumask_core.readers.answers import final_answer, full_text, is_right, normalise

TOPICS = ("Business", "Business & Finance", "Sports", "good")


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("36", "36"),
        ("The answer is 36.", "36"),
        ("He buys 4 boxes with 9 in each: 4 * 9 = 36. The answer is $1,236.", "1,236"),
        ("Answer: the harbour\nExplanation: it is on the map.", "the harbour"),
        ("**Paris**.", "Paris"),
        ("", ""),
        (" \n", ""),
    ],
)
def test_what_a_free_reply_says(reply: str, answer: str) -> None:
    assert final_answer(reply) == answer


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("Sports", "Sports"),
        ("sports.", "Sports"),
        ("Label: Sports", "Sports"),
        ("The answer is **Sports**.", "Sports"),
        ("It is about business & finance, I think", "Business & Finance"),
        ("Business", "Business"),
        ("That is a Business matter", "Business"),
        ("Sports or business", ""),
        ("I'm sorry, but I cannot help with that.", ""),
        ("sportswear, goods", ""),
        ("", ""),
    ],
)
def test_the_label_that_a_reply_names(reply: str, label: str) -> None:
    assert final_answer(reply, TOPICS) == label


@given(reply=st.text(), labels=st.lists(st.text(), max_size=4))
def test_any_reply_gives_a_label_or_none(reply: str, labels: list[str]) -> None:
    answer = final_answer(reply, labels)
    assert answer in labels or answer == "" if labels else answer in reply


@given(label=st.sampled_from(TOPICS), before=st.sampled_from(["", "The answer is ", "Answer: ", " ", "**"]))
def test_a_label_alone_is_understood(label: str, before: str) -> None:
    assert final_answer(before + label.upper() + ".", TOPICS) == label


@pytest.mark.parametrize(
    ("answer", "right", "same"),
    [
        ("36", "36", True),
        ("$36.00", "36", True),
        ("1,236 apples", "1236", True),
        ("4 boxes with 9 in each, so 36", "36", True),
        ("36", "63", False),
        ("-5", "5", False),
        ("", "5", False),
        ("The Harbour.", "the  harbour", True),
        ("harbour", "the harbour", False),
        ("", "harbour", False),
    ],
)
def test_whether_an_answer_is_right(answer: str, right: str, same: bool) -> None:
    assert is_right(answer, Question("", "", right)) is same


@given(st.text())
def test_what_is_normalised_stays_so(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_what_a_language_model_reads() -> None:
    assert full_text(Question("Q: a\nA: b\n", "Q: c\nA:", "d")) == "Q: a\nA: b\n\nQ: c\nA:"
    assert full_text(Question(" ", "Q: c\nA:", "d")) == "Q: c\nA:"
