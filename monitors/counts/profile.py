"""Counts of every watched feature by window, group and bin: they add up, and every measure of drift reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

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
    >>> (profile + profile).rows.tolist()
    [[8]]
    """

    windows: tuple[Window | None, ...]
    slices: tuple[Slice, ...]
    binnings: Mapping[str, Binning]
    counts: Mapping[str, IntArray]
    rows: IntArray

    def __add__(self, other: "Profile") -> "Profile":
        """Return the profile of both parts together: windows and slices of either, counts added up.

        Raises
        ------
        ValueError
            If the bins differ, or windows overlap without being the same.
        """
        unlike = _unlike_bins(self.binnings, other.binnings)
        if unlike:
            msg = f"profiles add up only if their bins are the same; they differ in {', '.join(unlike)}"
            raise ValueError(msg)
        windows = _joined_windows(self.windows, other.windows)
        slices = tuple(sorted({*self.slices, *other.slices}, key=slice_order))
        shape = (len(windows), len(slices))
        counts = {name: np.zeros((*shape, item.size), dtype=np.int64) for name, item in self.binnings.items()}
        rows = np.zeros(shape, dtype=np.int64)
        for part in (self, other):
            at = np.ix_([windows.index(window) for window in part.windows], [slices.index(one) for one in part.slices])
            rows[at] += part.rows
            for name, found in part.counts.items():
                counts[name][at] += found
        return Profile(windows=windows, slices=slices, binnings=self.binnings, counts=counts, rows=rows)

    def of(self, feature: str, *, window: int = 0, slice: Slice = ()) -> IntArray:
        """Return the counts of a feature's bins in one window and slice; all 0 for a slice without rows."""
        if slice not in self.slices:
            return np.zeros(self.binnings[feature].size, dtype=np.int64)
        found: IntArray = self.counts[feature][window, self.slices.index(slice)]
        return found

    def at_slices(self, slices: Sequence[Slice]) -> "Profile":
        """Return the counts of these slices in this order; all 0 for those without rows.

        Examples
        --------
        >>> profile = Profile(windows=(None,), slices=((),), binnings={}, counts={}, rows=np.array([[4]]))
        >>> profile.at_slices([(), (("sex", "F"),)]).rows.tolist()
        [[4, 0]]
        """
        here = {one: place for place, one in enumerate(self.slices)}
        there = np.array([here.get(one, -1) for one in slices], dtype=np.int64)

        def taken(counts: IntArray) -> IntArray:
            found = counts[:, there].copy()
            found[:, there < 0] = 0
            return found

        counts = {name: taken(found) for name, found in self.counts.items()}
        return replace(self, slices=tuple(slices), counts=counts, rows=taken(self.rows))


def slice_order(slice: Slice) -> tuple[int, list[str], list[tuple[bool, str]]]:
    """Return by what slices are sorted: fewer features first, then by their names, then by values, missing first.

    Examples
    --------
    >>> sorted([(("sex", "M"),), (("sex", None),), ()], key=slice_order)
    [(), (('sex', None),), (('sex', 'M'),)]
    """
    return len(slice), [name for name, _ in slice], [(value is not None, value or "") for _, value in slice]


def _unlike_bins(ours: Mapping[str, Binning], theirs: Mapping[str, Binning]) -> list[str]:
    return [repr(name) for name in dict.fromkeys([*ours, *theirs]) if ours.get(name) != theirs.get(name)]


def _joined_windows(ours: tuple[Window | None, ...], theirs: tuple[Window | None, ...]) -> tuple[Window | None, ...]:
    if (None in ours) != (None in theirs):
        msg = "profiles add up only if both are cut into windows, or neither is"
        raise ValueError(msg)
    if None in ours:
        return ours
    joined = sorted({window for window in (*ours, *theirs) if window is not None})
    for (_, end), (start, later) in pairwise(joined):
        if start < end:
            msg = (
                f"profiles add up only if their windows are the same or apart; one ends at {end.isoformat()}, another "
                f"runs from {start.isoformat()} to {later.isoformat()}"
            )
            raise ValueError(msg)
    return tuple(joined)
