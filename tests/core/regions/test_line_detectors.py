"""Detectors of line-structured output: what they claim, what stays with what, and what they leave alone."""

from collections.abc import Callable, Iterator

import pytest
from stopwatch import at_most

from diffumask_core.regions.diff import find_diffs
from diffumask_core.regions.listing import find_listings
from diffumask_core.regions.log import find_logs
from diffumask_core.regions.region import Lines, Region
from diffumask_core.regions.traces import find_traces

Find = Callable[[Lines], Iterator[Region]]
FINDERS: tuple[Find, ...] = (find_diffs, find_logs, find_traces, find_listings)

DIFF = """diff --git a/port.py b/port.py
index 1111111..2222222 100644
--- a/port.py
+++ b/port.py
@@ -1,4 +1,4 @@ def open():
 import sea
-depth = 3
+depth = 4
 sea.dive(depth)
 sea.close()"""
LOG = """2031-05-01 10:00:00,120 INFO harbour: ship 17 came in
2031-05-01 10:00:05,300 INFO harbour: ship 18 came in
2031-05-01 10:00:09,001 ERROR harbour: crane 4 is stuck
Traceback (most recent call last):
  File "/srv/crane.py", line 12, in lift
    raise Stuck(4)
Stuck: 4
2031-05-01 10:00:10,500 INFO harbour: ship 19 came in"""
TRACE = """Traceback (most recent call last):
  File "/srv/crane.py", line 12, in lift
    raise Stuck(4)
crane.StuckError: 4"""
JAVA = """java.lang.IllegalStateException: no berth
\tat org.sea.Port.open(Port.java:12)
\tat org.sea.Main.main(Main.java:3)
Caused by: java.io.IOException: closed
\tat org.sea.Disk.read(Disk.java:40)
\t... 2 more"""
GO = """panic: no berth

goroutine 1 [running]:
main.open(...)
\t/srv/main.go:12
main.main()
\t/srv/main.go:6 +0x1d"""
PYTEST = """============================= test session starts ==============================
collected 3 items

test_port.py::test_open PASSED
test_port.py::test_close PASSED
test_port.py::test_depth FAILED
=================================== FAILURES ===================================
__________________________________ test_depth __________________________________

    def test_depth():
>       assert depth() == 3
E       assert 4 == 3

test_port.py:9: AssertionError
========================= 1 failed, 2 passed in 0.12s =========================="""
LS = """total 12
-rw-r--r-- 1 kai kai 120 May  1 10:00 a.txt
drwxr-xr-x 2 kai kai 4096 May  1 10:00 docs"""
GREP = """port.py:12:def total(lines):
port.py:40:    return total(order.lines)
pier.py:7:from port import total"""
TREE = """src
├── port
│   ├── crane.py
│   └── ship.py
└── main.py"""
STATUS = """On branch main
Changes not staged for commit:
\tmodified:   port.py
Untracked files:
\tnotes.txt"""
HISTORY = """commit 0123456789abcdef0123456789abcdef01234567
Author: Kai <kai@sea.example>
Date:   Thu May 1 10:00:00 2031 +0000

    Deepen the port"""
STAT = """ port.py | 4 ++--
 pier.py | 2 +-
 2 files changed, 3 insertions(+), 3 deletions(-)"""
DF = """Filesystem     1K-blocks    Used Available Use% Mounted on
/dev/sda1       10000000 2000000   8000000  20% /"""

KINDS = [
    (find_diffs, DIFF),
    (find_logs, LOG),
    (find_traces, TRACE),
    (find_traces, JAVA),
    (find_traces, GO),
    (find_traces, PYTEST),
    (find_listings, LS),
    (find_listings, GREP),
    (find_listings, TREE),
    (find_listings, STATUS),
    (find_listings, HISTORY),
    (find_listings, STAT),
    (find_listings, DF),
    (find_listings, "src/a.py\nsrc/b.py\nREADME.md"),
]


def regions(find: Find, text: str) -> list[Region]:
    return list(find(Lines.of(text)))


def stays_with(region: Region, text: str, name: str) -> str:
    """What a unit of the scaffold that begins so stays with."""
    each = next(each for each in region.scaffold if text[slice(*each.span)].strip().startswith(name))
    span = each.after or each.before
    assert span is not None
    return text[slice(*span)]


