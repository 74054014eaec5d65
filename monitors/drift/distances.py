"""Distances between two distributions from the counts of their bins.

Counts broadcast: shape (..., n_bins) on both sides, the last axis the bins; the result has the other axes. A side
without rows has no distribution: NaN.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import rel_entr, xlogy

from audit.inference.intervals import FloatArray

SMOOTHING = 0.5
"""Rows that are added to each bin of both sides for the population stability index, so that an empty bin is finite."""


def shares(counts: npt.ArrayLike) -> FloatArray:
    """Return counts as shares of their sum along the last axis; NaN where there are none.

    Examples
    --------
    >>> shares([1, 3]).tolist()
    [0.25, 0.75]
    """
    n = np.asarray(counts, dtype=np.float64)
    total = n.sum(axis=-1, keepdims=True)
    return np.asarray(n / np.where(total > 0, total, np.nan))


def population_stability_index(
    reference: npt.ArrayLike, current: npt.ArrayLike, *, smoothing: float = SMOOTHING
) -> FloatArray:
    r"""Return the population stability index, Jeffreys' divergence of the bins; smaller is closer, in [0, inf).

    Without drift its expectation is about (K - 1) (1 / n_reference + 1 / n_current) with K bins: a rule such as "above
    .1" calls small samples drifted.

    Parameters
    ----------
    reference, current
        Counts, shape (..., n_bins).
    smoothing
        Rows added to each bin of each side; 0 gives infinity where one side of a bin is empty.

    Notes
    -----
    sum (p - q) ln(p / q), with p, q the shares of counts + smoothing. H. Jeffreys (1946), An invariant form for the
    prior probability in estimation problems, doi:10.1098/rspa.1946.0056; as an index of score cards: N. Siddiqi (2006),
    Credit Risk Scorecards. The half row is ours; others put a small share into empty bins.

    Examples
    --------
    Shares 1/4 and 3/4 against 1/2 and 1/2: (ln 2 + ln 1.5) / 4.

    >>> round(float(population_stability_index([5, 5], [2, 6], smoothing=0)), 4), round(float(np.log(3)) / 4, 4)
    (0.2747, 0.2747)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        q = shares(np.asarray(reference, dtype=np.float64) + smoothing)
        p = shares(np.asarray(current, dtype=np.float64) + smoothing)
        found = (rel_entr(p, q) + rel_entr(q, p)).sum(axis=-1)
    return _known(found, reference, current)


def jensen_shannon_distance(reference: npt.ArrayLike, current: npt.ArrayLike) -> FloatArray:
    r"""Return the Jensen-Shannon distance of the bins, base 2; smaller is closer, in [0, 1].

    Parameters
    ----------
    reference, current
        Counts, shape (..., n_bins).

    Notes
    -----
    The root of (KL(p, m) + KL(q, m)) / 2 with m = (p + q) / 2 and logarithms to base 2: a metric, 1 where no bin is
    shared. D. M. Endres and J. E. Schindelin (2003), A new metric for probability distributions,
    doi:10.1109/TIT.2003.813506.

    Examples
    --------
    >>> jensen_shannon_distance([[1, 0], [2, 2]], [[0, 1], [1, 1]]).tolist()
    [1.0, 0.0]
    """
    q, p = np.broadcast_arrays(shares(reference), shares(current))
    return np.asarray(np.sqrt(np.maximum(jensen_shannon_term(q, p).sum(axis=-1), 0.0)))


