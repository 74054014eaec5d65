"""Evidence that counts of bins no longer follow their reference, whose own chance error is part of the null.

The bins that follow a finite reference are a Polya urn: the chance of the next row to fall into bin i is
(a_i + n_i) / (A + N), where a_i are the reference's rows, n_i those seen since. Likelihood ratios to it are e-values,
and one after the other they are a martingale: they may be looked at after every row.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from audit.inference.intervals import FloatArray

KAPPAS = (10.0, 100.0, 1000.0)
"""Concentrations of the alternatives around the reference's shares: from far away to close by."""

SPLIT_KAPPAS = (20.0, 200.0)
"""The same for two bins: a bin against all others, or all bins below an edge against those above."""

APPROXIMATION = 1.25
"""Divides e-values whose null is no exact urn: with two bins their expectation was at most 1.24 at any share (computed
for references of 200 and 1,000 rows and up to 100 times as many current ones)."""

_FLOOR = 1.0  # an alternative gives a nearly empty bin no better chance to stay empty than the null does
_NOTHING = -np.inf


class Evidence(NamedTuple):
    """Evidence after each window, and since when.

    Attributes
    ----------
    log_e
        Logarithm of the e-process after each window, shape (n_windows, n_rows).
    since
        Place of the window at which the change that it sees best began, same shape.
    """

    log_e: FloatArray
    since: npt.NDArray[np.int64]


def log_polya_e(counts: npt.ArrayLike, reference: npt.ArrayLike, *, kappas: tuple[float, ...] = KAPPAS) -> FloatArray:
    r"""Return the log e-value of "the counts follow the urn of the reference"; larger is stronger against it.

    For a number without ties whose bins are cut at order statistics of the reference, of ranks r_1 < ... < r_(K-1),
    a_i = r_i - r_(i-1) (r_0 = 0, r_K = n + 1: with left-closed bins the counts of the reference, one more in the
    first) makes it exact: if reference and current rows are exchangeable, its expectation is 1 at every number of rows,
    and the chance that it *ever* reaches 1 / alpha is at most alpha, whatever the distribution. For categories
    a_i = counts + 1/2 makes it approximate.

    Parameters
    ----------
    counts
        Current rows per bin, shape (..., n_bins), all rows so far.
    reference
        a_i > 0, broadcasts to `counts`.
    kappas
        Concentrations of the alternatives.

    Returns
    -------
    ndarray
        Shape (...); 0 where there are no rows.

    Notes
    -----
    e = mean over kappa of DM(n; kappa a / A) / DM(n; a) with ln DM(n; a) = lnG(A) - lnG(A + N) + sum lnG(a_i + n_i)
    - lnG(a_i). The spacings of order statistics are Dirichlet (S. S. Wilks 1962, Mathematical Statistics, 8.7);
    the urn: D. Blackwell and J. B. MacQueen (1973), doi:10.1214/aos/1176342372. The test is ours.

    Examples
    --------
    Two bins with a = 1 each, one alternative with 10 / 2 each, two rows in the first: (5 6) / (10 11) against
    (1 2) / (2 3).

    >>> round(float(np.exp(log_polya_e([2, 0], [1, 1], kappas=(10.0,)))), 4), round(30 / 110 * 3, 4)
    (0.8182, 0.8182)
    """
    n, a = np.asarray(counts, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    total = a.sum(axis=-1, keepdims=True)
    null = _log_urn(n, np.broadcast_to(a, n.shape))
    alternatives = [_log_urn(n, np.broadcast_to(kappa * a / total, n.shape)) for kappa in kappas]
    return _log_mean(np.stack(alternatives), axis=0) - null


def evidence_over_windows(counts: npt.ArrayLike, base: npt.ArrayLike, *, ordered: bool) -> Evidence:
    r"""Return an e-process over windows that finds a change soon whenever it comes.

    For every window s in which a change may have begun, all rows since s are compared with the urn of the reference
    *and all rows before s*; that is a martingale from s on. They are added up with the weights 1 / (s (s + 1)),
    s = 1, 2, ..., which sum to 1: the sum is an e-process. Hence its value after each window has expectation at most
    1, and the chance that it reaches 1 / alpha at any of however many looks is at most alpha; a change that begins in
    window 20 costs ln 420 = 6 natural units of evidence, not the evidence that 19 good windows spoiled. Of the starts
    only those 0, 1, 3, 7, 15, ... windows back and the first are summed: leaving out terms keeps the promise.

    Parameters
    ----------
    counts
        Shape (n_windows, n_rows, n_bins), oldest window first: n_rows tests at once, each with its own bins.
    base
        a_i of the reference, shape (n_rows, n_bins); 0 marks a bin that a test does not have.
    ordered
        Whether bins are in the order of the values. Besides `log_polya_e` with all bins, e-values of two bins each are
        averaged: rows below each edge (ordered), rows of each bin (not ordered).

    Returns
    -------
    Evidence
        log e of 0 before any rows.

    Notes
    -----
    Alternatives give no bin a concentration below min(a_i, 1). Half the weight is on all bins, half on pairs.

    Examples
    --------
    The third window has the opposite of the reference's shares.

    >>> counts = np.array([[[90, 10]], [[90, 10]], [[10, 90]]])
    >>> found = evidence_over_windows(counts, np.array([[900.5, 100.5]]), ordered=False)
    >>> found.log_e.round(1).ravel().tolist(), found.since.ravel().tolist()
    ([-1.1, -1.0, 131.7], [0, 0, 2])
    """
    n, a = np.asarray(counts, dtype=np.float64), np.asarray(base, dtype=np.float64)
    windows, tests, _ = n.shape
    before = np.concatenate([np.zeros((1, *n.shape[1:])), np.cumsum(n, axis=0)])
    whole = _Urns.of(before + a, a > 0, KAPPAS)
    split = _Urns.of(*_pairs(before + a, a > 0, ordered=ordered), SPLIT_KAPPAS)
    log_e, since = np.full((windows, tests), _NOTHING), np.zeros((windows, tests), dtype=np.int64)
    best = np.full((windows, tests), _NOTHING)
    for back in _lookbacks(windows):
        last = np.arange(back, windows) if back >= 0 else np.arange(windows)
        first = last - back if back >= 0 else np.zeros(windows, dtype=np.int64)
        if back < 0:  # the very first window, where no other look back ends there
            last = last[~np.isin(last, [other for other in _lookbacks(windows) if other >= 0])]
            first = np.zeros(len(last), dtype=np.int64)
        if not len(last):
            continue
        of_all, of_pairs = whole.log_e(first, last + 1), split.log_e(first, last + 1)
        pairs = _mean_of_present(of_pairs, split.present)
        weighted = np.logaddexp(of_all, pairs) - np.log(2.0) + np.log(_weights(first))[:, None]
        log_e[last] = np.logaddexp(log_e[last], weighted)
        better = weighted > best[last]
        best[last] = np.where(better, weighted, best[last])
        since[last] = np.where(better, first[:, None], since[last])
    return Evidence(log_e=log_e, since=since)


class _Urns(NamedTuple):
    """Urns before the first and after each window, and what their likelihoods need at all of these times.

    Attributes
    ----------
    contents
        Shape (n_windows + 1, ..., n_bins).
    log_null
        The part of the null's log likelihood that depends on the content alone, shape (n_windows + 1, ...).
    alternatives, log_norms
        For each kappa the alternative's content, and the part of its log likelihood that depends on it alone.
    """

    contents: FloatArray
    present: npt.NDArray[np.bool_]
    log_null: FloatArray
    alternatives: tuple[FloatArray, ...]
    log_norms: tuple[FloatArray, ...]

    @classmethod
    def of(cls, contents: FloatArray, present: npt.NDArray[np.bool_], kappas: tuple[float, ...]) -> "_Urns":
        held = np.where(present, contents, 1.0)
        total = np.maximum(np.where(present, contents, 0.0).sum(axis=-1, keepdims=True), 1e-9)
        alternatives, norms = [], []
        for kappa in kappas:
            concentration = np.minimum(kappa, np.maximum(total / 4.0, 2.0))
            content = np.where(present, np.maximum(concentration * held / total, np.minimum(held, _FLOOR)), 1.0)
            alternatives.append(content)
            norms.append(_log_content(content, present))
        return cls(contents, present, -_log_content(held, present), tuple(alternatives), tuple(norms))

    def log_e(self, first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]) -> FloatArray:
        """Return the log e-values of the rows put in between two times, the mean over kappas; shape (n, ...)."""
        added = np.where(self.present, self.contents[last] - self.contents[first], 0.0)
        found = [
            norms[first] - _log_content(content[first] + added, self.present)
            for content, norms in zip(self.alternatives, self.log_norms, strict=True)
        ]
        return _log_mean(np.stack(found), axis=0) - (self.log_null[last] - self.log_null[first])


