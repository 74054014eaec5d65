"""Whether rows come as often as they did: each window against the ones before it, over one or several windows."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp, stdtrit

from monitors.dispersion import dispersion
from monitors.rate_ratio import log_e_outside, ratio_interval
from monitors.window_evidence import FloatArray

MIN_BLOCKS = 8
"""Fewer earlier blocks show too little of how much counts vary."""
MOST_BLOCKS = 26
"""More earlier blocks would tell of a time long gone."""


class Comparison(NamedTuple):
    """Blocks of `length` windows, each compared with those that lie 1, 2, ... times `step` windows before it.

    Examples
    --------
    >>> Comparison(length=1, step=7).step  # a Monday with the Mondays before it
    7
    """

    length: int
    step: int


class _Blocks(NamedTuple):
    """Blocks by the window that they end with: their rows, and those of the blocks before them; one shape."""

    last: npt.NDArray[np.int64]
    rows: FloatArray
    exposure: FloatArray
    earlier_rows: FloatArray
    earlier_exposure: FloatArray
    dispersion: FloatArray
    number: FloatArray


class Expected(NamedTuple):
    """What earlier windows let expect in a window, and the ratio to it; nan where there are too few of them.

    Examples
    --------
    >>> expected(np.array([10.0] * 8 + [30.0]), np.ones(9), period=1, limits=np.full(9, 20.0))[-1].ratio
    3.0
    """

    rows: float
    low: float
    high: float
    ratio: float
    ratio_low: float
    ratio_high: float
    earlier_rows: int
    blocks: int
    dispersion: float


def comparisons(period: int) -> tuple[Comparison, ...]:
    """Return what is compared: 1, 2 and 4 windows with those just before; with a period, one with those of its phase.

    Parameters
    ----------
    period
        How many windows make a week, where it is a whole number above 1; 1 where there is no cycle of windows.

    Examples
    --------
    >>> [tuple(comparison) for comparison in comparisons(7)]
    [(1, 1), (2, 2), (4, 4), (1, 7), (7, 7)]
    """
    found = [Comparison(1, 1), Comparison(2, 2), Comparison(4, 4)]
    if period > 1:
        found += [Comparison(1, period), Comparison(period, period)]
    return tuple(dict.fromkeys(found))


def log_evidence(
    rows: npt.ArrayLike, exposure: npt.ArrayLike, *, period: int, tolerance: float, clusters: float = 1.0
) -> FloatArray:
    """Return the evidence of each window that traffic lies outside the tolerance of what it was; larger is stronger.

    The mean of the e-values (`monitors.rate_ratio.log_e_outside`) of all comparisons that have at least eight earlier
    blocks: counts divided by the dispersion of those blocks. As blocks of several windows are compared with blocks of
    as many, counts that depend on their neighbours show in it; as windows are compared with those of their phase, a
    weekly cycle does not count as a change.

    Assumed: at most 26 earlier blocks whose counts vary like Poisson counts times a constant, at one rate. With a
    tolerance of 1.25, over 26 weekly looks at eight weeks and more, alarms at `monitors.window_evidence.added_up` >= 20
    were false in at most 1.7 % of 300 simulations with dispersions from 1 to 200, weekly cycles and AR(1) (.7); a
    doubling of 1,000 rows was found in its first window at a dispersion of 1 and under a strong weekly cycle, in .91
    of cases at a dispersion of 50.

    Parameters
    ----------
    rows
        Rows of adjoining windows, shape (k,).
    exposure
        Length of the windows in one unit, > 0, shape (k,).
    period
        As in `comparisons`.
    tolerance
        w >= 1: ratios in [1 / w, w] are no change.
    clusters
        How many rows come together at least, >= 1: counts are divided by no less.

    Returns
    -------
    ndarray
        log e of each window, shape (k,); nan where there are too few before it.

    Examples
    --------
    >>> found = log_evidence([100] * 8 + [100, 250], np.ones(10), period=1, tolerance=1.25)
    >>> bool(np.isnan(found[7])), bool(found[8] < 0), round(float(found[9]))
    (True, True, 37)
    """
    counts, lengths = np.asarray(rows, dtype=np.float64), np.asarray(exposure, dtype=np.float64)
    found = np.full((len(counts), len(comparisons(period))), np.nan)
    for place, comparison in enumerate(comparisons(period)):
        blocks = _blocks(counts, lengths, comparison, clusters)
        if blocks is not None:
            found[blocks.last, place] = log_e_outside(
                blocks.rows / blocks.dispersion,
                blocks.earlier_rows / blocks.dispersion,
                current_exposure=blocks.exposure,
                baseline_exposure=blocks.earlier_exposure,
                tolerance=tolerance,
            )
    number = (~np.isnan(found)).sum(axis=1)
    with np.errstate(divide="ignore"):
        mean = logsumexp(np.where(np.isnan(found), -np.inf, found), axis=1) - np.log(np.maximum(number, 1))
    return np.asarray(np.where(number > 0, mean, np.nan))


def expected(
    rows: npt.ArrayLike, exposure: npt.ArrayLike, *, period: int, limits: FloatArray, clusters: float = 1.0
) -> tuple[Expected | None, ...]:
    """Return for each window what the windows before it let expect; None where there are too few.

    Windows of the same phase count where there are eight of them, otherwise those just before. The interval of the rows
    is one of prediction, m +- t sqrt(d m (1 + 1 / b)) at 95 % with b windows of dispersion d; that of the ratio holds
    every r whose e-value is below the window's limit.

    Parameters
    ----------
    rows, exposure, period, clusters
        As in `log_evidence`.
    limits
        Limit of the e-value of each window, > 1, shape (k,).

    Examples
    --------
    >>> found = expected([100] * 8 + [300], np.ones(9), period=1, limits=np.full(9, 20.0))
    >>> found[7], found[8].rows, found[8].blocks
    (None, 100.0, 8)
    """
    counts, lengths = np.asarray(rows, dtype=np.float64), np.asarray(exposure, dtype=np.float64)
    found: list[Expected | None] = [None] * len(counts)
    for way in dict.fromkeys(
        (Comparison(1, 1), Comparison(1, period))
    ):  # windows of the same phase take the place of others
        blocks = _blocks(counts, lengths, way, clusters)
        if blocks is not None:
            for last, each in zip(blocks.last, _expected(blocks, limits[blocks.last]), strict=True):
                found[last] = each
    return tuple(found)


def _blocks(rows: FloatArray, exposure: FloatArray, comparison: Comparison, clusters: float) -> _Blocks | None:
    """Return the blocks that end at each window and have enough before them; None where there are none."""
    length, step = comparison
    lasts = [last for last in range(len(rows)) if (last - length + 1) // step >= MIN_BLOCKS]
    if not lasts:
        return None
    ends = np.arange(length - 1, len(rows))
    sums, lengths = (
        np.convolve(numbers, np.ones(length), mode="full")[ends] if length > 1 else numbers
        for numbers in (rows, exposure)
    )  # of the block that starts at each window
    found = []
    for last in lasts:
        first = last - length + 1
        places = first - step * np.arange(1, min(MOST_BLOCKS, first // step) + 1)
        spread = max(clusters, dispersion(sums[places], exposure=lengths[places]))
        found.append((sums[first], lengths[first], sums[places].sum(), lengths[places].sum(), spread, len(places)))
    columns = np.array(found).T
    return _Blocks(np.array(lasts), *columns)


def _expected(blocks: _Blocks, limits: FloatArray) -> list[Expected]:
    mean = blocks.earlier_rows / blocks.earlier_exposure * blocks.exposure
    half = stdtrit(blocks.number - 1, 0.975) * np.sqrt(blocks.dispersion * mean * (1 + 1 / blocks.number))
    ratio = ratio_interval(
        blocks.rows / blocks.dispersion,
        blocks.earlier_rows / blocks.dispersion,
        current_exposure=blocks.exposure,
        baseline_exposure=blocks.earlier_exposure,
        limit=limits,  # type: ignore[arg-type]  # it broadcasts, too
    )
    return [
        Expected(
            rows=float(mean[place]),
            low=max(0.0, float(mean[place] - half[place])),
            high=float(mean[place] + half[place]),
            ratio=float(ratio.ratio[place]),
            ratio_low=float(ratio.low[place]),
            ratio_high=float(ratio.high[place]),
            earlier_rows=int(blocks.earlier_rows[place]),
            blocks=int(blocks.number[place]),
            dispersion=float(blocks.dispersion[place]),
        )
        for place in range(len(mean))
    ]
