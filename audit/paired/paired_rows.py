"""Rows of a comparison: what changed for whom, whether gaps grew, the largest of each, and who was helped or harmed."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.estimates import design
from audit.inference import intervals
from audit.inference.intervals import Interval
from audit.largest import End, most_extreme
from audit.measurement import Against, Measurement, Slice
from audit.metrics.catalog import METRICS
from audit.paired.paired import Change, change, change_interval, change_method, growth, growth_interval
from audit.paired.paired_gaps import bounded_growth, chosen_places, paired_extreme
from audit.paired.paired_means import FEW_CHANGED, PAIRED_MEANS, mean_metric
from audit.pairs import Places
from audit.pairwise import over
from audit.rollup import Cells, GroupValues, Partition
from audit.rows import Row, measurement, undefined_reason

MAX_GROUPS = 50
"""Of more groups than this, no growth of gaps is written out."""


_WHOLE = 1e-9  # of a row, for the last bits

Outcome = Literal["worse", "better", "changed", "not shown"]


class Sides(NamedTuple):
    """The cells of a candidate and of the baseline, what their rows are compared with, and the level.

    Examples
    --------
    >>> n = np.array([3.0])
    >>> cells = Cells(np.array([0]), n, n, n, None, 0, False, {}, False, None)
    >>> Sides(cells, cells, "old", 0.95).against
    {'kind': 'model', 'model_version': 'old'}
    """

    first: Cells
    second: Cells
    baseline: str
    level: float

    @property
    def against(self) -> Against:
        """What a change is compared with."""
        return {"kind": "model", "model_version": self.baseline}


def change_rows(found: Change, sides: Sides) -> Iterator[Measurement]:
    """Yield one row per group: the metric under the candidate minus under the baseline, simultaneous over the groups.

    Examples
    --------
    >>> n = np.array([50.0, 50.0])
    >>> one, two = (Cells(np.array(labels), n, n, n, None, 0, False, {}, False, None) for labels in ([0, 2], [0, 0]))
    >>> found = change(METRICS["true_positive_rate"], one, two, Partition((), ((),), np.array([0, 0])))
    >>> (row,) = change_rows(found, Sides(one, two, "old", 0.95))
    >>> row.metric, row.value, round(row.low, 3), round(row.high, 3), row.n
    ('true_positive_rate_difference', -0.5, -0.594, -0.4, 100)
    """
    size = max(int(np.isfinite(found.value).sum()), 1)
    bounds = change_interval(found, level=sides.level, comparisons=size)
    slices = [found.slices.slice_of(place) for place in range(len(found.value))]
    name, how = f"{found.metric.name}_difference", change_method(found) + _together(size)
    yield from _rows(name, slices, sides.against, found, (found.value, found.n, bounds), how, sides.level)


def extreme_change_rows(found: Change, sides: Sides) -> Iterator[Measurement]:
    """Yield the largest worsening among groups, and the largest growth of a gap between two of them.

    A worsening is a rise where lower is better, a fall where higher is; of metrics that are neither, both are given.
    Each row says which groups took part, and which have no value under one of the models or both.

    Examples
    --------
    >>> n = np.array([50.0, 50.0, 50.0, 50.0])
    >>> one, two = (Cells(np.array(labels), n, n, n, None, 0, False, {}, False, None)
    ...             for labels in ([0, 0, 0, 2], [0, 0, 0, 0]))
    >>> slices = Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1, 1]))
    >>> found = change(METRICS["true_positive_rate"], one, two, slices)
    >>> [(row.metric[19:], row.value, row.reason) for row in extreme_change_rows(found, Sides(one, two, "old", 0.95))]
    [('difference_group_min', -0.5, 'M'), ('change_difference', 0.5, 'between F and M')]
    """
    places = chosen_places(found.slices, None)
    if not found.slices.features or len(places) < 2:
        return
    groups = [found.slices.groups[place] for place in places.tolist()]
    against = compared_groups(groups, np.isfinite(found.value[places])) | over(found.slices.features)
    against |= {"model_version": sides.baseline}
    worse: dict[str, tuple[End, ...]] = {"lower": ("max",), "higher": ("min",), "neither": ("max", "min")}
    for end in worse[found.metric.better]:
        row = Row(f"{found.metric.name}_difference_group_{end}", against=against, level=sides.level)
        yield paired_extreme(found, row, end)
    if len(places) <= MAX_GROUPS:
        row = Row(f"{found.metric.name}_change_difference", against=against, level=sides.level)
        yield most_extreme([bounded_growth(found, places, level=sides.level)], row, "max", found.metric)


def growth_rows(
    found: Change, sides: Sides, reference: str | None, again: Callable[[Partition], Change] | None = None
) -> Iterator[Measurement]:
    """Yield by how much the gap of every group of a feature to the rest, and to a reference group, grew.

    Each is the change of the group minus that of the others, so that a gap which was negative and comes nearer to 0 has
    a growth above 0, too. Simultaneous over the groups. `again` makes the same change over other slices, where it does
    not come from the cells of `sides`.

    Examples
    --------
    >>> n = np.array([50.0, 50.0, 50.0, 50.0])
    >>> one, two = (Cells(np.array(labels), n, n, n, None, 0, False, {}, False, None)
    ...             for labels in ([0, 0, 0, 2], [0, 0, 0, 0]))
    >>> slices = Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1, 1]))
    >>> found = change(METRICS["true_positive_rate"], one, two, slices)
    >>> rows = growth_rows(found, Sides(one, two, "old", 0.95), None)
    >>> [(row.slice, row.value, row.against["kind"]) for row in rows]
    [((('sex', 'F'),), 0.5, 'rest'), ((('sex', 'M'),), -0.5, 'rest')]
    """
    places = chosen_places(found.slices, None)
    if len(found.slices.features) != 1 or not 1 < len(found.slices.groups) <= MAX_GROUPS:
        return
    halves = _halves(found, sides, places, again)
    zero, one = np.zeros(len(halves), dtype=np.int64), np.ones(len(halves), dtype=np.int64)
    yield from _growth_rows(found, sides, halves, (places, zero, one), {"kind": "rest"})
    if reference is None:
        return
    other = found.slices.groups.index((reference,))
    others = places[places != other]
    against = {"kind": "slice", "slice": dict(found.slices.slice_of(other))}
    yield from _growth_rows(found, sides, [found] * len(others), (others, others, np.full(len(others), other)), against)


def helped_and_harmed(sides: Sides, slices: Partition) -> Iterator[Measurement]:
    """Yield, per group, how many labelled rows became right and how many became wrong, with intervals in rows.

    They are what McNemar's test looks at (McNemar 1947, doi:10.1007/BF02295996). Each interval is that of a share of
    the group's labelled rows, times their number, to whole rows; simultaneous over the groups. Under weights or
    clusters: the estimated share, times the labelled rows.

    Examples
    --------
    >>> n = np.array([90.0, 10.0])
    >>> one, two = (Cells(np.array(labels), n, n, n, None, 0, False, {}, False, None) for labels in ([0, 2], [0, 0]))
    >>> rows = list(helped_and_harmed(Sides(one, two, "old", 0.95), Partition((), ((),), np.array([0, 0]))))
    >>> [(row.metric, row.value, round(row.high, 1), row.n) for row in rows]
    [('became_right', 0.0, 4.0, 100), ('became_wrong', 10.0, 18.0, 100)]
    """
    found = change(METRICS["accuracy"], sides.first, sides.second, slices)
    size = max(int((found.n > 0).sum()), 1)
    groups = [slices.slice_of(place) for place in range(len(found.value))]
    for name, x in (("became_right", found.gained), ("became_wrong", found.lost)):
        counted, trials = np.asarray(x), np.asarray(found.trials)
        scale = np.divide(found.n, trials, out=np.full(len(trials), np.nan), where=trials > 0)
        share = intervals.rate(counted, trials, level=sides.level, df=found.df, comparisons=size)
        bounds = Interval(low=np.floor(share.low * found.n + _WHOLE), high=np.ceil(share.high * found.n - _WHOLE))
        exact = intervals.uses_clopper_pearson(counted, trials).tolist()
        ending = design(sides.first) + _together(size)
        how = [f"{'clopper_pearson' if flag else 'wilson'}{ending}" for flag in exact]
        columns = (np.where(trials > 0, counted * scale, np.nan), found.n, bounds)
        yield from _rows(name, groups, sides.against, found, columns, how, sides.level)


def compared_groups(groups: Sequence[GroupValues], defined: npt.NDArray[np.bool_]) -> dict[str, object]:
    """Return which groups took part in the largest of something, and which could not, as a row's `against` says it.

    Examples
    --------
    >>> compared_groups([("F",), ("M",), ("X",)], np.array([True, True, False]))
    {'among': [['F'], ['M']], 'undefined': [['X']]}
    """
    sides = [
        [list(group) for group, known in zip(groups, defined.tolist(), strict=True) if known is side]
        for side in (True, False)
    ]
    found: dict[str, object] = {"among": sides[0]}
    return found | ({"undefined": sides[1]} if sides[1] else {})


def outcome_of(row: Measurement) -> Outcome:
    """Return what a row shows for the people concerned: its whole interval is worse or better than no change, or not.

    "changed" is said of metrics that are neither good nor bad in themselves, such as the selection rate.

    Examples
    --------
    >>> row = Measurement(metric="false_negative_rate_difference", against={"kind": "model", "model_version": "old"},
    ...                   value=0.1, low=0.02, high=0.2, n=90, level=0.95, method="paired_score")
    >>> from dataclasses import replace
    >>> outcome_of(row), outcome_of(replace(row, low=-0.1)), outcome_of(replace(row, metric="accuracy_difference"))
    ('worse', 'not shown', 'better')
    """
    base = row.metric.partition("_difference")[0]
    up = row.low is not None and row.low > 0
    down = row.high is not None and row.high < 0
    if (base not in METRICS and base not in PAIRED_MEANS) or not (up or down):
        return "not shown"
    better = (METRICS[base] if base in METRICS else mean_metric(base)).better
    if better == "neither":
        return "changed"
    return "better" if up == (better == "higher") else "worse"


def _halves(found: Change, sides: Sides, places: Places, again: Callable[[Partition], Change] | None) -> list[Change]:
    """Return the changes of each group (slice 0) and of everyone else (slice 1)."""
    member = found.slices.member
    halves = [Partition((), ((), ()), (member != place).astype(np.int64)) for place in places.tolist()]
    if again is not None:
        return [again(half) for half in halves]
    return [change(found.metric, sides.first, sides.second, half) for half in halves]


def _growth_rows(
    found: Change, sides: Sides, changes: Sequence[Change], at: tuple[Places, Places, Places], against: Against
) -> Iterator[Measurement]:
    """Yield the growth between slices `at[1]` and `at[2]` of one change per group; the groups stand at `at[0]`."""
    size = max(len(changes), 1)
    parts = [(part, [first], [second]) for part, first, second in zip(changes, at[1], at[2], strict=True)]
    value = np.array([growth(*part)[0] for part in parts])
    n = np.array([min(part.n[one[0]], part.n[two[0]]) for part, one, two in parts], dtype=np.int64)
    ends = [growth_interval(*part, level=sides.level, comparisons=size) for part in parts]
    bounds = Interval(low=np.array([end.low[0] for end in ends]), high=np.array([end.high[0] for end in ends]))
    slices = [found.slices.slice_of(place) for place in at[0].tolist()]
    how = change_method(found) + ", square_and_add" + _together(size)
    name = f"{found.metric.name}_change_difference"
    yield from _rows(name, slices, against, found, (value, n, bounds), how, sides.level)


def _rows(
    name: str,
    slices: Sequence[Slice],
    against: Against,
    found: Change,
    columns: tuple[np.ndarray, np.ndarray, Interval],
    how: str | Sequence[str],
    level: float,
) -> Iterator[Measurement]:
    value, n, bounds = columns
    methods = [how] * len(slices) if isinstance(how, str) else how
    numbers = zip(value.tolist(), bounds.low.tolist(), bounds.high.tolist(), n.tolist(), methods, strict=True)
    for slice_, (estimate, low, high, rows, method) in zip(slices, numbers, strict=True):
        reason = None
        if np.isnan(estimate):
            reason = f"{undefined_reason(found.metric, n=rows)}, under one of the models or both"
        elif found.means is not None and np.isnan(low) and np.isnan(high):
            reason = f"fewer than {FEW_CHANGED} rows changed, or all by the same"
        yield measurement(
            Row(name, slice_, against, level), value=estimate, low=low, high=high, n=rows, method=method, reason=reason
        )


def _together(size: int) -> str:
    return f", simultaneous over {size}" if size > 1 else ""
