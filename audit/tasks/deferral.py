"""Rows that a model leaves to a person: how many, and error rates that no deferral can improve in silence.

A deferred row has no prediction, so an error rate of "all rows" has to say what it counts as. Here it never counts as
right: plain metrics count a deferred positive as missed and a deferred negative as flagged (`as_wrong`), so that a
model cannot look better by deferring its hard cases. Beside them stand the same metrics of the decided rows alone
(``decided_<metric>``), of which no such thing holds, and what they would be if every deferred row were decided rightly
(``<metric>_if_deferred_right``): the truth, once people have decided, lies between the plain value and that.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.metrics.catalog import METRICS
from audit.metrics.metric import Metric
from audit.tally import COUNTS, Tally, collapse

DECIDED = "decided_"
IF_RIGHT = "_if_deferred_right"
DEFERRAL_RATE = replace(METRICS["selection_rate"], name="deferral_rate", source="El-Yaniv & Wiener 2010, JMLR 11")
"""Share of all rows that are deferred, in [0, 1], neither good nor bad in itself: 1 - coverage."""

OF_TRUTH = (
    "accuracy",
    "true_positive_rate",
    "false_positive_rate",
    "true_negative_rate",
    "false_negative_rate",
    "balanced_accuracy",
)
"""Metrics whose denominators are true labels, so that deferred rows belong to them."""

WRONG, RIGHT = "deferred, counts as wrong", "deferred, counts as right"
"""What a deferred row without a true label is predicted as: whatever its label is, the prediction is wrong (right)."""

SELECTED = ("selection_rate", "prevalence")
"""Metrics for which a deferred row is one that was not selected."""


def renamed(names: tuple[str, ...], *, before: str = "", after: str = "") -> tuple[Metric, ...]:
    """Return metrics of the catalog under names that say which rows they are of.

    Examples
    --------
    >>> [metric.name for metric in renamed(("accuracy",), before=DECIDED)]
    ['decided_accuracy']
    """
    return tuple(replace(METRICS[name], name=f"{before}{name}{after}") for name in names)


DEFERRAL_METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            DEFERRAL_RATE,
            *renamed(tuple(METRICS), before=DECIDED),
            *renamed(OF_TRUTH, after=IF_RIGHT),
        )
    }
)
"""What a log with deferral has beside the metrics of the catalog, by name."""


def as_wrong(tally: Tally) -> Tally:
    """Return a binary tally in which every deferred row got the prediction that its truth is not.

    One without a true label is predicted as `WRONG`: a missed positive or a flagged negative, as its label will say.

    Examples
    --------
    >>> raw = pa.table({"y_true": ["1", "0", "1"], "y_pred": [None, None, "1"], "n": [2, 3, 5]})
    >>> tally = collapse(raw, features=(), positive="1", bins=None, weights="none", deferral=True)
    >>> [(row["y_true"], row["y_pred"], row["n"]) for row in as_wrong(tally).cells.to_pylist()]
    [('0', '1', 3), ('1', '0', 2), ('1', '1', 5)]
    """
    return _decided_by(tally, when_true="0", when_false="1", unknown=WRONG)


def as_right(tally: Tally) -> Tally:
    """Return a binary tally in which every deferred row got the prediction that its truth is.

    One without a true label is predicted as `RIGHT`.

    Examples
    --------
    >>> raw = pa.table({"y_true": ["1", "0", "1"], "y_pred": [None, None, "1"], "n": [2, 3, 5]})
    >>> tally = collapse(raw, features=(), positive="1", bins=None, weights="none", deferral=True)
    >>> [(row["y_true"], row["y_pred"], row["n"]) for row in as_right(tally).cells.to_pylist()]
    [('0', '0', 3), ('1', '1', 7)]
    """
    return _decided_by(tally, when_true="1", when_false="0", unknown=RIGHT)


def not_selected(tally: Tally) -> Tally:
    """Return a binary tally in which no deferred row is predicted positive.

    Examples
    --------
    >>> raw = pa.table({"y_true": ["1", "0"], "y_pred": [None, "1"], "n": [2, 3]})
    >>> tally = collapse(raw, features=(), positive="1", bins=None, weights="none", deferral=True)
    >>> [(row["y_true"], row["y_pred"], row["n"]) for row in not_selected(tally).cells.to_pylist()]
    [('0', '1', 3), ('1', '0', 2)]
    """
    return _decided_by(tally, when_true="0", when_false="0", unknown="0")


def deferred(tally: Tally) -> Tally:
    """Return the binary tally whose prediction is positive where a row is deferred: its selection rate says how often.

    Examples
    --------
    >>> raw = pa.table({"y_true": ["1", "0", "1"], "y_pred": [None, None, "1"], "n": [2, 3, 5]})
    >>> tally = collapse(raw, features=(), positive="1", bins=None, weights="none", deferral=True)
    >>> [(row["y_pred"], row["n"]) for row in deferred(tally).cells.to_pylist()]
    [('1', 3), ('0', 5), ('1', 2)]
    """
    gone = pc.is_null(tally.cells["y_pred"]).to_numpy()
    return _with_predictions(tally, np.where(gone, "1", "0"), positive="1", truth=_binary_truth(tally))


def decided(tally: Tally) -> Tally:
    """Return the tally of the rows that were not deferred; a slice in which all were stays there, with no rows.

    Examples
    --------
    >>> raw = pa.table({"y_true": ["1", "0", "1"], "y_pred": [None, None, "1"], "n": [2, 3, 5], "w": [2, 3, 5]})
    >>> tally = collapse(raw, features=(), positive="1", bins=None, weights="none", deferral=True)
    >>> decided(tally).rows, decided(tally).deferral
    (5, False)
    """
    return emptied(tally, pc.is_valid(tally.cells["y_pred"]).to_numpy())


def emptied(tally: Tally, keep: npt.NDArray[np.bool_]) -> Tally:
    """Return the tally of some of its cells, shape (n_cells,), without scores; the others stay with no rows in them.

    A group none of whose rows is kept does not vanish: its rates are undefined, and say so.

    Examples
    --------
    >>> raw = pa.table({"y_true": ["1", "0"], "y_pred": ["1", None], "n": [2, 3], "w": [2, 3]})
    >>> tally = collapse(raw, features=(), positive="1", bins=None, weights="none", deferral=True)
    >>> left = emptied(tally, np.array([False, True]))
    >>> left.rows, left.cells.num_rows
    (2, 2)
    """
    cells = tally.cells
    mask = pa.array(keep)
    for name in COUNTS:
        place, column = cells.column_names.index(name), cells[name]
        if column.null_count < len(column):
            cells = cells.set_column(place, name, pc.if_else(mask, column, pa.scalar(0, column.type)))
    predicted = pc.fill_null(cells["y_pred"], "")
    cells = cells.set_column(cells.column_names.index("y_pred"), "y_pred", predicted)
    pairs = tally.pairs
    if pairs is not None:
        both = keep[pairs["left"].to_numpy()] & keep[pairs["right"].to_numpy()]
        pairs = pairs.filter(pa.array(both))
    return replace(tally, cells=cells, pairs=pairs, bins=None, deferral=False)


def _decided_by(tally: Tally, *, when_true: str, when_false: str, unknown: str) -> Tally:
    predicted = tally.cells["y_pred"]
    truth = _binary_truth(tally)
    own = pc.fill_null(pc.equal(predicted, pa.scalar(tally.positive, pa.string())), fill_value=False).to_numpy()
    gone = pc.is_null(predicted).to_numpy()
    instead = np.where(pc.fill_null(pc.equal(truth, "1"), fill_value=False).to_numpy(), when_true, when_false)
    instead = np.where(pc.is_valid(truth).to_numpy(), instead, unknown)
    return _with_predictions(tally, np.where(gone, instead, np.where(own, "1", "0")), positive="1", truth=truth)


def _binary_truth(tally: Tally) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(tally.cells["y_true"], pa.scalar(tally.positive, pa.string())), "1", "0")


def _with_predictions(tally: Tally, words: npt.NDArray[np.str_], *, positive: str, truth: pa.ChunkedArray) -> Tally:
    cells = tally.cells
    for role, column in (("y_true", truth), ("y_pred", pa.array(words, pa.string()))):
        cells = cells.set_column(cells.column_names.index(role), role, column)
    return collapse(
        cells,
        features=tally.features,
        positive=positive,
        bins=tally.bins,
        weights=tally.weights,
        pairs=tally.pairs,
    )
