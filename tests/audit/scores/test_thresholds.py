"""Sweeps: at the log's own threshold exactly the audit's numbers; at every other what the rows themselves say."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_score, recall_score, roc_curve

from audit.counting import count
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.run import run_audit
from audit.scores.thresholds import all_thresholds, edges_of, sweep, sweep_rows

METRICS = ("selection_rate", "accuracy", "false_positive_rate", "precision", "f1", "matthews_corrcoef")
DESIGNS = ({}, {"cluster": "who"}, {"sample_weight": "w"}, {"sample_weight": "w", "cluster": "who"})


def frame(rows=600, seed=0, groups=("a", "b", None)):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 251, rows) / 250
    return pd.DataFrame(
        {
            "y": np.where(rng.random(rows) < 0.05, None, (rng.random(rows) < score).astype(int).astype(object)),
            "s": score,
            "g": np.array(groups, dtype=object)[rng.integers(0, len(groups), rows)],
            "h": np.array(["x", "y"])[rng.integers(0, 2, rows)],
            "who": rng.integers(0, 200, rows).astype(str),
            "w": rng.lognormal(size=rows),
        }
    )


def log_of(data, threshold=0.5, **roles):
    return PredictionLog.from_frame(
        data, y_true="y", y_score="s", threshold=threshold, positive=1, sensitive_features=["g", "h"], **roles
    )


@pytest.mark.parametrize("design", DESIGNS, ids=str)
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.996])
def test_at_its_own_threshold_the_sweep_is_the_audit(design, threshold):
    result = run_audit(log_of(frame(), threshold, **design), metrics=METRICS)
    for features in ((), ("g",), ("g", "h")):
        rows = sweep_rows(result.tally, features=features, metrics=METRICS, thresholds=[0.1, threshold, 0.8])
        mine = [row for row in rows if row.at == (("threshold", threshold),)]
        assert mine
        for row in mine:
            of_audit = result.find(row.metric, dict(row.slice))
            assert (row.n, row.method, row.reason) == (of_audit.n, of_audit.method, of_audit.reason)
            numbers, expected = ([each.value, each.low, each.high] for each in (row, of_audit))
            if design or row.metric in {"f1", "matthews_corrcoef"}:  # sums of other than counts: their last bit
                assert np.array(numbers, float) == pytest.approx(np.array(expected, float), rel=1e-12, nan_ok=True)
            else:
                assert numbers == expected


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 80))
def test_every_threshold_is_what_scikit_learn_says(seed, rows):
    data = frame(rows, seed).dropna(subset=["y"])
    if not data["y"].isin([1]).any():
        return
    found = sweep(count(log_of(data)), metrics=("true_positive_rate", "precision"))
    for place in range(0, 251, 25):
        threshold = found.thresholds[place]
        flagged, true = (data["s"] >= threshold).astype(int), data["y"].astype(int)
        assert found.curves["true_positive_rate"].value[0, place] == pytest.approx(recall_score(true, flagged))
        precision = found.curves["precision"].value[0, place]
        if flagged.sum():
            assert precision == pytest.approx(precision_score(true, flagged))
        else:
            assert np.isnan(precision)


def test_the_sweep_is_the_roc_curve():
    data = frame(2000, 3).dropna(subset=["y"])
    found = sweep(count(log_of(data)), metrics=("true_positive_rate", "false_positive_rate"))
    fpr, tpr, at = roc_curve(data["y"].astype(int), data["s"], drop_intermediate=False)
    places = np.rint(at[1:] * 250).astype(int)
    inner = places < 250  # the score 1 shares the last bin
    for name, expected in (("true_positive_rate", tpr), ("false_positive_rate", fpr)):
        assert found.curves[name].value[0, places[inner]] == pytest.approx(expected[1:][inner])


def test_a_threshold_above_one_acts_on_nobody_and_zero_on_everyone():
    found = sweep(count(log_of(frame())), metrics=("selection_rate",))
    assert found.thresholds[-1] > 1
    assert found.curves["selection_rate"].value[0, [0, -1]].tolist() == [1.0, 0.0]


def test_a_full_sweep_of_many_groups_takes_milliseconds():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"y": rng.integers(0, 2, 50_000), "s": rng.random(50_000), "g": rng.integers(0, 20, 50_000)})
    log = PredictionLog.from_frame(data, y_true="y", y_score="s", threshold=0.5, sensitive_features=["g"])
    tally = count(log)
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        found = sweep(tally, features=["g"])
        took.append(time.perf_counter() - begun)
    assert found.curves["precision"].value.shape == (20, 251)
    assert min(took) < 0.2  # 0.01 s when nothing else runs


def test_deciles_know_the_threshold_one():
    tally = count(PredictionLog.from_frame(pd.DataFrame({"y": [0, 1, 1, 0], "s": [1, 5, 10, 10]}), y_true="y",
                                           y_score="s", score_max=10, threshold=0.5))  # fmt: skip
    assert edges_of([0.1, 0.5, 1.0, 1.1], tally).tolist() == [25, 125, 249, 250]
    assert sweep(tally, metrics=["precision"], thresholds=[1.0]).curves["precision"].value.tolist() == [[0.5]]


@pytest.mark.parametrize(
    ("thresholds", "said"),
    [
        ([0.5, 0.5017, -0.1], "threshold 0.5017 is no edge of the 250 score bins; the nearest is 0.5"),
        ([0.5017, -0.1], "threshold -0.1 is no edge"),
        ([np.nan], "threshold nan is no edge"),
        ([1.0], "threshold 1 lies inside the last score bin"),
        ([], "thresholds is empty"),
    ],
)
def test_thresholds_that_bins_cannot_tell(thresholds, said):
    data = frame()
    data.loc[0, "s"] = 0.999
    with pytest.raises(InputError, match=said):
        sweep(count(log_of(data)), thresholds=thresholds)


def test_what_else_is_refused_all_at_once():
    tally = count(log_of(frame()))
    with pytest.raises(InputError) as refused:
        sweep(tally, features=["<script>"], metrics=["roc_auc", "nonsense"], level=2)
    assert len(refused.value.violations) == 4
    unscored = PredictionLog.from_frame(pd.DataFrame({"y": [0, 1], "p": [1, 1]}), y_true="y", y_pred="p")
    with pytest.raises(InputError, match="no scores to sweep"):
        sweep(count(unscored))


def test_scores_all_equal_are_one_step():
    data = frame(50).assign(s=0.4)
    values = sweep(count(log_of(data)), metrics=["selection_rate"]).curves["selection_rate"].value[0]
    assert values[:101].tolist() == [1.0] * 101
    assert values[101:].tolist() == [0.0] * 150


def test_all_thresholds_are_the_lower_edges_and_one_beyond():
    assert len(all_thresholds(250)) == 251
    assert all_thresholds(250)[[0, 249]].tolist() == [0.0, 0.996]
