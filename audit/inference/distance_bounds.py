"""Bounds of distances that cannot be negative, from simultaneous intervals of what they are made of.

A distance such as a calibration error, total variation or a population stability index is 0 only where all its
components are: its estimate lies above it, and so do nearly all percentiles of its bootstrap, which never cover a
distance of 0. Where intervals hold for all components at once, with the confidence of their joint level every distance
that is compatible with them lies between these bounds, whatever the size of the sample and the true distance.

Source: the projection of a simultaneous confidence region (Scheffe 1953, doi:10.1093/biomet/40.1-2.87); that a
percentile bootstrap cannot do it at a corner of the parameter space: Andrews 2000, doi:10.1111/1468-0262.00114.
"""

from collections.abc import Callable

import numpy as np

from audit.inference.intervals import FloatArray, Interval

Term = Callable[[FloatArray, FloatArray], FloatArray]
"""What two components add to a distance: 0 where they are equal, growing as they move apart."""


def absolute_difference(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the term |first - second| of a calibration error or a total variation.

    Examples
    --------
    >>> absolute_difference(np.array([0.2]), np.array([0.5])).round(3).tolist()
    [0.3]
    """
    return np.asarray(np.abs(first - second))


def term_bounds(first: Interval, second: Interval, *, term: Term = absolute_difference) -> Interval:
    """Return the smallest and largest term that two intervals of a component allow.

    Parameters
    ----------
    first, second
        Intervals of one component on both sides, arrays of one shape. What is known exactly has low = high.
    term
        What the component adds to the distance.

    Returns
    -------
    Interval
        0 for the smallest where the intervals overlap; NaN where one is undefined.

    Examples
    --------
    Rates in [.1, .3] and [.5, .6] are .2 to .5 apart, those in [.1, .3] and [.2, .25] at most .15.

    >>> rates = Interval(np.array([0.1, 0.1]), np.array([0.3, 0.3]))
    >>> bounds = term_bounds(rates, Interval(np.array([0.5, 0.2]), np.array([0.6, 0.25])))
    >>> bounds.low.round(3).tolist(), bounds.high.round(3).tolist()
    ([0.2, 0.0], [0.5, 0.15])
    """
    far = np.maximum(term(first.low, second.high), term(first.high, second.low))
    near = np.minimum(term(first.high, second.low), term(first.low, second.high))
    overlap = (first.low <= second.high) & (second.low <= first.high)
    undefined = np.isnan(first.low + first.high + second.low + second.high)
    low, high = np.where(overlap, 0.0, near), np.where(undefined, np.nan, far)
    return Interval(np.asarray(np.where(undefined, np.nan, low)), np.asarray(high))


def distance_bounds(terms: Interval, distance: Callable[[FloatArray], FloatArray]) -> Interval:
    """Return the bounds of a distance that grows with each of its terms.

    Parameters
    ----------
    terms
        Bounds of the terms, all of which hold at once: made from intervals at a joint level.
    distance
        From terms to the distance: a sum with weights of at least 0, a maximum.

    Examples
    --------
    A sum of two terms that lie in [0, .1] and [.2, .4].

    >>> bounds = distance_bounds(Interval(np.array([0.0, 0.2]), np.array([0.1, 0.4])), lambda terms: terms.sum(axis=-1))
    >>> float(bounds.low), float(bounds.high)
    (0.2, 0.5)
    """
    return Interval(distance(terms.low), distance(terms.high))


def difference_bounds(first: Interval, second: Interval) -> Interval:
    """Return the bounds of first - second, two numbers with bounds of their own that hold at once.

    Wider than square-and-add, which presumes estimates with a spread: a distance has none near 0.

    Examples
    --------
    >>> bounds = difference_bounds(Interval(np.array(0.1), np.array(0.4)), Interval(np.array(0.0), np.array(0.2)))
    >>> round(float(bounds.low), 3), float(bounds.high)
    (-0.1, 0.4)
    """
    return Interval(np.asarray(first.low - second.high), np.asarray(first.high - second.low))


def widened(value: FloatArray, bounds: Interval, half: FloatArray, limits: tuple[float, float]) -> Interval:
    """Return bounds of a mean of terms whose weights are themselves estimated: the two are squared and added.

    `bounds` hold for the weights as they are, `half` is the half-width of the interval of the mean with known terms.
    Of terms that are known exactly this is the usual interval of a mean, of equal terms it is `bounds`.

    Examples
    --------
    3 up and 4 for the weights are 5 up.

    >>> bounds = widened(np.array([10.0]), Interval(np.array([10.0]), np.array([13.0])), np.array([4.0]), (0.0, np.inf))
    >>> bounds.low.tolist(), bounds.high.tolist()
    ([6.0], [15.0])
    """
    low = value - np.hypot(np.maximum(value - bounds.low, 0.0), half)
    high = value + np.hypot(np.maximum(bounds.high - value, 0.0), half)
    return Interval(np.maximum(low, limits[0]), np.minimum(high, limits[1]))
