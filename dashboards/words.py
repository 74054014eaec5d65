"""What a metric is called and what it says, in sentences that are true for any data."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from audit.metrics.catalog import METRICS
from dashboards import loop_words as loops
from dashboards import monitoring_words as monitoring
from dashboards.labels import safe_label
from dashboards.sentences import SENTENCES

Unit = Literal["count", "share", "points", "ratio", "number"]

_TITLES: Mapping[str, str] = MappingProxyType(
    {
        **loops.TITLES,
        "score_roc_auc": "ROC AUC of the score",
        "boosted_roc_auc": "ROC AUC of gradient boosting",
        "feature_roc_auc": "ROC AUC of the feature alone",
        "missing_indicator_roc_auc": "ROC AUC of being missing",
        "split_roc_auc": "ROC AUC of test against train",
        "split_roc_auc_drop": "Fall of the ROC AUC of test against train",
        "feature_split_roc_auc": "ROC AUC of test against train by the feature alone",
        "roc_auc": "ROC AUC",
        "exploratory": "rate where it was searched (exploratory)",
        "exploratory_score": "SliceLine score (exploratory)",
        "exploratory_support": "share of the rows (exploratory)",
        "exploratory_overlap": "share of shared rows (exploratory)",
        "exploratory_folded": "slices inside that say the same (exploratory)",
        "brier_score": "Brier score",
        "calibration_in_the_large": "calibration in the large",
        "observed_rate": "share that came true",
        "f1": "F1",
        "held_out_error_rate": "error rate on held-out rows",
        "balanced_error_rate": "error rate on held-out rows, fitted on balanced data",
        "audited_prevalence": "audited share of positive outcomes",
        "composition": "share of the rows",
        "composition_share": "share of the rows",
        "macro_f1": "macro F1",
        "micro_f1": "micro F1",
        "cohen_kappa": "Cohen's kappa",
        "matthews_corrcoef": "Matthews correlation",
        "demographic_parity": "selection rate (demographic parity)",
        "equal_opportunity": "true positive rate (equal opportunity)",
        "equalized_odds": "true or false positive rate, the larger (equalized odds)",
        "representation": "the share in the data and in the reference population",
        "impact": "selection rates, each to the highest (impact ratio)",
        "expected_utility": "mean payoff per row",
        "best_threshold": "threshold that pays most",
        "group_threshold_gain": "gain from thresholds by group",
        "harm_cumulative_share": "cumulative share of harms",
        "benefit_cumulative_share": "cumulative share of benefits",
        "people_cumulative_share": "cumulative share of people",
        "learning_curve_error_rate": "error rate with k rows of the group in training",
        "learning_curve_false_negative_rate": "false negative rate with k rows of the group in training",
        "learning_curve_false_positive_rate": "false positive rate with k rows of the group in training",
        "expected_error_rate_reduction": "expected fall of the error rate",
        "expected_false_negative_rate_reduction": "expected fall of the false negative rate",
        "expected_false_positive_rate_reduction": "expected fall of the false positive rate",
        "bias_source": "evidence for a source of bias",
        "outcome_coverage": "share with a known label",
        "attribute_coverage": "share with a known group",
        "label_suspect_rate": "share of labels worth a second look",
        "became_right": "rows that became right",
        "became_wrong": "rows that became wrong",
        "confusion_rate": "share of a true label with a prediction",
        "confusion_count": "rows of a true label with a prediction",
        "exploratory_t": "standard errors from everyone (exploratory)",
        "exploratory_shapley": "what a feature adds (exploratory)",
        "flip_to_positive_rate": "share of decisions that become positive",
        "flip_to_negative_rate": "share of decisions that become negative",
        "mean_error": "mean error (bias)",
        "ndcg": "NDCG",
        "log_loss": "log loss",
        "exposure_to_relevance": "exposure to relevance",
        "counterfactual_flip_rate": "share of decisions that flip",
        "matched_pair_flip_rate": "share of pairs decided differently",
        "perturbation_flip_rate": "share of decisions that change",
        "perturbation_error_increase": "increase of the error rate",
        "perturbation_score_change": "mean change of the score",
        "prediction_set_coverage": "coverage of prediction sets",
        "prediction_set_size": "size of prediction sets",
        "seed_disagreement_rate": "share whose decision depends on the seed",
        "train_loss": "loss on the train rows",
        "valid_loss": "loss on the validation rows",
        "valid_accuracy": "accuracy on the validation rows",
        "valid_label_accuracy": "share of labels right on the validation rows",
        "valid_mean_absolute_error": "mean absolute error on the validation rows",
        "valid_ensemble_accuracy": "accuracy of all models together on the validation rows",
        "valid_ensemble_label_accuracy": "share of labels right of all models together on the validation rows",
        "valid_ensemble_mean_absolute_error": "mean absolute error of all models together on the validation rows",
        "skipped_steps": "steps left out",
        "group_weight": "weight of the group in training",
        **monitoring.TITLES,
    }
)
_SHARES = frozenset(
    {
        "cluster_overlap_rate",
        "duplicate_rate",
        "near_duplicate_rate",
        "twin_shared_error",
        "train_after_test_rate",
        "distinct_rate",
        "category_share",
        "missing_rate",
        "label_suspect_rate",
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
        "exploratory",
        "exploratory_support",
        "exploratory_overlap",
        "macro_precision",
        "hamming_loss",
        "confusion_rate",
        "deferral_rate",
        "override_rate",
        "helpful_override_rate",
        "harmful_override_rate",
        "corrected_error_rate",
        "introduced_error_rate",
        "demographic_parity",
        "equal_opportunity",
        "equalized_odds",
        "outcome_coverage",
        "attribute_coverage",
        "error_rate",
        "held_out_error_rate",
        "balanced_error_rate",
        "label_error_rate",
        "audited_prevalence",
        "composition",
        "composition_share",
        "rows_with_missing_features",
        "missing_feature_share",
        "learning_curve_error_rate",
        "learning_curve_false_negative_rate",
        "learning_curve_false_positive_rate",
        "observed_rate",
        "mean_score",
        "people_cumulative_share",
        "harm_cumulative_share",
        "benefit_cumulative_share",
        "representation",
        "representation_share",
        "exposure_share",
        "item_share",
        "relevance_share",
        "counterfactual_flip_rate",
        "flip_to_positive_rate",
        "flip_to_negative_rate",
        "matched_pair_flip_rate",
        "matched_pair_first_only_rate",
        "matched_pair_second_only_rate",
        "perturbation_flip_rate",
        "prediction_set_coverage",
        "empty_set_rate",
        "seed_disagreement_rate",
        "randomised_share",
        "valid_accuracy",
        "valid_label_accuracy",
        "valid_ensemble_accuracy",
        "valid_ensemble_label_accuracy",
        *loops.SHARES,
        *monitoring.SHARES,
    }
)
_POINTS = frozenset(
    {
        "expected_error_rate_reduction",
        "expected_false_negative_rate_reduction",
        "expected_false_positive_rate_reduction",
        "calibration_in_the_large",
        "expected_calibration_error",
        "maximum_calibration_error",
        "perturbation_error_increase",
    }
)
_COUNTS = frozenset({"count", "confusion_count", "became_right", "became_wrong", "skipped_steps"})
_UNITS: Mapping[str, Unit] = MappingProxyType({**monitoring.UNITS, **loops.UNITS})
_POSSIBLE = "{} value that missing labels or missing groups could make true. "
_DERIVED: tuple[tuple[str, str, str], ...] = (
    ("*_lower_bound", "lowest possible {}", _POSSIBLE.format("The lowest")),
    ("*_upper_bound", "highest possible {}", _POSSIBLE.format("The highest")),
    ("*_adjustment_support", "share with a counterpart, {}", "Of the rows, the share with somebody to compare to. "),
    ("*_if_deferred_right", "{}, were all deferred rows right", "As if every row left to people were right. "),
    ("decided_*", "{} of the rows that the model decided", "Only of the rows that the model decided itself. "),
    *monitoring.DERIVED,
)
"""Names made of another metric's: the pattern, the title with that of the other, what comes before its sentence."""

