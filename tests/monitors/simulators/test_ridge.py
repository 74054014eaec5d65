"""Many ridge regressions at once against scikit-learn, one by one."""

import numpy as np
import pytest
from sklearn.datasets import make_friedman1
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

from monitors.simulators.ridge import friedman1, r_squared, ridge


@pytest.mark.parametrize("penalty", [0.0, 1.0, 50.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_scikit_learn(penalty, weighted):
    random = np.random.default_rng(1)
    features, y_true = random.random((3, 40, 10)), random.standard_normal((3, 40))
    weights = random.random((3, 40)) if weighted else None
    found = ridge(features, y_true, penalty=penalty, sample_weight=weights).predict(features)
    for run in range(3):
        weight = None if weights is None else weights[run]
        scaled = StandardScaler().fit(features[run], sample_weight=weight).transform(features[run])
        other = SklearnRidge(alpha=penalty).fit(scaled, y_true[run], sample_weight=weight).predict(scaled)
        assert found[run] == pytest.approx(other)


def test_r_squared_equals_scikit_learn():
    random = np.random.default_rng(2)
    y_true, y_pred, weights = random.random((3, 2, 30))
    expected = [r2_score(y_true[run], y_pred[run], sample_weight=weights[run]) for run in range(2)]
    assert r_squared(y_true, y_pred, weights) == pytest.approx(expected)


def test_r_squared_is_undefined_where_nothing_varies():
    assert np.isnan(r_squared(np.ones((1, 3)), np.zeros((1, 3)))[0])
    assert np.isnan(r_squared(np.ones((1, 3)), np.zeros((1, 3)), np.zeros((1, 3)))[0])


def test_weight_zero_is_a_row_left_out():
    random = np.random.default_rng(3)
    features, y_true = random.random((1, 30, 2)), random.random((1, 30))
    weights = np.r_[np.ones(20), np.zeros(10)][None]
    left_out = ridge(features[:, :20], y_true[:, :20]).predict(features)
    assert ridge(features, y_true, sample_weight=weights).predict(features) == pytest.approx(left_out)


def test_constant_feature_does_no_harm():
    features = np.dstack([np.ones((1, 5)), np.arange(5.0)[None]])
    assert np.isfinite(ridge(features, np.arange(5.0)[None]).predict(features)).all()


def test_friedman1_equals_scikit_learn():
    features, y_true = make_friedman1(n_samples=50, noise=0.0, random_state=1)
    assert friedman1(features) == pytest.approx(y_true)
