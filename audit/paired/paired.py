"""How much a metric changes from one model to another on the same rows, per slice, with paired intervals.

Both models are estimated over the same cells (`audit.paired.paired_models.joint_cells`), so that what a row contributes
to both is known: what they share cancels. Rates whose denominator the model cannot change (all rows, the positives, the
negatives) rest on the discordant rows alone; means of losses of scores (Brier) on each row's own difference; every
other metric on its linearised influences.
"""

from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from audit.estimates import Estimates, design, estimate, interval, spread
from audit.inference.gap_intervals import square_and_add
from audit.inference.intervals import Interval, quantile
from audit.inference.paired_intervals import paired_rates, paired_square_and_add
from audit.influences import correlation, influences
from audit.metrics.metric import Counts, Fraction, Metric
from audit.paired.paired_losses import LossChange, is_paired_loss, loss_change, loss_interval
from audit.paired.paired_means import MeanChange, mean_change_interval
from audit.rollup import FN, FP, TN, TP, UN, UP, Cells, Floats, Partition, summed
from audit.spreads import few_units

_LABELS = ((TP, FN), (FP, TN), (UP, UN))
_NO_VARIANCE = 1e-18


class Change(NamedTuple):
    """One metric under two models over the same slices; every array has one entry per slice.

    `value` is first - second, NaN where either is undefined; `n` counts rows, the smaller denominator. Rates of the
    same rows: `gained` and `lost`, the effective counts of rows that count under the first (the second) only, out of
    `trials`. Means of losses: `losses`, of those without a bound `means`. Other metrics: `correlation` of the two
    estimators. `df`: degrees of freedom, infinite for independent rows.

    Examples
    --------
    >>> n = np.array([6.0, 3.0, 1.0])  # true positives of both, of the first, of the second
    >>> first, second = (Cells(np.array(labels), n, n, n, None, 0, False, {}, False, None)
    ...                  for labels in ([TP, TP, FN], [TP, FN, TP]))
    >>> from audit.metrics.catalog import METRICS
    >>> found = change(METRICS["true_positive_rate"], first, second, Partition((), ((),), np.array([0, 0, 0])))
    >>> found.value.round(3).tolist(), found.gained.tolist(), found.lost.tolist(), found.trials.tolist()
    ([0.2], [3.0], [1.0], [10.0])
    """

    metric: Metric
    cells: Cells
    slices: Partition
    left: Estimates
    right: Estimates
    value: Floats
    n: npt.NDArray[np.int64]
    df: Floats
    gained: Floats | None = None
    lost: Floats | None = None
    trials: Floats | None = None
    correlation: Floats | None = None
    losses: LossChange | None = None
    means: MeanChange | None = None


def change(metric: Metric, first: Cells, second: Cells, slices: Partition) -> Change:
    """Estimate how much a metric changes from the second model to the first in every slice.

    Parameters
    ----------
    metric
        A metric of the catalog.
    first, second
        The same cells as the two models see them.
    slices
        Who is looked at.

    Notes
    -----
    Under sampling weights or clusters the variance of the difference is the linearised one, sum of squared (cluster
    totals of) weight x (influence under the first - influence under the second), with the factor g / (g - 1) for g
    effective clusters or rows (Binder 1983, doi:10.2307/1402588). Rates turn it into effective counts, at most n. The
    influences of the AUC are DeLong's placements, so that their covariance is that of DeLong, DeLong & Clarke-Pearson
    1988, doi:10.2307/2531595.

    Examples
    --------
    No row is discordant, so that nothing is gained or lost.

    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([3.0, 1.0])
    >>> cells = Cells(np.array([TP, FN]), n, n, n, None, 0, False, {}, False, None)
    >>> found = change(METRICS["true_positive_rate"], cells, cells, Partition((), ((),), np.array([0, 0])))
    >>> found.value.tolist(), found.gained.tolist()
    ([0.0], [0.0])
    """
    left, right = estimate(metric, first, slices), estimate(metric, second, slices)
    found = Change(metric, first, slices, left, right, left.value - right.value, np.minimum(left.n, right.n), left.df)
    if same_denominator(metric):
        return _discordant(found, first, second)
    if is_paired_loss(metric):
        return found._replace(losses=loss_change(first, second, slices))
    both = influences(metric, first, slices), influences(metric, second, slices)
    found = found._replace(df=np.minimum(left.df, right.df))
    return found._replace(correlation=correlation(first, slices, both, _units(found)))


