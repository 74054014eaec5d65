"""Scores rolled up by slice and score bin, and what distances of calibration are made of in groups of bins."""

from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from audit.inference import intervals
from audit.inference.distance_bounds import distance_bounds, term_bounds
from audit.inference.intervals import Interval
from audit.metrics.metric import BinErrors, Distance, Metric, ScoreMoments
from audit.rollup import FN, TN, TP, UP, Cells, Floats, Partition, summed

BIN_GROUPS = 10
"""Calibration errors are taken over so many equal, left-closed ranges of scores, each a group of score bins."""


class Parts(NamedTuple):
    """What a distance is made of: per slice and group of score bins the observed rate, its precision, the mean score.

    Every field has the shape (n_slices, n_groups): effective `successes` out of `trials` with `df` degrees of freedom,
    the `observed` rate of positives and the mean `score` (NaN without labelled rows), the `share` of the slice's
    weight, `n` labelled rows, and `score_error` the standard error of the mean score (None: it is known).

    Examples
    --------
    >>> one = np.ones((1, 2))
    >>> parts = Parts(successes=one, trials=4 * one, df=one, observed=one / 4, score=one / 2, share=one / 2, n=4 * one)
    >>> parts.take(np.array([0])).observed.tolist()
    [[0.25, 0.25]]
    """

    successes: Floats
    trials: Floats
    df: Floats
    observed: Floats
    score: Floats
    share: Floats
    n: Floats
    score_error: Floats | None = None

    def take(self, places: npt.NDArray[np.int64]) -> "Parts":
        """Return the parts of the slices at some places."""
        columns = {name: column[places] for name, column in self._asdict().items() if column is not None}
        return Parts(**columns)


def moments_of(cells: Cells, slices: Partition) -> ScoreMoments:
    """Return the weighted labelled rows by true label (negatives first), slice and score bin, with their mean scores.

    Raises
    ------
    ValueError
        If the tally holds no scores, or not two labels that every row has a decision on.

    Examples
    --------
    Three positives of mean score 0.9 and a negative of 0.1.

    >>> n, score = np.array([3.0, 1.0]), np.array([2.7, 0.1])
    >>> cells = Cells(np.array([0, 1]), n, n, n, np.array([1, 0]), 2, False, {}, False, None)
    >>> cells = cells._replace(score=score, score2=score**2 / n)
    >>> moments = moments_of(cells, Partition((), ((),), np.array([0, 0])))
    >>> moments.weight.tolist(), moments.mean.round(3).tolist()
    ([[[1.0, 0.0]], [[0.0, 3.0]]], [[[0.1, 0.0]], [[0.0, 0.9]]])
    """
    if cells.bins is None or cells.score is None or cells.score2 is None:
        msg = "this tally holds no scores; name y_score when you make the log"
        raise ValueError(msg)
    size, bins = len(slices.groups), cells.n_bins
    check_labels(cells)
    label, labelled = labels_of(cells)
    place = np.where(labelled, (label * size + slices.member) * bins + cells.bins, 2 * size * bins)
    weight, first, second = (
        np.bincount(place, weights=amount, minlength=2 * size * bins + 1)[:-1].reshape(2, size, bins)
        for amount in (cells.w, cells.score, cells.score2)
    )
    held = np.where(weight > 0, weight, 1.0)
    mean = first / held
    return ScoreMoments(weight, mean, np.maximum(second / held - mean**2, 0.0))


