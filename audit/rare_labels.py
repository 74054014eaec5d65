"""Intervals of means of a loss over score and label where hardly any row of one label was seen.

A mean loss is A + p B: A the mean loss if every row had the common label, p the share of the rare label, B the mean of
what the rare label adds to a row's loss. Where fewer than `FEW` rows of the rare label were seen, the spread of the
losses in the sample says nothing about the rows that were not: without any positive, a Brier score of scores near .01
seems to be known to two digits. So p gets its own interval (Clopper and Pearson's), B one that lies between the least
and the most that any score in the slice could add, and A the usual one; they are squared and added, and the interval is
never shorter than the usual one.

Source: Zou & Donner 2008, Construction of confidence limits about effect measures, doi:10.1002/sim.3095.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.inference import intervals
from audit.inference.intervals import Interval

Floats = npt.NDArray[np.float64]

FEW = 10.0
"""Of fewer rows of a label than this (weights, clusters: effective rows) the losses do not show their spread."""


class RareLabels(NamedTuple):
    """What the interval of a mean loss is made of, one entry per slice.

    `rare`: whether it is to be made so; effective `successes` of the rare label out of `trials` with `df` degrees of
    freedom; `error`: standard error of A; `added`: mean of B in the sample (0 without rows of the rare label), its
    `added_error`, and the `least` and `most` it could be.

    Examples
    --------
    >>> RareLabels(*np.zeros((9, 2))).take(np.array([1])).trials.tolist()
    [0.0]
    """

    rare: Floats
    successes: Floats
    trials: Floats
    df: Floats
    error: Floats
    added: Floats
    added_error: Floats
    least: Floats
    most: Floats

    def take(self, places: npt.NDArray[np.int64]) -> "RareLabels":
        """Return those of the slices at some places."""
        return RareLabels(*(column[places] for column in self))


def nothing_rare(size: int) -> RareLabels:
    """Return labels of which none is rare, for estimates that are no mean losses.

    Examples
    --------
    >>> nothing_rare(2).rare.tolist()
    [0.0, 0.0]
    """
    return RareLabels(*np.zeros((len(RareLabels._fields), size)))


def rare_interval(
    value: Floats, usual: Interval, labels: RareLabels, *, level: float, df: Floats, comparisons: npt.ArrayLike = 1
) -> Interval:
    """Return the intervals of mean losses: `usual` where no label is rare.

    Examples
    --------
    Mean score .01, no positive among 100: mean score minus prevalence is at least .01 - .0362.

    >>> columns = np.array([[1.0], [0.0], [100.0], [np.inf], [0.0], [-1.0], [0.0], [-1.0], [-1.0]])
    >>> none = Interval(np.array([np.nan]), np.array([np.nan]))
    >>> bounds = rare_interval(np.array([0.01]), none, RareLabels(*columns), level=0.95, df=np.array([np.inf]))
    >>> [round(float(end[0]), 4) for end in bounds]
    [-0.0262, 0.01]
    """
    rows = np.flatnonzero((labels.rare > 0) & np.isfinite(value))
    if not len(rows):
        return usual
    few = labels.take(rows)
    sharing = np.broadcast_to(np.asarray(comparisons), value.shape)[rows]
    share = intervals.rate(few.successes, few.trials, level=level, df=few.df, comparisons=sharing)
    wide = intervals.student(level, df=np.maximum(few.successes - 1, 1.0), comparisons=sharing) * few.added_error
    added = [np.clip(few.added + sign * wide, few.least, few.most) for sign in (-1, 1)]
    none = few.successes < 1
    added = [np.where(none, end, found) for end, found in zip((few.least, few.most), added, strict=True)]
    corners = np.stack([one * two for one in share for two in added])
    here = few.successes / np.maximum(few.trials, 1e-300) * few.added
    half = intervals.quantile(level, df=df[rows], comparisons=sharing) * few.error
    down = np.hypot(np.minimum(corners.min(axis=0) - here, 0.0), half)
    up = np.hypot(np.maximum(corners.max(axis=0) - here, 0.0), half)
    # Where every score costs the same whatever the label, the rows still show no spread.
    down, up = (np.where(down + up > 0, side, np.nan) for side in (down, up))
    low, high = usual.low.copy(), usual.high.copy()
    low[rows], high[rows] = np.fmin(low[rows], value[rows] - down), np.fmax(high[rows], value[rows] + up)
    return Interval(low, high)
