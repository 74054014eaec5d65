"""Impact ratios: each group's selection rate over the highest, and whether published tables agree with each other.

New York City Local Law 144 (rules: 6 RCNY 5-300 to 5-304) asks employers to publish them by sex, by race and ethnicity,
and by both crossed; the four-fifths rule (29 CFR 1607.4 D) compares them with 0.8.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from audit.errors import raise_violations
from audit.measurement import Measurement
from audit.metrics.catalog import METRICS
from audit.pairs import compared, gap_interval, gap_method, gaps
from audit.rollup import cells_of, partition, without_scores
from audit.rows import Row, measurement
from audit.tally import Tally


class Selected(NamedTuple):
    """A line of a published table: how many applied, how many were selected.

    Examples
    --------
    >>> line = Selected(408, 204)
    >>> line.selected / line.applicants
    0.5
    """

    applicants: int
    selected: int


def impact_ratios(tally: Tally, features: Sequence[str], *, level: float = 0.95) -> tuple[Measurement, ...]:
    """Return each group's selection rate over that of the group with the highest one.

    Parameters
    ----------
    tally
        The decisions; positive = selected.
    features
        The features whose (crossed) groups are compared.
    level
        Joint level of the intervals over all groups.

    Returns
    -------
    tuple of Measurement
        ``impact_ratio`` of each group in [0, 1], against the group with the highest observed rate; that one is 1 by
        definition. Groups with a missing value are left out. Undefined where nobody was selected at all. The interval
        is Koopman's (`audit.inference.ratio_intervals.koopman`), simultaneous over all pairs, as the data choose the
        group that all are divided by; high may exceed 1: another group may be the highest in truth.

    Raises
    ------
    InputError
        If a feature is unknown or the level lies outside (0, 1).

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1, 0] * 5, "p": [1, 1, 1, 0, 1, 1, 0, 0, 0, 0], "g": ["a"] * 4 + ["b"] * 6})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"]))
    >>> [(dict(row.slice), round(row.value, 4)) for row in impact_ratios(tally, ["g"])]  # 2/6 over 3/4
    [({'g': 'a'}, 1.0), ({'g': 'b'}, 0.4444)]
    """
    unknown = [f"unknown feature {name!r}; the tally has {list(tally.features)}" for name in features
               if name not in tally.features]  # fmt: skip
    raise_violations(unknown + ([] if 0 < level < 1 else [f"level must lie in (0, 1); got {level}"]))
    cells = without_scores(cells_of(tally))
    slices = partition(cells, features)
    base = compared(METRICS["selection_rate"], cells, slices)
    named = np.array([place for place, group in enumerate(slices.groups) if None not in group], dtype=np.int64)
    if not len(named):
        return ()
    best = int(named[np.argmax(base.left.value[named])])
    comparisons = max(len(named) * (len(named) - 1) // 2, 1)
    found = gaps(base, named, np.full(len(named), best), compare="ratio")
    bounds = gap_interval(base, found, compare="ratio", level=level, comparisons=comparisons)
    method = f"{gap_method(base, 'ratio')}, simultaneous over {comparisons}"
    against = {"kind": "slice", "slice": dict(slices.slice_of(best))}
    columns = zip(named.tolist(), found.value.tolist(), bounds.low.tolist(), bounds.high.tolist(), found.n.tolist(),
                  strict=True)  # fmt: skip
    rows = [
        measurement(Row("impact_ratio", slices.slice_of(place), against, level), value=value, low=low, high=high, n=n,
                    method=method, reason="nobody is selected in any group" if np.isnan(value) else None)
        for place, value, low, high, n in columns
    ]  # fmt: skip
    return tuple(
        _by_definition(row) if row.slice == slices.slice_of(best) and row.value == 1.0 else row for row in rows
    )


def disagreements(tables: Mapping[tuple[str, ...], Mapping[tuple[str, ...], Selected]]) -> tuple[str, ...]:
    """Return where published tables of the same people contradict each other; empty where they agree.

    Parameters
    ----------
    tables
        By the features that a table is of, its lines by their values in the same order: ``{("sex",): {("F",):
        Selected(90, 30), ...}, ("sex", "race"): {("F", "White"): ...}}``.

    Returns
    -------
    tuple of str
        A sentence for every total, and every group of one table, whose applicants or selected differ from the sum of
        the lines of another table.

    Raises
    ------
    InputError
        If a line has more or fewer values than its table has features, or more people are selected than applied.

    Examples
    --------
    >>> disagreements({("sex",): {("F",): Selected(9, 3), ("M",): Selected(8, 4)},
    ...                ("sex", "race"): {("F", "A"): Selected(9, 3), ("M", "A"): Selected(7, 4)}})
    ('sex: 17 applicants in all; sex x race: 16', 'sex = M: 8 applicants; its lines in sex x race: 7')
    """
    raise_violations(_table_violations(tables))
    names = {features: " x ".join(features) for features in tables}
    totals = {features: _sum(lines.values()) for features, lines in tables.items()}
    found = []
    first = next(iter(totals), None)
    for features, total in totals.items():
        if first is not None:
            found += _differing(f"{names[first]}: ", totals[first], f" in all; {names[features]}: ", total)
    for coarse, lines in tables.items():
        for fine, parts in tables.items():
            if set(coarse) < set(fine):
                at = [fine.index(name) for name in coarse]
                for values, line in lines.items():
                    inside = _sum(part for key, part in parts.items() if tuple(key[place] for place in at) == values)
                    whom = ", ".join(f"{name} = {value}" for name, value in zip(coarse, values, strict=True))
                    found += _differing(f"{whom}: ", line, f"; its lines in {names[fine]}: ", inside)
    return tuple(found)


def _by_definition(row: Measurement) -> Measurement:
    return replace(row, low=None, high=None, level=None, reason="the highest selection rate: 1 by definition")


def _sum(lines: Iterable[Selected]) -> Selected:
    chosen = list(lines)
    return Selected(sum(line.applicants for line in chosen), sum(line.selected for line in chosen))


def _differing(one: str, left: Selected, two: str, right: Selected) -> list[str]:
    return [
        f"{one}{mine:,} {kind}{two}{theirs:,}"
        for kind, mine, theirs in zip(Selected._fields, left, right, strict=True)
        if mine != theirs
    ]


def _table_violations(tables: Mapping[tuple[str, ...], Mapping[tuple[str, ...], Selected]]) -> list[str]:
    violations = []
    for features, lines in tables.items():
        for values, line in lines.items():
            if len(values) != len(features):
                violations.append(f"line {values} of the table of {features} needs {len(features)} values")
            if not 0 <= line.selected <= line.applicants:
                found = f"{line.selected} of {line.applicants} selected"
                violations.append(f"line {values} of the table of {features}: {found}; expected 0 to all of them")
    return violations
