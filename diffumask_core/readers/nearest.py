"""A reader that learns in context offline: the answer of the shots that are nearest to the query."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from diffumask_core.model.pretrained import load_pruner
from diffumask_core.model.pruner import Pruner
from diffumask_core.prompt.layout import ShotSpan, shift_shot
from diffumask_core.prompt.parse import describe_shot, parse_layout
from diffumask_core.readers.answers import full_text, normalise
from diffumask_core.readers.protocol import Question

FloatArray = npt.NDArray[np.float64]

# Of a softmax over cosines: a shot nearer by a tenth counts e times as much.
_TEMPERATURE = 0.1
# The votes that each label has without a shot, where those of all shots are 1.
_SMOOTHING = 0.01

_PARAGRAPH = re.compile(r"\S(?:.|\n(?!\s*\n))*")


class _Exemplars(NamedTuple):
    answers: tuple[str, ...]  # S, normalised
    vectors: FloatArray  # [S, D]; [0] where S = 0


class _Asked(NamedTuple):
    markers: str
    vector: npt.NDArray[np.float32]  # [D]


class NearestExemplarReader:
    """Answers as the shots do whose questions are nearest to the query.

    Each shot votes for its answer with the softmax of how near what is left of its question is to the query, by the
    pruner's own text vectors (kernel regression, as attention over exemplars does it). That is a real in-context
    learner: it knows nothing but the shots, and a shot that lost what it is about votes wrong. It takes milliseconds,
    needs no network, and many threads may use one.

    A label that no shot has keeps a small share of the vote, so that its log-probability is finite; without any shot
    all labels are equally likely, and there is no answer.
    """

    name = "nearest exemplar"

    def __init__(self, pruner: Pruner | None = None) -> None:
        """Takes the pruner whose text vectors are used; by default the bundled one."""
        pruner = pruner or load_pruner()

        # A search changes one shot at a time: the others are known.
        @lru_cache(maxsize=16384)
        def embed(text: str) -> npt.NDArray[np.float32]:
            vector: npt.NDArray[np.float32] = pruner.embed([text])[0]
            return vector

        @lru_cache(maxsize=256)
        def exemplars(text: str) -> _Exemplars:
            found = _answered(text)
            vectors = np.array([embed(asked) for asked, _ in found], dtype=np.float64)
            return _Exemplars(tuple(normalise(answer) for _, answer in found), vectors)

        @lru_cache(maxsize=16384)
        def asked(query: str) -> _Asked:
            shot = describe_shot(query)
            return _Asked("\n".join(query[start:end] for start, end in shot.kept), embed(_outside(query, shot)))

        self._asked: Callable[[str], _Asked] = asked
        self._exemplars: Callable[[str], _Exemplars] = exemplars

    def answers(self, questions: Sequence[Question]) -> list[str]:
        """The answer with the most votes to each question; an empty one where no shot has an answer to it."""
        answers = []
        for question in questions:
            votes = self._votes(question)
            best = max(votes, key=votes.__getitem__, default="")
            answers.append(best if votes.get(best) else "")
        return answers

    def log_probabilities(self, questions: Sequence[Question]) -> list[float]:
        """The log of the right answer's share of the vote."""
        return [self._log_probability(question) for question in questions]

    def _log_probability(self, question: Question) -> float:
        votes = self._votes(question)
        right = normalise(question.answer)
        share = sum(vote for answer, vote in votes.items() if normalise(answer) == right)
        total = sum(votes.values())
        return float(np.log((share + _SMOOTHING) / (total + _SMOOTHING * len(votes))))

    def _votes(self, question: Question) -> dict[str, float]:
        """What the shots vote for: each label; without labels each answer of a shot, and the right one."""
        asked = self._asked(question.query)
        # The markers alone stand for the query, so that a prompt is parsed once for all its queries.
        shots = self._exemplars(full_text(Question(question.prompt, asked.markers, "")))
        spelled = {normalise(label): label for label in question.labels}
        if not spelled:
            spelled = {answer: answer for answer in (*shots.answers, normalise(question.answer))}
        votes = dict.fromkeys(spelled.values(), 0.0)
        known = [number for number, answer in enumerate(shots.answers) if answer in spelled]
        if known:
            near = shots.vectors[known] @ asked.vector / _TEMPERATURE
            weights = np.exp(near - near.max())
            weights /= weights.sum()
            for number, weight in zip(known, weights.tolist(), strict=True):
                votes[spelled[shots.answers[number]]] += weight
        return votes


def _answered(text: str) -> list[tuple[str, str]]:
    """The shots of a prompt that have an answer: what is left of the question, and the answer."""
    # Where too much is missing for the parser to be sure of the whole, each paragraph is read by itself.
    shots = parse_layout(text).shots or [
        shift_shot(describe_shot(match[0]), match.start()) for match in _PARAGRAPH.finditer(text)
    ]
    return [(_outside(text, shot), text[slice(*shot.answer)]) for shot in shots if shot.answer]


def _outside(text: str, shot: ShotSpan) -> str:
    """The words of a shot that are neither markers nor its answer."""
    ends = [shot.span[0], *(end for _, end in shot.kept)]
    starts = [*(start for start, _ in shot.kept), shot.span[1]]
    return " ".join(text[end:start].strip() for end, start in zip(ends, starts, strict=True)).strip()
