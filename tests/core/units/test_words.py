"""Splitting a text into words, and what holds several words together."""

import gc
import re
import time
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from diffumask_core.units.words import bound_words, split_words


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in split_words(text).tolist()]


def bound(text: str) -> list[str]:
    return [text[start:end] for start, end in bound_words(text, 0, len(text), split_words(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\n ", []),
        ("the tall man", ["the", "tall", "man"]),
        ("don't o’clock well-known", ["don't", "o’clock", "well-known"]),
        ("order_id HAT111", ["order_id", "HAT111"]),
        ("1,200 and 3.5, at 10:30.", ["1,200", "and", "3.5", ",", "at", "10:30", "."]),
        ("on 2024-05-17 or .5", ["on", "2024-05-17", "or", ".5"]),
        ("12 * 3=36", ["12", "*", "3=36"]),
        ("$72 (50%)", ["$72", "(50%)"]),
        ("wait... no!!", ["wait", "...", "no", "!!"]),
        ("see https://a.example/b?c=1, please", ["see", "https://a.example/b?c=1", ",", "please"]),
        ("👩‍👩‍👧😀🇩🇪", ["👩‍👩‍👧", "😀", "🇩🇪"]),
        ("日本語のテスト", ["日本語の", "テスト"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("((x))", ["(", "(", "x", ")", ")"]),
        ("item(s), (that is)", ["item", "(", "s", ")", ",", "(", "that", "is", ")"]),
        ("status != done", ["status", "!=", "done"]),
    ],
)
def test_words_are_words_of_prose_exact_things_and_marks(text: str, expected: list[str]) -> None:
    assert words(text) == expected


EXACT = r"""
500mg 2.5mg 16GB $35M €1.200,50 12:30pm 1st 20% 5°C 10-20 2020–2024 1914—1918 -3 +4.5 ±2 1e-9 3/4 3.5
2031-05-17 2031-05-17T10:20:30.123+02:00 v3.11.7 pydantic-2.14.3 0xDEADBEEF #ff8800 9f86d081884c7d65
550e8400-e29b-41d4-a716-446655440000 10.0.0.1:8080 10.0.0.0/8 2001:db8::1/64 ::1 anna.lind@mail.example.org
support.example.org https://a.example/b?c=1#d data:image/png;base64,iVBORw0KGgo/+A== ./site/ C:\Users\x ~/.ssh
../a ../.. /s --force -rf -v --dry-run=client total(order.lines) obj.method() main() a[0].b std::vector<int>
List<String> $HOME ${HOME} "$PWD":/app %APPDATA% x>=3 a!=b a->b <br> <b>bold</b> @anna #123 #topic [x] C++ C#
.NET node.js and/or order_id main...feature/x block__part--form v1.0...v2.0 "v2.0" (50%) 'a.b' 2020's ©2031
…/src/a.py handlers[0](event) +47-22-33 3個 2024年3月5日 10キロ 3つ 500บาท צה״ל צה"ל
"""


@pytest.mark.parametrize("text", [*EXACT.split(), "[ ]", "10\uff1a30"])
def test_an_exact_thing_is_one_word(text: str) -> None:
    assert words(text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(see v3.2.1), \"a.b, 'x/y", ["(", "see", "v3.2.1", ")", ",", '"', "a.b", ",", "'", "x/y"]),
        ("total(a.b); e.g., 5) 1. a/b?!", ["total(a.b)", ";", "e.g", ".", ",", "5", ")", "1", ".", "a/b", "?", "!"]),
        ("(https://x.example/a).", ["(", "https://x.example/a", ")", "."]),
        ("[v2.0](https://x.example/a_b).", ["[", "v2.0", "]", "(", "https://x.example/a_b", ")", "."]),
        ("[setup](docs/setup.md)", ["[", "setup", "]", "(docs/setup.md)"]),
        ("1999—when 1999...when 1999--when", ["1999", "—", "when", "1999", "...", "when", "1999", "--", "when"]),
        ("v2.0🎉 1️⃣2️⃣🇩🇪🇫🇷 7👍🏽", ["v2.0", "🎉", "1️⃣", "2️⃣", "🇩🇪", "🇫🇷", "7", "👍🏽"]),
        ("\ufeffa.b \u20662024\u2069", ["\ufeff", "a.b", "\u2066", "2024", "\u2069"]),
    ],
)
def test_what_stands_around_an_exact_thing_is_apart(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("りんごを3個買った。", ["りんごを", "3個買", "った", "。"]),
        ("価格は3,500円です", ["価格は", "3,500円", "です"]),
        ("请看/usr/bin目录，共16GB", ["请", "看", "/usr/bin", "目录", "，", "共", "16GB"]),
        ("2024年增长率達到了三百萬以上", ["2024年", "增长率", "達到", "了", "三百萬", "以上"]),
        ("「3個」", ["「", "3個", "」"]),
        ("ราคา3.5บาท/คน", ["ราคา3.5บาท", "/", "คน"]),
    ],
)
def test_in_scripts_without_spaces_a_number_takes_its_counter_alone(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize("mark", "\u00ad\u200b\u200c\u200d\u2060\u05f3\u05f4\u0301")
def test_what_does_not_show_belongs_to_its_word(mark: str) -> None:
    assert words(f"some wo{mark}rd here") == ["some", f"wo{mark}rd", "here"]


def test_a_part_of_a_text_keeps_the_offsets_of_the_whole() -> None:
    assert split_words("one two three", 4, 7).tolist() == [[4, 7]]
    assert split_words("a.b", 2, 3).tolist() == [[2, 3]]


@given(st.text(max_size=200) | st.text("ab1.:-_/@'\"()[]$ \n—…年🇩🇪\ufe0f\u200d\ufeff", max_size=60))
@example("[ ]")
def test_each_character_that_is_not_white_space_is_in_one_word(text: str) -> None:
    offsets = split_words(text).tolist()
    assert all(start < end for start, end in offsets)
    assert all(before[1] <= after[0] for before, after in pairwise(offsets))
    assert "".join("".join(words(text)).split()) == "".join(text.split())


LATIN = st.text("abcXYZäéø0123456789.,:;!?/@_\\-+=%$#()[]\"'", min_size=1, max_size=20)


@given(st.lists(LATIN, max_size=8).map(" ".join))
def test_digits_stay_with_what_is_glued_to_them(text: str) -> None:
    spans = {tuple(span) for span in split_words(text).tolist()}
    for match in re.finditer(r"[^\W_]*(?:[.:][^\W_]+)*", text):
        if any(map(str.isdigit, match[0])):
            assert any(start <= match.start() and match.end() <= end for start, end in spans), match[0]


@given(LATIN.filter(lambda text: not {"...", "--"} & {text[i : i + k] for i in range(20) for k in (2, 3)}))
def test_an_exact_stretch_is_one_word_but_for_the_punctuation_around_it(text: str) -> None:
    core = text.strip(".,:;!?()[]\"'")
    if any(character.isdigit() or character in "/@_\\" for character in core) and "](" not in text:
        assert any(core in word for word in words(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT name FROM users WHERE status <> 'banned' AND age >= 18;", ["status <> 'banned'", "age >= 18"]),
        ("a -> b -> c and (x := 3).", ["a -> b -> c", "(x := 3)"]),
        ("town == 'New York', \"New York\" == town", ["town == 'New York'", '"New York" == town']),
        ("cd a && make || exit", ["a && make || exit"]),
        ("p < 0.05 and age ≥ 18", ["p < 0.05", "age ≥ 18"]),
        ("x <=5, y!= six", ["x <=5", "y!= six"]),
        ("-> no left side\nno right side ->\n> quoted\n> > again", []),
        ("a, b and c", []),
    ],
)
def test_an_operator_holds_on_to_both_its_sides(text: str, expected: list[str]) -> None:
    assert bound(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("run `rm -rf x` now, it`s all", ["`rm -rf x`"]),
        ("with ``a b`` and `no end\nhere`", ["``a b``"]),
        ("let $x^2 + y$ be \\( a+b = c \\) or \\[ n \\ge 1 \\].", ["$x^2 + y$", "\\( a+b = c \\)", "\\[ n \\ge 1 \\]"]),
        ("$5 and $6, $20 (or 30$), $5-$10, $HOME/bin:$PATH", []),
        ("some 1\u00a0200\u00a0000 people", ["1\u00a0200\u00a0000"]),
        (f"`{'long ' * 100}`", []),
        ("The pool has 48 of 50 lines in use, 3 out of 5 rooms are full.", ["48 of 50", "3 out of 5"]),
        ("It was part 1 of the book.", []),
    ],
)
def test_code_formulas_and_grouped_numbers_hold_together(text: str, expected: list[str]) -> None:
    assert bound(text) == expected