def _log_content(content: FloatArray, present: npt.NDArray[np.bool_]) -> FloatArray:
    """Return lnG of the sum less the sum of lnG, over the bins that are present."""
    inner = np.where(present, gammaln(content), 0.0).sum(axis=-1)
    total = np.where(present, content, 0.0).sum(axis=-1)
    return np.asarray(gammaln(np.maximum(total, 1e-9)) - inner)


def _log_urn(added: FloatArray, content: FloatArray) -> FloatArray:
    """Return the log chance of a sequence of rows with these counts, drawn from an urn with this content."""
    everywhere = np.ones(content.shape, dtype=np.bool_)
    return _log_content(content, everywhere) - _log_content(content + added, everywhere)


def _pairs(
    contents: FloatArray, present: npt.NDArray[np.bool_], *, ordered: bool
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return each bin against all others, or all bins up to it against those above, as urns of two bins."""
    held = np.where(present, contents, 0.0)
    total = held.sum(axis=-1, keepdims=True)
    inside = np.cumsum(held, axis=-1) if ordered else held
    number = present.sum(axis=-1, keepdims=True)
    usable = present & ((np.cumsum(present, axis=-1) < number) if ordered else (number > 1))
    both = np.stack([inside, np.maximum(total - inside, 0.0)], axis=-1)
    return both, np.broadcast_to(usable[..., None], (*present.shape, 2))


def _mean_of_present(log_e: FloatArray, present: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the log of the mean e-value of the pairs that a test has; no evidence where it has none."""
    there = present[..., 0]
    number = there.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = _log_mean(np.where(there, log_e, _NOTHING), axis=-1) + np.log(there.shape[-1] / np.maximum(number, 1))
    return np.asarray(np.where(number > 0, mean, 0.0))


def _log_mean(logs: FloatArray, *, axis: int) -> FloatArray:
    """Return the logarithm of the mean of exponentials."""
    largest = logs.max(axis=axis, keepdims=True)
    return np.asarray(np.log(np.exp(logs - largest).mean(axis=axis)) + largest.squeeze(axis))


def _lookbacks(windows: int) -> list[int]:
    """Return 0, 1, 3, 7, ... windows back, and -1 for the first window."""
    steps = [2**power - 1 for power in range(64) if 2**power - 1 < windows]
    return [*steps, -1]


def _weights(first: npt.NDArray[np.int64]) -> FloatArray:
    """Return 1 / (s (s + 1)) for the s-th window, counted from 1; over all windows they sum to 1."""
    return np.asarray(1.0 / ((first + 1.0) * (first + 2.0)))
