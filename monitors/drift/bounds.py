"""Intervals of distances between a reference and current rows, and the rows that they need.

Everything is a projection of a simultaneous region, so that it covers at every true distance, 0 among them; a
percentile bootstrap does not. Arguments are numbers of rows, divided by a dispersion where rows depend on each other.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from audit.inference.distance_bounds import Term, distance_bounds, term_bounds
from audit.inference.intervals import FloatArray, Interval, clopper_pearson, rate
from monitors.drift.distances import shares


def ks_radius(
    reference: npt.ArrayLike, current: npt.ArrayLike, *, alpha: npt.ArrayLike, edges: npt.ArrayLike
) -> FloatArray:
    r"""Return how far the largest difference at the edges of bins may lie from its estimate, but for alpha.

    Parameters
    ----------
    reference, current
        Rows of both sides, > 0.
    alpha
        Chance that it lies farther, in (0, 1).
    edges
        Number of edges, >= 1.

    Notes
    -----
    The smaller of two radii, which depend on numbers of rows only: that of Dvoretzky, Kiefer and Wolfowitz with the
    constant of P. Massart (1990), doi:10.1214/aop/1176990746, at alpha / 2 for each side, sqrt(ln(4 / alpha) / (2 n))
    each; and Hoeffding's at each edge, sqrt((1 / m + 1 / n) ln(2 K / alpha) / 2) for K edges.

    Examples
    --------
    >>> ks_radius(5000, [100, 5000], alpha=0.05, edges=9).round(4).tolist()
    [0.169, 0.0343]
    """
    m, n, error, k = (np.asarray(value, dtype=np.float64) for value in (reference, current, alpha, edges))
    each = np.sqrt(np.log(4.0 / error) / 2.0)
    pair = np.sqrt((1.0 / m + 1.0 / n) * np.log(2.0 * np.maximum(k, 1.0) / error) / 2.0)
    return np.asarray(np.minimum(each * (1.0 / np.sqrt(m) + 1.0 / np.sqrt(n)), pair))


def tv_radius(
    reference: npt.ArrayLike, current: npt.ArrayLike, *, alpha: npt.ArrayLike, bins: npt.ArrayLike
) -> FloatArray:
    r"""Return how far the total variation of bins may lie from its estimate, but for alpha.

    Parameters
    ----------
    reference, current, alpha
        As in `ks_radius`.
    bins
        Number of bins K, >= 2.

    Notes
    -----
    sqrt((1 / m + 1 / n) (K ln 2 + ln(1 / alpha)) / 2): Hoeffding's inequality for each of the 2^K sets of bins, as
    Bretagnolle and Huber (1979), doi:10.1007/BFb0064610, have it for one sample.

    Examples
    --------
    >>> round(float(tv_radius(5000, 5000, alpha=0.05, bins=10)), 4)
    0.0446
    """
    m, n, error, k = (np.asarray(value, dtype=np.float64) for value in (reference, current, alpha, bins))
    return np.asarray(np.sqrt((1.0 / m + 1.0 / n) * (k * np.log(2.0) - np.log(error)) / 2.0))


def around(value: npt.ArrayLike, radius: npt.ArrayLike) -> Interval:
    """Return value -+ radius within [0, 1].

    Examples
    --------
    >>> bounds = around([0.1, 0.5], 0.2)
    >>> bounds.low.round(3).tolist(), bounds.high.round(3).tolist()
    ([0.0, 0.3], [0.3, 0.7])
    """
    centre, reach = np.asarray(value, dtype=np.float64), np.asarray(radius, dtype=np.float64)
    return Interval(np.maximum(centre - reach, 0.0), np.minimum(centre + reach, 1.0))


def simultaneous_bins(
    reference: npt.ArrayLike,
    current: npt.ArrayLike,
    *,
    term: Term,
    distance: Callable[[FloatArray], FloatArray],
    level: float = 0.95,
    dispersion: npt.ArrayLike = 1.0,
) -> Interval:
    r"""Return bounds of a sum over bins from intervals of all its shares at once.

    Parameters
    ----------
    reference, current
        Counts, shape (..., n_bins).
    term, distance
        What two shares of a bin add, and the distance made from all terms, shape (..., n_bins) -> (...).
    level
        Joint confidence of the bounds.
    dispersion
        Divides the counts of both sides, shape (...).

    Notes
    -----
    Each of the 2 K shares has the interval `audit.inference.intervals.rate` at the error (1 - level) / (2 K)
    (Bonferroni).

    Examples
    --------
    >>> from monitors.drift.distances import hellinger_term
    >>> bounds = simultaneous_bins([900, 100], [700, 300], term=hellinger_term, distance=lambda t: np.sqrt(t.sum(-1)))
    >>> round(float(bounds.low), 3), round(float(bounds.high), 3)
    (0.125, 0.236)
    """
    divisor = np.asarray(dispersion, dtype=np.float64)[..., None]
    sides = [np.asarray(counts, dtype=np.float64) / divisor for counts in (reference, current)]
    pairs = 2 * sides[0].shape[-1]
    found = [
        rate(x, np.broadcast_to(x.sum(axis=-1, keepdims=True), x.shape), level=level, comparisons=pairs) for x in sides
    ]
    return distance_bounds(term_bounds(found[0], found[1], term=term), distance)


def largest_ratio_bound(
    reference: npt.ArrayLike, current: npt.ArrayLike, *, alpha: npt.ArrayLike, min_share: float
) -> FloatArray:
    r"""Return a lower bound of the largest factor by which the share of one bin rose or fell; at least 1.

    Total variation does not see a minority that triples from 1 % to 3 %: only 2 % of the rows moved.

    Parameters
    ----------
    reference, current
        Counts, shape (..., n_bins).
    alpha
        Chance that any of the bounds lies above its factor, shape (...).
    min_share
        Bins whose larger share is not below this count; smaller ones may double unnoticed.

    Notes
    -----
    Given their sum, two Poisson counts of a bin split binomially; the Clopper-Pearson bound of the split at
    alpha / (2 K) bounds the factor. Counts of a bin are binomial, which scatter less than Poisson counts.

    Examples
    --------
    >>> round(float(largest_ratio_bound([50, 4950], [150, 4850], alpha=0.05, min_share=0.005)), 2)
    2.07
    """
    m, n = np.broadcast_arrays(np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64))
    error = np.asarray(alpha, dtype=np.float64)[..., None] / (2.0 * m.shape[-1])
    rows = m.sum(axis=-1, keepdims=True) / np.maximum(n.sum(axis=-1, keepdims=True), 1e-300)
    large = np.maximum(np.nan_to_num(shares(m)), np.nan_to_num(shares(n))) >= min_share
    split = clopper_pearson(n, m + n, alpha=2.0 * error)
    with np.errstate(divide="ignore", invalid="ignore"):
        rose, fell = rows * split.low / (1.0 - split.low), (1.0 - split.high) / split.high / rows
    factor = np.where(large & (m + n > 0), np.fmax(rose, fell), 1.0)
    return np.asarray(np.fmax(factor, 1.0).max(axis=-1))


def rows_needed(reference: npt.ArrayLike, *, radius: npt.ArrayLike, log_term: npt.ArrayLike) -> FloatArray:
    r"""Return the current rows with which sqrt((1 / m + 1 / n) log_term / 2) falls to a radius; infinite if none do.

    Examples
    --------
    >>> rows_needed([1000, 100], radius=0.1, log_term=5.0).round(1).tolist()
    [333.3, inf]
    """
    m = np.asarray(reference, dtype=np.float64)
    with np.errstate(divide="ignore"):
        room = 2.0 * np.asarray(radius, np.float64) ** 2 / np.asarray(log_term, np.float64) - 1.0 / m
        return np.asarray(np.where(room > 0, 1.0 / np.where(room > 0, room, 1.0), np.inf))


def ks_uniform_radius(
    rows: npt.ArrayLike, *, alpha: float = 0.05, start: float = 100.0, factor: float = 0.85
) -> FloatArray:
    r"""Return the radius within which a distribution function stays from its estimate at every number of rows at once.

    Parameters
    ----------
    rows
        t, rows so far.
    alpha
        Chance that it is left at any t >= start.
    start
        m, the number of rows from which on the promise holds; before it the radius is infinite.
    factor
        A, here .85.

    Notes
    -----
    A sqrt((ln ln(e t / m) + C) / t) with C = .8 ln(1612 / alpha): S. R. Howard and A. Ramdas (2022), Sequential
    estimation of quantiles with applications to A/B testing and best-arm identification, Bernoulli 28, 1704-1728,
    doi:10.3150/21-BEJ1388. Their software optimises C and has .0820 at t = 1000, m = 100 where this is .0828.

    Examples
    --------
    >>> ks_uniform_radius([1000, 5000, 20000, 1_000_000]).round(4).tolist()
    [0.0828, 0.0378, 0.0191, 0.0028]
    """
    t = np.asarray(rows, dtype=np.float64)
    constant = 0.8 * np.log(1612.0 / alpha)
    seen = np.maximum(t, start)
    radius = factor * np.sqrt((np.log(np.log(np.e * seen / start)) + constant) / seen)
    return np.asarray(np.where(t >= start, radius, np.inf))
