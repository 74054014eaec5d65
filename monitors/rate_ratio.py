"""The ratio of two rates of events, looked at as often as one likes: e-values and intervals."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, expit, logsumexp

FloatArray = npt.NDArray[np.float64]

CONCENTRATION = 8.0
"""Both parameters of the beta mixture: alternatives within about half to double the baseline rate weigh most."""

_REACH = 700.0  # the largest |log ratio| whose exponential is still finite
_STEP = 0.5  # of the quadrature, in standard deviations of the integrand
_NODES = _STEP * np.arange(-20, 21)


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioInterval:
    """Ratios of rates and their intervals, elementwise.

    Parameters
    ----------
    ratio
        Current rate over baseline rate; infinite where only the baseline has no events, nan where neither has any.
    low, high
        Bounds of the ratio, in [0, inf].

    Examples
    --------
    >>> found = RatioInterval(ratio=np.array([2.0]), low=np.array([0.8]), high=np.array([5.0]))
    >>> bool(found.low[0] <= 1 <= found.high[0])
    True
    """

    ratio: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """Two counts and the ratio of their exposures, of one shape."""

    current: FloatArray
    baseline: FloatArray
    exposure: FloatArray

    def log_likelihood(self, log_ratio: npt.ArrayLike) -> FloatArray:
        """Return the log likelihood of the split, given its total, up to a constant free of the ratio."""
        logit = np.asarray(log_ratio, dtype=np.float64) + np.log(self.exposure)
        return np.asarray(self.current * logit - (self.current + self.baseline) * np.logaddexp(0.0, logit))

    def log_ratio(self) -> FloatArray:
        """Return the most likely log ratio, within the reach; 0 where there are no events."""
        with np.errstate(divide="ignore", invalid="ignore"):
            peak = np.log(self.current) - np.log(self.baseline) - np.log(self.exposure)
        return np.asarray(np.clip(np.nan_to_num(peak, nan=0.0), -_REACH, _REACH))


def log_e_value(
    current: npt.ArrayLike,
    baseline: npt.ArrayLike,
    *,
    current_exposure: npt.ArrayLike = 1.0,
    baseline_exposure: npt.ArrayLike = 1.0,
    ratio: npt.ArrayLike = 1.0,
) -> FloatArray:
    r"""Evidence against the hypothesis that the current rate is `ratio` times the baseline rate; larger is stronger.

    Given their total, the running counts A (current, exposure t_A) and B (baseline, t_B) split binomially with
    p_r = r t_A / (r t_A + t_B). The e-value compares that with a mixture of ratios s whose x = s / (1 + s) is
    Beta(a, a), a = 8:

    .. math:: e_r = \int p_s^A (1 - p_s)^B \pi(ds) \,/\, p_r^A (1 - p_r)^B

    which for equal exposures and r = 1 is Beta(a + A, a + B) / Beta(a, a) * 2^(A + B). The mixture is over the ratio,
    not over p, which moves from look to look where only one of the exposures grows.

    If the ratio is r, the chance that e_r *ever* reaches 1 / alpha is at most alpha. That is proved for events at
    constant rates (Poisson) where the two exposures grow in proportion, and where the baseline ended at a set number of
    events. For a baseline that ended at a set date it is approximate; in simulations (0.5 to 100 events a week, 8 to 52
    baseline weeks, 26 looks) the chance at alpha = .05 stayed below .02.

    Parameters
    ----------
    current, baseline
        Running totals of events, >= 0, any shapes that broadcast; not whole once divided by a dispersion.
    current_exposure, baseline_exposure
        What the totals accrued over (weeks, people, cases), > 0, in one unit.
    ratio
        The hypothetical ratio r, > 0.

    Returns
    -------
    ndarray
        log e_r in (-inf, inf), natural logarithm; 0 where there are no events.

    References
    ----------
    Robbins, Statistical methods related to the law of the iterated logarithm, 1970, doi:10.1214/aoms/1177696786;
    Howard, Ramdas, McAuliffe and Sekhon, Time-uniform, nonparametric, nonasymptotic confidence sequences, 2021,
    doi:10.1214/20-AOS1991. The form for unequal exposures is ours.

    Examples
    --------
    Fifteen against none: 2^15 Beta(23, 8) / Beta(8, 8) = 2^15 * (8 * 9 * ... * 22) / (16 * 17 * ... * 30).

    >>> round(float(np.exp(log_e_value(15, 0))), 2)
    36.03
    """
    counts = _counts(current, baseline, current_exposure, baseline_exposure)
    return np.asarray(_log_mixture(counts) - counts.log_likelihood(np.log(ratio)))


def log_e_outside(
    current: npt.ArrayLike,
    baseline: npt.ArrayLike,
    *,
    current_exposure: npt.ArrayLike = 1.0,
    baseline_exposure: npt.ArrayLike = 1.0,
    tolerance: float = 1.25,
) -> FloatArray:
    """Evidence that the ratio lies outside [1 / tolerance, tolerance]; larger is stronger.

    The smallest `log_e_value` over the ratios within the tolerance. It reaches log(limit) exactly when the whole
    interval of `ratio_interval` at that limit lies above the tolerance or below its inverse, since log e_r is convex in
    log r and smallest, and at most 0, at the observed ratio.

    Parameters
    ----------
    current, baseline, current_exposure, baseline_exposure
        As in `log_e_value`.
    tolerance
        w >= 1; 1 tests exact equality.

    Returns
    -------
    ndarray
        Natural logarithm of the e-value; 0 where there are no events.

    Raises
    ------
    ValueError
        If `tolerance` is below 1.

    Examples
    --------
    >>> [round(float(np.exp(log_e_outside(60, 20, tolerance=w)))) for w in (1.25, 3.0)]
    [45, 0]
    """
    if not tolerance >= 1:
        msg = f"tolerance must be at least 1; got {tolerance}; pass 1.25 to tolerate ratios from 0.8 to 1.25"
        raise ValueError(msg)
    counts = _counts(current, baseline, current_exposure, baseline_exposure)
    nearest = np.clip(counts.log_ratio(), -np.log(tolerance), np.log(tolerance))
    return np.asarray(_log_mixture(counts) - counts.log_likelihood(nearest))


def ratio_interval(
    current: npt.ArrayLike,
    baseline: npt.ArrayLike,
    *,
    current_exposure: npt.ArrayLike = 1.0,
    baseline_exposure: npt.ArrayLike = 1.0,
    limit: float = 20.0,
) -> RatioInterval:
    """All ratios r whose e-value is below the limit: an interval that may be looked at every week.

    {r : e_r < limit} holds the true ratio at *all* looks together with probability at least 1 - 1 / limit, under the
    assumptions of `log_e_value`. Its ends are found by bisection of log r.

    Parameters
    ----------
    current, baseline, current_exposure, baseline_exposure
        As in `log_e_value`.
    limit
        1 / alpha, > 1: 20 for 95 %.

    Returns
    -------
    RatioInterval
        `low` is 0 where there are no current events, `high` infinite where there are none in the baseline.

    Examples
    --------
    >>> found = ratio_interval(60, 20)
    >>> float(found.ratio), round(float(found.low), 3), round(float(found.high), 3)
    (3.0, 1.32, 7.753)
    """
    counts = _counts(current, baseline, current_exposure, baseline_exposure)
    floor = _log_mixture(counts) - np.log(limit)
    peak = counts.log_ratio()
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = counts.current / counts.baseline / counts.exposure
    low = _bisect(lambda log_ratio: counts.log_likelihood(log_ratio) <= floor, np.full_like(peak, -_REACH), peak)
    high = _bisect(lambda log_ratio: counts.log_likelihood(log_ratio) > floor, peak, np.full_like(peak, _REACH))
    return RatioInterval(
        ratio=ratio,
        low=np.where(counts.current > 0, np.exp(low), 0.0),
        high=np.where(counts.baseline > 0, np.exp(high), np.inf),
    )


def _counts(
    current: npt.ArrayLike, baseline: npt.ArrayLike, current_exposure: npt.ArrayLike, baseline_exposure: npt.ArrayLike
) -> _Counts:
    given = (current, baseline, current_exposure, baseline_exposure)
    arrays = np.broadcast_arrays(*(np.asarray(numbers, dtype=np.float64) for numbers in given))
    return _Counts(current=arrays[0], baseline=arrays[1], exposure=arrays[2] / arrays[3])


def _log_mixture(counts: _Counts) -> FloatArray:
    """Return the log of the likelihood averaged over the beta mixture of ratios.

    The trapezoidal rule in the log ratio, centred on the mode of the integrand, which is log-concave and analytic.
    Against a grid five times as fine log e is right to 1e-8 for exposures within a factor of 1,000 of each other and
    counts up to a million, and to 1e-5 within 10,000.
    """
    deep = _Counts(
        current=counts.current[..., None], baseline=counts.baseline[..., None], exposure=counts.exposure[..., None]
    )
    mode = _mode(deep)
    prior, split = expit(mode), expit(mode + np.log(deep.exposure))
    total = deep.current + deep.baseline
    spread = 1.0 / np.sqrt(2.0 * CONCENTRATION * prior * (1.0 - prior) + total * split * (1.0 - split))
    nodes = mode + spread * _NODES
    log_prior = CONCENTRATION * (nodes - 2.0 * np.logaddexp(0.0, nodes)) - betaln(CONCENTRATION, CONCENTRATION)
    log_terms = log_prior + deep.log_likelihood(nodes)
    return np.asarray(logsumexp(log_terms, axis=-1) + np.log(_STEP * spread[..., 0]))


def _mode(counts: _Counts) -> FloatArray:
    """Return where the integrand of the mixture is largest.

    It lies between log((A + a) / (B + a)) and the same less the log of the exposures; the derivative has opposite signs
    at the two.
    """
    pooled = np.log((counts.current + CONCENTRATION) / (counts.baseline + CONCENTRATION))
    shifted = pooled - np.log(counts.exposure)
    total = counts.current + counts.baseline

    def rises(log_ratio: FloatArray) -> npt.NDArray[np.bool_]:
        of_prior = CONCENTRATION * (1.0 - 2.0 * expit(log_ratio))
        return np.asarray(of_prior + counts.current - total * expit(log_ratio + np.log(counts.exposure)) > 0)

    return _bisect(rises, np.minimum(pooled, shifted), np.maximum(pooled, shifted), steps=20)


def _bisect(
    is_left: Callable[[FloatArray], npt.NDArray[np.bool_]], left: FloatArray, right: FloatArray, *, steps: int = 64
) -> FloatArray:
    """Return where `is_left` turns from true to false between `left` and `right`, elementwise."""
    for _ in range(steps):
        middle = (left + right) / 2.0
        below = is_left(middle)
        left, right = np.where(below, middle, left), np.where(below, right, middle)
    return np.asarray((left + right) / 2.0)
