"""Confidence intervals of one rate, and the critical values that every interval shares.

Everything here is a pure function of arrays: inputs broadcast against each other, results are ``float64`` arrays of the
broadcast shape. Counts may be real numbers, because a weighted or clustered sample enters as its effective size.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import betainccinv, betaincinv, ndtr, ndtri, stdtrit

FloatArray = npt.NDArray[np.float64]

_FEW = 10.0
_SMALLEST_TAIL = 1e-100
"""Beta quantiles of smaller tails are not computed reliably; nothing is known with such confidence but [0, 1]."""


class Interval(NamedTuple):
    """Lower and upper bounds of many intervals, two arrays of one shape; ``nan`` where the interval is undefined."""

    low: FloatArray
    high: FloatArray


def quantile(level: npt.ArrayLike, *, df: npt.ArrayLike | None = None, comparisons: npt.ArrayLike = 1) -> FloatArray:
    r"""Return the two-sided critical value of a confidence level, shared out over simultaneous comparisons.

    Larger is wider, in (0, inf). Where so few units (clusters, or rows of unequal weight) speak that all of them might
    agree by chance, there is none: whatever spread they show says nothing sure.

    Parameters
    ----------
    level : array_like
        Joint confidence level as a fraction in (0, 1).
    df : array_like, optional
        Degrees of freedom of Student's t: effective units (clusters, rows) minus one; ``inf`` or absent is the normal.
    comparisons : array_like
        Number m >= 1 of intervals that must hold together (Bonferroni: each gets the error (1 - level) / m).

    Returns
    -------
    ndarray of float64
        Critical value c, broadcast over the arguments; ``nan`` outside the ranges above and where `enough_units` says
        no.

    Notes
    -----
    c = F^-1(1 - (1 - level) / (2 m)), F the distribution function of N(0, 1) or of t with df degrees of freedom.
    Bonferroni's inequality needs no independence. Source: O. J. Dunn (1961), Multiple comparisons among means, JASA
    56, 52-64, doi:10.1080/01621459.1961.10482090.

    Examples
    --------
    >>> round(float(quantile(0.95)), 3)
    1.96
    >>> round(float(quantile(0.95, df=10)), 3)
    2.228
    >>> round(float(quantile(0.95, comparisons=15)), 3)
    2.935
    >>> float(quantile(0.95, df=1))  # two clusters
    nan
    """
    critical = student(level, df=df, comparisons=comparisons)
    return critical if df is None else np.where(enough_units(level, df=df, comparisons=comparisons), critical, np.nan)


def enough_units(level: npt.ArrayLike, *, df: npt.ArrayLike, comparisons: npt.ArrayLike = 1) -> npt.NDArray[np.bool_]:
    r"""Say whether df + 1 units are so many that all of them agree by chance rarely enough for the level.

    Units that take two values with even chances all take the same one with the probability 2^-(df + 1) each way; where
    that is more than the error of one side, no method can exclude anything, and one that judges by the spread it sees
    (which is none) is wrong that often. At level .95 that asks for six clusters: the smallest sign test that can
    reject.

    Examples
    --------
    >>> enough_units(0.95, df=[1, 4, 5, np.inf]).tolist(), enough_units(0.95, df=5, comparisons=15).tolist()
    ([False, False, True, True], False)
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        error = (1.0 - np.asarray(level, dtype=np.float64)) / (2.0 * np.asarray(comparisons, dtype=np.float64))
        return np.asarray(np.exp2(-(np.asarray(df, dtype=np.float64) + 1.0)) <= error)


