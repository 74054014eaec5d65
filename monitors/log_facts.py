"""What is known of a log beside its counts: which windows are over, and which predictions stand twice."""

from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np

from audit.measurement import Window
from audit.predictions import PredictionLog
from audit.result import Result
from monitors.counts.profile import IntArray
from monitors.timestamps import collected, moment, time_expression
from monitors.windows import Windows, place_expression


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFacts:
    """What is known of a log beside its counts.

    Parameters
    ----------
    complete
        How many of the first windows are over.
    starts_whole
        Whether the log reaches back to the start of its first window.
    regular
        Whether all windows are of one length.
    with_id, first_seen
        Rows with a prediction_id in each window, and how many ids stand there that stood in no window before; None
        where the log names no ids.
    without_id
        Rows without a prediction_id.

    Examples
    --------
    >>> LogFacts(complete=3, starts_whole=True, regular=True).without_id
    0
    """

    complete: int
    starts_whole: bool
    regular: bool
    with_id: IntArray | None = None
    first_seen: IntArray | None = None
    without_id: int = 0


def log_facts(log: PredictionLog, windows: Windows) -> LogFacts:
    """Return what the traffic monitor needs beside counts: one pass over times, one over ids where there are any.

    Raises
    ------
    InputError
        If the log has no fit timestamps.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitors.windows import parse_windows, resolve
    >>> table = pa.table({"y": [1, 0, 1], "p": [1, 1, 1], "id": ["a", "b", "a"],
    ...                   "t": ["2026-01-05T00:00Z", "2026-01-06T00:00Z", "2026-01-13T00:00Z"]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", timestamp="t", prediction_id="id")
    >>> facts = log_facts(log, resolve(parse_windows("7d"), log))
    >>> facts.complete, facts.with_id.tolist(), facts.first_seen.tolist()
    (1, [2, 1], [2, 0])
    """
    oldest = collected(log, log.table.select(oldest=time_expression(log).min()))["oldest"][0].as_py()
    start, end = windows.edges[0], windows.edges[min(1, len(windows))]
    known = LogFacts(
        complete=windows.complete,
        starts_whole=oldest is not None and moment(int(oldest)) - start <= (end - start) / 20,
        regular=windows.regular,
    )
    if "prediction_id" not in log.columns:
        return known
    identifier = nw.col("prediction_id")
    absent = identifier.is_null() | (identifier.cast(nw.String) == "")
    rows = log.table.select(id=identifier, place=place_expression(windows, log), absent=absent)
    named = rows.filter(~nw.col("absent"))
    in_windows = collected(log, named.group_by("place").agg(n=nw.len()))
    first = named.group_by("id").agg(place=nw.col("place").min()).group_by("place").agg(n=nw.len())
    missing = collected(log, rows.filter(nw.col("absent")).select(n=nw.len()))["n"][0].as_py()
    return LogFacts(
        complete=known.complete,
        starts_whole=known.starts_whole,
        regular=known.regular,
        with_id=_by_place(in_windows.to_pylist(), len(windows)),
        first_seen=_by_place(collected(log, first).to_pylist(), len(windows)),
        without_id=int(missing),
    )


def reported_rows(result: Result) -> dict[Window, int]:
    """Return how many rows an earlier run saw in each window that was over: its "traffic" of everyone.

    Examples
    --------
    >>> reported_rows(Result(measurements=()))
    {}
    """
    return {
        row.window: int(row.value)
        for row in result.measurements
        if row.metric == "traffic" and row.method == "count" and not row.slice and row.window and row.value is not None
    }


def _by_place(counted: list[dict[str, int]], windows: int) -> IntArray:
    found = np.zeros(windows, dtype=np.int64)
    for row in counted:
        if 0 <= row["place"] < windows:
            found[row["place"]] = row["n"]
    return found
