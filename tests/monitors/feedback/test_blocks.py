"""Blocks hold all rows of a user, intervals of blocks cover, and evidence of t is what its tail says."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from scipy import stats

from audit.predictions import PredictionLog
from monitors.feedback.blocks import (
    MOST,
    Estimate,
    Label,
    Limit,
    evidence,
    jackknife,
    measured,
    numbers,
    user_blocks,
    without_each,
)
from monitors.feedback.decisions import decisions
from monitors.feedback.evidence import normal_e_value

SINCE = datetime(2026, 1, 5, tzinfo=UTC)


def blocks_of(data: object, **roles: str) -> dict[str, set[int]]:
    log = PredictionLog.from_frame(data, task="watch", **roles)  # type: ignore[arg-type]
    found = user_blocks(log, window="7d")
    rows = decisions(log).select("user", block=found.expression).collect(backend="pyarrow").to_native().to_pylist()
    by_user: dict[str, set[int]] = {}
    for row in rows:
        by_user.setdefault(row["user"], set()).add(row["block"])
    return by_user


def test_users_stay_whole_and_engines_agree() -> None:
    rng = np.random.default_rng(0)
    users = [f"user-{number}" for number in rng.integers(0, 3_000, 20_000)]
    by_arrow = blocks_of(pa.table({"u": users}), user="u")
    assert by_arrow == blocks_of(pl.DataFrame({"u": users}), user="u")
    assert all(len(found) == 1 for found in by_arrow.values())
    sizes = np.bincount([next(iter(by_arrow[user])) for user in users])
    assert len(sizes) == MOST
    assert sizes.min() > 0.5 * len(users) / MOST
    assert sizes.max() < 2 * len(users) / MOST


@pytest.mark.parametrize("name", ["<script>", "=1+1", "a\nb", "\u202eabc", "é'; --", "日本語"])
def test_hostile_names_have_a_block(name: str) -> None:
    users = [f"{name}{number}" for number in range(50)] + [name]
    assert all(len(found) == 1 for found in blocks_of(pa.table({"u": users}), user="u").values())


def test_without_users_windows_are_blocks_and_without_times_there_are_none() -> None:
    times = [f"2026-0{1 + week // 4}-{1 + 7 * (week % 4):02d}T00:00:00Z" for week in range(12)]
    timed = PredictionLog.from_frame(pa.table({"t": times}), task="watch", timestamp="t")
    assert user_blocks(timed, window="7d").of == "windows"
    few = PredictionLog.from_frame(pa.table({"u": ["a", "b"] * 50}), task="watch", user="u")
    assert user_blocks(few, window="7d")[1:] == (1, "nothing")


def test_jackknife_is_the_standard_error_of_a_mean() -> None:
    values = np.random.default_rng(1).normal(size=30)
    found = jackknife(float(values.mean()), without_each(values)[1:] / 29)
    assert found.standard_error == pytest.approx(stats.sem(values))
    assert found.df == 29


def test_few_blocks_give_no_interval_and_no_evidence() -> None:
    few = Estimate(0.9, 0.01, 4)
    row = measured(Label("share", 10, 0.95), few, method="block_jackknife", caveat="rows of users")
    assert row.low is None
    assert row.reason is not None
    assert row.reason.startswith("rows of users; no interval: fewer than six independent blocks")
    assert evidence(row, few, Limit(0.1), SINCE) == ()


def test_evidence_of_t_is_that_of_the_normal_of_equal_tail() -> None:
    row = measured(Label("share", 10, 0.95), Estimate(0.5, 0.1, 7), method="block_jackknife")
    got = evidence(row, Estimate(0.5, 0.1, 7), Limit(0.2), SINCE)[0].e_value
    assert got == pytest.approx(normal_e_value(stats.norm.isf(stats.t.sf(3.0, 7)), 1.0, limit=0.0), rel=1e-6)
    below = evidence(row, Estimate(-0.1, 0.1, 7), Limit(0.2, "below"), SINCE)[0].e_value
    assert below == pytest.approx(got, rel=1e-6)
    huge = evidence(row, Estimate(1e6, 0.1, 200), Limit(0.2), SINCE)[0].e_value
    assert huge > 1e100


def test_evidence_has_expectation_of_at_most_one_at_the_limit() -> None:
    rng = np.random.default_rng(2)
    row = measured(Label("share", 10, 0.95), Estimate(0.5, 0.1, 9), method="block_jackknife")
    found = []
    for _ in range(2_000):
        x = rng.normal(size=10)
        estimate = Estimate(float(x.mean()), float(stats.sem(x)), 9)
        found.append(evidence(row, estimate, Limit(0.0), SINCE)[0].e_value)
    assert np.mean(np.minimum(found, 1_000)) < 1.15
    assert np.mean(np.array(found) >= 20) <= 0.05


def test_numbers_keep_nulls_apart() -> None:
    found = numbers(pa.table({"n": [1, None], "arm": ["model", None]}))
    assert np.isnan(found["n"][1])
    assert found["arm"] == ["model", None]
