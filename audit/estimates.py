"""Estimates of one metric over the slices of a partition, and their intervals."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from audit.inference import intervals
from audit.inference.intervals import Interval
from audit.label_sets import LabelSets, linearised
from audit.metrics.confusion import prevalence
from audit.metrics.metric import Counts, Fraction, Metric, Ranked, Scored, Smooth
from audit.metrics.multiclass import SET_METRICS
from audit.rollup import Cells, Floats, Partition, counts_of, scores_of
from audit.score_bins import (
    BIN_GROUPS,
    Parts,
    check_labels,
    distance_interval,
    distance_value,
    grouped_scores,
    labelled_rows,
    labels_of,
    moments_of,
    refined,
)
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

_STEP = 1e-20
"""Complex step: f(x + ih) / h has the derivative of f as its imaginary part, to machine precision."""


MAX_SLACK = 0.05
"""A ranking of score bins is shown only if tied bins leave it open by no more than this; its interval allows for it."""


class Estimates(NamedTuple):
    """One metric over the slices of a partition; every array has one entry per slice.

    `value` is NaN where undefined; `n` counts rows, the smallest denominator. For rates, `successes` out of `trials`
    are the effective counts that intervals are made of: the rows themselves where rows are independent and count
    alike. For other metrics `successes` is None and `error` the standard error. `df`: degrees of freedom, infinite for
    independent rows. `influence`, of rates under weights or clusters: per cell, the first-order change of the slice's
    value per unit of weight (one row per metric where several are joined). `slack`: what tied scores may hide. `parts`,
    of distances: what the interval is made of.

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
    parts: Parts | None = None

    def take(self, places: npt.ArrayLike) -> "Estimates":
        """Return the estimates at some places (cell-level influence is kept as it is)."""
        chosen = np.asarray(places, dtype=np.int64)
        fields = {
            name: column[chosen]
            for name, column in self._asdict().items()
            if column is not None and name not in {"influence", "parts"}
        }
        return self._replace(**fields, parts=None if self.parts is None else self.parts.take(chosen))


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
        elif name == "parts":
            columns[name] = Parts(*(np.concatenate(fields) for fields in zip(*given, strict=True)))
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
    Other metrics: the same linearisation, DeLong's placements for the AUC. Distances: no error, but parts.

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
        return _of_sets(metric, cells, cells.sets, slices)
    if metric.needs_scores and cells.bins is None:
        msg = f"{metric.name} needs scores, and this tally holds no scores; name y_score when you make the log"
        raise ValueError(msg)
    if metric.kind == "ranked":
        return _ranked(metric, cells, slices)
    if metric.kind == "scored":
        return _scored(metric, cells, slices)
    if metric.kind == "distance":
        return _distance(metric, cells, slices)
    weights = counts_of(cells, slices, cells.w)
    rows = weights if cells.plain else counts_of(cells, slices, cells.n)
    if metric.kind == "rate":
        return _rate(cast("Any", metric.function), cells, slices, weights, rows)
    return _smooth(metric, cells, slices, weights, rows)


