"""Models as plain ``fit(X, y, sample_weight) -> predict`` callables, for questions that need a model fitted again."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from audit.causes.samples import Fit, Labels, Matrix, Predict


def logistic_fit(features: Matrix, y: Labels, sample_weight: Matrix) -> Predict:
    """Fit a logistic regression on standardised features (scikit-learn's defaults, one thread).

    On tables of this size a second thread gains little, and on a busy machine threads that wait for each other made a
    fit take ten times as long and more.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> predict = logistic_fit(x, np.array([0, 0, 1, 1]), np.ones(4))
    >>> (predict(np.array([[0.0], [3.0]])) >= 0.5).tolist()
    [False, True]
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    with threadpool_limits(limits=1):
        model.fit(features, y, logisticregression__sample_weight=sample_weight)
    return lambda rows: np.asarray(model.predict_proba(rows)[:, 1])


def boosting_fit(features: Matrix, y: Labels, sample_weight: Matrix) -> Predict:
    """Fit gradient boosted trees (scikit-learn's histogram version, its defaults, one thread, a fixed seed).

    Examples
    --------
    >>> x = np.arange(200.0)[:, None]
    >>> predict = boosting_fit(x, (x[:, 0] >= 100).astype(int), np.ones(200))
    >>> (predict(np.array([[0.0], [199.0]])) >= 0.5).tolist()
    [False, True]
    """
    model = HistGradientBoostingClassifier(random_state=0)
    with threadpool_limits(limits=1, user_api="openmp"):
        model.fit(features, y, sample_weight=sample_weight)
    return lambda rows: np.asarray(model.predict_proba(rows)[:, 1])


FITS: Mapping[str, Fit] = MappingProxyType({"logistic": logistic_fit, "boosting": boosting_fit})
"""The models that the command line offers, by name."""
