"""The errors of a regression in each window and group: bias, mean size and root mean square, with intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa

from audit.expressions import number
from audit.measurement import Measurement, Window
from audit.predictions import PredictionLog
from audit.rollup import partition, summed
from audit.tally import sorted_codes
from audit.tasks.mean_rows import Mean
from audit.tasks.means import mean_estimates, mean_interval
from audit.tasks.moments import Moments, collect_moments
from audit.tasks.regression import REGRESSION
from monitors.performance.settings import UNSETTLED
from monitors.windows import Windows, place_expression

SHOWN = ("mean_error", "mean_absolute_error", "root_mean_squared_error")
_WINDOW, _ENDLESS = "window", "endless"


def regression_values(
    log: PredictionLog, windows: Windows, *, level: float = 0.95, settled: datetime | None = None
) -> tuple[Measurement, ...]:
    """Return the errors of each window, for everyone and every group, as an audit measures them.

    Parameters
    ----------
    log
        Of the task "regression", with y_true, y_pred and timestamp.
    windows
        How it is cut.
    level
        Confidence of the intervals, in (0, 1).
    settled
        The end of the last window that may ring; the reasons of later ones say so. None = all.

    Returns
    -------
    tuple of Measurement
        ``mean_error``, ``mean_absolute_error`` and ``root_mean_squared_error`` (`audit.tasks.regression`); None with a
        reason where a window has no labels, or an infinite number.

    Raises
    ------
    InputError
        As `audit.tasks.moments.collect_moments`.

    Examples
    --------
    >>> from monitors.windows import parse_windows, resolve
    >>> table = pa.table({"y": [1.0, 1.0, 5.0], "p": [2.0, 4.0, 5.0], "t": ["2026-01-05T00:00Z"] * 2 +
    ...                   ["2026-01-12T00:00Z"]})
    >>> log = PredictionLog.from_frame(table, task="regression", y_true="y", y_pred="p", timestamp="t")
    >>> [row.value for row in regression_values(log, resolve(parse_windows("7d"), log)) if row.metric == "mean_error"]
    [2.0, 0.0]
    """
    schema: Any = log.table.collect_schema()
    y_true, y_pred = (number(role, schema) for role in ("y_true", "y_pred"))
    error = y_pred - y_true
    known = ~error.is_null() & ~error.is_nan()
    fine = known & error.is_finite()
    found = collect_moments(
        log,
        {"error": error, "absolute": error.abs(), "squared": error * error},
        usable=fine,
        flags={_ENDLESS: nw.when(known & ~error.is_finite()).then(1).otherwise(0)},
        extra={_WINDOW: place_expression(windows, log)},
    )
    places = pa.array([str(place) for place in found.extra[_WINDOW].to_pylist()], pa.string())
    features = {_WINDOW: sorted_codes(places), **found.cells.features}
    found = found._replace(cells=found.cells._replace(features=features))
    sides = [(), *((name,) for name in log.sensitive_features)]
    rows = [row for names in sides for row in _of(found, names, windows.windows, level)]
    rows.sort(key=lambda row: (row.window or windows.windows[0], row.metric))
    young = [settled is not None and row.window is not None and row.window[1] > settled for row in rows]
    return tuple(_unsettled(row) if late else row for row, late in zip(rows, young, strict=True))


def _of(moments: Moments, names: Sequence[str], windows: Sequence[Window], level: float) -> Iterator[Measurement]:
    """Yield the rows of the groups of one feature, or of everyone, in all windows."""
    slices = partition(moments.cells, (_WINDOW, *names))
    endless = summed(slices.member, moments.extra[_ENDLESS].to_numpy(), len(slices.groups))
    for mean in (REGRESSION[name] for name in SHOWN):
        found = mean_estimates(moments, mean.loss, slices)
        bounds = mean_interval(found, mean.scale, level=level)
        for place, group in enumerate(slices.groups):
            window = int(group[0] or -1)
            if not 0 <= window < len(windows):
                continue
            ends = (float(found.value[place]), float(bounds.low[place]), float(bounds.high[place]))
            value, low, high = (np.sqrt(max(end, 0.0)) if mean.root else end for end in ends)
            usable = np.isfinite(value) and not endless[place]
            between = usable and np.isfinite(low) and np.isfinite(high)
            yield Measurement(
                metric=mean.name,
                slice=tuple(zip(names, group[1:], strict=True)),
                window=windows[window],
                value=float(value) if usable else None,
                low=float(low) if between else None,
                high=float(high) if between else None,
                n=int(found.n[place]),
                level=level if between else None,
                method=f"student_t, {mean.scale}",
                reason=_why(mean, int(found.n[place]), int(endless[place]), between=between),
            )


def _unsettled(row: Measurement) -> Measurement:
    return replace(row, reason=f"{row.reason}; {UNSETTLED}" if row.reason else UNSETTLED)


def _why(mean: Mean, rows: int, endless: int, *, between: bool) -> str | None:
    if endless:
        those = "1 row holds" if endless == 1 else f"{endless:,} rows hold"
        return f"{those} an infinite number: there is no {mean.name.replace('_', ' ')}"
    if not rows:
        return "no labels in this window"
    return None if between else "one row, or rows without spread: no interval"
