import copy
import json
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    FewShotPromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
    load_prompt,
)
from langchain_core.prompts.string import get_template_variables

from diffumask_core import BudgetError, Compressor, InputError
from diffumask_integrations.langchain import DiffuMaskExampleSelector, compress_template

TEXT = (
    "You are a helpful clerk at the ticket office of the ferry, and you always answer in a friendly and patient way, "
    "whatever it is that people ask you, since many of them have never been on a ferry before in their whole life."
)
EXAMPLES = [
    {
        "id": number,
        "question": f"I would like to bring {number} bicycles along with me, is that possible at all?",
        "answer": f"That is possible, since each of them needs a ticket of its own. The answer is {number} tickets.",
    }
    for number in range(1, 7)
]
EXAMPLE_PROMPT = PromptTemplate.from_template("Q: {question}\nA: {answer}")
CHAT_EXAMPLE_PROMPT = ChatPromptTemplate.from_messages([("human", "{question}"), ("ai", "{answer}")])


def words(text: str) -> int:
    return len(text.split())


def reload(prompt: Any) -> Any:
    allowed = {"allowed_objects": "core"} if "allowed_objects" in signature(loads).parameters else {}
    return loads(dumps(prompt), **allowed)


# Text templates.

_TAGS = {
    "f-string": [
        "{name}",
        "{price:.2f}",
        "{day!r: >10}",
        '{{"day": {day}, "seats": 3}}',
        "{{name}}",
        "({name})",
        '{{"all": {{"of": {{"it": 1}}, "and": 2}}}}',
    ],
    "mustache": [
        "{{name}}",
        "{{{ price }}}",
        "{{& day}}",
        "{{#seats}}one of the seats {{.}}, and so on{{/seats}}",
        '{"day":{{day}}}',
        "{{! a comment on this }}",
        "{foo{{name}}",
    ],
    "jinja2": [
        "{{ name }}",
        '{{ price | default("none } at {{all}}") }}',
        "{% if day %}on that very day of the week{% else %}on any other day{%- endif %}",
        "{% for seat in seats %}one seat {{ seat }} more {% endfor %}",
        "{# a comment, isn't it? #}",
        "{% raw %}{{ as it is }}{% endraw %}",
        '{"day":{{ day }}}',
    ],
}
_VALUES = {"name": "Ada", "price": 3.5, "day": "Monday", "seats": ["A1", "B2"]}


@settings(max_examples=60, deadline=None)
@given(data=st.data(), template_format=st.sampled_from(sorted(_TAGS)), keep_rate=st.sampled_from([0.1, 0.5]))
def test_variables_and_syntax_stay(
    compressor: Compressor, data: st.DataObject, template_format: Any, keep_rate: float
) -> None:
    pieces = st.one_of(st.sampled_from(TEXT.split()), st.sampled_from(_TAGS[template_format]))
    template = " ".join(data.draw(st.lists(pieces, min_size=1, max_size=40)))
    prompt = PromptTemplate.from_template(template, template_format=template_format)
    result = compress_template(prompt, compressor=compressor, keep_rate=keep_rate)
    assert type(result) is PromptTemplate
    assert result.template_format == template_format
    assert result.input_variables == prompt.input_variables == get_template_variables(result.template, template_format)
    values = {name: _VALUES[name] for name in prompt.input_variables}
    # Every value that was shown is shown, and what is left comes in the same order.
    left = iter(prompt.format(**values))
    assert all(character in left for character in "".join(result.format(**values).split()))


@pytest.mark.parametrize(("template_format", "tag"), [(name, tag) for name, tags in _TAGS.items() for tag in tags])
def test_each_kind_of_syntax(compressor: Compressor, template_format: Any, tag: str) -> None:
    prompt = PromptTemplate.from_template(f"{TEXT} {tag} {TEXT}", template_format=template_format)
    result = compress_template(prompt, compressor=compressor, keep_rate=0.1)
    assert len(result.template) < len(prompt.template) / 2
    values = {name: _VALUES[name] for name in prompt.input_variables}
    shown = PromptTemplate.from_template(tag, template_format=template_format).format(**values)
    if "%" not in tag and "#" not in tag:
        assert tag in result.template
        assert shown.strip() in result.format(**values)


