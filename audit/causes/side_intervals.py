"""Intervals of a gap that is a weighted sum of outcomes: what one side adds and the other side takes away."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.inference.intervals import enough_units, quantile, rate
from audit.rollup import Cells, Floats, Partition
from audit.spreads import spread

Mask = npt.NDArray[np.bool_]

_FEW = 20.0
"""Of fewer deviations on a side, one of several simultaneous gaps takes the wider of two intervals."""


class Contrast(NamedTuple):
    """A gap as a sum over cells of weight x `share` x success; `share` adds up to 1 on one side, to -1 on the other.

    `exposed`: the cells of the first side; `moved`: by how much a unit of each cell's weight moves the gap;
    `leverage`: how far each row of a cell decides its own fitted value, in [0, 1]; `rates`: what the other and the
    exposed side add, as rates.

    Examples
    --------
    >>> side = np.array([True, False])
    >>> Contrast(0.5, side, np.array([0.1, -0.1]), np.zeros(2), np.zeros(2), (0.25, 0.75)).value
    0.5
    """

    value: float
    exposed: Mask
    share: Floats
    moved: Floats
    leverage: Floats
    rates: tuple[float, float]


class Bounds(NamedTuple):
    """The interval of a gap; NaN with a reason where there is none. `few`: some side deviates in under 20 rows.

    Examples
    --------
    >>> Bounds(-0.1, 0.1, None, few=False).low
    -0.1
    """

    low: float
    high: float
    reason: str | None
    few: bool


def undecided(cells: Cells, exposed: Mask, share: Floats, *, level: float, comparisons: int = 1) -> str | None:
    """Return why rows that are not independent, or do not count alike, give a gap no interval; None if they do.

    Examples
    --------
    The exposed side is one row with nearly all of the weight.

    >>> w, side = np.array([1.0, 99.0, 1.0, 1.0]), np.array([True, True, False, False])
    >>> cells = Cells(np.array([0, 2, 0, 2]), np.ones(4, int), w, w**2, None, 0, False, {}, True, None)
    >>> undecided(cells, side, np.where(side, 1 / 100, -1 / 2), level=0.95)
    'no interval: a side weighs as much as 1.0 rows that count alike, too few for the level'
    """
    if cells.plain:
        return None
    units = float(_units(cells, _sides(exposed), share).min())
    if enough_units(level, df=units - 1, comparisons=comparisons):
        return None
    if cells.pairs is None:
        return f"no interval: a side weighs as much as {units:.1f} rows that count alike, too few for the level"
    if units <= 1 + 1e-9:
        return "no interval: all rows of a side are of one cluster"
    return f"no interval: a side spreads as {units:.1f} equal clusters would, too few for the level"


def side_interval(cells: Cells, gap: Contrast, *, level: float, comparisons: int = 1) -> Bounds:
    """Return the interval of a gap, with the evidence of each side counted apart.

    Parameters
    ----------
    cells
        The cells that the arrays of `gap` are about.
    gap
        The gap.
    level
        Joint confidence level.
    comparisons
        How many intervals hold together (Bonferroni).

    Returns
    -------
    Bounds
        Within [-1, 1]. NaN with a reason where a side has too few clusters (or weighted rows) for the level
        (`audit.inference.intervals.enough_units`), or rows are fitted exactly.

    Notes
    -----
    The variance is that of the influences, each squared residual divided by 1 - leverage (HC2: MacKinnon & White 1985,
    doi:10.1016/0304-4076(85)90158-7), clusters as units with the factor g / (g - 1). g and Student's degrees of freedom
    g - 1 are those of the side with fewer effective clusters (or weighted rows), 1 / sum_c (sum of weight x share)^2: a
    side of 800 clusters says nothing about how the two of the other differ.

    Residuals of a side on which nearly nobody deviates from what the stratum says have no spread, and would claim
    certainty. As Agresti & Caffo 2000 (doi:10.1080/00031305.2000.10474560) add a success and a failure to each rate,
    each side gets one of both, spread over the strata by their weights: with n effective rows, of which a share q
    deviates (q (1 - q) / n the variance of the side), the gap moves by (1 - 2 rate) / (n + 2), and the variance becomes
    that of (q n + 1) / (n + 2) of n + 2 rows, never less than it was. Of one stratum it is Agresti and Caffo's.

    As in `audit.inference.gap_intervals.gap_of_rates`, one of several gaps at once takes the wider of this and of the
    two intervals of q squared and added where a side has fewer than twenty deviations.

    Examples
    --------
    Nobody of 40 is selected on either side: -+ 1.96 sqrt(2 x 1/42 x 41/42 / 42), Agresti and Caffo's 0 / 40, 0 / 40.

    >>> n, side = np.array([40.0, 40.0]), np.array([True, False])
    >>> cells = Cells(np.array([2, 2]), n, n, n, None, 0, False, {}, False, None)
    >>> gap = Contrast(0.0, side, np.array([1 / 40, -1 / 40]), np.zeros(2), np.array([1 / 40, 1 / 40]), (0.0, 0.0))
    >>> found = side_interval(cells, gap, level=0.95)
    >>> round(found.low, 3), round(found.high, 3), round(1.96 * (2 / 42 * 41 / 42 / 42) ** 0.5, 3)
    (-0.065, 0.065, 0.065)
    """
    reason = undecided(cells, gap.exposed, gap.share, level=level, comparisons=comparisons) or _exact(gap)
    if reason:
        return Bounds(np.nan, np.nan, reason, few=True)
    sides, df, factor = _sides(gap.exposed), np.inf, 1.0
    if not cells.plain:
        units = float(_units(cells, sides, gap.share).min())
        df, factor = units - 1, units / (units - 1)
    moved = gap.moved / np.sqrt(np.where(gap.share == 0, 1.0, 1 - gap.leverage))
    total = float(spread(cells, sides._replace(member=np.zeros_like(sides.member)), moved)[0]) * factor
    n, deviating = _deviating(cells, sides, gap.share, moved, factor)
    more = (deviating * n + 1) / (n + 2)
    total += float(np.maximum(more * (1 - more) / (n + 2) - deviating * (1 - deviating) / n, 0.0).sum())
    shift = (1 - 2 * np.clip(gap.rates, 0.0, 1.0)) / (n + 2)
    middle = gap.value + float(shift[1] - shift[0])
    half = float(quantile(level, df=df, comparisons=comparisons)) * float(np.sqrt(total))
    low, high = middle - half, middle + half
    few = bool((deviating * n < _FEW).any())
    if few and comparisons > 1:
        own = rate(deviating * n, n, level=level, df=df, comparisons=comparisons)
        arm = float(np.hypot(*np.maximum(own.high - deviating, deviating - own.low)))
        low, high = min(low, gap.value - arm), max(high, gap.value + arm)
    return Bounds(max(low, -1.0), min(high, 1.0), None, few=few)


def _deviating(cells: Cells, sides: Partition, share: Floats, moved: Floats, factor: float) -> tuple[Floats, Floats]:
    """Return each side's effective rows, and which share of them deviates from what their strata say."""
    rows = 1 / np.bincount(sides.member, weights=cells.w2 * share**2, minlength=2)
    alone = np.bincount(sides.member, weights=cells.w2 * moved**2, minlength=2)
    bernoulli = np.clip(alone * rows, 0.0, 0.25)
    deviating = (1 - np.sqrt(1 - 4 * bernoulli)) / 2
    together = spread(cells, sides, moved) * factor
    n = np.where(alone > 1e-18, rows * alone / np.maximum(together, 1e-300), _units(cells, sides, share))
    return np.minimum(n, rows), deviating


def _exact(gap: Contrast) -> str | None:
    if np.any((gap.leverage > 1 - 1e-9) & (gap.share != 0)):
        return "no interval: some rows are fitted exactly, which leaves no spread to see"
    return None


def _sides(exposed: Mask) -> Partition:
    return Partition((), ((), ()), exposed.astype(np.int64))


def _units(cells: Cells, sides: Partition, share: Floats) -> Floats:
    """Return the effective number of clusters, or of rows, of each side."""
    return np.asarray(1 / np.maximum(spread(cells, sides, share), 1e-300), dtype=np.float64)
