"""Evidence that two rates lie further apart than a limit: against brute force, and for how often it lies."""

from math import log

import numpy as np
import pytest
from scipy.special import betaln, xlog1py, xlogy

from monitors.performance.gap_evidence import CONCENTRATION, log_e_gap


def _brute(s1: int, n1: int, s2: int, n2: int, limit: float) -> float:
    grid = np.linspace(0, 1, 2001)
    one, two = np.meshgrid(grid, grid)
    inside = np.abs(one - two) <= limit + 1e-12
    total = 0.0
    likelihood = np.zeros_like(one)
    for s, n, p in ((s1, n1, one), (s2, n2, two)):
        a = CONCENTRATION * 0.5 + 0.5
        total += betaln(a + s, a + n - s) - betaln(a, a)
        likelihood = likelihood + xlogy(s, p) + xlog1py(n - s, -p)
    return float(total - likelihood[inside].max())


@pytest.mark.parametrize(
    "counts", [(30, 100, 30, 100), (60, 100, 30, 100), (5, 40, 25, 60), (0, 20, 20, 20), (3, 3, 0, 50)]
)
@pytest.mark.parametrize("limit", [0.0, 0.05, 0.3])
def test_it_is_the_smallest_over_all_pairs_within_the_limit(counts: tuple[int, ...], limit: float) -> None:
    s1, n1, s2, n2 = counts
    found = float(log_e_gap((s1, n1), (s2, n2), limit=limit))
    assert found == pytest.approx(_brute(s1, n1, s2, n2, limit), abs=0.02)
    assert found == pytest.approx(float(log_e_gap((s2, n2), (s1, n1), limit=limit)), abs=1e-9)


def test_no_rows_are_no_evidence_and_nothing_lies_beyond_a_limit_of_one() -> None:
    assert float(log_e_gap((0, 0), (5, 9), limit=0.0)) == 0.0
    assert float(log_e_gap((9, 9), (0, 9), limit=1.0)) == -np.inf


def test_false_alarms_at_the_limit_over_forty_looks() -> None:
    rng = np.random.default_rng(1)
    for rates in ((0.3, 0.2), (0.12, 0.02), (0.6, 0.5)):
        runs, looks = 1500, 40
        one = rng.binomial(60, rates[0], (runs, looks)).cumsum(axis=1)
        two = rng.binomial(140, rates[1], (runs, looks)).cumsum(axis=1)
        n = np.arange(1, looks + 1)
        log_e = log_e_gap((one, 60 * n), (two, 140 * n), limit=0.1, expected=(0.25, 0.25))
        assert (log_e.max(axis=1) >= log(20)).mean() <= 0.05


def test_a_gap_beyond_the_limit_is_found() -> None:
    rng = np.random.default_rng(2)
    one, two = (rng.binomial(100, rate, (200, 40)).cumsum(axis=1) for rate in (0.35, 0.15))
    n = 100 * np.arange(1, 41)
    found = log_e_gap((one, n), (two, n), limit=0.05) >= log(20)
    assert found.any(axis=1).mean() == 1.0
    assert np.median(found.argmax(axis=1)) <= 8
