"""Whether the actions of places were shown to be as before, and how many more weeks it takes to show anything."""

from collections.abc import Callable, Mapping
from datetime import UTC
from math import inf, isfinite, log

import numpy as np
import numpy.typing as npt

from audit.measurement import Measurement
from monitors.action_totals import Totals, totals_of_all
from monitors.equivalence import equivalence_interval
from monitors.rate_ratio import RatioInterval, log_e_outside, log_e_value, ratio_interval
from monitors.weekly_actions import WEEK, WeeklyActions

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

ALIKE = 2.0
"""Actions are as before where they neither doubled nor halved."""

MOST_WEEKS = 520
"""More weeks than these, ten years, are as good as never."""

_CERTAIN = 20.0  # 1 / .05: what is said to be alike is so with 95 %, whatever the number of looks


def action_plans(
    places: Mapping[str, WeeklyActions], *, tolerance: float, limit: float, min_baseline_weeks: int = 8
) -> tuple[Measurement, ...]:
    """Say of each place whether its actions were shown to be as before, and what more weeks would show.

    Parameters
    ----------
    places
        Name of the place -> its counts, as `monitors.actions.watch_actions` takes them.
    tolerance, limit, min_baseline_weeks
        Those of the alarms: as many weeks are needed as make a place ring that rings alone.

    Returns
    -------
    tuple of Measurement
        Two rows per place, in the order of their names. ``action_equivalence_factor``: the actions rose or fell by this
        factor at most, in [1, inf), from the interval {r : e_r < 20}; below 2 they were shown neither to have doubled
        nor to have halved. False of one place with probability at most .05, however often one looks; for one look that
        was planned, `monitors.equivalence` needs fewer actions, and the reason has its factor. ``weeks_needed``: after
        how many more weeks a doubling *and* a halving since the first week would have been found, at the weeks' usual
        exposure and dispersion, were counts what is expected of them: one in two is found later. 0 where it would have
        been found by now. `value` is None, with a reason, where no number of weeks up to ten years is enough.

    Examples
    --------
    >>> from datetime import datetime, timedelta
    >>> weeks = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(weeks=week) for week in range(4)]
    >>> place = WeeklyActions(baseline=[10] * 26, current=[10] * 4, week_starts=weeks)
    >>> alike, needed = action_plans({"north": place}, tolerance=1.25, limit=20.0)
    >>> round(alike.value, 2), alike.reason
    (1.68, 'shown to be alike within a factor of 2; for one look that was planned 1.35')
    >>> needed.value, needed.reason
    (6.0, 'a doubling would be found by now, a halving after 6 more weeks')
    """
    names = sorted(places)
    totals = list(totals_of_all(places, min_baseline_weeks=min_baseline_weeks).values())
    usable = [place for place, each in enumerate(totals) if each.dispersion is not None and each.baseline > 0]
    some = [totals[place] for place in usable]
    needed = limit * len(names)
    doubled, halved = (_found(some, ratio, tolerance=tolerance, limit=needed) for ratio in (ALIKE, 1.0 / ALIKE))
    alike = _shown(some)
    rows: list[Measurement] = []
    for number, place in enumerate(names):
        if number in usable:
            at = usable.index(number)
            rows.append(_alike_row(place, places[place], totals[number], int(alike[at])))
            rows.append(_needed_row(place, places[place], totals[number], (int(doubled[at]), int(halved[at]))))
        else:
            why = _why_not(totals[number], min_baseline_weeks)
            rows += [
                _row("action_equivalence_factor", place, places[place], None, totals[number], why),
                _row("weeks_needed", place, places[place], None, totals[number], why),
            ]
    return tuple(rows)


def _found(totals: list[Totals], ratio: float, *, tolerance: float, limit: float) -> IntArray:
    """Return after how many more weeks a ratio since the first week would ring, -1 for never."""
    before, of, worth = (np.array(part) for part in _baselines(totals))

    def rings(weeks: IntArray) -> BoolArray:
        exposure = _exposure(totals, weeks)
        log_e = log_e_outside(
            ratio * before / of * exposure / worth,
            before / worth,
            current_exposure=exposure,
            baseline_exposure=of,
            tolerance=tolerance,
        )
        return np.asarray(log_e >= log(limit))

    return _first(rings, len(totals))


