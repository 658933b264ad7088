"""What a line looks like: code of some language, a comment, prose; and what it is without a printed line number.

Patterns see a line without its indentation, and no more than its beginning. They are told apart by what prose does not
have: brackets after a name, a keyword with the sign that has to follow it.
"""

import re
from collections.abc import Sequence
from enum import IntEnum
from itertools import pairwise

from diffumask_core.regions.region import Lines

_SEEN = 300
"""Characters of a line that are looked at."""


class Look(IntEnum):
    """What a line looks like; the value is what it counts for when a stretch is weighed."""

    PROSE = -2
    BLANK = -1
    WEAK = 0
    CODE = 1
    ANCHOR = 2


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


_MODIFIERS = (
    r"(?:(?:export|default|declare|async|abstract|public|private|protected|internal|static|final|sealed|override|open"
    r"|virtual|readonly|partial|suspend|inline|data|unsafe|extern|const|pub(?:\([\w: ]+\))?)\s+)*+"
)

DEFINITION = _any(
    _MODIFIERS + r"(?:def|func|function\*?|fn|fun)\s+(?:\([^()]*\)\s*)?[\w$.:]+!?\s*[<(\[]",
    _MODIFIERS + r"function\s*\(",
    _MODIFIERS + r"class\s+[\w$.<>]+\s*(?:[(:{]|extends\b|implements\b|where\b|$)(?:.*[:{(,]\s*$|.*\{\s*\}?$|$)",
    _MODIFIERS
    + r"(?:interface|struct|enum|trait|namespace|module|mod|union|record|object|type)\s+[\w$.<>:, ]+(?:\(.*\))?\s*[{=]",
    r"type\s+\w+(?:\[.*\])?\s+(?:struct|interface|func|map|\[\]).*",
    r"(?:unsafe\s+)?impl\b(?:<|\s+\w)[^;=.?!]*(?:\{|>|\w)$",
    r"(?:CREATE|create)\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE|function|procedure)\s+[\w.]+\s*\(",
)
"""A line that begins a definition, in the languages that name it with a keyword."""

_ANCHORS = _any(
    r"(?:from\s+\.*[\w.]*\s+import\s+(?:\(|\*|\w+(?:\s+as\s+\w+)?(?:,\s*\w+(?:\s+as\s+\w+)?)*,?\s*(?:\\|#.*)?$))",
    r"import\s+(?:static\s+)?[\w.]+(?:\.\*|\.\{.*\})?(?:\s+as\s+\w+)?(?:,\s*[\w.]+)*\s*;?\s*(?:#.*)?$",
    r"import\s+(?:\w+,?\s+|type\s+)?(?:[{*].*)?(?:from\s+)?['\"].+['\"];?$|import\s+\w+\s+from\s+['\"]|import\s+[({]$",
    r"(?:using|package|namespace|use|mod|extern crate)\s+[\w.:*{}, ]+;$|package\s+[\w.]+$",
    r"(?:export\s+)?(?:const|let|var|val)\s+(?:mut\s+)?(?:[\w$]+|[\[{(][^=]*[\]})])(?:\s*:\s*[^=]+)?\s*=\s*\S",
    r"(?:[\w*&.]+(?:,\s*[\w.]+)*)\s:=\s\S",
    r"#\s*(?:include\s*[<\"]|define\s+\w|ifn?def\s+\w|endif\b|pragma\s+\w)|#!/|#!?\[\w",
    r"template\s*<|using\s+namespace\b|typedef\s",
    r"(?:module\.)?exports?(?:\.\w+)?\s*=|export\s+(?:default\s+\w|\{|\*)",
    r"if\s+__name__\s*==|(?:async\s+)?with\s+[\w.]+\(.*:\s*$|except(?:\s+[\w.(), ]+(?:\s+as\s+\w+)?)?:\s*(?:#.*)?$",
    r"(?:public|private|protected|internal)\s+(?:[\w<>\[\],.?]+\s+){1,5}[\w<>]+\s*(?:[({;=]|$)",
    r"(?:SELECT\b.*\bFROM\b|INSERT\s+INTO\s+[\w.\"`]+|UPDATE\s+[\w.\"`]+\s+SET\b|DELETE\s+FROM\s+[\w.\"`]+)",
    r"(?:CREATE|DROP|ALTER)\s+(?:OR\s+REPLACE\s+|UNIQUE\s+|TEMP\s+)*(?:TABLE|INDEX|VIEW|TYPE|SCHEMA|DATABASE)\b",
    r"create\s+(?:unique\s+)?(?:table|index|view)\s+(?:if not exists\s+)?[\w.\"`]+\s*\($",
    r"WITH\s+\w+\s+AS\s*\(",
    r"(?:if|while|until)\s+\[\[?\s.*\s\]\]?|for\s+\w+\s+in\s+.*;\s*do$|[\w-]+\s*\(\)\s*\{",
)

