"""Confidence intervals of differences: of two rates, and of any two metrics that have intervals of their own."""

import numpy as np
import numpy.typing as npt

from audit.inference.intervals import Interval


def agresti_caffo(
    x1: npt.ArrayLike, n1: npt.ArrayLike, x2: npt.ArrayLike, n2: npt.ArrayLike, *, critical: npt.ArrayLike
) -> Interval:
    r"""Return the Agresti-Caffo interval of the difference x1 / n1 - x2 / n2 of two independent rates.

    Bounds lie in [-1, 1]: they are clipped there, which changes no coverage, since no difference lies beyond.

    Parameters
    ----------
    x1, n1, x2, n2 : array_like
        Successes and trials of the two groups, real-valued allowed.
    critical : array_like
        Critical value from :func:`audit.inference.intervals.quantile`, with ``comparisons`` where several pairs must
        hold together.

    Returns
    -------
    Interval
        Undefined (``nan``) where n1 or n2 is 0: the added successes and failures are no evidence.

    Notes
    -----
    One success and one failure are added to each group: q = (x + 1) / (n + 2), and the interval is
    q1 - q2 -+ c sqrt(q1 (1 - q1) / (n1 + 2) + q2 (1 - q2) / (n2 + 2)). Source: A. Agresti and B. Caffo (2000), Simple
    and effective confidence intervals for proportions and differences of proportions result from adding two successes
    and two failures, The American Statistician 54, 280-288, doi:10.1080/00031305.2000.10474560.

    Examples
    --------
    False positive rates of two groups of defendants, 805 of 1795 and 349 of 1488.

    >>> from audit.inference.intervals import quantile
    >>> bounds = agresti_caffo(805, 1795, 349, 1488, critical=quantile(0.95))
    >>> round(float(bounds.low), 4), round(float(bounds.high), 4)
    (0.1821, 0.2451)
    """
    rate1, variance1 = _with_one_of_each(x1, n1)
    rate2, variance2 = _with_one_of_each(x2, n2)
    half = np.asarray(critical, dtype=np.float64) * np.sqrt(variance1 + variance2)
    difference = rate1 - rate2
    return Interval(
        low=np.asarray(np.clip(difference - half, -1.0, 1.0)), high=np.asarray(np.clip(difference + half, -1.0, 1.0))
    )


def square_and_add(value1: npt.ArrayLike, interval1: Interval, value2: npt.ArrayLike, interval2: Interval) -> Interval:
    r"""Return the interval of value1 - value2 from the two separate intervals (MOVER, "square and add").

    For metrics that are no simple rate (AUC, Matthews correlation, F1) on independent groups. The level is that of the
    two intervals; asymmetric ones are allowed. An infinite bound on one side makes the difference unbounded there.

    Parameters
    ----------
    value1, value2 : array_like
        Estimates, each inside its interval.
    interval1, interval2 : Interval
        Their confidence intervals, all at the same level.

    Returns
    -------
    Interval
        Undefined (``nan``) where an estimate or a bound that is needed is undefined.

    Notes
    -----
    With d = v1 - v2: low = d - sqrt((v1 - l1)^2 + (u2 - v2)^2), high = d + sqrt((u1 - v1)^2 + (v2 - l2)^2). Sources:
    R. G. Newcombe (1998), Interval estimation for the difference between independent proportions, Statistics in
    Medicine 17, 873-890; G. Y. Zou and A. Donner (2008), Construction of confidence limits about effect measures,
    Statistics in Medicine 27, 1693-1702, doi:10.1002/sim.3095.

    Examples
    --------
    Both reach 3 down and 4 up: low = 10 - sqrt(3^2 + 4^2), high = 10 + sqrt(4^2 + 3^2).

    >>> import numpy as np
    >>> first, second = Interval(np.array(7.0), np.array(14.0)), Interval(np.array(-3.0), np.array(4.0))
    >>> bounds = square_and_add(10.0, first, 0.0, second)
    >>> float(bounds.low), float(bounds.high)
    (5.0, 15.0)
    """
    value1, value2 = np.asarray(value1, dtype=np.float64), np.asarray(value2, dtype=np.float64)
    difference = value1 - value2
    return Interval(
        low=np.asarray(difference - np.hypot(value1 - interval1.low, interval2.high - value2)),
        high=np.asarray(difference + np.hypot(interval1.high - value1, value2 - interval2.low)),
    )


def _with_one_of_each(x: npt.ArrayLike, n: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the rate and its variance after one success and one failure are added; ``nan`` where n is 0."""
    trials = np.asarray(n, dtype=np.float64)
    trials = np.where(trials > 0.0, trials, np.nan) + 2.0
    shrunk = (np.asarray(x, dtype=np.float64) + 1.0) / trials
    return shrunk, shrunk * (1.0 - shrunk) / trials
