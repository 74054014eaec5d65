"""What each cell contributes to an estimate, to first order, and how two estimates over the same rows go together."""

from typing import Any, cast

import numpy as np

from audit.estimates import spread
from audit.metrics.metric import Counts, Fraction, Metric, Ranked, Smooth
from audit.rollup import FN, FP, TN, TP, Cells, Floats, Partition, counts_of, scores_of

_STEP = 1e-20
"""Complex step: f(x + ih) / h has the derivative of f as its imaginary part, to machine precision."""


def influences(metric: Metric, cells: Cells, slices: Partition) -> Floats:
    """Return by how much the value of a cell's slice changes per unit of weight in the cell, to first order.

    Examples
    --------
    The rate 3 / 4 has the influences (1 - 3/4) / 4 and (0 - 3/4) / 4.

    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([3.0, 1.0])
    >>> cells = Cells(np.array([TP, FP]), n, n, n, None, 0, False, {}, False, None)
    >>> influences(METRICS["precision"], cells, Partition((), ((),), np.array([0, 0]))).round(4).tolist()
    [0.0625, -0.1875]
    """
    if metric.kind == "ranked":
        return _placements(metric, cells, slices)
    function = cast("Any", metric.function)
    weights = counts_of(cells, slices, cells.w)
    moved = np.stack(weights)[:, None] + _STEP * 1j * np.eye(6)[:, :, None]  # count, count that is moved, slice
    outcome: Fraction | Smooth = function(Counts(*moved))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = outcome.value if isinstance(outcome, Smooth) else outcome.numerator / outcome.denominator
    gradient = np.nan_to_num(np.imag(value) / _STEP, nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray(gradient[cells.quadrant, slices.member], dtype=np.float64)


def correlation(cells: Cells, slices: Partition, influence: tuple[Floats, Floats], units: Floats) -> Floats:
    """Return the correlation of two estimators over the same cells in every slice; 0 where one of them has no spread.

    Newcombe's correction: the covariance is lowered by 1 / (2 n^2), but not below 0, as if one more row were
    discordant; without it, two models that agree on every row would differ by exactly 0 for certain. With two rates
    of the same rows it is the correlation of method 10 of R. G. Newcombe (1998), Statistics in Medicine 17, 2635-2650.

    Parameters
    ----------
    cells, slices
        The rows, and who is looked at.
    influence : pair of arrays, shape (n_cells,)
        From `influences`, of either estimator.
    units : array, shape (n_slices,)
        n: independent rows (clusters) in the smaller denominator.

    Examples
    --------
    The same estimator twice: variance 3/64, covariance 3/64 - 1/32.

    >>> n, one = np.array([3.0, 1.0]), np.array([1 / 16, -3 / 16])
    >>> cells = Cells(np.array([TP, FP]), n, n, n, None, 0, False, {}, False, None)
    >>> correlation(cells, Partition((), ((),), np.array([0, 0])), (one, one), np.array([4.0])).round(4).tolist()
    [0.3333]
    """
    one, two = influence
    alone = [spread(cells, slices, influence) for influence in (one, two)]
    shared = (spread(cells, slices, one + two) - alone[0] - alone[1]) / 2.0
    correction = 0.5 / np.maximum(units, 1.0) ** 2
    shared = np.where(shared > 0.0, np.maximum(shared - correction, 0.0), shared)
    scale = np.sqrt(alone[0] * alone[1])
    return np.clip(np.divide(shared, scale, out=np.zeros(len(scale)), where=scale > 0.0), -1.0, 1.0)


def _placements(metric: Metric, cells: Cells, slices: Partition) -> Floats:
    scores = scores_of(cells, slices)
    outcome: Ranked = cast("Any", metric.function)(scores)
    bins = cast("Any", cells.bins)
    value = np.nan_to_num(outcome.value)[slices.member]
    positive, negative = (side.sum(axis=1)[slices.member] for side in (scores.positive, scores.negative))
    above = _over(np.nan_to_num(outcome.above)[slices.member, bins] - value, positive)
    below = _over(np.nan_to_num(outcome.below)[slices.member, bins] - value, negative)
    is_positive, is_negative = np.isin(cells.quadrant, (TP, FN)), np.isin(cells.quadrant, (FP, TN))
    return np.asarray(np.where(is_positive, above, np.where(is_negative, below, 0.0)), dtype=np.float64)


def _over(numerator: Floats, denominator: Floats) -> Floats:
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)
