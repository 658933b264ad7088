"""Lines and records that a reader looks for first: how something ended, what changed, what the query names."""

import re
from collections import Counter
from collections.abc import Sequence
from statistics import median

# Whole words of an outcome, in the spelling of logs, compilers and test runners.
_OUTCOME = re.compile(
    r"(?<![A-Za-z])(?:errors?|fail(?:ed|ures?|s)?|exceptions?|fatal|critical|panic(?:ked)?|denied|refused|timed? ?out"
    r"|not found|no such|cannot|unable|aborted|killed|(?:\d+ )?passed|exit (?:code|status)|return ?code)(?![a-z])"
    r"|[A-Za-z](?:Error|Exception|Failure)(?![a-z])|^\s*+(?:E\s{2,}\S|not ok\b|[✗✕✘×❌])",
    re.IGNORECASE,
)
_TERM = re.compile(r"\w[\w.@/-]*\w")
# A term that stands in more of the items than this share tells none of them from the others.
_COMMON = 0.2
# Words of a query with so many small letters, such as "is" and "the", name nothing.
_SHORT_WORD = 3
_KINDS = frozenset({"log", "trace", "test output", "output"})
_LOOKED_AT = 300

# What went wrong, and the line that sums up a run. Fewer words than of an outcome: the line is to be the last to go.
_FAILURE = re.compile(
    r"(?<![\w.])(?:FAIL(?:ED|URES?|S)?|ERRORS?|FATAL|CRITICAL|SEVERE|PANIC|EMERG|ABORTED|KILLED)(?![\w=(])"
    r"|^[\w./:()\[\] -]{0,80}?\b(?:[Ff]atal(?: error)?|[Ee]rror(?:\[\w+\])?|[Pp]anic|[Aa]bort(?:ed)?)\s?[:!]"
    r"|^\s*+(?:[\w$]+[.:])*+[\w$]*(?:Error|Exception|Interrupt|Timeout)(?:: |\s*$)"
    r"|^\s*+(?:Caused by: |Unhandled |Uncaught |Killed\s*$)|panicked at|[Ss]egmentation fault|core dumped"
    r"|ERR!|\*\*\* |^\s*+(?:E\s{2,}\S|not ok\b|[✗✕✘×❌]|--- FAIL)"
    r"|[Pp]ermission denied|[Aa]ccess denied|[Cc]onnection refused|[Nn]o such file|[Cc]ommand not found"
    r"|[Oo]ut of memory|[Nn]o space left|[Tt]imed out|[Cc]ould not"
    r"|[Ee]xit(?:ed)?(?: with)?(?: (?:code|status))?[ :=]+(?:code |status )?[1-9]\d*\b"
    r"|\b\d+ (?:tests? |examples?, )?(?:passed|failed|passing|failing|failures?|errors?)\b"
    r"|^(?:Ran \d+ tests?|Tests:|OK\s*$)|[Bb][Uu][Ii][Ll][Dd] (?:FAIL|SUCC|fail|succ)"
)
_NO_FAILURE = re.compile(r"^\W*(?:0|no) (?:errors?|failures?|failed)\W*$", re.IGNORECASE)
# What a record says of itself that went wrong.
_FAILED_RECORD = re.compile(
    r"\b(?:error|exception|failure|stderr|traceback)\w*[\"']?\s*[:=]\s*(?!null|none|false|0\b|\"\"|''|\[\]|\{\})\S"
    r"|[\"'|,\t ](?:failed|failure|error|errored|denied|rejected|declined|time[d_]?[ -]?out|aborted|crashed|unhealthy"
    r"|fatal|critical)(?=[\"'|,\s]|$)|exit_?(?:code|status)[\"']?\s*[:=]\s*[1-9]",
    re.IGNORECASE,
)


def is_telling(kind: str, line: str) -> bool:
    """Whether a line of a region of a kind says how something ended; in a diff a changed line does."""
    if kind == "diff":
        return line[:1] in ("+", "-") and line[:3] not in ("+++", "---")
    return kind in _KINDS and _OUTCOME.search(line, 0, _LOOKED_AT) is not None


def is_failure(kind: str, line: str) -> bool:
    """Whether a line of a program says what went wrong, or how many did: of an output the last lines to go."""
    start = line[:_LOOKED_AT]
    return kind in _KINDS and _FAILURE.search(start) is not None and not _NO_FAILURE.match(start)


