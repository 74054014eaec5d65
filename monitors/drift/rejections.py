"""The evidence of all features and slices of a profile at once, and the bound of the effect behind each rejection."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.inference.intervals import FloatArray
from audit.inference.multiplicity import e_benjamini_hochberg
from monitors.counts.binning import Binning
from monitors.drift.bins import MergedBins, as_ordered, coarse, few_values, merged, merged_bins
from monitors.drift.bounds import ks_radius, largest_ratio_bound, tv_radius
from monitors.drift.distances import kolmogorov_smirnov_statistic, total_variation_distance
from monitors.drift.evidence import APPROXIMATION, Evidence, evidence_over_windows

BoolArray = npt.NDArray[np.bool_]

ASIDE_WEIGHT = 0.1
"""Weight of the evidence of missing, and of new, values; the known values have the rest."""

MAX_LOG_E = 700.0  # beyond it the exponential overflows

_AT_ONCE = 1_000_000  # numbers of an array of counts that are worked on together


class Pair(NamedTuple):
    """Counts of one feature on both sides.

    Attributes
    ----------
    binning
        Its bins.
    reference
        Shape (n_slices, n_bins).
    current
        Shape (n_windows, n_slices, n_bins).
    dispersion
        Divides the rows of both sides.
    """

    binning: Binning
    reference: FloatArray
    current: FloatArray
    dispersion: float


class Tested(NamedTuple):
    """Evidence of each window, feature and slice, shape (n_windows, n_features, n_slices).

    Attributes
    ----------
    log_e
        NaN where there is nothing to test: no rows of the reference.
    since
        Place of the window at which the change began, as far as can be seen.
    rejected
        What e-BH rejects after each window, among all features and slices.
    limit
        The e-value that a rejection needed after each window: n_tests / (rejected * alpha), shape (n_windows,).
    exact
        Whether the null is an exact urn, shape (n_features, n_slices).
    """

    log_e: FloatArray
    since: npt.NDArray[np.int64]
    rejected: BoolArray
    limit: FloatArray
    exact: BoolArray


def tested(pairs: Sequence[Pair], *, alpha: float, min_reference: int) -> Tested:
    """Return the evidence of all features and slices after each window, and what it rejects together.

    Parameters
    ----------
    pairs
        The features, all with the same windows and slices; at least one.
    alpha
        Expected share of false rejections after each window (e-BH), whatever the dependence of features and slices.
    min_reference
        Rows of the reference below which a slice is not tested.

    Examples
    --------
    >>> sex = Binning(feature="sex", kind="categorical", categories=("F", "M"))
    >>> reference, current = np.array([[500.0, 500, 0, 0]]), np.array([[[50.0, 50, 0, 0]], [[90, 10, 0, 0]]])
    >>> found = tested([Pair(sex, reference, current, 1.0)], alpha=0.05, min_reference=50)
    >>> found.rejected.ravel().tolist(), found.since.ravel().tolist(), found.limit.tolist()
    ([False, True], [0, 1], [20.0, 20.0])
    """
    found = [merged_bins(*pair) for pair in pairs]
    parts = [_evidence(bins, ordered=pair.binning.kind == "numeric") for pair, bins in zip(pairs, found, strict=True)]
    since = np.stack([part.since for part in parts], axis=1)
    rows = np.stack([pair.reference.sum(axis=-1) for pair in pairs])
    log_e = np.where(rows >= min_reference, np.stack([part.log_e for part in parts], axis=1), np.nan)
    rejected, limit = _rejected(log_e, alpha)
    return Tested(log_e, since, rejected, limit, np.stack([bins.exact for bins in found]))


def _evidence(bins: MergedBins, *, ordered: bool) -> Evidence:
    """Return the mean of the e-processes of the known values and of the rows aside."""
    aside = bins.aside_base.shape[-2]
    parts = [_in_portions(bins.counts, bins.base, ordered=ordered)]
    parts += [
        _in_portions(bins.aside_counts[..., k, :], bins.aside_base[..., k, :], ordered=True) for k in range(aside)
    ]
    inexact = np.where(bins.exact, 0.0, np.log(APPROXIMATION))
    logs = [parts[0].log_e + np.log1p(-aside * ASIDE_WEIGHT) - inexact]
    logs += [part.log_e + np.log(ASIDE_WEIGHT / APPROXIMATION) for part in parts[1:]]
    strongest = np.argmax(np.stack(logs), axis=0)[None]
    since = np.take_along_axis(np.stack([part.since for part in parts]), strongest, axis=0)[0]
    return Evidence(np.logaddexp.reduce(np.stack(logs), axis=0), since)


def _in_portions(counts: FloatArray, base: FloatArray, *, ordered: bool) -> Evidence:
    windows, tests, bins = counts.shape
    size = max(1, _AT_ONCE // max(1, windows * bins * (1 if ordered else 2)))
    found = [
        evidence_over_windows(counts[:, start : start + size], base[start : start + size], ordered=ordered)
        for start in range(0, tests, size)
    ]
    return Evidence(
        np.concatenate([part.log_e for part in found], axis=1), np.concatenate([part.since for part in found], axis=1)
    )


def _rejected(log_e: FloatArray, alpha: float) -> tuple[BoolArray, FloatArray]:
    """Return what e-BH rejects after each window, never from running maxima, and the e-value that it took."""
    rejected, limits = np.zeros(log_e.shape, dtype=np.bool_), np.empty(len(log_e))
    for window, logs in enumerate(log_e):
        e_values = np.exp(np.minimum(logs, MAX_LOG_E)).ravel()
        rejected[window] = e_benjamini_hochberg(e_values, alpha=alpha).rejected.reshape(logs.shape)
        limits[window] = e_values.size / (alpha * max(1, int(rejected[window].sum())))
    return rejected, limits


class Bound(NamedTuple):
    """Lower bounds of the effect of the rows since a change, for chosen windows and slices of one feature.

    Attributes
    ----------
    rows
        Rows since the change.
    value, low
        Kolmogorov-Smirnov statistic (numbers, at up to 10 edges) or total variation, and its lower bound.
    factor
        Lower bound of the largest factor by which the share of a category changed, or of a value that many rows of a
        number share (`monitors.drift.bins.few_values`); 1 for all other numbers.
    """

    rows: FloatArray
    value: FloatArray
    low: FloatArray
    factor: FloatArray


def error_of_bound(windows: npt.ArrayLike, *, alpha: float, tests: int) -> FloatArray:
    r"""Return the error that the bound of one test may make after the k-th window.

    Notes
    -----
    alpha / (n_tests k (k + 1) starts): summed over tests, windows and the starts among which the evidence chooses
    (those of `evidence_over_windows`), all bounds ever made are right together with probability at least 1 - alpha.

    Examples
    --------
    >>> (1 / error_of_bound([1, 2], alpha=0.05, tests=25)).round(6).tolist()
    [1000.0, 6000.0]
    """
    k = np.asarray(windows, dtype=np.float64)
    mantissa, exponent = np.frexp(k)
    starts = exponent + (mantissa != 0.5)  # 0, 1, 3, ... windows back, and the first where none of them is it
    return np.asarray(alpha / (tests * k * (k + 1.0) * starts))


def bound_since(
    pair: Pair, first: npt.NDArray[np.int64], last: npt.NDArray[np.int64], slices: npt.NDArray[np.int64],
    *, error: FloatArray, min_share: float,
) -> Bound:  # fmt: skip
    """Return the bounds of the effect of the rows of windows first, ..., last (inclusive) in some slices.

    Examples
    --------
    >>> ages = Binning(feature="age", kind="numeric", edges=(40.0,))
    >>> pair = Pair(ages, np.array([[2000.0, 2000, 0]]), np.array([[[1000.0, 100, 0]]]), 1.0)
    >>> at = np.array([0])
    >>> found = bound_since(pair, at, at, at, error=np.array([0.05]), min_share=0.005)
    >>> found.value.round(3).tolist(), found.low.round(3).tolist(), found.factor.tolist()
    ([0.409], [0.359], [1.0])
    """
    sums = np.concatenate([np.zeros((1, *pair.current.shape[1:])), np.cumsum(pair.current, axis=0)])
    now, was = sums[last + 1, slices] - sums[first, slices], pair.reference[slices]
    rows = now.sum(axis=-1)
    m, n = (np.maximum(side.sum(axis=-1), 1e-9) / pair.dispersion for side in (was, now))
    if pair.binning.kind == "numeric":
        into = coarse(pair.reference[0, :-1])
        size = int(into[-1]) + 1
        was, now = (
            as_ordered(np.concatenate([merged(side[..., :-1], into, size), side[..., -1:]], axis=-1))
            for side in (was, now)
        )
        value = kolmogorov_smirnov_statistic(was, now)
        if not few_values(pair.binning, pair.reference[0]):
            return Bound(rows, value, value - ks_radius(m, n, alpha=error, edges=size), np.ones(len(rows)))
        radius = ks_radius(m, n, alpha=error / 2.0, edges=size)
    else:
        value = total_variation_distance(was, now)
        radius = tv_radius(m, n, alpha=error / 2.0, bins=was.shape[-1])
    # half the error for the distance of all bins, half for the factors of single ones
    scaled = (was / pair.dispersion, now / pair.dispersion)
    factor = largest_ratio_bound(*scaled, alpha=error / 2.0, min_share=min_share)
    return Bound(rows, value, value - radius, factor)
