"""Texts of any language, several at once, and texts that are no language: the guarantees hold, in linear time."""

import time

import pytest
from core.test_guarantees import assert_extractive

from diffumask_core import Compressor, Prompt, Shot

HOSTILE = {
    "several languages": "The ferry 渡船は fährt ไม่วิ่ง nicht 在湖上，sagte 船长。 Паром не ходит. कश्ती नहीं चलती। " * 6,
    "both directions": "The word שלום עולם means مرحبا بالعالم \u202b(1.5 kg)\u202c, said דוד in 2031-05-01. " * 6,
    "transliteration": "Eto ne goditsya dlya detey, zhe bu shi hao, kono kusuri wa kikanai desu yo. " * 6,
    "emoji and flags": "👩‍👩‍👧 likes 🇩🇪🇫🇷 and 1️⃣2️⃣ 👍🏽 but not 🏴󠁧󠁢󠁥󠁮󠁧󠁿 or ❤️‍🔥, 渡船🚢は🌊で 。" * 6,
    "Thai": "เรือข้ามฟากไม่วิ่งในวันที่ลมแรงมากแขกรออยู่ที่ฝั่งจนถึงเย็น" * 6,
    "Khmer": "ខ្ញុំមិនចង់ទៅផ្សារដើម្បីទិញបន្លែនិងត្រីសម្រាប់អាហារពេលល្ងាច" * 6,
    "Tibetan": "ང་ཁྲོམ་ལ་འགྲོ་མི་འདོད་ཟེར་བ་རེད།" * 8,
    "marks alone": "\u0301\u0e33\u17d2\u200b\u200d\ufe0f\u20e3་" * 40,
    "numbers in Thai": "ราคา3.5บาทต่อคนวันที่12เมษายน" * 10,
    "full width": "ＡＢＣ１２３、ｶﾞｷﾞｸﾞ！？：２０３１年５月１日" * 8,
}


def thirds(text: str) -> int:
    return len(text.encode("utf-8", "replace")) // 3 + 1


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("kind", HOSTILE)
def test_the_guarantees_hold(compressor: Compressor, kind: str, rate: float) -> None:
    result = compressor.compress(HOSTILE[kind], keep_rate=rate, tokenizer=thirds, on_overflow="best_effort")
    assert result.text.strip()
    assert thirds(result.text) == result.compressed_tokens <= max(result.budget, result.protected_tokens)
    assert_extractive(result)


@pytest.mark.parametrize("kind", ["Thai", "Khmer", "Tibetan", "several languages"])
def test_a_text_without_spaces_is_shortened(compressor: Compressor, kind: str) -> None:
    result = compressor.compress(HOSTILE[kind], keep_rate=0.5, tokenizer=thirds)
    assert 0.3 * result.original_tokens < result.compressed_tokens <= 0.6 * result.original_tokens


@pytest.mark.parametrize(
    "query", ["谁修好了栅栏？", "จดหมายส่งถึงใคร", "Кто починил забор?", "من أصلح السور؟", "👩‍👩‍👧?"]
)
def test_a_query_may_be_in_another_language(compressor: Compressor, query: str) -> None:
    passages = [
        "The neighbour has never repaired the fence behind the orchard, said the mayor.",
        "隣の人は果樹園の後ろの柵を直していませんでした。町長がそう言いました。",
        "医生说这种糖浆不适合儿童，只适合成人，所以他没有把药给孩子们。",
    ]
    prompt = Prompt("Answer briefly.", [Shot(text=text) for text in passages], query)
    result = compressor.compress(prompt, keep_rate=0.5, tokenizer=thirds)
    assert result.text.endswith(query)
    assert result.compressed_tokens <= result.budget
    assert_extractive(result)


@pytest.mark.parametrize("letter", "字あアーก不ခខལ한आעعж😀\u200b\u0e33")
def test_one_character_a_hundred_thousand_times_takes_seconds(compressor: Compressor, letter: str) -> None:
    begin = time.process_time()
    result = compressor.compress(letter * 100_000, keep_rate=0.5, tokenizer=thirds, on_overflow="best_effort")
    assert time.process_time() - begin < 20
    assert result.compressed_tokens <= max(result.budget, result.protected_tokens)
