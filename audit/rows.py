"""From arrays to rows: a Measurement of each number, with a reason wherever something is undefined or unbounded."""

import math
from typing import NamedTuple

from audit.measurement import EVERYONE, Against, Measurement, Slice
from audit.metrics.metric import Metric


class Row(NamedTuple):
    """What identifies a row before its number is known.

    Examples
    --------
    >>> row = Row("accuracy", (("sex", "F"),))
    >>> row.slice, row.against, row.level
    ((('sex', 'F'),), None, 0.95)
    """

    metric: str
    slice: Slice = EVERYONE
    against: Against | None = None
    level: float = 0.95


def measurement(
    row: Row,
    *,
    value: float,
    low: float = math.nan,
    high: float = math.nan,
    n: int,
    method: str,
    reason: str | None = None,
) -> Measurement:
    """Return the measurement of a row; NaN becomes None with a reason, an infinite bound becomes unbounded.

    An infinite value, of a ratio divided by 0, becomes None too and keeps its low end: the ratio is at least that.

    Examples
    --------
    >>> endless = measurement(Row("accuracy_ratio"), value=math.inf, low=3.2, high=math.inf, n=40, method="koopman")
    >>> endless.value, endless.low, endless.high, endless.reason
    (None, 3.2, None, 'no upper limit: divided by 0')
    >>> measurement(Row("accuracy"), value=math.nan, n=0, method="wilson", reason="no labels in slice").value is None
    True
    """
    if not math.isfinite(value):
        endless = value == math.inf
        why = "no upper limit: divided by 0" if endless else reason or "undefined"
        why = f"{reason}; {why}" if endless and reason else why
        return Measurement(
            metric=row.metric, slice=row.slice, against=row.against, value=None,
            low=low if endless and math.isfinite(low) else None, n=n, level=row.level, method=method, reason=why,
        )  # fmt: skip
    bounds = [bound if math.isfinite(bound) else None for bound in (low, high)]
    if None in bounds:
        unbounded = _no_interval(method) if bounds == [None, None] else "unbounded on one side"
        reason = f"{reason}; {unbounded}" if reason else unbounded
    return Measurement(
        metric=row.metric, slice=row.slice, against=row.against, value=float(value), low=bounds[0], high=bounds[1], n=n,
        level=row.level, method=method, reason=reason,
    )  # fmt: skip


def _no_interval(method: str) -> str:
    """Return why there is a value and no interval, from how it would have been made."""
    if "cluster-robust" in method:
        return "no interval: too few clusters, or no spread between them"
    if "linearised weights" in method:
        return "no interval: too few rows carry the weight, or they show no spread"
    if method.startswith("student_t"):
        return "no interval: too few rows, or no spread among them"
    return "no interval: the rows show no spread"


def undefined_reason(metric: Metric, value: float = math.nan, *, n: int = 0) -> str | None:
    """Return why a metric is undefined, None where it is not; `n` rows were there for it.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> undefined_reason(METRICS["false_positive_rate"])
    'no negative labels in slice'
    """
    if math.isfinite(value):
        return None
    if n and metric.unclear is not None:
        return metric.unclear
    if n and metric.kind == "rate":
        return "all weights are 0 in slice"
    return f"no {metric.needs} in slice"
