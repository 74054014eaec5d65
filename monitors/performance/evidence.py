"""Evidence by window that risks, gaps or confidence are worse than tolerated, and which of it rings since when."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.inference import gap_intervals, intervals
from audit.inference.multiplicity import e_benjamini_hochberg
from audit.rollup import cells_of
from audit.tally import Tally
from audit.unknowns.outcome_coverage import everyone_and_groups
from monitors.performance.bets import BETS, mean_bound
from monitors.performance.calibrated import Calibration
from monitors.performance.corrected import rectifier_ends
from monitors.performance.gap_evidence import log_e_gap
from monitors.performance.streams import Counted, Stream, Streams, loss_of, tolerated_risk
from monitors.performance.window_tally import in_window
from monitors.sequential.risk import log_e_risk

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

LARGEST_LOG_E = 700.0
RECTIFIER, OUTCOME_RECTIFIER = "rectifier", "outcome_rectifier"
FEWEST_ROWS = 30
"""With fewer rows of a slice in the reference its scores are not judged."""


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
    leaves its evidence as it was; alone it is NaN. Rows without a label count as no loss, and as losses in the
    reference, so that the promise holds whichever labels are missing.
    """
    high, low = tolerated_risk(streams, tolerance=tolerance, error=error)
    losses, rows = loss_of(streams, streams.granted), streams.granted.rows
    spread = 1.0 if streams.dispersion is None else streams.dispersion
    running = _log_e(losses.cumsum(axis=0), rows.cumsum(axis=0), (high, low), streams.both, spread)
    alone = _log_e(losses, rows, (high, low), streams.both, spread)
    found = Evidence(streams.streams, running, streams.current.rows, high)
    return found, np.where(rows > 0, alone, np.nan)


def gap_evidence(streams: Streams, *, tolerance: float, error: float) -> Evidence:
    """Return the evidence that groups lie further from everyone else than in the reference.

    Tolerated is the larger end, in size, of the interval of the reference's gap that fails with probability `error`,
    plus the tolerance. Only groups beside which there is someone else. Where labels are missing, the higher rate is
    counted with the labels that make it lowest and the lower one with those that make it highest, and the gap of the
    reference is the widest that its labels allow; where the two then meet, there is no evidence.
    """
    spread = np.ones(len(streams.streams)) if streams.dispersion is None else streams.dispersion
    held = np.flatnonzero(streams.reference_rest.rows > 0)
    critical, limit = intervals.quantile(1 - error), np.zeros(len(held))
    for sides in _gap_ends(streams):
        own, other = ([part[held] / spread[held] for part in counted] for counted in sides.reference)
        ends = gap_intervals.agresti_caffo(*own, *other, critical=critical)
        limit = np.maximum.reduce([limit, np.abs(ends.low), np.abs(ends.high)])
    limit = limit + tolerance
    expected = (streams.reference.rate[held], streams.reference_rest.rate[held])
    found = []
    for sides in _gap_ends(streams):
        counts = [
            (part.events[:, held].cumsum(axis=0) / spread[held], part.rows[:, held].cumsum(axis=0) / spread[held])
            for part in sides.current
        ]
        log_e = log_e_gap(*counts, limit=limit, expected=expected)
        found.append(np.where(_apart(counts, sides.sign), log_e, np.minimum(log_e, 0.0)))
    log_e = np.maximum.reduce(found)
    rows = np.minimum(streams.current.rows[:, held], streams.rest.rows[:, held])
    return Evidence(tuple(streams.streams[place] for place in held), log_e, rows, limit)


