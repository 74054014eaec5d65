"""A change after a long good period: detectors that ring falsely once in N windows at most."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from audit.inference.intervals import FloatArray

Detector = Literal["shiryaev_roberts", "cusum"]


def log_e_detector(log_e: npt.ArrayLike, *, kind: Detector = "shiryaev_roberts") -> FloatArray:
    r"""Return the logarithm of an e-detector after each window, from the e-values of the windows.

    An e-process that ran through a long good period must first earn back what it lost there. A detector starts anew
    with every window, and pays for it with the kind of its promise: while nothing changes, the expected number of
    windows until it reaches N is at least N, "one false alarm in N windows". Sooner or later it does ring; for a
    chance of *any* false alarm that stays below alpha, use e-processes.

    Parameters
    ----------
    log_e
        Natural logarithms of the e-values of the windows, oldest first along the first axis, shape (n_windows, ...):
        each from its own window's counts, with expectation at most 1 given the windows before, while nothing changed
        (`monitors.sequential.risk.log_e_risk` of the window's counts). NaN: a window without rows, which is passed
        over and does not count among the N.
    kind
        "shiryaev_roberts" adds up all starting times, M_k = (1 + M_(k-1)) e_k; "cusum" takes the best of them,
        M_k = max(1, M_(k-1)) e_k, and is never larger.

    Returns
    -------
    ndarray
        log M after each window, shape of `log_e`; -inf before the first window with rows.

    Notes
    -----
    M_k - k is a supermartingale, hence E[tau] >= E[M_tau] >= N at the first time tau with M >= N. Source: Shin, Ramdas
    and Rinaldo (2024), E-detectors: a nonparametric framework for sequential change detection, New England Journal of
    Statistics in Data Science 2, 229-260, doi:10.51387/23-NEJSDS51.

    Examples
    --------
    e = 2, 3: (1 + 0) 2 = 2, (1 + 2) 3 = 9; the best start gives 2, 6.

    >>> np.exp(log_e_detector(np.log([2.0, 3.0]))).round(6).tolist()
    [2.0, 9.0]
    >>> np.exp(log_e_detector(np.log([2.0, 3.0]), kind="cusum")).round(6).tolist()
    [2.0, 6.0]
    """
    evidence = np.asarray(log_e, dtype=np.float64)
    restart = np.logaddexp if kind == "shiryaev_roberts" else np.maximum
    found = np.full_like(evidence, -np.inf)
    running = np.full(evidence.shape[1:], -np.inf)
    for window, log_of_window in enumerate(evidence):
        moved = restart(0.0, running) + np.nan_to_num(log_of_window, nan=0.0, posinf=np.inf, neginf=-np.inf)
        running = np.where(np.isnan(log_of_window), running, moved)
        found[window] = running
    return found


def first_window(log_m: npt.ArrayLike, *, limit: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the first window in which evidence reached its limit, -1 where it never did.

    Parameters
    ----------
    log_m
        Logarithms of the evidence after each window, shape (n_windows, ...).
    limit
        N windows to a false alarm of a detector, 1 / alpha of an e-process; > 0.

    Examples
    --------
    >>> first_window(np.log([[2.0, 1.0], [9.0, 2.0]]), limit=5.0).tolist()
    [1, -1]
    """
    reached = np.asarray(log_m, dtype=np.float64) >= np.log(limit)
    if reached.shape[0] == 0:
        return np.full(reached.shape[1:], -1, dtype=np.int64)
    return np.asarray(np.where(reached.any(axis=0), reached.argmax(axis=0), -1), dtype=np.int64)
