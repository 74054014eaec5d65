"""Estimates of metrics of scores: values, errors from the influence of each row, and what rare labels leave open."""

from typing import Any, cast

import numpy as np

from audit.effective import rate_estimates
from audit.estimated import Estimates
from audit.metrics.confusion import prevalence
from audit.metrics.metric import Metric, Ranked, Scored
from audit.rare_labels import FEW, RareLabels
from audit.rollup import Cells, Floats, Partition, counts_of, scores_of
from audit.score_bins import check_labels, labelled_rows, labels_of, moments_of
from audit.spreads import few_units, freedom, spread

MAX_SLACK = 0.05
"""A ranking of score bins is shown only if tied bins leave it open by no more than this; its interval allows for it."""


def ranked_estimates(metric: Metric, cells: Cells, slices: Partition) -> Estimates:
    """Return a statistic of ranks in every slice.

    Examples
    --------
    A positive scores above a negative, and one below.

    >>> from audit.metrics.catalog import METRICS
    >>> n = np.ones(3)
    >>> cells = Cells(np.array([0, 0, 3]), n, n, n, np.array([2, 0, 1]), 3, False, {}, False, None)
    >>> cells = cells._replace(score=np.array([0.9, 0.1, 0.5]), score2=np.array([0.81, 0.01, 0.25]))
    >>> everyone = Partition((), ((),), np.zeros(3, dtype=np.int64))
    >>> ranked_estimates(METRICS["roc_auc"], cells, everyone).value.tolist()
    [0.5]
    """
    check_labels(cells)
    scores = scores_of(cells, slices)
    outcome: Ranked = cast("Any", metric.function)(scores)
    positive, negative = scores.positive.sum(axis=1), scores.negative.sum(axis=1)
    value = np.nan_to_num(outcome.value)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        below, above = (outcome.below - value) / negative[:, None], (outcome.above - value) / positive[:, None]
    tied = _over((scores.positive * scores.negative).sum(axis=1), 2 * positive * negative)
    found = Scored(outcome.value, np.nan_to_num(np.stack([below, above])), slack=tied, rests_on="both")
    return _of_scores(found, np.stack([scores.negative, scores.positive]), cells, slices)


def scored_estimates(metric: Metric, cells: Cells, slices: Partition) -> Estimates:
    """Return a statistic of scores in every slice.

    Examples
    --------
    A positive scores above a negative, and one below.

    >>> from audit.metrics.catalog import METRICS
    >>> n = np.ones(3)
    >>> cells = Cells(np.array([0, 0, 3]), n, n, n, np.array([2, 0, 1]), 3, False, {}, False, None)
    >>> cells = cells._replace(score=np.array([0.9, 0.1, 0.5]), score2=np.array([0.81, 0.01, 0.25]))
    >>> everyone = Partition((), ((),), np.zeros(3, dtype=np.int64))
    >>> scored_estimates(METRICS["brier_score"], cells, everyone).value.round(4).tolist()
    [0.3567]
    """
    moments = moments_of(cells, slices)
    return _of_scores(cast("Any", metric.function)(moments), moments.weight, cells, slices)


def _of_scores(outcome: Scored, weight: Floats, cells: Cells, slices: Partition) -> Estimates:
    """Return what a statistic comes to; `weight` is that of the rows by label, slice and bin."""
    df = freedom(cells, slices)
    variance = np.zeros(len(slices.groups))
    for part in (outcome.influence, outcome.within):
        if part is None:
            continue
        if cells.plain:
            variance += np.einsum("lsb,lsb,lsb->s", weight, part, part)
        else:  # rows of one cluster are taken to differ from their bin's mean all in one direction
            label, labelled = labels_of(cells)
            of_cell = part[label, slices.member, cast("Any", cells.bins)]
            variance += spread(cells, slices, np.where(labelled, of_cell, 0.0))
    slack = np.zeros(len(df)) if outcome.slack is None or cells.exact_scores else outcome.slack
    negative, positive = weight.sum(axis=2) if cells.plain else labelled_rows(cells, slices)
    n = {"labels": positive + negative, "positives": positive, "both": np.minimum(positive, negative)}
    found = Estimates(
        np.where(slack > MAX_SLACK, np.nan, outcome.value),
        n[outcome.rests_on].astype(np.int64),
        df,
        error=np.sqrt(variance * few_units(df)),
        slack=slack,
    )
    if outcome.losses is None:
        return found
    return found._replace(labels=_rare_labels(outcome.losses, weight, cells, slices, found))


def _rare_labels(
    losses: Floats, weight: Floats, cells: Cells, slices: Partition, found: Estimates
) -> RareLabels | None:
    """Return what the intervals of mean losses are made of where a label is rare; None where it is in no slice."""
    counts = counts_of(cells, slices, cells.w)
    rows = counts if cells.plain else counts_of(cells, slices, cells.n)
    positives = rate_estimates(prevalence, cells, slices, counts, rows)
    trials = np.asarray(positives.trials)
    seen = np.stack([trials - np.asarray(positives.successes), np.asarray(positives.successes)])
    few = np.where(trials > 0, seen.min(axis=0), np.inf) < FEW
    if not few.any():
        return None
    rare, every = np.argmin(seen, axis=0), np.arange(len(trials))
    lost, held = losses[1 - rare, every], weight.sum(axis=0)
    more, own = losses[rare, every] - lost, weight[rare, every]
    total = held.sum(axis=1)
    total = np.where(total > 0, total, np.inf)
    influence = (lost - ((held * lost).sum(axis=1) / total)[:, None]) / total[:, None]
    of_cell = np.where(labels_of(cells)[1], influence[slices.member, cast("Any", cells.bins)], 0.0)
    x = seen.min(axis=0)
    weighed = np.where(own.sum(axis=1) > 0, own.sum(axis=1), np.inf)
    added = (own * more).sum(axis=1) / weighed
    least, most = (
        np.where(few, side, 0.0)
        for side in (np.where(held > 0, more, np.inf).min(axis=1), np.where(held > 0, more, -np.inf).max(axis=1))
    )
    # As if one more row had stood half the range off: two equal scores do not show that all are.
    square = (own * (more - added[:, None]) ** 2).sum(axis=1) / weighed * x + ((most - least) / 2) ** 2
    return RareLabels(
        few.astype(np.float64),
        x,
        trials,
        positives.df,
        np.sqrt(spread(cells, slices, of_cell) * few_units(found.df)),
        added,
        np.sqrt(square / np.maximum(x * (x - 1), 1e-9)),
        least,
        most,
    )


def _over(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; 0 where the denominator is 0, as there nothing is estimated."""
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)
