"""Which lines are found to be tables, and what their heads are."""

import pytest
from stopwatch import at_most

from diffumask_core.regions.region import Lines, Region
from diffumask_core.regions.tables import find_tables


def find(text: str) -> list[Region]:
    return list(find_tables(Lines.of(text)))


def only(text: str) -> Region:
    (region,) = find(text)
    assert region.kind == "table"
    return region


def units(text: str, region: Region) -> list[str]:
    return [text[start:end] for start, end in region.units]


def heads(text: str, region: Region) -> list[str]:
    return [text[slice(*each.span)] for each in region.scaffold if each.after and not each.alone]


def test_rows_without_a_head_are_found() -> None:
    text = "Ports so far:\n\n1,Norvik,NO,12\n2,Malta,,3\n3,Harlow,GB,40\n\nThat is all."
    region = only(text)
    assert units(text, region) == ["1,Norvik,NO,12", "2,Malta,,3", "3,Harlow,GB,40"]
    assert not region.scaffold
    assert region.series[0].noun == "row"


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
def test_the_first_row_heads_the_others_where_it_names_columns(separator: str) -> None:
    text = "id,name,tons\r\n1,Aster,20\r\n2,Brise,31\r\n3,Cora,7".replace(",", separator)
    region = only(text)
    (head,) = region.scaffold
    assert text[slice(*head.span)] == "id,name,tons".replace(",", separator)
    assert head.after == (text.index("1"), len(text))
    assert len(region.series[0].items) == 3


def test_a_quoted_field_with_line_breaks_stays_with_its_row() -> None:
    text = 'id,note,tons\n1,"late,\n\nas ever",20\n2,on time,31\n3,early,7'
    assert units(text, only(text))[1] == '1,"late,\n\nas ever",20'


def test_two_columns_with_tabs_are_a_table() -> None:
    assert len(only("ship\ttons\nAster\t20\nBrise\t31").units) == 3


TABLES = {
    "markdown": ("| ship | tons |\n|:-----|-----:|\n| Aster |  |\n| Brise | 31 |", 2),
    "markdown without outer bars": ("ship | tons\n--- | ---\nAster | 20\nBrise | 31", 2),
    "mysql": ("+----+-------+\n| id | ship  |\n+----+-------+\n|  1 | Aster |\n|  2 | Brise |\n+----+-------+", 3),
    "psql": (" id | ship\n----+-------\n  1 | Aster\n  2 | Brise", 2),
    "df": (
        "Filesystem   Size  Used Use% Mounted on\n/dev/sda1     40G   12G  32% /\ntmpfs        2.0G     0   0% /run",
        1,
    ),
    "kubectl": ("NAME     READY   STATUS    AGE\nweb-1    1/1     Running   5d\ndb-0     0/1     Pending   2h", 1),
    "pandas": ("    ship  tons\n0  Aster    20\n1  Brise    31", 1),
    "coverage": ("Name   Stmts   Cover\n--------------------\na.py      10     80%\nb.py       5    100%", 2),
    "box": ("┌────┬───────┐\n│ id │ ship  │\n├────┼───────┤\n│  1 │ Aster │\n│  2 │ Brise │\n└────┴───────┘", 3),
}


@pytest.mark.parametrize("name", TABLES)
def test_head_and_rules_stay_with_the_rows(name: str) -> None:
    text, top = TABLES[name]
    region = only(f"Here they are:\n\n{text}\n\nNo more.")
    source = f"Here they are:\n\n{text}\n\nNo more."
    assert heads(source, region) == text.split("\n")[:top]
    assert len(region.series[0].items) == 2


def test_a_lower_border_follows_from_the_rows() -> None:
    text = TABLES["mysql"][0]
    tail = only(text).scaffold[-1]
    assert tail.before
    assert not tail.after
    assert text[slice(*tail.span)].startswith("+--")


def test_rows_between_bars_need_no_head() -> None:
    assert len(only("| Aster | | 28 |\n| Brise | 4 | 30 |").units) == 2


@pytest.mark.parametrize(
    "text",
    [
        "The mate, who came, left.\nThe cook, who slept, stayed.\nThe dog, which barked, ate.",
        "Dear Anna,\nthank you, as ever, for all.\nYours,\nBen",
        "call(a, b, c)\ncall(d, e, f)\ncall(g, h, i)",
        "    first, second,\n    third, fourth,\n    fifth, sixth,",
        "x = 1, 2, 3\ny = 4, 5, 6\nz = 7, 8, 9",
        "one two three\nall we see\nten men ran",
        "     1\tdef f():\n     2\t    return 1\n     3\t",
        "a | b",
        "----\n====",
        "",
    ],
)
def test_prose_and_code_are_no_tables(text: str) -> None:
    assert find(text) == []


@pytest.mark.parametrize("line", ["a,b,c", 'a,"b', "A   B   C   1", "| a | b |", "|---|---|", "a\tb", "+--+--+", "a,"])
def test_time_is_linear(line: str) -> None:
    with at_most(3):
        find("\n".join([line] * 20_000))
        find(line * (200_000 // len(line)))
