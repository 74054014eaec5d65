"""The second act of the demo: one log, written by a checkpoint of our trainer, seen by every monitor."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from audit.run import run_audit
from audit.store import load_run
from dashboards.monitoring import changes_of
from evenhanded.demo.simulated_weeks import CHANGED_CLINIC, CHANGED_FEATURE, CHANGED_WEEK
from evenhanded.demo.weeks import ROLLOUT, run_weeks
from monitors.log_store.store import LogStore

pytest.importorskip("evidently", reason="needs the extra evidently")

SINCE = ROLLOUT.toordinal() + 7 * (CHANGED_WEEK - 1)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return run_weeks(tmp_path_factory.mktemp("runs"), seed=0, epochs=2, per_week=400)


def of(alarm):
    metric, slice_, at, *_ = json.loads(alarm.key)
    return metric, slice_, at


def test_nothing_rings_before_the_form_changed(outcome):
    assert outcome.result.alarms
    assert min(alarm.since.toordinal() for alarm in outcome.result.alarms) >= SINCE


def test_drift_names_the_feature_and_the_clinic(outcome):
    drifted = [of(alarm) for alarm in outcome.result.alarms if of(alarm)[0] == "drift_e_value"]
    assert ("drift_e_value", {"clinic": CHANGED_CLINIC}, {"feature": CHANGED_FEATURE}) in drifted
    assert not [found for found in drifted if found[1].get("clinic", CHANGED_CLINIC) != CHANGED_CLINIC]


def test_errors_of_the_clinic_rise_and_no_other_clinic_rings(outcome):
    rung = [of(alarm) for alarm in outcome.result.alarms if of(alarm)[0].startswith("false_positive_rate")]
    assert {"clinic": CHANGED_CLINIC} in [slice_ for _, slice_, _ in rung]
    assert not [slice_ for _, slice_, _ in rung if slice_.get("clinic", CHANGED_CLINIC) != CHANGED_CLINIC]


def test_alerts_double_in_that_place_alone(outcome):
    places = [of(alarm)[2]["place"] for alarm in outcome.result.alarms if of(alarm)[0] == "action_ratio"]
    assert places == [CHANGED_CLINIC]
    ratio = {dict(row.at)["place"]: row for row in outcome.result.measurements if row.metric == "action_ratio"}
    assert ratio[CHANGED_CLINIC].low > 1.25
    assert all(row.low < 1.1 for place, row in ratio.items() if place != CHANGED_CLINIC)


def test_the_log_names_the_checkpoint_that_predicted(outcome):
    log = LogStore.open(outcome.log).read()
    versions = log.table.select("model_version").unique().collect(backend="pyarrow").to_native()["model_version"]
    assert len(versions) == 1
    audited = run_audit(replace(log, columns={k: v for k, v in log.columns.items() if k != "model_version"}))
    assert (
        audited.find("accuracy", {"clinic": CHANGED_CLINIC}).value < audited.find("accuracy", {"clinic": "west"}).value
    )


def test_no_engine_is_reported_as_leaked_at_exit():
    code = "import monitors.evidently_adapter; from monitors.log_store.engine import connection; connection()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == ""


def test_evidently_saw_the_same_weeks(outcome):
    scores = [row for row in outcome.result.measurements if row.metric == "evidently_drift_score"]
    assert CHANGED_FEATURE in {dict(row.at)["feature"] for row in scores}
    assert outcome.evidently.stat().st_size > 100_000


def test_the_run_is_saved_with_a_page_that_leads_with_the_first_change(outcome):
    page = (outcome.path / "report.html").read_text(encoding="utf-8")
    first = changes_of(load_run(outcome.path))[0]
    assert f"Since {first.since:%Y-%m-%d}, clinic = {CHANGED_CLINIC}" in page
