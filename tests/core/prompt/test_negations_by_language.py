"""In each language a word that turns its sentence stays while the word stays that it governs."""

import re
from dataclasses import dataclass

import pytest
from core.prompt.negation_sentences import SENTENCES

from diffumask_core import Compressor
from diffumask_core.prompt.spans import Span
from diffumask_core.units.words import split_words

_MARKED = re.compile(r"([\[<])([^\[\]<>\n]+)([\]>])")


@dataclass(frozen=True)
class Marked:
    """A text, and in it the words that turn a sentence, each with a word that it governs."""

    text: str
    turns: list[tuple[Span, Span]]


def read(marked: str) -> Marked:
    """Takes the brackets out of a text."""
    text, turns, sides = "", [], []
    at = 0
    for match in _MARKED.finditer(marked):
        text += marked[at : match.start()]
        turns.append((len(text), len(text) + len(match[2])))
        sides.append((match[1] == "<", match[3] == ">"))
        text += match[2]
        at = match.end()
    text += marked[at:]
    words = split_words(text).tolist()
    found = []
    for (start, end), (left, right) in zip(turns, sides, strict=True):
        if left:
            found.append(((start, end), max(tuple(word) for word in words if word[1] <= start)))
        if right:
            found.append(((start, end), min(tuple(word) for word in words if word[0] >= end)))
    return Marked(text, found)


def characters(text: str) -> int:
    return len(text.encode()) // 3 + 1


@pytest.mark.parametrize("language", SENTENCES)
def test_a_negation_stays_while_its_neighbour_stays(compressor: Compressor, language: str) -> None:
    marked = read(SENTENCES[language].strip())
    assert len(marked.turns) >= 15
    result = compressor.compress(marked.text, keep_rate=0.5, tokenizer=characters)
    for rate in (0.3, 0.5, 0.7):
        spans = result.at(keep_rate=rate).spans
        kept = [turn for turn, governed in marked.turns if is_kept(governed, spans)]
        assert kept
        assert [marked.text[slice(*turn)] for turn in kept if not is_kept(turn, spans)] == []


def is_kept(span: Span, spans: list[Span]) -> bool:
    return any(start <= span[0] and span[1] <= end for start, end in spans)
