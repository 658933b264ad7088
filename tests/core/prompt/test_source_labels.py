"""A label stays with its text: neither without the other."""

import re

import pytest
from stopwatch import at_most

from diffumask_core import Compressor
from diffumask_core.prompt.parse import parse_layout
from diffumask_core.prompt.source_labels import label_rules

TEXT = """Use the notes below.

[boats.md] The ferry leaves at noon from the south pier and takes forty cars on each of its trips.
[bread.md] The baker opens at six, rests on Mondays and keeps rye loaves for the members of the club.
[coal.txt] Coal comes by barge in the autumn and is stored in the shed behind the brewery until spring.
"""


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("text", [TEXT, TEXT.replace("] ", "]\n").replace(".\n[", ".\n\n[")])
def test_a_label_stays_with_its_text_alone(compressor: Compressor, text: str, rate: float) -> None:
    result = compressor.compress(text, keep_rate=rate, tokenizer=len)
    kept = [any(start <= at < end for start, end in result.spans) for at in range(len(text))]
    labels = [match.span() for match in re.finditer(r"\[\w+\.\w+\]", text)]
    ends = [*(start for start, _ in labels[1:]), len(text)]
    for (start, end), stop in zip(labels, ends, strict=True):
        has_text = any(kept[at] for at in range(end, stop) if text[at].isalnum())
        assert all(kept[start:end]) is has_text
        assert any(kept[start:end]) is has_text


def test_time_is_linear_in_labels_and_shots() -> None:
    layout = parse_layout("Q: what?\nA: b\n\n[a.md]\nx\n\n" * 10_000)
    assert len(layout.shots) == 10_000
    with at_most(1):
        assert len(list(label_rules(layout))) == 10_000
