"""Finds the output of test runners: results of tests, sections of failing ones, summaries.

A runner's lines are known by their shapes; what stands between a failing test's name and the next such line is its.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diffumask_core.regions.region import Head, Lines
from diffumask_core.regions.runs import beginnings, is_fence

_LONGEST_GAP = 4


@dataclass(frozen=True)
class Run:
    """The output of a test runner, or what is left of it.

    Attributes:
        first: Its first line.
        last: The line after its last one.
        heads: Lines that stay above what is left of their sections.
    """

    first: int
    last: int
    heads: tuple[Head, ...]


@dataclass(frozen=True)
class _Shape:
    """How a line of a runner looks.

    Attributes:
        line: The line.
        rank: Of a section's name: a section ends where one of its own or of a smaller rank begins; 0 for a line that
            ends all sections, None for a line that begins and ends none.
        sure: Whether one such line is a sign of a runner; of others it takes three.
        alone: Whether the name of a section may stay without the section.
    """

    line: re.Pattern[str]
    rank: int | None = None
    sure: bool = False
    alone: bool = True


def _shape(line: str, rank: int | None = None, sure: bool = False, alone: bool = True) -> _Shape:
    return _Shape(re.compile(line), rank, sure, alone)


_COUNTS = (
    r"\d{1,9} (?:passed|failed|skipped|error|errors|warning|warnings|deselected|xfailed|xpassed|rerun|"
    r"todo|total)\b"
)
_NODE = r"\S{1,200}\.py(?:::\S.{0,200}?)?"

_SHAPES = (
    # pytest
    _shape(rf"={{2,}} (?:.{{0,80}} )?(?:{_COUNTS}|no tests ran).{{0,120}} ={{2,}}\s*$", 0, sure=True),
    _shape(r"={3,} (?:test session starts|short test summary info|slowest .{0,30}) ={3,}\s*$", 1, True, alone=False),
    _shape(r"={3,} (?:FAILURES|ERRORS|PASSES|warnings summary.{0,20}) ={3,}\s*$", 1, sure=True, alone=False),
    _shape(r"_{3,} \S.{0,300} _{3,}\s*$", 2, sure=True),
    _shape(r"-{3,} (?:Captured \w+(?: \w+)?|live log \w+|coverage: .{1,80}) -{3,}\s*$", 3, sure=True, alone=False),
    _shape(r"(?:_ ){8,}_?\s*$"),
    _shape(rf"{_NODE} (?:PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b", sure=True),
    _shape(rf"(?:PASSED|FAILED|ERROR|XFAIL|XPASS) {_NODE}(?: - |\s*$)", sure=True),
    _shape(rf"SKIPPED \[\d|{_NODE} [.FEsxXR]{{1,200}}(?:\s{{1,80}}\[ *\d{{1,3}}%\])?\s*$", sure=True),
    _shape(r"[.FEsxX]{1,200}\s{1,80}\[ *\d{1,3}%\]\s*$", sure=True),
    _shape(r"platform \w{1,20} -- Python|(?:rootdir|plugins|configfile|cachedir|testpaths): \S"),
    _shape(r"collect(?:ed|ing) (?:\d{1,7} item|\.\.\.)", sure=True),
    _shape(rf"{_COUNTS}(?:, {_COUNTS}){{0,9}} in \d", 0, sure=True),
    _shape(r"E    ?\s*\S|>    ?\s*\S|\S{1,200}\.py:\d{1,6}: (?:[A-Z]\w{1,60}\s*$|in \w)"),
    _shape(r"-- Docs: https://docs\.pytest"),
    # sympy
    _shape(r"={3,} (?:test process starts|tests finished: \d.{0,100}) ={3,}\s*$", sure=True),
    _shape(
        r"\S{1,200}\.py\[\d{1,6}\] [.fFEswX]|(?:executable|architecture|cache|random seed|"
        r"hash randomization):\s{2,}\S"
    ),
    # unittest
    _shape(r"(?:FAIL|ERROR|UNEXPECTED SUCCESS): \w{1,200} \([\w.<>]{1,300}\)", 2, sure=True),
    _shape(r"\w{1,200} \([\w.]{1,300}\)(?: \.\.\. |\s*$)|.{1,200} \.\.\. (?:ok|FAIL|ERROR|skipped\b.{0,200})\s*$"),
    _shape(r"Ran \d{1,9} tests? in \d", 0, sure=True),
    _shape(
        r"(?:OK|FAILED)(?: \((?:failures|errors|skipped|expected failures|"
        r"unexpected successes)=\d.{0,80}\))\s*$",
        0,
    ),
    _shape(r"OK\s*$|(?:Creating|Destroying|Cloning) test database|System check identified|Testing against Django"),
    _shape(r"Found \d{1,9} test\(s\)|Type '\w+' (?:has|is)|[.FEsxu]{1,200}\s*$|Applying \S{1,100}\.\.\. OK"),
    # jest, vitest, mocha
    _shape(r"\s{0,4}(?:PASS|FAIL|\u276f|✓) \s?\S{1,200}\.[cm]?[jt]sx?\b", 1, sure=True),
    _shape(r"\s{0,4}● \S", 2, sure=True),
    _shape(r"\s{1,20}[✓✔√✕✗✘×○] \S", sure=True),
    _shape(
        r"\s{0,4}(?:Test Suites|Tests|Snapshots|Test Files):?\s{1,8}\d{1,9} \w|"
        r"\s{0,4}Ran all test suites",
        0,
        sure=True,
    ),
    _shape(r"\s{0,4}(?:Time|Duration|Start at):?\s{1,12}\d"),
    _shape(r"\s{1,4}\d{1,9} (?:passing|pending)\b(?: \(\S{1,20}\))?\s*$", 0, sure=True),
    _shape(r"\s{1,4}\d{1,9} failing\s*$", 1, sure=True, alone=False),
    _shape(r"\s{2,8}\d{1,6}\) \S", 2),
    # go test
    _shape(r"=== (?:RUN|PAUSE|CONT|NAME) {1,3}\S", 2, sure=True, alone=False),
    _shape(r"\s{0,20}--- (?:FAIL|SKIP): \S{1,250} \(\d", 2, sure=True),
    _shape(r"\s{0,20}--- PASS: \S{1,250} \(\d", sure=True),
    _shape(r"(?:ok  |FAIL|\?   )\t\S", 0, sure=True),
    _shape(r"(?:PASS|FAIL)\s*$|coverage: \d|\s{4,20}\w{1,100}_test\.go:\d"),
    # cargo test
    _shape(r"running \d{1,9} tests?\s*$", 1, sure=True, alone=False),
    _shape(r"test \S{1,250} (?:- .{1,60} )?\.\.\. (?:ok|FAILED|ignored|bench)", sure=True),
    _shape(r"---- \S.{0,200} stdout ----\s*$", 2, sure=True),
    _shape(r"failures:\s*$|successes:\s*$", 1, alone=False),
    _shape(r"test result: (?:ok|FAILED)\. \d", 0, sure=True),
    _shape(r"\s{3}(?:Doc-tests|Running) \S|error: test failed, to rerun"),
    # JUnit, Maven, Gradle, .NET
    _shape(r"(?:\[\w{4,7}\] )?Tests run: \d{1,9}, Failures: \d", sure=True),
    _shape(r"(?:\[\w{4,7}\] )?Running (?:[a-z]\w*\.)+[A-Z]\w*|\s?T E S T S\s*$|\[\w{4,7}\](?: |\s*$)"),
    _shape(r"[\w.$]{1,200} > .{1,200} (?:FAILED)\s*$|\s{0,4}(?:Failed|\[FAIL\]) \S{1,200} \[", 2, sure=True),
    _shape(r"[\w.$]{1,200} > .{1,200} (?:PASSED|SKIPPED)\s*$|\s{0,4}Passed \S{1,200} \[", sure=True),
    _shape(r"(?:Passed|Failed)! {1,3}- Failed: {1,8}\d", 0, sure=True),
    # rspec, minitest, phpunit
    _shape(r"(?:Failures|Pending):.{0,80}$", 1, alone=False),
    _shape(
        r"\d{1,9} examples?, \d{1,9} failures?|\d{1,9} runs, \d{1,9} assertions|"
        r"Tests: \d{1,9}, Assertions: \d",
        0,
        True,
    ),
    _shape(r"rspec \./\S{1,200}:\d|Failed examples:|Finished in \d|\s{2,8}Failure/Error: |\s{2,8}# \./\S{1,200}:\d"),
    _shape(r"PHPUnit \d|There (?:was|were) \d{1,6} (?:failure|error)", sure=True),
    _shape(r"\d{1,6}\) \w{1,100}::\w", 2),
    # ctest
    _shape(r"Test project /|\s{0,8}\d{1,7}/\d{1,7} Test +#\d{1,7}: \S|\s{4}\s*Start +\d{1,7}: \S", sure=True),
    _shape(r"\d{1,3}% tests passed, \d{1,9} tests? failed", 0, sure=True),
    _shape(r"The following tests FAILED:|Total Test time|\s{2,12}\d{1,7} - \S{1,200} \((?:Failed|Timeout|Not Run)"),
    # TAP
    _shape(r"TAP version \d|1\.\.\d{1,9}\s*$", 0),
    _shape(r"\s{0,40}not ok \d{1,9}\b", 2, sure=True),
    _shape(
        r"\s{0,40}ok \d{1,9}(?: - | |\s*$)|# (?:tests|pass|fail|Subtest:|suites|skipped|todo|cancelled|"
        r"duration_ms)\b"
    ),
)
# One pattern finds whether a line has any shape; most lines have none.
_ANY = re.compile("|".join(f"(?:{shape.line.pattern})" for shape in _SHAPES))

# Below the last shape of an output that is cut off, these lines are of the section that it is in.
_TAIL = re.compile(r"\s|[E>] |Traceback \(|[A-Za-z_][\w.]{0,120}(?:Error|Exception)\b|\S{1,200}:\d{1,7}:|[-=_~]{3,}")
# Of several tests with the same result one is enough; a failing one is like no other.
_PASSED = re.compile(
    r"\bPASS(?:ED)?\b|\.\.\. (?:ok|ignored|skipped)|^\s*[✓✔√] |^\s*ok\b|^ok  \t|\bPassed\b|=== (?:RUN|PAUSE|"
    r"CONT)|^\s+Start +\d|"
    r"\[ *\d{1,3}%\]|\bSKIP(?:PED)?\b"
)
_BAD = re.compile(r"FAIL|ERROR|not ok|[✕✗✘×]|\*\*\*|\.py [.sxX]*[FE]|^[.sxX]*[FE]")


def runner_outputs(lines: Lines) -> Iterator[Run]:
    """The outputs of test runners in consecutive lines, in order."""
    texts = beginnings(lines)
    shaped = [(index, shape) for index, text in enumerate(texts) if (shape := _shape_of(text))]
    first = opened = 0
    for at in range(1, len(shaped) + 1):
        rank = shaped[at - 1][1].rank
        opened = opened if rank is None else rank
        if at < len(shaped) and _belongs(texts, shaped[at - 1][0], shaped[at][0], opened):
            continue
        group = shaped[first:at]
        first, opened = at, 0
        if any(shape.sure for _, shape in group):
            yield _run(texts, group, shaped[at][0] if at < len(shaped) else len(texts))


def passed(text: str) -> str | None:
    """What all lines that report a passed test share; None for any other line."""
    return "passed" if _PASSED.search(text) and not _BAD.search(text) else None


def _shape_of(text: str) -> _Shape | None:
    """The first shape that a line has."""
    if not text or not _ANY.match(text):
        return None
    return next((shape for shape in _SHAPES if shape.line.match(text)), None)


def _belongs(texts: Sequence[str], above: int, below: int, opened: int) -> bool:
    """Whether two shaped lines are of one output: near each other, or both in or below a section that is open."""
    if any(is_fence(text) and not text.startswith((" ", "\t", ">")) for text in texts[above + 1 : below]):
        return False
    return below - above - 1 <= _LONGEST_GAP or opened > 0


def _run(texts: Sequence[str], group: Sequence[tuple[int, _Shape]], limit: int) -> Run:
    """The output whose shaped lines are given; it ends before `limit`."""
    first, last = group[0][0], group[-1][0] + 1
    if first > 0 and re.match(r"[=-]{30,}\s*$", texts[first - 1]):
        first -= 1
    open_rank = next((shape.rank for _, shape in reversed(group) if shape.rank is not None), 0)
    stop = next((at for at in range(last, limit) if is_fence(texts[at])), limit) if open_rank else last
    # A closing tag says where the output ends; without one only lines that look like a section's are taken.
    closed = stop < limit and texts[stop].startswith("</")
    at = last
    while at < stop and (closed or not texts[at].strip() or _TAIL.match(texts[at])):
        at += 1
        last = at if texts[at - 1].strip() else last
    return Run(first, last, tuple(_heads(texts, group, last)))


def _heads(texts: Sequence[str], group: Sequence[tuple[int, _Shape]], last: int) -> Iterator[Head]:
    """The names of sections, each over the lines down to the next section that is not inside."""
    opened: list[tuple[int, _Shape]] = []
    for line, shape in [*((line, shape) for line, shape in group if shape.rank is not None), (last, _END)]:
        while opened and (opened[-1][1].rank or 0) >= (shape.rank or 0):
            name, named = opened.pop()
            yield Head(name, name + 1, max(_without_rule(texts, line), name + 1), named.alone)
        if shape.rank:
            opened.append((line, shape))


_END = _shape("", 0)


def _without_rule(texts: Sequence[str], end: int) -> int:
    """A section's end without the rule that is drawn above the next section."""
    return end - (end > 0 and re.match(r"[=-]{30,}\s*$", texts[end - 1]) is not None)
