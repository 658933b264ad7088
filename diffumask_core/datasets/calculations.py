"""Word problems as exemplars, with the places of their calculations."""

import hashlib
import re
from dataclasses import dataclass

from diffumask_core.datasets.rows import SolutionRow
from diffumask_core.prompt.spans import Span

_CALCULATION = re.compile(r"<<([^<>]*)>>")
_TERM = re.compile(r"\d[\d,]*\.?\d*|\.\d+|[-+*/=%]")
# The ways in which solutions write an operator.
_SPELLINGS = {"*": "*x×X", "/": "/÷", "-": "-−–"}


@dataclass(frozen=True)
class Exemplar:
    """A word problem with its solution, as it stands in a chain-of-thought prompt.

    Attributes:
        text: Question, solution without calculation marks, and final answer.
        required: Spans of every number and operator of every calculation and of the final answer.
    """

    text: str
    required: tuple[Span, ...]


def exemplar_of(row: SolutionRow) -> Exemplar:
    """Writes a problem as an exemplar and finds the terms of its calculations.

    A term of a calculation is looked for leftwards from its mark, in its line; one that the solution puts in words
    ("half of 48") has no place in the text and is not required.
    """
    head = f"Question: {row.question.strip()}\nLet's think step by step.\n"
    solution, _, answer = row.answer.partition("####")
    text, required = head, list[Span]()
    for line in solution.strip().splitlines():
        line_start = len(text)
        position = 0
        for mark in _CALCULATION.finditer(line):
            text += line[position : mark.start()]
            position = mark.end()
            required += _terms_before(text, line_start, mark[1])
            result = _TERM.match(line, position)
            if result and result[0][0] not in "+-*/=%":
                required.append((len(text), len(text) + len(result[0].rstrip(",."))))
        text += line[position:] + "\n"
    text += "The answer is "
    required.append((len(text), len(text) + len(answer.strip())))
    return Exemplar(text + answer.strip() + ".", tuple(required))


def _terms_before(text: str, line_start: int, calculation: str) -> list[Span]:
    """The places of a calculation's terms, from the right, in what the line says before its mark."""
    expression = calculation.rpartition("=")[0] + "="
    found: list[Span] = []
    end = len(text)
    for term in reversed(_TERM.findall(expression)):
        places = [place.span() for place in _TERM.finditer(text, line_start, end) if _same(place[0], term)]
        if not places and term in _SPELLINGS:
            places = [(at, at + 1) for at in range(line_start, end) if text[at] in _SPELLINGS[term]]
        if places:
            found.append(places[-1])
            end = places[-1][0]
    return found


def _same(written: str, term: str) -> bool:
    return written.replace(",", "").rstrip(".").lstrip("0") == term.replace(",", "").rstrip(".").lstrip("0")


def is_held_out(row: SolutionRow) -> bool:
    """Whether a problem is kept out of training for evaluation: one in eight, by its question alone."""
    return hashlib.sha256(row.question.encode()).digest()[0] % 8 == 0
