"""What is searched: a few-shot prompt as units that can go, and what the bundled model thinks of them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffumask_core.diffusion.states import UNDECIDED
from diffumask_core.errors import InputError
from diffumask_core.model.pruner import Pruner
from diffumask_core.options import Options
from diffumask_core.pipeline import read_prompt
from diffumask_core.prompt.parse import parse_layout
from diffumask_core.prompt.prompt import Prompt
from diffumask_core.rendering.join import kept_text
from diffumask_core.scoring.scores import score
from diffumask_core.scoring.worth import pool_words

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating]

# The rate that the model is asked for: that of the tight level of the labels.
_TIGHT = 0.25
_CLAUSE_END = frozenset(".,;:!?…")


class SearchSpace:
    """A prompt of N units and S shots, and the masks ``[N]`` that a search may choose among.

    Instructions stay. A shot's markers and answer stay as long as one of its other units does, and go with the last.

    Attributes:
        reading: The prompt as the product reads it.
        units: The units of the prompt.
        free: ``[N]``, the units that are decided one by one.
        everything: ``[N]``, the mask that keeps all.
    """

    def __init__(self, prompt: Prompt | str) -> None:
        """Reads a prompt without its query.

        Raises:
            InputError: There is nothing in it that may go.
        """
        layout = prompt.layout if isinstance(prompt, Prompt) else parse_layout(prompt)
        # The searched prompt is read as the product reads it; marks would tell the reader what was tried. The search
        # decides on single words of rationales too.
        self.reading = read_prompt(layout, Options(keep_rate=1.0, marks=False, compress_rationales=True))
        self.units = self.reading.units
        self.free = self.units.free
        self.everything: BoolArray = np.ones(len(self.free), dtype=bool)
        if not self.free.any():
            raise InputError(f"There is nothing in the prompt {layout.text[:60]!r} that may go: give it shots.")
        # A shot without a unit to decide on stays.
        self._stays = np.array([not len(shot) for shot in self.shots(self.everything)], dtype=bool)

    def without(self, mask: BoolArray, units: IntArray) -> BoolArray:
        """What is left of a mask when these units go too."""
        left = mask & self.free
        left[units] = False
        return self.units.close(left, self.units.shots_of(left) | self._stays)

    def text(self, mask: BoolArray) -> str:
        """What a reader is given of the prompt."""
        return kept_text(self.units, mask)

    def share(self, mask: BoolArray) -> float:
        """Of the units that may go, the share that a mask keeps."""
        return float(mask[~self.units.protected].mean())

    def shots(self, mask: BoolArray) -> list[IntArray]:
        """The free units that a mask keeps of each shot: S arrays, empty for those that are gone."""
        shot_of_unit = np.where(mask & self.free, self.units.shot, -1)
        return [np.flatnonzero(shot_of_unit == shot) for shot in range(len(self.units.layout.shots))]

    def clauses(self, mask: BoolArray) -> list[IntArray]:
        """The free units that a mask keeps, cut between shots and after marks that end a clause."""
        kept = np.flatnonzero(mask & self.free)
        text, offsets, shot_of_unit = self.units.layout.text, self.units.spans, self.units.shot
        ends = np.array([text[start:end] in _CLAUSE_END for start, end in offsets[kept].tolist()], dtype=bool)
        cuts = np.flatnonzero(ends[:-1] | (np.diff(shot_of_unit[kept]) != 0)) + 1
        return [clause for clause in np.split(kept, cuts) if len(clause)]


@dataclass(frozen=True)
class Guide:
    """What the model would drop first.

    Attributes:
        units: ``[N]``, a score each; the lowest goes first.
        shots: ``[S]``, their numbers; the last goes first.
    """

    units: FloatArray
    shots: IntArray

    def of(self, span: IntArray) -> float:
        """The mean score of a span of units."""
        return float(self.units[span].mean())


def read_guide(space: SearchSpace, pruner: Pruner) -> Guide:
    """Scores units by the pruner, and ranks shots by how little others say the same and bring the same label."""
    scores = score(space.reading, pruner)
    encoding = scores.encoding_of(scores.read_units, space.units)
    assert encoding is not None  # a few-shot prompt has no results of tools
    words = pruner.predictor(encoding, _TIGHT)(np.full(len(space.units.words), UNDECIDED), 1.0)
    return Guide(pool_words(words, space.units.first_word), scores.order)