def by_label(cells: Cells, slices: Partition) -> tuple[Cells, Partition]:
    """Return cells that differ only in their prediction or in other features as one, and the slices they fall into.

    What needs scores needs no more than the label, so that it is estimated from far fewer cells, with the same sums.
    Clusters are kept by leaving the cells as they are.

    Examples
    --------
    >>> n, score = np.array([3.0, 1.0, 2.0]), np.array([1.5, 0.5, 1.0])
    >>> cells = Cells(np.array([0, 2, 1]), n, n, n, np.array([1, 1, 1]), 2, False, {}, False, None)
    >>> fewer, slices = by_label(cells._replace(score=score, score2=score), Partition((), ((),), np.array([0, 0, 0])))
    >>> fewer.n.tolist(), fewer.score.tolist(), slices.member.tolist()
    ([4, 2], [2.0, 1.0], [0, 0])
    """
    size, bins = len(slices.groups), cells.n_bins
    if cells.pairs is not None or cells.bins is None or cells.score is None or cells.score2 is None:
        return cells, slices
    check_labels(cells)
    label, labelled = labels_of(cells)
    side = np.where(labelled, 1 - label, 2)
    place = (slices.member * 3 + side) * bins + cells.bins
    held = np.flatnonzero(np.bincount(place, minlength=size * 3 * bins))
    n, w, w2, score, score2 = (
        summed(place, amount, size * 3 * bins)[held]
        for amount in (cells.n, cells.w, cells.w2, cells.score, cells.score2)
    )
    fewer = cells._replace(
        quadrant=np.array([TP, TN, UP])[held // bins % 3],
        n=n.astype(np.int64),
        w=w,
        w2=w2,
        bins=held % bins,
        features={},
        score=score,
        score2=score2,
    )
    return fewer, slices._replace(member=held // (3 * bins))


def check_labels(cells: Cells) -> None:
    """Refuse cells of which is not known what is a positive.

    Raises
    ------
    ValueError
        If the tally is of several labels, or of rows that were left undecided.

    Examples
    --------
    >>> n = np.ones(2)
    >>> check_labels(Cells(np.array([0, -1]), n, n, n, None, 0, False, {}, False, None))
    Traceback (most recent call last):
    ValueError: scores are of one positive label, with a decision on every row; see audit.views.view_of
    """
    if len(cells.quadrant) and cells.quadrant.min() < 0:
        msg = "scores are of one positive label, with a decision on every row; see audit.views.view_of"
        raise ValueError(msg)


def labels_of(cells: Cells) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the true label of each cell's rows, 1 for positive, and whether they have one.

    Examples
    --------
    >>> n = np.ones(6)
    >>> label, labelled = labels_of(Cells(np.arange(6), n, n, n, None, 0, False, {}, False, None))
    >>> label.tolist(), labelled.tolist()  # TP, FP, FN, TN and two without a label
    ([1, 0, 1, 0, 0, 0], [True, True, True, True, False, False])
    """
    positive = (cells.quadrant == TP) | (cells.quadrant == FN)
    return positive.astype(np.int64), np.asarray(cells.quadrant < UP)


def labelled_rows(cells: Cells, slices: Partition) -> Floats:
    """Return the number of negative (first) and positive rows of each slice, shape (2, n_slices).

    Examples
    --------
    >>> n = np.array([3, 1, 2])
    >>> cells = Cells(np.array([0, 1, 5]), n, n, n, None, 0, False, {}, False, None)
    >>> labelled_rows(cells, Partition((), ((),), np.array([0, 0, 0]))).tolist()
    [[1.0], [3.0]]
    """
    label, labelled = labels_of(cells)
    size = len(slices.groups)
    return summed(label * size + slices.member, np.where(labelled, cells.n, 0), 2 * size).reshape(2, size)


def refined(cells: Cells, slices: Partition) -> Partition:
    """Return the partition that tells the groups of score bins of each slice apart: slice i, group k at 10 i + k.

    Examples
    --------
    >>> n = np.ones(3)
    >>> cells = Cells(np.array([0, 0, 0]), n, n, n, np.array([0, 24, 25]), 250, False, {}, False, None)
    >>> refined(cells, Partition((), ((),), np.array([0, 0, 0]))).member.tolist()
    [0, 0, 1]
    """
    group = np.arange(cells.n_bins) * BIN_GROUPS // cells.n_bins
    member = slices.member * BIN_GROUPS + group[cast("Any", cells.bins)]
    return Partition(slices.features, ((),) * (len(slices.groups) * BIN_GROUPS), member)


def grouped_scores(moments: ScoreMoments) -> tuple[Floats, Floats, Floats]:
    """Return mean score, share of the slice's weight and variance of the scores in each group of bins.

    Each has the shape (n_slices, n_groups).

    Examples
    --------
    Twenty bins; a negative in the first, three positives in the last.

    >>> weight, mean = np.zeros((2, 1, 20)), np.zeros((2, 1, 20))
    >>> weight[0, 0, 0], weight[1, 0, 19], mean[1, 0, 19] = 1.0, 3.0, 0.97
    >>> score, share, variance = grouped_scores(ScoreMoments(weight, mean, variance=0 * mean))
    >>> score[0, [0, 9]].round(3).tolist(), share[0, [0, 9]].tolist()
    ([0.0, 0.97], [0.25, 0.75])
    """
    _, size, bins = moments.weight.shape
    shape = size, BIN_GROUPS
    place = np.arange(size)[:, None] * BIN_GROUPS + np.arange(bins) * BIN_GROUPS // bins
    squares = moments.weight * (moments.variance + moments.mean**2)
    sums = (moments.weight.sum(axis=0), (moments.weight * moments.mean).sum(axis=0), squares.sum(axis=0))
    held, total, square = (summed(place.ravel(), part.ravel(), size * BIN_GROUPS).reshape(shape) for part in sums)
    mean, second = (np.divide(side, held, out=np.full(shape, np.nan), where=held > 0) for side in (total, square))
    variance = np.maximum(np.nan_to_num(second - mean**2), 0.0)
    return mean, held / np.maximum(held.sum(axis=1, keepdims=True), 1e-300), variance


def part_intervals(parts: Parts, *, level: float, comparisons: npt.ArrayLike = 1) -> Interval:
    """Return intervals of the observed rates that hold at once over the groups of score bins of each slice.

    A rate of a single cluster may be anything: its interval is [0, 1].

    Examples
    --------
    Two groups with rows share the error of 5 %: each has the interval at level 97.5 %.

    >>> one = np.array([[5.0, 5.0, 0.0]])
    >>> bounds = part_intervals(Parts(one, 2 * one, one + np.inf, one, one, one / 10, one), level=0.95)
    >>> bounds.high.round(4).tolist(), intervals.rate(5, 10, level=0.975).high.round(4).item()
    ([[0.8415, 0.8415, nan]], 0.8415)
    """
    together = np.maximum((parts.n > 0).sum(axis=1), 1) * np.asarray(comparisons)
    df = None if np.all(np.isinf(parts.df)) else parts.df
    low, high = intervals.rate(parts.successes, parts.trials, level=level, df=df, comparisons=together[:, None])
    unknown = (parts.trials > 0) & np.isnan(low + high)
    return Interval(np.where(unknown, 0.0, low), np.where(unknown, 1.0, high))


def distance_interval(metric: Metric, parts: Parts, *, level: float, comparisons: npt.ArrayLike = 1) -> Interval:
    """Return the bounds of a distance of calibration that simultaneous intervals of its parts allow.

    Examples
    --------
    One group of 100 rows, 30 of them positive and scored 0.3: nothing shows an error, and hardly 0.1 is possible.

    >>> from audit.metrics.catalog import METRICS
    >>> column = np.array([[1.0]])
    >>> parts = Parts(30 * column, 100 * column, column + np.inf, 0.3 * column, 0.3 * column, column, 100 * column)
    >>> bounds = distance_interval(METRICS["expected_calibration_error"], parts, level=0.95)
    >>> bounds.low.tolist(), bounds.high.round(3).tolist()
    ([0.0], [0.096])
    """
    function = cast("Any", metric.function)
    bins = part_intervals(parts, level=level, comparisons=comparisons)
    errors = term_bounds(_beside_scores(parts, bins, level, comparisons), Interval(parts.score, parts.score))
    low, high = distance_bounds(errors, lambda error: function(BinErrors(error, parts.share)).value)
    return Interval(low, np.minimum(high, metric.range[1]))


def _beside_scores(parts: Parts, bins: Interval, level: float, comparisons: npt.ArrayLike) -> Interval:
    """Return the intervals of the rates widened by the error of the mean scores beside them (square and add)."""
    if parts.score_error is None:
        return bins
    together = np.maximum((parts.n > 0).sum(axis=1), 1) * np.asarray(comparisons)
    half = intervals.quantile(level, comparisons=together[:, None]) * parts.score_error
    low = parts.observed - np.hypot(parts.observed - bins.low, half)
    return Interval(low, parts.observed + np.hypot(bins.high - parts.observed, half))


def distance_value(metric: Metric, parts: Parts) -> tuple[Floats, npt.NDArray[np.int64], Floats | None]:
    """Return a distance of calibration, the n labelled rows that it rests on, and what a row of each group adds to it.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> row = np.array([[10.0, 30.0]])
    >>> parts = Parts(row, row, row, row / 100, np.array([[0.2, 0.4]]), row / 40, row)
    >>> names = ("expected_calibration_error", "maximum_calibration_error")
    >>> found = [distance_value(METRICS[name], parts) for name in names]
    >>> [(value.round(4).tolist(), n.tolist()) for value, n, _ in found]
    [([0.1], [40]), ([0.1], [10])]
    """
    outcome: Distance = cast("Any", metric.function)(BinErrors(np.abs(parts.observed - parts.score), parts.share))
    every = parts.n.sum(axis=1)
    emptiest = np.where(parts.n > 0, parts.n, np.inf).min(axis=1)
    n = np.where(every > 0, emptiest if outcome.n_of == "emptiest" else every, 0)
    return np.asarray(outcome.value), n.astype(np.int64), outcome.by_row