def student(level: npt.ArrayLike, *, df: npt.ArrayLike | None = None, comparisons: npt.ArrayLike = 1) -> FloatArray:
    """Return the critical value of `quantile` whatever the number of units: for repetitions whose spread is no doubt.

    Examples
    --------
    >>> round(float(student(0.95, df=1)), 3)
    12.706
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = (1.0 - np.asarray(level, dtype=np.float64)) / (2.0 * np.asarray(comparisons, dtype=np.float64))
    tail = np.where((tail > 0.0) & (tail < 0.5), tail, np.nan)
    normal = -ndtri(tail)
    if df is None:
        return np.asarray(normal, dtype=np.float64)
    degrees = np.asarray(df, dtype=np.float64)
    student = -stdtrit(np.where(np.isinf(degrees), 1.0, degrees), tail)
    return np.asarray(np.where(np.isposinf(degrees), normal, student), dtype=np.float64)


def wilson(x: npt.ArrayLike, n: npt.ArrayLike, *, critical: npt.ArrayLike) -> Interval:
    r"""Return Wilson's score interval of a rate x / n.

    Bounds lie in [0, 1] and enclose x / n; at x = 0 the lower bound is exactly 0, at x = n the upper exactly 1.

    Parameters
    ----------
    x, n : array_like
        Successes and trials, 0 <= x <= n, real-valued allowed.
    critical : array_like
        Critical value from :func:`quantile`.

    Returns
    -------
    Interval
        Undefined (``nan``) where n is 0.

    Notes
    -----
    The rates p with abs(x / n - p) <= c sqrt(p (1 - p) / n), that is, with q = x / n,
    (x + c^2 / 2) / (n + c^2) -+ c sqrt(n) / (n + c^2) sqrt(q (1 - q) + c^2 / (4 n)). Source: E. B. Wilson (1927),
    Probable inference, the law of succession, and statistical inference, JASA 22, 209-212,
    doi:10.1080/01621459.1927.10502953. Alone it covers too rarely near 0 and 1 (.895 at n = 55, p = .01): see
    :func:`rate`.

    Examples
    --------
    >>> bounds = wilson([50, 70], 100, critical=quantile(0.95))
    >>> bounds.low.round(4).tolist(), bounds.high.round(4).tolist()
    ([0.4038, 0.6042], [0.5962, 0.7811])
    """
    x, n, c = (np.asarray(value, dtype=np.float64) for value in (x, n, critical))
    n = np.where(n > 0.0, n, np.nan)
    q = x / n
    centre = (x + c**2 / 2.0) / (n + c**2)
    half = c * np.sqrt(n) / (n + c**2) * np.sqrt(np.maximum(q * (1.0 - q), 0.0) + c**2 / (4.0 * n))
    known = n + c > 0.0
    low = np.where(known & (q <= 0.0), 0.0, np.clip(centre - half, 0.0, 1.0))
    high = np.where(known & (q >= 1.0), 1.0, np.clip(centre + half, 0.0, 1.0))
    return Interval(low=low, high=high)


def clopper_pearson(x: npt.ArrayLike, n: npt.ArrayLike, *, alpha: npt.ArrayLike) -> Interval:
    r"""Return the Clopper-Pearson ("exact") interval of a rate x / n.

    Bounds lie in [0, 1] and enclose x / n. Coverage is never below 1 - alpha for whole counts; for effective (real)
    counts it is the usual approximation of survey practice.

    Parameters
    ----------
    x, n : array_like
        Successes and trials, 0 <= x <= n, real-valued allowed.
    alpha : array_like
        Two-sided error in [0, 1); of less than 2e-100 the interval is [0, 1], as it is in the limit.

    Returns
    -------
    Interval
        Undefined (``nan``) where n is 0.

    Notes
    -----
    Low is the alpha / 2 quantile of Beta(x, n - x + 1), high the 1 - alpha / 2 quantile of Beta(x + 1, n - x).
    Sources: C. J. Clopper and E. S. Pearson (1934), Biometrika 26, 404-413, doi:10.1093/biomet/26.4.404; effective
    counts: E. L. Korn and B. I. Graubard (1998), Survey Methodology 24, 193-201.

    Examples
    --------
    No event in 10 trials: the upper bound solves (1 - p)^10 = .025.

    >>> bounds = clopper_pearson(0, 10, alpha=0.05)
    >>> float(bounds.low), round(float(bounds.high), 4), round(1 - 0.025 ** (1 / 10), 4)
    (0.0, 0.3085, 0.3085)
    """
    x, n, tail = (np.asarray(value, dtype=np.float64) for value in (x, n, alpha))
    tail = tail / 2.0
    known = (n > 0.0) & (tail >= 0.0)
    certain = tail < _SMALLEST_TAIL
    low = betaincinv(np.where(x > 0.0, x, 1.0), n - x + 1.0, np.maximum(tail, _SMALLEST_TAIL))
    high = betainccinv(x + 1.0, np.where(x < n, n - x, 1.0), np.maximum(tail, _SMALLEST_TAIL))
    low = np.where(known, np.where((x > 0.0) & ~certain, low, 0.0), np.nan)
    high = np.where(known, np.where((x < n) & ~certain, high, 1.0), np.nan)
    return Interval(low=low, high=high)


def uses_clopper_pearson(x: npt.ArrayLike, n: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Tell where :func:`rate` takes Clopper-Pearson (min(x, n - x) < 10 and n > 0) and where Wilson.

    Parameters
    ----------
    x, n : array_like
        Successes and trials.

    Returns
    -------
    ndarray of bool
        True for Clopper-Pearson, False for Wilson and where n is 0 and no method applies.

    Examples
    --------
    >>> uses_clopper_pearson([9, 10, 91, 0], [100, 100, 100, 0]).tolist()
    [True, False, True, False]
    """
    x, n = np.asarray(x, dtype=np.float64), np.asarray(n, dtype=np.float64)
    return np.asarray((n > 0.0) & (np.minimum(x, n - x) < _FEW), dtype=np.bool_)


