"""Intervals of functions of rates, made from the intervals of those rates: what was not seen stays possible.

The linearised variance of a smooth metric is 0 in the direction of a rate that is 0 or 1 in the sample: of forty
positives that were all found it concludes that none is ever missed, and balanced accuracy covers in 84 of 150 samples.
An interval of each rate that the metric is a function of knows better, and they are squared and added.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.inference import intervals
from audit.inference.intervals import Interval
from audit.metrics.metric import Array

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Compose = Callable[[Array], Array]
"""From rates, shape (n_rates, ...), to the metric, shape (...)."""


class Composed(NamedTuple):
    """One metric as a function of rates: their effective counts, shape (n_rates, n_slices).

    `stretch`, shape (n_slices,): by how much dependence between the estimated rates (rows that count in several, or
    clusters) widens the interval; 1 where they are uncorrelated. `known`: intervals of all slices that were made
    already, by level and number of comparisons.

    Examples
    --------
    >>> x, n = np.array([[8.0], [5.0]]), np.array([[10.0], [10.0]])
    >>> made = Composed(lambda rates: rates.mean(axis=0), x, n, n + np.inf, np.ones(1), (0.0, 1.0), {})
    >>> made.compose(made.successes / made.trials).tolist()
    [0.65]
    """

    compose: Compose
    successes: Floats
    trials: Floats
    df: Floats
    stretch: Floats
    range: tuple[float, float]
    known: dict[tuple[float, float], Interval]


class Components(NamedTuple):
    """What estimates of several metrics are composed of: estimate i is `made[which[i]]` at slice `place[i]`.

    `which` is -1 for an estimate whose interval is made in another way.

    Examples
    --------
    >>> found = Components((), np.array([-1, -1]), np.array([0, 1]))
    >>> found.take(np.array([1])).place.tolist()
    [1]
    """

    made: tuple[Composed, ...]
    which: Places
    place: Places

    def take(self, places: Places) -> "Components":
        """Return those of the estimates at some places."""
        return self._replace(which=self.which[places], place=self.place[places])


def composed(made: Composed) -> Components:
    """Return the components of the estimates of one metric, one per slice.

    Examples
    --------
    >>> one = np.array([[8.0, 3.0]])
    >>> made = Composed(lambda rates: rates[0], one, 0 * one + 10, 0 * one + np.inf, np.ones(2), (0.0, 1.0), {})
    >>> composed(made).place.tolist()
    [0, 1]
    """
    size = made.trials.shape[1]
    return Components((made,), np.zeros(size, dtype=np.int64), np.arange(size))


def joined_components(parts: Sequence[Components | None], sizes: Sequence[int]) -> Components | None:
    """Return components one after another; `sizes` says how many estimates each part stands for.

    Examples
    --------
    >>> joined_components([None, Components((), np.array([-1]), np.array([0]))], [2, 1]).which.tolist()
    [-1, -1, -1]
    """
    if all(part is None for part in parts):
        return None
    made: list[Composed] = []
    which, place = [], []
    for part, size in zip(parts, sizes, strict=True):
        nothing = np.full(size, -1, dtype=np.int64)
        which.append(nothing if part is None else np.where(part.which >= 0, part.which + len(made), -1))
        place.append(nothing if part is None else part.place)
        made += () if part is None else part.made
    return Components(tuple(made), np.concatenate(which), np.concatenate(place))


def composed_interval(components: Components, *, level: float, comparisons: npt.ArrayLike = 1) -> Interval:
    r"""Return the interval of each estimate; NaN where `which` is -1 or a rate is undefined.

    Each rate moves to both ends of its own interval (`audit.inference.intervals.rate`) while the others stay; the
    distances by which that moves the metric are squared and added, those up and those down apart. For sums of
    independent rates this is MOVER, for their ratios (on the log scale) its extension; where no rate is near 0 or 1 it
    agrees with the delta method.

    Sources: Zou & Donner 2008, Construction of confidence limits about effect measures, doi:10.1002/sim.3095; ratios:
    Donner & Zou 2012, Closed-form confidence intervals for functions of the normal mean and standard deviation,
    doi:10.1177/0962280210383082.

    Examples
    --------
    The mean of 8 of 10 and of 100 of 100: rates in [.4439, .9748] and [.9638, 1].

    >>> x, n = np.array([[8.0], [100.0]]), np.array([[10.0], [100.0]])
    >>> made = Composed(lambda rates: rates.mean(axis=0), x, n, 0 * n + np.inf, np.ones(1), (0.0, 1.0), {})
    >>> low, high = composed_interval(composed(made), level=0.95)
    >>> [round(float(end[0]), 4) for end in (low, high)], round(0.9 - np.hypot(0.8 - 0.4439, 1 - 0.9638) / 2, 4).item()
    ([0.721, 0.9874], 0.721)
    """
    size = len(components.which)
    low, high = np.full(size, np.nan), np.full(size, np.nan)
    sharing = np.broadcast_to(np.asarray(comparisons, dtype=np.float64), size)
    for number, made in enumerate(components.made):
        mine = components.which == number
        for together in np.unique(sharing[mine]).tolist():
            rows = np.flatnonzero(mine & (sharing == together))
            own, place = _of_slices(made, level, together), components.place[rows]
            low[rows], high[rows] = own.low[place], own.high[place]
    return Interval(low, high)


def _of_slices(made: Composed, level: float, comparisons: float) -> Interval:
    """Return the interval of every slice, made once: a slice stands in many pairs."""
    if (level, comparisons) not in made.known:
        made.known[level, comparisons] = _substituted(made, level, comparisons)
    return made.known[level, comparisons]


def _substituted(made: Composed, level: float, comparisons: float) -> Interval:
    df = None if np.all(np.isinf(made.df)) else made.df
    ends = intervals.rate(made.successes, made.trials, level=level, df=df, comparisons=comparisons)
    rates = made.successes / np.where(made.trials > 0, made.trials, np.nan)
    number = len(rates)
    moved = np.repeat(rates[:, None], 2 * number + 1, axis=1)  # rate, which one is moved, slice
    each = np.arange(number)
    moved[each, each], moved[each, each + number] = ends.low, ends.high
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = made.compose(moved)
        value, there = found[-1], found[:-1].reshape(2, number, -1)
        log = np.isinf(made.range[1]) & (value > 0)
        moves = np.where(log, np.log(there / value), there - value)
        up, down = np.maximum(moves.max(axis=0), 0.0), np.minimum(moves.min(axis=0), 0.0)
        up, down = (np.sqrt((side**2).sum(axis=0)) * made.stretch for side in (up, down))
        low = np.where(log, value * np.exp(-down), value - down)
        high = np.where(log, value * np.exp(up), value + up)
    return Interval(np.maximum(low, made.range[0]), np.minimum(high, made.range[1]))
