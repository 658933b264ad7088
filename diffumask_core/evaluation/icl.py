"""Classification in context: a prompt of labelled shots, and inputs to label after it."""

import random
from collections.abc import Sequence

from diffumask_core.datasets import ClassificationRow
from diffumask_core.errors import DataError
from diffumask_core.evaluation.curves import Trial
from diffumask_core.prompt.prompt import Prompt, Shot


def icl_trials(
    rows: Sequence[ClassificationRow],
    shots: int | None = None,
    limit: int | None = None,
    total_shots: int | None = None,
    seeds: int | None = None,
) -> list[list[Trial]]:
    """The test rows after the shots of each seed.

    The shots are shuffled by their seed: in the files they are sorted by label, and what is cut off at the end
    would be whole labels.

    Args:
        rows: Of the splits ``shots`` and ``test``.
        shots: So many of each label; by default all.
        limit: Only so many test rows.
        total_shots: So many in a prompt at most; the labels take turns.
        seeds: Only the prompts of so many seeds.

    Raises:
        DataError: One of the splits has no rows.
    """
    pools: dict[int | None, dict[str, list[Shot]]] = {}
    for row in rows:
        if row.split == "shots":
            same = pools.setdefault(row.seed, {}).setdefault(row.label, [])
            if shots is None or len(same) < shots:
                same.append(Shot(question=one_line(row.text), answer=row.label))
    tests = [row for row in rows if row.split == "test"][:limit]
    if not pools or not tests:
        raise DataError(f"There are no rows of split {'test' if pools else 'shots'}: both splits are needed.")
    labels = tuple(dict.fromkeys(row.label for row in rows))
    trials = []
    for seed, by_label in list(pools.items())[:seeds]:
        pool = [(turn, shot) for same in by_label.values() for turn, shot in enumerate(same)]
        in_turn = sorted(range(len(pool)), key=lambda number: pool[number][0])
        drawn = [pool[number][1] for number in sorted(in_turn[:total_shots])]
        random.Random(seed).shuffle(drawn)
        prompt = Prompt(shots=drawn)
        trials.append([Trial(prompt, f"Q: {one_line(row.text)}\nA:", (row.label,), labels) for row in tests])
    return trials


def one_line(text: str) -> str:
    """A blank line would end the shot."""
    return " ".join(text.split())
