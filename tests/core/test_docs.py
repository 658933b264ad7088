"""What the pages say is so: links lead somewhere, tests that are named exist, options and examples are true."""

import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from diffumask_core.options import Options

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
FENCED = re.compile(r"^(`{3,})[^\n]*\n(.*?)^\1$", re.M | re.S)
MARK = re.compile(r'"?\[… [^\]\n]+ left out[^\]\n]*\]"?')
EXAMPLES = re.findall(
    r"^<!-- example (\{[^\n]*\}) -->\n\n(`{3,})\S*\n(.*?)\n\2\n.*?^\2\S*\n(.*?)\n\2\n<!-- end -->$",
    (ROOT / "docs" / "content.md").read_text("utf-8"),
    re.M | re.S,
)


def text_of(page: Path) -> str:
    """A page without its programs."""
    return FENCED.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text_of(page), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text_of(page)):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_tests_that_the_guarantees_name_exist() -> None:
    page = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
    written = "\n".join(file.read_text("utf-8") for file in ROOT.glob("tests/**/*.py"))
    assert [name for name in re.findall(r"`(test_\w+)`", page) if f"def {name}(" not in written] == []
    assert [path for path in re.findall(r"`((?:tests|scripts)/[\w/.]+)", page) if not (ROOT / path).exists()] == []


def test_the_readme_has_all_options_with_their_defaults() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", (ROOT / "README.md").read_text("utf-8"), re.M))
    options = {option.name: option.default for option in fields(Options)}
    assert rows.keys() == options.keys()
    for name, default in options.items():
        shown = repr(default).replace("'", '"')
        assert default in (None, "", (), MISSING) or rows[name].strip("`") == shown


@pytest.mark.parametrize(("options", "text", "output"), [(each[0], each[2], each[3]) for each in EXAMPLES])
def test_examples_keep_what_is_exact(options: str, text: str, output: str) -> None:
    left = MARK.sub(" ", output)
    known = {chunk.strip("\"'()[]{}<>.,;:!?") for chunk in text.split()}
    chunks = [chunk.strip("\"'()[]{}<>.,;:!?") for chunk in left.split()]
    assert [chunk for chunk in chunks if re.search(r"[\d/@_\\]|::", chunk) and chunk not in known] == []
    assert not MARK.search(output) or '"marks": false' not in options
