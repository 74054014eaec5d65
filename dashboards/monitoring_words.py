"""What the numbers of monitors are called, and what each says in one sentence."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "kolmogorov_smirnov_statistic": "shift of a number (Kolmogorov-Smirnov)",
        "total_variation_distance": "share of rows that moved (total variation)",
        "population_stability_index": "population stability index (PSI)",
        "jensen_shannon_distance": "Jensen-Shannon distance",
        "hellinger_distance": "Hellinger distance",
        "wasserstein_distance": "mean move of a value (Wasserstein)",
        "wasserstein_distance_iqr": "mean move in interquartile ranges (Wasserstein)",
        "drift_e_value": "evidence of drift",
        "drift_e_value_within_context": "evidence of drift within every known context",
        "domain_classifier_auc": "how well now and then are told apart (ROC AUC)",
        "domain_classifier_auc_drop": "what one feature gives away of it (fall of the ROC AUC)",
        "out_of_domain_share": "share of rows unlike the reference",
        "traffic": "rows",
        "expected_traffic": "rows that earlier windows let expect",
        "traffic_ratio": "traffic over that of earlier windows",
        "empty_windows": "windows without rows",
        "duplicate_share": "share of rows that came before",
        "late_share": "share of rows that came late",
        "removed_rows": "rows that are gone",
        "missing_share": "share of rows without a value",
        "new_category_share": "share of rows with an unknown category",
        "vanished_categories": "categories that no longer occur",
        "unit_factor": "factor by which a unit may have changed",
        "action_ratio": "actions over those of the weeks before",
        "action_equivalence_factor": "factor by which actions changed at most",
        "weeks_needed": "more weeks until doubled or halved actions would be found",
        "performance_watched": "what is watched of the errors",
        "label_coverage": "share of rows with a label by now",
        "label_delay": "days until a label comes",
        "label_arrival": "share of labels that are there",
        "label_delay_class_difference": "arrival of labels, between the classes",
        "label_delay_group_difference": "arrival of labels, against everyone else",
        "rectifier": "how much oftener predictions are right than scores promise",
        "outcome_rectifier": "how much oftener outcomes are positive than scores promise",
        "rectifier_e_value": "evidence that predictions are right less often than scores promise",
        "outcome_rectifier_e_value": "evidence that outcomes are not those that scores promise",
        "labels_needed": "labels to ask for",
        "retraining_error": "error rate after retraining on a mix",
        "retraining_best_share": "share of new rows in the best mix",
        "evidently_drift_score": "Evidently's drift score",
    }
)

SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "kolmogorov_smirnov_statistic": "The largest difference between the distribution of the feature now and in the "
        "reference: 0 is none, 1 is no overlap.",
        "total_variation_distance": "The share of rows that would have to change their value for the feature to be "
        "distributed as in the reference.",
        "population_stability_index": "How far the bins of the feature are from those of the reference; 0 is the same. "
        "Half a row is added to each bin.",
        "jensen_shannon_distance": "A distance between the bins of the feature now and in the reference, from 0 to 1.",
        "hellinger_distance": "A distance between the bins of the feature now and in the reference, from 0 to 1.",
        "wasserstein_distance": "How far a row has moved on average since the reference, in units of the feature.",
        "wasserstein_distance_iqr": "How far a row has moved on average since the reference, in interquartile ranges "
        "of the reference.",
        "drift_e_value": "What the windows so far say against the feature being as in the reference: 1 says "
        "nothing, 20 is a 20 to 1 bet won. It may be looked at after every window.",
        "drift_e_value_within_context": "The same evidence, where only rows of one known context are compared.",
        "domain_classifier_auc": "How often a model that tries to tell rows of now from rows of the reference ranks a "
        "row of now higher: 0.5 is not at all, 1 always.",
        "domain_classifier_auc_drop": "By how much that falls when one feature is shuffled.",
        "out_of_domain_share": "The share of rows less like the reference than all but a few of its own rows are.",
        "traffic": "The rows of a window.",
        "expected_traffic": "The rows that the windows before let expect, with their range.",
        "traffic_ratio": "The rows of a window over those of the windows before, per time: 1 is as before.",
        "empty_windows": "Windows that are over and hold no row.",
        "duplicate_share": "Of the rows of a window, the share whose id had come before.",
        "late_share": "Of the rows of a window, the share that came after the window had been reported.",
        "removed_rows": "Rows that an earlier run saw in a window and that are gone.",
        "missing_share": "Of the rows of a window, the share without a value of the feature.",
        "new_category_share": "Of the rows of a window, the share with a category that the reference does not know.",
        "vanished_categories": "Categories of the reference that no row of the window has.",
        "unit_factor": "By what the values of a feature seem to be multiplied since the reference.",
        "action_ratio": "The actions in a place since the reference, over those of the weeks before, per week: 1 is as "
        "before, 2 is double.",
        "action_equivalence_factor": "The actions in a place rose or fell by this factor at most since the reference: "
        "below 2 they were shown neither to have doubled nor to have halved.",
        "weeks_needed": "After how many more weeks a doubling and a halving of the actions since the first week would "
        "have been found, at the weeks' usual numbers.",
        "performance_watched": "Whether errors are held against the reference; where they are not, the reason says "
        "why.",
        "label_coverage": "Of the rows of a window, the share that has a label by now.",
        "label_delay": "The days until a label comes, of those that come at all.",
        "label_arrival": "Of the labels that come at all, the share that is there after so many days.",
        "label_delay_class_difference": "The largest difference between the shares of labels that are there, by class.",
        "label_delay_group_difference": "The largest difference between its share of labels that are there and "
        "everyone else's.",
        "rectifier": "How much more often predictions are right than the calibrated scores promise; below 0: less.",
        "outcome_rectifier": "How much more often the outcome is positive than the calibrated scores promise.",
        "rectifier_e_value": "What the windows so far say against scores meaning what they meant in the reference.",
        "outcome_rectifier_e_value": "What the windows so far say against scores meaning what they meant in the "
        "reference.",
        "labels_needed": "How many rows of the group to have labelled, drawn at random.",
        "retraining_error": "The share of the newest rows that a model of a mix of old and new is wrong about.",
        "retraining_best_share": "The share of new rows in the mix that is shown to be best.",
        "evidently_drift_score": "What Evidently says of the column by the test that it chose; its verdict and why "
        "ours differs stand beside it.",
    }
)

SHARES = frozenset(
    {
        "total_variation_distance", "out_of_domain_share", "duplicate_share", "late_share", "missing_share",
        "new_category_share", "label_coverage", "label_arrival", "retraining_error", "retraining_best_share",
    }
)  # fmt: skip
_COUNTS = (
    "traffic", "expected_traffic", "empty_windows", "removed_rows", "vanished_categories", "labels_needed",
    "weeks_needed",
)  # fmt: skip
_POINTS = ("rectifier", "outcome_rectifier", "label_delay_class_difference", "label_delay_group_difference")
_RATIOS = ("traffic_ratio", "action_ratio", "unit_factor", "action_equivalence_factor")
UNITS: Mapping[str, Literal["count", "points", "ratio"]] = MappingProxyType(
    {**dict.fromkeys(_COUNTS, "count"), **dict.fromkeys(_POINTS, "points"), **dict.fromkeys(_RATIOS, "ratio")}
)
"""Units of what is neither a share nor a plain number."""

DERIVED: tuple[tuple[str, str, str], ...] = (
    (
        "*_gap_e_value",
        "evidence of a larger gap: {}",
        "What the windows so far say against the gap being as it was. ",
    ),
    ("*_e_value", "evidence of a worse {}", "What the windows so far say against it being no worse than before. "),
    ("*_e_detector", "alert for a change of {}", "The same for a change that came after a long good time. "),
    ("matured_*", "{} of the windows whose labels are there", "Only of windows old enough for their labels. "),
    ("arrival_weighted_*", "{} with late labels allowed for", "Each label stands for those that are still to come. "),
    ("estimated_*", "{} estimated without labels", "What the scores promise: an assumption, not a measurement. "),
    (
        "corrected_*",
        "{} estimated, corrected by the labels there are",
        "What scores promise, put right by labels. ",
    ),
)
"""Names made of another metric's; see `dashboards.words`."""

EVIDENCE = ("_e_value", "_e_detector")
"""Endings of evidence, a number whatever the metric's unit."""
