"""Which windows of a log are whole: the first may begin before the log does, and the last may not be over."""

from collections.abc import Mapping
from typing import Any

from audit.measurement import utc_text
from audit.predictions import PredictionLog
from monitors.timestamps import time_span
from monitors.windows import Windows

SLACK = 20
"""A log that begins within a twentieth of a window after its start still holds the window."""


def whole_windows(log: PredictionLog, windows: Windows) -> Mapping[str, Any]:
    """Return what a result says of its windows: how many there are, how many are over, and from when until when.

    Windows of numbers of rows begin at a row, so that the first of them is whole.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitors.windows import parse_windows, resolve
    >>> table = pa.table({"p": [1, 0, 1], "t": ["2026-01-08T00:00Z", "2026-01-13T00:00Z", "2026-01-20T00:00Z"]})
    >>> log = PredictionLog.from_frame(table, task="watch", y_pred="p", timestamp="t")
    >>> found = whole_windows(log, resolve(parse_windows("7d"), log))["windows"]
    >>> found["number"], found["over"], found["whole_from"], found["over_until"]
    (3, 2, '2026-01-12T00:00:00Z', '2026-01-19T00:00:00Z')
    """
    first = 0
    if windows.regular and len(windows):
        oldest = time_span(log).oldest
        start, end = windows.edges[:2]
        first = int(oldest is not None and oldest - start > (end - start) / SLACK)
    return {
        "windows": {
            "number": len(windows),
            "over": windows.complete,
            "whole_from": utc_text(windows.edges[min(first, len(windows))]),
            "over_until": utc_text(windows.edges[windows.complete]),
        }
    }
