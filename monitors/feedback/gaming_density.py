"""How many scores lie just above a threshold, against what a smooth curve through the others leads one to expect."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from audit.inference.intervals import clopper_pearson, quantile
from monitors.feedback.blocks import Estimate

Floats = npt.NDArray[np.float64]

ZONE = 2
"""Bins on each side of the threshold that the curve does not see, and whose rows are compared."""

_STEPS = 50
_DEGREE = 2


class Bunching(NamedTuple):
    """The excess of scores just above a threshold, on the scale of logarithms, and its interval as a ratio.

    Examples
    --------
    >>> Bunching(Estimate(0.0, 0.1, 30), 0.8, 1.2, 100).low
    0.8
    """

    log_ratio: Estimate
    low: float
    high: float
    n: int
    """Rows in the zone."""


def threshold_bunching(counts: npt.ArrayLike, *, level: float = 0.95, zone: int = ZONE) -> Bunching:
    r"""Return how many times more scores lie just above a threshold, against just below, than a smooth curve expects.

    1: no excess; larger: scores have been pushed over the threshold.

    Parameters
    ----------
    counts
        Scores by bin of one width, shape (n_bins,), as many bins below the threshold as above, in order.
    level
        Of the interval.
    zone
        Bins on each side that are compared, and left out of the curve.

    Notes
    -----
    The curve is log mu = a + b x + c x^2, fitted to the counts outside of the zone (Poisson, all bins alike). With A
    and B rows of the zone above and below, and E_A and E_B expected, the ratio is (A / B) / (E_A / E_B). Its interval
    joins Clopper and Pearson's for A among A + B with the curve's own error by the square of their lengths; rows are
    divided by the overdispersion of the bins about the curve, where larger than 1. The idea, as a test of densities: J.
    McCrary (2008), Manipulation of the running variable in the regression discontinuity design,
    doi:10.1016/j.jeconom.2007.05.005; of counts in bins about a threshold: H. Kleven (2016), Bunching,
    doi:10.1146/annurev-economics-080315-015234.

    Examples
    --------
    A flat curve of 100 rows a bin, but for 160 just above and 40 just below.

    >>> found = threshold_bunching([100.0] * 9 + [40, 160] + [100] * 9, zone=1)
    >>> round(float(np.exp(found.log_ratio.value)), 6), found.n
    (4.0, 200)
    """
    n = np.asarray(counts, dtype=np.float64)
    half = len(n) // 2
    place = (np.arange(len(n)) - half + 0.5) / half
    design = place[:, None] ** np.arange(_DEGREE + 1)
    used = np.abs(np.arange(len(n)) - half + 0.5) > zone
    beta, covariance, spread = _poisson(design[used], n[used])
    below, above = slice(half - zone, half), slice(half, half + zone)
    expected = np.exp(design @ beta)
    slopes = [(expected[side] @ design[side]) / expected[side].sum() for side in (above, below)]
    curve = float((slopes[0] - slopes[1]) @ covariance @ (slopes[0] - slopes[1]))
    a, b = float(n[above].sum()), float(n[below].sum())
    log_expected = float(np.log(expected[above].sum() / expected[below].sum()))
    value = (
        float(np.log((a + 0.5) / (b + 0.5))) - log_expected if min(a, b) == 0 else float(np.log(a / b)) - log_expected
    )
    error = float(np.sqrt(spread / max(a, 0.5) + spread / max(b, 0.5) + curve))
    df = int(used.sum()) - _DEGREE - 1
    critical = float(quantile(level, df=df))
    exact = clopper_pearson(a / spread, (a + b) / spread, alpha=2.0 * ndtr(-critical))
    ends = [_odds(float(end)) - log_expected for end in (exact.low, exact.high)]
    low = value - float(np.hypot(value - ends[0], critical * np.sqrt(curve)))
    high = value + float(np.hypot(ends[1] - value, critical * np.sqrt(curve)))
    return Bunching(Estimate(value, error, df), float(np.exp(low)), float(np.exp(high)), int(a + b))


def _odds(share: float) -> float:
    inside = min(max(share, 1e-9), 1.0 - 1e-9)
    return float(np.log(inside / (1.0 - inside)))


def _poisson(design: Floats, counts: Floats) -> tuple[Floats, Floats, float]:
    """Return the coefficients of a Poisson regression, their covariance and the overdispersion, both floored at 1."""
    beta = np.linalg.lstsq(design, np.log(counts + 0.5), rcond=None)[0]
    information = np.eye(design.shape[1])
    for _ in range(_STEPS):
        mean = np.exp(np.clip(design @ beta, -20.0, 30.0))
        information = design.T @ (design * mean[:, None])
        step = np.linalg.solve(information, design.T @ (counts - mean))
        beta = beta + step
        if float(np.abs(step).max()) < 1e-9:
            break
    mean = np.exp(design @ beta)
    spread = max(1.0, float(((counts - mean) ** 2 / mean).sum()) / (len(counts) - design.shape[1]))
    return np.asarray(beta, dtype=np.float64), np.asarray(np.linalg.inv(information) * spread, dtype=np.float64), spread
