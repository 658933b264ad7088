"""What comes out unchanged: template variables, URLs, and what the user names; where fenced code is."""

import logging
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stopwatch import at_most

from diffumask_core import Compressor, Prompt
from diffumask_core.errors import InputError
from diffumask_core.prompt.protect import fenced_spans, query_words, url_spans, user_spans, variable_spans
from diffumask_core.prompt.spans import merge_spans


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in merge_spans([*variable_spans(text), *url_spans(text)])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi {name}, you owe {price:.2f}.", ["{name}", "{price:.2f}"]),
        ("Hi {{name}} and {{ user.name | upper }}!", ["{{name}}", "{{ user.name | upper }}"]),
        ("{rows[0].id} {0} {x!r} ${HOME}", ["{rows[0].id}", "{0}", "{x!r}", "${HOME}"]),
        ("{% if paid %}Thanks{% endif %}", ["{% if paid %}", "{% endif %}"]),
        ('{"name": "Ann", "tags": []} {} { a, b } {not a name}', []),
        ("See https://a.example/x?y=1#z. Or www.b.example, ok", ["https://a.example/x?y=1#z", "www.b.example"]),
        (
            "(https://a.example/Bay_(sea)) https://a.example/{id}/x",
            ["https://a.example/Bay_(sea)", "https://a.example/{id}/x"],
        ),
        ("Run:\n```sh\nls {x}\n```\ndone", ["{x}"]),
    ],
)
def test_protected(text: str, expected: list[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Use `code` and ```inline``` here", []),
        ("Run:\n```sh\nls {x}\n```\ndone", ["```sh\nls {x}\n```"]),
        ("Run:\n```sh\n\nls {x}\n\n```\ndone", ["```sh\n\nls {x}\n\n```"]),
        ("Run:\r\n  ~~~\r\n```\r\n  ~~~\r\ndone", ["~~~\r\n```\r\n  ~~~"]),
        ("````\n```\n````\nx", ["````\n```\n````"]),
        ("Output: ```json\n{}\n```\n\nOutput: ```json\n[]\n```", ["```json\n{}\n```", "```json\n[]\n```"]),
        ("1. ```sh\n   ls\n   ```\n2. Go.", ["```sh\n   ls\n   ```"]),
        ("Run:\n```\nls\nand on", ["```\nls\nand on"]),
        ("Run:\n```\nls\n\nProse.\n\nMore prose.", ["```\nls"]),
        ("Run:\r\n```\r\nls\r\n\r\nProse.", ["```\r\nls"]),
        ("[1] Run:\n```\nls\n[2] Prose of another passage.", ["```\nls"]),
        ("<doc>\n```\nls\n</doc>\n<doc>\nProse.\n</doc>", ["```\nls"]),
        ("```sh\nls\n\nProse.\n\n```sh\nrm\n```\nend", ["```sh\nls", "```sh\nrm\n```"]),
    ],
)
def test_fenced_code(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in fenced_spans(text)] == expected


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("{camera}", ""),
        ("Question: {question}\nAnswer:", ""),
        ("## Question\n{{ question }}", ""),
        ("<question>{q}</question>", ""),
        ("\u95ee\u9898\uff1a{q}", ""),
        ("Question: Which camera?\nAnswer:", "Question: Which camera?"),
        ("Which lens fits {camera} best?", "Which lens fits   best?"),
        ("", ""),
    ],
)
def test_a_placeholder_is_no_query(query: str, words: str) -> None:
    assert query_words(query) == words


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="{}%$`~ab.:/ \nhtps(", max_size=80))
def test_spans_are_sorted_and_apart(text: str) -> None:
    at = -1
    for start, end in merge_spans([*variable_spans(text), *url_spans(text)]):
        assert at < start < end <= len(text)
        at = end


def test_the_user_names_strings_patterns_and_spans() -> None:
    text = "Order A-17 for Ann. Order B-4 for Bo."
    spans = user_spans(text, ["Ann", re.compile(r"[A-Z]-\d+"), (0, 5)])
    assert [text[slice(*span)] for span in spans] == ["Order", "A-17", "Ann", "B-4"]


def test_overlaps_are_joined() -> None:
    assert user_spans("aaaa b", ["aa", re.compile("x*")]) == [(0, 4)]


def test_what_does_not_occur_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="diffumask"):
        assert user_spans("text 17", ["Mr. Nobody", "text", re.compile("absent")]) == [(0, 4)]
    told = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [("diffumask", "INFO", "protect holds 'Mr. Nobody', which is nowhere in the text.")]


@pytest.mark.parametrize(
    ("protect", "message"),
    [
        ([""], "empty string"),
        ("Ann", r"protect=\['Ann'\]"),
        ([(3, 99)], r"\(3, 99\).*4, the length"),
        ([(3, 1)], r"\(3, 1\)"),
        ([(2, 2)], r"\(2, 2\)"),
        ([(-1, 2)], r"\(-1, 2\)"),
        ([7], "7 of type int"),
        ([[0, 2]], "of type list"),
        ([(0, 1, 2)], "of type tuple"),
        ([re.compile(b"x")], "of type Pattern"),
    ],
)
def test_what_cannot_be_protected(protect: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        user_spans("text", protect)


TEMPLATE = (
    "You write letters for the harbour office, and you write them in a calm and friendly voice, whoever asks. "
    'Reply with {{"letter": "...", "sent": true, "to": [{{"name": "..."}}]}} and nothing else around that. '
    "Dear %(name)s, your berth %(number)03d is paid until {date:%d.%m.}, and ${keeper} of {{ quay }} waits on the pier."
)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_what_a_template_fills_in_comes_out(compressor: Compressor, rate: float) -> None:
    options: dict[str, Any] = {"keep_rate": rate, "tokenizer": len, "compress_instructions": True}
    texts = [
        compressor.compress(TEMPLATE, **options).text,
        compressor.compress(Prompt(instructions=TEMPLATE, query="Who waits?"), **options).text,
    ]
    for text in texts:
        for variable in (
            '{{"letter": "...", "sent": true, "to": [{{"name": "..."}}]}}',
            "%(name)s",
            "%(number)03d",
            "${keeper}",
            "{{ quay }}",
        ):
            assert variable in text


@pytest.mark.parametrize("piece", ["{{", "{{a", "{", "{{{", "{{ {", "}} {{", "%(", "{{a{b}"])
def test_looking_for_variables_takes_linear_time(piece: str) -> None:
    text = piece * (50_000 // len(piece))
    with at_most(4):
        variable_spans(text)