_CONTROL = _any(
    r"(?:if|elif|while|for|async\s+for|with|match|case)\b(?=.*(?:\w[.(_\[]\w|[=<>!]=|[<>]\s|\bNone\b|\bnot\s+in\b"
    r"|\w\(|\brange\b|\d|['\"])).*:\s*(?:#.*)?$",
    r"(?:if|elif|while)\s+(?:not\s+)?[\w.]+:\s*$|for\s+[\w, ()]+\s+in\s+[\w.]+:\s*$",
    r"(?:else|try|finally|do|default)\s*:\s*(?:#.*)?$|case\s+[\w.'\":]+\s*:$",
    r"(?:\}\s*)?(?:else\s+if|if|for|foreach|while|switch|catch|using|lock)\s*\(.*[{;)]\s*(?://.*)?$",
    r"(?:if|for|match|while|loop|switch|select|go|defer|unsafe|else)\b[^.?!]*\{\s*$|\}?\s*(?:else|try|do|finally)\s*\{$",
    r"(?:return|raise|throw|yield|await|assert|del|global|nonlocal|delete|new)\b(?:\s+[\w.]+)?;?\s*$",
    r"(?:return|raise|throw|yield|await|assert|del|defer|go|echo)\s+.*(?:[(\[{=<>+*/!&|]|\w\.\w|['\"]|None|;$)",
    r"[)\]}].*[:{;,)]$",
    r"(?:pass|break|continue|fi|done|esac|then|where|\};?|\);?|\]\)?[;,]?|\}\)+;?|[\])}{(]+[;,:]?)$",
)

_PLAIN = _any(
    r"@[\w.]+(?:\(.*)?$",
    r"(?:[\w$]+(?:\.|->|::|\?\.))*[A-Za-z_$]\w+\(.*\)(?:\s*\{|[;,:.\\]|\s*(?:#|//).*)?$",
    r"[\w$.]+\((?:[\w.=,\s'\"*\[\]]*)$",
    r"[A-Za-z_$][\w$.\[\]'\"]*(?:,\s*\w+)*(?:\s*:\s*[\w\[\]., |<>?]+)?\s*[-+*/|&%^]?=\s*"
    r"(?:[\w.]+[(\[]|[\[{(]|[rbfu]?['\"`]|True\b|False\b|None\b|null\b|nil\b|true\b|false\b|new\s|lambda\b|&?mut\b|not\s|function\b)",
    r"(?:self|this)\.\w",
    r"(?=\w*[_.])[A-Za-z]\w*+(?:\.\w++)*+\s*+[-+*/|&]?=\s*\S",
    r"(?:[\w<>\[\],:*&?]+\s+){1,3}[*&]*\w+(?:\[\w*\])?\s*(?:=\s*[^=].*)?;(?:\s*//.*)?$",
    r"\.\w+\(|\w+\?\.\w+|[\w.]+\+\+;",
    r"['\"][^'\"]*['\"]\s*:\s*.*[,{\[(]$|['\"][^'\"]*['\"],$",
    r"\w+:\s*(?:[\w\[\]<>|., ]+)(?:\s*=\s*\S.*)$|\w+\??:\s*[\w\[\]<>| .']+[;,]$",
    r"\w+=[\w.\[\]'\"({-]\S*,?$|\*{1,2}\w+,?$",
    r"(?:FROM|WHERE|AND|OR|ORDER BY|GROUP BY|HAVING|LIMIT|ON|SET|VALUES|UNION|(?:(?:LEFT|RIGHT|INNER|OUTER) )?JOIN)\s",
    r"\w+\s+(?:INT|INTEGER|BIGINT|SERIAL|TEXT|VARCHAR|CHAR|BOOLEAN|DATE|TIMESTAMP\w*|NUMERIC|DECIMAL|FLOAT|REAL|UUID)\b",
    r"(?:SELECT|select)\s+[\w.*,()\s]+,?$|(?:BEGIN|COMMIT|ROLLBACK|END)\s*;",
    r"(?:sudo\s+)?(?:git|npm|npx|yarn|pnpm|pip3?|docker|kubectl|helm|terraform|cargo|apt-get|apt|brew|curl|wget|chmod|chown"
    r"|mkdir|rm|cp|mv|cd|ls|export|source|grep|sed|awk|tar|ssh|scp|python3?|pytest|conda|poetry|uv|make|go|node)"
    r"\s+(?:[\w-]+\s+){0,3}(?:-|[\w~.$]*[/$.=*\"'\\]|install\b|build\b|run\b|add\b|commit\b|clone\b|test\b|up\b|get\b)",
    r"(?:set|export)\s+-?\w+(?:=|$)|[A-Z_][A-Z0-9_]*=\S*$",
)

