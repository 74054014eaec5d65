"""How much chance a team must let into its decisions, and for how long, until a loop can be measured."""

from dataclasses import dataclass
from math import ceil, inf, sqrt

from audit.errors import InputError, raise_violations
from audit.inference.intervals import student
from audit.inference.sample_size import SURE, Certainty

LARGEST_DITHER = 1.0
"""Standard deviation of a dither beyond which single places would get several times their planned attention."""

_MARGIN = 1.1
_HALVINGS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class GainPlan:
    """An experiment with a random dither of attention.

    Parameters
    ----------
    places
        How many places get a dither of their own, at least 6.
    weekly_count
        What one place feeds back to training in a week, on average, > 0.
    dispersion
        Variance of such a count by its mean, > 0; 1 = Poisson, 2 and more where weeks or places scatter by themselves.
    level
        Confidence level of the interval, in (0, 1).

    Raises
    ------
    InputError
        If a number lies outside its range: all at once.

    Examples
    --------
    >>> plan = GainPlan(places=20, weekly_count=5.0)
    >>> round(plan.half_width(dither=0.3, weeks=26), 3), round(plan.half_width(dither=0.3, weeks=52), 3)
    (0.154, 0.109)
    """

    places: int
    weekly_count: float
    dispersion: float = 1.0
    level: float = 0.95

    def __post_init__(self) -> None:
        found = [
            f"{name} must be a positive number; got {value}"
            for name, value in (("weekly_count", self.weekly_count), ("dispersion", self.dispersion))
            if not 0 < value < inf
        ]
        if self.places < 6:
            found.append(f"places must be at least 6, for an interval clustered by place; got {self.places}")
        if not 0 < self.level < 1:
            found.append(f"level must lie in (0, 1); got {self.level}")
        raise_violations(found)

    def standard_error(self, *, dither: float, weeks: float) -> float:
        r"""Return the standard error that the loop gain will have.

        Parameters
        ----------
        dither
            Standard deviation of the random shift of the logarithm of attention, > 0.
        weeks
            How long it runs, > 0, drawn anew each week.

        Notes
        -----
        :math:`1.1 \sqrt{\phi / (m \sigma^2 (P - 1) T)}`: the information of a Poisson count of mean m about the effect
        of a regressor of variance sigma^2 is m sigma^2; one place in P is lost to the effect of the week. A tenth is
        added for the plan and the past, which are estimated, too, and for attention that concentrates.

        Examples
        --------
        1.1 / sqrt(5 x .09 x 19 x 26):

        >>> round(GainPlan(places=20, weekly_count=5.0).standard_error(dither=0.3, weeks=26), 4)
        0.0738
        """
        _positive(dither=dither, weeks=weeks)
        information = self.weekly_count * dither**2 * (self.places - 1) * weeks
        return _MARGIN * sqrt(self.dispersion / information)

    def half_width(self, *, dither: float, weeks: float) -> float:
        """Return half the width of the interval, by Student's t with places - 1 degrees of freedom."""
        return self._critical() * self.standard_error(dither=dither, weeks=weeks)

    def weeks_for(self, half_width: float, *, dither: float) -> int:
        """Return after how many weeks the interval is that narrow.

        Examples
        --------
        >>> GainPlan(places=20, weekly_count=5.0).weeks_for(0.15, dither=0.3)
        28
        """
        _positive(half_width=half_width, dither=dither)
        return ceil((self._critical() * self.standard_error(dither=dither, weeks=1) / half_width) ** 2)

    def dither_for(self, half_width: float, *, weeks: float) -> float | None:
        """Return how much dither makes the interval that narrow in that time; None where more than 1 would be needed.

        Examples
        --------
        >>> plan = GainPlan(places=20, weekly_count=5.0)
        >>> round(plan.dither_for(0.15, weeks=26), 3), plan.dither_for(0.01, weeks=1)
        (0.309, None)
        """
        _positive(half_width=half_width, weeks=weeks)
        needed = self._critical() * self.standard_error(dither=1, weeks=weeks) / half_width
        return needed if needed <= LARGEST_DITHER else None

    def _critical(self) -> float:
        return float(student(self.level, df=self.places - 1))


