"""What `parse_layout` finds in prompts as people write them, and what it leaves alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stopwatch import at_most

from diffumask_core.prompt.layout import Layout
from diffumask_core.prompt.parse import describe_shot, parse_layout
from diffumask_core.prompt.spans import Span


def cut(layout: Layout, span: Span | None) -> str | None:
    return None if span is None else layout.text[slice(*span)]


def shots(layout: Layout) -> list[str]:
    return [layout.text[slice(*shot.span)] for shot in layout.shots]


def instructions(layout: Layout) -> list[str]:
    return [layout.text[slice(*span)] for span in layout.instructions]


def kept(layout: Layout) -> list[list[str]]:
    return [[layout.text[slice(*span)] for span in shot.kept] for shot in layout.shots]


def answers(layout: Layout) -> list[str | None]:
    return [cut(layout, shot.answer) for shot in layout.shots]


BUS = "Q: A bus has 12 rows of 4 seats. How many seats is that?\nA: 12 rows of 4 are 48 seats. The answer is 48."
JAM = "Q: Ida fills 6 jars and gives 2 away. How many stay?\nA: She had 6.\nShe gave 2 away.\nSo the answer is (B)."


def test_chain_of_thought_with_a_query() -> None:
    layout = parse_layout(f"Solve the problems.\n\n{BUS}\n\n{JAM}\n\nQ: Who is right?\nA:")
    assert instructions(layout) == ["Solve the problems."]
    assert shots(layout) == [BUS, JAM]
    assert kept(layout) == [["Q:", "A:", "The answer is 48."], ["Q:", "A:", "So the answer is (B)."]]
    assert answers(layout) == ["48", "(B)"]
    assert cut(layout, layout.query) == "Q: Who is right?\nA:"


@pytest.mark.parametrize(
    ("ending", "answer"),
    [
        ("The answer is 1,200.50.", "1,200.50"),
        ("#### 72", "72"),
        ("Answer: 72", "72"),
        ("Therefore, the final answer is: **17 km**.", "17 km"),
        ("The answer is Mr. Okafor.", "Mr. Okafor"),
        (r"So we get $\boxed{9}$.", "9"),
        (r"So we get $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        ("The answer is 5. I have checked it.", "5"),
    ],
)
def test_final_answers_of_rationales(ending: str, answer: str) -> None:
    shot = f"Q: How many?\nA: First we count all of them with great care. Then we add.\n{ending}"
    layout = parse_layout(f"{shot}\n\n{shot}\n\nQ: How few?\nA:")
    assert shots(layout) == [shot, shot]
    assert answers(layout) == [answer, answer]


@pytest.mark.parametrize("start", ["", " Let's think step by step.", "\nStep 1:"])
def test_an_answer_that_is_only_begun_is_the_query(start: str) -> None:
    layout = parse_layout(f"{BUS}\n\n{JAM}\n\nQ: Who is right?\nA:{start}")
    assert shots(layout) == [BUS, JAM]
    assert cut(layout, layout.query) == f"Q: Who is right?\nA:{start}"


def test_a_rationale_with_blank_lines_stays_one_shot() -> None:
    first = "Question: Is 7 prime?\n\nAnswer: We try the divisors.\n\nNone of 2 to 6 works.\n\nThe answer is yes."
    second = "Question: Is 9 prime?\n\nAnswer: We try the divisors.\n\nStep 1: 3 works.\n\nThe answer is no."
    layout = parse_layout(f"{first}\n\n{second}\n\nQuestion: Is 11 prime?\n\nAnswer:")
    assert shots(layout) == [first, second]
    assert answers(layout) == ["yes", "no"]
    assert cut(layout, layout.query) == "Question: Is 11 prime?\n\nAnswer:"


def test_rationales_without_an_answer_marker() -> None:
    items = [f"Question: What is {n} plus 1?\nLet's think step by step.\nThe answer is {n + 1}." for n in (3, 4)]
    layout = parse_layout("\n\n".join([*items, "Question: What is 8 plus 1?\nLet's think step by step."]))
    assert shots(layout) == items
    assert kept(layout)[0] == ["Question:", "The answer is 4."]
    assert cut(layout, layout.query) == "Question: What is 8 plus 1?\nLet's think step by step."


@pytest.mark.parametrize("separator", ["\n", "\n\n", "\n\n---\n\n", "\n###\n", "\r\n\r\n"])
@pytest.mark.parametrize(
    ("question", "label"),
    [
        ("Q: ", "\nA: "),
        ("Input: ", "\nOutput: "),
        ("Text: ", "\nLabel: "),
        ("Review: ", "\nSentiment: "),
        ("Review: ", "\nStars: "),
        ("  Text: ", "\n  Label: "),
        ("**Question:** ", "\n**Answer:** "),
        ("1. Message: ", "\n   Intent: "),
        ("### Input\n", "\n### Response\n"),
        ("### Instruction:\n", "\n\n### Response:\n"),
        ("### Example\nText: ", "\nLabel: "),
        ("Example 1:\nInput: ", "\nOutput: "),
        ("<example>\n<input>", "</input>\n<output>"),
        ("<input>", "</input>\n<output>"),
        ("Q: ", " A: "),
    ],
)
def test_markers_of_inputs_and_outputs(question: str, label: str, separator: str) -> None:
    closing = {"<example>\n<input>": "</output>\n</example>", "<input>": "</output>"}.get(question, "")
    texts = ["the soup was cold and late", "what a lovely evening", "never again"]
    items = [f"{question}{text}{label}{value}{closing}" for text, value in zip(texts, "xyz", strict=True)]
    layout = parse_layout("Label the reviews.\n\n" + separator.join(items))
    assert [shot.rstrip("-#\n") for shot in shots(layout)] == [item.strip() for item in items]
    assert answers(layout) == ["x", "y", "z"]
    assert instructions(layout) == ["Label the reviews."]
    for shot in kept(layout):
        assert question.split()[-1].strip() in " ".join(shot)
        assert label.split()[-1] in " ".join(shot)


def test_unknown_markers_in_blocks_that_begin_alike() -> None:
    items = ["Dish: soup\nWine: white", "Dish: steak\nWine: red", "Dish: cake\nWine: sweet"]
    layout = parse_layout("\n\n".join(items) + "\n\nDish: fish\nWine:")
    assert shots(layout) == items
    assert answers(layout) == ["white", "red", "sweet"]
    assert cut(layout, layout.query) == "Dish: fish\nWine:"


def test_pairs_with_numbered_inputs() -> None:
    items = [
        f"Sentence 1: It rains.\nSentence 2: It is {word}.\nSame: {same}"
        for word, same in [("wet", "yes"), ("dry", "no")]
    ]
    layout = parse_layout("\n\n".join(items) + "\n\nSentence 1: It snows.\nSentence 2: It is cold.\nSame:")
    assert shots(layout) == items
    assert kept(layout)[1] == ["Sentence 1:", "Sentence 2:", "Same:", "no"]


def test_numbered_questions() -> None:
    layout = parse_layout("Q1: Two plus two?\nA1: 4\nQ2: Three plus three?\nA2: 6\nQ3: Four plus four?\nA3:")
    assert answers(layout) == ["4", "6"]
    assert cut(layout, layout.query) == "Q3: Four plus four?\nA3:"


def test_a_marker_above_the_question_belongs_to_the_shot() -> None:
    items = [
        "-- Database: shop\nQuestion: How many orders?\nSQL: SELECT COUNT(*) FROM orders WHERE paid = 1 AND sent = 1"
    ] * 2
    layout = parse_layout("\n\n".join(items))
    assert shots(layout) == items
    assert answers(layout) == [None, None]


def test_one_exemplar_and_a_question_of_its_shape() -> None:
    layout = parse_layout(f"{BUS}\n\nQ: And with 5 seats a row?\nA:")
    assert shots(layout) == [BUS]
    assert cut(layout, layout.query) == "Q: And with 5 seats a row?\nA:"


def test_a_lone_question_after_exemplars_is_the_query() -> None:
    layout = parse_layout(f"{BUS}\n\n{JAM}\n\nQ: And with 5 seats a row?")
    assert shots(layout) == [BUS, JAM]
    assert cut(layout, layout.query) == "Q: And with 5 seats a row?"


def test_text_after_the_last_exemplar_is_the_query() -> None:
    layout = parse_layout("Text: fine\nLabel: good\n\nText: awful\nLabel: bad\n\nNow do the same for: so so")
    assert answers(layout) == ["good", "bad"]
    assert cut(layout, layout.query) == "Now do the same for: so so"


def test_inputs_without_a_marker() -> None:
    items = ["The striker scored twice.\nTopic: Sports", "Shares fell on Monday.\nTopic: Business"]
    layout = parse_layout("Name the topic.\n\n" + "\n\n".join(items) + "\n\nA comet passed.\nTopic:")
    assert instructions(layout) == ["Name the topic."]
    assert shots(layout) == items
    assert kept(layout)[0] == ["Topic:", "Sports"]
    assert cut(layout, layout.query) == "A comet passed.\nTopic:"


def test_steps_of_an_agent_are_one_shot() -> None:
    item = (
        "Question: Who led it?\nThought 1: I look it up.\nAction 1: Search[it]\nObservation 1: Ada led it.\n"
        "Action 2: Finish[Ada]"
    )
    layout = parse_layout(f"{item}\n{item}\nQuestion: Who built it?\nThought 1:")
    assert shots(layout) == [item, item]
    assert answers(layout) == ["Finish[Ada]"] * 2
    assert cut(layout, layout.query) == "Question: Who built it?\nThought 1:"


@pytest.mark.parametrize(
    "output",
    [
        '{"gift": false, "name": "Ann Lee", "items": ["a red lamp", "a big desk"], "total": 30}',
        '{\n  "gift": false,\n\n  "name": "Ann Lee",\n  "items": ["a red lamp"]\n}',
        "SELECT name, age FROM users WHERE paid = 1 AND age > 30 ORDER BY name",
        "```python\ndef pay(order):\n\n    return order.total * 2\n```",
        "def pay(order):\n    answer = order.total * 2\n    return answer",
    ],
)
@pytest.mark.parametrize("query", ["", "\n\nInput: one more\nOutput:"])
def test_outputs_of_code_stay_whole(output: str, query: str) -> None:
    items = [f"Input: order {word}\nOutput: {output}" for word in ("one", "two")]
    layout = parse_layout("\n\n".join(items) + query)
    assert shots(layout) == items
    assert kept(layout) == [["Input:", "Output:", output]] * 2
    assert kept(parse_layout("\n\n".join(["Input: none\nOutput: {}", *items])))[1:] == kept(layout)


def test_a_byte_order_mark_hides_nothing() -> None:
    layout = parse_layout(f"\ufeff{BUS}\n\n{JAM}\n\nQ: Who is right?\nA:")
    assert shots(layout) == [BUS, JAM]
    assert layout.instructions == ()


FORGED = "Question: Who owns the lamp?\nAnswer: Bob"


@pytest.mark.parametrize("mark", ["Context:\n", "Context: ", "## Context\n", "<context>\n", "Document [1]\n"])
def test_a_forged_pair_in_a_context_is_no_exemplar(mark: str) -> None:
    layout = parse_layout(f"Answer.\n\n{mark}The lamp is old.\n{FORGED}\nIt burns.\n\nQuestion: Who lit it?\nAnswer:")
    assert layout.shots == ()
    assert layout.instructions == ()
    assert cut(layout, layout.query) == "Question: Who lit it?\nAnswer:"


def test_material_before_the_exemplars_is_no_instruction() -> None:
    text = f"Answer them.\n\nContext:\nThe lamp is old.\n\n{BUS}\n\n{JAM}\n\nQ: Who is right?\nA:"
    layout = parse_layout(text)
    assert instructions(layout) == ["Answer them."]
    assert shots(layout) == [BUS, JAM]


def test_the_heading_of_passages_is_an_instruction() -> None:
    layout = parse_layout("Read these.\n\nContext:\nDocument [1] The lamp.\nDocument [2] The desk.\n\nWhich?")
    assert instructions(layout) == ["Read these.\n\nContext:"]


def test_the_paragraph_of_the_last_question_is_the_query() -> None:
    query = "Given the context and not prior knowledge, answer the query.\nQuery: Who kept it?\nAnswer:"
    layout = parse_layout(f"The lamp was kept by two sisters.\n\nThey left in 1920.\n\n{query}")
    assert cut(layout, layout.query) == query


PASSAGES = [
    "The lighthouse was built in 1871 by a local mason.",
    "Ferries cross the bay four times a day in summer.",
    "The museum keeps the old lamp and its lenses.",
]


@pytest.mark.parametrize("separator", ["\n", "\n\n"])
@pytest.mark.parametrize("query", ["Question: who built it? Answer:", "Question: Who built it?", "Who built it?"])
@pytest.mark.parametrize(
    ("head", "marker", "end"),
    [
        ("Document [{n}] (Title: The bay ({n})) ", "Document [{n}]", ""),
        ("[{n}] ", "[{n}]", ""),
        ("Passage {n}: ", "Passage {n}:", ""),
        ("## Document {n}\n", "## Document {n}", ""),
        ('<document index="{n}">\n', '<document index="{n}">', "\n</document>"),
        ("<passage>", "<passage>", "</passage>"),
    ],
)
def test_passages(head: str, marker: str, end: str, separator: str, query: str) -> None:
    items = [head.format(n=n) + text + end for n, text in enumerate(PASSAGES, 1)]
    layout = parse_layout("Read these.\n\n" + separator.join(items) + f"\n\n{query}")
    assert instructions(layout) == ["Read these."]
    assert shots(layout) == items
    assert [shot[0] for shot in kept(layout)] == [marker.format(n=n) for n in (1, 2, 3)]
    assert "Title" not in str(kept(layout))
    assert answers(layout) == [None] * 3
    assert cut(layout, layout.query) == query


def test_titled_passages_parted_by_blank_lines() -> None:
    items = [f"[Bay {word}] {text}" for word, text in zip("abc", PASSAGES, strict=True)]
    layout = parse_layout("\n\n".join(items))
    assert shots(layout) == items
    assert layout.query is None


def test_tags_in_a_container() -> None:
    layout = parse_layout(
        "<examples>\n<example>\na -> b\n</example>\n<example>\nc -> d\n</example>\n</examples>\n\ne -> ?"
    )
    assert shots(layout) == ["<example>\na -> b\n</example>", "<example>\nc -> d\n</example>"]
    assert kept(layout)[0] == ["<example>", "</example>"]
    assert cut(layout, layout.query) == "</examples>\n\ne -> ?"


def test_fenced_code_in_an_exemplar_is_not_cut() -> None:
    items = [f"Input: print {n}\nOutput:\n```python\n# Input: nothing\nprint({n})\n```" for n in (1, 2)]
    assert shots(parse_layout("\n\n".join(items))) == items


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\n ",
        "One line of prose.",
        "A first paragraph: it has a colon.\n\nA second one: so does it.\n\nThird: the last.",
        "# Guide\n\n## Install\n\n```sh\npip install it\n```\n\n## Usage\n\nNote: call it once.\n\n## License\n\nMIT",
        "Steps:\n1. Open the lid.\n2. Press: the button.\n3. Wait: an hour.",
        "Anna: Hi there.\nBen: Hello.\nAnna: Coffee?\nBen: Yes.",
        "User: Hi there.\nAssistant: Hello.\n\nUser: Coffee?\nAssistant: Yes.",
        "Anna: Hi there.\n\nBen: Hello.\n\nAnna: Coffee?\n\nBen: Yes.",
        "match x:\n    case 1:\n        return 2\n    case 2:\n        return 3\nreturn 4",
        "<ul>\n<li>one</li>\n<li>two</li>\n<li>three</li>\n</ul>",
        "An article about bees and what they do [1] in winter [2].\n\n[1] The bee book, 2nd edition, 1990.",
        "Yours:\n\n1. **Item: lamp**\n   - **Price:** 30\n\n2. **Item: desk**\n   - **Price:** 90\n\nIs that right?",
        "Subject: Lunch\n\nDear all,\n\nlunch is at noon.\n\nBest: Kim",
    ],
)
def test_text_without_structure_is_one_body(text: str) -> None:
    assert parse_layout(text) == Layout(text, task_within=(0, len(text)))


@pytest.mark.parametrize(
    "query",
    ["Question: Who kept the lamp?\nAnswer:", "Q: Who kept the lamp? A:", "Question: Who kept the lamp?"],
)
def test_a_body_may_end_in_a_question(query: str) -> None:
    layout = parse_layout(f"The lamp was kept by two sisters.\n\nThey left in 1920.\n\n{query}\n")
    assert not layout.shots
    assert layout.instructions == ()
    assert cut(layout, layout.query) == query


def test_a_format_that_is_described_is_not_a_shot() -> None:
    text = (
        "Use the following format:\n\nQuestion: the input question\nThought: what to do\n"
        "Final Answer: the answer to the question\n\nBegin!\n\nQuestion: {input}\nThought: {scratchpad}"
    )
    layout = parse_layout(text)
    assert not layout.shots
    assert cut(layout, layout.query) == "Question: {input}\nThought: {scratchpad}"


@pytest.mark.parametrize(
    ("text", "marks", "answer"),
    [
        (BUS, ["Q:", "A:", "The answer is 48."], "48"),
        ("Message: hello\nIntent: greeting", ["Message:", "Intent:", "greeting"], "greeting"),
        ("Dish: soup\nWine: white", ["Dish:", "Wine:", "white"], "white"),
        ("Document [3] (Title: Bay) The answer is 4.", ["Document [3]"], None),
        ("Just a passage of text.", [], None),
    ],
)
def test_a_single_shot(text: str, marks: list[str], answer: str | None) -> None:
    shot = describe_shot(text)
    assert shot.span == (0, len(text))
    assert [text[slice(*span)] for span in shot.kept] == marks
    assert (shot.answer and text[slice(*shot.answer)]) == answer


@pytest.mark.parametrize(
    ("given", "output"),
    [
        ("Question: Which?\n", "Thought: It is red.\nAnswer: No, it is blue."),
        ("Q: Is it red? Or blue? ", "It may be both. Is it? No. The answer is 4."),
        ("Question: Who?\nContext: Why did it stop? It was long.\nAnswer: ", "It was Anna, who was late again."),
        ("Question: Who?\nOptions: (A) Anna (B) Ben\n", "Let's think it over. Ben was out.\nAnswer: A"),
        ("Problem: Which is x?\n\n", "First we add.\n\nSo it is \\boxed{4}."),
        ("Problem: Find x.\n\n", "First we add.\n\nSo it is \\boxed{4}."),
        ("Code: print(4 + 4)\nSummary: ", "It adds four and four.\nThen it prints."),
        ("Query: x\nResponse: It is a long one.\nRating: ", "4"),
    ],
)
def test_what_an_llm_is_to_write_like(given: str, output: str) -> None:
    text = given + output
    assert [text[slice(*span)] for span in describe_shot(text).output] == [output]


def test_where_nothing_tells_where_a_question_ends_there_is_no_rationale() -> None:
    assert describe_shot("Problem: Find x. First we add. So it is \\boxed{4}.").output == ()


@pytest.mark.parametrize("end", ["Action 2: Finish[Anna]", "Answer: Anna"])
def test_an_agent_reads_observations_and_writes_the_rest(end: str) -> None:
    look = "Thought 1: I have to look.\nAction 1: Search[the harbour]\nObservation 1:"
    text = f"Question: Who built it?\n{look} Anna built it in 1921.\nThought 2: So it is Anna.\n{end}"
    assert [text[slice(*span)] for span in describe_shot(text).output] == [
        look,
        f"Thought 2: So it is Anna.\n{end}",
    ]


@pytest.mark.parametrize(
    "text", ["Document [1] Why? Let's think. The answer is 4.", "Why did it stop? It was late, and the answer is no."]
)
def test_a_passage_has_no_output(text: str) -> None:
    assert describe_shot(text).output == ()


_LINES = [
    "Q:",
    "A: 4",
    "A:",
    "Example 1:",
    "### Input",
    "Document [1] (Title: x)",
    "[2] text here",
    "Text:",
    "Label: x",
]
_PIECES = st.sampled_from(
    [
        *_LINES,
        "\n",
        "\n\n",
        "\r\n",
        " ",
        "<example>",
        "</example>",
        "---",
        "#### 7",
        "The answer is 4.",
        "```",
        "{x}",
        "😀",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(_PIECES, max_size=40).map("".join)))
def test_spans_are_in_order_and_apart(text: str) -> None:
    layout = parse_layout(text)
    assert layout.text == text
    parts = [*layout.instructions, *(shot.span for shot in layout.shots), layout.query]
    at = 0
    for span in filter(None, parts):
        assert at <= span[0] < span[1] <= len(text)
        at = span[1]
    for shot in layout.shots:
        assert all(shot.span[0] <= start < end <= shot.span[1] for start, end in shot.kept)
        assert shot.answer is None or any(s <= shot.answer[0] and shot.answer[1] <= e for s, e in shot.kept)
    if len(layout.shots) < 2:
        assert not layout.shots or layout.query
    assert describe_shot(text).span <= (len(text), len(text))


@pytest.mark.parametrize(
    "piece",
    [
        f"{BUS}\n\n",
        "A line of prose that says nothing much.\n",
        "a",
        "1",
        " ",
        "[",
        "<a ",
        "Name: value\n\n",
        "Foo Bar ",
        "answer is ",
    ],
)
def test_time_is_linear(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    with at_most(3):
        parse_layout(text)
