"""Finds diffs: unified and combined, with the heads of commits and files, whole or cut off anywhere.

A line is a unit. A short block of removed lines and the added lines that replace it are one unit.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from diffumask_core.regions.region import Head, Lines, Region, region_of_lines
from diffumask_core.regions.runs import beginnings, is_fence, without_numbers

_LONGEST_CHANGE = 6
_LONGEST_PREFACE = 400

_RANGE = r"(\d{1,9})(?:,(\d{1,9}))?"
# The last alternative is the hunk of a combined diff, with a column of signs for each parent.
_HUNK = re.compile(rf"@@ -{_RANGE} \+{_RANGE} @@|(@{{3,9}}) (?:-\d{{1,9}}(?:,\d{{1,9}})? ){{2,8}}")
_COMMIT = re.compile(r"commit [0-9a-f]{7,64}\b|From [0-9a-f]{40,64} \w{3} \w{3} ")
_PREFACE = re.compile(r"(?:Merge|Author|AuthorDate|Commit|CommitDate|Date|Notes)\b[^:]{0,20}:|[ ]{1,4}\S|---$")
_FILE = re.compile(
    r"diff --(?:git|cc|combined) \S|diff (?:-\S+ )+\S|index [0-9a-f,]{4,140}\.\.[0-9a-f]{4,64}|(?:old|new) mode \d|"
    r"(?:new|deleted) file mode \d|(?:dis)?similarity index \d|(?:rename|copy) (?:from|to) \S|"
    r"Binary files .{1,300} differ|Index: \S"
)
_SIDE = {"---": re.compile(r"--- \S"), "+++": re.compile(r"\+\+\+ \S")}
_RULE = re.compile(r"={20,}$")


# Header lines that name no file: hashes, modes, shares. A reader can do without them.
_TECHNICAL = re.compile(r"(?:index [0-9a-f]|old mode |new mode |(?:dis)?similarity index )")


@dataclass
class _Diff:
    """What is found of a diff: where it ends, its heads and, for each line of a hunk, its sign."""

    end: int
    heads: list[Head] = field(default_factory=list)
    signs: dict[int, str] = field(default_factory=dict)


def find_diffs(lines: Lines) -> Iterator[Region]:
    """Finds diffs in consecutive lines.

    Args:
        lines: Of a text.

    Yields:
        A region for each diff; several files in a row, or commits with their patches, are one.
    """
    texts = beginnings(lines)
    if not any(_HUNK.match(text.lstrip()) for text in texts):
        texts = without_numbers(texts)
    at = floor = 0
    while at < len(texts):
        diff, start = _read(texts, at), at
        if diff is None:
            at += 1
            continue
        yield _region(lines, _first_of_cut_hunk(texts, start, floor), diff)
        at = floor = diff.end


def _read(texts: Sequence[str], start: int) -> _Diff | None:
    """The diff that begins at a line, or None where none does."""
    text = texts[start].lstrip(" \t")
    if not text or text[0] not in "@dcFoinrBISs-+":
        return None
    indent = texts[start][: len(texts[start]) - len(text)]
    reader = _Reader(texts, indent)
    return reader.read(start)


class _Reader:
    """Reads one diff; each line of it has the same indentation."""

    def __init__(self, texts: Sequence[str], indent: str) -> None:
        self._texts = texts
        self._indent = indent
        self._size = len(texts)

    def read(self, start: int) -> _Diff | None:
        """The diff that begins at a line: commits with files, files with hunks, or hunks alone."""
        diff = _Diff(start)
        at = start
        commit = head = -1
        body = start
        while at < self._size:
            at = self._over_blank(at)
            preface = self._preface_end(at)
            header = self._header_end(at) if preface == at else at
            if preface > at or header > at:
                self._close_file(diff, head, body)
                head = -1
            if preface > at:
                self._close_commit(diff, commit)
                commit, at = at, preface
            elif header > at:
                head, body, at = at, header, header
            elif self._hunk(at):
                at = self._read_hunk(diff, at)
            else:
                break
            diff.end = at
        self._close_file(diff, head, body)
        self._close_commit(diff, commit)
        return diff if diff.end > start else None

    def _at(self, index: int) -> str:
        """A line without the diff's indentation; an empty text where the line is not of this diff."""
        if index >= self._size:
            return ""
        text = self._texts[index]
        return text[len(self._indent) :] if text.startswith(self._indent) else ""

    def _over_blank(self, at: int) -> int:
        """The first line from `at` on that is not blank, if a diff goes on there; else `at`."""
        following = at
        while following < self._size and following < at + 3 and not self._texts[following].strip():
            following += 1
        goes_on = self._hunk(following) or self._header_end(following) > following
        return following if goes_on or self._preface_end(following) > following else at

    def _hunk(self, at: int) -> re.Match[str] | None:
        text = self._at(at)
        return _HUNK.match(text) if text.startswith("@@") else None

    def _sides(self, at: int) -> bool:
        """Whether the two lines that name a file's sides begin here."""
        return bool(_SIDE["---"].match(self._at(at)) and _SIDE["+++"].match(self._at(at + 1)))

    def _header_end(self, at: int) -> int:
        """The line after the header lines of one file that begin at `at`; `at` where none do."""
        first, named = at, False
        while at < self._size:
            text = self._at(at)
            last_line = at == self._size - 1 and at > first and _SIDE["---"].match(text)
            if last_line or self._sides(at):
                return min(at + 2, self._size)
            cut_off = at == first and _SIDE["+++"].match(text) and self._hunk(at + 1)
            new_file = text.startswith(("diff ", "Index: "))
            if not (cut_off or _FILE.match(text) or (at > first and _RULE.match(text))) or (new_file and at > first):
                break
            named = named or bool(cut_off) or text.startswith("diff --")
            at += 1
        # Of header lines alone, those that other texts may hold too ("new mode 1") are no sign of a diff.
        return at if named or (at > first and self._hunk(at)) else first

    def _preface_end(self, at: int) -> int:
        """The line where the files of a commit begin whose head is at `at`; `at` where none is or no file follows."""
        text = self._at(at)
        if not _COMMIT.match(text):
            return at
        mail = text.startswith("From ")
        for index in range(at + 1, min(at + _LONGEST_PREFACE, self._size)):
            line = self._at(index)
            if line.startswith("diff --") or self._sides(index):
                return index
            if _COMMIT.match(line) or not (mail or not line.strip() or _PREFACE.match(line)):
                return at
        return at

    def _read_hunk(self, diff: _Diff, at: int) -> int:
        """Reads the lines of a hunk and returns the line after it."""
        found = self._hunk(at)
        assert found is not None
        width = len(found[5]) - 1 if found[5] else 1
        left = None if found[5] else [int(found[2] or 1), int(found[4] or 1)]
        first = index = at + 1
        end = first
        while index < self._size and not (self._hunk(index) or self._leaves(index, left)):
            text = self._at(index)
            sign = self._sign(text, width)
            if sign is None:
                break
            if left:
                left[0] -= sign in " -"
                left[1] -= sign in " +"
            diff.signs[index] = sign
            index += 1
            end = index if text.strip() else end
        diff.heads.append(Head(at, first, end, alone=False))
        return end

    def _leaves(self, index: int, left: list[int] | None) -> bool:
        """Whether the hunk is over: another file begins, or the counted lines are read and no sign follows."""
        text = self._at(index)
        if text.startswith(("diff ", "Index: ", "commit ", "From ")):
            return True
        done = left is not None and left[0] <= 0 and left[1] <= 0
        if text.startswith("--- ") and self._sides(index) and (done or self._hunk(index + 2)):
            return True
        # "-- " is the line above a mail's signature. After the last counted line, only signed lines go on.
        return done and (not text or text[0] not in "+-\\" or text.rstrip() == "--")

    @staticmethod
    def _sign(text: str, width: int) -> str | None:
        r"""``+``, ``-``, a blank or ``\``; None where a line is not a hunk's. Editors strip blank context lines."""
        if not text.strip():
            return " "
        if text.startswith("\\ "):
            return "\\"
        signs = text[:width]
        if signs.strip("+- \t"):
            return None
        return "-" if "-" in signs else "+" if "+" in signs else " "

    def _close_file(self, diff: _Diff, head: int, body: int) -> None:
        """Adds the header lines of a file as heads of the file's lines."""
        if head >= 0:
            telling = (line for line in range(head, body) if not _TECHNICAL.match(self._texts[line]))
            diff.heads.extend(Head(line, body, diff.end, alone=False) for line in telling)

    @staticmethod
    def _close_commit(diff: _Diff, commit: int) -> None:
        """Adds the first line of a commit as the head of all the commit holds."""
        if commit >= 0:
            diff.heads.append(Head(commit, commit + 1, diff.end))


