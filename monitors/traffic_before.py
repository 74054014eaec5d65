"""The whole windows of a reference before a log: what its traffic was, and how many of its rows are left out."""

from datetime import datetime
from typing import NamedTuple

from monitors.counts.profile import Profile
from monitors.counts.reference import Reference
from monitors.counts.traffic import Traffic
from monitors.windows import WindowRule, Windows

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


def traffic_before(reference: Reference, rule: WindowRule, windows: Windows) -> Before:
    """Return the rows of a reference by those of its windows that are whole and end before the first window of a log.

    A window that both share is whole in neither: its rows are left out, and counted. Windows of equal length only, of
    whole steps of what the reference keeps (`monitors.counts.traffic`): minutes, hours, or days of many years.

    Parameters
    ----------
    reference
        With traffic, where it had times; without it there is nothing to hold the log against.
    rule, windows
        How the log since is cut.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.predictions import PredictionLog
    >>> from monitors.counts.reference import make_reference
    >>> from monitors.windows import parse_windows, resolve
    >>> def log(*days):
    ...     table = pa.table({"p": [1] * len(days), "t": [f"2026-01-{day:02}T00:30Z" for day in days]})
    ...     return PredictionLog.from_frame(table, task="watch", y_pred="p", timestamp="t")
    >>> rule = parse_windows("7d")
    >>> reference = make_reference(log(5, 7, 12, 19))
    >>> found = traffic_before(reference, rule, resolve(rule, log(21, 27)))  # both hold a part of week 3
    >>> found.profile.rows.tolist(), found.left_out
    ([[2], [1]], 1)
    """
    traffic = reference.traffic
    cut = None if traffic is None else traffic.by_windows(rule)
    if traffic is None or cut is None:
        return Before(None, 0)
    every, counted = cut
    first, stop = _whole(every, traffic, windows.edges[0])
    rows = counted[first:stop]
    left_out = int(counted[:, 0].sum() - rows[:, 0].sum())
    if not len(rows):
        return Before(None, left_out)
    slices = reference.profile.slices
    whole = Profile(windows=every.windows[first:stop], slices=slices, binnings={}, counts={}, rows=rows)
    return Before(whole, left_out)


def _whole(every: Windows, traffic: Traffic, end: datetime) -> tuple[int, int]:
    """Return the first window that the reference holds from its start, and the first that is not over or not before."""
    slack = (every.edges[1] - every.edges[0]) / _SLACK
    first = 0 if traffic.oldest - every.edges[0] <= slack else 1
    over = [last <= end and last - traffic.newest <= slack for last in every.edges[1:]]
    stop = over.index(False) if False in over else len(over)
    return min(first, stop), stop
