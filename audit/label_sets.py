"""Rows with one of several labels, or with any number of them: which labels each cell holds, and tallies made of it."""

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.metrics.metric import Smooth
from audit.metrics.multiclass import Margins
from audit.tally import Codes, Floats, Tally, collapse

NONE_OF_THE_ABOVE = "(none of the above)"
"""The label of a row without labels: it is counted like the others, so that missing everything is seen."""

_STEP = 1e-20


class LabelSets(NamedTuple):
    """Which labels the cells of a tally hold: two arrays of shape (n_cells, n_labels), and whether the truth is known.

    A deferred row holds no predicted label.

    Examples
    --------
    >>> sets = LabelSets(("a", "b"), np.array([[True, False]]), np.array([[True, True]]), np.array([True]))
    >>> (sets.true & sets.predicted).sum(axis=1).tolist()
    [1]
    """

    labels: tuple[str, ...]
    true: npt.NDArray[np.bool_]
    predicted: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_]


class Linearised(NamedTuple):
    """A smooth statistic of each slice, its n, and per cell its first-order change per unit of weight.

    Examples
    --------
    >>> Linearised(np.array([0.5]), np.array([4]), np.array([0.125, -0.125])).n.tolist()
    [4]
    """

    value: Floats
    n: Codes
    influence: Floats


def label_sets(tally: Tally) -> LabelSets:
    """Return which labels the cells of a tally hold; of "multilabel", without the label `NONE_OF_THE_ABOVE`.

    Examples
    --------
    >>> raw = pa.table({"y_true": ["a", "b"], "y_pred": ["a", None], "n": [3, 1]})
    >>> tally = collapse(raw, features=(), positive=None, bins=None, weights="none", task="multiclass",
    ...                  labels=("a", "b"), deferral=True)
    >>> label_sets(tally).true.tolist(), label_sets(tally).predicted.tolist()
    ([[True, False], [False, True]], [[True, False], [False, False]])
    """
    labels = tuple(label for label in tally.labels if tally.task != "multilabel" or label != NONE_OF_THE_ABOVE)
    sides = [_members(tally, role, labels) for role in ("y_true", "y_pred")]
    return LabelSets(labels, sides[0], sides[1], pc.is_valid(tally.cells["y_true"]).to_numpy())


def linearised(
    function: Callable[[Margins], Smooth], sets: LabelSets, n: Codes, w: Floats, *, member: Codes, size: int
) -> Linearised:
    """Return a statistic of label totals in every slice and each cell's influence on it, by complex steps.

    A row moves the totals of each label that it holds at once: with the influence of a row as their sum, a row that
    counts in several labels is one observation, not several.

    Parameters
    ----------
    function
        From `Margins` to a `Smooth` value.
    sets
        The labels of the cells.
    n, w
        Rows and weight of each cell, shape (n_cells,).
    member, size
        The slice of each cell, and how many slices there are.

    Examples
    --------
    Two of three rows are right; a right row moves the accuracy by (1 - 2/3) / 3, the wrong one by (0 - 2/3) / 3.

    >>> def accuracy(margins: Margins) -> Smooth:
    ...     return Smooth(margins.both.sum(axis=0) / margins.rows, (margins.rows,))
    >>> sets = LabelSets(("a", "b"), np.array([[True, False], [False, True]]), np.array([[True, False], [True, False]]),
    ...                  np.array([True, True]))
    >>> found = linearised(accuracy, sets, np.array([2, 1]), np.array([2.0, 1.0]), member=np.array([0, 0]), size=1)
    >>> found.value.round(4).tolist(), found.influence.round(4).tolist(), found.n.tolist()
    ([0.6667], [0.1111, -0.2222], [3])
    """
    parts = [np.nonzero(part) for part in (sets.true & sets.predicted, sets.true, sets.predicted)]
    shape = (len(sets.labels), size)
    totals, rows = (_totals(parts, np.where(sets.known, amount, 0.0), member, shape) for amount in (w, n))
    outcome = function(totals)
    influence = _slope(function, totals, 3, None)[member]
    for place, (cells, labels) in enumerate(parts):
        slopes = np.stack([_slope(function, totals, place, label) for label in range(shape[0])])
        influence += np.bincount(cells, weights=slopes[labels, member[cells]], minlength=len(w))
    denominators = np.stack([np.broadcast_to(each, (size,)) for each in function(rows).denominators])
    smallest = np.rint(np.real(denominators).min(axis=0)).astype(np.int64)
    return Linearised(np.asarray(outcome.value, np.float64), smallest, np.where(sets.known, influence, 0.0))


def one_label(tally: Tally, label: str) -> Tally:
    """Return the tally of one label against the rest: it is positive where a row holds it, in truth or prediction.

    A deferred row stays deferred, a row without a true label without one.

    Raises
    ------
    ValueError
        If the tally has no such label.

    Examples
    --------
    >>> raw = pa.table({"y_true": ["a", "b", "c"], "y_pred": ["a", "c", "c"], "n": [3, 1, 2]})
    >>> tally = collapse(raw, features=(), positive=None, bins=None, weights="none", task="multiclass",
    ...                  labels=("a", "b", "c"))
    >>> one_label(tally, "c").cells.select(["y_true", "y_pred", "n"]).to_pylist()[1]
    {'y_true': '0', 'y_pred': '1', 'n': 1}
    """
    if label not in tally.labels:
        msg = f"no label {label!r}; the tally has {list(tally.labels)[:20]}"
        raise ValueError(msg)
    columns = [_members(tally, role, (label,))[:, 0] for role in ("y_true", "y_pred")]
    return binary_tally(tally, columns[0], columns[1])


