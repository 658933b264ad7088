"""Lines that say how something ended: errors, failures, totals, changed lines. A reader looks for these first."""

import re

# Whole words of an outcome, in the spelling of logs, compilers and test runners.
_OUTCOME = re.compile(
    r"(?<![A-Za-z])(?:errors?|fail(?:ed|ures?|s)?|exceptions?|fatal|critical|panic(?:ked)?|denied|refused|timed? ?out"
    r"|not found|no such|cannot|unable|aborted|killed|(?:\d+ )?passed|exit (?:code|status)|return ?code)(?![a-z])"
    r"|[A-Za-z](?:Error|Exception|Failure)(?![a-z])",
    re.IGNORECASE,
)
_KINDS = frozenset({"log", "trace", "test output", "output"})
_LOOKED_AT = 300


def is_telling(kind: str, line: str) -> bool:
    """Whether a line of a region of a kind says how something ended; in a diff a changed line does."""
    if kind == "diff":
        return line[:1] in ("+", "-") and line[:3] not in ("+++", "---")
    return kind in _KINDS and _OUTCOME.search(line, 0, _LOOKED_AT) is not None
