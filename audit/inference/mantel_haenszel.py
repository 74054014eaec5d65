"""The difference of two rates with strata held fixed: the Mantel-Haenszel risk difference and its interval."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.rollup import Floats

Mask = npt.NDArray[np.bool_]


class Strata(NamedTuple):
    """Successes `x` and trials `n` of the exposed (1) and the other side (0) in each stratum, shape (n_strata,).

    Examples
    --------
    >>> strata = Strata(*(np.array(column) for column in ([3.0, 1.0], [4.0, 2.0], [1.0, 0.0], [4.0, 0.0])))
    >>> strata.supported(), strata.total()
    (8.0, 10.0)
    """

    x1: Floats
    n1: Floats
    x0: Floats
    n0: Floats

    def supported(self) -> float:
        """Return how many trials lie in strata in which both sides have some."""
        both = (self.n1 > 0) & (self.n0 > 0)
        return float((self.n1 + self.n0)[both].sum())

    def total(self) -> float:
        """Return how many trials there are."""
        return float((self.n1 + self.n0).sum())


def strata_of(weight: Floats, exposed: Mask, success: Mask, stratum: npt.NDArray[np.int64]) -> Strata:
    """Return weighted rows, shape (n_rows,), counted by stratum.

    Examples
    --------
    >>> rows = np.array([3.0, 1.0]), np.array([True, False]), np.array([True, True]), np.array([0, 0])
    >>> [column.tolist() for column in strata_of(*rows)]
    [[3.0], [3.0], [1.0], [1.0]]
    """
    size = int(stratum.max(initial=-1)) + 1
    parts = (exposed & success, exposed, ~exposed & success, ~exposed)
    return Strata(*(np.bincount(stratum[part], weights=weight[part], minlength=size).astype(float) for part in parts))


def risk_difference(strata: Strata) -> float:
    """Return the Mantel-Haenszel risk difference, in [-1, 1]; NaN where no stratum holds both sides.

    sum_k (x1k n0k - x0k n1k) / N_k  /  sum_k n1k n0k / N_k, with N_k = n1k + n0k. Source: Greenland & Robins 1985,
    Estimation of a common effect parameter from sparse follow-up data, doi:10.2307/2530643.

    Examples
    --------
    Differences 1/2 and 0 in strata of 8 and 4, whose weights are 4 x 4 / 8 = 2 and 2 x 2 / 4 = 1.

    >>> strata = Strata(*(np.array(column) for column in ([3.0, 1.0], [4.0, 2.0], [1.0, 1.0], [4.0, 2.0])))
    >>> round(risk_difference(strata), 4)
    0.3333
    """
    above, below = _sums(strata)
    return float(above.sum() / below.sum()) if below.sum() > 0 else float("nan")


def klingenberg(strata: Strata, *, critical: float) -> tuple[float, float]:
    """Return Klingenberg's interval of the Mantel-Haenszel risk difference; NaN where that is undefined.

    With Sato's variance V(d) = (d P + Q) / W^2 it is the set of all d with (d_MH - d)^2 <= c^2 V(d):
    m -+ sqrt(m^2 - d_MH^2 + c^2 Q / W^2), m = d_MH + c^2 P / (2 W^2). P = sum_k (n1k^2 x0k - n0k^2 x1k + n1k n0k
    (n0k - n1k) / 2) / N_k^2, Q = sum_k (x1k (n0k - x0k) + x0k (n1k - x1k)) / (2 N_k). It holds for few large strata and
    for many small ones. Sources: T. Sato 1989, On the variance estimator for the Mantel-Haenszel risk difference,
    Biometrics 45, 1323-1324; B. Klingenberg 2014, Statistics in Medicine 33, 2968-2983, doi:10.1002/sim.6122.

    Examples
    --------
    >>> strata = Strata(*(np.array([count]) for count in (30.0, 50.0, 20.0, 50.0)))
    >>> [round(end, 3) for end in klingenberg(strata, critical=1.96)]
    [0.0, 0.385]
    """
    above, below = _sums(strata)
    weight = below.sum()
    if weight <= 0:
        return float("nan"), float("nan")
    x1, n1, x0, n0 = strata
    size = np.where(n1 + n0 > 0, n1 + n0, 1.0)
    p = ((n1**2 * x0 - n0**2 * x1 + n1 * n0 * (n0 - n1) / 2) / size**2).sum() / weight**2
    q = ((x1 * (n0 - x0) + x0 * (n1 - x1)) / (2 * size)).sum() / weight**2
    value = above.sum() / weight
    middle = value + critical**2 * p / 2
    half = np.sqrt(max(middle**2 - value**2 + critical**2 * q, 0.0))
    return max(float(middle - half), -1.0), min(float(middle + half), 1.0)


def influence(strata: Strata, exposed: Mask, success: Mask, stratum: npt.NDArray[np.int64]) -> Floats:
    """Return by how much each row's weight moves the risk difference, per unit of weight, shape (n_rows,).

    Examples
    --------
    Of 1/2 - 0, one more success moves the first rate by (1 - 1/2) / 2.

    >>> rows = np.array([True, True, False]), np.array([True, False, False]), np.zeros(3, int)
    >>> influence(strata_of(np.array([1.0, 1.0, 2.0]), *rows), *rows).round(3).tolist()
    [0.25, -0.25, 0.0]
    """
    x1, n1, x0, n0 = (column[stratum] for column in strata)
    size = n1 + n0
    above, below = _sums(strata)
    value, weight = risk_difference(strata), below.sum()
    moved_above = np.where(exposed, (success * n0 - x0) / size, (x1 - success * n1) / size) - above[stratum] / size
    moved_below = np.where(exposed, n0, n1) / size - below[stratum] / size
    return np.asarray((moved_above - value * moved_below) / weight, dtype=np.float64)


def shares(strata: Strata, exposed: Mask, stratum: npt.NDArray[np.int64]) -> Floats:
    """Return what the risk difference counts a unit of each row's weight for, shape (n_rows,), if it is a success.

    n0k / N_k of the exposed, -n1k / N_k of the others, over the sum of n1k n0k / N_k; 0 in strata of one side.

    Examples
    --------
    Two rows against one in a single stratum: two means.

    >>> rows = np.array([True, True, False]), np.zeros(3, int)
    >>> shares(strata_of(np.ones(3), rows[0], rows[0], rows[1]), *rows).tolist()
    [0.5, 0.5, -1.0]
    """
    n1, n0 = strata.n1[stratum], strata.n0[stratum]
    return np.asarray(np.where(exposed, n0, -n1) / (n1 + n0) / _sums(strata)[1].sum(), dtype=np.float64)


def _sums(strata: Strata) -> tuple[Floats, Floats]:
    x1, n1, x0, n0 = strata
    size = np.where(n1 + n0 > 0, n1 + n0, 1.0)
    return (x1 * n0 - x0 * n1) / size, n1 * n0 / size
