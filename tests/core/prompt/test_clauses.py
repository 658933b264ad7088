"""What a negation denies, and what a condition holds for, is whole or gone with it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopwatch import at_most

from diffumask_core import Compressor
from diffumask_core.prompt.clauses import bonds
from diffumask_core.prompt.negations import turning_words

RATES = (0.15, 0.3, 0.5, 0.7)

# Of each sentence a stretch in brackets of which no word may stay without the others.
SENTENCES = {
    "English": """
The red bucket is [not for the garden but for the cellar].
Send the bill to Mr Lund, not to his sister in Oslo.
You may [not open the upper valve] today.
The lift [must never be used] during a fire.
[Close the lid unless the light is green].
[Wait here until the bell has rung].
[Oil the hinge, but only after you have cleaned it].
[If the pump leaks, call the smith]; [otherwise turn the handle twice].
[Every seat is free except the two in front].
[Before you lift the cover, pull the plug].
The fee is low, [but guests pay twice].
""",
    "German": """
Der rote Eimer ist [nicht für den Garten, sondern für den Keller].
[Wenn die Pumpe leckt, rufen Sie den Schmied].
[Der Gast darf nicht rauchen, es sei denn, der Wirt erlaubt es].
[Öffnen Sie den Deckel erst, nachdem die Lampe erloschen ist].
Die Schlüssel [werden nur an Gäste ausgegeben, deren Name auf der Liste steht].
Der Wirt [haftet nicht für Mäntel, die im Saal hängen].
""",
    "Spanish": """
El cubo rojo [no es para el jardín, sino para el sótano].
[Si la bomba gotea, llame al herrero].
[Cierre la tapa, salvo que la luz sea verde].
""",
    "French": """
Le seau rouge [n'est pas pour le jardin mais pour la cave].
[Si la pompe fuit, appelez le forgeron].
[Fermez le couvercle, sauf si la lampe est verte].
""",
    "Russian": """
Красное ведро [не для сада, а для подвала].
[Если насос течёт, позовите кузнеца].
[Закройте крышку, пока лампа не погаснет].
Ключи [выдают только гостям, имена которых есть в списке].
""",
    "Chinese": """
红桶[不是给花园的，而是给地窖的]。
[如果水泵漏水，请叫铁匠]。
[除非灯是绿色的，请盖上盖子]。
[院子里禁止骑车，邮差除外]。
""",
}


def characters(text: str) -> int:
    return len(text)


@pytest.mark.parametrize("language", SENTENCES)
def test_what_hangs_together_is_whole_or_gone(compressor: Compressor, language: str) -> None:
    marked = SENTENCES[language].strip().replace("\n", " ")
    text = re.sub(r"[\[\]]", "", marked)
    bound = []
    for match in re.finditer(r"\[([^\]]+)\]", marked):
        start = len(re.sub(r"[\[\]]", "", marked[: match.start()]))
        bound.append((start, start + len(match[1])))
    assert text != marked
    result = compressor.compress(text, keep_rate=0.5, tokenizer=characters)
    for rate in RATES:
        left = result.at(keep_rate=rate)
        assert left.compressed_tokens <= left.budget
        for start, end in bound:
            kept = [span for span in left.spans if span[0] < end and span[1] > start]
            whole = [span for span in kept if span[0] <= start and span[1] >= end]
            assert kept == whole, text[start:end]


def test_a_long_condition_stays_while_something_stays_that_depends_on_it(compressor: Compressor) -> None:
    condition = "If the water in the tall tank behind the old mill stands above the red line"
    text = (
        f"{condition}, the keeper of the lock opens the gate, the miller stops the wheel in the yard of the mill, "
        "and the smith, who lives by the bridge over the canal, rings the bell of the chapel in the middle of town. "
    )
    result = compressor.compress(text, keep_rate=0.5, tokenizer=characters)
    for rate in (0.4, 0.6, 0.8):
        left = result.at(keep_rate=rate)
        assert left.text.startswith(condition) or not left.text


@pytest.mark.parametrize(
    "text",
    [
        "The ferry goes north at noon. The baker rests on Mondays! A barge brings coal; the shed is not dry. " * 2,
        "Text('The ferry goes north at noon.'), Text('The baker rests on Mondays.'), Text('The shed is not dry.') " * 2,
    ],
)
def test_words_of_two_sentences_are_parted(compressor: Compressor, text: str) -> None:
    result = compressor.compress(text.strip(), keep_rate=0.5, tokenizer=characters)
    for rate in RATES:
        spans = result.at(keep_rate=rate).spans
        kept = [any(start <= at < end for start, end in spans) for at in range(len(text))]
        ends = [match.start() for match in re.finditer("[.!;]", text)]
        for number, end in enumerate(ends[:-1]):
            before = any(kept[ends[number - 1] + 1 if number else 0 : end])
            assert kept[end] or not (before and any(kept[end + 1 :]))


PIECES = ["if", "not", "but", "a", "b", ",", ".", ";", " ", "\n\n", "otherwise", "如果", "不", "而是", "，"]


@given(st.lists(st.sampled_from(PIECES)).map(" ".join))
def test_what_hangs_together_lies_in_the_text(text: str) -> None:
    found = bonds(text, 0, len(text), turning_words(text))
    for start, end in (*found.units, *(rule.span for rule in found.rules)):
        assert 0 <= start < end <= len(text)
        assert text[start:end].strip()


@pytest.mark.parametrize(
    "piece",
    [
        *("if a ", "not, ", "but ", "otherwise; ", "a, ", "如果，", "until\n\n", "(", "if not but, "),
        *("Do not open it, if the lamp is on. ", "如果灯亮着，请不要打开。"),
    ],
)
def test_time_is_linear(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    turns = turning_words(text)
    with at_most(2):
        bonds(text, 0, len(text), turns)
