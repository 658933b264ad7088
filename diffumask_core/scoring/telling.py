"""Lines and records that a reader looks for first: how something ended, what changed, what the query names."""

import re
from collections import Counter
from collections.abc import Sequence

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
_KINDS = frozenset({"log", "trace", "test output", "output"})
_LOOKED_AT = 300


def is_telling(kind: str, line: str) -> bool:
    """Whether a line of a region of a kind says how something ended; in a diff a changed line does."""
    if kind == "diff":
        return line[:1] in ("+", "-") and line[:3] not in ("+++", "---")
    return kind in _KINDS and _OUTCOME.search(line, 0, _LOOKED_AT) is not None


def named_by(query: str, items: Sequence[str]) -> list[bool]:
    """Whether each line or record holds a term of the query that few of the others hold."""
    wanted = {term.lower() for term in _TERM.findall(query)}
    held = [wanted & {term.lower() for term in _TERM.findall(item)} for item in items] if wanted else []
    counts = Counter(term for terms in held for term in terms)
    rare = {term for term, count in counts.items() if count <= max(_COMMON * len(items), 1)}
    return [bool(terms & rare) for terms in held] or [False] * len(items)
