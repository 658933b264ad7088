"""The prompts that are compressed."""

import pytest

from diffumask_core.bench.prompts import Case, few_shot_prompt
from diffumask_core.prompt.parse import parse_layout


@pytest.mark.parametrize("query", [True, False])
def test_prompts_have_the_structure_that_they_are_to_have(query: bool) -> None:
    text = few_shot_prompt(6, query=query)
    layout = parse_layout(text)
    assert len(layout.shots) == 6
    assert all(shot.answer for shot in layout.shots)
    assert (layout.query is not None) == query


def test_no_two_rounds_share_a_paragraph() -> None:
    case = Case("three", shots=4, prompts=3)
    rounds = [case.texts(number) for number in range(3)]
    paragraphs = [paragraph for texts in rounds for text in texts for paragraph in text.split("\n\n")]
    assert [len(texts) for texts in rounds] == [3, 3, 3]
    assert len(set(paragraphs)) == len(paragraphs) == 9 * 5
