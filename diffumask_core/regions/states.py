"""Finds what commands say of the state of a repository or of a machine: `git status`, `git log`, `ps`, `df`.

Each function takes the beginnings of lines and yields runs of them, with the lines that head others.
"""

import re
from collections.abc import Iterator, Sequence

from diffumask_core.regions.files import Listing, runs_of
from diffumask_core.regions.region import Head
from diffumask_core.regions.runs import is_fence

_BRANCH = re.compile(
    r"(?:On branch \S|HEAD detached (?:at|from) \S|Your branch (?:is|and) |Not currently on any branch|"
    r"No commits yet|You are currently (?:rebasing|editing|bisecting|cherry-picking)|and have \d|"
    r"nothing (?:to commit|added to commit)|no changes added to commit|All conflicts fixed but|"
    r"You have unmerged paths)"
)
_GROUP = re.compile(
    r"(?:Changes (?:not staged for commit|to be committed)|Untracked files|Unmerged paths|"
    r"Ignored files):"
)
_ADVICE = re.compile(r"\s{1,4}\(.{0,60}\"git \w|\s{1,4}\((?:all conflicts|fix conflicts|commit or discard)")
_MEMBER = re.compile(r"\t\S|\s{4,8}(?:modified|new file|deleted|renamed|typechange|both modified|copied): ")

_SHORT = re.compile(
    r"(?:[MADRCUT][MADRCUT ]|[ ][MADRCUT]|\?\?|!!) (?P<path>\S.{0,300})$|"
    r"[MADRCT]\d{0,3}\t(?P<named>\S.{0,300})$"
)
_SHORT_HEAD = re.compile(r"## \S{1,200}(?:\.\.\.\S{1,200})?(?: \[(?:ahead|behind) .{1,40}\])?\s*$")
_PATH = re.compile(r"\S{0,300}[/.]\S|\S{1,300}\s*$")

_CHANGED = re.compile(
    r"\s{0,8}[^\s|](?:[^\s|]| (?=[^\s|])){0,300}+\s{1,120}+\|\s{1,12}(?:\d{1,9} ?[+-]{0,200}|"
    r"Bin(?: \d+ -> \d+ bytes)?|Unmerged)\s*$"
)
_CHANGED_SUM = re.compile(r"\s{0,8}\d{1,9} files? changed(?:, \d{1,9} (?:insertion|deletion)|\s*$)")
_CHANGED_MODE = re.compile(r"\s(?:create|delete) mode \d{6} |\s(?:rename|copy) .{1,300}\(\d{1,3}%\)\s*$")

_ONE_LINE = re.compile(r"[*|\\/ ]{0,40}(?=[a-f]{0,39}\d)[0-9a-f]{7,40} (?:\([^)]{1,300}\) )?\S|[|\\/ *]{1,40}$")
_HASH = re.compile(r"[*|\\/ ]{0,40}[0-9a-f]{7,40} ")
_COMMIT = re.compile(r"(?P<graph>(?:[*|\\/] ?){0,20})commit [0-9a-f]{7,64}\b(?: \(.{1,300}\))?\s*$")
_COMMIT_FIELD = re.compile(r"(?:[*|\\/] ?){0,20}(?:(?:Merge|Author|AuthorDate|Commit|CommitDate|Date):\s| {4}|\s*$)")

_TABLE_HEAD = re.compile(
    r"\s{0,12}(?:USER\s+PID|PID\s+(?:TTY|USER|PPID|%)|UID\s+PID|F\s+S?\s*UID|S\s+UID|PPID\s+PID|"
    r"Filesystem\s+(?:\S*[Bb]locks|Size|Type|Inodes)|total\s+used\s+free|COMMAND\s+PID|Proto\s+Recv-Q|Netid\s+State|"
    r"NAME\s+(?:MAJ:MIN|READY|STATUS|TYPE)|NAMESPACE\s+NAME|CONTAINER ID\s|REPOSITORY\s+TAG|UNIT\s+LOAD)"
)


