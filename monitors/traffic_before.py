"""The whole windows of a reference before a log: what its traffic was, and how many of its rows are left out."""

from datetime import datetime
from typing import NamedTuple

from audit.errors import InputError
from audit.predictions import PredictionLog
from monitors.counts.counting import count_profile
from monitors.counts.profile import Profile
from monitors.timestamps import Span, time_span
from monitors.windows import WindowRule, Windows, resolve

_SLACK = 20
"""A log that begins, or ends, within a twentieth of a window from its edge still holds the window."""


class Before(NamedTuple):
    """Rows of a reference by whole window and group, and how many rows lie in windows that are not whole or not before.

    Examples
    --------
    >>> Before(None, 0).left_out
    0
    """

    profile: Profile | None
    left_out: int


def traffic_before(before: PredictionLog, rule: WindowRule, windows: Windows) -> Before:
    """Count a reference by those of its windows that are whole and end before the first window of a log.

    A window that both share is whole in neither: its rows are left out, and counted. Windows of equal length only.

    Parameters
    ----------
    before
        The reference, with the role `timestamp`; without it there is nothing to count.
    rule, windows
        How the log since is cut.

    Raises
    ------
    InputError
        If the reference has unfit timestamps.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitors.windows import parse_windows
    >>> def log(*days):
    ...     table = pa.table({"p": [1] * len(days), "t": [f"2026-01-{day:02}T00:30Z" for day in days]})
    ...     return PredictionLog.from_frame(table, task="watch", y_pred="p", timestamp="t")
    >>> rule = parse_windows("7d")
    >>> found = traffic_before(log(5, 7, 12, 19), rule, resolve(rule, log(21, 27)))  # both hold a part of week 3
    >>> found.profile.rows.tolist(), found.left_out
    ([[2], [1]], 1)
    """
    if rule.kind != "time" or "timestamp" not in before.columns:
        return Before(None, 0)
    try:
        span = time_span(before)
        if span.oldest is None or span.newest is None:
            return Before(None, 0)
        every = resolve(rule, before)
    except InputError as error:
        raise InputError([f"reference: {violation}" for violation in error.violations]) from error
    counted = count_profile(before, {}, every)
    first, stop = _whole(every, span, windows.edges[0])
    rows = counted.rows[first:stop]
    left_out = int(counted.rows[:, 0].sum() - rows[:, 0].sum())
    if not len(rows):
        return Before(None, left_out)
    whole = Profile(windows=counted.windows[first:stop], slices=counted.slices, binnings={}, counts={}, rows=rows)
    return Before(whole, left_out)


def _whole(every: Windows, span: Span, end: datetime) -> tuple[int, int]:
    """Return the first window that the reference holds from its start, and the first that is not over or not before."""
    slack = (every.edges[1] - every.edges[0]) / _SLACK
    newest, oldest = span.newest or end, span.oldest or end
    first = 0 if oldest - every.edges[0] <= slack else 1
    over = [last <= end and last - newest <= slack for last in every.edges[1:]]
    stop = over.index(False) if False in over else len(over)
    return min(first, stop), stop
