"""Coverage of the intervals: the same measurement must show the common way wrong and ours right."""

import importlib.util
from itertools import product
from pathlib import Path

import numpy as np
import pytest

# The measurements live beside the table that prints them; benchmarks/ is no installed package, so it is loaded by path.
_spec = importlib.util.spec_from_file_location(
    "coverage_benchmark", Path(__file__).parents[2] / "benchmarks" / "coverage.py"
)
measure = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(measure)

RATIO_SIZES = [(30, 30), (30, 3000), (3000, 30), (300, 300), (3000, 3000)]
RATIO_RATES = [(0.95, 0.95), (0.95, 0.9), (0.3, 0.2)]


@pytest.mark.parametrize(("n", "p", "bootstrap", "wilson"), [(30, 0.05, 0.782, 0.939), (100, 0.02, 0.866, 0.949)])
def test_percentile_bootstrap_of_a_rare_rate_covers_too_rarely_and_wilson_does_not(n, p, bootstrap, wilson):
    coverage = measure.one_rate(n, p)
    assert coverage.wrong == pytest.approx(bootstrap, abs=5e-4)
    assert coverage.right == pytest.approx(wilson, abs=5e-4)


@pytest.mark.parametrize(("n", "wilson"), [(55, 0.895), (100, 0.921)])
def test_wilson_alone_covers_too_rarely_at_one_percent(n, wilson):
    alone, ours = measure.rate_grid(n, 0.01)
    assert float(alone[0, 0]) == pytest.approx(wilson, abs=5e-4)
    assert float(ours[0, 0]) >= 0.95


@pytest.mark.parametrize(("n", "p"), [(55, 0.01), (140, 0.3)])
def test_exact_coverage_equals_the_sum_over_all_counts(n, p):
    x = np.arange(n + 1)
    for bounds, coverage in zip(
        (measure.wilson(x, n, critical=measure.Z), measure.rate(x, n)), measure.rate_grid(n, p), strict=True
    ):
        by_sum = measure.binom.pmf(x, n, p)[(bounds.low <= p) & (p <= bounds.high)].sum()
        assert float(coverage[0, 0]) == pytest.approx(by_sum, abs=1e-12)


def test_rate_covers_over_the_grid_and_wilson_alone_does_not():
    sizes = np.unique([*range(30, 120, 5), *np.geomspace(120, 3000, 60).astype(int)])
    alone, ours = measure.rate_grid(sizes, np.arange(0.01, 0.501, 0.005))
    assert ours.min() >= 0.925
    assert ours.mean() >= 0.95
    assert alone.min() < 0.9


@pytest.mark.slow
def test_rate_covers_over_the_full_grid():
    alone, ours = measure.rate_grid(np.arange(30, 3001), np.arange(0.01, 0.5001, 0.001))
    assert ours.min() >= 0.92
    assert ours.mean() >= 0.95
    assert alone.min() < 0.9


@pytest.mark.parametrize("p", [0.02, 0.05, 0.3, 0.5])
def test_bonferroni_holds_for_all_pairs_of_three_groups_and_unadjusted_pairs_do_not(p):
    coverage = measure.all_pairs([p] * 3, 100)
    assert 0.933 <= coverage.right <= 1.0
    if p >= 0.05:
        assert coverage.wrong < 0.92


def test_percentile_bootstrap_of_the_largest_of_equal_gaps_never_covers():
    coverage = measure.largest_gap([0.3] * 3, 100)
    assert coverage.wrong == 0.0
    assert coverage.right >= 0.933


@pytest.mark.parametrize(("groups", "n", "p"), list(product((2, 3, 5, 8, 12), (30, 100, 1000), (0.02, 0.1, 0.5))))
def test_largest_gap_rule_covers_for_equal_groups(groups, n, p):
    assert measure.largest_gap([p] * groups, n, replicates=1).right >= 0.929


@pytest.mark.parametrize(
    ("rates", "n"),
    [
        ([0.2, 0.3], 300),
        ([0.02, 0.05], [30, 3000]),
        ([0.1, 0.1, 0.2], [1000, 50, 100]),
        ([0.05, 0.3, 0.3, 0.3], [40, 200, 200, 200]),
        ([0.2, 0.22, 0.25, 0.28, 0.3, 0.3], 300),
        (np.linspace(0.1, 0.4, 12), np.geomspace(30, 3000, 12).astype(int)),
    ],
)
def test_largest_gap_rule_covers_for_unequal_groups(rates, n):
    assert measure.largest_gap(rates, n, replicates=1).right >= 0.929


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("groups", [2, 3, 4, 6, 9, 12])
def test_largest_gap_rule_covers_at_random_settings(groups, seed):
    rng = np.random.default_rng([seed, groups])
    for _ in range(10):
        rates, n = rng.uniform(0.01, 0.6, groups), np.exp(rng.uniform(np.log(30), np.log(3000), groups)).astype(int)
        assert measure.largest_gap(rates, n, replicates=1, runs=10_000, seed=seed).right >= 0.929


@pytest.mark.parametrize(("sizes", "rates"), list(product(RATIO_SIZES, RATIO_RATES)))
def test_koopman_covers_in_fifteen_settings(sizes, rates):
    assert 0.946 <= measure.ratio(sizes[0], rates[0], sizes[1], rates[1]).right <= 1.0


@pytest.mark.parametrize(
    ("n1", "p1", "n2", "p2", "expected"), [(30, 0.95, 3000, 0.95, 0.784), (3000, 0.95, 30, 0.9, 0.835)]
)
def test_log_interval_of_a_ratio_near_one_covers_too_rarely(n1, p1, n2, p2, expected):
    """By exact enumeration of the plain log interval; with half a success added to each count it is .825 at 3000/30."""
    coverage = measure.ratio(n1, p1, n2, p2)
    assert coverage.wrong == pytest.approx(expected, abs=1e-3)
    assert coverage.right >= 0.946


def test_weekly_looks_at_a_fixed_level_pass_a_model_at_its_limit_and_a_spent_level_does_not():
    chance = measure.weekly_gates(0.1)
    assert 0.11 <= chance.wrong <= 0.14
    # The level spent in all is .05 (1 - 1/27) on two sides, .024 on the side that passes.
    assert 0.0 < chance.right <= 0.024


def test_weights_read_as_counts_understate_the_error_and_linearising_does_not():
    errors = measure.weighted(runs=400)
    assert errors.wrong / errors.true == pytest.approx(0.6, abs=0.06)
    assert errors.right / errors.true == pytest.approx(1.0, abs=0.1)
    assert 0.92 <= errors.coverage <= 0.98


@pytest.mark.parametrize("clusters", [20, 800])
def test_rows_of_clusters_taken_as_independent_claim_a_third_of_the_error(clusters):
    errors = measure.clustered(clusters=clusters, runs=2000)
    assert errors.wrong / errors.true == pytest.approx(1 / 3, abs=0.03)
    assert errors.right / errors.true == pytest.approx(1.0, abs=0.06)
    assert 0.93 <= errors.coverage <= 0.97
