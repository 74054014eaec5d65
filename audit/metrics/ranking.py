"""Metrics of scores: how well a score ranks positives above negatives."""

import numpy as np

from audit.metrics.metric import Array, Ranked, ScoreCounts, Scored, ScoreMoments


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


def average_precision(scores: ScoreMoments) -> Scored:
    r"""Mean precision at the thresholds that let one more positive in, in [0, 1], larger is better.

    AP = sum over thresholds of (R_k - R_(k-1)) P_k, with the recall R_k and precision P_k of calling positive all rows
    that score at least the k-th largest value; no interpolation, as scikit-learn's ``average_precision_score``.
    Undefined without positives, or where the order of scores within bins could move it by more than
    `audit.estimates.MAX_SLACK`. A model that ranks at random has the prevalence for its average precision, not one
    half: groups with other prevalences have other values for that reason alone.

    Notes
    -----
    With p(b) and m(b) positives and negatives in bin b, T(b) and N(b) the positives and rows in b and above, and
    P = sum of p: AP = sum of p(b) T(b) / N(b) / P. One more unit of weight of a positive in c raises T(b) and N(b) for
    every b <= c: the influence is [T(c) / N(c) + sum over b <= c of p(b) (N(b) - T(b)) / N(b)^2 - AP] / P, and of a
    negative -[sum over b <= c of p(b) T(b) / N(b)^2] / P; both sum to 0 over the rows.
    Scores in one bin count as tied: exact where a bin holds one distinct score. Else the value lies between those of
    two orders: all positives of each bin above its negatives, and all below; the slack is the larger distance to them.
    Of smooth scores in 250 bins the value is .001 to .002 too low, and the slack .0025 to .01: however many rows there
    are, the interval is no narrower than that on each side.

    Source: Buckley & Voorhees 2000, Evaluating evaluation measure stability, SIGIR, 33-40, doi:10.1145/345508.345543
    (uninterpolated average precision); intervals: Boyd, Eng & Page 2013, Area under the precision-recall curve,
    doi:10.1007/978-3-642-40994-3_29, who recommend the logit scale.

    Examples
    --------
    Positives at 0.9 and 0.5, a negative at 0.7: precision 1 at the first, 2/3 at the second.

    >>> weight = np.array([[[0.0, 1.0, 0.0]], [[1.0, 0.0, 1.0]]])
    >>> average_precision(ScoreMoments(weight, mean=weight, variance=weight)).value.round(4)
    array([0.8333])
    """
    negative, positive = scores.weight
    rows = negative + positive
    found, called = _from_above(positive), _from_above(rows)
    positives = found[:, :1]
    safe = np.where(called > 0, called, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = (positive * found / safe).sum(axis=1, keepdims=True) / positives
        gained = np.cumsum(positive * (called - found) / safe**2, axis=1)
        above = (found / safe + gained - value) / positives
        below = -np.cumsum(positive * found / safe**2, axis=1) / positives
        slack = _order_within_bins(negative, positive, found, called) / positives[:, 0]
    undefined = positives[:, 0] == 0
    return Scored(
        np.where(undefined, np.nan, value[:, 0]),
        np.nan_to_num(np.stack([below, above])),
        slack=np.where(undefined, 0.0, slack),
        rests_on="positives",
    )


def _from_above(amount: Array) -> Array:
    """Return what lies in each bin and above it."""
    return np.cumsum(amount[:, ::-1], axis=1)[:, ::-1]


def _order_within_bins(negative: Array, positive: Array, found: Array, called: Array) -> Array:
    """Return by how much the sum of precisions could change if the rows of each bin were told apart.

    At best all positives of a bin come first, tied; at worst one after another below its negatives: their sum of
    (T + i) / (N + m + i) is at least its integral from 0 to p, with T positives and N rows above the bin.
    """
    earlier, before = found - positive, called - positive - negative
    mixed = (negative > 0) & (positive > 0)
    best = positive * found / np.where(mixed, before + positive, 1.0)
    base = np.where(mixed, before + negative, 1.0)
    worst = positive - (base - earlier) * np.log1p(positive / base)
    tied = positive * found / np.where(mixed, called, 1.0)
    up, down = (np.where(mixed, side, 0.0).sum(axis=1) for side in (best - tied, tied - worst))
    return np.asarray(np.maximum(up, down))
