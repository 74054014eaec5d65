"""Estimates of one metric over the slices of a partition, and their intervals."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from audit import intervals
from audit.intervals import Interval
from audit.metrics.metric import Counts, Fraction, Metric, Ranked, Smooth
from audit.rollup import FN, FP, TN, TP, Cells, Floats, Partition, counts_of, scores_of, summed

_STEP = 1e-20
"""Complex step: f(x + ih) / h has the derivative of f as its imaginary part, to machine precision."""


MAX_SLACK = 0.05
"""An AUC from score bins is shown only if tied bins leave it open by no more than this; its interval allows for it."""


class Estimates(NamedTuple):
    """One metric over the slices of a partition; every array has one entry per slice.

    `value` is NaN where undefined; `n` counts rows, the smallest denominator. For rates, `successes` out of `trials`
    are the effective counts that intervals are made of: the rows themselves where rows are independent and count
    alike. For other metrics `successes` is None and `error` the standard error. `df`: degrees of freedom, infinite for
    independent rows. `influence`, of rates under weights or clusters: per cell, the first-order change of the slice's
    value per unit of weight (one row per metric where several are joined). `slack`: what tied scores may hide.

    Examples
    --------
    >>> found = Estimates(np.array([0.75, np.nan]), np.array([4, 0]), np.array([np.inf, np.inf]))
    >>> found.take([0]).value.tolist(), found.take([0]).n.tolist()
    ([0.75], [4])
    """

    value: Floats
    n: npt.NDArray[np.int64]
    df: Floats
    successes: Floats | None = None
    trials: Floats | None = None
    error: Floats | None = None
    influence: Floats | None = None
    slack: Floats | None = None

    def take(self, places: npt.ArrayLike) -> "Estimates":
        """Return the estimates at some places (cell-level influence is kept as it is)."""
        chosen = np.asarray(places, dtype=np.int64)
        fields = {
            name: column[chosen]
            for name, column in self._asdict().items()
            if column is not None and name != "influence"
        }
        return self._replace(**fields)


def joined_estimates(parts: Sequence[Estimates]) -> Estimates:
    """Return estimates one after another; a field that only some of them have is 0 for the others.

    Examples
    --------
    >>> one = Estimates(np.array([0.5]), np.array([4]), np.array([np.inf]), error=np.array([0.1]))
    >>> joined = joined_estimates([one, one._replace(value=np.array([0.75]), error=None)])
    >>> joined.value.tolist(), joined.error.tolist()
    ([0.5, 0.75], [0.1, 0.0])
    """
    columns: dict[str, Any] = {}
    for name in Estimates._fields:
        given = [getattr(part, name) for part in parts]
        if all(column is None for column in given):
            columns[name] = None
        elif name == "influence":
            columns[name] = None if any(column is None for column in given) else np.stack(given)
        else:
            zeros = [
                np.zeros(len(part.value)) if column is None else column
                for part, column in zip(parts, given, strict=True)
            ]
            columns[name] = np.concatenate(zeros)
    return Estimates(**columns)


def estimate(metric: Metric, cells: Cells, slices: Partition) -> Estimates:
    """Estimate a metric in every slice.

    Rates of independent rows that count alike keep their own counts. Under sampling weights or clusters the variance
    is the linearised one, sum of squared (cluster totals of) influences (Binder 1983, doi:10.2307/1402588), and turned
    into effective counts p (1 - p) / variance, at most n; where the rate is 0 or 1, Kish's effective size stands in.
    With g = Kish's effective number of clusters (or rows), variances carry the factor g / (g - 1) and g - 1 degrees of
    freedom.
    Other metrics: the same linearisation, DeLong's placements for the AUC.

    Raises
    ------
    ValueError
        If the metric needs scores and the tally holds none.

    Examples
    --------
    Three true positives and one false negative; nothing negative.

    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([3.0, 1.0])
    >>> cells = Cells(np.array([TP, FN]), n, n, n, None, 0, False, {}, False, None)
    >>> everyone = Partition((), ((),), np.array([0, 0]))
    >>> [estimate(METRICS[f"{name}_positive_rate"], cells, everyone).value.tolist() for name in ("true", "false")]
    [[0.75], [nan]]
    """
    if metric.kind == "ranked":
        return _ranked(metric, cells, slices)
    weights = counts_of(cells, slices, cells.w)
    rows = weights if cells.plain else counts_of(cells, slices, cells.n)
    if metric.kind == "rate":
        return _rate(metric, cells, slices, weights, rows)
    return _smooth(metric, cells, slices, weights, rows)


def interval(metric: Metric, estimates: Estimates, *, level: float, comparisons: npt.ArrayLike = 1) -> Interval:
    """Return the interval of each estimate; NaN where there is none.

    Rates: Clopper-Pearson where min(x, n - x) < 10, else Wilson. Others: the normal (or t) interval on the logit
    (range [0, 1]), Fisher's z ([-1, 1]) or log scale ([0, inf)); none where the standard error is 0, as at the ends of
    the range.

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
    critical = intervals.quantile(level, df=estimates.df, comparisons=comparisons)
    return _transformed(metric, estimates, critical)