def change_interval(found: Change, *, level: float, comparisons: npt.ArrayLike = 1) -> Interval:
    """Return the paired interval of each change; simultaneous over `comparisons` of them by Bonferroni.

    Rates of the same rows: `audit.inference.paired_intervals.paired_rates`; means of losses:
    `audit.paired.paired_losses.loss_interval`; others: `paired_square_and_add` of the intervals of both models. NaN
    where a side is undefined or has no interval.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([60.0, 30.0, 10.0])
    >>> first, second = (Cells(np.array(labels), n, n, n, None, 0, False, {}, False, None)
    ...                  for labels in ([TP, TP, FN], [TP, FN, TP]))
    >>> found = change(METRICS["true_positive_rate"], first, second, Partition((), ((),), np.array([0, 0, 0])))
    >>> low, high = change_interval(found, level=0.95)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.078], [0.316])
    """
    if found.gained is not None and found.lost is not None and found.trials is not None:
        df = None if np.all(np.isinf(found.df)) else found.df
        critical = quantile(level, df=df, comparisons=comparisons)
        return paired_rates(found.gained, found.lost, found.trials, critical=critical)
    if found.losses is not None:
        return loss_interval(found.losses, level=level, comparisons=comparisons)
    if found.means is not None:
        return mean_change_interval(found.means, level=level, comparisons=comparisons)
    sides = [interval(found.metric, side, level=level, comparisons=comparisons) for side in (found.left, found.right)]
    correlation = np.zeros(len(found.value)) if found.correlation is None else found.correlation
    return paired_square_and_add((found.left.value, sides[0]), (found.right.value, sides[1]), correlation)


def change_method(found: Change) -> str:
    """Return the name of the interval of a change.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([3.0, 1.0])
    >>> cells = Cells(np.array([TP, FP]), n, n, n, None, 0, False, {}, False, None)
    >>> everyone = Partition((), ((),), np.array([0, 0]))
    >>> [change_method(change(METRICS[name], cells, cells, everyone)) for name in ("accuracy", "precision")]
    ['paired_score', 'paired_square_and_add']
    """
    if found.means is not None:
        return ("paired_square_and_add" if found.means.root else "paired_t") + found.means.design
    if found.losses is not None:
        return "paired_t" + design(found.cells)
    return ("paired_score" if found.gained is not None else "paired_square_and_add") + design(found.cells)


def growth(found: Change, first: npt.ArrayLike, second: npt.ArrayLike) -> Floats:
    """Return the change in slices `first[i]` minus that in slices `second[i]`: by how much their gap grew.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([1.0, 1.0, 1.0, 1.0])  # of each group two positives; the first model misses one of group 1
    >>> one, two = (Cells(np.array(labels), n, n, n, None, 0, False, {}, False, None)
    ...             for labels in ([TP, TP, TP, FN], [TP, TP, TP, TP]))
    >>> slices = Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1, 1]))
    >>> growth(change(METRICS["true_positive_rate"], one, two, slices), [0], [1]).tolist()
    [0.5]
    """
    return np.asarray(found.value[np.asarray(first)] - found.value[np.asarray(second)], dtype=np.float64)


