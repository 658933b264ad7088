"""The guarantees of the design, by their numbers, as properties: for any text, structure, budget and tokenizer.

The seventh, that nothing at run time needs a network, is in test_public.
"""

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from generated_texts import (
    ANY_TEXT,
    EXACT_SENTENCE,
    FORMATS,
    JSON,
    LINE_REGIONS,
    MIXED,
    MIXED_WITHOUT_JSON,
    SENTENCE,
    STRUCTURED,
    Conversation,
    Message,
    Structured,
    Worked,
    conversations,
    json_lines,
    json_texts,
    plain_prompts,
    records,
    worked_exemplars,
)
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from promises import (
    TOKENIZERS,
    Options,
    Span,
    assert_extractive,
    assert_messages_hold,
    assert_true,
    comes_out,
    exact_chunks,
    lines_of,
    quarters,
    sent_texts,
    silly,
    touched,
    within_budget,
    without_marks,
    words,
)

from diffumask_core import Compressor, Prompt, Shot
from diffumask_core.prompt.negations import turning_words
from diffumask_core.prompt.parse import parse_layout
from diffumask_core.tokens import get_counter


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Without the warnings of best effort, which would fill the report of a failure."""
    caplog.set_level(logging.ERROR, "diffumask")


def has_no_turn(text: str) -> bool:
    return not turning_words(text, 0, len(text))


LABELS = ["good", "bad", "so so", "Business", "Business & Finance"]


# Options.

BUDGET = st.one_of(
    st.builds(dict, keep_rate=st.floats(0.01, 1)),
    st.builds(dict, target_tokens=st.integers(1, 400)),
)
_CHOICES: dict[str, st.SearchStrategy[Any]] = {
    "steps": st.sampled_from([1, 3]),
    "query": st.sampled_from(["who sold the apples?", "the", "日本", "\ud83d"]),
    "shot_level": st.booleans(),
    "token_level": st.booleans(),
    "compress_instructions": st.booleans(),
    "compress_query": st.booleans(),
    "compress_rationales": st.booleans(),
    "min_shots": st.integers(0, 3),
    "marks": st.booleans(),
}
_TOKENIZER = {"tokenizer": st.sampled_from(TOKENIZERS)}
HOW = st.fixed_dictionaries(_TOKENIZER, optional={**_CHOICES, "grain": st.sampled_from(["auto", "words"])})
OPTIONS = st.builds(lambda budget, how: {**budget, **how}, BUDGET, HOW)
# JSON stays valid and lines stay whole where units are the least that makes sense, not words.
AUTO_OPTIONS = st.builds(
    lambda budget, how: {**budget, **how}, BUDGET, st.fixed_dictionaries(_TOKENIZER, optional=_CHOICES)
)


def property_test(examples: int) -> Callable[[Any], Any]:
    # The fixtures hold no state, and nothing here depends on time.
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


# 1: budget. 2: extractive.


@property_test(200)
@given(text=ANY_TEXT, options=OPTIONS)
def test_1_and_2_any_text_keeps_to_the_budget(compressor: Compressor, text: str, options: Options) -> None:
    result = within_budget(compressor.compress, text, options)
    counter = get_counter(options["tokenizer"])
    assert result.source == text
    assert result.original_tokens == counter.count(text)
    assert result.compressed_tokens == (counter.count(result.text) if result.text else 0)
    assert result.budget == options.get("target_tokens", result.budget)
    assert result.counter == counter.name
    assert_extractive(result)


@property_test(100)
@given(text=MIXED, options=OPTIONS)
def test_1_and_2_text_of_many_kinds_keeps_to_the_budget(compressor: Compressor, text: str, options: Options) -> None:
    result = within_budget(compressor.compress, text, options)
    assert result.compressed_tokens == (get_counter(options["tokenizer"]).count(result.text) if result.text else 0)
    assert_extractive(result)
    assert options.get("marks", True) or not result.marks


@property_test(100)
@example(
    given_prompt=Structured(
        prompt="Say what not Anna Anna old only.\n\nReview: the the the\nSentiment: very mixed\n\nReview: engineer "
        "unless état Grüße Anna engineer\nSentiment: very mixed\n\nReview: not Anna Anna old engineer\nSentiment:",
        shots=[["Review:", "Sentiment: very mixed"], ["Review:", "Sentiment: very mixed"]],
        query="Review: not Anna Anna old engineer\nSentiment:",
        instructions="Say what not Anna Anna old only.",
    ),
    # It counts more tokens in an exemplar without its words than in one with them.
    options={"keep_rate": 0.25, "tokenizer": silly},
)
@given(given_prompt=STRUCTURED, options=OPTIONS)
def test_1_and_2_any_structure_keeps_to_the_budget(
    compressor: Compressor, given_prompt: Structured, options: Options
) -> None:
    prompt = given_prompt.prompt
    result = within_budget(compressor.compress, prompt, options)
    assert result.source == (prompt.text if isinstance(prompt, Prompt) else prompt)
    assert result.compressed_tokens == get_counter(options["tokenizer"]).count(result.text)
    assert len(result.shots) == len(given_prompt.shots)
    assert sum(shot.fate != "dropped" for shot in result.shots) >= min(options.get("min_shots", 0), len(result.shots))
    assert_extractive(result)


@pytest.mark.parametrize("steps", [1, 3, 8])
@property_test(15)
@given(given_prompt=STRUCTURED, rate=st.floats(0.05, 0.9))
def test_1_any_number_of_steps_keeps_to_the_budget(
    compressor: Compressor, steps: int, given_prompt: Structured, rate: float
) -> None:
    result = compressor.compress(given_prompt.prompt, keep_rate=rate, steps=steps, tokenizer=words)
    assert result.compressed_tokens == words(result.text) <= result.budget


# 2: exact.


@property_test(250)
@given(text=st.one_of(EXACT_SENTENCE, MIXED_WITHOUT_JSON), options=OPTIONS)
def test_2_exact_chunks_are_those_of_the_source(compressor: Compressor, text: str, options: Options) -> None:
    result = within_budget(compressor.compress, text, options)
    assert exact_chunks(without_marks(result)) <= exact_chunks(text)


@pytest.mark.parametrize("kind", LINE_REGIONS)
@property_test(25)
@given(data=st.data(), options=AUTO_OPTIONS)
def test_2_lines_of_a_region_are_whole(
    compressor: Compressor, kind: str, data: st.DataObject, options: Options
) -> None:
    text = data.draw(LINE_REGIONS[kind]())
    result = within_budget(compressor.compress, text, options)
    assert result.regions
    kept = [line for line in lines_of(text) if comes_out(result, line)]
    gone = [line for line in lines_of(text) if not touched(result, line)]
    assert len(kept) + len(gone) == len(lines_of(text))
    if options.get("marks", True) and kept:
        assert sum(mark.count for mark in result.marks) == len(gone)


@property_test(100)
@given(text=MIXED, options=AUTO_OPTIONS)
def test_2_lines_are_whole_in_any_text(compressor: Compressor, text: str, options: Options) -> None:
    result = within_budget(compressor.compress, text, options)
    regions = [region for outer in result.regions for region in outer.walk() if not region.escaped]
    items = [item for region in regions for series in region.series if series.form == "line" for item in series.items]
    lines = {span for item in items for span in lines_of(text[slice(*item)], item[0]) if "json" not in text}
    in_lines = [region for region in regions if region.kind not in ("json lines", "markup")]
    spans = {span for region in in_lines for series in region.series for span in series.items if series.form == "line"}
    assert all(comes_out(result, span) or not touched(result, span) for span in lines & spans)


# 3: protection.


@property_test(100)
@given(given_prompt=STRUCTURED, options=OPTIONS)
def test_3_markers_answers_instructions_and_query_come_out(
    compressor: Compressor, given_prompt: Structured, options: Options
) -> None:
    result = within_budget(compressor.compress, given_prompt.prompt, options)
    assert given_prompt.query in result.text or options.get("compress_query")
    assert given_prompt.instructions in result.text or options.get("compress_instructions")
    for shot, parts in zip(result.shots, given_prompt.shots, strict=True):
        position = shot.span[0]
        for part in parts[:-1]:
            position = result.source.index(part, position)
            assert comes_out(result, (position, position + len(part))) or shot.fate == "dropped"
        last = result.source.rindex(parts[-1], *shot.span)
        assert comes_out(result, (last, last + len(parts[-1]))) or shot.fate == "dropped"
        if shot.fate == "dropped":
            assert not touched(result, shot.span)
            assert shot.compressed_tokens == 0


@property_test(150)
@given(worked=worked_exemplars(), options=OPTIONS)
def test_3_rationale_and_answer_are_whole_or_gone(compressor: Compressor, worked: Worked, options: Options) -> None:
    options = {**options, "compress_rationales": False}
    result = within_budget(compressor.compress, worked.text, options)
    assert len(result.shots) == len(worked.outputs)
    for shot, output in zip(result.shots, worked.outputs, strict=True):
        start = result.source.rindex(output, *shot.span)
        assert comes_out(result, (start, start + len(output))) or not touched(result, shot.span)


@property_test(80)
@given(
    # Words such as "only" come along beside the three.
    exemplars=st.lists(st.tuples(SENTENCE.filter(has_no_turn), st.sampled_from(LABELS)), min_size=2, max_size=12),
    rate=st.floats(0.05, 0.7),
    query=st.sampled_from(["", "Q: What is that?\nA:"]),
)
def test_3_no_label_is_lost_that_the_budget_carries(
    compressor: Compressor, exemplars: list[tuple[str, str]], rate: float, query: str
) -> None:
    shots = [Shot(question=text, answer=label) for text, label in exemplars]
    result = compressor.compress(Prompt("Sort them.", shots), query=query, keep_rate=rate, tokenizer=words)
    labels = {label for _, label in exemplars}
    # Markers, label, and three words of the shortest text of each label; words only weigh one.
    least = sum(2 + len(label.split()) + min(3, shortest_of(exemplars, label)) for label in labels)
    if result.protected_tokens + least <= result.budget:
        left = {exemplars[number][1] for number, shot in enumerate(result.shots) if shot.fate != "dropped"}
        assert left == labels


def shortest_of(exemplars: list[tuple[str, str]], label: str) -> int:
    return min(len(text.split()) for text, of_label in exemplars if of_label == label)


@property_test(150)
@given(
    exemplars=st.lists(
        st.tuples(EXACT_SENTENCE, st.one_of(st.just(""), SENTENCE), st.sampled_from(LABELS)), min_size=2, max_size=8
    ),
    budget=BUDGET,
    query=st.sampled_from(["", "Q: What is that?\nA:"]),
    counter=st.sampled_from([words, "gpt-4o"]),
)
def test_3_no_exemplar_stays_without_its_input(
    compressor: Compressor, exemplars: list[tuple[str, str, str]], budget: Options, query: str, counter: Any
) -> None:
    shots = [
        Shot(question=text, rationale=f"{reason}.", answer=label) if reason else Shot(question=text, answer=label)
        for text, reason, label in exemplars
    ]
    options = {**budget, "query": query, "tokenizer": counter}
    result = within_budget(compressor.compress, Prompt("Sort them.", shots), options)
    for (text, _, _), shot in zip(exemplars, result.shots, strict=True):
        if shot.fate != "dropped":
            start = result.source.index(text, shot.span[0])
            left = [result.source[max(a, start) : min(b, start + len(text))] for a, b in result.spans]
            assert count_words(" ".join(left)) >= min(3, count_words(text))


def count_words(text: str) -> int:
    return sum(any(map(str.isalnum, word)) for word in text.split())


@property_test(60)
@given(
    turns=st.lists(st.tuples(SENTENCE, SENTENCE, st.integers(0, 999)), min_size=1, max_size=4),
    role=st.sampled_from([None, "user", "system"]),
    options=OPTIONS,
)
def test_3_replies_of_exemplars_are_whole_or_gone(
    compressor: Compressor, turns: list[tuple[str, str, int]], role: str | None, options: Options
) -> None:
    """A reply is that of an exemplar by its final answer, or by its name, whatever role it is given."""
    messages: list[Message] = [{"role": "system", "content": "Solve it."}]
    for asked, reason, answer in turns:
        final = f"{reason}. The answer is {answer}." if role is None else f"{reason}, {answer}."
        example = [{"role": "user", "content": f"{asked}?"}, {"role": "assistant", "content": final}]
        named = [{**each, "name": f"example_{each['role']}", "role": role} for each in example]
        messages += example if role is None else named
    messages.append({"role": "user", "content": "What is it?"})
    options = {**options, "compress_rationales": False}
    left = within_budget(compressor.compress_messages, messages, options).messages
    assert left is not None
    assert (left[0], left[-1]) == (messages[0], messages[-1]) or options.keys() & {
        "compress_instructions",
        "compress_query",
    }
    rest = iter(messages[2:-1:2])
    assert all(reply in rest for reply in left[2:-1:2])


@property_test(60)
@given(given_prompt=plain_prompts(), rate=st.floats(0.01, 0.9), how=HOW)
def test_3_the_task_of_a_plain_prompt_comes_out(
    compressor: Compressor, given_prompt: Structured, rate: float, how: Options
) -> None:
    options = {**how, "compress_instructions": False, "compress_query": False, "keep_rate": rate}
    result = within_budget(compressor.compress, given_prompt.prompt, options)
    assert result.text.startswith(given_prompt.instructions)
    assert result.text.endswith(given_prompt.query)


@property_test(60)
@given(
    parts=st.lists(SENTENCE, min_size=2, max_size=4),
    marked=st.lists(
        st.sampled_from(["{name}", "{{ user.name }}", "https://a.example/b?c=1&d=2", "{price:.2f}", "${HOME_1}"]),
        min_size=1,
        max_size=3,
    ),
    options=OPTIONS,
)
def test_3_variables_and_links_come_out(
    compressor: Compressor, parts: list[str], marked: list[str], options: Options
) -> None:
    text = " ".join(f"{part} {marked[number % len(marked)]} and so on." for number, part in enumerate(parts))
    result = within_budget(compressor.compress, text, options)
    assert [part for part in text.split() if part in marked] == [part for part in result.text.split() if part in marked]


@property_test(100)
@given(text=ANY_TEXT, options=OPTIONS, data=st.data())
def test_3_what_the_user_names_comes_out(
    compressor: Compressor, text: str, options: Options, data: st.DataObject
) -> None:
    def part_of_text() -> Span:
        start = data.draw(st.integers(0, len(text) - 1))
        return start, data.draw(st.integers(start + 1, min(len(text), start + 30)))

    span, (first, last), (begin, end) = part_of_text(), part_of_text(), part_of_text()
    string, pattern = text[first:last], re.compile(re.escape(text[begin:end]))
    result = within_budget(compressor.compress, text, {**options, "protect": [span, string, pattern]})
    assert comes_out(result, span)
    assert comes_out(result, (text.index(string), text.index(string) + len(string)))
    assert all(comes_out(result, match.span()) for match in pattern.finditer(text))


# 3: JSON is valid and true.


@property_test(100)
@given(value=JSON, options=AUTO_OPTIONS, indent=st.sampled_from([None, 2]))
def test_3_json_stays_valid_and_true(compressor: Compressor, value: Any, options: Options, indent: int | None) -> None:
    source = json.dumps(value, indent=indent, ensure_ascii=False)
    assume(source[0] in "[{")
    result = within_budget(compressor.compress, source, options)
    assert_true(json.loads(result.text), value, result)


@property_test(60)
@given(text=json_texts(), options=AUTO_OPTIONS, around=SENTENCE)
# The first item of a list that stays with its key: the list and the key go together, and no mark is left of them.
@example(
    text=json.dumps({"the the the": [None, [[None] * 4, []]], "the the the the the": None}, indent=2),
    options={"keep_rate": 0.5, "tokenizer": quarters},
    around="Anna Paris river bought",
)
def test_3_json_in_a_text_stays_valid_and_true(
    compressor: Compressor, text: str, options: Options, around: str
) -> None:
    result = within_budget(compressor.compress, f"{around}:\n{text}\n{around}", options)
    value = json.loads(text)
    opening, closing = "[]" if isinstance(value, list) else "{}"
    rest = without_marks(result, but='"')
    if opening in rest:
        assert_true(json.loads(rest[rest.index(opening) : rest.rindex(closing) + 1]), value, result)


@property_test(40)
@given(text=json_lines(), options=AUTO_OPTIONS)
def test_3_json_lines_stay_valid_and_true(compressor: Compressor, text: str, options: Options) -> None:
    result = within_budget(compressor.compress, text, options)
    marks = {mark.text for mark in result.marks}
    left = [json.loads(line) for line in result.text.splitlines() if line.strip() and line not in marks]
    assert_true(left, [json.loads(line) for line in text.splitlines()], result)


@property_test(60)
@given(rows=records(), options=AUTO_OPTIONS)
def test_3_records_stay_alike(compressor: Compressor, rows: list[dict[str, Any]], options: Options) -> None:
    result = within_budget(compressor.compress, json.dumps({"rows": rows}), options)
    left = json.loads(result.text)
    members = {tuple(row) for row in left.get("rows", []) if isinstance(row, dict)}
    assert len(members) <= 1


# 4: messages stay valid.


@pytest.mark.parametrize("form", FORMATS)
@property_test(60)
@given(conversation=conversations(), keep=st.sets(st.integers(0, 9), max_size=2), options=OPTIONS)
def test_1_and_4_conversations_stay_valid_within_the_budget(
    compressor: Compressor, form: str, conversation: Conversation, keep: set[int], options: Options
) -> None:
    messages = FORMATS[form](conversation)
    assert_messages_hold(compressor, messages, {index for index in keep if index < len(messages)}, options)


@pytest.mark.parametrize("form", FORMATS)
@property_test(30)
@given(conversation=conversations(), options=OPTIONS)
def test_4_what_the_user_said_last_comes_out(
    compressor: Compressor, form: str, conversation: Conversation, options: Options
) -> None:
    messages = FORMATS[form](conversation)
    [*_, asked] = [
        message for message in messages if message.get("role") == "user" and "tool_use_id" not in str(message)
    ]
    result = within_budget(compressor.compress_messages, messages, {**options, "compress_query": False})
    assert result.messages is not None
    inner = parse_layout(conversation.turns[-1].asked)
    # An agent at work needs its task as a whole; a few-shot prompt is read as the prompt that it is.
    if conversation.turns[-1].steps and not inner.shots:
        assert asked in result.messages
    if inner.query:
        assert inner.text[slice(*inner.query)] in "\n".join(sent_texts(result.messages))


@property_test(40)
@given(context=st.one_of(MIXED, ANY_TEXT), options=OPTIONS)
def test_4_the_question_below_a_context_comes_out(compressor: Compressor, context: str, options: Options) -> None:
    question = "Question: When did the window of the archive break?"
    messages = [
        {"role": "system", "content": "Answer from the context."},
        {"role": "user", "content": f"Context:\n{context}\n\n{question}"},
    ]
    result = within_budget(compressor.compress_messages, messages, options)
    assert result.messages is not None
    assert result.messages[-1]["content"].endswith(question)


@property_test(30)
@given(conversation=conversations(), options=OPTIONS)
def test_4_results_of_tools_that_failed_stay(
    compressor: Compressor, conversation: Conversation, options: Options
) -> None:
    messages = conversation.in_anthropic()
    result = within_budget(compressor.compress_messages, messages, options)
    assert result.messages is not None
    assert all(message in result.messages for message in messages if "is_error" in str(message.get("content")))


# 5: determinism.


@property_test(30)
@given(prompts=st.lists(STRUCTURED | MIXED, min_size=1, max_size=3), how=HOW, rate=st.floats(0.01, 1))
def test_5_a_batch_gives_what_one_by_one_gives(
    compressor: Compressor, prompts: list[Structured | str], how: Options, rate: float
) -> None:
    sources = [each.prompt if isinstance(each, Structured) else each for each in prompts]
    options = {**how, "keep_rate": rate, "on_overflow": "best_effort"}
    together = compressor.compress_batch(sources, **options)
    apart = [compressor.compress(source, **options) for source in reversed(sources)]
    assert together == apart[::-1]


@property_test(40)
@given(prompt=STRUCTURED | MIXED, how=HOW, budgets=st.lists(BUDGET, min_size=2, max_size=3))
def test_5_deciding_again_gives_what_compressing_again_gives(
    compressor: Compressor, prompt: Structured | str, how: Options, budgets: list[Options]
) -> None:
    source = prompt.prompt if isinstance(prompt, Structured) else prompt
    first, *others = [{**how, **budget, "on_overflow": "best_effort"} for budget in budgets]
    result = compressor.compress(source, **first)
    for budget, options in zip(budgets[1:], others, strict=True):
        result = result.at(**budget)
        assert result == compressor.compress(source, **options)
    assert result.at(**budgets[0]) == compressor.compress(source, **first)


@property_test(20)
@given(conversation=conversations(), how=HOW, budgets=st.tuples(BUDGET, BUDGET))
def test_5_deciding_again_gives_the_same_messages(
    compressor: Compressor, conversation: Conversation, how: Options, budgets: tuple[Options, Options]
) -> None:
    messages = conversation.in_chat()
    first, second = [{**how, **budget, "on_overflow": "best_effort"} for budget in budgets]
    again = compressor.compress_messages(messages, **first).at(**budgets[1])
    assert again == compressor.compress_messages(messages, **second)


# 6: idle when not needed, and never empty.


@property_test(60)
@given(text=ANY_TEXT, how=HOW, room=st.integers(0, 5))
def test_6_a_text_within_the_budget_comes_back_byte_for_byte(
    compressor: Compressor, text: str, how: Options, room: int
) -> None:
    tokens = get_counter(how["tokenizer"]).count(text)
    result = compressor.compress(text, **how, target_tokens=tokens + room or 1)
    assert result.text == text
    assert result.compressed_tokens == result.original_tokens == tokens
    assert not result.marks


@property_test(40)
@given(text=ANY_TEXT, how=HOW, rate=st.floats(0.01, 1))
def test_6_a_text_of_50_tokens_is_not_shortened_by_a_rate(
    compressor: Compressor, text: str, how: Options, rate: float
) -> None:
    counter = get_counter(how["tokenizer"])
    text = text[:50]
    assume(counter.count(text) <= 50)
    result = compressor.compress(text, **how, keep_rate=rate)
    assert (result.text, result.budget) == (text, result.original_tokens)


@property_test(40)
@given(given_prompt=STRUCTURED, how=HOW)
def test_6_the_whole_rate_changes_nothing(compressor: Compressor, given_prompt: Structured, how: Options) -> None:
    assume(how["tokenizer"] is not silly)
    result = compressor.compress(given_prompt.prompt, **how, keep_rate=1.0)
    assert result.text == result.source


@property_test(30)
@given(conversation=conversations(), how=HOW, form=st.sampled_from(list(FORMATS)))
def test_6_messages_within_the_budget_come_back_as_they_are(
    compressor: Compressor, conversation: Conversation, how: Options, form: str
) -> None:
    messages = FORMATS[form](conversation)
    tokens = sum(map(get_counter(how["tokenizer"]).count, sent_texts(messages)))
    assert compressor.compress_messages(messages, **how, target_tokens=tokens or 1).messages == messages


@property_test(100)
@given(text=st.one_of(ANY_TEXT, MIXED), options=OPTIONS)
def test_6_an_output_is_never_empty(compressor: Compressor, text: str, options: Options) -> None:
    result = compressor.compress(text, **options, on_overflow="best_effort")
    assert result.text.strip() or not text.strip()


# Texts of one unit each, if no unit were split: each kind that might go whole though the budget has room.
_NUMBER = st.integers(0, 99_999)
_FULL: dict[str, st.SearchStrategy[str]] = {
    **{kind: make() for kind, make in LINE_REGIONS.items()},
    "sql": st.lists(st.integers(1, 99), min_size=5, max_size=11).map(
        lambda ids: "SELECT name\nFROM piers\nWHERE " + "\n  AND ".join(f"pier_{each} > {each}" for each in ids) + ";"
    ),
    "list": st.lists(_NUMBER, min_size=30, max_size=80).map(json.dumps),
    "strings": st.lists(_NUMBER.map("crane {}".format), min_size=20, max_size=50).map(json.dumps),
    "columns": st.lists(_NUMBER, min_size=20, max_size=50).map(
        lambda found: json.dumps({"at": found, "is": [f"crane {each}" for each in found]})
    ),
    "map": st.lists(_NUMBER, min_size=20, max_size=50, unique=True).map(
        lambda found: json.dumps({f"crane {each}": {"load": each, "on": True} for each in found})
    ),
    "in a string": st.lists(_NUMBER, min_size=20, max_size=50).map(
        lambda found: json.dumps({"status": 200, "body": json.dumps([{"id": each, "on": True} for each in found])})
    ),
    "prose": st.lists(SENTENCE.map("{}.".format), min_size=12, max_size=20).map(" ".join),
}


@pytest.mark.parametrize("kind", _FULL)
@property_test(12)
@given(data=st.data(), rate=st.floats(0.5, 0.95), is_fenced=st.booleans())
def test_6_half_of_a_budget_is_used(
    compressor: Compressor, kind: str, data: st.DataObject, rate: float, is_fenced: bool
) -> None:
    text = data.draw(_FULL[kind])
    text = f"```\n{text}\n```" if is_fenced and kind not in ("fence", "prose") else text
    result = compressor.compress(text, keep_rate=rate)
    assert 2 * result.compressed_tokens >= result.budget


@property_test(40)
@given(text=MIXED, options=AUTO_OPTIONS)
def test_line_ends_stay_those_of_the_text(compressor: Compressor, text: str, options: Options) -> None:
    text = text.replace("\r", "").replace("\n", "\r\n")
    result = compressor.compress(text, **options, on_overflow="best_effort")
    assert "\n" not in result.text.replace("\r\n", "")
