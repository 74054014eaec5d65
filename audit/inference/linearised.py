"""Estimates with the influence of each row: one variance for a mean, an AUC, and the paired difference of two of them.

The value of an estimate moves by `influence[i]` when row i is taken out, to first order; its variance is the sum of the
squared influences, or of their totals by cluster (Binder 1983, On the variances of asymptotically normal estimators
from complex surveys, doi:10.2307/1402588). Two estimates on the same rows differ with the difference of their
influences: what both share cancels, which is why a paired interval is narrow.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.estimates import Estimates
from audit.inference import intervals
from audit.inference.intervals import Interval
from audit.measurement import Against, At, Measurement, Slice
from audit.metrics.metric import ScoreCounts
from audit.metrics.ranking import roc_auc
from audit.tasks.means import mean_interval

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


class Linearised(NamedTuple):
    """An estimate, the influence of each row on it, and how many independent units it rests on.

    `n` is the smallest denominator in rows; `units` the number of clusters (rows where there are none); `df` the
    degrees of freedom of its standard error, infinite for the normal.

    Examples
    --------
    >>> found = mean([1.0, 2.0, 3.0])
    >>> found.value, round(standard_error(found), 4), found.df
    (2.0, 0.5774, 2.0)
    """

    value: float
    influence: Floats
    n: int
    units: int
    df: float = np.inf
    cluster: Codes | None = None


class Place(NamedTuple):
    """What identifies a row of a result beside its metric.

    Examples
    --------
    >>> Place(at=(("feature", "age"),)).at
    (('feature', 'age'),)
    """

    at: At = ()
    slice: Slice = ()
    against: Against | None = None


def mean(values: npt.ArrayLike, *, cluster: Codes | None = None) -> Linearised:
    """Return the mean of values; NaN where there are none.

    The influence of row i is (v_i - mean) / n, times sqrt(g / (g - 1)) for g clusters or rows, which makes the variance
    of independent rows the usual s^2 / n.

    Examples
    --------
    Two clusters of two equal rows count as two rows.

    >>> found = mean([1.0, 1.0, 3.0, 3.0], cluster=np.array([0, 0, 1, 1]))
    >>> found.value, standard_error(found), found.units
    (2.0, 1.0, 2)
    """
    array = np.asarray(values, dtype=np.float64)
    n = len(array)
    value = float(array.mean()) if n else np.nan
    units = n if cluster is None else len(np.unique(cluster))
    scale = np.sqrt(units / (units - 1)) if units > 1 else np.nan
    return Linearised(value, (array - value) * scale / max(n, 1), n, units, float(units - 1), cluster)


def auc(y: npt.ArrayLike, scores: npt.ArrayLike, *, cluster: Codes | None = None) -> Linearised:
    """Return the area under the ROC curve with DeLong's placements as influences.

    Exact: every distinct score is a bin of its own. NaN with one class only. For independent rows the sum of squares is
    DeLong's variance S10 / m + S01 / n (DeLong, DeLong & Clarke-Pearson 1988, doi:10.2307/2531595); with clusters that
    of Obuchowski 1997, Nonparametric analysis of clustered ROC curve data, doi:10.2307/2533958.

    Parameters
    ----------
    y
        Labels 0 or 1, shape (n_rows,).
    scores
        Scores, larger for the positive label, shape (n_rows,); finite.
    cluster
        Which rows belong together, as integers, shape (n_rows,).

    Examples
    --------
    Of the four pairs of a positive and a negative, three are in order.

    >>> found = auc([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4])
    >>> found.value, found.n
    (0.75, 2)
    """
    positive = np.asarray(y) == 1
    bins = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True)[1]
    ups, downs = (np.bincount(bins[side], minlength=bins.max(initial=0) + 1) for side in (positive, ~positive))
    ranked = roc_auc(ScoreCounts(ups[None], downs[None]))
    value = float(ranked.value[0])
    sizes = np.array([np.count_nonzero(~positive), np.count_nonzero(positive)])
    placed = np.where(positive, ranked.above[0][bins], ranked.below[0][bins]) - value
    units = len(bins) if cluster is None else len(np.unique(cluster))
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(sizes / (sizes - 1)) if cluster is None else np.full(2, np.sqrt(units / (units - 1)))
        influence = placed * (scale / sizes)[positive.astype(np.int64)]
    return Linearised(value, influence, int(sizes.min()), units, np.inf if cluster is None else units - 1.0, cluster)


def difference(first: Linearised, second: Linearised) -> Linearised:
    """Return first - second for two estimates on the same rows.

    Raises
    ------
    ValueError
        If they do not rest on the same number of rows.

    Examples
    --------
    Two predictions whose errors differ by the same amount in every row: the difference has no spread.

    >>> found = difference(mean([1.0, 2.0, 3.0]), mean([0.5, 1.5, 2.5]))
    >>> found.value, standard_error(found)
    (0.5, 0.0)
    """
    if len(first.influence) != len(second.influence):
        msg = f"paired estimates need the same rows; got {len(first.influence)} and {len(second.influence)}"
        raise ValueError(msg)
    return Linearised(
        first.value - second.value,
        first.influence - second.influence,
        min(first.n, second.n),
        min(first.units, second.units),
        min(first.df, second.df),
        first.cluster,
    )


def part_difference(values: npt.ArrayLike, part: npt.NDArray[np.bool_], *, cluster: Codes | None = None) -> Linearised:
    """Return the mean of the rows in a part minus the mean of the other rows.

    Examples
    --------
    >>> found = part_difference([1.0, 3.0, 5.0, 7.0], np.array([False, False, True, True]))
    >>> found.value, round(standard_error(found), 3)  # each mean has the standard error 1
    (4.0, 1.414)
    """
    array = np.asarray(values, dtype=np.float64)
    sides = [mean(array[side], cluster=None) for side in (part, ~part)]
    influence = np.zeros(len(array))
    influence[part], influence[~part] = sides[0].influence, -sides[1].influence
    n, units = min(side.n for side in sides), min(side.units for side in sides)
    if cluster is not None:
        units = len(np.unique(cluster))
        influence *= np.sqrt(units / (units - 1)) if units > 1 else np.nan
    value = sides[0].value - sides[1].value
    return Linearised(value, influence, n, units, float(units - 1), cluster)


def standard_error(found: Linearised) -> float:
    """Return the standard error: the root of the sum over clusters (rows) of squared totals of influence.

    Examples
    --------
    >>> round(standard_error(auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])), 4)  # placements 1/2, 1 and 1, 1/2
    0.3536
    """
    if found.cluster is None:
        totals = found.influence
    else:
        codes = np.unique(found.cluster, return_inverse=True)[1]
        totals = np.asarray(np.bincount(codes, weights=found.influence), dtype=np.float64)
    # Rounding leaves 1e-17 where nothing varies.
    error = float(np.sqrt(np.sum(totals**2)))
    return 0.0 if error < 1e-12 else error


def bounds(found: Linearised, *, level: float, comparisons: int = 1) -> Interval:
    """Return value -+ c x standard error, c the critical value of the normal or of Student's t; NaN without spread.

    Examples
    --------
    The t quantile of 8 degrees of freedom is 2.306; the standard error sqrt(7.5 / 9) = .9129.

    >>> low, high = bounds(mean([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]), level=0.95)
    >>> round(float(low), 3), round(float(high), 3)
    (2.895, 7.105)
    """
    error = standard_error(found) or np.nan
    half = intervals.quantile(level, df=found.df, comparisons=comparisons) * error
    return Interval(low=found.value - half, high=found.value + half)


def auc_bounds(found: Linearised, *, level: float, comparisons: int = 1) -> tuple[Interval, str]:
    """Return the interval of an AUC and how it was made.

    On the logit scale; where the classes are wholly apart (AUC 0 or 1) the placements have no spread, and the bound is
    that of m disjoint pairs of a positive and a negative, all in order: m = the rows of the smaller class, or the
    clusters where these are fewer. Each such pair is in order with probability AUC, independently of the others, so
    Clopper-Pearson's bound (alpha / 2)^(1 / m) holds for any m.

    Examples
    --------
    >>> interval, how = auc_bounds(auc([0, 0, 1, 1], [1.0, 2.0, 3.0, 4.0]), level=0.95)
    >>> round(float(interval.low), 4), float(interval.high), how  # .025^(1/2)
    (0.1581, 1.0, 'disjoint_pairs')
    """
    error, value = standard_error(found), found.value
    critical = float(intervals.quantile(level, df=found.df, comparisons=comparisons))
    if value in {0.0, 1.0}:
        pairs = min(found.n, found.units)
        return intervals.clopper_pearson(value * pairs, pairs, alpha=(1 - level) / comparisons), "disjoint_pairs"
    how = "delong, logit" if found.cluster is None else "delong, logit, cluster-robust"
    if not error or np.isnan(value):
        return Interval(low=np.array(np.nan), high=np.array(np.nan)), how
    half = critical * error / (value * (1 - value))
    logit = np.log(value / (1 - value))
    return Interval(*(np.asarray(1 / (1 + np.exp(-(logit + sign * half)))) for sign in (-1, 1))), how


def rate_bounds(found: Linearised, *, level: float, comparisons: int = 1) -> tuple[Interval, str]:
    """Return the interval of a rate that `mean` made of 0s and 1s, by `intervals.rate`, and how it was made.

    Effective trials are p (1 - p) / variance, at most n; the number of clusters where the rate is 0 or 1.

    Examples
    --------
    >>> (low, high), how = rate_bounds(mean([0.0] * 50 + [1.0] * 50), level=0.95)
    >>> round(float(low), 3), round(float(high), 3), how
    (0.404, 0.596, 'wilson')
    """
    value, variance = found.value, standard_error(found) ** 2
    trials = float(found.n if found.cluster is None else found.units)
    if found.cluster is not None and variance > 0:
        trials = min(value * (1 - value) / variance, float(found.n))
    df = None if found.cluster is None else max(found.df, 1.0)
    successes = min(round(value * trials, 9), trials) if trials else 0.0
    how = "clopper_pearson" if intervals.uses_clopper_pearson(successes, trials) else "wilson"
    how += "" if found.cluster is None else ", cluster-robust"
    return intervals.rate(successes, trials, level=level, df=df, comparisons=comparisons), how


def loss_bounds(found: Linearised, *, level: float) -> Interval:
    """Return the interval of the mean of a loss that is never negative: Student's t on the log scale.

    value x exp(-+ c se / value), so that it stays above 0. NaN without spread.

    Examples
    --------
    >>> low, high = loss_bounds(mean([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]), level=0.95)
    >>> round(float(low), 3), round(float(high), 3)  # 5 x exp(-+ 2.306 x .9129 / 5)
    (3.282, 7.618)
    """
    estimate = Estimates(
        np.array([found.value]), np.array([found.n]), np.array([found.df]), error=np.array([standard_error(found)])
    )
    low, high = mean_interval(estimate, "log", level=level)
    return Interval(low=low[0], high=high[0])


def row(
    metric: str,
    found: Linearised,
    interval: Interval,
    *,
    method: str,
    level: float,
    place: Place | None = None,
    reason: str | None = None,
) -> Measurement:
    """Return the measurement of an estimate; undefined ones and missing intervals say why.

    Examples
    --------
    >>> flat = mean([2.0, 2.0])
    >>> row("loss", flat, bounds(flat, level=0.95), method="paired_t", level=0.95).reason
    'no interval: the rows show no spread'
    """
    key = place or Place()
    ends = [float(end) for end in interval]
    if not np.isfinite(found.value):
        ends, why = [np.nan, np.nan], reason or "no rows, or labels of one class only"
    elif not np.isfinite(ends).all():
        why = "; ".join(filter(None, [reason, "no interval: the rows show no spread"]))
    else:
        why = reason or ""
    fields: Mapping[str, float | None] = {
        name: number if np.isfinite(number) else None
        for name, number in (("value", found.value), ("low", ends[0]), ("high", ends[1]))
    }
    return Measurement(
        metric=metric, slice=key.slice, at=key.at, against=key.against, n=found.n, level=level, method=method,
        reason=why or None, value=fields["value"], low=fields["low"], high=fields["high"],
    )  # fmt: skip