@pytest.mark.parametrize(("find", "text"), KINDS)
@pytest.mark.parametrize("before", ["", "Here is the result.\n\n", "<output>\n", "$ run\n"])
def test_only_the_lines_of_the_kind_are_claimed(find: Find, text: str, before: str) -> None:
    whole = f"{before}{text}\n\nThat is all that I can say about it."
    (region,) = regions(find, whole)
    assert whole[slice(*region.span)] == text


@pytest.mark.parametrize(("find", "text"), KINDS)
def test_windows_line_ends_change_nothing(find: Find, text: str) -> None:
    (unix,), (windows,) = regions(find, text), regions(find, text.replace("\n", "\r\n"))
    assert len(unix.units) == len(windows.units)
    assert len(unix.scaffold) == len(windows.scaffold)


@pytest.mark.parametrize(("find", "text"), KINDS)
def test_units_are_in_order_within_the_region_wherever_it_is_cut(find: Find, text: str) -> None:
    for cut in range(0, len(text), 7):
        for part in (text[cut:], text[:cut]):
            for region in regions(find, part):
                borders = [border for unit in region.units for border in unit]
                assert borders == sorted(borders)
                assert region.span[0] <= borders[0]
                assert borders[-1] <= region.span[1]
                assert {each.span for each in region.scaffold} <= set(region.units)


def test_a_short_change_is_one_unit_and_heads_stay_with_its_hunk() -> None:
    (region,) = regions(find_diffs, DIFF)
    units = [DIFF[slice(*unit)] for unit in region.units]
    assert "-depth = 3\n+depth = 4" in units
    assert not any(each.alone for each in region.scaffold)
    assert stays_with(region, DIFF, "@@").startswith(" import sea")
    assert stays_with(region, DIFF, "diff --git").endswith("sea.close()")


def test_a_long_change_goes_line_by_line() -> None:
    text = "@@ -1,4 +1,4 @@\n" + "".join(f"-old {n}\n" for n in range(4)) + "".join(f"+new {n}\n" for n in range(4))
    (region,) = regions(find_diffs, text)
    assert len(region.units) == 9


@pytest.mark.parametrize(
    "text",
    [
        "@@ -1,2 +1,2 @@\n a\n-b\n+c",
        "--- a.txt\n+++ b.txt\n@@ -1 +1 @@\n-b\n+c\n\\ No newline at end of file",
        "+c\n d\n@@ -9,1 +9,1 @@\n-b\n+c",
        "diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y",
        "diff --cc x\nindex 1111,2222..3333\n--- a/x\n+++ b/x\n@@@ -1,1 -1,1 +1,2 @@@\n  a\n++b",
        "  @@ -1,2 +1,2 @@\n   a\n  -b\n  +c",
        "     1\t@@ -1,2 +1,2 @@\n     2\t a\n     3\t-b\n     4\t+c",
        HISTORY + "\n\n" + DIFF,
    ],
)
def test_diffs_of_every_form_are_found_whole(text: str) -> None:
    (region,) = regions(find_diffs, text)
    assert region.span == (0, len(text))


def test_an_error_line_stays_with_its_frames() -> None:
    (python,), (java,), (go,) = (regions(find_traces, text) for text in (TRACE, JAVA, GO))
    assert stays_with(python, TRACE, "crane.StuckError").lstrip().startswith("File")
    assert stays_with(python, TRACE, "File").strip() == "raise Stuck(4)"
    assert stays_with(java, JAVA, "Caused by").endswith("2 more")
    assert stays_with(java, JAVA, "java.lang").endswith("2 more")
    assert stays_with(go, GO, "panic").endswith("+0x1d")


def test_a_failing_test_stays_named_and_passed_tests_are_alike() -> None:
    (region,) = regions(find_traces, PYTEST)
    assert "assert 4 == 3" in stays_with(region, PYTEST, "____")
    alike = [value for value in region.series[0].alike if value]
    assert alike == ["passed", "passed"]


def test_entries_of_one_template_are_alike_and_errors_are_not() -> None:
    text = LOG.replace("ship 19 came in", "ship 19 came in\n2031-05-01 10:00:11,500 ERROR harbour: crane 5 is stuck")
    (region,) = regions(find_logs, text)
    keys = dict(zip((text[slice(*unit)] for unit in region.units), region.series[0].alike, strict=True))
    ships = {key for line, key in keys.items() if "ship" in line}
    cranes = {key for line, key in keys.items() if "is stuck" in line}
    assert len(ships) == 1
    assert len(cranes) == 2
    assert "Stuck: 4" in stays_with(region, text, "2031-05-01 10:00:09")


