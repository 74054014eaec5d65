"""Intervals of differences: published values, an independent implementation, edges."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from audit.inference.gap_intervals import agresti_caffo, square_and_add
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
