"""Scores of rows by models that never saw them: folds that keep together what belongs together."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Predict = Callable[[Matrix], npt.NDArray[np.float64]]
Fit = Callable[[Matrix, Codes, npt.NDArray[np.float64] | None], Predict]
"""From features, labels and weights (None = all alike) to a function from features to scores."""

FOLDS = 5


class CrossFitted(NamedTuple):
    """Scores of every row, the fold that it was held out with, and the model that scored each fold.

    Examples
    --------
    >>> def share(x, y, weight):
    ...     return lambda new: np.full(len(new), y.mean())
    >>> fitted = cross_fitted(share, np.zeros((4, 1)), np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), folds=2)
    >>> fitted.scores.tolist()  # each half is scored by the other
    [1.0, 1.0, 0.0, 0.0]
    """

    scores: npt.NDArray[np.float64]
    fold: Codes
    models: tuple[Predict, ...]


def folds_of(groups: Codes, *, folds: int = FOLDS, random_state: int = 0) -> Codes:
    """Return the fold of each row; rows of one group share a fold, and folds have almost the same number of groups.

    Examples
    --------
    >>> np.bincount(folds_of(np.array([7, 7, 8, 9]), folds=3)).tolist() in ([2, 1, 1], [1, 2, 1], [1, 1, 2])
    True
    """
    codes = np.unique(groups, return_inverse=True)[1]
    count = int(codes.max(initial=-1)) + 1
    return np.asarray(np.random.default_rng(random_state).permutation(count) % folds, dtype=np.int64)[codes]


def cross_fitted(
    fit: Fit, x: Matrix, y: Codes, groups: Codes, *, folds: int = FOLDS, random_state: int = 0
) -> CrossFitted:
    """Score every row by a model that was fitted to the other folds.

    Parameters
    ----------
    fit
        From features, labels and weights to a function from features to scores.
    x, y
        Features, shape (n_rows, n_features), and labels 0 or 1, shape (n_rows,).
    groups
        Which rows belong together, shape (n_rows,); ``np.arange(n_rows)`` where none do.
    folds
        How many parts; fewer where there are fewer groups.
    random_state
        Seed of the folds.

    Raises
    ------
    ValueError
        If there are fewer than two groups.

    Examples
    --------
    >>> def share(x, y, weight):
    ...     return lambda new: np.full(len(new), y.mean())
    >>> cross_fitted(share, np.zeros((2, 1)), np.array([0, 1]), np.array([0, 1])).scores.tolist()
    [1.0, 0.0]
    """
    count = len(np.unique(groups))
    if count < 2:
        msg = f"cross-fitting needs rows of at least 2 groups; got {count}"
        raise ValueError(msg)
    fold = folds_of(groups, folds=min(folds, count), random_state=random_state)
    scores, models = np.empty(len(y)), []
    for held_out in range(min(folds, count)):
        inside = fold == held_out
        models.append(fit(x[~inside], y[~inside], None))
        scores[inside] = models[-1](x[inside])
    return CrossFitted(scores, fold, tuple(models))
