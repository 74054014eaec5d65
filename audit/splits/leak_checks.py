"""The catalog of checks of a split: from where on a number is a finding, and what it means in plain words."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

Side = Literal["above", "apart"]
"""A finding lies above its limit, or farther than it from `Check.middle` on either side."""


class Check(NamedTuple):
    """One kind of finding: what is asked, when it counts, why it matters, what to do.

    `limit` is the default; a run may be given another under the name of the metric. `spoils`: figures on this test part
    cannot be trusted until it is mended; otherwise a person has to look.

    Examples
    --------
    >>> CHECKS["split_roc_auc"].limit, CHECKS["split_roc_auc"].side, CHECKS["split_roc_auc"].spoils
    (0.55, 'above', False)
    """

    title: str
    limit: float
    side: Side
    middle: float
    spoils: bool
    says: str
    why: str
    do: str


def _check(
    title: str, limit: float, says: str, why: str, do: str, *, middle: float | None = None, spoils: bool = True
) -> Check:
    side: Side = "above" if middle is None else "apart"
    return Check(title, limit, side, middle or 0.0, spoils, says, why, do)


_CHECKS = {
    "cluster_overlap_rate": _check(
        "Clusters in both parts", 0.0,
        "{share} of the test rows belong to a cluster that train knows",
        "The model is asked about people (or sites) that it has already seen; new ones will come in use.",
        "Split by the cluster: all rows of one cluster on one side.",
    ),
    "duplicate_rate_difference": _check(
        "Copied rows", 0.01,
        "Test rows more often have an equal row in train than train rows do among themselves, by {points}",
        "Rows drawn alike would repeat alike: test rows were copied from train, or train from test.",
        "Remove rows that stand in both parts, then measure again.",
    ),
    "near_duplicate_rate_difference": _check(
        "Almost copied rows", 0.01,
        "Test rows more often have an almost equal row in train than train rows do among themselves, by {points}",
        "Rows drawn alike would lie alike: test rows are changed copies of train rows, or the reverse.",
        "Find out how the copies arose (augmentation, re-export, rounding), keep each with its original, then split.",
    ),
    "twin_shared_error": _check(
        "Twins that tell the label", 0.01,
        "Test rows agree with train rows of the same features beyond what the features tell; this explains {share} of "
        "the squared error",
        "Such rows are copies or years of one person: the score on them is memory, and new people have no twin.",
        "Name the person or record as cluster and split by it; where rows are copies, keep one of each.",
    ),
    "score_roc_auc": _check(
        "Too good to be true", 0.98,
        "The model's score ranks the test rows with an AUC of {number}",
        "Few real problems are this easy; most often a feature holds the answer, or test rows were trained on.",
        "Look for what would not be known at the time of prediction: single features below, copies, clusters.",
    ),
    "score_roc_auc_difference": _check(
        "Far better than these features allow", 0.1,
        "The score's AUC is higher by {number} than that of gradient boosting on the same features",
        "The model knows something that these columns do not hold: other inputs, or the test rows themselves.",
        "Ask what else the model was given, and whether these rows were among its training data.",
    ),
    "feature_roc_auc": _check(
        "A single feature suffices", 0.9,
        "{feature} alone ranks the test rows with an AUC of {number}",
        "A feature that nearly decides the label was often recorded after it, or made from it.",
        "Ask when and how {feature} is recorded; leave it out if it is not known at the time of prediction.",
    ),
    "missing_indicator_roc_auc": _check(
        "Missing values that tell the label", 0.75,
        "Whether {feature} is missing ranks the test rows with an AUC of {number}",
        "A field that is filled only once the outcome is known gives the outcome away.",
        "Ask when {feature} is filled; leave it out if that is after the outcome.",
    ),
    "boosted_roc_auc": _check(
        "Features that know the answer", 0.98,
        "Gradient boosting on these features ranks the test rows with an AUC of {number}",
        "Few real problems are this easy; most often a feature holds the answer.",
        "Look for what would not be known at the time of prediction, first among the features that suffice alone.",
    ),
    "train_after_test_rate": _check(
        "Time order broken", 0.01,
        "In {share} of the pairs of a train and a test row, the train row is the later one",
        "The model learns from a future that it will not have in use; scores look better than they will be.",
        "Cut by time: train on what is earlier, test on what is later.",
    ),
    "distinct_rate": _check(
        "A feature that looks like an id", 0.95,
        "{feature} has a value of its own in {share} of the train rows",
        "An id describes no one who comes later; a model can only memorise it, or read the order of the file from it.",
        "Leave {feature} out, or name it as the cluster where its values repeat.",
        spoils=False,
    ),
    "split_roc_auc": _check(
        "Train and test can be told apart", 0.55,
        "A classifier tells test rows from train rows with an AUC of {number}",
        "The test part is not like the train part: the score on it speaks of other rows, and validation may mislead.",
        "See the features below: is it time, place, or the way rows were selected? Split as the model will be used.",
        spoils=False,
    ),
    "prevalence_difference": _check(
        "Labels differ between the parts", 0.02,
        "The share of positive labels in test differs from train by {points}",
        "Thresholds, calibration and precision that were set on one part do not carry over to the other.",
        "Check how rows were assigned and how labels were made; report metrics for the share expected in use.",
        middle=0.0, spoils=False,
    ),
    "feature_split_roc_auc": _check(
        "A feature differs between the parts", 0.05,
        "A test row's {feature} lies above a train row's with probability (AUC) {number}",
        "The model is tested where it was not trained.",
        "Find out why {feature} moved: time, place, units, selection of rows.",
        middle=0.5, spoils=False,
    ),
    "category_share_difference": _check(
        "A category differs between the parts", 0.05,
        "The share of {feature} = {class} in test differs from train by {points}",
        "The model is tested on other people than it was trained on.",
        "Find out why {feature} differs: place, time, selection of rows, a new spelling.",
        middle=0.0, spoils=False,
    ),
    "missing_rate_difference": _check(
        "Missing values differ between the parts", 0.02,
        "The share of rows without {feature} in test differs from train by {points}",
        "A field that is filled on one side only changes what the model sees, and may tell the parts apart.",
        "Find out who fills {feature} and since when; give both parts the same treatment.",
        middle=0.0, spoils=False,
    ),
}  # fmt: skip
CHECKS: Mapping[str, Check] = MappingProxyType(_CHECKS)
"""Every kind of finding by its metric, worst first."""
