"""Variances of roll-ups by linearisation: from the influence of each cell, under weights and clusters too."""

from typing import Any

import numpy as np

from audit.rollup import Cells, Floats, Partition, summed


def design(cells: Cells) -> str:
    """Return what a method's name adds for rows that are not independent or do not count alike.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> from audit.rollup import cells_of
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1, 0], "p": [1, 0], "who": ["a", "a"]})
    >>> design(cells_of(count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", cluster="who"))))
    ', cluster-robust'
    """
    if cells.plain:
        return ""
    return ", linearised weights" if cells.pairs is None else ", cluster-robust"


def spread(cells: Cells, slices: Partition, influence: Floats) -> Floats:
    """Return the variance of each slice's value from the influence of its cells.

    Independent rows: the sum over cells of w2 x influence^2. Clusters: the sum over clusters of the square of their
    total of weight x influence (Binder 1983, doi:10.2307/1402588). The factor g / (g - 1) of `few_units` is not in it.

    Examples
    --------
    The rate 3/4 has the influences (1 - 3/4) / 4 and (0 - 3/4) / 4, and the variance 3/4 x 1/4 / 4 = 3/64.

    >>> from audit.rollup import FN, TP
    >>> n = np.array([3.0, 1.0])
    >>> cells = Cells(np.array([TP, FN]), n, n, n, None, 0, False, {}, False, None)
    >>> (64 * spread(cells, Partition((), ((),), np.array([0, 0])), np.array([1 / 16, -3 / 16]))).tolist()
    [3.0]
    """
    size = len(slices.groups)
    if cells.pairs is None:
        return summed(slices.member, cells.w2 * influence**2, size)
    left, right = slices.member[cells.pairs.left], slices.member[cells.pairs.right]
    product = cells.pairs.moment * influence[cells.pairs.left] * influence[cells.pairs.right]
    within = left == right
    # Sums of squares: what lies below 0 is rounding.
    return np.maximum(summed(left[within], product[within], size), 0.0)


def covariance(cells: Cells, slices: Partition, influence: Floats, first: Any, second: Any) -> Floats:  # noqa: ANN401
    """Return the covariance of the values of slices `first[i]` and `second[i]`; 0 where no cluster spans both.

    It is the sum over clusters of the product of their totals of weight x influence in the two slices.

    Examples
    --------
    One cluster has a row in each of two slices.

    >>> from audit.rollup import TP, Pairs
    >>> n, sides = np.array([1.0, 1.0]), (np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    >>> cells = Cells(np.array([TP, TP]), n, n, n, None, 0, False, {}, False, Pairs(*sides, np.ones(4)))
    >>> slices = Partition(("sex",), (("F",), ("M",)), np.array([0, 1]))
    >>> covariance(cells, slices, np.array([0.5, -0.25]), [0], [1]).tolist()
    [-0.125]
    """
    size = len(slices.groups)
    if cells.pairs is None:
        return np.zeros(len(first))
    left, right = slices.member[cells.pairs.left], slices.member[cells.pairs.right]
    product = cells.pairs.moment * influence[cells.pairs.left] * influence[cells.pairs.right]
    across = left != right
    place, where = np.unique(left[across] * size + right[across], return_inverse=True)
    total = np.bincount(where, weights=product[across], minlength=len(place))
    wanted = np.asarray(first) * size + np.asarray(second)
    found = np.searchsorted(place, wanted)
    found_safe = np.minimum(found, max(len(place) - 1, 0))
    if not len(place):
        return np.zeros(len(first))
    return np.where(place[found_safe] == wanted, total[found_safe], 0.0)


def few_units(df: Floats) -> Floats:
    """Return the factor g / (g - 1) for g - 1 degrees of freedom: 1 for independent rows, at most 2.

    Examples
    --------
    >>> few_units(np.array([np.inf, 4.0])).tolist()
    [1.0, 1.25]
    """
    return np.where(np.isinf(df), 1.0, 1.0 + 1.0 / np.maximum(df, 1.0))


def freedom(cells: Cells, slices: Partition) -> Floats:
    """Return the degrees of freedom of each slice's variance: Kish's effective rows or clusters, less one; 0 for one.

    Infinite for independent rows that count alike.

    Examples
    --------
    >>> from audit.rollup import FN, TP
    >>> n = np.array([3.0, 1.0])
    >>> cells = Cells(np.array([TP, FN]), n, n, n, None, 0, False, {}, False, None)
    >>> everyone = Partition((), ((),), np.array([0, 0]))
    >>> freedom(cells, everyone).tolist(), freedom(cells._replace(weighted=True), everyone).tolist()
    ([inf], [3.0])
    """
    if cells.plain:
        return np.full(len(slices.groups), np.inf)
    total = np.bincount(slices.member, weights=cells.w, minlength=len(slices.groups))
    kish = total**2 / np.maximum(spread(cells, slices, np.ones(len(cells.n))), 1e-300)
    return np.maximum(kish - 1, 0.0)