def git_states(texts: Sequence[str]) -> Iterator[Listing]:
    """The long form of `git status`: the name of a group heads the files of the group."""
    at = 0
    while at < len(texts):
        if not (_BRANCH.match(texts[at]) or _GROUP.match(texts[at])):
            at += 1
            continue
        first, last = at, at + 1
        heads: list[int] = []
        grouped: dict[int, int] = {}
        while at < len(texts) and (_is_status(texts[at]) or not texts[at].strip()):
            if _GROUP.match(texts[at]):
                heads.append(at)
            elif heads and _MEMBER.match(texts[at]):
                grouped[heads[-1]] = at + 1
            last = at + 1 if texts[at].strip() else last
            at += 1
        yield Listing(first, last, tuple(Head(head, head + 1, end, alone=False) for head, end in grouped.items()))


def _is_status(text: str) -> bool:
    return any(shape.match(text) for shape in (_BRANCH, _GROUP, _ADVICE, _MEMBER))


def short_states(texts: Sequence[str]) -> Iterator[Listing]:
    """The short form of `git status` and `git diff --name-status`."""
    for run in runs_of(texts, _SHORT.match, least=1):
        found = [match for text in texts[run.first : run.last] if (match := _SHORT.match(text))]
        telling = sum(
            text.startswith(("??", "!!", " ")) or "/" in text or "." in text for text in texts[run.first : run.last]
        )
        paths = all(_PATH.match(match["path"] or match["named"]) for match in found)
        headed = run.first > 0 and _SHORT_HEAD.match(texts[run.first - 1]) is not None
        if headed or (paths and telling == len(found) and len(found) >= 2):
            yield Listing(run.first - headed, run.last)


def changed_files(texts: Sequence[str]) -> Iterator[Listing]:
    """The files and the sum of `git diff --stat`."""
    for run in runs_of(texts, _is_change, 1):
        inside = texts[run.first : run.last]
        if run.last - run.first >= 2 and any(re.search(r"[+-]\s*$|Bin|changed", text) for text in inside):
            yield run


def histories(texts: Sequence[str]) -> Iterator[Listing]:
    """`git log`: a commit heads its message; and its form of one line each."""
    at = 0
    while at < len(texts):
        run = _history(texts, at) if _COMMIT.match(texts[at]) else _one_lines(texts, at)
        if run:
            yield run
        at = run.last if run else at + 1


def _history(texts: Sequence[str], start: int) -> Listing | None:
    """Commits with their messages; at least the first has an author, a date or a message."""
    at, last = start, start
    commits: list[int] = []
    while at < len(texts):
        if _COMMIT.match(texts[at]):
            commits.append(at)
        elif not (_COMMIT_FIELD.match(texts[at]) or _is_change(texts[at])):
            break
        last = at + 1 if texts[at].strip() else last
        at += 1
    if last < start + 2:
        return None
    ends = [*commits[1:], last]
    return Listing(start, last, tuple(Head(line, line + 1, end) for line, end in zip(commits, ends, strict=True)))


def _is_change(text: str) -> bool:
    return bool(_CHANGED.match(text) or _CHANGED_SUM.match(text) or _CHANGED_MODE.match(text))


def _one_lines(texts: Sequence[str], start: int) -> Listing | None:
    """At least three lines that begin with a hash each."""
    at = start
    if not _HASH.match(texts[start]):
        return None
    while at < len(texts) and _ONE_LINE.match(texts[at]):
        at += 1
    hashes = [text for text in texts[start:at] if _HASH.match(text)]
    return Listing(start, at) if len(hashes) >= 3 else None


def command_tables(texts: Sequence[str]) -> Iterator[Listing]:
    """The tables of `ps`, `df` and their like, known by their first line, which heads the rows."""
    at = 0
    while at < len(texts):
        head = at
        at += 1
        if not _TABLE_HEAD.match(texts[head]):
            continue
        while at < len(texts) and len(texts[at].split(None, 2)) > 1 and not is_fence(texts[at]):
            at += 1
        if at > head + 1:
            yield Listing(head, at, (Head(head, head + 1, at, alone=False),))
