from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from audit.counting import count
from audit.predictions import PredictionLog
from audit.provenance import Provenance
from audit.result import Result
from checklists.gate import judge
from checklists.policy import Policy, load_policy
from checklists.requirement import Requirement

TODAY = date(2027, 3, 1)
KINDS = (("1", "1"), ("0", "1"), ("1", "0"), ("0", "0"), (None, "1"), (None, "0"))


def result_of(groups, **roles):
    """Make a result from (tp, fp, fn, tn, up, un) by group."""
    rows = [
        (y, p, group)
        for group, counts in groups.items()
        for n, (y, p) in zip(counts, KINDS, strict=True)
        for _ in range(n)
    ]
    y, p, g = zip(*rows, strict=True)
    frame = pa.table({"y": pa.array(y, pa.string()), "p": list(p), "race": pa.array(g, pa.string())})
    tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["race"], **roles))
    return Result(measurements=(), provenance=Provenance(tally=tally.digest()), tally=tally)


def verdict(result, *requirements, **policy):
    asked = Policy(schema="evenhanded/policy/1", requirements=requirements, **policy)
    return judge(result, asked, today=TODAY).judgements[0]


FNR = Requirement(id="fnr", metric="false_negative_rate", groups=("race",), max=0.25)
FAIR = {"a": (900, 100, 100, 900, 0, 0), "b": (450, 50, 50, 450, 0, 0)}


def test_refused_loans_without_an_outcome_turn_a_pass_into_not_shown():
    groups = FAIR | {"b": (450, 50, 50, 450, 0, 900)}
    assert verdict(result_of(FAIR), FNR).verdict == "PASS"
    found = verdict(result_of(groups), FNR)
    assert found.verdict == "INSUFFICIENT"
    assert "900 of 3,900 rows (23.1 %) have no true label (b 900)" in found.reason
    assert "on the labelled rows alone it holds" in found.reason
    assert "a random sample of the unlabelled rows" in found.reason
    assert found.measurement.high > 0.6


def test_few_unlabelled_rows_leave_the_verdict_and_are_named():
    found = verdict(result_of(FAIR | {"b": (450, 50, 50, 450, 0, 20)}), FNR)
    assert found.verdict == "PASS"
    assert "20 of 3,020 rows (0.7 %) have no true label (b 20); this is so whatever their labels are" in found.reason
    assert found.measurement.method.startswith("manski bounds")


def test_a_fail_that_labels_could_turn_is_not_shown_and_one_that_they_cannot_stays():
    asked = Requirement(id="fnr", metric="false_negative_rate", groups=("race",), max=0.2)
    bad = {"a": (900, 100, 100, 900, 0, 0), "b": (300, 50, 200, 450, 400, 0)}
    worse = {"a": (900, 100, 100, 900, 0, 0), "b": (100, 50, 400, 450, 40, 0)}
    assert verdict(result_of(bad), asked, missing_labels="ignore").verdict == "FAIL"
    turned = verdict(result_of(bad), asked)
    assert turned.verdict == "INSUFFICIENT"
    assert "on the labelled rows alone it fails" in turned.reason
    assert verdict(result_of(worse), asked).verdict == "FAIL"


def test_a_metric_that_needs_no_labels_is_not_touched():
    asked = Requirement(id="even", metric="selection_rate", compare="difference", groups=("race",), max=0.3)
    result = result_of(FAIR | {"b": (450, 50, 50, 450, 0, 900)})
    assert verdict(result, asked) == verdict(result, asked, missing_labels="ignore")
    precise = Requirement(id="precise", metric="precision", groups=("race",), min=0.8)
    assert verdict(result_of(FAIR | {"b": (450, 50, 50, 450, 0, 900)}), precise).reason is None


