"""A season common to all does not ring, a group that leaves does, and intervals of users cover."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit.predictions import PredictionLog
from monitors.feedback.blocks import jackknife
from monitors.feedback.retention import FAMILY, Activity, mean_gap, measure_retention, retention, retention_gaps
from monitors.feedback.settings import LoopRows, LoopSettings

DAY = 86_400_000_000
START = 20_458 * DAY  # Monday 2026-01-05


def log_of(seed: int, *, leaving: float = 0.0, behind: float = 0.0, users: int = 500, weeks: int = 13) -> PredictionLog:
    """Users active with a season common to all; group b is less likely to be there, by `behind`, and ever less."""
    rng = np.random.default_rng(seed)
    group = rng.random(users) < 0.4
    habit = np.clip(rng.beta(6, 4, users), 0.05, 0.95)
    parts = []
    for week in range(weeks):
        season = 1.0 - 0.35 * (week % 6 == 3) - 0.2 * np.sin(week / 2) ** 2
        chance = habit * season * np.where(group, (1 - behind) * (1 - leaving) ** week, 1.0)
        who = np.repeat(np.flatnonzero(rng.random(users) < chance), 2)
        parts.append((who, START + week * 7 * DAY + rng.integers(0, 7 * DAY, len(who))))
    who, time = (np.concatenate(each) for each in zip(*parts, strict=True))
    columns: dict[str, Any] = {"u": [f"u{x:05d}" for x in who], "g": np.where(group[who], "b", "a")}
    columns["t"] = pa.array(time).cast(pa.timestamp("us", tz="UTC"))
    roles: dict[str, Any] = {"user": "u", "timestamp": "t"}
    return PredictionLog.from_frame(pa.table(columns), task="watch", sensitive_features=["g"], **roles)


def measure(log: PredictionLog) -> LoopRows:
    return measure_retention(log, LoopSettings())


def rows_of(found: LoopRows) -> dict[tuple[str, str | None], Any]:
    return {(row.metric, dict(row.slice).get("g")): row for row in found.rows if row.window is None}


def test_retention_by_hand() -> None:
    table = {
        "u": ["a", "a", "b", "b", "c", "a"],
        "t": ["2026-01-05", "2026-01-06", "2026-01-07", "2026-01-13", "2026-01-14", "2026-01-19"],
    }
    table["t"] = [f"{day}T00:00:00Z" for day in table["t"]]
    log = PredictionLog.from_frame(pa.table(table), task="watch", user="u", timestamp="t")
    first = measure(log).rows[0]
    assert (first.value, first.n) == (0.5, 2)  # a and b are there in the first week, b in the second; the third goes on


def test_a_season_alone_cancels_in_the_mean_gap() -> None:
    rates = np.array([0.9, 0.2, 0.6])
    here = np.array([[10.0, 100.0, 40.0]])
    there = np.array([[80.0, 20.0, 50.0]])
    one, two = Activity(here, here * rates), Activity(there, there * rates)
    assert mean_gap(one, two)[0] == pytest.approx(0.0)
    assert retention_gaps(one, two)[0] == pytest.approx(np.zeros(3))
    assert retention(one)[0] != pytest.approx(retention(two)[0], abs=0.1)


def test_windows_without_a_group_are_left_out() -> None:
    one = Activity(np.array([[4.0, 0.0]]), np.array([[1.0, 0.0]]))
    two = Activity(np.array([[4.0, 8.0]]), np.array([[2.0, 8.0]]))
    assert mean_gap(one, two)[0] == pytest.approx(-0.25)
    assert np.isnan(retention_gaps(one, two)[0, 1])


def test_intervals_of_users_cover() -> None:
    hits = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        chance = rng.beta(2, 2, (40, 12))  # a user's own, all weeks
        active, back = np.zeros((40, 10)), np.zeros((40, 10))
        for week in range(10):
            active[:, week] = 12
            back[:, week] = (rng.random((40, 12)) < chance).sum(axis=1)
        values = retention(Activity(active, back))
        found = jackknife(float(values[0]), values[1:])
        hits += abs(found.value - 0.5) <= 2.02 * found.standard_error
    assert hits / 150 >= 0.91


def test_a_season_common_to_all_is_quiet() -> None:
    found = [measure(log_of(seed)) for seed in range(5)]
    assert max(each.e_value for one in found for each in one.evidence) < 20
    row = rows_of(found[0])["group_retention", None]
    assert row.reason == "may follow the season; the rows that compare groups do not"
    gaps = [rows_of(one)["group_retention_difference", "b"] for one in found]
    assert sum(row.low <= 0 <= row.high for row in gaps) >= 4


@pytest.mark.slow
def test_false_alarms_of_many() -> None:
    rang = [max(each.e_value for each in measure(log_of(seed)).evidence) >= 20 for seed in range(150)]
    assert np.mean(rang) <= 0.05


def test_a_group_that_leaves_is_found() -> None:
    found = measure(log_of(0, leaving=0.1, users=1_500))
    rows, rang = rows_of(found), {each.key for each in found.evidence if each.e_value > 60}
    assert rows["group_share_trend", "b"].key() in rang
    assert rows["group_retention_difference", "b"].key() in rang
    assert rows["group_share_trend", "b"].value == pytest.approx(np.log(0.9), abs=0.03)
    assert not {rows[name, "a"].key() for name in ("group_share_trend", "group_retention_difference")} & rang


def test_what_is_lacking_is_said() -> None:
    short = measure(log_of(0, weeks=1))
    assert {row.metric for row in short.rows} == {metric.name for metric in FAMILY}
    assert all("to come back takes two" in str(row.reason) for row in short.rows)
    few = rows_of(measure(log_of(0, users=20)))
    assert few["group_retention_difference", "a"].value is None
    assert "fewer than 10 users of the group" in few["group_retention_difference", "a"].reason
    brief = rows_of(measure(log_of(0, weeks=6)))
    assert "a trend needs 8 windows" in brief["group_share_trend", "a"].reason
    assert brief["group_retention_difference", "a"].value is not None


def test_hostile_and_missing_groups_have_rows() -> None:
    rng = np.random.default_rng(0)
    users = [f"u{number}" for number in range(100)]
    times = [f"2026-01-{5 + 7 * week:02d}T00:00:00Z" for week in range(3) for _ in users]
    groups = ["<script>" if number % 2 else None for number in range(100)] * 3
    table = pa.table({"u": users * 3, "g": groups, "t": times, "x": rng.random(300)})
    log = PredictionLog.from_frame(table, task="watch", user="u", timestamp="t", sensitive_features=["g"])
    named = {row.slice for row in measure(log).rows}
    assert named == {(), (("g", "<script>"),), (("g", None),)}
