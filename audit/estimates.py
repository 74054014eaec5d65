"""Estimates of one metric over the slices of a partition, and their intervals."""

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from audit.components import composed_interval
from audit.effective import rate_estimates
from audit.estimated import Estimates, joined_estimates
from audit.inference import intervals
from audit.inference.distance_bounds import widened
from audit.inference.intervals import Interval
from audit.metrics.confusion import prevalence
from audit.metrics.metric import Metric
from audit.rare_labels import rare_interval
from audit.rollup import Cells, Floats, Partition, counts_of
from audit.score_bins import (
    BIN_GROUPS,
    Parts,
    distance_interval,
    distance_value,
    grouped_scores,
    labels_of,
    moments_of,
    refined,
)
from audit.score_estimates import MAX_SLACK, ranked_estimates, scored_estimates
from audit.smooth import set_estimates, smooth_estimates
from audit.spreads import covariance, design, few_units, freedom, spread

__all__ = [
    "MAX_SLACK",
    "Estimates",
    "covariance",
    "design",
    "estimate",
    "interval",
    "joined_estimates",
    "method",
    "parts_of",
    "spread",
]


def estimate(metric: Metric, cells: Cells, slices: Partition) -> Estimates:
    """Estimate a metric in every slice.

    Rates of independent rows that count alike keep their own counts. Under sampling weights or clusters the variance
    is the linearised one, sum of squared (cluster totals of) influences (Binder 1983, doi:10.2307/1402588), and turned
    into effective counts p (1 - p) / variance, at most n; where the rate is 0 or 1, Kish's effective size stands in.
    With g = Kish's effective number of clusters (or rows), variances carry the factor g / (g - 1) and g - 1 degrees of
    freedom.
    Smooth metrics: the rates that they are functions of, with effective counts of their own. Metrics of scores: the
    same linearisation, DeLong's placements for the AUC. Distances: parts, and the error of the shares of those parts.

    Raises
    ------
    ValueError
        If the metric needs scores and the tally holds none.

    Examples
    --------
    Three true positives and one false negative; nothing negative.

    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([3.0, 1.0])
    >>> cells = Cells(np.array([0, 2]), n, n, n, None, 0, False, {}, False, None)
    >>> everyone = Partition((), ((),), np.array([0, 0]))
    >>> [estimate(METRICS[f"{name}_positive_rate"], cells, everyone).value.tolist() for name in ("true", "false")]
    [[0.75], [nan]]
    """
    if cells.sets is not None:
        return set_estimates(metric, cells, cells.sets, slices)
    if metric.needs_scores and cells.bins is None:
        msg = f"{metric.name} needs scores, and this tally holds no scores; name y_score when you make the log"
        raise ValueError(msg)
    if metric.kind == "ranked":
        return ranked_estimates(metric, cells, slices)
    if metric.kind == "scored":
        return scored_estimates(metric, cells, slices)
    if metric.kind == "distance":
        return _distance(metric, cells, slices)
    weights = counts_of(cells, slices, cells.w)
    rows = weights if cells.plain else counts_of(cells, slices, cells.n)
    if metric.kind == "rate":
        return rate_estimates(cast("Any", metric.function), cells, slices, weights, rows)
    return smooth_estimates(metric, cells, slices, weights, rows)


def interval(metric: Metric, estimates: Estimates, *, level: float, comparisons: npt.ArrayLike = 1) -> Interval:
    """Return the interval of each estimate; NaN where there is none.

    Rates: Clopper-Pearson where min(x, n - x) < 10, else Wilson. Smooth metrics: from the intervals of the rates that
    they are functions of, squared and added (`audit.components`). Distances: what intervals of their parts allow that
    hold all at once, squared and added to the error of the parts' shares. Others: the normal (or t) interval on the
    logit (range [0, 1]), Fisher's z ([-1, 1]) or log scale ([0, inf)), or Wald's (no ends); none where the standard
    error is 0, as at the ends of the range. Mean losses of scores allow for labels that were hardly seen
    (`audit.rare_labels`).

    Sources: Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404; Wilson 1927, doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    None out of one: Clopper-Pearson's upper end is 1 - 0.025.

    >>> from audit.metrics.catalog import METRICS
    >>> none = Estimates(np.array([0.0]), np.array([1]), np.array([np.inf]), np.array([0.0]), np.array([1.0]))
    >>> low, high = interval(METRICS["accuracy"], none, level=0.95)
    >>> low.tolist(), high.round(3).tolist()
    ([0.0], [0.975])
    """
    if estimates.successes is not None and estimates.trials is not None:
        df = None if np.all(np.isinf(estimates.df)) else estimates.df
        return intervals.rate(estimates.successes, estimates.trials, level=level, df=df, comparisons=comparisons)
    if estimates.parts is not None:
        bounds = distance_interval(metric, estimates.parts, level=level, comparisons=comparisons)
        if estimates.error is None:
            return bounds
        half = intervals.quantile(level, df=estimates.df, comparisons=comparisons) * estimates.error
        return widened(estimates.value, bounds, half, metric.range)
    critical = intervals.quantile(level, df=estimates.df, comparisons=comparisons)
    bounds = _transformed(metric, estimates, critical)
    if estimates.labels is not None:
        own = rare_interval(
            estimates.value, bounds, estimates.labels, level=level, df=estimates.df, comparisons=comparisons
        )
        bounds = Interval(np.maximum(own.low, metric.range[0]), np.minimum(own.high, metric.range[1]))
    if estimates.components is None:
        return bounds
    own, made = (
        composed_interval(estimates.components, level=level, comparisons=comparisons),
        estimates.components.which,
    )
    return Interval(np.where(made < 0, bounds.low, own.low), np.where(made < 0, bounds.high, own.high))


