"""Metrics of scores: how well a score ranks positives above negatives."""

import numpy as np

from audit.metrics.metric import Ranked, ScoreCounts


def roc_auc(scores: ScoreCounts) -> Ranked:
    """Chance that a random positive scores above a random negative, ties half, in [0, 1], larger is better.

    AUC = sum over bins of positive(b) * (negative(< b) + negative(b) / 2) / (n+ * n-); undefined with one class only.
    The placements are the structural components of DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44(3), eq. 3-6,
    doi:10.2307/2531595. Scores in one bin count as tied: exact where a bin holds one distinct score.

    Examples
    --------
    >>> roc_auc(ScoreCounts(np.array([[0.0, 1.0, 2.0]]), np.array([[2.0, 1.0, 0.0]]))).value.round(4)
    array([0.9444])
    """
    positive, negative = scores.positive.astype(np.float64), scores.negative.astype(np.float64)
    positives, negatives = positive.sum(axis=1, keepdims=True), negative.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        above = (np.cumsum(negative, axis=1) - negative / 2) / negatives
        below = 1 - (np.cumsum(positive, axis=1) - positive / 2) / positives
        value = (positive * above).sum(axis=1) / positives[:, 0]
    undefined = (positives[:, 0] == 0) | (negatives[:, 0] == 0)
    return Ranked(np.where(undefined, np.nan, value), above, below)
