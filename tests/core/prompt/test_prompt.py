"""`Prompt` and `Shot`: text and spans by construction."""

import pytest

from diffumask_core.errors import InputError
from diffumask_core.prompt.prompt import Prompt, Shot


def test_parts_are_joined_by_a_blank_line() -> None:
    prompt = Prompt(
        "Be brief.",
        [Shot(question="2 + 2?", rationale="Two and two.", answer="4"), "Text: ok\nLabel: good"],
        "Q: 3?\nA:",
    )
    assert prompt.text == "Be brief.\n\nQ: 2 + 2?\nA: Two and two. 4\n\nText: ok\nLabel: good\n\nQ: 3?\nA:"
    layout = prompt.layout
    assert layout.query is not None
    assert [prompt.text[slice(*span)] for span in layout.instructions] == ["Be brief."]
    assert prompt.text[slice(*layout.query)] == "Q: 3?\nA:"
    assert [prompt.text[slice(*shot.span)] for shot in layout.shots] == prompt.text.split("\n\n")[1:3]
    assert [[prompt.text[slice(*span)] for span in shot.kept] for shot in layout.shots] == [
        ["Q:", "A:", "4"],
        ["Text:", "Label:", "good"],
    ]
    assert [shot.answer and prompt.text[slice(*shot.answer)] for shot in layout.shots] == ["4", "good"]
    assert [[prompt.text[slice(*span)] for span in shot.output] for shot in layout.shots] == [
        ["Two and two. 4"],
        ["good"],
    ]


@pytest.mark.parametrize(
    ("shot", "text", "answer"),
    [
        (Shot(question="Up?", answer="Down"), "Q: Up?\nA: Down", "Down"),
        (Shot(question="Up?"), "Q: Up?", None),
        (Shot(question="Up?", answer=""), "Q: Up?", None),
        (Shot(answer="Down"), "A: Down", "Down"),
        (Shot(rationale="Why not."), "A: Why not.", None),
        (Shot("  raw text \n"), "  raw text \n", None),
    ],
)
def test_a_shot_is_written_out(shot: Shot, text: str, answer: str | None) -> None:
    layout = Prompt(shots=[shot]).layout
    assert layout.text == text
    assert layout.instructions == ()
    assert layout.query is None
    span = layout.shots[0].answer
    assert (span and text[slice(*span)]) == answer


def test_what_is_given_is_not_parsed_again() -> None:
    prompt = Prompt("Q: a?\nA: b\n\nQ: c?\nA: d", query="Text: x")
    assert prompt.layout.shots == ()
    assert prompt.layout.instructions == ((0, 22),)


def test_an_empty_prompt_has_no_text() -> None:
    assert Prompt().text == ""


def test_equal_prompts_are_equal() -> None:
    assert Prompt(shots=["a"]) == Prompt(shots=(Shot("a"),))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "nothing in it"),
        ({"text": "  "}, "nothing in it"),
        ({"question": " ", "answer": ""}, "nothing in it"),
        ({"text": "Q: a\nA: b", "answer": "b"}, "both text .* and fields .answer."),
        ({"question": "a", "answer": 4}, r"answer=4.*answer=str"),
    ],
)
def test_a_shot_that_cannot_be(fields: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Shot(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shots": "Q: a\nA: b"}, "must be a list"),
        ({"shots": ["fine", 3]}, "Shot 2 is an int"),
        ({"shots": ["fine", " "]}, "Shot 2 is an empty string"),
        ({"shots": None}, "must be a list"),
        ({"query": None}, "query=None"),
    ],
)
def test_a_prompt_that_cannot_be(fields: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Prompt(**fields)
