"""What the metric of a requirement comes to: which rates are compared in which way, and which values can occur."""

from collections.abc import Mapping
from math import inf
from types import MappingProxyType
from typing import Literal, NamedTuple

from audit.metrics.catalog import METRICS

Compare = Literal["value", "difference", "ratio", "baseline"]
End = Literal["min", "max"]

GAPS: frozenset[Compare] = frozenset({"difference", "ratio"})


class Comparison(NamedTuple):
    """A metric of the catalog and how it is compared."""

    metric: str
    compare: Compare


NAMED_GAPS: Mapping[str, tuple[Comparison, ...]] = MappingProxyType(
    {
        "demographic_parity_difference": (Comparison("selection_rate", "difference"),),
        "demographic_parity_ratio": (Comparison("selection_rate", "ratio"),),
        "equal_opportunity_difference": (Comparison("true_positive_rate", "difference"),),
        "equalized_odds_difference": (
            Comparison("true_positive_rate", "difference"),
            Comparison("false_positive_rate", "difference"),
        ),
    }
)
"""Fairlearn's names for gaps; each is the largest of its comparisons."""


def comparisons(metric: str, compare: Compare) -> tuple[Comparison, ...]:
    """Return what a metric of a requirement comes to; empty where the catalog does not know it.

    Parameters
    ----------
    metric
        A metric of the catalog, a named gap, or ``<metric>_difference`` / ``<metric>_ratio``.
    compare
        How the requirement compares it. A gap is compared already: it comes to its comparisons whatever this says.

    Examples
    --------
    >>> comparisons("accuracy", "baseline")
    (Comparison(metric='accuracy', compare='baseline'),)
    >>> [part.metric for part in comparisons("equalized_odds_difference", "value")]
    ['true_positive_rate', 'false_positive_rate']
    >>> comparisons("population_stability_index", "value")
    ()
    """
    if metric in NAMED_GAPS:
        return NAMED_GAPS[metric]
    if metric in METRICS:
        return (Comparison(metric, compare),)
    base, _, ending = metric.rpartition("_")
    if base in METRICS and ending == "difference":
        return (Comparison(base, "difference"),)
    if base in METRICS and ending == "ratio":
        return (Comparison(base, "ratio"),)
    return ()


def value_range(comparison: Comparison, *, end: End, signed: bool) -> tuple[float, float]:
    """Return the smallest and the largest value that a limit at this end could meet.

    Parameters
    ----------
    comparison
        What is compared.
    end
        Whether the limit is a smallest or a largest allowed value.
    signed
        Whether each group is compared with one reference group; else the largest gap between any two counts.

    Examples
    --------
    >>> value_range(Comparison("accuracy", "difference"), end="max", signed=False)
    (0.0, 1.0)
    >>> value_range(Comparison("selection_rate", "ratio"), end="min", signed=False)
    (0.0, 1.0)
    """
    low, high = METRICS[comparison.metric].range
    if comparison.compare == "value":
        return low, high
    if comparison.compare == "ratio":
        if signed:
            return 0.0, inf
        return (0.0, 1.0) if end == "min" else (1.0, inf)
    signed = signed or comparison.compare == "baseline"
    return (low - high if signed else 0.0), high - low
