"""What a drift monitor is asked to find, and what it may get wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

from audit.errors import raise_violations


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftSettings:
    """When a change of a feature is worth an alarm.

    Parameters
    ----------
    alpha
        Chance of a false alarm, over all windows: what e-BH and the bounds of the effects may spend, in (0, 1).
    ks_limit, tv_limit
        Practical limits of the Kolmogorov-Smirnov statistic (numbers) and of the total variation (categories): an
        alarm asks for a lower bound above it. In [0, 1); 0: any change, the evidence of which is enough.
    factor_limit
        Practical limit of the factor by which the share of one category rose or fell, >= 1: a minority of 1 % that
        triples moves the total variation by .02 only. It also holds for the bins of numbers with few values, such as
        flags of 0 and 1 (`monitors.drift.bins.few_values`).
    min_share
        Categories below this share on both sides may change by any factor, in [0, 1).
    level
        Confidence of the printed intervals, each on its own.
    min_reference
        Rows of the reference in a slice below which nothing is tested.
    dispersion
        How much more the counts of blocks of rows (days, sessions) scatter than those of independent rows, >= 1: one
        number or one for each feature; estimate it with `monitors.drift.dispersion.feature_dispersion`. 1 promises for
        independent rows only.

    Raises
    ------
    InputError
        If a setting lies outside its range; one error lists all.

    Examples
    --------
    >>> DriftSettings(alpha=0.01).ks_limit
    0.05
    """

    alpha: float = 0.05
    ks_limit: float = 0.05
    tv_limit: float = 0.05
    factor_limit: float = 1.25
    min_share: float = 0.005
    level: float = 0.95
    min_reference: int = 50
    dispersion: float | Mapping[str, float] = field(default=1.0)

    def __post_init__(self) -> None:
        found = [
            f"{name} must lie in (0, 1); got {value}"
            for name, value in (("alpha", self.alpha), ("level", self.level))
            if not 0.0 < value < 1.0
        ]
        found += [
            f"{name} must lie in [0, 1); got {value}; it is a share of the rows"
            for name, value in (("ks_limit", self.ks_limit), ("tv_limit", self.tv_limit), ("min_share", self.min_share))
            if not 0.0 <= value < 1.0
        ]
        if not (self.factor_limit >= 1.0 and isfinite(self.factor_limit)):
            found.append(f"factor_limit must be at least 1; got {self.factor_limit}; 1.25 tolerates 0.8 to 1.25")
        if self.min_reference < 1:
            found.append(f"min_reference must be at least 1 row; got {self.min_reference}")
        given = self.dispersion if isinstance(self.dispersion, Mapping) else {"all features": self.dispersion}
        found += [
            f"dispersion of {name} must be at least 1 and finite; got {value}; 1 stands for independent rows"
            for name, value in given.items()
            if not (value >= 1.0 and isfinite(value))
        ]
        raise_violations(found)

    def dispersion_of(self, feature: str) -> float:
        """Return the dispersion of a feature; 1 where a mapping does not name it.

        Examples
        --------
        >>> DriftSettings(dispersion={"age": 2.0}).dispersion_of("age")
        2.0
        """
        return float(self.dispersion.get(feature, 1.0) if isinstance(self.dispersion, Mapping) else self.dispersion)
