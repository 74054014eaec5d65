"""Rows of metrics that are means of a loss: values of every slice, gaps to the rest and a reference, largest gaps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.estimates import Estimates
from audit.inference.intervals import Interval
from audit.inference.paired_intervals import paired_square_and_add
from audit.largest import MAX_COMPARED
from audit.measurement import Against, At, Measurement
from audit.pairwise import Pairwise, largest_of_pairs, over
from audit.rollup import Floats, Partition, partition, summed
from audit.rows import Row, measurement
from audit.tasks.means import Scale, mean_covariance, mean_estimates, mean_interval
from audit.tasks.moments import Moments

Places = npt.NDArray[np.int64]


class Mean(NamedTuple):
    """A metric that is the mean of a loss, or its square root.

    `needs` says what a slice must hold; `refused` names a flag of the moments and what is said of a slice in which
    some row has it, with ``{n}`` for how many: the metric is undefined there.

    Examples
    --------
    >>> Mean("root_mean_squared_error", "squared", "log", root=True).needs
    'labels'
    """

    name: str
    loss: str
    scale: Scale
    root: bool = False
    at: At = ()
    needs: str = "labels"
    refused: tuple[str, str] | None = None


class _Side(NamedTuple):
    """A metric over slices: values, and intervals at any level."""

    metric: Mean
    moments: Moments
    slices: Partition
    found: Estimates
    value: Floats
    refused: npt.NDArray[np.int64]

    def interval(self, places: Places, level: float, comparisons: int = 1) -> Interval:
        kept = self.found.take(places)
        bounds = mean_interval(kept, self.metric.scale, level=level, comparisons=comparisons)
        low, high = (np.where(np.isnan(self.value[places]), np.nan, side) for side in bounds)
        return Interval(np.sqrt(low), np.sqrt(high)) if self.metric.root else Interval(low, high)


def mean_rows(
    moments: Moments, metrics: Sequence[Mean], *, level: float, reference: Mapping[str, str] | None = None
) -> tuple[Measurement, ...]:
    """Return every row of some metrics: values of all slices, and gaps between the groups of each feature.

    Values carry the t interval of `audit.tasks.means.mean_interval` (the root of it, where the metric is a root). Gaps
    are differences, squared and added from the two intervals (Newcombe 1998; where clusters span both groups with the
    correlation of the two means, Zou 2007, doi:10.1037/1082-989X.12.4.399): to everyone else and to the reference
    simultaneous over the pairs of that feature and metric (Bonferroni); the largest by the intersection-union rule of
    `audit.largest`.

    Raises
    ------
    InputError
        If the level or the reference is none.

    Examples
    --------
    >>> import narwhals.stable.v2 as nw, pyarrow as pa
    >>> from audit.tasks.moments import collect_moments
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": [0.0] * 4, "p": [1.0, 3.0, 5.0, 7.0], "sex": ["F", "F", "M", "M"]})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex"])
    >>> found = mean_rows(collect_moments(log, {"z": nw.col("y_pred")}), [Mean("z", "z", "identity")], level=0.95)
    >>> [(row.metric, row.value) for row in found if row.metric != "count"]
    [('z', 4.0), ('z', 2.0), ('z', 6.0), ('z_difference', -4.0), ('z_difference', 4.0), ('z_difference', 4.0)]
    """
    features = tuple(moments.cells.features)
    raise_violations(_option_violations(moments, level, reference))
    rows: list[Measurement] = []
    for size in range(len(features) + 1):
        for names in combinations(features, size):
            slices = partition(moments.cells, names)
            rows += _counts(moments, slices)
            sides = [_side(metric, moments, slices) for metric in metrics]
            for side in sides:
                rows += _value_rows(side, level)
            if size == 1:
                rows += _gap_rows(sides, level, (reference or {}).get(names[0]))
    return tuple(rows)


def _side(metric: Mean, moments: Moments, slices: Partition) -> _Side:
    found = mean_estimates(moments, metric.loss, slices)
    refused = np.zeros(len(slices.groups), dtype=np.int64)
    if metric.refused is not None:
        flags = moments.extra[metric.refused[0]].to_numpy()
        refused = summed(slices.member, flags, len(slices.groups)).astype(np.int64)
    value = np.sqrt(np.maximum(found.value, 0.0)) if metric.root else found.value
    return _Side(metric, moments, slices, found, np.where(refused > 0, np.nan, value), refused)


def _counts(moments: Moments, slices: Partition) -> list[Measurement]:
    rows = summed(slices.member, moments.rows, len(slices.groups)).astype(np.int64).tolist()
    return [
        Measurement(metric="count", slice=slices.slice_of(place), value=n, n=n, method="count")
        for place, n in enumerate(rows)
    ]


def _value_rows(side: _Side, level: float) -> Iterator[Measurement]:
    bounds = side.interval(np.arange(len(side.value)), level)
    how = f"student_t, {side.metric.scale}{_design(side.moments)}"
    for place, (value, low, high, n) in enumerate(
        zip(side.value.tolist(), bounds.low.tolist(), bounds.high.tolist(), side.found.n.tolist(), strict=True)
    ):
        row = Row(side.metric.name, side.slices.slice_of(place), None, level)
        found = measurement(row, value=value, low=low, high=high, n=n, method=how, reason=_why(side, place))
        yield replace(found, at=side.metric.at)


def _why(side: _Side, place: int) -> str | None:
    if side.metric.refused is not None and side.refused[place]:
        return side.metric.refused[1].format(n=int(side.refused[place]))
    if not np.isnan(side.value[place]):
        return None
    return "all weights are 0 in slice" if side.found.n[place] else f"no {side.metric.needs} in slice"


def _gap_rows(sides: Sequence[_Side], level: float, reference: str | None) -> list[Measurement]:
    rows: list[Measurement] = []
    if not sides:
        return rows
    slices = sides[0].slices
    named = np.array([place for place, group in enumerate(slices.groups) if None not in group], dtype=np.int64)
    if len(slices.groups) < 2 or not len(named):
        return rows
    moments = sides[0].moments
    for place in named.tolist():
        halves = Partition(slices.features, (slices.groups[place], ()), (slices.member != place).astype(np.int64))
        for side in sides:
            half = _side(side.metric, moments, halves)
            rows += _pair_rows(half, slices, (np.array([0]), np.array([1])), level, len(named), [place])
    pairs = len(named) * (len(named) - 1) // 2
    for side in sides:
        if reference is not None:
            other = slices.groups.index((reference,))
            first = named[named != other]
            rows += _pair_rows(side, slices, (first, np.full(len(first), other)), level, pairs, first.tolist())
        rows.append(_largest(side, named, level))
    return rows


def _pair_rows(
    side: _Side, slices: Partition, pair: tuple[Places, Places], level: float, comparisons: int, places: Sequence[int]
) -> Iterator[Measurement]:
    first, second = pair
    bounds = _differences(side, first, second, level, comparisons)
    value, n = side.value[first] - side.value[second], np.minimum(side.found.n[first], side.found.n[second])
    together = f", simultaneous over {comparisons}" if comparisons > 1 else ""
    how = f"square_and_add{_design(side.moments)}{together}"
    for i, place in enumerate(places):
        group = side.slices.groups[int(second[i])]
        against: Against = (
            {"kind": "rest"} if not group else {"kind": "slice", "slice": dict(slices.slice_of(second[i]))}
        )
        row = Row(f"{side.metric.name}_difference", slices.slice_of(place), against, level)
        reason = "undefined in one of the two" if np.isnan(value[i]) else None
        found = measurement(
            row, value=float(value[i]), low=bounds.low[i], high=bounds.high[i], n=int(n[i]), method=how, reason=reason
        )
        yield replace(found, at=side.metric.at)


def _differences(side: _Side, first: Places, second: Places, level: float, comparisons: int) -> Interval:
    pair = (first, second)
    intervals = [side.interval(places, level, comparisons) for places in pair]
    correlation: Floats | float = 0.0
    if side.moments.cluster is not None and side.found.error is not None:
        shared = mean_covariance(side.moments, side.metric.loss, side.slices, first, second)
        product = side.found.error[first] * side.found.error[second]
        correlation = np.divide(shared, product, out=np.zeros(len(first)), where=product > 0)
    sides = [(side.value[places], bounds) for places, bounds in zip(pair, intervals, strict=True)]
    return paired_square_and_add(sides[0], sides[1], correlation)


def _largest(side: _Side, named: Places, level: float) -> Measurement:
    slices = side.slices
    known = np.flatnonzero(~np.isnan(side.value[named]))
    one, two = np.triu_indices(len(known) if len(named) <= MAX_COMPARED else 0, k=1)
    first, second = np.concatenate([known[one], known[two]]), np.concatenate([known[two], known[one]])
    plain, adjusted = (_differences(side, named[first], named[second], level, m) for m in (1, max(len(one), 1)))
    value = side.value[named[first]] - side.value[named[second]]
    groups = [slices.groups[int(place)] for place in named]
    found = Pairwise(groups, side.found.n[named], first, second, value, plain, adjusted)
    row = Row(f"{side.metric.name}_difference", against=over(slices.features), level=level)
    largest = largest_of_pairs(row, found, method=f"square_and_add{_design(side.moments)}, largest gap")
    return replace(largest, at=side.metric.at)


def _design(moments: Moments) -> str:
    if moments.cluster is not None:
        return ", cluster-robust"
    return ", linearised weights" if moments.cells.weighted else ""


def _option_violations(moments: Moments, level: float, reference: Mapping[str, str] | None) -> list[str]:
    violations = [] if 0 < level < 1 else [f"level must lie in (0, 1); got {level}"]
    for name, group in (reference or {}).items():
        if name not in moments.cells.features:
            known = list(moments.cells.features)
            violations.append(f"reference names {name!r}, which is no sensitive feature; expected one of {known}")
        elif group not in moments.cells.features[name][1]:
            found = moments.cells.features[name][1][:20]
            violations.append(f"reference group {group!r} of {name!r} has no rows; expected one of {found}")
    return violations
