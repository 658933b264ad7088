"""Where words of scripts without spaces part."""

from itertools import pairwise

import budoux
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopwatch import at_most

from diffumask_core.units.words import split_words


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in split_words(text).tolist()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("歩いて行きましたが、雨が降った。", ["歩いて行きましたが", "、", "雨が", "降った", "。"]),
        ("他没有去北京大学。", ["他", "没有", "去", "北京", "大学", "。"]),
        (
            "這種糖漿不適合兒童，他們沒有說。",
            ["這", "種", "糖漿", "不", "適合", "兒童", "，", "他們", "沒有", "說", "。"],
        ),
        ("ฉันไม่ได้ไปโรงเรียน", ["ฉัน", "ไม่", "ได้", "ไป", "โรงเรียน"]),
        ("iPhoneはここ", ["iPhone", "は", "ここ"]),
        ("葛\U000e0100城市", ["葛\U000e0100", "城市"]),
    ],
)
def test_runs_are_cut_into_phrases(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_each_line_is_in_its_own_language() -> None:
    assert words("東京大学はここです。\n北京大学在这里。") == [
        *["東京大学は", "ここです", "。"],
        *["北京", "大学", "在", "这里", "。"],
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ខ្ញុំចង់\u200bទៅ\u200bផ្សារ។", ["ខ្ញុំចង់\u200b", "ទៅ\u200b", "ផ្សារ", "។"]),
        ("མགོ་ལུས། ལག་པ་", ["མགོ་", "ལུས", "།", "ལག་", "པ་"]),
        ("ຂ້ອຍ\u200bໄປ", ["ຂ້ອຍ\u200b", "ໄປ"]),
        ("หนังสือ\u200bใหม่", ["หนัง", "สือ\u200b", "ใหม่"]),
    ],
)
def test_the_marks_of_a_writer_part_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024年3月5日", ["2024年3月5日"]),
        ("https://a.example/日本語のページ", ["https://a.example/日本語のページ"]),
        ("ฉันไป3ครั้งเพราะฝนตก", ["ฉัน", "ไป3ครั้ง", "เพราะ", "ฝนตก"]),
    ],
)
def test_exact_words_stay_whole(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize("letters", ["ខ្ញុំទៅផ្សារ", "မြန်မာနိုင်ငံ", "ຂ້ອຍໄປຕະຫຼາດ", "字", "かんじ", "ภาษา"])
def test_no_word_is_longer_than_a_clause_and_none_begins_within_a_character(letters: str) -> None:
    found = words(letters * 40)
    assert "".join(found) == letters * 40
    assert max(map(len, found)) <= 40
    assert not any(word[0] in "\u17d2\u102d\u1039\u103a\u0eb3\u0e33\u0e48\u17bb" for word in found)


@given(st.text("这种糖浆不适合儿童只适合成人", min_size=1, max_size=1200))
def test_long_runs_are_cut_where_the_model_says(text: str) -> None:
    whole = budoux.load_default_simplified_chinese_parser().parse(text)
    if max(map(len, whole)) <= 40:
        assert words(text) == whole


SHARDS = [
    "字",
    "かな",
    "カナ",
    "ー",
    "ไทย",
    "ำ",
    "ខ្មែ",
    "\u200b",
    "་",
    "བོ",
    "1",
    "a",
    ".",
    "，",
    " ",
    "\n",
    "\u0301",
    "😀",
]


@given(st.lists(st.sampled_from(SHARDS), max_size=60).map("".join))
def test_each_character_is_in_one_word(text: str) -> None:
    offsets = split_words(text).tolist()
    assert all(start < end for start, end in offsets)
    assert all(before[1] <= after[0] for before, after in pairwise(offsets))
    assert "".join("".join(words(text)).split()) == "".join(text.split())


def test_a_long_text_takes_little_time() -> None:
    text = "医生说这种糖浆不适合年纪很小的儿童，" * 5000
    with at_most(5):
        split_words(text)
