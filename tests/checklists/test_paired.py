"""Verdicts on a candidate against a baseline on the same rows: the rules of a gate, and false verdicts at the limit."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from audit.paired.comparison import run_compare
from audit.paired.paired_log import count_together
from audit.paired.paired_models import SETTING
from audit.paired.paired_tables import Asked
from audit.predictions import PredictionLog
from audit.provenance import Provenance
from audit.result import Result
from audit.run import run_audit
from audit.store import load_run, save_run
from checklists.gate import judge
from checklists.planning import plan
from checklists.policy import NotAuditable, Policy
from checklists.requirement import Requirement

TODAY = date(2027, 3, 1)


def table(sizes, *, lost=0.0, gained=0.0, seed=0, missed=0.3):
    """Return positives of groups; the candidate loses (finds) some that the baseline found (missed)."""
    rng = np.random.default_rng(seed)
    group = np.repeat(list(sizes), list(sizes.values()))
    old = rng.random(len(group)) > missed
    draw = rng.random(len(group))
    shares = np.array([lost.get(name, 0.0) if isinstance(lost, dict) else lost for name in group])
    new = np.where(draw < shares, False, np.where(draw > 1 - gained, True, old))
    return pa.table({"y": np.ones(len(group), int), "old": old.astype(int), "new": new.astype(int), "g": group})


def compared(data, **options):
    return run_compare(data, y_true="y", candidate="new", baseline="old", sensitive_features=["g"], **options)


def counted(data):
    """Return a comparison without its rows, for many repetitions: a gate rolls up what it needs."""
    found = count_together(data, None, Asked("y", ("new",), "old", ("g",)))
    source = Provenance(tally=found.tally.digest(), given={SETTING: found.models.to_json()})
    return Result(measurements=(), provenance=source, tally=found.tally)


def policy(*requirements, **options):
    return Policy(schema="evenhanded/policy/1", requirements=requirements, **options)


def no_worse(**options):
    settings = {"id": "no-worse", "metric": "false_negative_rate", "compare": "baseline", "groups": ("g",), "max": 0.05}
    return Requirement(**(settings | options))


def verdict(result, needed=None, **options):
    return judge(result, policy(needed or no_worse(), **options), today=TODAY).judgements[0]


def test_the_same_rows_decide_what_two_separate_runs_cannot():
    data = table({"a": 400, "b": 400}, lost=0.01)
    paired = verdict(compared(data))
    assert paired.verdict == "PASS"
    assert paired.measurement.method.startswith("paired_score")
    assert paired.measurement.against["model_version"] == "old"
    logs = [
        PredictionLog.from_frame(data, y_true="y", y_pred=name, sensitive_features=["g"]) for name in ("new", "old")
    ]
    now, then = (run_audit(log) for log in logs)
    unpaired = judge(now, policy(no_worse()), baseline=then, today=TODAY).judgements[0]
    assert unpaired.verdict == "INSUFFICIENT"
    # Where a comparison on the same rows is at hand, it answers; the unpaired runs do not drag it down.
    both = judge([now, compared(data)], policy(no_worse()), baseline=then, today=TODAY).judgements[0]
    assert both.verdict == "PASS"


def test_fail_names_the_group():
    found = verdict(compared(table({"a": 500, "b": 500}, lost={"b": 0.3})))
    assert (found.verdict, found.reason) == ("FAIL", "b")
    assert found.measurement.low > 0.05


def test_undecided_says_how_many_rows_would_decide():
    found = verdict(compared(table({"a": 60, "b": 500}, lost=0.02)))
    assert found.verdict == "INSUFFICIENT"
    assert "would show" in found.reason
    assert found.rows_needed > 60


def test_small_groups_block_unless_excused():
    result = compared(table({"a": 600, "b": 600, "c": 12}))
    assert "c: n = 12, fewer than 30" in verdict(result).reason
    entry = NotAuditable(slice={"g": "c"}, reason="12 rows", owner="R. Sato", expires=date(2027, 6, 1))
    assert verdict(result, not_auditable=(entry,)).verdict == "PASS"
    assert "excused: 12 rows" in verdict(result, not_auditable=(entry,)).reason


def test_expected_groups():
    result = compared(table({"a": 600, "b": 600}))
    assert verdict(result, expect={"g": ("a",)}).verdict == "PASS"
    assert "not in expect" in verdict(result, expect={"g": ("a",)}).reason
    assert verdict(result, expect={"g": ("a", "x")}).verdict == "INVALID"
    forgotten = compared(table({"a": 600, "b": 600}, lost={"b": 0.4}))
    assert verdict(forgotten, expect={"g": ("a",)}).verdict == "FAIL"


def test_other_levels_slices_and_both_limits():
    result = compared(table({"a": 600, "b": 600}, lost=0.02, gained=0.02))
    strict = verdict(result, no_worse(level=0.999))
    assert strict.measurement.level == 0.999
    one = verdict(result, no_worse(groups=(), slice={"g": "a"}, max=0.06))
    assert (one.verdict, one.measurement.n) == ("PASS", 600)
    everyone = verdict(result, no_worse(groups=(), min=-0.06, max=0.06))
    assert (everyone.verdict, everyone.measurement.n) == ("PASS", 1200)


def test_what_cannot_be_answered():
    result = compared(table({"a": 600, "b": 600}))
    assert verdict(result, no_worse(metric="roc_auc", max=0.5)).verdict == "INVALID"
    assert "needs scores" in verdict(result, no_worse(metric="roc_auc", max=0.5)).reason
    alone = Result.from_json(result.to_json())
    assert verdict(alone).verdict == "INVALID"
    unknown = verdict(result, no_worse(groups=("race",)))
    assert (unknown.verdict, "race" in unknown.reason) == ("INVALID", True)


def test_unlabelled_rows_are_no_pass():
    data = table({"a": 600, "b": 600})
    labels = pa.array([None if row % 5 == 0 else 1 for row in range(1200)])
    result = compared(data.set_column(0, "y", labels))
    assert verdict(result).verdict == "INSUFFICIENT"
    assert "no true label" in verdict(result).reason
    assert verdict(result, no_worse(missing_labels="ignore")).verdict == "PASS"


def test_several_candidates_are_judged_by_name():
    data = table({"a": 600, "b": 600}, lost={"b": 0.3})
    data = data.append_column("third", data["old"])
    result = run_compare(data, y_true="y", candidate=["new", "third"], baseline="old", sensitive_features=["g"])
    assert verdict(result, no_worse(at={"model_version": "third"})).verdict == "PASS"
    assert verdict(result, no_worse(at={"model_version": "new"})).verdict == "FAIL"
    unnamed = verdict(result)
    assert (unnamed.verdict, "several candidates" in unnamed.reason) == ("INVALID", True)


def test_a_saved_run_is_judged_alike(tmp_path):
    result = compared(table({"a": 400, "b": 400}, lost=0.01))
    again = load_run(save_run(result, tmp_path))
    assert verdict(again) == verdict(result)


def test_a_comparison_answers_requirements_about_the_candidate_alone():
    needed = Requirement(id="recall", metric="true_positive_rate", groups=("g",), min=0.5)
    assert verdict(compared(table({"a": 400, "b": 400})), needed).verdict == "PASS"


@pytest.mark.parametrize("groups", [2, 5])
def test_false_verdicts_at_the_limit(groups):
    """Every group's true change is exactly the limit: neither PASS nor FAIL may come often."""
    names = {f"g{place}": 150 for place in range(groups)}
    limit = 0.05 * 0.7  # lost with probability .05, where the baseline found it
    found = {"PASS": 0, "FAIL": 0, "INSUFFICIENT": 0, "INVALID": 0}
    runs = 150
    needed = no_worse(max=limit)
    for seed in range(runs):
        found[verdict(counted(table(names, lost=0.05, seed=seed)), needed).verdict] += 1
    assert found["INVALID"] == 0
    assert found["PASS"] <= 0.025 * runs + 3 * np.sqrt(0.025 * runs)
    assert found["FAIL"] <= 0.05 * runs + 2 * np.sqrt(0.05 * runs)


@pytest.mark.slow
@pytest.mark.parametrize(("groups", "size", "lost"), [(2, 60, 0.02), (2, 400, 0.05), (6, 200, 0.1)])
def test_false_verdicts_at_the_limit_over_many_runs(groups, size, lost):
    names = {f"g{place}": size for place in range(groups)}
    needed, runs = no_worse(max=lost * 0.7), 1000
    found = [verdict(counted(table(names, lost=lost, seed=seed)), needed).verdict for seed in range(runs)]
    assert found.count("PASS") <= 0.035 * runs
    assert found.count("FAIL") <= 0.05 * runs


def test_a_plan_speaks_of_groups_of_people_and_not_of_predictions():
    assert {row.feature for row in plan(compared(table({"a": 400, "b": 400})), metrics=["accuracy"]).rows} == {"g"}
