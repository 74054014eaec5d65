"""Rates from calibrated scores, corrected with the rows that have a label: the arithmetic."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.metrics.catalog import METRICS
from audit.metrics.metric import Metric
from audit.rollup import UP, Cells, Partition, summed
from monitors.performance.calibrated import Calibration, Expected, expected

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Means over the rows of each slice that a corrected rate is made of; every array has one entry per slice.

    Parameters
    ----------
    rows, labelled
        Numbers of rows.
    estimated, corrected
        The rate from scores alone, and with its correction; NaN where undefined.
    error
        Standard error of the corrected rate.
    n
        Labelled rows in the denominator of the rate.

    Examples
    --------
    >>> one = np.array([1.0])
    >>> Sums(rows=one, labelled=one, estimated=one, corrected=one, error=one, n=one).rows.tolist()
    [1.0]
    """

    rows: FloatArray
    labelled: FloatArray
    estimated: FloatArray
    corrected: FloatArray
    error: FloatArray
    n: FloatArray


def sums_of(
    metric: Metric,
    cells: Cells,
    slices: Partition,
    calibration: Calibration,
    *,
    strata: npt.NDArray[np.int64] | None = None,
) -> Sums:
    r"""Return a rate of each slice from scores alone, and corrected with the labelled rows.

    With numerator a and denominator b of each row, and their expectations by the score,

    .. math:: A = mean_{all}(E a) + mean_{labelled}(a - E a), \quad \hat\theta = A / B

    and B alike. Its standard error follows from the residual z = a - theta b: the variance of z over all rows, and that
    of z - E z times (1 / labelled - 1 / all), each at least what a calibrated score implies, so that a handful of
    labels that agree by chance does not look like certainty. Where labels were drawn at random within strata only,
    means over labelled rows are those of the strata, weighted by their shares of all rows.

    Parameters
    ----------
    metric, cells, slices, calibration
        What is estimated, of whom, from what.
    strata : ndarray, shape (n_cells,)
        Code of the stratum of each cell; None = labels are a random sample of all rows.

    References
    ----------
    A. N. Angelopoulos et al. (2023), Prediction-powered inference, Science 382, 669-674, doi:10.1126/science.adi6000;
    the estimate without labels: S. Garg et al. (2022), Leveraging unlabeled data to predict out-of-distribution
    performance, ICLR, arXiv:2201.04234. Ours differs in that the labelled rows are among all rows.
    """
    each, size = expected(metric, cells, calibration), len(slices.groups)
    n = cells.n.astype(np.float64)
    known = n * (cells.quadrant < UP)
    rows, labelled = summed(slices.member, n, size), summed(slices.member, known, size)
    atoms = _atoms(slices, n, known, strata)
    top, bottom = (atoms.mean(values, n) for values in (each.top_expected, each.bottom_expected))
    more_top = atoms.mean(each.top - each.top_expected, known)
    more_bottom = atoms.mean(each.bottom - each.bottom_expected, known)
    counted = summed(slices.member, known * (each.bottom > 0), size)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = atoms.joined(top) / atoms.joined(bottom)
        whole = atoms.joined(bottom + more_bottom)
        raw = atoms.joined(top + more_top) / np.where(whole > 0, whole, np.nan)
        corrected = np.where(counted > 0, np.clip(raw, 0.0, 1.0), np.nan)
        error = np.sqrt(_variance(each, corrected[slices.member], (n, known), atoms)) / whole
    return Sums(rows=rows, labelled=labelled, estimated=estimate, corrected=corrected, error=error, n=counted)


def rectifier_parts(
    cells: Cells, calibration: Calibration, *, metric: str = "accuracy"
) -> tuple[FloatArray, FloatArray]:
    """Return what each cell has beyond what its score says, and how many labelled rows it has; shape (n_cells,).

    Of "accuracy": right minus confidence. Of "prevalence": positive minus calibrated probability.

    Examples
    --------
    >>> n = np.array([4])
    >>> cells = Cells(np.array([0]), n, n * 1.0, n * 1.0, np.array([0]), 1, False, {}, False, None)
    >>> [part.round(2).tolist() for part in rectifier_parts(cells, Calibration(np.array([0.7])))]
    [[0.3], [4.0]]
    """
    each = expected(METRICS[metric], cells, calibration)
    return each.top - each.top_expected, cells.n.astype(np.float64) * (cells.quadrant < UP)


