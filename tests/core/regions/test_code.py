"""Which lines are found to be code, and how heads, closing lines and fences follow from what they enclose."""

import pytest
from stopwatch import at_most

from diffumask_core.regions.code import find_code, find_fenced
from diffumask_core.regions.region import Lines, Region

PYTHON = '''\
from quay import crane

@crane.task(
    weight=3,
)
def lift(
    load,
    rope=None,
) -> int:
    """Lifts a load as high as the rope lets it go.

    Nothing else is done here, and nobody looks on.
    """
    return crane.pull(load, rope)


class Pier:
    length = 40

    def walk(self):
        return self.length
'''


def find(text: str) -> list[Region]:
    return list(find_code(Lines.of(text)))


def only(text: str) -> Region:
    (region,) = find(text)
    assert region.kind == "code"
    return region


def kept_with(text: str, wanted: str) -> list[str]:
    """What is left where one unit is wanted and all that follows from it stays."""
    region = only(text)
    start = text.index(wanted)
    kept = {unit for unit in region.units if unit[0] <= start < unit[1]}
    for each in region.scaffold:
        for around in (each.after, each.before):
            if around and around[0] <= start < around[1]:
                kept.add(each.span)
    return [text[slice(*unit)].strip() for unit in sorted(kept)]


def test_a_signature_goes_whole_with_its_decorators() -> None:
    head, line = kept_with(PYTHON, "return crane")
    assert head.startswith("@crane.task(")
    assert head.endswith(") -> int:")
    assert line == "return crane.pull(load, rope)"


def test_heads_nest() -> None:
    assert kept_with(PYTHON, "return self") == ["class Pier:", "def walk(self):", "return self.length"]


def test_a_docstring_is_decided_line_by_line() -> None:
    assert kept_with(PYTHON, "Nothing else")[1:] == ["Nothing else is done here, and nobody looks on."]


BRACES = {
    "go": "package quay\n\nfunc (p *Pier) Walk(n int) error {\n"
    "\tif n > 1 {\n\t\treturn nil\n\t}\n\treturn p.step(n)\n}\n",
    "java": "public class Pier {\n    private int length;\n\n"
    "    public int walk(int n) {\n        return this.step(n);\n    }\n}\n",
    "c#": "public class Pier\n{\n    public int Walk(int n)\n    {\n        return this.step(n);\n    }\n}\n",
    "c": "#include <quay.h>\n\nstatic int walk(int n,\n                int m)\n{\n#ifdef OLD\n    n++;\n#endif\n"
    "    return quay.step(n);\n}\n",
    "ts": "export async function walk(n: number): Promise<void> {\n  const m = n + 1;\n  return this.step(n);\n}\n",
    "rust": "use quay::pier;\n\nimpl<T> Pier<T>\nwhere\n    T: Clone,\n{\n    fn walk(&self) -> u32 {\n"
    "        self.step(n)\n    }\n}\n",
    "kotlin": "package quay\n\nclass Pier(val length: Int) {\n    fun walk(n: Int): Int {\n"
    "        return step.step(n)\n    }\n}\n",
}


@pytest.mark.parametrize("language", BRACES)
def test_braces_are_closed_around_what_is_left(language: str) -> None:
    text = BRACES[language]
    kept = "\n".join(kept_with(text, "step(n)"))
    assert kept.count("{") == kept.count("}") > 0
    assert only(text).span[0] == 0


def test_a_closing_brace_follows_from_its_body_alone() -> None:
    tails = [each for each in only(BRACES["java"]).scaffold if each.before]
    assert len(tails) == 2
    assert not any(each.alone for each in tails)


SELECT = "SELECT name\nFROM piers\nWHERE length > 3\n  AND name <> 'Old';\n"


def test_a_statement_of_sql_among_others_goes_whole() -> None:
    text = "\n".join([SELECT] * 4) + "\nINSERT INTO piers (name) VALUES ('New');\n"
    assert [text[slice(*unit)].count("\n") for unit in only(text).units] == [3, 3, 3, 3, 0]


@pytest.mark.parametrize("text", [SELECT, f"```sql\n{SELECT}```", f"```\n{SELECT}\n{SELECT}```"])
def test_a_statement_that_is_much_of_the_code_goes_by_lines_below_its_first_one(text: str) -> None:
    (region,) = [fence for fence, _ in find_fenced(Lines.of(text))] or find(text)
    assert all(text[slice(*unit)].count("\n") == 0 for unit in region.units)
    kept = kept_with(text, "WHERE")
    assert [line for line in kept if "`" not in line] == ["SELECT name", "WHERE length > 3"]


