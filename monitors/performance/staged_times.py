"""A log with its times as whole microseconds in columns of their own, so that they are read from text once per pass."""

from dataclasses import replace

import narwhals.stable.v2 as nw

from audit.predictions import PredictionLog
from monitors.timestamps import TimeRole, microseconds, time_expression
from monitors.windows import Windows

TIME: dict[TimeRole, str] = {"timestamp": "micros", "label_timestamp": "label_micros"}
"""The column of each time, beside the roles; no role and no feature is called that."""


def staged(log: PredictionLog, *roles: TimeRole) -> PredictionLog:
    """Return the log with a column of microseconds since 1970 (`TIME`) for each of the roles.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"y": [1], "p": [1], "t": ["1970-01-02T00:00Z"]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", timestamp="t")
    >>> staged(log, "timestamp").table.select("micros").collect(backend="pyarrow").to_native()["micros"].to_pylist()
    [86400000000]
    """
    return replace(log, table=log.table.with_columns(**{TIME[role]: time_expression(log, role) for role in roles}))


def place_of(windows: Windows, role: TimeRole = "timestamp") -> nw.Expr:
    """Return the place of the window of each row of a staged log; -1 outside of all, and where there is no time.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from datetime import UTC, datetime
    >>> edges = tuple(datetime(1970, 1, day, tzinfo=UTC) for day in (1, 2, 4))
    >>> windows = Windows(edges=edges, regular=False, complete=2)
    >>> frame = nw.from_native(pa.table({"micros": [0, 86_400_000_000, 10**12, None]}))
    >>> frame.select(place=place_of(windows)).to_native()["place"].to_pylist()
    [0, 1, -1, -1]
    """
    time = nw.col(TIME[role])
    edges = [microseconds(edge) for edge in windows.edges]
    if windows.regular and len(edges) > 1:
        place = (time - edges[0]) // (edges[1] - edges[0])
    else:
        place = nw.sum_horizontal(*(nw.when(time >= edge).then(1).otherwise(0) for edge in edges)) - 1
    return nw.when((time >= edges[0]) & (time < edges[-1])).then(place).otherwise(nw.lit(-1)).cast(nw.Int64)
