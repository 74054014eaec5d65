"""E-values and intervals of a ratio: against closed forms, adaptive quadrature and the published figures."""

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import betaln

from monitors.rate_ratio import log_e_outside, log_e_value, ratio_interval

LOOKS = 26
RUNS = 2000
LOG_LIMIT = math.log(20)
WEEKS = np.arange(1.0, LOOKS + 1)
NEVER = LOOKS + 1


def weekly(rng, mean, *, runs=RUNS, weeks=LOOKS, overdispersion=0.0):
    if overdispersion == 0.0:
        return rng.poisson(mean, (runs, weeks))
    return rng.negative_binomial(1 / overdispersion, 1 / (1 + overdispersion * mean), (runs, weeks))


def in_parallel(rng, *, mean, ratio, runs=RUNS, overdispersion=0.0, divide_by=1.0):
    """Running totals of a current and a baseline stream that both go on."""
    current = weekly(rng, mean * ratio, runs=runs, overdispersion=overdispersion).cumsum(axis=1) / divide_by
    baseline = weekly(rng, mean, runs=runs, overdispersion=overdispersion).cumsum(axis=1) / divide_by
    return current, baseline


def first_week(rang):
    return np.where(rang.any(axis=1), rang.argmax(axis=1) + 1, NEVER)


@pytest.mark.parametrize(
    ("current", "baseline"), [(0, 0), (7, 3), (0, 12), (12, 0), (300, 410), (2.5, 1.5), (1e6, 1.1e6)]
)
def test_equal_exposures_give_the_closed_form(current, baseline):
    expected = betaln(8 + current, 8 + baseline) - betaln(8, 8) + (current + baseline) * math.log(2)
    assert float(log_e_value(current, baseline)) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("ratio", [0.4, 1.0, 3.0])
@pytest.mark.parametrize(
    ("current", "baseline", "weeks", "weeks_before"), [(4, 90, 1, 8), (70, 9, 26, 2), (0, 5, 1, 52)]
)
def test_unequal_exposures_agree_with_adaptive_quadrature(current, baseline, weeks, weeks_before, ratio):
    def binomial(r):
        p = r * weeks / (r * weeks + weeks_before)
        return stats.binom.pmf(current, current + baseline, p)

    def integrand(x):
        return binomial(x / (1 - x)) / binomial(ratio) * stats.beta.pdf(x, 8, 8)

    mixture = sum(integrate.quad(integrand, k / 10, (k + 1) / 10)[0] for k in range(10))
    found = log_e_value(current, baseline, current_exposure=weeks, baseline_exposure=weeks_before, ratio=ratio)
    assert math.exp(found) == pytest.approx(mixture, rel=1e-6)


def test_scale_of_exposure_and_shape_do_not_matter():
    current, baseline = np.array([[3], [40]]), np.array([5, 20, 60])
    weeks = log_e_value(current, baseline, current_exposure=2, baseline_exposure=8, ratio=1.5)
    days = log_e_value(current, baseline, current_exposure=14, baseline_exposure=56, ratio=1.5)
    single = log_e_value(40, 60, current_exposure=2, baseline_exposure=8, ratio=1.5)
    assert weeks.shape == (2, 3)
    np.testing.assert_allclose(weeks, days, rtol=1e-12)
    assert weeks[1, 2] == pytest.approx(float(single), rel=1e-12)


def test_exchanging_the_two_streams_inverts_the_interval():
    there = ratio_interval([3, 0, 200], [9, 6, 150], current_exposure=2, baseline_exposure=5)
    back = ratio_interval([9, 6, 150], [3, 0, 200], current_exposure=5, baseline_exposure=2)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(there.low, 1 / back.high, rtol=1e-9)
        np.testing.assert_allclose(there.high, 1 / back.low, rtol=1e-9)
        np.testing.assert_allclose(there.ratio, 1 / back.ratio, rtol=1e-12)


def test_interval_ends_where_the_e_value_meets_the_limit():
    current, baseline = np.array([60, 7, 2000]), np.array([20, 15, 1500])
    found = ratio_interval(current, baseline, current_exposure=3, baseline_exposure=4, limit=50)
    for end in (found.low, found.high):
        at_end = log_e_value(current, baseline, current_exposure=3, baseline_exposure=4, ratio=end)
        np.testing.assert_allclose(at_end, math.log(50), rtol=1e-6)
    assert np.all((found.low < found.ratio) & (found.ratio < found.high))


def test_empty_streams_leave_a_side_open():
    found = ratio_interval([0, 0, 15], [0, 15, 0])
    np.testing.assert_array_equal(found.ratio, [np.nan, 0, np.inf])
    np.testing.assert_array_equal(found.low[:2], [0, 0])
    np.testing.assert_array_equal(np.isinf(found.high), [True, False, True])
    assert found.low[2] == pytest.approx(1 / found.high[1])
    assert found.low[2] > 1


