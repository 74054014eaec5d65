"""Bets on means: bounds that hold, evidence that hardly ever reaches its limit by chance, and finds a late rise."""

import numpy as np
import pytest
from scipy import stats

from monitors.performance.bets import log_e_mean, mean_bound

VALUES = np.linspace(0, 1, 21)


def shares(a, b):
    """Return the shares of 21 values of a discretised beta distribution."""
    edges = np.append(VALUES - 0.025, 2.0)
    edges[0] = -1.0
    return np.diff(stats.beta.cdf(edges, a, b))


@pytest.mark.parametrize("rows", [30, 300, 3000])
def test_the_bound_of_a_mean_fails_as_rarely_as_declared(rows):
    rng, p, runs = np.random.default_rng(rows), shares(1, 4), 400
    counts = rng.multinomial(rows, p, runs).astype(float)
    missed = sum(mean_bound(VALUES, each, 1.0, error=0.05) < p @ VALUES for each in counts)
    assert missed <= stats.binom.ppf(0.99, runs, 0.05)


def test_the_bound_is_above_the_mean_and_tightens_with_rows():
    p = shares(1, 4)
    bounds = [mean_bound(VALUES, n * p, 1.0, error=0.01) for n in (100, 1000, 10_000)]
    assert bounds == sorted(bounds, reverse=True)
    assert p @ VALUES < bounds[-1] < p @ VALUES + 0.02
    assert mean_bound(VALUES, 1000 * p, 10.0, error=0.01) == pytest.approx(bounds[0])


def test_quiet_windows_reach_the_limit_in_at_most_alpha_of_runs():
    rng, p, runs = np.random.default_rng(1), shares(1, 4), 500
    counts = rng.multinomial(50, p, (runs, 40)).astype(float)
    rang = sum(log_e_mean(VALUES, each, limit=float(p @ VALUES)).max() >= np.log(10) for each in counts)
    assert rang <= stats.binom.ppf(0.99, runs, 0.1)


def test_the_expectation_of_each_window_is_at_most_one():
    rng, p = np.random.default_rng(2), shares(0.5, 2)
    counts = rng.multinomial(5, p, (20_000, 2)).astype(float)
    e_values = np.exp([log_e_mean(VALUES, each, limit=float(p @ VALUES)) for each in counts])
    assert (e_values.mean(axis=0) <= 1.02).all()


def test_a_rise_after_a_long_good_time_is_found_soon():
    rng = np.random.default_rng(3)
    counts = np.concatenate([rng.multinomial(200, shares(1, 4), 60), rng.multinomial(200, shares(1.6, 4), 6)])
    log_e = log_e_mean(VALUES, counts.astype(float), limit=0.24)
    assert log_e[59] < 0 < np.log(1000) < log_e[63]


def test_nothing_exceeds_a_limit_of_one():
    assert log_e_mean(VALUES, np.ones((3, 21)), limit=1.0).tolist() == [0.0, 0.0, 0.0]
