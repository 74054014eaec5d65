"""Rows that became worse or better: the change of a rate on the same rows by group, and the gaps between groups."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.inference.intervals import Interval, quantile
from audit.inference.paired_intervals import paired_rates, paired_square_and_add
from audit.measurement import At, Measurement, Slice, as_slice
from audit.pairwise import Pairwise, largest_of_pairs, over
from audit.rows import Row
from audit.tally import Codes
from audit.tasks.shares import Groups
from audit.values import canonical


class _Changed(NamedTuple):
    """Per slice: rows that became wrong and rows that became right, and how many rows there are."""

    slices: tuple[Slice, ...]
    worse: npt.NDArray[np.float64]
    better: npt.NDArray[np.float64]
    n: Codes


def paired_change_rows(
    name: str,
    worse: npt.NDArray[np.bool_],
    better: npt.NDArray[np.bool_],
    groups: Groups,
    *,
    level: float = 0.95,
    at: At = (),
) -> Iterator[Measurement]:
    """Yield (worse - better) / n of every slice, its gap to everyone else, and the largest gap of each feature.

    Values have the paired interval of `audit.inference.paired_intervals.paired_rates`: only rows that changed say
    anything. Gaps are squared and added from it (Newcombe 1998); to the rest they are simultaneous over the groups
    (Bonferroni), the largest follows `audit.largest` and says which groups took part. Rows are taken for independent.

    Parameters
    ----------
    name
        What the change is called; gaps are named ``<name>_difference``.
    worse, better
        Rows that became worse, and better, shape (n_rows,); none is both.
    groups
        Sensitive values by feature.
    level
        Confidence level, in (0, 1).
    at
        The point that all rows belong to.

    Examples
    --------
    Of two rows of F one became worse.

    >>> worse, better = np.array([True, False, False, False]), np.zeros(4, dtype=bool)
    >>> rows = paired_change_rows("increase", worse, better, {"sex": ["F", "F", "M", "M"]})
    >>> [(dict(row.slice), row.value) for row in rows]
    [({}, 0.25), ({'sex': 'F'}, 0.5), ({'sex': 'M'}, 0.0), ({'sex': 'F'}, 0.5), ({'sex': 'M'}, -0.5), ({}, 0.5)]
    """
    found = _change(worse, better, groups)
    value = (found.worse - found.better) / found.n
    bounds = _interval(found.worse, found.better, found.n, level)
    ends = zip(bounds.low.tolist(), bounds.high.tolist(), strict=True)
    for slice_, each, n, (low, high) in zip(found.slices, value.tolist(), found.n.tolist(), ends, strict=True):
        yield Measurement(
            metric=name, slice=slice_, at=at, value=each, low=low, high=high, n=n, level=level, method="tango, paired"
        )
    for feature in groups:
        yield from _gap_rows(name, found, feature, at, level)


def _change(worse: npt.NDArray[np.bool_], better: npt.NDArray[np.bool_], groups: Groups) -> _Changed:
    spelled = {name: np.array([canonical(value) for value in values], dtype=object) for name, values in groups.items()}
    slices: dict[Slice, npt.NDArray[np.bool_]] = {(): np.ones(len(worse), dtype=bool)}
    for size in range(1, len(spelled) + 1):
        for names in combinations(spelled, size):
            keys = list(zip(*(spelled[name] for name in names), strict=True))
            for key in sorted(set(keys), key=lambda values: [(value is not None, value or "") for value in values]):
                inside = np.all([spelled[name] == value for name, value in zip(names, key, strict=True)], axis=0)
                slices[as_slice(dict(zip(names, key, strict=True)))] = inside
    sums = [np.array([int(np.sum(flag & inside)) for inside in slices.values()]) for flag in (worse, better)]
    n = np.array([int(inside.sum()) for inside in slices.values()], dtype=np.int64)
    return _Changed(tuple(slices), sums[0].astype(np.float64), sums[1].astype(np.float64), n)


def _interval(worse: Any, better: Any, n: Any, level: float, comparisons: int = 1) -> Interval:  # noqa: ANN401 - arrays
    return paired_rates(worse, better, n, critical=quantile(level, comparisons=comparisons))


def _gap_rows(name: str, found: _Changed, feature: str, at: At, level: float) -> Iterator[Measurement]:
    named = [
        place for place, slice_ in enumerate(found.slices)
        if [key for key, _ in slice_] == [feature] and slice_[0][1] is not None
    ]  # fmt: skip
    together = len(named)
    for place in named:
        rest = [total[0] - total[place] for total in (found.worse, found.better, found.n)]
        if not rest[2]:
            continue
        bounds = _difference((found.worse[place], found.better[place], found.n[place]), tuple(rest), level, together)
        value = (found.worse[place] - found.better[place]) / found.n[place] - (rest[0] - rest[1]) / rest[2]
        how = "square_and_add of paired" + (f", simultaneous over {together}" if together > 1 else "")
        yield Measurement(
            metric=f"{name}_difference", slice=found.slices[place], at=at, against={"kind": "rest"},
            value=float(value), low=float(bounds.low), high=float(bounds.high), n=int(min(found.n[place], rest[2])),
            level=level, method=how,
        )  # fmt: skip
    if together > 1:
        yield _largest(name, found, named, feature, at, level)


def _difference(one: tuple[Any, ...], two: tuple[Any, ...], level: float, comparisons: int) -> Interval:
    sides = [
        ((side[0] - side[1]) / side[2], _interval(side[0], side[1], side[2], level, comparisons)) for side in (one, two)
    ]
    return paired_square_and_add(sides[0], sides[1], 0.0)


def _largest(name: str, found: _Changed, named: list[int], feature: str, at: At, level: float) -> Measurement:
    pairs = [*combinations(named, 2)]
    first, second = (np.array([pair[side] for pair in pairs] + [pair[1 - side] for pair in pairs]) for side in (0, 1))
    one, two = (tuple(column[places] for column in (found.worse, found.better, found.n)) for places in (first, second))
    plain, adjusted = (_difference(one, two, level, m) for m in (1, len(pairs)))
    value = (one[0] - one[1]) / one[2] - (two[0] - two[1]) / two[2]
    groups = [(found.slices[place][0][1],) for place in named]
    sides = [np.searchsorted(named, places) for places in (first, second)]
    row = Row(f"{name}_difference", against=over([feature]), level=level)
    compared = Pairwise(groups, found.n[named], sides[0], sides[1], value, plain, adjusted)
    return replace(largest_of_pairs(row, compared, method="square_and_add of paired, largest gap"), at=at)
