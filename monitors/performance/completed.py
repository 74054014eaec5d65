"""Counts with their missing labels filled in, the best or the worst way: what bounds a rate whatever they are."""

import json

import pyarrow as pa

from audit.label_sets import spelled_set
from audit.tally import Tally, collapse
from audit.unknowns.outcome_coverage import unlabelled_count

_OTHER = "another label"


def completed(tally: Tally, *, right: bool) -> Tally:
    """Return the counts as if every row without a label had been predicted right, or every one wrong.

    Rates of errors among labels or predictions are smallest where all missing labels are what was predicted, and
    largest where none is: of accuracy every unlabelled row counts, of the false positive rate those that are predicted
    negative (right) or positive (wrong), of the false negative rate those that are predicted positive (right) or
    negative (wrong), of precision those that are predicted positive.

    Parameters
    ----------
    tally
        The counts; rows without a prediction keep having no label.
    right
        Whether missing labels are what was predicted, or something else.

    Examples
    --------
    >>> raw = pa.table({"y_true": ["1", None], "y_pred": ["1", "1"], "n": [3, 2], "w": [3.0, 2.0], "w2": [3.0, 2.0]})
    >>> tally = collapse(raw, features=(), positive="1", bins=None, weights="none")
    >>> [completed(tally, right=right).cells["n"].to_pylist() for right in (True, False)]
    [[5], [3, 2]]
    """
    if not unlabelled_count(tally):
        return tally
    true, predicted = (tally.cells[name].to_pylist() for name in ("y_true", "y_pred"))
    filled = [
        label if label is not None or said is None else said if right else _other(tally, said)
        for label, said in zip(true, predicted, strict=True)
    ]
    cells = tally.cells
    place = cells.column_names.index("y_true")
    return collapse(
        cells.set_column(place, "y_true", pa.array(filled, cells["y_true"].type)),
        features=tally.features,
        positive=tally.positive,
        bins=tally.bins,
        weights=tally.weights,
        pairs=tally.pairs,
        task=tally.task,
        labels=tally.labels,
        deferral=tally.deferral,
    )


def _other(tally: Tally, label: str) -> str:
    """Return a label, or set of labels, that a prediction of this one does not meet."""
    if tally.task == "multilabel":
        chosen = set(json.loads(label))
        return spelled_set([name for name in tally.labels if name not in chosen])
    if tally.task == "multiclass":
        return next((name for name in tally.labels if name != label), label)
    return _OTHER if label == tally.positive else str(tally.positive)