def test_what_was_typed_heads_what_was_printed() -> None:
    assert kept_with("$ git status\nOn branch main\n$ ls\npier.py\n", "pier.py") == ["$ ls", "pier.py"]


@pytest.mark.parametrize("form", ["{:6d}\t{}", "{}: {}", "{}|{}", "{:4d} | {}"])
def test_printed_line_numbers_are_seen_through(form: str) -> None:
    text = "\n".join(form.format(number, line) for number, line in enumerate(PYTHON.split("\n"), 120))
    kept = kept_with(text, "return self")
    assert [line.replace("|", " ").split()[-2:] for line in kept] == [
        ["class", "Pier:"],
        ["def", "walk(self):"],
        ["return", "self.length"],
    ]


def test_a_line_that_leads_to_code_is_prose() -> None:
    text = "    n = walk(1)\n    n = walk(n)\n\nThese simplify to::\n\n    n = walk(walk(1))\n    n = step(n)\n"
    assert len(find(text)) == 2


def test_code_that_was_cut_off_is_found() -> None:
    lines = PYTHON.split("\n")
    text = "\n".join(lines[11:20])
    assert only(text).span == (0, len(text))


FENCED = "See here:\n\n```python\ndef walk(n):\n    return n\n```\n\nAnd then some more words follow."


def test_a_fence_stays_with_its_contents() -> None:
    assert kept_with(FENCED, "return n") == ["```python", "def walk(n):", "return n", "```"]


def test_a_fence_that_is_not_closed_ends_with_its_paragraph() -> None:
    text = "~~~sh\nmake all\n\nmake test\n\nThis is how it was done at that time.\n"
    assert text[slice(*only(text).span)] == "~~~sh\nmake all\n\nmake test"


def test_a_fence_whose_beginning_was_cut_off_protects_nothing_below() -> None:
    text = "    return n\n    n = walk(n)\n```\n\nThis is how it was done.\n\n```js\nlet n = 1;\n```"
    above, below = find(text)
    assert text[slice(*above.span)].endswith("```")
    assert text[slice(*below.span)] == "```js\nlet n = 1;\n```"


@pytest.mark.parametrize("info", ["json", "diff", "csv", "yaml", "text"])
def test_fences_of_another_kind_are_left_to_other_detectors(info: str) -> None:
    text = f"```{info}\na\nb\n```"
    [(_, contents)] = find_fenced(Lines.of(text))
    assert contents is not None
    assert text[slice(*contents)] == "a\nb"
    assert [text[slice(*unit)] for unit in only(text).units] == [f"```{info}", "```"]


def test_an_empty_fence_is_one_unit() -> None:
    assert len(only("```py\n\n```").units) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Import taxes rose; for many, this was too much.\nIf you want to know more: ask.\nReturn to the office at two.",
        "import duties were raised\nfrom then on\nclass was dismissed\nwith that, all was said",
        "Select the one you like from the list.\nUpdate the set of rules.\nDelete from memory what is old.",
        "Total = 3 + 4 = 7\nx = 5\n2x + 1 = 11\ny = (3 + 4) * 2",
        "- first item;\n- second item;\n- third item.",
        "Q: How many?\nA: 12 (see the note).\nLabel: yes",
        'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    walk(n)\nValueError: no',
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n"
        "@@ -1,3 +1,3 @@\n def walk(n):\n-    return n\n+    return n + 1",
        "a.py:12:def walk(n):\na.py:40:    return walk(n)",
        "<context>\nText.\n</context>",
        "$ 5 was paid for it\n$ 7 was not",
        "1. First we walk.\n2. Then we stop.\n3. Then we go home.",
    ],
)
def test_prose_and_other_kinds_are_no_code(text: str) -> None:
    assert find(text) == []


@pytest.mark.parametrize(
    "line",
    [
        "def f(a):",
        "f(a,",
        "@a(",
        "```a",
        "~~~",
        '"""',
        "/*",
        "SELECT a",
        "$ ls",
        "12: x",
        "key: value",
        "x.",
        "'a' ",
        "(",
        "{",
    ],
)
def test_time_is_linear(line: str) -> None:
    with at_most(5):
        find("\n".join([line] * 15_000))
        find((line + "\n\nThis is prose that is told here.\n") * 5_000)
        find(line * (200_000 // len(line)))


def test_deep_nesting_is_read() -> None:
    find("\n".join(" " * number + "def f(a):" for number in range(1500)))
