import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    FewShotPromptTemplate,
    PromptTemplate,
)

from diffumask_core import Compressor
from diffumask_integrations.langchain import DiffuMaskExampleSelector

EXAMPLES = [
    {"review": "The soup was cold and the waiter was rude to us.", "label": "negative", "id": 1},
    {"review": "A lovely evening, with the best fish in town.", "label": "positive", "id": 2},
    {"review": "They open at noon and close at ten.", "label": "neutral", "id": 3},
    {"review": "We waited for an hour, and then the fish was burnt.", "label": "negative", "id": 4},
    {"review": "The cook came out to ask whether we liked the soup; we did!", "label": "positive", "id": 5},
]
INPUT = {"review": "The fish was cold."}
EXAMPLE_PROMPT = PromptTemplate.from_template("Review: {review}\nLabel: {label}")


def words(text: str) -> int:
    return len(text.split())


@settings(max_examples=25, deadline=None)
@given(examples=st.lists(st.sampled_from(EXAMPLES)), max_examples=st.integers(1, 6))
def test_a_number_of_examples(compressor: Compressor, examples: list[dict[str, Any]], max_examples: int) -> None:
    selector = DiffuMaskExampleSelector(compressor=compressor, examples=examples, max_examples=max_examples)
    selected = selector.select_examples(INPUT)
    assert len(selected) == min(len(examples), max_examples)
    left = iter(examples)
    assert all(each in left for each in selected)


@settings(max_examples=25, deadline=None)
@given(examples=st.lists(st.sampled_from(EXAMPLES)), target_tokens=st.integers(1, 80))
def test_a_token_budget(compressor: Compressor, examples: list[dict[str, Any]], target_tokens: int) -> None:
    selector = DiffuMaskExampleSelector(
        compressor=compressor,
        examples=examples,
        example_prompt=EXAMPLE_PROMPT,
        target_tokens=target_tokens,
        tokenizer=words,
    )
    selected = selector.select_examples(INPUT)
    texts = [EXAMPLE_PROMPT.format(**each) for each in selected]
    assert sum(map(words, texts)) <= target_tokens
    left = iter(examples)
    assert all(each in left for each in selected)
    if examples and not selected:
        assert target_tokens < max(words(EXAMPLE_PROMPT.format(**each)) for each in examples)


def test_a_share_of_the_tokens(compressor: Compressor) -> None:
    half = DiffuMaskExampleSelector(compressor=compressor, examples=EXAMPLES, keep_rate=0.5)
    assert 0 < len(half.select_examples(INPUT)) < len(EXAMPLES)


def test_without_a_log_that_nothing_needs(compressor: Compressor, caplog: pytest.LogCaptureFixture) -> None:
    DiffuMaskExampleSelector(compressor=compressor, examples=EXAMPLES, max_examples=2).select_examples(INPUT)
    assert not caplog.records


def test_added_examples_are_selected_from(compressor: Compressor) -> None:
    given_examples = EXAMPLES[:1]
    selector = DiffuMaskExampleSelector(compressor=compressor, examples=given_examples, max_examples=3)
    selector.add_example(EXAMPLES[1])
    asyncio.run(selector.aadd_example(EXAMPLES[2]))
    assert selector.select_examples(INPUT) == EXAMPLES[:3]
    assert asyncio.run(selector.aselect_examples(INPUT)) == EXAMPLES[:3]
    assert given_examples == EXAMPLES[:1]
    assert DiffuMaskExampleSelector(compressor=compressor, examples=[]).select_examples(INPUT) == []


