"""Gates on gaps that are stored: every group that the result knows of must have taken part and have been comparable."""

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from audit.predictions import PredictionLog
from audit.result import Result
from audit.tasks.custom_metrics import MetricColumns, run_custom_metric
from audit.tasks.deciders import run_deciders
from audit.tasks.exposure import run_ranking
from audit.tasks.log_loss import log_loss_rows
from audit.tasks.regression import run_regression
from checklists.gate import judge
from checklists.policy import NotAuditable, Policy
from checklists.requirement import Requirement

TODAY = date(2027, 3, 1)
EXPECTED = ({}, {"g": ("A", "B", "C")})
ONLY_TWO = {"g": ("A", "B")}


def judged(result, expect, excused=(), **asked):
    requirement = Requirement(id="r", groups=("g",), **asked)
    policy = Policy(
        schema="evenhanded/policy/1", requirements=(requirement,), expect=expect, not_auditable=tuple(excused)
    )
    return judge(result, policy, today=TODAY).judgements[0]


def agreement(y, p):
    return (y == p).mean()


def custom(third):
    """Groups A and B are right in 90 % of 400 rows each, group C in none of its rows."""
    right = np.tile([True] * 9 + [False], 80)
    frame = pd.DataFrame({"y": 1, "p": right.astype(int), "g": ["A"] * 400 + ["B"] * 400})
    frame = pd.concat([frame, pd.DataFrame({"y": 1, "p": 0, "g": ["C"] * third})])
    return run_custom_metric(frame, agreement, name="agreement", columns=MetricColumns("y", "p", ("g",)), n_boot=2000)


GAP = {"metric": "agreement", "compare": "difference", "max": 0.08}


@pytest.mark.parametrize("expect", EXPECTED)
@pytest.mark.parametrize("min_n", [None, 10])
def test_a_custom_gap_does_not_pass_over_a_group_too_small_for_an_interval(expect, min_n):
    found = judged(custom(15), expect, **GAP, min_n=min_n)
    assert found.verdict == "INSUFFICIENT"
    assert "agreement_difference: C could not be compared" in found.reason


def test_a_custom_gap_among_groups_that_took_part_passes_with_and_without_expect_and_tells_who_is_left_out():
    both = custom(0)
    for expect in ({}, ONLY_TWO):
        found = judged(both, expect, **GAP)
        assert found.verdict == "PASS", found.reason
        assert "between A and B" in found.reason
    narrowed = judged(custom(15), ONLY_TWO, **GAP)
    assert narrowed.verdict == "PASS"
    assert "C (not in expect)" in narrowed.reason
    excused = NotAuditable(slice={"g": "C"}, reason="few", owner="R. Sato", expires=TODAY)
    signed = judged(custom(15), EXPECTED[1], [excused], **GAP)
    assert signed.verdict == "PASS"
    assert "C (excused: few)" in signed.reason


def test_a_custom_gap_to_a_group_with_rows_enough_fails():
    assert judged(custom(60), {}, **GAP).verdict == "INSUFFICIENT"  # no row of C differs from another: no spread
    frame = pd.DataFrame({"y": 1, "p": [1] * 9 + [0] + [0] * 7 + [1] * 3, "g": ["A"] * 10 + ["C"] * 10})
    frame = pd.concat([frame] * 30)
    result = run_custom_metric(frame, agreement, name="agreement", columns=MetricColumns("y", "p", ("g",)), n_boot=2000)
    assert judged(result, {}, **GAP).verdict == "FAIL"


@pytest.mark.parametrize("expect", EXPECTED)
def test_a_group_that_was_not_set_beside_the_reference_is_missed(expect):
    found = judged(custom(15), expect, **{**GAP, "max": 0.99}, against={"g": "B"})
    assert found.verdict == "INSUFFICIENT"
    assert "C: no rows" in found.reason


def prices(third):
    random = np.random.default_rng(1)
    group = np.repeat(["A", "B", "C"], [500, 500, 500])
    y = random.normal(100, 10, 1500)
    p = y + random.normal(0, 1, 1500)
    y[(group == "C") & (np.arange(1500) >= 1000 + third)] = np.nan
    frame = pd.DataFrame({"y": y, "p": p, "g": group})
    return PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"], task="regression")


ERRORS = {"metric": "mean_absolute_error", "compare": "difference", "max": 0.5, "missing_labels": "ignore"}