def _shown(totals: list[Totals]) -> IntArray:
    """Return after how many more weeks at the present rates they would be shown to be alike, -1 for never."""
    before, of, worth = (np.array(part) for part in _baselines(totals))
    now = np.array([each.current[-1] for each in totals])
    rate = now / np.array([each.current_exposure[-1] for each in totals])
    observed = rate * of / before if len(totals) else rate

    def shown(weeks: IntArray) -> BoolArray:
        exposure = _exposure(totals, weeks)
        against = [
            log_e_value(
                rate * exposure / worth,
                before / worth,
                current_exposure=exposure,
                baseline_exposure=of,
                ratio=ratio,
            )
            for ratio in (ALIKE, 1.0 / ALIKE)
        ]
        inside = (observed < ALIKE) & (observed > 1.0 / ALIKE)
        return np.asarray(inside & (np.minimum(*against) >= log(_CERTAIN)))

    return _first(shown, len(totals))


def _baselines(totals: list[Totals]) -> tuple[list[float], list[float], list[float]]:
    return (
        [each.baseline for each in totals],
        [each.baseline_exposure for each in totals],
        [each.worth for each in totals],
    )


def _exposure(totals: list[Totals], more: IntArray) -> npt.NDArray[np.float64]:
    """Return what actions have accrued over after so many more weeks like those since."""
    exposed = np.array([each.current_exposure[-1] for each in totals])
    weeks = np.array([len(each.current) for each in totals])
    return np.asarray(exposed * (weeks + more) / np.maximum(weeks, 1))


def _first(holds: Callable[[IntArray], BoolArray], size: int) -> IntArray:
    """Return the first number of weeks, elementwise, from which on a condition holds; -1 where it never does."""
    if not size:
        return np.zeros(0, dtype=np.int64)
    low, high = np.full(size, -1, dtype=np.int64), np.full(size, MOST_WEEKS, dtype=np.int64)
    never = ~holds(high)
    while np.any(high - low > 1):
        middle = np.where(high - low > 1, (low + high) // 2, high)
        there = holds(middle)
        low, high = np.where(there, low, middle), np.where(there, middle, high)
        low = np.minimum(low, high - 1)
    return np.where(never, -1, high)


def _alike_row(place: str, weeks: WeeklyActions, totals: Totals, more: int) -> Measurement:
    counts = (totals.current[-1] / totals.worth, totals.baseline / totals.worth)
    exposed = {"current_exposure": totals.current_exposure[-1], "baseline_exposure": totals.baseline_exposure}
    always = _factor(ratio_interval(*counts, limit=_CERTAIN, **exposed))
    once = _factor(equivalence_interval(*counts, **exposed))
    if always < ALIKE:
        said = f"shown to be alike within a factor of {ALIKE:g}"
    elif more < 0:
        said = f"not shown to be alike within a factor of {ALIKE:g}, nor would it be in ten years at these rates"
    else:
        said = f"not shown to be alike within a factor of {ALIKE:g}; at these rates it would be after {_weeks(more)}"
    if isfinite(once):
        said += f"; for one look that was planned {once:.3g}"
    if not isfinite(always):
        said += "; no actions since: a fall has no bound"
    return _row("action_equivalence_factor", place, weeks, always if isfinite(always) else None, totals, said)


def _needed_row(place: str, weeks: WeeklyActions, totals: Totals, more: tuple[int, int]) -> Measurement:
    parts = [
        f"a {what} would be found {f'after {_weeks(number)}' if number > 0 else 'by now'}"
        if number >= 0
        else f"a {what} would not be found in ten years: {totals.baseline:.0f} actions in the weeks before are too few"
        for what, number in zip(("doubling", "halving"), more, strict=True)
    ]
    said = ", ".join(parts).replace(", a halving would be found ", ", a halving ")
    return _row("weeks_needed", place, weeks, float(max(more)) if min(more) >= 0 else None, totals, said)


def _row(
    metric: str, place: str, weeks: WeeklyActions, value: float | None, totals: Totals, reason: str
) -> Measurement:
    return Measurement(
        metric=metric,
        at=(("place", place),),
        window=(weeks.week_starts[0].astimezone(UTC), weeks.week_starts[-1].astimezone(UTC) + WEEK),
        value=value,
        n=int(min(totals.current[-1], totals.baseline)),
        method="beta_mixture",
        reason=reason,
    )


def _factor(interval: RatioInterval) -> float:
    """Return the largest factor, either way, in an interval of a ratio."""
    low, high = float(interval.low), float(interval.high)
    return max(high, 1.0 / low if low > 0 else inf)


def _weeks(number: int) -> str:
    return f"{number} more week{'' if number == 1 else 's'}"


def _why_not(totals: Totals, needed: int) -> str:
    if totals.dispersion is None:
        return f"{totals.baseline_weeks} baseline weeks; the dispersion of at least {needed} is needed"
    return f"no actions in the {totals.baseline_weeks} baseline weeks: nothing to compare"