_STARTS_AS_CODE = re.compile(r"(?:[rbfu]{1,2})?(?:\"\"\"|''')|/\*|//|<!--")
_COMMENT = re.compile(r"#|//|/\*|\*/|\*\s|\*$|--\s|;;|'''|\"\"\"")
_WEAK_END = re.compile(r"[,({\[\\=+|&;]\s*$|[)\]}]\s*[,;]?\s*$")
# A statement of a brace language ends in a semicolon; a clause of a contract does too, but has words and no signs.
_STATEMENT = re.compile(r"(?=.*(?:\w\(|\w\.\w|->|::|=|\+\+|--|\]|\*\w)).*;\s*(?://.*)?$")
CALLABLE = re.compile(
    r"(?!(?:if|for|while|switch|catch|return|else|do|foreach|using|lock|elif|with)\b)"
    r"[\w$<>\[\],.:*&?~@ ]*(?:\w|\))\s*\([^;]*\)[^;()?!]*\{\s*$|.*=>\s*[{(]\s*$"
)
_SENTENCE = re.compile(r"(?:(?<![\w.@/-])[A-Za-z’']++[,;:]? ){5}")
STRING = re.compile(r"\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+'|`[^`]*+`")
_TRAILING = re.compile(r"\s(?:#|//)\s.*$")
_MARKUP = re.compile(r"</?\w|[-*] \w|\|\s|\d+[.):-]|>\s")
_SENTENCE_END = re.compile(r"[a-z]{2}[.!?]$")

_CHANGE = re.compile(r"@@ -\d|diff --git |\+\+\+ \S")
_CHANGED = re.compile(r"[ +\-@\\]|index |diff |$")
_TRACED = re.compile(r"Traceback \(most recent call last\)|\s+File \"|\s{4}")


def find_foreign(texts: Sequence[str]) -> list[bool]:
    """For each line whether it belongs to a diff or a traceback: there code is quoted, for other detectors to find."""
    state: re.Pattern[str] | None = None
    found = []
    for text in texts:
        if _CHANGE.match(text):
            state = _CHANGED
        elif text.startswith(("Traceback (most recent", '  File "')):
            state = _TRACED
        elif state and not state.match(text):
            state = None
        found.append(state is not None)
    return found


PROMPT = _any(
    r"\s*>>> |\s*\.\.\. \S|In \[\d+\]: ",
    r"\s*(?:\([\w.-]+\) )?(?:[\w.-]+@[\w.-]+[: ][^\s$#%]*)[$#%] \S",
    r"\s*\$ [A-Za-z./~]",
)
"""A line that a shell or an interpreter was told."""


def look_of(text: str) -> Look:
    """What a line looks like by itself."""
    bare = text.strip()[:_SEEN]
    if not bare:
        return Look.BLANK
    if PROMPT.match(text[:_SEEN]):
        return Look.ANCHOR
    if _COMMENT.match(bare) and not _ANCHORS.match(bare):
        return Look.CODE if _STARTS_AS_CODE.match(bare) else Look.WEAK
    if _MARKUP.match(bare):
        return Look.PROSE
    told = _SENTENCE.search(STRING.sub('""', _TRAILING.sub("", bare))) is not None
    if DEFINITION.match(bare) or (_ANCHORS.match(bare) and not (told and bare[-1] in ".!?")):
        return Look.ANCHOR
    if _CONTROL.match(bare) and not (told and bare[-1] in ".!?"):
        return Look.CODE
    if not told and (CALLABLE.match(bare) or _PLAIN.match(bare) or _STATEMENT.match(bare)):
        return Look.CODE
    if told or _SENTENCE_END.search(bare):
        return Look.PROSE
    return Look.WEAK if _WEAK_END.search(bare) or text[:1] in " \t" else Look.PROSE


_NUMBERED = re.compile(r"(\s*)(?:\d{1,6}[:\-] +)?(\d{1,6})(\t| ?[|│:→] ?|(?=\s*$)|  ?)")


def without_numbers(lines: Lines) -> tuple[Sequence[str], frozenset[int]]:
    """The lines without the numbers that a tool has printed before them, and which of them were printed with a number.

    A number counts as printed where three lines in a row have numbers in a row.
    """
    texts = list(lines)
    found = [(number, match) for number, text in enumerate(texts) if (match := _NUMBERED.match(text[:_SEEN]))]
    # Hits of a search have numbers too, some of them next to each other: so three numbers in a row are asked for.
    numbered: set[int] = set()
    run: list[int] = []
    for (line, match), (below, following) in pairwise(found):
        run = run or [line]
        gap = any(texts[between].strip() for between in range(line + 1, min(below, line + 5)))
        if int(following[2]) == int(match[2]) + 1 and below - line < 5 and not gap:
            run.append(below)
            numbered.update(run if len(run) == 3 else run[-1:] if len(run) > 3 else ())
        else:
            run = []
    for line, match in found:
        if line in numbered:
            texts[line] = texts[line][match.end() :]
    return texts, frozenset(numbered)
