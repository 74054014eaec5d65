"""The three estimates of one gap: raw, with strata held fixed, and by regression, each with its interval."""

from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from audit.causes.least_squares import least_squares
from audit.causes.side_intervals import Contrast, Mask, side_interval, undecided
from audit.inference.intervals import quantile
from audit.inference.mantel_haenszel import influence, klingenberg, risk_difference, shares, strata_of
from audit.metrics.metric import Counts, Metric
from audit.pairs import compared, gap_interval, gap_method, gaps
from audit.rollup import Cells, Pairs, Partition, partition


class Estimate(NamedTuple):
    """A gap with its interval; NaN where undefined, with a reason.

    Examples
    --------
    >>> Estimate(0.1, 0.05, 0.15, "agresti_caffo").value
    0.1
    """

    value: float
    low: float
    high: float
    method: str
    reason: str | None = None


class Sides(NamedTuple):
    """The cells of one comparison that lie in a rate's denominator.

    `exposed`: the group's; `success`: in the numerator; `stratum`: place among the strata of `controls`.

    Examples
    --------
    >>> n = np.array([3, 1])
    >>> cells = Cells(np.array([0, 2]), n, n + 0.0, n + 0.0, None, 0, False, {}, False, None)
    >>> one = np.array([True, False])
    >>> Sides(cells, one, one, np.array([0, 0]), ()).success.tolist()
    [True, False]
    """

    cells: Cells
    exposed: Mask
    success: Mask
    stratum: npt.NDArray[np.int64]
    controls: tuple[npt.NDArray[np.int64], ...]


def sides(metric: Metric, cells: Cells, exposed: Mask, chosen: Mask, control: tuple[str, ...]) -> Sides:
    """Return the `chosen` cells of a rate's denominator, the `exposed` of them on one side.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n, sex = np.array([3, 1, 1, 3]), np.array([0, 0, 1, 1])  # of 4 women 3 are selected, of 4 men 1
    >>> cells = Cells(np.array([0, 2, 0, 2]), n, n + 0.0, n + 0.0, None, 0, False,
    ...               {"dept": (np.zeros(4, dtype=np.int64), ["A"])}, False, None)
    >>> rate = METRICS["selection_rate"]
    >>> side = sides(rate, cells, sex == 0, np.ones(4, dtype=bool), ("dept",))
    >>> side.success.tolist(), side.stratum.tolist()
    ([True, False, True, False], [0, 0, 0, 0])
    """
    units = cast("Any", metric.function)(Counts(*np.eye(6)))
    inside = np.flatnonzero(chosen & (units.denominator[cells.quadrant] > 0))
    kept = _taken(cells, inside)
    return Sides(
        kept,
        exposed[inside],
        units.numerator[kept.quadrant] > 0,
        partition(kept, control).member,
        tuple(cells.features[name][0][inside] for name in control),
    )


def raw(metric: Metric, side: Sides, how: tuple[float, int]) -> Estimate:
    """Return the gap with nothing held fixed, as an audit of the two sides gives it; `how`: level and comparisons.

    Examples
    --------
    4/6 - 2/6 -+ 1.96 sqrt(2 x 4/6 x 2/6 / 6): Agresti and Caffo.

    >>> from audit.metrics.catalog import METRICS
    >>> n, sex = np.array([3, 1, 1, 3]), np.array([0, 0, 1, 1])  # of 4 women 3 are selected, of 4 men 1
    >>> cells = Cells(np.array([0, 2, 0, 2]), n, n + 0.0, n + 0.0, None, 0, False,
    ...               {"dept": (np.zeros(4, dtype=np.int64), ["A"])}, False, None)
    >>> rate = METRICS["selection_rate"]
    >>> side = sides(rate, cells, sex == 0, np.ones(4, dtype=bool), ("dept",))
    >>> found = raw(rate, side, (0.95, 1))
    >>> found.value, round(found.low, 3), round(found.high, 3)
    (0.5, -0.2, 0.867)
    """
    base = compared(metric, side.cells, Partition((), ((), ()), side.exposed.astype(np.int64)))
    gap, method = gaps(base, [1], [0], compare="difference"), gap_method(base, "difference")
    value = float(gap.value[0])
    if not np.isfinite(value):
        return Estimate(np.nan, np.nan, np.nan, method, "no rows on one of the two sides")
    total = np.bincount(side.exposed, weights=side.cells.w, minlength=2)
    share = np.where(side.exposed, 1 / total[1], -1 / total[0])
    reason = undecided(side.cells, side.exposed, share, level=how[0], comparisons=how[1])
    if reason:
        return Estimate(value, np.nan, np.nan, method, reason)
    ends = gap_interval(base, gap, compare="difference", level=how[0], comparisons=how[1])
    return Estimate(value, float(ends.low[0]), float(ends.high[0]), method)


