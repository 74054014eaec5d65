"""Any metric that a person brings, by group, through Fairlearn's `MetricFrame`, with bootstrap intervals of our own.

Fairlearn computes the values; its bootstrap of the largest difference is not used, because a percentile interval of a
maximum excludes equality even where groups are equal.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from audit.errors import InputError, raise_violations
from audit.inference.bootstrap import Replicates, bca, difference, needed, replicates, why_none
from audit.inference.intervals import Interval
from audit.measurement import Against, Measurement, Slice
from audit.pairwise import Pairwise, largest_of_pairs, over
from audit.provenance import Provenance, recorded_versions
from audit.result import Result
from audit.rows import Row, measurement
from audit.seeds import seed_violations
from audit.tally import Codes
from audit.tasks.custom_call import (
    CustomMetric,
    MetricColumns,
    Rows,
    Value,
    called_on,
    frame_violations,
    group_values,
    rows_of,
)

__all__ = ["MetricColumns", "custom_metric_rows", "run_custom_metric"]

MIN_UNITS = 20
"""Groups with fewer rows (clusters) get no bootstrap interval: it covers too rarely."""
MIN_BOOT, MAX_BOOT = 1_000, 30_000


class _Gap(NamedTuple):
    """A difference between two groups, with its unadjusted and its simultaneous interval."""

    pair: tuple[Slice, Slice]
    value: float
    n: int
    plain: tuple[float, float]
    adjusted: tuple[float, float]

    def mirrored(self) -> "_Gap":
        one, two = self.pair
        turned = [(-high, -low) for low, high in (self.plain, self.adjusted)]
        return _Gap((two, one), -self.value, self.n, *turned)


def custom_metric_rows(
    frame: pd.DataFrame,
    metric: CustomMetric,
    *,
    name: str,
    columns: MetricColumns,
    level: float = 0.95,
    n_boot: int | None = None,
    random_state: int = 0,
) -> tuple[Measurement, ...]:
    """Return the values of a metric for everyone, every group and every intersection, and the gaps between groups.

    Parameters
    ----------
    frame
        One row per prediction.
    metric
        ``metric(y_true, y_pred)`` or, with weights, ``metric(y_true, y_pred, sample_weight=...)``: a number.
    name
        What the metric is called; rows are named ``<name>`` and ``<name>_difference``.
    columns
        Which columns are what. With `cluster`, whole clusters are drawn.
    level
        Confidence level, in (0, 1).
    n_boot
        Bootstrap replicates; None = as many as the largest family of pairs needs, from 1,000 to 30,000; 0 = no
        intervals.
    random_state
        Seed.

    Returns
    -------
    tuple of Measurement
        Values have BCa intervals (`audit.inference.bootstrap.bca`). Differences between each pair of groups of a
        feature are simultaneous over its pairs (Bonferroni); the largest follows the intersection-union rule of
        `audit.largest`. Undefined (a `reason` says so): the metric raised, returned NaN, or warned that it is
        undefined, as scikit-learn does beside a 0. Groups of fewer than 20 rows or clusters have no interval.

    Raises
    ------
    InputError
        If columns are missing, labels are missing, an option lies outside its range, or the metric fails for everyone
        or returns no number.

    Notes
    -----
    For values that move smoothly with the rows (means, rates, AUC, correlations); the bootstrap is wrong for extremes
    and for distances near 0. Coverage at level .95 by simulation (tests/audit/tasks/test_custom_metrics.py): .92 and
    more for a mean of exponential values and for Spearman's correlation on 60 rows, and for an AUC on 40 + 40.
    Clusters that stand in two groups are drawn in each apart, so that the interval of their difference is wider than a
    paired one.

    Examples
    --------
    >>> frame = pd.DataFrame({"y": [1, 0] * 40, "p": [1, 0, 1, 1] * 20, "g": ["a", "a", "b", "b"] * 20})
    >>> rows = custom_metric_rows(frame, lambda y, p: (y == p).mean(), name="agreement",
    ...                           columns=MetricColumns("y", "p", ("g",)))
    >>> [(dict(row.slice), row.value) for row in rows if row.against is None]
    [({}, 0.75), ({'g': 'a'}, 1.0), ({'g': 'b'}, 0.5)]
    """
    violations = [] if 0 < level < 1 else [f"level must lie in (0, 1); got {level}"]
    violations += [] if n_boot is None or n_boot >= 0 else [f"n_boot must be at least 0; got {n_boot}"]
    raise_violations([*violations, *seed_violations(random_state), *frame_violations(frame, name, columns)])
    rows = rows_of(frame, metric, name, columns)
    values = group_values(rows)
    _refuse_useless(rows, values[()])
    pairs = max((math.comb(len(_named(rows, feature)), 2) for feature in columns.sensitive_features), default=1)
    boots = min(max(MIN_BOOT, needed(level, max(pairs, 1))), MAX_BOOT) if n_boot is None else n_boot
    seeds = np.random.SeedSequence(random_state).spawn(len(rows.groups))
    drawn = {
        slice_: _drawn(rows, places, values[slice_].value, boots, np.random.default_rng(seed))
        for (slice_, places), seed in zip(rows.groups.items(), seeds, strict=True)
    }
    found = [_value_row(rows, slice_, values[slice_], drawn[slice_], level) for slice_ in rows.groups]
    for feature in columns.sensitive_features:
        found += _gap_rows(rows, feature, drawn, level)
    return tuple(found)


def run_custom_metric(
    frame: pd.DataFrame,
    metric: CustomMetric,
    *,
    name: str,
    columns: MetricColumns,
    level: float = 0.95,
    n_boot: int | None = None,
    random_state: int = 0,
) -> Result:
    """Return `custom_metric_rows` as a result that can be saved; the seed stands in its provenance.

    Raises
    ------
    InputError
        As `custom_metric_rows`.

    Examples
    --------
    >>> frame = pd.DataFrame({"y": [1, 0] * 40, "p": [1, 0, 1, 1] * 20, "g": ["a", "b"] * 40})
    >>> found = run_custom_metric(frame, lambda y, p: (y == p).mean(), name="agreement",
    ...                           columns=MetricColumns("y", "p", ("g",)))
    >>> found.find("agreement").value, found.provenance.seed
    (0.75, 0)
    """
    rows = custom_metric_rows(
        frame, metric, name=name, columns=columns, level=level, n_boot=n_boot, random_state=random_state
    )
    roles = {role: getattr(columns, role) for role in ("y_true", "y_pred", "sample_weight", "cluster")}
    given = {
        "custom_metric": name, "columns": {role: column for role, column in roles.items() if column is not None},
        "level": level, "n_boot": n_boot, "sensitive_features": list(columns.sensitive_features),
    }  # fmt: skip
    provenance = Provenance(seed=random_state, versions=recorded_versions(), given=given)
    return Result(measurements=rows, provenance=provenance)


def _refuse_useless(rows: Rows, everyone: Value) -> None:
    if everyone.reason is not None and "raised" in everyone.reason:
        msg = f"the metric {rows.name!r} cannot be computed for everyone: {everyone.reason}"
        raise InputError([msg])


def _drawn(
    rows: Rows, places: Codes, value: float, n_boot: int, random_state: np.random.Generator
) -> Replicates | None:
    units = np.unique(rows.units[places], return_inverse=True)[1].astype(np.int64)
    if n_boot == 0 or math.isnan(value) or units.max() + 1 < MIN_UNITS:
        return None
    return replicates(
        lambda chosen: called_on(rows, places[chosen]).value,
        units,
        n_boot=n_boot,
        random_state=random_state,
        value=value,
    )


def _value_row(rows: Rows, slice_: Slice, value: Value, drawn: Replicates | None, level: float) -> Measurement:
    n = len(rows.groups[slice_])
    row = Row(rows.name, slice_, None, level)
    if value.reason is not None:
        return measurement(row, value=math.nan, n=n, method="none", reason=value.reason)
    if drawn is None:
        return Measurement(
            metric=rows.name, slice=slice_, value=value.value, n=n, method="none",
            reason=f"no interval: fewer than {MIN_UNITS} rows or clusters to draw from, or n_boot = 0",
        )  # fmt: skip
    low, high = bca(drawn, level=level)
    if (why := why_none(drawn, level=level)) is not None:
        return Measurement(
            metric=rows.name, slice=slice_, value=value.value, n=n, level=level, method="bca", reason=why
        )
    return measurement(row, value=value.value, low=float(low), high=float(high), n=n, method="bca")


def _named(rows: Rows, feature: str) -> list[Slice]:
    return [slice_ for slice_ in rows.groups if [name for name, _ in slice_] == [feature] and slice_[0][1] is not None]


def _gap_rows(rows: Rows, feature: str, drawn: Mapping[Slice, Replicates | None], level: float) -> list[Measurement]:
    named = _named(rows, feature)
    known = [slice_ for slice_ in named if drawn[slice_] is not None]
    pairs = list(combinations(known, 2))
    how = "bca, difference" + (f", simultaneous over {len(pairs)}" if len(pairs) > 1 else "")
    gaps, found = [], []
    for one, two in pairs:
        gap = difference(*(_known(drawn[side]) for side in (one, two)))
        plain, adjusted = (bca(gap, level=level, comparisons=m) for m in (1, len(pairs)))
        ends = [(float(side.low), float(side.high)) for side in (plain, adjusted)]
        gaps.append(_Gap((one, two), gap.value, min(len(rows.groups[side]) for side in (one, two)), *ends))
        against: Against = {"kind": "slice", "slice": dict(two)}
        why = why_none(gap, level=level, comparisons=len(pairs))
        row = Row(f"{rows.name}_difference", one, against, level)
        found.append(_with_reason(row, gap.value, ends[1], gaps[-1].n, how, why))
    if len(named) > 1:
        found.append(_largest(rows, feature, named, gaps, level))
    return found


def _with_reason(
    row: Row, value: float, bounds: tuple[float, float], n: int, method: str, why: str | None
) -> Measurement:
    if why is None:
        return measurement(row, value=value, low=bounds[0], high=bounds[1], n=n, method=method)
    return Measurement(
        metric=row.metric,
        slice=row.slice,
        against=row.against,
        value=value,
        n=n,
        level=row.level,
        method=method,
        reason=why,
    )


def _known(drawn: Replicates | None) -> Replicates:
    if drawn is None:
        msg = "a group without replicates is compared with none"
        raise ValueError(msg)
    return drawn


def _largest(rows: Rows, feature: str, named: Sequence[Slice], gaps: Sequence[_Gap], level: float) -> Measurement:
    both = [*gaps, *(gap.mirrored() for gap in gaps)]
    plain, adjusted = (
        Interval(*(np.array([ends[side] for ends in column], dtype=np.float64) for side in (0, 1)))
        for column in ([gap.plain for gap in both], [gap.adjusted for gap in both])
    )
    places = {slice_: place for place, slice_ in enumerate(named)}
    first, second = (np.array([places[gap.pair[side]] for gap in both], dtype=np.int64) for side in (0, 1))
    sizes = np.array([len(rows.groups[slice_]) for slice_ in named], dtype=np.int64)
    value = np.array([gap.value for gap in both], dtype=np.float64)
    found = Pairwise([(slice_[0][1],) for slice_ in named], sizes, first, second, value, plain, adjusted)
    row = Row(f"{rows.name}_difference", against=over([feature]), level=level)
    return largest_of_pairs(row, found, method="bca, difference, largest gap")
