"""The confusion family: each metric one function of the six counts of a slice.

Rows whose true label is missing count for what rests on predictions alone (`count`, `selection_rate`) and for nothing
else. Zero over zero stays undefined.
"""

import numpy as np

from audit.metrics.metric import Array, Counts, Fraction, Smooth


def selection_rate(counts: Counts) -> Fraction:
    """Share of rows that are predicted positive, labelled or not, in [0, 1]: (TP + FP + UP) / n.

    Examples
    --------
    >>> selection_rate(Counts(3, 1, 2, 4, 0, 0))
    Fraction(numerator=4, denominator=10)
    """
    selected = counts.tp + counts.fp + counts.up
    return Fraction(selected, selected + counts.fn + counts.tn + counts.un)


def prevalence(counts: Counts) -> Fraction:
    """Share of labelled rows whose true label is positive (base rate), in [0, 1]: (TP + FN) / labelled.

    Examples
    --------
    >>> prevalence(Counts(3, 1, 2, 4, 0, 0))
    Fraction(numerator=5, denominator=10)
    """
    return Fraction(counts.tp + counts.fn, _labelled(counts))


def true_positive_rate(counts: Counts) -> Fraction:
    """Share of positives that are predicted positive (recall, sensitivity), larger is better: TP / (TP + FN).

    Examples
    --------
    >>> true_positive_rate(Counts(3, 1, 2, 4, 0, 0))
    Fraction(numerator=3, denominator=5)
    """
    return Fraction(counts.tp, counts.tp + counts.fn)


def false_positive_rate(counts: Counts) -> Fraction:
    """Share of negatives that are predicted positive, smaller is better: FP / (FP + TN).

    Examples
    --------
    >>> false_positive_rate(Counts(3, 1, 2, 4, 0, 0))
    Fraction(numerator=1, denominator=5)
    """
    return Fraction(counts.fp, counts.fp + counts.tn)


def true_negative_rate(counts: Counts) -> Fraction:
    """Share of negatives that are predicted negative (specificity), larger is better: TN / (FP + TN).

    Examples
    --------
    >>> true_negative_rate(Counts(3, 1, 2, 4, 0, 0))
    Fraction(numerator=4, denominator=5)
    """
    return Fraction(counts.tn, counts.fp + counts.tn)


def false_negative_rate(counts: Counts) -> Fraction:
    """Share of positives that are predicted negative (miss rate), smaller is better: FN / (TP + FN).

    Examples
    --------
    >>> false_negative_rate(Counts(3, 1, 2, 4, 0, 0))
    Fraction(numerator=2, denominator=5)
    """
    return Fraction(counts.fn, counts.tp + counts.fn)


def accuracy(counts: Counts) -> Fraction:
    """Share of labelled rows that are predicted rightly, larger is better: (TP + TN) / labelled.

    Examples
    --------
    >>> accuracy(Counts(3, 1, 2, 4, 0, 0))
    Fraction(numerator=7, denominator=10)
    """
    return Fraction(counts.tp + counts.tn, _labelled(counts))


def precision(counts: Counts) -> Fraction:
    """Share of positive predictions that are right (positive predictive value): TP / (TP + FP).

    Examples
    --------
    >>> precision(Counts(3, 1, 2, 4, 0, 0))
    Fraction(numerator=3, denominator=4)
    """
    return Fraction(counts.tp, counts.tp + counts.fp)


def false_discovery_rate(counts: Counts) -> Fraction:
    """Share of positive predictions that are wrong, smaller is better: FP / (TP + FP).

    Examples
    --------
    >>> false_discovery_rate(Counts(3, 1, 2, 4, 0, 0))
    Fraction(numerator=1, denominator=4)
    """
    return Fraction(counts.fp, counts.tp + counts.fp)


def false_omission_rate(counts: Counts) -> Fraction:
    """Share of negative predictions that are wrong, smaller is better: FN / (FN + TN).

    Examples
    --------
    >>> false_omission_rate(Counts(3, 1, 2, 4, 0, 0))
    Fraction(numerator=2, denominator=6)
    """
    return Fraction(counts.fn, counts.fn + counts.tn)


def negative_predictive_value(counts: Counts) -> Fraction:
    """Share of negative predictions that are right, larger is better: TN / (FN + TN).

    Examples
    --------
    >>> negative_predictive_value(Counts(3, 1, 2, 4, 0, 0))
    Fraction(numerator=4, denominator=6)
    """
    return Fraction(counts.tn, counts.fn + counts.tn)


