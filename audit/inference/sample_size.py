"""How small a difference some rows can decide, and how many rows a decision needs: between groups, and in pairs.

All are for a two-sided interval at `level` that excludes a limit with some `power`, where the true difference lies that
far from the limit: the distance is (z + z_b) standard errors, z and z_b the quantiles of 1 - (1 - level) / (2 m) and of
the power. The plug-in rule, z standard errors, decides every second time only. Source: J. M. Lachin (1981),
Introduction to sample size determination and power analysis for clinical trials, Controlled Clinical Trials 2, 93-113,
doi:10.1016/0197-2456(81)90001-5. Rows are those of the metric's denominator: positives, for a false negative rate.
"""

from dataclasses import dataclass
from math import ceil, inf, isfinite, sqrt

from scipy.special import ndtri

from audit.errors import raise_violations

POWER = 0.8
_HALVINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Certainty:
    """How sure a decision is to be.

    Parameters
    ----------
    level
        Confidence level of the interval, in (0, 1).
    power
        The chance to decide, in (0, 1).
    comparisons
        How many decisions must hold together (Bonferroni).

    Examples
    --------
    1.960 + 0.842 standard errors:

    >>> round(Certainty().distance(1, 1), 3)
    2.802
    """

    level: float = 0.95
    power: float = POWER
    comparisons: int = 1

    def distance(self, under_limit: float, truly: float) -> float:
        """Return z and z_b times the standard deviation of a row under the limit, and under the truth, together."""
        z = ndtri(1 - (1 - self.level) / (2 * self.comparisons))
        return float(z * under_limit + ndtri(self.power) * truly)


SURE = Certainty()


def detectable_gap(n1: float, n2: float, *, rate: float, certainty: Certainty = SURE) -> float:
    """Return how far from a limit the gap of two groups must lie to be decided, as a fraction in (0, inf).

    Parameters
    ----------
    n1, n2
        Rows of either group in the denominator.
    rate
        The rate that both have about.
    certainty
        How sure the decision is to be.

    Raises
    ------
    InputError
        If a number lies outside its range.

    Examples
    --------
    (1.960 + 0.842) sqrt(2 x 0.5 x 0.5 / 100).

    >>> round(detectable_gap(100, 100, rate=0.5), 4)
    0.1981
    """
    _check({"n1": n1, "n2": n2}, {"rate": rate}, certainty)
    return certainty.distance(1, 1) * sqrt(rate * (1 - rate) * (1 / n1 + 1 / n2))


def rows_for_gap(gap: float, *, rate: float, share: float = 0.5, certainty: Certainty = SURE) -> tuple[int, int]:
    """Return how many rows each of two groups needs to decide a gap that lies so far from its limit.

    Parameters
    ----------
    gap
        Distance of the gap from its limit, in (0, 1).
    rate
        The rate that both have about.
    share
        Share of the rows that are of the first group.
    certainty
        How sure the decision is to be.

    Raises
    ------
    InputError
        If a number lies outside its range.

    Examples
    --------
    >>> rows_for_gap(0.05, rate=0.5)
    (1570, 1570)
    >>> rows_for_gap(0.05, rate=0.5, share=0.1)
    (873, 7849)
    """
    _check({}, {"gap": gap, "rate": rate, "share": share}, certainty)
    per_row = rate * (1 - rate) * (1 / share + 1 / (1 - share))
    total = per_row * (certainty.distance(1, 1) / gap) ** 2
    return _up(total * share), _up(total * (1 - share))


def detectable_change(n: float, *, discordant: float, certainty: Certainty = SURE) -> float:
    """Return how far from 0 the limit of a change must lie to be kept by equal models, as a fraction in (0, 1].

    Parameters
    ----------
    n
        Rows in the denominator.
    discordant
        Share of them that count under one model only, in (0, 1): what both models agree on costs nothing.
    certainty
        How sure the decision is to be.

    Raises
    ------
    InputError
        If a number lies outside its range.

    Examples
    --------
    Models that differ on 5 % of 1,000 rows; (1.960 + 0.842) sqrt(0.05 / 1000) = 0.0198 would leave out that rows are
    the more discordant the farther from 0 a limit lies.

    >>> round(detectable_change(1000, discordant=0.05), 4)
    0.0207
    """
    _check({"n": n}, {"discordant": discordant}, certainty)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        enough = n * middle**2 >= _paired_distance(middle, discordant, certainty) ** 2
        low, high = (low, middle) if enough else (middle, high)
    return high


def rows_for_change(change: float, *, discordant: float, certainty: Certainty = SURE) -> int:
    """Return how many rows show that equal models keep a limit of change.

    Parameters
    ----------
    change
        The limit, in (0, 1).
    discordant
        Share of the rows that count under one model only, in (0, 1).
    certainty
        How sure the decision is to be.

    Raises
    ------
    InputError
        If a number lies outside its range.

    Notes
    -----
    n = ((z s_L + z_b s_0) / L)^2 with s_0^2 the share of discordant rows and s_L^2 = 2 q + L (1 - L) the variance under
    the limit L that Tango's interval looks at (`audit.inference.paired_intervals.tango`).

    Examples
    --------
    Two separate samples at a rate of 0.5 would need 1,570 rows each.

    >>> rows_for_change(0.05, discordant=0.05)
    215
    """
    _check({}, {"change": change, "discordant": discordant}, certainty)
    return _up((_paired_distance(change, discordant, certainty) / change) ** 2)


def _paired_distance(limit: float, discordant: float, certainty: Certainty) -> float:
    """Return z s_L + z_b s_0: see `rows_for_change`."""
    linear = 2 * limit - discordant
    lost = (sqrt(linear**2 + 4 * discordant * limit * (1 - limit)) - linear) / 4
    under_limit = 2 * lost + limit * (1 - limit)
    return certainty.distance(sqrt(under_limit), sqrt(discordant))


def _up(rows: float) -> int:
    return ceil(rows - 1e-9)


def _check(sizes: dict[str, float], shares: dict[str, float], certainty: Certainty) -> None:
    shares = {**shares, "level": certainty.level, "power": certainty.power}
    violations = [f"{name} must be a number of rows above 0; got {n}" for name, n in sizes.items() if not 0 < n < inf]
    violations += [
        f"{name} must lie in (0, 1); got {share}"
        for name, share in shares.items()
        if not (isfinite(share) and 0 < share < 1)
    ]
    if certainty.comparisons < 1:
        violations.append(f"comparisons must be at least 1; got {certainty.comparisons}")
    raise_violations(violations)
