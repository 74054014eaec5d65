"""Paired intervals of rates: published examples, an independent derivation, and coverage computed exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from scipy.special import gammaln
from statsmodels.stats.contingency_tables import mcnemar

from audit.inference.gap_intervals import square_and_add
from audit.inference.intervals import Interval, quantile, wilson
from audit.inference.paired_intervals import paired_rates, paired_square_and_add, tango

Z = quantile(0.95)


@pytest.mark.parametrize(
    ("gained", "lost", "n", "low", "high"),
    [
        (6, 16, 161, -0.1240, -0.0054),  # Cavo et al. 2012, as in Fagerland, Lydersen & Laake 2017, chapter 8
        (1, 7, 21, -0.5172, -0.0260),  # Bentur et al. 2009, there too
    ],
)
def test_published_examples_of_tango(gained, lost, n, low, high):
    bounds = tango(gained, lost, n, critical=Z)
    assert (round(float(bounds.low), 4), round(float(bounds.high), 4)) == (low, high)


def test_newcombe_s_method_10_is_a_case_of_square_and_add():
    both, gained, lost, neither = 59, 6, 16, 80  # Cavo et al. 2012; published: -0.1186 to -0.0046
    n = both + gained + lost + neither
    first, second = both + gained, both + lost
    corrected = max(both * neither - gained * lost - n / 2, 0)
    correlation = corrected / np.sqrt(first * (n - first) * second * (n - second))
    sides = [(x / n, wilson(x, n, critical=Z)) for x in (first, second)]
    bounds = paired_square_and_add(*sides, correlation)
    assert [round(float(bound), 4) for bound in bounds] == [-0.1186, -0.0046]


def most_likely_loss(b, c, n, difference):
    """Maximise the trinomial likelihood under a fixed difference, numerically."""

    def minus_log_likelihood(q):
        p = q + difference
        parts = [(b, p), (c, q), (n - b - c, 1 - p - q)]
        return -sum(count * np.log(max(share, 1e-300)) for count, share in parts if count)

    low, high = max(0.0, -difference), (1 - difference) / 2
    return minimize_scalar(minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x


@pytest.mark.parametrize(("b", "c", "n"), [(5, 2, 40), (12, 2, 50), (1, 9, 100), (40, 20, 160), (3, 3, 30)])
def test_tango_agrees_with_a_numerical_likelihood(b, c, n):
    def statistic(difference):
        q = most_likely_loss(b, c, n, difference)
        return (b - c - n * difference) / np.sqrt(n * (2 * q + difference * (1 - difference)))

    d = (b - c) / n
    z = float(Z)
    expected = (
        brentq(lambda x: statistic(x) - z, -0.999, d - 1e-9),
        brentq(lambda x: statistic(x) + z, d + 1e-9, 0.999),
    )
    np.testing.assert_allclose([float(bound) for bound in tango(b, c, n, critical=Z)], expected, atol=1e-6)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 200))
def test_tango_excludes_0_exactly_where_mcnemar_rejects(gained, lost, same):
    if gained + lost == 0:
        return
    bounds = tango(gained, lost, gained + lost + same, critical=Z)
    p_value = mcnemar([[same, gained], [lost, 0]], exact=False, correction=False).pvalue
    if abs(p_value - 0.05) > 1e-6:
        assert bool((bounds.low > 1e-12) | (bounds.high < -1e-12)) == (p_value < 0.05)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 100), st.sampled_from([0.8, 0.95, 0.999]))
def test_order_mirror_and_range(gained, lost, same, level):
    n, z = gained + lost + same, quantile(level)
    if not n:
        return
    bounds, mirror = tango(gained, lost, n, critical=z), tango(lost, gained, n, critical=z)
    assert -1 <= bounds.low <= (gained - lost) / n + 1e-12 <= bounds.high + 2e-12 <= 1 + 3e-12
    np.testing.assert_allclose([bounds.low, bounds.high], [-mirror.high, -mirror.low], atol=1e-12)
    wider = paired_rates(gained, lost, n, critical=z)
    assert wider.high - wider.low > 0


def test_undefined():
    for function in (tango, paired_rates):
        bounds = function([0, 1, 1], [0, 1, 1], [0, 2, 2], critical=[1.96, np.nan, 1.96])
        assert np.isnan(bounds.low).tolist() == [True, True, False]


def coverage(interval, n, shares, z=Z):
    """Return the exact probability that the interval holds the difference, per pair of shares of gained and lost."""
    b, c = (side.ravel() for side in np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij"))
    b, c = b[b + c <= n], c[b + c <= n]
    bounds = interval(b, c, n, critical=z)
    log = gammaln(n + 1) - gammaln(b + 1) - gammaln(c + 1) - gammaln(n - b - c + 1)
    found = []
    for gained, lost in shares:
        weight = np.exp(log + b * np.log(gained) + c * np.log(lost) + (n - b - c) * np.log(1 - gained - lost))
        d = gained - lost
        found.append(float(weight @ ((bounds.low <= d + 1e-12) & (bounds.high >= d - 1e-12))))
    return np.array(found)


ONE = (0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
SHARES = tuple((gained, lost) for gained in ONE for lost in ONE)


@pytest.mark.parametrize("n", [20, 30, 50, 100, 200])
def test_exact_coverage_over_a_grid(n):
    ours, plain = (coverage(interval, n, SHARES) for interval in (paired_rates, tango))
    assert ours.min() >= 0.945
    assert ours.mean() >= 0.95
    assert ours.min() >= plain.min()


@pytest.mark.parametrize("n", [30, 100])
def test_exact_coverage_at_the_levels_of_many_comparisons(n):
    for together in (5, 15):
        z, level = quantile(0.95, comparisons=together), 1 - 0.05 / together
        assert coverage(paired_rates, n, SHARES, z).min() >= level - 0.002


def test_the_textbook_interval_fails_where_few_rows_are_discordant():
    def textbook(b, c, n, critical):
        d = (b - c) / n
        half = critical * np.sqrt(np.maximum((b + c) / n - d**2, 0) / n)
        return Interval(low=d - half, high=d + half)

    assert coverage(textbook, 50, [(0.003, 0.001)]) < 0.25
    assert coverage(paired_rates, 50, [(0.003, 0.001)]) > 0.99


def test_square_and_add_without_correlation_is_that_of_independent_samples():
    first, second = (0.6, Interval(np.array(0.5), np.array(0.7))), (0.4, Interval(np.array(0.2), np.array(0.55)))
    np.testing.assert_allclose(paired_square_and_add(first, second, 0.0), square_and_add(*first, *second))


def test_an_infinite_bound_makes_the_difference_unbounded():
    first, second = (2.0, Interval(np.array(1.0), np.array(np.inf))), (1.0, Interval(np.array(0.5), np.array(3.0)))
    bounds = paired_square_and_add(first, second, 0.5)
    assert np.isfinite(bounds.low)
    assert np.isinf(bounds.high)
