"""Which lines are headings, bullets and checked items, and what a heading stands above."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopwatch import at_most

from diffumask_core.regions.markdown import find_bullets, find_checklists, find_headings
from diffumask_core.regions.region import Lines


def headings(text: str, **options: Any) -> list[tuple[str, str]]:
    found = find_headings(Lines.of(text), **options)
    return [(text[slice(*each.span)], text[slice(*each.after)].strip()) for each in found if each.after]


def test_a_section_ends_at_the_next_heading_of_its_level() -> None:
    text = "# Boats\n\nAll.\n\n## Small\nOars.\n\n### Tiny\nOne oar.\n\n## Big\n\nSails.\n\n# Trains\nSteam."
    assert headings(text) == [
        ("# Boats", "All.\n\n## Small\nOars.\n\n### Tiny\nOne oar.\n\n## Big\n\nSails."),
        ("## Small", "Oars.\n\n### Tiny\nOne oar."),
        ("### Tiny", "One oar."),
        ("## Big", "Sails."),
        ("# Trains", "Steam."),
    ]
    assert all(each.alone for each in find_headings(Lines.of(text)))


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_underlined_headings(line_end: str) -> None:
    text = line_end.join(
        ["Boats", "=====", "", "All.", "", "Small", "-----", "Oars.", "", "Trains", "======", "Steam."]
    )
    assert [title for title, _ in headings(text)] == ["Boats", "Small", "Trains"]
    rules = [each for each in find_headings(Lines.of(text)) if each.before]
    assert [(text[slice(*each.span)], text[slice(*each.before)]) for each in rules if each.before] == [
        ("=====", "Boats"),
        ("-----", "Small"),
        ("======", "Trains"),
    ]


def test_lines_in_bold_and_numbered_ones() -> None:
    text = "1. Boats\n\nAll.\n\n1.1 Small\nOars.\n\n**Note**\nNo sails.\n\n2. Trains\n\nSteam."
    assert headings(text) == [
        ("1. Boats", "All.\n\n1.1 Small\nOars.\n\n**Note**\nNo sails."),
        ("1.1 Small", "Oars.\n\n**Note**\nNo sails."),
        ("**Note**", "No sails."),
        ("2. Trains", "Steam."),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "A paragraph of prose.\n\nAnother one.",
        "1. Open the lid.\n2. Press.\n3. Wait.",
        "1. Open the lid.\n\n2. Press.\n\n3. Wait.",
        "# set the port\n# and the host\nport = 1\n# then go\ngo()",
        "# -*- coding: utf-8 -*-\n\n# Reads a file.\n\nimport os\n\n# Then closes it.\nos.close(3)",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "---\ntitle: x\n---\nText.",
        "#hashtag of the day\nText.",
        "This is **bold** text.\nMore.",
        "# A heading at the end",
        "",
    ],
)
def test_no_headings(text: str) -> None:
    assert find_headings(Lines.of(text)) == []


def test_claimed_lines_are_no_headings() -> None:
    text = "# Boats\n\nAll.\n\n# comment\n\ncode()"
    claimed = [(text.index("# comment"), len(text))]
    assert [title for title, _ in headings(text, claimed=claimed)] == ["# Boats"]


def test_bullets_stay_with_their_items() -> None:
    text = "Buy:\n- two lamps\n  * a red one\n1. rope\n2) tar\n-5 degrees\n- \nx - y"
    assert [
        (text[slice(*each.span)], text[slice(*each.after)].strip())
        for each in find_bullets(Lines.of(text))
        if each.after
    ] == [
        ("-", "two lamps"),
        ("*", "a red one"),
        ("1.", "rope"),
        ("2)", "tar"),
    ]


def checked(text: str) -> list[list[str]]:
    return [[text[slice(*unit)] for unit in region.units] for region in find_checklists(Lines.of(text))]


def test_checked_lines_go_whole() -> None:
    text = "To do:\n- [x] ropes\n- [ ] tar\n\nSails ✓\nplain\n✅ oars\n1. ~~lamp~~ torch\r\n"
    assert checked(text) == [["- [x] ropes", "- [ ] tar"], ["Sails ✓"], ["✅ oars", "1. ~~lamp~~ torch"]]
    assert {region.kind for region in find_checklists(Lines.of(text))} == {"checklist"}


@pytest.mark.parametrize(
    "text", ["a[x] = 1", "See [x] there.", "- [link](url)", "~~~\ncode\n~~~", "- [1] note", "x ~~ y", ""]
)
def test_not_checked(text: str) -> None:
    assert checked(text) == []


@given(
    st.one_of(
        st.text(max_size=100),
        st.lists(st.sampled_from(["# A", "=", "===", "\n", "**b**", "1.2 C", "- ", "x"])).map("".join),
    )
)
def test_spans_are_lines_in_order(text: str) -> None:
    lines = Lines.of(text)
    at = 0
    for each in find_headings(lines):
        assert each.span in lines.spans
        assert at <= each.span[0]
        assert (each.after or each.span)[1] <= len(text)
        at = each.span[0]


@pytest.mark.parametrize(
    "piece", ["# a\n", "a\n=\n", "**a**\n", "1.1 A\n\n", "- [x] a\n", "- a\n", "text\n", "a", "~~a", "#", "*", "="]
)
def test_time_is_linear(piece: str) -> None:
    lines = Lines.of(piece * min(100_000, 1_000_000 // len(piece)))
    with at_most(5):
        find_headings(lines)
        find_bullets(lines)
        list(find_checklists(lines))
