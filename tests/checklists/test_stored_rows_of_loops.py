"""Rows of feedback loops, which have no tally, under a policy: what holds, fails, is not shown, is broken evidence."""

from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest

from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.reading import ROLES
from audit.result import Result
from checklists.gate import judge
from checklists.policy import Policy
from checklists.requirement import Requirement
from checklists.stored_rows import judge_rows
from monitors.feedback.catalog import CATALOG
from monitors.feedback.run import run_loops
from monitors.simulators.policing import policing_log
from monitors.simulators.recommender_log import recommender_log

TODAY = date(2026, 12, 1)


def verdict(result, requirement, **policy):
    asked = Policy(schema="evenhanded/policy/1", requirements=(requirement,), **policy)
    return judge_rows(requirement, asked, result, today=TODAY)


def loops(table, sensitive=()):
    roles = {name: name for name in table.column_names if name in ROLES}
    return run_loops(PredictionLog.from_frame(table, task="watch", sensitive_features=sensitive, **roles))


@pytest.fixture(scope="module")
def patrols():
    return loops(policing_log(seed=1))


@pytest.fixture(scope="module")
def shown():
    return loops(recommender_log(seed=1), sensitive=["group"])


def gain(**limits):
    return Requirement(id="gain", metric="loop_gain", **limits)


@pytest.mark.parametrize(
    ("limit", "expected"), [(1.5, "PASS"), (1.0, "INSUFFICIENT"), (0.5, "FAIL")], ids=["above", "within", "below"]
)
def test_the_gain_is_judged_by_its_whole_interval(patrols, limit, expected):
    row = patrols.find("loop_gain")
    assert row.low > 0.5
    assert row.low < 1.0 < row.high < 1.5
    assert verdict(patrols, gain(max=limit)).verdict == expected


def test_whatever_cannot_be_measured_never_passes(patrols):
    unknown = [row for row in patrols.measurements if row.value is None]
    assert len(unknown) > 20
    for row in unknown:
        for limits in ({"max": 1e9}, {"min": -1e9}):
            found = verdict(patrols, Requirement(id="x", metric=row.metric, **limits))
            assert found.verdict == "INSUFFICIENT", row.metric
            why = "cannot be measured, because" if row.n >= 30 else f"n = {row.n}, fewer than 30"
            assert why in (found.reason or ""), row.metric


def test_a_whole_run_without_dither_leaves_the_gate_open_to_nobody(patrols):
    table = policing_log(seed=1)
    without = loops(table.drop_columns(["dither"]))
    policy = Policy(schema="evenhanded/policy/1", requirements=(gain(max=1.0),))
    gate = judge(without, policy)
    assert (gate.verdict, gate.exit_code) == ("INSUFFICIENT", 3)


def test_a_metric_that_no_result_holds_is_broken_evidence(patrols):
    assert verdict(patrols, Requirement(id="x", metric="loop_gian", max=1.0)).verdict == "INVALID"
    of_python = [metric.name for metric in CATALOG if not metric.of_a_log]
    assert of_python
    for name in of_python:
        assert verdict(patrols, Requirement(id="x", metric=name, max=1.0)).verdict == "INVALID"


def test_groups_against_the_rest_are_judged_group_by_group(shown):
    asked = Requirement(id="stay", metric="group_retention_difference", groups=("group",), min=-0.2)
    rows = [row for row in shown.measurements if row.metric == asked.metric]
    assert {row.against["kind"] for row in rows} == {"rest"}
    sure = tuple(replace(row, low=row.value - 0.01, high=row.value + 0.01, level=0.95, n=400, method="x")
                 for row in rows)  # fmt: skip
    result = Result(measurements=sure)
    assert verdict(result, asked).verdict == "PASS"
    worse = replace(sure[0], value=-0.5, low=-0.6, high=-0.4)
    found = verdict(Result(measurements=(worse, *sure[1:])), asked)
    assert found.verdict == "FAIL"
    assert found.measurement == worse
    expected = {"group": ["majority", "minority", "absent"]}
    assert verdict(result, asked, expect=expected).verdict == "INSUFFICIENT"


def test_a_metric_of_the_audit_is_still_not_judged_by_its_rows_against_the_rest():
    row = Measurement(
        metric="accuracy", slice=(("sex", "F"),), against={"kind": "rest"}, value=0.9, low=0.8, high=0.95, n=400,
        level=0.95, method="x",
    )  # fmt: skip
    asked = Requirement(id="x", metric="accuracy", groups=("sex",), min=0.5)
    assert verdict(Result(measurements=[row]), asked).verdict == "INVALID"


def test_the_model_against_chance_is_named_by_arms(shown):
    at, against = {"arm": "model"}, {"arm": "explore"}
    row = next(row for row in shown.measurements if row.metric == "gini_index_difference")
    asked = Requirement(id="even", metric="gini_index_difference", at=at, against=against, max=row.high + 0.1)
    assert verdict(shown, asked).verdict == "PASS"
    assert verdict(shown, replace(asked, max=row.low - 0.1)).verdict == "FAIL"
    plain = verdict(shown, Requirement(id="even", metric="gini_index_difference", max=0.5))
    assert plain.verdict == "INVALID"


def test_each_round_must_hold_where_it_is_asked_for():
    table = policing_log(seed=2, places=8, weeks=4)
    known = pa.array([1.0 if row % 8 else 0.0 for row in range(table.num_rows)])
    result = loops(table.append_column("outcome_observed", known))
    rows = [row for row in result.measurements if row.metric == "outcome_coverage" and dict(row.at).get("round")]
    assert len(rows) == 4
    asked = Requirement(id="known", metric="outcome_coverage", at={"round": "3"}, min=0.2, min_n=5)
    assert verdict(result, asked).verdict == "PASS"
    assert verdict(result, replace(asked, min=0.99)).verdict in {"FAIL", "INSUFFICIENT"}
