"""Gates on stored rows where labels are missing: what rests on labels must not pass on the labelled rows alone."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from audit.paired.several_models import run_models
from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit
from audit.scores.calibration import with_reliability
from audit.scores.threshold_run import run_thresholds
from audit.scores.utility import Payoff
from audit.tasks.deciders import run_deciders
from audit.tasks.log_loss import log_loss_rows
from audit.tasks.regression import REGRESSION, run_regression
from checklists.gate import judge
from checklists.policy import Policy
from checklists.requirement import Requirement
from checklists.stored_labels import OF_ALL_LABELLED, rests_on_labels

TODAY = date(2027, 3, 1)
N = 2000


def judged(result, **asked):
    policy = Policy(schema="evenhanded/policy/1", requirements=(Requirement(id="r", **asked),))
    return judge(result, policy, today=TODAY).judgements[0]


def frame_of(missing):
    """Scores that rank well; `missing` of the labels are gone, from group B first."""
    random = np.random.default_rng(5)
    score = random.random(N).round(3)
    y = (random.random(N) < score).astype(float)
    g = np.repeat(["B", "A"], N // 2)
    y[: int(N * missing)] = np.nan
    return pd.DataFrame({"y": pd.array(y, dtype="Int64"), "s": score, "g": g, "m": (score > 0.5).astype(int)})


def log_of(missing, **roles):
    roles = {"y_true": "y", "y_score": "s", "threshold": 0.5, "sensitive_features": ["g"]} | roles
    return PredictionLog.from_frame(frame_of(missing), **roles)


def regression(missing, **roles):
    frame = frame_of(missing).assign(p=0.3, y=lambda f: f["y"].astype(float), w=2)
    roles |= {"y_true": "y", "y_pred": "p", "sensitive_features": ["g"], "task": "regression"}
    return run_regression(PredictionLog.from_frame(frame, **roles), quantiles=[0.5])


def deciders(missing):
    frame = frame_of(missing).assign(f=lambda f: f["m"])
    return run_deciders(PredictionLog.from_frame(frame, y_true="y", y_pred="m", action="f", sensitive_features=["g"]))


def models(missing):
    return run_models(frame_of(missing), {"one": "m"}, y_true="y", sensitive_features=["g"])


def thresholds(missing):
    return run_thresholds(log_of(missing), Payoff(tp=1, fp=-1, fn=0, tn=0))


CASES = {
    "regression": (regression, {"metric": "mean_absolute_error", "max": 0.6}),
    "quantile": (regression, {"metric": "mean_pinball_loss", "at": {"quantile": 0.5}, "max": 0.3}),
    "log loss": (lambda missing: Result(measurements=log_loss_rows(log_of(missing))), {"metric": "log_loss", "max": 2}),
    "deciders": (deciders, {"metric": "accuracy", "at": {"model_version": "final"}, "min": 0.5}),
    "overrides": (deciders, {"metric": "harmful_override_rate", "max": 0.2}),
    "models": (models, {"metric": "accuracy", "at": {"model_version": "one"}, "min": 0.5}),
    "utility": (thresholds, {"metric": "expected_utility", "at": {"threshold": 0.5}, "min": -0.5}),
    "reliability": (
        lambda missing: with_reliability(run_audit(log_of(missing))),
        {"metric": "observed_rate", "at": {"bin": 9}, "min": 0.5},
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("groups", [(), ("g",)])
def test_missing_labels_turn_a_pass_on_stored_rows_into_not_shown(name, groups):
    make, asked = CASES[name]
    asked = {**asked, "groups": groups}
    assert judged(make(0), **asked).verdict == "PASS"
    gone = make(0.3)
    found = judged(gone, **asked)
    assert found.verdict == "INSUFFICIENT"
    assert "600 of 2,000 rows (30.0 %) have no true label" in found.reason
    assert "missing_labels: ignore would not ask" in found.reason
    ignored = judged(gone, **asked, missing_labels="ignore")
    assert ignored.verdict == "PASS"
    assert "are ignored (missing_labels: ignore): this speaks of the labelled rows only" in ignored.reason


def test_a_fail_that_missing_labels_could_turn_is_not_shown_either():
    asked = {"metric": "mean_absolute_error", "max": 0.1}
    assert judged(regression(0), **asked).verdict == "FAIL"
    assert "on the labelled rows alone it fails" in judged(regression(0.3), **asked).reason


def test_a_slice_whose_labels_are_all_there_is_judged():
    asked = {"metric": "mean_absolute_error", "max": 0.6}
    assert judged(regression(0.3), **asked, slice={"g": "A"}).verdict == "PASS"
    found = judged(regression(0.3), **asked, slice={"g": "B"})
    assert found.verdict == "INSUFFICIENT"
    assert "600 of 1,000 rows" in found.reason


def test_repeated_rows_without_a_label_are_counted_as_often_as_they_are_repeated():
    result = regression(0.3, sample_weight="w", weights="frequency")
    assert result.find("count").value == 2 * N
    assert result.provenance.given["rows_without_y_true"] == 0.6 * N
    found = judged(result, metric="mean_absolute_error", max=0.6)
    assert "1,200 of 4,000 rows (30.0 %)" in found.reason


@pytest.mark.parametrize(
    ("make", "asked"),
    [
        (deciders, {"metric": "override_rate", "max": 0.2}),
        (deciders, {"metric": "selection_rate", "at": {"model_version": "final"}, "min": 0.4}),
        (thresholds, {"metric": "selection_rate", "at": {"threshold": 0.5}, "min": 0.4}),
        (regression, {"metric": "count", "min": 1000}),
    ],
)
def test_what_no_label_enters_is_not_touched(make, asked):
    found = judged(make(0.6), **asked)
    assert found.verdict == "PASS"
    assert "no true label" not in (found.reason or "")


@pytest.mark.parametrize("make", [thresholds, lambda missing: run_audit(log_of(missing))])
def test_a_threshold_is_no_way_around_missing_labels(make):
    asked = {"metric": "true_positive_rate", "min": 0.6}
    for at in ({}, {"threshold": 0.5}):
        assert judged(make(0), **asked, at=at).verdict == "PASS"
        found = judged(make(0.6), **asked, at=at)
        assert found.verdict == "INSUFFICIENT"
        assert "1,200 of 2,000 rows (60.0 %) have no true label" in found.reason
        assert "with missing labels at their worst the interval is" in found.reason
        ignored = judged(make(0.6), **asked, at=at, missing_labels="ignore")
        assert ignored.verdict == "PASS"
        assert "are ignored" in ignored.reason


def test_at_a_threshold_the_number_is_that_of_the_curve_and_gaps_are_judged_too():
    result = thresholds(0)
    stored = next(
        row for row in result.measurements
        if row.metric == "true_positive_rate" and row.at == (("threshold", 0.3),) and not row.slice
    )  # fmt: skip
    again = judged(result, metric="true_positive_rate", at={"threshold": 0.3}, min=0.3).measurement
    assert again.at == (("threshold", 0.3),)
    assert (again.value, again.low, again.high, again.n) == pytest.approx(
        (stored.value, stored.low, stored.high, stored.n)
    )
    gap = {"metric": "true_positive_rate", "compare": "difference", "groups": ("g",), "at": {"threshold": 0.3}}
    assert judged(result, **gap, max=0.3).verdict == "PASS"


@pytest.mark.parametrize(
    ("threshold", "says"),
    [(0.501, "threshold 0.501 is no edge of the 250 score bins"), ("half", "a threshold is a number; got 'half'")],
)
def test_a_threshold_that_the_counts_cannot_tell_is_broken_evidence(threshold, says):
    found = judged(run_audit(log_of(0)), metric="true_positive_rate", at={"threshold": threshold}, min=0.3)
    assert found.verdict == "INVALID"
    assert says in found.reason


def test_the_list_of_metrics_of_all_labelled_rows_is_that_of_the_audit():
    assert {*REGRESSION, "log_loss"} == OF_ALL_LABELLED


@pytest.mark.parametrize(
    ("metric", "rests"),
    [
        ("selection_rate", False), ("demographic_parity_difference", False), ("deferral_rate", False),
        ("exposure_share", False), ("decided_selection_rate", False), ("accuracy_if_deferred_right", True),
        ("macro_f1", True), ("roc_auc", True), ("agreement_difference", True), ("impact_ratio", False),
        ("accuracy_upper_bound", False), ("override_rate_difference", False),
    ],
)  # fmt: skip
def test_which_metrics_rest_on_labels(metric, rests):
    assert rests_on_labels(Requirement(id="r", metric=metric, groups=("g",), max=0.5)) is rests
