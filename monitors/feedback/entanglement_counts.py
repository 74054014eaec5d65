"""What one score says of a label beyond other columns: partial correlation from products, with a robust error."""

from math import atanh, isfinite, sqrt, tanh
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitors.feedback.moment_estimates import Estimate, bounds
from monitors.feedback.moment_sums import Floats, moments_of

_NOTHING_LEFT = 1e-6
"""Share of a column's variance below which the others are taken to determine it."""


class Residuals(NamedTuple):
    """How two columns are told by the others, and what is left of them.

    Examples
    --------
    >>> residuals(np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 1.0], [0.0, 1.0, 2.0]]), 2).correlation
    0.5
    """

    first: Floats
    """Coefficients of the other columns in the first, shape (n_columns - 2,)."""

    second: Floats
    scale: tuple[float, float]
    """Mean squares of what is left of both."""

    correlation: float
    """NaN where nothing is left of one of them."""


def residuals(products: Floats, n: int) -> Residuals:
    """Return the partial correlation of the last two columns given all others, of sums of products over n rows.

    Parameters
    ----------
    products
        Shape (n_columns, n_columns); the first column is 1 in every row, so that the rest is told about its mean.
    n
        Rows.

    Examples
    --------
    Nothing but the mean to condition on: the plain correlation of (1, 2, 3) and (1, 3, 2).

    >>> rows = np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0], [1.0, 3.0, 2.0]])
    >>> round(residuals(rows.T @ rows, 3).correlation, 6)
    0.5
    """
    given = products[:-2, :-2]
    solved = np.linalg.pinv(given, rcond=1e-10, hermitian=True) @ products[:-2, -2:]
    left = products[-2:, -2:] - products[:-2, -2:].T @ solved
    whole = np.diag(products)[-2:] - products[0, -2:] ** 2 / products[0, 0]
    first, second = max(float(left[0, 0]), 0.0), max(float(left[1, 1]), 0.0)
    told = first <= _NOTHING_LEFT * whole[0] or second <= _NOTHING_LEFT * whole[1]
    found = float("nan") if told else float(np.clip(left[0, 1] / sqrt(first * second), -1.0, 1.0))
    return Residuals(solved[:, 0], solved[:, 1], (first / n, second / n), found)


def of_influences(correlation: float, squares: float, n: int, units: int, given: int, *, clustered: bool) -> Estimate:
    """Return a partial correlation with the error of its influences, whose squares are summed over units.

    Examples
    --------
    >>> round(of_influences(0.0, 100.0, 100, 100, 1, clustered=False).error, 3)
    0.101
    """
    df = units - given - 1.0
    if units < 2 or df <= 0 or not isfinite(correlation):
        return Estimate(correlation, float("nan"), n, max(df, 0.0), clustered)
    return Estimate(correlation, sqrt(squares * units / df) / n, n, units - 1.0 if clustered else df, clustered)


def partial_correlation(
    first: npt.ArrayLike, second: npt.ArrayLike, given: npt.ArrayLike, *, unit: npt.ArrayLike | None = None
) -> Estimate:
    r"""Return the correlation of two columns given others, with an error that unequal spread and clusters do not break.

    Parameters
    ----------
    first, second
        Shape (n_rows,).
    given
        Shape (n_rows, n_given); the mean is taken out in any case.
    unit
        Which rows depend on each other, shape (n_rows,).

    Returns
    -------
    Estimate
        NaN where the given columns determine one of the two.

    Notes
    -----
    With u, v what linear regression on the given columns leaves, divided by their standard deviations, a row's
    influence is :math:`u v - r (u^2 + v^2) / 2`; for normal columns that gives the usual variance
    :math:`(1 - r^2)^2 / n` (R. A. Fisher 1921, On the probable error of a coefficient of correlation).

    Examples
    --------
    >>> round(partial_correlation([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], np.empty((3, 0))).value, 6)
    0.5
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    rows = np.column_stack([np.ones(len(one)), np.asarray(given, dtype=np.float64), one, other])
    found = residuals(rows.T @ rows, len(one))
    if not isfinite(found.correlation):
        return Estimate(float("nan"), float("nan"), len(one), 0.0, unit is not None)
    u = (one - rows[:, :-2] @ found.first) / sqrt(found.scale[0])
    v = (other - rows[:, :-2] @ found.second) / sqrt(found.scale[1])
    moments = moments_of((u * v - found.correlation * (u**2 + v**2) / 2)[:, None], unit)
    size = rows.shape[1] - 2
    squares = float(moments.products[0, 0])
    return of_influences(found.correlation, squares, len(one), moments.units, size, clustered=moments.clustered)


def fisher_bounds(found: Estimate, *, level: float) -> tuple[float, float] | None:
    """Return the interval of a correlation on Fisher's scale, so that it stays within (-1, 1).

    Examples
    --------
    >>> low, high = fisher_bounds(Estimate(0.5, 0.1, 60, 56.0, False), level=0.95)
    >>> round(low, 3), round(high, 3)
    (0.275, 0.673)
    """
    if not isfinite(found.value) or abs(found.value) >= 1:
        return None
    scaled = found._replace(value=atanh(found.value), error=found.error / (1 - found.value**2))
    ends = bounds(scaled, level=level)
    return None if ends is None else (tanh(ends[0]), tanh(ends[1]))
