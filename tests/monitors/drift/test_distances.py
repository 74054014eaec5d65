"""Distances against scipy, published values and theory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp, norm
from scipy.stats import wasserstein_distance as scipy_wasserstein

from monitors.drift.distances import (
    hellinger_distance,
    jensen_shannon_distance,
    jensen_shannon_term,
    kolmogorov_smirnov_statistic,
    population_stability_index,
    quantile_on_bins,
    shares,
    total_variation_distance,
    wasserstein_distance,
)

COUNTS = arrays(np.int64, (2, 6), elements=st.integers(0, 1000)).filter(lambda both: (both.sum(axis=1) > 0).all())
ALL = (
    population_stability_index,
    jensen_shannon_distance,
    hellinger_distance,
    total_variation_distance,
    kolmogorov_smirnov_statistic,
)


def binned(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def test_hellinger_has_the_value_of_evidentlys_own_test() -> None:
    found = hellinger_distance([16, 18, 16, 14, 12, 12], [16, 16, 16, 16, 16, 8])
    assert float(found) == pytest.approx(0.06812, abs=1e-5)


def test_stability_index_of_a_shift_by_one_sd_is_near_its_theory_of_one() -> None:
    rng = np.random.default_rng(0)
    reference, current = rng.normal(0, 1, 20_000), rng.normal(1, 1, 20_000)
    found = [
        float(population_stability_index(binned(reference, edges), binned(current, edges)))
        for edges in (np.quantile(reference, np.arange(1, bins) / bins) for bins in (10, 30, 200))
    ]
    assert found == sorted(found)
    assert found[1] == pytest.approx(0.976, abs=0.04)
    assert found[2] == pytest.approx(1.0, abs=0.05)


@given(COUNTS)
def test_jensen_shannon_is_scipys(both: np.ndarray) -> None:
    expected = jensenshannon(both[0], both[1], base=2)
    assert float(jensen_shannon_distance(*both)) == pytest.approx(float(expected), abs=1e-7)


@given(COUNTS)
def test_hellinger_and_total_variation_bound_each_other(both: np.ndarray) -> None:
    h, tv = float(hellinger_distance(*both)), float(total_variation_distance(*both))
    assert h**2 - 1e-12 <= tv <= h * np.sqrt(2 - h**2) + 1e-12
    assert float(kolmogorov_smirnov_statistic(*both)) <= tv + 1e-12


@given(COUNTS)
def test_distances_are_symmetric_nonnegative_and_0_of_equal_shares(both: np.ndarray) -> None:
    for distance in ALL:
        assert float(distance(*both)) == pytest.approx(float(distance(both[1], both[0])), abs=1e-9)
        assert float(distance(*both)) >= 0
        assert float(distance(both[0], both[0])) == pytest.approx(0.0, abs=1e-9)


def test_ks_on_bins_is_a_lower_bound_and_exact_where_every_value_has_its_bin() -> None:
    rng = np.random.default_rng(1)
    reference, current = rng.normal(size=500), rng.normal(0.3, 1.2, 300)
    true = ks_2samp(reference, current).statistic
    for bins in (5, 10, 60):
        edges = np.quantile(reference, np.arange(1, bins) / bins)
        found = float(kolmogorov_smirnov_statistic(binned(reference, edges), binned(current, edges)))
        assert true - 1 / bins - 0.01 <= found <= true
    everywhere = np.sort(np.concatenate([reference, current]))
    found = float(kolmogorov_smirnov_statistic(binned(reference, everywhere), binned(current, everywhere)))
    assert found == pytest.approx(true)


@pytest.mark.parametrize(("shift", "scale"), [(0.5, 1.0), (0.0, 1.3), (-0.2, 0.8)])
def test_wasserstein_comes_near_scipys_with_many_bins(shift: float, scale: float) -> None:
    rng = np.random.default_rng(2)
    reference, current = rng.uniform(-1, 1, 20_000), shift + scale * rng.uniform(-1, 1, 20_000)
    edges = np.linspace(-3, 3, 400)
    found = float(wasserstein_distance(binned(reference, edges), binned(current, edges), edges=edges))
    assert found == pytest.approx(scipy_wasserstein(reference, current), rel=0.02)


def test_wasserstein_does_not_see_beyond_the_outer_edges() -> None:
    edges = np.array([0.0, 1.0])
    assert float(wasserstein_distance([5, 5, 0], [5, 0, 5], edges=edges)) == pytest.approx(0.25)
    assert float(wasserstein_distance([5, 5], [0, 10], edges=[3.0])) == 0.0


def test_units_of_1e_minus_5_are_no_zero() -> None:
    rng = np.random.default_rng(3)
    reference, current = 1e-5 * rng.normal(size=5000), 1e-5 * rng.normal(1, 1, 5000)
    edges = np.quantile(reference, np.arange(1, 60) / 60)
    moved = float(wasserstein_distance(binned(reference, edges), binned(current, edges), edges=edges))
    iqr = float(quantile_on_bins(binned(reference, edges), edges=edges, share=0.75)) - float(
        quantile_on_bins(binned(reference, edges), edges=edges, share=0.25)
    )
    assert moved == pytest.approx(0.9e-5, rel=0.1)
    assert iqr == pytest.approx((norm.ppf(0.75) - norm.ppf(0.25)) * 1e-5, rel=0.05)


def test_one_outlier_does_not_hide_a_shift() -> None:
    rng = np.random.default_rng(4)
    reference = np.append(rng.normal(size=4999), 1e9)
    edges = np.quantile(reference, np.arange(1, 60) / 60)
    found = kolmogorov_smirnov_statistic(binned(reference, edges), binned(rng.normal(1, 1, 1000), edges))
    assert float(found) == pytest.approx(2 * norm.cdf(0.5) - 1, abs=0.05)


def test_without_rows_there_is_no_distance() -> None:
    for distance in ALL:
        assert np.isnan(float(distance([1, 2], [0, 0])))
        assert np.isnan(float(distance([0, 0], [1, 2])))
    assert np.isnan(float(wasserstein_distance([1, 2, 3], [0, 0, 0], edges=[0.0, 1.0])))


def test_an_empty_bin_is_finite() -> None:
    found = float(population_stability_index([100, 0], [50, 50]))
    assert np.isfinite(found)
    assert found > 1.0
    assert float(population_stability_index([100, 0], [50, 50], smoothing=0)) == np.inf


def test_counts_broadcast_over_windows_and_slices() -> None:
    rng = np.random.default_rng(5)
    reference, current = rng.integers(1, 50, (3, 7)), rng.integers(1, 50, (4, 3, 7))
    for distance in ALL:
        found = distance(reference, current)
        assert found.shape == (4, 3)
        assert found[2, 1] == pytest.approx(float(distance(reference[1], current[2, 1])))


def test_terms_of_jensen_shannon_are_never_negative() -> None:
    grid = np.linspace(0, 1, 21)
    assert (jensen_shannon_term(grid[:, None], grid[None]) >= -1e-15).all()
    assert shares([[0, 0], [1, 1]])[1].tolist() == [0.5, 0.5]
