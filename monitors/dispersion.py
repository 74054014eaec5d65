"""How much more weekly counts vary than chance alone would make them."""

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
    total = observed.sum()
    if total == 0:
        return 1.0
    expected = total * share / share.sum()
    return max(1.0, float(np.sum((observed - expected) ** 2 / expected)) / (observed.size - 1))