@pytest.mark.parametrize("expect", EXPECTED)
def test_a_regression_does_not_pass_over_a_group_without_labels(expect):
    gone = judged(run_regression(prices(0)), expect, **ERRORS)
    assert gone.verdict == "INSUFFICIENT"
    assert "mean_absolute_error_difference: C could not be compared" in gone.reason
    few = judged(run_regression(prices(12)), expect, **ERRORS)
    assert few.verdict == "INSUFFICIENT"
    assert "n = 12, fewer than 30" in few.reason
    full = judged(run_regression(prices(500)), expect, **ERRORS)
    assert full.verdict == "PASS", full.reason


@pytest.mark.parametrize("expect", EXPECTED)
def test_a_log_loss_does_not_pass_over_a_group_without_labels(expect):
    frame = pd.DataFrame({"y": [1, 0] * 600, "s": [0.8, 0.3, 0.6, 0.4] * 300, "g": np.repeat(["A", "B", "C"], 400)})
    asked = {"metric": "log_loss", "compare": "difference", "max": 0.2, "missing_labels": "ignore"}
    for y, verdict in ((frame["y"], "PASS"), (frame["y"].where(frame["g"] != "C").astype("Int64"), "INSUFFICIENT")):
        log = PredictionLog.from_frame(
            frame.assign(y=y), y_true="y", y_score="s", threshold=0.5, sensitive_features=["g"]
        )
        assert judged(Result(measurements=log_loss_rows(log)), expect, **asked).verdict == verdict


def shop(zero):
    """Every query shows A, B and C in that order; with `zero`, k = 2 leaves C unseen though it is as relevant."""
    random = np.random.default_rng(2)
    queries = 300
    y = random.integers(0, 3, queries * 3)
    order = np.concatenate([np.array([3, 2, 1]) if zero else random.permutation(3) + 1 for _ in range(queries)])
    frame = pd.DataFrame({"q": np.repeat(np.arange(queries), 3), "s": order, "y": y, "g": ["A", "B", "C"] * queries})
    return PredictionLog.from_frame(
        frame, y_true="y", y_score="s", cluster="q", sensitive_features=["g"], task="ranking"
    )


@pytest.mark.parametrize("expect", EXPECTED)
def test_a_ranking_that_never_shows_a_group_does_not_pass(expect):
    asked = {"metric": "exposure_to_relevance_ratio", "compare": "ratio", "max": 2.5}
    hidden = judged(run_ranking(shop(zero=True), k=2), expect, at={"k": 2}, **asked)
    assert hidden.verdict == "INSUFFICIENT"
    assert "no upper limit: divided by 0" in hidden.reason
    assert "and C" in hidden.reason
    fair = judged(run_ranking(shop(zero=False)), expect, **asked)
    assert fair.verdict == "PASS", fair.reason
    share = judged(run_ranking(shop(zero=False)), expect, metric="exposure_share", min=0.2)
    assert share.verdict == "PASS"


def decided(third, *, labelled=True):
    random = np.random.default_rng(3)
    group = np.repeat(["A", "B", "C"], [600, 600, third])
    y = random.integers(0, 2, len(group))
    model, final = (np.where(random.random(len(group)) < right, y, 1 - y) for right in (0.8, 0.9))
    truth = pa.array(y, mask=np.zeros(len(y), dtype=bool) if labelled else group == "C")
    frame = pa.table({"y": truth, "m": model, "f": final, "g": group})
    return run_deciders(PredictionLog.from_frame(frame, y_true="y", y_pred="m", action="f", sensitive_features=["g"]))


@pytest.mark.parametrize("expect", EXPECTED)
def test_deciders_do_not_pass_over_a_small_or_undefined_group(expect):
    asked = {"metric": "accuracy", "compare": "difference", "max": 0.15, "at": {"model_version": "final"}}
    asked["missing_labels"] = "ignore"
    full = judged(decided(600), expect, **asked)
    assert full.verdict == "PASS", full.reason
    assert "n = 9, fewer than 30" in judged(decided(9), expect, **asked).reason
    undefined = judged(decided(600, labelled=False), expect, **asked)
    assert undefined.verdict == "INSUFFICIENT"
    assert "C could not be compared" in undefined.reason
    overridden = {"metric": "override_rate", "compare": "difference", "max": 0.3}
    assert judged(decided(600), expect, **overridden).verdict == "PASS"
    assert judged(decided(9), expect, **overridden).verdict == "INSUFFICIENT"
