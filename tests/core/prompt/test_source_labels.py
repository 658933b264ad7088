"""A label stays with its text: neither without the other."""

import re

import pytest

from diffumask_core import Compressor

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