def _first_of_cut_hunk(texts: Sequence[str], start: int, floor: int) -> int:
    """Where the rest of a hunk begins that was cut off at its start: signed lines right above a diff."""
    first = start
    while first > floor and (texts[first - 1][:1] in ("+", "-", " ", "\\")) and texts[first - 1].strip():
        first -= 1
    begins_here = first == 0 or is_fence(texts[first - 1])
    signed = any(text[0] in "+-" and not text.startswith("- ") for text in texts[first:start])
    return first if begins_here and signed else start


def _region(lines: Lines, first: int, diff: _Diff) -> Region:
    """The region of a diff, with short changes as one unit; a mark counts the lines of a change."""
    region = region_of_lines("diff", lines, first, diff.end, diff.heads)
    return replace(region, units=tuple(lines.cover(begin, end) for begin, end in _groups(lines, first, diff)))


def _groups(lines: Lines, first: int, diff: _Diff) -> Iterator[tuple[int, int]]:
    """Lines that go together: a short change, or one line with the remark that no line break follows."""
    at = first
    while at < diff.end:
        end = _change_end(diff, at) or _remark_end(diff, at + 1)
        if lines[at].strip():
            yield at, end
        at = end


def _change_end(diff: _Diff, at: int) -> int | None:
    """The line after a short block of removed lines and the added ones below it, if such a change begins here."""
    if diff.signs.get(at) != "-" or diff.signs.get(at - 1) == "-":
        return None
    middle = _block_end(diff, at, "-")
    end = _block_end(diff, middle, "+")
    return end if middle < end <= at + _LONGEST_CHANGE else None


def _block_end(diff: _Diff, at: int, sign: str) -> int:
    while diff.signs.get(at) == sign:
        at = _remark_end(diff, at + 1)
    return at


def _remark_end(diff: _Diff, at: int) -> int:
    r"""The line after a ``\ No newline at end of file`` at `at`, else `at`."""
    return at + (diff.signs.get(at) == "\\")
