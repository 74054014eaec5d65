"""Order statistics of a column: exact, without sorting it whole."""

from typing import NamedTuple

import numpy as np

from monitors.counts.lookup import Grid, Numbers, grid_between
from monitors.counts.profile import IntArray

_STRETCHES = 65536  # as many as 16 bits tell apart
_AT_ONCE = 131_072
_SAMPLED = 4096


class OrderStatistics(NamedTuple):
    """Values at given ranks, and whether another row has the same value.

    Examples
    --------
    >>> OrderStatistics(np.array([2.0]), np.array([False])).values.tolist()
    [2.0]
    """

    values: Numbers
    shared: np.ndarray[tuple[int], np.dtype[np.bool_]]


def order_statistics(numbers: Numbers, ranks: IntArray) -> OrderStatistics:
    """Return the values at some ranks, as sorting all of them would give, in linear time.

    Numbers are counted on a fine grid laid through a sample of them; only the stretches that hold a wanted rank are
    sorted. Any grid gives the exact values; a poor one only takes longer.

    Parameters
    ----------
    numbers
        No NaN among them; infinite ones may be. Shape (n,), n >= 1.
    ranks
        Increasing, from 1 (the smallest) to n.

    Examples
    --------
    >>> found = order_statistics(np.array([5.0, 1.0, 3.0, 3.0]), np.array([1, 2, 4]))
    >>> found.values.tolist(), found.shared.tolist()
    ([1.0, 3.0, 5.0], [False, True, False])
    """
    grid = _grid_through(numbers)
    if grid is None:
        return _of_sorted(np.sort(numbers), ranks - 1)
    stretch = np.empty(len(numbers), dtype=np.uint16)
    on_each = np.zeros(grid.size, dtype=np.int64)
    with np.errstate(all="ignore"):
        for start in range(0, len(numbers), _AT_ONCE):
            some = grid.place(numbers[start : start + _AT_ONCE])
            stretch[start : start + _AT_ONCE] = some
            on_each += np.bincount(some, minlength=grid.size)
    up_to = np.cumsum(on_each)
    holding = np.searchsorted(up_to, ranks, side="left")
    wanted = np.zeros(grid.size, dtype=np.bool_)
    wanted[holding] = True
    kept = np.where(wanted, on_each, 0)
    left_out_before = (up_to - on_each) - (np.cumsum(kept) - kept)
    chosen = np.sort(numbers[wanted[stretch]])
    return _of_sorted(chosen, ranks - 1 - left_out_before[holding])


def _grid_through(numbers: Numbers) -> Grid | None:
    if len(numbers) < _STRETCHES:
        return None
    sample = np.sort(numbers[:: len(numbers) // _SAMPLED])
    sample = sample[np.isfinite(sample)].astype(sample.dtype if sample.dtype.kind == "f" else np.float64)
    if len(sample) < 2:
        return None
    trimmed = len(sample) // 200  # a few far values would leave all others on one stretch
    return grid_between(sample[trimmed], sample[-1 - trimmed], _STRETCHES)


def _of_sorted(ordered: Numbers, places: IntArray) -> OrderStatistics:
    values = ordered[places]
    same_before = (places > 0) & (ordered[np.maximum(places - 1, 0)] == values)
    last = len(ordered) - 1
    same_after = (places < last) & (ordered[np.minimum(places + 1, last)] == values)
    return OrderStatistics(values, same_before | same_after)
