"""Actions of each place by week, counted from logs of predictions."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt

from audit.errors import InputError, raise_violations
from audit.predictions import PredictionLog
from audit.values import canonical
from monitors.action_plans import action_plans
from monitors.actions import watch_actions
from monitors.counts.profile import IntArray
from monitors.found import Found
from monitors.timestamps import collected, time_span
from monitors.weekly_actions import WeeklyActions
from monitors.windows import WindowRule, Windows, parse_windows, place_expression, resolve

_WEEK: WindowRule = parse_windows("7d")
_LATE_START = timedelta(hours=8)
"""A log that starts so long after Monday 00:00 still holds its first week."""

_ACTED, _NOT_ACTED = frozenset({"1", "true"}), frozenset({"0", "false"})
_MOST_NAMED = 5
_TOLERANCE = 1.25


def action_counts(
    before: PredictionLog, since: PredictionLog, *, alpha: float = 0.05, as_of: datetime | None = None
) -> Found:
    """Hold the actions of each place since a rollout against the weeks before it.

    Whole weeks are compared, Monday to Monday in UTC; the rows of `monitors.actions.watch_actions`, by e-BH over the
    places: after every week the expected share of false alarms among those raised so far is at most `alpha`, and so is
    the chance that any place ever rings while none changed.

    Parameters
    ----------
    before, since
        Logs with the roles timestamp, place and action; an action is 1, true, or the positive label of the log, any
        other value of a log that has this label is none. Where both have the role exposure (people, cases or hours that
        actions accrued over), it is summed by week, and rates are compared.
    alpha
        In (0, 1).
    as_of
        When the newer log was looked at, as in `monitors.windows.resolve`.

    Returns
    -------
    Found
        One row "action_ratio" per place with a whole week in both logs, then what more weeks would show of each
        (`monitors.action_plans`); places in one log only are left to the monitor of traffic.

    Raises
    ------
    InputError
        If a log lacks a role, an action is missing or none of 1, 0, true, false in a log without the positive label, an
        exposure is missing, or timestamps are unfit.

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
    with_exposure = "exposure" in before.columns and "exposure" in since.columns
    counted_before = _counts(before, weeks_before, with_exposure=with_exposure)
    counted_since = _counts(since, weeks_since, with_exposure=with_exposure)
    shared = sorted(counted_before.keys() & counted_since.keys())
    whole_before, whole_since = _whole(weeks_before, first_before), _whole(weeks_since, first_since)
    starts = [start for start, _ in weeks_since.windows[whole_since]]
    if not shared or not starts or not weeks_before.windows[whole_before]:
        return Found()
    places = {
        place: WeeklyActions(
            baseline=counted_before[place].actions[whole_before],
            current=counted_since[place].actions[whole_since],
            week_starts=starts,
            baseline_exposure=counted_before[place].exposure[whole_before] if with_exposure else None,
            current_exposure=counted_since[place].exposure[whole_since] if with_exposure else None,
        )
        for place in shared
    }
    result = watch_actions(places, tolerance=_TOLERANCE, limit=1.0 / alpha)
    plans = action_plans(places, tolerance=_TOLERANCE, limit=1.0 / alpha)
    return Found((*result.measurements, *plans), result.alarms)


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


class _Weeks(NamedTuple):
    """The actions of a place and what they accrued over, by week."""

    actions: IntArray
    exposure: npt.NDArray[np.float64]


def _counts(log: PredictionLog, weeks: Windows, *, with_exposure: bool) -> Mapping[str, _Weeks]:
    exposure = nw.col("exposure").cast(nw.Float64) if with_exposure else nw.lit(0.0)
    rows = log.table.select(
        place=nw.col("place"), action=nw.col("action"), week=place_expression(weeks, log), exposure=exposure
    )
    sums = rows.group_by("place", "action", "week").agg(
        n=nw.len(), exposure=nw.col("exposure").sum(), known=nw.col("exposure").count()
    )
    grouped = collected(log, sums).to_pylist()
    acted = _acted(log, grouped)
    if lacking := sum(row["n"] - row["known"] for row in grouped):
        raise_violations([f"exposure: {lacking:,} rows have none; expected a number in every row; complete them"])
    found: dict[str, _Weeks] = {}
    for row in grouped:
        place = canonical(row["place"])
        if place is None or row["week"] < 0:
            continue
        counts = found.setdefault(place, _Weeks(np.zeros(len(weeks), dtype=np.int64), np.zeros(len(weeks))))
        counts.exposure[row["week"]] += row["exposure"]
        if canonical(row["action"]) in acted:
            counts.actions[row["week"]] += row["n"]
    return found


def _acted(log: PredictionLog, grouped: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return the values that are actions; refuse missing ones, and words that nobody said the meaning of."""
    missing = sum(row["n"] for row in grouped if canonical(row["action"]) is None)
    if missing:
        raise_violations([f"action: {missing:,} rows have none; expected 1 or 0 in every row; complete them"])
    positive = None if log.reading.positive is None else canonical(log.reading.positive)
    values = {canonical(row["action"]) for row in grouped}
    strange = sorted(str(value) for value in values - _ACTED - _NOT_ACTED)
    if strange and positive not in values:
        named = ", ".join(repr(value) for value in strange[:_MOST_NAMED])
        more = f" and {len(strange) - _MOST_NAMED} more" if len(strange) > _MOST_NAMED else ""
        msg = (
            f"action: expected 1 or 0, true or false, or the positive label; it holds {named}{more}; write 1 where "
            f"something was done, or name the value that means so as the positive label"
        )
        raise_violations([msg])
    return _ACTED if positive is None else _ACTED | {positive}