def test_after_a_change_of_delimiters_all_stays(compressor: Compressor) -> None:
    prompt = PromptTemplate.from_template(TEXT + " {{=<% %>=}} " + TEXT + " <% name %>", template_format="mustache")
    result = compress_template(prompt, compressor=compressor, keep_rate=0.1)
    assert result.template.endswith("{{=<% %>=}} " + TEXT + " <% name %>")
    assert len(result.template) < len(prompt.template)


def test_the_rest_of_a_template_is_as_it_was(compressor: Compressor) -> None:
    prompt = PromptTemplate.from_template(
        TEXT + " {name} {day}", partial_variables={"day": "Monday"}, metadata={"by": "Ada"}, tags=["ferry"]
    )
    before = prompt.model_copy(deep=True)
    result = compress_template(prompt, compressor=compressor, keep_rate=0.3)
    assert prompt == before
    assert result.model_copy(update={"template": prompt.template}) == prompt
    assert result.format(name="Ada").endswith("Ada Monday")


def test_within_the_budget(compressor: Compressor) -> None:
    prompt = PromptTemplate.from_template(TEXT + " {name}")
    result = compress_template(prompt, compressor=compressor, target_tokens=12, tokenizer=words, protect=["patient"])
    assert words(result.template) <= 12
    assert "patient" in result.template
    with pytest.raises(BudgetError):
        compress_template(prompt, compressor=compressor, target_tokens=1, tokenizer=words, protect=[TEXT])


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainDeprecationWarning")
@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_a_text_template_is_saved_and_loaded(compressor: Compressor, tmp_path: Path) -> None:
    result = compress_template(PromptTemplate.from_template(TEXT + " {name}"), compressor=compressor, keep_rate=0.3)
    result.save(tmp_path / "prompt.json")
    assert load_prompt(tmp_path / "prompt.json") == result
    assert reload(result) == result


# Few-shot templates.


@pytest.fixture
def few_shot() -> FewShotPromptTemplate:
    return FewShotPromptTemplate(
        examples=EXAMPLES,
        example_prompt=EXAMPLE_PROMPT,
        prefix="You sell tickets for {ferry}.",
        suffix="Q: {question}\nA:",
    )


def assert_left_of(examples: list[dict[str, Any]], originals: list[dict[str, Any]]) -> None:
    """Each is an original example, in order, with the same keys and no more than its words."""
    by_id = {each["id"]: each for each in originals}
    assert [each["id"] for each in examples] == [id_ for id_ in by_id if id_ in {each["id"] for each in examples}]
    for example in examples:
        original = by_id[example["id"]]
        assert example.keys() == original.keys()
        for name in ("question", "answer"):
            left = iter(original[name])
            assert example[name].strip()
            assert all(character in left for character in example[name].replace(" ", ""))
        assert example["answer"] == original["answer"]


def test_few_shot(compressor: Compressor, few_shot: FewShotPromptTemplate) -> None:
    before = copy.deepcopy(few_shot)
    result = compress_template(few_shot, compressor=compressor, target_tokens=60, tokenizer=words)
    assert few_shot == before
    assert type(result) is FewShotPromptTemplate
    assert (result.prefix, result.suffix) == (few_shot.prefix, few_shot.suffix)
    assert result.input_variables == few_shot.input_variables
    assert result.examples
    assert len(result.examples) < len(EXAMPLES)
    assert_left_of(result.examples, EXAMPLES)
    text = result.format(ferry="the Swan", question="Two dogs?")
    assert text.startswith("You sell tickets for the Swan.\n\nQ: ")
    assert text.endswith("\n\nQ: Two dogs?\nA:")


def test_replies_of_examples_can_be_opted_in(compressor: Compressor, few_shot: FewShotPromptTemplate) -> None:
    few_shot.examples = [{"id": 1, "question": "Two dogs?", "answer": TEXT}, *EXAMPLES]
    options: dict[str, Any] = {"compressor": compressor, "keep_rate": 0.5, "shot_level": False}
    whole, shorter = (
        compress_template(few_shot, compress_rationales=given, **options).examples for given in (False, True)
    )
    assert whole
    assert shorter
    assert whole[0]["answer"] == TEXT
    assert len(shorter[0]["answer"]) < len(TEXT)


