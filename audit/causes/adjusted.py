"""Gaps between groups with other features held fixed: raw beside adjusted, by strata and by regression.

A gap may come from what the groups do alike but not equally often (women applied to the departments that refuse most).
Whether the adjusted gap is the fairer number is a question of what may be adjusted for: a control that is itself an
effect of unequal treatment explains the gap away.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from audit.causes.adjusted_estimates import Estimate, Sides, raw, regression, sides, stratified
from audit.counting import count
from audit.errors import raise_violations
from audit.inference.mantel_haenszel import strata_of
from audit.measurement import Against, Measurement, Slice
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Metric
from audit.predictions import PredictionLog
from audit.rollup import Cells, Partition, cells_of, partition, without_scores
from audit.tally import Tally

DEFAULT = ("selection_rate", "true_positive_rate", "false_positive_rate")


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
    By strata: sum_k w_k (p1k - p0k) / sum_k w_k with w_k = n1k n0k / (n1k + n0k) (`audit.inference.mantel_haenszel`),
    with Klingenberg's interval, or what is wider of it and of `audit.causes.side_intervals` where on some side fewer
    than twenty rows deviate from their strata. Under weights or clusters: `side_intervals` of the linearised estimator,
    with 1 / (rows of the stratum) for a row's leverage. Strata that hold only one of the two sides have the weight 0;
    their share of the rows is reported.

    By regression: ordinary least squares of the 0/1 outcome (`audit.causes.least_squares`) with the sandwich variance
    HC2 (White 1980, doi:10.2307/1912934; MacKinnon & White 1985, doi:10.1016/0304-4076(85)90158-7); with clusters it is
    cluster-robust (Liang & Zeger 1986, doi:10.1093/biomet/73.1.13). It reaches rows without support by extrapolation:
    where the two adjusted gaps differ, the strata assume less.

    The raw gap is that of an audit of the two sides (`audit.pairs`). A value has no interval, and a reason, where a
    side has too few clusters or weighted rows for the level, or rows are fitted exactly.

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
        side = sides(metric, cells, groups.member == place, chosen, control)
        yield from _rows(metric, side, (groups.slice_of(place), against), control, (level, len(wanted)))


def _rows(
    metric: Metric, side: Sides, whom: tuple[Slice, Against], control: tuple[str, ...], how: tuple[float, int]
) -> Iterator[Measurement]:
    level, together = how
    names, (group, against) = " & ".join(control), whom
    counted = strata_of(side.cells.n.astype(np.float64), side.exposed, side.success, side.stratum)
    total, lacking = int(counted.total()), int(counted.total() - counted.supported())
    found = {
        "nothing": raw(metric, side, how),
        "strata": stratified(side, how, names),
        "regression": regression(side, how, names),
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
