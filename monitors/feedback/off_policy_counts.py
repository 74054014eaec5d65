"""What a policy would have brought, from sums over decisions that were made with known chances."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from monitors.feedback.moment_estimates import Estimate, estimate
from monitors.feedback.moment_sums import Moments, moments_of

MOMENTS = ("one", "weight", "weighted", "outcome", "squared")
"""Sums of 1, w, w y, y and w^2, with w = 1[action = policy] / propensity."""

Totals = npt.NDArray[Any]


def _value(total: Totals) -> Any:  # noqa: ANN401 - a number, complex where it is differentiated
    return total[2] / total[1]


def _inverse(total: Totals) -> Any:  # noqa: ANN401 - as _value
    return total[2] / total[0]


def _gain(total: Totals) -> Any:  # noqa: ANN401 - as _value
    return total[2] / total[1] - total[3] / total[0]


def _mean_weight(total: Totals) -> Any:  # noqa: ANN401 - as _value
    return total[1] / total[0]


class OffPolicy(NamedTuple):
    """Estimates of what a policy would have brought.

    Examples
    --------
    >>> off_policy([1, 0, 1, 1], [1, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], [2.0, 1.0, 3.0, 4.0]).value.value
    3.0
    """

    value: Estimate
    """Self-normalised: sum w y / sum w."""

    inverse: Estimate
    """By plain inverse propensity: sum w y / n."""

    gain: Estimate
    """Value less the mean outcome of what was done."""

    weight: Estimate
    """The mean weight, which is 1 but for chance where the chances are right."""

    share: float
    """Effective sample size (sum w)^2 / sum w^2 over the number of rows."""


def off_policy(
    policy: npt.ArrayLike,
    action: npt.ArrayLike,
    propensity: npt.ArrayLike,
    outcome: npt.ArrayLike,
    *,
    unit: npt.ArrayLike | None = None,
) -> OffPolicy:
    r"""Return what a policy would have brought, from actions that were taken with known chances.

    Parameters
    ----------
    policy, action
        What the policy would do, and what was done: 1 or 0, shape (n_rows,).
    propensity
        The chance of the action that was taken, in (0, 1], shape (n_rows,).
    outcome
        Shape (n_rows,).
    unit
        Which rows depend on each other, shape (n_rows,).

    Notes
    -----
    w = 1[action = policy] / propensity. Inverse propensity: D. G. Horvitz & D. J. Thompson (1952),
    doi:10.1080/01621459.1952.10483446; self-normalised: A. Swaminathan & T. Joachims (2015), The self-normalized
    estimator for counterfactual learning, NeurIPS; effective sample size: L. Kish (1965), Survey sampling. Errors by
    linearisation.

    Examples
    --------
    Two of four rows did what the policy would do: 2 and 4, on average 3, where all four brought 2.5.

    >>> found = off_policy([1, 0, 1, 1], [1, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], [2.0, 1.0, 3.0, 4.0])
    >>> found.value.value, found.inverse.value, found.gain.value, found.share
    (3.0, 3.0, 0.5, 0.5)
    """
    y = np.asarray(outcome, dtype=np.float64)
    same = np.asarray(policy, dtype=np.float64) == np.asarray(action, dtype=np.float64)
    weight = np.where(same, 1.0 / np.asarray(propensity, dtype=np.float64), 0.0)
    return off_policy_of(moments_of(np.column_stack([np.ones_like(y), weight, weight * y, y, weight**2]), unit))


def off_policy_of(moments: Moments) -> OffPolicy:
    """Return the estimates of moments of `MOMENTS`: 1, w, w y, y and w^2.

    Examples
    --------
    >>> off_policy_of(moments_of([[1.0, 2.0, 4.0, 2.0, 4.0], [1.0, 0.0, 0.0, 5.0, 0.0]])).value.value
    2.0
    """
    total = moments.total
    with np.errstate(divide="ignore", invalid="ignore"):
        share = float(np.divide(total[1] ** 2, total[4] * total[0]))
    return OffPolicy(
        estimate(moments, _value),
        estimate(moments, _inverse),
        estimate(moments, _gain),
        estimate(moments, _mean_weight),
        share,
    )
