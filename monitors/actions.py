"""Whether a place acts more, or less, often since a rollout: an alarm that may be looked at every week."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC

import numpy as np

from audit.errors import raise_violations
from audit.measurement import Measurement, canonical_json, utc_text
from audit.provenance import Provenance, recorded_versions
from audit.result import Alarm, Result
from monitors.dispersion import dispersion
from monitors.rate_ratio import FloatArray, RatioInterval, log_e_outside, ratio_interval
from monitors.weekly_actions import WEEK, WeeklyActions, violations_of

_LARGEST_LOG_E = 700.0  # beyond it the exponential overflows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    tolerance: float = 1.25
    limit: float = 20.0
    min_baseline_weeks: int = 8


_DEFAULTS = _Settings()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """Running totals at each look, and by what they are divided; no dispersion where the baseline is too short."""

    current: FloatArray
    current_exposure: FloatArray
    baseline: float
    baseline_exposure: float
    baseline_weeks: int
    dispersion: float | None


def watch_actions(
    places: Mapping[str, WeeklyActions],
    *,
    tolerance: float = _DEFAULTS.tolerance,
    limit: float = _DEFAULTS.limit,
    min_baseline_weeks: int = _DEFAULTS.min_baseline_weeks,
) -> Result:
    """Compare the rate of actions since a rollout with the weeks before it, place by place, and ring where it moved.

    The ratio of a place is (actions / exposure since) / (actions / exposure before), in [0, inf); 1 is no change. At
    each week the running totals, divided by the dispersion of the baseline weeks, give the interval {r : e_r < limit}
    (`monitors.rate_ratio`). The alarm rings when the whole interval lies above `tolerance` or below 1 / `tolerance`,
    and stays raised. All looks of one place together ring falsely with probability at most 1 / limit; over several
    places the chances add up, so for K places pass limit = 20 K or treat the e-values together.

    Assumed: counts that vary like Poisson counts times a constant, at one rate before and one rate since: no season, no
    trend, weeks independent. The dispersion is estimated, and from eight weeks poorly: with weekly counts of mean 100
    and variance 600 the 95 % interval missed a true ratio of 1 at some of 26 looks in 6.6 % of simulations (12 weeks:
    4.6 %, 26 weeks: 2.1 %), while the alarm rang in 0.2 % at a ratio of 1 and in 4.4 % at a ratio of 1.25. That no
    alarm rang does not show that the rates are alike; `monitors.equivalence` can.

    Parameters
    ----------
    places
        Name of the place -> its counts.
    tolerance
        w >= 1: ratios in [1 / w, w] never ring, however many actions there are.
    limit
        1 / alpha, > 1.
    min_baseline_weeks
        Fewer baseline weeks give the ratio without an interval, and no alarm; at least 2.

    Returns
    -------
    Result
        One measurement ``action_ratio`` per place, in the order of their names: the ratio, its interval at the last
        week, as n the smaller total. `value` is None where the baseline has no actions, `high` too. An alarm holds the
        e-value of the week in which it first rang (at most e^700) and the start of that week.

    Raises
    ------
    InputError
        If counts, exposures, weeks or settings are malformed; one error lists every violation.

    References
    ----------
    See `monitors.rate_ratio.log_e_value` and `monitors.dispersion.dispersion`.

    Examples
    --------
    >>> from datetime import datetime
    >>> weeks = [datetime(2026, 1, day, tzinfo=UTC) for day in (5, 12, 19)]
    >>> before = [9, 11, 10, 10, 12, 8, 10, 10]
    >>> result = watch_actions({"north": WeeklyActions(baseline=before, current=[24, 26, 25], week_starts=weeks)})
    >>> row, alarm = result.measurements[0], result.alarms[0]
    >>> row.value, round(row.low, 2), round(row.high, 2), row.n
    (2.5, 1.45, 4.3, 75)
    >>> alarm.since.isoformat(), alarm.key == row.key()
    ('2026-01-12T00:00:00+00:00', True)
    """
    settings = _Settings(tolerance=tolerance, limit=limit, min_baseline_weeks=min_baseline_weeks)
    raise_violations([*_violations_of_settings(settings), *violations_of(places)])
    rows, alarms = [], []
    for place in sorted(places):
        running = _running(places[place], settings)
        rows.append(_row(place, places[place], running, settings))
        alarms.extend(_alarms(rows[-1].key(), places[place], running, settings))
    return Result(measurements=tuple(rows), alarms=tuple(alarms), provenance=_provenance(places, settings))


def _violations_of_settings(settings: _Settings) -> list[str]:
    found = []
    if not 1.0 <= settings.tolerance < np.inf:
        found.append(f"tolerance must be at least 1; got {settings.tolerance}; pass 1.25 to tolerate 0.8 to 1.25")
    if not 1.0 < settings.limit < np.inf:
        found.append(
            f"limit must be above 1; got {settings.limit}; pass 20 for a false alarm in at most 1 of 20 places"
        )
    if settings.min_baseline_weeks < 2:
        found.append(f"min_baseline_weeks must be at least 2; got {settings.min_baseline_weeks}; pass 8 or more")
    return found


def _running(weeks: WeeklyActions, settings: _Settings) -> _Running:
    before, since = np.asarray(weeks.baseline, dtype=np.float64), np.asarray(weeks.current, dtype=np.float64)
    exposed_before, exposed_since = (
        np.ones_like(counts) if exposure is None else np.asarray(exposure, dtype=np.float64)
        for counts, exposure in ((before, weeks.baseline_exposure), (since, weeks.current_exposure))
    )
    enough = before.size >= settings.min_baseline_weeks
    return _Running(
        current=since.cumsum(),
        current_exposure=exposed_since.cumsum(),
        baseline=float(before.sum()),
        baseline_exposure=float(exposed_before.sum()),
        baseline_weeks=before.size,
        dispersion=dispersion(before, exposure=exposed_before) if enough else None,
    )


def _row(place: str, weeks: WeeklyActions, running: _Running, settings: _Settings) -> Measurement:
    found = ratio_interval(
        running.current[-1] / (running.dispersion or 1.0),
        running.baseline / (running.dispersion or 1.0),
        current_exposure=running.current_exposure[-1],
        baseline_exposure=running.baseline_exposure,
        limit=settings.limit,
    )
    low, high = _bounds(found, running)
    return Measurement(
        metric="action_ratio",
        at=(("place", place),),
        window=(weeks.week_starts[0].astimezone(UTC), weeks.week_starts[-1].astimezone(UTC) + WEEK),
        value=_ratio(running),
        low=low,
        high=high,
        n=int(min(running.current[-1], running.baseline)),
        level=None if running.dispersion is None else 1.0 - 1.0 / settings.limit,
        method="beta_mixture",
        reason=_reason(running, settings),
    )


def _ratio(running: _Running) -> float | None:
    if running.baseline == 0:
        return None
    rate_since = float(running.current[-1] / running.current_exposure[-1])
    return rate_since / (running.baseline / running.baseline_exposure)


def _bounds(found: RatioInterval, running: _Running) -> tuple[float | None, float | None]:
    nothing_seen = running.baseline == 0 and running.current[-1] == 0
    if running.dispersion is None or nothing_seen:
        return None, None
    return _finite(found.low), _finite(found.high)


def _reason(running: _Running, settings: _Settings) -> str | None:
    reasons = []
    if running.baseline == 0:
        also = "the ratio has no upper bound" if running.current[-1] > 0 else "nor since: nothing to compare"
        reasons.append(f"no actions in the {running.baseline_weeks} baseline weeks, {also}")
    if running.dispersion is None:
        needed = settings.min_baseline_weeks
        reasons.append(
            f"{running.baseline_weeks} baseline weeks; an interval needs the dispersion of at least {needed}"
        )
    elif running.dispersion > 1.0:
        weeks = running.baseline_weeks
        reasons.append(f"counts divided by {running.dispersion:.3g}, the dispersion of the {weeks} baseline weeks")
    return "; ".join(reasons) or None


def _alarms(key: str, weeks: WeeklyActions, running: _Running, settings: _Settings) -> list[Alarm]:
    """Return the alarm of the first week in which it rang, or nothing."""
    if running.dispersion is None:
        return []
    log_e = log_e_outside(
        running.current / running.dispersion,
        running.baseline / running.dispersion,
        current_exposure=running.current_exposure,
        baseline_exposure=running.baseline_exposure,
        tolerance=settings.tolerance,
    )
    rang = np.flatnonzero(log_e >= np.log(settings.limit))
    if rang.size == 0:
        return []
    first = int(rang[0])
    # exp(log(limit)) may fall below limit by rounding, and an alarm is at or above it
    e_value = max(float(np.exp(min(log_e[first], _LARGEST_LOG_E))), settings.limit)
    since = weeks.week_starts[first].astimezone(UTC)
    return [Alarm(key=key, e_value=e_value, limit=settings.limit, since=since)]


def _provenance(places: Mapping[str, WeeklyActions], settings: _Settings) -> Provenance:
    chosen, defaults = asdict(settings), asdict(_DEFAULTS)
    given = {name: value for name, value in chosen.items() if value != defaults[name]}
    counts = canonical_json({place: _plain(weeks) for place, weeks in places.items()})
    return Provenance(
        data={"weekly actions": hashlib.sha256(counts.encode()).hexdigest()},
        versions=recorded_versions(),
        given=given,
        defaulted={name: value for name, value in chosen.items() if name not in given},
    )


def _plain(weeks: WeeklyActions) -> list[object]:
    columns = (weeks.baseline, weeks.current, weeks.baseline_exposure, weeks.current_exposure)
    numbers = [None if column is None else np.asarray(column, dtype=np.float64).tolist() for column in columns]
    return [*numbers, [utc_text(start) for start in weeks.week_starts]]


def _finite(number: FloatArray) -> float | None:
    return float(number) if np.isfinite(number) else None
