"""The rows of a search: what was confirmed, what made it a candidate, and what was searched."""

from dataclasses import replace

import numpy as np

from audit.gaps import value_rows
from audit.measurement import Against, Measurement, Slice
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Metric
from audit.pairs import compared
from audit.rollup import cells_of, partition, without_scores
from audit.search.confirmation import SPLIT
from audit.search.halves import Halves
from audit.search.slice_search import Candidate, Explored

SEARCHED = "slices_searched"
"""The row that says how many slices were looked at."""

_EVERYONE: Against = {"kind": "slice", "slice": {}}
_NOT_CONFIRMED = "search half only, not confirmed"
_ALL_ROWS = "all rows searched, not confirmed"


def is_confirmed(row: Measurement) -> bool:
    """Return whether a row confirms that a slice is worse than the rest (or differs, where neither side is worse).

    Examples
    --------
    >>> facts = {"slice": (("sex", "F"),), "against": {"kind": "rest"}, "n": 90, "level": 0.95,
    ...          "method": "exact_square_and_add, found on one half, confirmed on the other"}
    >>> is_confirmed(Measurement(metric="false_positive_rate_difference", value=0.1, low=0.02, high=0.18, **facts))
    True
    >>> is_confirmed(Measurement(metric="accuracy_difference", value=0.1, low=0.02, high=0.18, **facts))
    False
    """
    if not is_candidate(row) or row.low is None or row.high is None:
        return False
    better = METRICS[row.metric.removesuffix("_difference")].better
    return (row.low > 0 and better != "higher") or (row.high < 0 and better != "lower")


def is_candidate(row: Measurement) -> bool:
    """Return whether a row is that of a slice that went to confirmation.

    Examples
    --------
    >>> is_candidate(Measurement(metric="accuracy", value=0.5, n=9, method="wilson"))
    False
    """
    found = SPLIT in row.method and row.against is not None and row.against["kind"] == "rest"
    return found and row.metric.removesuffix("_difference") in METRICS


def is_exploratory(row: Measurement) -> bool:
    """Return whether a row says that all rows were searched and nothing was confirmed.

    Examples
    --------
    >>> is_exploratory(Measurement(metric="slices_searched", value=154, n=6172, method="count, all rows searched"))
    True
    """
    return row.metric == SEARCHED and "all rows" in row.method


def everyone_rows(
    metric: Metric, halves: Halves, found: Explored, *, level: float, confirm: bool = True
) -> list[Measurement]:
    """Return the rows of everyone: how many rows, the rate in all of them, and how many slices were searched.

    `confirm`: whether half of the rows was kept to confirm on.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.search.halves import split_halves
    >>> from audit.predictions import PredictionLog
    >>> from audit.search.slice_search import explored
    >>> frame = pa.table({"y": [1, 1] * 20, "p": [1, 0] * 20, "sex": ["F", "M"] * 20})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex"])
    >>> halves = split_halves(log, seed=0)
    >>> found = explored(METRICS["accuracy"], halves.search, ["sex"], min_support=0.1, max_depth=None)
    >>> [(row.metric, row.value) for row in everyone_rows(METRICS["accuracy"], halves, found, level=0.95)]
    [('count', 40), ('accuracy', 0.5), ('slices_searched', 2)]
    """
    cells = without_scores(cells_of(halves.tally))
    searched, rows = len(found.patterns.items) - 1, int(cells.n.sum())
    return [
        Measurement(metric="count", value=rows, n=rows, method="count"),
        *value_rows([compared(metric, cells, partition(cells, []))], level=level),
        Measurement(
            metric=SEARCHED,
            value=searched,
            n=int(found.rows),
            method="count" if confirm else "count, all rows searched",
            reason=None if confirm else "exploratory: no rows were kept to confirm on",
        ),
    ]