def right_or_wrong(tally: Tally) -> Tally:
    """Return the binary tally in which truth is always positive and a prediction is where it is right.

    Its accuracy (its true positive rate, too) is the share of labelled rows whose prediction is the truth; of
    "multilabel", whose labels are all right and none is missing.

    Examples
    --------
    >>> raw = pa.table({"y_true": ["a", "b", "c"], "y_pred": ["a", "c", "c"], "n": [3, 1, 2]})
    >>> tally = collapse(raw, features=(), positive=None, bins=None, weights="none", task="multiclass",
    ...                  labels=("a", "b", "c"))
    >>> right_or_wrong(tally).cells.select(["y_true", "y_pred", "n"]).to_pylist()
    [{'y_true': '1', 'y_pred': '0', 'n': 1}, {'y_true': '1', 'y_pred': '1', 'n': 5}]
    """
    same = pc.fill_null(pc.equal(tally.cells["y_true"], tally.cells["y_pred"]), fill_value=False)
    return binary_tally(tally, np.ones(tally.cells.num_rows, dtype=bool), same.to_numpy())


def binary_tally(tally: Tally, true: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]) -> Tally:
    """Return a tally with other labels, "1" where true and "0" elsewhere; null stays null.

    Parameters
    ----------
    tally
        Whose cells they are; slices, counts and pairs stay what they are.
    true, predicted
        Whether each cell is positive, shape (n_cells,).

    Examples
    --------
    >>> raw = pa.table({"y_true": ["a", None], "y_pred": ["a", "a"], "n": [3, 1]})
    >>> tally = collapse(raw, features=(), positive="a", bins=None, weights="none")
    >>> flipped = binary_tally(tally, np.array([True, True]), np.array([False, False]))
    >>> flipped.cells.select(["y_true", "y_pred", "n"]).to_pylist()
    [{'y_true': None, 'y_pred': '0', 'n': 1}, {'y_true': '1', 'y_pred': '0', 'n': 3}]
    """
    cells = tally.cells
    for role, flags in (("y_true", true), ("y_pred", predicted)):
        place = cells.column_names.index(role)
        words = pa.array(np.where(flags, "1", "0"), pa.string())
        cells = cells.set_column(place, role, pc.if_else(pc.is_valid(cells[role]), words, pa.scalar(None, pa.string())))
    return collapse(
        cells,
        features=tally.features,
        positive="1",
        bins=tally.bins,
        weights=tally.weights,
        pairs=tally.pairs,
        deferral=tally.deferral,
    )


def spelled_set(labels: Sequence[str]) -> str:
    """Return a set of labels as one text: a sorted JSON list.

    Examples
    --------
    >>> spelled_set(["b", "a", "b"]), spelled_set([])
    ('["a","b"]', '[]')
    """
    return json.dumps(sorted(set(labels)), ensure_ascii=False, separators=(",", ":"))


def read_set(text: str) -> tuple[str, ...]:
    """Return the labels of a text that `spelled_set` made; of an empty one, `NONE_OF_THE_ABOVE`.

    Examples
    --------
    >>> read_set('["a","b"]'), read_set("[]")
    (('a', 'b'), ('(none of the above)',))
    """
    return tuple(json.loads(text)) or (NONE_OF_THE_ABOVE,)


def _members(tally: Tally, role: str, labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    encoded = tally.cells[role].combine_chunks().dictionary_encode(null_encoding="encode")
    held = [_held(tally, text) for text in encoded.dictionary.to_pylist()]
    table = np.array([[label in each for label in labels] for each in held], dtype=bool).reshape(len(held), len(labels))
    members: npt.NDArray[np.bool_] = table[encoded.indices.to_numpy(zero_copy_only=False)]
    return members


def _held(tally: Tally, text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    return read_set(text) if tally.task == "multilabel" else (text,)


def _totals(
    parts: Sequence[tuple[npt.NDArray[np.intp], ...]], weight: Floats, member: Codes, shape: tuple[int, int]
) -> Margins:
    """Return label totals by slice; `parts` holds the cells that have a label, and which."""
    number, size = shape
    sums = [
        np.bincount(labels * size + member[cells], weights=weight[cells], minlength=number * size).reshape(shape)
        for cells, labels in parts
    ]
    return Margins(sums[0], sums[1], sums[2], np.bincount(member, weights=weight, minlength=size))


def _slope(function: Callable[[Margins], Smooth], totals: Margins, place: int, label: int | None) -> Floats:
    """Return the derivative of the statistic of each slice by one total, to machine precision."""
    moved = totals[place].astype(np.complex128)
    moved[() if label is None else label] += 1j * _STEP
    value = function(Margins(*(moved if here == place else total for here, total in enumerate(totals)))).value
    return np.nan_to_num(np.imag(value) / _STEP)
