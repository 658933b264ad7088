"""Texts that are rich in exact chunks, in lines of every kind, mixed and cut off: what the guarantees are tried on."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from diffumask_core import Prompt, Shot

Message = dict[str, Any]

# Words and exact chunks.

PLAIN_WORDS = [
    *["the", "a", "not", "tall", "Anna", "Paris", "river", "bought", "sold", "because", "quickly", "apples", "only"],
    *["harbour", "engineer", "storm", "old", "unless", "well-known", "don't", "état", "élan", "Grüße"],
]
_CHUNKS = [
    *["16GB", "2.5mg", "1500mg", "12:30pm", "8h", "$60M", "€3,50", "1,200.50", "50%", "3rd", "№5", "1e-9", "10–20"],
    *["./build/cache", "/srv/www/", r"C:\Users\ann\x.txt", "src/port_2/crane.py", "../../a.b", "~/.ssh/id_rsa"],
    *["anna.lind@support.example.org", "anna@example.org", "db01.example.org:5432", "node.js", "std::vec::Vec"],
    *["v3.11.7", "pydantic-2.14.3", "python>=3.11", "1.0.0-rc.1", "2026-11-28", "2026-11-28T10:00:05.123Z", "10:00:05"],
    *["192.168.0.1/24", "2001:db8::8a2e:370:7334", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "0x1F", "d41d8cd98f00b204"],
    *["--force", "-rf", "--keep-rate=0.5", "MAX_SIZE", "order.lines[0]", "f(x/2)", "a!=b", "#72", "C++", "$HOME/bin"],
    *["status <> 'banned'", "age >= 18", "x += 1", "a && b", "`rm -rf /`", "`x_1`", "$x^2 + y_1$", "[x]", "[1]"],
    *["SGVsbG8gd29ybGQhIQ==", "sk-proj-Ab12Cd34Ef56", "data:image/png;base64,iVBORw0KGgo=", "日本語の文章", "3個"],
    *["https://a.example/b?c=1&d=2", "www.b.example/x_1", "{name}", "{price:.2f}", "{{ user.name }}", "10\u202f000"],
]
_NUMBERS = st.builds(
    "{}{}{}".format, st.sampled_from(["", "-", "$", "~"]), st.integers(0, 99999), st.sampled_from(["", "ms", "kg", "%"])
)
_PATHS = st.lists(st.sampled_from(["src", "a.py", "x_1", "42", "lib"]), min_size=2, max_size=4).map("/".join)
EXACT = st.one_of(st.sampled_from(_CHUNKS), _NUMBERS, _PATHS)
_WORD = st.one_of(st.sampled_from(PLAIN_WORDS), st.sampled_from(PLAIN_WORDS), EXACT)
SENTENCE = st.lists(st.sampled_from(PLAIN_WORDS), min_size=3, max_size=25).map(" ".join)
EXACT_SENTENCE = st.lists(
    st.builds("{}{}".format, _WORD, st.sampled_from(["", "", "", ",", ".", ";", ":", ")", "...", "!"])),
    min_size=3,
    max_size=25,
).map(" ".join)
_SHORT = st.lists(_WORD, min_size=1, max_size=6).map(" ".join)
_NAME = st.sampled_from(["total", "open_port", "depth", "Crane", "lift2", "ship", "load"])


def _lines(line: st.SearchStrategy[str], least: int = 4, most: int = 12) -> st.SearchStrategy[str]:
    return st.lists(line, min_size=least, max_size=most).map("\n".join)


# Regions, each of the kind that it is named after.


def logs() -> st.SearchStrategy[str]:
    second = st.integers(10, 59)
    level = st.sampled_from(["INFO", "INFO", "WARNING", "ERROR"])
    return _lines(st.builds("2031-05-01 10:00:{},120 {} harbour: {}".format, second, level, _SHORT))


@st.composite
def diffs(draw: st.DrawFn) -> str:
    path = draw(st.sampled_from(["port.py", "src/x_1.ts", "docs/a b.md"]))
    lines = [f"diff --git a/{path} b/{path}", "index 1111111..2222222 100644", f"--- a/{path}", f"+++ b/{path}"]
    for number in range(draw(st.integers(1, 3))):
        body = draw(st.lists(st.tuples(st.sampled_from(" +-"), _SHORT), min_size=2, max_size=7))
        before, after = (sum(sign != other for sign, _ in body) for other in "+-")
        lines.append(f"@@ -{10 * number + 1},{before} +{10 * number + 1},{after} @@ def {draw(_NAME)}():")
        lines += [sign + text for sign, text in body]
    return "\n".join(lines)


@st.composite
def tables(draw: st.DrawFn) -> str:
    """CSV, or a Markdown table."""
    cell = st.one_of(st.just(""), st.sampled_from(PLAIN_WORDS), st.sampled_from(["GB", "40", "-3.5", "2026-11-28"]))
    rows = draw(st.lists(st.lists(cell, min_size=3, max_size=3), min_size=4, max_size=10))
    if draw(st.booleans()):
        return "\n".join(["id,name,country,score", *(f"{n},{','.join(row)}" for n, row in enumerate(rows, 1))])
    return "\n".join(["| a | b | c |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])


@st.composite
def code(draw: st.DrawFn) -> str:
    lines = ["import os"]
    for number in range(draw(st.integers(1, 3))):
        lines += ["", f"def {draw(_NAME)}_{number}(lines, depth={number}):", f'    """{draw(SENTENCE)}."""']
        for _ in range(draw(st.integers(1, 5))):
            lines.append(f"    {draw(_NAME)} = {draw(_NAME)}({draw(st.integers(0, 999))}, '{draw(_PATHS)}')")
        if draw(st.booleans()):
            lines += [f"    {draw(_NAME)} = {draw(_NAME)}(", f"        {draw(_PATHS)!r},", "        lines,", "    )"]
        lines.append(f"    return {draw(_NAME)}.lines[{number}] != 0x{number}F")
    return "\n".join(lines)


def fences() -> st.SearchStrategy[str]:
    return st.builds("```{}\n{}\n```".format, st.sampled_from(["python", ""]), code())


def grep_hits() -> st.SearchStrategy[str]:
    path = st.sampled_from(["src/port.py", "src/x_1.py", "lib/pier.py"])
    return _lines(st.builds("{}:{}:    {}".format, path, st.integers(1, 999), _SHORT))


@st.composite
def yaml(draw: st.DrawFn) -> str:
    values = draw(st.lists(st.sampled_from(["40", "true", "/srv/x", "a", "redis:7.2"]), min_size=4, max_size=10))
    entries = [f"  {draw(_NAME).lower()}_{number}: {value}" for number, value in enumerate(values)]
    items = [f"  - {item}" for item in draw(st.lists(st.sampled_from(["8080:80", "ship"]), min_size=2, max_size=5))]
    return "\n".join(["service:", *entries, "ports:", *items])


@st.composite
def traces(draw: st.DrawFn) -> str:
    lines = ["Traceback (most recent call last):"]
    for number in range(draw(st.integers(2, 6))):
        lines += [f'  File "/srv/crane_{number}.py", line {10 + number}, in {draw(_NAME)}', f"    {draw(_NAME)}(4)"]
    return "\n".join([*lines, f"crane.StuckError: {draw(_SHORT)}"])


_SCALAR = st.one_of(st.none(), st.booleans(), st.integers(-99, 9999), EXACT, SENTENCE)
JSON = st.recursive(
    st.one_of(_SCALAR, st.sampled_from([1.5, "", "a\nb", 'say "x"', "<example>x</example>", "Q: x", "{x}", "日本"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=4),
    max_leaves=20,
)


@st.composite
def records(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Objects with the same members."""
    keys = draw(st.lists(st.sampled_from(["name", "price", "note", "at"]), min_size=1, max_size=4, unique=True))
    count = draw(st.integers(2, 8))
    return [{"id": number, **{key: draw(_SCALAR) for key in keys}} for number in range(count)]


