"""Every rate at every threshold: sweeps by group from the score bins of a tally, without reading a row again.

A threshold t acts on the rows whose score is at least t. Edges of score bins are exact thresholds (250 bins: multiples
of 0.004; 500 bins: every threshold of two decimals). What lies between two edges, the tally cannot tell apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import InputError, raise_violations
from audit.estimates import estimate, interval
from audit.gaps import value_rows
from audit.measurement import Measurement
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Metric
from audit.pairs import compared
from audit.rollup import FN, FP, TN, TP, UN, UP, Cells, Floats, Pairs, Partition, cells_of, partition, summed
from audit.tally import Codes, Tally

HEADLINES = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision")
"""What a sweep shows where nobody says what it should."""

_LABEL = np.array([0, 1, 0, 1, 2, 2])  # of a quadrant: true label positive, negative, missing
_ABOVE, _BELOW = np.array([TP, FP, UP]), np.array([FN, TN, UN])
_ON_EDGE = 1e-6


class Curve(NamedTuple):
    """One metric by slice and threshold: `value`, `low`, `high` and `n`, each of shape (n_slices, n_thresholds).

    Examples
    --------
    >>> one = np.array([[0.5]])
    >>> Curve(one, one - 0.1, one + 0.1, np.array([[9]])).value.shape
    (1, 1)
    """

    value: Floats
    low: Floats
    high: Floats
    n: npt.NDArray[np.int64]


class Sweep(NamedTuple):
    """Metrics of slices at thresholds; each interval holds by itself, not all of a curve together.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1, 1, 0], "s": [0.9, 0.4, 0.2]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5))
    >>> found = sweep(tally, thresholds=[0.2, 0.4, 0.5])
    >>> found.curves["true_positive_rate"].value.tolist(), found.curves["selection_rate"].value.round(3).tolist()
    ([[1.0, 1.0, 0.5]], [[1.0, 0.667, 0.333]])
    """

    thresholds: Floats
    slices: Partition
    curves: Mapping[str, Curve]


def all_thresholds(bins: int) -> Floats:
    """Return every threshold that score bins can tell apart, shape (bins + 1,): all lower edges, and one beyond 1.

    The first acts on everyone; the last, (bins + 1) / bins, on nobody.

    Examples
    --------
    >>> all_thresholds(4).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.25]
    """
    return np.append(np.arange(bins) / bins, (bins + 1) / bins)


def sweep(
    tally: Tally,
    *,
    features: Sequence[str] = (),
    metrics: Sequence[str] | None = None,
    thresholds: Sequence[float] | Floats | None = None,
    level: float = 0.95,
) -> Sweep:
    """Return metrics of every group at every threshold, with intervals, as arrays.

    Parameters
    ----------
    tally
        A tally with scores. Its own predictions are not looked at.
    features
        The features whose (crossed) groups are swept; none = everyone.
    metrics
        Names from the catalog that need no scores; None = `HEADLINES`.
    thresholds
        Edges of the score bins, as fractions of the largest score; anything above 1 acts on nobody. None = all edges.
    level
        Confidence level of each interval.

    Raises
    ------
    InputError
        If the tally holds no scores, a threshold is no edge, or a feature or metric is unknown: every violation at
        once.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1, 0, 1, 0], "s": [0.9, 0.6, 0.3, 0.1], "sex": ["F", "F", "M", "M"]})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5, sensitive_features=["sex"])
    >>> found = sweep(count(log), features=["sex"], metrics=["accuracy"], thresholds=[0.2, 0.7])
    >>> found.slices.groups, found.curves["accuracy"].value.tolist()
    ((('F',), ('M',)), [[0.5, 1.0], [1.0, 0.5]])
    """
    chosen, edges, values = _asked(tally, features, metrics, thresholds, level)
    cells = cells_of(tally)
    slices = partition(cells, features)
    dense, places = swept(cells, slices, edges)
    shape = (len(slices.groups), len(edges))
    curves = {}
    for metric in chosen:
        found = estimate(metric, dense, places)
        bounds = interval(metric, found, level=level)
        value, low, high = (part.reshape(shape) for part in (found.value, *bounds))
        curves[metric.name] = Curve(value, low, high, found.n.reshape(shape))
    return Sweep(values, slices, curves)


def sweep_rows(
    tally: Tally,
    *,
    features: Sequence[str] = (),
    metrics: Sequence[str] | None = None,
    thresholds: Sequence[float] | Floats | None = None,
    level: float = 0.95,
) -> tuple[Measurement, ...]:
    """Return the numbers of `sweep` as rows, each `at` its threshold.

    Raises
    ------
    InputError
        As `sweep`.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1, 0, 1, 0], "s": [0.9, 0.6, 0.3, 0.1]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5))
    >>> row, = sweep_rows(tally, metrics=["accuracy"], thresholds=[0.7])
    >>> row.at, row.value, row.n, row.method
    ((('threshold', 0.7),), 0.75, 4, 'clopper_pearson')
    """
    chosen, edges, values = _asked(tally, features, metrics, thresholds, level)
    cells = cells_of(tally)
    dense, places = swept(cells, partition(cells, features), edges)
    rows = value_rows([compared(metric, dense, places) for metric in chosen], level=level)
    at = np.tile(values, len(rows) // len(values)).tolist()
    return tuple(replace(row, at=(("threshold", value),)) for row, value in zip(rows, at, strict=True))


def swept(cells: Cells, slices: Partition, edges: Codes) -> tuple[Cells, Partition]:
    """Return dense cells of slice s acted on from bin `edges[t]` upwards, and the slices s * len(edges) + t.

    Counts at all edges are cumulative sums over the bins; with clusters, the second moments of two labels in bins p and
    q are cumulated over min(p, q), p and q. Everything that reads cells reads these.

    Examples
    --------
    A positive in bin 0 and one in bin 2, acted on from bin 0, 1 and 3.

    >>> n = np.array([1.0, 1.0])
    >>> cells = Cells(np.array([TP, TP]), n, n, n, np.array([0, 2]), 3, False, {}, False, None)
    >>> dense, places = swept(cells, Partition((), ((),), np.array([0, 0])), np.array([0, 1, 3]))
    >>> dense.n.reshape(3, 6)[:, [TP, FN]].tolist(), len(places.groups)
    ([[2, 0], [1, 1], [0, 2]], 3)
    """
    size, width = len(slices.groups), cells.n_bins
    place = (slices.member * 3 + _LABEL[cells.quadrant]) * width + bins_of(cells)
    n, w, w2 = (
        _split(summed(place, amount, size * 3 * width).reshape(size, 3, width), edges)
        for amount in (cells.n, cells.w, cells.w2)
    )
    total = size * len(edges)
    dense = cells._replace(
        quadrant=np.tile(np.arange(6), total),
        n=n.astype(np.int64),
        w=w,
        w2=w2,
        bins=None,
        n_bins=0,
        exact_scores=False,
        features={},
        pairs=None if cells.pairs is None else _split_pairs(cells, cells.pairs, slices, edges),
    )
    names = tuple(group for group in slices.groups for _ in range(len(edges)))
    return dense, Partition(slices.features, names, np.repeat(np.arange(total), 6))


def bins_of(cells: Cells) -> Codes:
    """Return the score bin of each cell.

    Raises
    ------
    InputError
        If the tally holds no scores, or is not one of two labels with a decision on every row.

    Examples
    --------
    >>> n = np.array([1.0])
    >>> bins_of(Cells(np.array([TP]), n, n, n, np.array([7]), 250, False, {}, False, None)).tolist()
    [7]
    """
    if cells.bins is None:
        msg = "there are no scores to sweep thresholds over; name y_score (--y-score) when you make the log"
        raise InputError([msg])
    if len(cells.quadrant) and cells.quadrant.min() < 0:
        msg = "thresholds need one of two labels and a decision for every row; audit one label against the rest"
        raise InputError([msg])
    return cells.bins


def edges_of(thresholds: Sequence[float] | Floats, tally: Tally) -> Codes:
    """Return for each threshold the first score bin that it acts on; `tally.bins` where it acts on nobody.

    The threshold 1 acts on scores of exactly 1: the tally knows them where the last bin holds nothing else.

    Raises
    ------
    InputError
        If a threshold is no edge of the bins: every one of them is named with the nearest edge.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1, 0], "s": [1.0, 0.25]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5))
    >>> edges_of([0.0, 0.5, 1.0, 1.004], tally).tolist()
    [0, 125, 249, 250]
    """
    bins = tally.bins or 0
    values = np.asarray(thresholds, dtype=np.float64).reshape(-1)
    violations = [] if len(values) else ["thresholds is empty; expected at least one"]
    places = np.rint(np.where(np.isfinite(values), values, -1.0) * bins)
    violations += [
        f"threshold {value:g} is no edge of the {bins} score bins; the nearest is {min(max(place, 0), bins) / bins:g}"
        for value, place in zip(values.tolist(), places.tolist(), strict=True)
        if not np.isfinite(value) or value < 0 or (value < 1 and abs(value * bins - place) > _ON_EDGE * bins)
    ]
    ones = (values >= 1) & (values < 1 + _ON_EDGE)
    if ones.any() and not _last_bin_is_one(tally):
        violations.append(
            f"threshold 1 lies inside the last score bin, which holds other scores too; ask for {(bins - 1) / bins:g}, "
            f"or for anything above 1 to act on nobody"
        )
    raise_violations(violations)
    return np.where(ones, bins - 1, np.minimum(places, bins)).astype(np.int64)


def _last_bin_is_one(tally: Tally) -> bool:
    cells = tally.cells
    last = cells["score_bin"].to_numpy() == (tally.bins or 0) - 1
    return bool(np.all(np.abs(cells["score"].to_numpy()[last] - cells["n"].to_numpy()[last]) < 1e-6))


def _split(amount: Floats, edges: Codes) -> Floats:
    """Return amounts by slice, label and bin as amounts by slice, edge and quadrant, flat."""
    nothing = np.zeros((*amount.shape[:2], 1))
    below = np.concatenate([nothing, np.cumsum(amount, axis=2)], axis=2)[:, :, edges]
    above = np.concatenate([np.cumsum(amount[:, :, ::-1], axis=2)[:, :, ::-1], nothing], axis=2)[:, :, edges]
    found = np.empty((amount.shape[0], len(edges), 6))
    found[:, :, _ABOVE], found[:, :, _BELOW] = above.transpose(0, 2, 1), below.transpose(0, 2, 1)
    return found.ravel()


def _split_pairs(cells: Cells, pairs: Pairs, slices: Partition, edges: Codes) -> Pairs:
    bins, width, size = bins_of(cells), cells.n_bins, len(slices.groups)
    inside = slices.member[pairs.left] == slices.member[pairs.right]
    left, right, moment = pairs.left[inside], pairs.right[inside], pairs.moment[inside]
    label = _LABEL[cells.quadrant]
    block = (slices.member[left] * 3 + label[left]) * 3 + label[right]
    from_left, from_right, from_both = (
        _from_edge(block * width + place, moment, (size * 9, width), edges)
        for place in (bins[left], bins[right], np.minimum(bins[left], bins[right]))
    )
    total = np.bincount(block, weights=moment, minlength=size * 9)[:, None]
    sides = (from_both, from_left - from_both, from_right - from_both, total - from_left - from_right + from_both)
    # What is left of a difference of equal sums of weights is rounding: nobody stands there.
    stacked = np.stack([np.where(side > 1e-12 * total, side, 0.0) for side in sides], axis=-1)
    found = stacked.reshape(size, 3, 3, len(edges), 2, 2)  # slice, labels, edge, below or above
    group, one, two, edge, first, second = np.indices(found.shape).reshape(6, -1)
    quadrants = np.stack([_ABOVE, _BELOW])
    base = (group * len(edges) + edge) * 6
    kept = np.flatnonzero(found.ravel())
    places = (base + quadrants[first, one])[kept], (base + quadrants[second, two])[kept]
    return Pairs(*places, found.ravel()[kept])


def _from_edge(place: Codes, moment: Floats, shape: tuple[int, int], edges: Codes) -> Floats:
    """Return moments by block, summed over the bins from each edge upwards, shape (blocks, edges)."""
    by_bin = summed(place, moment, shape[0] * shape[1]).reshape(shape)
    above = np.cumsum(by_bin[:, ::-1], axis=1)[:, ::-1]
    return np.concatenate([above, np.zeros((shape[0], 1))], axis=1)[:, edges]


def _asked(
    tally: Tally,
    features: Sequence[str],
    metrics: Sequence[str] | None,
    thresholds: Sequence[float] | Floats | None,
    level: float,
) -> tuple[list[Metric], Codes, Floats]:
    if tally.bins is None:
        msg = "there are no scores to sweep thresholds over; name y_score (--y-score) when you make the log"
        raise InputError([msg])
    names = HEADLINES if metrics is None else metrics
    usable = [name for name, metric in METRICS.items() if metric.kind in {"rate", "smooth"}]
    violations = [f"{name!r} is no metric of a threshold; expected some of {usable}" for name in names
                  if name not in usable]  # fmt: skip
    violations += [f"unknown feature {name!r}; the tally has {list(tally.features)}" for name in features
                   if name not in tally.features]  # fmt: skip
    if not 0 < level < 1:
        violations.append(f"level must lie in (0, 1); got {level}")
    raise_violations(violations)
    values = all_thresholds(tally.bins) if thresholds is None else np.asarray(thresholds, dtype=np.float64)
    return [METRICS[name] for name in names], edges_of(values, tally), values.reshape(-1)
