"""Gaps between groups with other features held fixed: raw beside adjusted, by strata and by regression.

A gap may come from what the groups do alike but not equally often (women applied to the departments that refuse most).
Whether the adjusted gap is the fairer number is a question of what may be adjusted for: a control that is itself an
effect of unequal treatment explains the gap away.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from audit.causes.least_squares import least_squares
from audit.causes.side_intervals import Contrast, Mask, side_interval, undecided
from audit.counting import count
from audit.errors import raise_violations
from audit.inference.intervals import quantile
from audit.inference.mantel_haenszel import influence, klingenberg, risk_difference, shares, strata_of
from audit.measurement import Against, Measurement, Slice
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Counts, Metric
from audit.pairs import compared, gap_interval, gap_method, gaps
from audit.predictions import PredictionLog
from audit.rollup import Cells, Pairs, Partition, cells_of, partition, without_scores
from audit.tally import Tally

DEFAULT = ("selection_rate", "true_positive_rate", "false_positive_rate")


class Estimate(NamedTuple):
    """A gap with its interval; NaN where undefined, with a reason.

    Examples
    --------
    >>> Estimate(0.1, 0.05, 0.15, "agresti_caffo").value
    0.1
    """

    value: float
    low: float
    high: float
    method: str
    reason: str | None = None


class _Side(NamedTuple):
    """The cells of one comparison that lie in a rate's denominator.

    `exposed`: the group's; `success`: in the numerator; `stratum`: place among the strata of `controls`.
    """

    cells: Cells
    exposed: Mask
    success: Mask
    stratum: npt.NDArray[np.int64]
    controls: tuple[npt.NDArray[np.int64], ...]


def adjusted_gap_rows(
    log: PredictionLog,
    *,
    control: Sequence[str],
    reference: Mapping[str, str] | None = None,
    metrics: Sequence[str] | None = None,
    level: float = 0.95,
) -> tuple[Measurement, ...]:
    """Return gaps between the groups of each sensitive feature, raw and with other features held fixed.

    Parameters
    ----------
    log
        The predictions; the control features are among its sensitive features (numbers cut into ranges by `bins`).
    control
        What is held fixed: all their combinations are the strata.
    reference
        The reference group by feature; of other features each group is compared with the rest.
    metrics
        Names of rates; None = selection rate, true and false positive rate.
    level
        Confidence level; the intervals of one feature and metric are simultaneous over its comparisons (Bonferroni).

    Returns
    -------
    tuple of Measurement
        As `adjusted_gaps`.

    Raises
    ------
    InputError
        As `adjusted_gaps`, and if the log holds what it should not.

    Examples
    --------
    Each department admits both sexes at one rate, 80 % and 20 %; most women apply to the second.

    >>> import pyarrow as pa
    >>> p = [1] * 120 + [0] * 30 + [1] * 10 + [0] * 40 + [1] * 40 + [0] * 10 + [1] * 30 + [0] * 120
    >>> frame = pa.table({"y": [1] * 400, "p": p, "sex": ["M"] * 200 + ["F"] * 200,
    ...                   "dept": ["A"] * 150 + ["B"] * 50 + ["A"] * 50 + ["B"] * 150})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex", "dept"])
    >>> rows = adjusted_gap_rows(log, control=["dept"], reference={"sex": "M"}, metrics=["selection_rate"])
    >>> [(row.against["by"], round(row.value, 3) + 0.0) for row in rows if row.metric == "selection_rate_difference"]
    [('nothing', -0.3), ('strata', 0.0), ('regression', 0.0)]
    """
    return adjusted_gaps(count(log), control=control, reference=reference, metrics=metrics, level=level)


def adjusted_gaps(
    tally: Tally,
    *,
    control: Sequence[str],
    reference: Mapping[str, str] | None = None,
    metrics: Sequence[str] | None = None,
    level: float = 0.95,
) -> tuple[Measurement, ...]:
    """Return the rows of `adjusted_gap_rows` from a tally.

    Four rows for each comparison. ``<metric>_difference`` thrice, told apart by ``against["by"]``: "nothing" (the raw
    gap), "strata" (Mantel-Haenszel risk difference) and "regression" (the group's coefficient in a linear probability
    model with the controls as categories, without interactions); and ``<metric>_adjustment_support``, the share of the
    rows of both sides that lie in strata in which both have rows. ``at["feature"]`` names the controls.

    Raises
    ------
    InputError
        If a feature, group or metric does not exist, no feature is left to compare, or the level is none: all at once.

    Notes
    -----
    By strata: sum_k w_k (p1k - p0k) / sum_k w_k with w_k = n1k n0k / (n1k + n0k) (`audit.inference.mantel_haenszel`).
    Under weights or clusters: the linearised variance of the same estimator. Strata that hold only one of the two sides
    have the weight 0; their share of the rows is reported.

    By regression: ordinary least squares of the 0/1 outcome with the sandwich variance and the factor n / (n - k)
    (White 1980, doi:10.2307/1912934; MacKinnon & White 1985, doi:10.1016/0304-4076(85)90158-7); with clusters it is
    cluster-robust (Liang & Zeger 1986, doi:10.1093/biomet/73.1.13). It reaches rows without support by extrapolation:
    where the two adjusted gaps differ, the strata assume less.

    The raw gap: `audit.inference.gap_intervals.gap_of_rates`.

    Effects and intervals decide; no p-value is computed.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1] * 6, "p": [1, 1, 0, 1, 0, 0], "sex": list("FFFMMM"), "dept": list("AABAAC")})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex", "dept"]))
    >>> rows = adjusted_gaps(tally, control=["dept"], reference={"sex": "M"}, metrics=["selection_rate"])
    >>> rows[-1].metric, round(rows[-1].value, 3), rows[-1].reason
    ('selection_rate_adjustment_support', 0.667, '2 of 6 rows lie in strata of dept that hold one side only')
    """
    raise_violations(_violations(tally, control, reference or {}, metrics, level))
    cells = without_scores(cells_of(tally))
    rows: list[Measurement] = []
    for feature in (name for name in tally.features if name not in control):
        groups = partition(cells, [feature])
        for name in metrics or DEFAULT:
            rows += _of_feature(METRICS[name], cells, groups, tuple(control), ((reference or {}).get(feature), level))
    return tuple(rows)


def _of_feature(
    metric: Metric, cells: Cells, groups: Partition, control: tuple[str, ...], how: tuple[str | None, float]
) -> Iterator[Measurement]:
    reference, level = how
    named = [group for group in groups.groups if None not in group]
    wanted = [group for group in named if group != (reference,)]
    if len(groups.groups) < 2:
        return
    for group in wanted:
        place = groups.groups.index(group)
        chosen = np.ones(len(cells.n), dtype=bool)
        against: Against = {"kind": "rest"}
        if reference is not None:
            chosen = np.isin(groups.member, (place, groups.groups.index((reference,))))
            against = {"kind": "slice", "slice": {groups.features[0]: reference}}
        side = _side(metric, cells, groups.member == place, chosen, control)
        yield from _rows(metric, side, (groups.slice_of(place), against), control, (level, len(wanted)))


def _side(metric: Metric, cells: Cells, exposed: Mask, chosen: Mask, control: tuple[str, ...]) -> _Side:
    units = cast("Any", metric.function)(Counts(*np.eye(6)))
    inside = np.flatnonzero(chosen & (units.denominator[cells.quadrant] > 0))
    kept = _taken(cells, inside)
    return _Side(
        kept,
        exposed[inside],
        units.numerator[kept.quadrant] > 0,
        partition(kept, control).member,
        tuple(cells.features[name][0][inside] for name in control),
    )


def _rows(
    metric: Metric, side: _Side, whom: tuple[Slice, Against], control: tuple[str, ...], how: tuple[float, int]
) -> Iterator[Measurement]:
    level, together = how
    names, (group, against) = " & ".join(control), whom
    counted = strata_of(side.cells.n.astype(np.float64), side.exposed, side.success, side.stratum)
    total, lacking = int(counted.total()), int(counted.total() - counted.supported())
    found = {
        "nothing": _raw(metric, side, how),
        "strata": _stratified(side, how, names),
        "regression": _regression(side, how, names),
    }
    for by, estimate in found.items():
        adjusted = {} if by == "nothing" else {"adjusted_for": list(control)}
        value, low, high, reason = _known(estimate)
        method = f"{estimate.method}, simultaneous over {together}" if together > 1 else estimate.method
        yield Measurement(
            metric=f"{metric.name}_difference", slice=group, at=(("feature", names),),
            against={**against, "by": by, **adjusted}, value=value, low=low, high=high,
            n=int(min(counted.n1.sum(), counted.n0.sum())), level=level, method=method, reason=reason,
        )  # fmt: skip
    yield Measurement(
        metric=f"{metric.name}_adjustment_support", slice=group, at=(("feature", names),), against=against,
        value=(total - lacking) / total if total else None, n=total, method="count",
        reason=f"{lacking:,} of {total:,} rows lie in strata of {names} that hold one side only" if lacking or not total
        else None,
    )  # fmt: skip


def _known(found: Estimate) -> tuple[float | None, float | None, float | None, str | None]:
    """Return value, ends and reason of an estimate: nothing that is not finite is a number of a row."""
    if not np.isfinite(found.value):
        return None, None, None, found.reason or "undefined"
    if not (np.isfinite(found.low) and np.isfinite(found.high)):
        return found.value, None, None, found.reason or "no interval: its variance is undefined"
    return found.value, found.low, found.high, found.reason


def _raw(metric: Metric, side: _Side, how: tuple[float, int]) -> Estimate:
    """Return the gap with nothing held fixed, as an audit of the two sides gives it."""
    base = compared(metric, side.cells, Partition((), ((), ()), side.exposed.astype(np.int64)))
    gap, method = gaps(base, [1], [0], compare="difference"), gap_method(base, "difference")
    value = float(gap.value[0])
    if not np.isfinite(value):
        return Estimate(np.nan, np.nan, np.nan, method, "no rows on one of the two sides")
    total = np.bincount(side.exposed, weights=side.cells.w, minlength=2)
    share = np.where(side.exposed, 1 / total[1], -1 / total[0])
    reason = undecided(side.cells, side.exposed, share, level=how[0], comparisons=how[1])
    if reason:
        return Estimate(value, np.nan, np.nan, method, reason)
    ends = gap_interval(base, gap, compare="difference", level=how[0], comparisons=how[1])
    return Estimate(value, float(ends.low[0]), float(ends.high[0]), method)


def _stratified(side: _Side, how: tuple[float, int], names: str) -> Estimate:
    """Return the Mantel-Haenszel gap, with the wider of two intervals where few rows deviate."""
    method = "mantel_haenszel, klingenberg" if side.cells.plain else "mantel_haenszel, linearised"
    strata = strata_of(side.cells.w, side.exposed, side.success, side.stratum)
    value = risk_difference(strata)
    if not np.isfinite(value):
        return Estimate(np.nan, np.nan, np.nan, method, f"no stratum of {names} holds both sides")
    share = shares(strata, side.exposed, side.stratum)
    moved = influence(strata, side.exposed, side.success, side.stratum)
    added = side.cells.w * share * side.success
    rates = -float(added[~side.exposed].sum()), float(added[side.exposed].sum())
    leverage = side.cells.w / side.cells.n / (strata.n1 + strata.n0)[side.stratum]
    gap = Contrast(value, side.exposed, share, moved, leverage, rates)
    found = side_interval(side.cells, gap, level=how[0], comparisons=how[1])
    low, high = found.low, found.high
    if side.cells.plain:
        inverted = klingenberg(strata, critical=float(quantile(how[0], comparisons=how[1])))
        low, high = (min(low, inverted[0]), max(high, inverted[1])) if found.few else inverted
    return Estimate(value, low, high, method, found.reason)


def _regression(side: _Side, how: tuple[float, int], names: str) -> Estimate:
    method = "least_squares, sandwich variance"
    gap = least_squares(side.cells, side.exposed, side.success, side.controls)
    if gap is None:
        return Estimate(np.nan, np.nan, np.nan, method, f"{names} says which side a row is on")
    found = side_interval(side.cells, gap, level=how[0], comparisons=how[1])
    return Estimate(gap.value, found.low, found.high, method, found.reason)


def _taken(cells: Cells, places: npt.NDArray[np.int64]) -> Cells:
    """Return some of the cells; pairs of cells of which one is left out go with it."""
    pairs = cells.pairs
    if pairs is not None:
        new = np.full(len(cells.n), -1)
        new[places] = np.arange(len(places))
        both = (new[pairs.left] >= 0) & (new[pairs.right] >= 0)
        pairs = Pairs(new[pairs.left][both], new[pairs.right][both], pairs.moment[both])
    return cells._replace(
        quadrant=cells.quadrant[places],
        n=cells.n[places],
        w=cells.w[places],
        w2=cells.w2[places],
        features={name: (codes[places], values) for name, (codes, values) in cells.features.items()},
        pairs=pairs,
    )


def _violations(
    tally: Tally, control: Sequence[str], reference: Mapping[str, str], metrics: Sequence[str] | None, level: float
) -> list[str]:
    known = ", ".join(tally.features) or "none"
    violations = [
        f"control {name!r} is no feature of the log, which has {known}"
        for name in control
        if name not in tally.features
    ]
    if isinstance(control, str) or not control:
        violations.append(f"control must name at least one feature as a list; got {control!r}")
    left = [name for name in tally.features if name not in control]
    if not left:
        violations.append("every feature is a control; leave one of them to compare groups of")
    cells = cells_of(tally)
    if (cells.quadrant < 0).any():
        violations.append("adjusted gaps are of two labels that every row has a decision on; these counts are not")
    for name, group in reference.items():
        values = cells.features[name][1] if name in left else []
        if group not in values:
            violations.append(
                f"reference {name}={group!r} is no group that is compared; there is {left}, with {values[:20]}"
            )
    for name in metrics or ():
        if name not in METRICS or METRICS[name].kind != "rate":
            rates = ", ".join(metric.name for metric in METRICS.values() if metric.kind == "rate")
            violations.append(f"{name!r} is no rate; adjusted gaps are of rates: {rates}")
    if not 0 < level < 1:
        violations.append(f"level must lie in (0, 1); got {level}")
    return violations
