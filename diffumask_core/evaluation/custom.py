"""A user's own prompts, queries and answers."""

from collections.abc import Sequence

from diffumask_core.datasets import ExampleRow
from diffumask_core.evaluation.curves import Trial


def custom_trials(rows: Sequence[ExampleRow]) -> list[list[Trial]]:
    """One trial a row."""
    return [[Trial(row.few_shot, row.query, row.answers, tuple(row.labels)) for row in rows]]
