"""The largest of many comparisons, with the bounds that a limit is held against.

The largest gap is an intersection-union test: every pair must keep the limit, so its upper end is the largest
*unadjusted* upper bound and its lower end the largest Bonferroni-adjusted lower bound (Berger 1982,
doi:10.1080/00401706.1982.10487790).
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.estimates import Estimates, estimate, interval, method
from audit.inference.intervals import Interval
from audit.measurement import Measurement
from audit.metrics.metric import Metric
from audit.pairs import Compare, Compared, Gaps, Places, gap_interval, gap_method, gaps, in_stack, stacked
from audit.rollup import Cells, Floats, GroupValues, Partition, cells_of, partition
from audit.rows import Row, measurement, undefined_reason
from audit.tally import Tally

End = Literal["max", "min"]

MAX_COMPARED = 1_000
"""Among more groups than this no pairs are formed: half a million of them would tell nobody anything."""

_AT_ONCE = 1_000_000
"""So many comparisons are held in memory at once before metrics are taken one by one."""


class Bounded(NamedTuple):
    """Comparisons with what the largest of them needs: unadjusted and Bonferroni-adjusted intervals.

    `label` and `method` describe the comparison at a place, `smallest` names the side of it whose n counts; `n` starts
    again where comparisons are followed by their mirrors. `undefined` counts groups that could not be compared;
    `together` is the number of comparisons over which `adjusted` is simultaneous; `reason` says why there are no
    comparisons, where it is not for lack of defined groups.

    Examples
    --------
    >>> nothing = Interval(np.array([0.1]), np.array([0.4]))
    >>> found = Bounded(np.array([0.25]), np.array([9]), nothing, nothing, str, str, str, undefined=0)
    >>> found.value.tolist(), found.together, found.reason
    ([0.25], 1, None)
    """

    value: Floats
    n: npt.NDArray[np.int64]
    plain: Interval
    adjusted: Interval
    label: Callable[[int], str]
    method: Callable[[int], str]
    smallest: Callable[[int], str]
    undefined: int
    together: int = 1
    reason: str | None = None


class Question(NamedTuple):
    """What is compared: how, over how many families of metrics at once, with which reference or earlier run.

    Examples
    --------
    >>> asked = Question("ratio", reference=("M",))
    >>> asked.compare, asked.families, asked.reference
    ('ratio', 1, ('M',))
    """

    compare: Compare
    families: int = 1
    reference: GroupValues | None = None
    baseline: Tally | None = None


def bounded_values(base: Compared, places: Places, level: float) -> Bounded:
    """Return the values of the groups at some places.

    Groups whose value is undefined are left out and counted.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> from audit.pairs import compared
    >>> n, slices = np.array([3.0, 1.0, 2.0]), Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1]))
    >>> cells = Cells(np.array([0, 2, 3]), n, n, n, None, 0, False, {}, False, None)  # M has no positives
    >>> found = bounded_values(compared(METRICS["true_positive_rate"], cells, slices), np.array([0, 1]), 0.95)
    >>> found.value.tolist(), found.label(0), found.undefined
    ([0.75], 'F', 1)
    """
    metric, slices = base.metric, base.slices
    found = base.left.take(places)
    keep = np.flatnonzero(np.isfinite(found.value))
    kept: Estimates = found.take(keep)
    together = max(len(keep), 1)
    sides = [interval(metric, kept, level=level, comparisons=m) for m in (1, together)]
    methods = method(metric, base.cells, kept)

    def label(place: int) -> str:
        return group_label(slices.groups[int(places[keep][place])]) if slices.features else ""

    n = found.n if not len(keep) else kept.n
    undefined = len(found.value) - len(keep)
    return Bounded(kept.value, n, sides[0], sides[1], label, methods.__getitem__, label, undefined, together)


def bounded_gaps(family: Sequence[Compared], places: Places, level: float, question: Question) -> list[Bounded]:
    """Return the comparisons of each metric of a family; all their intervals are made at once.

    Raises
    ------
    ValueError
        If the question is one for a baseline and names none, or its reference is no group.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> from audit.pairs import compared
    >>> n, slices = np.array([3.0, 1.0, 1.0, 1.0]), Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1, 1]))
    >>> cells = Cells(np.array([0, 2, 0, 2]), n, n, n, None, 0, False, {}, False, None)
    >>> base = compared(METRICS["true_positive_rate"], cells, slices)  # 3/4 and 1/2
    >>> (found,) = bounded_gaps([base], np.array([0, 1]), 0.95, Question("difference"))
    >>> found.value.tolist(), found.label(1)
    ([0.25, -0.25], 'between M and F')
    """
    if question.reference is None and question.compare != "baseline" and len(places) > MAX_COMPARED:
        return [_none_of(base, places) for base in family]
    first, second, family = _comparisons(family, places, question)
    if len(family) > 1 and len(family) * len(first) > _AT_ONCE:
        return [part for base in family for part in _bounded(first, second, [base], places, level, question)]
    return _bounded(first, second, family, places, level, question)


def most_extreme(found: Sequence[Bounded], row: Row, end: End, metric: Metric | None = None) -> Measurement:
    """Return the most extreme of the comparisons as one row; `metric` is None where they are gaps for sure.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> plain = Interval(np.array([0.1, -0.2]), np.array([0.4, 0.5]))
    >>> wide = Interval(np.array([0.0, -0.3]), np.array([0.5, 0.6]))
    >>> found = Bounded(np.array([0.25, 0.2]), np.array([9, 8]), plain, wide, "AB".__getitem__, str, str, undefined=0)
    >>> row = most_extreme([found], Row("accuracy_difference"), "max", METRICS["accuracy"])
    >>> row.value, row.low, row.high, row.n, row.reason
    (0.25, 0.0, 0.5, 8, 'A')
    """
    if any(not len(part.value) for part in found):
        gap = metric is None or (row.metric != metric.name and "_group_" not in row.metric)
        reason = "fewer than two groups can be compared" if metric is None or gap else undefined_reason(metric)
        reason = next((part.reason for part in found if part.reason), reason)
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
        value=float(value[worst]),
        low=float(low),
        high=float(high),
        n=min(int(part.n.min()) for part in found),
        method=part.method(place),
        reason=_note(part.label(place), max(part.undefined for part in found)),
    )


def group_label(group: GroupValues) -> str:
    """Return the values of a group as one text.

    Examples
    --------
    >>> group_label(("Black", None))
    'Black & (missing)'
    """
    return " & ".join("(missing)" if value is None else value for value in group) or "everyone"


def too_many(groups: int) -> str:
    """Return why so many groups are not compared in pairs.

    Examples
    --------
    >>> too_many(2000)
    '2,000 groups, too many to compare in pairs (at most 1,000); merge groups'
    """
    return f"{groups:,} groups, too many to compare in pairs (at most {MAX_COMPARED:,}); merge groups"


def _bounded(
    first: Places, second: Places, family: Sequence[Compared], places: Places, level: float, question: Question
) -> list[Bounded]:
    compare = question.compare
    joined = stacked(family)
    found = gaps(joined, *in_stack(family, first, second), compare=compare)
    defined = ~np.isnan(found.value)  # x / 0 is infinite, and its mirror 0 / x the smallest ratio of all
    counts = defined.reshape(len(family), -1).sum(axis=1)
    kept = Gaps(found.first[defined], found.second[defined], found.value[defined], found.n[defined])
    comparisons = np.repeat(np.maximum(counts, 1) * question.families, counts)
    sides = [gap_interval(joined, kept, compare=compare, level=level, comparisons=m) for m in (1, comparisons)]
    ends = np.cumsum(counts).tolist()
    size = len(joined.slices.groups)
    parts = []
    for row, base in enumerate(family):
        cut = slice(ends[row] - int(counts[row]), ends[row])
        own = Gaps(kept.first[cut] - row * size, kept.second[cut] - row * size, kept.value[cut], kept.n[cut])
        bounds = [Interval(side.low[cut], side.high[cut]) for side in sides]
        parts.append(_part(base, own, bounds, (first, second, places), question))
    return parts


def _none_of(base: Compared, places: Places) -> Bounded:
    nothing = Interval(np.empty(0), np.empty(0))
    n = np.atleast_1d(base.left.n[places].min())
    return Bounded(np.empty(0), n, nothing, nothing, str, str, str, 0, reason=too_many(len(places)))


def _part(
    base: Compared, own: Gaps, sides: list[Interval], asked: tuple[Places, Places, Places], question: Question
) -> Bounded:
    first, second, places = asked
    undefined = 0
    if len(own.value) < len(first):
        undefined = len({*first.tolist(), *second.tolist()} - {*own.first.tolist(), *own.second.tolist()})
    n = own.n if len(own.n) else np.atleast_1d(base.left.n[places].min(initial=0))
    both = own
    if question.reference is None and question.compare != "baseline":
        both, sides = _both_ways(own, sides, question.compare)
    name = f"{gap_method(base, question.compare)}, largest gap"

    def label(place: int) -> str:
        return _pair_label(base, int(both.first[place]), int(both.second[place]), question.compare)

    def smallest(place: int) -> str:
        one, two = int(both.first[place]), int(both.second[place])
        return _smaller_side(base, one, two, earlier=question.compare == "baseline")

    together = max(len(own.value), 1) * question.families
    return Bounded(both.value, n, sides[0], sides[1], label, lambda _: name, smallest, undefined, together)


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


def _smaller_side(base: Compared, first: int, second: int, *, earlier: bool) -> str:
    """Return the group with the smaller n of the two; of a baseline, the group now or in the earlier run."""
    fewer = base.right.n[second] < base.left.n[first]
    group = base.slices.groups[second if fewer and not earlier else first]
    return group_label(group) + (" in the earlier run" if fewer and earlier else "")


def _comparisons(
    family: Sequence[Compared], places: Places, question: Question
) -> tuple[Places, Places, Sequence[Compared]]:
    slices = family[0].slices
    if question.compare == "baseline":
        first, second, earlier = _with_baseline(slices, places, question.baseline)
        return first, second, [base._replace(right=estimate(base.metric, *earlier)) for base in family]
    if question.reference is not None:
        other = slices.groups.index(question.reference)
        first = places[places != other]
        return first, np.full(len(first), other), family
    one, two = np.triu_indices(len(places), k=1)
    return places[one], places[two], family


def _with_baseline(
    slices: Partition, places: Places, baseline: Tally | None
) -> tuple[Places, Places, tuple[Cells, Partition]]:
    if baseline is None:
        msg = "comparing with a baseline needs one: pass the tally of an earlier run"
        raise ValueError(msg)
    cells = cells_of(baseline)
    earlier = partition(cells, slices.features)
    known = {group: place for place, group in enumerate(earlier.groups)}
    both = [(place, known[slices.groups[place]]) for place in places.tolist() if slices.groups[place] in known]
    first, second = (np.array([pair[side] for pair in both], dtype=np.int64) for side in (0, 1))
    return first, second, (cells, earlier)


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
