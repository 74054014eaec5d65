"""Bootstrap replicates of any statistic of rows, and the bias-corrected and accelerated interval that they give.

Only for values that change smoothly with the rows, and differences of such values between groups. The largest of
several gaps is none: its percentile bootstrap excludes the truth at equality. It is bounded from pairwise intervals
(`audit.largest`).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from audit.inference.intervals import Interval

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Statistic = Callable[[Codes], float]
"""From places of rows (repeated where drawn twice) to the value; NaN where it is undefined."""

MAX_BLOCKS = 100
MAX_DRAWN = 100_000
"""So many units are drawn at once."""

MAX_UNDEFINED = 0.05


class Replicates(NamedTuple):
    """Bootstrap replicates of a value and its jackknife influences (shape (n_replicates,) and (n_blocks,)).

    Examples
    --------
    >>> Replicates(2.0, np.array([1.5, 2.5]), np.array([-0.5, 0.5])).value
    2.0
    """

    value: float
    drawn: Floats
    influence: Floats


def replicates(
    statistic: Statistic, units: Codes, *, n_boot: int, random_state: np.random.Generator, value: float
) -> Replicates:
    """Draw units (rows, or whole clusters) with replacement and compute the statistic of each draw.

    Parameters
    ----------
    statistic
        The statistic of some rows.
    units
        The unit that each row belongs to, shape (n_rows,), codes from 0.
    n_boot
        Number of replicates.
    random_state
        Where draws come from.
    value
        The statistic of all rows.

    Examples
    --------
    >>> rows = np.array([1.0, 2.0, 3.0, 4.0])
    >>> found = replicates(lambda places: float(rows[places].mean()), np.arange(4), n_boot=500,
    ...                    random_state=np.random.default_rng(0), value=2.5)
    >>> len(found.drawn), found.influence.round(2).tolist()  # 2.5 minus the mean without the row, times n - 1
    (500, [-1.5, -0.5, 0.5, 1.5])
    """
    order = np.argsort(units, kind="stable")
    sizes = np.bincount(units)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    number = len(sizes)
    each_a_row = bool((sizes == 1).all())

    def rows_of(chosen: Codes) -> Codes:
        if each_a_row:
            return order[chosen]
        length = sizes[chosen]
        first = np.repeat(starts[chosen] - np.concatenate([[0], np.cumsum(length)[:-1]]), length)
        return order[first + np.arange(int(length.sum()))]

    drawn = [statistic(rows_of(chosen)) for chosen in _draws(number, n_boot, random_state)]
    blocks = min(number, MAX_BLOCKS)
    block = random_state.permutation(number) % blocks if number > MAX_BLOCKS else np.arange(number)
    left = [statistic(rows_of(np.flatnonzero(block != out))) for out in range(blocks)]
    influence = (blocks - 1) * (value - np.array(left))
    return Replicates(value, np.array(drawn, dtype=np.float64), influence.astype(np.float64))


def _draws(number: int, n_boot: int, random_state: np.random.Generator) -> Iterator[Codes]:
    """Draw so many units so many times; many draws at once, because of few units the call costs more than the draw."""
    at_once = max(1, MAX_DRAWN // number)
    for first in range(0, n_boot, at_once):
        yield from random_state.integers(0, number, (min(at_once, n_boot - first), number))


def difference(first: Replicates, second: Replicates) -> Replicates:
    """Return the replicates of the difference of two groups that were drawn apart.

    Examples
    --------
    >>> one, two = (Replicates(v, np.array([v, v + 1]), np.array([0.5])) for v in (3.0, 1.0))
    >>> found = difference(one, two)
    >>> found.value, found.drawn.tolist(), found.influence.tolist()
    (2.0, [2.0, 2.0], [0.5, -0.5])
    """
    # Influences of groups of unequal numbers of blocks are put on one scale: those of means of so many blocks.
    sides = [first.influence / max(len(first.influence), 1), -second.influence / max(len(second.influence), 1)]
    scale = float(len(first.influence)) if len(first.influence) == len(second.influence) else 1.0
    return Replicates(first.value - second.value, first.drawn - second.drawn, np.concatenate(sides) * scale)


def bca(found: Replicates, *, level: float, comparisons: int = 1) -> Interval:
    r"""Return the bias-corrected and accelerated bootstrap interval (BCa); NaN where it cannot be had.

    Notes
    -----
    With z0 = Phi^-1(share of replicates below the value, ties half), a = sum u^3 / (6 (sum u^2)^1.5) for jackknife
    influences u, and z the quantile of the level (Bonferroni over `comparisons`): the quantiles of the replicates at
    Phi(z0 + (z0 -+ z) / (1 - a (z0 -+ z))). Source: Efron 1987, Better bootstrap confidence intervals,
    doi:10.1080/01621459.1987.10478410. No interval where more than a twentieth of the replicates is undefined, where
    they show no spread, or where they are too few for the tail (see `needed`).

    Examples
    --------
    >>> drawn = np.linspace(0, 1, 2001)
    >>> low, high = bca(Replicates(0.5, drawn, np.array([-1.0, 1.0])), level=0.95)
    >>> round(float(low), 3), round(float(high), 3)
    (0.025, 0.975)
    """
    nothing = Interval(np.array(np.nan), np.array(np.nan))
    defined = found.drawn[np.isfinite(found.drawn)]
    if why_none(found, level=level, comparisons=comparisons) is not None:
        return nothing
    below = (np.sum(defined < found.value) + np.sum(defined == found.value) / 2) / len(defined)
    if not 0 < below < 1:
        return nothing
    influence = found.influence[np.isfinite(found.influence)]
    influence = influence - influence.mean()
    squares = float(np.sum(influence**2))
    acceleration = float(np.sum(influence**3)) / (6 * squares**1.5) if squares > 0 else 0.0
    bias = float(ndtri(below))
    tail = (1 - level) / (2 * comparisons)
    shifted = bias + np.array([float(ndtri(tail)), -float(ndtri(tail))])
    ends = np.quantile(defined, ndtr(bias + shifted / (1 - acceleration * shifted)))
    return Interval(np.asarray(ends[0]), np.asarray(ends[1]))


def why_none(found: Replicates, *, level: float, comparisons: int = 1) -> str | None:
    """Return why replicates give no interval; None where they do.

    Examples
    --------
    >>> why_none(Replicates(1.0, np.ones(999), np.zeros(3)), level=0.95)
    'no interval: the bootstrap replicates show no spread'
    """
    defined = found.drawn[np.isfinite(found.drawn)]
    undefined = len(found.drawn) - len(defined)
    if undefined > MAX_UNDEFINED * len(found.drawn):
        return f"no interval: the metric is undefined in {undefined:,} of {len(found.drawn):,} bootstrap replicates"
    if not len(defined) or np.ptp(defined) <= 1e-12 * max(1.0, abs(found.value)):
        return "no interval: the bootstrap replicates show no spread"
    if len(found.drawn) < needed(level, comparisons):
        return (
            f"no interval: this level over {comparisons} pairs needs {needed(level, comparisons):,} replicates (n_boot)"
        )
    return None


def needed(level: float, comparisons: int = 1) -> int:
    """Return how many replicates a level needs: twenty beyond each end of the interval.

    Examples
    --------
    >>> needed(0.95), needed(0.95, 15)
    (800, 12000)
    """
    return int(np.ceil(20 * 2 * comparisons / (1 - level) - 1e-6))