def method(metric: Metric, cells: Cells, estimates: Estimates) -> list[str]:
    """Return the name of the interval of each estimate.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([1.0])
    >>> cells = Cells(np.array([TP]), n, n, n, None, 0, False, {}, False, None)
    >>> method(METRICS["accuracy"], cells, estimate(METRICS["accuracy"], cells, Partition((), ((),), np.array([0]))))
    ['clopper_pearson']
    """
    suffix = design(cells)
    if estimates.successes is not None and estimates.trials is not None:
        exact = intervals.uses_clopper_pearson(estimates.successes, estimates.trials)
        return [f"{'clopper_pearson' if flag else 'wilson'}{suffix}" for flag in exact.tolist()]
    scale = {(0.0, 1.0): "logit", (-1.0, 1.0): "fisher z"}.get(metric.range, "log")
    return [f"{'delong' if metric.kind == 'ranked' else 'delta'}, {scale}{suffix}"] * len(estimates.value)


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
    total of weight x influence (Binder 1983, doi:10.2307/1402588). The factor g / (g - 1) of `estimate` is not in it.

    Examples
    --------
    The rate 3/4 has the influences (1 - 3/4) / 4 and (0 - 3/4) / 4, and the variance 3/4 x 1/4 / 4 = 3/64.

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
    return summed(left[within], product[within], size)