def test_few_shot_with_instructions_that_may_go(compressor: Compressor, few_shot: FewShotPromptTemplate) -> None:
    few_shot.prefix = TEXT + " You sell tickets for {ferry}."
    result = compress_template(few_shot, compressor=compressor, keep_rate=0.3, compress_instructions=True)
    assert "{ferry}" in result.prefix
    assert len(result.prefix) < len(few_shot.prefix)
    assert result.suffix == few_shot.suffix


def test_labels_of_examples_stay(compressor: Compressor) -> None:
    examples = [{"text": TEXT, "label": label} for label in ("ticket office", "lost and found", "ticket office")]
    prompt = FewShotPromptTemplate(
        examples=examples, example_prompt=PromptTemplate.from_template("{text}\n{label}"), suffix="{text}\n"
    )
    result = compress_template(prompt, compressor=compressor, keep_rate=0.5)
    assert result.examples
    assert {each["label"] for each in result.examples} <= {"ticket office", "lost and found"}
    assert all(len(each["text"]) < len(TEXT) for each in result.examples)


def test_escaped_braces_in_examples_stay_valid(compressor: Compressor, few_shot: FewShotPromptTemplate) -> None:
    answer = '{{"tickets": {number}, "comment": "as many as there are bicycles, of course"}}'
    few_shot.examples = [{**each, "answer": answer.replace("{number}", str(each["id"]))} for each in EXAMPLES]
    result = compress_template(few_shot, compressor=compressor, keep_rate=0.3)
    text = result.format(ferry="the Swan", question="Two dogs?")
    replies = [line.removeprefix("A: ") for line in text.splitlines() if line.startswith("A: ")]
    assert replies
    assert all(json.loads(reply)["tickets"] for reply in replies)


def test_values_that_are_no_text_stay(compressor: Compressor) -> None:
    examples = [{"number": number, "question": TEXT} for number in range(3)] + [{"number": 3, "question": ""}]
    prompt = FewShotPromptTemplate(
        examples=examples, example_prompt=PromptTemplate.from_template("{number}. {question}"), suffix="{number}."
    )
    result = compress_template(prompt, compressor=compressor, keep_rate=0.5)
    assert result.examples
    assert result.examples[-1] == examples[-1]
    assert sum(len(each["question"]) for each in result.examples) < 3 * len(TEXT)


def test_examples_of_a_selector_are_not_known_yet(compressor: Compressor, few_shot: FewShotPromptTemplate) -> None:
    selector = DiffuMaskExampleSelector(compressor=compressor, examples=EXAMPLES, max_examples=2)
    prompt = FewShotPromptTemplate(
        example_selector=selector, example_prompt=EXAMPLE_PROMPT, prefix=TEXT, suffix="Q: {question}\nA:"
    )
    result = compress_template(prompt, compressor=compressor, keep_rate=0.3, compress_instructions=True)
    assert result.example_selector is selector
    assert result.examples is None
    assert len(result.prefix) < len(TEXT)


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainDeprecationWarning")
def test_a_few_shot_template_is_saved_and_loaded(
    compressor: Compressor, few_shot: FewShotPromptTemplate, tmp_path: Path
) -> None:
    result = compress_template(few_shot, compressor=compressor, keep_rate=0.4)
    result.save(tmp_path / "prompt.json")
    assert json.loads((tmp_path / "prompt.json").read_text())["examples"] == result.examples
    assert load_prompt(tmp_path / "prompt.json") == result


def test_few_shot_chat(compressor: Compressor) -> None:
    prompt = FewShotChatMessagePromptTemplate(examples=EXAMPLES, example_prompt=CHAT_EXAMPLE_PROMPT)
    result = compress_template(prompt, compressor=compressor, target_tokens=40, tokenizer=words)
    assert type(result) is FewShotChatMessagePromptTemplate
    assert result.examples
    assert len(result.examples) < len(EXAMPLES)
    assert_left_of(result.examples, EXAMPLES)
    assert [message.type for message in result.format_messages()] == ["human", "ai"] * len(result.examples)


# Chat templates.


@pytest.fixture
def chat() -> ChatPromptTemplate:
    return ChatPromptTemplate.from_messages(
        [
            ("system", TEXT + " The ferry is {ferry}."),
            FewShotChatMessagePromptTemplate(examples=EXAMPLES, example_prompt=CHAT_EXAMPLE_PROMPT),
            HumanMessage("And what about dogs, are they allowed on board of the ferry?", id="dogs"),
            AIMessage("They are, as long as they are kept on a leash all the time.", id="leash"),
            MessagesPlaceholder("history"),
            ("human", "{question}"),
        ]
    )


