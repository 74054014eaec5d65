"""How many rows of a reference came when: kept with it, so that the traffic of later logs is held against it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from audit.errors import InputError
from audit.measurement import Slice, utc_text
from audit.predictions import PredictionLog
from monitors.counts.counting import count_profile
from monitors.counts.profile import IntArray
from monitors.timestamps import time_span, with_times
from monitors.windows import WindowRule, Windows, windows_between

MOST_STEPS = 20_000
"""More steps than these are not kept; then steps are longer."""

_STEPS = tuple(each // timedelta(microseconds=1) for each in (timedelta(minutes=1), timedelta(hours=1), timedelta(1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Rows by short step of time and group, and when the first and the last of them came.

    Parameters
    ----------
    step
        Length of a step, in microseconds: a minute, an hour or a day, the shortest that makes at most 20,000 steps.
    start
        Start of the first step, UTC; steps lie as windows of equal length do (`monitors.windows.ANCHOR`).
    rows
        Shape (n_steps, n_slices), in the order of the slices of the reference.
    oldest, newest
        Time of the first and of the last row.

    Examples
    --------
    >>> from datetime import UTC
    >>> monday = datetime(2026, 1, 5, tzinfo=UTC)
    >>> day = 86_400_000_000
    >>> Traffic(step=day, start=monday, rows=np.array([[4], [2]]), oldest=monday, newest=monday).edges[1].day
    6
    """

    step: int
    start: datetime
    rows: IntArray
    oldest: datetime
    newest: datetime

    @property
    def edges(self) -> tuple[datetime, ...]:
        """The starts of all steps, and the end of the last one."""
        return tuple(self.start + timedelta(microseconds=self.step * place) for place in range(len(self.rows) + 1))

    def by_windows(self, rule: WindowRule) -> tuple[Windows, IntArray] | None:
        """Return the windows that the rows make, and their rows, shape (n_windows, n_slices); None if steps are longer.

        Windows must be a whole number of steps.

        Examples
        --------
        >>> from datetime import UTC
        >>> from monitors.windows import parse_windows
        >>> start = datetime(2026, 1, 6, tzinfo=UTC)
        >>> rows = np.ones((8, 1), dtype=np.int64)
        >>> days = Traffic(step=86_400_000_000, start=start, rows=rows, oldest=start, newest=start + timedelta(days=7))
        >>> days.by_windows(parse_windows("7d"))[1].tolist(), days.by_windows(parse_windows("12h"))
        ([[6], [2]], None)
        """
        if rule.kind != "time" or rule.amount % self.step:
            return None
        windows = windows_between(rule, self.oldest, self.newest)
        found = np.zeros((len(windows), self.rows.shape[1]), dtype=np.int64)
        first = (self.start - windows.edges[0]) // timedelta(microseconds=self.step)
        places = (first + np.arange(len(self.rows))) // (rule.amount // self.step)
        np.add.at(found, places, self.rows)
        return windows, found

    def record(self) -> dict[str, Any]:
        """Return all but the rows, as they are stored.

        Examples
        --------
        >>> from datetime import UTC
        >>> monday = datetime(2026, 1, 5, tzinfo=UTC)
        >>> Traffic(step=1, start=monday, rows=np.array([[4]]), oldest=monday, newest=monday).record()["steps"]
        1
        """
        return {
            "step": self.step,
            "steps": len(self.rows),
            "start": utc_text(self.start),
            "oldest": utc_text(self.oldest),
            "newest": utc_text(self.newest),
        }


def count_traffic(log: PredictionLog, slices: Sequence[Slice], *, depth: int = 1) -> Traffic | None:
    """Count a log by short steps of time; None where it names no times, or a day would be too short a step.

    Parameters
    ----------
    log
        The reference.
    slices
        Whose rows are counted, in this order.
    depth
        As in `monitors.counts.counting.count_profile`.

    Raises
    ------
    InputError
        If timestamps are unfit.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"p": [1, 0, 1], "t": ["2026-01-05T09:30Z", "2026-01-05T09:30Z", "2026-01-05T09:32Z"]})
    >>> log = PredictionLog.from_frame(table, task="watch", y_pred="p", timestamp="t")
    >>> count_traffic(log, [()]).rows.tolist()
    [[2], [0], [1]]
    """
    if "timestamp" not in log.columns:
        return None
    try:
        timed = with_times(log)
        span = time_span(timed)
    except InputError as error:
        raise InputError([f"reference: {violation}" for violation in error.violations]) from error
    if span.oldest is None or span.newest is None:
        return None
    length = (span.newest - span.oldest) // timedelta(microseconds=1)
    step = next((each for each in _STEPS if length // each + 2 <= MOST_STEPS), None)
    if step is None:
        return None
    windows = windows_between(WindowRule(kind="time", amount=step), span.oldest, span.newest)
    counted = count_profile(timed, {}, windows, depth=depth).at_slices(slices)
    return Traffic(step=step, start=windows.edges[0], rows=counted.rows, oldest=span.oldest, newest=span.newest)


def stored_traffic(record: dict[str, Any], cells: tuple[IntArray, IntArray, IntArray], slices: int) -> Traffic:
    """Return traffic as it was stored: its record, and the place, the slice and the number of rows that are not 0.

    Raises
    ------
    ValueError
        If rows lie outside the steps or slices.

    Examples
    --------
    >>> found = stored_traffic({"step": 60_000_000, "steps": 2, "start": "2026-01-05T00:00:00Z",
    ...                         "oldest": "2026-01-05T00:00:00Z", "newest": "2026-01-05T00:01:00Z"},
    ...                        (np.array([1]), np.array([0]), np.array([7])), 1)
    >>> found.rows.tolist()
    [[0], [7]]
    """
    rows = np.zeros((int(record["steps"]), slices), dtype=np.int64)
    steps, at, n = cells
    if len(n) and (min(steps.min(), at.min(), n.min()) < 0 or steps.max() >= len(rows) or at.max() >= slices):
        msg = "rows of the traffic lie outside its steps"
        raise ValueError(msg)
    rows[steps, at] = n
    times = {name: datetime.fromisoformat(record[name]) for name in ("start", "oldest", "newest")}
    return Traffic(step=int(record["step"]), rows=rows, **times)


def cells_of(traffic: Traffic) -> tuple[IntArray, IntArray, IntArray]:
    """Return the place, the slice and the number of the rows that are not 0.

    Examples
    --------
    >>> at = datetime(2026, 1, 5)
    >>> [part.tolist() for part in cells_of(Traffic(step=1, start=at, rows=np.array([[0], [7]]), oldest=at, newest=at))]
    [[1], [0], [7]]
    """
    steps, at = np.nonzero(traffic.rows)
    return steps.astype(np.int64), at.astype(np.int64), traffic.rows[steps, at]
