"""Reductions over runs of rows: tokens to units, units to shots."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


def runs_of(owners: IntArray, count: int) -> tuple[IntArray, IntArray]:
    """Where the members of each owner are.

    Args:
        owners: ``[N]``, numbers below `count` that never fall, and -1 for no owner anywhere between.
        count: G.

    Returns:
        The places ``[M]`` of what has an owner, and ``[G + 1]``, where in those each owner's begin.
    """
    inside = np.flatnonzero(owners >= 0)
    return inside, np.searchsorted(owners[inside], np.arange(count + 1))


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
    reduced = np.zeros((len(starts) - 1, rows.shape[1]), dtype=np.float32)
    filled = np.diff(starts) > 0
    if filled.any():
        # An empty run has no rows between its neighbours, so they stay runs of their own without it.
        reduced[filled] = function.reduceat(rows[: starts[-1]], starts[:-1][filled])
    return reduced
