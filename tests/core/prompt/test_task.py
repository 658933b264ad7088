"""What of a plain text is instruction and query, and what is material."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stopwatch import at_most

from diffumask_core.prompt.task import Task, find_task, holds_material

MILL = (
    "The mill at the upper weir was sold in 1888 to a family of bakers from the plain, who put in a turbine and two "
    "new stones. Their grandson closed it in 1951, when flour from the port had become cheaper than his own."
)
GUARD = (
    "The guard of the night train says that he walked through all of the carriages shortly before two, and that not a "
    "single passenger was awake in any of them at the time."
)
BRIDGE = (
    "At 6:15 on the morning of 9 May a barge ran into the northern pier of the bridge. No one was hurt, since the "
    "tram that should have crossed it at that time had been held up at the market."
)
BANK = (
    "You are the assistant of a savings bank. The counters are open from nine to five on working days. You answer "
    "questions of customers about their accounts. Never give legal advice and never name other banks, even if a "
    "customer asks you to do so more than once."
)


def parts(text: str, **options: Any) -> tuple[list[str], str | None]:
    task = find_task(text, **options)
    return [text[slice(*span)] for span in task.instructions], task.query and text[slice(*task.query)]


@pytest.mark.parametrize(
    "instruction",
    [
        "Summarize this in 3 bullet points in Spanish:",
        "Translate the following text into French:",
        "Read it.",
        BANK,
        "Your task is to write one sentence about each person who is named in the following report, in the order in "
        "which they occur, and to leave out everybody else.",
        "Resume el texto siguiente en tres frases:",
        "Fasse den folgenden Text in drei Sätzen zusammen:",
        "Résume le texte suivant en trois phrases :",
        "Кратко перескажи следующий текст:",
        "请用三句话总结下面的文章\uff1a",
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_first_paragraph_is_the_instruction(instruction: str, line_end: str) -> None:
    blank = line_end * 2
    assert parts(instruction + blank + MILL + blank + GUARD + blank + BRIDGE) == ([instruction], None)


@pytest.mark.parametrize(
    "query",
    [
        "When was it sold?",
        "Translate the text above into French.",
        "Question: When was it sold?\nAnswer:",
        "Question: When was it sold?\n\nAnswer:",
        "Given the context information and not prior knowledge, answer the query.\nQuery: Who sold it?\nAnswer: ",
        "Which is right?\n\nA) the weir\nB) the port\n\nAnswer:",
        "Summary:",
        "¿Cuándo se vendió el molino?",
        "Wann wurde die Mühle verkauft?",
        "Quand le moulin a-t-il été vendu ?",
        "磨坊是什么时候卖掉的\uff1f",
        "Когда была продана мельница?",
    ],
)
def test_the_last_paragraph_is_the_query(query: str) -> None:
    assert parts(f"{MILL}\n\n{GUARD}\n\n{query}") == ([], query.strip())


@pytest.mark.parametrize("between", [" ", "\n"])
def test_a_question_at_the_end_of_a_paragraph_is_the_query(between: str) -> None:
    assert parts(f"{MILL}{between}Who closed it?") == ([], "Who closed it?")


def test_a_last_line_that_asks_without_a_mark_is_the_query() -> None:
    assert parts(f"{GUARD}\n{MILL}\nwho closed the mill at the weir") == ([], "who closed the mill at the weir")
    assert parts(MILL.replace("of bakers from the plain, ", "of bakers,\n").rstrip(".")) == ([], None)


@pytest.mark.parametrize("text", [MILL, GUARD, BRIDGE, f"{MILL}\n\n{GUARD}\n\n{BRIDGE}", "", " \n\n", "\ufeff"])
def test_prose_has_no_task(text: str) -> None:
    assert find_task(text) == Task()


@pytest.mark.parametrize("text", ["Good morning", "Do not delete it.", "Is it late?", "Who are you?\n\nWhat is that?"])
def test_a_task_is_never_the_whole_text(text: str) -> None:
    assert find_task(text) == Task()


@pytest.mark.parametrize(
    "text", [f"Summarize this:\n{MILL}", f"Summarize this: {MILL}", f"Summarize this.\n{MILL} {BRIDGE}"]
)
def test_an_instruction_in_the_paragraph_of_its_text(text: str) -> None:
    assert parts(text) == ([text[: len("Summarize this:")]], None)


@pytest.mark.parametrize(
    "context",
    [
        f"Context:\n{MILL}",
        f"Context: {MILL}",
        f"## Context\n\n{MILL}\n\n{GUARD}",
        f"<context>\n{MILL}\n</context>",
        f"<meeting_notes>\n{MILL}\n\n{GUARD}\n</meeting_notes>",
        f"---\n{MILL}\n---",
        f"Document [1]\n{MILL}\n\nDocument [2]\n{GUARD}",
    ],
)
@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_instructions_end_where_material_begins(context: str, gap: str) -> None:
    assert parts(f"{BANK}{gap}{context}\n\nQuestion: Who closed it?\nAnswer:") == (
        [BANK],
        "Question: Who closed it?\nAnswer:",
    )


def test_several_instructions_in_front_of_material() -> None:
    more = "The customers are mostly private people and some small firms of the region with accounts in two currencies."
    text = (
        f"{BANK}\n\nAlways answer in the language of the question.\n\n{more}\n\nContext:\n{MILL}\n\n{GUARD}\n\n{MILL}"
    )
    assert parts(text)[0] == [BANK, "Always answer in the language of the question.", more]


@pytest.mark.parametrize("between", ["", f"<report>\n{GUARD}\n</report>\n\n"])
def test_an_element_of_instructions_stays_whole_wherever_it_is(between: str) -> None:
    steps = ["<instructions>\n# Steps", "The first step is the mill.", f"{BRIDGE} That is the second step."]
    text = f"<report>\n{MILL}\n\n{MILL}\n</report>\n\n{between}" + "\n\n".join(steps) + "\n</instructions>\n\nGo."
    assert parts(text) == ([*steps[:2], steps[2] + "\n</instructions>"], "Go.")


def test_rule_lines_between_passages_make_no_instruction_of_the_first() -> None:
    assert parts("\n\n---\n\n".join([MILL, GUARD, BRIDGE])) == ([], None)


def test_claimed_regions_are_no_task() -> None:
    log = "00:01 start\n00:02 stop"
    text = f"Why did it stop?\n{log}\n\nBe brief."
    claimed = [(text.index(log), text.index(log) + len(log))]
    assert parts(text, claimed=claimed) == (["Why did it stop?"], "Be brief.")
    assert holds_material(text, claimed=claimed)
    assert parts(log, claimed=[(0, len(log))]) == ([], None)


def test_positions_count_from_the_beginning_of_the_text() -> None:
    text = f"Before.\n\nSummarize:\n\n{MILL}\n\nBe brief.\n\nAfter."
    start, end = text.index("Summarize"), text.index("\n\nAfter")
    task = find_task(text, start, end)
    assert [text[slice(*span)] for span in task.instructions] == ["Summarize:"]
    assert text[slice(*(task.query or (0, 0)))] == "Be brief."


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        (f"Context:\n{MILL}\n\nQuestion: Who closed it?", True),
        (f"<doc>{MILL}</doc>\n\nWho closed it?", True),
        (f"{MILL}\n\nWho closed it?", True),
        (f"Summarize this:\n\n{MILL}", True),
        (f"{MILL}\n\nTranslate the text above into French.", True),
        (f"Look:\n---\n{MILL}\n---", True),
        ("Who closed it?", False),
        ("Context is all. Who closed it?", False),
        ("I have read about the mill.\n\nWho closed it, and why?", False),
        (MILL, False),
        ("", False),
    ],
)
def test_evidence_of_material(text: str, holds: bool) -> None:
    assert holds_material(text) is holds


_PIECES = st.sampled_from(
    [
        MILL,
        BANK,
        "Is it?",
        "Answer:",
        "Context:",
        "<context>",
        "</context>",
        "---",
        "\n",
        "\n\n",
        "\r\n",
        " ",
        "Use it.",
        "A) b",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(_PIECES, max_size=12).map("".join)), st.data())
def test_spans_are_in_order_and_never_everything(text: str, data: st.DataObject) -> None:
    cut = st.integers(0, len(text))
    claimed = [tuple(sorted(data.draw(st.tuples(cut, cut)))) for _ in range(2)]
    task = find_task(text, claimed=claimed)
    at = 0
    for start, end in [*task.instructions, *([task.query] if task.query else [])]:
        assert at <= start < end <= len(text)
        assert text[start:end].split()
        at = end
    told = "".join(text[slice(*span)] for span in [*task.instructions, *([task.query] if task.query else [])])
    assert not told or "".join(told.split()) != "".join(text.split())


@pytest.mark.parametrize(
    "piece",
    ["a", "1 ", "\n", "<a ", "<a>x</a>\n", "Use the ", "you must. ", "Question: x?\n\n", "a: ", "Context: x\n", "? "],
)
def test_time_is_linear(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    with at_most(4):
        find_task(text)
        holds_material(text)
