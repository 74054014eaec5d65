"""Many e-processes that are looked at together again and again: alarms that stay raised, and what they promise then."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.inference.intervals import FloatArray
from audit.inference.multiplicity import e_benjamini_hochberg

_LARGEST_LOG_E = 700.0  # beyond it the exponential overflows


class FirstRejections(NamedTuple):
    """When each hypothesis was first rejected, with which evidence, and what that needed; shape (n_hypotheses,).

    Attributes
    ----------
    look
        Place of the look, -1 where it was never rejected.
    log_e
        Logarithm of the e-value at that look, NaN where there is none.
    limit
        n_hypotheses / (alpha times those rejected by then), NaN where it was never rejected.

    Examples
    --------
    >>> FirstRejections(np.array([-1]), np.array([np.nan]), np.array([np.nan])).look.tolist()
    [-1]
    """

    look: npt.NDArray[np.int64]
    log_e: FloatArray
    limit: FloatArray


def first_rejections(log_e: npt.ArrayLike, *, alpha: float) -> FirstRejections:
    r"""Reject hypotheses by e-BH at every look, each e-process stopped when it was first rejected.

    e-BH at each look would take rejections back and raise others, so that the share of false ones among all that were
    ever raised is not bounded; running maxima are no e-values. Here e-BH sees, of a hypothesis that was rejected, the
    e-value *at which it was*: an e-process that was stopped, hence an e-value. What was rejected stays so, since its
    e-value no longer changes and the number of rejections never falls.

    While E is an e-process given the past of *all* hypotheses together (weeks independent of each other, whatever the
    dependence within a week), after every look, and at any look that one stops at: the expected share of false ones
    among all that were rejected so far is at most alpha. Where nothing changed anywhere, the chance that anything is
    ever rejected is therefore at most alpha.

    Parameters
    ----------
    log_e
        Natural logarithms of the e-processes, shape (n_looks, n_hypotheses), oldest first; NaN: no evidence.
    alpha
        In (0, 1).

    Returns
    -------
    FirstRejections
        In the order of the hypotheses.

    Notes
    -----
    With T_k the look of the first rejection of k, e_k(t) = E_k(min(t, T_k)) has expectation at most 1 at every stopping
    time t (T_k is one in the joint filtration), so e-BH on e(t) holds its promise: Wang and Ramdas (2022), False
    discovery rate control with e-values, JRSS B 84, 822-852, doi:10.1111/rssb.12489. Nested: each of R rejected values
    is at least K / (alpha R) and stays, so at least R are rejected at the next look, these among them. The use is ours.

    Examples
    --------
    Two hypotheses: 40 is needed first. The second look rejects the other at 2 / (2 alpha) = 20, since the first one
    stands with its 50, though its evidence has fallen.

    >>> found = first_rejections(np.log([[50.0, 1.0], [2.0, 25.0]]), alpha=0.05)
    >>> found.look.tolist(), np.exp(found.log_e).round(6).tolist(), found.limit.tolist()
    ([0, 1], [50.0, 25.0], [40.0, 20.0])
    """
    evidence = np.asarray(log_e, dtype=np.float64)
    size = evidence.shape[1]
    look = np.full(size, -1, dtype=np.int64)
    stopped, limit = np.full(size, np.nan), np.full(size, np.nan)
    for place, now in enumerate(evidence if size else ()):
        if not np.any((look < 0) & (now >= -np.log(alpha))):  # no rejection needs less than 1 / alpha
            continue
        seen = np.where(look >= 0, stopped, now)
        rejected = e_benjamini_hochberg(np.exp(np.minimum(seen, _LARGEST_LOG_E)), alpha=alpha).rejected
        new = rejected & (look < 0)
        look[new], stopped[new] = place, now[new]
        limit[new] = size / (alpha * max(int(rejected.sum()), 1))
    return FirstRejections(look, stopped, limit)
