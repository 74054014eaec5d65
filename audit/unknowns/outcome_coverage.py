"""Which rows have a true label, and which metrics depend on those that have none."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa

from audit.inference import intervals
from audit.measurement import At, Measurement
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Counts, Fraction, Metric
from audit.rollup import FN, FP, TN, TP, UN, UP, Cells, Floats, Partition, cells_of, partition, summed
from audit.tally import Codes, Tally
from audit.tasks.deferral import RIGHT, WRONG

BOUNDED = frozenset({"rate", "smooth"})
"""The kinds of metric that have bounds: those that are functions of the confusion counts."""


class Concerned(NamedTuple):
    """Whether a metric depends on the labels of unlabelled rows that are predicted positive, and negative.

    Examples
    --------
    >>> concerned_by(METRICS["precision"]), concerned_by(METRICS["selection_rate"])
    (Concerned(positive=True, negative=False), Concerned(positive=False, negative=False))
    """

    positive: bool
    negative: bool


def outcome_coverage_rows(tally: Tally, *, level: float = 0.95) -> tuple[Measurement, ...]:
    """Return which share of rows has a true label: of everyone and each group, and apart by prediction.

    Larger is better, in [0, 1]; rows are counted, weights are not; a deferred row has no prediction. A share that
    differs by prediction is the mark of selective labels: outcomes are seen only where the decision let them happen.

    Source: Lakkaraju, Kleinberg, Leskovec, Ludwig & Mullainathan 2017, The selective labels problem,
    doi:10.1145/3097983.3098066.

    Parameters
    ----------
    tally
        The counts.
    level
        Confidence level of the intervals.

    Returns
    -------
    tuple of Measurement
        Metric "outcome_coverage"; `at` is empty, or ``class`` is the predicted label (where rows have one label each).

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": ["1", "0", None, None], "p": ["1", "1", "1", "0"]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p"))
    >>> [(dict(row.at), round(row.value, 3), row.n) for row in outcome_coverage_rows(tally)]
    [({}, 0.5, 4), ({'class': '0'}, 0.0, 1), ({'class': '1'}, 0.667, 3)]
    """
    cells, predicted = cells_of(tally), np.array(tally.cells["y_pred"].to_pylist(), dtype=object)
    labelled = tally.cells["y_true"].is_valid().to_numpy()
    names = sorted({name for name in predicted.tolist() if name is not None} if tally.task != "multilabel" else ())
    points: list[tuple[At, Any]] = [((), np.ones(len(labelled), bool))]
    points += [((("class", name),), predicted == name) for name in names]
    rows = []
    for slices in everyone_and_groups(cells, tally.features):
        size = len(slices.groups)
        for at, chosen in points:
            known = summed(slices.member, cells.n * (labelled & chosen), size)
            every = summed(slices.member, cells.n * chosen, size)
            rows += list(_coverage(slices, at, known, every, level))
    return tuple(rows)


def concerned_by(metric: Metric) -> Concerned:
    """Return on which unlabelled rows a metric depends; on both where it is one of scores.

    Examples
    --------
    >>> concerned_by(METRICS["accuracy"]), concerned_by(METRICS["false_omission_rate"]).positive
    (Concerned(positive=True, negative=True), False)
    """
    if metric.kind not in BOUNDED:
        return Concerned(positive=True, negative=True)
    base = dict(zip(Counts._fields, (50.0, 30.0, 20.0, 70.0, 0.0, 0.0), strict=True))
    values = [
        [_value(metric, base | {name: base[name] + 1.0}) for name in names]
        for names in (("up", "tp", "fp"), ("un", "fn", "tn"))
    ]
    return Concerned(*(bool(np.ptp(of_label) > 1e-12) for of_label in values))


def has_bounds(tally: Tally, metric: str) -> bool:
    """Return whether bounds over missing labels are known: for the confusion family, of two labels.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> tally = count(PredictionLog.from_frame(pa.table({"y": ["1", None], "p": ["1", "0"]}), y_true="y", y_pred="p"))
    >>> has_bounds(tally, "accuracy"), has_bounds(tally, "roc_auc")
    (True, False)
    """
    return metric in METRICS and bounds_known(tally, METRICS[metric])


def bounds_known(tally: Tally, metric: Metric) -> bool:
    """Return what `has_bounds` does, of a metric under whatever name; of unlabelled deferred rows, for rates only.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.tally import collapse
    >>> from audit.tasks.deferral import as_wrong
    >>> raw = pa.table({"y_true": ["1", None], "y_pred": ["1", None], "n": [3, 2], "w": [3.0, 2.0], "w2": [3.0, 2.0]})
    >>> tally = as_wrong(collapse(raw, features=(), positive="1", bins=None, weights="none", deferral=True))
    >>> [bounds_known(tally, METRICS[name]) for name in ("true_positive_rate", "balanced_accuracy")]
    [True, False]
    """
    if metric.kind not in BOUNDED or (cells_of(tally).quadrant < 0).any():
        return False
    if metric.kind == "rate":
        return True
    unlabelled = tally.cells["y_true"].is_null().to_numpy()
    return not {WRONG, RIGHT} & set(tally.cells["y_pred"].filter(pa.array(unlabelled)).to_pylist())


def unlabelled_rows(metric: str, cells: Cells, slices: Partition) -> tuple[Codes, Codes]:
    """Return how many unlabelled rows of each slice a metric would depend on, and how many rows it speaks of in all.

    Examples
    --------
    >>> n = np.array([4, 2])
    >>> cells = Cells(np.array([TP, UN]), n, n * 1.0, n * 1.0, None, 0, False, {}, False, None)
    >>> slices = Partition((), ((),), np.zeros(2, int))
    >>> [[n.item() for n in unlabelled_rows(name, cells, slices)] for name in ("accuracy", "precision")]
    [[2, 6], [0, 4]]
    """
    concerned = concerned_by(METRICS[metric])
    of = np.array([TP, FP, UP] * concerned.positive + [FN, TN, UN] * concerned.negative)
    size = len(slices.groups)
    every = np.bincount(slices.member, weights=cells.n * np.isin(cells.quadrant, of), minlength=size)
    missing = np.isin(cells.quadrant, of[(of == UP) | (of == UN)])
    lacking = np.bincount(slices.member, weights=cells.n * missing, minlength=size)
    return lacking.astype(np.int64), every.astype(np.int64)


def unlabelled_count(tally: Tally) -> int:
    """Return how many rows of a tally have no true label.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> unlabelled_count(count(PredictionLog.from_frame(pa.table({"y": ["1", None], "p": ["1", "0"]}), y_true="y",
    ...                                                 y_pred="p")))
    1
    """
    return int(tally.cells["n"].to_numpy()[tally.cells["y_true"].is_null().to_numpy()].sum())


def everyone_and_groups(cells: Cells, features: Sequence[str]) -> Iterator[Partition]:
    """Return the slices of everyone, then those of each feature alone.

    Examples
    --------
    >>> n, sex = np.array([3, 1]), (np.array([0, 1]), ["F", "M"])
    >>> cells = Cells(np.array([TP, FN]), n, n * 1.0, n * 1.0, None, 0, False, {"sex": sex}, False, None)
    >>> [slices.groups for slices in everyone_and_groups(cells, ["sex"])]
    [((),), (('F',), ('M',))]
    """
    yield partition(cells, [])
    for name in features:
        yield partition(cells, [name])


def _coverage(slices: Partition, at: At, known: Floats, every: Floats, level: float) -> Iterator[Measurement]:
    ends = intervals.rate(known, every, level=level)
    exact = intervals.uses_clopper_pearson(known, every)
    for place in range(len(slices.groups)):
        n = int(every[place])
        if not n:
            continue
        yield Measurement(
            metric="outcome_coverage", slice=slices.slice_of(place), at=at, value=float(known[place] / n),
            low=float(ends.low[place]), high=float(ends.high[place]), n=n, level=level,
            method="clopper_pearson" if exact[place] else "wilson",
        )  # fmt: skip


def _value(metric: Metric, counts: dict[str, float]) -> float:
    found = cast("Any", metric.function)(Counts(**{name: np.array([value]) for name, value in counts.items()}))
    if isinstance(found, Fraction):
        return float(found.numerator[0] / found.denominator[0])
    return float(found.value[0])