def test_ignoring_is_said_in_the_reason_by_policy_and_by_requirement():
    result = result_of(FAIR | {"b": (450, 50, 50, 450, 0, 900)})
    for found in (
        verdict(result, FNR, missing_labels="ignore"),
        verdict(result, Requirement(id="fnr", metric=FNR.metric, groups=("race",), max=0.25, missing_labels="ignore")),
    ):
        assert found.verdict == "PASS"
        assert "are ignored (missing_labels: ignore): this speaks of the labelled rows only" in found.reason
    own = Requirement(id="fnr", metric=FNR.metric, groups=("race",), max=0.25, missing_labels="bounds")
    assert verdict(result, own, missing_labels="ignore").verdict == "INSUFFICIENT"


def test_the_labels_needed_are_enough_when_they_come():
    groups = FAIR | {"b": (450, 50, 50, 450, 0, 400)}
    found = verdict(result_of(groups), FNR)
    needed = int(found.reason.split("labels of about ")[1].split(" of them")[0].replace(",", ""))
    assert 0 < needed < 400
    like = round(0.1 * needed)  # of the rows predicted negative, one in ten is positive
    come = FAIR | {"b": (450, 50, 50 + like, 450 + needed - like, 0, 400 - needed)}
    assert verdict(result_of(come), FNR).verdict == "PASS"
    fewer = FAIR | {"b": (450, 50, 50 + like // 3, 450 + (needed - like) // 3, 0, 400 - needed // 3)}
    assert verdict(result_of(fewer), FNR).verdict == "INSUFFICIENT"


def test_a_score_metric_with_unlabelled_rows_has_no_worst_case_and_says_so():
    frame = pa.table({"y": ["1", "0", "1", "0", None] * 100, "s": [0.9, 0.2, 0.22, 0.24, 0.4] * 100})
    tally = count(PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5))
    result = Result(measurements=(), provenance=Provenance(tally=tally.digest()), tally=tally)
    asked = Requirement(id="auc", metric="roc_auc", min=0.6)
    assert verdict(result, asked, missing_labels="ignore").verdict == "PASS"
    found = verdict(result, asked)
    assert found.verdict == "INSUFFICIENT"
    assert "no worst case is known for roc_auc" in found.reason


def test_hostile_group_names_stay_texts():
    name = "<script>\n=1+1\u202e"
    found = verdict(result_of({"a": FAIR["a"], name: (450, 50, 50, 450, 0, 900)}), FNR)
    assert found.verdict == "INSUFFICIENT"
    assert name in found.reason  # raw in the record; every printer escapes it
    assert "\u202e" not in found.sentence()


def test_an_unknown_way_of_treating_missing_labels_is_refused(tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text(
        "schema: evenhanded/policy/1\nmissing_labels: guess\nrequirements: [{id: a, metric: accuracy, min: 0.6}]\n"
    )
    with pytest.raises(ValueError, match=r"policy.yaml:2: missing_labels: expected 'bounds' or 'ignore'; got 'guess'"):
        load_policy(file)


@pytest.mark.parametrize("worlds", [15, pytest.param(100, marks=pytest.mark.slow)])
def test_no_false_pass_when_labels_are_missing_because_the_model_missed_them(worlds):
    """The true miss rate of group b lies above the limit; missed positives lose their label more often."""
    rng = np.random.default_rng(3)
    asked = Requirement(id="fnr", metric="false_negative_rate", groups=("race",), max=0.3)
    passed, alone = 0, 0
    for _ in range(worlds):
        groups = {}
        for group, missed in (("a", 0.15), ("b", 0.33)):
            y, gone = rng.random(1200) < 0.5, rng.random(1200)
            predicted = np.where(y, rng.random(1200) > missed, rng.random(1200) < 0.1)
            lost = gone < np.where(y & ~predicted, 0.5, 0.02)
            kind = np.where(predicted, np.where(y, 0, 1), np.where(y, 2, 3))
            kind = np.where(lost, np.where(predicted, 4, 5), kind)
            groups[group] = tuple(np.bincount(kind, minlength=6).tolist())
        result = result_of(groups)
        passed += verdict(result, asked).verdict == "PASS"
        alone += verdict(result, asked, missing_labels="ignore").verdict == "PASS"
    assert passed == 0
    # Judged on the labelled rows alone, almost every run would pass a model that breaks the limit.
    assert alone > 0.8 * worlds
