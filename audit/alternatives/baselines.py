"""Simple alternatives that a model has to beat before it is worth its risks.

Each takes the same train rows and scores the same test rows, so that the comparison is on equal work.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

Matrix = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float64]
Baseline = Callable[[Matrix, npt.NDArray[np.int64], Matrix, int], Scores]


def majority(x_train: Matrix, y_train: npt.NDArray[np.int64], x_test: Matrix, random_state: int = 0) -> Scores:
    """Score every row with the share of positives in train: what can be had without looking.

    Parameters
    ----------
    x_train, x_test
        Features, shape (n_rows, n_features).
    y_train
        Labels, 0 or 1, shape (n_rows,).
    random_state
        Not used; every baseline takes it.

    Returns
    -------
    ndarray
        Probability of the positive label per test row, in [0, 1].

    Examples
    --------
    >>> majority(np.zeros((4, 1)), np.array([0, 1, 0, 0]), np.zeros((2, 1))).tolist()
    [0.25, 0.25]
    """
    del x_train, random_state
    return np.full(len(x_test), y_train.mean())


def one_rule(x_train: Matrix, y_train: npt.NDArray[np.int64], x_test: Matrix, random_state: int = 0) -> Scores:
    """Score rows by their rank in the one feature that ranks the train rows best.

    After Holte 1993, Very simple classification rules, doi:10.1023/A:1022631118932. Unlike Holte's rule, which cuts the
    feature into classes, the rank itself is the score, so that any threshold can be set on it.

    Examples
    --------
    >>> x = np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    >>> one_rule(x, np.array([0, 0, 1, 1]), x).tolist()
    [0.25, 0.5, 0.75, 1.0]
    """
    del random_state
    strengths = [_auc(x_train[:, place], y_train) for place in range(x_train.shape[1])]
    best = int(np.argmax([abs(strength - 0.5) for strength in strengths]))
    sign = 1.0 if strengths[best] >= 0.5 else -1.0
    known = np.sort(sign * x_train[:, best])
    return np.searchsorted(known, sign * x_test[:, best], side="right") / len(known)


def logistic_regression(
    x_train: Matrix, y_train: npt.NDArray[np.int64], x_test: Matrix, random_state: int = 0
) -> Scores:
    """Score rows by a logistic regression on standardised features (scikit-learn's defaults).

    The score is 1 / (1 + exp(-(a + b z))), z the features standardised on train; a and b minimise the sum of the log
    losses with half of b's squared length added.

    Raises
    ------
    ValueError
        If all labels are the same.

    Examples
    --------
    Halfway between the two labels neither is likelier.

    >>> x, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> logistic_regression(x, y, np.array([[1.5]])).round(3).tolist()
    [0.5]
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=random_state))
    probabilities: Scores = model.fit(x_train, y_train).predict_proba(x_test)[:, 1]
    return probabilities


def gradient_boosting(x_train: Matrix, y_train: npt.NDArray[np.int64], x_test: Matrix, random_state: int = 0) -> Scores:
    """Score rows by gradient boosted trees (scikit-learn's HistGradientBoostingClassifier, its defaults).

    One thread: on tables of this size a second one gains nothing, and on a busy machine waiting threads cost minutes.

    The method is that of Friedman 2001, Greedy function approximation: a gradient boosting machine,
    doi:10.1214/aos/1013203451.

    Examples
    --------
    A leaf holds 20 rows or more: with fewer than 40 nothing is split, and each score is the share of positives.

    >>> x, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 1, 0, 0])
    >>> gradient_boosting(x, y, x[:2]).round(3).tolist()
    [0.25, 0.25]
    """
    return fit_gradient_boosting(x_train, y_train, random_state=random_state)(x_test)


def fit_gradient_boosting(
    x_train: Matrix, y_train: npt.NDArray[np.int64], weight: Scores | None = None, *, random_state: int = 0
) -> Callable[[Matrix], Scores]:
    """Return the scoring function of `gradient_boosting`, for whoever scores several tables with one model.

    With labels of one class only, every score is their share of positives.

    Examples
    --------
    >>> fit_gradient_boosting(np.zeros((3, 1)), np.array([1, 1, 1]))(np.zeros((2, 1))).tolist()
    [1.0, 1.0]
    """
    if len(np.unique(y_train)) < 2:
        return partial(_constant, float(np.mean(y_train)))
    model = HistGradientBoostingClassifier(random_state=random_state)
    # The library cannot bin a column without any value; as a constant it is never split on.
    x_known = np.where(np.isnan(x_train).all(axis=0), 0.0, x_train)
    with threadpool_limits(limits=1, user_api="openmp"):
        model.fit(x_known, y_train, sample_weight=weight)
    return partial(_boosted, model)


BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        "majority": majority,
        "one rule": one_rule,
        "logistic regression": logistic_regression,
        "gradient boosting": gradient_boosting,
    }
)
"""Every baseline by the name that reports show."""


def _auc(values: Matrix, labels: npt.NDArray[np.int64]) -> float:
    order = np.unique(values, return_inverse=True)[1]
    positive = np.bincount(order, weights=labels)
    negative = np.bincount(order, weights=1 - labels)
    below = np.cumsum(negative) - negative / 2
    pairs = positive.sum() * negative.sum()
    return float((positive * below).sum() / pairs) if pairs else 0.5


def _boosted(model: HistGradientBoostingClassifier, x: Matrix) -> Scores:
    with threadpool_limits(limits=1, user_api="openmp"):
        probabilities: Scores = model.predict_proba(x)[:, 1]
    return probabilities


def _constant(value: float, x: Matrix) -> Scores:
    return np.full(len(x), value)
