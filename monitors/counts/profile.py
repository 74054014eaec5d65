"""Counts of every watched feature by window, group and bin: they add up, and every measure of drift reads them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.measurement import Slice, Window
from monitors.counts.binning import Binning

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Counts of a table's features, by window, slice and bin.

    Parameters
    ----------
    windows
        Half-open UTC, ascending, disjoint; a single None for a table that is not cut by time. Windows between the
        first and the last that hold no row are there, with counts of 0.
    slices
        Everyone (the empty slice) first, then the groups of each sensitive feature, sorted.
    binnings
        The bins of each feature, by name, in the order in which the features were given.
    counts
        Feature -> counts of rows, shape (n_windows, n_slices, size of its binning), >= 0.
    rows
        Rows of each window and slice, shape (n_windows, n_slices).

    Examples
    --------
    >>> ages = Binning(feature="age", kind="numeric", edges=(40.0,))
    >>> profile = Profile(windows=(None,), slices=((),), binnings={"age": ages},
    ...                   counts={"age": np.array([[[3, 1, 0]]])}, rows=np.array([[4]]))
    >>> profile.counts["age"][0, 0].tolist()
    [3, 1, 0]
    """

    windows: tuple[Window | None, ...]
    slices: tuple[Slice, ...]
    binnings: Mapping[str, Binning]
    counts: Mapping[str, IntArray]
    rows: IntArray
