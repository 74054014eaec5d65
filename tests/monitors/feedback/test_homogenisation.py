"""Pairs are compared at equally many rows, errors are those of pairs, and sameness is found."""

from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit.predictions import PredictionLog
from monitors.feedback.homogenisation import Histories, mean_similarity, measure_homogenisation, similarity_difference
from monitors.feedback.settings import LoopRows, LoopSettings


def log_of(seed: int, *, steep: float = 0.0, by_user: bool = True, users: int = 300) -> PredictionLog:
    rng = np.random.default_rng(seed)
    popularity = np.arange(1, 61) ** -0.5
    tastes = rng.dirichlet(15 * popularity / popularity.sum(), users)
    columns: dict[str, list[Any]] = {"u": [], "i": [], "arm": [], "did": []}
    apart = rng.random(users) < 0.3
    for user in range(users):
        n = 4 + rng.poisson(10 * rng.gamma(1.0, 1.0))
        held = np.full(n, apart[user]) if by_user else rng.random(n) < 0.4
        model = tastes[user] * popularity**steep
        chosen = np.where(held, *(rng.choice(60, n, p=p / p.sum()) for p in (tastes[user], model)))
        columns["i"] += [f"i{item}" for item in chosen]
        columns["u"] += [f"u{user:04d}"] * n
        columns["arm"] += np.where(held, "holdout", "model").tolist()
        columns["did"] += np.where(held, 0, 1).tolist()
    roles = {"user": "u", "item": "i", "arm": "arm", "action": "did"}
    return PredictionLog.from_frame(pa.table(columns), task="watch", **roles)  # type: ignore[arg-type]


def measure(log: PredictionLog) -> LoopRows:
    return measure_homogenisation(log, LoopSettings())


def test_similarity_is_the_mean_jaccard_index_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(12), 5)
    item = np.concatenate([rng.choice(20, 5, replace=False) for _ in range(12)])
    found = mean_similarity(Histories(user, item), np.arange(12), rows=5, rng=rng)
    sets = [set(item[user == each]) for each in range(12)]
    pairs = [len(a & b) / len(a | b) for a, b in combinations(sets, 2)]
    assert found.mean() == pytest.approx(np.mean(pairs))


def test_error_is_the_jackknife_over_users() -> None:
    rng = np.random.default_rng(1)
    alike = rng.random((20, 20))
    alike = (alike + alike.T) / 2
    np.fill_diagonal(alike, 0.0)
    each = alike.sum(axis=1) / 19
    without = [np.delete(np.delete(alike, out, 0), out, 1).sum() / (19 * 18) for out in range(20)]
    error = np.sqrt(19 / 20 * ((np.array(without) - np.mean(without)) ** 2).sum())
    still = (np.arange(20, 40), np.full(20, 0.2))
    assert similarity_difference((np.arange(20), each), still).standard_error == pytest.approx(error)


def test_users_of_both_arms_cancel() -> None:
    each = np.random.default_rng(2).random(30)
    found = similarity_difference((np.arange(30), each), (np.arange(30), each + 0.1))
    assert found.value == pytest.approx(-0.1)
    assert found.standard_error == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("by_user", [True, False])
def test_a_model_that_shows_what_people_choose_is_quiet(by_user: bool) -> None:
    found = [measure(log_of(seed, by_user=by_user)) for seed in range(8)]
    rows = [each.rows[0] for each in found]
    assert abs(np.mean([row.value for row in rows])) < 0.01  # type: ignore[arg-type]
    assert sum(row.low <= 0 <= row.high for row in rows) >= 6  # type: ignore[operator]
    assert max(each.evidence[0].e_value for each in found) < 20


@pytest.mark.slow
@pytest.mark.parametrize("by_user", [True, False])
def test_coverage_of_many(by_user: bool) -> None:
    rows = [measure(log_of(seed, by_user=by_user)).rows[0] for seed in range(200)]
    assert np.mean([row.low <= 0 <= row.high for row in rows]) >= 0.92  # type: ignore[operator]


def test_sameness_is_found_and_the_seed_decides_the_sample() -> None:
    log = log_of(0, steep=1.5)
    found = measure(log)
    assert found.rows[0].low > 0.02  # type: ignore[operator]
    assert found.evidence[0].e_value > 100
    assert measure(log) == found


def test_what_is_lacking_is_said() -> None:
    few = log_of(0, users=40)
    assert "30 of each are needed" in str(measure(few).rows[0].reason)
    table = pa.table({"u": ["a"], "i": ["x"], "arm": ["holdout"]})
    log = PredictionLog.from_frame(table, task="watch", user="u", item="i", arm="arm")
    assert "no row of the arm model is logged" in str(measure(log).rows[0].reason)
