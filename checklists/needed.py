"""How many rows a decision needs: of one number, and of the most extreme of many comparisons."""

from collections.abc import Sequence
from math import ceil
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from audit.gaps import Bounded, End
from audit.measurement import Measurement
from audit.rollup import Floats

POWER = 0.8
_HALVINGS = 60


class RowsNeeded(NamedTuple):
    """How large a denominator must become, and which verdict it would then show.

    Examples
    --------
    Half width .1, distance .2: a quarter of the 100 rows touches the limit, and 2.04 times as many, 51.1, decide.

    >>> row = Measurement(metric="accuracy", value=0.5, low=0.4, high=0.6, n=100, level=0.95, method="wilson")
    >>> rows, verdict = rows_needed(row, limit=0.7, end="max")
    >>> rows, verdict
    (52, 'PASS')
    """

    rows: int
    verdict: Literal["PASS", "FAIL"]


def rows_needed(row: Measurement, *, limit: float, end: End, power: float = POWER) -> RowsNeeded | None:
    r"""Return how large the n of a row must become to decide with some power, if its estimate were true.

    Parameters
    ----------
    row
        An estimate with its interval. Its n is that of the smallest group; the groups of a gap are taken to grow alike.
    limit
        The limit that must hold.
    end
        Whether the limit is a largest or a smallest allowed value.
    power
        Chance that the interval then excludes the limit.

    Returns
    -------
    RowsNeeded or None
        Rows in the denominator (positive labels, for a false negative rate), and PASS or FAIL. None where the estimate
        is undefined or equals the limit, and where the interval has no bound on that side.

    Notes
    -----
    With z the critical value of the level and h the half width of the interval towards the limit, h shrinks as
    1 / sqrt(n), so that n (h / distance)^2 rows make the interval just touch the limit in the mean: that decides every
    second time. For power 1 - b the distance must be (z + z_b) / z half widths: n ((z + z_b) / z)^2 (h / distance)^2,
    that is 2.04 times as many at level .95 and power .8. J. M. Lachin (1981), Introduction to sample size
    determination and power analysis for clinical trials, Controlled Clinical Trials 2, 93-113,
    doi:10.1016/0197-2456(81)90001-5.

    Examples
    --------
    Half width .04 and distance .04: 100 rows touch the limit, 205 decide.

    >>> row = Measurement(metric="accuracy", value=0.64, low=0.6, high=0.68, n=100, level=0.95, method="wilson")
    >>> rows_needed(row, limit=0.6, end="min")
    RowsNeeded(rows=205, verdict='PASS')
    """
    if row.value is None or row.level is None:
        return None
    room = limit - row.value if end == "max" else row.value - limit
    bound = row.high if (end == "max") == (room > 0) else row.low
    if room == 0 or bound is None:
        return None
    critical = float(ndtri(0.5 + row.level / 2))
    factor = ((critical + float(ndtri(power))) / critical) ** 2
    rows = ceil(row.n * factor * ((bound - row.value) / room) ** 2)
    return RowsNeeded(max(rows, 1), "PASS" if room > 0 else "FAIL")


class Needed(NamedTuple):
    """How large the n of a group must become, which verdict would then be shown, and between which groups.

    Examples
    --------
    >>> needed = Needed(1737, "PASS", group="b", between="between a and b")
    >>> f"n = {needed.rows:,} of {needed.group} would show {needed.verdict} ({needed.between})"
    'n = 1,737 of b would show PASS (between a and b)'
    """

    rows: int
    verdict: Literal["PASS", "FAIL"]
    group: str
    between: str