def stratified(side: Sides, how: tuple[float, int], names: str) -> Estimate:
    """Return the Mantel-Haenszel gap, with the wider of two intervals where few rows deviate; `names`: the strata.

    Examples
    --------
    In one stratum it is the raw gap; of so few rows the interval is no narrower.

    >>> from audit.metrics.catalog import METRICS
    >>> n, sex = np.array([3, 1, 1, 3]), np.array([0, 0, 1, 1])  # of 4 women 3 are selected, of 4 men 1
    >>> cells = Cells(np.array([0, 2, 0, 2]), n, n + 0.0, n + 0.0, None, 0, False,
    ...               {"dept": (np.zeros(4, dtype=np.int64), ["A"])}, False, None)
    >>> rate = METRICS["selection_rate"]
    >>> side = sides(rate, cells, sex == 0, np.ones(4, dtype=bool), ("dept",))
    >>> found = stratified(side, (0.95, 1), "dept")
    >>> found.value, found.low <= raw(rate, side, (0.95, 1)).low
    (0.5, True)
    """
    method = "mantel_haenszel, klingenberg" if side.cells.plain else "mantel_haenszel, linearised"
    strata = strata_of(side.cells.w, side.exposed, side.success, side.stratum)
    value = risk_difference(strata)
    if not np.isfinite(value):
        return Estimate(np.nan, np.nan, np.nan, method, f"no stratum of {names} holds both sides")
    share = shares(strata, side.exposed, side.stratum)
    moved = influence(strata, side.exposed, side.success, side.stratum)
    added = side.cells.w * share * side.success
    rates = -float(added[~side.exposed].sum()), float(added[side.exposed].sum())
    leverage = side.cells.w / side.cells.n / (strata.n1 + strata.n0)[side.stratum]
    gap = Contrast(value, side.exposed, share, moved, leverage, rates)
    found = side_interval(side.cells, gap, level=how[0], comparisons=how[1])
    low, high = found.low, found.high
    if side.cells.plain:
        inverted = klingenberg(strata, critical=float(quantile(how[0], comparisons=how[1])))
        low, high = (min(low, inverted[0]), max(high, inverted[1])) if found.few else inverted
    return Estimate(value, low, high, method, found.reason)


def regression(side: Sides, how: tuple[float, int], names: str) -> Estimate:
    """Return the group's coefficient in a linear probability model with its interval; `names`: the controls.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n, sex = np.array([3, 1, 1, 3]), np.array([0, 0, 1, 1])  # of 4 women 3 are selected, of 4 men 1
    >>> cells = Cells(np.array([0, 2, 0, 2]), n, n + 0.0, n + 0.0, None, 0, False,
    ...               {"dept": (np.zeros(4, dtype=np.int64), ["A"])}, False, None)
    >>> rate = METRICS["selection_rate"]
    >>> side = sides(rate, cells, sex == 0, np.ones(4, dtype=bool), ("dept",))
    >>> found = regression(side, (0.95, 1), "dept")
    >>> round(found.value, 3), found.reason
    (0.5, None)
    """
    method = "least_squares, sandwich variance"
    gap = least_squares(side.cells, side.exposed, side.success, side.controls)
    if gap is None:
        return Estimate(np.nan, np.nan, np.nan, method, f"{names} says which side a row is on")
    found = side_interval(side.cells, gap, level=how[0], comparisons=how[1])
    return Estimate(gap.value, found.low, found.high, method, found.reason)


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
