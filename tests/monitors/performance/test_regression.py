"""Errors of a regression over time: quiet logs stay quiet, larger errors ring, for a group too, frozen or not."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.tasks.regression import run_regression
from monitors.counts.binning import Binning
from monitors.counts.counting import count_profile
from monitors.counts.errors import ERRORS, with_errors
from monitors.counts.profile import Profile
from monitors.counts.reference import Reference, make_reference
from monitors.performance.regression import regression_evidence
from monitors.performance.regression_values import regression_values
from monitors.performance.settings import UNSETTLED, PerformanceSettings
from monitors.run import run_monitors
from monitors.windows import parse_windows, resolve

START = datetime(2026, 1, 5, tzinfo=UTC)
SINCE = START + timedelta(weeks=10)
WEEK = 604_800


def frame_of(seed, weeks, scale=1.0, *, start=START, per=300, group_scale=None):
    """Rows of houses whose prices are predicted with normal errors."""
    rng, rows = np.random.default_rng(seed), weeks * per
    group = rng.choice(["a", "b"], rows, p=[0.7, 0.3])
    sizes = np.where(group == "b", group_scale or scale, scale)
    price = rng.normal(100, 20, rows)
    seconds = np.sort(rng.integers(0, weeks * WEEK - 1, rows))
    return pd.DataFrame({
        "t": pd.to_datetime(start) + pd.to_timedelta(seconds, unit="s"),
        "y": price,
        "p": price + 5 * sizes * rng.normal(size=rows),
        "x": rng.normal(size=rows),
        "g": group,
    })  # fmt: skip


def log_of(frame, **changed):
    roles = {"task": "regression", "y_true": "y", "y_pred": "p", "timestamp": "t", "features": ["x"]} | changed
    return PredictionLog.from_frame(frame, sensitive_features=["g"], **roles)


def alarms_of(result):
    keys = [json.loads(alarm.key) for alarm in result.alarms]
    return {(key[0], key[1].get("g", "")): alarm.since for key, alarm in zip(keys, result.alarms, strict=True)}


@pytest.fixture(scope="module")
def before():
    return frame_of(0, 10)


def test_a_quiet_log_rings_nothing_and_says_what_is_watched(before):
    result = run_monitors(log_of(before), log_of(frame_of(1, 8, start=SINCE)))
    assert result.alarms == ()
    assert "performance" in result.provenance.given["monitors"]
    row = next(row for row in result.measurements if row.metric == "mean_absolute_error_e_value")
    assert row.value < 1
    assert "tolerated up to" in row.reason
    assert "rows are independent" in row.reason
    assert not [row for row in result.measurements if row.metric == "performance_watched"]
    assert ERRORS not in {dict(row.at).get("feature") for row in result.measurements}


def test_errors_that_double_ring_in_their_first_week_with_a_frozen_reference_too(before, tmp_path):
    since = pd.concat([frame_of(2, 4, start=SINCE), frame_of(3, 3, 2.0, start=SINCE + timedelta(weeks=4))])
    result = run_monitors(log_of(before), log_of(since))
    rang = alarms_of(result)
    assert rang["mean_absolute_error_e_value", ""] == SINCE + timedelta(weeks=4)
    saved = make_reference(log_of(before)).save(tmp_path / "reference")
    assert alarms_of(run_monitors(Reference.load(saved), log_of(since))).keys() >= {
        ("mean_absolute_error_e_value", ""),
        ("mean_squared_error_e_value", ""),
    }


def test_a_group_whose_errors_double_rings_and_the_other_does_not(before):
    since = frame_of(4, 6, start=SINCE, group_scale=2.0)
    rang = alarms_of(run_monitors(log_of(before), log_of(since)))
    assert ("mean_absolute_error_e_value", "b") in rang
    assert not [slice_ for _, slice_ in rang if slice_ == "a"]


def test_predictions_of_other_rows_ring_though_no_column_drifts(before):
    since = frame_of(5, 4, start=SINCE)
    since["p"] = np.random.default_rng(0).permutation(since["p"])
    kinds = {metric for metric, _ in alarms_of(run_monitors(log_of(before), log_of(since)))}
    assert kinds == {"mean_absolute_error_e_value", "mean_squared_error_e_value"}


def test_an_alarm_stays_when_more_windows_come(before):
    since = pd.concat([frame_of(6, 2, 1.6, start=SINCE), frame_of(7, 8, start=SINCE + timedelta(weeks=2))])
    part = since[since["t"] < pd.Timestamp(SINCE + timedelta(weeks=3))]
    early, late = (alarms_of(run_monitors(log_of(before), log_of(rows))) for rows in (part, since))
    assert early
    assert {key: late[key] for key in early} == early


def evidence_of(before, since, **settings):
    reference = make_reference(log_of(before))
    log = with_errors(log_of(since))
    current = count_profile(log, reference.binnings, resolve(parse_windows("7d"), log))
    return regression_evidence(reference.profile, current, settings=PerformanceSettings(**settings))


def test_missing_labels_ring_nothing_and_at_random_they_are_left_out(before):
    since = frame_of(8, 4, 3.0, start=SINCE)
    since.loc[np.random.default_rng(1).random(len(since)) < 0.9, "y"] = np.nan
    assert not evidence_of(before, since).alarms
    found = evidence_of(before, since, labels_at_random=True)
    assert found.alarms
    assert all("without a label" not in row.reason for row in found.rows)


def test_labels_that_are_missing_where_errors_are_large_never_make_an_alarm(before):
    """Whatever the missing labels are: those of small errors are missing, and only large errors are seen."""
    since = frame_of(9, 4, start=SINCE)
    since.loc[(since["p"] - since["y"]).abs() < 6, "y"] = np.nan
    assert not evidence_of(before, since).alarms
    assert evidence_of(before, since, labels_at_random=True).alarms  # which was a lie


def test_young_windows_do_not_ring(before):
    since = frame_of(10, 4, 2.5, start=SINCE)
    assert not evidence_of(before, since, settled=SINCE).alarms
    found = evidence_of(before, since, settled=SINCE + timedelta(weeks=1))
    assert {alarm.since for alarm in found.alarms} == {SINCE}


def profile_of(rng, edges, sizes, windows):
    """Count errors by window; None for one that is not cut by time."""
    bins = Binning(feature=ERRORS, kind="numeric", edges=edges)
    parts = np.array_split(sizes, len(windows))
    counts = np.array([np.bincount(np.searchsorted(edges, part, side="right"), minlength=bins.size) for part in parts])
    rows = counts.sum(axis=-1)[:, None]
    return Profile(windows=windows, slices=((),), binnings={ERRORS: bins}, counts={ERRORS: counts[:, None]}, rows=rows)


@pytest.mark.parametrize("kind", ["normal", "heavy", "mostly none"])
def test_quiet_logs_ring_in_at_most_alpha_of_runs(kind):
    """At a tolerance of 0 and for errors of any shape, with a reference as small as what is held against it."""
    rng, runs, rang = np.random.default_rng(11), 120, 0
    weeks = tuple((START + timedelta(weeks=week), START + timedelta(weeks=week + 1)) for week in range(20))

    def draw(rows):
        if kind == "heavy":
            return np.abs(rng.standard_t(2, rows))
        return np.abs(rng.normal(size=rows)) * (1 if kind == "normal" else rng.random(rows) < 0.1)

    for _ in range(runs):
        then = draw(400)
        edges = tuple(np.unique(np.quantile(then, np.arange(1, 30) / 30, method="inverted_cdf")).tolist())
        reference = profile_of(rng, edges, then, (None,))
        current = profile_of(rng, edges, draw(2000), weeks)
        settings = PerformanceSettings(alpha=0.2, tolerance=0.0)
        rang += bool(regression_evidence(reference, current, settings=settings).alarms)
    assert rang <= 33  # P(X > 33) of Binomial(120, .2) is 2 %


def test_a_reference_without_any_error_rings_at_the_first_errors():
    before, since = (frame_of(seed, 4, start=start) for seed, start in ((12, START), (13, SINCE)))
    before["p"] = before["y"]
    since["p"] = np.where(np.arange(len(since)) % 4 == 0, since["p"], since["y"])
    assert evidence_of(before, since).alarms
    since["p"] = since["y"]
    assert not evidence_of(before, since).alarms


def test_the_values_of_a_window_are_those_of_an_audit_of_its_rows():
    frame = frame_of(14, 3)
    log = log_of(frame)
    found = regression_values(log, resolve(parse_windows("7d"), log))
    first = frame[frame["t"] < pd.Timestamp(START + timedelta(weeks=1))]
    audit = run_regression(log_of(first))
    for row in found:
        if row.window[0] == START:
            same = audit.find(row.metric, dict(row.slice))
            assert (row.value, row.low, row.high) == pytest.approx((same.value, same.low, same.high))
            assert row.n == same.n
    assert len(found) == 3 * 3 * 3  # windows, metrics, slices


def test_windows_without_labels_or_with_infinite_numbers_say_so():
    frame = frame_of(15, 3)
    week = (frame["t"] - pd.Timestamp(START)).dt.days // 7
    frame.loc[week == 1, "y"] = np.nan
    frame.loc[frame.index[week == 2][0], "p"] = np.inf
    log = log_of(frame)
    found = regression_values(log, resolve(parse_windows("7d"), log), settled=START + timedelta(weeks=2))
    said = {(row.window[0] - START).days // 7: row for row in found if not row.slice and row.metric == "mean_error"}
    assert said[0].reason is None
    assert (said[1].value, said[1].reason) == (None, "no labels in this window")
    assert said[2].value is None
    assert said[2].reason == f"1 row holds an infinite number: there is no mean error; {UNSETTLED}"


def test_a_log_without_outcomes_yet_is_watched_for_drift(before):
    since = frame_of(16, 3, start=SINCE).drop(columns="y")
    result = run_monitors(log_of(before), log_of(since, task="watch", y_true=None))
    assert "drift" in result.provenance.given["monitors"]
    assert not [row for row in result.measurements if row.metric == "performance_watched"]


def test_a_feature_of_the_name_of_the_errors_is_refused(before):
    frame = before.rename(columns={"x": ERRORS})
    with pytest.raises(InputError, match=r"has the name of the errors of a regression; rename the column"):
        make_reference(log_of(frame, features=[ERRORS]))


def reason_of(reference, current):
    (row,) = (row for row in run_monitors(reference, current).measurements if row.metric == "performance_watched")
    assert row.value is None
    assert row.n > 0
    return row.reason


def test_a_ranking_says_that_its_order_is_not_watched(before):
    frames = [frame.assign(s=frame["p"] / 200) for frame in (before, frame_of(17, 3, start=SINCE))]
    logs = [log_of(frame, task="ranking", y_pred=None, y_score="s") for frame in frames]
    assert "the order of a ranking is not watched" in reason_of(*logs)


def test_labels_that_are_held_against_nothing_are_said(before):
    since = frame_of(18, 3, start=SINCE)
    bare = before.assign(y=np.nan)
    assert "the reference has no labels to hold errors against" in reason_of(log_of(bare), log_of(since))
    two = {"task": "binary", "features": ["x"]}
    flags = [frame.assign(y=(frame["y"] > 100) * 1.0, p=(frame["p"] > 100) * 1) for frame in (bare, since)]
    flags[0]["y"] = np.nan
    assert "the reference has no labels" in reason_of(*(log_of(frame, **two) for frame in flags))


def test_where_the_reference_has_next_to_no_errors_the_share_of_rows_that_have_one_is_watched():
    before, since = frame_of(0, 10), frame_of(1, 4, start=SINCE)
    rng = np.random.default_rng(2)
    before["p"] = before["y"] + np.where(rng.random(len(before)) < 0.005, 3.0, 0.0)
    since["p"] = since["y"] + np.where(rng.random(len(since)) < 0.2, 1e-3, 0.0)
    result = run_monitors(log_of(before), log_of(since))
    row = next(row for row in result.measurements if row.metric == "mean_absolute_error_e_value")
    assert row.reason.startswith(
        "next to no row of the reference has an error, so that any counts as 1; a share of 0.0"
    )
    assert ("mean_absolute_error_e_value", "") in alarms_of(result)