def test_chat(compressor: Compressor, chat: ChatPromptTemplate) -> None:
    before = repr(chat)
    result = compress_template(chat, compressor=compressor, keep_rate=0.3)
    assert repr(chat) == before
    assert type(result) is ChatPromptTemplate
    assert result.input_variables == chat.input_variables
    assert result.messages[0] == chat.messages[0]
    assert result.messages[-2:] == chat.messages[-2:]
    few_shot = result.messages[1]
    assert isinstance(few_shot, FewShotChatMessagePromptTemplate)
    assert few_shot.examples
    assert_left_of(few_shot.examples, EXAMPLES)
    values = {"ferry": "the Swan", "history": [("human", "Hi"), ("ai", "Hello")], "question": "Two dogs?"}
    messages = result.invoke(values).to_messages()
    assert [message.content for message in messages[-3:]] == ["Hi", "Hello", "Two dogs?"]
    assert sum(len(message.content) for message in messages) < sum(
        len(message.content) for message in chat.invoke(values).to_messages()
    )


def test_chat_with_everything_that_may_go(compressor: Compressor, chat: ChatPromptTemplate) -> None:
    result = compress_template(
        chat, compressor=compressor, target_tokens=20, tokenizer=words, compress_instructions=True
    )
    system, few_shot, *_, placeholder, human = result.messages
    assert len(system.prompt.template) < len(TEXT)
    assert "{ferry}" in system.prompt.template
    assert few_shot.examples is not None
    assert placeholder == chat.messages[-2]
    assert human == chat.messages[-1]
    assert result.input_variables == chat.input_variables


def test_chat_with_text_and_image_templates(compressor: Compressor) -> None:
    image = HumanMessagePromptTemplate.from_template([{"image_url": {"url": "{image}"}}])
    both = HumanMessagePromptTemplate.from_template([TEXT, {"image_url": {"url": "{image}"}}])
    texts = HumanMessagePromptTemplate.from_template([TEXT, TEXT])
    chat = ChatPromptTemplate.from_messages(
        [image, ("ai", TEXT), both, ("ai", TEXT), texts, ("ai", TEXT), ("human", "{question}")]
    )
    result = compress_template(chat, compressor=compressor, keep_rate=0.4)
    assert result.input_variables == chat.input_variables
    assert image in result.messages
    assert both in result.messages
    values = {"image": "https://example.org/a.png", "question": "What is it?"}
    assert str(result.format_messages(**values)).count("a.png") == 2
    assert len(result.format(**values)) < len(chat.format(**values))


def test_templates_of_several_formats_in_one_chat(compressor: Compressor) -> None:
    chat = ChatPromptTemplate.from_messages(
        [
            ("ai", TEXT + " {name}"),
            HumanMessagePromptTemplate.from_template(TEXT + " {{ name }} {single}", template_format="jinja2"),
            ("ai", TEXT + ' {{"literal": {name}}}'),
            ("human", "{question}"),
        ]
    )
    result = compress_template(chat, compressor=compressor, keep_rate=0.2)
    text = result.format(name="Ada", question="Who?")
    assert text.count("Ada") == 3
    assert "{single}" in text
    assert '{"literal": Ada}' in text


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_a_chat_template_is_dumped_and_loaded(compressor: Compressor) -> None:
    chat = ChatPromptTemplate.from_messages([("system", "Be brief."), ("ai", TEXT), ("human", "{question}")])
    result = compress_template(chat, compressor=compressor, keep_rate=0.3)
    assert reload(result) == result != chat


# Bad input.


@pytest.mark.parametrize("prompt", [TEXT, None, MessagesPlaceholder("history")])
def test_another_class(compressor: Compressor, prompt: Any) -> None:
    with pytest.raises(InputError, match="ChatPromptTemplate"):
        compress_template(prompt, compressor=compressor, keep_rate=0.5)