def jensen_shannon_term(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return what the shares of one bin add to the square of the Jensen-Shannon distance.

    Examples
    --------
    >>> jensen_shannon_term(np.array([0.5, 0.5]), np.array([0.5, 0.0])).tolist()
    [0.0, 0.25]
    """
    middle = (first + second) / 2.0
    return np.asarray((rel_entr(first, middle) + rel_entr(second, middle)) / (2.0 * np.log(2.0)))


def hellinger_distance(reference: npt.ArrayLike, current: npt.ArrayLike) -> FloatArray:
    r"""Return the Hellinger distance of the bins; smaller is closer, in [0, 1].

    Parameters
    ----------
    reference, current
        Counts, shape (..., n_bins).

    Notes
    -----
    The root of sum (sqrt p - sqrt q)^2 / 2. E. Hellinger (1909), doi:10.1515/crll.1909.136.210.

    Examples
    --------
    Values 1 to 6 of which the last became rarer (a test of Evidently: .06812).

    >>> round(float(hellinger_distance([16, 18, 16, 14, 12, 12], [16, 16, 16, 16, 16, 8])), 4)
    0.0681
    """
    q, p = shares(reference), shares(current)
    return np.asarray(np.sqrt(hellinger_term(q, p).sum(axis=-1)))


def hellinger_term(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return what the shares of one bin add to the square of the Hellinger distance.

    Examples
    --------
    >>> hellinger_term(np.array([0.25]), np.array([1.0])).tolist()
    [0.125]
    """
    return np.asarray((np.sqrt(first) - np.sqrt(second)) ** 2 / 2.0)


def total_variation_distance(reference: npt.ArrayLike, current: npt.ArrayLike) -> FloatArray:
    r"""Return the total variation distance: the share of rows that would have to change their bin; in [0, 1].

    Parameters
    ----------
    reference, current
        Counts, shape (..., n_bins).

    Notes
    -----
    sum |p - q| / 2, the largest difference of the probability of any set of bins. Without drift its expectation is
    above 0: about sqrt((K - 1) (1 / n_reference + 1 / n_current) / (2 pi)) with K bins of equal share.

    Examples
    --------
    >>> float(total_variation_distance([5, 5], [2, 6]))
    0.25
    """
    return np.asarray(np.abs(shares(reference) - shares(current)).sum(axis=-1) / 2.0)


def kolmogorov_smirnov_statistic(reference: npt.ArrayLike, current: npt.ArrayLike) -> FloatArray:
    r"""Return the largest difference of the two distribution functions at the edges of the bins; in [0, 1].

    Parameters
    ----------
    reference, current
        Counts in the order of the values, shape (..., n_bins).

    Notes
    -----
    max over edges of |F - G|. It is at most the true Kolmogorov-Smirnov statistic, which may lie inside a bin, and at
    least that less the largest share of the reference in one bin (or of the current rows, if smaller).

    Examples
    --------
    >>> float(kolmogorov_smirnov_statistic([5, 3, 2], [2, 6, 2])).__round__(6)
    0.3
    """
    return np.asarray(np.abs(np.cumsum(shares(reference) - shares(current), axis=-1)).max(axis=-1))


def wasserstein_distance(reference: npt.ArrayLike, current: npt.ArrayLike, *, edges: npt.ArrayLike) -> FloatArray:
    r"""Return how far rows moved on average between the outer edges of the bins, in units of the feature; >= 0.

    Parameters
    ----------
    reference, current
        Counts of the bins that the edges cut, open tails among them, shape (..., n_edges + 1).
    edges
        Increasing, shape (n_edges,).

    Returns
    -------
    ndarray
        0 with fewer than two edges: there is nothing between them.

    Notes
    -----
    The integral of |F - G| from the first to the last edge, both functions straight between edges. Rows in the open
    tails count as if they stood at the outer edge: how far beyond it they moved is not seen. S. S. Vallender (1974),
    Calculation of the Wasserstein distance between probability distributions on the line, doi:10.1137/1118101.

    Examples
    --------
    All rows move from below 0 to above 2.

    >>> float(wasserstein_distance([4, 0, 0], [0, 0, 4], edges=[0.0, 2.0]))
    2.0
    """
    cuts = np.asarray(edges, dtype=np.float64)
    apart = np.cumsum(shares(reference) - shares(current), axis=-1)[..., :-1]
    left, right, width = apart[..., :-1], apart[..., 1:], np.diff(cuts)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = (left**2 + right**2) / (2.0 * (np.abs(left) + np.abs(right)))
    mean = np.where(left * right < 0, crossing, (np.abs(left) + np.abs(right)) / 2.0)
    unknown = np.isnan(apart).any(axis=-1)
    return np.asarray(np.where(unknown, np.nan, (np.where(np.isnan(mean), 0.0, mean) * width).sum(axis=-1)))


def quantile_on_bins(counts: npt.ArrayLike, *, edges: npt.ArrayLike, share: float) -> FloatArray:
    """Return a quantile from counts of bins, straight between edges, at an outer edge where it lies in a tail.

    Examples
    --------
    >>> float(quantile_on_bins([1, 2, 1], edges=[0.0, 2.0], share=0.5))
    1.0
    """
    cuts = np.asarray(edges, dtype=np.float64)
    below = np.cumsum(shares(counts), axis=-1)[..., :-1]
    flat = below.reshape(-1, below.shape[-1])
    found = [np.nan if np.isnan(row).any() else np.interp(share, row, cuts) for row in flat]
    return np.asarray(found, dtype=np.float64).reshape(below.shape[:-1])


def jeffreys_term(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return what the shares of one bin add to the population stability index.

    Examples
    --------
    >>> jeffreys_term(np.array([0.5]), np.array([0.25])).round(4).tolist(), round(float(np.log(2)) / 4, 4)
    ([0.1733], 0.1733)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = first - second
        return np.asarray(np.where(apart == 0, 0.0, xlogy(apart, first) - xlogy(apart, second)))


def _known(found: FloatArray, reference: npt.ArrayLike, current: npt.ArrayLike) -> FloatArray:
    """Return NaN where a side has no rows, in spite of the smoothing."""
    rows = np.minimum(np.asarray(reference).sum(axis=-1), np.asarray(current).sum(axis=-1))
    return np.asarray(np.where(rows > 0, found, np.nan))
