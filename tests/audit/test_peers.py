"""Faults of other tools that this project must not share, each as a difference between their number and ours."""

import warnings

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, false_negative_rate, false_positive_rate, true_positive_rate
from scipy.stats import chi2_contingency
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from audit.gaps import extreme
from audit.predictions import PredictionLog
from audit.run import run_audit


def audited(frame, **options):
    log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"], **options)
    return run_audit(log, all_pairs=True)


def largest(result, metric):
    return next(row for row in result.measurements if row.metric == metric and row.against["kind"] == "groups")


def test_a_group_without_positives_has_no_true_positive_rate_where_fairlearn_says_0():
    frame = pd.DataFrame({"y": [1, 1, 0, 0, 0, 0], "p": [1, 0, 1, 0, 1, 0], "g": list("aaaabb")})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = MetricFrame(
            metrics={"tpr": true_positive_rate, "fnr": false_negative_rate},
            y_true=frame["y"],
            y_pred=frame["p"],
            sensitive_features=frame["g"],
        )
    assert theirs.by_group.loc["b"].tolist() == [0, 0]
    assert theirs.difference()["tpr"] == 0.5
    ours = audited(frame)
    for metric in ("true_positive_rate", "false_negative_rate"):
        row = ours.find(metric, {"g": "b"})
        assert (row.value, row.n, row.reason) == (None, 0, "no positive labels in slice")
        assert largest(ours, f"{metric}_difference").value is None


def test_a_group_without_positives_has_no_average_precision_where_scikit_learn_says_0():
    frame = pd.DataFrame({"y": [1, 0, 1, 0, 0, 0], "p": 1, "s": [0.8, 0.4, 0.3, 0.2, 0.6, 0.9], "g": list("aaaabb")})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = average_precision_score(frame["y"][4:], frame["s"][4:])
    assert theirs == 0
    ours = audited(frame, y_score="s")
    row = ours.find("average_precision", {"g": "b"})
    assert (row.value, row.n, row.reason) == (None, 0, "no positive labels in slice")
    assert largest(ours, "average_precision_difference").value is None


def test_gaps_of_score_metrics_are_fairlearns_where_every_group_is_sound():
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"y": random.integers(0, 2, 600), "p": 1, "s": random.integers(1, 100, 600) / 100})
    frame["g"] = random.choice([*"abc"], 600)
    theirs = MetricFrame(
        metrics={"brier_score": brier_score_loss, "average_precision": average_precision_score},
        y_true=frame["y"],
        y_pred=frame["s"],
        sensitive_features=frame["g"],
    )
    ours = audited(frame, y_score="s")
    for metric in ("brier_score", "average_precision"):
        for group in "abc":
            assert ours.find(metric, {"g": group}).value == pytest.approx(theirs.by_group.loc[group, metric], abs=1e-12)
        assert largest(ours, f"{metric}_difference").value == pytest.approx(theirs.difference()[metric], abs=1e-12)


def test_an_undefined_group_is_named_where_fairlearn_drops_it_from_the_difference():
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"y": random.integers(0, 2, 300), "p": random.integers(0, 2, 300), "s": random.random(300)})
    frame["g"] = ["a"] * 140 + ["b"] * 140 + ["c"] * 20
    frame.loc[frame["g"] == "c", "y"] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = MetricFrame(metrics=roc_auc_score, y_true=frame["y"], y_pred=frame["s"], sensitive_features=frame["g"])
        assert np.isnan(theirs.by_group["c"])
        assert np.isfinite(theirs.difference())
    row = largest(audited(frame, y_score="s"), "roc_auc_difference")
    assert row.value == pytest.approx(theirs.difference(), abs=2e-3)  # 250 bins
    assert row.reason in {"between a and b; 1 group undefined", "between b and a; 1 group undefined"}


