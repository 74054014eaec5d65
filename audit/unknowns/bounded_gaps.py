"""The largest gap, or the worst group, whatever the missing labels are: the row that a limit is held against."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np

from audit.estimates import Estimates, estimate, joined_estimates
from audit.gaps import NAMED, End, extreme
from audit.inference.intervals import Interval
from audit.measurement import Measurement
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Metric
from audit.pairs import Compare, Compared, Places, gap_interval, gaps
from audit.rollup import Cells, Floats, GroupValues, Partition, partition
from audit.tally import Tally
from audit.unknowns.bounds import corner_estimates, corner_intervals, labelled_apart, open_cells
from audit.unknowns.outcome_coverage import has_bounds

WORST = "missing labels at their worst"


class Ends(NamedTuple):
    """Worst-case ends of comparisons: unadjusted, and simultaneous over all of them.

    Examples
    --------
    >>> ends = Ends(*(Interval(np.array([low]), np.array([0.4])) for low in (0.1, 0.0)))
    >>> ends.plain.low.tolist(), ends.adjusted.low.tolist()
    ([0.1], [0.0])
    """

    plain: Interval
    adjusted: Interval


def bounded_extreme(
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
    """Return what `audit.gaps.extreme` returns, with an interval that holds whatever the missing labels are.

    `value` stays that of the labelled rows. The interval of each comparison is the union of its intervals over the
    extreme assignments of labels on both sides (`audit.unknowns.bounds`), each side free of the other; the row takes
    the largest unadjusted upper and the largest Bonferroni-adjusted lower end of them, as `extreme` does. What it shows
    to keep (or to break) a limit therefore keeps (breaks) it under every assignment. Clusters that span two groups are
    taken for independent ones there. Metrics of scores (ROC AUC), and balanced accuracy where deferred rows have no
    label, have no such bounds here: both ends are None.

    Between the corners the Agresti-Caffo interval can stick out of the union by terms of the order 1 / n^2 where a rate
    comes near 0 or 1; the union is wider than any single assignment needs by far more than that.

    Parameters
    ----------
    tally, metric, features, compare, end, level, among, reference, baseline
        As in `audit.gaps.extreme`.

    Raises
    ------
    ValueError
        As `audit.gaps.extreme`.

    Examples
    --------
    Forty rows of each sex; eight rows of F have no label.

    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> y = ["1"] * 32 + [None] * 8 + ["1"] * 40
    >>> frame = pa.table({"y": y, "p": ["1"] * 80, "sex": ["F"] * 40 + ["M"] * 40})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex"]))
    >>> asked = {"features": ["sex"], "compare": "difference", "end": "max", "level": 0.95}
    >>> plain, bounded = (rows(tally, "accuracy", **asked) for rows in (extreme, bounded_extreme))
    >>> round(plain.high, 3), round(bounded.high, 3)
    (0.079, 0.323)
    """
    plain = extreme(
        tally, metric, features=features, compare=compare, end=end, level=level, among=among, reference=reference,
        baseline=baseline,
    )  # fmt: skip
    if plain.value is None and plain.low is None and plain.high is None:
        return plain
    names, how = NAMED.get(metric, ((metric,), compare))
    if not all(has_bounds(tally, name) for name in names):
        why = f"{plain.reason + '; ' if plain.reason else ''}no bounds over missing labels are known for {metric}"
        return replace(plain, low=None, high=None, reason=why)
    facts = [METRICS[name] for name in names]
    cells = open_cells(tally)
    slices = partition(cells, features)
    places = _places(slices, among)
    found = []
    for fact in facts:
        if how == "value":
            found.append(_of_values(fact, cells, slices, places, level))
        else:
            found.append(_of_gaps(fact, cells, slices, places, (how, len(facts), reference, baseline), level))
    return _held_against(plain, found, end)


def _held_against(plain: Measurement, found: Sequence[Ends], end: End) -> Measurement:
    if end == "max":
        low = max(float(np.nanmax(ends.adjusted.low, initial=-np.inf)) for ends in found)
        high = max(float(_known(ends.plain.high, np.inf).max(initial=-np.inf)) for ends in found)
    else:
        low = min(float(_known(ends.plain.low, -np.inf).min(initial=np.inf)) for ends in found)
        high = min(float(np.nanmin(ends.adjusted.high, initial=np.inf)) for ends in found)
    reason = plain.reason
    if not (np.isfinite(low) and np.isfinite(high)):
        reason = f"{reason + '; ' if reason else ''}unbounded with {WORST}"
    return replace(
        plain,
        low=low if np.isfinite(low) else None,
        high=high if np.isfinite(high) else None,
        method=f"manski bounds, {plain.method}",
        reason=reason,
    )


def _of_values(fact: Metric, cells: Cells, slices: Partition, places: Places, level: float) -> Ends:
    labelled = estimate(fact, labelled_apart(cells), slices).value[places]
    kept = places[np.isfinite(labelled)]
    corners = [corner.take(kept) for corner in corner_estimates(fact, cells, slices)]
    sides = [corner_intervals(fact, corners, level=level, comparisons=m) for m in (1, max(len(kept), 1))]
    return Ends(*(_union(side) for side in sides))


def _of_gaps(
    fact: Metric,
    cells: Cells,
    slices: Partition,
    places: Places,
    asked: tuple[Compare, int, GroupValues | None, Tally | None],
    level: float,
) -> Ends:
    compare, families, reference, baseline = asked
    left = corner_estimates(fact, cells, slices)
    labelled = right_labelled = estimate(fact, labelled_apart(cells), slices)
    right, size = left, (len(slices.groups), len(slices.groups))
    if compare == "baseline" and baseline is not None:
        earlier = open_cells(baseline)
        then = partition(earlier, slices.features)
        right, right_labelled = corner_estimates(fact, earlier, then), estimate(fact, labelled_apart(earlier), then)
        size = (size[0], len(then.groups))
        both = [(i, then.groups.index(slices.groups[i])) for i in places.tolist() if slices.groups[i] in then.groups]
        first, second = (np.array([pair[side] for pair in both], dtype=np.int64) for side in (0, 1))
    else:
        first, second = _pairs(slices, places, reference)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = labelled.value[first] / right_labelled.value[second] if compare == "ratio" else 0.0
    defined = np.isfinite(labelled.value[first]) & np.isfinite(right_labelled.value[second]) & ~np.isnan(own)
    first, second = first[defined], second[defined]
    mirrored = compare != "baseline" and reference is None
    together = max(len(first) // (2 if mirrored else 1), 1) * families
    base = Compared(fact, labelled_apart(cells), slices, _joined(left), _joined(right))
    corners = list(product(range(len(left)), range(len(right))))
    sides = []
    for m in (1, together):
        ends = []
        for one, two in corners:
            pairs = gaps(base, first + one * size[0], second + two * size[1], compare=compare)
            ends.append(gap_interval(base, pairs, compare=compare, level=level, comparisons=m))
        sides.append(_union(ends))
    return Ends(*sides)


def _pairs(slices: Partition, places: Places, reference: GroupValues | None) -> tuple[Places, Places]:
    """Return each pair of groups both ways, or each group against the reference."""
    if reference is not None:
        other = slices.groups.index(tuple(reference))
        first = places[places != other]
        return first, np.full(len(first), other)
    one, two = np.triu_indices(len(places), k=1)
    return np.concatenate([places[one], places[two]]), np.concatenate([places[two], places[one]])


def _joined(corners: Sequence[Estimates]) -> Estimates:
    """Return the corners one after another; without influences, which belong to one corner on both sides."""
    return joined_estimates([corner._replace(influence=None) for corner in corners])


def _union(ends: Sequence[Interval]) -> Interval:
    low, high = np.stack([each.low for each in ends]), np.stack([each.high for each in ends])
    return Interval(np.fmin.reduce(low, axis=0), np.fmax.reduce(high, axis=0))


def _known(ends: Floats, absent: float) -> Floats:
    """Return the ends with `absent` where there is none: what has no bound keeps no limit."""
    return np.where(np.isnan(ends), absent, ends)


def _places(slices: Partition, among: Sequence[GroupValues] | None) -> Places:
    if among is None:
        return np.array([i for i, group in enumerate(slices.groups) if None not in group], dtype=np.int64)
    return np.array([slices.groups.index(tuple(group)) for group in among], dtype=np.int64)
