"""The change of a mean loss of scores on the same rows: the mean of each row's own difference, and its interval."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.inference.intervals import Interval, quantile
from audit.metrics.metric import Metric
from audit.rollup import Cells, Floats, Partition, summed
from audit.score_bins import labels_of
from audit.spreads import few_units, spread

PAIRED_LOSSES = frozenset({"brier_score"})
"""Metrics of scores that are the mean of a loss of each row. Average precision and calibration are none."""

_FEW = 10.0
"""Of fewer changed rows, where most did not change, the largest change is not taken for all that can happen."""
_ROUNDING = 1e-9
_CHANGED = 0.01
"""A row changed if its difference is more than this share of the largest one."""


class LossChange(NamedTuple):
    """Differences of the losses of the same rows, one entry per slice.

    `mean` of the rows' differences; `variance` of that mean, linearised; `units`: effective rows or clusters, Kish's;
    `largest` difference of a row in size; 1, all that a loss of a score can change, where fewer than ten rows
    (clusters) changed and most did not.

    Examples
    --------
    >>> found = LossChange(np.array([0.1]), np.array([0.01]), np.array([9.0]), np.array([0.5]))
    >>> float(found.mean[0]), float(found.units[0])
    (0.1, 9.0)
    """

    mean: Floats
    variance: Floats
    units: Floats
    largest: Floats


def loss_change(first: Cells, second: Cells, slices: Partition) -> LossChange:
    """Return the differences of the Brier losses (s - y)^2 of two models over the same labelled rows.

    Scores count as the mean score of the rows with the same score bin and label: exact for everyone together, and for a
    group up to a part of the width of a bin that has mean 0. What a bin spreads over is added to the variance, so that
    it is never taken for agreement.

    Parameters
    ----------
    first, second
        The same cells as the two models see them, with scores.
    slices
        Who is looked at.

    Examples
    --------
    A positive that was scored 0.6 is now scored 0.8, and a negative stayed at 0.5: (0.04 - 0.16 + 0) / 2.

    >>> n = np.array([1.0, 1.0])
    >>> one, two = (Cells(np.array([0, 1]), n, n, n, np.array([2, 1]), 4, False, {}, False, None)._replace(
    ...             score=score, score2=score**2) for score in (np.array([0.8, 0.5]), np.array([0.6, 0.5])))
    >>> found = loss_change(one, two, Partition((), ((),), np.array([0, 0])))
    >>> found.mean.round(3).tolist(), found.largest.round(3).tolist()
    ([-0.06], [0.12])
    """
    size = len(slices.groups)
    labelled = labels_of(first)[1].astype(np.float64)
    losses, within = zip(*(_losses(cells) for cells in (first, second)), strict=True)
    difference = (losses[0] - losses[1]) * labelled
    inside = np.hypot(*within) * labelled
    total = summed(slices.member, first.w * labelled, size)
    safe = np.where(total > 0, total, 1.0)
    mean = np.where(total > 0, summed(slices.member, first.w * difference, size) / safe, np.nan)
    residual = (difference - np.nan_to_num(mean)[slices.member] * labelled) / safe[slices.member]
    units = total**2 / np.maximum(spread(first, slices, labelled), 1e-300)
    variance = spread(first, slices, residual) + spread(first, slices, inside / safe[slices.member])
    if not first.plain:
        variance = variance * few_units(np.maximum(units - 1.0, 1.0))
    changes = np.hypot(difference, inside) * (first.w > 0)
    changes = np.where(changes < _ROUNDING, 0.0, changes)
    return LossChange(mean, variance, units, _largest(changes, first, slices, units))


def loss_interval(found: LossChange, *, level: float, comparisons: npt.ArrayLike = 1) -> Interval:
    r"""Return the interval of the change of a mean loss; NaN where it is undefined or rests on a single row or cluster.

    Student's t after a row (cluster) was added that gained, and one that lost, the largest difference seen: of few rows
    that changed much the textbook interval is too sure, and of none it has no width. With differences of 0 and 1 only
    it is the interval of Bonett & Price 2012, Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data, doi:10.3102/1076998611411915, at a t quantile.

    Notes
    -----
    With k units, mean d, second moment q = k v + d^2 for the variance v of the mean, and the largest difference a:
    centre m = k d / (k + 2), variance ((k q + 2 a^2) / (k + 2) - m^2) / (k + 2), k - 1 degrees of freedom.

    Examples
    --------
    >>> found = LossChange(np.array([0.0]), np.array([0.0]), np.array([98.0]), np.array([1.0]))
    >>> low, high = loss_interval(found, level=0.95)
    >>> low.round(3).tolist(), high.round(3).tolist()  # 1.985 sqrt(2) / 100
    ([-0.028], [0.028])
    """
    k = found.units
    centre = found.mean * k / (k + 2.0)
    second = (k * (k * found.variance + found.mean**2) + 2.0 * found.largest**2) / (k + 2.0)
    error = np.sqrt(np.maximum(second - centre**2, 0.0) / (k + 2.0))
    half = quantile(level, df=np.where(k > 1.0, k - 1.0, np.nan), comparisons=comparisons) * error
    # The estimate itself is never left out.
    low, high = np.minimum(centre - half, found.mean), np.maximum(centre + half, found.mean)
    return Interval(low=np.maximum(low, -1.0), high=np.minimum(high, 1.0))


def is_paired_loss(metric: Metric) -> bool:
    """Return whether a metric is compared in pairs by the differences of each row's loss.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> [is_paired_loss(METRICS[name]) for name in ("brier_score", "average_precision")]
    [True, False]
    """
    return metric.name in PAIRED_LOSSES


def _largest(changes: Floats, cells: Cells, slices: Partition, units: Floats) -> Floats:
    """Return the largest change in each slice; 1 where so few rows changed that a larger one may not have been seen."""
    size = len(slices.groups)
    largest = np.zeros(size)
    np.maximum.at(largest, slices.member, changes)
    changed = summed(slices.member, cells.n * (changes > _CHANGED * largest[slices.member]), size)
    share = changed / np.maximum(summed(slices.member, cells.n * (labels_of(cells)[1]), size), 1.0)
    return np.where((share * units < _FEW) & (share < 0.5), 1.0, largest)


def _losses(cells: Cells) -> tuple[Floats, Floats]:
    """Return the mean Brier loss of each cell's rows, and the standard deviation of their losses."""
    if cells.score is None or cells.score2 is None:
        msg = "the Brier score needs scores; the models were compared without"
        raise ValueError(msg)
    held = np.where(cells.w > 0, cells.w, 1.0)
    score = cells.score / held
    variance = np.maximum(cells.score2 / held - score**2, 0.0)
    variance = np.where(variance < 1e-15, 0.0, variance)
    off = score - labels_of(cells)[0]
    return off**2 + variance, 2.0 * np.abs(off) * np.sqrt(variance)
