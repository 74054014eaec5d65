"""Slopes are those of numpy, and their intervals cover under restless weeks."""

import numpy as np
import pytest
from scipy.stats import linregress
from scipy.stats import t as student

from monitors.feedback.trends import FEWEST, slopes, trend


def series(seed: int, points: int, memory: float) -> np.ndarray:  # type: ignore[type-arg]
    noise = np.random.default_rng(seed).normal(size=points + 50)
    for place in range(1, len(noise)):
        noise[place] += memory * noise[place - 1]
    return noise[50:]


def coverage(points: int, memory: float, runs: int) -> float:
    hits = 0
    for seed in range(runs):
        found = trend(series(seed, points, memory) + 0.3 * np.arange(points))
        hits += abs(found.value - 0.3) <= student.ppf(0.975, found.df) * found.standard_error
    return hits / runs


def test_slope_and_error_are_those_of_least_squares_where_residuals_alternate() -> None:
    values = np.array([0.0, 1.2, 1.8, 3.3, 3.7, 5.2, 5.9, 7.1, 7.8, 9.2])
    found, known = trend(values), linregress(np.arange(10), values)
    assert found.value == pytest.approx(known.slope)
    assert found.standard_error == pytest.approx(known.stderr)


def test_gaps_are_left_out() -> None:
    values = np.array([[0.0, np.nan, 2.0, 3.5, 4.0]])
    assert slopes(values)[0] == pytest.approx(linregress([0, 2, 3, 4], [0.0, 2.0, 3.5, 4.0]).slope)


def test_few_points_have_no_error() -> None:
    assert np.isnan(trend(np.arange(FEWEST - 1.0)).standard_error)
    assert np.isnan(trend(np.array([1.0, 2.0])).value)


def test_the_larger_of_both_errors_counts() -> None:
    rng = np.random.default_rng(0)
    smooth = 0.1 * np.arange(12.0)
    deleted = smooth + rng.normal(0, 0.2, (40, 12))
    assert trend(smooth + 1e-6 * rng.normal(size=12), deleted=deleted).standard_error > 0.01


@pytest.mark.parametrize(
    ("points", "memory", "least"), [(8, 0.0, 0.94), (26, 0.0, 0.94), (26, 0.3, 0.92), (12, 0.3, 0.91)]
)
def test_coverage(points: int, memory: float, least: float) -> None:
    assert coverage(points, memory, 600) >= least


@pytest.mark.slow
@pytest.mark.parametrize(("points", "memory", "least"), [(8, 0.0, 0.95), (26, 0.3, 0.92), (52, 0.6, 0.90)])
def test_coverage_of_many(points: int, memory: float, least: float) -> None:
    assert coverage(points, memory, 10_000) >= least
