"""The confusion matrix of several labels by group, and reasons that name the label which makes an average undefined."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from audit.estimates import interval, method
from audit.label_sets import LabelSets, label_sets
from audit.measurement import At, Measurement
from audit.metrics.catalog import METRICS
from audit.metrics.multiclass import SET_METRICS
from audit.pairs import compared
from audit.rollup import FN, TN, TP, UN, Cells, Floats, Partition, cells_of, partition
from audit.rows import Row, measurement
from audit.tally import Tally, collapse

CONFUSION = ("confusion_count", "confusion_rate")
"""The confusion matrix: rows of a true label (``at.class``) with a prediction (``at.predicted``), and their share."""

WHOLE_UP_TO = 20
"""Of more labels than this, the confusion matrix and the labels against the rest are written out in brief."""

_FEW = 3


def confusion_rows(tally: Tally, *, level: float) -> list[Measurement]:
    """Return the confusion matrix of everyone and of each group of a single feature.

    ``confusion_count`` is the number of rows, whatever their weights; ``confusion_rate`` the (weighted) share of the
    rows of a true label that got the prediction (row-normalised), with its interval. A deferred row is in no cell of
    the matrix and counts in the denominator of its true label. Of more than `WHOLE_UP_TO` labels, only the cells of
    everyone that hold rows are written out: more nobody reads.

    Parameters
    ----------
    tally
        A tally of the task "multiclass".
    level
        Confidence level of each interval.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": ["a", "a", "a", "a", "b", "b"], "p": ["a", "a", "a", "b", "b", "b"]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", task="multiclass"))
    >>> [(dict(row.at), row.value, row.n) for row in confusion_rows(tally, level=0.95)][2:4]
    [({'class': 'a', 'predicted': 'b'}, 1, 1), ({'class': 'a', 'predicted': 'b'}, 0.25, 4)]
    """
    rows: list[Measurement] = []
    singles = [(name,) for name in tally.features] if len(tally.labels) <= WHOLE_UP_TO else []
    for features in [(), *singles]:
        margin = _margin(tally, features)
        cells, sets = cells_of(margin), label_sets(margin)
        slices = partition(cells, features)
        for place in _cells_shown(sets, cells):
            rows += _matrix_cell(cells, sets, slices, place, level)
    return rows


def with_labels_named(rows: Sequence[Measurement], tally: Tally) -> list[Measurement]:
    """Return rows in which an undefined mean over labels says for want of which labels.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": ["a", "a"], "p": ["a", "a"]})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", task="multiclass", labels=["a", "b"])
    >>> tally = count(log)
    >>> row = Measurement(metric="balanced_accuracy", value=None, n=0, method="none", reason="no true rows")
    >>> with_labels_named([row], tally)[0].reason
    "no true rows of 'b' in slice"
    """
    if not any(_is_mean(row) for row in rows):
        return list(rows)
    cells, sets = cells_of(tally), label_sets(tally)
    return [_named(row, cells, sets) if _is_mean(row) else row for row in rows]


def _margin(tally: Tally, features: tuple[str, ...]) -> Tally:
    """Return the tally of some of its features: far fewer cells, for what is read from them many times."""
    return collapse(
        tally.cells,
        features=features,
        positive=tally.positive,
        bins=tally.bins,
        weights=tally.weights,
        pairs=tally.pairs,
        task=tally.task,
        labels=tally.labels,
        deferral=tally.deferral,
    )


def _matrix_cell(
    cells: Cells, sets: LabelSets, slices: Partition, place: tuple[int, int], level: float
) -> Iterator[Measurement]:
    true, predicted = place
    here = sets.true[:, true] & sets.known
    hit = here & sets.predicted[:, predicted]
    quadrant = np.where(sets.known, np.where(here, np.where(hit, TP, FN), TN), UN)
    two = cells._replace(quadrant=quadrant.astype(np.int64), sets=None)
    base = compared(METRICS["true_positive_rate"], two, slices)
    bounds, methods = interval(base.metric, base.left, level=level), method(base.metric, two, base.left)
    number = np.bincount(slices.member, weights=np.where(hit, cells.n, 0), minlength=len(slices.groups))
    point: At = (("class", sets.labels[true]), ("predicted", sets.labels[predicted]))
    for slice_, how in enumerate(methods):
        whom, n = slices.slice_of(slice_), int(base.left.n[slice_])
        count = int(number[slice_])
        yield Measurement(metric=CONFUSION[0], slice=whom, at=point, value=count, n=count, method="count")
        share = measurement(
            Row(CONFUSION[1], whom, None, level),
            value=float(base.left.value[slice_]),
            low=float(bounds.low[slice_]),
            high=float(bounds.high[slice_]),
            n=n,
            method=how,
            reason=None if n else "no true rows of the label in slice",
        )
        yield replace(share, at=point)


def _cells_shown(sets: LabelSets, cells: Cells) -> list[tuple[int, int]]:
    number = len(sets.labels)
    if number <= WHOLE_UP_TO:
        return [(true, predicted) for true in range(number) for predicted in range(number)]
    weight = np.where(sets.known, cells.n, 0)[:, None].astype(np.float64)
    matrix: Floats = (sets.true * weight).T @ sets.predicted.astype(np.float64)
    return [(int(true), int(predicted)) for true, predicted in zip(*np.nonzero(matrix), strict=True)]


def _is_mean(row: Measurement) -> bool:
    averaged = row.metric in SET_METRICS["multiclass"] or row.metric in SET_METRICS["multilabel"]
    return averaged and row.value is None and row.against is None and not row.at


def _named(row: Measurement, cells: Cells, sets: LabelSets) -> Measurement:
    inside = np.ones(len(cells.n), dtype=bool)
    for feature, value in row.slice:
        codes, values = cells.features[feature]
        inside &= codes == values.index(value)
    sides = {
        "balanced_accuracy": (sets.true, "true rows"),
        "macro_precision": (sets.predicted, "predictions"),
        "macro_f1": (sets.true | sets.predicted, "true or predicted rows"),
    }
    if row.metric not in sides:
        return row
    members, what = sides[row.metric]
    absent = _absent(members, inside & sets.known & (cells.w > 0), sets.labels)
    more = f" and of {len(absent) - _FEW} more labels" if len(absent) > _FEW else ""
    names = ", ".join(repr(label)[:60] for label in absent[:_FEW])
    return replace(row, reason=f"no {what} of {names}{more} in slice") if absent else row


def _absent(members: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_], labels: tuple[str, ...]) -> list[str]:
    return [label for place, label in enumerate(labels) if not members[inside, place].any()]
