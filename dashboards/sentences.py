"""What each metric says, in one sentence that is true for any data; ``{positive}`` stands for the positive label."""

from collections.abc import Mapping
from types import MappingProxyType

from dashboards.loop_words import SENTENCES as OF_LOOPS
from dashboards.monitoring_words import SENTENCES as OF_MONITORS

SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        **OF_LOOPS,
        **OF_MONITORS,
        "count": "The number of rows.",
        "train_loss": "What training minimises, on the train rows, averaged over the steps of an epoch as the model "
        "changed.",
        "valid_loss": "The loss of the model after an epoch, on validation rows that it does not learn from.",
        "valid_accuracy": "Of the validation rows, the share whose most probable label is the true one.",
        "valid_label_accuracy": "Of all labels of the validation rows, the share that is right.",
        "valid_ensemble_accuracy": "Of the validation rows, the share that all models together, as they predict, "
        "answer rightly.",
        "valid_ensemble_label_accuracy": "Of the validation rows, the mean share of labels that all models together, "
        "as they predict, answer rightly.",
        "valid_ensemble_mean_absolute_error": "Of the validation rows, the mean distance between truth and what all "
        "models together, as they predict, answer.",
        "valid_mean_absolute_error": "Of the validation rows, the mean distance between prediction and truth.",
        "skipped_steps": "Steps of training that were left out because their gradient was not finite.",
        "group_weight": "The weight of the group in what training minimised, in the mean over the steps of an epoch; "
        "all groups together have 1.",
        "seed_disagreement_rate": "Of all rows, the share that gets another decision from at least one of several "
        "models that differ in nothing but the seed, and in the rows that each drew where it drew its own.",
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
        "average_precision": "The precision of calling {positive} everything from a score upwards, in the mean over "
        "the rows that truly are (chance is their share).",
        "brier_score": "The mean squared distance of the score from the true label, 1 for {positive} and 0 for not "
        "(0 is perfect).",
        "calibration_in_the_large": "The mean score minus the share whose true label is {positive}: above 0 the scores "
        "promise too much, below 0 too little (0 is best).",
        "calibration_intercept": "By how much the log odds of the true label exceed those that the score promises: "
        "below 0 the scores promise too much (0 is best).",
        "calibration_slope": "How far the true log odds move with those of the score: below 1 the scores are too "
        "extreme, above 1 too timid (1 is best).",
        "expected_calibration_error": "Over ten ranges of scores, the mean distance between the score and the share "
        "whose true label is {positive}.",
        "maximum_calibration_error": "Over ten ranges of scores, the largest distance between the score and the share "
        "whose true label is {positive}.",
        "observed_rate": "Of the labelled rows in a range of scores, the share whose true label is {positive}.",
        "mean_score": "The mean score of the labelled rows in a range of scores.",
        "exploratory": "Rates of the rows that were searched: a lead to follow, not a finding.",
        "exploratory_support": "Of the rows that were searched, the share that the slice holds.",
        "exploratory_overlap": "Of the rows of two slices, the share that both hold.",
        "exploratory_t": "How many standard errors the slice lies from everyone, among the rows that were searched.",
        "exploratory_score": "SliceLine's score among the rows that were searched: above 0 where errors are many.",
        "exploratory_shapley": "What one feature adds to the difference of a slice, among the rows that were searched.",
        "exploratory_folded": "How many slices within a slice say the same as it.",
        "slices_searched": "The number of slices that were searched.",
        "macro_precision": "The mean precision over all labels; every label counts alike, however rare.",
        "macro_f1": "The mean F1 over all labels; every label counts alike, however rare.",
        "micro_f1": "F1 over all pairs of a row and a label; frequent labels weigh most.",
        "cohen_kappa": "Agreement of prediction and truth beyond chance: 1 is perfect, 0 no better than chance.",
        "hamming_loss": "Of all pairs of a row and a label, the share on which prediction and truth disagree.",
        "confusion_count": "The number of rows of one true label that got one prediction.",
        "confusion_rate": "Of the rows of one true label, the share that got one prediction.",
        "deferral_rate": "Of all rows, the share that the model leaves to a person.",
        "override_rate": "Of all rows, the share whose final decision is not the model's.",
        "helpful_override_rate": "Of the labelled rows, the share where the model was wrong and the final decision is "
        "right.",
        "harmful_override_rate": "Of the labelled rows, the share where the model was right and the final decision is "
        "wrong.",
        "corrected_error_rate": "Of the rows where the model was wrong, the share whose final decision is right.",
        "introduced_error_rate": "Of the rows where the model was right, the share whose final decision is wrong.",
        "became_right": "The number of labelled rows that the baseline has wrong and the candidate right.",
        "became_wrong": "The number of labelled rows that the baseline has right and the candidate wrong.",
        "cluster_overlap_rate": "Of the test rows, the share whose cluster (person, site) has rows in train too.",
        "duplicate_rate": "Of the test rows, the share whose features all equal those of a train row.",
        "near_duplicate_rate": "Of the test rows, the share whose features almost equal those of a train row.",
        "twin_residual_correlation": "How far labels of test rows and of train rows with the same features agree "
        "beyond what the features tell (0 is not at all, 1 for copies).",
        "twin_shared_error": "The share of the squared error on test rows that agreement with train rows of the same "
        "features explains, beyond what the features tell.",
        "score_roc_auc": "How often the model's score ranks a positive test row above another.",
        "boosted_roc_auc": "How often gradient boosting on the features ranks a positive test row above another.",
        "feature_roc_auc": "How often the feature alone ranks a positive test row above another (0.5 is chance).",
        "missing_indicator_roc_auc": "How well the mere absence of the feature ranks the test rows (0.5 is chance).",
        "train_after_test_rate": "Of the pairs of a train and a test row, the share in which the train row is later.",
        "distinct_rate": "Of the train rows, the share with a value of its own.",
        "split_roc_auc": "How well test rows can be told from train rows (0.5 is not at all, 1 is perfectly).",
        "split_roc_auc_drop": "By how much telling the parts apart gets harder without the feature.",
        "feature_split_roc_auc": "How often a test row's value lies above a train row's (0.5 is no shift).",
        "category_share": "Of the rows of a part, the share in the category.",
        "missing_rate": "Of the rows of a part, the share without a value.",
        "label_suspect_rate": "Of the rows looked at, the share whose label a model disagrees with firmly; not the "
        "share of wrong labels.",
        "permutation_importance": "By how much the loss rises when the feature is shuffled among the rows.",
        "demographic_parity": "The selection rate.",
        "equal_opportunity": "The true positive rate.",
        "equalized_odds": "The true positive rate or the false positive rate, whichever differs more.",
        "outcome_coverage": "Of all rows, the share that has a true label.",
        "attribute_coverage": "Of all rows, the share that has a value of the feature.",
        "error_rate": "Of the labelled rows, the share that is predicted wrongly.",
        "held_out_error_rate": "Of the rows that the model was not fitted on, the share that it predicts wrongly.",
        "balanced_error_rate": "The error rate of a model fitted with every group and label weighing the same.",
        "label_error_rate": "Of the audited rows, the share whose recorded label the audit found wrong.",
        "audited_prevalence": "Of the audited rows, the share that truly is {positive}.",
        "composition": "Of the rows, the share of the group.",
        "composition_share": "Of the rows, the share of the group.",
        "rows_with_missing_features": "Of the rows, the share in which a feature is missing.",
        "missing_feature_share": "The mean share of the features that are missing in a row.",
        "learning_curve_error_rate": "The group's held-out error when k rows of it are in the training data.",
        "learning_curve_false_negative_rate": "The group's held-out false negative rate when k rows of it are in the "
        "training data.",
        "learning_curve_false_positive_rate": "The group's held-out false positive rate when k rows of it are in the "
        "training data.",
        "expected_false_negative_rate_reduction": "By how much the group's false negative rate is expected to fall "
        "with k more rows of it.",
        "expected_false_positive_rate_reduction": "By how much the group's false positive rate is expected to fall "
        "with k more rows of it.",
        "expected_error_rate_reduction": "By how much the group's error is expected to fall with k more rows of it.",
        "bias_source": "1: the evidence supports the source; 0: it does not; undefined: not testable.",
        "expected_utility": "The mean payoff per labelled row under the costs and benefits that were stated; more is "
        "better.",
        "best_threshold": "The threshold that pays most on the smoothed curve; the interval holds every threshold that "
        "is not shown to be worse.",
        "group_threshold_gain": "What thresholds by group would add to the mean payoff per labelled row, against one "
        "threshold for everyone.",
        "harm_concentration_index": "Below 0 the harms fall on the first groups of the order, above 0 on the last; 0 "
        "is spread as people are.",
        "benefit_concentration_index": "Below 0 the benefits go to the first groups of the order, above 0 to the last; "
        "0 is spread as people are.",
        "people_cumulative_share": "The share of all people in the first k groups of the order.",
        "harm_cumulative_share": "The share of all harms that falls on the first k groups of the order.",
        "benefit_cumulative_share": "The share of all benefits that goes to the first k groups of the order.",
        "representation_share": "Of the rows whose group is known, the share of the group.",
        "representation": "The share of the group in these rows beside its share in the reference population.",
        "impact": "The group's selection rate divided by that of the group with the highest.",
        "mean_error": "The mean of prediction minus truth: above 0 predictions are too high, below 0 too low (0 is "
        "best).",
        "mean_absolute_error": "The mean distance between prediction and truth, in the unit of the data.",
        "mean_squared_error": "The mean squared distance between prediction and truth; large errors weigh most.",
        "root_mean_squared_error": "The root of the mean squared distance between prediction and truth, in the unit of "
        "the data; large errors weigh most.",
        "root_mean_squared_log_error": "The root mean squared distance of the logarithms of prediction and truth: an "
        "error in proportion; predicting too little weighs more than too much.",
        "mean_pinball_loss": "The mean distance from the predicted quantile, weighed by the side that the truth is on.",
        "log_loss": "How surprising the true labels are under the scores: 0 is perfect, 0.693 what a coin reaches.",
        "ndcg": "How near rankings come to the best order, top places weighing most (1 is the best order).",
        "exposure_share": "Of the attention that places in rankings get, 1 / log2(1 + rank), the share of the group.",
        "item_share": "Of all items that are ranked, the share of the group.",
        "relevance_share": "Of all relevance of the items that are ranked, the share of the group.",
        "exposure_to_relevance": "The group's share of exposure divided by its share of relevance: 1 is exposure by "
        "merit.",
        "counterfactual_flip_rate": "Of the rows, the share whose decision changes when only the named attribute, and "
        "its stated proxies, are changed (0 is best).",
        "flip_to_positive_rate": "Of the rows, the share whose decision changes to {positive} with the attribute.",
        "flip_to_negative_rate": "Of the rows, the share whose decision changes away from {positive} with the "
        "attribute.",
        "counterfactual_score_change": "The mean of score after minus before, when only the attribute is changed.",
        "matched_pair_flip_rate": "Of the matched pairs, the share whose two members are decided differently.",
        "matched_pair_first_only_rate": "Of the matched pairs, the share in which only the first is decided "
        "positively.",
        "matched_pair_second_only_rate": "Of the matched pairs, the share in which only the second is decided "
        "positively.",
        "perturbation_flip_rate": "Of the rows, the share whose decision changes when inputs or arithmetic change.",
        "perturbation_error_increase": "The error rate after the disturbance minus that before, on the same rows.",
        "perturbation_score_change": "The mean distance between the scores before and after the disturbance.",
        "prediction_set_coverage": "Of the rows, the share whose prediction set holds the truth.",
        "prediction_set_size": "The mean number of labels in a prediction set, or the mean length of an interval.",
        "empty_set_rate": "Of the rows, the share whose prediction set is empty.",
        "randomised_share": "Of the rows, the share whose decision is drawn at random.",
        "action_ratio": "Actions per person exposed in the current weeks, divided by those of the baseline weeks.",
        "contribution": "What the feature adds to the prediction of one row, beyond the mean prediction of others.",
        "prediction": "What the model says of the one row that is explained.",
        "mean_prediction": "The mean of what the model says of the rows that the one is compared with.",
        "partial_dependence": "The mean prediction over the rows, had they all this value of the feature.",
        "conditional_expectation_quantile": "Below this lie k percent of the rows' predictions, had they all this "
        "value of the feature.",
    }
)
