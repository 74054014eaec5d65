"""Koopman's interval: its defining equation, closed cases, an independent implementation, edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from audit.inference.intervals import quantile
from audit.inference.ratio_intervals import koopman

Z = quantile(0.95)
REPEATABLE = settings(deadline=None, derandomize=True)
COUNTS = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
CRITICAL = st.floats(0.5, 5.0)


def score(ratio, x1, n1, x2, n2):
    """Score statistic of p1 = ratio * p2, by the restricted maximum likelihood of Miettinen and Nurminen."""
    half = ratio * (n1 + x2) + x1 + n2
    root = np.sqrt((ratio * (n1 + x2) - (x1 + n2)) ** 2 + 4 * ratio * (n1 - x1) * (n2 - x2))
    p2 = 2 * (x1 + x2) / (half + root)
    p1 = ratio * p2
    return (x1 / n1 - ratio * x2 / n2) / np.sqrt(p1 * (1 - p1) / n1 + ratio**2 * p2 * (1 - p2) / n2)


@REPEATABLE
@given(COUNTS, COUNTS, CRITICAL)
def test_score_statistic_at_the_bounds_is_the_critical_value(first, second, critical):
    bounds = koopman(*first, *second, critical=critical)
    if first[0] > 0:
        assert score(float(bounds.low), *first, *second) == pytest.approx(critical, rel=1e-6)
    if second[0] > 0:
        assert score(float(bounds.high), *first, *second) == pytest.approx(-critical, rel=1e-6)


@REPEATABLE
@given(COUNTS, COUNTS, CRITICAL)
def test_interval_encloses_the_ratio_and_inverts_with_the_order(first, second, critical):
    bounds, swapped = koopman(*first, *second, critical=critical), koopman(*second, *first, critical=critical)
    if first[0] == 0 and second[0] == 0:
        assert np.isnan([*bounds, *swapped]).all()
        return
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose([bounds.low, bounds.high], 1 / np.array([swapped.high, swapped.low]), rtol=1e-12)
    ratio = np.inf if second[0] == 0 else first[0] * second[1] / (first[1] * second[0])
    assert bounds.low <= ratio <= bounds.high


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((36, 40), (16, 80)),
        ((5, 30), (9, 30)),
        ((29, 30), (2850, 3000)),
        ((285, 300), (27, 30)),
        ((1, 50), (40, 2000)),
        ((2998, 3000), (2999, 3000)),
    ],
)
def test_koopman_agrees_with_statsmodels(first, second):
    expected = confint_proportions_2indep(*first, *second, compare="ratio", method="score", correction=False)
    np.testing.assert_allclose(koopman(*first, *second, critical=Z), expected, rtol=1e-6)


def test_koopman_reproduces_his_own_example():
    # Koopman 1984: 36 of 40 against 16 of 80.
    bounds = koopman(36, 40, 16, 80, critical=Z)
    assert float(bounds.low) == pytest.approx(2.94, abs=0.005)
    assert float(bounds.high) == pytest.approx(7.15, abs=0.005)


@pytest.mark.parametrize(("n1", "n2"), [(10, 10), (1, 3000), (500, 7)])
def test_nothing_but_successes_has_closed_bounds(n1, n2):
    bounds = koopman(n1, n1, n2, n2, critical=2.0)
    assert float(bounds.high) == pytest.approx(1 + 4 / n2, rel=1e-12)
    assert float(bounds.low) == pytest.approx(1 / (1 + 4 / n1), rel=1e-12)


def test_no_success_is_unbounded_zero_or_undefined():
    bounds = koopman([0, 3, 0, 0, 3, 3], [5, 5, 5, 0, 0, 5], [3, 0, 0, 3, 3, 0], [5, 5, 5, 5, 5, 0], critical=Z)
    assert np.isnan(bounds.low).tolist() == np.isnan(bounds.high).tolist() == [False, False, True, True, True, True]
    assert bounds.low[0] == 0
    assert 0 < bounds.high[0] < np.inf
    assert 0 < bounds.low[1] < np.inf
    assert bounds.high[1] == np.inf


@pytest.mark.parametrize("failures", [1, 2, 0.01])
def test_very_few_failures_are_not_taken_for_none(failures):
    counts = 50, 60, 3000 - failures, 3000
    bounds = koopman(*counts, critical=Z)
    assert score(float(bounds.low), *counts) == pytest.approx(float(Z), rel=1e-8)
    assert score(float(bounds.high), *counts) == pytest.approx(-float(Z), rel=1e-8)


def test_effective_counts_join_whole_ones_without_a_step():
    near = koopman([30, 30, 29.5], 30, [20, 20 - 1e-9, 19.5], 20, critical=Z)
    np.testing.assert_allclose(near.low[1], near.low[0], rtol=1e-6)
    np.testing.assert_allclose(near.high[1], near.high[0], rtol=1e-6)
    assert near.high[2] > near.high[0]


def test_huge_and_rare_counts_keep_the_defining_equation():
    x1, n1, x2, n2 = (
        np.array(value, dtype=float) for value in ([1, 5e7, 3], [1e8, 1e8, 3], [2, 1, 1e7], [1e8, 10, 1e8])
    )
    bounds = koopman(x1, n1, x2, n2, critical=Z)
    np.testing.assert_allclose(score(bounds.low, x1, n1, x2, n2), Z, rtol=1e-5)
    np.testing.assert_allclose(score(bounds.high, x1, n1, x2, n2), -Z, rtol=1e-5)


def test_inputs_broadcast_and_scalars_come_back_as_arrays():
    bounds = koopman([[1], [2]], 30, [4, 5, 6], 40, critical=quantile(0.95, comparisons=[1, 2, 3]))
    assert bounds.low.shape == bounds.high.shape == (2, 3)
    assert bounds.low[1, 2] == pytest.approx(float(koopman(2, 30, 6, 40, critical=quantile(0.95, comparisons=3)).low))
    assert koopman(1, 2, 3, 4, critical=Z).high.shape == ()
