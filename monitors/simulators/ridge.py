"""Ridge regression of many samples at once, and the benchmark data of the hidden loop."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FEATURES = 10


class Ridge(NamedTuple):
    """A fitted model for each run: means and scales of the features, coefficients and intercept.

    Examples
    --------
    >>> features = np.arange(4.0).reshape(1, 4, 1)
    >>> ridge(features, 2 * features[:, :, 0] + 1, penalty=0.0).predict(features).round(6).tolist()
    [[1.0, 3.0, 5.0, 7.0]]
    """

    means: Array
    scales: Array
    coefficients: Array
    intercepts: Array

    def predict(self, features: Array) -> Array:
        """Return predictions of shape (runs, rows) for features of shape (runs, rows, features)."""
        scaled = (features - self.means[:, None]) / self.scales[:, None]
        return np.asarray((scaled @ self.coefficients[:, :, None])[:, :, 0] + self.intercepts[:, None])


def ridge(features: Array, y_true: Array, *, penalty: float = 1.0, sample_weight: Array | None = None) -> Ridge:
    """Fit a ridge regression on standardised features to each run.

    Minimises sum_i w_i (y_i - b - z_i' c)² + penalty * c'c for z the features less their weighted means, divided by
    their weighted standard deviations (1 where a feature does not vary).

    Parameters
    ----------
    features
        Shape (runs, rows, features).
    y_true
        Shape (runs, rows).
    penalty
        Weight of the squared coefficients, at least 0.
    sample_weight
        Shape (runs, rows); None for ones.

    Examples
    --------
    >>> ridge(np.array([[[0.0], [2.0]]]), np.array([[0.0, 4.0]]), penalty=2.0).coefficients.tolist()
    [[1.0]]
    """
    weights = np.ones_like(y_true) if sample_weight is None else sample_weight
    total = weights.sum(axis=1)
    means = np.einsum("rn,rnf->rf", weights, features) / total[:, None]
    centred = features - means[:, None]
    scales = np.sqrt(np.einsum("rn,rnf->rf", weights, centred**2) / total[:, None])
    scales = np.where(scales > 0, scales, 1.0)
    scaled = centred / scales[:, None]
    intercepts = (weights * y_true).sum(axis=1) / total
    heavy = scaled * weights[:, :, None]
    squares = np.swapaxes(heavy, 1, 2) @ scaled + penalty * np.eye(features.shape[2])
    products = np.swapaxes(heavy, 1, 2) @ (y_true - intercepts[:, None])[:, :, None]
    return Ridge(means, scales, np.linalg.solve(squares, products)[:, :, 0], intercepts)


def r_squared(y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> Array:
    """Return the coefficient of determination by run, shape (runs,); NaN where `y_true` does not vary.

    Examples
    --------
    >>> r_squared(np.array([[0.0, 2.0]]), np.array([[0.0, 1.0]])).tolist()
    [0.5]
    """
    weights = np.ones_like(y_true) if sample_weight is None else sample_weight
    total = weights.sum(axis=1)
    mean = np.divide((weights * y_true).sum(axis=1), total, out=np.full(total.shape, np.nan), where=total > 0)
    spread = (weights * (y_true - mean[:, None]) ** 2).sum(axis=1)
    errors = (weights * (y_true - y_pred) ** 2).sum(axis=1)
    return np.asarray(1 - np.divide(errors, spread, out=np.full(spread.shape, np.nan), where=spread > 0))


def friedman1(features: Array) -> Array:
    """Return the mean outcome of Friedman's first benchmark for features in [0, 1], of which the first five matter.

    10 sin(pi x0 x1) + 20 (x2 - 0.5)² + 10 x3 + 5 x4.

    Source: Friedman, Multivariate adaptive regression splines, Annals of Statistics 19 (1991), 1-67.

    Parameters
    ----------
    features
        Shape (..., at least 5).

    Examples
    --------
    >>> friedman1(np.array([0.5, 1.0, 0.5, 0.1, 0.2])).round(6).item()
    12.0
    """
    first, second, third, fourth, fifth = (features[..., place] for place in range(5))
    return np.asarray(10 * np.sin(np.pi * first * second) + 20 * (third - 0.5) ** 2 + 10 * fourth + 5 * fifth)
