"""Indices are the published ones, size alone makes no difference between arms, and a loop's growth is found."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import entropy as scipy_entropy
from scipy.stats import t as student

from audit.predictions import PredictionLog
from monitors.feedback.blocks import jackknife
from monitors.feedback.concentration import FAMILY, measure_concentration
from monitors.feedback.concentration_indices import (
    INDICES,
    aggregate_diversity,
    entropy,
    gini_index,
    herfindahl_index,
    index_differences,
    overdispersion,
    top_share,
)
from monitors.feedback.settings import LoopSettings

DAY = 86_400_000_000
START = 20_458 * DAY  # Monday 2026-01-05


def log_of(columns: Mapping[str, Any]) -> PredictionLog:
    roles = {"u": "user", "i": "item", "arm": "arm", "did": "action", "r": "round", "t": "timestamp"}
    named = {role: name for name, role in roles.items() if name in columns}
    return PredictionLog.from_frame(pa.table(dict(columns)), task="watch", **named)  # type: ignore[arg-type]


def value(log: PredictionLog, metric: str, **at: object) -> Any:
    rows = [row for row in measure_concentration(log, LoopSettings()).rows if row.metric == metric]
    return next(row for row in rows if dict(row.at) == at)


def test_what_an_area_under_the_sorted_histogram_cannot_see() -> None:
    # (max + min) / 2 is all that a trapezoid over sorted counts takes off n: both lists give it 75 of 100.
    one, several = [50.0] * 2 + [0.0] * 18, [50.0] + [5.0] * 10 + [0.0] * 9
    assert sum(one) == sum(several) == 100
    trapezoids = [np.trapezoid(np.sort(each)) for each in (one, several)]
    assert trapezoids == [75.0, 75.0]
    assert gini_index([one, several]).round(3).tolist() == [0.9, 0.675]


def test_indices_against_other_formulas() -> None:
    x = np.random.default_rng(0).poisson(4.0, 50).astype(float)
    share = x / x.sum()
    pairs = np.abs(x[:, None] - x[None, :]).sum() / (2 * len(x) * x.sum())
    assert float(gini_index(x)) == pytest.approx(pairs)
    assert float(herfindahl_index(x)) == pytest.approx((share**2).sum())
    assert float(entropy(x)) == pytest.approx(scipy_entropy(share) / np.log(50))
    assert float(top_share(x, k=3)) == pytest.approx(np.sort(share)[-3:].sum())
    assert float(aggregate_diversity(x)) == (x > 0).mean()


def test_nothing_shown_is_undefined() -> None:
    assert all(np.isnan(index(np.zeros(5))) for index in INDICES.values())


def arms(seed: int, *, taste: float, by_user: bool, share: float, steep: float = 0.0) -> tuple[Any, Any]:
    """Exposures of two arms by block, users with tastes of their own, and a model that is steeper by so much."""
    rng = np.random.default_rng(seed)
    users, items = 800, 80
    popularity = np.arange(1, items + 1) ** -0.8
    tastes = rng.dirichlet(taste * popularity / popularity.sum(), users) if taste else np.tile(popularity, (users, 1))
    model = tastes ** (1 + steep)
    model, tastes = (each / each.sum(axis=1, keepdims=True) for each in (model, tastes))
    rows = rng.poisson(12 * rng.gamma(1.0, 1.0, users))
    there = np.where(rng.random(users) < share, rows, 0) if by_user else rng.binomial(rows, share)
    found = np.zeros((2, 40, items))
    for user in range(users):
        found[0, user % 40] += rng.multinomial(rows[user] - there[user], model[user])
        found[1, user % 40] += rng.multinomial(there[user], tastes[user])
    return found[0], found[1]


def differences(runs: int, **world: Any) -> dict[str, Any]:
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in INDICES}
    for seed in range(runs):
        first, second = arms(seed, **world)
        for name, values in index_differences(first, second, rng=np.random.default_rng(seed)).items():
            estimate = jackknife(float(values[0]), values[1:])
            found[name].append((estimate.value, estimate.standard_error))
    return {name: np.array(each) for name, each in found.items()}


WORLDS = [
    {"taste": 0.0, "by_user": False, "share": 0.05},
    {"taste": 15.0, "by_user": True, "share": 0.05},
    {"taste": 15.0, "by_user": False, "share": 0.05},
]


@pytest.mark.parametrize("world", WORLDS)
def test_two_like_arms_of_very_different_size_differ_by_0_on_average(world: dict[str, Any]) -> None:
    found = differences(40, **world)
    for name in ("gini_index", "herfindahl_index", "top_share", "entropy"):
        estimate, error = found[name].T
        assert abs(estimate.mean()) < 3.0 * estimate.std() / np.sqrt(len(estimate)) + 0.2 * estimate.std(), name
        assert (np.abs(estimate) <= student.ppf(0.975, 39) * error).mean() >= 0.85, name
        assert ((estimate - student.ppf(0.95, 39) * error) > 0).mean() <= 0.15, name


def test_the_plain_difference_of_the_same_arms_is_far_from_0() -> None:
    first, second = arms(0, **WORLDS[0])
    plain = gini_index(first.sum(axis=0)) - gini_index(second.sum(axis=0))
    fair = index_differences(first, second, rng=np.random.default_rng(0))["gini_index"][0]
    assert plain < -0.03
    assert abs(fair) < 0.6 * abs(plain)


@pytest.mark.slow
@pytest.mark.parametrize("world", [*WORLDS, {"taste": 15.0, "by_user": True, "share": 0.5}])
def test_false_alarms_and_coverage_of_many(world: dict[str, Any]) -> None:
    found = differences(400, **world)
    for name in ("gini_index", "herfindahl_index", "top_share", "entropy"):
        estimate, error = found[name].T
        assert (np.abs(estimate) <= student.ppf(0.975, 39) * error).mean() >= 0.92, name
        assert abs(estimate.mean()) < 0.35 * estimate.std(), name


def test_a_steeper_model_is_found() -> None:
    found = differences(8, taste=0.0, by_user=False, share=0.1, steep=1.0)["gini_index"]
    assert (found[:, 0] - 2.0 * found[:, 1] > 0.05).all()


def test_overdispersion_is_1_of_independent_rows_and_the_design_effect_of_users() -> None:
    rng = np.random.default_rng(3)
    independent = rng.multinomial(400, np.full(50, 0.02), size=40).astype(float)
    assert overdispersion(independent) == pytest.approx(1.0, abs=0.1)
    assert overdispersion(3 * independent) == pytest.approx(3.0, abs=0.3)


def world(seed: int, *, loop: float, weeks: int = 10) -> PredictionLog:
    """Weeks of exposures with a season; the model's arm becomes steeper by `loop` each week, chance stays."""
    rng = np.random.default_rng(seed)
    popularity = np.arange(1, 41) ** -0.5
    parts = []
    for week in range(weeks):
        n = int(600 * (1 + 0.4 * np.sin(week)))
        arm = np.where(rng.random(n) < 0.15, "explore", "model")
        model = popularity ** (1 + loop * week)
        item = np.where(arm == "model", *(rng.choice(40, n, p=p / p.sum()) for p in (model, popularity)))
        time = START + week * 7 * DAY + rng.integers(0, 7 * DAY, n)
        parts.append((rng.integers(0, 500, n), item, arm, time))
    user, item, arm, time = (np.concatenate(each) for each in zip(*parts, strict=True))
    columns = {"u": [f"u{x}" for x in user], "i": [f"i{x}" for x in item], "arm": arm, "did": np.ones(len(arm))}
    return log_of(columns | {"t": pa.array(time).cast(pa.timestamp("us", tz="UTC"))})


