"""Metrics over several labels at once: each one smooth function of the label totals of a slice.

They serve two tasks. In "multiclass" every row has one true label; in "multilabel" any number of them. A metric that
averages over labels is undefined in a slice where it is undefined for one of them: leaving a label out would compare
groups by different things, and 0 would be invented.

Intervals are made from those of the rates that a metric is a function of (`audit.components`): recalls, precisions, or
the shares of rows with a label that hold it twice for the macro means; the accuracy, with the frequencies of the labels
as they are, for kappa and Matthews' coefficient. They are stretched by what the linearised variance of the metric has
beyond that of the rates. Simulated coverage at level .95 over seven populations of two to four labels and 60 to 10,000
rows (tests/audit/test_metric_coverage.py, tests/audit/tasks/test_multiclass.py): at least .93, also with forty rows of
a label that is found in 98 %; the delta method alone fell to .58 there, and had no interval where all rows are right.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from audit.metrics.metric import Array, Fraction, Metric, Smooth

SetTask = Literal["multiclass", "multilabel"]


class Margins(NamedTuple):
    """Weighted labelled rows of each slice: by label, shape (n_labels, n_slices), and in all, shape (n_slices,).

    `both` counts rows with the label in truth and in prediction, `true` and `predicted` those with it in one of them.

    Examples
    --------
    Three labels, one slice with the confusion matrix [[3, 1, 0], [0, 2, 0], [0, 0, 4]].

    >>> margins = Margins(*np.array([[[3.0], [2.0], [4.0]], [[4.0], [2.0], [4.0]], [[3.0], [3.0], [4.0]]]),
    ...                   rows=np.array([10.0]))
    >>> (margins.both.sum(axis=0) / margins.rows).tolist()
    [0.9]
    """

    both: Array
    true: Array
    predicted: Array
    rows: Array


SetFunction = Callable[[Margins], Smooth]


def balanced_accuracy(margins: Margins) -> Smooth:
    """Mean recall over the labels (macro recall), in [0, 1], larger is better: mean of both_k / true_k.

    Undefined where a label has no true row. scikit-learn leaves such labels out.

    Examples
    --------
    Recalls 3/4, 1 and 1.

    >>> margins = Margins(*np.array([[[3.0], [2.0], [4.0]], [[4.0], [2.0], [4.0]], [[3.0], [3.0], [4.0]]]),
    ...                   rows=np.array([10.0]))
    >>> balanced_accuracy(margins).value.round(4).tolist()
    [0.9167]
    """
    rates = _of_labels(margins.both, margins.true)
    return Smooth(_over(margins.both, margins.true).mean(axis=0), tuple(margins.true), rates, _mean)


def macro_precision(margins: Margins) -> Smooth:
    """Mean precision over the labels, in [0, 1], larger is better: mean of both_k / predicted_k.

    Undefined where a label is never predicted. scikit-learn puts 0 there and warns.

    Examples
    --------
    Precisions 1, 2/3 and 1.

    >>> margins = Margins(*np.array([[[3.0], [2.0], [4.0]], [[4.0], [2.0], [4.0]], [[3.0], [3.0], [4.0]]]),
    ...                   rows=np.array([10.0]))
    >>> macro_precision(margins).value.round(4).tolist()
    [0.8889]
    """
    rates = _of_labels(margins.both, margins.predicted)
    return Smooth(_over(margins.both, margins.predicted).mean(axis=0), tuple(margins.predicted), rates, _mean)


def macro_f1(margins: Margins) -> Smooth:
    """Mean F1 over the labels, in [0, 1], larger is better: mean of 2 both_k / (true_k + predicted_k).

    It is the mean of the labels' F1, not the F1 of mean precision and mean recall (Opitz & Burst 2019,
    arXiv:1911.03347). Undefined where a label is neither true nor predicted in any row.

    Examples
    --------
    F1 of 6/7, 4/5 and 1.

    >>> margins = Margins(*np.array([[[3.0], [2.0], [4.0]], [[4.0], [2.0], [4.0]], [[3.0], [3.0], [4.0]]]),
    ...                   rows=np.array([10.0]))
    >>> macro_f1(margins).value.round(4).tolist()
    [0.8857]
    """
    total = margins.true + margins.predicted
    concerned = total - margins.both
    rates = _of_labels(margins.both, concerned)
    return Smooth(_over(2 * margins.both, total).mean(axis=0), tuple(concerned), rates, _mean_dice)


def cohen_kappa(margins: Margins) -> Smooth:
    """Agreement of truth and prediction beyond chance, in [-1, 1], larger is better: (p_o - p_e) / (1 - p_e).

    p_o is the accuracy, p_e = sum of true_k predicted_k / n^2 the accuracy of predictions drawn with the same
    frequencies whatever the truth. Undefined where p_e = 1: all rows have one label in truth and in prediction.

    Examples
    --------
    p_o = .9, p_e = (4 x 3 + 2 x 3 + 4 x 4) / 100 = .34.

    >>> margins = Margins(*np.array([[[3.0], [2.0], [4.0]], [[4.0], [2.0], [4.0]], [[3.0], [3.0], [4.0]]]),
    ...                   rows=np.array([10.0]))
    >>> cohen_kappa(margins).value.round(4).tolist()
    [0.8485]
    """
    rows = margins.rows
    chance = (margins.true * margins.predicted).sum(axis=0)
    right = Fraction(margins.both.sum(axis=0), rows)
    value = _over(right.numerator * rows - chance, rows * rows - chance)
    return Smooth(value, (rows,), (right,), _beyond(rows, chance, rows * rows - chance))


def matthews_corrcoef(margins: Margins) -> Smooth:
    """Correlation of true and predicted labels (R_K), in [-1, 1], larger is better; Matthews' for two labels.

    (n sum of both_k - sum of true_k predicted_k) / sqrt((n^2 - sum of true_k^2) (n^2 - sum of predicted_k^2));
    undefined where truth or prediction holds one label only.

    Examples
    --------
    (90 - 34) / sqrt((100 - 36) (100 - 34)).

    >>> margins = Margins(*np.array([[[3.0], [2.0], [4.0]], [[4.0], [2.0], [4.0]], [[3.0], [3.0], [4.0]]]),
    ...                   rows=np.array([10.0]))
    >>> matthews_corrcoef(margins).value.round(4).tolist()
    [0.8616]
    """
    rows = margins.rows
    chance = (margins.true * margins.predicted).sum(axis=0)
    spreads = [rows * rows - (side * side).sum(axis=0) for side in (margins.true, margins.predicted)]
    right, spread = Fraction(margins.both.sum(axis=0), rows), np.sqrt(spreads[0] * spreads[1])
    denominators = tuple(rows - np.real(side).max(axis=0) for side in (margins.true, margins.predicted))
    value = _over(right.numerator * rows - chance, spread)
    return Smooth(value, denominators, (right,), _beyond(rows, chance, spread))


def hamming_loss(margins: Margins) -> Smooth:
    """Share of (row, label) pairs that truth and prediction disagree on, in [0, 1], smaller is better.

    Sum over labels of (true_k + predicted_k - 2 both_k) / (n_labels n). It falls as labels that never occur are added.

    Examples
    --------
    One row in ten has one label too many and one too few: 2 / (3 x 10).

    >>> margins = Margins(*np.array([[[3.0], [2.0], [4.0]], [[4.0], [2.0], [4.0]], [[3.0], [3.0], [4.0]]]),
    ...                   rows=np.array([10.0]))
    >>> hamming_loss(margins).value.round(4).tolist()
    [0.0667]
    """
    differing = (margins.true + margins.predicted - 2 * margins.both).sum(axis=0)
    rates = (Fraction(differing, len(margins.both) * margins.rows),)
    return Smooth(_over(differing, len(margins.both) * margins.rows), (margins.rows,), rates, _mean)


def micro_f1(margins: Margins) -> Smooth:
    """F1 over all (row, label) pairs, in [0, 1], larger is better: 2 sum of both / sum of (true + predicted).

    Frequent labels weigh most. Undefined where no row has a label in truth or prediction.

    Examples
    --------
    2 x 9 / (10 + 10).

    >>> margins = Margins(*np.array([[[3.0], [2.0], [4.0]], [[4.0], [2.0], [4.0]], [[3.0], [3.0], [4.0]]]),
    ...                   rows=np.array([10.0]))
    >>> micro_f1(margins).value.round(4).tolist()
    [0.9]
    """
    both, total = margins.both.sum(axis=0), (margins.true + margins.predicted).sum(axis=0)
    return Smooth(_over(2 * both, total), (margins.rows,), (Fraction(both, total - both),), _mean_dice)


def _of_labels(numerator: Array, denominator: Array) -> tuple[Fraction, ...]:
    return tuple(Fraction(*sides) for sides in zip(numerator, denominator, strict=True))


def _beyond(rows: Array, chance: Array, scale: Array) -> Callable[[Array], Array]:
    """Return agreement beyond chance as a function of the accuracy, with the frequencies of the labels as they are."""

    def compose(rates: Array) -> Array:
        return _over(rates[0] * rows**2 - chance, scale)

    return compose


def _mean(rates: Array) -> Array:
    return np.asarray(rates.mean(axis=0))


def _mean_dice(rates: Array) -> Array:
    """Return the mean F1 from the shares of rows that hold a label twice among those that hold it at all."""
    return np.asarray((2 * rates / (1 + rates)).mean(axis=0))


def _over(numerator: Array, denominator: Array) -> Array:
    """Divide; NaN where the denominator is 0."""
    safe = np.where(denominator == 0, 1, denominator)
    return np.where(denominator == 0, np.nan, numerator / safe)


_SOKOLOVA = "Sokolova & Lapalme 2009, A systematic analysis of performance measures, doi:10.1016/j.ipm.2009.03.002"
_OPITZ = "Opitz & Burst 2019, Macro F1 and Macro F1, arXiv:1911.03347"
_COHEN = "Cohen 1960, A coefficient of agreement for nominal scales, doi:10.1177/001316446002000104"
_GORODKIN = "Gorodkin 2004, Comparing two K-category assignments, doi:10.1016/j.compbiolchem.2004.09.006"
_TSOUMAKAS = "Tsoumakas & Katakis 2007, Multi-label classification: an overview, doi:10.4018/jdwm.2007070101"


def _row(
    function: SetFunction,
    needs: str,
    better: Literal["higher", "lower"],
    source: str,
    limits: tuple[float, float] = (0.0, 1.0),
) -> Metric:
    name = cast("Any", function).__name__
    return Metric(name=name, function=cast("Any", function), needs=needs, range=limits, better=better, source=source)


_BALANCED = _row(balanced_accuracy, "true rows of one label or more", "higher", _SOKOLOVA)
_PRECISION = _row(macro_precision, "predictions of one label or more", "higher", _SOKOLOVA)
_F1 = _row(macro_f1, "true or predicted rows of one label or more", "higher", _OPITZ)
_KAPPA = _row(cohen_kappa, "second label", "higher", _COHEN, (-1.0, 1.0))
_MATTHEWS = _row(matthews_corrcoef, "second label or no second prediction", "higher", _GORODKIN, (-1.0, 1.0))

SET_METRICS: Mapping[SetTask, Mapping[str, Metric]] = MappingProxyType(
    {
        "multiclass": {metric.name: metric for metric in (_BALANCED, _PRECISION, _F1, _KAPPA, _MATTHEWS)},
        "multilabel": {
            metric.name: metric
            for metric in (
                _row(hamming_loss, "labelled rows", "lower", _TSOUMAKAS),
                _row(micro_f1, "labels", "higher", _SOKOLOVA),
                _PRECISION,
                _F1,
            )
        },
    }
)
"""The metrics over several labels by task and name."""
