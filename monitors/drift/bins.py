"""Which bins the tests of drift merge, and what the reference's counts of them weigh."""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.inference.intervals import FloatArray
from monitors.counts.binning import Binning

COARSE = 10
"""Bins of a number for the distances of all bins and the tests."""

MOST_CATEGORIES = 64
"""Bins of categories for the tests: beyond it neighbours in the order of their names are taken together."""

_MOST = 2 * COARSE + 1  # merged bins of a number where values are tied: heavy ones and what lies between them

FEWEST = 10
"""Rows of the reference in a merged bin of a number, at least."""


class MergedBins(NamedTuple):
    """The bins of one feature for the tests of all slices.

    Attributes
    ----------
    base
        What the reference weighs in each merged bin of known values, shape (n_slices, n_merged); 0 where a slice has
        fewer bins.
    counts
        Current rows, shape (n_windows, n_slices, n_merged).
    aside_base, aside_counts
        The same for rows aside and all others, shape (..., n_aside, 2): missing values; of categories also new values,
        among the rows that have one.
    exact
        Whether the null of the known values of a slice is an exact urn, shape (n_slices,).
    """

    base: FloatArray
    counts: FloatArray
    aside_base: FloatArray
    aside_counts: FloatArray
    exact: npt.NDArray[np.bool_]


def as_ordered(counts: npt.ArrayLike) -> FloatArray:
    """Return the counts of a number with missing values first: they rank below all others.

    Examples
    --------
    >>> as_ordered([1, 2, 3, 9]).tolist()
    [9.0, 1.0, 2.0, 3.0]
    """
    return np.roll(np.asarray(counts, dtype=np.float64), 1, axis=-1)


def coarse(reference: npt.ArrayLike, *, most: int = COARSE, fewest: float = 0.0) -> npt.NDArray[np.int64]:
    """Return for each bin of a number into which merged bin it goes, by equal shares of the reference.

    Parameters
    ----------
    reference
        Counts of the value bins in their order, shape (n_bins,).
    most
        Number of merged bins of equal shares; a bin that holds such a share by itself, such as that of a constant, is
        kept apart from its neighbours, even empty ones.
    fewest
        Rows that each other merged bin has; fewer merged bins where there are not enough.

    Returns
    -------
    ndarray
        Ascending from 0, shape (n_bins,).

    Examples
    --------
    >>> coarse([10, 10, 10, 10], most=2).tolist(), coarse([10, 1, 1, 10], most=4, fewest=11).tolist()
    ([0, 0, 1, 1], [0, 0, 1, 1])
    >>> coarse([0, 0, 50, 0]).tolist()
    [0, 0, 1, 2]
    """
    counts = np.asarray(reference, dtype=np.float64)
    total = counts.sum()
    if total <= 0:
        return np.zeros(len(counts), dtype=np.int64)
    share = max(total / most, fewest)
    heavy = (counts >= max(share, 1.0)) & (counts >= 2.0 * fewest)
    places, place, held, left = [0], 0, float(counts[0]), float(total - counts[0])
    for bin_, rows in enumerate(counts[1:], start=1):
        # half of what the next bin holds may go over, so that the merged shares stay near to equal
        full = held > 0 and held + rows / 2.0 > share and held >= fewest and left >= fewest
        if place < _MOST - 1 and (heavy[bin_] or heavy[bin_ - 1] or (full and place < most - 1)):
            place, held = place + 1, 0.0
        places.append(place)
        held, left = held + rows, left - rows
    return np.array(places, dtype=np.int64)


def few_values(binning: Binning, reference: npt.ArrayLike) -> bool:
    """Return whether a number is rather a category: values that a tenth of the rows share make up half of the rows.

    Such are flags, ratings, small counts, and amounts that are mostly 0: that 1 % of them become 4 % moves their
    distribution function by .03 only, and matters. A value of which as much is known has a bin to itself.

    Parameters
    ----------
    binning
        The feature's bins.
    reference
        Counts of everyone, shape (n_bins,).

    Examples
    --------
    >>> flag = Binning(feature="flag", kind="numeric", edges=(0.0, math.nextafter(0.0, math.inf)), tied=True)
    >>> few_values(flag, [0, 990, 10, 0]), few_values(flag, [500, 10, 490, 0])
    (True, False)
    """
    if binning.kind != "numeric" or not binning.tied:
        return False
    counts = np.asarray(reference, dtype=np.float64)[:-1]
    alone = np.zeros(len(counts), dtype=np.bool_)
    alone[1:-1] = [nxt == math.nextafter(edge, math.inf) for edge, nxt in pairwise(binning.edges)]
    heavy = alone & (counts >= counts.sum() / COARSE)
    return bool(counts[heavy].sum() >= counts.sum() / 2.0 > 0.0)


def blocks(reference: npt.ArrayLike, *, fewest: float, most: int) -> npt.NDArray[np.int64]:
    """Return for each category into which block of neighbours it goes, each block with enough rows of the reference.

    Parameters
    ----------
    reference
        Counts of the categories in the order of their names, shape (n_categories,).
    fewest
        Rows that close a block; what is left at the end joins the last one.
    most
        Number of blocks.

    Examples
    --------
    >>> blocks([30, 4, 4, 4, 50, 3], fewest=10, most=64).tolist()
    [0, 1, 1, 1, 2, 2]
    """
    counts = np.asarray(reference, dtype=np.float64)
    share, places, place, held = max(fewest, counts.sum() / most), [], 0, 0.0
    if len(counts) <= most:
        share = fewest
    left = counts.sum()
    for rows in counts:
        if held >= share and left >= share and place < most - 1:
            place, held = place + 1, 0.0
        places.append(place)
        held, left = held + rows, left - rows
    return np.array(places, dtype=np.int64)


