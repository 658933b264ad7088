"""Transcripts: who says something stays with the words that they say.

A prefix is a name with a colon (``Anna:``, ``[00:12] Bob:``, ``**Anna:**``) or a name in angles (``<anna>``).
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from diffumask_core.prompt.spans import Span, clip_spans, merge_spans
from diffumask_core.regions.region import Lines, Scaffold

_TIME = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?(?:[ ]?[AaPp][Mm])?"
_DATE = r"(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4},?[ T])?"
_NAME = r"[^\W\d_][\w.'’-]{0,24}(?:[ ](?:[^\W\d_a-z][\w.'’-]{0,24}|\d{1,3}|(?:de|van|von|der|la|di|da|of)(?=[ ]))){0,3}"
_PREFIX = re.compile(
    rf"""[ \t>]{{0,8}}(?P<prefix>
        (?P<time>[\[(]{_DATE}{_TIME}[\])][ ]{{0,3}}(?:[-–][ ])?|{_DATE}{_TIME}[ ](?:[-–][ ])?)?
        (?:(?P<bold>\*\*|__)?(?P<name>{_NAME})(?:[ ]?(?P<note>[\[(][^\[\]()\n]{{1,40}}[\])]))?
           (?:\*\*|__)?[ ]?[:\uff1a](?!//|\S*[/\\=])(?:\*\*|__)?
         | <(?P<nick>[@+%~&]?[A-Za-z_][\w\[\]|`^-]{{0,24}})>(?=[ ]\S)))""",
    re.VERBOSE,
)
_ROLE = re.compile(r"(?:user|assistant|human|ai|bot|agent|customer|interview(?:er|ee)|host|guest|speaker)[\d_ ]{0,4}")
# Keys of forms, mails, logs and few-shot prompts stand before a colon too.
_NO_NAME = re.compile(
    r"(?:"
    r"a|action|address|answer|args|author|bcc|category|caution|cc|code|column|context|critical|"
    r"date|debug|description|document|email|english|error|example|examples|fatal|fax|file|fixme|"
    r"french|from|german|goal|hint|http|https|hypothesis|id|important|info|input|instruction|"
    r"intent|isbn|key|label|license|line|location|message|name|note|notes|notice|observation|"
    r"output|passage|phone|premise|price|problem|ps|q|question|raises|re|response|result|results|"
    r"returns|review|see|sent|sentence|sentiment|solution|source|spanish|sql|status|step|subject|"
    r"summary|tags|task|text|thought|time|tip|title|to|todo|topic|total|trace|translation|type|"
    r"url|usage|value|version|warning|web"
    r"|old|new|before|after|expected|actual|got|orig|original|case"
    r")(?![\w'’.-])|traceback\b|[\w.]*(?:error|exception|warning)\Z"
)
_SPEECH_ENDS = (".", "!", "?", "…", "—", "。", "\uff01", "\uff1f", "؟", "।", '"', "”", "»")
_SAID = re.compile(r"\S")
_MIN_TURNS = 3
_MAX_PREFIX = 160


class _Turn(NamedTuple):
    line: int
    name: str
    prefix: Span
    said: Span  # on the line of the prefix
    sure: bool  # the form of the prefix, or the role that it names, is one of transcripts only


def find_speakers(lines: Lines, claimed: Sequence[Span] = ()) -> list[Scaffold]:
    """Finds the prefixes of a transcript; each stays as long as something of the utterance stays.

    Only three turns or more, by speakers of whom most speak again, make a transcript; a form with keys such as
    ``Price:`` or a few-shot prompt is none.

    Args:
        lines: The lines to look in.
        claimed: Code, logs, tables: a line of these is no turn, and ends an utterance.
    """
    merged = merge_spans(claimed)
    turns = [turn for number in range(len(lines)) if (turn := _turn(lines, number, merged))]
    if not _is_transcript(lines, turns):
        return []
    scaffold: list[Scaffold] = []
    following = [turn.line for turn in turns[1:]] + [len(lines)]
    for turn, next_line in zip(turns, following, strict=True):
        end = _end_of_utterance(lines, turn, next_line, merged, final=turn is turns[-1])
        if _SAID.search(lines.source, turn.prefix[1], end):
            scaffold.append(Scaffold(turn.prefix, after=(turn.prefix[1], end)))
    return scaffold


def _turn(lines: Lines, number: int, claimed: Sequence[Span]) -> _Turn | None:
    start, end = lines.spans[number]
    match = _PREFIX.match(lines.source, start, min(end, start + _MAX_PREFIX))
    if not match or (claimed and clip_spans(claimed, (start, end))):
        return None
    name = (match["name"] or match["nick"]).casefold()
    lower = match["name"] and match["name"][0].islower() and not match["time"]
    if lower or _NO_NAME.match(name):
        return None
    sure = bool(match["time"] or match["bold"] or match["nick"] or _ROLE.fullmatch(name))
    return _Turn(number, name, match.span("prefix"), (match.end(), end), sure)


def _is_transcript(lines: Lines, turns: Sequence[_Turn]) -> bool:
    counts = Counter(turn.name for turn in turns)
    again = sum(count for count in counts.values() if count > 1)
    if len(turns) < _MIN_TURNS or len(counts) < 2 or 2 * again < len(turns) or 2 * len(counts) > len(turns) + 2:
        return False
    return _speak(lines, turns) or all(turn.sure for turn in turns)


def _speak(lines: Lines, turns: Sequence[_Turn]) -> bool:
    """Whether the turns end as speech does: the values of a form have no full stop."""
    ends = [end for turn in turns if (end := lines.source[slice(*turn.said)][-200:].rstrip())]
    spoken = sum(end.endswith(_SPEECH_ENDS) for end in ends)
    return bool(ends) and 3 * spoken >= 2 * len(ends)


def _end_of_utterance(lines: Lines, turn: _Turn, next_line: int, claimed: Sequence[Span], final: bool) -> int:
    """Where an utterance ends: before the next turn, a claimed region, or after the last turn's paragraph."""
    end = turn.said[1]
    for number in range(turn.line + 1, next_line):
        if claimed and clip_spans(claimed, lines.spans[number]):
            break
        if lines[number].strip():
            end = lines.spans[number][1]
        elif final:
            break
    return end
