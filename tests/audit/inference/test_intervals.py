"""Intervals of one rate: published values, defining equations, an independent implementation, edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from audit.inference.intervals import (
    Interval,
    clopper_pearson,
    enough_units,
    quantile,
    rate,
    student,
    uses_clopper_pearson,
    wilson,
)

Z = quantile(0.95)
REPEATABLE = settings(deadline=None, derandomize=True)
COUNTS = [(0, 10), (1, 10), (5, 10), (10, 10), (3, 55), (9, 100), (10, 100), (90, 100), (91, 100), (777, 3000)]


def counts(largest=5000):
    return st.integers(1, largest).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_quantile_of_the_normal_is_the_tabled_one():
    tabled = [1.644854, 1.959964, 2.575829]
    np.testing.assert_allclose(quantile([0.90, 0.95, 0.99]), tabled, atol=5e-7)


def test_quantile_of_t_is_the_tabled_one_and_tends_to_the_normal():
    np.testing.assert_allclose(student(0.95, df=[1, 5, 10, 30]), [12.7062, 2.5706, 2.2281, 2.0423], atol=5e-5)
    np.testing.assert_array_equal(quantile(0.95, df=[5, 10, 30]), student(0.95, df=[5, 10, 30]))
    assert quantile(0.95, df=np.inf) == quantile(0.95)
    assert quantile(0.95, df=1e7) == pytest.approx(float(quantile(0.95)), abs=1e-6)


def test_quantile_shares_the_error_over_the_comparisons():
    np.testing.assert_allclose(quantile(0.95, comparisons=[1, 5]), quantile([0.95, 0.99]))
    assert quantile(0.95, df=7, comparisons=5) == pytest.approx(stats.t.isf(0.005, 7), rel=1e-12)


def test_quantile_broadcasts_its_arguments():
    assert quantile([0.9, 0.95], df=[[3], [9], [np.inf]], comparisons=2).shape == (3, 2)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 1.5, np.nan])
def test_quantile_of_no_level_is_undefined(level):
    assert np.isnan(quantile(level))


def test_quantile_without_degrees_of_freedom_or_comparisons_is_undefined():
    assert np.isnan(quantile(0.95, df=[0, -1, np.nan])).all()
    assert np.isnan(quantile(0.95, comparisons=0))


@pytest.mark.parametrize(
    ("x", "n", "low", "high"),
    [
        (50, 100, 0.4038, 0.5962),
        (70, 100, 0.6042, 0.7811),
        (4, 5, 0.3755, 0.9638),
        (4, 6, 0.3000, 0.9032),
        (2, 5, 0.1176, 0.7693),
        (1, 5, 0.0362, 0.6245),
    ],
)
def test_wilson_reproduces_published_intervals(x, n, low, high):
    bounds = wilson(x, n, critical=Z)
    assert float(bounds.low) == pytest.approx(low, abs=5e-5)
    assert float(bounds.high) == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize(("x", "n"), COUNTS)
@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
def test_wilson_and_clopper_pearson_agree_with_statsmodels(x, n, level):
    bounds = wilson(x, n, critical=quantile(level))
    np.testing.assert_allclose(bounds, proportion_confint(x, n, alpha=1 - level, method="wilson"), atol=1e-12)
    bounds = clopper_pearson(x, n, alpha=1 - level)
    np.testing.assert_allclose(bounds, proportion_confint(x, n, alpha=1 - level, method="beta"), atol=1e-12)


@REPEATABLE
@given(counts(), st.floats(0.5, 6.0))
def test_wilson_bounds_lie_critical_standard_errors_from_the_rate(count, critical):
    x, n = count
    for bound in wilson(x, n, critical=critical):
        if 0 < bound < 1:
            assert abs(x / n - bound) == pytest.approx(critical * np.sqrt(bound * (1 - bound) / n), rel=1e-6, abs=1e-12)


@REPEATABLE
@given(counts(), st.floats(1e-6, 0.5))
def test_clopper_pearson_bounds_leave_half_the_error_in_each_tail(count, alpha):
    x, n = count
    bounds = clopper_pearson(x, n, alpha=alpha)
    if x > 0:
        assert stats.binom.sf(x - 1, n, bounds.low) == pytest.approx(alpha / 2, rel=1e-6)
    if x < n:
        assert stats.binom.cdf(x, n, bounds.high) == pytest.approx(alpha / 2, rel=1e-6)


@REPEATABLE
@given(counts())
def test_rate_encloses_the_estimate_and_mirrors_its_complement(count):
    x, n = count
    bounds, mirrored = rate(x, n), rate(n - x, n)
    assert 0 <= bounds.low <= x / n <= bounds.high <= 1
    assert float(bounds.low) == pytest.approx(1 - float(mirrored.high), abs=1e-12)
    assert float(bounds.high) == pytest.approx(1 - float(mirrored.low), abs=1e-12)


@REPEATABLE
@given(counts(), st.floats(1, 50), st.floats(5, 200))
def test_rate_widens_with_comparisons_and_with_few_degrees_of_freedom(count, comparisons, df):
    x, n = count
    plain = rate(x, n)
    for wider in (rate(x, n, comparisons=comparisons), rate(x, n, df=df)):
        assert wider.low <= plain.low + 1e-12
        assert wider.high >= plain.high - 1e-12


def test_rate_takes_clopper_pearson_below_ten_events_or_non_events():
    x, n = np.array([0, 9, 10, 90, 91, 100]), 100
    exact = np.array([True, True, False, False, True, True])
    assert uses_clopper_pearson(x, n).tolist() == exact.tolist()
    bounds = rate(x, n)
    np.testing.assert_allclose(bounds.low[exact], clopper_pearson(x, n, alpha=0.05).low[exact], rtol=1e-12)
    np.testing.assert_array_equal(bounds.high[~exact], wilson(x, n, critical=Z).high[~exact])
    assert (np.abs(np.subtract(clopper_pearson(x, n, alpha=0.05), wilson(x, n, critical=Z))) > 1e-4).any(axis=0).all()


def test_rate_under_t_takes_the_error_that_its_critical_value_has_under_the_normal():
    widened = 2 * stats.norm.sf(stats.t.isf(0.025, 8))
    np.testing.assert_allclose(rate(3, 40, df=8), clopper_pearson(3, 40, alpha=widened), rtol=1e-10)
    np.testing.assert_allclose(rate(15, 40, df=8), wilson(15, 40, critical=stats.t.isf(0.025, 8)), rtol=1e-10)


def test_rate_of_effective_counts_lies_between_those_of_whole_counts():
    around = rate([4, 4.5, 5], 60)
    assert around.low[0] < around.low[1] < around.low[2]
    assert around.high[0] < around.high[1] < around.high[2]
    assert rate(4.5, 44.5).high < rate(4.5, 30.2).high


def test_bounds_are_exact_at_no_event_and_at_nothing_but_events():
    for bounds in (rate([0, 7], 7), wilson([0, 7], 7, critical=Z), clopper_pearson([0, 7], 7, alpha=0.05)):
        assert bounds.low[0] == 0
        assert bounds.high[1] == 1
        assert bounds.high[0] < 1
        assert bounds.low[1] > 0


def test_no_trials_are_undefined_not_zero():
    for bounds in (
        rate([0, 1], [0, 2]),
        wilson([0, 1], [0, 2], critical=Z),
        clopper_pearson([0, 1], [0, 2], alpha=0.05),
    ):
        assert np.isnan([bounds.low[0], bounds.high[0]]).all()
        assert np.isfinite([bounds.low[1], bounds.high[1]]).all()
    assert not uses_clopper_pearson(0, 0)


def test_undefined_critical_value_makes_the_interval_undefined():
    assert np.isnan(rate([0, 20], 40, df=0)).all()


def test_inputs_broadcast_and_scalars_come_back_as_arrays():
    grid = rate([[1], [20]], [30, 40, 0], level=[0.9, 0.95, 0.99])
    assert grid.low.shape == grid.high.shape == (2, 3)
    assert grid.low[1, 1] == rate(20, 40).low
    single = rate(3, 10)
    assert isinstance(single, Interval)
    assert all(isinstance(bound, np.ndarray) and bound.shape == () and bound.dtype == np.float64 for bound in single)
    assert rate([], []).low.shape == (0,)


@pytest.mark.parametrize("df", [5.0, 5.3, 9.0, 40.0])
@pytest.mark.parametrize(("x", "n"), [(0, 5), (3, 8), (5, 5), (9.5, 400), (0, 40_000), (20, 45), (39_999, 40_000)])
def test_bounds_stay_inside_and_only_widen_with_the_level_however_few_the_degrees_of_freedom(x, n, df):
    levels = 1 - np.geomspace(0.2, 1e-15, 60)
    for comparisons in (1, 100):
        bounds = rate(x, n, level=levels, df=df, comparisons=comparisons)
        known = np.isfinite(bounds.low)
        np.testing.assert_array_equal(known, enough_units(levels, df=df, comparisons=comparisons))
        low, high = (side[known] for side in bounds)
        assert np.all((low >= 0) & (low <= x / n) & (x / n <= high) & (high <= 1))
        assert np.all(np.diff(low) <= 1e-12)
        assert np.all(np.diff(high) >= -1e-12)


def test_units_that_may_all_agree_by_chance_have_no_interval():
    assert np.isnan(rate([3, 0, 8], 8, df=4.0).low).all()
    assert np.isfinite(rate([3, 0, 8], 8, df=5.0).low).all()
    assert np.isnan(rate(3, 8, level=1.0, df=40.0).low)


@pytest.mark.parametrize("units", [2, 3, 5, 6, 9])
def test_no_group_of_few_units_is_shown_to_lie_where_it_does_not(units):
    """Units that are all right or all wrong, evenly: what is shown to lie above .5 or below it is false."""
    sums = np.arange(units + 1) / units
    chance = stats.binom.pmf(np.arange(units + 1), units, 0.5)
    variance = sums * (1 - sums) / (units - 1)
    trials = np.where(variance > 0, sums * (1 - sums) / np.maximum(variance, 1e-300), 1000.0)
    bounds = rate(sums * trials, trials, df=units - 1.0)
    assert chance[bounds.low > 0.5].sum() <= 0.025
    assert chance[bounds.high < 0.5].sum() <= 0.025
    assert np.isfinite(bounds.low).all() == (units >= 6)