def rectifier_evidence(
    reference: Tally,
    current: Tally,
    calibration: Calibration,
    streams: Streams,
    *,
    tolerance: float,
    error: float,
    at_random: bool = False,
    dispersion: float = 1.0,
) -> Evidence:
    r"""Return the evidence that scores no longer mean what they meant in the reference.

    Two streams of each slice: "rectifier", x = confidence - right (rows are right less often than their scores say),
    and "outcome_rectifier", x = positive - calibrated probability and its negative (outcomes are more, or less,
    frequent than the scores say; the mean of the two e-values). With m the upper bound of the mean of x in the
    reference plus the tolerance, the e-value is the mean over bets of :math:`\prod (1 + \lambda (x - m))`, each a
    supermartingale while the mean of x given the past is at most m. It rests on counts by score bin alone.

    A row without a label has the smallest x that a label could give it, and the largest in the reference, unless labels
    are declared to be missing at random. The bound of the reference comes from the same bets turned round, so that it
    holds at any number of rows; slices with fewer than 30 there are not judged.

    References
    ----------
    I. Waudby-Smith and A. Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B 86, 1-27,
    doi:10.1093/jrsssb/qkad009.
    """
    then = _residuals(reference, calibration, None if at_random else 1)
    order = [stream for stream, sides in then.items() if sides[0][1].sum() >= FEWEST_ROWS * dispersion]
    sides = [(column, side) for column, stream in enumerate(order) for side in range(len(then[stream]))]
    bounds = [mean_bound(*then[order[column]][side], dispersion, error=error) for column, side in sides]
    limit = np.array(bounds) + tolerance
    log_bets = np.zeros((len(BETS), len(sides)))
    log_e, rows = np.zeros((len(streams.windows), len(order))), np.zeros((len(streams.windows), len(order)))
    for place, window in enumerate(streams.windows):
        now = _residuals(in_window(current, window), calibration, None if at_random else -1)
        for number, (column, side) in enumerate(sides):
            if order[column] in now and limit[number] < 1:
                x, n = now[order[column]][side]
                bets = BETS[:, None] / (1 + limit[number])
                log_bets[:, number] += (n / dispersion * np.log1p(bets * (x - limit[number]))).sum(axis=1)
                rows[place, column] = n.sum()
        by_side = np.logaddexp.reduce(log_bets, axis=0) - np.log(len(BETS))
        log_e[place] = [np.logaddexp.reduce(by_side[own]) - np.log(len(own)) for own in _sides_of(sides, len(order))]
    highest = np.array([limit[own].max() for own in _sides_of(sides, len(order))])
    return Evidence(tuple(order), log_e, rows, highest)


class _Ends(NamedTuple):
    """Counts of groups and of everyone else that bound their gap: above (sign 1), below (-1) or either way (0)."""

    sign: int
    reference: tuple[Counted, Counted]
    current: tuple[Counted, Counted]


def _gap_ends(streams: Streams) -> list[_Ends]:
    """Return the counts as they are, or those with the missing labels that bring the two rates nearest."""
    if streams.right is None or streams.wrong is None:
        return [_Ends(0, (streams.reference, streams.reference_rest), (streams.current, streams.rest))]
    low = [_chosen(streams.higher_is_better, *both) for both in zip(streams.wrong, streams.right, strict=True)]
    high = [_chosen(streams.higher_is_better, *both) for both in zip(streams.right, streams.wrong, strict=True)]
    # the fields are reference, current, reference_rest, rest; of the reference the widest gap is tolerated
    return [
        _Ends(1, (high[0], low[2]), (low[1], high[3])),
        _Ends(-1, (low[0], high[2]), (high[1], low[3])),
    ]


def _chosen(first: BoolArray, one: Counted, two: Counted) -> Counted:
    return Counted(np.where(first, one.events, two.events), np.where(first, one.rows, two.rows))


def _apart(counts: list[tuple[FloatArray, FloatArray]], sign: int) -> BoolArray:
    """Return where the rates lie apart in the direction of a bound."""
    if sign == 0:
        return np.ones(counts[0][0].shape, dtype=np.bool_)
    (events, rows), (others, of) = counts
    return np.asarray(sign * (events * of - others * rows) > 0)


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


def _residuals(
    tally: Tally, calibration: Calibration, missing: int | None
) -> dict[Stream, list[tuple[FloatArray, FloatArray]]]:
    """Return the losses that each rectifier bets on, and the number of rows, of the cells of each slice.

    Missing labels are those with the largest loss (1) or the smallest (-1), or their rows are left out (None).
    """
    found: dict[Stream, list[tuple[FloatArray, FloatArray]]] = {}
    if not tally.cells.num_rows:
        return found
    cells = cells_of(tally)
    right, known = rectifier_ends(cells, calibration)
    outcome, _ = rectifier_ends(cells, calibration, metric="prevalence")
    most, least = (0, 1) if missing == -1 else (1, 0)
    rows = known if missing is None else cells.n.astype(np.float64)
    for slices in everyone_and_groups(cells, tally.features):
        for place in range(len(slices.groups)):
            chosen = (slices.member == place) & (rows > 0)
            n, whom = rows[chosen], slices.slice_of(place)
            found[Stream(RECTIFIER, whom)] = [(-right[least][chosen], n)]
            found[Stream(OUTCOME_RECTIFIER, whom)] = [(outcome[most][chosen], n), (-outcome[least][chosen], n)]
    return found


def _sides_of(sides: list[tuple[int, int]], size: int) -> list[list[int]]:
    return [[number for number, (column, _) in enumerate(sides) if column == wanted] for wanted in range(size)]
