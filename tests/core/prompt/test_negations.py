"""Which words turn a sentence, and which words they govern."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopwatch import at_most

from diffumask_core.prompt.negations import turning_words


def found(text: str) -> list[tuple[str, str]]:
    return [(text[slice(*word)], text[slice(*governed)]) for word, governed in turning_words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "The syrup is not good for children, only for adults.",
            [("not", "good for children"), ("only", "for adults")],
        ),
        ("Do not, under any circumstances, open the valve.", [("not", "open the valve")]),
        ("It does not.", [("not", "It does")]),
        ("They can't swim and won’t learn.", [("can't", "swim"), ("won’t", "learn")]),
        ("Take at most two, other than on Sundays.", [("at most", "two"), ("other than", "on Sundays")]),
        ("Stay unless it rains.", [("unless", "it rains")]),
        ("Bread is cheap but hardly fresh.", [("hardly", "fresh")]),
        ("Das Mittel hilft nicht gegen Husten.", [("nicht", "Das Mittel hilft"), ("nicht", "gegen Husten")]),
        (
            "Ce sirop n'est pas bon pour les enfants.",
            [
                ("n'est", "pas bon pour les enfants"),
                ("pas", "Ce sirop n'est"),
                ("pas", "bon pour les enfants"),
            ],
        ),
        ("El jarabe no es bueno.", [("no", "es bueno")]),
        ("Lo sciroppo non è buono.", [("non", "è buono")]),
        ("O xarope não é bom.", [("não", "é bom")]),
        ("Сироп не помогает детям.", [("не", "помогает детям")]),
        ("这种糖浆不适合儿童，只适合成人。", [("不", "适合儿童"), ("只", "适合成人")]),
        ("الشراب ليس جيدا للأطفال.", [("ليس", "جيدا للأطفال")]),
        ("यह दवा अच्छी नहीं है।", [("नहीं", "यह दवा अच्छी"), ("नहीं", "है")]),
        ("この薬は効かない。", []),
        ("時間がない。", [("ない", "時間が")]),
        ("水しか飲まない。", [("しか", "飲まない")]),
        ("無料の不動産です。", []),
        ("เขาไม่ได้ไป", [("ไม่", "ได้ไป")]),
        ("İlaç iyi değildir, çünkü eski.", [("değildir", "İlaç iyi")]),
        ("시간이 없다.", [("없다", "시간이")]),
        ("He has never, never said why.", [("never", "He has"), ("never", "said why")]),
        ("It is hardly ever not wet, they say.", [("hardly", "ever not wet"), ("not", "wet")]),
        ("They did not only with great care work.", [("not only", "with great care work")]),
        ("The sin of the king and the solo of the cellist.", []),
        ("O barco parou no porto do rio com a carga.", []),
        ("The sum falls to the heirs.", []),
        ("Der Zug ist noch da und wartet auf die Gäste.", []),
        ("그는 그렇게 말했다.", []),
        ("La leche sin azúcar es para los niños.", [("sin", "azúcar es para los niños")]),
        ("The knot was noted in Nottingham by a non-member.", []),
        ("这里特别冷，非常不同，未来一只猫。", []),
        ("", []),
    ],
)
def test_words_and_what_they_govern(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_only_near_words_are_governed() -> None:
    assert found("Never " + "very " * 20 + "far") == [("Never", "very very very very very very")]


def test_a_word_right_before_another_governs_as_far() -> None:
    assert found("Never unless one two three four five six") == [
        ("Never", "unless one two three four five six"),
        ("unless", "one two three four five six"),
    ]


def test_a_part_of_a_text_is_read() -> None:
    text = "Not here. Not there, not now."
    assert [text[slice(*word)] for word, _ in turning_words(text, 10, 19)] == ["Not"]


@given(
    st.one_of(
        st.text(max_size=100),
        st.lists(
            st.sampled_from(["not", "a", " ", ",", ".", "不", "नहीं", "n't", "nicht", "がない", "しか", "ไม่", "değil"])
        ).map("".join),
    )
)
def test_words_are_apart_from_what_they_govern(text: str) -> None:
    for (start, end), (first, last) in turning_words(text):
        assert 0 <= start < end <= len(text)
        assert end <= first < last <= len(text) or 0 <= first < last <= start


@pytest.mark.parametrize("piece", ["a", " ", "not, ", "n't", "no ", "不", ",", "sin ", "ไม่", "ない", "nicht "])
def test_time_is_linear(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    with at_most(4):
        turning_words(text)
