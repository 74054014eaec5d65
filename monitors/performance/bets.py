"""Bets on the mean of bounded losses, counted by their value: bounds of a mean, and evidence that it is larger."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

BETS = np.geomspace(0.02, 0.9, 10)
"""Shares of what may be bet at most."""

_STEPS = 30


def mean_bound(lost: FloatArray, n: FloatArray, dispersion: float, *, error: float) -> float:
    r"""Return an upper bound of the mean of losses in [-1, 1] that fails with probability `error` at most.

    The largest m at which :math:`\prod (1 - \lambda (x - m))`, averaged over bets, stays below 1 / error: its
    expectation is 1 at the mean, and it grows with m.

    Parameters
    ----------
    lost, n
        Values of the loss, and how many rows have each.
    dispersion
        How many rows are worth one.
    error
        In (0, 1).

    References
    ----------
    I. Waudby-Smith and A. Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B 86, 1-27,
    doi:10.1093/jrsssb/qkad009.

    Examples
    --------
    >>> round(mean_bound(np.array([0.0, 1.0]), np.array([900.0, 100.0]), 1.0, error=0.05), 3)
    0.131
    """
    low, high = float((n * lost).sum() / n.sum()), 1.0
    worth = n / dispersion
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        bets = (worth * np.log1p(-BETS[:, None] / 2.0 * (lost - middle))).sum(axis=1)
        if np.logaddexp.reduce(bets) - np.log(len(BETS)) < -np.log(error):
            low = middle
        else:
            high = middle
    return high


def log_e_mean(lost: FloatArray, n: FloatArray, *, limit: float) -> FloatArray:
    r"""Return the evidence after each window that the mean of losses in [0, 1] lies above a limit; larger is stronger.

    For each window s in which the mean may have risen, the mean over bets of :math:`\prod (1 + \lambda (x - m))` over
    all rows since s, with bets up to .9 / m: a supermartingale while the mean of a loss, given the past, is at most m.
    They are added up with weights 1 / (s (s + 1)), which sum to 1, so that a rise after a long good time is found soon:
    one e-process, whose chance to *ever* reach 1 / alpha is at most alpha.

    Parameters
    ----------
    lost
        Values of the loss, shape (n_values,).
    n
        How many rows of each window have them, divided by how many are worth one, shape (n_windows, n_values).
    limit
        m in (0, 1); nothing exceeds 1.

    Returns
    -------
    ndarray
        Natural logarithm, shape (n_windows,).

    References
    ----------
    As `mean_bound`.

    Examples
    --------
    >>> log_e_mean(np.array([0.0, 1.0]), np.array([[90.0, 10.0], [50.0, 50.0]]), limit=0.15).round(1).tolist()
    [-3.0, 29.5]
    """
    if limit >= 1.0:
        return np.zeros(len(n))
    gains = np.log1p(BETS[:, None] / limit * (np.asarray(lost) - limit))
    running, found = np.full(len(BETS), -np.inf), np.empty(len(n))
    for window, gained in enumerate(n @ gains.T):
        running = np.logaddexp(running, -np.log((window + 1.0) * (window + 2.0))) + gained
        found[window] = np.logaddexp.reduce(running) - np.log(len(BETS))
    return found
