"""The rows of drift: distances with their intervals, and the evidence, window by window."""

from collections.abc import Callable, Iterator
from math import isfinite
from typing import NamedTuple

import numpy as np

from audit.inference.distance_bounds import Term
from audit.inference.intervals import FloatArray, Interval
from audit.measurement import Against, Measurement, Slice, Window
from monitors.drift.bins import as_ordered, coarse, merged
from monitors.drift.bounds import around, ks_radius, simultaneous_bins, tv_radius
from monitors.drift.distances import (
    hellinger_distance,
    hellinger_term,
    jeffreys_term,
    jensen_shannon_distance,
    jensen_shannon_term,
    kolmogorov_smirnov_statistic,
    population_stability_index,
    quantile_on_bins,
    total_variation_distance,
    wasserstein_distance,
)
from monitors.drift.rejections import Pair

NO_ROWS = "no rows in this window"
NO_REFERENCE = "the reference has no rows of this group"
_OF_GROUPS = "no interval: groups have that of the effect"
_TAILS = "no interval; rows beyond the outer edges count as if they stood there"
_UNBOUNDED = "no upper bound: a bin may be empty on one side"


class Place(NamedTuple):
    """What the rows of one feature share: the windows and slices of its counts, and what they are compared with."""

    windows: tuple[Window | None, ...]
    slices: tuple[Slice, ...]
    against: Against
    level: float


class Column(NamedTuple):
    """One distance in all windows, of some slices: arrays of shape (n_windows, number of these slices).

    Attributes
    ----------
    first
        Place of the first of the slices; the others follow it.
    reason
        Why there is no interval, or no value.
    """

    metric: str
    value: FloatArray
    method: str
    bounds: Interval | None = None
    first: int = 0
    reason: str | None = None


def rows_of(pair: Pair, place: Place) -> Iterator[Measurement]:
    """Yield the distances of one feature: all of them for everyone, the effect and the index for groups.

    Examples
    --------
    >>> from monitors.counts.binning import Binning
    >>> sex = Binning(feature="sex", kind="categorical", categories=("F", "M"))
    >>> pair = Pair(sex, np.array([[50.0, 50, 0, 0]]), np.array([[[20.0, 80, 0, 0]]]), 1.0)
    >>> place = Place((None,), ((),), {"kind": "reference", "digest": "d"}, 0.95)
    >>> row = next(rows_of(pair, place))
    >>> row.metric, round(row.value, 3), round(row.low, 3), row.n
    ('total_variation_distance', 0.3, 0.06, 100)
    """
    was, now = pair.reference.sum(axis=-1), pair.current.sum(axis=-1)
    for column in _columns(pair, place):
        for s in range(column.value.shape[1]):
            which = column.first + s
            empty = NO_REFERENCE if was[which] == 0 else None
            for w in range(len(place.windows)):
                rows = int(min(was[which], now[w, which]))
                reason = empty or (NO_ROWS if now[w, which] == 0 else None)
                yield _row(column, pair.binning.feature, place, (w, s), rows, reason)


def _row(column: Column, feature: str, place: Place, at: tuple[int, int], rows: int, empty: str | None) -> Measurement:
    value = float(column.value[at])
    known = empty is None and isfinite(value)
    low = high = None
    if known and column.bounds is not None and isfinite(column.bounds.low[at]):
        low, high = float(column.bounds.low[at]), float(column.bounds.high[at])
    unbounded = high is not None and not isfinite(high)
    return Measurement(
        metric=column.metric,
        slice=place.slices[column.first + at[1]],
        at=(("feature", feature),),
        against=place.against,
        window=place.windows[at[0]],
        value=value if known else None,
        low=low,
        high=None if unbounded else high,
        n=rows,
        level=place.level if low is not None else None,
        method=column.method,
        reason=empty or (_UNBOUNDED if unbounded else column.reason if low is None else None),
    )


