"""How frequent the categories may be, all together, that a reference does not hold: a bound that is sure."""

import numpy as np
import numpy.typing as npt

_BETS = np.array([0.01, 0.03, 0.1, 0.3, 1.0, 3.0, np.inf])


def unseen_share_bound(counts: npt.ArrayLike, *, alpha: float, dispersion: float = 1.0) -> float:
    r"""Return an upper bound of the share of all categories that do not occur in a sample, but for alpha.

    Of n rows, N1 have a category that occurs once; Good and Turing estimate the share M of unseen ones by N1 / n. A
    column of identifiers, each seen once, has a bound of 1.

    Parameters
    ----------
    counts
        Rows of each category, >= 0, shape (n_categories,).
    alpha
        Chance that M lies above the bound, in (0, 1).
    dispersion
        How many rows are worth one, at least 1, where rows depend on each other: n is divided by it, and categories
        with up to so many rows count as seen once. Approximate above 1.

    Returns
    -------
    float
        In [0, 1]; 1 without rows.

    Notes
    -----
    The smaller of two bounds, each at alpha / 2.

    1. :math:`N_1/n + (2 \sqrt 2 + \sqrt 3) \sqrt{\ln(6/\alpha) / n}`: McAllester and Schapire (2000), On the
       convergence rate of Good-Turing estimators, COLT. It is wide where little is unseen.
    2. Ours. Were rows a Poisson process, a category of share p = c / n would be unseen with probability
       :math:`e^{-c}` and seen once with :math:`c e^{-c}`, each category for itself. For b > 0 and
       :math:`a = \ln(1 + C (1 - e^{-b})) / C`, by convexity :math:`e^{ac} - 1 \le c (1 - e^{-b})` for c in [0, C], so
       that :math:`E \exp(a n M - b N_1) \le 1` over categories of at most C; one of more is unseen at all with
       probability :math:`(n / C) e^{-C}` at most. By Markov's inequality :math:`M \le (b N_1 + L) / (a n)`. That the
       number of rows is n, as it is, has a probability of at least :math:`1 / (e \sqrt n)` there, by which the chance
       of the event is divided. A quarter of alpha goes to C, a quarter to seven values of b.

    Examples
    --------
    Nothing in 5,000 rows occurs once; then a fifth of them does.

    >>> round(unseen_share_bound([3000, 1500, 500], alpha=0.001), 3)
    0.018
    >>> round(unseen_share_bound([4000] + [1] * 1000, alpha=0.001), 3)
    0.379
    >>> unseen_share_bound([1] * 500, alpha=0.001)
    1.0
    """
    seen = np.asarray(counts, dtype=np.float64)
    n = float(seen.sum()) / dispersion
    if n < 1:
        return 1.0
    once = float(((seen > 0) & (seen <= np.ceil(dispersion))).sum())
    general = once / n + (2 * np.sqrt(2) + np.sqrt(3)) * np.sqrt(np.log(6 / alpha) / n)
    most = max(np.log(4 * n / alpha), 1.0)
    chance = np.log(np.e * np.sqrt(n) * 4 * len(_BETS) / alpha)
    a = np.log1p(most * -np.expm1(-_BETS)) / most
    lost = np.where(np.isinf(_BETS), np.where(once > 0, np.inf, 0.0), np.where(np.isinf(_BETS), 0.0, _BETS) * once)
    return float(min(1.0, general, ((lost + chance) / (a * n)).min()))
