"""What a calibrated keep rate holds on queries that it was not found with, read by the nearest exemplars.

    python scripts/calibration.py DATA

DATA is a folder with icl_agnews.jsonl, icl_yahoo.jsonl and icl_yelp-5.jsonl. The shots of the prompt are drawn from the
set of one seed and the examples from the sets of the others; the test inputs are seen by no calibration.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from rich.console import Console
from rich.table import Table
from search_cost import SHOTS, cases

from diffumask_core import Compressor, EncodingCache, Prompt
from diffumask_core.calibration import Example
from diffumask_core.readers import NearestExemplarReader, Question
from diffumask_core.readers.answers import is_right


def examples(prompt: Prompt, asked: Sequence[Question]) -> list[Example]:
    """The prompt with each query."""
    return [Example(Prompt(shots=prompt.shots, query=item.query), item.answer, item.labels) for item in asked]


def right(reader: NearestExemplarReader, tests: Sequence[Example], texts: Sequence[str]) -> list[bool]:
    """Which tests the reader gets right with these texts in place of their prompts."""
    asked = [test.question(text) for test, text in zip(tests, texts, strict=True)]
    return [is_right(answer, question) for answer, question in zip(reader.answers(asked), asked, strict=True)]


def main() -> None:
    """Calibrates for each task and prints what was found, and how it does on the test inputs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--tasks", nargs="+", default=list(SHOTS), choices=list(SHOTS))
    parser.add_argument("--items", type=int, default=250, help="examples to calibrate with")
    parser.add_argument("--min-quality", type=float, default=0.9)
    options = parser.parse_args()

    # A prompt is encoded with each query once, for all rates.
    compressor = Compressor.from_pretrained(cache=EncodingCache(megabytes=2048))
    reader = NearestExemplarReader()
    table = Table(
        "task", "right", "keep rate", "tokens", "quality", "bound", "calls", "tests: quality", "before", "after"
    )
    for task in options.tasks:
        [case] = cases(options.data, task, 1, options.items)
        calibrated = compressor.calibrate(examples(case.prompt, case.items), reader, min_quality=options.min_quality)
        found = calibrated.calibration
        assert found is not None
        full, *_ = found.evidence
        chosen = next(tried for tried in found.evidence if tried.keep_rate == found.keep_rate)
        tests = examples(case.prompt, case.tests)
        before = right(reader, tests, [test.text for test in tests])
        after = right(reader, tests, [calibrated.compress(test.prompt).text for test in tests])
        held = mean(late for early, late in zip(before, after, strict=True) if early)
        table.add_row(
            task,
            f"{full.right} of {full.calls}",
            f"{found.keep_rate:g}",
            f"{full.tokens:.0f} to {chosen.tokens:.0f}",
            *(f"{value:.3f}" for value in (found.quality, found.bound)),
            str(found.calls),
            *(f"{value:.2f}" for value in (held, mean(before), mean(after))),
        )
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
