"""Evidence of one window after the other, added up so that alarms keep their promise however long one looks."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import betaincc, betaln

from audit.inference.multiplicity import e_benjamini_hochberg

FloatArray = npt.NDArray[np.float64]

_LARGEST_LOG_E = 700.0  # beyond it the exponential overflows


class Ring(NamedTuple):
    """A hypothesis that was rejected, in which window first, its e-value then and the limit that it reached.

    Examples
    --------
    >>> Ring(hypothesis=0, window=3, e_value=41.0, limit=40.0).window
    3
    """

    hypothesis: int
    window: int
    e_value: float
    limit: float


def log_e_share_above(events: npt.ArrayLike, rows: npt.ArrayLike, *, limit: npt.ArrayLike) -> FloatArray:
    r"""Return the evidence of a window that the share of events among its rows lies above a limit; larger is stronger.

    With S events and F = n - S others, and m the limit, the likelihood averaged over shares above m (uniformly) over
    that at m:

    .. math:: e = \frac{B(1 + S, 1 + F) (1 - I_m(1 + S, 1 + F))}{(1 - m) m^S (1 - m)^F}

    Its expectation is at most 1 where rows are independent and the share is at most m.

    Parameters
    ----------
    events, rows
        Counts, 0 <= events <= rows, shapes that broadcast.
    limit
        m in [0, 1]; at 1 there is no evidence, at 0 a single event is conclusive.

    Returns
    -------
    ndarray
        log e in [-inf, inf]; 0 where there are no rows.

    References
    ----------
    Podkopaev and Ramdas, Tracking the risk of a deployed model and detecting harmful distribution shifts, ICLR 2022,
    arXiv 2110.06177; the truncated mixture of Beta densities as in Howard, Ramdas, McAuliffe and Sekhon, 2021,
    doi:10.1214/20-AOS1991.

    Examples
    --------
    Two of two above 1/2: the mean of p^2 over (1/2, 1), (1 - 1/8) / 3 * 2, over 1/4.

    >>> round(float(np.exp(log_e_share_above(2, 2, limit=0.5))), 4)
    2.3333
    """
    s, n, m = (np.asarray(number, dtype=np.float64) for number in (events, rows, limit))
    others = n - s
    with np.errstate(divide="ignore", invalid="ignore"):
        mixture = betaln(1 + s, 1 + others) + np.log(betaincc(1 + s, 1 + others, m)) - np.log1p(-m)
        at_limit = np.where(s > 0, s * np.log(m), 0.0) + np.where(others > 0, others * np.log1p(-m), 0.0)
        found = mixture - at_limit
    return np.asarray(np.where((n == 0) | (m >= 1), 0.0, found))


def log_e_never(rows: npt.ArrayLike, *, share: npt.ArrayLike) -> FloatArray:
    """Return the evidence that something no longer occurs, from rows without it; larger is stronger.

    Something of at least that share stays unseen in n rows with probability (1 - share)^n at most; the evidence is the
    inverse of it, and 0 once a row shows it.

    Parameters
    ----------
    rows
        n >= 0: rows without it.
    share
        In [0, 1]: the smallest share that it may have had.

    Returns
    -------
    ndarray
        log e in [0, inf].

    Examples
    --------
    >>> round(float(np.exp(log_e_never(58, share=0.05))), 1)  # .95^58 = .051
    19.6
    """
    n, p = np.asarray(rows, dtype=np.float64), np.asarray(share, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(n > 0, -n * np.log1p(-p), 0.0))


def added_up(log_e: npt.ArrayLike) -> FloatArray:
    """Return the evidence of all windows up to each one: the k-th window weighs 1 / (k (k + 1)).

    The weights sum to 1, so that sums of e-values of windows are e-values, under any dependence of the windows; and
    they only grow. By Markov's inequality for their limit, the chance that they *ever* reach 1 / alpha where nothing
    happens is at most alpha.

    Parameters
    ----------
    log_e
        Shape (n_windows, ...), each with an expectation of e of at most 1; nan or -inf where a window says nothing.

    Returns
    -------
    ndarray
        Of the same shape.

    Examples
    --------
    >>> np.exp(added_up(np.log([1.0, 6.0, np.nan]))).round(2).tolist()
    [0.5, 1.5, 1.5]
    """
    evidence = np.asarray(log_e, dtype=np.float64)
    k = np.arange(1, len(evidence) + 1, dtype=np.float64).reshape(-1, *[1] * (evidence.ndim - 1))
    weighed = np.where(np.isnan(evidence), -np.inf, evidence) - np.log(k * (k + 1))
    return np.asarray(np.logaddexp.accumulate(weighed, axis=0)) if len(evidence) else weighed


def rings(log_e: npt.ArrayLike, *, alpha: float) -> tuple[Ring, ...]:
    """Return which of many hypotheses are rejected, by e-BH in every window, and when each first was.

    The expected share of false ones among the alarms is at most alpha, whatever the dependence, and for one hypothesis
    alone the chance of a false alarm at any time. Evidence that was added up never falls, so no alarm is taken back.

    Parameters
    ----------
    log_e
        Evidence of the windows, shape (n_windows, n_hypotheses), as `added_up` takes it.
    alpha
        In (0, 1).

    Returns
    -------
    tuple of Ring
        In the order of the hypotheses.

    References
    ----------
    `audit.inference.multiplicity.e_benjamini_hochberg`.

    Examples
    --------
    With two hypotheses the first to ring needs 2 / alpha = 40 after its weight, 1 / 2.

    >>> rings(np.log([[79.0, 1.0], [7.0, 1.0]]), alpha=0.05)
    (Ring(hypothesis=0, window=1, e_value=40.666666666666664, limit=40.0),)
    """
    sums = added_up(log_e)
    if not sums.size:
        return ()
    values = np.exp(np.minimum(sums, _LARGEST_LOG_E))
    found: dict[int, Ring] = {}
    for window, evidence in enumerate(values):
        if evidence.max() < 1 / alpha:
            continue
        rejected = np.flatnonzero(e_benjamini_hochberg(evidence, alpha=alpha).rejected)
        limit = evidence.size / (alpha * max(1, len(rejected)))
        for hypothesis in rejected:
            # the limit may lie above the evidence by rounding, and an alarm is at or above it
            e_value = max(float(evidence[hypothesis]), limit)
            found.setdefault(int(hypothesis), Ring(int(hypothesis), window, e_value, limit))
    return tuple(found[hypothesis] for hypothesis in sorted(found))