def balanced_accuracy(counts: Counts) -> Smooth:
    """Mean of true positive and true negative rate, in [0, 1], larger is better.

    Examples
    --------
    >>> balanced_accuracy(Counts(*np.array([[3.0], [1.0], [2.0], [4.0], [0.0], [0.0]]))).value
    array([0.7])
    """
    positive, negative = counts.tp + counts.fn, counts.fp + counts.tn
    value = (_over(counts.tp, positive) + _over(counts.tn, negative)) / 2
    rates = Fraction(counts.tp, positive), Fraction(counts.tn, negative)
    return Smooth(value, (positive, negative), rates, _mean)


def f1(counts: Counts) -> Smooth:
    """Harmonic mean of precision and recall, in [0, 1], larger is better: 2 TP / (2 TP + FP + FN).

    It rises with one rate, Jaccard's J = TP / (TP + FP + FN), as 2 J / (1 + J): its interval is that of J, transformed.

    Examples
    --------
    >>> f1(Counts(*np.array([[3.0], [1.0], [2.0], [4.0], [0.0], [0.0]]))).value.round(4)
    array([0.6667])
    """
    concerned = counts.tp + counts.fp + counts.fn
    return Smooth(_over(2 * counts.tp, counts.tp + concerned), (concerned,), (Fraction(counts.tp, concerned),), _dice)


def matthews_corrcoef(counts: Counts) -> Smooth:
    """Correlation of true and predicted label (phi), in [-1, 1], larger is better.

    (TP TN - FP FN) / sqrt((TP + FP) (TP + FN) (TN + FP) (TN + FN)); undefined where a label or prediction has no row.

    Examples
    --------
    >>> matthews_corrcoef(Counts(*np.array([[3.0], [1.0], [2.0], [4.0], [0.0], [0.0]]))).value.round(4)
    array([0.4082])
    """
    margins = (counts.tp + counts.fp, counts.tp + counts.fn, counts.tn + counts.fp, counts.tn + counts.fn)
    product = margins[0] * margins[1] * margins[2] * margins[3]
    value = _over(counts.tp * counts.tn - counts.fp * counts.fn, np.sqrt(product))
    positive, negative = margins[1], margins[2]
    rates = Fraction(positive, _labelled(counts)), Fraction(counts.tp, positive), Fraction(counts.tn, negative)
    return Smooth(value, margins, rates, _phi)


def positive_likelihood_ratio(counts: Counts) -> Smooth:
    """How many times as often positives are flagged as negatives are, in [0, inf): TPR / FPR.

    Undefined where no negative is flagged: the ratio has no upper bound there.

    Examples
    --------
    >>> positive_likelihood_ratio(Counts(*np.array([[3.0], [1.0], [2.0], [4.0], [0.0], [0.0]]))).value
    array([3.])
    """
    positive, negative = counts.tp + counts.fn, counts.fp + counts.tn
    rates = Fraction(counts.tp, positive), Fraction(counts.fp, negative)
    value = _over(_over(counts.tp, positive), _over(counts.fp, negative))
    return Smooth(value, (positive, negative), rates, _ratio)


def negative_likelihood_ratio(counts: Counts) -> Smooth:
    """How many times as often positives are cleared as negatives are, in [0, inf): FNR / TNR; smaller is better.

    Examples
    --------
    >>> negative_likelihood_ratio(Counts(*np.array([[3.0], [1.0], [2.0], [4.0], [0.0], [0.0]]))).value
    array([0.5])
    """
    positive, negative = counts.tp + counts.fn, counts.fp + counts.tn
    rates = Fraction(counts.fn, positive), Fraction(counts.tn, negative)
    value = _over(_over(counts.fn, positive), _over(counts.tn, negative))
    return Smooth(value, (positive, negative), rates, _ratio)


def _mean(rates: Array) -> Array:
    return np.asarray(rates.mean(axis=0))


def _dice(rates: Array) -> Array:
    return np.asarray(2 * rates[0] / (1 + rates[0]))


def _ratio(rates: Array) -> Array:
    return np.asarray(rates[0] / rates[1])


def _phi(rates: Array) -> Array:
    """Return the correlation of truth and prediction from prevalence, true positive and true negative rate."""
    prevalence, found, spared = rates
    flagged = prevalence * found + (1 - prevalence) * (1 - spared)
    covariance = prevalence * (1 - prevalence) * (found + spared - 1)
    return np.asarray(covariance / np.sqrt(prevalence * (1 - prevalence) * flagged * (1 - flagged)))


def _labelled(counts: Counts) -> Array:
    return counts.tp + counts.fp + counts.fn + counts.tn


def _over(numerator: Array, denominator: Array) -> Array:
    """Divide; NaN where the denominator is 0."""
    safe = np.where(denominator == 0, 1, denominator)
    with np.errstate(invalid="ignore"):
        return np.where(denominator == 0, np.nan, numerator / safe)
