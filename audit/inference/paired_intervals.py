"""Confidence intervals of differences between two models on the same rows: of rates, and of any other metric.

The rows that both models get right (or wrong) say nothing about which of them is better; only discordant rows do.
Intervals for two independent samples know nothing of that and are several times too wide.
"""

import numpy as np
import numpy.typing as npt

from audit.inference.intervals import FloatArray, Interval

_HALVINGS = 42  # of an interval of length 2: to 5e-13
_QUARTER = 0.25


def tango(gained: npt.ArrayLike, lost: npt.ArrayLike, n: npt.ArrayLike, *, critical: npt.ArrayLike) -> Interval:
    r"""Return Tango's score interval of the difference of two rates over the same n rows.

    Bounds lie in [-1, 1] and enclose (gained - lost) / n.

    Parameters
    ----------
    gained, lost : array_like
        Rows that count under the first model only, and under the second only; real-valued allowed.
    n : array_like
        All rows, at least gained + lost.
    critical : array_like
        Critical value from :func:`audit.inference.intervals.quantile`.

    Returns
    -------
    Interval
        Undefined (``nan``) where n is 0 or the critical value is.

    Notes
    -----
    The differences d with (b - c - n d)^2 <= z^2 n (2 q + d (1 - d)), where b = gained, c = lost and q is the
    probability of a loss that is most likely under d: the larger root of 2 n q^2 + ((2 n - b + c) d - b - c) q
    - c d (1 - d) = 0. The bounds are found by bisection. Source: T. Tango (1998), Equivalence test and confidence
    interval for the difference in proportions for the paired-sample design, Statistics in Medicine 17, 891-908,
    doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B.

    Examples
    --------
    Complete response before and after therapy, 6 lost and 16 gained among 161 patients (a published example).

    >>> from audit.inference.intervals import quantile
    >>> bounds = tango(6, 16, 161, critical=quantile(0.95))
    >>> round(float(bounds.low), 4), round(float(bounds.high), 4)
    (-0.124, -0.0054)
    """
    b, c, rows, z = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (gained, lost, n, critical)))
    known = (rows > 0.0) & np.isfinite(z)
    rows = np.where(known, rows, 1.0)
    difference = np.clip((b - c) / rows, -1.0, 1.0)
    ends = np.stack([np.full(b.shape, -1.0), difference, np.full(b.shape, 1.0)])
    low, high = _crossing(np.stack([b, b]), np.stack([c, c]), np.stack([rows, rows]), ends, np.stack([z, -z]))
    return Interval(low=np.where(known, low, np.nan), high=np.where(known, high, np.nan))


def paired_rates(gained: npt.ArrayLike, lost: npt.ArrayLike, n: npt.ArrayLike, *, critical: npt.ArrayLike) -> Interval:
    r"""Return the interval of the difference of two rates over the same n rows: Tango's, a little more careful.

    A quarter of a row is added to the gained and to the lost rows before Tango's interval is taken. Exact coverage at
    level .95, over n 20-400 and shares of gained and lost rows .001-.4: at least .947 (Tango's own .933, the textbook
    interval .08: it has no width without discordant rows); at level .99 at least .990. Bounds lie in [-1, 1].

    Parameters
    ----------
    gained, lost, n, critical : array_like
        As in :func:`tango`. Under weights or clusters: effective counts.

    Returns
    -------
    Interval
        Undefined (``nan``) where n is 0.

    Notes
    -----
    Compared with: the intervals of Bonett & Price 2012 (least coverage .928; at level .99 .980) and Agresti & Min 2005,
    doi:10.1002/sim.1781 (.876). The figures are computed exactly by ``benchmarks/coverage.py``.

    Examples
    --------
    No row changed among 100: the difference still may be anything that 100 rows would not have shown.

    >>> from audit.inference.intervals import quantile
    >>> bounds = paired_rates(0, 0, 100, critical=quantile(0.95))
    >>> round(float(bounds.low), 3), round(float(bounds.high), 3)
    (-0.039, 0.039)
    """
    b, c, rows = (np.asarray(value, dtype=np.float64) for value in (gained, lost, n))
    more = np.where(rows > 0.0, 2.0 * _QUARTER, 0.0)
    return tango(b + _QUARTER, c + _QUARTER, rows + more, critical=critical)


