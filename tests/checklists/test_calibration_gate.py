"""Gates on score metrics: a calibration error is judged from its bounds, and where there is none, nothing is shown."""

import numpy as np
import pyarrow as pa
import pytest

from audit.predictions import PredictionLog
from audit.run import run_audit
from checklists.gate import judge
from checklists.policy import Policy
from checklists.requirement import Requirement

ECE = "expected_calibration_error"


def result(*, rows=40_000, shift=0.0, scores=True, seed=0):
    random = np.random.default_rng(seed)
    score, group = random.random(rows), random.choice([*"ab"], rows)
    y = random.random(rows) < np.clip(score + np.where(group == "b", shift, 0.0), 0, 1)
    table = pa.table({"y": y, "s": score, "p": score > 0.5, "g": group})
    roles = {"y_score": "s"} if scores else {}
    return run_audit(PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=["g"], **roles))


def verdict(audited, **asked):
    needed = Requirement(id="asked", **asked)
    (found,) = judge(audited, Policy(schema="evenhanded/policy/1", requirements=(needed,))).judgements
    return found


@pytest.mark.parametrize("compare", ["value", "difference"])
def test_a_calibration_error_by_group(compare):
    asked = {"metric": ECE, "groups": ("g",), "max": 0.06, "compare": compare}
    assert verdict(result(), **asked).verdict == "PASS"
    failing = verdict(result(shift=0.2), **asked)
    assert failing.verdict == "FAIL"
    assert failing.measurement.low > 0.06
    small = verdict(result(rows=300), **asked)
    assert small.verdict == "INSUFFICIENT"
    assert small.rows_needed is None or small.rows_needed > 150


def test_a_calibrated_model_never_fails_and_hardly_passes_on_few_rows():
    found = [verdict(result(rows=600, seed=seed), metric=ECE, groups=("g",), max=0.05).verdict for seed in range(40)]
    assert set(found) == {"INSUFFICIENT"}  # its estimates lie about .06: a gate on values would fail half of them


def test_too_few_rows_in_a_bin_are_not_judged():
    found = verdict(result(rows=400), metric="maximum_calibration_error", max=0.2)
    assert found.verdict == "INSUFFICIENT"
    assert "fewer than 30" in verdict(result(rows=150), metric="maximum_calibration_error", max=0.2).reason


def test_without_scores_the_evidence_is_broken_and_says_why():
    found = verdict(result(scores=False), metric=ECE, max=0.05)
    assert found.verdict == "INVALID"
    assert "holds no scores" in found.reason


def test_slope_and_intercept_are_held_between_two_limits():
    wide = {"metric": "calibration_slope", "min": 0.9, "max": 1.1}
    assert verdict(result(), **wide).verdict == "PASS"
    shifted = {"metric": "calibration_intercept", "groups": ("g",), "min": -0.2, "max": 0.2}
    assert verdict(result(), **shifted).verdict == "PASS"
    assert verdict(result(shift=0.1), **shifted).verdict == "FAIL"


def test_ratios_of_score_metrics_are_invalid():
    found = verdict(result(), metric="brier_score", compare="ratio", groups=("g",), min=0.8)
    assert found.verdict == "INVALID"
    assert "ratios are defined for rates only" in found.reason