def method(metric: Metric, cells: Cells, estimates: Estimates) -> list[str]:
    """Return the name of the interval of each estimate.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([1.0])
    >>> cells = Cells(np.array([0]), n, n, n, None, 0, False, {}, False, None)
    >>> method(METRICS["accuracy"], cells, estimate(METRICS["accuracy"], cells, Partition((), ((),), np.array([0]))))
    ['clopper_pearson']
    """
    suffix = design(cells)
    if estimates.successes is not None and estimates.trials is not None:
        exact = intervals.uses_clopper_pearson(estimates.successes, estimates.trials)
        return [f"{'clopper_pearson' if flag else 'wilson'}{suffix}" for flag in exact.tolist()]
    if estimates.parts is not None:
        return [f"simultaneous_bins{suffix}"] * len(estimates.value)
    scale = {(0.0, 1.0): "logit", (-1.0, 1.0): "fisher z", (-np.inf, np.inf): "wald"}.get(metric.range, "log")
    name = f"{'delong' if metric.kind == 'ranked' else 'delta'}, {scale}{suffix}"
    made = np.zeros(len(estimates.value)) if estimates.components is None else estimates.components.which >= 0
    rare = np.zeros(len(made)) if estimates.labels is None else estimates.labels.rare
    return [
        f"mover{suffix}" if own else f"mover, rare label{suffix}" if few else name
        for own, few in zip(made, rare, strict=True)
    ]


def parts_of(cells: Cells, slices: Partition) -> Parts:
    """Return observed rates and mean scores of every slice in `BIN_GROUPS` equal ranges of scores.

    Raises
    ------
    ValueError
        If the tally holds no scores.

    Examples
    --------
    Two negatives at 0.1 and 0.15, three positives at 0.9 and one negative there.

    >>> n, score = np.array([2.0, 3.0, 1.0]), np.array([0.25, 2.7, 0.9])
    >>> cells = Cells(np.array([3, 0, 1]), n, n, n, np.array([2, 18, 18]), 20, False, {}, False, None)
    >>> cells = cells._replace(score=score, score2=score)
    >>> parts = parts_of(cells, Partition((), ((),), np.zeros(3, dtype=np.int64)))
    >>> parts.observed[0, [1, 9]].tolist(), parts.score[0, [1, 9]].round(3).tolist(), parts.n[0, [1, 9]].tolist()
    ([0.0, 0.75], [0.125, 0.9], [2.0, 4.0])
    """
    score, share, variance = grouped_scores(moments_of(cells, slices))
    fine = refined(cells, slices)
    weights = counts_of(cells, fine, cells.w)
    rows = weights if cells.plain else counts_of(cells, fine, cells.n)
    found = rate_estimates(prevalence, cells, fine, weights, rows)
    columns = (found.successes, found.trials, found.df, found.value, score, share, found.n)
    grouped = (np.asarray(column, dtype=np.float64).reshape(-1, BIN_GROUPS) for column in columns)
    parts = Parts(*grouped)
    return parts._replace(score_error=np.sqrt(variance / np.maximum(parts.trials, 1.0)))


def _distance(metric: Metric, cells: Cells, slices: Partition) -> Estimates:
    parts = parts_of(cells, slices)
    value, n, by_row = distance_value(metric, parts)
    infinite = np.full(len(value), np.inf)
    if by_row is None:
        return Estimates(value, n, infinite, parts=parts)
    weight = moments_of(cells, slices).weight.sum(axis=(0, 2))
    group = cast("Any", cells.bins) * BIN_GROUPS // cells.n_bins
    off = (by_row - np.nan_to_num(value)[:, None]) / np.where(weight > 0, weight, np.inf)[:, None]
    of_cell = np.where(labels_of(cells)[1], off[slices.member, group], 0.0)
    df = freedom(cells, slices)
    return Estimates(value, n, df, error=np.sqrt(spread(cells, slices, of_cell) * few_units(df)), parts=parts)


def _transformed(metric: Metric, estimates: Estimates, critical: Floats) -> Interval:
    low, high = metric.range
    value = estimates.value
    given = np.full(len(value), np.nan) if estimates.error is None else estimates.error
    error = np.where((given == 0) | (value <= low) | (value >= high), np.nan, given)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        if np.isinf(low):
            bounds = Interval(value - critical * error, value + critical * error)
        elif np.isinf(high):
            half = critical * error / value
            bounds = Interval(value * np.exp(-half), value * np.exp(half))
        else:
            unit = (value - low) / (high - low)
            half = critical * error / (high - low) / (unit * (1 - unit))
            logit = np.log(unit / (1 - unit))
            sides = [1 / (1 + np.exp(-(logit + sign * half))) for sign in (-1, 1)]
            bounds = Interval(*(low + (high - low) * side for side in sides))
    slack = 0.0 if estimates.slack is None else estimates.slack
    return Interval(np.maximum(bounds.low - slack, low), np.minimum(bounds.high + slack, high))
