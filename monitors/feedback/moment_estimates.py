"""A number with its standard error from sums, its interval, its row and its evidence."""

from collections.abc import Callable
from math import isfinite, sqrt
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtr

from audit.inference.intervals import enough_units, quantile
from audit.measurement import At, Measurement, Slice, Window
from monitors.feedback.evidence import normal_e_value
from monitors.feedback.moment_sums import Floats, Moments

Function = Callable[[npt.NDArray[Any]], Any]
"""Of totals, shape (n_columns,), real or complex; not changed when all totals are multiplied by one number."""

_STEP = 1e-20  # of a complex derivative: nothing is subtracted, so that it may be as small as one likes
_LARGEST_Z = 37.0  # beyond it the tail of a normal is no number any more
_ROUNDING = 1e-9


class Estimate(NamedTuple):
    """A number, its standard error and the degrees of freedom of that; NaN where undefined.

    Examples
    --------
    >>> Estimate(0.5, 0.1, 100, 99.0, clustered=False).value
    0.5
    """

    value: float
    error: float
    n: int
    df: float
    clustered: bool


def estimate(moments: Moments, function: Function, *, n: int | None = None) -> Estimate:
    """Return a function of totals with its standard error by the delta method.

    Parameters
    ----------
    moments
        Of rows; where clustered, units are clusters.
    function
        Of the totals; smooth, and the same when all of them are multiplied by one number (means, ratios, R squared).
    n
        The smallest denominator in rows; None = all rows.

    Notes
    -----
    Variance = G / (G - 1) a' P a, with a the gradient (by complex steps, without error of differences), P the products
    and G the units: the linearised variance of D. A. Binder (1983), doi:10.2307/1402588.

    Examples
    --------
    A mean of 1, 2, 3 has the standard error sqrt(1 / 3).

    >>> from monitors.feedback.moment_sums import moments_of
    >>> found = estimate(moments_of([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]]), lambda total: total[1] / total[0])
    >>> round(found.value, 6), round(found.error, 4)
    (2.0, 0.5774)
    """
    total, units = moments.total, moments.units
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(np.real(function(total.astype(np.complex128))))
    gradient = gradient_of(total, function)
    variance = float(gradient @ moments.products @ gradient)
    size = moments.n if n is None else n
    if units < 2 or not isfinite(value) or not isfinite(variance):
        return Estimate(value, np.nan, size, max(units - 1.0, 0.0), moments.clustered)
    scale = float(np.abs(gradient) @ np.sqrt(np.diag(moments.products))) ** 2
    error = 0.0 if variance <= _ROUNDING**2 * scale else sqrt(variance * units / (units - 1.0))
    return Estimate(value, error, size, units - 1.0, moments.clustered)


def gradient_of(total: Floats, function: Function) -> Floats:
    """Return by how much a function of totals moves with each of them, shape (n_columns,).

    Examples
    --------
    >>> gradient_of(np.array([2.0, 6.0]), lambda total: total[1] / total[0]).tolist()
    [-1.5, 0.5]
    """
    steps = total[None, :] + 1j * _STEP * np.eye(len(total))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.array([np.imag(function(row)) for row in steps]) / _STEP


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Return first - second of independent estimates, with Welch's degrees of freedom.

    Where one user has rows on both sides the error is, as a rule, too large rather than too small: what both sides
    share cancels in the difference.

    Examples
    --------
    >>> found = difference(Estimate(2.0, 3.0, 9, 8.0, False), Estimate(1.0, 4.0, 20, 19.0, False))
    >>> found.value, found.error, found.n
    (1.0, 5.0, 9)
    """
    ones, others = first.error**2, second.error**2
    total = ones + others
    fewest = min(first.df, second.df)
    df = fewest
    if fewest >= 5 and total > 0:
        df = total**2 / (ones**2 / first.df + others**2 / second.df)
    clustered = first.clustered or second.clustered
    return Estimate(first.value - second.value, sqrt(total), min(first.n, second.n), df, clustered)


def bounds(found: Estimate, *, level: float) -> tuple[float, float] | None:
    """Return value -+ t x error; None where nothing varies, or fewer than six units speak.

    Examples
    --------
    >>> low, high = bounds(Estimate(0.5, 0.1, 1000, 999.0, False), level=0.95)
    >>> round(low, 3), round(high, 3)
    (0.304, 0.696)
    >>> bounds(Estimate(0.5, 0.1, 1000, 3.0, True), level=0.95) is None
    True
    """
    if not (isfinite(found.value) and isfinite(found.error) and found.error > 0):
        return None
    if not bool(enough_units(level, df=found.df)):
        return None
    half = float(quantile(level, df=found.df)) * found.error
    return found.value - half, found.value + half


def no_bounds(found: Estimate) -> str:
    """Return why an estimate has no interval, in words.

    Examples
    --------
    >>> no_bounds(Estimate(0.5, 0.1, 1000, 3.0, True))
    'no interval: 4 clusters are too few to show how much they differ'
    """
    if isfinite(found.error) and found.error > 0:
        kind = "clusters" if found.clustered else "rows"
        return f"no interval: {found.df + 1:.0f} {kind} are too few to show how much they differ"
    return "no interval: the rows show no spread"


def evidence_of(found: Estimate, *, limit: float, side: Literal["above", "below"] = "above") -> float:
    """Return evidence that the truth lies beyond a limit, with Student's t mapped to the normal by equal tails.

    Examples
    --------
    >>> few, many = Estimate(0.5, 0.1, 9, 6.0, False), Estimate(0.5, 0.1, 9000, 9e3, False)
    >>> evidence_of(few, limit=0.1) < evidence_of(many, limit=0.1)
    True
    """
    if not (isfinite(found.error) and found.error > 0 and isfinite(found.value)) or found.df < 5:
        return 0.0
    t = (found.value - limit) / found.error
    tail = float(stdtr(found.df, -abs(t)))
    z = min(-float(ndtri(tail)), _LARGEST_Z) if tail > 0 else _LARGEST_Z
    signed = z if t >= 0 else -z
    return normal_e_value(limit + signed * found.error, found.error, limit=limit, side=side)


def of_estimate(
    metric: str,
    found: Estimate,
    *,
    level: float,
    method: str,
    at: At = (),
    of: Slice = (),
    window: Window | None = None,
    reason: str | None = None,
) -> Measurement:
    """Return the row of an estimate that is defined; a missing interval says why.

    Examples
    --------
    >>> of_estimate("uplift", Estimate(0.5, 0.0, 10, 9.0, False), level=0.95, method="delta_method").reason
    'no interval: the rows show no spread'
    """
    ends = bounds(found, level=level)
    why = "; ".join(filter(None, [reason, None if ends else no_bounds(found)])) or None
    return Measurement(
        metric=metric, slice=of, at=tuple(sorted(at)), window=window,
        value=found.value, low=ends[0] if ends else None, high=ends[1] if ends else None, n=found.n, level=level,
        method=f"{method}, cluster_robust" if found.clustered else method, reason=why,
    )  # fmt: skip
