"""Rates with the effective counts that their intervals are made of, and functions of several such rates."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from audit.components import Compose, Composed
from audit.estimated import Estimates
from audit.metrics.metric import Counts, Fraction
from audit.rollup import Cells, Floats, Partition, summed
from audit.spreads import few_units, spread

STEP = 1e-20
"""Complex step: f(x + ih) / h has the derivative of f as its imaginary part, to machine precision."""

_COUNTED = ("successes", "trials", "df")
_TINY = 1e-18


def rate_estimates(
    function: Callable[[Counts], Fraction], cells: Cells, slices: Partition, weights: Counts, rows: Counts
) -> Estimates:
    """Return a rate in every slice; `weights` and `rows` are the weighted and unweighted counts.

    Examples
    --------
    >>> n, everyone = np.array([3.0, 1.0]), Partition((), ((),), np.array([0, 0]))
    >>> cells = Cells(np.array([0, 2]), n, n, n, None, 0, False, {}, False, None)
    >>> counts = Counts(*(np.array([count]) for count in (3.0, 0.0, 1.0, 0.0, 0.0, 0.0)))
    >>> rate_estimates(lambda c: Fraction(c.tp, c.tp + c.fn), cells, everyone, counts, counts).value.tolist()
    [0.75]
    """
    outcome = function(weights)
    denominator = np.asarray(outcome.denominator, dtype=np.float64)
    value = np.divide(outcome.numerator, denominator, out=np.full(len(denominator), np.nan), where=denominator > 0)
    n = np.asarray(function(rows).denominator).astype(np.int64)
    infinite = np.full(len(value), np.inf)
    if cells.plain:
        return Estimates(value, n, infinite, np.asarray(outcome.numerator, np.float64), denominator)
    units = function(Counts(*np.eye(6)))
    return effective_counts(cells, slices, outcome, Fraction(*(side[cells.quadrant] for side in units)), n)


def effective_counts(
    cells: Cells, slices: Partition, outcome: Fraction, units: Fraction, n: npt.NDArray[np.int64]
) -> Estimates:
    """Return a rate with effective counts; `units` are what a unit of each cell's weight adds to the fraction.

    Examples
    --------
    Rows that are independent and count alike are their own effective counts.

    >>> n = np.array([3, 1])
    >>> cells = Cells(np.array([0, 2]), n, n + 0.0, n + 0.0, None, 0, False, {}, False, None)
    >>> units = Fraction(np.array([1.0, 0.0]), np.ones(2))
    >>> slices = Partition((), ((),), np.array([0, 0]))
    >>> found = effective_counts(cells, slices, Fraction(np.array([3.0]), np.array([4.0])), units, np.array([4]))
    >>> found.successes.tolist(), found.trials.tolist()
    ([3.0], [4.0])
    """
    denominator = np.asarray(outcome.denominator, dtype=np.float64)
    value = np.divide(outcome.numerator, denominator, out=np.full(len(denominator), np.nan), where=denominator > 0)
    inside = units.denominator
    safe = np.where(denominator > 0, denominator, 1.0)
    residual = units.numerator - np.nan_to_num(value)[slices.member] * inside
    influence = residual / safe[slices.member]
    kish = safe**2 / np.maximum(spread(cells, slices, inside), 1e-300)
    df = np.full(len(n), np.inf) if cells.plain else np.maximum(kish - 1, 0.0)
    variance = spread(cells, slices, influence) * (1.0 if cells.plain else few_units(kish - 1))
    bernoulli = value * (1 - value)
    trials = np.where(variance > 1e-18, bernoulli / np.maximum(variance, 1e-300), kish)
    # Rounded, so that 10 events stay 10: the last bits must not choose between Wilson and Clopper-Pearson.
    trials = np.where(denominator > 0, np.minimum(trials, _most_trials(cells, slices, inside, safe, n)), 0.0).round(9)
    successes = np.minimum((np.nan_to_num(value) * trials).round(9), trials)
    return Estimates(value, n, df, successes, trials, influence=influence)


def _most_trials(cells: Cells, slices: Partition, inside: Floats, total: Floats, n: npt.NDArray[np.int64]) -> Floats:
    """Return the most rows that a rate may count as: weights never make rows say more than alike ones would.

    Kish's effective size of the rows, whatever their clusters: where one row has almost all of the weight the residuals
    have almost no spread, which would otherwise count as many rows that agree.
    """
    if not cells.weighted:
        return n.astype(np.float64)
    squares = summed(slices.member, cells.w2 * inside**2, len(n))
    return np.minimum(n, total**2 / np.where(squares > 0, squares, np.inf))


def composed_of(
    compose: Compose, rates: Sequence[Estimates], variance: Floats, limits: tuple[float, float]
) -> Composed:
    """Return a metric as a function of rates whose estimates may be correlated; `variance` is that of the metric.

    Examples
    --------
    Were the two rates one, their mean would have its variance, 1/16, and not half of it.

    >>> rates = [Estimates(np.array([x / 4]), np.array([4]), np.array([np.inf]), np.array([x]), np.array([4.0]))
    ...          for x in (2.0, 2.0)]
    >>> composed_of(lambda p: p.mean(axis=0), rates, np.array([1 / 16]), (0.0, 1.0)).stretch.round(4).tolist()
    [1.4142]
    """
    x, trials, df = (np.stack([np.asarray(getattr(rate, name)) for rate in rates]) for name in _COUNTED)
    safe = np.where(trials > 0, trials, np.nan)
    p = x / safe
    alone = np.zeros(len(variance))
    with np.errstate(divide="ignore", invalid="ignore"):
        for row in range(len(p)):
            moved = p.astype(np.complex128)
            moved[row] += 1j * STEP
            alone += np.nan_to_num((np.imag(compose(moved)) / STEP) ** 2 * p[row] * (1 - p[row]) / safe[row])
        # Of several rates it is clipped: where some are at their ends the variances say little about the correlation.
        widest = 10.0 if len(p) == 1 else 2.0
        stretch = np.clip(np.sqrt(np.where(alone > _TINY, variance / alone, 1.0)), 1 / widest, widest)
    return Composed(compose, x, trials, df, stretch, limits, {})
