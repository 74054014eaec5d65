"""All monitors on one log: what runs, what rings, how rarely a quiet log does, and what is refused."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.store import load_run, save_run
from monitors.counts.reference import Reference, make_reference
from monitors.run import run_monitors
from monitors.settings import MonitorSettings
from monitors.watching import with_groups

START = datetime(2026, 1, 5, tzinfo=UTC)
GROUPS = ("a", "b", "c", "d")


def frame_of(seed, weeks, *, start=START, per_week=150, spread=None, labelled=True):
    """Return weeks of rows drawn alike; with `spread` the mean of every feature wanders from week to week."""
    rng = np.random.default_rng(seed)
    week = np.repeat(np.arange(weeks), rng.poisson(per_week, weeks))
    rows = len(week)
    drift = rng.normal(0, spread or 0.0, (weeks, 2))[week]
    seconds = week * 604_800 + rng.integers(0, 604_800, rows)
    score = rng.beta(2, 2, rows)
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime(start) + pd.to_timedelta(seconds, unit="s"),
            "x": rng.normal(drift[:, 0], 1, rows),
            "k": rng.integers(0, 4, rows),
            "c": rng.choice(["red", "green", "blue"], rows),
            "u": rng.exponential(1, rows) + np.abs(drift[:, 1]),
            "g": rng.choice(GROUPS, rows),
            "score": score,
            "said": (score > 0.5).astype(int),
            "id": [f"{seed}-{start:%j}-{place}" for place in range(rows)],
        }
    )
    if labelled:
        frame["y"] = (rng.random(rows) < score).astype(int)
    return frame


def log_of(frame, **changed):
    roles = {"y_pred": "said", "timestamp": "time", "prediction_id": "id"} | (
        {"y_true": "y"} if "y" in frame else {"task": "watch"}
    )
    options = {"sensitive_features": ["g"], "features": ["x", "k", "c", "u"]} | roles | changed
    return PredictionLog.from_frame(frame, **{name: value for name, value in options.items() if value is not None})


def since_of(seed, weeks, **kind):
    return frame_of(seed + 10_000, weeks, start=START + timedelta(weeks=8), **kind)


def rang(result):
    """Return the metric of every alarm that the promise on all looks covers: detectors promise a rate."""
    metrics = [json.loads(alarm.key)[0] for alarm in result.alarms]
    return [metric for metric in metrics if not metric.endswith("_e_detector")]


@pytest.fixture(scope="module")
def quiet():
    before, since = frame_of(1, 8), since_of(1, 6)
    return before, since, run_monitors(log_of(before), log_of(since))


def test_a_quiet_log_rings_nothing_and_says_what_ran(quiet):
    _, since, result = quiet
    assert rang(result) == []
    given = result.provenance.given
    assert given["monitors"] == ["drift", "performance", "schema", "traffic"]
    assert given["reference_rows"] == len(quiet[0])
    assert result.provenance.defaulted["alpha"] == 0.05
    rows = [row for row in result.measurements if row.metric == "traffic" and not row.slice]
    counted = since["time"].sub(pd.Timestamp("2026-03-02", tz=UTC)).dt.days // 7
    assert [row.value for row in rows] == counted.value_counts().sort_index().tolist()


def test_a_run_is_a_pure_function_whatever_the_order_of_the_rows(quiet):
    before, since, result = quiet
    again = run_monitors(log_of(before), log_of(since.sample(frac=1, random_state=3)))
    assert again.measurements == result.measurements
    assert again.alarms == result.alarms


def test_frozen_counts_give_what_the_log_gives(quiet, tmp_path):
    before, since, _ = quiet
    make_reference(with_groups(log_of(before))).save(tmp_path / "reference")
    settings = MonitorSettings(dispersion=1.0)  # how weeks scatter is not kept, all else is, their rows too
    again = run_monitors(Reference.load(tmp_path / "reference"), log_of(since), settings=settings)
    assert again.measurements == run_monitors(log_of(before), log_of(since), settings=settings).measurements
    assert any(row.value for row in again.measurements if row.metric == "traffic_ratio")


@pytest.mark.parametrize("frozen", [False, True])
def test_a_log_that_begins_with_a_third_of_the_rows_rings_at_once(frozen):
    before, since = log_of(frame_of(3, 8)), log_of(since_of(4, 6).iloc[::3])
    result = run_monitors(make_reference(with_groups(before)) if frozen else before, since)
    begins = START + timedelta(weeks=8)
    assert [alarm.since for alarm in result.alarms if json.loads(alarm.key)[:2] == ["traffic_ratio", {}]] == [begins]


def test_a_run_survives_saving_with_alarms_and_windows(tmp_path):
    since = since_of(2, 4).assign(x=lambda frame: frame["x"] + 2)
    result = run_monitors(log_of(frame_of(2, 8)), log_of(since))
    found = load_run(save_run(result, tmp_path))
    assert result.alarms
    assert found.alarms == result.alarms
    assert found.measurements == result.measurements


def test_a_shift_of_one_group_rings_for_it_in_its_window_and_stays_when_more_windows_come():
    since = since_of(3, 6)
    late = since["time"] >= pd.Timestamp(START + timedelta(weeks=11))
    since.loc[late & (since["g"] == "b"), "x"] += 3
    before = log_of(frame_of(3, 8))
    early = since["time"] < pd.Timestamp(START + timedelta(weeks=13))
    first, whole = (run_monitors(before, log_of(part)) for part in (since[early], since))
    drifts = {
        (alarm.key, alarm.since) for alarm in first.alarms if json.loads(alarm.key)[:2] == ["drift_e_value", {"g": "b"}]
    }
    assert {since for _, since in drifts} == {START + timedelta(weeks=11)}
    assert {(alarm.key, alarm.since) for alarm in first.alarms} <= {(alarm.key, alarm.since) for alarm in whole.alarms}


def test_by_model_version_each_is_held_against_the_reference_by_itself():
    since = since_of(4, 4, per_week=300)
    since["version"] = np.where(since["time"] < pd.Timestamp(START + timedelta(weeks=10)), "1", "2<script>")
    since.loc[since["version"] != "1", "x"] += 2
    before = frame_of(4, 8).assign(version="0")
    logs = [log_of(part, model_version="version") for part in (before, since)]
    result = run_monitors(*logs, settings=MonitorSettings(window="model_version"))
    versions = {dict(row.at)["model_version"] for row in result.measurements}
    assert versions == {"1", "2<script>"}
    whom = {dict(json.loads(alarm.key)[2])["model_version"] for alarm in result.alarms}
    assert whom == {"2<script>"}
    keys = {row.key() for row in result.measurements}
    assert len(keys) == len(result.measurements)
    assert {alarm.key for alarm in result.alarms} <= keys


def test_a_classifier_tells_then_from_now_where_only_the_joint_distribution_changed():
    rng = np.random.default_rng(5)
    before, since = frame_of(5, 4), since_of(5, 2, per_week=500)
    before["u"] = before["x"] + rng.normal(0, 0.3, len(before))
    since["u"] = rng.normal(0, np.sqrt(1.09), len(since))
    logs = [log_of(part, sensitive_features=[], y_true=None, task="watch") for part in (before, since)]
    plain = run_monitors(*logs)
    result = run_monitors(*logs, settings=MonitorSettings(tell_apart=True))
    assert rang(plain) == []
    assert rang(result) == ["domain_classifier_auc"]
    assert "apart" in result.provenance.given["monitors"]
    assert result.provenance.given["tell_apart"] is True


def test_where_labels_are_missing_estimates_and_the_number_to_ask_for_stand_in_the_result():
    since = since_of(6, 4)
    since["y"] = since["y"].astype("Int64")
    young = since["time"] >= pd.Timestamp(START + timedelta(weeks=10))
    asked = np.random.default_rng(6).random(len(since)) < 0.4
    since.loc[young & ~asked, "y"] = None
    logs = [log_of(part, y_pred=None, y_score="score", threshold=0.5) for part in (frame_of(6, 8), since)]
    result = run_monitors(*logs)
    rows = {row.metric: row for row in result.measurements if not row.slice}
    estimated, corrected = rows["estimated_accuracy"], rows["corrected_accuracy"]
    starts = {row.window[0] for row in result.measurements if row.metric == "estimated_accuracy"}
    assert starts == {START + timedelta(weeks=10), START + timedelta(weeks=11)}
    assert "an assumption" in estimated.reason
    # E max(p, 1 - p) of Beta(2, 2) is 11/16.
    assert estimated.value == pytest.approx(11 / 16, abs=0.03)
    assert corrected.low < 11 / 16 < corrected.high
    needed = {row.slice for row in result.measurements if row.metric == "labels_needed"}
    assert needed == {(), *((("g", group),) for group in GROUPS)}
    full = run_monitors(logs[0], log_of(since_of(6, 4), y_pred=None, y_score="score", threshold=0.5))
    assert not any(row.metric in {"labels_needed", "estimated_accuracy"} for row in full.measurements)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"alpha": 0.0}, "alpha must lie in (0, 1); got 0.0"),
        ({"effect": 1.5}, "effect must lie in (0, 1); got 1.5"),
        ({"dispersion": 0.5}, "dispersion must be at least 1 and finite; got 0.5"),
        ({"tolerance": -0.1}, "tolerance must lie in [0, 1); got -0.1"),
        ({"as_of": datetime(2026, 5, 1)}, "as_of must have a time zone"),
        ({"window": "fortnight"}, "fortnight"),
    ],
)
def test_settings_out_of_range_are_refused(quiet, given, said):
    before, since, _ = quiet
    with pytest.raises(InputError) as caught:
        run_monitors(log_of(before), log_of(since), settings=MonitorSettings(**given))
    assert said in str(caught.value)


def test_all_faults_of_settings_are_told_at_once(quiet):
    before, since, _ = quiet
    with pytest.raises(InputError) as caught:
        run_monitors(
            log_of(before),
            log_of(since, timestamp=None),
            settings=MonitorSettings(alpha=2, tolerance=1, effect=0),
        )
    assert len(caught.value.violations) == 4


def test_a_frozen_reference_has_no_rows_to_tell_apart(quiet):
    before, since, _ = quiet
    with pytest.raises(InputError, match="give its log, not its frozen counts"):
        run_monitors(make_reference(log_of(before)), log_of(since), settings=MonitorSettings(tell_apart=True))


def test_a_reference_from_another_schema_is_refused_with_every_difference(quiet):
    before, since, _ = quiet
    other = since.rename(columns={"x": "z"}).assign(k=since["c"])
    with pytest.raises(InputError) as caught:
        run_monitors(log_of(before), log_of(other, features=["z", "k", "c", "u"]))
    text = str(caught.value)
    assert "feature 'x' of the reference is missing" in text
    assert "feature 'z' is new" in text
    assert "feature 'k' was numeric" in text


def test_naive_timestamps_are_refused_by_their_column(quiet):
    before, since, _ = quiet
    naive = since.assign(time=since["time"].dt.strftime("%Y-%m-%d %H:%M:%S"))
    with pytest.raises(InputError, match="timestamp"):
        run_monitors(log_of(before), log_of(naive))


def test_a_log_without_rows_is_refused(quiet):
    before, since, _ = quiet
    with pytest.raises(InputError, match="no row"):
        run_monitors(log_of(before), log_of(since.iloc[:0]))


def test_a_window_without_rows_in_between_has_no_value_and_rings_by_traffic_alone(quiet):
    before, since, _ = quiet
    gone = since["time"].between(pd.Timestamp(START + timedelta(weeks=10)), pd.Timestamp(START + timedelta(weeks=11)))
    result = run_monitors(log_of(before), log_of(since[~gone]))
    hole = (START + timedelta(weeks=10), START + timedelta(weeks=11))
    assert all(row.value is None for row in result.measurements if row.metric == "accuracy" and row.window == hole)
    drifts = [row for row in result.measurements if row.metric == "total_variation_distance" and row.window == hole]
    assert drifts
    assert all(row.value is None and row.reason for row in drifts)
    assert {json.loads(alarm.key)[0] for alarm in result.alarms} <= {"empty_windows", "traffic_ratio"}


def test_one_row_in_a_window_is_measured_and_decides_nothing(quiet):
    before, since, _ = quiet
    result = run_monitors(log_of(before), log_of(since.sort_values("time").iloc[:1]))
    assert rang(result) == []
    (row,) = (row for row in result.measurements if row.metric == "traffic" and not row.slice)
    assert row.value == 1


def test_a_constant_reference_stays_quiet_and_rings_when_the_feature_moves(quiet):
    before, since, _ = quiet
    flat = before.assign(x=1.0)
    assert rang(run_monitors(log_of(flat), log_of(since.assign(x=1.0)))) == []
    moved = run_monitors(log_of(flat), log_of(since.assign(x=2.0)))
    assert {dict(json.loads(alarm.key)[2]).get("feature") for alarm in moved.alarms} == {"x"}


def test_categories_that_are_all_new_ring_as_new_and_as_drift(quiet):
    before, since, _ = quiet
    hostile = since.assign(c=np.resize(["<script>", "=1+1", "line\nbreak", "\u202egnp"], len(since)))
    result = run_monitors(log_of(before), log_of(hostile))
    metrics = {json.loads(a.key)[0] for a in result.alarms if dict(json.loads(a.key)[2]).get("feature") == "c"}
    assert {"drift_e_value", "new_category_share"} <= metrics


def test_a_flood_of_missing_values_rings_as_missing(quiet):
    before, since, _ = quiet
    result = run_monitors(log_of(before), log_of(since.assign(u=np.nan)))
    metrics = {json.loads(a.key)[0] for a in result.alarms if dict(json.loads(a.key)[2]).get("feature") == "u"}
    assert "missing_share" in metrics


def test_a_clock_that_jumps_ahead_makes_windows_that_are_empty_and_no_drift(quiet):
    before, since, _ = quiet
    jumped = since.copy()
    jumped.loc[jumped.index[-1], "time"] = pd.Timestamp(START + timedelta(weeks=40))
    result = run_monitors(log_of(before), log_of(jumped))
    assert not any(metric == "drift_e_value" for metric in rang(result))
    assert len({row.window for row in result.measurements if row.metric == "traffic"}) == 33


def test_a_batch_that_came_twice_is_counted_as_duplicates(quiet):
    before, since, _ = quiet
    twice = pd.concat([since, since.iloc[-100:]])
    result = run_monitors(log_of(before), log_of(twice), settings=MonitorSettings(as_of=START + timedelta(weeks=14)))
    shares = [row.value for row in result.measurements if row.metric == "duplicate_share" and not row.slice]
    assert max(value for value in shares if value is not None) > 0
    assert "duplicate_share" in rang(result)


def test_rows_that_came_after_a_window_was_reported_are_late(quiet):
    before, since, _ = quiet
    held = since.sample(frac=0.7, random_state=0)
    first = run_monitors(log_of(before), log_of(held), settings=MonitorSettings(as_of=START + timedelta(weeks=14)))
    both = run_monitors(log_of(before), log_of(since), previous=first)
    late = [row.value for row in both.measurements if row.metric == "late_share" and not row.slice]
    assert sum(value is not None and value > 0.2 for value in late) >= 5


def test_actions_of_places_are_watched_where_the_log_names_them():
    before, since = frame_of(8, 8), since_of(8, 6)
    for frame in (before, since):
        frame["site"] = np.resize(["north", "south"], len(frame))
        frame["acted"] = (np.arange(len(frame)) % 5 == 0).astype(int)
    since.loc[since["site"] == "south", "acted"] = (np.arange((since["site"] == "south").sum()) % 2 == 0).astype(int)
    logs = [log_of(part, place="site", action="acted") for part in (before, since)]
    result = run_monitors(*logs, settings=MonitorSettings(as_of=START + timedelta(weeks=14)))
    whom = [dict(json.loads(alarm.key)[2]) for alarm in result.alarms if json.loads(alarm.key)[0] == "action_ratio"]
    assert [at["place"] for at in whom] == ["south"]
    assert "actions" in result.provenance.given["monitors"]


def rings_of(runs, *, first, spread=None):
    found = 0
    for seed in range(first, first + runs):
        before, since = frame_of(seed, 8, spread=spread), since_of(seed, 12, spread=spread)
        found += bool(rang(run_monitors(log_of(before), log_of(since))))
    return found


def test_quiet_logs_of_twelve_windows_ring_in_at_most_alpha_of_runs():
    assert rings_of(10, first=100) <= 2  # P(X > 2) of Binomial(10, .05) is 1 %


def test_weeks_that_wander_within_what_is_tolerated_ring_nothing():
    assert rings_of(4, first=500, spread=0.05) == 0


def test_weeks_that_wander_further_ring_as_independent_rows_and_not_by_their_own_scatter_or_a_declared_one():
    before, since = (make(7, weeks, spread=0.5) for make, weeks in ((frame_of, 30), (since_of, 12)))
    quiet_x = [
        log_of(part, sensitive_features=[], features=["x"], y_true=None, task="watch") for part in (before, since)
    ]
    alone = run_monitors(*quiet_x, settings=MonitorSettings(effect=0.02, dispersion=1.0))
    assert "drift_e_value" in rang(alone)
    estimated = run_monitors(*quiet_x, settings=MonitorSettings(effect=0.02))
    assert "drift_e_value" not in rang(estimated)
    assert estimated.provenance.given["scatter"].startswith("estimated from 30 windows of the reference")
    wide = MonitorSettings(
        effect=0.02, dispersion=40.0
    )  # about 1 + 150 x 0.25 x (the share of a bin that a mean moves)
    assert "drift_e_value" not in rang(run_monitors(*quiet_x, settings=wide))


@pytest.mark.slow
def test_quiet_logs_of_twelve_windows_ring_in_at_most_alpha_of_many_runs():
    assert rings_of(300, first=1_000) <= 24  # P(X > 24) of Binomial(300, .05) is 1 %


def test_the_reference_may_come_as_arrow_and_the_log_as_pandas(quiet):
    before, since, result = quiet
    arrow = log_of(pa.Table.from_pandas(before, preserve_index=False), y_true="y", task="binary")
    again = run_monitors(arrow, log_of(since))
    assert again.measurements == result.measurements


@pytest.mark.parametrize("labelled", ["reference", "current"])
def test_where_one_side_has_no_labels_errors_are_not_compared_and_the_rest_is(quiet, labelled):
    before, since, _ = quiet
    bare = {"y_true": None, "task": "watch"}
    logs = [
        log_of(before, **({} if labelled == "reference" else bare)),
        log_of(since, **({} if labelled != "reference" else bare)),
    ]
    result = run_monitors(*logs)
    assert result.provenance.given["monitors"] == ["drift", "schema", "traffic"]
    assert rang(result) == []


def test_a_version_is_held_against_the_reference_by_itself():
    rng = np.random.default_rng(0)

    def predictions(rows, right, start, version):
        y = rng.integers(0, 2, rows)
        time = pd.Timestamp(start, tz="UTC") + pd.to_timedelta(np.arange(rows), unit="min")
        said = np.where(rng.random(rows) < right, y, 1 - y)
        return pd.DataFrame({"y": y, "p": said, "x": rng.normal(size=rows), "t": time, "v": version})

    roles = {"y_true": "y", "y_pred": "p", "timestamp": "t", "model_version": "v", "features": ["x"]}
    before = predictions(3000, 0.9, "2026-01-05", "a")
    since = pd.concat([predictions(2000, 0.9, "2026-02-02", "a"), predictions(2000, 0.5, "2026-02-10", "b")])
    logs = (PredictionLog.from_frame(frame, **roles) for frame in (before, since))
    result = run_monitors(*logs, settings=MonitorSettings(window="model_version"))
    rang = {json.loads(alarm.key)[0]: json.loads(alarm.key)[2] for alarm in result.alarms}
    assert rang["accuracy_e_value"] == {"model_version": "b"}
    assert {at["model_version"] for at in rang.values()} == {"b"}


def test_a_group_that_vanishes_and_one_that_appears_are_named():
    rng = np.random.default_rng(1)

    def predictions(rows, start, regions):
        time = pd.Timestamp(start, tz="UTC") + pd.to_timedelta(np.arange(rows) * 5, unit="min")
        return pd.DataFrame({"p": rng.integers(0, 2, rows), "region": rng.choice(regions, rows), "t": time})

    roles = {"y_pred": "p", "timestamp": "t", "sensitive_features": ["region"], "task": "watch"}
    frames = (predictions(6000, "2026-01-05", ["north", "south"]), predictions(4000, "2026-02-02", ["new", "south"]))
    result = run_monitors(*(PredictionLog.from_frame(frame, **roles) for frame in frames))
    rang = {(json.loads(alarm.key)[0], json.loads(alarm.key)[2].get("feature")) for alarm in result.alarms}
    assert {("drift_e_value", "region"), ("new_category_share", "region"), ("vanished_categories", "region")} <= rang


def test_a_window_that_is_not_over_does_not_ring():
    rng = np.random.default_rng(2)
    time = pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta(np.arange(6000) * 10, unit="min")
    frame = pd.DataFrame({"p": rng.integers(0, 2, 6000), "x": rng.normal(size=6000), "t": time})
    since = frame.assign(t=frame["t"] + pd.Timedelta(weeks=6), x=frame["x"] + 3.0)
    roles = {"y_pred": "p", "timestamp": "t", "features": ["x"], "task": "watch"}
    before, shifted = (PredictionLog.from_frame(each, **roles) for each in (frame, since.head(500)))
    assert run_monitors(before, shifted).alarms == ()  # half a week of rows so far
    whole = run_monitors(before, PredictionLog.from_frame(since.head(1200), **roles))
    assert min(alarm.since for alarm in whole.alarms).date().isoformat() == "2026-02-16"
