"""What unknown outcomes leave open: the smallest and the largest base rate and error rates that they allow."""

from collections.abc import Iterator
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from audit.measurement import Measurement, Slice
from audit.metrics.catalog import METRICS
from audit.predictions import PredictionLog
from audit.reading import Role
from audit.rollup import Cells, Partition
from audit.unknowns.bounds import LOWER, UPPER, label_bounds
from monitors.feedback.agreement_rounds import CANNOT
from monitors.feedback.coverage_counts import Mark, share_of, share_row
from monitors.feedback.coverage_outcomes import with_outcomes
from monitors.feedback.decisions import decisions
from monitors.feedback.metric import Family, LoopMetric
from monitors.feedback.moment_sums import Moments, group_moments
from monitors.feedback.settings import LoopRows, LoopSettings
from monitors.timestamps import collected

BASE, WIDTH = "base_rate", "base_rate_bounds_width"
ERRORS = ("false_positive_rate", "false_negative_rate")

_BASE_COLUMNS = ("one", "positive", "possible", "unknown")
_QUADRANTS = ("tp", "fp", "fn", "tn", "up", "un")
"""In the order of `audit.rollup`: true and false positives, false and true negatives, unknown ones by prediction."""


def measure_bounds(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Return between which ends base rate and error rates lie, whatever the unknown outcomes are."""
    rows = with_outcomes(log, decisions(log))
    fault = _fault(log, rows)
    if fault:
        names = [BASE + LOWER, BASE + UPPER, WIDTH]
        names += [error + end for error in ERRORS for end in (LOWER, UPPER)] if "y_pred" in log.columns else []
        return LoopRows(tuple(Measurement(metric=each, value=None, n=0, method="none", reason=fault) for each in names))
    found = list(_base_rates(log, rows, settings.level))
    if "y_pred" in log.columns:
        found += _error_rates(log, rows, settings.level)
    return LoopRows(tuple(found))


def error_rate_bounds(error: str, counts: Moments, *, level: float, of: Slice = ()) -> tuple[Measurement, Measurement]:
    """Return the bounds of an error rate over all values that unknown outcomes may have.

    Parameters
    ----------
    error
        "false_positive_rate" or "false_negative_rate".
    counts
        Of rows, then of true and false positives, false and true negatives, unknown ones predicted positive and
        negative; where clustered, all counts are divided by the largest design effect among them.
    level
        Confidence level of the interval of each bound.
    of
        Whose they are.

    Notes
    -----
    `audit.unknowns.bounds.label_bounds`, after C. F. Manski (2003), doi:10.1007/b97478.

    Examples
    --------
    Of 10 known negatives 2 were predicted positive; of 4 unknown ones 2 were, too. All four may be positive: 2/10; only
    those predicted positive may be negative: 4/12; only the others: 2/12.

    >>> rows = np.repeat(np.eye(6), [5, 2, 5, 8, 2, 2], axis=0)
    >>> from monitors.feedback.moment_sums import moments_of
    >>> counts = moments_of(np.hstack([np.ones((24, 1)), rows]))
    >>> lower, upper = error_rate_bounds("false_positive_rate", counts, level=0.95)
    >>> round(lower.value, 4), round(upper.value, 4)
    (0.1667, 0.3333)
    """
    n = np.rint(counts.total[1:]).astype(np.int64)
    sizes = [share_of(counts, column) for column in range(1, 7)]
    design = max((share.n / share.size for share in sizes if share and share.size > 0), default=1.0)
    weights = n.astype(np.float64)
    cells = Cells(
        np.arange(6), n, weights, weights * design, None, 0, exact_scores=False, features={}, weighted=design > 1,
        pairs=None,
    )  # fmt: skip
    found = label_bounds(METRICS[error], cells, Partition((), ((),), np.zeros(6, dtype=np.int64)), level=level)
    lower = (found.lower[0], found.low[0], found.inner_high[0])
    upper = (found.upper[0], found.inner_low[0], found.high[0])
    rows = int(found.n[0])
    return _bound(error + LOWER, lower, rows, level, of), _bound(error + UPPER, upper, rows, level, of)


def _bound(metric: str, ends: tuple[float, float, float], n: int, level: float, of: Slice) -> Measurement:
    value, low, high = (float(each) if np.isfinite(each) else None for each in ends)
    if value is None:
        reason = f"{CANNOT} no outcome, known or unknown, could define it"
        return Measurement(metric=metric, slice=of, value=None, n=n, method="none", reason=reason)
    sure = low is not None and high is not None
    return Measurement(
        metric=metric, slice=of, value=value, low=low if sure else None, high=high if sure else None, n=n,
        level=level if sure else None, method="label_bounds",
        reason=None if sure else "no interval: too few independent rows",
    )  # fmt: skip


def _base_rates(log: PredictionLog, rows: nw.LazyFrame[Any], level: float) -> Iterator[Measurement]:
    seen = nw.when(nw.col("observed") == 1).then(nw.col("seen")).otherwise(nw.lit(0.0))
    unknown = nw.lit(1.0) - nw.col("observed")
    table = rows.with_columns(one=nw.lit(1.0), positive=seen, unknown=unknown, possible=seen + unknown)
    for of, _, moments in group_moments(log, table, _BASE_COLUMNS, flags=True):
        for column, metric in enumerate((BASE + LOWER, BASE + UPPER, WIDTH), start=1):
            yield share_row(metric, share_of(moments, column), level=level, mark=Mark(slice=of))


def _error_rates(log: PredictionLog, rows: nw.LazyFrame[Any], level: float) -> Iterator[Measurement]:
    said, truth, known = nw.col("y_pred") == 1, nw.col("seen") == 1, nw.col("observed") == 1
    where = {
        "tp": said & known & truth, "fp": said & known & ~truth, "fn": ~said & known & truth,
        "tn": ~said & known & ~truth, "up": said & ~known, "un": ~said & ~known,
    }  # fmt: skip
    flags = {name: nw.when(each).then(nw.lit(1.0)).otherwise(nw.lit(0.0)) for name, each in where.items()}
    predicted = rows.filter(~nw.col("y_pred").is_null()).with_columns(
        seen=nw.when(known).then(nw.col("seen")).otherwise(nw.lit(0.0))
    )
    table = predicted.with_columns(one=nw.lit(1.0), **flags)
    for of, _, moments in group_moments(log, table, ("one", *_QUADRANTS), flags=True):
        for error in ERRORS:
            yield from error_rate_bounds(error, moments, level=level, of=of)


def _fault(log: PredictionLog, rows: nw.LazyFrame[Any]) -> str | None:
    """Return why nothing can be bounded: no rows, or outcomes that are not 0 or 1."""
    between = (nw.col("seen") != 0) & (nw.col("seen") != 1)
    other = nw.when(between).then(nw.lit(1)).otherwise(nw.lit(0))
    counts = collected(log, rows.with_columns(other=other).select(n=nw.len(), other=nw.col("other").sum()))
    row = counts.to_pylist()[0]
    if not row["n"]:
        return f"{CANNOT} the log has no rows. Log each decision."
    if row["other"]:
        return (
            f"{CANNOT} {row['other']:,} outcomes are neither 0 nor 1: an unknown number may be anything, and nothing "
            "bounds its mean. Log whether the outcome was a positive one."
        )
    return None


_HELPS: tuple[Role, ...] = ("outcome_observed", "y_true", "cluster", "user")
_WHY = (
    "It has no limit. Where a decision comes out differently at the two ends, the log does not decide it: observe a "
    "random sample of the unknown outcomes."
)
_NOT_WHEN = (
    "Not while outcomes are merely late. Where they are missing by chance alone, the rate of the known ones is the "
    "better number."
)
_OBTAIN = "Log the outcome (1 or 0) where it is known and leave it empty where it is not, in every row of a decision."
_SOURCE = "Manski 1989, Anatomy of the selection problem; Manski 2003, doi:10.1007/b97478."


def _metric(name: str, title: str, meaning: str, *, needs: tuple[Role, ...] = ("outcome",)) -> LoopMetric:
    return LoopMetric(
        name=name, title=title, question="for whom", needs=needs, helps=_HELPS, meaning=meaning, why=_WHY,
        not_when=_NOT_WHEN, obtain=_OBTAIN, source=_SOURCE, measure=measure_bounds,
    )  # fmt: skip


def _error_metric(error: str, end: str) -> LoopMetric:
    kind: Literal["smallest", "largest"] = "smallest" if end == LOWER else "largest"
    words = {
        "false_positive_rate": ("false alarms", "true negatives that the model calls positive"),
        "false_negative_rate": ("misses", "true positives that the model calls negative"),
    }[error]
    return _metric(
        error + end,
        f"The {kind} rate of {words[0]} that unknown outcomes allow",
        f"The {kind} share of {words[1]}, over all values that the unknown outcomes may have.",
        needs=("outcome", "y_pred"),
    )


FAMILY: Family = (
    _metric(
        BASE + LOWER,
        "The smallest base rate that unknown outcomes allow",
        "The share of positive outcomes if every unknown one were negative.",
    ),
    _metric(
        BASE + UPPER,
        "The largest base rate that unknown outcomes allow",
        "The share of positive outcomes if every unknown one were positive.",
    ),
    _metric(
        WIDTH,
        "How much unknown outcomes leave open",
        "How far the largest possible base rate lies above the smallest: the share of outcomes that nobody knows.",
    ),
    *(_error_metric(error, end) for error in ERRORS for end in (LOWER, UPPER)),
)