_OPENINGS: Mapping[str, str] = MappingProxyType(
    {
        "difference": "difference in ",
        "ratio": "ratio of ",
        "group_max": "highest group: ",
        "group_min": "lowest group: ",
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
    if metric not in METRICS and metric not in _TITLES:
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
    if metric in _UNITS or metric.endswith(monitoring.EVIDENCE):
        return _UNITS.get(metric, "number")
    derived = _derived(metric)
    if derived is not None:
        return "share" if metric.endswith("_adjustment_support") else unit_of(derived[0])
    name, comparison = base_metric(metric)
    if comparison in {"group_max", "group_min"} and name.endswith("_difference"):
        return unit_of(name)
    name = name.removesuffix("_change")
    if comparison == "ratio" or name.endswith("_likelihood_ratio"):
        return "ratio"
    if name in _COUNTS:
        return "count"
    of_shares: Unit = "points" if comparison == "difference" else "share"
    return of_shares if _is_share(name) else "points" if name in _POINTS else "number"


def _is_share(name: str) -> bool:
    derived = _derived(name)
    return (name if derived is None else derived[0]) in _SHARES or name.endswith("_support")


def _derived(metric: str) -> tuple[str, str, str] | None:
    """Return the metric that a name is made of, with the words for what was made of it; None for any other name."""
    for pattern, title, sentence in _DERIVED:
        before, _, after = pattern.partition("*")
        inner = metric.removeprefix(before).removesuffix(after)
        if metric == f"{before}{inner}{after}" and inner and metric not in METRICS and metric not in _TITLES:
            return inner, title, sentence
    return None


def metric_title(metric: str) -> str:
    """Return a metric's name in words, beginning with a capital.

    Examples
    --------
    >>> metric_title("false_positive_rate"), metric_title("false_positive_rate_difference"), metric_title("roc_auc")
    ('False positive rate', 'Difference in false positive rate', 'ROC AUC')
    """
    text = _words(metric)
    return text[:1].upper() + text[1:]


def _words(metric: str) -> str:
    whole = _derived(metric)
    if whole is not None and whole[0] in METRICS:
        return whole[1].format(_words(whole[0]))
    name, comparison = base_metric(metric)
    if comparison == "difference" and name.endswith("_change"):
        return f"growth of the gap in {_words(name.removesuffix('_change'))}"
    if comparison in {"group_max", "group_min"} and name.endswith("_difference"):
        rise = "rise" if comparison == "group_max" else "fall"
        return f"largest {rise} of {_words(name.removesuffix('_difference'))}"
    derived = _derived(name)
    if derived is not None:
        return _OPENINGS.get(comparison, "") + derived[1].format(_words(derived[0]))
    words = _TITLES.get(name) or safe_label(name.replace("_", " "), target="text")
    return _OPENINGS.get(comparison, "") + words


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
    name = metric if metric in SENTENCES else base_metric(metric)[0]
    for suffix in ("_difference", "_change", "_ratio"):
        name = name if name in SENTENCES else name.removesuffix(suffix)
    whole = _derived(metric)
    derived = whole if whole is not None and whole[0] in METRICS else _derived(name)
    if derived is not None:
        return f"{derived[2]}{metric_sentence(derived[0], positive)}".strip()
    return SENTENCES.get(name, "").format(positive=label)


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
