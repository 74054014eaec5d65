"""What is tolerated of a feedback loop, and how rarely a log without one may ring."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from types import MappingProxyType
from typing import NamedTuple

from audit.errors import raise_violations
from audit.measurement import Measurement
from monitors.kinds import NUMBER, TEXT, Wanted, wrong_kind


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """How feedback loops are measured.

    Parameters
    ----------
    window
        Length of a window of time, such as "7d" (`monitors.windows.parse_windows`), for metrics over time.
    level
        Confidence level of every interval, in (0, 1).
    alpha
        Chance that a log without a loop rings in one run, in (0, 1); the metrics share it by e-BH.
    limits
        Limits by metric, in place of those of `monitors.feedback.catalog`.
    seed
        Of whatever is sampled: pairs of users, resampled clusters.

    Raises
    ------
    InputError
        If a setting is of another kind, or a number lies outside its range: all at once.

    Examples
    --------
    >>> LoopSettings().window
    '7d'
    """

    window: str = "7d"
    level: float = 0.95
    alpha: float = 0.05
    limits: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    seed: int = 0

    def __post_init__(self) -> None:
        raise_violations(_wrong_kinds(self))
        shares = {"level": self.level, "alpha": self.alpha}
        found = [f"{name} must lie in (0, 1); got {value}" for name, value in shares.items() if not 0 < value < 1]
        limits = self.limits.items()
        raise_violations(found + [f"limits: {name} must be finite; got {n}" for name, n in limits if not isfinite(n)])


def _wrong_kinds(settings: LoopSettings) -> list[str]:
    found = wrong_kind("window", settings.window, TEXT, then="write '7d', '12h' or '5000 rows'")
    found += wrong_kind("level", settings.level, NUMBER) + wrong_kind("alpha", settings.alpha, NUMBER)
    found += wrong_kind("seed", settings.seed, Wanted("a whole number", (int,)))
    mapping = Wanted("a mapping from metrics to limits", (Mapping,))
    wrong = wrong_kind("limits", settings.limits, mapping, then="write {'loop_gain': 1.0}")
    if wrong:
        return found + wrong
    return found + [
        fault for name, limit in settings.limits.items() for fault in wrong_kind(f"limits, {name}", limit, NUMBER)
    ]


class Evidence(NamedTuple):
    """Evidence that one row passes its limit.

    Examples
    --------
    >>> from datetime import UTC
    >>> Evidence("key", 31.0, datetime(2026, 1, 5, tzinfo=UTC)).e_value
    31.0
    """

    key: str
    """Key of the row (`Measurement.key`)."""

    e_value: float
    """Expectation at most 1 while the limit is kept."""

    since: datetime
    """Start of the first window, or round, that speaks for it; of the log where time plays no part."""


class LoopRows(NamedTuple):
    """What one family of metrics measured: rows, and the evidence that some of them pass their limits.

    A metric that cannot be measured is a row without a value whose reason begins with "cannot be measured, because".

    Examples
    --------
    >>> LoopRows().rows
    ()
    """

    rows: tuple[Measurement, ...] = ()
    evidence: tuple[Evidence, ...] = ()
