"""Evidence by window that risks, gaps or confidence are worse than tolerated, and which of it rings since when."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.inference import gap_intervals, intervals
from audit.inference.multiplicity import e_benjamini_hochberg
from audit.rollup import cells_of
from audit.tally import Tally
from audit.unknowns.outcome_coverage import everyone_and_groups
from monitors.performance.calibrated import Calibration
from monitors.performance.corrected import rectifier_parts
from monitors.performance.gap_evidence import log_e_gap
from monitors.performance.streams import Stream, Streams, loss_of, tolerated_risk
from monitors.performance.window_tally import in_window
from monitors.sequential.risk import log_e_risk

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

LARGEST_LOG_E = 700.0
RECTIFIER, OUTCOME_RECTIFIER = "rectifier", "outcome_rectifier"
_BETS = np.geomspace(0.02, 0.9, 10)


class Evidence(NamedTuple):
    """Running evidence of one kind, a column per stream.

    `log_e`, of all windows so far, and `rows`, of each window alone, have the shape (n_windows, n_streams); `limit` is
    the tolerated risk, gap or loss of confidence.

    Examples
    --------
    >>> Evidence((Stream("accuracy", ()),), np.zeros((1, 1)), np.ones((1, 1)), np.array([0.2])).limit.tolist()
    [0.2]
    """

    streams: tuple[Stream, ...]
    log_e: FloatArray
    rows: FloatArray
    limit: FloatArray


class Rang(NamedTuple):
    """In which window each hypothesis was first rejected (-1: never), and the e-value that it needed there.

    Examples
    --------
    >>> Rang(np.array([-1]), np.array([np.nan])).window.tolist()
    [-1]
    """

    window: npt.NDArray[np.int64]
    limit: FloatArray

    def of(self, start: int, stop: int) -> "Rang":
        """Return what is about some of the hypotheses."""
        return Rang(self.window[start:stop], self.limit[start:stop])


def risk_evidence(streams: Streams, *, tolerance: float, error: float) -> tuple[Evidence, FloatArray]:
    """Return the evidence that risks exceed what is tolerated, and that of each window alone (for detectors).

    Of a rate that is watched both ways the mean of the two e-values is taken. A window in which a slice has no rows
    leaves its evidence as it was; alone it is NaN.
    """
    high, low = tolerated_risk(streams, tolerance=tolerance, error=error)
    losses, rows = loss_of(streams, streams.current), streams.current.rows
    spread = 1.0 if streams.dispersion is None else streams.dispersion
    running = _log_e(losses.cumsum(axis=0), rows.cumsum(axis=0), (high, low), streams.both, spread)
    alone = _log_e(losses, rows, (high, low), streams.both, spread)
    found = Evidence(streams.streams, running, rows, high)
    return found, np.where(rows > 0, alone, np.nan)


def gap_evidence(streams: Streams, *, tolerance: float, error: float) -> Evidence:
    """Return the evidence that groups lie further from everyone else than in the reference.

    Tolerated is the larger end, in size, of the interval of the reference's gap that fails with probability `error`,
    plus the tolerance. Only groups beside which there is someone else.
    """
    spread = np.ones(len(streams.streams)) if streams.dispersion is None else streams.dispersion
    held = np.flatnonzero(streams.reference_rest.rows > 0)
    own, other = ([part / spread for part in counted] for counted in (streams.reference, streams.reference_rest))
    critical = intervals.quantile(1 - error)
    ends = gap_intervals.agresti_caffo(own[0][held], own[1][held], other[0][held], other[1][held], critical=critical)
    limit = np.maximum(np.abs(ends.low), np.abs(ends.high)) + tolerance
    counts = [
        (part.events[:, held].cumsum(axis=0) / spread[held], part.rows[:, held].cumsum(axis=0) / spread[held])
        for part in (streams.current, streams.rest)
    ]
    expected = (streams.reference.rate[held], streams.reference_rest.rate[held])
    log_e = log_e_gap(counts[0], counts[1], limit=limit, expected=expected)
    rows = np.minimum(streams.current.rows[:, held], streams.rest.rows[:, held])
    return Evidence(tuple(streams.streams[place] for place in held), log_e, rows, limit)


def rectifier_evidence(
    reference: Tally, current: Tally, calibration: Calibration, streams: Streams, *, tolerance: float, error: float
) -> Evidence:
    r"""Return the evidence that scores no longer mean what they meant in the reference.

    Two streams of each slice: "rectifier", x = confidence - right (rows are right less often than their scores say),
    and "outcome_rectifier", x = positive - calibrated probability and its negative (outcomes are more, or less,
    frequent than the scores say; the mean of the two e-values). With m the upper bound of the mean of x in the
    reference plus the tolerance, the e-value is the mean over bets of :math:`\prod (1 + \lambda (x - m))`, each a
    supermartingale while the mean of x given the past is at most m. It rests on counts by score bin alone.

    References
    ----------
    I. Waudby-Smith and A. Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B 86, 1-27,
    doi:10.1093/jrsssb/qkad009.
    """
    then = _residuals(reference, calibration)
    order = [stream for stream, sides in then.items() if sides[0][1].sum() > 1]
    sides = [(column, side) for column, stream in enumerate(order) for side in range(len(then[stream]))]
    limit = np.array([_tolerated(*then[order[column]][side], error=error) for column, side in sides]) + tolerance
    log_bets = np.zeros((len(_BETS), len(sides)))
    log_e, rows = np.zeros((len(streams.windows), len(order))), np.zeros((len(streams.windows), len(order)))
    for place, window in enumerate(streams.windows):
        now = _residuals(in_window(current, window), calibration)
        for number, (column, side) in enumerate(sides):
            if order[column] in now and limit[number] < 1:
                x, n = now[order[column]][side]
                bets = _BETS[:, None] / (1 + limit[number])
                log_bets[:, number] += (n * np.log1p(bets * (x - limit[number]))).sum(axis=1)
                rows[place, column] = n.sum()
        by_side = np.logaddexp.reduce(log_bets, axis=0) - np.log(len(_BETS))
        log_e[place] = [np.logaddexp.reduce(by_side[own]) - np.log(len(own)) for own in _sides_of(sides, len(order))]
    highest = np.array([limit[own].max() for own in _sides_of(sides, len(order))])
    return Evidence(tuple(order), log_e, rows, highest)


def rang(log_e: FloatArray, *, alpha: float, settled: BoolArray) -> Rang:
    """Return when each column was first rejected by e-BH over all columns, in windows that are settled.

    The family is fixed by the reference, and what a window shows rests on it and the windows before; so more windows
    never take an alarm back. Of e-processes the chance that anything is ever rejected while nothing changed is at most
    alpha, however they depend on each other: e-BH at the first such window is one look at a stopping time.

    Examples
    --------
    Of two, one is rejected at 2 / alpha = 40.

    >>> rang(np.log([[50.0, 1.0], [1.0, 30.0]]), alpha=0.05, settled=np.array([True, True])).window.tolist()
    [0, -1]
    """
    windows, size = log_e.shape
    first, limit = np.full(size, -1, dtype=np.int64), np.full(size, np.nan)
    for window in range(windows if size else 0):
        if not settled[window]:
            continue
        found = e_benjamini_hochberg(np.exp(np.minimum(log_e[window], LARGEST_LOG_E)), alpha=alpha).rejected
        new = found & (first < 0)
        first[new], limit[new] = window, size / (alpha * max(int(found.sum()), 1))
    return Rang(first, limit)


def _log_e(
    losses: FloatArray,
    rows: FloatArray,
    tolerated: tuple[FloatArray, FloatArray],
    both: BoolArray,
    spread: "FloatArray | float",
) -> FloatArray:
    high, low = tolerated
    above = log_e_risk(losses, rows, tolerated=high, dispersion=spread)
    below = log_e_risk(np.maximum(rows - losses, 0.0), rows, tolerated=1.0 - low, dispersion=spread)
    return np.where(both, np.logaddexp(above, below) - np.log(2.0), above)


def _residuals(tally: Tally, calibration: Calibration) -> dict[Stream, list[tuple[FloatArray, FloatArray]]]:
    """Return the losses that each rectifier bets on, and the number of rows, of the labelled cells of each slice."""
    found: dict[Stream, list[tuple[FloatArray, FloatArray]]] = {}
    if not tally.cells.num_rows:
        return found
    cells = cells_of(tally)
    right, known = rectifier_parts(cells, calibration)
    outcome, _ = rectifier_parts(cells, calibration, metric="prevalence")
    for slices in everyone_and_groups(cells, tally.features):
        for place in range(len(slices.groups)):
            chosen = (slices.member == place) & (known > 0)
            n, whom = known[chosen], slices.slice_of(place)
            found[Stream(RECTIFIER, whom)] = [(-right[chosen], n)]
            found[Stream(OUTCOME_RECTIFIER, whom)] = [(outcome[chosen], n), (-outcome[chosen], n)]
    return found


def _sides_of(sides: list[tuple[int, int]], size: int) -> list[list[int]]:
    return [[number for number, (column, _) in enumerate(sides) if column == wanted] for wanted in range(size)]


def _tolerated(lost: FloatArray, n: FloatArray, *, error: float) -> float:
    total = float(n.sum())
    mean = float((n * lost).sum() / total)
    variance = max(float((n * lost**2).sum() / total) - mean**2, 0.0)
    return min(mean + float(intervals.quantile(1 - 2 * error)) * float(np.sqrt(variance / (total - 1))), 1.0)
