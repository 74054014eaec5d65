"""Running totals of the actions of a place, and by what they are divided."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from monitors.dispersion import dispersion, pooled_dispersion
from monitors.rate_ratio import FloatArray
from monitors.weekly_actions import WeeklyActions


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Running totals at each look, and by what they are divided.

    Parameters
    ----------
    current, current_exposure
        Actions since, and what they accrued over, up to each week, shape (m,).
    baseline, baseline_exposure, baseline_weeks
        The same of all weeks before, and how many they are.
    dispersion
        Of the weeks before, of the place or of all places together; None where its weeks are too few.
    of_all
        Whether it is that of all places, since that of the place is smaller.

    Examples
    --------
    >>> one = np.ones(1)
    >>> Totals(current=one, current_exposure=one, baseline=8.0, baseline_exposure=8.0, baseline_weeks=8,
    ...        dispersion=None).worth
    1.0
    """

    current: FloatArray
    current_exposure: FloatArray
    baseline: float
    baseline_exposure: float
    baseline_weeks: int
    dispersion: float | None
    of_all: bool = False

    @property
    def worth(self) -> float:
        """How many actions are worth one."""
        return self.dispersion or 1.0


def totals_of(weeks: WeeklyActions, *, min_baseline_weeks: int) -> Totals:
    """Return the running totals of a place.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> start = datetime(2026, 1, 5, tzinfo=UTC)
    >>> found = totals_of(WeeklyActions(baseline=[9, 11], current=[10], week_starts=[start]), min_baseline_weeks=2)
    >>> found.baseline, found.current.tolist(), found.dispersion
    (20.0, [10.0], 1.0)
    """
    before, since = np.asarray(weeks.baseline, dtype=np.float64), np.asarray(weeks.current, dtype=np.float64)
    exposed_before, exposed_since = (
        np.ones_like(counts) if exposure is None else np.asarray(exposure, dtype=np.float64)
        for counts, exposure in ((before, weeks.baseline_exposure), (since, weeks.current_exposure))
    )
    enough = before.size >= min_baseline_weeks
    return Totals(
        current=since.cumsum(),
        current_exposure=exposed_since.cumsum(),
        baseline=float(before.sum()),
        baseline_exposure=float(exposed_before.sum()),
        baseline_weeks=before.size,
        dispersion=dispersion(before, exposure=exposed_before) if enough else None,
    )


def totals_of_all(places: Mapping[str, WeeklyActions], *, min_baseline_weeks: int) -> dict[str, Totals]:
    """Return the running totals of all places, in the order of their names.

    Each is divided by its own dispersion or that of all places together, whichever is larger: of few weeks the
    dispersion is known poorly, and of many places the alarm would ring for those in which it came out too small.

    Examples
    --------
    Of weeks (5, 15) and (10, 10): chi-squares of 5 and 0, on one degree of freedom each.

    >>> from datetime import UTC, datetime
    >>> start = datetime(2026, 1, 5, tzinfo=UTC)
    >>> of = {name: WeeklyActions(baseline=weeks, current=[10], week_starts=[start])
    ...       for name, weeks in (("north", [5, 15]), ("south", [10, 10]))}
    >>> [(each.dispersion, each.of_all) for each in totals_of_all(of, min_baseline_weeks=2).values()]
    [(5.0, False), (2.5, True)]
    """
    found = {place: totals_of(places[place], min_baseline_weeks=min_baseline_weeks) for place in sorted(places)}
    known = [places[place] for place, each in found.items() if each.dispersion is not None and each.baseline > 0]
    common = pooled_dispersion([(weeks.baseline, weeks.baseline_exposure) for weeks in known])
    return {
        place: each
        if each.dispersion is None or each.dispersion >= common
        else replace(each, dispersion=common, of_all=True)
        for place, each in found.items()
    }
