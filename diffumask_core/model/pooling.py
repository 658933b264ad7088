"""Reductions over runs of rows: tokens to units, units to shots."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


def sum_of_runs(rows: FloatArray, starts: IntArray) -> FloatArray:
    """Sums of consecutive rows.

    Args:
        rows: ``[L, D]``.
        starts: ``[G + 1]``, where each run begins, and the end of the last.

    Returns:
        ``[G, D]``; zeros for an empty run.
    """
    return _reduce(np.add, rows, starts)


def mean_of_runs(rows: FloatArray, starts: IntArray) -> FloatArray:
    """Means of consecutive rows; shapes as in `sum_of_runs`."""
    return sum_of_runs(rows, starts) / np.maximum(np.diff(starts), 1).astype(np.float32)[:, None]


def largest_of_runs(rows: FloatArray, starts: IntArray) -> FloatArray:
    """The largest of consecutive rows in each column; shapes as in `sum_of_runs`."""
    return _reduce(np.maximum, rows, starts)


def _reduce(function: np.ufunc, rows: FloatArray, starts: IntArray) -> FloatArray:
    # `ufunc.reduceat` does the same, and takes five to fifteen times as long along the first axis.
    counts = np.diff(starts)
    reduced = np.zeros((len(counts), rows.shape[1]), dtype=np.float32)
    longest = int(counts.max(initial=0))
    if longest > len(counts):
        for run in np.flatnonzero(counts).tolist():
            reduced[run] = function.reduce(rows[starts[run] : starts[run + 1]])
    elif longest:
        reduced[counts > 0] = rows[starts[:-1][counts > 0]]
        for place in range(1, longest):
            longer = np.flatnonzero(counts > place)
            reduced[longer] = function(reduced[longer], rows[starts[longer] + place])
    return reduced
