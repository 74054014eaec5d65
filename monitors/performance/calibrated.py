"""What scores meant in the reference: the share of positives by score, and what is expected of each cell from it."""

from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from audit.metrics.metric import Counts, Fraction, Metric
from audit.rollup import FN, FP, TN, TP, UN, UP, Cells, cells_of, summed
from audit.tally import Tally

FloatArray = npt.NDArray[np.float64]

ROWS_PER_BIN = 200
"""Neighbouring score bins are taken together until so many labelled rows of the reference say what they mean."""


class Calibration(NamedTuple):
    """The share of positives among the reference's labelled rows, by score bin, shape (n_bins,).

    Examples
    --------
    >>> Calibration(np.array([0.1, 0.9])).positive[1].item()
    0.9
    """

    positive: FloatArray


class Expected(NamedTuple):
    """Numerator and denominator of a rate per row of each cell, shape (n_cells,): as labelled, and as expected.

    `top` and `bottom` are those of the cell's true label (of unlabelled cells: 0), `top_expected` and `bottom_expected`
    the means over both labels by the calibrated score, `top_if` and `bottom_if`, shape (2, n_cells), the values were
    the row negative or positive. `positive` is the calibrated probability.

    Examples
    --------
    >>> Expected._fields[:2]
    ('top', 'bottom')
    """

    top: FloatArray
    bottom: FloatArray
    top_expected: FloatArray
    bottom_expected: FloatArray
    top_if: FloatArray
    bottom_if: FloatArray
    positive: FloatArray


def calibration_of(reference: Tally) -> Calibration:
    """Return the calibration of a reference: one share for each run of score bins that holds enough labelled rows.

    Raises
    ------
    ValueError
        If the reference has no scores, no labels, or is not of two labels.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": [1] * 150 + [0] * 50, "s": [0.75] * 200})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5))
    >>> set(calibration_of(tally).positive.tolist())
    {0.75}
    """
    if reference.bins is None or reference.task != "binary" or reference.deferral:
        msg = "a calibration needs scores of two labels in the reference; name y_score"
        raise ValueError(msg)
    cells = cells_of(reference)
    labelled = cells.quadrant < UP
    of = [np.isin(cells.quadrant, kinds) & labelled for kinds in ((TP, FN), (TP, FN, FP, TN))]
    ones, every = (summed(_bins(cells)[side], cells.w[side], cells.n_bins) for side in of)
    if not every.sum():
        msg = "a calibration needs labels in the reference; it has none"
        raise ValueError(msg)
    runs = _runs(every)
    size = int(runs[-1]) + 1
    share = np.bincount(runs, weights=ones, minlength=size) / np.bincount(runs, weights=every, minlength=size)
    return Calibration(np.asarray(share[runs], dtype=np.float64))


def expected(metric: Metric, cells: Cells, calibration: Calibration) -> Expected:
    """Return what each cell adds to a rate, by its label and by its score.

    Examples
    --------
    An unlabelled row predicted positive, with a calibrated score of 0.8, is right with probability 0.8.

    >>> from audit.metrics.catalog import METRICS
    >>> n = np.array([1])
    >>> cells = Cells(np.array([UP]), n, n * 1.0, n * 1.0, np.array([0]), 1, False, {}, False, None)
    >>> expected(METRICS["accuracy"], cells, Calibration(np.array([0.8]))).top_expected.tolist()
    [0.8]
    """
    top, bottom = _coefficients(metric)
    chosen = np.isin(cells.quadrant, (TP, FP, UP))
    if_positive, if_negative = np.where(chosen, TP, FN), np.where(chosen, FP, TN)
    p = calibration.positive[_bins(cells)]
    return Expected(
        top=top[cells.quadrant],
        bottom=bottom[cells.quadrant],
        top_expected=p * top[if_positive] + (1 - p) * top[if_negative],
        bottom_expected=p * bottom[if_positive] + (1 - p) * bottom[if_negative],
        top_if=np.stack([top[if_negative], top[if_positive]]),
        bottom_if=np.stack([bottom[if_negative], bottom[if_positive]]),
        positive=p,
    )


def _bins(cells: Cells) -> npt.NDArray[np.int64]:
    return np.asarray(cells.bins, dtype=np.int64)


def _coefficients(metric: Metric) -> tuple[FloatArray, FloatArray]:
    """Return how much a row of each quadrant counts in a rate's numerator and denominator."""
    unit = Counts(*np.eye(6))
    found = cast("Any", metric.function)(unit)
    if not isinstance(found, Fraction):
        msg = f"{metric.name} is no rate; expected one such as accuracy or false_positive_rate"
        raise ValueError(msg)  # noqa: TRY004 - a metric of another kind, not another type
    top, bottom = (np.asarray(part, dtype=np.float64) * np.ones(6) for part in found)
    top[[UP, UN]] = bottom[[UP, UN]] = 0.0
    return top, bottom


def _runs(rows: FloatArray) -> npt.NDArray[np.int64]:
    """Return for each bin which run it belongs to; the last run takes what is left over."""
    runs = np.zeros(len(rows), dtype=np.int64)
    run, held = 0, 0.0
    for place, number in enumerate(rows):
        if held >= ROWS_PER_BIN:
            run, held = run + 1, 0.0
        runs[place] = run
        held += number
    if run and held < ROWS_PER_BIN:
        runs[runs == run] = run - 1
    return runs