def holdout_rows(
    gap: float, *, closed_rows: float = inf, spread: float = 0.5, certainty: Certainty = SURE
) -> int | None:
    r"""Return how many rows must be held out so that a self-agreement gap of a given size is seen.

    Parameters
    ----------
    gap
        How much better the model looks on data that it influenced, such as .1 of accuracy, > 0.
    closed_rows
        Rows of such data; inf = more than matter.
    spread
        Standard deviation of what one row says: at most .5 where it is right or wrong.
    certainty
        Level and power: by default an interval of 95 % that leaves 0 out in four of five times.

    Returns
    -------
    int or None
        None where the closed rows are too few for any hold-out to suffice.

    Notes
    -----
    :math:`d^2 s^2 (1 / n_h + 1 / n_c) \le g^2` with d = 1.96 + 0.84. J. M. Lachin (1981),
    doi:10.1016/0197-2456(81)90001-5.

    Examples
    --------
    (2.802 x .5 / .1)^2 = 196.2; with 400 closed rows 1 / (1 / 196.2 - 1 / 400) = 385.1.

    >>> holdout_rows(0.1), holdout_rows(0.1, closed_rows=400), holdout_rows(0.1, closed_rows=100)
    (197, 386, None)
    """
    _positive(gap=gap, closed_rows=closed_rows, spread=spread)
    left = (gap / certainty.distance(spread, spread)) ** 2 - 1 / closed_rows
    return ceil(1 / left) if left > 0 else None


def effective_share(exploration: float, *, actions: int, disagreement: float) -> float:
    r"""Return which share of the logged rows an off-policy estimate is worth: its effective sample size by n.

    Parameters
    ----------
    exploration
        Share of decisions that are drawn evenly from all actions, in (0, 1].
    actions
        How many there are, at least 2.
    disagreement
        Share of cases in which the policy to be valued acts otherwise than the logging one, in [0, 1].

    Notes
    -----
    The new policy's action has the propensity :math:`1 - e + e/k` where both agree and :math:`e/k` elsewhere, so that
    :math:`(\sum w)^2 / (n \sum w^2) \to 1 / ((1 - d) / (1 - e + e / k) + d k / e)`. L. Kish (1965), Survey Sampling.

    Examples
    --------
    Half explored among two actions, one case in four decided otherwise: 1 / (.75 / .75 + .25 x 4).

    >>> effective_share(0.5, actions=2, disagreement=0.25)
    0.5
    """
    _check_exploration(exploration, actions, disagreement)
    agreeing = (1 - disagreement) / (1 - exploration + exploration / actions)
    return 1 / (agreeing + disagreement * actions / exploration)


def exploration_for(share: float, *, actions: int, disagreement: float) -> float | None:
    """Return the smallest exploration that makes logged rows worth a given share; None where none does.

    Parameters
    ----------
    share
        Effective sample size by n, in (0, 1).
    actions, disagreement
        As in `effective_share`; disagreement > 0.

    Examples
    --------
    >>> round(exploration_for(0.5, actions=2, disagreement=0.25), 6)
    0.5
    >>> exploration_for(0.9, actions=10, disagreement=0.5) is None
    True
    """
    _check_exploration(share, actions, disagreement)
    if disagreement == 0:
        return 0.0
    other = 1 - 1 / actions
    root = sqrt(disagreement * actions)
    best = min(root / (sqrt((1 - disagreement) * other) + other * root), 1.0)
    if effective_share(best, actions=actions, disagreement=disagreement) < share:
        return None
    low, high = 0.0, best
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        enough = effective_share(middle, actions=actions, disagreement=disagreement) >= share
        low, high = (low, middle) if enough else (middle, high)
    return high


def audit_share(coverage: float, *, target: float) -> float:
    """Return which share of the unobserved rows must be observed by chance until a target coverage is reached.

    Parameters
    ----------
    coverage
        Share of outcomes that become known by themselves, in [0, 1).
    target
        The share that is wanted, in (0, 1]; 1 - target is how far Manski's bounds then lie apart.

    Examples
    --------
    Of the .6 that are unknown, two thirds.

    >>> round(audit_share(0.4, target=0.8), 4), audit_share(0.9, target=0.8)
    (0.6667, 0.0)
    """
    raise_violations(
        [
            f"{name} must lie in [0, 1]; got {value}"
            for name, value in (("coverage", coverage), ("target", target))
            if not 0 <= value <= 1
        ]
    )
    return 0.0 if coverage >= target else (target - coverage) / (1 - coverage)


def _check_exploration(share: float, actions: int, disagreement: float) -> None:
    found = []
    if not 0 < share <= 1:
        found.append(f"a share must lie in (0, 1]; got {share}")
    if actions < 2:
        found.append(f"actions must be at least 2; got {actions}")
    if not 0 <= disagreement <= 1:
        found.append(f"disagreement must lie in [0, 1]; got {disagreement}")
    raise_violations(found)


def _positive(**values: float) -> None:
    found = [f"{name} must be positive; got {value}" for name, value in values.items() if not value > 0]
    if found:
        raise InputError(found)
