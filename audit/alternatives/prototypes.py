"""Baselines that a person can picture: the mean image of each class, the rate of each group, random directions."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn.random_projection import GaussianRandomProjection

from audit.alternatives.baselines import Matrix, Scores, logistic_regression

Distance = Literal["l1", "l2"]

PROJECTED = 10
"""Dimensions that `random_projection` keeps."""

_CHUNK = 4_096


def nearest_prototype_labels(
    x_train: Matrix, y_train: npt.NDArray[np.int64], x_test: Matrix, *, distance: Distance = "l1"
) -> npt.NDArray[np.int64]:
    """Return for each row the label of the nearest class mean: for images, of the mean image of each class.

    Distance: sum |x - m| ("l1") or sum (x - m)^2 ("l2"), in the units that the features have; scale them before, or use
    `nearest_prototype`, which does. Source: the nearest centroid of Tibshirani et al. 2002, doi:10.1073/pnas.082099299,
    without shrinkage.

    Parameters
    ----------
    x_train, x_test
        Features, shape (n_rows, n_features); of images, their pixels.
    y_train
        Labels, any whole numbers, shape (n_rows,).
    distance
        "l1" or "l2".

    Examples
    --------
    >>> x = np.array([[0.0], [2.0], [10.0]])
    >>> nearest_prototype_labels(x, np.array([3, 3, 8]), np.array([[4.0], [7.0]])).tolist()
    [3, 8]
    """
    classes = np.unique(y_train)
    return np.asarray(classes[np.argmin(_distances(x_train, y_train, x_test, distance), axis=1)], dtype=np.int64)


def nearest_prototype(x_train: Matrix, y_train: npt.NDArray[np.int64], x_test: Matrix, random_state: int = 0) -> Scores:
    """Score rows by how much nearer they are to the mean of the positives, features standardised on train.

    The score is d0 / (d0 + d1), d0 and d1 the L1 distances to the means of negatives and positives: 0.5 in the middle,
    in [0, 1]. Like every baseline it takes labels of 0 and 1.

    Raises
    ------
    ValueError
        If all labels are the same.

    Examples
    --------
    >>> x, y = np.array([[0.0], [2.0], [8.0], [10.0]]), np.array([0, 0, 1, 1])
    >>> nearest_prototype(x, y, np.array([[1.0], [5.0], [9.0]])).tolist()
    [0.0, 0.5, 1.0]
    """
    del random_state
    if len(np.unique(y_train)) != 2:
        msg = f"a prototype of each class needs labels 0 and 1; got {np.unique(y_train).tolist()}"
        raise ValueError(msg)
    centre, spread = x_train.mean(axis=0), x_train.std(axis=0)
    train, test = ((x - centre) / np.where(spread > 0, spread, 1.0) for x in (x_train, x_test))
    away = _distances(train, y_train, test, "l1")
    total = away.sum(axis=1)
    scores: Scores = np.divide(away[:, 0], total, out=np.full(len(test), 0.5), where=total > 0)
    return scores


def random_projection(x_train: Matrix, y_train: npt.NDArray[np.int64], x_test: Matrix, random_state: int = 0) -> Scores:
    """Score rows by a logistic regression on `PROJECTED` random directions of the standardised features.

    What can be had without learning any feature. Source: Dasgupta & Gupta 2003, doi:10.1002/rsa.10073 (distances are
    nearly kept by Gaussian projections).

    Raises
    ------
    ValueError
        If all labels are the same.

    Examples
    --------
    One direction of one feature: the score rises or falls with it, as the labels do.

    >>> x, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> scores = random_projection(x, y, x)
    >>> bool(np.all(np.diff(scores) > 0))
    True
    """
    centre, spread = x_train.mean(axis=0), x_train.std(axis=0)
    train, test = ((x - centre) / np.where(spread > 0, spread, 1.0) for x in (x_train, x_test))
    kept = min(PROJECTED, x_train.shape[1])
    project = GaussianRandomProjection(n_components=kept, random_state=random_state).fit(train)
    return logistic_regression(project.transform(train), y_train, project.transform(test), random_state)


def group_rate(groups_train: npt.ArrayLike, y_train: npt.ArrayLike, groups_test: npt.ArrayLike) -> Scores:
    """Score every row with the mean label of its group in train; unknown groups with that of everyone.

    Labels may be 0 and 1 or any numbers (then it is the group's mean).

    Examples
    --------
    >>> group_rate(["a", "a", "b"], [1, 0, 1], ["a", "b", "new"]).round(3).tolist()
    [0.5, 1.0, 0.667]
    """
    y = np.asarray(y_train, dtype=np.float64)
    known, codes = np.unique(np.asarray(groups_train), return_inverse=True)
    means = np.bincount(codes, weights=y) / np.bincount(codes)
    asked = np.asarray(groups_test)
    places = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.where(known[places] == asked, means[places], y.mean())


def _distances(x_train: Matrix, y_train: npt.NDArray[np.int64], x_test: Matrix, distance: Distance) -> Matrix:
    means = [x_train[y_train == label].mean(axis=0) for label in np.unique(y_train)]
    power = 1 if distance == "l1" else 2
    away = np.empty((len(x_test), len(means)))
    for start in range(0, len(x_test), _CHUNK):
        part = slice(start, start + _CHUNK)
        for place, middle in enumerate(means):
            away[part, place] = np.sum(np.abs(x_test[part] - middle) ** power, axis=1)
    return away