def test_no_text_and_no_budget(compressor: Compressor) -> None:
    with pytest.raises(InputError, match="no text"):
        compress_template(ChatPromptTemplate([MessagesPlaceholder("all")]), compressor=compressor, keep_rate=0.5)
    with pytest.raises(InputError, match="neither"):
        compress_template(PromptTemplate.from_template(TEXT), compressor=compressor)


# Templates that go by lines.

_YAML = "service:\n" + "\n".join(
    f"  worker_{n}:\n    image: registry/worker:{n}.2\n    replicas: {n}\n    owner: {'OWNER' if n == 5 else 'nobody'}"
    for n in range(9)
)
_CODE = "\n".join(
    [
        "```python",
        *(f"def f{n}(a):\n    x = a + {n}\n    return x * {'OWNER' if n == 3 else n}\n" for n in range(8)),
        "```",
    ]
)
_LOG = "\n".join(f"2026-03-01 10:{n:02}:00 INFO job {n} of {'OWNER' if n == 7 else 'nobody'} done" for n in range(20))
_ROWS = "| name | size |\n|---|---|\n" + "\n".join(f"| {'OWNER' if n == 4 else 'x'} | {n} |" for n in range(30))


@pytest.mark.parametrize("template_format", ["f-string", "mustache", "jinja2"])
@pytest.mark.parametrize("block", [_YAML, _CODE, _LOG, _ROWS], ids=["yaml", "code", "log", "table"])
def test_variables_in_lines_stay_with_their_lines(compressor: Compressor, template_format: Any, block: str) -> None:
    variable = "{owner}" if template_format == "f-string" else "{{ owner }}"
    question = "{question}" if template_format == "f-string" else "{{ question }}"
    template = f"Read this and say what is wrong.\n\n{block.replace('OWNER', variable)}\n\nQuestion: {question}"
    prompt = PromptTemplate.from_template(template, template_format=template_format)
    result = compress_template(prompt, compressor=compressor, keep_rate=0.3)
    lines = result.template.splitlines()
    assert result.input_variables == prompt.input_variables == get_template_variables(result.template, template_format)
    assert {line for line in lines if "left out]" not in line} < set(template.splitlines())
    assert any("left out]" in line for line in lines)
    assert (lines[0], lines[-1]) == ("Read this and say what is wrong.", f"Question: {question}")
    shown = result.format(owner="Ada", question="Why?")
    assert shown.count("Ada") == 1
    assert shown.endswith("Question: Why?")


def test_a_loop_around_lines_stays(compressor: Compressor) -> None:
    loop = "{% for seat in seats %}\n2026-03-01 11:00:00 INFO seat {{ seat }} is free\n{% endfor %}"
    template = f"Explain.\n\n{_LOG}\n{loop}\n\nWhy?"
    prompt = PromptTemplate.from_template(template, template_format="jinja2")
    result = compress_template(prompt, compressor=compressor, keep_rate=0.3)
    assert len(result.template) < len(template)
    assert result.format(seats=["A1", "B2"]).count("is free") == 2


def test_json_of_a_template_keeps_its_variables(compressor: Compressor) -> None:
    rows = json.dumps([{"id": n, "name": "{{name}}" if n == 4 else f"n{n}"} for n in range(10)])
    prompt = PromptTemplate.from_template(f"Pick one.\n\n{TEXT * 3}\n\n{rows}\n\nWhich?", template_format="mustache")
    result = compress_template(prompt, compressor=compressor, keep_rate=0.3)
    assert len(result.template) < len(prompt.template)
    assert result.input_variables == ["name"]
    (shown,) = [line for line in result.format(name="Ada").splitlines() if line.startswith("[")]
    assert "Ada" in str(json.loads(shown))


def test_json_replies_of_examples_stay_whole(compressor: Compressor) -> None:
    examples = [
        {
            "question": TEXT,
            "answer": json.dumps({"late": True, "broken": True, "euros": number, "tone": "angry", "n": 1}),
        }
        for number in range(4)
    ]
    prompt = FewShotChatMessagePromptTemplate(examples=examples, example_prompt=CHAT_EXAMPLE_PROMPT)
    result = compress_template(prompt, compressor=compressor, keep_rate=0.4)
    assert result.examples
    replies = [each["answer"] for each in examples]
    assert all(each["answer"] in replies for each in result.examples)
    assert sum(len(each["question"]) for each in result.examples) < sum(len(each["question"]) for each in examples)
