"""Finds what a plain text asks for: the instructions that it begins with and the query that it ends in.

The first and the last short paragraph are the task; prose, code and tables between them are material.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from diffumask_core.prompt.layout import Layout
from diffumask_core.prompt.material import material_marks
from diffumask_core.prompt.spans import BLANK_LINE, Span, clip_spans, merge_spans, shift_span, trim_span
from diffumask_core.prompt.wording import LONG_WORDS, SHORT_WORDS, asks, count_words, is_order, reads_as_task, sentences
from diffumask_core.regions.region import Region, walk_all

_RULE = re.compile(
    r"^[ \t]*+(?P<mark>(?:-{3,}+|={3,}+|\*{3,}+|_{3,}+|#{3,}+|~{3,}+)[ \t]*+\r?$|\"{3}|'{3})", re.MULTILINE
)
_TAG = re.compile(r"^[ \t]*+(?P<mark></?(?P<name>[A-Za-z][\w.-]{0,30})(?:[ ][^<>\n]{0,200})?>)", re.MULTILINE)
_TASK_TAG = re.compile(
    r"</?(?:instructions?|task|rules?|role|system|persona|guidelines?|(?:output_)?format|examples?|requirements?"
    r"|constraints?|(?:user_)?(?:question|query|prompt|request)|user|human|answer|p|b|i|em|strong|br)\b",
    re.IGNORECASE,
)
# What an element of these names holds is all instruction, wherever the element stands.
_INSTRUCTION_TAG = re.compile(
    r"^[ \t]*+<(?P<name>instructions?|task|rules?|role|system|persona|guidelines?|(?:output_)?format|requirements?"
    r"|constraints?)>",
    re.MULTILINE | re.IGNORECASE,
)
# A line that names the question which follows: "Question:", "### Query", "Frage:".
_QUESTION = re.compile(
    r"^[ \t]*+(?:#{1,6}[ \t]+|\*\*)?(?:(?:user(?:'s)?|the|my|final|current) )?"
    r"(?:question|query|q|request|task|problem|frage|aufgabe|pregunta|tarea|pergunta|domanda|вопрос|задание|السؤال|प्रश्न|"
    r"问题|問題|質問|任务)(?: ?\d{1,3})?(?:\*\*)? ?(?:[:\uff1a]|[ \t]*+\r?$)",
    re.MULTILINE | re.IGNORECASE,
)
# A question as users type one, without a question mark.
_ASKING_LINE = re.compile(
    r"(?:(?:in|on|at|for|to|from) (?:which|what|whom)|who(?:m|se)?|what(?:['’]?s)?|when|where|which|why|how|is|are|was"
    r"|were|does|do|did|can|could|should|wer|wann|wo|warum|wie|welche[rsnm]?|qui|quand|où|pourquoi|comment|quel(?:le)?s?"
    r"|quién|qué|cuándo|dónde|cómo|cuál(?:es)?|кто|что|когда|где|почему|какой|какая|какие|какое|как)\b[^\n.]*\Z",
    re.IGNORECASE,
)
# The beginning of the answer that the LLM is to write on from: "Answer:", "Helpful Answer:", "Let's think ...".
_CLOSING = re.compile(
    r"(?:\*\*|#{1,6} )?(?:[^\W\d_][\w'’;-]{0,20} ){0,3}[^\W\d_][\w'’;-]{0,20}(?:\*\*)? ?[:\uff1a](?:\*\*)?|a:.{0,80}"
    r"|(?:answer: ?)?let['’]s think[^\n]{0,60}|</?[\w-]{1,30}>|[\"'`]{3}",
    re.IGNORECASE,
)
_OPTION = re.compile(r"[ \t]*+(?:[-*][ \t])?\(?[A-Ha-h1-9][.):][ \t]")
# A task that speaks of a text beside it.
_POINTS = re.compile(
    r"\b(?:above|below|following|this (?:text|article|passage|document|e-?mail|message|letter|transcript|conversation"
    r"|chat|review|story|report|paragraph|page|abstract|excerpt))\b",
    re.IGNORECASE,
)
_LONG_PROSE = 30


@dataclass(frozen=True)
class Task:
    """What a text asks for.

    Attributes:
        instructions: Paragraphs at the beginning that say what to do, in order.
        query: What the text ends in: a question, an input, a task.
    """

    instructions: tuple[Span, ...] = ()
    query: Span | None = None


class _Part(NamedTuple):
    """A paragraph, or what of it stands before or after a mark."""

    start: int
    end: int
    material: bool  # a mark opens it, or a detector has claimed it
    marked: bool = False  # words open it as material, which a rule line or a claim does not
    claimed: bool = False


def find_task(text: str, start: int = 0, end: int | None = None, claimed: Sequence[Span] = ()) -> Task:
    """Finds instructions and query in ``text[start:end]``, a text without shots.

    Instructions and query are never the whole text: where they would be, only what reads as a task is one.

    Args:
        text: The text.
        start: Where to begin.
        end: Where to stop.
        claimed: Code, logs, tables: what detectors have found is neither instruction nor query.
    """
    end = len(text) if end is None else end
    body = text[start:end]
    parts = _split_parts(body, _within(claimed, start, end))
    query = _find_query(body, parts)
    rest = _before(body, parts, query)
    elements = _in_elements(body, rest)
    leading = [span for span in _leading(body, rest) if span not in elements]
    instructions, query = _limited(body, leading, elements, query)
    return Task(tuple(shift_span(span, start) for span in instructions), query and shift_span(query, start))


def claimed_spans(regions: Iterable[Region]) -> list[Span]:
    """The regions, inner ones included, that are made of units: neither instruction nor query."""
    return [region.span for region in walk_all(regions) if region.units]


def with_task(layout: Layout) -> Layout:
    """The layout with the instructions and the query of a stretch in which these are not known yet."""
    if layout.task_within is None:
        return layout
    task = find_task(layout.text, *layout.task_within, claimed_spans(layout.regions))
    query, asked = task.query, layout.query
    instructions = [*layout.instructions, *task.instructions]
    if query and asked and query[0] < asked[1] and asked[0] < query[1]:
        # A question with a marker may be one of several lines of what the text ends in.
        query = min(query[0], asked[0]), max(query[1], asked[1])
    elif query and asked:
        # The context stands between the question and the end, such as "Answer:".
        instructions.append(query)
        query = asked
    return replace(layout, instructions=tuple(instructions), query=query or asked, task_within=None)


def holds_material(text: str, start: int = 0, end: int | None = None, claimed: Sequence[Span] = ()) -> bool:
    """Whether ``text[start:end]`` holds more than its task: evidence of context, as in the prompt of a RAG chain.

    Evidence is a mark of material, an element of XML, a rule line, a claimed region, or long prose beside a first
    paragraph that ends in a colon, a last one that asks, or a task that speaks of the text above or below.
    """
    end = len(text) if end is None else end
    body, inside = text[start:end], _within(claimed, start, end)
    if inside or any(part.material for part in _split_parts(body, inside)):
        return True
    task = find_task(body)
    first = bool(task.instructions) and asks(body[slice(*task.instructions[0])])
    question = body[slice(*task.query)] if task.query else ""
    last = asks(question) or _ASKING_LINE.match(question) is not None
    spans = [*task.instructions, *([task.query] if task.query else [])]
    told = sum(count_words(body[slice(*span)]) for span in spans)
    points = any(_POINTS.search(body, *span) for span in spans)
    return (first or last or points) and count_words(body) - told >= _LONG_PROSE


def _within(claimed: Sequence[Span], start: int, end: int) -> list[Span]:
    return [shift_span(span, -start) for span in clip_spans(merge_spans(claimed), (start, end))]


def _marks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Where material begins or ends: the start of a mark, where the text goes on after it, whether words open it."""
    for (start, end), closing in material_marks(text, 0, len(text)):
        yield start, end if closing else start, not closing
    for match in _RULE.finditer(text):
        yield match.start("mark"), match.end(), False
    tags = list(_TAG.finditer(text))
    closed = {match["name"].lower() for match in re.finditer(r"</(?P<name>[A-Za-z][\w.-]{0,30})>", text)}
    for match in tags:
        if match["name"].lower() in closed and not _TASK_TAG.match(match["mark"]):
            closing = match["mark"][1] == "/"
            yield match.start("mark"), match.end() if closing else match.start("mark"), not closing