def exploratory_rows(found: Explored, candidate: Candidate) -> list[Measurement]:
    """Return what made a slice a candidate: numbers of the search half, without intervals.

    Examples
    --------
    Of 40 women 20 are missed, of 40 men none.

    >>> from audit.rollup import Cells
    >>> from audit.search.slice_search import candidates, explored
    >>> n, sex = np.array([20.0, 20.0, 40.0]), (np.array([0, 0, 1]), ["F", "M"])
    >>> cells = Cells(np.array([0, 2, 0]), n, n, n, None, 0, False, {"sex": sex}, False, None)
    >>> found = explored(METRICS["false_negative_rate"], cells, ["sex"], min_support=0.1, max_depth=None)
    >>> rows = exploratory_rows(found, candidates(found, cells, better="lower")[0])
    >>> [(row.metric, row.value) for row in rows if row.metric in {"exploratory_difference", "exploratory_support"}]
    [('exploratory_difference', 0.25), ('exploratory_support', 0.5)]
    """
    place, pairs, scores = candidate.place, found.slice_of(candidate.place), found.divergence
    n = int(found.trials[place])
    support = int(found.patterns.sums[0, place])
    rows = [*_scores(found, place, _NOT_CONFIRMED), _row("folded", pairs, candidate.folded, n)]
    rows += [
        replace(_row("shapley", pairs, part, n), at=(("feature", name),))
        for name, part in sorted(found.shapley(place).items())
    ]
    for inner in candidate.inside:
        away = scores.difference[inner] - scores.difference[place]
        rows.append(_row("difference", found.slice_of(inner), away, int(found.trials[inner]), against=pairs))
    if candidate.overlap is not None:
        other, share = candidate.overlap
        rows.append(_row("overlap", pairs, share, support, against=found.slice_of(other)))
    return rows


def listed_rows(found: Explored, *, better: str, limit: int) -> list[Measurement]:
    """Return the scores of every slice of a search of all rows, without intervals, the largest divergence first.

    Parameters
    ----------
    found
        What was explored.
    better
        Which direction is better: "higher" puts the lowest rates first, "lower" the highest, "neither" the largest
        divergence of either sign.
    limit
        Most slices.

    Examples
    --------
    Of 40 women 20 are missed, of 40 men none.

    >>> from audit.rollup import Cells
    >>> from audit.search.slice_search import explored
    >>> n, sex = np.array([20.0, 20.0, 40.0]), (np.array([0, 0, 1]), ["F", "M"])
    >>> cells = Cells(np.array([0, 2, 0]), n, n, n, None, 0, False, {"sex": sex}, False, None)
    >>> found = explored(METRICS["false_negative_rate"], cells, ["sex"], min_support=0.1, max_depth=None)
    >>> rows = listed_rows(found, better="lower", limit=9)
    >>> [(dict(row.slice), row.value) for row in rows if row.metric == "exploratory_difference"]
    [({'sex': 'F'}, 0.25), ({'sex': 'M'}, -0.25)]
    """
    away = found.divergence.difference
    worse = {"lower": away, "higher": -away}.get(better, np.abs(away))
    order = np.lexsort((np.arange(len(worse)), found.patterns.lengths, -np.nan_to_num(worse, nan=-np.inf)))
    places = order[found.patterns.lengths[order] > 0][:limit]
    return [row for place in places.tolist() for row in _scores(found, place, _ALL_ROWS)]


def _scores(found: Explored, place: int, how: str) -> list[Measurement]:
    pairs, scores = found.slice_of(place), found.divergence
    n, support = int(found.trials[place]), int(found.patterns.sums[0, place])
    rows = [
        _row("difference", pairs, scores.difference[place], n),
        _row("t", pairs, scores.t[place], n),
        _row("support", pairs, support / found.rows, support),
        _row("score", pairs, found.score[place], n),
    ]
    return [replace(row, method=how) for row in rows]


def _row(name: str, pairs: Slice, value: float, n: int, *, against: Slice | None = None) -> Measurement:
    whom = _EVERYONE if against is None else {"kind": "slice", "slice": dict(against)}
    known = bool(np.isfinite(value))
    return Measurement(
        metric=f"exploratory_{name}", slice=pairs, against=whom, value=float(value) if known else None, n=n,
        method=_NOT_CONFIRMED, reason=None if known else "no errors among the rows that were searched",
    )  # fmt: skip
