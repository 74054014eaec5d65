"""The learning curve of a group as words and points: what pages and reports draw."""

from collections.abc import Sequence

from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import safe_label
from dashboards.tables import cell_text

CURVE, GAIN = "learning_curve_", "expected_"


def curve_points(result: Result) -> tuple[Measurement, ...]:
    """Return the points of the learning curve that a result holds, by the number of rows.

    Examples
    --------
    >>> rows = [Measurement(metric="learning_curve_error_rate", at=(("k", k),), value=0.3, n=9, method="x")
    ...         for k in (40, 10)]
    >>> [dict(row.at)["k"] for row in curve_points(Result(measurements=rows))]
    [10, 40]
    """
    found = [row for row in result.measurements if row.metric.startswith(CURVE)]
    return tuple(sorted(found, key=size_of))


def expected_gain(result: Result) -> Measurement | None:
    """Return what more rows are expected to bring; None where no curve was drawn.

    Examples
    --------
    >>> expected_gain(Result(measurements=[])) is None
    True
    """
    found = (row for row in result.measurements if row.metric.startswith(GAIN) and row.metric.endswith("_reduction"))
    return next(found, None)


def curve_text(points: Sequence[Measurement], gain: Measurement | None) -> str:
    """Return what the figure says, for those who do not see it.

    Examples
    --------
    >>> row = Measurement(metric="learning_curve_error_rate", at=(("k", 10),), value=0.4, n=90, method="x")
    >>> curve_text([row], None)
    'Held-out error with 10 rows: 40.0 %, n = 90.'
    """
    parts = [f"{size_of(row):,} rows: {cell_text(row)}" for row in points]
    more = "" if gain is None else f" {safe_label(gain.reason, target='text', limit=240)}."
    return f"Held-out error with {'; '.join(parts)}.{more}"


def size_of(row: Measurement) -> int:
    """Return how many rows of the group a point of the curve was trained on.

    Examples
    --------
    >>> size_of(Measurement(metric="learning_curve_error_rate", at=(("k", 10),), value=0.4, n=90, method="x"))
    10
    """
    return int(dict(row.at)["k"])