@pytest.mark.parametrize("example_prompt", [None, EXAMPLE_PROMPT])
@pytest.mark.parametrize("budget", [{"max_examples": 3}, {"keep_rate": 0.6}])
def test_an_example_of_each_label(compressor: Compressor, example_prompt: Any, budget: dict[str, Any]) -> None:
    labels = ["good", "good", "bad", "good", "mixed", "bad", "good"]
    examples = [
        {"review": f"The soup of table {number} was served late.", "label": label}
        for number, label in enumerate(labels)
    ]
    selector = DiffuMaskExampleSelector(
        compressor=compressor, examples=examples, example_prompt=example_prompt, **budget
    )
    assert {each["label"] for each in selector.select_examples(INPUT)} == set(labels)


def test_an_input_without_variables(compressor: Compressor) -> None:
    selector = DiffuMaskExampleSelector(compressor=compressor, examples=EXAMPLES, max_examples=2)
    assert len(selector.select_examples({})) == 2


def test_examples_that_hold_what_is_protected_are_not_more(compressor: Compressor) -> None:
    examples = [{"review": f"Acme {number}, see https://example.org/{number}.", "label": "ad"} for number in range(6)]
    selector = DiffuMaskExampleSelector(compressor=compressor, examples=examples, max_examples=2, protect=["Acme"])
    assert len(selector.select_examples(INPUT)) == 2


def test_the_variables_that_count(compressor: Compressor) -> None:
    some = DiffuMaskExampleSelector(compressor=compressor, examples=EXAMPLES, max_examples=2, input_keys=["review"])
    every = DiffuMaskExampleSelector(compressor=compressor, examples=EXAMPLES, max_examples=2)
    assert some.select_examples({**INPUT, "tone": "polite " * 99}) == every.select_examples(INPUT)


def test_examples_stay_whole(compressor: Compressor) -> None:
    with pytest.raises(ValueError, match="token_level"):
        DiffuMaskExampleSelector(compressor=compressor, examples=EXAMPLES, token_level=True)
    with pytest.raises(ValueError, match="max_examples"):
        DiffuMaskExampleSelector(compressor=compressor, examples=EXAMPLES, max_examples=0)


def test_in_a_few_shot_prompt(compressor: Compressor) -> None:
    selector = DiffuMaskExampleSelector(
        compressor=compressor, examples=EXAMPLES, example_prompt=EXAMPLE_PROMPT, max_examples=2
    )
    prompt = FewShotPromptTemplate(
        example_selector=selector, example_prompt=EXAMPLE_PROMPT, suffix="Review: {review}\nLabel:"
    )
    selected = [EXAMPLE_PROMPT.format(**each) for each in selector.select_examples(INPUT)]
    expected = "\n\n".join([*selected, "Review: The fish was cold.\nLabel:"])
    assert prompt.invoke(INPUT).to_string() == expected
    assert asyncio.run(prompt.ainvoke(INPUT)).to_string() == expected


def test_in_a_few_shot_chat_prompt(compressor: Compressor) -> None:
    example_prompt = ChatPromptTemplate.from_messages([("human", "{review}"), ("ai", "{label}")])
    selector = DiffuMaskExampleSelector(
        compressor=compressor, examples=EXAMPLES, example_prompt=example_prompt, max_examples=2
    )
    few_shot = FewShotChatMessagePromptTemplate(
        input_variables=["review"], example_selector=selector, example_prompt=example_prompt
    )
    prompt = ChatPromptTemplate.from_messages([("system", "Label the review."), few_shot, ("human", "{review}")])
    first, second = selector.select_examples(INPUT)
    expected = ["Label the review.", first["review"], first["label"], second["review"], second["label"]]
    expected.append("The fish was cold.")
    assert [message.content for message in prompt.invoke(INPUT).to_messages()] == expected
    assert [message.content for message in asyncio.run(prompt.ainvoke(INPUT)).to_messages()] == expected


def test_few_short_examples_are_ranked_too(compressor: Compressor) -> None:
    examples = [{"q": word, "a": "yes"} for word in ("boat", "pier", "soup")]
    selector = DiffuMaskExampleSelector(compressor=compressor, examples=examples, max_examples=1)
    (selected,) = selector.select_examples({"q": "fish"})
    assert selected in examples
