"""What is known of each block of a text, a shot or what is between shots, added up while the text is read."""

import numpy as np

from diffumask_core.model.inputs import IntArray, UnitInputs
from diffumask_core.model.network import Network
from diffumask_core.model.pooling import FloatArray, largest_of_runs, sum_of_runs


class BlockTotals:
    """Adds up what a text's G blocks are made of, from one portion of its units after the other."""

    def __init__(self, network: Network, units: UnitInputs, asked: bool) -> None:
        """Begins with nothing.

        Args:
            network: Makes evidence and utilities.
            units: The text's.
            asked: Whether it is read for a query.
        """
        self._network = network
        self._asked = asked
        self._starts = units.block_starts
        self._counts = np.diff(units.block_starts, append=len(units.words)).astype(np.float32)[:, None]
        self._hidden: FloatArray = np.zeros((len(self._starts), network.width), dtype=np.float32)
        self._evidence: FloatArray = np.zeros((len(self._starts), network.evidence_width), dtype=np.float32)
        self._strongest: FloatArray = np.full_like(self._evidence, -np.inf)

    def add(self, start: int, hidden: FloatArray) -> None:
        """Adds the vectors of a portion's units ``[P, D]``, of which the first is unit `start`."""
        end = start + len(hidden)
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        last = int(np.searchsorted(self._starts, end))
        blocks = slice(first, last)
        edges: IntArray = np.concatenate([[start], self._starts[first + 1 : last], [end]]) - start
        self._hidden[blocks] += sum_of_runs(hidden, edges)
        if not self._asked:
            return
        evidence = self._network.evidence(hidden)
        self._evidence[blocks] += sum_of_runs(evidence, edges)
        self._strongest[blocks] = np.maximum(self._strongest[blocks], largest_of_runs(evidence, edges))

    def vectors(self) -> FloatArray:
        """The mean of the vectors of each block's units ``[G, D]``."""
        means: FloatArray = self._hidden / self._counts
        return means

    def utilities(self) -> FloatArray:
        """What the shot head says of each block ``[G]``; zeros without a query."""
        if not self._asked:
            return np.zeros(len(self._starts), dtype=np.float32)
        return self._network.utilities(np.concatenate([self._evidence / self._counts, self._strongest], 1))
