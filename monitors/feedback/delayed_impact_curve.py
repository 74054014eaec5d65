"""What accepting ever more of a group does to it: the outcome curve, from the expected change at each score."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitors.feedback.moment_sums import Floats


class OutcomeCurve(NamedTuple):
    """Mean change of a group as ever more of it are accepted, the highest scores first.

    Examples
    --------
    >>> curve = outcome_curve([1, 1], [-30.0, 10.0])
    >>> curve.rate.tolist(), curve.impact.tolist()
    ([0.0, 0.5, 1.0], [0.0, 5.0, -10.0])
    """

    rate: Floats
    """Share of the group that is accepted, increasing from 0 to 1."""

    impact: Floats
    """Mean change per member of the group; those not accepted do not change."""

    best_rate: float
    """Where the change is largest."""

    best_impact: float
    harm_rate: float
    """Beyond it the group is worse off than with nobody accepted (active harm); NaN where that never comes."""


def outcome_curve(counts: npt.ArrayLike, change: npt.ArrayLike) -> OutcomeCurve:
    r"""Return the outcome curve of a group.

    Parameters
    ----------
    counts
        Members by score, increasing scores, shape (n_scores,), >= 0; shares will do.
    change
        Expected change of the state of one of them if accepted, shape (n_scores,): of a loan that is repaid with
        chance p, p gain + (1 - p) loss.

    Raises
    ------
    ValueError
        If shapes differ, or counts are negative or all 0.

    Notes
    -----
    :math:`\Delta\mu(\beta) = \sum_{x \ge \tau} n(x) \Delta(x) / N` at the threshold tau that accepts the share beta;
    straight in between, where a part of the members of one score is accepted. L. T. Liu, S. Dean, E. Rolf, M.
    Simchowitz & M. Hardt (2018), Delayed impact of fair machine learning, arXiv:1803.04383.

    Examples
    --------
    Half gain 10, half lose 30: best is to accept a half, and harm begins at two thirds (5 points less 15).

    >>> curve = outcome_curve([1, 1], [-30.0, 10.0])
    >>> curve.best_rate, curve.best_impact, round(curve.harm_rate, 4)
    (0.5, 5.0, 0.6667)
    """
    n, delta = np.asarray(counts, dtype=np.float64), np.asarray(change, dtype=np.float64)
    if n.shape != delta.shape or n.ndim != 1 or np.any(n < 0) or not n.sum() > 0:
        msg = f"expected counts >= 0, not all 0, and a change for each; got shapes {n.shape} and {delta.shape}"
        raise ValueError(msg)
    share = n[::-1] / n.sum()
    rate = np.concatenate([[0.0], np.cumsum(share)])
    impact = np.concatenate([[0.0], np.cumsum(share * delta[::-1])])
    best = int(np.argmax(impact))
    return OutcomeCurve(rate, impact, float(rate[best]), float(impact[best]), _crossing(rate, impact))


def _crossing(rate: Floats, impact: Floats) -> float:
    """Return the share beyond which the change is below 0 for good: where it last falls through 0."""
    below = impact < 0
    if not below[-1]:
        return float("nan")
    last = int(np.flatnonzero(~below)[-1])
    fall = impact[last] - impact[last + 1]
    return float(rate[last] + (rate[last + 1] - rate[last]) * impact[last] / fall)
