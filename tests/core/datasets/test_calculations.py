"""Word problems as exemplars."""

import pytest

from diffumask_core.datasets import Exemplar, SolutionRow, exemplar_of, is_held_out


def exemplar(answer: str, question: str = "How many rolls?") -> Exemplar:
    return exemplar_of(SolutionRow(question=question, answer=answer))


def required(of: Exemplar) -> list[str]:
    return [of.text[start:end] for start, end in sorted(of.required)]


def test_the_text_is_a_chain_of_thought_without_marks() -> None:
    made = exemplar("She bakes 5 * 14 = <<5*14=70>>70 rolls.\nThen 70 - 23 = <<70-23=47>>47 are left.\n#### 47")
    assert made.text == (
        "Question: How many rolls?\nLet's think step by step.\n"
        "She bakes 5 * 14 = 70 rolls.\nThen 70 - 23 = 47 are left.\nThe answer is 47."
    )


@pytest.mark.parametrize(
    ("answer", "terms"),
    [
        ("She bakes 5 * 14 = <<5*14=70>>70 rolls.\n#### 70", ["5", "*", "14", "=", "70", "70"]),
        ("That is 1,200/4 = $<<1200/4=300>>300.\n#### 300", ["1,200", "/", "4", "=", "300", "300"]),
        ("So 3 x 2 = <<3*2=6>>6, and 12 ÷ 6 = <<12/6=2>>2.\n#### 2", [*"3x2=6", "12", *"÷6=22"]),
        ("Of 80, 25% is 80*25/100=<<80*25/100=20>>20.\n#### 20", ["80", "*", "25", "/", "100", "=", "20", "20"]),
        ("Half of 48 is <<48/2=24>>24.\n#### 24", ["48", "24", "24"]),
        ("It takes 0.5 + .5 = <<.5+.5=1>>1 hour.\n#### 1", ["0.5", "+", ".5", "=", "1", "1"]),
        ("Nothing is calculated.\n#### 7", ["7"]),
    ],
)
def test_terms_of_calculations_and_the_answer_are_required(answer: str, terms: list[str]) -> None:
    assert required(exemplar(answer)) == terms


def test_terms_are_looked_for_in_their_own_line() -> None:
    made = exemplar("He has 9 coins.\nTwice as many is <<9*2=18>>18.\n#### 18", question="Has he 9 * 2?")
    assert required(made) == ["18", "18"]


def test_the_nearest_term_is_taken() -> None:
    made = exemplar("With 4 boys and 4 girls, 4 + 4 = <<4+4=8>>8.\n#### 8")
    start = made.text.index("4 + 4")
    assert set(made.required) >= {(start, start + 1), (start + 2, start + 3), (start + 4, start + 5)}


def test_one_problem_in_eight_is_held_out() -> None:
    rows = [SolutionRow(question=f"Question {number}?", answer="#### 1") for number in range(4000)]
    held_out = [is_held_out(row) for row in rows]
    assert 400 < sum(held_out) < 600
    assert held_out == [is_held_out(SolutionRow(question=row.question, answer="#### 2")) for row in rows]
