"""Formulas, lists of numbers and command lines of prose, and what is left of them."""

import pytest
from stopwatch import at_most

from diffumask_core import Compressor
from diffumask_core.units.expressions import expressions

RATES = (0.1, 0.3, 0.5, 0.7)
FORMULAS = [
    "a + 4 * (b - 3) = 60",
    "sum = ( p + q ) * ( r - s ) / 2",
    "5w - 8 = 21",
    "f(t) + 3 >= g(t, u)",
    "(x_1 - m)^2 / (n - 1)",
    "7 - 2 = 5",
]
COMMANDS = [
    "podman run -d -p 9090:90 --name shop -v /opt/shop:/shop:ro caddy:2.7",
    "git push --force upstream trunk",
    "mytool sync --dry-run --depth 3 attic",
    "tar -xzf old.tgz -C /opt",
    "curl -X POST https://a.example/b -H 'Accept: text/plain' -d @body.json",
]

LISTS = ["[[1, 2, 3], [8, 9, 10, 11]]", "(3.5, -4.5e-3, 5)", "{7, 8}", "[ 1, 2 ]"]


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in expressions(text, 0, len(text))]


@pytest.mark.parametrize("expression", [*FORMULAS, *COMMANDS, *LISTS])
def test_an_expression_is_found_in_prose(expression: str) -> None:
    assert found(f"Then we write {expression}, as the book says.") == [expression]
    assert found(f"Run {expression} and wait.") == [expression]


@pytest.mark.parametrize(
    "text",
    [
        "The bill - which was late - is paid - at last.",
        "- one - two",
        "Use the flag --force to push.",
        "Make sure that you find out, and go home.",
        "A well-known man, an e-mail and a (long) walk.",
        "The town (2019) has a[0], two(3) and [open, 1 of them] brackets ) ] (4, 5 or more.",
    ],
)
def test_prose_is_no_expression(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize("expression", [*FORMULAS, *COMMANDS, *LISTS])
def test_an_expression_is_whole_or_gone(compressor: Compressor, expression: str) -> None:
    text = f"Our teacher, who came from the north, wrote {expression} and then left the room for a long while. " * 3
    result = compressor.compress(text, keep_rate=0.5, tokenizer=len)
    for rate in RATES:
        left = result.at(keep_rate=rate)
        assert left.compressed_tokens <= left.budget
        at = text.find(expression)
        while at >= 0:
            end = at + len(expression)
            kept = [span for span in left.spans if span[0] < end and span[1] > at]
            assert kept == [span for span in kept if span[0] <= at and span[1] >= end]
            at = text.find(expression, end)


@pytest.mark.parametrize(
    "piece", ["a + ", "(", "1 - ", "git ", "-a ", "x (", "a = (", "ls -l \\\n", "a.b.c(d) * ", "[1, ", "(1, 2)"]
)
def test_time_is_linear(piece: str) -> None:
    text = piece * (50_000 // len(piece))
    with at_most(4):
        found(text)