def test_the_alarm_rings_exactly_when_the_interval_leaves_the_tolerance():
    rng = np.random.default_rng(11)
    current, baseline = rng.poisson(rng.uniform(0, 120, 3000)), rng.poisson(rng.uniform(0, 120, 3000))
    found = ratio_interval(current, baseline, current_exposure=2, baseline_exposure=3)
    outside = (found.low >= 1.25) | (found.high <= 1 / 1.25)
    rings = log_e_outside(current, baseline, current_exposure=2, baseline_exposure=3) >= LOG_LIMIT
    assert 500 < outside.sum() < 2500
    np.testing.assert_array_equal(rings, outside)


def test_a_tolerance_below_one_is_refused():
    with pytest.raises(ValueError, match=r"tolerance must be at least 1; got 0\.8"):
        log_e_outside(1, 2, tolerance=0.8)


def test_quiet_weeks_fool_the_naive_rules_and_not_the_mixture():
    rng = np.random.default_rng(1)
    current, baseline = weekly(rng, 10), weekly(rng, 10)
    naive = (current >= 2 * baseline) | (2 * current <= baseline)
    assert naive.any(axis=1).mean() == pytest.approx(0.992, abs=0.008)

    current, baseline = in_parallel(rng, mean=10, ratio=1, runs=4000)
    p_value = 2 * stats.binom.cdf(np.minimum(current, baseline), current + baseline, 0.5)
    assert (p_value <= 0.05).any(axis=1).mean() == pytest.approx(0.229, abs=0.02)
    assert (log_e_outside(current, baseline, tolerance=1) >= LOG_LIMIT).any(axis=1).mean() == pytest.approx(
        0.017, abs=0.006
    )


def test_quiet_weeks_hardly_ever_leave_the_tolerance():
    # the published 0 of 4,000 has probability .79: seven of 120,000 runs rang
    current, baseline = in_parallel(np.random.default_rng(12), mean=10, ratio=1, runs=20_000)
    assert (log_e_outside(current, baseline) >= LOG_LIMIT).any(axis=1).mean() <= 0.0003


@pytest.mark.parametrize(("ratio", "median", "nine_tenths"), [(2, 3, 6), (0.5, 6, 11)])
def test_weeks_until_an_exact_test_finds_a_change(ratio, median, nine_tenths):
    current, baseline = in_parallel(np.random.default_rng(2), mean=10, ratio=ratio)
    week = first_week(log_e_outside(current, baseline, tolerance=1) >= LOG_LIMIT)
    assert np.median(week) == median
    assert np.quantile(week, 0.9) == pytest.approx(nine_tenths, abs=1)


@pytest.mark.parametrize(("mean", "overdispersion", "median"), [(10, 0.0, 7), (100, 0.05, 4)])
def test_weeks_until_a_doubling_leaves_the_tolerance(mean, overdispersion, median):
    known = 1 + overdispersion * mean
    current, baseline = in_parallel(
        np.random.default_rng(3), mean=mean, ratio=2, overdispersion=overdispersion, divide_by=known
    )
    week = first_week(log_e_outside(current, baseline) >= LOG_LIMIT)
    assert np.median(week) == median
    assert (week < NEVER).mean() > 0.99


@pytest.mark.parametrize("ratio", [0.5, 1, 2])
def test_interval_holds_the_ratio_at_all_looks_of_two_streams(ratio):
    current, baseline = in_parallel(np.random.default_rng(4), mean=10, ratio=ratio)
    missed = log_e_value(current, baseline, ratio=ratio) >= LOG_LIMIT
    assert missed.any(axis=1).mean() <= 0.05


@pytest.mark.parametrize("mean", [1, 10])
@pytest.mark.parametrize("ratio", [0.5, 1, 2])
def test_interval_holds_the_ratio_at_all_looks_after_a_fixed_baseline(ratio, mean):
    rng = np.random.default_rng(5)
    baseline = weekly(rng, mean, weeks=8).sum(axis=1, keepdims=True)
    current = weekly(rng, mean * ratio).cumsum(axis=1)
    missed = log_e_value(current, baseline, current_exposure=WEEKS, baseline_exposure=8, ratio=ratio) >= LOG_LIMIT
    assert missed.any(axis=1).mean() <= 0.03


@pytest.mark.parametrize(("total", "weeks", "ratio"), [(5, 8, 1.0), (60, 8, 1.5), (60, 2, 0.5), (400, 26, 2.0)])
def test_e_values_average_one_at_the_true_ratio(total, weeks, ratio):
    current = np.arange(total + 1)
    log_e = log_e_value(current, total - current, current_exposure=weeks, baseline_exposure=8, ratio=ratio)
    log_chance = stats.binom.logpmf(current, total, ratio * weeks / (ratio * weeks + 8))
    assert np.sum(np.exp(log_e + log_chance)) == pytest.approx(1, rel=1e-8)


def test_the_package_stays_free_of_heavy_imports():
    code = "import sys, monitors; print(sorted({'torch', 'streamlit', 'plotly', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
