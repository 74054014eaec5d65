"""Evidence that two rates lie further apart than a limit, from running counts, at however many looks."""

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, xlog1py, xlogy

from audit.inference.intervals import FloatArray

CONCENTRATION = 10.0
_STEPS = 60
_TINY = 1e-12


def log_e_gap(
    first: tuple[npt.ArrayLike, npt.ArrayLike],
    second: tuple[npt.ArrayLike, npt.ArrayLike],
    *,
    limit: npt.ArrayLike,
    expected: tuple[npt.ArrayLike, npt.ArrayLike] = (0.5, 0.5),
) -> FloatArray:
    r"""Return the log evidence that two rates differ by more than `limit`; larger is stronger.

    Parameters
    ----------
    first, second
        Running totals (events, rows) of either group, 0 <= events <= rows; all arguments broadcast.
    limit
        The largest difference that is tolerated, either way, in [0, 1).
    expected
        The rates about which the mixtures lie, those of the reference; any values keep the promise.

    Returns
    -------
    ndarray
        Natural logarithm; while |p1 - p2| <= limit, the chance that e ever reaches 1 / alpha is at most alpha.
        -inf at a limit of 1 or more, 0 where a group has no rows.

    Notes
    -----
    For each pair of rates (p1, p2) the product of the two likelihood ratios of a beta mixture to them,
    :math:`\prod_g B(a_g + S_g, b_g + F_g) / (B(a_g, b_g) p_g^{S_g} (1 - p_g)^{F_g})`, is a martingale under that pair
    (rows of both groups may come in any order); its smallest value over all pairs within the limit is therefore below
    that of the true pair. It is convex, so that it lies at the observed rates or on the line p1 - p2 = +-limit, where a
    bisection of the slope finds it. Mixture: H. Robbins (1970), doi:10.1214/aoms/1177696786; two samples: R. J. Turner
    and P. D. Grunwald (2023), Safe sequential testing and effect estimation in stratified count data, AISTATS,
    arXiv:2302.11401. The composite limit is ours.

    Examples
    --------
    One event in one row against none in one, with mixtures about 1/2: each gives 1/2, and p (1 - p) is at most 1/4.

    >>> abs(log_e_gap((1, 1), (0, 1), limit=0.0).round(9).item())
    0.0
    >>> log_e_gap(([30, 60], [100, 100]), ([30, 30], [100, 100]), limit=0.05).round(1).tolist()
    [-3.9, 3.1]
    """
    given = (*first, *second, limit, *expected)
    s1, n1, s2, n2, g, p1, p2 = np.broadcast_arrays(*(np.asarray(values, dtype=np.float64) for values in given))
    f1, f2 = np.maximum(n1 - s1, 0.0), np.maximum(n2 - s2, 0.0)
    there = (n1 > 0) & (n2 > 0)
    rate1, rate2 = (s / np.where(n > 0, n, 1.0) for s, n in ((s1, n1), (s2, n2)))
    swap = rate1 < rate2  # the higher rate first: the other side is the mirror image
    s1, s2, f1, f2 = np.where(swap, s2, s1), np.where(swap, s1, s2), np.where(swap, f2, f1), np.where(swap, f1, f2)
    high, low, p1, p2 = (
        np.maximum(rate1, rate2),
        np.minimum(rate1, rate2),
        np.where(swap, p2, p1),
        np.where(swap, p1, p2),
    )
    nearest = np.where(high - low > g, _on_line(s1, f1, s2, f2, np.minimum(g, 1.0 - _TINY)), low)
    other = np.where(high - low > g, nearest + g, high)
    log_e = _log_mixture(s1, f1, p1, other) + _log_mixture(s2, f2, p2, nearest)
    return np.where(g >= 1.0, -np.inf, np.where(there, log_e, 0.0))


def _log_mixture(s: FloatArray, f: FloatArray, expected: FloatArray, rate: FloatArray) -> FloatArray:
    a, b = CONCENTRATION * expected + 0.5, CONCENTRATION * (1.0 - expected) + 0.5
    return np.asarray(betaln(a + s, b + f) - betaln(a, b) - xlogy(s, rate) - xlog1py(f, -rate))


def _on_line(s1: FloatArray, f1: FloatArray, s2: FloatArray, f2: FloatArray, gap: FloatArray) -> FloatArray:
    """Return the p2 that maximises the likelihood at (p2 + gap, p2), by bisection of its slope, which falls."""
    left, right = np.full_like(gap, _TINY), 1.0 - gap - _TINY
    right = np.maximum(right, left)
    for _ in range(_STEPS):
        p = (left + right) / 2.0
        q = np.minimum(p + gap, 1.0 - _TINY / 2)
        rises = s1 / q - f1 / (1.0 - q) + s2 / p - f2 / (1.0 - p) > 0
        left, right = np.where(rises, p, left), np.where(rises, right, p)
    return np.asarray((left + right) / 2.0)