def merged(counts: npt.ArrayLike, places: npt.NDArray[np.int64], size: int) -> FloatArray:
    """Return the counts of merged bins: the sum of the bins that go into each.

    Examples
    --------
    >>> merged([1, 2, 3], np.array([0, 1, 1]), 2).tolist()
    [1.0, 5.0]
    """
    return np.asarray(np.asarray(counts, dtype=np.float64) @ (places[:, None] == np.arange(size)).astype(np.float64))


def merged_bins(binning: Binning, reference: npt.ArrayLike, current: npt.ArrayLike, dispersion: float) -> MergedBins:
    """Merge the bins of a feature for its tests, slice by slice.

    A number has up to 10 merged bins of about equal shares of the slice's reference, each with at least 10 of its rows.
    Of everyone (the first slice) without ties and without dispersion, edges are order statistics and the null is an
    exact urn. Categories with at least 10 rows have their own bin; rarer ones share it with their neighbours in the
    order of their names, which does not depend on the counts: the rarest of many would otherwise look rarer, and the
    most frequent more frequent, than they are. That a value is new is judged against Good and Turing's estimate, the
    share of reference rows whose value occurs once there.

    Parameters
    ----------
    binning
        The feature's bins.
    reference
        Shape (n_slices, n_bins).
    current
        Shape (n_windows, n_slices, n_bins).
    dispersion
        Divides all counts.

    Notes
    -----
    Rows of values that occur once speak for new ones: E(share of unseen values) = E(values seen once) / n. The
    estimate's variance is (f1 + 2 f2) / n^2 with f1 values seen once, f2 twice, so the reference weighs at most
    (f1 + 1) / (f1 + 2 f2 + 3) of its rows, and so little that new values have no more than one row there: that fewer
    are new than before, as when all values have been seen, is no evidence. I. J. Good (1953),
    doi:10.1093/biomet/40.3-4.237; W. W. Esty (1983), doi:10.1214/aos/1176346256.

    Examples
    --------
    >>> ages = Binning(feature="age", kind="numeric", edges=(40.0,))
    >>> found = merged_bins(ages, np.array([[20, 30, 0]]), np.array([[[1, 2, 3]]]), 1.0)
    >>> found.base[0].tolist(), found.counts[0, 0].tolist(), found.aside_base.tolist(), found.exact.tolist()
    ([21.0, 30.0], [1.0, 2.0], [[[0.5, 50.5]]], [True])
    """
    was, now = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    missing = [np.stack([side[..., -1], side[..., :-1].sum(axis=-1)], axis=-1) for side in (was, now)]
    merge = _of_number if binning.kind == "numeric" else _of_categories
    exact = np.zeros(len(was), dtype=np.bool_)
    exact[:1] = binning.kind == "numeric" and not binning.tied and dispersion <= 1.0
    base, counts = merge(was[:, :-1], now[..., :-1], exact, dispersion)
    aside = [(missing[0] / dispersion + 0.5, missing[1] / dispersion)]
    if binning.kind == "categorical":
        aside.append(_new_values(was[:, :-1], now[..., :-1], dispersion))
    sides = [np.stack([pair[place] for pair in aside], axis=-2) for place in (0, 1)]
    return MergedBins(base, counts, sides[0], sides[1], exact)


def _of_number(
    was: FloatArray, now: FloatArray, exact: npt.NDArray[np.bool_], dispersion: float
) -> tuple[FloatArray, FloatArray]:
    base, counts = np.zeros((len(was), _MOST)), np.zeros((*now.shape[:2], _MOST))
    for place in range(len(was)):
        into = coarse(was[place], fewest=FEWEST * dispersion)
        size = int(into[-1]) + 1
        more = np.eye(1, size)[0] if exact[place] else np.full(size, 0.5)
        base[place, :size] = merged(was[place], into, size) / dispersion + more
        counts[:, place, :size] = merged(now[:, place], into, size) / dispersion
    used = max(1, int((base > 0).any(axis=0).sum()))
    return base[:, :used], counts[..., :used]


def _of_categories(
    was: FloatArray, now: FloatArray, _exact: npt.NDArray[np.bool_], dispersion: float
) -> tuple[FloatArray, FloatArray]:
    """Return bases and counts of the known values; what occurs once in the reference speaks for new ones."""
    seen = was[:, :-1] - (was[:, :-1] == 1)
    number = min(max(seen.shape[-1], 1), MOST_CATEGORIES)
    base, counts = np.zeros((len(was), number)), np.zeros((*now.shape[:2], number))
    for place in range(len(was)):
        into = blocks(seen[place], fewest=FEWEST * dispersion, most=number)
        size = int(into[-1]) + 1 if len(into) else 0
        base[place, :size] = merged(seen[place], into, size) / dispersion + 0.5
        known = now[:, place, :-1] * (was[place, :-1] > 0)  # what this slice never had is new to it
        counts[:, place, :size] = merged(known, into, size) / dispersion
    return base, counts


def _new_values(was: FloatArray, now: FloatArray, dispersion: float) -> tuple[FloatArray, FloatArray]:
    once, twice = ((was[:, :-1] == times).sum(axis=-1) for times in (1, 2))
    rows, unseen = was.sum(axis=-1), once + was[:, -1]
    weight = np.minimum((unseen + 1.0) / (unseen + 3.0 + 2.0 * twice), 0.5 / np.maximum(unseen, 0.5)) / dispersion
    base = np.stack([unseen * weight, (rows - unseen) * weight], axis=-1) + 0.5
    new = np.where(was[:, :-1] > 0, 0.0, now[..., :-1]).sum(axis=-1) + now[..., -1]
    return base, np.stack([new, now.sum(axis=-1) - new], axis=-1) / dispersion
