"""Bounds on group rates and gaps when the sensitive value of some rows is missing: each may belong to any group."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np

from audit.estimates import Estimates, design, estimate, interval
from audit.inference.gap_intervals import gap_of_rates
from audit.inference.intervals import Interval
from audit.measurement import Measurement
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Counts, Metric
from audit.pairs import Places
from audit.pairwise import Pairwise, largest_of_pairs, over
from audit.rollup import Cells, Partition, cells_of, partition, without_scores
from audit.rows import Row, measurement
from audit.tally import Codes, Tally
from audit.unknowns.bounds import LOWER, UPPER
from audit.views import answers, view_of

_METHOD = "manski bounds, rows without a group at their worst"


class Extremes(NamedTuple):
    """A metric of each group at its smallest and at its largest, over all ways to give the missing rows a group.

    Examples
    --------
    >>> one = Estimates(np.array([0.5]), np.array([4]), np.array([np.inf]), np.array([2.0]), np.array([4.0]))
    >>> Extremes(one, one._replace(value=np.array([0.75]))).upper.value.tolist()
    [0.75]
    """

    lower: Estimates
    upper: Estimates


def attribute_coverage_rows(tally: Tally, *, level: float = 0.95) -> tuple[Measurement, ...]:
    """Return which share of rows has a value of each sensitive feature, with Wilson's interval or the exact one.

    Larger is better, in [0, 1].

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": [1, 0, 1, 0], "p": [1, 1, 1, 0], "sex": ["F", None, "M", "M"]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex"]))
    >>> [(dict(row.at), row.value, row.n) for row in attribute_coverage_rows(tally)]
    [({'feature': 'sex'}, 0.75, 4)]
    """
    cells = without_scores(cells_of(tally))
    rows = []
    for name in tally.features:
        codes, values = cells.features[name]
        known = np.array([value is not None for value in values])[codes]
        share = Estimates(
            np.array([cells.n[known].sum() / cells.n.sum()]), np.array([cells.n.sum()]), np.array([np.inf]),
            np.array([float(cells.n[known].sum())]), np.array([float(cells.n.sum())]),
        )  # fmt: skip
        ends = interval(METRICS["selection_rate"], share, level=level)
        rows.append(
            Measurement(
                metric="attribute_coverage", at=(("feature", name),), value=float(share.value[0]),
                low=float(ends.low[0]), high=float(ends.high[0]), n=int(share.n[0]), level=level, method="wilson",
            )
        )  # fmt: skip
    return tuple(rows)


def attribute_bound_rows(
    tally: Tally, *, metrics: Sequence[str] | None = None, level: float = 0.95
) -> tuple[Measurement, ...]:
    """Return bounds on the rates of groups, and on the largest gap between them, over the groups of nobody knows who.

    For each single feature with missing values and each metric: ``<metric>_lower_bound`` and ``<metric>_upper_bound``
    of every named group, and ``<metric>_difference_upper_bound`` for the largest gap between two of them. `at` names
    the feature. Rows of which the group is missing may belong to any group that is named in the data; a group that
    nobody ever recorded is not bounded.

    Parameters
    ----------
    tally
        The counts.
    metrics
        Names of rates (other metrics have no such bounds and are left out); None = selection rate, true and false
        positive rate, accuracy.
    level
        Confidence level of the interval around each bound.

    Returns
    -------
    tuple of Measurement
        Empty where no value is missing.

    Notes
    -----
    A rate x / n of a group with s successes and f failures among the missing rows lies between x / (n + f) and
    (x + s) / (n + s). The largest difference of g and h takes the upper end of g and the lower end of h, which can be
    had at once: successes go to g, failures to h. The idea is that of worst-case bounds: Manski 2003,
    doi:10.1007/b97478; for fairness with unknown groups: Kallus, Mao & Zhou 2022, doi:10.1287/mnsc.2020.3850 (their
    data combination tightens it, ours needs no second data set). The largest gap is one of many: its `low` is the
    largest Bonferroni-adjusted lower end over all pairs, its `high` the largest unadjusted upper end, as of
    `audit.gaps.extreme`; it says which groups took part, and which have no value.

    Examples
    --------
    F: 3 of 4 selected, M: 1 of 4; of two rows nobody knows the sex, one is selected: F lies in [3/5, 4/5].

    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": [1] * 10, "p": [1, 1, 1, 0, 1, 0, 0, 0, 1, 0],
    ...                   "sex": ["F"] * 4 + ["M"] * 4 + [None] * 2})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex"]))
    >>> rows = attribute_bound_rows(tally, metrics=["selection_rate"])
    >>> [(row.metric.removeprefix("selection_rate_"), row.slice, round(row.value, 2)) for row in rows[:2]]
    [('lower_bound', (('sex', 'F'),), 0.6), ('upper_bound', (('sex', 'F'),), 0.8)]
    >>> rows[-1].metric, round(rows[-1].value, 2)  # 4/5 - 1/5
    ('selection_rate_difference_upper_bound', 0.6)
    """
    chosen = metrics or ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy")
    views = [view_of(tally, each) for each in chosen if answers(tally, each)]
    rates = [(view.metric, without_scores(cells_of(view.tally))) for view in views if view.metric.kind == "rate"]
    rows: list[Measurement] = []
    for name in tally.features:
        for metric, cells in rates:
            slices = partition(cells, [name])
            if (None,) in slices.groups and len(slices.groups) > 2:
                rows += _rows(metric, name, slices, extremes(metric, cells, slices), cells, level)
    return tuple(rows)


def extremes(metric: Metric, cells: Cells, slices: Partition) -> Extremes:
    """Return each named group's smallest and largest value; `slices` are the groups of one feature.

    Examples
    --------
    >>> n, member = np.array([3, 1, 2]), np.array([1, 1, 0])
    >>> cells = Cells(np.array([0, 2, 0]), n, n * 1.0, n * 1.0, None, 0, False, {}, False, None)
    >>> found = extremes(METRICS["true_positive_rate"], cells, Partition(("sex",), ((None,), ("F",)), member))
    >>> found.lower.value.tolist(), found.upper.value.round(3).tolist()  # 3/4, 5/6
    ([0.75], [0.833])
    """
    lacking = slices.groups.index((None,))
    named = [place for place in range(len(slices.groups)) if place != lacking]
    found = [_of_group(metric, cells, slices.member, place, lacking) for place in named]
    return Extremes(*(_side(found, place) for place in (0, 1)))


def _of_group(
    metric: Metric,
    cells: Cells,
    member: Codes,
    group: int,
    lacking: int,
) -> tuple[Estimates, Estimates]:
    """Return one group with the missing rows that make its value smallest, and with those that make it largest."""
    mine = member == group
    kinds = sorted(set(cells.quadrant[member == lacking].tolist()))
    found = []
    for taken in _candidates(metric, kinds):
        joins = mine | ((member == lacking) & np.isin(cells.quadrant, taken))
        slices = Partition((), ((), ()), np.where(joins, 0, 1))
        found.append(estimate(metric, cells, slices).take([0]))
    value = np.array([each.value[0] for each in found])
    known = np.isfinite(value)
    first = int(np.where(known, value, np.inf).argmin())
    last = int(np.where(known, value, -np.inf).argmax())
    return found[first], found[last]


def _candidates(metric: Metric, kinds: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return the sets of quadrants that may join at the extremes of a rate: nothing, its successes, its failures."""
    units = cast("Any", metric.function)(Counts(*np.eye(6)))
    successes = tuple(k for k in kinds if units.denominator[k] and units.numerator[k])
    failures = tuple(k for k in kinds if units.denominator[k] and not units.numerator[k])
    return (), successes, failures


