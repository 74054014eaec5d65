"""The traffic monitor: rows of windows and groups, gaps, duplicates, late rows, and when each of them rings."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.result import Result
from monitors.counts.counting import count_profile
from monitors.counts.profile import Profile
from monitors.log_facts import LogFacts, log_facts, reported_rows
from monitors.volume import VolumeSettings, volume
from monitors.windows import parse_windows, resolve

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
HOSTILE = "=1+1<script>\u202e\n"


def profile_of(rows, *, start=MONDAY, days=7, slices=None):
    counts = np.atleast_2d(np.asarray(rows, dtype=np.int64).T).T
    edges = [start + timedelta(days=days) * place for place in range(len(counts) + 1)]
    names = slices or tuple((("g", f"{HOSTILE}{place}"),) if place else () for place in range(counts.shape[1]))
    return Profile(windows=tuple(pairwise(edges)), slices=names, binnings={}, counts={}, rows=counts)


def facts_of(profile, **known):
    return LogFacts(**{"complete": len(profile.windows), "starts_whole": True, "regular": True, **known})


def rows_of(found, metric, of=()):
    return [row for row in found.rows if row.metric == metric and row.slice == of]


def test_each_window_and_group_has_its_rows_its_expectation_and_its_ratio():
    profile = profile_of([[100, 40]] * 9 + [[110, 0]])
    found = volume(profile, facts=facts_of(profile))
    assert [row.value for row in rows_of(found, "traffic")] == [100.0] * 9 + [110.0]
    assert rows_of(found, "expected_traffic")[7].value is None
    assert rows_of(found, "expected_traffic")[7].reason == "fewer than 8 whole windows before"
    last = rows_of(found, "expected_traffic")[-1]
    assert (last.value, last.n, last.level) == (100.0, 900, 0.95)
    assert last.low < 100 < last.high
    ratio = rows_of(found, "traffic_ratio")[-1]
    assert ratio.value == pytest.approx(1.1)
    assert ratio.low < 1 < ratio.high
    group = rows_of(found, "traffic_ratio", profile.slices[1])[-1]
    assert (group.value, group.low, group.n) == (0.0, 0.0, 0)
    Result(measurements=found.rows, alarms=found.alarms)  # keys are unique


def test_a_group_that_vanishes_rings_though_everyone_looks_as_before():
    profile = profile_of([[1000, 200]] * 12 + [[1000, 0]] * 2)
    (alarm,) = volume(profile, facts=facts_of(profile)).alarms
    assert alarm.since == profile.windows[12][0]
    assert HOSTILE.replace("\n", "\\n") in alarm.key
    assert alarm.e_value >= alarm.limit


def test_more_windows_never_take_an_alarm_back_and_a_window_that_is_not_over_never_rings():
    counts = [200] * 10 + [600] + [200] * 10
    profile = profile_of(counts)
    whole = volume(profile, facts=facts_of(profile)).alarms
    assert [alarm.since for alarm in whole] == [profile.windows[10][0]]
    for stop in range(11, 21):
        cut = profile_of(counts[:stop])
        assert volume(cut, facts=facts_of(cut)).alarms == whole
    early = profile_of(counts[:11])
    not_over = volume(early, facts=facts_of(early, complete=10))
    assert not_over.alarms == ()
    assert rows_of(not_over, "traffic")[-1].method == "count, so far"
    assert rows_of(not_over, "traffic_ratio")[-1].reason == "the window is not whole"


def test_a_first_window_that_is_not_whole_is_left_out():
    profile = profile_of([3] + [100] * 10)
    found = volume(profile, facts=facts_of(profile, starts_whole=False))
    assert rows_of(found, "traffic_ratio")[0].reason == "the window is not whole"
    assert rows_of(found, "expected_traffic")[-1].value == 100.0
    assert rows_of(found, "expected_traffic")[8].value is None


def test_a_reference_that_is_cut_alike_lets_the_first_window_be_judged():
    before = profile_of([100] * 10, start=MONDAY - timedelta(days=70))
    profile = profile_of([400, 100])
    found = volume(profile, facts=facts_of(profile), reference=before)
    assert rows_of(found, "traffic_ratio")[0].value == pytest.approx(4)
    assert [alarm.since for alarm in found.alarms] == [MONDAY]
    uncut = Profile(windows=(None,), slices=((),), binnings={}, counts={}, rows=np.array([[1000]]))
    for reference in (uncut, profile_of([100] * 10), profile_of([100] * 70, start=MONDAY - timedelta(days=70), days=1)):
        assert volume(profile, facts=facts_of(profile), reference=reference).alarms == ()


def test_phases_of_a_week_are_kept_when_the_first_day_is_not_whole():
    week = np.array([1000, 1100, 1100, 1100, 1000, 500, 400])
    before = profile_of(np.tile(week, 10), start=MONDAY - timedelta(days=70), days=1)
    profile = profile_of([7, *week[1:], *week], days=1)
    found = volume(profile, facts=facts_of(profile, starts_whole=False), reference=before)
    assert [row.value for row in rows_of(found, "traffic_ratio")[1:]] == pytest.approx([1.0] * 13)
    assert found.alarms == ()


def test_gaps_are_counted_and_named():
    profile = profile_of([100] * 9 + [0, 0, 100, 0])
    (row,) = rows_of(volume(profile, facts=facts_of(profile, complete=12)), "empty_windows")
    assert (row.value, row.n) == (2.0, 12)
    assert row.reason == "no rows in the windows from 2026-03-09T00:00:00Z, 2026-03-16T00:00:00Z"
    full = profile_of([1, 1])
    assert rows_of(volume(full, facts=facts_of(full)), "empty_windows")[0].reason is None
    assert rows_of(volume(full, facts=facts_of(full, complete=0)), "empty_windows") == []


def test_a_log_without_any_rows_before_has_no_ratio():
    profile = profile_of([0] * 9 + [50])
    found = volume(profile, facts=facts_of(profile))
    last = rows_of(found, "traffic_ratio")[-1]
    assert last.value is None
    assert last.high is None
    assert "no rows in the windows before" in last.reason
    one = profile_of([1])
    assert volume(one, facts=facts_of(one)).alarms == ()


def test_duplicates_ring_where_they_are_too_many_to_be_chance():
    profile = profile_of([200] * 6)
    with_id, seen = np.full(6, 200), np.full(6, 200)
    seen[3] = 150
    found = volume(profile, facts=facts_of(profile, with_id=with_id, first_seen=seen, without_id=7))
    shares = rows_of(found, "duplicate_share")
    assert [row.value for row in shares] == [0, 0, 0, 0.25, 0, 0]
    assert shares[3].low < 0.25 < shares[3].high
    assert shares[0].reason == "7 rows of the log have no prediction_id"
    (alarm,) = found.alarms
    assert (alarm.key, alarm.since) == (shares[3].key(), profile.windows[3][0])
    few = volume(profile, facts=facts_of(profile, with_id=with_id, first_seen=with_id - 1))
    assert few.alarms == ()
    empty = volume(profile, facts=facts_of(profile, with_id=with_id * 0, first_seen=with_id * 0))
    assert {row.reason for row in rows_of(empty, "duplicate_share")} == {"no rows in this window"}


def test_late_and_removed_rows_are_told_against_what_was_reported():
    then = profile_of([100, 100, 100, 30])
    before = volume(then, facts=facts_of(then, complete=3))
    reported = reported_rows(Result(measurements=before.rows))
    now = profile_of([100, 150, 90, 100])
    found = volume(now, facts=facts_of(now), reported=reported)
    assert [row.value for row in rows_of(found, "late_share")] == [0, pytest.approx(1 / 3), 0]
    (removed,) = rows_of(found, "removed_rows")
    assert (removed.value, removed.window) == (10.0, now.windows[2])
    assert [alarm.since for alarm in found.alarms] == [now.windows[1][0]]


def test_the_share_of_false_alarms_of_duplicates_and_of_groups_together():
    rng = np.random.default_rng(2)
    rang = 0
    for _ in range(40):
        profile = profile_of(rng.poisson(120, (20, 4)))
        repeated = rng.binomial(profile.rows[:, 0], 0.01)
        facts = facts_of(profile, with_id=profile.rows[:, 0], first_seen=profile.rows[:, 0] - repeated)
        rang += bool(volume(profile, facts=facts).alarms)
    assert rang <= 2


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"alpha": 0.0}, "alpha must lie in"),
        ({"alpha": float("nan")}, "alpha must lie in"),
        ({"tolerance": 0.9}, "tolerance must be at least 1"),
        ({"tolerance": float("inf")}, "tolerance must be at least 1"),
        ({"duplicates": -0.1}, "duplicates must lie in"),
        ({"late": 1.0}, "late must lie in"),
    ],
)
def test_settings_out_of_range_are_refused(settings, text):
    profile = profile_of([1, 2])
    with pytest.raises(InputError, match=text):
        volume(profile, facts=facts_of(profile), settings=VolumeSettings(**settings))


def test_counts_without_windows_and_facts_of_another_log_are_refused():
    uncut = Profile(windows=(None,), slices=((),), binnings={}, counts={}, rows=np.array([[5]]))
    with pytest.raises(InputError, match="not cut into windows"):
        volume(uncut, facts=facts_of(uncut))
    profile = profile_of([1, 2])
    with pytest.raises(InputError, match="5 windows are over, of 2"):
        volume(profile, facts=facts_of(profile, complete=5))


def test_from_a_log_to_an_alarm():
    rng = np.random.default_rng(3)
    days = np.concatenate([rng.uniform(0, 84, 84 * 30), rng.uniform(84, 98, 14 * 90)])
    times = pa.array([MONDAY + timedelta(days=float(day)) for day in days], pa.timestamp("us", "UTC"))
    table = pa.table({"y": [1] * len(days), "p": [1] * len(days), "g": np.where(rng.random(len(days)) < 0.5, "a", "b"),
                      "id": np.arange(len(days)), "t": times})  # fmt: skip
    log = PredictionLog.from_frame(
        table, y_true="y", y_pred="p", timestamp="t", prediction_id="id", sensitive_features=["g"]
    )
    windows = resolve(parse_windows("7d"), log)
    profile = count_profile(log, {}, windows)
    found = volume(profile, facts=log_facts(log, windows))
    assert {alarm.since for alarm in found.alarms} == {MONDAY + timedelta(days=84)}
    assert len(found.alarms) == 3
    assert sum(row.value for row in rows_of(found, "traffic")) == len(days)