def rate(
    x: npt.ArrayLike,
    n: npt.ArrayLike,
    *,
    level: npt.ArrayLike = 0.95,
    df: npt.ArrayLike | None = None,
    comparisons: npt.ArrayLike = 1,
) -> Interval:
    r"""Return the interval of a rate x / n: Clopper-Pearson where min(x, n - x) < 10, Wilson elsewhere.

    Bounds lie in [0, 1] and enclose x / n. At level .95, for every n from 30 to 3000 and every p from .01 to .50, the
    exact coverage is at least .92 and on average at least .95.

    Parameters
    ----------
    x, n : array_like
        Successes and trials, 0 <= x <= n. Under weights or clusters: the effective ones, n = p (1 - p) / se^2, x = p n.
    level : array_like
        Joint confidence level as a fraction in (0, 1).
    df : array_like, optional
        Degrees of freedom of the standard error behind an effective n; both methods widen as Student's t does.
    comparisons : array_like
        Number of intervals that must hold together (Bonferroni).

    Returns
    -------
    Interval
        Undefined (``nan``) where n is 0.

    Notes
    -----
    With the critical value c of :func:`quantile`, Clopper-Pearson takes the error 2 (1 - Phi(c)), so that one c serves
    both. Choice of methods: L. D. Brown, T. T. Cai and A. DasGupta (2001), Interval estimation for a binomial
    proportion, Statistical Science 16, 101-133, doi:10.1214/ss/1009213286, who recommend Wilson for small n; we depart
    from them for few events, where Wilson covers only .895 at n = 55, p = .01.

    Examples
    --------
    >>> bounds = rate([4, 50], [100, 100])
    >>> bounds.low.round(4).tolist(), bounds.high.round(4).tolist()
    ([0.011, 0.4038], [0.0993, 0.5962])
    """
    critical = quantile(level, df=df, comparisons=comparisons)
    x, n, critical = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(n, dtype=np.float64), critical)
    few = uses_clopper_pearson(x, n)
    # The beta quantiles cost a hundred times Wilson's formula, so they are computed only where they are used.
    exact = clopper_pearson(x[few], n[few], alpha=2.0 * ndtr(-critical[few]))
    low, high = wilson(x, n, critical=critical)
    low[few], high[few] = exact.low, exact.high
    return Interval(low=low, high=high)