def test_a_directory_stays_above_what_is_left_of_it() -> None:
    (region,) = regions(find_listings, TREE)
    assert stays_with(region, TREE, "├── port").endswith("ship.py")
    assert stays_with(region, TREE, "src").endswith("main.py")


def test_hits_below_the_name_of_their_file_keep_it() -> None:
    text = "src/port.py\n12:def total():\n40:    return total()"
    (region,) = regions(find_listings, text)
    assert stays_with(region, text, "src/port.py").startswith("12:")


@pytest.mark.parametrize(
    "text",
    [
        "The port is deep: 3 m.\nThe pier is long: 40 m.\nBoth are old.",
        "port.c:12:5: warning: unused variable\nport.c:40:1: warning: no return",
        "error: no berth\nerror: no crane",
        "12:30 We eat\n13:30 We dive\n15:00 We leave",
        "1: Open the door\n2: Switch on the light\n3: Sit down",
        "import sea\n\nDEBUG = True\nINFO = 20\n\ndef open(depth):\n    at = depth.max\n    return at",
        "     1\timport sea\n     2\t\n     3\tdef open():\n     4\t    return sea.port",
        "id,when,value\n1,2031-05-01 10:00:00,3\n2031-05-01 10:00:00,123,4\n2031-05-01 10:00:01,123,5",
        "- bread\n- milk\n+ one more",
        "He stood\n  at the pier (the old one)\n  at noon",
        "name: port\nsize: 3\nowner: kai",
        "Yes.\nNo.\nNone.",
        "1\n00:00:01,000 --> 00:00:04,000\nHello.\n\n2\n00:00:05,000 --> 00:00:06,000\nBye.",
    ],
)
def test_what_is_of_another_kind_is_left_alone(text: str) -> None:
    assert [regions(find, text) for find in FINDERS] == [[], [], [], []]


@pytest.mark.parametrize("find", FINDERS)
@pytest.mark.parametrize(
    "line",
    [
        "/",
        "|",
        "a-1-",
        "a.py:x",
        "1-x",
        "@@ -1,9 +1,9 @@",
        "FAIL: test_a (m.C)",
        "-x",
        "x:",
        "Traceback (most recent call last):",
    ],
)
def test_many_lines_take_linear_time(find: Find, line: str) -> None:
    lines = Lines.of(f"{line}\n" * 20_000)
    with at_most(2):
        list(find(lines))


@pytest.mark.parametrize("find", FINDERS)
@pytest.mark.parametrize("piece", ["a ", "│ ", "= ", "/", "a=b ", '"', "\t", "1:", "\x00"])
def test_a_line_of_a_million_characters_is_no_burden(find: Find, piece: str) -> None:
    lines = Lines.of(piece * (1_000_000 // len(piece)))
    with at_most(1):
        list(find(lines))


def test_directories_of_a_recursive_listing_head_their_files() -> None:
    text = ".:\nREADME.md\nsrc\nsetup.py\n\n./src:\npier.py\n\n./src/sea:\nport.py\nship.py"
    (region,) = regions(find_listings, text)
    assert region.span == (0, len(text))
    assert stays_with(region, text, "./src:") == "pier.py"


def test_the_first_line_of_a_trace_in_a_documentation_is_left_alone() -> None:
    assert (
        regions(find_traces, "    >>> dive(-1)\n    Traceback (most recent call last):\n    ...\n    ValueError: up")
        == []
    )


def test_groups_of_exceptions_are_found_whole() -> None:
    text = (
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "/srv/a.py", line 3, in <module>\n'
        '  |     raise ExceptionGroup("two", both)\n'
        "  | ExceptionGroup: two (2 sub-exceptions)\n"
        "  +-+---------------- 1 ----------------\n"
        "    | ValueError: 1\n"
        "    +---------------- 2 ----------------\n"
        "    | TypeError: int\n"
        "    +------------------------------------"
    )
    (region,) = regions(find_traces, text)
    assert region.span == (0, len(text))
