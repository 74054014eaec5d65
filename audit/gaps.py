"""Values of groups and the largest gap between them, as rows that a limit is held against.

The largest gap is an intersection-union test: every pair must keep the limit, so its upper end is the largest
*unadjusted* upper bound and its lower end the largest Bonferroni-adjusted lower bound (Berger 1982,
doi:10.1080/00401706.1982.10487790).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.estimates import Estimates, estimate, interval, method
from audit.intervals import Interval
from audit.measurement import Measurement, Slice
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Metric
from audit.pairs import Compare, Compared, Gaps, Places, compared, gap_interval, gap_method, gaps
from audit.rollup import Floats, GroupValues, Partition, cells_of, partition
from audit.rows import Row, measurement, undefined_reason
from audit.tally import Tally

End = Literal["max", "min"]

NAMED: Mapping[str, tuple[tuple[str, ...], Compare]] = MappingProxyType(
    {
        "demographic_parity_difference": (("selection_rate",), "difference"),
        "demographic_parity_ratio": (("selection_rate",), "ratio"),
        "equal_opportunity_difference": (("true_positive_rate",), "difference"),
        "equalized_odds_difference": (("true_positive_rate", "false_positive_rate"), "difference"),
    }
)
"""Gaps with a name of their own, as the largest gap of one or more metrics (names and meaning are Fairlearn's)."""


class Bounded(NamedTuple):
    """Comparisons with what the largest of them needs: unadjusted and Bonferroni-adjusted intervals.

    `label` and `method` describe the comparison at a place; `undefined` counts groups that could not be compared.
    """

    value: Floats
    n: npt.NDArray[np.int64]
    plain: Interval
    adjusted: Interval
    label: Callable[[int], str]
    method: Callable[[int], str]
    undefined: int


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
    names, how = NAMED.get(metric, ((metric,), compare))
    facts = [METRICS[_known(name)] for name in names]
    if how == "ratio" and any(fact.kind != "rate" for fact in facts):
        msg = f"ratios are defined for rates only; {metric} is none; compare: difference"
        raise ValueError(msg)
    cells = cells_of(tally)
    slices = partition(cells, features)
    bases = [compared(fact, cells, slices) for fact in facts]
    places = _places(slices, among)
    row = Row(
        _name(metric, how, end, features), against=_against(features, among, reference, baseline, how), level=level
    )
    if how == "value":
        return _most_extreme([_bounded_values(bases[0], places, level)], row, end, facts[0])
    found = [_bounded_gaps(base, places, level, (how, len(facts)), reference, baseline) for base in bases]
    return _most_extreme(found, row, end, facts[0])


def equalized_odds(true_positive: Compared, false_positive: Compared, *, level: float) -> Measurement:
    """Return the larger of the largest true and false positive rate gaps, as Fairlearn defines it."""
    slices = true_positive.slices
    places = _places(slices, None)
    found = [_bounded_gaps(base, places, level, ("difference", 2)) for base in (true_positive, false_positive)]
    row = Row(
        "equalized_odds_difference", against=_against(slices.features, None, None, None, "difference"), level=level
    )
    return _most_extreme(found, row, "max", true_positive.metric)


def extreme_rows(base: Compared, *, level: float) -> list[Measurement]:
    """Return the largest gap of a metric between the groups of a partition; its smallest ratio for single features.

    A gap that has a name of its own follows under that name.
    """
    metric, slices = base.metric, base.slices
    against = _against(slices.features, None, None, None, "difference")
    places = _places(slices, None)
    kinds: list[tuple[Compare, End]] = [("difference", "max")]
    if metric.kind == "rate" and len(slices.features) == 1:
        kinds.append(("ratio", "min"))
    rows = []
    for compare, end in kinds:
        row = Row(f"{metric.name}_{compare}", against=against, level=level)
        found = _most_extreme([_bounded_gaps(base, places, level, (compare, 1))], row, end, metric)
        rows += [
            found,
            *(replace(found, metric=name) for name, what in NAMED.items() if what == ((metric.name,), compare)),
        ]
    return rows


def group_values(tally: Tally, metric: str, *, features: Sequence[str], level: float) -> tuple[Measurement, ...]:
    """Return the plain value of a metric in every observed group of some features.

    Raises
    ------
    ValueError
        If there is no such metric or feature.
    """
    cells = cells_of(tally)
    return value_rows(compared(METRICS[_known(metric)], cells, partition(cells, features)), level=level)


def slice_value(tally: Tally, metric: str, *, slice: Slice, level: float) -> Measurement:
    """Return the plain value of a metric in one slice; undefined where the slice has no rows."""
    for row in group_values(tally, metric, features=[name for name, _ in slice], level=level):
        if row.slice == slice:
            return row
    return Measurement(
        metric=metric, slice=slice, value=None, n=0, level=level, method="none", reason="no rows in slice"
    )


def value_rows(base: Compared, *, level: float) -> tuple[Measurement, ...]:
    """Return one plain row per slice."""
    metric, cells, slices, found = base.metric, base.cells, base.slices, base.left
    bounds = interval(metric, found, level=level)
    methods = method(metric, cells, found)
    columns = zip(found.value.tolist(), bounds.low.tolist(), bounds.high.tolist(), found.n.tolist(), strict=True)
    return tuple(
        measurement(
            Row(metric.name, slices.slice_of(place), None, level),
            value=value,
            low=low,
            high=high,
            n=n,
            method=methods[place],
            reason=undefined_reason(metric, value),
        )
        for place, (value, low, high, n) in enumerate(columns)
    )


def group_label(group: GroupValues) -> str:
    """Return the values of a group as one text.

    Examples
    --------
    >>> group_label(("Black", None))
    'Black & (missing)'
    """
    return " & ".join("(missing)" if value is None else value for value in group) or "everyone"


def _known(metric: str) -> str:
    if metric not in METRICS:
        msg = f"unknown metric {metric!r}; expected one of {', '.join([*METRICS, *NAMED])}"
        raise ValueError(msg)
    return metric


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


def _bounded_values(base: Compared, places: Places, level: float) -> Bounded:
    metric, slices = base.metric, base.slices
    found = base.left.take(places)
    keep = np.flatnonzero(np.isfinite(found.value))
    kept: Estimates = found.take(keep)
    sides = [interval(metric, kept, level=level, comparisons=m) for m in (1, max(len(keep), 1))]
    methods = method(metric, base.cells, kept)

    def label(place: int) -> str:
        return group_label(slices.groups[int(places[keep][place])]) if slices.features else ""

    n = found.n if not len(keep) else kept.n
    return Bounded(kept.value, n, sides[0], sides[1], label, methods.__getitem__, len(found.value) - len(keep))


def _bounded_gaps(
    base: Compared,
    places: Places,
    level: float,
    how: tuple[Compare, int],
    reference: GroupValues | None = None,
    baseline: Tally | None = None,
) -> Bounded:
    compare, families = how
    first, second, base = _comparisons(base, places, compare, reference, baseline)
    found = gaps(base, first, second, compare=compare)
    defined = ~np.isnan(found.value)  # x / 0 is infinite, and its mirror 0 / x the smallest ratio of all
    kept = Gaps(found.first[defined], found.second[defined], found.value[defined], found.n[defined])
    comparisons = max(len(kept.value), 1) * families
    sides = [gap_interval(base, kept, compare=compare, level=level, comparisons=m) for m in (1, comparisons)]
    undefined = len({*first.tolist(), *second.tolist()} - {*kept.first.tolist(), *kept.second.tolist()})
    if reference is None and compare != "baseline":
        kept, sides = _both_ways(kept, sides, compare)
    n = kept.n if len(kept.n) else np.atleast_1d(base.left.n[places].min(initial=0))
    name = f"{gap_method(base, compare)}, largest gap"

    def label(place: int) -> str:
        return _pair_label(base, int(kept.first[place]), int(kept.second[place]), compare)

    return Bounded(kept.value, n, sides[0], sides[1], label, lambda _: name, undefined)


def _both_ways(kept: Gaps, sides: Sequence[Interval], compare: Compare) -> tuple[Gaps, list[Interval]]:
    """Return each comparison and its mirror: -difference, 1 / ratio, with the mirrored interval."""
    if compare == "ratio":
        with np.errstate(divide="ignore"):
            value, mirrored = 1 / kept.value, [Interval(1 / side.high, 1 / side.low) for side in sides]
    else:
        value, mirrored = -kept.value, [Interval(-side.high, -side.low) for side in sides]
    both = Gaps(
        np.concatenate([kept.first, kept.second]),
        np.concatenate([kept.second, kept.first]),
        np.concatenate([kept.value, value]),
        np.tile(kept.n, 2),
    )
    pairs = zip(sides, mirrored, strict=True)
    return both, [Interval(np.concatenate([a.low, b.low]), np.concatenate([a.high, b.high])) for a, b in pairs]


def _pair_label(base: Compared, first: int, second: int, compare: Compare) -> str:
    one = group_label(base.slices.groups[first])
    if compare == "baseline":
        return f"{one} against the baseline"
    return f"between {one} and {group_label(base.slices.groups[second])}"


def _comparisons(
    base: Compared, places: Places, compare: Compare, reference: GroupValues | None, baseline: Tally | None
) -> tuple[Places, Places, Compared]:
    if compare == "baseline":
        return _with_baseline(base, places, baseline)
    if reference is not None:
        other = _places(base.slices, [reference])
        first = places[places != other[0]]
        return first, np.repeat(other, len(first)), base
    one, two = np.triu_indices(len(places), k=1)
    return places[one], places[two], base


def _with_baseline(base: Compared, places: Places, baseline: Tally | None) -> tuple[Places, Places, Compared]:
    if baseline is None:
        msg = "comparing with a baseline needs one: pass the tally of an earlier run"
        raise ValueError(msg)
    cells = cells_of(baseline)
    earlier = partition(cells, base.slices.features)
    known = {group: place for place, group in enumerate(earlier.groups)}
    both = [
        (place, known[base.slices.groups[place]]) for place in places.tolist() if base.slices.groups[place] in known
    ]
    first, second = (np.array([pair[side] for pair in both], dtype=np.int64) for side in (0, 1))
    return first, second, base._replace(right=estimate(base.metric, cells, earlier))


def _most_extreme(found: Sequence[Bounded], row: Row, end: End, metric: Metric) -> Measurement:
    if any(not len(part.value) for part in found):
        gap = row.metric != metric.name and "_group_" not in row.metric
        reason = "fewer than two groups can be compared" if gap else undefined_reason(metric)
        n = min((int(part.n.min()) for part in found if len(part.n)), default=0)
        return measurement(row, value=np.nan, n=n, method="none", reason=reason)
    value = np.concatenate([part.value for part in found])
    plain = [np.concatenate([part.plain[side] for part in found]) for side in (0, 1)]
    adjusted = [np.concatenate([part.adjusted[side] for part in found]) for side in (0, 1)]
    worst = int(np.argmax(value) if end == "max" else np.argmin(value))
    if end == "max":
        low, high = _any(adjusted[0], -np.inf).max(), plain[1].max()
    else:
        low, high = plain[0].min(), _any(adjusted[1], np.inf).min()
    part, place = _located(found, worst)
    return measurement(
        row,
        value=value[worst],
        low=float(low),
        high=float(high),
        n=min(int(part.n.min()) for part in found),
        method=part.method(place),
        reason=_note(part.label(place), max(part.undefined for part in found)),
    )


def _located(found: Sequence[Bounded], place: int) -> tuple[Bounded, int]:
    for part in found:
        if place < len(part.value):
            return part, place
        place -= len(part.value)
    msg = "place lies beyond the comparisons"
    raise IndexError(msg)


def _any(bound: Floats, absent: float) -> Floats:
    """Return the bounds with `absent` where there is none: one missing bound does not hide the others."""
    return np.where(np.isnan(bound), absent, bound)


def _note(caveat: str, undefined: int) -> str | None:
    more = f"{undefined} group{'s' if undefined > 1 else ''} undefined" if undefined else ""
    return "; ".join(text for text in (caveat, more) if text) or None