def failed_records(records: Sequence[str]) -> list[bool]:
    """Whether each record or row says that something went wrong; none does where many say so."""
    failed = [_FAILED_RECORD.search(record) is not None for record in records]
    return failed if sum(failed) <= max(_COMMON * len(records), 1) else [False] * len(records)


_TOKEN = re.compile(r"\w(?:[\w.@/:#+-]*\w)?")
_STEPS = re.compile(r"[/:]")
_PARTS = re.compile(r"[/:]|(?<=\w)[.@#+-](?=\w)")
# What names one thing: it holds a digit, an inner sign, or a capital behind a small letter.
_EXACT = re.compile(r"\d|\w[/@_.:#]\w|[a-z][A-Z]")
# A number of two digits, a year and a word such as "ID" stand anywhere.
_VAGUE = re.compile(r"\d{1,2}|(?:19|20)\d\d|\w{1,2}")
_PROPER = re.compile(r"(?<=[^\s.!?:;] )[^\W\d_](?:[\w-]|['’][A-Z])*\w")


def exact_names(text: str) -> set[str]:
    """What a question or a call names to the letter, in small letters: ids, paths, addresses, numbers."""
    exact = {token for token in _TOKEN.findall(text) if _EXACT.search(token)}
    numbers = {part for token in exact for part in _PARTS.split(token) if len(part) > 3 and any(map(str.isdigit, part))}
    return {name.lower() for name in exact | numbers if not _VAGUE.fullmatch(name)}


def proper_names(text: str) -> set[str]:
    """The words of a text that are capitalised within a sentence, in small letters."""
    return {word.lower() for word in _PROPER.findall(text) if word[0].isupper() and not _VAGUE.fullmatch(word)}


def terms_in(line: str) -> set[str]:
    """All that may be a name in a line, whole and in parts, in small letters."""
    tokens = _TOKEN.findall(line.lower())
    return {*tokens, *(part for token in tokens for cut in (_STEPS, _PARTS) for part in cut.split(token))}


def named_by(query: str, items: Sequence[str]) -> list[bool]:
    """Whether each line or record holds a term of the query that few of the others hold."""
    wanted = {term.lower() for term in _TERM.findall(query) if len(term) > _SHORT_WORD or not term.islower()}
    held = [wanted & {term.lower() for term in _TERM.findall(item)} for item in items] if wanted else []
    counts = Counter(term for terms in held for term in terms)
    rare = {term for term, count in counts.items() if count <= max(_COMMON * len(items), 1) and count < len(items)}
    return [bool(terms & rare) for terms in held] or [False] * len(items)


# Fields of a row: cells, columns of a print, values of a JSON record.
_FIELD = re.compile(r"[,;|\t]|\s{2,}")
_FEWEST_ROWS = 5
_ALIKE_SHARE = 0.6
_FAR = 4.0
# Values that are more than this share of their column are not odd.
_MOST_ODD = 0.2


def odd_ones(rows: Sequence[str]) -> list[bool]:
    """Whether each row has a value that is unlike those of its column: the one timeout among successes, a peak.

    A column tells where most of its values are the same, or where all are numbers and one is far from the median, by
    four times the median distance.
    """
    cells = [[cell.strip() for cell in _FIELD.split(row)] for row in rows]
    width = Counter(map(len, cells)).most_common(1)[0][0] if cells else 0
    regular = [number for number, row in enumerate(cells) if len(row) == width]
    odd = [False] * len(rows)
    if len(regular) < max(_FEWEST_ROWS, _ALIKE_SHARE * len(rows)):
        return odd
    for column in range(width):
        for number in _odd_values([cells[row][column] for row in regular]):
            odd[regular[number]] = True
    return odd


def _odd_values(values: Sequence[str]) -> list[int]:
    """The places of the values of a column that are unlike the others; none where many are."""
    numbers = [float(value) for value in values if re.fullmatch(r"-?\d{1,15}(?:\.\d{1,15})?", value)]
    if len(numbers) == len(values):
        middle = median(numbers)
        spread = median(abs(number - middle) for number in numbers)
        found = [place for place, number in enumerate(numbers) if abs(number - middle) > _FAR * spread > 0]
    else:
        usual, count = Counter(values).most_common(1)[0]
        found = [place for place, value in enumerate(values) if value != usual] if count > len(values) / 2 else []
    return found if len(found) <= _MOST_ODD * len(values) else []
