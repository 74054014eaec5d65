"""The lift is 0 where a model shows what people choose, however active, and found where it shows the popular."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit.predictions import PredictionLog
from monitors.feedback.popularity_lift import Tastes, measure_popularity_lift, popularity_lift
from monitors.feedback.settings import LoopRows, LoopSettings


def log_of(seed: int, *, steep: float = 0.0, steep_b: float = 0.0, users: int = 240, **extra: Any) -> PredictionLog:
    """Users of groups a and b with tastes of their own; the model shows what they choose, steeper by so much."""
    rng = np.random.default_rng(seed)
    popularity = np.arange(1, 41) ** -0.5
    tastes = rng.dirichlet(12 * popularity / popularity.sum(), users)
    group = rng.random(users) < 0.4
    rows: dict[str, list[Any]] = {"u": [], "i": [], "arm": [], "did": [], "y": [], "g": []}
    for user in range(users):
        model = tastes[user] * popularity ** (steep_b if group[user] else steep)
        for arm, p in (("manual", tastes[user]), ("model", model / model.sum())):
            n = 1 + rng.poisson(6 * rng.gamma(1.0, 1.0))
            rows["i"] += [f"i{item}" for item in rng.choice(40, n, p=p)]
            rows["u"] += [f"u{user:04d}"] * n
            rows["arm"] += [arm] * n
            rows["did"] += [int(arm == "model")] * n
            rows["y"] += [1] * n
            rows["g"] += ["b" if group[user] else "a"] * n
    rows |= extra
    roles = {"user": "u", "item": "i", "arm": "arm", "action": "did", "outcome": "y"}
    return PredictionLog.from_frame(pa.table(rows), task="watch", sensitive_features=["g"], **roles)  # type: ignore[arg-type]


def measure(log: PredictionLog) -> LoopRows:
    return measure_popularity_lift(log, LoopSettings())


def test_lift_against_its_definition_by_hand() -> None:
    # The others chose a 3 of 4 times, b once. User 0 chose a and b alike, and is shown a only: .75 over .5.
    chosen = np.array([[1.0, 1.0], [3.0, 1.0]])
    own = np.array([[0.5, 0.5], [0.0, 0.0]])
    assert popularity_lift(Tastes(own, np.array([[1.0, 0.0], [0.0, 0.0]])), chosen)[0] == pytest.approx(0.5)
    assert popularity_lift(Tastes(own, own), chosen)[0] == pytest.approx(0.0)


def test_without_each_block_is_the_lift_of_the_others() -> None:
    rng = np.random.default_rng(0)
    chosen, own, shown = rng.random((3, 5, 7))
    found = popularity_lift(Tastes(own, shown), chosen)
    kept = [0, 1, 3, 4]
    assert found[3] == pytest.approx(popularity_lift(Tastes(own[kept], shown[kept]), chosen[kept])[0])


def test_a_fair_model_has_no_lift_and_intervals_cover() -> None:
    found = [measure(log_of(seed)) for seed in range(6)]
    lifts = np.array([[row.value for row in each.rows] for each in found])
    covered = np.array([[row.low <= 0 <= row.high for row in each.rows] for each in found])  # type: ignore[operator]
    assert np.abs(lifts.mean(axis=0)).max() < 0.07
    assert covered.mean() >= 0.85
    assert all(each.e_value < 20 for one in found for each in one.evidence)


@pytest.mark.slow
def test_false_alarms_and_coverage_of_many() -> None:
    found = [measure(log_of(seed)) for seed in range(150)]
    covered = np.array([[row.low <= 0 <= row.high for row in each.rows] for each in found])  # type: ignore[operator]
    assert covered.mean(axis=0).min() >= 0.90
    assert np.abs(np.mean([[row.value for row in each.rows] for each in found], axis=0)).max() < 0.02
    assert np.mean([any(each.e_value >= 20 for each in one.evidence) for one in found]) <= 0.05


def test_a_group_that_is_pushed_to_the_popular_is_found() -> None:
    found = measure(log_of(1, steep=0.0, steep_b=3.0))
    rows = {(row.metric, dict(row.slice).get("g")): row for row in found.rows}
    rang = {each.key for each in found.evidence if each.e_value > 60}
    assert rows["popularity_lift", "b"].key() in rang
    assert rows["popularity_lift_difference", "b"].key() in rang
    assert rows["popularity_lift_difference", "a"].key() not in rang
    assert rows["popularity_lift_difference", "b"].against == {"kind": "rest"}


def test_profiles_from_before_the_model_stand_in_for_a_holdout() -> None:
    times = [f"2026-01-{5 + day:02d}T00:00:00Z" for day in range(4)]
    users = [f"u{number:02d}" for number in range(20)]
    columns = {
        "u": [user for user in users for _ in times],
        "i": ["a", "b", "a", "a"] * 20,
        "arm": ["explore", "explore", "model", "model"] * 20,
        "y": [1, 1, 0, 0] * 20,
        "t": times * 20,
    }
    roles = {"user": "u", "item": "i", "arm": "arm", "outcome": "y", "timestamp": "t"}
    log = PredictionLog.from_frame(pa.table(columns), task="watch", **roles)  # type: ignore[arg-type]
    assert measure(log).rows[0].value == pytest.approx(0.0)  # both items are chosen alike often


@pytest.mark.parametrize(
    ("arm", "outcome", "said"),
    [
        (["model"] * 40, [1] * 40, "nobody is known to have chosen anything without the model"),
        (["manual"] * 40, [1] * 40, "no row of the arm model was shown"),
        (["manual", "model"] * 20, [0] * 40, "nobody is known to have chosen anything"),
    ],
)
def test_what_is_lacking_is_said(arm: list[str], outcome: list[int], said: str) -> None:
    columns = {"u": [f"u{n}" for n in range(40)], "i": ["a", "b"] * 20, "arm": arm, "y": outcome}
    roles = {"user": "u", "item": "i", "arm": "arm", "outcome": "y"}
    log = PredictionLog.from_frame(pa.table(columns), task="watch", **roles)  # type: ignore[arg-type]
    rows = measure(log).rows
    assert {row.metric for row in rows} == {"popularity_lift", "popularity_lift_difference"}
    assert all(row.value is None and said in str(row.reason) for row in rows)