def _columns(pair: Pair, place: Place) -> Iterator[Column]:
    was, now = distance_bins(pair)
    m, n = (np.maximum(side.sum(axis=-1), 1e-9) / pair.dispersion for side in (was, now))
    alpha, several = 1.0 - place.level, slice(None)
    if pair.binning.kind == "numeric":
        several = slice(0, 1)
        ordered = as_ordered(pair.reference), as_ordered(pair.current)
        ks = kolmogorov_smirnov_statistic(*ordered)
        radius = ks_radius(m, n, alpha=alpha, edges=ordered[0].shape[-1] - 1)
        yield Column("kolmogorov_smirnov_statistic", ks, "dvoretzky_kiefer_wolfowitz", around(ks, radius))
        yield from _moved(pair)
    tv = total_variation_distance(was[several], now[:, several])
    radius = tv_radius(m[several], n[:, several], alpha=alpha, bins=was.shape[-1])
    yield Column("total_variation_distance", tv, "bretagnolle_huber", around(tv, radius))
    index = population_stability_index(was, now)
    yield from _of_everyone(was[:1], now[:, :1], index[:, :1], pair.dispersion, place.level)
    if index.shape[1] > 1:
        yield Column("population_stability_index", index[:, 1:], "smoothed", first=1, reason=_OF_GROUPS)


def _of_everyone(
    was: FloatArray, now: FloatArray, index: FloatArray, dispersion: float, level: float
) -> Iterator[Column]:
    """Yield the distances whose intervals come from those of all bins."""

    def bounds(term: Term, distance: Callable[[FloatArray], FloatArray]) -> Interval:
        both = np.broadcast_arrays(was, now)
        return simultaneous_bins(*both, term=term, distance=distance, level=level, dispersion=dispersion)

    divergence = bounds(jeffreys_term, lambda terms: terms.sum(axis=-1))
    yield Column("population_stability_index", index, "simultaneous_bins", divergence)
    for metric, distance, term in (
        ("jensen_shannon_distance", jensen_shannon_distance, jensen_shannon_term),
        ("hellinger_distance", hellinger_distance, hellinger_term),
    ):
        # terms at the ends of intervals need not belong to shares that sum to 1
        found = bounds(term, lambda terms: np.minimum(np.sqrt(terms.sum(axis=-1)), 1.0))
        yield Column(metric, distance(was, now), "simultaneous_bins", found)


def _moved(pair: Pair) -> Iterator[Column]:
    """Yield how far the values of everyone moved, in their unit and in inter-quartile ranges of the reference."""
    edges, known = pair.binning.edges, pair.reference[:1, :-1]
    if len(edges) < 2:
        nothing = np.full((len(pair.current), 1), np.nan)
        for metric in ("wasserstein_distance", "wasserstein_distance_iqr"):
            yield Column(metric, nothing, "between_edges", reason="fewer than two edges: nothing between them")
        return
    moved = wasserstein_distance(known, pair.current[:, :1, :-1], edges=edges)
    upper, lower = (quantile_on_bins(known, edges=edges, share=share) for share in (0.75, 0.25))
    width = upper - lower
    # an edge just above a value that many rows share is no width
    width = np.where(width > 1e-13 * np.maximum(np.abs(upper), np.abs(lower)), width, 0.0)
    yield Column("wasserstein_distance", moved, "between_edges", reason=_TAILS)
    relative = moved / np.where(width > 1e-300, width, np.nan)
    reason = _TAILS if np.all(width > 1e-300) else "the middle half of the reference has one value"
    yield Column("wasserstein_distance_iqr", relative, "between_edges", reason=reason)


def distance_bins(pair: Pair) -> tuple[FloatArray, FloatArray]:
    """Return the counts that the distances of all bins compare: about ten bins of a number, and the missing values.

    Examples
    --------
    >>> from monitors.counts.binning import Binning
    >>> ages = Binning(feature="age", kind="numeric", edges=(40.0,))
    >>> [side.tolist() for side in distance_bins(Pair(ages, np.array([[2.0, 3, 0]]), np.array([[[1.0, 2, 3]]]), 1.0))]
    [[[2.0, 3.0, 0.0]], [[[1.0, 2.0, 3.0]]]]
    """
    if pair.binning.kind == "categorical":
        return pair.reference, pair.current
    into = coarse(pair.reference[0, :-1])
    size = int(into[-1]) + 1
    sides = [
        np.concatenate([merged(side[..., :-1], into, size), side[..., -1:]], axis=-1)
        for side in (pair.reference, pair.current)
    ]
    return sides[0], sides[1]