def json_texts() -> st.SearchStrategy[str]:
    value = st.one_of(records(), st.dictionaries(SENTENCE, JSON, min_size=1, max_size=4))
    return st.builds(json.dumps, value, indent=st.sampled_from([None, 2]), ensure_ascii=st.booleans())


def json_lines() -> st.SearchStrategy[str]:
    return records().map(lambda rows: "\n".join(map(json.dumps, rows)))


def transcripts() -> st.SearchStrategy[str]:
    return _lines(st.builds("{}: {}.".format, st.sampled_from(["Anna", "Ben"]), EXACT_SENTENCE))


@st.composite
def markdown(draw: st.DrawFn) -> str:
    parts = []
    for number in range(draw(st.integers(1, 3))):
        items = "\n".join(f"- [{draw(st.sampled_from(' x'))}] {draw(_SHORT)}" for _ in range(draw(st.integers(1, 4))))
        parts.append(f"## Part {number}\n\n{draw(EXACT_SENTENCE)}.\n\n{items}")
    return "\n\n".join(parts)


LINE_REGIONS: dict[str, Callable[[], st.SearchStrategy[str]]] = {
    "log": logs,
    "diff": diffs,
    "table": tables,
    "code": code,
    "fence": fences,
    "hits": grep_hits,
    "yaml": yaml,
    "trace": traces,
}
"""Regions of which whole lines go."""

