"""Comparisons of pairs of slices: differences and ratios with their intervals.

Differences of rates: Agresti-Caffo; of other metrics: square-and-add of the two intervals, which takes the slices for
independent (conservative where clusters span both). Ratios: Koopman's score interval, for rates only.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.estimates import Estimates, covariance, design, estimate, interval, joined_estimates
from audit.inference import intervals
from audit.inference.distance_bounds import difference_bounds
from audit.inference.gap_intervals import gap_of_rates, square_and_add
from audit.inference.intervals import Interval
from audit.inference.ratio_intervals import koopman
from audit.metrics.metric import Metric
from audit.rollup import Cells, Floats, Partition, against_rest

Compare = Literal["value", "difference", "ratio", "baseline"]
Places = npt.NDArray[np.int64]


class Gaps(NamedTuple):
    """Comparisons of slices `first[i]` with `second[i]`: value and n of each.

    Examples
    --------
    >>> found = Gaps(first=np.array([0]), second=np.array([1]), value=np.array([0.25]), n=np.array([2]))
    >>> found.value.tolist(), found.n.tolist()
    ([0.25], [2])
    """

    first: Places
    second: Places
    value: Floats
    n: npt.NDArray[np.int64]


class Compared(NamedTuple):
    """Everything that comparisons of one metric between slices rest on. `right` is `left` but for a baseline.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([3.0, 1.0])  # one group: three true positives, one false negative
    >>> cells = Cells(np.array([0, 2]), n, n, n, None, 0, False, {}, False, None)
    >>> base = compared(METRICS["true_positive_rate"], cells, Partition(("sex",), (("F",),), np.array([0, 0])))
    >>> base.left.value.tolist(), base.right is base.left
    ([0.75], True)
    """

    metric: Metric
    cells: Cells
    slices: Partition
    left: Estimates
    right: Estimates


def compared(metric: Metric, cells: Cells, slices: Partition) -> Compared:
    """Estimate a metric in the slices that are going to be compared with each other.

    Raises
    ------
    ValueError
        If the metric needs scores and the tally holds none.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([3.0, 1.0, 1.0, 1.0])  # true positives and false negatives of F, of M
    >>> cells = Cells(np.array([0, 2, 0, 2]), n, n, n, None, 0, False, {}, False, None)
    >>> slices = Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1, 1]))
    >>> compared(METRICS["true_positive_rate"], cells, slices).left.value.tolist()
    [0.75, 0.5]
    """
    estimates = estimate(metric, cells, slices)
    return Compared(metric, cells, slices, estimates, estimates)


def compared_with_rest(bases: Sequence[Compared]) -> list[Compared]:
    """Estimate metrics in the slices 2g (group g) and 2g + 1 (everyone else) of their partition.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([3.0, 1.0, 1.0, 1.0])  # true positives and false negatives of F, of M
    >>> cells = Cells(np.array([0, 2, 0, 2]), n, n, n, None, 0, False, {}, False, None)
    >>> slices = Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1, 1]))
    >>> compared_with_rest([compared(METRICS["true_positive_rate"], cells, slices)])[0].left.value.tolist()
    [0.75, 0.5, 0.5, 0.75]
    """
    dense: dict[int, tuple[Cells, Partition]] = {}
    found = []
    for base in bases:
        if base.cells.sets is not None or (base.metric.needs_scores and base.cells.pairs is not None):
            found.append(_scored_with_rest(base))
            continue
        key = id(base.cells)
        if key not in dense:
            dense[key] = against_rest(base.cells, base.slices)
        found.append(compared(base.metric, *dense[key]))
    return found


def _scored_with_rest(base: Compared) -> Compared:
    groups = base.slices
    parts = [
        estimate(base.metric, base.cells, Partition((), ((), ()), (groups.member != place).astype(np.int64)))
        for place in range(len(groups.groups))
    ]
    names = tuple(group for group in groups.groups for _ in (0, 1))
    joined = joined_estimates(parts)
    return base._replace(slices=Partition(groups.features, names, groups.member), left=joined, right=joined)


def families(bases: Iterable[Compared]) -> list[list[Compared]]:
    """Return metrics grouped by the kind of their interval: one call serves all metrics of a family.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n, everyone = np.array([3.0, 1.0]), Partition((), ((),), np.array([0, 0]))
    >>> cells = Cells(np.array([0, 3]), n, n, n, None, 0, False, {}, False, None)
    >>> names = ["accuracy", "matthews_corrcoef", "selection_rate"]
    >>> bases = [compared(METRICS[name], cells, everyone) for name in names]
    >>> [[base.metric.name for base in family] for family in families(bases)]
    [['accuracy', 'selection_rate'], ['matthews_corrcoef']]
    """
    found: dict[object, list[Compared]] = {}
    for base in bases:
        kind = {"rate": "rate", "distance": base.metric.name}.get(base.metric.kind, base.metric.range)
        found.setdefault(kind, []).append(base)
    return list(found.values())


def stacked(family: Sequence[Compared]) -> Compared:
    """Return the metrics of a family over the same slices as one: place r * size + s is slice s under metric r.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n, slices = np.array([3.0, 1.0, 1.0, 1.0]), Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1, 1]))
    >>> cells = Cells(np.array([0, 2, 0, 2]), n, n, n, None, 0, False, {}, False, None)
    >>> family = [compared(METRICS[name], cells, slices) for name in ("true_positive_rate", "false_negative_rate")]
    >>> stacked(family).left.value.tolist()
    [0.75, 0.5, 0.25, 0.5]
    """
    if len(family) == 1:
        return family[0]
    joined = joined_estimates([base.left for base in family])
    if all(base.right is base.left for base in family):
        return family[0]._replace(left=joined, right=joined)
    return family[0]._replace(left=joined, right=joined_estimates([base.right for base in family]))


def in_stack(family: Sequence[Compared], first: Places, second: Places) -> tuple[Places, Places]:
    """Return places of slices as places under every metric of a stack.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n, slices = np.array([3.0, 1.0, 1.0, 1.0]), Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1, 1]))
    >>> cells = Cells(np.array([0, 2, 0, 2]), n, n, n, None, 0, False, {}, False, None)
    >>> family = [compared(METRICS[name], cells, slices) for name in ("true_positive_rate", "false_negative_rate")]
    >>> [places.tolist() for places in in_stack(family, np.array([0]), np.array([1]))]
    [[0, 2], [1, 3]]
    """
    shift = np.arange(len(family))[:, None] * len(family[0].slices.groups)
    return (first + shift).ravel(), (second + shift).ravel()


def gaps(base: Compared, first: npt.ArrayLike, second: npt.ArrayLike, *, compare: Compare) -> Gaps:
    """Return differences first - second or ratios first / second; NaN where a side is undefined, or 0 / 0.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n, slices = np.array([3.0, 1.0, 1.0, 1.0]), Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1, 1]))
    >>> cells = Cells(np.array([0, 2, 0, 2]), n, n, n, None, 0, False, {}, False, None)
    >>> base = compared(METRICS["true_positive_rate"], cells, slices)  # 3/4 and 1/2
    >>> [gaps(base, [0], [1], compare=how).value.tolist() for how in ("difference", "ratio")]
    [[0.25], [1.5]]
    """
    one, two = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    left, right = base.left.value[one], base.right.value[two]
    if compare == "ratio":
        with np.errstate(invalid="ignore", divide="ignore"):
            value = left / right
    else:
        value = left - right
    return Gaps(one, two, value, np.minimum(base.left.n[one], base.right.n[two]))


def gap_interval(
    base: Compared, found: Gaps, *, compare: Compare, level: float, comparisons: npt.ArrayLike = 1
) -> Interval:
    """Return the interval of each gap; simultaneous over `comparisons` of them by Bonferroni.

    Rates: Agresti & Caffo 2000, doi:10.1080/00031305.2000.10474560 (see `audit.inference.gap_intervals.gap_of_rates`);
    their ratios: Koopman 1984, doi:10.2307/2531405.

    Examples
    --------
    3/4 and 1/2 become 4/6 and 2/4; 1/6 -+ 1.96 sqrt(4/6 x 2/6 / 6 + 2/4 x 2/4 / 4) = 1/6 -+ 0.618.

    >>> from audit.metrics.catalog import METRICS
    >>> n, slices = np.array([3.0, 1.0, 1.0, 1.0]), Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1, 1]))
    >>> cells = Cells(np.array([0, 2, 0, 2]), n, n, n, None, 0, False, {}, False, None)
    >>> base = compared(METRICS["true_positive_rate"], cells, slices)
    >>> low, high = gap_interval(base, gaps(base, [0], [1], compare="difference"), compare="difference", level=0.95)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([-0.452], [0.785])
    """
    left, right = base.left.take(found.first), base.right.take(found.second)
    if left.successes is None or left.trials is None or right.successes is None or right.trials is None:
        if (
            base.metric.kind == "distance"
        ):  # bounds, of which square_and_add knows no spread: each side at half the error
            halves = 2 * np.asarray(comparisons)
            return difference_bounds(
                *(interval(base.metric, s, level=level, comparisons=halves) for s in (left, right))
            )
        sides = [interval(base.metric, side, level=level, comparisons=comparisons) for side in (left, right)]
        return square_and_add(left.value, sides[0], right.value, sides[1])
    factor = _joint_factor(base, found, compare, left, right)
    df = _joint_freedom(left, right)
    counts = [column * factor for column in (left.successes, left.trials, right.successes, right.trials)]
    if compare == "ratio":
        return koopman(*counts, critical=intervals.quantile(level, df=df, comparisons=comparisons))
    return gap_of_rates(*counts, level=level, df=df, comparisons=comparisons)


def gap_method(base: Compared, compare: Compare) -> str:
    """Return the name of the interval of a gap.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([1.0])
    >>> cells = Cells(np.array([0]), n, n, n, None, 0, False, {}, False, None)
    >>> base = compared(METRICS["accuracy"], cells, Partition((), ((),), np.array([0])))
    >>> gap_method(base, "difference"), gap_method(base, "ratio")
    ('agresti_caffo', 'koopman')
    """
    rate = "koopman" if compare == "ratio" else "agresti_caffo"
    names = {"rate": rate, "distance": "simultaneous_bins"}
    return names.get(base.metric.kind, "square_and_add") + design(base.cells)


def _joint_factor(base: Compared, found: Gaps, compare: Compare, left: Estimates, right: Estimates) -> Floats:
    """Return by how much clusters that span both slices change the effective counts; 1 where none do.

    The variance of a difference is v1 + v2 - 2 cov, of a log ratio v1/p1^2 + v2/p2^2 - 2 cov/(p1 p2); effective counts
    grow or shrink with it, but never beyond the rows themselves: where the same people stand in both slices the
    interval is wider than a paired one would be.
    """
    influence = base.left.influence
    if base.cells.pairs is None or influence is None or base.right is not base.left:
        return np.ones(len(found.first))
    shared, size = np.zeros(len(found.first)), len(base.slices.groups)
    for row, of_metric in enumerate(np.atleast_2d(influence)):
        here = found.first // size == row
        places = found.first[here] % size, found.second[here] % size
        shared[here] = covariance(base.cells, base.slices, of_metric, *places)
    variances = [_variance(side) for side in (left, right)]
    if compare == "ratio":
        with np.errstate(invalid="ignore", divide="ignore"):
            variances = [v / side.value**2 for v, side in zip(variances, (left, right), strict=True)]
            shared = shared / (left.value * right.value)
    total = variances[0] + variances[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        known = (total > 0) & np.isfinite(total) & np.isfinite(shared)
        factor = np.where(known, total / np.maximum(total - 2 * shared, total * 1e-3), 1.0)
    limit = np.minimum(_rows_per_trial(left), _rows_per_trial(right))
    return np.asarray(np.minimum(factor, np.maximum(limit, 1.0)), dtype=np.float64)


def _rows_per_trial(side: Estimates) -> Floats:
    trials = np.asarray(side.trials)
    each = np.divide(side.n, trials, out=np.full(len(trials), np.inf), where=trials > 0)
    return np.asarray(each, dtype=np.float64)


def _variance(side: Estimates) -> Floats:
    trials = np.asarray(side.trials)
    variance = np.divide(side.value * (1 - side.value), trials, out=np.zeros(len(trials)), where=trials > 0)
    return np.asarray(variance, dtype=np.float64)


def _joint_freedom(left: Estimates, right: Estimates) -> Floats | None:
    df = np.minimum(left.df, right.df)
    return None if np.all(np.isinf(df)) else df
