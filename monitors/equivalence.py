"""Whether two rates of events were shown to be alike, at one look that was planned."""

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from monitors.rate_ratio import RatioInterval


def equivalence_interval(
    current: npt.ArrayLike,
    baseline: npt.ArrayLike,
    *,
    current_exposure: npt.ArrayLike = 1.0,
    baseline_exposure: npt.ArrayLike = 1.0,
    level: float = 0.90,
) -> RatioInterval:
    """Return the exact interval of the ratio of two rates for *one* look; for repeated looks use `ratio_interval`.

    The Clopper-Pearson bounds of p = A / (A + B), given the total A + B, as p / (1 - p) * t_B / t_A. Two one-sided
    tests at 5 % each conclude that the ratio lies inside (1/2, 2) when the 90 % interval does.

    Parameters
    ----------
    current, baseline
        Poisson-like counts, whole, >= 0, any shapes that broadcast.
    current_exposure, baseline_exposure
        What the counts accrued over, > 0, in one unit.
    level
        Two-sided confidence level in (0, 1).

    Returns
    -------
    RatioInterval
        `low` is 0 where there are no current events, `high` infinite where there are none in the baseline.

    References
    ----------
    Clopper and Pearson, The use of confidence or fiducial limits illustrated in the case of the binomial, 1934,
    doi:10.1093/biomet/26.4.404.

    Examples
    --------
    Of five events all are current: p >= .05^(1/5) = .5493, a ratio of at least .5493 / .4507.

    >>> found = equivalence_interval(5, 0)
    >>> round(float(found.low), 3), float(found.high)
    (1.219, inf)
    """
    count, reference = np.asarray(current, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    per_odds = np.asarray(baseline_exposure, dtype=np.float64) / np.asarray(current_exposure, dtype=np.float64)
    tail = (1.0 - level) / 2.0
    # a beta with a zero parameter is no distribution: a stand-in keeps the call defined, np.where discards it
    low = betaincinv(np.where(count > 0, count, 1.0), reference + 1.0, tail)
    high = betaincinv(count + 1.0, np.where(reference > 0, reference, 1.0), 1.0 - tail)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = count / reference * per_odds
    return RatioInterval(
        ratio=ratio,
        low=np.where(count > 0, low / (1.0 - low) * per_odds, 0.0),
        high=np.where(reference > 0, high / (1.0 - high) * per_odds, np.inf),
    )
