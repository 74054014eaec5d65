"""A risk against what is tolerated, from running counts alone: e-values, and bounds that hold at all looks."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import betaincc, gammaln, xlog1py, xlogy

from audit.inference.intervals import FloatArray, Interval

CONCENTRATION = 10.0
"""Rows that the mixture weighs: alternatives from the tolerated risk m on, as Beta(10 m, 10 (1 - m)) above m."""

_STEPS = 24  # towards a bound, half of them bisections
_TINY = 1e-280  # a smaller tail is computed by its continued fraction
_LARGE = 16.0  # from here on Stirling's series is right to the last digits
_TERMS = 80  # of the continued fraction: it is used at least 35 standard deviations out, where it converges at once


class _Counts(NamedTuple):
    """Losses, their complement and the tolerated risk, of one shape."""

    losses: FloatArray
    rest: FloatArray
    tolerated: FloatArray


def log_e_risk(
    losses: npt.ArrayLike, n: npt.ArrayLike, *, tolerated: npt.ArrayLike, dispersion: npt.ArrayLike = 1.0
) -> FloatArray:
    r"""Evidence that the risk lies above what is tolerated, from running totals; larger is stronger.

    While the risk is at most `tolerated`, the chance that the e-value *ever* reaches 1 / alpha is at most alpha, at
    however many looks; and the e-value of the rows of one window has expectation at most 1. Totals add up, so any
    engine, and any order of the rows within a look, gives the same number.

    Parameters
    ----------
    losses
        Sum of the losses, each in [0, 1] (a 0-1 loss: the number of errors), 0 <= losses <= n.
    n
        Number of rows that have a loss. All arguments broadcast: groups, looks and metrics in one call.
    tolerated
        m, the largest risk that is tolerated, in (0, 1): an upper bound of the risk of the reference plus a tolerance,
        or a limit of a policy. Nothing exceeds 1 (log e = 0); above 0, any loss does (infinity).
    dispersion
        By what the counts are divided, >= 1: how much more blocks of rows scatter than independent rows
        (`monitors.sequential.dependence`). 1 is exact; with more the promise is approximate.

    Returns
    -------
    ndarray
        Natural logarithm of the e-value, in [-inf, inf]; 0 where n is 0. Right to 1e-6 up to counts of 1e9.

    Raises
    ------
    ValueError
        If losses leave [0, n], or the dispersion lies below 1.

    Notes
    -----
    With S losses and F = n - S,

    .. math:: e = \frac{B(a + S, b + F) [1 - I_m(a + S, b + F)]}{B(a, b) [1 - I_m(a, b)] m^S (1 - m)^F}

    the likelihood ratio of risks p > m to m, averaged over Beta(a, b) truncated to p > m, with a = 10 m and
    b = 10 (1 - m). For each p it is a supermartingale at every mean of at most m, since p^x (1 - p)^(1 - x) is convex
    in the loss x. Assumed: rows whose loss, given the past, has a mean of at most m (independent rows of one risk;
    clusters and autocorrelation ask for a dispersion).

    References
    ----------
    Howard, Ramdas, McAuliffe and Sekhon (2021), doi:10.1214/20-AOS1991, for the mixture; Podkopaev and Ramdas (2022),
    Tracking the risk of a deployed model and detecting harmful distribution shifts, ICLR, arXiv:2110.06177, for its
    use. The prior is ours.

    Examples
    --------
    One loss in one row, m = 1/2: the mean of p / m over the upper half of Beta(5, 5) is 2 (1/2 + 63 / 512).

    >>> round(float(np.exp(log_e_risk(1, 1, tolerated=0.5))), 4), round(2 * (1 / 2 + 63 / 512), 4)
    (1.2461, 1.2461)
    >>> log_e_risk([12, 30], [100, 100], tolerated=0.12).round(2).tolist()
    [-1.1, 9.95]
    """
    counts, size = _counts(losses, n, tolerated, dispersion)
    inside = (counts.tolerated > 0.0) & (counts.tolerated < 1.0)
    usable = counts._replace(tolerated=np.where(inside, counts.tolerated, 0.5))
    certain = np.where((counts.tolerated <= 0.0) & (counts.losses > 0), np.inf, 0.0)
    return np.where(inside & (size > 0), _log_mixture(usable), certain)


def risk_lower_bound(
    losses: npt.ArrayLike, n: npt.ArrayLike, *, alpha: npt.ArrayLike = 0.05, dispersion: npt.ArrayLike = 1.0
) -> FloatArray:
    r"""Return a lower bound of a risk that holds at all looks together with probability at least 1 - alpha.

    Parameters
    ----------
    losses, n, dispersion
        As in `log_e_risk`.
    alpha
        Chance that the bound ever lies above the risk, in (0, 1).

    Returns
    -------
    ndarray
        In [0, losses / n]; 0 where there are no losses or no rows.

    Notes
    -----
    The smallest tolerated risk m that `log_e_risk` does not reject, e_m < 1 / alpha: a bound never above the risk
    unless the e-process of the true risk has rung. Found by bracketing, ending on the rejected side.

    Examples
    --------
    >>> risk_lower_bound([0, 30, 300], [100, 100, 1000]).round(3).tolist()
    [0.0, 0.185, 0.257]
    """
    counts, size = _counts(losses, n, 0.5, dispersion)
    limit = np.log(1.0 / np.asarray(alpha, dtype=np.float64))
    shape = np.broadcast_shapes(size.shape, limit.shape)
    observed = np.broadcast_to(counts.losses / np.where(size > 0, size, 1.0), shape)
    low, high = np.zeros(shape), observed
    above, below = np.full(shape, np.inf), -np.broadcast_to(limit, shape)
    for step in range(_STEPS):
        middle = _between(low, high, above, below, straight=step % 2 == 1)
        inside = (middle > 0.0) & (middle < 1.0)
        beyond = _log_mixture(counts._replace(tolerated=np.where(inside, middle, 0.5))) - limit
        rejected = inside & (beyond >= 0.0)
        low, above = np.where(rejected, middle, low), np.where(rejected, beyond, above)
        high, below = np.where(rejected, high, middle), np.where(rejected, below, beyond)
    return low


def _between(low: FloatArray, high: FloatArray, above: FloatArray, below: FloatArray, *, straight: bool) -> FloatArray:
    """Return the middle of brackets, or where the straight line between their ends (above >= 0 > below) is 0."""
    if not straight:
        return np.asarray((low + high) / 2.0)
    usable = np.isfinite(above) & np.isfinite(below) & (below < 0.0)
    share = np.where(usable, above, 1.0) / np.where(usable, above - below, 2.0)
    return np.asarray(low + np.clip(share, 0.01, 0.99) * (high - low))


def risk_upper_bound(
    losses: npt.ArrayLike, n: npt.ArrayLike, *, alpha: npt.ArrayLike = 0.05, dispersion: npt.ArrayLike = 1.0
) -> FloatArray:
    """Return an upper bound of a risk that holds at all looks together: 1 - the lower bound of what is no loss.

    Examples
    --------
    >>> risk_upper_bound([100, 70], [100, 100]).round(3).tolist()
    [1.0, 0.815]
    """
    rest = np.asarray(n, dtype=np.float64) - np.asarray(losses, dtype=np.float64)
    return np.asarray(1.0 - risk_lower_bound(rest, n, alpha=alpha, dispersion=dispersion))


def risk_interval(
    losses: npt.ArrayLike, n: npt.ArrayLike, *, alpha: float = 0.05, dispersion: npt.ArrayLike = 1.0
) -> Interval:
    """Return both bounds at once: all intervals, at all looks, hold the risk with probability at least 1 - alpha.

    Examples
    --------
    >>> found = risk_interval(12, 100)
    >>> round(float(found.low), 3), round(float(found.high), 3)
    (0.044, 0.24)
    """
    half = alpha / 2.0
    return Interval(
        risk_lower_bound(losses, n, alpha=half, dispersion=dispersion),
        risk_upper_bound(losses, n, alpha=half, dispersion=dispersion),
    )


def _counts(
    losses: npt.ArrayLike, n: npt.ArrayLike, tolerated: npt.ArrayLike, dispersion: npt.ArrayLike
) -> tuple[_Counts, FloatArray]:
    given = (losses, n, tolerated, dispersion)
    s, size, m, divisor = np.broadcast_arrays(*(np.asarray(numbers, dtype=np.float64) for numbers in given))
    if np.any((s < 0) | (s > size * (1 + 1e-12))):
        msg = "losses must lie between 0 and n; pass the sum of losses in [0, 1] and the number of rows"
        raise ValueError(msg)
    if np.any(~(divisor >= 1.0)):
        msg = f"dispersion must be at least 1; got {np.min(divisor):g}; 1 stands for independent rows"
        raise ValueError(msg)
    return _Counts(s / divisor, np.maximum(size - s, 0.0) / divisor, m), size / divisor


def _log_mixture(counts: _Counts) -> FloatArray:
    """Return the log of the mixture for 0 < m < 1: the tail of a beta, as it stands or by its continued fraction."""
    m = counts.tolerated
    a, b = CONCENTRATION * m, CONCENTRATION * (1.0 - m)
    x, y = np.asarray(a + counts.losses), np.asarray(b + counts.rest)
    norm = _log_beta(a, b) + np.log(betaincc(a, b, m))
    tail = np.asarray(betaincc(x, y, m))
    far = tail < _TINY
    with np.errstate(divide="ignore"):
        near = np.asarray(_log_ratio(x, y, m) + np.log(tail))
    if far.any():
        near[far] = np.log(_continued_fraction(x[far], y[far], m[far])) - np.log(y[far])
    return np.asarray(near + xlogy(a, m) + xlog1py(b, -m) - norm)


def _log_ratio(x: FloatArray, y: FloatArray, m: FloatArray) -> FloatArray:
    """Return log(B(x, y) / (m^x (1 - m)^y)) without the cancellation of its large terms."""
    total = x + y
    away = x - total * m
    divergence = x * np.log1p(away / (total * m)) + y * np.log1p(-away / (total * (1.0 - m)))
    spread = 0.5 * np.log(2.0 * np.pi * total / (x * y))
    return np.asarray(divergence + spread + _stirling(x) + _stirling(y) - _stirling(total))


def _log_beta(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(gammaln(a) + gammaln(b) - gammaln(a + b))


def _stirling(x: FloatArray) -> FloatArray:
    """Return what ln gamma(x) has beyond (x - 1/2) ln x - x + ln(2 pi) / 2."""
    series = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / (1260.0 * x**2)) / x**2) / x
    small = np.minimum(x, _LARGE)
    exact = gammaln(small) - (small - 0.5) * np.log(small) + small - 0.5 * np.log(2.0 * np.pi)
    return np.asarray(np.where(x < _LARGE, exact, series))


def _continued_fraction(x: FloatArray, y: FloatArray, m: FloatArray) -> FloatArray:
    """Return y B(x, y) I_(1-m)(y, x) / (m^x (1-m)^y) far below the mean, by Lentz's method (DLMF 8.17.22)."""
    z, total = 1.0 - m, x + y
    c = np.ones_like(z)
    d = 1.0 / (1.0 - total * z / (y + 1.0))
    found = d.copy()
    for k in range(1, _TERMS):
        even = k * (x - k) * z / ((y + 2.0 * k - 1.0) * (y + 2.0 * k))
        odd = -(y + k) * (total + k) * z / ((y + 2.0 * k) * (y + 2.0 * k + 1.0))
        for term in (even, odd):
            d, c = 1.0 / (1.0 + term * d), 1.0 + term / c
            found *= d * c
    return found
