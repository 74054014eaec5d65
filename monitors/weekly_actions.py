"""The actions of places, one number a week, and what can be wrong with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from monitors.kinds import Wanted, wrong_kind

WEEK = timedelta(days=7)
"""Length of a week: week starts lie at least this far apart, and the last week ends this long after its start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyActions:
    """The actions of one place: alerts sent, stops made, applications refused, one number a week.

    Parameters
    ----------
    baseline
        Actions in each week before the rollout, shape (k,), whole, >= 0, in any order.
    current
        Actions in each whole week since, shape (m,), m >= 1, oldest first.
    week_starts
        Start of each current week, with a time zone, at least seven days apart; weeks may be missing.
    baseline_exposure, current_exposure
        What the actions of each week accrued over (people, cases, hours), > 0, in one unit; both or neither. Without
        them all weeks count alike.

    Examples
    --------
    >>> WeeklyActions(baseline=[9, 11], current=[10], week_starts=[datetime(2026, 1, 5, tzinfo=UTC)]).current
    [10]
    """

    baseline: npt.ArrayLike
    current: npt.ArrayLike
    week_starts: Sequence[datetime]
    baseline_exposure: npt.ArrayLike | None = None
    current_exposure: npt.ArrayLike | None = None


def violations_of(places: Mapping[str, WeeklyActions]) -> list[str]:
    """Return everything that makes the counts unfit to compare, one sentence each, naming the place.

    Parameters
    ----------
    places
        Name of the place -> its counts.

    Returns
    -------
    list of str
        Empty where nothing is wrong.

    Examples
    --------
    >>> week = [datetime(2026, 1, 5, tzinfo=UTC)]
    >>> violations_of({"north": WeeklyActions(baseline=[9, -1], current=[10], week_starts=week)})
    ["place 'north', baseline: expected whole counts >= 0; week 2 is -1; correct it or leave the week out"]
    """
    if not places:
        return ["expected at least one place; got none; pass {name: WeeklyActions(...)}"]
    wrong = wrong_kind("places", places, Wanted("a mapping from names of places to WeeklyActions", (Mapping,)))
    if wrong:
        return wrong
    one = Wanted("WeeklyActions", (WeeklyActions,))
    wrong = [fault for place, weeks in places.items() for fault in wrong_kind(f"place {place!r}", weeks, one)]
    if wrong:
        return wrong
    return [violation for place, weeks in places.items() for violation in _violations_of_place(place, weeks)]


def _violations_of_place(place: str, weeks: WeeklyActions) -> list[str]:
    where = f"place {place!r}"
    found = [] if place else ["expected a name for every place; got an empty one; name it"]
    found += _violations_of_counts(weeks.baseline, f"{where}, baseline")
    found += _violations_of_counts(weeks.current, f"{where}, current")
    found += _violations_of_starts(weeks.week_starts, np.size(weeks.current), f"{where}, week_starts")
    if (weeks.baseline_exposure is None) != (weeks.current_exposure is None):
        found.append(f"{where}: expected the exposure of both the baseline and the current weeks; got one; pass both")
    for name, exposure, counts in (
        ("baseline_exposure", weeks.baseline_exposure, weeks.baseline),
        ("current_exposure", weeks.current_exposure, weeks.current),
    ):
        if exposure is not None:
            found += _violations_of_exposure(exposure, np.size(counts), f"{where}, {name}")
    return found


def _violations_of_counts(counts: npt.ArrayLike, where: str) -> list[str]:
    numbers = _numbers(counts)
    if numbers is None:
        return [f"{where}: expected a list of numbers; got {counts!r}; pass one count per week"]
    if numbers.size == 0:
        return [f"{where}: expected at least one week; got none; leave the place out until it has one"]
    whole = np.isfinite(numbers) & (numbers >= 0) & (numbers == np.round(numbers))
    return [
        f"{where}: expected whole counts >= 0; week {index + 1} is {numbers[index]:g}; correct it or leave the week out"
        for index in np.flatnonzero(~whole)
    ]


def _violations_of_exposure(exposure: npt.ArrayLike, weeks: int, where: str) -> list[str]:
    numbers = _numbers(exposure)
    if numbers is None:
        return [f"{where}: expected a list of numbers; got {exposure!r}; pass one exposure per week"]
    found = []
    if numbers.size != weeks:
        found.append(f"{where}: expected one exposure for each of the {weeks} weeks; got {numbers.size}; pass them all")
    usable = np.isfinite(numbers) & (numbers > 0)
    found += [
        f"{where}: expected exposures > 0; week {index + 1} is {numbers[index]:g}; leave out a week without exposure"
        for index in np.flatnonzero(~usable)
    ]
    return found


def _violations_of_starts(starts: object, weeks: int, where: str) -> list[str]:
    if isinstance(starts, str) or not isinstance(starts, Sequence | np.ndarray):
        return [f"{where}: expected a list of times with a zone; got {starts!r}; pass one per week"]
    found = []
    if len(starts) != weeks:
        found.append(f"{where}: expected one start for each of the {weeks} weeks; got {len(starts)}; pass them all")
    naive = [start for start in starts if not isinstance(start, datetime) or start.tzinfo is None]
    found += [f"{where}: expected times with a zone; got {start!r}; say which zone it is in" for start in naive]
    if naive:
        return found
    instants = [start.astimezone(UTC) for start in starts]
    for earlier, later in pairwise(instants):
        if later - earlier < WEEK:
            after = f"{later.isoformat()} follows {earlier.isoformat()}"
            found.append(
                f"{where}: expected each start at least 7 days after the one before; {after}; sort and merge them"
            )
    return found


def _numbers(values: npt.ArrayLike) -> npt.NDArray[np.float64] | None:
    """Return the values as a vector of floats, or None where they are something else."""
    try:
        array = np.asarray(values)
    except ValueError:  # lists of unequal lengths
        return None
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iuf"):
        return None
    return array.astype(np.float64)
