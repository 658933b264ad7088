"""Counts prompts that lose a label though the budget could carry it.

    python scripts/labels_left.py DATA

DATA is the folder with icl_agnews.jsonl, icl_yelp-5.jsonl and icl_yahoo.jsonl. Prompts of one, three and five exemplars
of each label and of five seeds are cut to five shares, without a query and for one. A budget can carry the labels where
an exemplar of each fits with its markers, its label and three words of its text.
"""

import argparse
from itertools import product
from pathlib import Path

from diffumask_core import Compressor, Prompt
from diffumask_core.datasets import ClassificationRow, read_rows
from diffumask_core.evaluation.icl import icl_trials
from diffumask_core.prompt.prompt import Shot
from diffumask_core.tokens import get_counter

TASKS = ("agnews", "yelp-5", "yahoo")
SHOTS = (1, 3, 5)
RATES = (0.5, 0.4, 0.3, 0.2, 0.12)
COUNTER = get_counter()


def needed(shots: list[Shot]) -> int:
    """The tokens of the shortest exemplar of each label with three words of its text."""
    least: dict[str, int] = {}
    for shot in shots:
        tokens = COUNTER.count(f"Q: {' '.join(shot.question.split()[:3])}\nA: {shot.answer}\n\n")
        least[shot.answer] = min(tokens, least.get(shot.answer, tokens))
    return sum(least.values())


def main() -> None:
    """Prints the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    compressor = Compressor.from_pretrained()
    settings = carried = lost = 0
    for task, number in product(TASKS, SHOTS):
        for seed in icl_trials(read_rows(options.data / f"icl_{task}.jsonl", ClassificationRow), number, limit=1):
            prompt = seed[0].prompt
            assert isinstance(prompt, Prompt)
            shots = [shot for shot in prompt.shots if isinstance(shot, Shot)]
            for query in ("", seed[0].query):
                first = compressor.compress(prompt, query=query, keep_rate=RATES[0])
                for result in (first.at(keep_rate=rate) for rate in RATES):
                    left = {shot.answer for shot, its in zip(shots, result.shots, strict=True) if its.text}
                    fits = needed(shots) <= result.budget
                    settings += 1
                    carried += fits
                    lost += fits and left != {shot.answer for shot in shots}
    print(f"{settings} prompts, {carried} of which can carry all labels: {lost} lose one")


if __name__ == "__main__":
    main()
