"""The mean of a value that takes few, known values by row (a gain, a loss, a rank): estimate and interval."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.estimates import design, spread
from audit.inference import intervals
from audit.inference.intervals import Interval
from audit.rollup import Cells, Floats, Partition
from audit.spreads import few_units
from audit.tally import Codes

EXCLUDED = -1
"""The outcome of cells that do not take part."""


class OutcomeMeans(NamedTuple):
    """Mean values of slices: `share`, shape (n_slices, n_outcomes), of each outcome, and the value of each outcome.

    `trials` is the effective number of rows: the rows themselves where they are independent and count alike. `n` counts
    rows. `df` is infinite for independent rows. `values` has the shape (n_outcomes,) or (n_slices, n_outcomes).

    Examples
    --------
    >>> found = OutcomeMeans(np.array([0.5]), np.array([[0.75, 0.25]]), np.array([1.0, -1.0]), np.array([8.0]),
    ...                      np.array([8]), np.array([np.inf]))
    >>> (found.share * found.values).sum(axis=1).tolist() == found.value.tolist()
    True
    """

    value: Floats
    share: Floats
    values: Floats
    trials: Floats
    n: npt.NDArray[np.int64]
    df: Floats


def outcome_means(cells: Cells, slices: Partition, outcome: Codes, values: npt.ArrayLike) -> OutcomeMeans:
    """Return the mean value of the rows of each slice, a linear function of counts over their number.

    Under weights or clusters the variance is the linearised one (Binder 1983, doi:10.2307/1402588), with the factor
    g / (g - 1) for g effective clusters, turned into effective trials: the variance of independent rows over it, at
    most n; where no row differs from another, Kish's effective size stands in.

    Parameters
    ----------
    cells, slices
        Cells and the slices that they fall into.
    outcome : (n_cells,)
        Which outcome the rows of a cell have; `EXCLUDED` leaves them out.
    values : (n_outcomes,)
        What each outcome is worth.

    Examples
    --------
    Three rows worth 2, one worth -2.

    >>> n = np.array([3.0, 1.0])
    >>> cells = Cells(np.array([0, 2]), n, n, n, None, 0, False, {}, False, None)
    >>> found = outcome_means(cells, Partition((), ((),), np.array([0, 0])), np.array([0, 1]), [2.0, -2.0])
    >>> found.value.tolist(), found.share.tolist(), found.trials.tolist()
    ([1.0], [[0.75, 0.25]], [4.0])
    """
    worth = np.asarray(values, dtype=np.float64)
    size, kinds = len(slices.groups), len(worth)
    inside = outcome != EXCLUDED
    place = slices.member[inside] * kinds + outcome[inside]
    weight = np.bincount(place, weights=cells.w[inside], minlength=size * kinds).reshape(size, kinds)
    n = np.bincount(slices.member[inside], weights=cells.n[inside], minlength=size).astype(np.int64)
    total = weight.sum(axis=1)
    share = np.divide(weight, total[:, None], out=np.full(weight.shape, np.nan), where=total[:, None] > 0)
    value = share @ worth
    if cells.plain:
        return OutcomeMeans(value, share, worth, total, n, np.full(size, np.inf))
    safe = np.where(total > 0, total, 1.0)[slices.member]
    residual = np.where(inside, worth[outcome] - np.nan_to_num(value)[slices.member], 0.0)
    kish = 1.0 / np.maximum(spread(cells, slices, inside / safe), 1e-300)
    df = np.maximum(kish - 1.0, 0.0)
    variance = spread(cells, slices, residual / safe) * few_units(df)
    trials = effective_trials(share @ worth**2 - value**2, variance, kish, n)
    return OutcomeMeans(value, share, worth, np.where(total > 0, trials, 0.0), n, df)


def effective_trials(per_row: npt.ArrayLike, variance: npt.ArrayLike, kish: npt.ArrayLike, n: npt.ArrayLike) -> Floats:
    """Return how many independent rows of variance `per_row` have a mean of variance `variance`; at most n.

    Examples
    --------
    >>> effective_trials([4.0, 0.0], [0.1, 0.0], [30.0, 30.0], [50, 50]).tolist()
    [40.0, 30.0]
    """
    single, of_mean = np.asarray(per_row, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    known = (of_mean > 1e-300) & (single > 1e-12 * np.maximum(1.0, np.abs(single)))
    ratio = np.divide(single, of_mean, out=np.array(np.broadcast_to(kish, known.shape), np.float64), where=known)
    return np.minimum(ratio, np.asarray(n, dtype=np.float64))


def mean_interval(
    means: OutcomeMeans, *, level: float, comparisons: npt.ArrayLike = 1, possible: npt.ArrayLike = True
) -> Interval:
    r"""Return the interval of each mean; it stays within the values that are possible.

    With the critical value c and m possible outcomes, c^2 rows are added, c^2 / m to each possible outcome; then
    mean -+ c sqrt(variance / (trials + c^2)). For two outcomes this is the interval of A. Agresti and B. A. Coull,
    Approximate is better than "exact" for interval estimation of binomial proportions (1998),
    doi:10.1080/00031305.1998.10480550; adding to every outcome follows R. M. Price and D. G. Bonett, An improved
    confidence interval for a linear function of binomial proportions (2004), doi:10.1016/j.csda.2003.07.002. We depart
    by the multinomial: a payoff that is rare and large, and was perhaps not seen yet, is what the plain interval
    forgets.

    Parameters
    ----------
    means
        From `outcome_means`.
    level, comparisons
        Joint level, and how many intervals must hold together (Bonferroni).
    possible
        Outcomes that can occur at all, broadcast to (n_slices, n_outcomes).

    Examples
    --------
    Twenty rows, all worth 1, where -1 could have come: (20 + c^2 / 2 - c^2 / 2) / (20 + c^2) = 0.84 in the middle.

    >>> means = OutcomeMeans(np.array([1.0]), np.array([[1.0, 0.0]]), np.array([1.0, -1.0]), np.array([20.0]),
    ...                      np.array([20]), np.array([np.inf]))
    >>> low, high = mean_interval(means, level=0.95)
    >>> low.round(3).tolist(), high.tolist()
    ([0.62], [1.0])
    """
    critical = intervals.quantile(level, df=means.df, comparisons=comparisons)[:, None]
    open_ = np.broadcast_to(possible, means.share.shape)
    added = critical**2
    trials = means.trials[:, None]
    prior = open_ / np.maximum(open_.sum(axis=1, keepdims=True), 1)
    share = (trials * means.share + added * prior) / (trials + added)
    middle = (share * means.values).sum(axis=1)
    variance = np.maximum((share * means.values**2).sum(axis=1) - middle**2, 0.0)
    half = critical[:, 0] * np.sqrt(variance / (trials + added)[:, 0])
    seen = open_ | (means.share > 0)
    worth = np.broadcast_to(means.values, means.share.shape)
    least, most = np.where(seen, worth, np.inf).min(axis=1), np.where(seen, worth, -np.inf).max(axis=1)
    low = np.maximum(np.minimum(middle - half, means.value), least)
    high = np.minimum(np.maximum(middle + half, means.value), most)
    nothing = ~(means.trials > 0)
    return Interval(np.where(nothing, np.nan, low), np.where(nothing, np.nan, high))


def method_of(cells: Cells) -> str:
    """Return the name of the interval.

    Examples
    --------
    >>> n = np.array([1.0])
    >>> method_of(Cells(np.array([0]), n, n, n, None, 0, False, {}, False, None))
    'agresti_coull, multinomial'
    """
    return f"agresti_coull, multinomial{design(cells)}"