def _split_parts(text: str, claimed: Sequence[Span]) -> list[_Part]:
    """The parts of a text in order: paragraphs, claimed regions, and what marks part within a paragraph."""
    found = list(_marks(text))
    marks = {start: marked for start, _, marked in found}
    cuts = [(start, end, True) for start, end in claimed]
    cuts += [(*match.span(), False) for match in BLANK_LINE.finditer(text)]
    for start, end, _ in found:
        cuts.append((start, start, False))
        cuts.append((end, end, False))
    parts: list[_Part] = []

    def add(start: int, end: int) -> None:
        span = trim_span(text, start, end)
        if span:
            parts.append(_Part(*span, span[0] in marks, marks.get(span[0], False)))

    position = 1 if text.startswith("\ufeff") else 0
    for start, end, is_claimed in sorted(cuts):
        if start < position:
            continue
        add(position, start)
        if is_claimed:
            parts.append(_Part(start, end, material=True, claimed=True))
        position = end
    add(position, len(text))
    return parts


def _find_query(text: str, parts: Sequence[_Part]) -> Span | None:
    """What the text ends in: the last paragraph or its end, with what belongs to it above."""
    if not parts:
        return None
    last = len(parts) - 1
    if parts[last].material:
        return _query_in_material(text, parts[last])
    at = last
    while at > 0 and _CLOSING.fullmatch(text, *parts[at][:2]) and not parts[at - 1].material:
        at -= 1  # "Answer:" belongs to the question above
    start = _query_start(text, parts[at].start, parts[at].end, alone=at == 0)
    if start is None and at < last:
        start = parts[at + 1].start
    if start is None:
        return None
    while at > 1 and start == parts[at].start and _belongs_above(text, parts[at - 1], parts[at]):
        at -= 1
        start = parts[at].start
    return start, parts[last].end


