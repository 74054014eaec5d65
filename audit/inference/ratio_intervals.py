"""Koopman's score interval of the ratio of two independent rates."""

import numpy as np
import numpy.typing as npt

from audit.inference.intervals import FloatArray, Interval

# Newton's steps converge quadratically from a start where the equation is already within a factor of two.
_NEWTON_STEPS = 7
# A failure rate below this is rounding noise of an effective count, not a failure.
_NO_FAILURE = 1e-12


def koopman(
    x1: npt.ArrayLike, n1: npt.ArrayLike, x2: npt.ArrayLike, n2: npt.ArrayLike, *, critical: npt.ArrayLike
) -> Interval:
    r"""Return Koopman's score interval of the ratio (x1 / n1) / (x2 / n2) of two independent rates.

    Bounds lie in [0, inf] and enclose the ratio. Swapping the groups gives the reciprocal interval.

    Parameters
    ----------
    x1, n1, x2, n2 : array_like
        Successes and trials of numerator and denominator, real-valued allowed.
    critical : array_like
        Critical value from :func:`audit.inference.intervals.quantile`, positive.

    Returns
    -------
    Interval
        ``low = 0`` where x1 = 0; ``high = inf`` (unbounded) where x2 = 0; both ``nan`` where x1 = x2 = 0 and where n1
        or n2 is 0.

    Notes
    -----
    The ratios r for which the score test of p1 = r p2 does not reject:
    (q1 - r q2)^2 / (p1 (1 - p1) / n1 + r^2 p2 (1 - p2) / n2) <= c^2, with q the observed rates and p1 = r p2 the rates
    of greatest likelihood under that restriction. Sources: P. A. R. Koopman (1984), Confidence intervals for the ratio
    of two binomial proportions, Biometrics 40, 513-517, doi:10.2307/2531405; it is the interval of O. Miettinen and
    M. Nurminen (1985), Comparative analysis of two rates, Statistics in Medicine 4, 213-226,
    doi:10.1002/sim.4780040211, without their factor N / (N - 1).

    Solved without a search over r. By a Lagrange multiplier m for log p1 - log p2 = log r, the restricted rates are
    p1 = (x1 + m) / (n1 + m) and p2 = (x2 - m) / (n2 - m), and the test becomes
    m^2 (f1 / (x1 + m) + f2 / (x2 - m)) <= c^2 with f = 1 - x / n. For the upper bound the left side is convex and
    rising in m on [0, x2), so Newton's method from a point above the root falls to it and cannot leave the range; the
    lower bound is the same with the groups swapped.

    Examples
    --------
    With every trial a success in both groups the bounds are 1 / (1 + c^2 / n1) and 1 + c^2 / n2.

    >>> bounds = koopman(10, 10, 10, 10, critical=2.0)
    >>> round(float(bounds.low), 6), round(float(bounds.high), 6)
    (0.714286, 1.4)
    """
    x1, n1, x2, n2, c = np.broadcast_arrays(
        *(np.asarray(value, dtype=np.float64) for value in (x1, n1, x2, n2, critical))
    )
    undefined = ~((n1 > 0.0) & (n2 > 0.0) & ((x1 > 0.0) | (x2 > 0.0)))
    with np.errstate(divide="ignore", invalid="ignore"):
        low = 1.0 / _upper(x2, n2, x1, n1, c**2)
        high = _upper(x1, n1, x2, n2, c**2)
    low = np.where(undefined, np.nan, np.where(x1 > 0.0, low, 0.0))
    high = np.where(undefined, np.nan, np.where(x2 > 0.0, high, np.inf))
    return Interval(low=low, high=high)


def _upper(x1: FloatArray, n1: FloatArray, x2: FloatArray, n2: FloatArray, c2: FloatArray) -> FloatArray:
    """Return the upper score bound of the ratio, meaningful where x2 > 0 and both n > 0."""
    failure1, failure2 = _failure_rate(x1, n1), _failure_rate(x2, n2)
    # Each of the two terms alone must stay below c^2; the smaller of those two limits lies above the root.
    by_first = (c2 + np.sqrt(c2 * c2 + 4.0 * failure1 * c2 * x1)) / (2.0 * failure1)
    by_second = 2.0 * c2 * x2 / (c2 + np.sqrt(c2 * c2 + 4.0 * failure2 * c2 * x2))
    multiplier = np.fmin(by_first, by_second)
    for _ in range(_NEWTON_STEPS):
        above, below = x1 + multiplier, x2 - multiplier
        excess = multiplier * multiplier * (failure1 / above + failure2 / below) - c2
        slope = failure1 * multiplier * (2.0 * x1 + multiplier) / (above * above)
        slope += failure2 * multiplier * (2.0 * x2 - multiplier) / (below * below)
        multiplier = multiplier - excess / slope
    odds_against = (n2 - x2) / (x2 - multiplier)
    # Without failures in group 2 the multiplier may reach its end x2; then the odds, no longer 0, solve the equation.
    certain = failure2 == 0.0
    multiplier = np.where(certain, np.fmin(by_first, x2), multiplier)
    at_end = np.maximum(n2 * (c2 / x2 - failure1 * x2 / (x1 + x2)) / x2, 0.0)
    odds_against = np.where(certain, at_end, odds_against)
    return np.asarray((x1 + multiplier) / (n1 + multiplier) * (1.0 + odds_against), dtype=np.float64)


def _failure_rate(x: FloatArray, n: FloatArray) -> FloatArray:
    """Return 1 - x / n, with rounding noise set to exactly 0."""
    failure = (n - x) / n
    return np.asarray(np.where(failure < _NO_FAILURE, 0.0, failure), dtype=np.float64)
