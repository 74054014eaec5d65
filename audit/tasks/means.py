"""Means of a loss over any slice, with their standard errors and intervals (see `audit.tasks.moments` for the sums)."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from audit.estimates import Estimates
from audit.inference.intervals import Interval, quantile
from audit.rollup import Floats, Partition, summed
from audit.spreads import few_units
from audit.tasks.moments import Moments

Scale = Literal["identity", "log", "logit"]
"""On which scale the mean has its t interval: any number; above 0; between 0 and 1."""

_NO_SPREAD = 1e-12
"""A variance below this share of the mean square is rounding: all values are the same."""
_AT_ONCE = 5_000_000


def mean_estimates(moments: Moments, loss: str, slices: Partition) -> Estimates:
    r"""Return the weighted mean of a loss in every slice and its standard error.

    Parameters
    ----------
    moments
        The sums.
    loss
        Name of the loss.
    slices
        Slices that each cell falls into exactly one of.

    Returns
    -------
    Estimates
        `value` and `error` have one entry per slice, NaN where a slice has no row (the error also where it has one
        only); `n` counts rows; `df` are the degrees of freedom.

    Notes
    -----
    m = sum w z / sum w; its variance is that of the linearised mean, sum over rows (over clusters: of squared cluster
    totals) of [w (z - m)]^2 / (sum w)^2 x g / (g - 1), with g the rows (weights or clusters: Kish's effective number)
    and g - 1 degrees of freedom. Sources: Binder 1983, doi:10.2307/1402588; Kish 1965, Survey Sampling.

    Examples
    --------
    The values 1 and 3: mean 2, standard error sqrt(2 / 2) = 1.

    >>> import narwhals.stable.v2 as nw, pyarrow as pa
    >>> from audit.tasks.moments import collect_moments
    >>> from audit.predictions import PredictionLog
    >>> log = PredictionLog.from_frame(pa.table({"y": [0.0, 0.0], "p": [1.0, 3.0]}), y_true="y", y_pred="p")
    >>> found = mean_estimates(collect_moments(log, {"z": nw.col("y_pred")}), "z", Partition((), ((),), np.array([0])))
    >>> found.value.tolist(), found.error.tolist(), found.n.tolist()
    ([2.0], [1.0], [2])
    """
    cells, sums = moments.cells, moments.losses[loss]
    size, member = len(slices.groups), slices.member
    total, squares = summed(member, cells.w, size), summed(member, cells.w2, size)
    first = summed(member, sums.first, size)
    mean = np.divide(first, total, out=np.full(size, np.nan), where=total > 0)
    centre = np.nan_to_num(mean)
    if moments.cluster is None:
        second = summed(member, sums.square, size)
        spread = second - 2 * centre * summed(member, sums.cross, size) + centre**2 * squares
        groups = _over(total**2, squares)
    else:
        residual, weight, second = _by_cluster(moments, sums.first, slices, centre)
        spread, groups = residual, _over(total**2, weight)
    spread = np.where(spread <= _NO_SPREAD * second, 0.0, spread)
    several = groups > 1 + 1e-9
    factor = np.divide(groups, groups - 1, out=np.full(size, np.nan), where=several)
    error = np.sqrt(_over(spread, total**2) * factor)
    df = np.maximum(np.where(several, groups - 1, 0.0), 0.0)
    return Estimates(mean, summed(member, cells.n, size).astype(np.int64), df, error=error)


def mean_covariance(
    moments: Moments, loss: str, slices: Partition, first: npt.ArrayLike, second: npt.ArrayLike
) -> Floats:
    """Return the covariance of the means of slices `first[i]` and `second[i]`: 0 where no cluster has rows in both.

    Examples
    --------
    >>> import narwhals.stable.v2 as nw, pyarrow as pa
    >>> frame = pa.table({"y": [0.0, 0.0], "p": [1.0, 3.0], "sex": ["F", "M"]})
    >>> from audit.tasks.moments import collect_moments
    >>> from audit.predictions import PredictionLog
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex"])
    >>> found = collect_moments(log, {"z": nw.col("y_pred")})
    >>> mean_covariance(found, "z", Partition(("sex",), (("F",), ("M",)), np.array([0, 1])), [0], [1]).tolist()
    [0.0]
    """
    one, two = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    if moments.cluster is None:
        return np.zeros(len(one))
    size, cells = len(slices.groups), moments.cells
    total = summed(slices.member, cells.w, size)
    found = mean_estimates(moments, loss, slices)
    mean, factor = np.nan_to_num(found.value), few_units(found.df)
    residual = _over(moments.losses[loss].first - mean[slices.member] * cells.w, total[slices.member])
    shared = np.zeros((size, size))
    clusters = int(moments.cluster.max(initial=-1)) + 1
    step = max(_AT_ONCE // max(size, 1), 1)
    for start in range(0, clusters, step):
        inside = (moments.cluster >= start) & (moments.cluster < start + step)
        width = min(step, clusters - start)
        place = slices.member[inside] * width + moments.cluster[inside] - start
        totals = summed(place, residual[inside], size * width).reshape(size, width)
        shared += totals @ totals.T
    return np.asarray(shared[one, two] * np.sqrt(factor[one] * factor[two]), dtype=np.float64)


def mean_interval(estimates: Estimates, scale: Scale, *, level: float, comparisons: npt.ArrayLike = 1) -> Interval:
    """Return the t interval of each mean on its scale; NaN where there is no spread, or one row only.

    "log" keeps the mean of losses that are never negative above 0 and is longer upwards, as the sampling distribution
    of the mean of a skewed loss asks for; "logit" keeps shares in (0, 1).

    Notes
    -----
    A loss without an upper bound can be large in rows of a kind that the sample does not hold, and no interval made of
    the sample allows for them. Where 1 % of rows are 100 off and the others nearly right, 37 % of samples of 100 rows
    hold none of the former and look harmless: their intervals lie far below the true mean, and a limit on the mean
    passes. The interval is therefore no evidence against rare large losses; with r rows of which none is of a kind,
    at most a share 3 / r is (level .95), whatever it costs. Share of intervals wholly below the mean (6,000 samples of
    each; .025 is promised): of these rows .37 with 100, .04 with 300, .03 with 1,000; of squared exponential losses
    .10 with 30 and .05 with 300; of lognormal losses with sigma 2 .19 with 100 and .13 with 1,000; of absolute and
    squared normal errors .02 to .05 from 30 on.

    No interval is withheld for the look of the sample: samples in which few rows carry the loss,
    (sum z)^2 / sum z^2 < 10, are those that do hold some of the large ones. Their intervals are long and cover; without
    them the rest covers less often (of squared exponential losses, 30 rows: .85 instead of .89), and just as many
    intervals are wrongly low.

    Examples
    --------
    2.262 is the t quantile of 9 degrees of freedom; exp(2.262 x 1 / 2) = 3.099.

    >>> found = Estimates(np.array([2.0]), np.array([10]), np.array([9.0]), error=np.array([1.0]))
    >>> [mean_interval(found, scale, level=0.95).high.round(3).tolist() for scale in ("identity", "log")]
    [[4.262], [6.198]]
    """
    critical = quantile(level, df=estimates.df, comparisons=comparisons)
    value = estimates.value
    error = np.full(len(value), np.nan) if estimates.error is None else estimates.error
    half = critical * np.where(error > 0, error, np.nan)
    if scale == "identity":
        return Interval(value - half, value + half)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        if scale == "log":
            relative = half / np.where(value > 0, value, np.nan)
            return Interval(value * np.exp(-relative), value * np.exp(relative))
        unit = np.where((value > 0) & (value < 1), value, np.nan)
        logit, width = np.log(unit / (1 - unit)), half / (unit * (1 - unit))
        return Interval(1 / (1 + np.exp(width - logit)), 1 / (1 + np.exp(-width - logit)))


def _by_cluster(moments: Moments, first: Floats, slices: Partition, mean: Floats) -> tuple[Floats, Floats, Floats]:
    """Return per slice the sums over clusters of squared totals of w (z - mean), of w, and of w z."""
    cluster = np.asarray(moments.cluster)
    size = len(slices.groups)
    pair, where = np.unique(slices.member * (int(cluster.max(initial=0)) + 1) + cluster, return_inverse=True)
    owner = pair // (int(cluster.max(initial=0)) + 1)
    total = summed(where, first, len(pair))
    weight = summed(where, moments.cells.w, len(pair))
    residual = total - mean[owner] * weight
    return summed(owner, residual**2, size), summed(owner, weight**2, size), summed(owner, total**2, size)


def _over(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Floats:
    below = np.asarray(denominator, dtype=np.float64)
    return np.divide(numerator, below, out=np.zeros(below.shape), where=below > 0)