def _query_in_material(text: str, part: _Part) -> Span | None:
    """The query at the end of material, as in ``Context: ... Question: ...``, or a short input: ``Text: ...``."""
    if part.claimed:
        return None
    if _is_short(text, part) and not _QUESTION.search(text, part.start, part.end):
        return (part.start, part.end) if part.marked else None
    start = _query_start(text, part.start, part.end, alone=True)
    return None if start is None else (start, part.end)


def _query_start(text: str, start: int, end: int, alone: bool) -> int | None:
    """Where in the last paragraph the query starts; None where the paragraph is prose that asks nothing."""
    whole = text[start:end]
    words = count_words(whole)
    if words <= LONG_WORDS and not alone and (words <= SHORT_WORDS or reads_as_task(whole)):
        return start
    asked = [match.start() for match in _QUESTION.finditer(text, start, end)]
    if asked and count_words(text[asked[-1] : end]) <= LONG_WORDS:
        return asked[-1]
    if asks(whole) and not alone and words <= LONG_WORDS and "\n" not in whole:
        return start
    line = text.rfind("\n", start, end) + 1
    wrapped = text[start:line].rstrip()[-1:] not in (*".!?:\"'”’)。", "\uff1f", "\uff01")
    if line and not wrapped and _ASKING_LINE.match(text, line, end) and count_words(text[line:end]) <= SHORT_WORDS:
        return line
    told = None
    for first, last in reversed(list(sentences(text, start, end))):
        sentence = text[first:last].strip()
        if count_words(sentence) > LONG_WORDS or not (is_order(sentence) or _CLOSING.fullmatch(sentence)):
            break
        told = first + len(text[first:last]) - len(text[first:last].lstrip())
    return told


