"""Tells an output that is JSON, SQL, markup or code from one that is prose: half of such an output is worth nothing."""

import json
import re

_SQL = re.compile(
    r"(?:SELECT\b.+?\bFROM|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|WITH\s+(?:RECURSIVE\s+)?\w+\s+AS\s*\(|"
    r"(?:CREATE|ALTER|DROP|TRUNCATE)\s+(?:OR\s+REPLACE\s+)?(?:TEMP\w*\s+)?(?:TABLE|VIEW|INDEX|DATABASE|FUNCTION)|"
    r"MERGE\s+INTO|MATCH\s*\(|PREFIX\s+\w*:)",
    re.DOTALL,
)
# Lower case is SQL only with a sign or an end that prose has not ("select the first of the rows from the list").
_LOWER_SQL = re.compile(
    r"(?:select\s+(?:\*|[\w.,()\s\"`]{1,200}?)\s+from\s+[\w.\"`]+(?:\s+(?:where|join|order by|group by|limit)\b.*)?;?"
    r"|insert\s+into\s.*values.*|update\s+\S+\s+set\s.*=.*|delete\s+from\s+\S+(?:\s+where\s.*)?;?)\s*+\Z",
    re.DOTALL,
)
_MARKUP = re.compile(r"<(?P<name>[A-Za-z][\w:.-]{0,40})[^<>]{0,500}>.*</(?P=name)>\s*+\Z|<\?xml\b.*>\s*+\Z", re.DOTALL)
_CODE_LINE = re.compile(
    r"""[ \t]*+(?:
        (?:async[ ]def|def|class|struct|enum|interface|func|fn|function|public|private|protected|static)[ ]\w.*[({:;]
      | (?:if|for|while|elif|switch|try|else|except|with|case|catch|finally)\b.*[:{]\s*+$
      | (?:import|using|package)[ ][\w.{*'"]+(?:[ ]as[ ]\w+|,.*|[ ].*from[ ]['"].*)?;?\s*+$
      | from[ ][\w.]+[ ]import[ ] | \#include\b | \#! | @\w
      | (?:return|raise|throw|yield|await|print|echo|assert|del)(?:[ ]\S+){0,2}\s*+$
      | (?:return|raise|throw|yield|await|print|echo|assert|del)[ (].*[()\[\]{}=;$+*/<>_]
      | (?:const|let|var|val|int|float|double|char)[ ]\w+.*=
      | [\w.\[\]"'$]{1,80}[ ]?(?:[-+*/|]?=|:=|<-)[ ]?\S.*
      | [\w.]{1,80}\(.*\)\S{0,200}\s*+$ | .*[;{}]\s*+$ | [\])}]+[,;]?\s*+$ | (?:\#|//|--)[ ] | \$[ ]\S
    )""",
    re.VERBOSE,
)
_MAX_LINE = 2000


def is_formal(output: str) -> bool:
    """Whether an output is JSON, SQL, markup or code."""
    output = output.strip()
    return _is_json(output) or _is_sql(output) or _MARKUP.match(output) is not None or _is_code(output)


def _is_json(output: str) -> bool:
    if (output[:1], output[-1:]) not in (("{", "}"), ("[", "]")):
        return False
    try:
        json.loads(output)
    except (ValueError, RecursionError):
        # Exemplars often show JSON that no parser takes: single quotes, comments, a value left open.
        return output[0] == "{" and bool(re.search(r"[\"'\w][\"']?\s{0,4}:\s{0,4}\S", output[:500]))
    return True


def _is_sql(output: str) -> bool:
    return _SQL.match(output) is not None or _LOWER_SQL.match(output) is not None


def _is_code(output: str) -> bool:
    """Whether the first line, the last one and most others are lines of code."""
    lines = [line for line in output.splitlines() if line.strip()]
    if not lines or max(map(len, lines)) > _MAX_LINE:
        return False
    matches = [_CODE_LINE.match(line) is not None for line in lines]
    indented = sum(line[:1] in " \t" for line in lines)
    ends = matches[0] and (matches[-1] or (len(lines) > 1 and lines[-1][:1] in " \t"))
    return ends and sum(matches) + indented / 2 > len(lines) * 0.6