def rows_needed_between(
    must_hold: Sequence[Bounded],
    may_fail: Sequence[Bounded],
    *,
    limit: float,
    end: End,
    level: float,
    power: float = POWER,
) -> Needed | None:
    """Return how large a group must become for the most extreme of many comparisons to be decided (`rows_needed`).

    All groups are taken to grow alike, by one factor. Where an estimate lies beyond the limit, one such comparison is
    enough for FAIL: the one that needs the smallest factor, by its Bonferroni bound. Else all must be shown to hold at
    once, by their unadjusted bounds: the one that alone needs the largest factor is named, with the factor by which
    all hold together (Boole's inequality, so never too small).

    Parameters
    ----------
    must_hold
        Comparisons of the groups that must be shown to keep the limit, from `audit.gaps.comparisons`.
    may_fail
        Comparisons of all groups that could fail.
    limit, end
        The limit, and whether it is a largest or a smallest allowed value.
    level
        The level at which the comparisons were made.
    power
        Chance that the named comparison is then decided.

    Returns
    -------
    Needed or None
        The n of the smaller group of the comparison that is named. None where an estimate equals the limit, or there
        is no bound.

    Examples
    --------
    >>> from audit.gaps import comparisons
    >>> from audit.predictions import PredictionLog
    >>> from audit.run import run_audit
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1] * 500, "p": [1, 0] * 250, "g": (["a"] * 3 + ["b"] * 2) * 100})
    >>> tally = run_audit(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"])).tally
    >>> found = comparisons(tally, "selection_rate", features=["g"], compare="difference", level=0.95)
    >>> rows_needed_between(found, found, limit=0.05, end="max", level=0.95)
    Needed(rows=1737, verdict='PASS', group='b', between='between a and b')
    """
    failing = [_growth(part, limit, end, level, power, verdict="FAIL") for part in may_fail]
    if any((growth > 0).any() for growth in failing):
        smallest = [float(np.where(growth > 0, growth, np.inf).min(initial=np.inf)) for growth in failing]
        part = int(np.argmin(smallest))
        return _needed(may_fail[part], failing[part], smallest[part], "FAIL")
    passing = [_growth(part, limit, end, level, power, verdict="PASS") for part in must_hold]
    largest = [float(growth.max(initial=0.0)) for growth in passing]
    part = int(np.argmax(largest))
    if not 0 < largest[part] < np.inf:
        return None
    factor = _jointly(np.concatenate(passing), largest[part], level, power)
    return _needed(must_hold[part], passing[part], largest[part], "PASS", factor / largest[part])


def _jointly(growth: Floats, least: float, level: float, power: float) -> float:
    """Return the factor by which all comparisons hold at once with some power, by Boole's inequality.

    A comparison that alone needs the factor g holds at the factor f with chance Phi(sqrt(f / g) (z + z_b) - z).
    """
    critical, beta = float(ndtri(0.5 + level / 2)), float(ndtri(power))
    alone = growth[growth > 0]

    def missed(factor: float) -> float:
        return float(ndtr(critical - np.sqrt(factor / alone) * (critical + beta)).sum())

    low = high = least
    while missed(high) > 1 - power + 1e-9:
        low, high = high, 2 * high
    for _ in range(_HALVINGS if high > low else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if missed(middle) > 1 - power else (low, middle)
    return high


def _growth(
    part: Bounded, limit: float, end: End, level: float, power: float, *, verdict: Literal["PASS", "FAIL"]
) -> Floats:
    """Return by which factor each comparison must grow to show a verdict.

    0 where it has not to: for FAIL, where its estimate keeps the limit. Infinite where it could not be shown however
    many rows there were.
    """
    sign = 1.0 if end == "max" else -1.0
    sides = part.plain if verdict == "PASS" else part.adjusted
    upper = (end == "max") == (verdict == "PASS")
    bound = sides.high if upper else sides.low
    room = sign * (limit - part.value)
    together = 1 if verdict == "PASS" else part.together
    critical = float(ndtri(1 - (1 - level) / (2 * together)))
    factor = ((critical + float(ndtri(power))) / critical) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        growth = factor * ((bound - part.value) / room) ** 2
    growth = np.where(np.isfinite(growth), growth, np.inf)
    if verdict == "FAIL":
        return np.where(room < 0, growth, 0.0)
    return np.where(room > 0, growth, np.inf)


def _needed(
    part: Bounded, growth: Floats, own: float, verdict: Literal["PASS", "FAIL"], more: float = 1.0
) -> Needed | None:
    """Return the comparison that needs the factor `own`, at `more` times as many rows."""
    if not 0 < own < np.inf:
        return None
    place = int(np.flatnonzero(growth == own)[0])
    rows = ceil(float(part.n[place % len(part.n)]) * own * more)
    return Needed(max(rows, 1), verdict, part.smallest(place), part.label(place))