def covariance(cells: Cells, slices: Partition, influence: Floats, first: Any, second: Any) -> Floats:  # noqa: ANN401
    """Return the covariance of the values of slices `first[i]` and `second[i]`; 0 where no cluster spans both.

    It is the sum over clusters of the product of their totals of weight x influence in the two slices.

    Examples
    --------
    One cluster has a row in each of two slices.

    >>> from audit.rollup import Pairs
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


def _rate(metric: Metric, cells: Cells, slices: Partition, weights: Counts, rows: Counts) -> Estimates:
    outcome: Fraction = cast("Any", metric.function)(weights)
    denominator = np.asarray(outcome.denominator, dtype=np.float64)
    value = np.divide(outcome.numerator, denominator, out=np.full(len(denominator), np.nan), where=denominator > 0)
    n = np.asarray(cast("Any", metric.function)(rows).denominator).astype(np.int64)
    infinite = np.full(len(value), np.inf)
    if cells.plain:
        return Estimates(value, n, infinite, np.asarray(outcome.numerator, np.float64), denominator)
    units = cast("Any", metric.function)(Counts(*np.eye(6)))
    inside = units.denominator[cells.quadrant]
    safe = np.where(denominator > 0, denominator, 1.0)
    residual = units.numerator[cells.quadrant] - np.nan_to_num(value)[slices.member] * inside
    influence = residual / safe[slices.member]
    kish = safe**2 / np.maximum(spread(cells, slices, inside), 1e-300)
    variance = spread(cells, slices, influence) * _few(kish - 1)
    bernoulli = value * (1 - value)
    trials = np.where(variance > 1e-18, bernoulli / np.maximum(variance, 1e-300), kish)
    # Rounded, so that 10 events stay 10: the last bits must not choose between Wilson and Clopper-Pearson.
    trials = np.where(denominator > 0, np.minimum(trials, n), 0.0).round(9)
    successes = np.minimum((np.nan_to_num(value) * trials).round(9), trials)
    return Estimates(value, n, np.maximum(kish - 1, 1.0), successes, trials, influence=influence)


def _smooth(metric: Metric, cells: Cells, slices: Partition, weights: Counts, rows: Counts) -> Estimates:
    function = cast("Any", metric.function)
    outcome: Smooth = function(weights)
    denominators = function(rows).denominators
    moved = np.stack(weights)[:, None] + _STEP * 1j * np.eye(6)[:, :, None]  # count, count that is moved, slice
    gradient = np.nan_to_num(np.imag(function(Counts(*moved)).value) / _STEP)
    influence = gradient[cells.quadrant, slices.member]
    df = _freedom(cells, slices)
    variance = spread(cells, slices, influence) * _few(df)
    n = np.min(denominators, axis=0).astype(np.int64)
    return Estimates(outcome.value, n, df, error=np.sqrt(variance))


def _ranked(metric: Metric, cells: Cells, slices: Partition) -> Estimates:
    scores = scores_of(cells, slices)
    outcome: Ranked = cast("Any", metric.function)(scores)
    bins = cast("Any", cells.bins)
    positive, negative = scores.positive.sum(axis=1), scores.negative.sum(axis=1)
    value = np.nan_to_num(outcome.value)[slices.member]
    is_positive = (cells.quadrant == TP) | (cells.quadrant == FN)
    is_negative = (cells.quadrant == FP) | (cells.quadrant == TN)
    above = _over((outcome.above[slices.member, bins] - value), positive[slices.member])
    below = _over((outcome.below[slices.member, bins] - value), negative[slices.member])
    tied = _over((scores.positive * scores.negative).sum(axis=1), 2 * positive * negative)
    influence = np.where(is_positive, above, np.where(is_negative, below, 0.0))
    rows = counts_of(cells, slices, cells.n)
    n = np.minimum(rows.tp + rows.fn, rows.fp + rows.tn).astype(np.int64)
    df = _freedom(cells, slices)
    slack = np.zeros(len(n)) if cells.exact_scores else tied
    return Estimates(
        np.where(slack > MAX_SLACK, np.nan, outcome.value),
        n,
        df,
        error=np.sqrt(spread(cells, slices, influence) * _few(df)),
        slack=slack,
    )


def _few(df: Floats) -> Floats:
    """Return the factor g / (g - 1) for g - 1 degrees of freedom: 1 for independent rows, at most 2."""
    return np.where(np.isinf(df), 1.0, 1.0 + 1.0 / np.maximum(df, 1.0))


def _over(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; 0 where the denominator is 0, as there nothing is estimated."""
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)


def _freedom(cells: Cells, slices: Partition) -> Floats:
    if cells.plain:
        return np.full(len(slices.groups), np.inf)
    total = np.bincount(slices.member, weights=cells.w, minlength=len(slices.groups))
    kish = total**2 / np.maximum(spread(cells, slices, np.ones(len(cells.n))), 1e-300)
    return np.maximum(kish - 1, 1.0)


def _transformed(metric: Metric, estimates: Estimates, critical: Floats) -> Interval:
    low, high = metric.range
    value = estimates.value
    given = np.full(len(value), np.nan) if estimates.error is None else estimates.error
    error = np.where((given == 0) | (value <= low) | (value >= high), np.nan, given)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        if np.isinf(high):
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
