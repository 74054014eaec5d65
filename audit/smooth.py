"""Estimates of smooth metrics of two labels and of metrics over several, with the rates that they are functions of."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np

from audit.components import Composed, composed
from audit.effective import STEP, composed_of, effective_counts, rate_estimates
from audit.estimated import Estimates
from audit.label_sets import LabelSets, linearised
from audit.metrics.metric import Counts, Fraction, Metric, Smooth
from audit.metrics.multiclass import SET_METRICS, Margins
from audit.rollup import Cells, Floats, Partition, summed
from audit.spreads import few_units, freedom, spread


def smooth_estimates(metric: Metric, cells: Cells, slices: Partition, weights: Counts, rows: Counts) -> Estimates:
    """Return a smooth metric in every slice; `weights` and `rows` are the weighted and unweighted counts.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n, everyone = np.array([3.0, 1.0, 4.0]), Partition((), ((),), np.array([0, 0, 0]))
    >>> cells = Cells(np.array([0, 2, 3]), n, n, n, None, 0, False, {}, False, None)
    >>> counts = Counts(*(np.array([count]) for count in (3.0, 0.0, 1.0, 4.0, 0.0, 0.0)))
    >>> smooth_estimates(METRICS["balanced_accuracy"], cells, everyone, counts, counts).value.tolist()
    [0.875]
    """
    function = cast("Any", metric.function)
    outcome: Smooth = function(weights)
    denominators = function(rows).denominators
    moved = np.stack(weights)[:, None] + STEP * 1j * np.eye(6)[:, :, None]  # count, count that is moved, slice
    gradient = np.nan_to_num(np.imag(function(Counts(*moved)).value) / STEP)
    influence = gradient[cells.quadrant, slices.member]
    df = freedom(cells, slices)
    variance = spread(cells, slices, influence) * few_units(df)
    n = np.min(denominators, axis=0).astype(np.int64)
    found = Estimates(outcome.value, n, df, error=np.sqrt(variance))
    if outcome.compose is None:
        return found
    if cells.plain:
        x, trials = (np.stack([np.asarray(rate[side], np.float64) for rate in outcome.rates]) for side in (0, 1))
        made = Composed(outcome.compose, x, trials, np.full(x.shape, np.inf), np.ones(len(n)), metric.range, {})
    else:
        rates = [
            rate_estimates(partial(_nth_rate, function, place), cells, slices, weights, rows)
            for place in range(len(outcome.rates))
        ]
        made = composed_of(outcome.compose, rates, variance, metric.range)
    return found._replace(components=composed(made))


def _nth_rate(function: Callable[[Counts], Smooth], place: int, counts: Counts) -> Fraction:
    return function(counts).rates[place]


def set_estimates(metric: Metric, cells: Cells, sets: LabelSets, slices: Partition) -> Estimates:
    """Return a metric over several labels in every slice.

    Raises
    ------
    ValueError
        If the metric is one of two labels.

    Examples
    --------
    Recalls 1 and 1/2.

    >>> sets = LabelSets(("a", "b"), np.array([[True, False], [False, True], [False, True]]),
    ...                  np.array([[True, False], [False, True], [True, False]]), np.ones(3, dtype=bool))
    >>> n = np.array([4, 3, 3])
    >>> cells = Cells(np.full(3, -1), n, n + 0.0, n + 0.0, None, 0, False, {}, False, None, sets)
    >>> metric = SET_METRICS["multiclass"]["balanced_accuracy"]
    >>> set_estimates(metric, cells, sets, Partition((), ((),), np.zeros(3, dtype=np.int64))).value.tolist()
    [0.75]
    """
    if not any(facts.function is metric.function for of_task in SET_METRICS.values() for facts in of_task.values()):
        msg = f"{metric.name} is a metric of two labels and these counts have several; see audit.views.view_of"
        raise ValueError(msg)
    function, size = cast("Any", metric.function), len(slices.groups)
    df = freedom(cells, slices)
    found = linearised(function, sets, cells.n, cells.w, member=slices.member, size=size)
    variance = spread(cells, slices, found.influence) * few_units(df)
    units = _margins(sets)
    both, true, predicted = (_by_slice(cells.w, side, slices) for side in (units.both, units.true, units.predicted))
    totals = Margins(both, true, predicted, _by_slice(cells.w, units.rows[None], slices)[0])
    outcome, rates = function(totals), []
    for rate, unit in zip(outcome.rates, function(units).rates, strict=True):
        n = summed(slices.member, cells.n * unit.denominator, size).astype(np.int64)
        rates.append(effective_counts(cells, slices, rate, unit, n))
    made = composed_of(outcome.compose, rates, variance, metric.range)
    return Estimates(found.value, found.n, df, error=np.sqrt(variance), components=composed(made))


def _margins(sets: LabelSets) -> Margins:
    """Return what one unit of weight of each cell adds to the label totals: cells stand in for slices."""
    sides = ((sets.true & sets.predicted), sets.true, sets.predicted)
    both, true, predicted = ((side & sets.known[:, None]).T.astype(np.float64) for side in sides)
    return Margins(both, true, predicted, sets.known.astype(np.float64))


def _by_slice(w: Floats, units: Floats, slices: Partition) -> Floats:
    return np.stack([summed(slices.member, w * unit, len(slices.groups)) for unit in units])
