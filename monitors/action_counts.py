"""Actions of each place by week, counted from logs of predictions."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import narwhals.stable.v2 as nw
import numpy as np

from audit.errors import InputError, raise_violations
from audit.predictions import PredictionLog
from audit.values import canonical
from monitors.actions import watch_actions
from monitors.counts.profile import IntArray
from monitors.found import Found
from monitors.timestamps import collected, time_span
from monitors.weekly_actions import WeeklyActions
from monitors.windows import WindowRule, Windows, parse_windows, place_expression, resolve

_WEEK: WindowRule = parse_windows("7d")
_LATE_START = timedelta(hours=8)
"""A log that starts so long after Monday 00:00 still holds its first week."""

_ACTED = frozenset({"1", "true"})


def action_counts(
    before: PredictionLog, since: PredictionLog, *, alpha: float = 0.05, as_of: datetime | None = None
) -> Found:
    """Hold the actions of each place since a rollout against the weeks before it.

    Whole weeks are compared, Monday to Monday in UTC; the rows of `monitors.actions.watch_actions`, whose false alarms
    are shared among the places: all looks of all places together ring falsely with probability at most `alpha`.

    Parameters
    ----------
    before, since
        Logs with the roles timestamp, place and action; an action is 1, true, or the positive label of the log.
    alpha
        In (0, 1).
    as_of
        When the newer log was looked at, as in `monitors.windows.resolve`.

    Returns
    -------
    Found
        One row "action_ratio" per place with a whole week in both logs; places in one log only are left to the monitor
        of traffic.

    Raises
    ------
    InputError
        If a log lacks a role, an action is missing, or timestamps are unfit.

    Examples
    --------
    Ten actions in each of eight weeks before, thirty in each of three since.

    >>> from datetime import UTC, timedelta
    >>> import pyarrow as pa
    >>> def log(start, weeks, actions):
    ...     times = [start + timedelta(weeks=week, hours=hour) for week in range(weeks) for hour in range(actions)]
    ...     table = pa.table({"y": [1] * len(times), "t": times, "place": ["north"] * len(times)})
    ...     return PredictionLog.from_frame(table, task="watch", action="y", timestamp="t", place="place")
    >>> before, since = log(datetime(2026, 1, 5, tzinfo=UTC), 8, 10), log(datetime(2026, 3, 2, tzinfo=UTC), 3, 30)
    >>> found = action_counts(before, since, as_of=datetime(2026, 3, 23, tzinfo=UTC))
    >>> found.rows[0].value, found.alarms[0].since.date().isoformat()
    (3.0, '2026-03-02')
    """
    raise_violations([fault for name, log in (("before", before), ("since", since)) for fault in _lacking(name, log)])
    (first_before, last_before), (first_since, _) = _ends(before), _ends(since)
    weeks_before = resolve(_WEEK, before, as_of=max(last_before, first_since))
    weeks_since = resolve(_WEEK, since, as_of=as_of)
    counted_before, counted_since = _counts(before, weeks_before), _counts(since, weeks_since)
    shared = sorted(counted_before.keys() & counted_since.keys())
    whole_before, whole_since = _whole(weeks_before, first_before), _whole(weeks_since, first_since)
    starts = [start for start, _ in weeks_since.windows[whole_since]]
    if not shared or not starts or not weeks_before.windows[whole_before]:
        return Found()
    places = {
        place: WeeklyActions(
            baseline=counted_before[place][whole_before], current=counted_since[place][whole_since], week_starts=starts
        )
        for place in shared
    }
    result = watch_actions(places, limit=len(places) / alpha)
    return Found(result.measurements, result.alarms)


def _ends(log: PredictionLog) -> tuple[datetime, datetime]:
    span = time_span(log)
    if span.oldest is None or span.newest is None:
        msg = "the data has no rows; expected at least one prediction"
        raise InputError([msg])
    return span.oldest, span.newest


def _lacking(name: str, log: PredictionLog) -> list[str]:
    return [
        f"the log {name} names no {role}; action counts need timestamp, place and action"
        for role in ("timestamp", "place", "action")
        if role not in log.columns
    ]


def _whole(weeks: Windows, oldest: datetime) -> slice:
    """Return which weeks are whole: not the first where the log starts within it, nor those that are not over."""
    return slice(0 if oldest - weeks.edges[0] <= _LATE_START else 1, weeks.complete)


def _counts(log: PredictionLog, weeks: Windows) -> Mapping[str, IntArray]:
    rows = log.table.select(place=nw.col("place"), action=nw.col("action"), week=place_expression(weeks, log))
    grouped = collected(log, rows.group_by("place", "action", "week").agg(n=nw.len())).to_pylist()
    missing = sum(row["n"] for row in grouped if canonical(row["action"]) is None)
    if missing:
        raise_violations([f"action: {missing:,} rows have none; expected 1 or 0 in every row; complete them"])
    acted = _ACTED if log.reading.positive is None else _ACTED | {str(canonical(log.reading.positive))}
    found: dict[str, IntArray] = {}
    for row in grouped:
        place = canonical(row["place"])
        if place is None or row["week"] < 0:
            continue
        counts = found.setdefault(place, np.zeros(len(weeks), dtype=np.int64))
        if canonical(row["action"]) in acted:
            counts[row["week"]] += row["n"]
    return found
