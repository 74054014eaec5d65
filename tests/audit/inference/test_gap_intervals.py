"""Intervals of differences: published values, an independent implementation, edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from audit.inference.gap_intervals import agresti_caffo, gap_of_rates, square_and_add
from audit.inference.intervals import Interval, quantile, wilson

Z = quantile(0.95)
REPEATABLE = settings(deadline=None, derandomize=True)
COUNTS = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_compas_false_positive_rate_gap_among_one_and_among_fifteen_pairs():
    # African-American 805 of 1795 negatives, Caucasian 349 of 1488.
    bounds = agresti_caffo(805, 1795, 349, 1488, critical=quantile(0.95, comparisons=[1, 15]))
    np.testing.assert_allclose([bounds.low[0], bounds.high[0]], [0.182128, 0.245124], atol=5e-7)
    np.testing.assert_allclose([bounds.low[1], bounds.high[1]], [0.1665, 0.2608], atol=5e-5)


@REPEATABLE
@given(COUNTS, COUNTS)
def test_agresti_caffo_agrees_with_statsmodels(first, second):
    expected = confint_proportions_2indep(*first, *second, compare="diff", method="agresti-caffo")
    np.testing.assert_allclose(agresti_caffo(*first, *second, critical=Z), np.clip(expected, -1, 1), atol=1e-12)


@REPEATABLE
@given(COUNTS, COUNTS)
def test_agresti_caffo_encloses_the_difference_and_changes_sign_with_the_order(first, second):
    bounds, swapped = agresti_caffo(*first, *second, critical=Z), agresti_caffo(*second, *first, critical=Z)
    assert -1 <= bounds.low <= first[0] / first[1] - second[0] / second[1] <= bounds.high <= 1
    np.testing.assert_allclose([bounds.low, bounds.high], [-swapped.high, -swapped.low], atol=1e-15)


def test_agresti_caffo_by_hand():
    # (3 + 1) / (8 + 2) - (0 + 1) / (3 + 2) = .2, variance .4 * .6 / 10 + .2 * .8 / 5 = .056
    bounds = agresti_caffo(3, 8, 0, 3, critical=1.0)
    np.testing.assert_allclose(bounds, [0.2 - np.sqrt(0.056), 0.2 + np.sqrt(0.056)])


def test_agresti_caffo_is_clipped_to_possible_differences():
    bounds = agresti_caffo([2, 0], 2, [0, 2], 2, critical=3.0)
    assert bounds.high[0] == 1
    assert bounds.low[1] == -1


def test_empty_group_makes_the_gap_undefined():
    bounds = agresti_caffo([0, 3, 0, 3], [0, 9, 0, 9], [4, 0, 0, 4], [9, 0, 0, 9], critical=Z)
    assert np.isnan(bounds.low).tolist() == np.isnan(bounds.high).tolist() == [True, True, True, False]


def test_pairs_of_groups_broadcast():
    x, n = np.array([[3, 8, 40], [1, 2, 3]]), np.array([30, 30, 90])
    first, second = np.triu_indices(3, k=1)
    bounds = agresti_caffo(x[:, first], n[first], x[:, second], n[second], critical=quantile(0.95, comparisons=3))
    assert bounds.low.shape == bounds.high.shape == (2, 3)
    alone = agresti_caffo(3, 30, 40, 90, critical=quantile(0.95, comparisons=3))
    assert (bounds.low[0, 1], bounds.high[0, 1]) == (alone.low, alone.high)


def test_square_and_add_reproduces_newcombe_1998():
    # Newcombe's table II, method 10 (score, no continuity correction): 56/70 - 48/80 and 9/10 - 3/10.
    x1, n1, x2, n2 = np.array([56, 9]), np.array([70, 10]), np.array([48, 3]), np.array([80, 10])
    bounds = square_and_add(x1 / n1, wilson(x1, n1, critical=Z), x2 / n2, wilson(x2, n2, critical=Z))
    np.testing.assert_allclose(bounds.low, [0.0524, 0.1705], atol=5e-5)
    np.testing.assert_allclose(bounds.high, [0.3339, 0.8090], atol=5e-5)


def test_square_and_add_of_symmetric_intervals_adds_variances():
    first, second = Interval(np.array(0.7), np.array(0.9)), Interval(np.array(0.4), np.array(0.6))
    np.testing.assert_allclose(
        square_and_add(0.8, first, 0.5, second), [0.3 - np.hypot(0.1, 0.1), 0.3 + np.hypot(0.1, 0.1)]
    )


def test_square_and_add_carries_unbounded_and_undefined_sides():
    first = Interval(np.array([0.1, 0.1, np.nan]), np.array([np.inf, 0.3, 0.3]))
    second = Interval(np.array([0.2, 0.2, 0.2]), np.array([0.4, np.inf, 0.4]))
    bounds = square_and_add(0.2, first, 0.3, second)
    assert np.isinf(bounds.high).tolist() == [True, False, False]
    assert np.isneginf(bounds.low).tolist() == [False, True, False]
    assert np.isnan(bounds.low).tolist() == [False, False, True]
    assert np.isnan(square_and_add(np.nan, second, 0.3, second).high).all()


def test_alone_a_gap_of_rates_is_agresti_and_caffos_and_large_groups_stay_it():
    counts = np.array([0, 3, 8]), 8, np.array([900, 1500, 1999]), 2000
    alone, published = gap_of_rates(*counts, level=0.95), agresti_caffo(*counts, critical=quantile(0.95))
    np.testing.assert_array_equal([*alone], [*published])
    large = 805, 1795, 349, 1488
    together = gap_of_rates(*large, level=0.95, comparisons=15)
    np.testing.assert_array_equal([*together], [*agresti_caffo(*large, critical=quantile(0.95, comparisons=15))])


def test_of_several_gaps_none_is_narrower_than_published_or_beyond_1():
    x1, n1 = np.meshgrid(np.arange(31.0), [30.0])
    for x2 in (0, 5, 1000, 1995, 2000):
        ours = gap_of_rates(x1, n1, x2, 2000, level=0.95, comparisons=20)
        published = agresti_caffo(x1, n1, x2, 2000, critical=quantile(0.95, comparisons=20))
        assert np.all((ours.low <= published.low) & (ours.high >= published.high))
        assert np.all((ours.low >= -1) & (ours.high <= 1))
    assert np.isnan(gap_of_rates(0, 0, 5, 9, level=0.95, comparisons=3).low)


@pytest.mark.parametrize(("groups", "most"), [(6, 0.06), (11, 0.065), (20, 0.075)])
@pytest.mark.parametrize("n", [8, 20, 30, 50, 100])
def test_tiny_groups_beside_a_huge_one_seldom_differ_where_all_are_equal(n, groups, most):
    rng = np.random.default_rng([n, groups])
    for p in (0.1, 0.6, 0.7, 0.8, 0.9):
        x, y = rng.binomial(n, p, (3000, groups)), rng.binomial(2000, p, (3000, 1))
        ours = gap_of_rates(x, n, y, 2000, level=0.95, comparisons=groups)
        assert ((ours.low > 0) | (ours.high < 0)).any(axis=1).mean() <= most, p


def test_agresti_and_caffo_alone_errs_many_times_its_share_beside_a_huge_group():
    """Why it is not enough: exactly, for eight rows beside 2,000 at the rate .6 and one of twenty comparisons."""
    x, y = np.arange(9)[:, None], np.arange(2001)
    bounds = agresti_caffo(x, 8, y, 2000, critical=quantile(0.95, comparisons=20))
    missed = (bounds.low > 0) | (bounds.high < 0)
    error = stats.binom.pmf(x, 8, 0.6)[:, 0] @ missed @ stats.binom.pmf(y, 2000, 0.6)
    assert error / (0.05 / 20) > 8