def test_values_agree_with_fairlearn_where_every_group_is_sound():
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"y": random.integers(0, 2, 500), "p": random.integers(0, 2, 500), "g": random.choice([*"abc"], 500)}
    )
    theirs = MetricFrame(
        metrics={"true_positive_rate": true_positive_rate, "false_positive_rate": false_positive_rate},
        y_true=frame["y"],
        y_pred=frame["p"],
        sensitive_features=frame["g"],
    )
    ours = audited(frame)
    for metric in ("true_positive_rate", "false_positive_rate"):
        for group in "abc":
            assert ours.find(metric, {"g": group}).value == pytest.approx(theirs.by_group.loc[group, metric], abs=1e-12)
        assert largest(ours, f"{metric}_difference").value == pytest.approx(theirs.difference()[metric], abs=1e-12)
        ratio = next(r for r in ours.measurements if r.metric == f"{metric}_ratio" and r.against["kind"] == "groups")
        assert ratio.value == pytest.approx(theirs.ratio()[metric], abs=1e-12)


def test_the_gap_of_equal_groups_may_be_0_where_a_percentile_bootstrap_excludes_it():
    random = np.random.default_rng(2)
    covered, bootstrapped = 0, 0
    for _ in range(40):
        frame = pd.DataFrame({"y": 1, "p": random.random(300) < 0.5, "g": np.repeat([*"abc"], 100)})
        tally = audited(frame).tally
        row = extreme(tally, "selection_rate", features=["g"], compare="difference", end="max", level=0.95)
        covered += row.low <= 0
        rates = random.binomial(100, frame.groupby("g")["p"].mean().to_numpy(), (500, 3)) / 100
        bootstrapped += np.quantile(np.ptp(rates, axis=1), 0.025) <= 0
    assert covered >= 36
    assert bootstrapped == 0


def test_false_positives_rest_on_negatives_where_aequitas_tests_predicted_positives(compas_file):
    # aequitas calls the gap of .448 and .235 "not significant" (p = .0504): its sample is that of the discovery rate.
    frame = pd.read_csv(compas_file)
    frame["p"] = frame["score_text"] != "Low"
    log = PredictionLog.from_frame(frame, y_true="two_year_recid", y_pred="p", sensitive_features=["race"])
    result = run_audit(log, reference={"race": "Caucasian"})
    against = {"kind": "slice", "slice": {"race": "Caucasian"}}
    row = next(
        row
        for row in result.measurements
        if row.metric == "false_positive_rate_difference"
        and row.against == against
        and dict(row.slice) == {"race": "African-American"}
    )
    p_value = chi2_contingency([[805, 990], [349, 1139]]).pvalue
    assert p_value < 1e-30
    assert row.low > 0.16
    assert row.n == 1488
    discovery = next(
        other
        for other in result.measurements
        if other.metric == "false_discovery_rate_difference" and other.against == against and other.slice == row.slice
    )
    assert discovery.value != row.value
    assert discovery.low < 0 < discovery.high


def test_rates_keep_their_order_where_erroranalysis_unpacks_the_confusion_matrix_wrongly():
    frame = pd.DataFrame({"y": [1] * 10 + [0] * 30, "p": [1] * 7 + [0] * 3 + [1] * 2 + [0] * 28, "g": "x"})
    result = audited(frame)
    wrong = {"false_negative_rate": 0.0968, "false_positive_rate": 0.222, "selection_rate": 0.775}
    right = {"false_negative_rate": 3 / 10, "false_positive_rate": 2 / 30, "selection_rate": 9 / 40}
    for metric, value in right.items():
        assert result.find(metric).value == pytest.approx(value)
        assert abs(result.find(metric).value - wrong[metric]) > 0.1


def test_missing_groups_are_shown_where_aequitas_drops_them():
    frame = pd.DataFrame({"y": [1, 0, 1, 0], "p": [1, 0, 0, 1], "g": ["a", "a", None, None]})
    result = audited(frame)
    assert result.find("count", {"g": None}).value == 2
    assert result.find("accuracy", {"g": None}).value == 0
    assert result.find("count").value == 4
    gap = largest(result, "accuracy_difference")
    assert gap.value is None  # a missing value is no group to be equal with


def test_ratios_by_0_are_unbounded_where_aequitas_says_10():
    frame = pd.DataFrame({"y": [0] * 40, "p": [1] * 5 + [0] * 35, "g": ["a"] * 20 + ["b"] * 20})
    rows = [row for row in audited(frame).measurements if row.metric == "false_positive_rate_ratio"]
    pair = next(row for row in rows if row.against == {"kind": "slice", "slice": {"g": "b"}})
    assert pair.value is None
    assert "divided by 0" in pair.reason
