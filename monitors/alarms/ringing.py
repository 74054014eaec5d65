"""Until when the evidence of an alarm still speaks, and how large what it rang for is: read from the rows of a run."""

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import NamedTuple

from audit.measurement import Measurement, utc_time
from audit.result import Alarm, Result
from monitors.performance.settings import UNSETTLED

_ENDINGS = ("_gap_e_value", "_e_value", "_e_detector")
_EFFECTS = ("kolmogorov_smirnov_statistic", "total_variation_distance")
_RATIO = 1.25
"""Factor of traffic that is tolerated."""
_Rows = Mapping[tuple[object, ...], Measurement]


class Ringing(NamedTuple):
    """How an alarm rings in one run.

    `latest` is the start of the last whole window that shows the change by itself (at least the first in which the
    alarm rang), `shown` the number that the alarm is about in that window, `before` the same of the reference; None
    where the run has none.

    Examples
    --------
    >>> Ringing._fields
    ('latest', 'shown', 'before')
    """

    latest: datetime
    shown: Measurement | None = None
    before: float | None = None


def ringing(result: Result) -> tuple[tuple[Alarm, Ringing], ...]:
    """Return for each alarm of a result, in order of time, the last window that still shows what it rang for.

    A window shows it where it is over, its labels are settled, and its own interval lies beyond what is tolerated:
    of drift the lower bound of the effect above `effect`, of a metric its difference to the reference on one side
    beyond `tolerance`, of traffic the ratio beyond a factor of 1.25. Of a share, or another number without a
    difference, the value must reach the lower bound of the window in which it rang; of a unit or of categories that
    vanished there must be one. A comparison of groups and what is not counted by windows is taken to speak of the
    window in which it rang alone.

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> from audit.provenance import Provenance
    >>> day = datetime(2026, 1, 5, tzinfo=UTC)
    >>> rows = [Measurement(metric="missing_share", window=(day + timedelta(w), day + timedelta(w + 1)), value=share,
    ...                     low=share - 0.1, high=share + 0.1, n=90, level=0.95, method="wilson")
    ...         for w, share in enumerate((0.5, 0.45, 0.1))]
    >>> given = {"windows": {"over_until": "2026-01-08T00:00:00Z"}}
    >>> alarm = Alarm(key=rows[0].key(), e_value=90.0, limit=80.0, since=day)
    >>> ((_, found),) = ringing(Result(measurements=rows, alarms=[alarm], provenance=Provenance(given=given)))
    >>> found.latest.day, found.shown.value
    (6, 0.45)
    """
    evidence = {row.key(): row for row in result.measurements}
    rows = {_place(row): row for row in result.measurements if row.window is not None and row.value is not None}
    alarms = sorted(result.alarms, key=lambda alarm: (alarm.since, alarm.key))
    return tuple((alarm, _ringing(alarm, evidence.get(alarm.key), rows, result)) for alarm in alarms)


def _ringing(alarm: Alarm, evidence: Measurement | None, rows: _Rows, result: Result) -> Ringing:
    if evidence is None or evidence.window is None:
        return Ringing(alarm.since)
    names = _names(evidence.metric)
    first = _number(names, evidence, evidence.window, rows)
    end = result.provenance.given.get("windows", {}).get("over_until")
    windows = sorted({row.window for row in rows.values() if row.window is not None and row.window[0] > alarm.since})
    whole = [window for window in windows if end is not None and window[1] <= utc_time(end)]
    for window in reversed(whole if first is not None and "_gap_" not in evidence.metric else []):
        now = _number(names, evidence, window, rows)
        difference = None if now is None else rows.get(_difference(now))
        if now is not None and first is not None and _shows(now, difference, first, result):
            return Ringing(window[0], now, _before(now, difference))
    return Ringing(alarm.since, first, None if first is None else _before(first, rows.get(_difference(first))))


def _names(metric: str) -> tuple[str, ...]:
    """Return the numbers that evidence may be about, that which is looked for first before the others."""
    base = next((metric.removesuffix(ending) for ending in _ENDINGS if metric.endswith(ending)), metric)
    return _EFFECTS if base == "drift" else (base,)


def _number(
    names: tuple[str, ...], evidence: Measurement, window: tuple[datetime, datetime], rows: _Rows
) -> Measurement | None:
    found = (rows.get((name, evidence.slice, evidence.at, window)) for name in names)
    return next((row for row in found if row is not None), None)


def _place(row: Measurement) -> tuple[object, ...]:
    """Return what a number is of; a comparison with a group is not the number itself."""
    kind = None if row.against is None else row.against["kind"]
    name = row.metric if kind in {None, "reference"} else f"{row.metric} against {kind}"
    return name, row.slice, row.at, row.window


def _difference(row: Measurement) -> tuple[object, ...]:
    return f"{row.metric}_difference", row.slice, row.at, row.window


def _before(now: Measurement, difference: Measurement | None) -> float | None:
    if difference is None or difference.value is None or now.value is None:
        return None
    found = now.value - difference.value
    return found if isfinite(found) else None


def _shows(now: Measurement, difference: Measurement | None, first: Measurement, result: Result) -> bool:
    if any(row is not None and UNSETTLED in (row.reason or "") for row in (now, difference)):
        return False
    if now.metric in _EFFECTS:
        return now.low is not None and now.low > _setting(result, "effect")
    if now.metric == "traffic_ratio":
        return _beyond(now, 1 / _RATIO, _RATIO)
    if difference is not None:
        tolerance = _setting(result, "tolerance")
        return _beyond(difference, -tolerance, tolerance)
    if now.metric in {"unit_factor", "vanished_categories"}:
        return bool(now.value)
    return first.low is not None and now.value is not None and now.value >= first.low


def _beyond(row: Measurement, least: float, most: float) -> bool:
    """Whether an interval lies wholly on one side of what is tolerated."""
    return (row.low is not None and row.low > most) or (row.high is not None and row.high < least)


def _setting(result: Result, name: str) -> float:
    both = {**result.provenance.defaulted, **result.provenance.given}
    return float(both.get(name, 0.05))
