"""What the metric of a requirement comes to: which rates are compared in which way, and which values can occur."""

from math import inf
from typing import NamedTuple

from audit.gaps import NAMED, End
from audit.pairs import Compare
from audit.views import known_metric


class Comparison(NamedTuple):
    """A metric that `audit.gaps.extreme` understands, how it is compared, and the catalog's metrics it rests on.

    Examples
    --------
    >>> [Comparison("accuracy", how, ("accuracy",)).is_gap for how in ("value", "difference", "ratio", "baseline")]
    [False, True, True, False]
    """

    metric: str
    compare: Compare
    rests_on: tuple[str, ...]

    @property
    def is_gap(self) -> bool:
        """Whether groups are compared with each other."""
        return self.compare in {"difference", "ratio"}


def comparison(metric: str, compare: Compare) -> Comparison | None:
    """Return what a metric of a requirement comes to; None where the catalog does not know it.

    Parameters
    ----------
    metric
        A metric of the catalog, a named gap, or ``<metric>_difference`` / ``<metric>_ratio``.
    compare
        How the requirement compares it. A gap is compared already: it stays what it is whatever this says.

    Examples
    --------
    >>> comparison("accuracy", "baseline").compare
    'baseline'
    >>> comparison("equalized_odds_difference", "value").rests_on
    ('true_positive_rate', 'false_positive_rate')
    >>> comparison("accuracy_difference", "value")
    Comparison(metric='accuracy', compare='difference', rests_on=('accuracy',))
    >>> comparison("population_stability_index", "value") is None
    True
    """
    if metric in NAMED:
        rests_on, how = NAMED[metric]
        return Comparison(metric, how, rests_on)
    if known_metric(metric) is not None:
        return Comparison(metric, compare, (metric,))
    base, _, ending = metric.rpartition("_")
    if ending == "difference" and known_metric(base) is not None:
        return Comparison(base, "difference", (base,))
    if ending == "ratio" and known_metric(base) is not None:
        return Comparison(base, "ratio", (base,))
    return None


def value_range(compared: Comparison, *, end: End, signed: bool) -> tuple[float, float]:
    """Return the smallest and the largest value that a limit at this end could meet.

    Parameters
    ----------
    compared
        What is compared.
    end
        Whether the limit is a smallest or a largest allowed value.
    signed
        Whether each group is compared with one reference group; else the largest gap between any two counts.

    Examples
    --------
    >>> value_range(comparison("accuracy", "difference"), end="max", signed=False)
    (0.0, 1.0)
    >>> value_range(comparison("selection_rate", "ratio"), end="min", signed=False)
    (0.0, 1.0)
    """
    facts = known_metric(compared.rests_on[0])
    low, high = (-inf, inf) if facts is None else facts.range
    if compared.compare == "value":
        return low, high
    if compared.compare == "ratio":
        if signed:
            return 0.0, inf
        return (0.0, 1.0) if end == "min" else (1.0, inf)
    signed = signed or compared.compare == "baseline"
    return (low - high if signed else 0.0), high - low
