"""Few clusters, or a few rows with all of the weight: a value, no interval, and no verdict but INSUFFICIENT."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from audit.predictions import PredictionLog
from audit.run import run_audit
from checklists.gate import judge
from checklists.policy import Policy
from checklists.requirement import Requirement

LIMITS = {"accuracy": 0.6, "f1": 0.6, "precision": 0.6, "balanced_accuracy": 0.6, "roc_auc": 0.6}


def of_clusters(number, *, seed, right=(0.05, 0.95)):
    """Return 600 rows of b in few clusters, each of which is nearly all right or nearly all wrong, beside many of a."""
    rng = np.random.default_rng(seed)
    m = 2100
    group = np.where(np.arange(m) < 1500, "a", "b")
    site = np.where(group == "a", np.arange(m), 10_000 + np.arange(m) % number)
    chance = dict(enumerate(rng.choice(right, number)))
    share = np.where(group == "a", 0.9, [chance[place % number] for place in range(m)])
    y = rng.integers(0, 2, m)
    predicted = np.where(rng.random(m) < share, y, 1 - y)
    score = np.clip(np.where(predicted == 1, 0.75, 0.25) + rng.normal(0, 0.1, m), 0.01, 0.99)
    return pd.DataFrame({"g": group, "site": site, "y": y, "p": predicted, "s": score})


def audited(frame, **roles):
    log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", y_score="s", sensitive_features=["g"], **roles)
    return run_audit(log)


def verdicts(result):
    needed = [Requirement(id=name, metric=name, groups=("g",), min=limit) for name, limit in LIMITS.items()]
    needed += [
        Requirement(id=f"{name}-gap", metric=name, compare="difference", groups=("g",), max=0.2) for name in LIMITS
    ]
    gate = judge(result, Policy(schema="evenhanded/policy/1", requirements=tuple(needed)))
    return {row.requirement.id: row.verdict for row in gate.judgements}


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_every_metric_of_a_group_in_few_clusters_has_a_value_and_no_interval(number):
    result = audited(of_clusters(number, seed=3, right=(0.9, 0.9)), cluster="site")
    rows = [row for row in result.measurements if row.slice == (("g", "b"),) and row.metric != "count"]
    known = [row for row in rows if row.value is not None and not row.metric.startswith("maximum_calibration_error")]
    assert len(known) > 20
    assert [row.metric for row in known if (row.low, row.high) != (None, None)] == []
    assert all("cluster" in row.reason or "spread" in row.reason for row in known)
    possible = result.find("maximum_calibration_error", {"g": "b"})  # each rate may be anything: the worst case
    assert possible.low == 0
    assert possible.high > 0.9


@pytest.mark.parametrize("number", [1, 2, 3])
def test_few_clusters_decide_nothing(number):
    for seed in range(3):
        found = verdicts(audited(of_clusters(number, seed=seed), cluster="site"))
        assert set(found.values()) == {"INSUFFICIENT"}, (seed, found)


@pytest.mark.parametrize("worlds", [12, pytest.param(40, marks=pytest.mark.slow)])
def test_six_clusters_that_agree_by_chance_are_rare_enough(worlds):
    """Six sites of .05 or .95 agree in 1 of 64 samples each way; then they are taken for shown, and only then."""
    found = [verdicts(audited(of_clusters(6, seed=seed), cluster="site"))["accuracy"] for seed in range(worlds)]
    assert binom.sf(found.count("PASS") - 1, worlds, 1 / 64) > 0.001
    assert "INSUFFICIENT" in found


@pytest.mark.parametrize(("ratio", "heavy"), [(1e6, 1), (1e5, 1), (1e4, 3)])
def test_a_row_that_weighs_more_than_all_others_decides_nothing(ratio, heavy):
    rng = np.random.default_rng(1)
    for _ in range(5):
        frame = pd.DataFrame({"y": 1, "p": (rng.random(500) < 0.4).astype(int), "w": 1.0, "g": "a", "s": 0.5})
        frame.loc[: heavy - 1, "w"] = ratio
        result = run_audit(
            PredictionLog.from_frame(frame, y_true="y", y_pred="p", sample_weight="w", sensitive_features=["g"])
        )
        row = result.find("accuracy", {"g": "a"})
        assert (row.low, row.high) == (None, None)
        assert "too few rows carry the weight" in row.reason
        policy = Policy(
            schema="evenhanded/policy/1", requirements=(Requirement(id="a", metric="accuracy", groups=("g",), min=0.5),)
        )
        assert judge(result, policy).verdict == "INSUFFICIENT"


def test_weights_never_make_rows_say_more_than_alike_ones_would():
    """Heavy rows that are all right show no spread among themselves: Kish's effective size bounds what they say."""
    frame = pd.DataFrame({"y": 1, "p": [1] * 30 + [0, 1] * 200, "w": [50.0] * 30 + [1.0] * 400})
    row = run_audit(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sample_weight="w")).find("accuracy")
    kish = frame["w"].sum() ** 2 / (frame["w"] ** 2).sum()
    alike = 1.96 * np.sqrt(row.value * (1 - row.value) / kish)
    assert row.high - row.low >= 1.9 * alike
