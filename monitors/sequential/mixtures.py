"""Boundaries that a sum crosses at any time only rarely, and the confidence sequences of a rate that they give."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, xlog1py, xlogy

from audit.inference.intervals import FloatArray, Interval

_STEPS = 60  # of the bisection: the bounds are right to the last digits


def normal_mixture_rho(intrinsic_time: float, *, alpha: float = 0.05) -> float:
    r"""Return the rho with which the two-sided normal mixture is nearly narrowest at one intrinsic time.

    Parameters
    ----------
    intrinsic_time
        Variance process v > 0 at which the boundary shall be narrow: rows times variance.
    alpha
        Chance of ever crossing, in (0, 1).

    Notes
    -----
    rho = v / (2 ln(1 / alpha) + ln(1 + 2 ln(1 / alpha))), Howard, Ramdas, McAuliffe and Sekhon (2021), Time-uniform,
    nonparametric, nonasymptotic confidence sequences, Annals of Statistics 49, 1055-1080, doi:10.1214/20-AOS1991.

    Examples
    --------
    >>> round(normal_mixture_rho(100.0), 5)
    12.60056
    """
    logs = 2.0 * np.log(1.0 / alpha)
    return float(intrinsic_time / (logs + np.log1p(logs)))


def log_normal_mixture(total: npt.ArrayLike, intrinsic_time: npt.ArrayLike, *, rho: float) -> FloatArray:
    r"""Return the logarithm of the two-sided normal mixture, an e-process of a sum with mean 0; larger is stronger.

    Parameters
    ----------
    total
        Sum s of the centred observations so far.
    intrinsic_time
        Variance process v >= 0 of the sum: the sum is v-sub-Gaussian.
    rho
        Precision of the mixture, > 0 (`normal_mixture_rho`).

    Notes
    -----
    ln m(s, v) = ln(rho / (v + rho)) / 2 + s^2 / (2 (v + rho)), as `normal_mixture_rho` (proposition 5 there). The
    chance that m ever reaches 1 / alpha is at most alpha.

    Examples
    --------
    >>> round(float(log_normal_mixture(10.0, 100.0, rho=normal_mixture_rho(100.0))), 7)
    -0.6510052
    """
    s, v = np.asarray(total, dtype=np.float64), np.asarray(intrinsic_time, dtype=np.float64)
    return np.asarray(0.5 * np.log(rho / (v + rho)) + s**2 / (2.0 * (v + rho)))


def normal_mixture_bound(intrinsic_time: npt.ArrayLike, *, rho: float, alpha: float = 0.05) -> FloatArray:
    r"""Return the |sum| that `log_normal_mixture` allows: crossed at any time with probability at most alpha.

    Notes
    -----
    sqrt((v + rho) (ln(1 + v / rho) + 2 ln(1 / alpha))), where the mixture equals 1 / alpha.

    Examples
    --------
    >>> round(float(normal_mixture_bound(100.0, rho=normal_mixture_rho(100.0))), 5)
    30.35209
    """
    v = np.asarray(intrinsic_time, dtype=np.float64)
    return np.asarray(np.sqrt((v + rho) * (np.log1p(v / rho) + 2.0 * np.log(1.0 / alpha))))


def bernoulli_sequence(
    successes: npt.ArrayLike, trials: npt.ArrayLike, *, alpha: float = 0.05, narrow_at: float = 1000.0
) -> Interval:
    r"""Return the confidence sequence of a rate that is nearly narrowest after a number of trials that one names.

    All intervals, at however many looks, hold the rate together with probability at least 1 - alpha.

    Parameters
    ----------
    successes, trials
        Running totals, 0 <= successes <= trials, any shapes that broadcast. For losses in [0, 1] pass their sum.
    alpha
        Chance that any of the intervals misses the rate, in (0, 1).
    narrow_at
        Number of trials at which it shall be narrow.

    Returns
    -------
    Interval
        In [0, 1]; [0, 1] where there are no trials.

    Notes
    -----
    The rates p at which the beta mixture int q^S (1 - q)^F Beta(r / (1 - p), r / p)(dq) / (p^S (1 - p)^F) is below
    1 / alpha, with r = max(rho - p (1 - p), p (1 - p) / 1000) and rho of `normal_mixture_rho` at the intrinsic time
    narrow_at p (1 - p) and the level .05: the two-sided beta-binomial boundary of Howard et al. (2021), proposition 7,
    tuned as their software tunes it. For sums of losses in [0, 1] it holds too: the mixture is convex in the loss.

    Examples
    --------
    >>> found = bernoulli_sequence(700, 1000, narrow_at=100)
    >>> round(float(found.low), 5), round(float(found.high), 5)
    (0.65163, 0.74595)
    """
    scale = normal_mixture_rho(narrow_at)

    def log_mixture(p: FloatArray, s: FloatArray, f: FloatArray) -> FloatArray:
        variance = p * (1.0 - p)
        r = np.maximum(scale * variance - variance, variance / 1000.0)
        prior, other = r / (1.0 - p), r / p
        return np.asarray(betaln(prior + s, other + f) - betaln(prior, other) - xlogy(s, p) - xlog1py(f, -p))

    return _inverted(log_mixture, successes, trials, alpha)


def beta_mixture_sequence(
    successes: npt.ArrayLike, trials: npt.ArrayLike, *, alpha: float = 0.05, prior: tuple[float, float] = (1.0, 1.0)
) -> Interval:
    r"""Return the confidence sequence of a rate from one beta mixture; with Beta(1, 1) nothing has to be chosen.

    Parameters
    ----------
    successes, trials, alpha
        As in `bernoulli_sequence`.
    prior
        The two parameters of the beta mixture, > 0.

    Notes
    -----
    The rates p with B(a + S, b + F) / (B(a, b) p^S (1 - p)^F) < 1 / alpha: Robbins (1970), doi:10.1214/aoms/1177696786.

    Examples
    --------
    >>> found = beta_mixture_sequence(100, 1000)
    >>> round(float(found.low), 5), round(float(found.high), 5)
    (0.06878, 0.13837)
    """
    a, b = prior

    def log_mixture(p: FloatArray, s: FloatArray, f: FloatArray) -> FloatArray:
        return np.asarray(betaln(a + s, b + f) - betaln(a, b) - xlogy(s, p) - xlog1py(f, -p))

    return _inverted(log_mixture, successes, trials, alpha)


def _inverted(
    log_mixture: Callable[[FloatArray, FloatArray, FloatArray], FloatArray],
    successes: npt.ArrayLike,
    trials: npt.ArrayLike,
    alpha: float,
) -> Interval:
    """Return the ends of {p : mixture < 1 / alpha}, by bisection on either side of the observed rate."""
    s, n = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64))
    if np.any((s < 0) | (s > n)):
        msg = "successes must lie between 0 and trials; pass running totals"
        raise ValueError(msg)
    observed = np.clip(s / np.maximum(n, 1e-300), 1e-12, 1.0 - 1e-12)
    ends = []
    for outside in (0.0, 1.0):
        out, within = np.full_like(observed, outside), observed
        for _ in range(_STEPS):
            middle = np.clip((out + within) / 2.0, 1e-15, 1.0 - 1e-15)
            rejected = log_mixture(middle, s, n - s) >= np.log(1.0 / alpha)
            out, within = np.where(rejected, middle, out), np.where(rejected, within, middle)
        ends.append(out)
    return Interval(np.where(s > 0, ends[0], 0.0), np.where(s < n, ends[1], 1.0))
