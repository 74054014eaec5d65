"""What missing labels leave open: the worst cases of every rate of the confusion family (Manski's bounds).

Where only some rows have a true label (only granted loans are repaid or not), an error rate of the labelled rows is not
the error rate of all. Without an assumption about why labels are missing, each unlabelled row may be positive or
negative; the rate then lies between its smallest and its largest value over all these assignments.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
from scipy.special import ndtr

from audit.estimates import Estimates, design, estimate, interval
from audit.inference import intervals
from audit.inference.intervals import Interval
from audit.measurement import Measurement, Slice
from audit.metrics.metric import Metric
from audit.rollup import FN, FP, TN, TP, UN, UP, Cells, Floats, Partition, cells_of, without_scores
from audit.rows import Row, measurement
from audit.tally import Codes, Tally
from audit.tasks.deferral import RIGHT, WRONG
from audit.unknowns.outcome_coverage import BOUNDED, bounds_known, concerned_by, everyone_and_groups
from audit.views import looks_of

UW, UR = 6, 7
"""Quadrants of deferred rows without a label that count as wrong (right) whatever it is; of no other counts."""

_LABELLED_AS = {UP: (TP, FP), UN: (FN, TN), UW: (FN, FP), UR: (TP, TN)}
"""What an unlabelled row of each kind is when its label is positive, and when it is not."""

_KIND = "\0quadrant"  # no feature of a table is called that
LOWER, UPPER = "_lower_bound", "_upper_bound"
"""What the name of a metric ends in where the number is a bound on it."""


class Bounds(NamedTuple):
    """A metric over slices, with every unlabelled row given the label that is worst at either end.

    `lower` and `upper` are the smallest and largest value over all assignments of labels (NaN where no assignment
    defines it); `low` and `high` are the ends of the union of the intervals at these assignments; `inner_high` and
    `inner_low` the other ends of the intervals at the lower and at the upper bound. `n`: the smallest denominator, that
    of the labelled rows alone where unlabelled ones may be left out of it.

    Examples
    --------
    Three of four known positives are found; one unlabelled row is predicted negative: 3/5 if it is positive, else 3/4.

    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([3, 1, 1])
    >>> cells = Cells(np.array([TP, FN, UN]), n, n * 1.0, n * 1.0, None, 0, False, {}, False, None)
    >>> found = label_bounds(METRICS["true_positive_rate"], cells, Partition((), ((),), np.zeros(3, int)), level=0.95)
    >>> found.lower.tolist(), found.upper.tolist()
    ([0.6], [0.75])
    """

    lower: Floats
    upper: Floats
    low: Floats
    high: Floats
    inner_high: Floats
    inner_low: Floats
    n: Codes


def label_bound_rows(
    tally: Tally, *, metrics: Sequence[str] | None = None, level: float = 0.95
) -> tuple[Measurement, ...]:
    """Return the worst-case bounds of metrics over all labels that the unlabelled rows might have.

    Two rows per metric and slice (everyone and each group): ``<metric>_lower_bound`` and ``<metric>_upper_bound``, at
    the ``class`` whose labels are missing (the positive one), so that nobody takes them for values of the rate. The
    rate itself lies in [lower.low, upper.high] with at least the level asked for, whatever the missing labels are.

    Parameters
    ----------
    tally
        The counts.
    metrics
        Names of the confusion family; None = all of it that depends on missing labels.
    level
        Confidence level of the interval around each bound.

    Returns
    -------
    tuple of Measurement
        Empty where every row has a label.

    Notes
    -----
    With `up` (`un`) unlabelled rows that are predicted positive (negative), a and b of them positive, every rate is a
    ratio of linear functions of (a, b), so that its extremes over the box lie at the four corners a in {0, up}, b in
    {0, un} (a linear-fractional function is quasilinear). Balanced accuracy, the Matthews correlation and the
    likelihood ratios are monotone in a and in b, with the same corners. Deferred rows without a label, that count as
    wrong (right) whatever it is, are a third axis of the box for rates; balanced accuracy is convex along it, with its
    smallest value inside the box, and is not bounded there.

    The interval is the union of the intervals at the corners. It is wider than that of Imbens & Manski, whose critical
    value at the same level lies between the one-sided and the two-sided one: ours covers every rate that some
    assignment allows, not just one. Where the corners would take different methods (few events at one, many at the
    other), both are taken.

    Sources: C. F. Manski 1989, Anatomy of the selection problem, Journal of Human Resources 24, 343-360; Manski 2003,
    Partial identification of probability distributions, doi:10.1007/b97478; G. W. Imbens & C. F. Manski 2004,
    doi:10.1111/j.1468-0262.2004.00555.x.

    Examples
    --------
    Ten of thirty granted loans are repaid ("1"), twenty are not; seventy are refused, and nobody knows of them.

    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": ["1"] * 10 + ["0"] * 20 + [None] * 70, "p": ["1"] * 30 + ["0"] * 70})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p"))
    >>> rows = label_bound_rows(tally, metrics=["true_positive_rate", "accuracy"])
    >>> [(row.metric, row.value, row.n) for row in rows]
    [('true_positive_rate_lower_bound', 0.125, 10), ('true_positive_rate_upper_bound', 1.0, 10),
     ('accuracy_lower_bound', 0.1, 100), ('accuracy_upper_bound', 0.8, 100)]
    """
    if tally.task != "binary" or not tally.cells["y_true"].null_count:
        return ()
    rows: list[Measurement] = []
    for look in looks_of(tally):
        chosen = [
            facts for facts in look.metrics
            if facts.kind in BOUNDED and (any(concerned_by(facts)) if metrics is None else facts.name in metrics)
        ]  # fmt: skip
        if not chosen:
            continue
        if metrics is not None:
            chosen.sort(key=lambda facts: list(metrics).index(facts.name))
        view = look.make(tally)
        cells = _coarse(open_cells(view))
        for slices in everyone_and_groups(cells, view.features):
            for metric in (facts for facts in chosen if bounds_known(view, facts)):
                rows += _bound_rows(metric, slices, label_bounds(metric, cells, slices, level=level), cells, level)
    at = (("class", tally.positive or "1"),)
    return tuple(replace(row, at=at) for row in rows)


def label_bounds(metric: Metric, cells: Cells, slices: Partition, *, level: float, comparisons: int = 1) -> Bounds:
    """Return the bounds of one metric of the confusion family over slices; see `label_bound_rows`.

    Examples
    --------
    All four known rows are right; two unlabelled ones may both be wrong.

    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([4, 2])
    >>> cells = Cells(np.array([TP, UP]), n, n * 1.0, n * 1.0, None, 0, False, {}, False, None)
    >>> found = label_bounds(METRICS["accuracy"], cells, Partition((), ((),), np.zeros(2, int)), level=0.95)
    >>> found.lower.round(3).tolist(), found.upper.tolist(), found.low.round(3).tolist()
    ([0.667], [1.0], [0.223])
    """
    corners = corner_estimates(metric, cells, slices)
    ends = corner_intervals(metric, corners, level=level, comparisons=comparisons)
    value = np.stack([corner.value for corner in corners])
    low, high = np.stack([end.low for end in ends]), np.stack([end.high for end in ends])
    known = np.isfinite(value)
    first = np.where(known, value, np.inf).argmin(axis=0)
    last = np.where(known, value, -np.inf).argmax(axis=0)
    place = np.arange(value.shape[1])
    rows = np.where(known, np.stack([corner.n for corner in corners]), np.iinfo(np.int64).max).min(axis=0)
    return Bounds(
        lower=value[first, place],
        upper=value[last, place],
        low=_worst(low, np.fmin),
        high=_worst(high, np.fmax),
        inner_high=high[first, place],
        inner_low=low[last, place],
        n=np.where(known.any(axis=0), rows, 0),
    )


def open_cells(tally: Tally) -> Cells:
    """Return the cells of a tally, in which unlabelled deferred rows have quadrants of their own.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.tally import collapse
    >>> from audit.tasks.deferral import as_wrong
    >>> raw = pa.table({"y_true": ["1", None], "y_pred": ["1", None], "n": [3, 2], "w": [3.0, 2.0], "w2": [3.0, 2.0]})
    >>> tally = collapse(raw, features=(), positive="1", bins=None, weights="none", deferral=True)
    >>> open_cells(as_wrong(tally)).quadrant.tolist() == [UW, TP]
    True
    """
    cells = cells_of(tally)
    predicted, unlabelled = tally.cells["y_pred"], tally.cells["y_true"].is_null().to_numpy()
    for word, quadrant in ((WRONG, UW), (RIGHT, UR)):
        there = pc.fill_null(pc.equal(predicted, word), fill_value=False).to_numpy() & unlabelled
        cells = cells._replace(quadrant=np.where(there, quadrant, cells.quadrant))
    return cells


def labelled_apart(cells: Cells) -> Cells:
    """Return cells in which unlabelled deferred rows are unlabelled rows like any other: for what the labelled show.

    Examples
    --------
    >>> n = np.array([4, 2])
    >>> cells = Cells(np.array([TP, UW]), n, n * 1.0, n * 1.0, None, 0, False, {}, False, None)
    >>> labelled_apart(cells).quadrant.tolist() == [TP, UN]
    True
    """
    return cells._replace(quadrant=np.minimum(cells.quadrant, UN))


def completed(cells: Cells) -> tuple[Cells, ...]:
    """Return cells in which every unlabelled row has a label, in each of the ways that can be extreme.

    Examples
    --------
    >>> n = np.array([4, 2])
    >>> cells = Cells(np.array([TP, UN]), n, n * 1.0, n * 1.0, None, 0, False, {}, False, None)
    >>> [corner.quadrant.tolist() for corner in completed(cells)] == [[TP, FN], [TP, TN]]
    True
    """
    there = [kind for kind in _LABELLED_AS if (cells.quadrant == kind).any()]
    corners = []
    for given in product(*(_LABELLED_AS[kind] for kind in there)):
        quadrants = np.arange(UR + 1)
        quadrants[there] = given
        corners.append(cells._replace(quadrant=quadrants[cells.quadrant]))
    return tuple(corners)


def corner_estimates(metric: Metric, cells: Cells, slices: Partition) -> list[Estimates]:
    """Return a metric over slices at each corner of `completed`.

    A rate that one corner leaves undefined has its extremes at the others. Other metrics are not bounded in a slice
    where a corner leaves them undefined (no labelled row of one label): NaN at every corner there.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([4, 2])
    >>> cells = Cells(np.array([TP, UN]), n, n * 1.0, n * 1.0, None, 0, False, {}, False, None)
    >>> slices = Partition((), ((),), np.zeros(2, int))
    >>> [corner.value.item() for corner in corner_estimates(METRICS["balanced_accuracy"], cells, slices)]
    [nan, nan]
    """
    corners = [estimate(metric, corner, slices) for corner in completed(cells)]
    if metric.kind == "rate":
        return corners
    known = np.isfinite(np.stack([corner.value for corner in corners])).all(axis=0)
    return [corner._replace(value=np.where(known, corner.value, np.nan)) for corner in corners]


def corner_intervals(
    metric: Metric, corners: Sequence[Estimates], *, level: float, comparisons: int = 1
) -> list[Interval]:
    """Return the interval of each corner; where corners would take different methods, the wider of the two.

    So the union over the corners holds the interval of every assignment between them: both ends of Wilson's and of
    Clopper and Pearson's interval rise with each success that is added and fall with each failure.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> one = Estimates(np.array([0.05]), np.array([100]), np.array([np.inf]), np.array([5.0]), np.array([100.0]))
    >>> many = one._replace(value=np.array([0.2]), successes=np.array([20.0]))
    >>> alone = corner_intervals(METRICS["accuracy"], [many], level=0.95)[0]
    >>> both = corner_intervals(METRICS["accuracy"], [one, many], level=0.95)[1]
    >>> alone.high.round(4).tolist(), both.high.round(4).tolist()
    ([0.2888], [0.2918])
    """
    found = [interval(metric, corner, level=level, comparisons=comparisons) for corner in corners]
    if len(corners) == 1:
        return found
    if metric.kind != "rate":
        return [_at_range(metric, corner, own) for corner, own in zip(corners, found, strict=True)]
    exact = np.stack([intervals.uses_clopper_pearson(_given(c.successes), _given(c.trials)) for c in corners])
    mixed = exact.any(axis=0) & ~exact.all(axis=0)
    if mixed.any():
        found = [_wider(corner, own, mixed, level, comparisons) for corner, own in zip(corners, found, strict=True)]
    return _open_where_undefined(metric, corners, found)


def _coarse(cells: Cells) -> Cells:
    """Return cells that differ in their score bin only as one; the quadrants of deferred rows stay apart."""
    if cells.bins is None:
        return cells
    kinds: tuple[Codes, list[str | None]] = (cells.quadrant, [str(kind) for kind in range(UR + 1)])
    merged = without_scores(labelled_apart(cells)._replace(features={**cells.features, _KIND: kinds}))
    features = {name: codes for name, codes in merged.features.items() if name != _KIND}
    return merged._replace(quadrant=merged.features[_KIND][0], features=features)


def _bound_rows(metric: Metric, slices: Partition, found: Bounds, cells: Cells, level: float) -> Iterator[Measurement]:
    for place in range(len(slices.groups)):
        whom: Slice = slices.slice_of(place)
        ends = {LOWER: (found.lower, found.low, found.inner_high), UPPER: (found.upper, found.inner_low, found.high)}
        for ending, (value, low, high) in ends.items():
            yield measurement(
                Row(metric.name + ending, whom, None, level),
                value=float(value[place]),
                low=float(low[place]),
                high=float(high[place]),
                n=int(found.n[place]),
                method=f"manski bounds, missing labels at their worst{design(cells)}",
                reason=None if np.isfinite(value[place]) else f"not bounded: too few labelled rows ({metric.needs})",
            )


def _open_where_undefined(metric: Metric, corners: Sequence[Estimates], found: Sequence[Interval]) -> list[Interval]:
    """Return the whole range where one corner has no rows and another has: between them lie rates of a single row."""
    undefined = np.isnan(np.stack([corner.value for corner in corners]))
    open_ = undefined.any(axis=0) & ~undefined.all(axis=0)
    low, high = metric.range
    return [Interval(np.where(open_, low, own.low), np.where(open_, high, own.high)) for own in found]


def _at_range(metric: Metric, corner: Estimates, own: Interval) -> Interval:
    """Return an interval that reaches the end of the metric's range where the estimate does: it has none of its own."""
    low, high = metric.range
    return Interval(
        np.where(np.isnan(own.low) & (corner.value <= low), low, own.low),
        np.where(np.isnan(own.high) & (corner.value >= high), high, own.high),
    )


def _wider(corner: Estimates, own: Interval, mixed: Any, level: float, comparisons: int) -> Interval:  # noqa: ANN401
    df = None if np.all(np.isinf(corner.df)) else corner.df
    critical = np.broadcast_to(intervals.quantile(level, df=df, comparisons=comparisons), own.low.shape)
    x, n = _given(corner.successes), _given(corner.trials)
    sides = [
        intervals.wilson(x, n, critical=critical),
        intervals.clopper_pearson(x, n, alpha=2.0 * ndtr(-critical)),
    ]
    low, high = np.fmin(sides[0].low, sides[1].low), np.fmax(sides[0].high, sides[1].high)
    return Interval(np.where(mixed, low, own.low), np.where(mixed, high, own.high))


def _given(column: Floats | None) -> Floats:
    return np.empty(0) if column is None else column


def _worst(ends: Floats, of: Any) -> Floats:  # noqa: ANN401 - np.fmin or np.fmax: NaN where all are
    found: Floats = of.reduce(ends, axis=0)
    return found
