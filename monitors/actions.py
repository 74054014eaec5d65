"""Whether a place acts more, or less, often since a rollout: an alarm that may be looked at every week."""

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC

import numpy as np

from audit.errors import raise_violations
from audit.measurement import Measurement, canonical_json, utc_text
from audit.provenance import Provenance, recorded_versions
from audit.result import Alarm, Result
from monitors.action_totals import Totals, totals_of_all
from monitors.rate_ratio import FloatArray, RatioInterval, log_e_outside, ratio_interval
from monitors.sequential.stopped import first_rejections
from monitors.weekly_actions import WEEK, WeeklyActions, violations_of

_LARGEST_LOG_E = 700.0  # beyond it the exponential overflows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    tolerance: float = 1.25
    limit: float = 20.0
    min_baseline_weeks: int = 8


_DEFAULTS = _Settings()


def watch_actions(
    places: Mapping[str, WeeklyActions],
    *,
    tolerance: float = _DEFAULTS.tolerance,
    limit: float = _DEFAULTS.limit,
    min_baseline_weeks: int = _DEFAULTS.min_baseline_weeks,
) -> Result:
    """Compare the rate of actions since a rollout with the weeks before it, place by place, and ring where it moved.

    The ratio of a place is (actions / exposure since) / (actions / exposure before), in [0, inf); 1 is no change. At
    each week the running totals, divided by the dispersion of the baseline weeks (the place's own or that of all places
    together, the larger: `monitors.action_totals.totals_of_all`), give evidence that it lies above
    `tolerance` or below 1 / `tolerance` (`monitors.rate_ratio.log_e_outside`). A place rings by e-BH over all places,
    and stays raised (`monitors.sequential.stopped`): of K places the first needs an e-value of K times `limit`, and
    when R rang, K / R times. One place rings when the whole interval {r : e_r < limit} leaves the tolerance.

    Promised: after every week the expected share of false alarms among all that were raised so far is at most
    1 / limit, and so is the chance that any place ever rings while none changed. The intervals {r : e_r < K limit} hold
    the ratios of all places in all weeks together with probability at least 1 - 1 / limit; the interval of a place that
    rang beside others may therefore still reach into the tolerance.

    Assumed: counts that vary like Poisson counts times a constant, at one rate before and one rate since: no season, no
    trend, weeks independent (places may depend on each other within a week). The dispersion is estimated, and from
    eight weeks poorly: with weekly counts of mean 100 and variance 600 the 95 % interval missed a true ratio of 1 at
    some of 26 looks in 6.6 % of simulations (12 weeks: 4.6 %, 26 weeks: 2.1 %), while the alarm rang in 0.2 % at a
    ratio of 1 and in 4.4 % at a ratio of 1.25. That no alarm rang does not show that the rates are alike:
    `monitors.action_plans` says whether they were shown to be, and how many weeks are lacking.

    Parameters
    ----------
    places
        Name of the place -> its counts.
    tolerance
        w >= 1: ratios in [1 / w, w] never ring, however many actions there are.
    limit
        1 / alpha of all places together, > 1.
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
    See `monitors.rate_ratio.log_e_value`, `monitors.dispersion.dispersion` and
    `monitors.sequential.stopped.first_rejections`.

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
    totals = totals_of_all(places, min_baseline_weeks=min_baseline_weeks)
    rows = {place: _row(place, places[place], each, settings, limit * len(totals)) for place, each in totals.items()}
    alarms = _alarms(places, totals, rows, settings)
    return Result(measurements=tuple(rows.values()), alarms=alarms, provenance=_provenance(places, settings))


def _violations_of_settings(settings: _Settings) -> list[str]:
    found = []
    if not 1.0 <= settings.tolerance < np.inf:
        found.append(f"tolerance must be at least 1; got {settings.tolerance}; pass 1.25 to tolerate 0.8 to 1.25")
    if not 1.0 < settings.limit < np.inf:
        found.append(f"limit must be above 1; got {settings.limit}; pass 20 for a share of false alarms of 5 %")
    if settings.min_baseline_weeks < 2:
        found.append(f"min_baseline_weeks must be at least 2; got {settings.min_baseline_weeks}; pass 8 or more")
    return found


def _row(place: str, weeks: WeeklyActions, running: Totals, settings: _Settings, limit: float) -> Measurement:
    found = ratio_interval(
        running.current[-1] / running.worth,
        running.baseline / running.worth,
        current_exposure=running.current_exposure[-1],
        baseline_exposure=running.baseline_exposure,
        limit=limit,
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
        level=None if running.dispersion is None else 1.0 - 1.0 / limit,
        method="beta_mixture",
        reason=_reason(running, settings),
    )


def _ratio(running: Totals) -> float | None:
    if running.baseline == 0:
        return None
    rate_since = float(running.current[-1] / running.current_exposure[-1])
    return rate_since / (running.baseline / running.baseline_exposure)


def _bounds(found: RatioInterval, running: Totals) -> tuple[float | None, float | None]:
    nothing_seen = running.baseline == 0 and running.current[-1] == 0
    if running.dispersion is None or nothing_seen:
        return None, None
    return _finite(found.low), _finite(found.high)


def _reason(running: Totals, settings: _Settings) -> str | None:
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
        whose = "of all places together" if running.of_all else f"of the {weeks} baseline weeks"
        reasons.append(f"counts divided by {running.dispersion:.3g}, the dispersion {whose}")
    return "; ".join(reasons) or None


def _alarms(
    places: Mapping[str, WeeklyActions],
    totals: Mapping[str, Totals],
    rows: Mapping[str, Measurement],
    settings: _Settings,
) -> tuple[Alarm, ...]:
    """Return the alarm of each place in the week in which it first rang, all places looked at together every week."""
    starts = {place: [start.astimezone(UTC) for start in places[place].week_starts] for place in rows}
    looks = sorted({start for of_place in starts.values() for start in of_place})
    log_e = np.zeros((len(looks), len(rows)))
    for column, place in enumerate(rows):
        seen = np.array([bisect_right(starts[place], look) for look in looks])
        evidence = np.concatenate([[0.0], _evidence(totals[place], settings)])
        log_e[:, column] = evidence[seen]
    found = first_rejections(log_e, alpha=1.0 / settings.limit)
    alarms = []
    for column, place in enumerate(rows):
        if found.look[column] >= 0:
            limit = float(found.limit[column])
            # exp(log(limit)) may fall below limit by rounding, and an alarm is at or above it
            e_value = max(float(np.exp(min(found.log_e[column], _LARGEST_LOG_E))), limit)
            # evidence changes only in weeks of the place itself; others may lower what it needs
            week = bisect_right(starts[place], looks[found.look[column]]) - 1
            alarms.append(Alarm(key=rows[place].key(), e_value=e_value, limit=limit, since=starts[place][week]))
    return tuple(alarms)


def _evidence(running: Totals, settings: _Settings) -> FloatArray:
    """Return log e after each week; none where the baseline is too short."""
    if running.dispersion is None:
        return np.full(running.current.shape, np.nan)
    return log_e_outside(
        running.current / running.dispersion,
        running.baseline / running.dispersion,
        current_exposure=running.current_exposure,
        baseline_exposure=running.baseline_exposure,
        tolerance=settings.tolerance,
    )


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
