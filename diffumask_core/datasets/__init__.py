"""The rows that training and evaluation read, and how their files are read."""

from diffumask_core.datasets.calculations import Exemplar, exemplar_of, is_held_out
from diffumask_core.datasets.rows import (
    ClassificationRow,
    DocsRow,
    DocumentRow,
    ExampleRow,
    HindsightRow,
    ItemRow,
    LabelRow,
    NeededRow,
    PassageRow,
    PromptRow,
    QuestionRow,
    RunRow,
    ShotRow,
    SolutionRow,
    TextRow,
    covered_units,
    read_rows,
)
from diffumask_core.datasets.runs import read_runs

__all__ = [
    "ClassificationRow",
    "DocsRow",
    "DocumentRow",
    "ExampleRow",
    "Exemplar",
    "HindsightRow",
    "ItemRow",
    "LabelRow",
    "NeededRow",
    "PassageRow",
    "PromptRow",
    "QuestionRow",
    "RunRow",
    "ShotRow",
    "SolutionRow",
    "TextRow",
    "covered_units",
    "exemplar_of",
    "is_held_out",
    "read_rows",
    "read_runs",
]
