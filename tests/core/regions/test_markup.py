"""Which lines are found to be markup, and how tags follow from what they enclose."""

import pytest
from stopwatch import at_most

from diffumask_core import Compressor
from diffumask_core.regions.detect import find_regions
from diffumask_core.regions.markup import find_markup
from diffumask_core.regions.region import Lines, Region

PAGE = """\
<html>
<body>
  <div
    class="quay">
    <p>Old piers</p>
    <ul>
      <li>one</li>
    </ul>
    <span>
    </span>
  </div>
</body>
</html>"""


def find(text: str) -> list[Region]:
    return list(find_markup(Lines.of(text)))


def only(text: str) -> Region:
    (region,) = find(text)
    assert region.kind == "markup"
    return region


def kept_with(text: str, wanted: str) -> str:
    """What is left where one unit is wanted and all that follows from it stays."""
    region = only(text)
    start = text.index(wanted)
    kept = {unit for unit in region.units if unit[0] <= start < unit[1]}
    for each in region.scaffold:
        around = each.after or each.before
        assert around is not None
        assert not each.alone
        if around[0] <= start < around[1]:
            kept.add(each.span)
    return "\n".join(text[slice(*unit)].strip() for unit in sorted(kept))


def test_what_is_left_of_a_document_is_well_formed() -> None:
    left = '<html>\n<body>\n<div\n    class="quay">\n<ul>\n<li>one</li>\n</ul>\n</div>\n</body>\n</html>'
    assert kept_with(PAGE, "one") == left


def test_an_empty_element_goes_whole() -> None:
    assert "    <span>\n    </span>" in [PAGE[slice(*unit)] for unit in only(PAGE).units]


def test_xml_with_names_of_its_own_is_found() -> None:
    text = '<?xml version="1.0"?>\n<ships>\n  <ship id="1">\n    <tons>3</tons>\n  </ship>\n</ships>'
    assert kept_with(text, "<tons>") == '<ships>\n<ship id="1">\n<tons>3</tons>\n</ship>\n</ships>'


def test_a_document_on_one_line_is_cut_at_its_tags() -> None:
    text = '<a><b x="1">t</b><b>u</b><c><d>1</d><d/></c></a>'
    region = only(text)
    assert [text[slice(*unit)] for unit in region.units] == [
        "<a>", '<b x="1">t</b>', "<b>u</b>", "<c>", "<d>1</d>", "<d/>", "</c>", "</a>",
    ]  # fmt: skip
    assert kept_with(text, "1</d>") == "<a>\n<c>\n<d>1</d>\n</c>\n</a>"


@pytest.mark.parametrize(
    "text",
    [
        "<context>\nThe pier is old.\n</context>\n<question>\nHow old?\n</question>",
        "<output>\nThe pier was built by a man from the north.\n</output>",
        "<house_rules>\nNobody may talk while one thinks.\n</house_rules>\n<end>\nThat is it.\n</end>",
        '<documents>\n<document index="1">\n<source>a.txt</source>\n<document_content>\nOld.\n</document_content>\n'
        "</document>\n</documents>",
        "<returncode>0</returncode>\n<output>\n</output>",
        "if a < b and c > d:\n    x\nif b < c:\n    y",
        "A <b>bold</b> word and an <i>italic</i> word in a sentence.",
    ],
)
def test_tags_around_prose_are_no_markup(text: str) -> None:
    assert find(text) == []


@pytest.mark.parametrize("piece", ["<a>", "</a>", '<a b="', "<!--", "<![CDATA[", "<", "<a ", "<x></x>", "<p>a</p>"])
def test_time_is_linear(piece: str) -> None:
    with at_most(3):
        find("\n".join([piece] * 20_000))
        find(piece * (200_000 // len(piece)))


def test_a_long_line_that_opens_an_element_takes_no_budget_from_its_rows(compressor: Compressor) -> None:
    menu = "".join(f"<li><a href='/quay/{number}'>Quay {number}</a></li>" for number in range(20))
    rows = [f"<tr><td>Boat {number}</td><td>{number + 8}.5</td></tr>" for number in range(20)]
    text = "\n".join([f"<html><body><ul>{menu}</ul><table>", *rows, "</table></body></html>"])
    [region] = find_regions(text)
    assert region.kind == "markup"
    result = compressor.compress(text, keep_rate=0.3)
    assert sum(row in result.text for row in rows) >= 4
