"""All metrics on one log: what is refused and why, and how rarely a log without a loop rings."""

from typing import Any

import pyarrow as pa
import pytest

from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.reading import ROLES
from audit.result import Result
from monitors.feedback.catalog import BY_NAME, CATALOG, FIRST
from monitors.feedback.run import _weights, run_loops
from monitors.feedback.settings import LoopSettings
from monitors.simulators.hidden_loop_log import hidden_loop_log
from monitors.simulators.policing import policing_log
from monitors.simulators.recommender_log import recommender_log


def log_of(table: pa.Table, **options: Any) -> PredictionLog:
    roles = {name: name for name in table.column_names if name in ROLES}
    return PredictionLog.from_frame(table, task=options.pop("task", "watch"), **options, **roles)


def rang(result: Result) -> set[str]:
    keys = {row.key(): row.metric for row in result.measurements}
    return {keys[alarm.key] for alarm in result.alarms}


def test_every_metric_of_a_log_has_an_answer_or_a_reason() -> None:
    result = run_loops(log_of(policing_log(seed=1)))
    told = {row.metric for row in result.measurements}
    assert {metric.name for metric in CATALOG if metric.of_a_log} <= told
    for row in result.measurements:
        if row.value is None:
            assert row.reason is not None
            assert row.reason.startswith("cannot be measured, because"), row
    assert rang(result) == {"loop_gain"}


def test_the_catalog_says_everything_of_every_metric() -> None:
    assert set(FIRST) <= set(BY_NAME)
    assert len(BY_NAME) == len(CATALOG)
    for metric in CATALOG:
        for said in (metric.title, metric.meaning, metric.why, metric.not_when, metric.obtain, metric.source):
            assert len(said) > 10, metric.name


def test_faulty_columns_are_refused_by_name_and_the_rest_is_measured() -> None:
    table = hidden_loop_log(seed=1, rounds=4, rows=200)
    bad = pa.array([0.0] + [0.5] * (table.num_rows - 1))
    table = table.set_column(table.schema.get_field_index("propensity"), "propensity", bad)
    result = run_loops(log_of(table, task="regression"))
    reasons = {row.metric: row.reason or "" for row in result.measurements if row.value is None}
    assert "hold no number in (0, 1]" in reasons["off_policy_value"]
    assert result.find("usage").value is not None


def test_a_log_without_any_column_of_a_loop_is_refused_in_one_sentence() -> None:
    log = PredictionLog.from_frame(pa.table({"t": ["2026-01-05T00:00Z"]}), task="watch", timestamp="t")
    settings = LoopSettings(limits={"no_such": 1.0})
    with pytest.raises(InputError) as caught:
        run_loops(log, settings=settings)
    assert "limits names 'no_such'" in str(caught.value)


def test_each_metric_has_the_same_share_and_its_headline_half_of_it() -> None:
    keys = [["a", {}, {}], ["b", {"g": "x"}, {}], ["b", {}, {}], ["b", {"g": "y"}, {}]]
    assert _weights(keys).tolist() == pytest.approx([2.0, 0.5, 1.0, 0.5])


def quiet_policing(seed: int) -> PredictionLog:
    return log_of(policing_log(seed=seed, reported=1.0, cycle=0.3, overdispersion=2.0))


def quiet_hidden(seed: int) -> PredictionLog:
    return log_of(hidden_loop_log(seed=seed, rounds=6, rows=200, usage=0.0, holdout=0.3), task="regression")


def quiet_recommender(seed: int) -> PredictionLog:
    table = recommender_log(seed=seed, users=200, items=20, rounds=8, power=0.0, exploration=0.3)
    return log_of(table, sensitive_features=["group"])


WORLDS = {"policing": quiet_policing, "hidden loop": quiet_hidden, "recommender": quiet_recommender}


@pytest.mark.parametrize("world", WORLDS)
def test_a_world_without_a_loop_seldom_rings(world: str) -> None:
    """At .05 a run, one ring or none in three has a chance of .99."""
    assert sum(bool(rang(run_loops(WORLDS[world](seed)))) for seed in range(3)) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_a_world_without_a_loop_rings_in_at_most_one_of_twenty_runs(world: str) -> None:
    """Ten of a hundred have a chance of .03 at .05 a run."""
    assert sum(bool(rang(run_loops(WORLDS[world](seed)))) for seed in range(100)) < 10
