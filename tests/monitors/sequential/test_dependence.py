"""Dispersion of blocks, and what the divisor does to false alarms."""

import numpy as np
import pytest

from monitors.sequential.dependence import block_dispersion
from monitors.sequential.risk import log_e_risk


def test_independent_rows_have_none() -> None:
    counts = np.random.default_rng(0).binomial(500, 0.3, (60, 200))
    assert block_dispersion(counts, 500).mean() == pytest.approx(1.08, abs=0.05)  # floored at 1


def test_it_is_the_design_effect_of_clusters() -> None:
    rng = np.random.default_rng(1)
    counts = 10 * rng.binomial(50, 0.3, (200, 100))  # rows come in tens that are alike
    assert block_dispersion(counts, 500).mean() == pytest.approx(10.0, rel=0.03)


def test_the_bound_lies_above_the_dispersion_as_often_as_it_says() -> None:
    counts = 4 * np.random.default_rng(2).binomial(100, 0.3, (14, 2000))
    above = (block_dispersion(counts, 400, confidence=0.9) >= 4.0).mean()
    assert above == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("kind", ["overdispersed", "autocorrelated"])
def test_the_divisor_restores_the_promise(kind: str) -> None:
    rng, rows, days = np.random.default_rng(3), 200, 40
    shape = (300, 56 + days)
    if kind == "overdispersed":
        shares = rng.beta(12, 88, shape)
    else:
        noise, level = rng.normal(size=shape), np.zeros(shape)
        for day in range(1, shape[1]):
            level[:, day] = 0.3 * level[:, day - 1] + noise[:, day]
        shares = np.clip(0.12 + 0.03 * level, 0, 1)
    counts = rng.binomial(rows, shares)
    past, now = counts[:, :56], counts[:, 56:].cumsum(axis=1)
    n = rows * np.arange(1, days + 1)
    weekly = past.reshape(300, 8, 7).sum(axis=2)  # blocks long against the dependence
    divisor = block_dispersion(weekly.T, rows * 7, confidence=0.9)[:, None]
    bare = (log_e_risk(now, n, tolerated=0.12) >= np.log(20)).any(axis=1).mean()
    widened = (log_e_risk(now, n, tolerated=0.12, dispersion=divisor) >= np.log(20)).any(axis=1).mean()
    assert widened <= 0.05 < bare


def test_blocks_without_rows_do_not_count() -> None:
    assert float(block_dispersion([2, 8, 0], [10, 10, 0])) == pytest.approx(7.2)
    assert float(block_dispersion([0, 0], 10)) == 1.0


@pytest.mark.parametrize("counts", [[3], [3, 0]])
def test_too_few_blocks_are_refused(counts: list[int]) -> None:
    with pytest.raises(ValueError, match="at least 2 blocks"):
        block_dispersion(counts, [10, 0][: len(counts)])
