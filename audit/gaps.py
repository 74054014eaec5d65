"""Values of groups and the largest gap between them, as rows that a limit is held against (see `audit.largest`)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from audit.estimates import interval, method
from audit.largest import Bounded, End, Question, bounded_gaps, bounded_values, group_label, most_extreme
from audit.measurement import Measurement, Slice
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Metric
from audit.metrics.multiclass import SET_METRICS
from audit.pairs import Compare, Compared, Places, compared, families, stacked
from audit.rollup import Cells, GroupValues, Partition, cells_of, partition
from audit.rows import Row, measurement, undefined_reason
from audit.tally import Tally

__all__ = [
    "NAMED",
    "Bounded",
    "Compare",
    "End",
    "comparisons",
    "equalized_odds",
    "extreme",
    "extreme_rows",
    "group_label",
    "group_values",
    "slice_value",
    "value_rows",
]

NAMED: Mapping[str, tuple[tuple[str, ...], Compare]] = MappingProxyType(
    {
        "demographic_parity_difference": (("selection_rate",), "difference"),
        "demographic_parity_ratio": (("selection_rate",), "ratio"),
        "equal_opportunity_difference": (("true_positive_rate",), "difference"),
        "equalized_odds_difference": (("true_positive_rate", "false_positive_rate"), "difference"),
    }
)
"""Gaps with a name of their own, as the largest gap of one or more metrics (names and meaning are Fairlearn's)."""


def extreme(
    tally: Tally,
    metric: str,
    *,
    features: Sequence[str],
    compare: Compare,
    end: End,
    level: float,
    among: Sequence[GroupValues] | None = None,
    reference: GroupValues | None = None,
    baseline: Tally | None = None,
) -> Measurement:
    """Return the most extreme comparison over groups as one row, with the bounds that a limit is held against.

    Parameters
    ----------
    tally
        The counts.
    metric
        Name from `METRICS` or `NAMED`; a named gap sets `compare` itself.
    features
        Features whose (intersectional) groups are compared; empty = everyone, with `compare` "value" or "baseline".
    compare
        "value": the worst group. "difference", "ratio": between any two groups, or group against `reference`.
        "baseline": group now minus the same group in `baseline`.
    end
        "max" for an upper limit: `high` is the largest unadjusted upper bound, `low` the largest Bonferroni-adjusted
        lower bound. "min" mirrors it.
    level
        Confidence level.
    among
        Which groups take part; None = all that have no missing value.
    reference
        The group that the others are compared with.
    baseline
        The tally of an earlier run.

    Returns
    -------
    Measurement
        Its value is None, with a reason, where nothing can be compared; `reason` also names the groups that the value
        comes from and how many are undefined.

    Raises
    ------
    ValueError
        If a named group or metric does not exist, or the comparison makes no sense.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1] * 40, "p": [1] * 18 + [0] * 2 + [1] * 9 + [0] * 11, "sex": ["F"] * 20 + ["M"] * 20})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex"]))
    >>> row = extreme(tally, "true_positive_rate", features=["sex"], compare="difference", end="max", level=0.95)
    >>> round(row.value, 2), round(row.low, 2), round(row.high, 2), row.reason
    (0.45, 0.16, 0.66, 'between F and M')
    """
    found, facts, how = _found(tally, metric, features, compare, level, among, reference, baseline)
    against = _against(features, among, reference, baseline, how)
    return most_extreme(found, Row(_name(metric, how, end, features), against=against, level=level), end, facts)


def comparisons(
    tally: Tally,
    metric: str,
    *,
    features: Sequence[str],
    compare: Compare,
    level: float,
    among: Sequence[GroupValues] | None = None,
    reference: GroupValues | None = None,
    baseline: Tally | None = None,
) -> tuple[Bounded, ...]:
    """Return every comparison that `extreme` takes the most extreme of, with the same parameters, as arrays.

    One entry per metric that a named gap rests on. Without a reference each pair of groups stands in it both ways.

    Raises
    ------
    ValueError
        As `extreme`.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1] * 40, "p": [1] * 18 + [0] * 2 + [1] * 9 + [0] * 11, "sex": ["F"] * 30 + ["M"] * 10})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex"]))
    >>> (found,) = comparisons(tally, "true_positive_rate", features=["sex"], compare="difference", level=0.95)
    >>> found.label(0), found.value.round(1).tolist(), found.n.tolist(), found.smallest(0), found.together
    ('between F and M', [0.9, -0.9], [10], 'M', 1)
    """
    return tuple(_found(tally, metric, features, compare, level, among, reference, baseline)[0])


def equalized_odds(true_positive: Compared, false_positive: Compared, *, level: float) -> Measurement:
    """Return the larger of the largest true and false positive rate gaps, as Fairlearn defines it.

    Its value is None, with a reason, where one of the two rates is defined in fewer than two groups.

    Examples
    --------
    True positive rates 3/4 and 1/2, false positive rates 1/2 and 0/4.

    >>> import numpy as np
    >>> n = np.array([3.0, 1.0, 1.0, 1.0, 1.0, 1.0, 4.0])
    >>> cells = Cells(np.array([0, 2, 1, 3, 0, 2, 3]), n, n, n, None, 0, False, {}, False, None)
    >>> slices = Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 0, 0, 1, 1, 1]))
    >>> rates = [compared(METRICS[name], cells, slices) for name in ("true_positive_rate", "false_positive_rate")]
    >>> equalized_odds(*rates, level=0.95).value
    0.5
    """
    slices = true_positive.slices
    found = bounded_gaps([true_positive, false_positive], _places(slices, None), level, Question("difference", 2))
    row = Row(
        "equalized_odds_difference", against=_against(slices.features, None, None, None, "difference"), level=level
    )
    return most_extreme(found, row, "max", true_positive.metric)


def extreme_rows(bases: Sequence[Compared], *, level: float) -> list[Measurement]:
    """Return the largest gap of metrics between the groups of a partition; their smallest ratio for single features.

    A gap that has a name of its own follows under that name.

    Examples
    --------
    >>> n, slices = np.array([3.0, 1.0, 1.0, 1.0]), Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1, 1]))
    >>> cells = Cells(np.array([0, 2, 0, 2]), n, n, n, None, 0, False, {}, False, None)
    >>> rows = extreme_rows([compared(METRICS["true_positive_rate"], cells, slices)], level=0.95)  # 3/4 and 1/2
    >>> [round(row.value, 3) for row in rows], rows[1].metric, rows[2].metric
    ([0.25, 0.25, 0.667], 'equal_opportunity_difference', 'true_positive_rate_ratio')
    """
    kinds: list[tuple[Compare, End]] = [("difference", "max"), ("ratio", "min")]
    rows = []
    for family in families(bases):
        slices = family[0].slices
        against, places = _against(slices.features, None, None, None, "difference"), _places(slices, None)
        for compare, end in kinds:
            if compare == "ratio" and (family[0].metric.kind != "rate" or len(slices.features) > 1):
                continue
            parts = bounded_gaps(family, places, level, Question(compare))
            for base, part in zip(family, parts, strict=True):
                row = Row(f"{base.metric.name}_{compare}", against=against, level=level)
                found = most_extreme([part], row, end, base.metric)
                rows += [found, *(replace(found, metric=name) for name in _own_names(base.metric, compare))]
    return rows


def group_values(tally: Tally, metric: str, *, features: Sequence[str], level: float) -> tuple[Measurement, ...]:
    """Return the plain value of a metric in every observed group of some features.

    Raises
    ------
    ValueError
        If there is no such metric or feature.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1, 1, 1], "p": [1, 0, 1], "sex": ["F", "F", "M"]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex"]))
    >>> [(row.slice, row.value) for row in group_values(tally, "true_positive_rate", features=["sex"], level=0.95)]
    [((('sex', 'F'),), 0.5), ((('sex', 'M'),), 1.0)]
    """
    return tuple(value_rows([compared(_facts(tally, metric), *_rolled_up(tally, features))], level=level))


def slice_value(tally: Tally, metric: str, *, slice: Slice, level: float) -> Measurement:
    """Return the plain value of a metric in one slice; undefined where the slice has no rows.

    Raises
    ------
    ValueError
        As `group_values`.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1, 1], "p": [1, 0], "sex": ["F", "F"]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex"]))
    >>> [slice_value(tally, "true_positive_rate", slice=(("sex", sex),), level=0.95).value for sex in "FM"]
    [0.5, None]
    """
    for row in group_values(tally, metric, features=[name for name, _ in slice], level=level):
        if row.slice == slice:
            return row
    return Measurement(
        metric=metric, slice=slice, value=None, n=0, level=level, method="none", reason="no rows in slice"
    )


def value_rows(bases: Sequence[Compared], *, level: float) -> list[Measurement]:
    """Return one plain row per metric and slice.

    Examples
    --------
    >>> n, everyone = np.array([3.0, 1.0]), Partition((), ((),), np.array([0, 0]))
    >>> cells = Cells(np.array([0, 2]), n, n, n, None, 0, False, {}, False, None)
    >>> bases = [compared(METRICS[name], cells, everyone) for name in ("true_positive_rate", "false_positive_rate")]
    >>> [(row.value, row.n, row.reason) for row in value_rows(bases, level=0.95)]
    [(0.75, 4, None), (None, 0, 'no negative labels in slice')]
    """
    rows: list[Measurement] = []
    for family in families(bases):
        joined, shape = stacked(family), (len(family), len(family[0].slices.groups))
        slices = [joined.slices.slice_of(place) for place in range(shape[1])]
        bounds = interval(joined.metric, joined.left, level=level)
        columns = (joined.left.value, bounds.low, bounds.high, joined.left.n)
        split = zip(*(column.reshape(shape).tolist() for column in columns), strict=True)
        for base, of_metric in zip(family, split, strict=True):
            rows += _value_rows(base, slices, of_metric, level)
    return rows


def _value_rows(
    base: Compared, slices: Sequence[Slice], columns: Sequence[list[Any]], level: float
) -> Iterator[Measurement]:
    metric = base.metric
    methods = method(metric, base.cells, base.left)
    for slice_, how, value, low, high, n in zip(slices, methods, *columns, strict=True):
        reason = undefined_reason(metric, value, n=n)
        yield measurement(
            Row(metric.name, slice_, None, level), value=value, low=low, high=high, n=n, method=how, reason=reason
        )


def _found(
    tally: Tally,
    metric: str,
    features: Sequence[str],
    compare: Compare,
    level: float,
    among: Sequence[GroupValues] | None,
    reference: GroupValues | None,
    baseline: Tally | None,
) -> tuple[list[Bounded], Metric, Compare]:
    if metric in NAMED and compare == "baseline":
        msg = f"{metric} is a gap between groups; compare one of {', '.join(NAMED[metric][0])} with the baseline"
        raise ValueError(msg)
    names, how = NAMED.get(metric, ((metric,), compare))
    facts = [_facts(tally, name) for name in names]
    if how == "ratio" and any(fact.kind != "rate" for fact in facts):
        msg = f"ratios are defined for rates only; {metric} is none; compare: difference"
        raise ValueError(msg)
    cells, slices = _rolled_up(tally, features)
    bases = [compared(fact, cells, slices) for fact in facts]
    places = _places(slices, among)
    if how == "value":
        return [bounded_values(bases[0], places, level)], facts[0], how
    if reference is not None:
        _places(slices, [reference])
    asked = Question(how, len(facts), None if reference is None else tuple(reference), baseline)
    return bounded_gaps(bases, places, level, asked), facts[0], how


def _own_names(metric: Metric, compare: Compare) -> list[str]:
    return [name for name, what in NAMED.items() if what == ((metric.name,), compare)]


def _rolled_up(tally: Tally, features: Sequence[str]) -> tuple[Cells, Partition]:
    unknown = [name for name in features if name not in tally.features]
    if unknown:
        msg = f"no sensitive features {unknown}; the tally has {list(tally.features)}"
        raise ValueError(msg)
    cells = cells_of(tally)
    return cells, partition(cells, features)


def _facts(tally: Tally, metric: str) -> Metric:
    known = METRICS if tally.task == "binary" else SET_METRICS[tally.task]
    if metric not in known:
        msg = f"unknown metric {metric!r}; expected one of {', '.join([*known, *NAMED])}"
        raise ValueError(msg)
    return known[metric]


def _name(metric: str, compare: Compare, end: End, features: Sequence[str]) -> str:
    if metric in NAMED:
        return metric
    if compare == "value":
        return f"{metric}_group_{end}" if features else metric
    return f"{metric}_{'ratio' if compare == 'ratio' else 'difference'}"


def _against(
    features: Sequence[str],
    among: Sequence[GroupValues] | None,
    reference: GroupValues | None,
    baseline: Tally | None,
    compare: Compare,
) -> dict[str, object] | None:
    if not features and compare != "baseline":
        return None
    against: dict[str, object] = {"kind": "groups", "features": list(features)}
    if among is not None:
        against["among"] = [list(group) for group in among]
    if reference is not None:
        against["reference"] = list(reference)
    if baseline is not None and compare == "baseline":
        against |= {"kind": "reference", "digest": baseline.digest()}
    return against


def _places(slices: Partition, among: Sequence[GroupValues] | None) -> Places:
    if among is None:
        return np.array([i for i, group in enumerate(slices.groups) if None not in group], dtype=np.int64)
    absent = [group for group in among if tuple(group) not in slices.groups]
    if absent:
        msg = f"groups {absent} of {slices.features} have no rows; found {list(slices.groups)[:20]}"
        raise ValueError(msg)
    return np.array([slices.groups.index(tuple(group)) for group in among], dtype=np.int64)
