"""Which outputs of exemplars have a form that a cut would break."""

import pytest
from stopwatch import at_most

from diffumask_core.prompt.outputs import is_formal


@pytest.mark.parametrize(
    "output",
    [
        '{"paid": true, "sum": 30}',
        "{'paid': True, 'sum': 30}",
        '{\n  "paid": true,\n  "items": ["lamp"]\n}',
        "[1, 2]",
        "SELECT name FROM users WHERE paid = 1 ORDER BY name",
        "select name, age from users where age > 3;",
        "WITH paid AS (SELECT 1) SELECT * FROM paid",
        "INSERT INTO users VALUES (1)",
        "<order><id>3</id></order>",
        "def add(a, b):\n    return a + b",
        "import math\nx = math.pi\nprint(x)",
        "for (let i = 0; i < 3; i++) {\n  run(i);\n}",
        'orders.groupby("day")["sum"].mean()',
    ],
)
def test_formal(output: str) -> None:
    assert is_formal(output)


@pytest.mark.parametrize(
    "output",
    [
        "",
        "positive",
        "(B)",
        "[maybe",
        "Select all of the rows from the list, then add them.",
        "select the first of the rows from the list and add them",
        "With three more there are nine.\nThe answer is 9.",
        "Total = 4 + 5\nTotal = 9\nThe answer is 9.",
        "return to the harbour before it is dark",
        "Imports rose: wheat, coal and timber came from abroad.",
        "Step 1: open it\nStep 2: close it",
    ],
)
def test_not_formal(output: str) -> None:
    assert not is_formal(output)


@pytest.mark.parametrize(
    "piece", ["a", "x(", "<a>", "select a ", "x = 1\n", "{", "[[", '{"a":', "with a as (", "(", "a."]
)
def test_time_is_linear(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    with at_most(2):
        is_formal(text)
        is_formal(text + "}")
