"""Intervals of distances: coverage at and away from 0, and how many rows they need."""

import numpy as np
import pytest

from monitors.drift.bounds import (
    around,
    ks_radius,
    ks_uniform_radius,
    largest_ratio_bound,
    rows_needed,
    simultaneous_bins,
    tv_radius,
)
from monitors.drift.distances import (
    hellinger_distance,
    hellinger_term,
    jeffreys_term,
    jensen_shannon_distance,
    jensen_shannon_term,
    kolmogorov_smirnov_statistic,
    population_stability_index,
    total_variation_distance,
)

EQUAL = np.full(10, 0.1)
TILTED = np.linspace(0.05, 0.15, 10) / np.linspace(0.05, 0.15, 10).sum()
RARE = np.array([0.9, 0.09, 0.005, 0.005])
RARER = np.array([0.9, 0.097, 0.003, 0.0])


def draws(first: np.ndarray, second: np.ndarray, m: int, n: int, repeats: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    return rng.multinomial(m, first, repeats), rng.multinomial(n, second, repeats)


@pytest.mark.parametrize(("p", "q"), [(EQUAL, EQUAL), (EQUAL, TILTED), (RARE, RARE), (RARE, RARER)])
@pytest.mark.parametrize(("m", "n"), [(5000, 100), (500, 500)])
def test_intervals_cover_at_0_and_away_from_it(p: np.ndarray, q: np.ndarray, m: int, n: int) -> None:
    was, now = draws(p, q, m, n)
    true = kolmogorov_smirnov_statistic(p, q), total_variation_distance(p, q)
    ks = around(kolmogorov_smirnov_statistic(was, now), ks_radius(m, n, alpha=0.1, edges=len(p) - 1))
    tv = around(total_variation_distance(was, now), tv_radius(m, n, alpha=0.1, bins=len(p)))
    for bounds, value in ((ks, true[0]), (tv, true[1])):
        assert ((bounds.low <= value + 1e-12) & (value <= bounds.high + 1e-12)).mean() >= 0.9
    for term, distance, root in (
        (hellinger_term, hellinger_distance, True),
        (jensen_shannon_term, jensen_shannon_distance, True),
        (jeffreys_term, lambda a, b: population_stability_index(a, b, smoothing=0), False),
    ):
        total = (lambda t: np.sqrt(t.sum(axis=-1))) if root else (lambda t: t.sum(axis=-1))
        found = simultaneous_bins(was, now, term=term, distance=total, level=0.9)
        value = float(distance(p, q))
        assert ((found.low <= value + 1e-12) & (value <= found.high + 1e-12)).mean() >= 0.9


def test_a_percentile_bootstrap_of_a_distance_never_covers_0() -> None:
    rng = np.random.default_rng(9)
    was, now = draws(EQUAL, EQUAL, 500, 500, repeats=30)
    low = [
        np.quantile(
            total_variation_distance(rng.multinomial(500, a / 500, 200), rng.multinomial(500, b / 500, 200)), 0.05
        )
        for a, b in zip(was, now, strict=True)
    ]
    assert min(low) > 0.0


def test_a_dispersion_widens() -> None:
    was, now = draws(EQUAL, TILTED, 5000, 5000, repeats=1)
    plain, wide = (
        simultaneous_bins(was, now, term=hellinger_term, distance=lambda t: np.sqrt(t.sum(-1)), dispersion=by)
        for by in (1.0, 5.0)
    )
    assert plain.low[0] > wide.low[0] >= 0.0
    assert plain.high[0] < wide.high[0]


def test_the_bound_of_factors_is_rarely_above_the_true_one() -> None:
    was, now = draws(RARE, np.array([0.88, 0.09, 0.005, 0.025]), 5000, 2000)
    found = largest_ratio_bound(was, now, alpha=0.1, min_share=0.001)
    assert (found > 5.0).mean() <= 0.1
    assert np.median(found) > 2.0
    null = largest_ratio_bound(*draws(RARE, RARE, 5000, 2000), alpha=0.1, min_share=0.001)
    assert (null > 1.0).mean() <= 0.1


def test_small_shares_are_left_out_of_the_factors() -> None:
    assert largest_ratio_bound([1, 9999], [40, 9960], alpha=0.05, min_share=0.005) == 1.0
    assert largest_ratio_bound([1, 9999], [40, 9960], alpha=0.05, min_share=0.001) > 3.0
    assert largest_ratio_bound([0, 0], [0, 0], alpha=0.05, min_share=0.0) == 1.0


def test_rows_needed_give_the_radius() -> None:
    n = float(rows_needed(5000, radius=0.1, log_term=np.log(20 / 0.01)))
    assert np.sqrt((1 / n + 1 / 5000) * np.log(20 / 0.01) / 2) == pytest.approx(0.1)
    assert rows_needed(10, radius=0.1, log_term=5.0) == np.inf


def test_the_uniform_radius_is_left_at_no_time_and_falls() -> None:
    rng = np.random.default_rng(10)
    looks = np.unique(np.geomspace(100, 20_000, 30).astype(int))
    missed = 0
    for _ in range(60):
        values = rng.random(20_000)
        far = [np.max(np.abs(np.sort(values[:t]) - np.arange(1, t + 1) / t)) for t in looks]
        missed += bool((np.array(far) > ks_uniform_radius(looks)).any())
    assert missed / 60 <= 0.05
    assert float(ks_uniform_radius(1000)) == pytest.approx(0.0828, abs=5e-5)
    assert float(ks_uniform_radius(50)) == np.inf
    assert (np.diff(ks_uniform_radius(looks)) < 0).all()