def rings(seed: int, *, loop: float) -> dict[str, float]:
    found = measure_concentration(world(seed, loop=loop), LoopSettings())
    names = {row.key(): row.metric for row in found.rows}
    return {names[each.key]: each.e_value for each in found.evidence}


def test_growth_is_found_and_a_log_without_it_is_quiet() -> None:
    quiet = [rings(seed, loop=0.0) for seed in range(8)]
    assert max(max(each.values()) for each in quiet) < 20
    loud = rings(0, loop=0.25)
    assert loud["gini_index_growth"] > 20
    assert loud["gini_index_difference"] > 40


@pytest.mark.slow
def test_false_alarms_of_whole_logs() -> None:
    rang = [max(rings(seed, loop=0.0).values()) >= 20 for seed in range(100)]
    assert np.mean(rang) <= 0.05


def test_rows_of_a_log_by_arm_and_round() -> None:
    columns = {"i": ["a", "a", "b", "b"], "arm": ["model"] * 3 + ["explore"], "r": ["1", "2", "2", "2"]}
    log = log_of(columns | {"did": [1, 1, 1, 0]})
    assert value(log, "gini_index", arm="model").value == pytest.approx(1 / 6)
    assert value(log, "gini_index", arm="model", round="1").value == 0.5
    assert value(log, "gini_index", arm="model", round="2").n == 2
    assert value(log, "aggregate_diversity", arm="model", round="1").value == 0.5
    reason = next(row.reason for row in measure_concentration(log, LoopSettings()).rows if "difference" in row.metric)
    assert reason is not None
    assert reason.startswith("cannot be measured, because there is no arm to hold the model's exposures against")


def test_a_holdout_that_was_never_acted_on_counts_all_of_its_rows() -> None:
    log = log_of({"i": ["a", "b", "a"], "arm": ["holdout", "holdout", "model"], "did": [0, 0, 1]})
    assert value(log, "gini_index", arm="holdout").n == 2


def test_nothing_shown_and_a_single_item_are_no_numbers() -> None:
    nothing = measure_concentration(log_of({"i": ["a", "b"], "did": [0, 0]}), LoopSettings()).rows
    assert {row.metric for row in nothing} == {metric.name for metric in FAMILY}
    assert all(row.value is None and "nothing" not in row.metric for row in nothing)
    assert "no row with an item was shown" in str(nothing[0].reason)
    one = value(log_of({"i": ["a", "a"], "arm": ["model", "model"]}), "entropy", arm="model")
    assert one.value is None
    assert "single item" in one.reason


def test_few_exposures_of_an_arm_and_few_rounds_are_said() -> None:
    columns = {"i": ["a", "b"] * 60, "arm": ["model"] * 100 + ["explore"] * 20}
    rows = measure_concentration(log_of(columns), LoopSettings()).rows
    said = {row.metric: str(row.reason) for row in rows if row.value is None}
    assert "no round has 50 exposures in both arms; make the arm explore larger" in said["gini_index_difference"]
    many = {"i": ["a", "b"] * 200, "arm": ["model"] * 200 + ["explore"] * 200, "u": [f"u{n}" for n in range(400)]}
    rows = measure_concentration(log_of(many), LoopSettings()).rows
    said = {row.metric: str(row.reason) for row in rows if row.value is None}
    assert "a trend needs 8" in said["gini_index_growth"]


def test_hostile_names_of_items_and_a_missing_item() -> None:
    log = log_of({"i": ["<script>", "=1+1", "a\nb", "\u202e", None], "did": [1, 1, 1, 1, 1]})
    assert value(log, "aggregate_diversity").n == 4