def growth_interval(
    found: Change, first: npt.ArrayLike, second: npt.ArrayLike, *, level: float, comparisons: int = 1
) -> Interval:
    """Return the interval of each growth: square-and-add of the two paired intervals.

    It takes the slices for independent, which rows of different people are; where clusters span slices it is wider than
    it need be if what changes within a cluster changes alike.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([50.0, 50.0, 50.0, 50.0])
    >>> one, two = (Cells(np.array(labels), n, n, n, None, 0, False, {}, False, None)
    ...             for labels in ([TP, TP, TP, FN], [TP, TP, TP, TP]))
    >>> slices = Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1, 1]))
    >>> low, high = growth_interval(change(METRICS["true_positive_rate"], one, two, slices), [0], [1], level=0.95)
    >>> low.round(2).tolist(), high.round(2).tolist()
    ([0.39], [0.6])
    """
    bounds = change_interval(found, level=level, comparisons=comparisons)
    one, two = np.asarray(first), np.asarray(second)
    sides = [Interval(bounds.low[places], bounds.high[places]) for places in (one, two)]
    return square_and_add(found.value[one], sides[0], found.value[two], sides[1])


def same_denominator(metric: Metric) -> bool:
    """Return whether a metric is a rate of the same rows whatever a model predicts.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> [same_denominator(METRICS[name]) for name in ("false_positive_rate", "selection_rate", "precision", "f1")]
    [True, True, False, False]
    """
    if metric.kind != "rate":
        return False
    denominator = _units_of(metric).denominator
    return all(denominator[one] == denominator[two] for one, two in _LABELS)


def depends_on_model(metric: Metric) -> bool:
    """Return whether a metric can change at all from one model to another: the prevalence cannot.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> [depends_on_model(METRICS[name]) for name in ("prevalence", "accuracy", "roc_auc")]
    [False, True, True]
    """
    if not same_denominator(metric):
        return True
    numerator = _units_of(metric).numerator
    return any(numerator[one] != numerator[two] for one, two in _LABELS)


def _units_of(metric: Metric) -> Fraction:
    """Return what one row of each kind adds to numerator and denominator."""
    units: Fraction = cast("Any", metric.function)(Counts(*np.eye(6)))
    return units


def _discordant(found: Change, first: Cells, second: Cells) -> Change:
    """Return a change of rates with its discordant rows: effective ones under weights or clusters."""
    units, slices, size = _units_of(found.metric), found.slices, len(found.value)
    sides = [np.asarray(units.numerator, dtype=np.float64)[cells.quadrant] for cells in (first, second)]
    inside = np.asarray(units.denominator, dtype=np.float64)[first.quadrant]
    total = summed(slices.member, first.w * inside, size)
    gained = summed(slices.member, first.w * inside * sides[0] * (1 - sides[1]), size)
    lost = summed(slices.member, first.w * inside * sides[1] * (1 - sides[0]), size)
    if first.plain:
        return found._replace(gained=gained, lost=lost, trials=total)
    safe = np.where(total > 0, total, 1.0)
    difference = (gained - lost) / safe
    residual = (sides[0] - sides[1] - difference[slices.member] * inside) / safe[slices.member]
    kish = safe**2 / np.maximum(spread(first, slices, inside), 1e-300)
    df = np.maximum(kish - 1, 0.0)
    variance = spread(first, slices, residual) * few_units(df)
    of_one_row = (gained + lost) / safe - difference**2
    trials = np.where(variance > _NO_VARIANCE, of_one_row / np.maximum(variance, 1e-300), kish)
    trials = np.where(total > 0, np.minimum(trials, found.n), 0.0)
    return found._replace(gained=gained / safe * trials, lost=lost / safe * trials, trials=trials, df=df)


def _units(found: Change) -> Floats:
    """Return how many independent units the smaller denominator holds: rows, or effective rows or clusters.

    Smooth metrics count whole clusters: what changes may change for all of one at once, and few clusters that did not
    are weak evidence. (With rows over the design effect F1 covered .84 where 5 of 50 clusters changed.)
    """
    trials = [side.trials for side in (found.left, found.right) if side.trials is not None]
    if len(trials) == 2:
        return np.asarray(np.minimum(*trials), dtype=np.float64)
    return np.where(np.isinf(found.df), found.n, np.minimum(found.n, found.df + 1.0)).astype(np.float64)
