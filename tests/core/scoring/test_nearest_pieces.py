"""The pieces of a long text that are nearest to a query."""

from hypothesis import given
from hypothesis import strategies as st

from diffumask_core.scoring.nearest import nearest_pieces


def test_what_the_query_names_stays_and_marks_say_how_much_went() -> None:
    lines = [f"2026-03-02 10:00:00 INFO worker took up job {number}" for number in range(20_000)]
    lines[12_345] = "2026-03-02 11:00:00 ERROR the crane stood still"
    text = "\n".join(lines)
    left, marks = nearest_pieces(text, "Why did the crane stand still?", 10_000)
    assert lines[12_345] in left
    assert len(left) < 10_500
    assert 1 <= len(marks) <= 6
    gone = sum(int(mark.split()[1]) for mark in marks)
    # At a mark the ends of lines stand for themselves.
    assert abs(gone + len(left) - sum(map(len, marks)) - len(text)) <= 3 * len(marks)


@given(st.text(max_size=9_000), st.text(max_size=20), st.integers(2_000, 6_000))
def test_pieces_are_of_the_text_in_its_order(text: str, query: str, characters: int) -> None:
    left, marks = nearest_pieces(text, query, characters)
    position = 0
    for part in left.split("\n"):
        if part not in marks:
            position = text.index(part, position) + len(part)
    assert len(left) <= characters + sum(len(mark) + 2 for mark in marks)


def test_without_a_word_of_the_query_the_beginning_stays() -> None:
    left, marks = nearest_pieces("a" * 10_000, "crane", 2_000)
    assert left == f"{'a' * 2_000}\n{marks[0]}"
    assert marks == ["[… 8000 characters left out]"]