@given(st.text("ab1`$'\"<>=-& \n\\()^", max_size=80))
def test_bound_words_go_from_word_to_word_in_order(text: str) -> None:
    offsets = split_words(text)
    spans = bound_words(text, 0, len(text), offsets)
    assert {start for start, _ in spans} <= {*offsets[:, 0].tolist()}
    assert {end for _, end in spans} <= {*offsets[:, 1].tolist()}
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_a_chain_of_operators_has_a_longest_length() -> None:
    spans = bound_words(text := "value -> " * 1000, 0, len(text), split_words(text))
    assert max(end - start for start, end in spans) <= 400


HOSTILE = [
    "1", ".", "(", "-", "_", "🇩🇪", "a.", "::", "`", "$", '"1', "1)", "](", "](a.", "<a", "1…", "a...", "a--", "3個の",
    "1ก", "👩\u200d", "1\ufe0f\u20e3", "1🇩🇪", "http://", "$a ", "`a ", "a -> ", "a == 'b ", "\\( ", "\\[", "1\u00a0",
    "1.)", "字", "あ", "ア", "ー", "ก", "ก้", "ខ្", "ခ", "ລາ", "ལ་", "字\u200b", "ก1", "𠀀", "葛\U000e0100",
]  # fmt: skip


@pytest.mark.parametrize("pattern", HOSTILE)
def test_time_is_linear_in_the_length(pattern: str) -> None:
    def seconds(length: int) -> float:
        text = (pattern * length)[:length]
        # What other tests have left behind is not to be collected meanwhile.
        gc.disable()
        begin = time.process_time()
        bound_words(text, 0, length, split_words(text))
        took = time.process_time() - begin
        gc.enable()
        return took

    seconds(100)  # reads what is read once
    # Quadratic time would be 64 times as long; eight times is linear, and the rest is for a busy machine.
    assert seconds(80_000) < 24 * min(seconds(10_000) for _ in range(3)) + 0.1
