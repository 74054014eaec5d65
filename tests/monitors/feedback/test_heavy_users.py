"""Shares of heavy users cover the truth of log-normal activity; ranks are scipy's; few users are no evidence."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm, rankdata, spearmanr

from audit.predictions import PredictionLog
from monitors.feedback.heavy_users import (
    _ranks,
    heavy_user_share,
    leave_top_out_correlation,
    measure_heavy_users,
    share_bounds,
)
from monitors.feedback.settings import LoopRows, LoopSettings


def coverage(sigma: float, users: int, runs: int) -> tuple[float, float]:
    """How often the interval holds the truth, and how often it lies wholly above."""
    truth = norm.cdf(sigma - norm.ppf(0.99))
    hits = above = 0
    for seed in range(runs):
        found = heavy_user_share(np.exp(np.random.default_rng(seed).normal(0, sigma, users)))
        low, high = share_bounds(found, level=0.95)
        hits += low <= truth <= high
        above += low > truth
    return hits / runs, above / runs


@pytest.mark.parametrize(("sigma", "users"), [(0.5, 1_000), (1.0, 600), (1.5, 3_000)])
def test_coverage(sigma: float, users: int) -> None:
    covered, above = coverage(sigma, users, 300)
    assert covered >= 0.91
    assert above <= 0.04


@pytest.mark.slow
@pytest.mark.parametrize(("sigma", "users"), [(0.5, 600), (1.0, 3_000), (1.5, 600), (1.5, 10_000)])
def test_coverage_of_many(sigma: float, users: int) -> None:
    covered, above = coverage(sigma, users, 2_000)
    assert covered >= 0.91
    assert above <= 0.04


def test_correlation_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    heavy = rng.poisson(3.0, 40).astype(float)
    every = heavy + rng.poisson(6.0, 40)
    known = spearmanr(every, every - heavy).statistic
    assert float(leave_top_out_correlation(every, heavy)) == pytest.approx(known)
    assert np.isnan(leave_top_out_correlation(np.ones(5), np.zeros(5)))


def log_of(seed: int, *, fans: float = 0.0, users: int = 1_000, weight: bool = False) -> PredictionLog:
    """Users who choose alike; one in a hundred has `fans` times more rows, and wants the items nobody else wants."""
    rng = np.random.default_rng(seed)
    p = np.arange(1, 31) ** -0.7
    p /= p.sum()
    who, what = [], []
    for user in range(users):
        fan = fans > 0 and user % 100 == 0
        n = rng.poisson(20 * fans) if fan else rng.poisson(20)
        who += [f"u{user:05d}"] * n
        what += [f"i{item}" for item in rng.choice(30, n, p=p[::-1] if fan else p)]
    columns: dict[str, Any] = {"u": who, "i": what, "w": np.ones(len(who))}
    roles = {"user": "u", "item": "i"} | ({"training_weight": "w"} if weight else {})
    return PredictionLog.from_frame(pa.table(columns), task="watch", **roles)  # type: ignore[arg-type]


def measure(log: PredictionLog) -> LoopRows:
    return measure_heavy_users(log, LoopSettings())


def test_a_few_enthusiasts_who_set_the_ranks_are_found() -> None:
    found = measure(log_of(0, fans=200.0))
    share, correlation = found.rows
    assert share.value == pytest.approx(2 / 3, abs=0.03)  # 200 of 299 rows
    assert correlation.value is not None
    assert correlation.value < 0
    assert [each.e_value > 40 for each in found.evidence] == [True, True]


def test_like_users_are_quiet_and_weights_of_1_are_rows() -> None:
    found = measure(log_of(1))
    share, correlation = found.rows
    assert 0.01 < share.value < 0.03  # type: ignore[operator]
    assert correlation.low > 0.95  # type: ignore[operator]
    assert all(each.e_value < 1 for each in found.evidence)
    assert measure(log_of(1, weight=True)).rows[0].value == share.value


def test_few_users_few_items_and_no_weight_are_said() -> None:
    rows = measure(log_of(0, users=150)).rows
    assert [row.value for row in rows] == [None, None]
    assert "the log has 150 users" in str(rows[0].reason)
    few = measure(log_of(0, users=300)).rows[0]
    assert few.value is not None
    assert "fewer than six users make up one per cent" in str(few.reason)
    users = [f"u{number}" for number in range(600)]
    table = pa.table({"u": users, "i": ["a", "b"] * 300, "w": [0.0] * 600})
    log = PredictionLog.from_frame(table, task="watch", user="u", item="i", training_weight="w")
    assert "all training weights are 0" in str(measure(log).rows[0].reason)
    log = PredictionLog.from_frame(table, task="watch", user="u", item="i")
    assert "2 items have 10 rows or more" in str(measure(log).rows[1].reason)


def test_ranks_are_those_of_scipy() -> None:
    values = np.random.default_rng(1).integers(0, 5, (20, 30)).astype(float)
    assert np.array_equal(_ranks(values), rankdata(values, axis=-1))
