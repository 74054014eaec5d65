"""Shares of exposure by group over queries, with linearised intervals, and exposure held against merit."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.inference.intervals import Interval, quantile
from audit.largest import MAX_COMPARED
from audit.measurement import At, Measurement, as_slice
from audit.pairwise import Pairwise, largest_of_pairs, over
from audit.rollup import GroupValues, summed
from audit.rows import Row, measurement
from audit.tasks.query_items import Items

Floats = npt.NDArray[np.float64]

RATIO = "exposure_to_relevance_ratio"


class Shares(NamedTuple):
    """Shares of an amount by group, and per query its influence on each.

    `value` has the shape (n_groups,), `influence` (n_queries, n_groups): the change of the share, to first order.

    Examples
    --------
    Of two queries each gives one unit to the first group and none, or one, to the second.

    >>> found = shares_by_query(np.array([[1.0, 0.0], [1.0, 1.0]]))
    >>> found.value.round(3).tolist(), found.influence.round(3).tolist()
    ([0.667, 0.333], [[0.111, -0.111], [-0.111, 0.111]])
    """

    value: Floats
    influence: Floats


def shares_by_query(amounts: Floats) -> Shares:
    """Return the share of each group in the sum of an amount over queries, shape (n_queries, n_groups).

    The share s = sum_q a_qg / sum_q a_q is a ratio of two sums; the influence of a query is (a_qg - s a_q) / sum a.
    Undefined (NaN) where the amount sums to 0.

    Examples
    --------
    >>> shares_by_query(np.array([[3.0, 1.0]])).value.tolist()
    [0.75, 0.25]
    """
    total = amounts.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        value = amounts.sum(axis=0) / total
        influence = (amounts - value * amounts.sum(axis=1, keepdims=True)) / total
    return Shares(value, influence)


def exposure_rows(
    items: Items, gain: Floats | None, discount: Floats, feature: str, *, level: float, at: At
) -> Iterator[Measurement]:
    """Yield shares of exposure, items and relevance by the groups of a feature, and exposure held against relevance.

    Examples
    --------
    >>> items = Items(np.array([0, 0]), np.array([2.0, 1.0]), None, {"g": (np.array([0, 1]), ["A", "B"])})
    >>> rows = exposure_rows(items, None, np.array([1.0, 0.5]), "g", level=0.95, at=())
    >>> [(row.metric, row.slice[0][1], round(row.value, 3)) for row in rows if row.metric == "exposure_share"]
    [('exposure_share', 'A', 0.667), ('exposure_share', 'B', 0.333)]
    """
    codes, values = items.features[feature]
    queries, groups = int(items.query.max()) + 1, len(values)

    def by_query(amount: Floats) -> Floats:
        place = items.query * groups + codes
        return summed(place, amount, queries * groups).reshape(queries, groups)

    n = np.bincount(codes, minlength=groups)
    exposure = shares_by_query(by_query(discount))
    found = {"exposure_share": exposure, "item_share": shares_by_query(by_query(np.ones(len(codes))))}
    if gain is not None:
        found["relevance_share"] = shares_by_query(by_query(gain))
    for metric, shares in found.items():
        bounds = _logit(shares, level)
        for place, value in enumerate(values):
            row = Row(metric, as_slice({feature: value}), None, level)
            reason = "the amount sums to 0 over all queries" if np.isnan(shares.value[place]) else None
            ends = {"low": float(bounds.low[place]), "high": float(bounds.high[place])}
            shown = measurement(
                row,
                value=shares.value[place],
                **ends,
                n=int(n[place]),
                method="linearised queries, logit",
                reason=reason,
            )
            yield replace(shown, at=at)
    if gain is not None:
        yield from _merit_rows(exposure, found["relevance_share"], feature, values, n, level, at)


def _merit_rows(
    exposure: Shares,
    merit: Shares,
    feature: str,
    values: list[str | None],
    n: npt.NDArray[np.int64],
    level: float,
    at: At,
) -> Iterator[Measurement]:
    """Yield exposure share / relevance share of each group, and the largest ratio of two groups' ratios."""
    defined = merit.value > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(defined, exposure.value / merit.value, np.nan)
        # The influence on ln(exposure / relevance); a group without exposure has the ratio 0 and no interval.
        logs = exposure.influence / exposure.value - merit.influence / merit.value
    logs = np.where(defined & (exposure.value > 0), logs, np.nan)
    bounds = _log(ratio, logs, level)
    for place, value in enumerate(values):
        row = Row(RATIO, as_slice({feature: value}), None, level)
        reason = None if defined[place] else "no relevant items in group"
        ends = {"low": float(bounds.low[place]), "high": float(bounds.high[place])}
        shown = measurement(
            row, value=float(ratio[place]), **ends, n=int(n[place]), method="linearised queries, log", reason=reason
        )
        yield replace(shown, at=at)
    named = np.array([place for place, value in enumerate(values) if value is not None], dtype=np.int64)
    if len(named) > 1:
        yield replace(_largest(ratio[named], logs[:, named], [(values[i],) for i in named], n[named], feature, level),
                      at=at)  # fmt: skip


def _largest(
    ratio: Floats, logs: Floats, groups: list[GroupValues], n: npt.NDArray[np.int64], feature: str, level: float
) -> Measurement:
    """Return the largest ratio of two groups' ratios; of one with exposure to one without any it has no upper limit."""
    known = np.flatnonzero(~np.isnan(ratio)) if len(groups) <= MAX_COMPARED else np.empty(0, dtype=np.int64)
    pairs = list(permutations(known.tolist(), 2))
    one, two = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = ratio[one] / ratio[two]
    influence = logs[:, one] - logs[:, two]
    together = max(int(np.sum(~np.isnan(value))) // 2, 1)
    plain, adjusted = (_log(value, influence, level, m) for m in (1, together))
    found = Pairwise(groups, n, one, two, value, plain, adjusted)
    row = Row(f"{RATIO}_ratio", against=over([feature]), level=level)
    return largest_of_pairs(row, found, method="linearised queries, log, largest ratio")


def _error(influence: Floats) -> Floats:
    queries = len(influence)
    if queries < 2:
        return np.full(influence.shape[1], np.nan)
    error: Floats = np.sqrt((influence**2).sum(axis=0) * queries / (queries - 1))
    return np.where(error > 1e-12, error, np.nan)


def _logit(shares: Shares, level: float) -> Interval:
    critical = quantile(level, df=max(len(shares.influence) - 1, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        inner = np.where((shares.value > 0) & (shares.value < 1), shares.value, np.nan)
        half = critical * _error(shares.influence) / (inner * (1 - inner))
        middle = np.log(inner / (1 - inner))
    return Interval(1 / (1 + np.exp(half - middle)), 1 / (1 + np.exp(-half - middle)))


def _log(value: Floats, influence: Floats, level: float, comparisons: int = 1) -> Interval:
    half = quantile(level, df=max(len(influence) - 1, 1), comparisons=comparisons) * _error(influence)
    return Interval(value * np.exp(-half), value * np.exp(half))
