"""Finds the structure of a prompt that is plain text.

The way of the data: marks (``Q:``, ``### Input``, ``Document [3]``, ``<example>``) -> the mark that opens every shot
-> blocks -> what is kept in each block. A text in which no mark fits every block is one body: a wrong cut costs
more than a missed one.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from diffumask_core.prompt.layout import Layout, ShotSpan
from diffumask_core.prompt.material import find_material
from diffumask_core.prompt.outputs import is_formal
from diffumask_core.prompt.protect import fenced_spans
from diffumask_core.prompt.spans import BLANK_LINE, Span, merge_spans, shift_span, spans_between, trim_span
from diffumask_core.prompt.wording import SHORT_WORDS, count_words, reads_as_task


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EXAMPLES = _words("example exemplar demonstration demo sample shot exercise")
_PASSAGES = _words(
    "document doc passage context source article paragraph snippet excerpt chunk reference evidence result title []"
)
_QUESTIONS = _words("q question query problem")
_INPUTS = _QUESTIONS | _words(
    "input text review sentence premise message tweet comment email headline instruction statement utterance request "
    "post prompt claim hypothesis english dialogue dialog conversation abstract product ticket task word term puzzle "
    "phrase paragraph passage document context article news title story transcript"
)
_OUTPUTS = _words(
    "a answer output label sentiment category class classification intent topic response completion solution summary "
    "translation target rating emotion tone verdict prediction sql code entailment ####"
) | {"final answer", "correct answer", "expected output"}
# Before the answer an LLM writes these, and an agent reads observations between them.
_REASONING = _words(
    "thought thoughts thinking reasoning rationale explanation analysis plan step scratchpad action"
) | {
    "action input",
    "chain of thought",
}
_OBSERVATION = "observation"
# Before these stands a rationale where another marker of an output does ("Solution: ... Answer: 4", "A: ... #### 4").
_FINAL_OUTPUTS = _words("a answer ####") | {"final answer", "correct answer"}
_ROLES = _words("user assistant human ai system bot tool agent customer speaker interviewer interviewee")
_HTML = _words(
    "a b i p li ul ol dl dt dd tr td th div span table thead tbody section option button h1 h2 h3 h4 h5 h6 details "
    "summary pre code br em strong"
)
_OPENERS = _EXAMPLES | _PASSAGES | _INPUTS
_KNOWN = _OPENERS | _OUTPUTS
_RULE = "---"

_HEAD = re.compile(
    r"""^\ufeff?+[ \t]*+(?P<mark>
        (?P<rule>-{3,}+|={3,}+|\*{3,}+|\#{2,}+)(?=[ \t\r]*+$)
      | (?P<result>\#{4})(?=[ ]?\$?-?\d[\d.,/]{0,30}[ \t\r]*+$)                      # #### 72
      | \[(?:(?P<passage>\d{1,4})|(?P<title>[^\s\[\]][^\[\]\n]{1,100}))\](?=[ ]\S)      # [1] text, [Title] text
      | (?:(?:--|(?P<bullet>[-*>]|\d{1,3}[.)]))[ \t]+)?(?P<stress>\#{1,6}[ \t]{0,3}|\*\*)?    # "1. ### "
        (?P<name>[^\W\d_][^\W\d]{0,24}(?:['\u2019/\ -][^\W\d]{1,24}){0,3})
        (?:\ ?\#?(?P<number>\d{1,4}|\[\d{1,4}\]))?
        (?P<colon>(?:\*\*)?\ ?[:\uff1a](?!//)(?:\*\*)?|\*\*)?
    )""",
    re.VERBOSE | re.MULTILINE,
)
_INLINE = re.compile(r"(?<=\s)(?P<name>[A-Za-z]{1,20}+)(?: ?(?P<number>\d{1,4}))? ?[:\uff1a](?!//)")
_TAG = re.compile(r"<(?P<name>/?[A-Za-z][\w.-]{0,30})(?:\s[^<>\n]{0,200})?(?<!/)>")
_FINAL = re.compile(
    r"\banswer(?: choice| option)? (?:is|would be|must be|will be|=)(?: ?:)? *|\banswer ?: *"
    r"|#### *(?=[$\d-])|\\boxed\{",
    re.IGNORECASE,
)
_CUE = re.compile(
    r"\blet(?:['’]s| us| me) (?:think|reason|solve|work|break|calculate|analy[sz]e)\b|\bthink step[ -]by[ -]step\b",
    re.IGNORECASE,
)
# A question and all questions right behind it.
_ASKED = re.compile(r"(?:\?(?=[\s\"'”’)\]*]|\Z)|？)(?:[^.!?？\n]*+[?？])*+[\"'”’)\]*]*+")
_VALUE_END = re.compile(r"(?<!\bMr)(?<!\bDr)(?<!\bSt)(?<!\bMrs)[.!?]+(?=\s|\Z)|\n|\Z")
_SENTENCE_START = re.compile(r"[.!?]\s+")
_SENTENCE_END = re.compile(r"[.!?]+(?=\s)|(?=\n)|\Z")
_FORMAT = re.compile(r"\bformat\b[^\n]*:$", re.IGNORECASE)

_BLANK = " \t\r\n-=*#"  # white space and rules
_BOM = "\ufeff"
_INDENT = 100
_LABEL_WORDS = 8
_PASSAGE_WORDS = 5
_CANDIDATES = 12


class _Mark(NamedTuple):
    start: int
    end: int
    name: str  # lower case; a closing tag starts with "/"
    number: str
    fresh: bool  # opens a paragraph


class _Block(NamedTuple):
    start: int
    end: int
    marks: Sequence[_Mark]


class _Shape(NamedTuple):
    """What the blocks of a prompt have in common."""

    names: frozenset[str]
    output: str | None  # the marker before the output; None where a sentence such as "The answer is 4." ends a block
    passages: bool  # blocks have no output


class _Cut(NamedTuple):
    blocks: list[_Block]
    shape: _Shape
    query: Span | None


def parse_layout(text: str) -> Layout:
    """Finds instructions, shots and the query in plain text.

    Takes time linear in the length of the text. A text without a structure that is sure is one body without shots;
    it may still end in a query (``Question: ... Answer:``).
    """
    marks = _find_marks(text)
    cut = next(filter(None, (_cut_at(text, marks, starts) for starts in _openers(marks))), None)
    cut = cut or _cut_after_outputs(text, marks)
    if cut is None:
        return Layout(text, query=_last_question(text, marks), task_within=(0, len(text)))
    shots = tuple(replace(_describe(text, block, cut.shape), guessed=True) for block in cut.blocks)
    start = len(_BOM) if text.startswith(_BOM) else 0
    material = _material_before(text, start, shots[0].span[0])
    if material is not None and len(shots) == 1:
        # One answered pair inside a context is more likely a quotation, or a forgery, than an exemplar.
        query = cut.query and (_start_of_question(text, cut.query[0]), cut.query[1])
        return Layout(text, query=query, task_within=(0, len(text)))
    end = shots[0].span[0] if material is None else material
    instructions = trim_span(text, start, end)
    return Layout(text, (instructions,) if instructions else (), shots, cut.query)


def _material_before(text: str, start: int, end: int) -> int | None:
    """Where material begins before the first shot: what stands there is neither instruction nor shot."""
    mark = find_material(text, start, end)
    described = mark and _FORMAT.search(text[max(start, mark[0] - 200) : mark[0]].rstrip())
    return mark[0] if mark and not described else None


def describe_shot(text: str) -> ShotSpan:
    """Finds the markers and the answer in the text of a single shot."""
    marks = _find_marks(text)
    found = [mark.name for mark in marks]
    names = [name for name in found if name in _KNOWN or name[0] == "/"] or found
    output = next((name for name in reversed(names) if name in _OUTPUTS), None)
    passage = output is None and bool(names) and names[0] in _PASSAGES
    if output is None and not passage and len(set(names)) > 1:
        output = names[-1]
    return _describe(text, _Block(0, len(text), marks), _Shape(frozenset(names), output, passage))


def describe_shot_or_passage(text: str) -> ShotSpan:
    """Like `describe_shot`, of a text that may be a passage.

    Without a marker of an input or an output "the answer is ..." states an answer only where the text ends with it: a
    manual says of a server that "the answer is 404".
    """
    described = describe_shot(text)
    marked = any(mark.name in _OPENERS - _PASSAGES | _OUTPUTS for mark in _find_marks(text))
    if described.answer is None or marked or not text[described.answer[1] :].strip(_BLANK + ".!"):
        return described
    return ShotSpan(described.span)


def _find_marks(text: str) -> list[_Mark]:
    """Everything that may start, part or end a shot, in order."""
    marks: list[_Mark] = []
    for match in _HEAD.finditer(text):
        name = (match["name"] or "").lower()
        number = (match["number"] or match["passage"] or "").strip("[]")
        if match["rule"]:
            name = _RULE
        elif match["result"]:
            name = "####"
        elif match["passage"] or match["title"]:
            name = "[]"
        elif not _is_marker(text, match):
            continue
        marks.append(_Mark(match.start("mark"), match.end(), name, number, _opens_paragraph(text, match.start())))
    marks += _inline_marks(text, [mark for mark in marks if mark.name in _KNOWN])
    tags = [match for match in _TAG.finditer(text) if match["name"].lower().lstrip("/") not in _HTML]
    closed = {match["name"][1:] for match in tags if match["name"][0] == "/"}
    for match in tags:
        if match["name"].lstrip("/") in closed:
            fresh = _opens_paragraph(text, match.start())
            marks.append(_Mark(*match.span(), match["name"].lower(), "", fresh))
    fences = fenced_spans(text)
    starts = [start for start, _ in fences]

    def is_code(mark: _Mark) -> bool:
        at = bisect_right(starts, mark.start) - 1
        return at >= 0 and mark.start < fences[at][1]

    return sorted(mark for mark in marks if not is_code(mark))


def _inline_marks(text: str, heads: Sequence[_Mark]) -> list[_Mark]:
    """Markers in the midst of a line, in what follows the marker of an input: ``Q: ... A: ...``."""
    inner: list[_Mark] = []
    for head, end in zip(heads, [*(mark.start for mark in heads[1:]), len(text)], strict=False):
        if head.name in _OPENERS:
            for match in _INLINE.finditer(text, head.end, end):
                name = match["name"].lower()
                if name in _KNOWN and match["name"][0].isupper():
                    inner.append(_Mark(*match.span(), name, match["number"] or "", fresh=False))
    return inner


def _is_marker(text: str, match: re.Match[str]) -> bool:
    known = match["name"].lower() in _KNOWN
    if match["colon"] and match["colon"] != "**":
        return known or not (match["name"][0].islower() or match["bullet"])
    if not known or not (match["stress"] or match["number"]):
        return False
    rest = text[match.end() : _line_end(text, match.end())].strip()
    return not rest or (bool(match["number"]) and (match["number"][0] == "[" or rest[0] == "("))


def _starts_line(text: str, start: int) -> bool:
    indent = text[max(0, start - _INDENT) : start].rstrip(" \t\ufeff")
    return indent[-1:] == "\n" or (not indent and start <= _INDENT)


def _opens_paragraph(text: str, start: int) -> bool:
    above = text[max(0, start - _INDENT) : start].rstrip(" \t\ufeff").removesuffix("\n").rstrip(" \t\r")
    return _starts_line(text, start) and above[-1:] in ("\n", "")


def _openers(marks: Sequence[_Mark]) -> list[list[int]]:
    """The marks that may open every shot, likeliest first, each as the indices of its occurrences."""
    # In "Sentence 1: Sentence 2: Label:" the number belongs to the name; in "Q1: A1: Q2: A2:" it counts the shots.
    counts = Counter((mark.name, mark.number) for mark in marks if mark.number)
    restarted = {name for (name, _), count in counts.items() if count > 1} - _EXAMPLES
    groups: dict[tuple[str, str], list[int]] = {}
    for index, mark in enumerate(marks):
        groups.setdefault((mark.name, mark.number if mark.name in restarted else ""), []).append(index)
    closing = {mark.name for mark in marks if mark.name[0] == "/"}

    def rank(name: str) -> int:
        if name in _EXAMPLES | _PASSAGES or "/" + name in closing:
            return 0
        return 1 if name in _INPUTS else 2

    ranked = [
        (rank(name), -len(group), group[0], group)
        for (name, _), group in groups.items()
        if len(group) > 1 and name not in _OUTPUTS | {_RULE} and name[0] != "/"
        if rank(name) < 2 or all(marks[index].fresh for index in group)
    ]
    return [group for *_, group in sorted(ranked)[:_CANDIDATES]]


def _cut_at(text: str, marks: Sequence[_Mark], starts: list[int]) -> _Cut | None:
    """Cuts the text where one mark occurs; None where the blocks are not alike."""
    while starts[0] and _same_line_above(marks, starts):
        starts = [index - 1 for index in starts]
    blocks = [
        _Block(marks[first].start, marks[last].start if last < len(marks) else len(text), marks[first:last])
        for first, last in pairwise([*starts, len(marks)])
    ]
    if _FORMAT.search(text[max(0, blocks[0].start - 200) : blocks[0].start].rstrip()):
        blocks = blocks[1:]  # it shows the format; it is part of the instructions
    if len(blocks) < 2:
        return None
    shape = _common_shape(text, blocks)
    if shape is None:
        return None
    *others, last = blocks
    last = _without_next_question(text, last, shape)
    # "A: Let's think step by step." is no answer where all others have a final one.
    final = all(_find_final(text, block.start, block.end) for block in others)
    answered = _find_final(text, last.start, last.end) if final else _is_answered(text, last, shape)
    if not shape.passages and not answered:
        enough = len(others) > 1 or shape.names & _OPENERS
        return _Cut(others, shape, trim_span(text, last.start, len(text))) if enough else None
    last = last._replace(end=_end_of_last(text, last, others, shape))
    return _Cut([*others, last], shape, trim_span(text, last.end, len(text)))


def _same_line_above(marks: Sequence[_Mark], starts: Sequence[int]) -> bool:
    """Whether the same marker stands right above each opener (``-- Database:`` above ``Question:``)."""
    above = {marks[index - 1].name for index in starts}
    return len(above) == 1 and not above & (_OUTPUTS | {_RULE}) and not any(marks[index].fresh for index in starts)


def _common_shape(text: str, blocks: Sequence[_Block]) -> _Shape | None:
    """What all blocks share; the last one need not be complete. None where they are not alike."""
    *done, last = blocks
    opener = blocks[0].marks[0].name
    names = set.intersection(*({mark.name for mark in block.marks} for block in done))
    if len(done) == 1:
        names &= _KNOWN | {mark.name for mark in last.marks}
    if any(_asks_twice(block, names) for block in done):
        return None
    shared = names - {opener, _RULE}
    inner = [mark.name for mark in done[0].marks if mark.name in shared and mark.name[0] != "/"]
    outputs = [name for name in inner if name in _OUTPUTS]
    shape = _Shape(frozenset(names | {_RULE}), outputs[-1] if outputs else None, passages=False)
    if "/" + opener in names and all(_is_closed(text, block) for block in done):
        if opener not in _KNOWN and all(_is_record(text, block) for block in done):
            return None
        return shape._replace(passages=not outputs)
    if not outputs and opener in _PASSAGES | _EXAMPLES and _are_passages(text, blocks):
        return shape._replace(passages=True)
    if names & _OPENERS:
        if not outputs and not all(_find_final(text, block.start, block.end) for block in done):
            shape = shape._replace(output=inner[-1] if inner else None)
        return shape if all(_is_answered(text, block, shape) for block in done) else None
    # Markers of no known meaning: only where each block is one paragraph with the same markers in the same order.
    orders = {tuple(mark.name for mark in block.marks) for block in done}
    tight = all(mark.fresh == (at == 0) for block in blocks for at, mark in enumerate(block.marks))
    if not inner or names <= _ROLES or len(orders) > 1 or not tight:
        return None
    return shape._replace(output=outputs[-1] if outputs else inner[-1])


def _is_closed(text: str, block: _Block) -> bool:
    """Whether the block is one element: nothing follows its closing tag."""
    end = max((mark.end for mark in block.marks if mark.name == "/" + block.marks[0].name), default=block.start)
    return not text[end : block.end].strip(_BLANK)


def _is_record(text: str, block: _Block) -> bool:
    """Whether the block is an element with other elements in it, as a record in XML is."""
    return text[block.marks[0].end : block.end].lstrip().startswith("<")


def _asks_twice(block: _Block, names: set[str]) -> bool:
    counts = Counter((mark.name, mark.number) for mark in block.marks if mark.name in names and mark.name in _INPUTS)
    return any(count > 1 for count in counts.values())


def _are_passages(text: str, blocks: Sequence[_Block]) -> bool:
    """Whether blocks without an output are passages: numbered in order, or paragraphs that all begin alike."""
    openers = [block.marks[0] for block in blocks]
    numbers = [int(mark.number) for mark in openers if mark.number]
    if numbers:
        rising = len(numbers) == len(blocks) and all(a < b for a, b in pairwise(numbers))
    else:
        rising = openers[0].name in _PASSAGES and all(mark.fresh for mark in openers)
    if openers[0].name != "[]":
        return rising
    # "[1] ..." may as well be the references below an article.
    long_enough = all(len(text[block.start : block.end].split()) > _PASSAGE_WORDS for block in blocks)
    return rising and long_enough and blocks[0].start < len(text) / 2


def _without_next_question(text: str, block: _Block, shape: _Shape) -> _Block:
    """Ends the last block where a question starts that is not part of the shot."""
    seen = {block.marks[0].name + block.marks[0].number}
    past_output = shape.output is None
    for at, mark in enumerate(block.marks[1:], 1):
        new = mark.name not in shape.names or mark.name + mark.number in seen
        if past_output and new and mark.name in _INPUTS and _starts_line(text, mark.start):
            return _Block(block.start, mark.start, block.marks[:at])
        past_output = past_output or mark.name == shape.output
        seen.add(mark.name + mark.number)
    return block


def _end_of_last(text: str, last: _Block, others: Sequence[_Block], shape: _Shape) -> int:
    """Where the last shot ends: after as many lines or paragraphs as the others have."""

    def last_mark(block: _Block) -> _Mark:
        return next(mark for mark in reversed(block.marks) if mark.name in shape.names and mark.name != _RULE)

    def tail(block: _Block) -> Span | None:
        if shape.passages or shape.output:
            return trim_span(text, last_mark(block).end, block.end)
        final = _find_final(text, block.start, block.end)
        return final and (final[0][0], block.end)

    if last_mark(last).name[0] == "/":
        return last_mark(last).end
    span = tail(last)
    if span is None or is_formal(text[slice(*span)]):
        return last.end
    bodies = [text[slice(*body)].rstrip(_BLANK) for block in others if (body := tail(block))]
    code = next(iter(fenced_spans(text[slice(*span)])), (0, 0))
    blank = BLANK_LINE.search(text, span[0] + code[1], span[1])
    paragraph = blank.start() if blank else last.end
    if not any("\n" in body for body in bodies) and not (code[1] or is_formal(text[span[0] : paragraph])):
        return min(_line_end(text, span[0]), last.end)
    return last.end if any(BLANK_LINE.search(body) for body in bodies) else paragraph


def _cut_after_outputs(text: str, marks: Sequence[_Mark]) -> _Cut | None:
    """Cuts a text in which inputs have no marker: each block ends in a line such as ``Topic: Sports``."""
    counts = Counter(mark.name for mark in marks if mark.name in _KNOWN)
    name = max(counts.keys() & _OUTPUTS, key=lambda name: (counts[name], name), default="")
    if counts[name] < 2 or any(counts[opener] > 1 for opener in counts.keys() & _OPENERS):
        return None
    ends = [mark for mark in marks if mark.name == name]
    paragraph = [match.end() for match in BLANK_LINE.finditer(text, 0, ends[0].start - ends[0].fresh)]
    start = paragraph[-1 - ends[0].fresh] if len(paragraph) > ends[0].fresh else 0
    shape = _Shape(frozenset([name, _RULE]), name, passages=False)
    text_end = len(text.rstrip())
    blocks: list[_Block] = []
    for mark in ends:
        line_end = min(_line_end(text, mark.end), text_end)
        words = len(text[mark.end : line_end].split())
        open_ended = not words and mark is ends[-1] and line_end == text_end
        parted = line_end == text_end or BLANK_LINE.match(text, line_end)
        if not text[start : mark.start].strip() or not parted or words > _LABEL_WORDS or not (words or open_ended):
            return None
        if words:
            blocks.append(_Block(start, line_end, [mark]))
            start = line_end
    return _Cut(blocks, shape, trim_span(text, start, len(text))) if len(blocks) > 1 else None


def _last_question(text: str, marks: Sequence[_Mark]) -> Span | None:
    """The question that a text without shots ends in, with or without ``Answer:`` after it.

    Where the context stands between the question and ``Answer:``, the question ends at the mark of the context.
    """
    at = max((at for at, mark in enumerate(marks) if mark.name in _QUESTIONS), default=None)
    if at is None:
        return None
    start = marks[at].start
    outputs = [mark for mark in marks[at + 1 :] if mark.name in _OUTPUTS]
    if outputs:
        asked = len(outputs) == 1 and not text[outputs[0].end :].strip()
    else:
        span = trim_span(text, start, len(text)) or (start, start)
        alone = not BLANK_LINE.search(text, *span) and not _find_final(text, *span)
        asked = alone and bool(text[:start].strip())
    material = find_material(text, marks[at].end, len(text))
    end = material[0] if material else len(text)
    return trim_span(text, _start_of_question(text, start), end) if asked else None


def _start_of_question(text: str, start: int) -> int:
    """Where the paragraph of a question starts if what stands in it above the question is short, or a task."""
    paragraph = max((match.end() for match in BLANK_LINE.finditer(text, 0, start)), default=0)
    above = text[paragraph:start]
    belongs = count_words(above) <= SHORT_WORDS or reads_as_task(above)
    return paragraph if paragraph and belongs and not find_material(text, paragraph, len(text)) else start


def _describe(text: str, block: _Block, shape: _Shape) -> ShotSpan:
    """What stays of a shot as long as it stays, and its answer."""
    span = trim_span(text, block.start, block.end) or (block.start, block.end)
    kept = [(mark.start, mark.end) for mark in block.marks if mark.name in shape.names and mark.end <= span[1]]
    answer = None
    if not shape.passages:
        output = _output_of(text, block, shape)
        whole = output is not None and is_formal(text[slice(*output)])
        final = None if whole else _find_final(text, *(output or span))
        if output:
            # Half of a JSON object, a query or a program teaches a wrong form: such outputs stay as they are.
            kept += [output] if whole else [shift_span(code, output[0]) for code in fenced_spans(text[slice(*output)])]
        if final:
            kept.append(final[0])
            answer = final[1]
        elif output and "\n" not in (words := text[slice(*output)]) and len(words.split()) <= _LABEL_WORDS:
            kept.append(output)
            answer = output
    return ShotSpan(span, tuple(merge_spans(kept)), answer, () if shape.passages else _written(text, block, shape))


def _written(text: str, block: _Block, shape: _Shape) -> tuple[Span, ...]:
    """What an LLM is to write like: all from where it begins to write but observations."""
    start = _start_of_writing(text, block, shape)
    if start is None:
        return ()
    marks = [mark for mark in block.marks if mark.name in _REASONING | {_OBSERVATION, shape.output}]
    ends = [*(mark.start for mark in marks[1:]), block.end]
    read = [(mark.end, end) for mark, end in zip(marks, ends, strict=False) if mark.name == _OBSERVATION]
    parts = (trim_span(text, *part) for part in spans_between(merge_spans(read), (start, block.end)))
    return tuple(part for part in parts if part)


def _start_of_writing(text: str, block: _Block, shape: _Shape) -> int | None:
    """Where the input of a shot ends and its output, with the rationale before it, begins; None where nothing tells.

    Where more than one thing tells, the first one does: a question that stays as it was does no harm.
    """
    output = max((at for at, mark in enumerate(block.marks) if mark.name == shape.output), default=None)
    before = block.marks[:output]
    asked = max((at for at, mark in enumerate(before) if mark.name in shape.names & _OPENERS), default=None)
    opens = _REASONING | (_OUTPUTS if shape.output in _FINAL_OUTPUTS else frozenset())
    final = _find_final(text, block.start, block.end)
    begin = block.start if asked is None else before[asked].end
    end = block.end if output is None else block.marks[output].start
    starts: list[int] = []
    if asked is not None:
        starts += [mark.start for mark in before[asked + 1 :] if mark.name in opens][:1]
    cue = _CUE.search(text, begin, end) if final or output is not None else None
    if cue:
        starts.append(_sentence_start(text, begin, cue.start()))
    # With a marker such as "Answer:" what follows a question may be a context or options.
    if asked is not None and final and (output is None or shape.output == "####"):
        end = min(end, final[0][0])
        told = _ASKED.search(text, begin, end) or (None if starts else BLANK_LINE.search(text, begin, end))
        starts += [told.end()] if told else []
    return min(starts, default=None if output is None else block.marks[output].end)


def _is_answered(text: str, block: _Block, shape: _Shape) -> bool:
    if shape.output:
        return _output_of(text, block, shape) is not None
    return _find_final(text, block.start, block.end) is not None


def _output_of(text: str, block: _Block, shape: _Shape) -> Span | None:
    """What stands after the last output marker, up to the next marker that is no step (``Step 2:``)."""
    at = max((at for at, mark in enumerate(block.marks) if mark.name == shape.output), default=None)
    if at is None:
        return None
    after = (mark.start for mark in block.marks[at + 1 :] if mark.name in shape.names and not mark.number)
    return trim_span(text, block.marks[at].end, min(next(after, block.end), block.end))


def _find_final(text: str, start: int, end: int) -> tuple[Span, Span] | None:
    """The last sentence that states the answer, and the answer in it."""
    for match in reversed(list(_FINAL.finditer(text, start, end))):
        if match[0][-1] == "{":
            stop = text.rfind("}", match.end(), min(_line_end(text, match.end()), end))
        else:
            found = _VALUE_END.search(text, match.end(), end)
            stop = found.start() if found else end
        value = trim_span(text, match.end(), stop, " \t\r*$")
        if value:
            first = _sentence_start(text, start, match.start())
            last = _SENTENCE_END.search(text, value[1], end)
            return trim_span(text, first, last.end() if last else end) or value, value
    return None


def _sentence_start(text: str, start: int, at: int) -> int:
    line = max(text.rfind("\n", start, at) + 1, start)
    return max((dot.end() for dot in _SENTENCE_START.finditer(text, line, at)), default=line)


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end
