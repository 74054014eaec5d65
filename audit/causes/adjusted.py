"""Gaps between groups with other features held fixed: raw beside adjusted, by strata and by regression.

A gap may come from what the groups do alike but not equally often (women applied to the departments that refuse most).
Whether the adjusted gap is the fairer number is a question of what may be adjusted for: a control that is itself an
effect of unequal treatment explains the gap away.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from audit.counting import count
from audit.errors import raise_violations
from audit.estimates import spread
from audit.inference.gap_intervals import gap_of_rates
from audit.inference.intervals import quantile
from audit.inference.mantel_haenszel import Mask, Strata, influence, klingenberg, risk_difference, strata_of
from audit.measurement import Against, Measurement, Slice
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Counts, Metric
from audit.predictions import PredictionLog
from audit.rollup import Cells, Floats, Pairs, Partition, cells_of, partition, without_scores
from audit.tally import Tally

DEFAULT = ("selection_rate", "true_positive_rate", "false_positive_rate")


class Estimate(NamedTuple):
    """A gap with its interval; NaN where undefined.

    Examples
    --------
    >>> Estimate(0.1, 0.05, 0.15, "agresti_caffo").value
    0.1
    """

    value: float
    low: float
    high: float
    method: str


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
    found = {"nothing": _raw(side, how), "strata": _stratified(side, how), "regression": _regression(side, how)}
    for by, estimate in found.items():
        adjusted = {} if by == "nothing" else {"adjusted_for": list(control)}
        known = np.isfinite(estimate.value)
        method = f"{estimate.method}, simultaneous over {together}" if together > 1 else estimate.method
        yield Measurement(
            metric=f"{metric.name}_difference", slice=group, at=(("feature", names),),
            against={**against, "by": by, **adjusted}, value=estimate.value if known else None,
            low=estimate.low if known else None, high=estimate.high if known else None,
            n=int(min(counted.n1.sum(), counted.n0.sum())), level=level, method=method,
            reason=_reason(by, estimate, names),
        )  # fmt: skip
    yield Measurement(
        metric=f"{metric.name}_adjustment_support", slice=group, at=(("feature", names),), against=against,
        value=(total - lacking) / total if total else None, n=total, method="count",
        reason=f"{lacking:,} of {total:,} rows lie in strata of {names} that hold one side only" if lacking or not total
        else None,
    )  # fmt: skip


def _reason(by: str, found: Estimate, names: str) -> str | None:
    if np.isfinite(found.value):
        return None
    if by == "nothing":
        return "no rows on one of the two sides"
    return f"no stratum of {names} holds both sides" if by == "strata" else f"{names} says which side a row is on"


def _raw(side: _Side, how: tuple[float, int]) -> Estimate:
    """Return the raw gap: one stratum holds everyone."""
    whole = side._replace(stratum=np.zeros(len(side.stratum), dtype=np.int64))
    one = strata_of(side.cells.w, side.exposed, side.success, whole.stratum)
    if not len(one.n1) or not side.cells.plain:
        return _linearised(whole, one, how)
    ends = gap_of_rates(one.x1, one.n1, one.x0, one.n0, level=how[0], comparisons=how[1])
    return Estimate(risk_difference(one), float(ends.low[0]), float(ends.high[0]), "agresti_caffo")


def _stratified(side: _Side, how: tuple[float, int]) -> Estimate:
    strata = strata_of(side.cells.w, side.exposed, side.success, side.stratum)
    if not side.cells.plain:
        return _linearised(side, strata, how)._replace(method="mantel_haenszel, linearised")
    low, high = klingenberg(strata, critical=float(quantile(how[0], comparisons=how[1])))
    return Estimate(risk_difference(strata), low, high, "mantel_haenszel, klingenberg")


def _linearised(side: _Side, strata: Strata, how: tuple[float, int]) -> Estimate:
    value = risk_difference(strata)
    if not np.isfinite(value):
        return Estimate(value, np.nan, np.nan, "linearised")
    moved = influence(strata, side.exposed, side.success, side.stratum)
    return _with_interval(side.cells, value, moved, how, "linearised", 1.0)


def _regression(side: _Side, how: tuple[float, int]) -> Estimate:
    """Return the group's coefficient by partialling the controls out (Frisch & Waugh 1933, doi:10.2307/1907330)."""
    name, weight = "least_squares, sandwich variance", side.cells.w
    columns = [np.ones(len(weight))]
    for codes in side.controls:
        columns += [(codes == value).astype(np.float64) for value in np.unique(codes)[1:]]
    controls, root = np.stack(columns, axis=1), np.sqrt(weight)
    exposed, success = side.exposed.astype(np.float64), side.success.astype(np.float64)
    if not len(weight):
        return Estimate(np.nan, np.nan, np.nan, name)
    fitted = np.linalg.lstsq(controls * root[:, None], np.stack([exposed, success], axis=1) * root[:, None], rcond=None)
    own = exposed - controls @ fitted[0][:, 0]
    amount = float((weight * own**2).sum())
    if amount <= 1e-9 * weight.sum():
        return Estimate(np.nan, np.nan, np.nan, name)
    value = float((weight * own * success).sum() / amount)
    residual = success - controls @ fitted[0][:, 1] - own * value
    rows, parameters = float(side.cells.n.sum()), int(fitted[2]) + 1
    factor = rows / (rows - parameters) if rows > parameters else np.nan
    return _with_interval(side.cells, value, own * residual / amount, how, name, factor)


def _with_interval(
    cells: Cells, value: float, moved: Floats, how: tuple[float, int], method: str, factor: float
) -> Estimate:
    """Return a gap with the interval of its linearised variance; Student's t where the design is not simple."""
    one = Partition((), ((),), np.zeros(len(cells.n), dtype=np.int64))
    variance = float(spread(cells, one, moved)[0]) * factor
    df = np.inf
    if not cells.plain:
        kish = float(cells.w.sum() ** 2 / max(float(spread(cells, one, np.ones(len(cells.n)))[0]), 1e-300))
        df = max(kish - 1, 1.0)
        variance *= 1 + 1 / df
    half = float(quantile(how[0], df=df, comparisons=how[1])) * float(np.sqrt(variance))
    return Estimate(value, max(value - half, -1.0), min(value + half, 1.0), method)


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
