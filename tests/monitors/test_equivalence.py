"""Equivalence of two rates at one look: against statsmodels and the published chances to pass."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from monitors.equivalence import equivalence_interval


def chance_to_pass(mean, ratio):
    """Exact probability that the interval lies inside (1/2, 2), over all pairs of Poisson counts that matter."""
    current, baseline = np.arange(0, 260)[:, None], np.arange(0, 260)[None, :]
    found = equivalence_interval(current, baseline)
    passes = (found.low > 0.5) & (found.high < 2)
    return float(np.sum(passes * stats.poisson.pmf(current, mean * ratio) * stats.poisson.pmf(baseline, mean)))


@pytest.mark.parametrize(("mean", "expected"), [(5, 0.0), (10, 0.002), (20, 0.28), (30, 0.61), (40, 0.80), (50, 0.90)])
def test_published_chances_to_pass_without_a_change(mean, expected):
    assert chance_to_pass(mean, 1) == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("mean", [10, 30, 50])
def test_a_doubling_passes_in_at_most_one_of_twenty(mean):
    assert 0 < chance_to_pass(mean, 2) <= 0.05


@pytest.mark.parametrize(("current", "baseline"), [(0, 9), (9, 0), (12, 30), (400, 380)])
def test_agrees_with_clopper_pearson_on_the_share(current, baseline):
    low, high = proportion_confint(current, current + baseline, alpha=0.1, method="beta")
    found = equivalence_interval(current, baseline, current_exposure=2, baseline_exposure=3)
    assert float(found.low) == pytest.approx(low / (1 - low) * 1.5)
    assert float(found.high) == (np.inf if high == 1 else pytest.approx(high / (1 - high) * 1.5))


def test_nothing_seen_shows_nothing():
    found = equivalence_interval(0, 0)
    assert np.isnan(found.ratio)
    assert (float(found.low), float(found.high)) == (0.0, np.inf)