def _belongs_above(text: str, above: _Part, below: _Part) -> bool:
    """Whether a part above belongs to the query below: its name, the question above options, one more task."""
    if above.material:
        return False
    part = text[above.start : above.end]
    if _QUESTION.fullmatch(part) or (_OPTION.match(text, below.start) and asks(part)):
        return count_words(part) <= LONG_WORDS
    return count_words(part) <= LONG_WORDS and not part.endswith((":", "\uff1a")) and reads_as_task(part)


def _before(text: str, parts: Sequence[_Part], query: Span | None) -> list[_Part]:
    """The parts before the query, and what the part in which the query starts holds before it."""
    if query is None:
        return list(parts)
    rest: list[_Part] = []
    for part in parts:
        span = trim_span(text, part.start, min(part.end, query[0])) if part.start < query[0] else None
        if span:
            rest.append(part._replace(end=span[1]))
    return rest


def _leading(text: str, parts: Sequence[_Part]) -> Iterator[Span]:
    """The instructions: the first paragraph if it is short, and paragraphs that read as a task, up to material."""
    for at, part in enumerate(parts):
        if part.material:
            return
        whole = text[part.start : part.end]
        words = count_words(whole)
        opens = at + 1 < len(parts) and parts[at + 1].marked
        short = at == 0 and words <= SHORT_WORDS
        if words <= LONG_WORDS and (short or opens or reads_as_task(whole) or (asks(whole) and "\n" not in whole)):
            yield part.start, part.end
            continue
        told = part.start
        for first, last in sentences(text, part.start, part.end):
            sentence = text[first:last].strip()
            broken = text[last : last + 2].lstrip(" \r").startswith("\n")
            if not (is_order(sentence) or (broken and asks(sentence))) or count_words(sentence) > LONG_WORDS:
                break
            told = last
        if span := trim_span(text, part.start, told):
            yield span
        return


def _in_elements(text: str, parts: Sequence[_Part]) -> list[Span]:
    """The parts that are in an element such as ``<instructions>``, but for claimed regions."""
    elements: list[Span] = []
    position = 0
    closings = {name.lower() for name in re.findall(r"</(\w{1,30})>", text)}
    for match in _INSTRUCTION_TAG.finditer(text):
        if match.start() >= position and match["name"].lower() in closings:
            end = text.find(f"</{match['name']}>", match.end())
            position = len(text) if end < 0 else end + len(match["name"]) + 3
            elements.append((match.start(), position))
    return [(part.start, part.end) for part in parts if not part.claimed and clip_spans(elements, part[:2])]


def _is_short(text: str, part: _Part) -> bool:
    return count_words(text[part.start : part.end]) <= SHORT_WORDS


def _limited(
    text: str, leading: list[Span], elements: list[Span], query: Span | None
) -> tuple[list[Span], Span | None]:
    """Leaves something to shorten: a task that is all of a text, or most of a longer one, keeps only what is sure."""

    def words() -> int:
        return sum(count_words(text[slice(*span)]) for span in [*instructions, *([query] if query else [])])

    instructions = sorted([*leading, *elements])
    total = count_words(text)
    if words() < total and not (total > 60 and 2 * words() > total):
        return instructions, query
    instructions = sorted([*(span for span in leading if _is_task(text[slice(*span)])), *elements])
    if query and not _is_task(text[slice(*query)]):
        query = None
    if words() >= total:
        instructions = instructions[:1]
        query = query if instructions else None
    return ([], None) if words() >= total else (instructions, query)


def _is_task(part: str) -> bool:
    return asks(part) or reads_as_task(part)
