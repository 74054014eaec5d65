"""Many tests at once: adjusted p-values that bound false alarms (Holm) or the share of false discoveries (BH, e-BH).

p-values may order a search; in this project they never decide. What a search finds is confirmed on other rows by a
simultaneous interval (`audit.search.slices`). A test that could not be made has no p-value (NaN): it counts among the
tests and rejects nothing, so that whatever left it undefined cannot make the others look better.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Adjusted(NamedTuple):
    """Adjusted p-values and what they reject, in the order of the tests.

    `p` is the smallest alpha at which the test would be rejected, in [0, 1]; NaN where the test is undefined.

    Examples
    --------
    >>> found = Adjusted(p=np.array([0.02, np.nan]), rejected=np.array([True, False]))
    >>> int(found.rejected.sum())
    1
    """

    p: Floats
    rejected: npt.NDArray[np.bool_]


def holm(p_values: npt.ArrayLike, *, alpha: float = 0.05) -> Adjusted:
    r"""Return Holm's adjusted p-values: the chance of any false rejection is at most alpha, whatever the dependence.

    Parameters
    ----------
    p_values : array_like, shape (n_tests,)
        p-values in [0, 1]; NaN = undefined, counted as a test that rejects nothing.
    alpha
        Bound on the chance of one false rejection or more, in (0, 1).

    Raises
    ------
    ValueError
        If a p-value lies outside [0, 1], there are several dimensions, or alpha lies outside (0, 1).

    Notes
    -----
    With p(1) <= ... <= p(m): adjusted p(i) = max over j <= i of min(1, (m - j + 1) p(j)). Source: S. Holm (1979), A
    simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 65-70.

    Examples
    --------
    .01 x 3 = .03, .02 x 2 = .04, .03 x 1 is raised to .04.

    >>> holm([0.03, 0.01, 0.02]).p.round(3).tolist()
    [0.04, 0.03, 0.04]
    """
    p, order = _ordered(p_values, alpha)
    steps = len(p) - np.arange(len(p))
    return _in_place(np.maximum.accumulate(p[order] * steps), order, p_values, alpha)


def benjamini_hochberg(p_values: npt.ArrayLike, *, alpha: float = 0.05) -> Adjusted:
    r"""Return Benjamini and Hochberg's adjusted p-values: the expected share of false discoveries is at most alpha.

    It holds for independent tests and for tests that are positively dependent (PRDS); `benjamini_yekutieli` holds for
    all.

    Parameters
    ----------
    p_values, alpha
        As in `holm`; alpha bounds the expected share of rejections that are false (0 where nothing is rejected).

    Raises
    ------
    ValueError
        As `holm`.

    Notes
    -----
    With p(1) <= ... <= p(m): adjusted p(i) = min over j >= i of min(1, m p(j) / j); j is the rank of the p-value (where
    it stands in the sorted order), not the place that sorting takes it from. Source: Y. Benjamini and Y. Hochberg
    (1995), Controlling the false discovery rate, JRSS B 57, 289-300, doi:10.1111/j.2517-6161.1995.tb02031.x.

    Examples
    --------
    .01 x 4 / 1 = .04, .02 x 4 / 2 = .04, .04 x 4 / 3 = .053, .9 x 4 / 4 = .9.

    >>> benjamini_hochberg([0.9, 0.01, 0.04, 0.02]).p.round(3).tolist()
    [0.9, 0.04, 0.053, 0.04]
    """
    return _step_up(p_values, alpha, factor=1.0)


def benjamini_yekutieli(p_values: npt.ArrayLike, *, alpha: float = 0.05) -> Adjusted:
    r"""Return Benjamini and Yekutieli's adjusted p-values: as `benjamini_hochberg`, under any dependence of the tests.

    Parameters
    ----------
    p_values, alpha
        As in `benjamini_hochberg`.

    Raises
    ------
    ValueError
        As `holm`.

    Notes
    -----
    Benjamini and Hochberg's, times 1 + 1/2 + ... + 1/m. Source: Y. Benjamini and D. Yekutieli (2001), The control of
    the false discovery rate in multiple testing under dependency, Annals of Statistics 29, 1165-1188,
    doi:10.1214/aos/1013699998.

    Examples
    --------
    .01 x 2 / 1 = .02 and .04 x 2 / 2 = .04, each times 1.5.

    >>> benjamini_yekutieli([0.01, 0.04]).p.round(3).tolist()
    [0.03, 0.06]
    """
    tests = np.size(p_values)
    return _step_up(p_values, alpha, factor=float(np.sum(1.0 / np.arange(1, tests + 1))))


def e_benjamini_hochberg(e_values: npt.ArrayLike, *, alpha: float = 0.05) -> Adjusted:
    r"""Return what e-BH rejects: the expected share of false discoveries is at most alpha, under any dependence.

    An e-value is evidence against a hypothesis whose expectation is at most 1 where the hypothesis is true; it may be
    looked at again and again. The adjusted p is the smallest alpha at which the test would be rejected.

    Parameters
    ----------
    e_values : array_like, shape (n_tests,)
        At least 0, infinite allowed; NaN = undefined, counted as a test that rejects nothing.
    alpha
        Bound on the expected share of rejections that are false, in (0, 1).

    Raises
    ------
    ValueError
        If an e-value is negative, there are several dimensions, or alpha lies outside (0, 1).

    Notes
    -----
    Benjamini and Hochberg's rule applied to 1 / e: with e(1) >= ... >= e(m), reject the k largest for the largest k
    with k e(k) >= m / alpha. Source: R. Wang and A. Ramdas (2022), False discovery rate control with e-values, JRSS B
    84, 822-852, doi:10.1111/rssb.12489.

    Examples
    --------
    Of two tests one is rejected at e >= 2 / alpha = 40.

    >>> e_benjamini_hochberg([50.0, 3.0]).rejected.tolist(), e_benjamini_hochberg([39.0, 3.0]).rejected.tolist()
    ([True, False], [False, False])
    """
    e = np.asarray(e_values, dtype=np.float64)
    if np.any(e < 0):
        msg = f"e-values are at least 0; found {float(np.nanmin(e)):g}; pass evidence, not its logarithm"
        raise ValueError(msg)
    with np.errstate(divide="ignore", over="ignore"):
        return benjamini_hochberg(np.minimum(1.0 / e, 1.0), alpha=alpha)


def _step_up(p_values: npt.ArrayLike, alpha: float, *, factor: float) -> Adjusted:
    p, order = _ordered(p_values, alpha)
    ranks = np.arange(1, len(p) + 1)
    raised = p[order] * (factor * len(p)) / ranks
    return _in_place(np.minimum.accumulate(raised[::-1])[::-1], order, p_values, alpha)


def _ordered(p_values: npt.ArrayLike, alpha: float) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the p-values with 1 for undefined ones, and the places of the tests from the smallest p-value on."""
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1:
        msg = f"expected one p-value per test, shape (n_tests,); got shape {p.shape}"
        raise ValueError(msg)
    if not 0 < alpha < 1:
        msg = f"alpha must lie in (0, 1); got {alpha}"
        raise ValueError(msg)
    outside = np.flatnonzero((p < 0) | (p > 1))
    if len(outside):
        msg = f"p-values must lie in [0, 1]; found {p[outside[0]]:g} at place {outside[0]} ({len(outside)} in all)"
        raise ValueError(msg)
    filled = np.where(np.isnan(p), 1.0, p)
    return filled, np.argsort(filled, kind="stable")


def _in_place(adjusted: Floats, order: npt.NDArray[np.int64], given: npt.ArrayLike, alpha: float) -> Adjusted:
    """Return sorted adjusted p-values at the places of their tests; undefined tests have none."""
    p = np.empty(len(order))
    p[order] = np.minimum(adjusted, 1.0)
    p[np.isnan(np.asarray(given, dtype=np.float64))] = np.nan
    return Adjusted(p=p, rejected=p <= alpha)
