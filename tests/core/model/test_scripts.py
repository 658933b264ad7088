"""A warning where a text is in a script that the model has hardly any pieces for."""

import logging

import pytest

from diffumask_core import Compressor

TEXTS = {
    "Cyrillic": "Паром не ходит через озеро при очень сильном ветре, и гости ждут на берегу.",
    "Han": "刮大风的时候渡船不会开到湖的对岸，客人在岸边等着，直到晚上才回家。",
    "Thai": "เรือข้ามฟากไม่วิ่งในวันที่ลมแรงมาก แขกรออยู่ที่ฝั่ง",
}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has seen no text yet."""
    monkeypatch.setattr("diffumask_core.model.scripts._warned", set())


def warnings_of(compressor: Compressor, caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.WARNING, "diffumask"):
        compressor.compress(text * 3, keep_rate=0.5, tokenizer=len, on_overflow="best_effort")
    return [record.getMessage() for record in caplog.records if "script" in record.getMessage()]


@pytest.mark.parametrize("script", TEXTS)
def test_a_script_is_named_once(compressor: Compressor, caplog: pytest.LogCaptureFixture, script: str) -> None:
    warned = warnings_of(compressor, caplog, TEXTS[script])
    assert len(warned) == 1
    assert f"the {script} script" in warned[0]
    assert "Compressor.from_pretrained" in warned[0]
    assert warnings_of(compressor, caplog, TEXTS[script] + " And more.") == []


@pytest.mark.parametrize(
    "text",
    [
        "The ferry does not cross the lake in a strong wind, and the guests wait on the shore.",
        "Die Fähre fährt über den See, né à Orléans, año, “quoted” – 42 €.",
        "The word 船 stands in a long English sentence about the ferry, the lake and the wind, as does паром.",
        "😀 👩‍👩‍👧 🇩🇪 → ≠ ∑ " * 10,
    ],
)
def test_other_texts_are_read_in_silence(compressor: Compressor, caplog: pytest.LogCaptureFixture, text: str) -> None:
    assert warnings_of(compressor, caplog, text) == []