def paired_square_and_add(
    first: tuple[npt.ArrayLike, Interval], second: tuple[npt.ArrayLike, Interval], correlation: npt.ArrayLike
) -> Interval:
    r"""Return the interval of the difference of two dependent estimates from their own intervals.

    For metrics whose denominators depend on the model (precision), and for smooth ones (F1, AUC). With correlation 0 it
    is `audit.inference.gap_intervals.square_and_add`.

    Parameters
    ----------
    first, second : (estimate, Interval)
        Each estimate inside its interval, both at the same level.
    correlation : array_like
        Correlation of the two estimators in [-1, 1]; 0 where it is not known, which is wide where models agree.

    Returns
    -------
    Interval
        Undefined (``nan``) where an estimate or a bound is undefined; unbounded where a bound is infinite.

    Notes
    -----
    With d = v1 - v2: low = d - sqrt((v1 - l1)^2 - 2 r (v1 - l1)(u2 - v2) + (u2 - v2)^2), high likewise with the other
    two sides. Sources: R. G. Newcombe (1998), Improved confidence intervals for the difference between binomial
    proportions based on paired data, Statistics in Medicine 17, 2635-2650 (method 10); G. Y. Zou (2007), Toward using
    confidence intervals to compare correlations, Psychological Methods 12, 399-413, doi:10.1037/1082-989X.12.4.399.

    Examples
    --------
    Both reach 3 down and 4 up. With correlation 1 the sides cancel but for the difference of 3 and 4.

    >>> sides = (7.0, Interval(np.array(4.0), np.array(11.0))), (0.0, Interval(np.array(-3.0), np.array(4.0)))
    >>> [[float(bound) for bound in paired_square_and_add(*sides, correlation)] for correlation in (0, 1)]
    [[2.0, 12.0], [6.0, 8.0]]
    """
    value1, value2 = (np.asarray(side[0], dtype=np.float64) for side in (first, second))
    difference = value1 - value2
    down = _third_side(value1 - first[1].low, second[1].high - value2, correlation)
    up = _third_side(first[1].high - value1, value2 - second[1].low, correlation)
    return Interval(low=np.asarray(difference - down), high=np.asarray(difference + up))


def _third_side(one: FloatArray, two: FloatArray, correlation: npt.ArrayLike) -> FloatArray:
    """Return the side of a triangle opposite to the angle whose cosine is the correlation; infinite if a side is."""
    with np.errstate(invalid="ignore"):
        square = one**2 - 2.0 * np.asarray(correlation) * one * two + two**2
        endless = np.isinf(one) | np.isinf(two)
        return np.asarray(np.where(endless, np.inf, np.sqrt(np.maximum(square, 0.0))), dtype=np.float64)


def _crossing(b: FloatArray, c: FloatArray, n: FloatArray, ends: FloatArray, target: FloatArray) -> FloatArray:
    """Return where Tango's statistic, which falls with the difference, crosses the targets below and above it."""
    low, high = ends[:2], ends[1:]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        above = _statistic(b, c, n, middle) > target
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray((low + high) / 2.0, dtype=np.float64)


def _statistic(b: FloatArray, c: FloatArray, n: FloatArray, difference: FloatArray) -> FloatArray:
    linear = (2.0 * n - b + c) * difference - b - c
    constant = -c * difference * (1.0 - difference)
    root = np.sqrt(np.maximum(linear**2 - 8.0 * n * constant, 0.0))
    lost = (root - linear) / (4.0 * n)
    variance = n * (2.0 * lost + difference * (1.0 - difference))
    distance = b - c - n * difference
    with np.errstate(divide="ignore", invalid="ignore"):
        score = distance / np.sqrt(np.maximum(variance, 0.0))  # without variance: -inf, inf, or nan for no distance
    return np.asarray(score, dtype=np.float64)
