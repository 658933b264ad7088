"""Which lines are turns of a transcript, and which only look alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopwatch import at_most

from diffumask_core.regions.region import Lines
from diffumask_core.regions.transcript import find_speakers


def turns(text: str, **options: object) -> list[tuple[str, str]]:
    found = find_speakers(Lines.of(text), **options)  # type: ignore[arg-type]
    return [(text[slice(*each.span)], text[slice(*each.after)].strip()) for each in found if each.after]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Anna:", "Ben:"),
        ("User:", "Assistant:"),
        ("[00:12] Anna:", "[00:15] Ben:"),
        ("[2024-05-01 10:11:12] Anna:", "[2024-05-01 10:11:13] Ben:"),
        ("12/03/24, 10:11 - Anna:", "12/03/24, 10:12 - Ben Holm:"),
        ("**Anna:**", "**Ben:**"),
        ("**Anna**:", "**Ben**:"),
        ("<anna>", "<ben>"),
        ("ANNA (V.O.):", "BEN:"),
        ("SPEAKER_00:", "SPEAKER_01:"),
        ("Speaker 1:", "Speaker 2:"),
        ("Dr. Anna Holm:", "Ms. Bea O'Hara:"),
        ("Анна:", "Борис:"),
        ("小明:", "小红:"),
        ("  Anna:", "  Ben:"),
    ],
)
def test_prefixes(first: str, second: str, line_end: str) -> None:
    said = [(first, "Is it late?"), (second, "Not yet."), (first, "Then stay."), (second, "I will.")]
    text = line_end.join(f"{prefix} {words}" for prefix, words in said)
    assert turns(text) == [(prefix.strip(), words) for prefix, words in said]


def test_three_turns_are_enough() -> None:
    assert len(turns("Anna: Hi.\nBen: Hello there.\nAnna: Coffee?")) == 3


def test_an_utterance_goes_on_to_the_next_turn_and_the_last_one_to_its_end() -> None:
    text = "Anna: It is late,\nand dark.\n\nLet us go.\nBen: Yes.\nAnna: Now?\nOr then?\n\nThey left at ten."
    assert turns(text) == [
        ("Anna:", "It is late,\nand dark.\n\nLet us go."),
        ("Ben:", "Yes."),
        ("Anna:", "Now?\nOr then?"),
    ]
    assert not any(each.alone for each in find_speakers(Lines.of(text)))


@pytest.mark.parametrize(
    "text",
    [
        "Anna: Hi.\nBen: Hello.",
        "A first thing: it has a colon.\nA second one: so does it.\nThird: the last.",
        "Dish: soup\nWine: white\nDish: steak\nWine: red",
        "Question: Is it?\nAnswer: It is.\nQuestion: Was it?\nAnswer: It was.",
        "Q: Is it?\nA: It is.\nQ: Was it?\nA: It was.",
        "Name: Ann.\nPrice: 3.\nName: Bo.\nPrice: 4.",
        "2024-01-02 10:11:12 ERROR: a.\n2024-01-02 10:11:13 INFO: b.\n2024-01-02 10:11:14 ERROR: c.",
        "Anna: One.\nBen: Two.\nCara: Three.\nDora: Four.",
        "Anna: One.\nAnna: Two.\nAnna: Three.",
        "host: a.example\nport: 1\nhost: b.example\nport: 2",
        "Scalar: len(a)\nEmpty: len(b)\nScalar: len(c)\nEmpty: len(d)",
        "Traceback (most recent call last):\nValueError: No.\nTraceback (most recent call last):\nValueError: No.",
        "http://a.example\nhttp://b.example\nhttp://a.example",
        "C:\\a\\b.\nD:\\a.\nC:\\c.",
        "",
    ],
)
def test_no_transcript(text: str) -> None:
    assert turns(text) == []


def test_claimed_lines_are_no_turns_and_end_an_utterance() -> None:
    text = "Anna: Look.\nIt says:\nx = 1\ny = 2\nBen: Yes.\nAnna: Good."
    claimed = [(text.index("x ="), text.index("\nBen"))]
    assert turns(text, claimed=claimed)[0] == ("Anna:", "Look.\nIt says:")
    assert turns(text, claimed=[(0, len(text))]) == []


@given(
    st.one_of(
        st.text(max_size=100),
        st.lists(st.sampled_from(["Anna:", "Ben:", " hi.", "\n", "<a> b", "[00:12] "])).map("".join),
    )
)
def test_prefixes_stand_before_what_is_said(text: str) -> None:
    at = 0
    for each in find_speakers(Lines.of(text)):
        assert each.after
        assert at <= each.span[0] < each.span[1] == each.after[0] < each.after[1] <= len(text)
        at = each.after[1]


@pytest.mark.parametrize(
    "piece", ["Anna: Hi.\nBen: Ho.\n", "A B C D: x.\n", "text\n", "[00:12] ", "a", "Aa Bb ", "> ", "<a", "1"]
)
def test_time_is_linear(piece: str) -> None:
    lines = Lines.of(piece * min(25_000, 1_000_000 // len(piece)))
    with at_most(4):
        find_speakers(lines)