def interval(metric: Metric, estimates: Estimates, *, level: float, comparisons: npt.ArrayLike = 1) -> Interval:
    """Return the interval of each estimate; NaN where there is none.

    Rates: Clopper-Pearson where min(x, n - x) < 10, else Wilson. Others: the normal (or t) interval on the logit
    (range [0, 1]), Fisher's z ([-1, 1]) or log scale ([0, inf)), or Wald's (no ends); none where the standard error is
    0, as at the ends of the range. Distances: what intervals of their parts allow that hold all at once.

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
        return distance_interval(metric, estimates.parts, level=level, comparisons=comparisons)
    critical = intervals.quantile(level, df=estimates.df, comparisons=comparisons)
    return _transformed(metric, estimates, critical)


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
    return [f"{'delong' if metric.kind == 'ranked' else 'delta'}, {scale}{suffix}"] * len(estimates.value)


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
    score, share = grouped_scores(moments_of(cells, slices))
    fine = refined(cells, slices)
    weights = counts_of(cells, fine, cells.w)
    rows = weights if cells.plain else counts_of(cells, fine, cells.n)
    found = _rate(prevalence, cells, fine, weights, rows)
    columns = (found.successes, found.trials, found.df, found.value, score, share, found.n)
    return Parts(*(np.asarray(column, dtype=np.float64).reshape(-1, BIN_GROUPS) for column in columns))


def _rate(
    function: Callable[[Counts], Fraction], cells: Cells, slices: Partition, weights: Counts, rows: Counts
) -> Estimates:
    outcome = function(weights)
    denominator = np.asarray(outcome.denominator, dtype=np.float64)
    value = np.divide(outcome.numerator, denominator, out=np.full(len(denominator), np.nan), where=denominator > 0)
    n = np.asarray(function(rows).denominator).astype(np.int64)
    infinite = np.full(len(value), np.inf)
    if cells.plain:
        return Estimates(value, n, infinite, np.asarray(outcome.numerator, np.float64), denominator)
    units = function(Counts(*np.eye(6)))
    inside = units.denominator[cells.quadrant]
    safe = np.where(denominator > 0, denominator, 1.0)
    residual = units.numerator[cells.quadrant] - np.nan_to_num(value)[slices.member] * inside
    influence = residual / safe[slices.member]
    kish = safe**2 / np.maximum(spread(cells, slices, inside), 1e-300)
    variance = spread(cells, slices, influence) * few_units(kish - 1)
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
    df = freedom(cells, slices)
    variance = spread(cells, slices, influence) * few_units(df)
    n = np.min(denominators, axis=0).astype(np.int64)
    return Estimates(outcome.value, n, df, error=np.sqrt(variance))


def _of_sets(metric: Metric, cells: Cells, sets: LabelSets, slices: Partition) -> Estimates:
    if not any(facts.function is metric.function for of_task in SET_METRICS.values() for facts in of_task.values()):
        msg = f"{metric.name} is a metric of two labels and these counts have several; see audit.views.view_of"
        raise ValueError(msg)
    size = len(slices.groups)
    found = linearised(cast("Any", metric.function), sets, cells.n, cells.w, member=slices.member, size=size)
    df = freedom(cells, slices)
    rows = np.maximum(np.bincount(slices.member, weights=cells.n, minlength=size), 1.0)
    # How well a mean over labels is known hangs on its rarest label: its effective rows are the degrees of freedom.
    effective = found.n * np.where(np.isinf(df), 1.0, (df + 1) / rows)
    rarest = np.minimum(df, np.maximum(effective - 1, 1.0))
    error = np.sqrt(spread(cells, slices, found.influence) * few_units(df))
    return Estimates(found.value, found.n, rarest, error=error)


def _ranked(metric: Metric, cells: Cells, slices: Partition) -> Estimates:
    check_labels(cells)
    scores = scores_of(cells, slices)
    outcome: Ranked = cast("Any", metric.function)(scores)
    positive, negative = scores.positive.sum(axis=1), scores.negative.sum(axis=1)
    value = np.nan_to_num(outcome.value)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        below, above = (outcome.below - value) / negative[:, None], (outcome.above - value) / positive[:, None]
    tied = _over((scores.positive * scores.negative).sum(axis=1), 2 * positive * negative)
    found = Scored(outcome.value, np.nan_to_num(np.stack([below, above])), slack=tied, rests_on="both")
    return _of_scores(found, np.stack([scores.negative, scores.positive]), cells, slices)


def _scored(metric: Metric, cells: Cells, slices: Partition) -> Estimates:
    moments = moments_of(cells, slices)
    return _of_scores(cast("Any", metric.function)(moments), moments.weight, cells, slices)


def _of_scores(outcome: Scored, weight: Floats, cells: Cells, slices: Partition) -> Estimates:
    """Return what a statistic comes to; `weight` is that of the rows by label, slice and bin."""
    df = freedom(cells, slices)
    variance = np.zeros(len(slices.groups))
    for part in (outcome.influence, outcome.within):
        if part is None:
            continue
        if cells.plain:
            variance += np.einsum("lsb,lsb,lsb->s", weight, part, part)
        else:  # rows of one cluster are taken to differ from their bin's mean all in one direction
            label, labelled = labels_of(cells)
            of_cell = part[label, slices.member, cast("Any", cells.bins)]
            variance += spread(cells, slices, np.where(labelled, of_cell, 0.0))
    slack = np.zeros(len(df)) if outcome.slack is None or cells.exact_scores else outcome.slack
    negative, positive = weight.sum(axis=2) if cells.plain else labelled_rows(cells, slices)
    n = {"labels": positive + negative, "positives": positive, "both": np.minimum(positive, negative)}
    return Estimates(
        np.where(slack > MAX_SLACK, np.nan, outcome.value),
        n[outcome.rests_on].astype(np.int64),
        df,
        error=np.sqrt(variance * few_units(df)),
        slack=slack,
    )


def _distance(metric: Metric, cells: Cells, slices: Partition) -> Estimates:
    parts = parts_of(cells, slices)
    value, n = distance_value(metric, parts)
    return Estimates(value, n, np.full(len(value), np.inf), parts=parts)


def _over(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; 0 where the denominator is 0, as there nothing is estimated."""
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)


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
