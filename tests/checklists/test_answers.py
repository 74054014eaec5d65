"""Verdicts on one label, on means over labels, on decided rows: from the counts, at the level that the policy names."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from audit.predictions import PredictionLog
from audit.run import run_audit
from checklists.gate import judge
from checklists.policy import Policy
from checklists.requirement import Requirement

LABELS = ["a", "b", "c"]


def frame(n=3000, seed=0):
    random = np.random.default_rng(seed)
    y, g = random.choice(LABELS, n, p=[0.6, 0.3, 0.1]), random.choice(["x", "y"], n)
    p = np.where(random.random(n) < np.where((g == "y") & (y == "c"), 0.4, 0.9), y, random.choice(LABELS, n))
    return pd.DataFrame({"y": y, "p": p, "g": g})


def audited(data=None, **options):
    log = PredictionLog.from_frame(
        frame() if data is None else data, y_true="y", y_pred="p", sensitive_features=["g"], **options
    )
    return run_audit(log)


def judged(result, *, baseline=None, missing_labels="bounds", expect=None, **asked):
    asked = Requirement(id="asked", **asked)
    policy = Policy(
        schema="evenhanded/policy/1", requirements=(asked,), missing_labels=missing_labels, expect=expect or {}
    )
    (found,) = judge(result, policy, baseline=baseline).judgements
    return found


@pytest.fixture(scope="module")
def several():
    return audited(task="multiclass")


def test_a_gap_of_one_label_fails_and_bears_its_name(several):
    found = judged(
        several, metric="true_positive_rate", at={"class": "c"}, groups=("g",), compare="difference", max=0.2
    )
    assert found.verdict == "FAIL"
    assert (found.measurement.metric, found.measurement.at) == ("true_positive_rate_difference", (("class", "c"),))
    fine = judged(several, metric="true_positive_rate", at={"class": "a"}, groups=("g",), compare="difference", max=0.2)
    assert fine.verdict == "PASS"


def test_means_over_labels_are_judged_at_the_level_of_the_policy(several):
    data = frame()
    truth = min(sk.f1_score(part["y"], part["p"], average="macro") for _, part in data.groupby("g"))
    wide = judged(several, metric="macro_f1", groups=("g",), min=0.1, level=0.999)
    assert wide.verdict == "PASS"
    assert wide.measurement.value == pytest.approx(truth)
    assert wide.measurement.level == 0.999
    narrow = judged(several, metric="macro_f1", groups=("g",), min=0.1, level=0.6)
    assert wide.measurement.low < narrow.measurement.low
    assert judged(several, metric="macro_f1", groups=("g",), compare="difference", max=0.02).verdict == "FAIL"


def test_accuracy_needs_no_label(several):
    assert judged(several, metric="accuracy", min=0.8).verdict == "PASS"
    assert judged(several, metric="accuracy_difference", groups=("g",), max=0.2).verdict == "PASS"


def test_equalized_odds_of_one_label(several):
    found = judged(several, metric="equalized_odds_difference", at={"class": "c"}, groups=("g",), max=0.2)
    assert found.verdict == "FAIL"
    assert found.measurement.metric == "equalized_odds_difference"


def test_a_baseline_of_one_label_is_compared(several):
    better = frame()
    better["p"] = better["y"]
    found = judged(
        several, baseline=audited(better, task="multiclass"), metric="false_negative_rate", at={"class": "c"},
        groups=("g",), compare="baseline", max=0.02,
    )  # fmt: skip
    assert found.verdict == "FAIL"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"metric": "true_positive_rate", "min": 0.5}, "is of one label: name it, at: {class: one of ['a', 'b', 'c']}"),
        ({"metric": "precision", "at": {"class": "z"}, "min": 0.5}, "no label 'z'; the tally has ['a', 'b', 'c']"),
        ({"metric": "macro_f1", "at": {"class": "a"}, "min": 0.5}, "macro_f1 is no metric of this multiclass tally"),
        ({"metric": "deferral_rate", "max": 0.5}, "deferral_rate is no metric of this multiclass tally"),
        ({"metric": "hamming_loss", "max": 0.5}, "hamming_loss is no metric of this multiclass tally"),
    ],
)
def test_what_a_tally_cannot_answer_is_broken_evidence_and_says_what_to_write(several, asked, reason):
    found = judged(several, **asked)
    assert found.verdict == "INVALID"
    assert reason in found.reason


def test_a_tally_of_two_labels_has_no_means_over_labels_and_no_points():
    data = frame()
    result = audited(data.assign(y=(data["y"] == "a").astype(int), p=(data["p"] == "a").astype(int)))
    for asked in ({"metric": "macro_f1"}, {"metric": "accuracy", "at": {"class": "a"}}, {"metric": "decided_accuracy"}):
        assert judged(result, min=0.5, **asked).verdict == "INVALID"
    assert judged(result, metric="balanced_accuracy", min=0.5).verdict == "PASS"


def test_a_label_that_lacks_in_a_group_is_not_shown(several):
    data = frame()
    data = data[(data["g"] == "x") | ((data["y"] != "c") & (data["p"] != "c"))]
    found = judged(audited(data, task="multiclass"), metric="macro_f1", groups=("g",), min=0.3)
    assert found.verdict == "INSUFFICIENT"
    assert "y: n = 0, fewer than 30" in found.reason


def test_missing_labels_have_no_bounds_for_means_and_are_not_ignored_in_silence():
    data = frame()
    data.loc[:20, "y"] = None
    result = audited(data, task="multiclass")
    assert judged(result, metric="macro_f1", min=0.3).verdict == "INSUFFICIENT"
    assert judged(result, metric="macro_f1", min=0.3, missing_labels="ignore").verdict == "PASS"
    assert judged(result, metric="true_positive_rate", at={"class": "a"}, min=0.5).verdict == "PASS"


def deferring(share):
    data = frame()
    data["y"], right = (data["y"] == "a").astype(int).astype(str), data["y"] == data["p"]
    data["p"] = np.where(right, data["y"], np.where(data["y"] == "1", "0", "1"))
    wrong = ~right & (np.random.default_rng(1).random(len(data)) < share)
    data["p"] = data["p"].where(~wrong, "?")
    return audited(data, abstain="?")


def test_deferring_every_error_makes_no_requirement_pass_but_that_of_the_decided_rows():
    before, after = deferring(0.0), deferring(1.0)
    for result in (before, after):
        assert judged(result, metric="accuracy", min=0.95).verdict == "FAIL"
        assert judged(result, metric="false_negative_rate", groups=("g",), max=0.01).verdict == "FAIL"
    decided = judged(after, metric="decided_accuracy", min=0.95)
    assert decided.verdict == "PASS"
    assert decided.measurement.metric == "decided_accuracy"
    assert judged(after, metric="deferral_rate", max=0.05).verdict == "FAIL"
    assert judged(after, metric="deferral_rate", groups=("g",), compare="difference", max=0.2).verdict == "PASS"
    why = judged(after, metric="precision", min=0.5)
    assert why.verdict == "INVALID"
    assert "ask for decided_precision" in why.reason


def test_a_group_whose_rows_are_all_deferred_is_there_and_not_shown():
    data = frame(400)
    data["y"] = (data["y"] == "a").astype(int).astype(str)
    data["p"] = data["y"].where(data["g"] == "x", "?")
    found = judged(
        audited(data, abstain="?"), metric="decided_accuracy", groups=("g",), min=0.5, expect={"g": ("x", "y")}
    )
    assert found.verdict == "INSUFFICIENT"
    assert "y: n = 0" in found.reason


def test_numbers_as_labels_are_found_whatever_their_type():
    data = frame()
    numbers = {"a": 1, "b": 2, "c": 3}
    result = audited(data.assign(y=data["y"].map(numbers), p=data["p"].map(numbers)), task="multiclass")
    for label in (1, 1.0, "1"):
        assert judged(result, metric="true_positive_rate", at={"class": label}, min=0.5).verdict == "PASS"


def test_another_task_is_no_baseline(several):
    found = judged(several, baseline=deferring(0.5), metric="accuracy", compare="baseline", max=0.1)
    assert found.verdict == "INVALID"
    assert "the earlier run was made otherwise: task 'binary' then, 'multiclass' now" in found.reason
