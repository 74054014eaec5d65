"""What a metric is called and what it says, in sentences that are true for any data."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from audit.metrics.catalog import METRICS
from dashboards.labels import safe_label

Unit = Literal["count", "share", "points", "ratio", "number"]

_SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "count": "The number of rows.",
        "selection_rate": "Of all rows, the share predicted {positive}.",
        "prevalence": "Of the labelled rows, the share whose true label is {positive}.",
        "accuracy": "Of the labelled rows, the share whose prediction equals the true label.",
        "true_positive_rate": "Of the rows whose true label is {positive}, the share predicted {positive}.",
        "false_positive_rate": "Of the rows whose true label is not {positive}, the share predicted {positive}.",
        "true_negative_rate": "Of the rows whose true label is not {positive}, the share not predicted {positive}.",
        "false_negative_rate": "Of the rows whose true label is {positive}, the share not predicted {positive}.",
        "precision": "Of the labelled rows predicted {positive}, the share whose true label is {positive}.",
        "false_discovery_rate": "Of the labelled rows predicted {positive}, the share whose true label is another.",
        "false_omission_rate": "Of the labelled rows not predicted {positive}, the share that truly is {positive}.",
        "negative_predictive_value": "Of the labelled rows not predicted {positive}, the share whose true label is not "
        "{positive}.",
        "balanced_accuracy": "The mean of the true positive rate and the true negative rate.",
        "f1": "The harmonic mean of precision and true positive rate.",
        "matthews_corrcoef": "The correlation of true and predicted labels: 1 is perfect, 0 no better than chance.",
        "positive_likelihood_ratio": "True positive rate divided by false positive rate.",
        "negative_likelihood_ratio": "False negative rate divided by true negative rate.",
        "roc_auc": "How often a row whose true label is {positive} has a higher score than one whose label is not "
        "(0.5 is chance).",
        "demographic_parity": "The selection rate.",
        "equal_opportunity": "The true positive rate.",
        "equalized_odds": "The true positive rate or the false positive rate, whichever differs more.",
    }
)
_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "roc_auc": "ROC AUC",
        "f1": "F1",
        "matthews_corrcoef": "Matthews correlation",
        "demographic_parity": "selection rate (demographic parity)",
        "equal_opportunity": "true positive rate (equal opportunity)",
        "equalized_odds": "true or false positive rate, the larger (equalized odds)",
    }
)
_SHARES = frozenset(
    {
        "selection_rate",
        "prevalence",
        "accuracy",
        "balanced_accuracy",
        "true_positive_rate",
        "false_positive_rate",
        "true_negative_rate",
        "false_negative_rate",
        "precision",
        "false_discovery_rate",
        "false_omission_rate",
        "negative_predictive_value",
        "demographic_parity",
        "equal_opportunity",
        "equalized_odds",
    }
)
_COMPARISONS = ("_difference", "_ratio", "_group_max", "_group_min")


def base_metric(metric: str) -> tuple[str, str]:
    """Return a metric's name without its comparison, and the comparison ("" for a plain value).

    Examples
    --------
    >>> base_metric("accuracy_difference"), base_metric("positive_likelihood_ratio"), base_metric("f1_group_min")
    (('accuracy', 'difference'), ('positive_likelihood_ratio', ''), ('f1', 'group_min'))
    """
    if metric not in METRICS:
        for suffix in _COMPARISONS:
            if metric.endswith(suffix) and len(metric) > len(suffix):
                return metric.removesuffix(suffix), suffix[1:]
    return metric, ""


def unit_of(metric: str) -> Unit:
    """Return how a metric's number is read: a share is shown in percent, a difference of shares in points.

    Examples
    --------
    >>> [unit_of(name) for name in ("count", "accuracy", "accuracy_difference", "accuracy_ratio", "f1_difference")]
    ['count', 'share', 'points', 'ratio', 'number']
    """
    name, comparison = base_metric(metric)
    if comparison == "ratio" or name.endswith("_likelihood_ratio"):
        return "ratio"
    if name == "count":
        return "count"
    if name in _SHARES:
        return "points" if comparison == "difference" else "share"
    return "number"


def metric_title(metric: str) -> str:
    """Return a metric's name in words, beginning with a capital.

    Examples
    --------
    >>> metric_title("false_positive_rate"), metric_title("false_positive_rate_difference"), metric_title("roc_auc")
    ('False positive rate', 'Difference in false positive rate', 'ROC AUC')
    """
    name, comparison = base_metric(metric)
    words = _TITLES.get(name) or safe_label(name.replace("_", " "), target="text")
    opening = {
        "difference": "Difference in ",
        "ratio": "Ratio of ",
        "group_max": "Highest group: ",
        "group_min": "Lowest group: ",
    }
    text = opening.get(comparison, "") + words
    return text[:1].upper() + text[1:]


def metric_sentence(metric: str, positive: str | None) -> str:
    """Return what a metric measures, in one sentence; "" where the metric is not ours to explain.

    Parameters
    ----------
    metric
        A name of the catalog, or a comparison of one.
    positive
        The label that counts as positive, where it is known; without it the sentence says "positive".

    Examples
    --------
    >>> metric_sentence("false_positive_rate", "1")
    'Of the rows whose true label is not “1”, the share predicted “1”.'
    >>> metric_sentence("selection_rate", None), metric_sentence("my_own_metric", None)
    ('Of all rows, the share predicted positive.', '')
    """
    label = "positive" if positive is None else f"“{safe_label(positive, target='text', limit=40)}”"
    return _SENTENCES.get(base_metric(metric)[0], "").format(positive=label)


def direction_sentence(metric: str) -> str:
    """Return which direction is better for the people concerned, as the catalog states it.

    Examples
    --------
    >>> direction_sentence("false_negative_rate"), direction_sentence("selection_rate")
    ('Lower is better.', 'Neither high nor low is good in itself.')
    """
    metric_row = METRICS.get(metric)
    if metric_row is None:
        return ""
    sentences = {"higher": "Higher is better.", "lower": "Lower is better."}
    return sentences.get(metric_row.better, "Neither high nor low is good in itself.")