def _side(found: Sequence[tuple[Estimates, Estimates]], side: int) -> Estimates:
    columns = {}
    for name in ("value", "n", "df", "successes", "trials", "error"):
        given = [getattr(each[side], name) for each in found]
        columns[name] = None if given[0] is None else np.concatenate(given)
    return Estimates(**columns)  # type: ignore[arg-type]


def _rows(
    metric: Metric, feature: str, slices: Partition, found: Extremes, cells: Cells, level: float
) -> list[Measurement]:
    method, at = _METHOD + design(cells), (("feature", feature),)
    groups = [group for group in slices.groups if group != (None,)]
    ends = [interval(metric, side, level=level) for side in found]
    rows = []
    for place, group in enumerate(groups):
        for ending, side, end in zip((LOWER, UPPER), found, ends, strict=True):
            row = measurement(
                Row(metric.name + ending, ((feature, group[0]),), None, level),
                value=float(side.value[place]),
                low=float(end.low[place]),
                high=float(end.high[place]),
                n=int(side.n[place]),
                method=method,
                reason=None if np.isfinite(side.value[place]) else f"no {metric.needs} in this group",
            )
            rows.append(replace(row, at=at))
    return [*rows, replace(_largest(metric, feature, groups, found, (method, level)), at=at)]


def _largest(
    metric: Metric,
    feature: str,
    groups: Sequence[tuple[str | None, ...]],
    found: Extremes,
    how: tuple[str, float],
) -> Measurement:
    method, level = how
    first, second = np.nonzero(~np.eye(len(groups), dtype=bool))
    value = found.upper.value[first] - found.lower.value[second]
    known = np.isfinite(value)
    pairs = max(int(known.sum()) // 2, 1)
    plain, adjusted = (_difference(found, first, second, level, together) for together in (1, pairs))
    sizes = np.minimum(found.upper.n, found.lower.n)
    row = Row(f"{metric.name}_difference{UPPER}", against=over([feature]), level=level)
    compared = Pairwise(groups, sizes, first, second, np.where(known, value, np.nan), plain, adjusted)
    return largest_of_pairs(row, compared, method=method)


def _difference(found: Extremes, first: Places, second: Places, level: float, together: int) -> Interval:
    upper, lower = found.upper.take(first), found.lower.take(second)
    return gap_of_rates(
        np.asarray(upper.successes), np.asarray(upper.trials), np.asarray(lower.successes), np.asarray(lower.trials),
        level=level, df=np.minimum(upper.df, lower.df), comparisons=together,
    )  # fmt: skip