def rectifier_ends(
    cells: Cells, calibration: Calibration, *, metric: str = "accuracy"
) -> tuple[tuple[FloatArray, FloatArray], FloatArray]:
    """Return the smallest and the largest of what each cell may have beyond what its score says, and labelled rows.

    The two differ where labels are missing; otherwise they are those of `rectifier_parts`.

    Examples
    --------
    >>> n = np.array([4])
    >>> cells = Cells(np.array([UP]), n, n * 1.0, n * 1.0, np.array([0]), 1, False, {}, False, None)
    >>> (low, high), known = rectifier_ends(cells, Calibration(np.array([0.7])))
    >>> low.round(2).tolist(), high.round(2).tolist(), known.tolist()
    ([-0.7], [0.3], [0.0])
    """
    each = expected(METRICS[metric], cells, calibration)
    known = cells.quadrant < UP
    ends = [np.where(known, each.top, choose(each.top_if, axis=0)) - each.top_expected for choose in (np.min, np.max)]
    return (ends[0], ends[1]), cells.n.astype(np.float64) * known


class _Atoms(NamedTuple):
    """Slices cut by strata: the atom of each cell; the slice of each atom, its share of that slice, and its rows."""

    member: npt.NDArray[np.int64]
    slice: npt.NDArray[np.int64]
    share: FloatArray
    rows: FloatArray
    labelled: FloatArray
    size: int

    def mean(self, values: FloatArray, weight: FloatArray) -> FloatArray:
        """Return the weighted mean of values by atom; NaN where an atom has no weight."""
        with np.errstate(divide="ignore", invalid="ignore"):
            total = np.bincount(self.member, weights=weight, minlength=len(self.slice))
            return np.asarray(np.bincount(self.member, weights=weight * values, minlength=len(self.slice)) / total)

    def joined(self, by_atom: FloatArray, *, power: int = 1) -> FloatArray:
        """Return the sum over the atoms of each slice, weighted by their shares; atoms without rows do not count."""
        weighted = np.where(self.rows > 0, self.share**power * by_atom, 0.0)
        return np.asarray(np.bincount(self.slice, weights=weighted, minlength=self.size))


def _atoms(slices: Partition, n: FloatArray, known: FloatArray, strata: npt.NDArray[np.int64] | None) -> _Atoms:
    codes = np.zeros(len(n), dtype=np.int64) if strata is None else strata
    width, size = int(codes.max(initial=0)) + 1, len(slices.groups)
    member = slices.member * width + codes
    rows, labelled = (summed(member, part, size * width) for part in (n, known))
    of = np.repeat(np.arange(size), width)
    whole = summed(of, rows, size)[of]
    return _Atoms(member, of, rows / np.maximum(whole, 1.0), rows, labelled, size)


def _variance(each: Expected, rate: FloatArray, weights: tuple[FloatArray, FloatArray], atoms: _Atoms) -> FloatArray:
    """Return the variance of the mean residual of each slice."""
    n, known = weights
    z = each.top - rate * each.bottom
    off = z - (each.top_expected - rate * each.bottom_expected)
    spread = np.diff(each.top_if - rate * each.bottom_if, axis=0)[0]
    noise = atoms.mean(spread**2 * each.positive * (1 - each.positive), n)
    with np.errstate(divide="ignore", invalid="ignore"):
        unbiased = np.where(atoms.labelled > 1, atoms.labelled / (atoms.labelled - 1), 0.0)
        parts = [
            np.maximum((atoms.mean(values**2, known) - atoms.mean(values, known) ** 2) * unbiased, noise)
            for values in (off, z)
        ]
        sampled = parts[0] * np.maximum(1 / atoms.labelled - 1 / atoms.rows, 0.0) + parts[1] / atoms.rows
    return atoms.joined(sampled, power=2)