_OTHERS = (EXACT_SENTENCE, transcripts(), markdown())
_WITHOUT_JSON = st.one_of(*_OTHERS, *(make() for make in LINE_REGIONS.values()))
_WITH_JSON = st.one_of(_WITHOUT_JSON, json_texts(), json_lines())


@st.composite
def _mixed(draw: st.DrawFn, part: st.SearchStrategy[str]) -> str:
    """Several parts, of which the beginning and the end may be cut off anywhere."""
    parts = draw(st.lists(part, min_size=1, max_size=4))
    text = draw(st.sampled_from(["\n", "\n\n"])).join(parts)
    if draw(st.booleans()):
        start = draw(st.integers(0, len(text) // 3))
        text = text[start : draw(st.integers(start + 1, len(text)))]
    return text


MIXED = _mixed(_WITH_JSON)
MIXED_WITHOUT_JSON = _mixed(_WITHOUT_JSON)

# Anything at all.

_SHARDS = [
    *["\n", "\n\n", " ", "\t", "\r\n", ".", ",", "(", ")", '"', "'", "-", "—", "...", "1,200.50", "3:45", "x"],
    *["Q: ", "A: ", "Question: ", "Answer: ", "### Input\n", "Document [1] ", "<example>", "</example>", "Label: yes"],
    *["The answer is 4.", "don't", "well-known", "HAT111", "#### 72", "---\n", "1. ", "User: ", "\\boxed{7}"],
    *["{name}", "{{ user.name }}", "{% if x %}", "https://a.example/b?c=1,", "www.b.example", "```\nx = 1\n```\n"],
    *["```", '{"a": 1, "b": [true, null]}', '[{"k": "v"}]', "{", "}", "[", "]", '{"t": "a b c d e f g h i j"}'],
    *["😀", "👩‍👩‍👧", "🇩🇪", "שלום עולם", "مرحبا", "日本語の文章", "한국어", "ไทย", "é", "\u202e", "\u200b", "\ufeff"],
    *["\x00", "\x1c", "\x7f", "\x85", "\u2028", "\u0600", "\u0301", "\ud83d", "\ude00"],
    *["[… 2 lines left out]", "@@ -1,2 +1,2 @@\n", "2031-05-01 10:00:05 INFO a: b\n", "| a | b |\n", '"a": 1,\n'],
]
ANY_TEXT = st.one_of(
    st.text(st.characters(), min_size=1, max_size=200),
    st.lists(st.sampled_from(_SHARDS), min_size=1, max_size=60).map("".join),
    st.lists(st.sampled_from([*_SHARDS, "the", "of", "seven", "Anna"]), min_size=1, max_size=60).map(" ".join),
    MIXED,
)

# Prompts whose structure is known.


@dataclass(frozen=True)
class Structured:
    """A few-shot prompt, and what must come out of it.

    Attributes:
        prompt: The prompt.
        shots: Of each shot its markers and its answer, in order.
        query: The query.
        instructions: The text before the first shot.
    """

    prompt: str | Prompt
    shots: list[list[str]]
    query: str
    instructions: str = ""


@st.composite
def chains_of_thought(draw: st.DrawFn) -> Structured:
    answers = draw(st.lists(st.integers(0, 9999), min_size=2, max_size=5))
    blocks, kept = [], []
    for answer in answers:
        blocks.append(f"Q: {draw(SENTENCE)}?\nA: {draw(SENTENCE)}. The answer is {answer}.")
        kept.append(["Q:", "A:", f"The answer is {answer}."])
    query = f"Q: {draw(SENTENCE)}?\nA:"
    return Structured("\n\n".join([*blocks, query]), kept, query)


@st.composite
def classifications(draw: st.DrawFn) -> Structured:
    labels = draw(st.lists(st.sampled_from(["positive", "negative", "very mixed"]), min_size=2, max_size=5))
    blocks = [f"Review: {draw(SENTENCE)}\nSentiment: {label}" for label in labels]
    query = f"Review: {draw(SENTENCE)}\nSentiment:"
    instructions = f"Say what {draw(SENTENCE)}."
    prompt = "\n\n".join([instructions, *blocks, query])
    return Structured(prompt, [["Review:", f"Sentiment: {label}"] for label in labels], query, instructions)


@st.composite
def retrieved_documents(draw: st.DrawFn) -> Structured:
    count = draw(st.integers(2, 5))
    heads = [f"Document [{number}]" for number in range(1, count + 1)]
    blocks = [f"{head}(Title: {draw(SENTENCE)}) {draw(SENTENCE)}." for head in heads]
    query = f"Question: {draw(SENTENCE)}?\nAnswer:"
    return Structured("\n\n".join([*blocks, query]), [[head] for head in heads], query)


@st.composite
def prompt_objects(draw: st.DrawFn) -> Structured:
    shots, kept = [], []
    for answer in draw(st.lists(SENTENCE, max_size=4)):
        question, rationale = draw(SENTENCE), draw(st.none() | SENTENCE)
        shots.append(Shot(question=question, rationale=rationale, answer=answer))
        kept.append(["Q:", "A:", answer])
    query, instructions = draw(SENTENCE), draw(st.just("") | SENTENCE)
    return Structured(Prompt(instructions, shots, query), kept, query, instructions)


# The input and the output of an exemplar, by how it is written: {q} a question, {r} a rationale, {a} an answer.
_WORKED = [
    ("Q: {q}?\nA: ", "{r} The answer is {a}."),
    ("Question: {q}?\n", "Let's think step by step.\n{r}\nThe answer is {a}."),
    ("Question: {q}.\n{q}?\n", "{r}\nSo the answer is {a}."),
    ("Question: Add it: {q}.\n", "Let's think step by step. {r}\nThe answer is {a}."),
    ("Question: {q}?\n", "Solution: {r}\nAnswer: {a}"),
    ("Question: {q}?\n", "Answer: {r}\n#### {a}"),
    ("Question: {q}?\n", "{r}\n#### {a}"),
    ("Problem: {q}.\n\nSolution: ", "{r} So it is \\boxed{{{a}}}."),
    ("Question: {q}?\n", "Step 1: {r}\nStep 2: {r}\nThe answer is {a}."),
    ("English: {q}.\nGerman: ", "{r} {a}"),
    ("Article: {q}.\nSummary: ", "{r} {a}"),
]


@dataclass(frozen=True)
class Worked:
    """Exemplars with an output, what is asked after them, and of each exemplar its output."""

    text: str
    outputs: list[str]


@st.composite
def worked_exemplars(draw: st.DrawFn) -> Worked:
    given, written = draw(st.sampled_from(_WORKED))
    rationale = st.lists(SENTENCE.map("{}.".format), min_size=1, max_size=3)
    blocks, outputs = [], []
    for answer in draw(st.lists(st.integers(0, 9999), min_size=2, max_size=4)):
        parts = {"q": draw(SENTENCE), "r": draw(st.sampled_from([" ", "\n"])).join(draw(rationale)), "a": answer}
        outputs.append(written.format(**parts))
        blocks.append(given.format(**parts) + outputs[-1])
    query = given.format(q=draw(SENTENCE)).rstrip()
    return Worked("\n\n".join([*blocks, query]), outputs)


STRUCTURED = st.one_of(chains_of_thought(), classifications(), retrieved_documents(), prompt_objects())


@st.composite
def plain_prompts(draw: st.DrawFn) -> Structured:
    """A task above a text, or a question below it, without markers of shots."""
    long = st.lists(EXACT_SENTENCE.map("{}.".format), min_size=6, max_size=10).map(" ".join)
    paragraphs = draw(st.lists(long, min_size=1, max_size=2))
    orders = ["Summarize this in 3 bullet points in Spanish:", "Translate the following text into French:"]
    questions = [
        "Who led the work on the harbour, and when did it end?",
        "Question: When did the window break?\nAnswer:",
    ]
    instructions, query = draw(st.sampled_from(["", *orders])), draw(st.sampled_from(["", *questions]))
    parts = [instructions, *paragraphs, query]
    return Structured("\n\n".join(part for part in parts if part), [], query, instructions)


# Conversations in the three formats.


@dataclass(frozen=True)
class Step:
    """What an assistant says, with a call of a tool and its result, where it calls one."""

    said: str
    call: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    result: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Turn:
    """What a user says, and the steps that follow."""

    asked: str
    steps: list[Step]


@dataclass(frozen=True)
class Conversation:
    """A conversation, which can be written in each of the formats.

    Attributes:
        system: What the system says; empty for nothing.
        turns: The turns; the last one is not over where its last step calls a tool.
    """

    system: str
    turns: list[Turn]

    def in_chat(self) -> list[Message]:
        """The format of OpenAI's chat completions."""
        messages: list[Message] = [{"role": "system", "content": self.system}] if self.system else []
        for turn in self.turns:
            messages.append({"role": "user", "content": turn.asked})
            for step in turn.steps:
                message: Message = {"role": "assistant", "content": step.said or None}
                if step.call:
                    function = {"name": "look_up", "arguments": json.dumps(step.arguments)}
                    message["tool_calls"] = [{"id": step.call, "type": "function", "function": function}]
                messages.append(message)
                if step.call:
                    messages.append({"role": "tool", "tool_call_id": step.call, "content": step.result})
        return messages

    def in_responses(self) -> list[Message]:
        """The format of OpenAI's responses."""
        messages: list[Message] = [{"role": "developer", "content": self.system}] if self.system else []
        for turn in self.turns:
            messages.append({"role": "user", "content": [{"type": "input_text", "text": turn.asked}]})
            for step in turn.steps:
                if step.said:
                    part = {"type": "output_text", "text": step.said, "annotations": []}
                    messages.append({"type": "message", "role": "assistant", "content": [part]})
                if step.call:
                    call = {"call_id": step.call, "name": "look_up", "arguments": json.dumps(step.arguments)}
                    messages.append({"type": "function_call", **call})
                    messages.append({"type": "function_call_output", "call_id": step.call, "output": step.result})
        return messages

    def in_anthropic(self) -> list[Message]:
        """Anthropic's format, which has the system's words elsewhere."""
        messages: list[Message] = []
        for turn in self.turns:
            messages.append({"role": "user", "content": turn.asked})
            for step in turn.steps:
                blocks: list[Message] = [{"type": "text", "text": step.said}] if step.said else []
                if step.call:
                    blocks.append({"type": "tool_use", "id": step.call, "name": "look_up", "input": step.arguments})
                messages.append({"role": "assistant", "content": blocks})
                if step.call:
                    block = {"type": "tool_result", "tool_use_id": step.call, "content": step.result}
                    content = [{**block, "is_error": True} if step.failed else block]
                    messages.append({"role": "user", "content": content})
        return messages


FORMATS: dict[str, Callable[[Conversation], list[Message]]] = {
    "chat": Conversation.in_chat,
    "responses": Conversation.in_responses,
    "anthropic": Conversation.in_anthropic,
}


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    text = st.one_of(SENTENCE, EXACT_SENTENCE, MIXED, ANY_TEXT).filter(str.strip)
    turns = []
    for number in range(draw(st.integers(1, 4))):
        steps = []
        for each in range(draw(st.integers(0, 2))):
            arguments = {"of": draw(_SHORT), "n": each}
            call = f"call-{number}-{each}"
            said, result, failed = draw(st.just("") | SENTENCE), draw(text), draw(st.booleans())
            steps.append(Step(said, call, arguments, result, failed))
        steps.append(Step(draw(text | st.sampled_from(["yes", "Sports"]))))
        turns.append(Turn(draw(text), steps))
    # The last turn may wait for the assistant, at its beginning or behind the result of a tool.
    last = turns[-1]
    turns[-1] = Turn(last.asked, last.steps[: draw(st.integers(0, len(last.steps) - 1))])
    return Conversation(draw(st.just("") | SENTENCE), turns)
