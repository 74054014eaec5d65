"""From an estimate and its standard error to evidence that the truth lies beyond a limit."""

from math import exp, isfinite, sqrt
from typing import Literal

from scipy.special import log_ndtr

_WIDTH = 3.0
"""Width of the mixture in standard errors: evidence of 20 needs an estimate 2.8 of them beyond the limit."""

_LARGEST = 700.0  # exp of more overflows


def normal_e_value(
    estimate: float, standard_error: float, *, limit: float, side: Literal["above", "below"] = "above"
) -> float:
    r"""Return evidence that the truth lies beyond a limit, at least 0; its expectation is at most 1 while it does not.

    Parameters
    ----------
    estimate
        Normal about the truth, at least nearly.
    standard_error
        Its standard deviation, > 0.
    limit
        What is still tolerated.
    side
        On which side of the limit it would matter.

    Returns
    -------
    float
        0 where the standard error is 0 or not finite: such an estimate is no evidence.

    Notes
    -----
    The likelihood ratio of truths beyond the limit, mixed over a half-normal density of width tau = 3 standard errors,
    against the limit itself, with z = (estimate - limit) / standard error:
    e = 2 / sqrt(1 + tau^2) exp(tau^2 z^2 / (2 (1 + tau^2))) Phi(tau z / sqrt(1 + tau^2)). It rises with z, so that no
    truth within the limit has a larger expectation. Mixtures of likelihood ratios: H. Robbins (1970), Statistical
    methods related to the law of the iterated logarithm, doi:10.1214/aoms/1177696786.

    Examples
    --------
    >>> round(normal_e_value(2.0, 0.5, limit=0.6), 2), round(normal_e_value(0.6, 0.5, limit=0.6), 2)
    (21.45, 0.32)
    """
    if not (isfinite(standard_error) and standard_error > 0 and isfinite(estimate)):
        return 0.0
    z = (estimate - limit) / standard_error * (1.0 if side == "above" else -1.0)
    spread = 1.0 + _WIDTH**2
    log_value = _WIDTH**2 * z * z / (2.0 * spread) + float(log_ndtr(_WIDTH * z / sqrt(spread)))
    return 2.0 / sqrt(spread) * exp(min(log_value, _LARGEST))
