"""How much more weekly counts vary than chance alone would make them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def dispersion(counts: npt.ArrayLike, *, exposure: npt.ArrayLike = 1.0) -> float:
    """Return the variance of counts over that of Poisson counts of one rate; at least 1.

    Pearson's chi-square over its degrees of freedom, sum((x - m)^2 / m) / (k - 1), where m is the expected count of a
    week at the common rate. Counts divided by it behave, to first order, like Poisson counts.

    Parameters
    ----------
    counts
        Events per week, shape (k,), k >= 2.
    exposure
        Exposure per week, > 0, shape (k,) or one number.

    Returns
    -------
    float
        In [1, inf); 1 where there are no events. Its relative standard error is about sqrt(2 / (k - 1)).

    Raises
    ------
    ValueError
        If there are fewer than two counts.

    References
    ----------
    McCullagh and Nelder, Generalized Linear Models, 2nd edition, 1989, chapter 6. The floor at 1 is ours.

    Examples
    --------
    Mean 10, squared distances 36 + 36 + 0: 72 / 10 / 2.

    >>> round(dispersion([4, 16, 10]), 6)
    3.6
    """
    observed = np.asarray(counts, dtype=np.float64)
    if observed.size < 2:
        msg = f"dispersion needs at least 2 counts; got {observed.size}; pass one count per week"
        raise ValueError(msg)
    share = np.broadcast_to(np.asarray(exposure, dtype=np.float64), observed.shape)
    return max(1.0, _chi_square(observed, share) / (observed.size - 1))


def pooled_dispersion(series: Sequence[tuple[npt.ArrayLike, npt.ArrayLike | None]]) -> float:
    """Return the dispersion of several series of counts, each with a rate of its own; at least 1.

    The sum of their chi-squares over the sum of their degrees of freedom (`dispersion`): the common dispersion of a
    log-linear model with one rate for each series.

    Parameters
    ----------
    series
        Counts of each, and their exposure or None, as `dispersion` takes them.

    Returns
    -------
    float
        In [1, inf); 1 without any series.

    References
    ----------
    As `dispersion`.

    Examples
    --------
    Chi-squares of 7.2 and 0 on two degrees of freedom each: 7.2 / 4.

    >>> round(pooled_dispersion([([4, 16, 10], None), ([3, 3, 3], None)]), 6)
    1.8
    """
    square, df = 0.0, 0
    for counts, exposure in series:
        observed = np.asarray(counts, dtype=np.float64)
        share = np.ones_like(observed) if exposure is None else np.asarray(exposure, dtype=np.float64)
        square += _chi_square(observed, share)
        df += observed.size - 1
    return max(1.0, square / df) if df else 1.0


def _chi_square(observed: npt.NDArray[np.float64], share: npt.NDArray[np.float64]) -> float:
    """Return Pearson's chi-square of counts of one rate; 0 where there are no events."""
    total = observed.sum()
    if total == 0:
        return 0.0
    expected = total * share / share.sum()
    return float(np.sum((observed - expected) ** 2 / expected))
