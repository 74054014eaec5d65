"""From the counts of two labels, or of several at once, to the rows of some metrics: values, gaps, differences."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from audit.gaps import NAMED, equalized_odds, extreme_rows, value_rows
from audit.inference.intervals import Interval
from audit.measurement import Against, Measurement
from audit.metrics.metric import Metric
from audit.pairs import (
    Compare,
    Compared,
    Places,
    compared,
    compared_with_rest,
    families,
    gap_interval,
    gap_method,
    gaps,
    in_stack,
    stacked,
)
from audit.rollup import Cells, Partition, cells_of, partition, without_scores
from audit.rows import Row, measurement
from audit.score_bins import by_label
from audit.tally import Tally

ALL_UP_TO = 4
"""Of more features than this, intersections of two are taken unless more are asked for."""
IN_BRIEF = frozenset({"scored", "distance"})
"""Kinds of metrics that are written for intersections only if they are named: a gate rolls them up by itself, and a
reader has seven numbers less for each of what may be hundreds of groups."""
_NAMED_PARTS = frozenset(part for parts, _ in NAMED.values() for part in parts)
_ODDS = NAMED["equalized_odds_difference"][0]


class Asked(NamedTuple):
    """How rows are to be made: level of the intervals, reference groups, all pairs, how many features are crossed.

    `earlier` is the digest of the earlier run that is compared with. `by_name`: the metrics were named; else metrics of
    calibration are written for everyone and for single features only (`IN_BRIEF`).

    Examples
    --------
    >>> Asked(level=0.95).depth, Asked(level=0.9, reference={"sex": "F"}).reference["sex"]
    (2, 'F')
    """

    level: float
    reference: Mapping[str, str] | None = None
    all_pairs: bool = False
    depth: int = 2
    earlier: str | None = None
    by_name: bool = False


def default_depth(features: int) -> int:
    """Return how many features are crossed where nobody says: all of up to `ALL_UP_TO`, else two.

    Forty features have 2^40 intersections, and nearly all would be empty.

    Examples
    --------
    >>> default_depth(3), default_depth(40)
    (3, 2)
    """
    return features if features <= ALL_UP_TO else 2


def crossed(features: Sequence[str], depth: int) -> Iterator[tuple[str, ...]]:
    """Return everyone (no feature), each feature, and the combinations of up to `depth` features.

    Examples
    --------
    >>> list(crossed(["sex", "race", "age"], 2))[-3:]
    [('sex', 'race'), ('sex', 'age'), ('race', 'age')]
    """
    for size in range(min(depth, len(features)) + 1):
        yield from combinations(features, size)


def metric_rows(
    tally: Tally, metrics: Sequence[Metric], *, asked: Asked, baseline: Tally | None = None, counts: bool = False
) -> list[Measurement]:
    """Return the rows of some metrics: values of every slice, gaps, differences to an earlier tally.

    Parameters
    ----------
    tally
        The counts that the metrics are rolled up from (`audit.views`).
    metrics
        What is measured; rows bear their names.
    asked
        Level, references, pairs, intersections.
    baseline
        The counts of an earlier run.
    counts
        Whether the number of rows of each slice stands before its values.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.metrics.catalog import METRICS
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": [1, 1, 1, 1], "p": [1, 1, 1, 0]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p"))
    >>> [(row.metric, row.value, row.n) for row in metric_rows(tally, [METRICS["accuracy"]], asked=Asked(0.95))]
    [('accuracy', 0.75, 4)]
    """
    cells = cells_of(tally)
    coarse = without_scores(cells)
    rows: list[Measurement] = []
    for features in crossed(tally.features, asked.depth):
        chosen = [metric for metric in metrics if asked.by_name or len(features) < 2 or metric.kind not in IN_BRIEF]
        slices, scored = partition(coarse, features), (cells, partition(cells, features))
        scored = by_label(*scored) if any(metric.needs_scores for metric in chosen) else scored
        rows += _counts(coarse, slices) if counts else []
        bases = {
            metric.name: compared(metric, *scored) if metric.needs_scores else compared(metric, coarse, slices)
            for metric in chosen
        }
        rows += value_rows(list(bases.values()), level=asked.level)
        rows += extreme_rows(_with_gaps(bases, features), level=asked.level) if features else []
        if len(features) == 1 and bases:
            reference = (asked.reference or {}).get(features[0])
            rows += _comparisons(list(bases.values()), asked.level, reference, asked.all_pairs)
        if features and bases.keys() >= set(_ODDS):
            rows.append(equalized_odds(bases[_ODDS[0]], bases[_ODDS[1]], level=asked.level))
    if baseline is not None:
        rows += _against_baseline(metrics, cells, baseline, asked)
    return rows


def _with_gaps(bases: Mapping[str, Compared], features: Sequence[str]) -> list[Compared]:
    """Return the metrics whose largest gap is written: all of a single feature, those with a name of intersections."""
    return [base for name, base in bases.items() if len(features) == 1 or name in _NAMED_PARTS]


def _counts(cells: Cells, slices: Partition) -> list[Measurement]:
    rows = np.bincount(slices.member, weights=cells.n, minlength=len(slices.groups)).astype(np.int64).tolist()
    return [
        Measurement(metric="count", slice=slices.slice_of(place), value=n, n=n, method="count")
        for place, n in enumerate(rows)
    ]


def _comparisons(bases: Sequence[Compared], level: float, reference: str | None, all_pairs: bool) -> list[Measurement]:  # noqa: FBT001
    rows: list[Measurement] = []
    slices = bases[0].slices
    named = np.array([i for i, group in enumerate(slices.groups) if None not in group], dtype=np.int64)
    groups = len(named)
    if len(slices.groups) < 2 or not groups:
        return []
    halves = {base.metric.name: half for base, half in zip(bases, compared_with_rest(bases), strict=True)}
    for family in families(bases):
        rest = [halves[base.metric.name] for base in family]
        rows += _pair_rows(rest, named * 2, named * 2 + 1, [{"kind": "rest"}] * groups, level, groups)
        pairs = groups * (groups - 1) // 2
        place = None if reference is None else slices.groups.index((reference,))
        if place is not None:
            others = named[named != place]
            against = [_group_at(slices, place)] * len(others)
            rows += _pair_rows(family, others, np.full(len(others), place), against, level, pairs)
        if all_pairs:
            first, second = (named[side] for side in np.triu_indices(groups, k=1))
            keep = np.ones(len(first), dtype=bool) if place is None else (first != place) & (second != place)
            against = [_group_at(slices, other) for other in second[keep].tolist()]
            rows += _pair_rows(family, first[keep], second[keep], against, level, pairs)
    return rows


def _pair_rows(
    family: Sequence[Compared],
    first: Places,
    second: Places,
    against: Sequence[Against],
    level: float,
    comparisons: int,
) -> list[Measurement]:
    rows = []
    joined = stacked(family)
    stack = in_stack(family, first, second)
    slices = [joined.slices.slice_of(place) for place in first.tolist()]
    kinds: tuple[Compare, ...] = ("difference", "ratio") if joined.metric.kind == "rate" else ("difference",)
    for compare in kinds:
        found = gaps(joined, *stack, compare=compare)
        bounds = gap_interval(joined, found, compare=compare, level=level, comparisons=comparisons)
        how = gap_method(joined, compare) + (f", simultaneous over {comparisons}" if comparisons > 1 else "")
        columns = zip(found.value.tolist(), *_lists(bounds), found.n.tolist(), strict=True)
        names = [f"{base.metric.name}_{compare}" for base in family]
        rows += [
            measurement(
                Row(name, slice_, other, level), value=value, low=low, high=high, n=n, method=how,
                reason=_why(value, compare),
            )
            for (name, (slice_, other)), (value, low, high, n) in zip(
                product(names, list(zip(slices, against, strict=True))), columns, strict=True
            )
        ]  # fmt: skip
    return rows


def _against_baseline(chosen: Sequence[Metric], cells: Cells, baseline: Tally, asked: Asked) -> list[Measurement]:
    level = asked.level
    earlier = cells_of(baseline)
    against = {"kind": "reference", "digest": asked.earlier or baseline.digest()}
    rows = []
    for features in crossed([name for name in cells.features if name in earlier.features], asked.depth):
        now, then = partition(cells, features), partition(earlier, features)
        both = [(place, then.groups.index(group)) for place, group in enumerate(now.groups) if group in then.groups]
        for metric in chosen:
            if metric.needs_scores and earlier.bins is None:
                continue
            base = compared(metric, cells, now)._replace(right=compared(metric, earlier, then).left)
            first, second = (np.array([pair[side] for pair in both], dtype=np.int64) for side in (0, 1))
            found = gaps(base, first, second, compare="baseline")
            bounds = gap_interval(base, found, compare="baseline", level=level)
            columns = zip(found.value.tolist(), *_lists(bounds), found.n.tolist(), first.tolist(), strict=True)
            rows += [
                measurement(
                    Row(f"{metric.name}_difference", now.slice_of(place), against, level), value=value, low=low,
                    high=high, n=n, method=gap_method(base, "baseline"), reason=_why(value, "difference"),
                )
                for value, low, high, n, place in columns
            ]  # fmt: skip
    return rows


def _lists(bounds: Interval) -> tuple[list[float], list[float]]:
    return bounds.low.tolist(), bounds.high.tolist()


def _why(value: float, compare: Compare) -> str | None:
    if not np.isnan(value):
        return None
    return "undefined in one of the two" if compare == "difference" else "undefined in one of the two, or 0 / 0"


def _group_at(slices: Partition, place: int) -> Against:
    return {"kind": "slice", "slice": dict(slices.slice_of(place))}
