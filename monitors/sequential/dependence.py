"""How much more the counts of blocks (days, sessions, clusters) scatter than those of independent rows."""

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri

from audit.inference.intervals import FloatArray


def block_dispersion(counts: npt.ArrayLike, rows: npt.ArrayLike, *, confidence: float | None = None) -> FloatArray:
    r"""Return the variance of the counts of blocks over that of independent rows of one rate; at least 1.

    Counts divided by it carry, to first order, the information of as many independent rows: this widens every null
    for autocorrelation, cycles, overdispersion and clusters that are alike in the reference and now. Blocks must be
    long against the dependence, and like the windows that are judged (days for days).

    Parameters
    ----------
    counts
        Rows with a property in each block, shape (n_blocks, ...), n_blocks >= 2.
    rows
        Rows of each block, shape that broadcasts to that of `counts`; blocks without rows do not count.
    confidence
        None for the estimate; .9 for the bound that lies above the dispersion with that probability, where blocks
        scatter about like normal variables: few blocks then ask for a larger divisor instead of ringing too often.

    Returns
    -------
    ndarray
        In [1, inf), shape counts.shape[1:]; 1 where all rows have the property or none has.

    Raises
    ------
    ValueError
        If there are fewer than two blocks.

    Notes
    -----
    Pearson's chi-square of k blocks with n_b rows, sum (x_b - n_b p)^2 / (n_b p (1 - p)), over k - 1; the bound divides
    by the 1 - confidence quantile of chi-square with k - 1 degrees of freedom instead. McCullagh and Nelder (1989),
    Generalized Linear Models, 2nd edition, section 4.5. The floor at 1 is ours.

    Examples
    --------
    Blocks of 10 rows with 2 and 8: p = 1/2, (9 + 9) / 2.5 = 7.2.

    >>> round(float(block_dispersion([2, 8], 10)), 6)
    7.2
    """
    x = np.asarray(counts, dtype=np.float64)
    n = np.broadcast_to(np.asarray(rows, dtype=np.float64), x.shape)
    blocks = (n > 0).sum(axis=0)
    if x.shape[0] < 2 or np.any(blocks < 2):
        msg = f"dispersion needs at least 2 blocks with rows; got {min(x.shape[0], int(np.min(blocks)))}"
        raise ValueError(msg)
    p = x.sum(axis=0) / n.sum(axis=0)
    variance = n * p * (1.0 - p)
    square = np.where(variance > 0, (x - n * p) ** 2 / np.where(variance > 0, variance, 1.0), 0.0).sum(axis=0)
    df = blocks - 1.0
    divisor = df if confidence is None else chdtri(df, confidence)
    return np.asarray(np.maximum(square / divisor, 1.0))
