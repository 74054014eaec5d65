"""Dispersion of weekly counts: by hand, and against a Poisson regression."""

import numpy as np
import pytest
import statsmodels.api as sm

from monitors.dispersion import dispersion


def test_by_hand():
    assert dispersion([4, 16, 10]) == pytest.approx(3.6)


def test_never_below_one_and_one_without_events():
    assert dispersion([10, 10, 11, 10]) == 1.0
    assert dispersion([0, 0, 0]) == 1.0


def test_exposure_explains_what_it_explains():
    assert dispersion([10, 20, 40], exposure=[1, 2, 4]) == 1.0
    assert dispersion([10, 20, 40]) > 9


def test_agrees_with_the_pearson_scale_of_a_poisson_regression():
    rng = np.random.default_rng(7)
    exposure = rng.uniform(0.5, 2.0, 30)
    counts = rng.negative_binomial(5, 5 / (5 + 40 * exposure))
    model = sm.GLM(counts, np.ones(30), family=sm.families.Poisson(), exposure=exposure).fit()
    assert dispersion(counts, exposure=exposure) == pytest.approx(model.pearson_chi2 / model.df_resid, rel=1e-8)


def test_one_week_is_refused():
    with pytest.raises(ValueError, match="at least 2 counts; got 1"):
        dispersion([5])
